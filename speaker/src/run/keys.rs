//! The group keys of gossip: where they come from, and that they may change while the speaker runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrolb_gossip::driver::KeyFileError;
use ferrolb_gossip::{Key, KeyError, KeyRing};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A Secret that is mounted changes by a link somewhere up the path, so the file is read rather than watched.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// No keys to begin with.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The key file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The Secret of a MetalLB installation cannot be used.
    #[error("{path}: the secret cannot be used", path = .0.display())]
    Secret(PathBuf, #[source] KeyError),
    /// Neither was named.
    #[error(
        "there is no key for gossip; say with --gossip-key-file where the file with the group key is, for example from \
         `head -c 32 /dev/urandom | base64`"
    )]
    None,
}

/// Where the keys are.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// A file with a key a line.
    File(PathBuf),
    /// A mounted Secret of MetalLB's: a folder with the file `secretkey`.
    Secret(PathBuf),
}

// === impl Keys ===

impl Keys {
    pub(super) fn new(file: Option<&PathBuf>, secret: Option<&PathBuf>) -> Result<Self, KeysError> {
        match (file, secret) {
            (Some(file), _) => Ok(Self::File(file.clone())),
            (None, Some(folder)) => Ok(Self::Secret(folder.join("secretkey"))),
            (None, None) => Err(KeysError::None),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Secret(path) => path,
        }
    }

    /// Reads the keys.
    pub(super) fn read(&self) -> Result<KeyRing, KeysError> {
        match self {
            Self::File(path) => Ok(KeyRing::from_file(path)?),
            Self::Secret(path) => {
                let failed = |source| KeysError::File(KeyFileError::Read { path: path.clone(), source });
                let secret = fs::read(path).map_err(failed)?;
                Ok(Key::stretch(&secret).map_err(|error| KeysError::Secret(path.clone(), error))?.into())
            }
        }
    }

    /// Looks again and again until `shutdown`; a ring that cannot be read leaves the last good one in force.
    pub(super) fn follow(self, tasks: &TaskTracker, shutdown: CancellationToken) -> watch::Receiver<Option<KeyRing>> {
        let (sender, receiver) = watch::channel(None);
        tasks.spawn(async move {
            let mut known = tokio::fs::read(self.path()).await.ok();
            let mut complained = false;
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                let found = tokio::fs::read(self.path()).await.ok();
                if found.is_none() || found == known {
                    continue;
                }
                match self.read() {
                    Ok(ring) => {
                        tracing::info!(keys = ring.len(), "group keys replaced");
                        (known, complained) = (found, false);
                        if sender.send(Some(ring)).is_err() {
                            return;
                        }
                    }
                    // It may be half written.
                    Err(error) if !complained => {
                        complained = true;
                        tracing::error!(error = ferrolb_daemon::sentence(&error), "group keys left as they are");
                    }
                    Err(_) => {}
                }
            }
        });
        receiver
    }
}
