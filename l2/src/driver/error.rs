//! What can go wrong at the edge, and what an operator can do about it.

use std::io;

/// Why nothing could be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No event loop.
    #[error("cannot create the event loop of the layer 2 announcer")]
    Runtime(#[source] io::Error),
    /// No thread.
    #[error("cannot start the thread of the layer 2 announcer")]
    Thread(#[source] io::Error),
}

/// Why an interface cannot be announced on at present. The driver tries again, at the latest after 5 s and at once when
/// the interfaces change.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The process may not open packet sockets.
    #[error(
        "interface {interface}: opening a packet socket needs the capability CAP_NET_RAW: add NET_RAW to securityContext.capabilities of the container, or run as root"
    )]
    Permission {
        /// Its name.
        interface: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such interface any more.
    #[error("interface {interface}: it has vanished; waiting for it to come back")]
    Vanished {
        /// Its name.
        interface: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The interface is administratively down.
    #[error("interface {interface}: it is down; waiting for it to come up")]
    Down {
        /// Its name.
        interface: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Even the smallest filter was refused. If a filter was attached before, it stays: addresses gained since are
    /// announced but not answered for.
    #[error("interface {interface}: the kernel has no memory for the filter: raise the sysctl net.core.optmem_max")]
    FilterMemory {
        /// Its name.
        interface: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("interface {interface}: cannot {operation}")]
    Socket {
        /// Its name.
        interface: String,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl PortError {
    /// Classifies what the system said when `operation` was tried on `interface`.
    pub(super) fn new(interface: &str, operation: &'static str, source: io::Error) -> Self {
        let interface = interface.to_owned();
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::Permission { interface, source },
            Some(libc::ENXIO | libc::ENODEV) => Self::Vanished { interface, source },
            Some(libc::ENETDOWN) => Self::Down { interface, source },
            _ => Self::Socket { interface, operation, source },
        }
    }

    /// Whether `other` says the same, so that it need not be reported again.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_told_with_interface_and_remedy() {
        for (errno, says) in [
            (libc::EPERM, "CAP_NET_RAW"),
            (libc::ENODEV, "vanished"),
            (libc::ENXIO, "vanished"),
            (libc::ENETDOWN, "is down"),
            (libc::EIO, "cannot receive"),
        ] {
            let error = PortError::new("eth7", "receive", io::Error::from_raw_os_error(errno));
            let text = error.to_string();
            assert!(text.contains("interface eth7") && text.contains(says), "{text}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }
}
