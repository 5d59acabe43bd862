//! What can go wrong at the edge, and what an operator can do about it.

use std::io;
use std::net::IpAddr;

/// Why nothing could be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No thread.
    #[error("cannot start a thread of BFD")]
    Thread(#[source] io::Error),
    /// No event descriptor.
    #[error("cannot create the event descriptor of BFD")]
    Waker(#[source] io::Error),
}

/// Why a session cannot send or receive at present. The driver tries again, at the latest after 5 s.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Somebody else receives what peers send.
    #[error(
        "UDP port {port} is in use: another BFD daemon (such as FRR's bfdd or BIRD) runs on this host; only one of them can do BFD"
    )]
    PortInUse {
        /// 3784 or 4784.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The interface or VRF does not exist.
    #[error("interface {interface} does not exist; waiting for it")]
    NoInterface {
        /// Its name.
        interface: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The source address is not there.
    #[error("source address {address} is not an address of this host, or not yet; waiting for it")]
    NoSource {
        /// It.
        address: IpAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The peer and the interface or source do not go together.
    #[error("{0}")]
    Misconfigured(&'static str),
    /// Anything else.
    #[error("cannot {operation}: {source}")]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Problem {
    /// Whether `other` says the same, so that it need not be reported again.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
