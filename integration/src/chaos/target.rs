//! What chaos can be done to: the lab, or anything else where nodes can be harmed and watched from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::fault::Fault;
use super::model::Vantage;
use crate::error::Error;
use crate::probe::ProbeReport;

/// Nodes that announce addresses, with a client and a gateway beside them.
pub trait Target {
    /// A measurement at work.
    type Measurement: Measurement;

    /// The nodes, in a stable order.
    fn nodes(&self) -> Vec<String>;

    /// All addresses that are to be announced, once they are assigned.
    ///
    /// # Errors
    /// When they are not assigned in time.
    fn addresses(&self) -> Result<Vec<IpAddr>, Error>;

    /// Makes the endpoints of all services those of `nodes`; returns when traffic goes there and nowhere else.
    ///
    /// # Errors
    /// When that cannot be done.
    fn serve_from(&self, nodes: &[String]) -> Result<(), Error>;

    /// Does it; returns when it is done, not when its consequences are.
    ///
    /// # Errors
    /// When it cannot be done.
    fn inject(&self, fault: &Fault) -> Result<(), Error>;

    /// Who answers ARP or NDP for each of the addresses, when somebody asks there.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn answerers(&self, from: Vantage, addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, BTreeSet<String>>, Error>;

    /// Begins to open connections from the client to an address.
    ///
    /// # Errors
    /// When it cannot begin.
    fn measure(&self, address: IpAddr) -> Result<Self::Measurement, Error>;

    /// What helps to find out why something went wrong.
    fn evidence(&self) -> String;
}

/// Connections that a client opens all the time.
pub trait Measurement {
    /// Waits until connections have succeeded without a break for that long, counted from now.
    ///
    /// # Errors
    /// When they do not.
    fn wait_until_steady(&self, steady: Duration) -> Result<(), Error>;

    /// Ends it; what it saw, and the longest that one of the target's processes waited for a processor meanwhile.
    ///
    /// # Errors
    /// When that is lost.
    fn finish(self) -> Result<(ProbeReport, Duration), Error>;
}
