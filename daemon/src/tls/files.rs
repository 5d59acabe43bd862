//! A certificate that somebody else keeps in files: `tls.crt` and `tls.key`, as in a mounted Secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

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

/// Follows the files.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    identity: watch::Sender<Option<Identity>>,
    /// What is wrong, as it was last said.
    complaint: String,
}

/// What follows `tls.crt` and `tls.key` (PEM) in `dir`, and where it shows them; `None` until there was a certificate.
pub fn follow(dir: &Path) -> (Follower, watch::Receiver<Option<Identity>>) {
    let (identity, receiver) = watch::channel(None);
    (Follower { dir: dir.to_owned(), identity, complaint: String::new() }, receiver)
}

// === impl Follower ===

impl Follower {
    /// Follows until `shutdown`. What is unreadable is said once and leaves the certificate in use as it is.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            match read(&self.dir).await {
                Ok(identity) => self.show(identity),
                Err(error) => self.complain(&error),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    fn show(&mut self, identity: Identity) {
        self.complaint.clear();
        let changed = self.identity.send_if_modified(|current| {
            let changed = current.as_ref() != Some(&identity);
            *current = Some(identity);
            changed
        });
        if changed {
            tracing::info!(dir = %self.dir.display(), "certificate in use");
        }
    }

    fn complain(&mut self, error: &FileError) {
        let sentence = crate::sentence(error);
        if sentence != self.complaint {
            tracing::warn!(error = error as &dyn std::error::Error, "no new certificate");
            self.complaint = sentence;
        }
    }
}

async fn read(dir: &Path) -> Result<Identity, FileError> {
    let file = async |name: &str| {
        let path = dir.join(name);
        tokio::fs::read(&path).await.map_err(|source| FileError::Read { path, source })
    };
    let (chain, key) = (file("tls.crt").await?, file("tls.key").await?);
    Identity::from_pem(&chain, &key).map_err(|source| FileError::Identity { dir: dir.to_owned(), source })
}
