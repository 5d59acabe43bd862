//! Why an address cannot be had.

use std::net::IpAddr;

use ferrolb_source::Port;
use thiserror::Error;

/// Why an address cannot be had. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssignError {
    /// No pool holds all of the addresses.
    #[error("[{}] is not allowed in config", quoted(.0))]
    NotInConfig(Vec<IpAddr>),
    /// Its `serviceAllocation` is for others.
    #[error("pool {0} not compatible for ip assignment")]
    NotAdmitted(String),
    /// Somebody else holds the address, and the two may not share.
    #[error("can't change sharing key for {who:?}, address also in use by {others}")]
    InUse {
        /// Who asked.
        who: String,
        /// Who holds it.
        others: String,
    },
    /// A Service that is not ours shows the address in its status.
    #[error("address {ip:?} is in the status of {others}, which is of another loadBalancerClass", ip = .ip.to_string())]
    Reserved {
        /// The address.
        ip: IpAddr,
        /// Who shows it.
        others: String,
    },
    /// The two may share, but both listen on this port.
    #[error("port {port} is already in use on {ip:?}", ip = .ip.to_string())]
    Port {
        /// The port.
        port: Port,
        /// The address.
        ip: IpAddr,
    },
    /// No pool of this name.
    #[error("unknown pool {0:?}")]
    UnknownPool(String),
    /// The pool that was asked for is full.
    #[error("no available IPs in pool {pool:?}: {why}")]
    PoolFull {
        /// Its name.
        pool: String,
        /// What it has.
        why: String,
    },
    /// None of the pools that would do has a free address.
    #[error("no available IPs: {0}")]
    NoneAvailable(String),
}

fn quoted(ips: &[IpAddr]) -> String {
    ips.iter().map(|ip| format!("\"{ip}\"")).collect::<Vec<_>>().join(" ")
}
