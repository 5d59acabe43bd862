//! What can go wrong at the edge.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::key::KeyError;
use crate::ring::KeyRingError;

/// Why the driver did not start, or how it ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is in use. Nothing was started.
    #[error(
        "gossip address {addr} is in use: another speaker or MetalLB's speaker runs on this node; \
         stop it or choose another port on all nodes"
    )]
    InUse {
        /// The address.
        addr: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The address does not belong to this node. Nothing was started.
    #[error(
        "gossip address {addr} is not an address of this node: advertise the node's internal IP \
         and run the speaker in the host's network"
    )]
    NotOurs {
        /// The address.
        addr: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The socket could not be bound for another reason. Nothing was started.
    #[error("gossip address {addr} cannot be used")]
    Socket {
        /// The address.
        addr: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The thread could not be started. Nothing runs.
    #[error("the gossip thread cannot be started")]
    Thread {
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("the system provides no random numbers")]
    NoRandomNumbers,
    /// The thread panicked.
    #[error("the gossip thread panicked")]
    Panicked,
}

/// The gossip thread does not run any more; the command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gossip has stopped")]
pub struct Stopped;

/// Why a key file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error(
        "key file {} cannot be read; expected base64 of 32 bytes, for example from `head -c 32 /dev/urandom | base64`",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file holds no key.
    #[error("key file {} holds no key", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The file holds no key ring.
    #[error("key file {} holds no usable keys", path.display())]
    Ring {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyRingError,
    },
}

// === impl Error ===

impl Error {
    pub(super) fn from_bind(addr: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::InUse { addr, source }
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            Self::NotOurs { addr, source }
        } else {
            Self::Socket { addr, source }
        }
    }
}
