//! A certificate that somebody else keeps in files: `tls.crt` and `tls.key`, as in a mounted Secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tls::identity::{Identity, IdentityError};

/// How often the files are read again. A mounted Secret takes a minute to change anyway.
const INTERVAL: Duration = Duration::from_secs(10);

/// Files that hold no certificate with its key.
#[derive(Debug, Error)]
enum FileError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} and {} hold no certificate with its key", dir.join("tls.crt").display(), dir.join("tls.key").display())]
    Identity {
        dir: PathBuf,
        #[source]
        source: IdentityError,
    },
}

/// Follows `tls.crt` and `tls.key` (PEM) in `dir` until `shutdown`. What is unreadable is said once and leaves the
/// certificate in use as it is; `None` until there was one.
pub fn follow(dir: &Path, tasks: &TaskTracker, shutdown: CancellationToken) -> watch::Receiver<Option<Identity>> {
    let (sender, receiver) = watch::channel(None);
    let dir = dir.to_owned();
    tasks.spawn(async move {
        let mut complaint = String::new();
        loop {
            match read(&dir).await {
                Ok(identity) => {
                    complaint.clear();
                    let changed = sender.send_if_modified(|current| {
                        let changed = current.as_ref() != Some(&identity);
                        *current = Some(identity);
                        changed
                    });
                    if changed {
                        tracing::info!(dir = %dir.display(), "certificate in use");
                    }
                }
                Err(error) => {
                    let sentence = crate::sentence(&error);
                    if sentence != complaint {
                        tracing::warn!(error = &error as &dyn std::error::Error, "no new certificate");
                        complaint = sentence;
                    }
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    });
    receiver
}

async fn read(dir: &Path) -> Result<Identity, FileError> {
    let file = async |name: &str| {
        let path = dir.join(name);
        tokio::fs::read(&path).await.map_err(|source| FileError::Read { path, source })
    };
    let (chain, key) = (file("tls.crt").await?, file("tls.key").await?);
    Identity::from_pem(&chain, &key).map_err(|source| FileError::Identity { dir: dir.to_owned(), source })
}
