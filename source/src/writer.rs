//! Status and events, handed to wherever they belong.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::ObjectRef;
use serde::Serialize;
use thiserror::Error;

use crate::directory::StatusDirectory;
use crate::object::ObjectKey;

/// Something that happened to an object, for its user to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Whether somebody should worry.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// A word that tools look for, such as `IPAllocated`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// What it happened to.
    pub object: ObjectRef,
    /// Who says so, such as `ferrolb-controller`.
    pub source: String,
}

/// Kubernetes' two types of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Not as it should be.
    Warning,
}

/// A status or event that could not be written.
#[derive(Debug, Error)]
#[error("cannot write {what}")]
pub struct WriteError {
    /// Which status, or where.
    pub what: String,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// Writes status and events; cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer(Arc<StatusDirectory>);

impl Writer {
    /// Writes below `PATH/status/`.
    pub fn directory(path: &Path) -> Self {
        Self(Arc::new(StatusDirectory::new(path)))
    }

    /// Makes sure that nobody else assigns addresses here, until the process ends.
    ///
    /// # Errors
    /// Somebody else does, or the status cannot be written at all.
    pub fn become_controller(&self) -> Result<(), WriteError> {
        self.0.lock("controller")
    }

    /// Writes a Service's addresses (none: it has no address any more) and the pool they came from.
    ///
    /// # Errors
    /// The state before is kept.
    pub fn service_status(&self, key: &ObjectKey, ingress: &[IpAddr], pool: Option<&str>) -> Result<(), WriteError> {
        self.0.write_service(key, ingress, pool)
    }

    /// Writes a pool's counters.
    ///
    /// # Errors
    /// The state before is kept.
    pub fn pool_status(&self, key: &ObjectKey, status: IPAddressPoolStatus) -> Result<(), WriteError> {
        self.0.write_pool(key, status)
    }

    /// Writes which node announces a Service by L2, and where (no interface named: on all of them).
    ///
    /// # Errors
    /// The state before is kept.
    pub fn l2_status(
        &self,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        interfaces: &[String],
    ) -> Result<(), WriteError> {
        self.0.write_l2(namespace, service, node, interfaces)
    }

    /// Removes what [`Writer::l2_status`] wrote, if `node` is still the one it names.
    ///
    /// # Errors
    /// It could not be removed.
    pub fn remove_l2_status(&self, namespace: &str, service: &ObjectKey, node: &str) -> Result<(), WriteError> {
        self.0.remove_l2(namespace, service, node)
    }

    /// Removes the status of Services that are gone.
    ///
    /// # Errors
    /// Something could not be removed; the rest is.
    pub fn retain_services(&self, exists: &dyn Fn(&ObjectKey) -> bool) -> Result<(), WriteError> {
        self.0.retain("services", exists)
    }

    /// Removes the status of pools that are gone.
    ///
    /// # Errors
    /// Something could not be removed; the rest is.
    pub fn retain_pools(&self, exists: &dyn Fn(&ObjectKey) -> bool) -> Result<(), WriteError> {
        self.0.retain("ipaddresspools", exists)
    }

    /// Publishes an event.
    ///
    /// # Errors
    /// It is lost.
    pub fn event(&self, event: &Event) -> Result<(), WriteError> {
        self.0.append_event(event)
    }
}
