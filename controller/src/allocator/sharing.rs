//! Who uses one address together, and who may join.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ferrolb_source::{ObjectKey, Port, Service, TrafficPolicy};

use super::{Asker, AssignError};

/// What Services that share an address have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sharing {
    /// The annotation `allow-shared-ip`; never empty.
    pub key: String,
    /// Services that prefer local endpoints share only where they select the same ones: one node answers for both.
    pub backend: String,
}

impl Sharing {
    /// What a Service with the sharing key `key` shares on.
    pub fn of(key: &str, service: &Service) -> Self {
        let backend = match service.traffic_policy {
            TrafficPolicy::Cluster => String::new(),
            TrafficPolicy::Local => {
                service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
            }
        };
        Self { key: key.to_owned(), backend }
    }
}

/// The users of one address.
#[derive(Debug, Default)]
pub(super) struct Users {
    sharing: Option<Sharing>,
    ports: BTreeMap<ObjectKey, Vec<Port>>,
}

// === impl Users ===

impl Users {
    pub(super) fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    pub(super) fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_ref()
    }

    /// Whether the asker may use the address beside its other users.
    pub(super) fn admits(&self, asker: &Asker<'_>, ip: IpAddr) -> Result<(), AssignError> {
        let others = || self.ports.iter().filter(|(key, _)| *key != asker.key);
        if others().next().is_none() {
            return Ok(());
        }
        if asker.sharing.is_none() || asker.sharing != self.sharing() {
            let others = others().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(",");
            return Err(AssignError::InUse { who: asker.key.to_string(), others });
        }
        match asker.ports.iter().find(|port| others().any(|(_, ports)| ports.contains(port))) {
            Some(port) => Err(AssignError::Port { port: port.clone(), ip }),
            None => Ok(()),
        }
    }

    pub(super) fn join(&mut self, asker: &Asker<'_>) {
        self.sharing = asker.sharing.cloned();
        self.ports.insert(asker.key.clone(), asker.ports.to_vec());
    }

    pub(super) fn leave(&mut self, key: &ObjectKey) {
        self.ports.remove(key);
    }
}
