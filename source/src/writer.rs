//! Status and events, handed to wherever they belong.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_api::labels;
use ferrolb_api::v1alpha1::UnreachableNode;
use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{ObjectRef, Problem};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announcement::Protocol;
use crate::directory::StatusDirectory;
use crate::kubernetes::{EventQueue, KubernetesWriter};
use crate::object::{ObjectKey, Version};

/// The longest message of a condition, in bytes: what the schema of ConfigurationState allows in letters.
const LONGEST_MESSAGE: usize = 32_768;

/// Something that happened to an object, for its user to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Whether somebody should worry.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// A word that tools look for, such as `IPAllocated`.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// What it happened to.
    pub object: ObjectRef,
    /// Who says so, such as `ferrolb-controller`.
    pub source: &'static str,
}

/// Kubernetes' two types of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Not as it should be.
    Warning,
}

/// What came in the way of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteErrorClass {
    /// The object has changed since; what it is now is on its way here, and decides anew.
    Conflict,
    /// The object is gone.
    Gone,
    /// Whoever would have to take it has said why it does not; trying again helps when something else has changed.
    Refused,
    /// Anything else; to be tried again.
    Failed,
}

/// A status or event that could not be written. What was there before is there still.
#[derive(Debug, Error)]
#[error("cannot write {what}")]
pub struct WriteError {
    /// Which status, or where.
    pub what: String,
    /// Whether to try again.
    pub class: WriteErrorClass,
    /// How long to write nothing: whoever would have to take it is busy and has asked for it. At most 30 s.
    pub retry_after: Option<Duration>,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl WriteError {
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self { what: what.into(), class: WriteErrorClass::Failed, retry_after: None, source: Box::new(source) }
    }
}

/// Whether the configuration is in force, as one component sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationState {
    /// Who sees it so; `None`: the controller, else the speaker of this node.
    pub node: Option<String>,
    /// What keeps it from being in force; none: it is.
    pub errors: Vec<Problem>,
    /// What is worth knowing although it is.
    pub remarks: Vec<Problem>,
    /// What should be set otherwise on the node, in order; `None`: nobody looks there.
    pub kernel: Option<Vec<KernelSetting>>,
}

/// A setting of a node's kernel that should be another one. It hinders some clients, not the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelSetting {
    /// The interface that it concerns.
    pub interface: String,
    /// A word that tools look for, such as `StrictArp`: letters and digits.
    pub kind: String,
    /// What follows from it, and the remedy.
    pub message: String,
}

impl fmt::Display for KernelSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.interface, self.message)
    }
}

// === impl ConfigurationState ===

impl ConfigurationState {
    /// `controller` or `speaker-<node>`.
    pub fn name(&self) -> String {
        match &self.node {
            None => labels::COMPONENT_CONTROLLER.to_owned(),
            Some(node) => format!("{}-{node}", labels::COMPONENT_SPEAKER),
        }
    }

    /// Type of the condition, and the field manager that owns it.
    pub(crate) fn condition(&self) -> (&'static str, &'static str) {
        match self.node {
            None => (labels::CONDITION_POOLS, "poolReconciler"),
            Some(_) => (labels::CONDITION_CONFIG, "configReconciler"),
        }
    }

    pub(crate) fn labels(&self) -> Value {
        match &self.node {
            None => json!({ labels::COMPONENT_TYPE: labels::COMPONENT_CONTROLLER }),
            Some(node) => json!({ labels::COMPONENT_TYPE: labels::COMPONENT_SPEAKER, labels::NODE_NAME: node }),
        }
    }

    /// The status; the times of the last transitions are kept where nothing has changed since `before`.
    pub(crate) fn status(&self, condition: &str, before: &Value, now: Timestamp) -> Value {
        let sentences = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let (status, reason, message) = if self.errors.is_empty() {
            ("True", "Reconciled", sentences(&self.remarks))
        } else {
            ("False", "ConfigurationError", format!("configuration error: {}", sentences(&self.errors)))
        };
        let mut conditions = vec![(condition, status, reason.to_owned(), message.clone())];
        conditions.extend(self.kernel.as_deref().map(kernel));
        let seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let known = before.get("conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let conditions = conditions.into_iter().map(|(condition, status, reason, message)| {
            let is = |before: &Value, field: &str, text: &str| before.get(field).and_then(Value::as_str) == Some(text);
            let same = known.iter().find(|before| is(before, "type", condition) && is(before, "status", status));
            let since = same.and_then(|before| before.get("lastTransitionTime")).and_then(Value::as_str);
            json!({
                "type": condition, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": since.unwrap_or(&seconds),
            })
        });
        let mut state = json!({
            "result": if self.errors.is_empty() { "Valid" } else { "Invalid" },
            "conditions": conditions.collect::<Vec<Value>>(),
        });
        if let Some(map) = state.as_object_mut().filter(|_| !self.errors.is_empty()) {
            map.insert("errorSummary".to_owned(), json!(message));
        }
        state
    }
}

/// The condition that tells of settings of the kernel. Its reason names them; it is never `ConfigurationError`, the one by
/// which readers of MetalLB's states tell that a configuration is not in force.
fn kernel(settings: &[KernelSetting]) -> (&'static str, &'static str, String, String) {
    if settings.is_empty() {
        return (labels::CONDITION_KERNEL, "True", "AsNeeded".to_owned(), String::new());
    }
    let kinds: BTreeSet<&str> = settings.iter().map(|setting| setting.kind.as_str()).collect();
    let mut message = String::new();
    for setting in settings {
        let line = format!("{}{setting}", if message.is_empty() { "" } else { "\n" });
        if message.len() + line.len() > LONGEST_MESSAGE {
            break;
        }
        message.push_str(&line);
    }
    (labels::CONDITION_KERNEL, "False", kinds.into_iter().collect::<Vec<_>>().join(","), message)
}

/// Writes status and events; cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer(Target);

#[derive(Debug, Clone)]
enum Target {
    Directory(Arc<StatusDirectory>),
    Kubernetes(Arc<KubernetesWriter>, EventQueue),
}

// === impl Writer ===

impl Writer {
    /// Writes below `PATH/status/`, and removes what is left there of writes that were never finished.
    pub fn directory(path: &Path) -> Self {
        let directory = StatusDirectory::new(path);
        directory.sweep();
        Self(Target::Directory(Arc::new(directory)))
    }

    pub(crate) fn kubernetes(writer: KubernetesWriter, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let writer = Arc::new(writer);
        let events = EventQueue::start(Arc::clone(&writer), tasks, shutdown);
        Self(Target::Kubernetes(writer, events))
    }

    /// How many writes may be under way at a time: a directory takes one after the other, an API server is fastest
    /// with some.
    pub fn concurrency(&self) -> usize {
        match self.0 {
            Target::Directory(_) => 1,
            Target::Kubernetes(..) => 16,
        }
    }

    /// Makes sure that nobody else assigns addresses in this directory, until the process ends. On an API server a
    /// Lease does that.
    ///
    /// # Errors
    /// Somebody else does, or the status cannot be written at all.
    pub fn become_controller(&self) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.lock("controller"),
            Target::Kubernetes(..) => Ok(()),
        }
    }

    /// Writes a Service's addresses (none: it has no address any more) and the pool they came from, if it still is the
    /// version that they were chosen for.
    ///
    /// # Errors
    /// The state before is kept.
    pub async fn service_status(
        &self,
        key: &ObjectKey,
        version: &Version,
        ingress: &[IpAddr],
        pool: Option<&str>,
    ) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.write_service(key, ingress, pool),
            Target::Kubernetes(api, _) => api.write_service(key, version, ingress, pool).await,
        }
    }

    /// Writes a pool's counters.
    ///
    /// # Errors
    /// The state before is kept.
    pub async fn pool_status(&self, key: &ObjectKey, status: IPAddressPoolStatus) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.write_pool(key, status),
            Target::Kubernetes(api, _) => api.write_pool(key, status).await,
        }
    }

    /// Writes whether the configuration is in force. A directory has no place for it: there the log says it.
    ///
    /// # Errors
    /// The state before is kept.
    pub async fn configuration_state(&self, state: &ConfigurationState) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(_) => Ok(()),
            Target::Kubernetes(api, _) => api.write_configuration_state(state).await,
        }
    }

    /// Writes that `node` announces a Service, and where: on which interfaces by L2 (none named: on all of them), to which
    /// peers over BGP. By L2 that replaces what another node wrote, over BGP it stands beside it.
    ///
    /// # Errors
    /// The state before is kept.
    pub async fn announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        places: &[String],
    ) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.write_announcement(protocol, namespace, service, node, places),
            Target::Kubernetes(api, _) => api.write_announcement(protocol, namespace, service, node, places).await,
        }
    }

    /// Removes what [`Writer::announcement`] wrote, if `node` is still the one it names.
    ///
    /// # Errors
    /// It could not be removed.
    pub async fn remove_announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
    ) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.remove_announcement(protocol, namespace, service, node),
            Target::Kubernetes(api, _) => api.remove_announcement(protocol, namespace, service, node).await,
        }
    }

    /// Writes which nodes the speaker of `node` holds for dead, for the controller to act on. A directory has no pods to
    /// act on.
    ///
    /// # Errors
    /// What was reported before stands.
    pub async fn node_health(&self, node: &str, unreachable: &[UnreachableNode]) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(_) => Ok(()),
            Target::Kubernetes(api, _) => api.write_node_health(node, unreachable).await,
        }
    }

    /// Removes the status of Services that are gone; on an API server it goes with them.
    ///
    /// # Errors
    /// Something could not be removed; the rest is.
    pub fn retain_services(&self, exists: &dyn Fn(&ObjectKey) -> bool) -> Result<(), WriteError> {
        self.retain("services", exists)
    }

    /// Removes the status of pools that are gone; on an API server it goes with them.
    ///
    /// # Errors
    /// Something could not be removed; the rest is.
    pub fn retain_pools(&self, exists: &dyn Fn(&ObjectKey) -> bool) -> Result<(), WriteError> {
        self.retain("ipaddresspools", exists)
    }

    fn retain(&self, plural: &str, exists: &dyn Fn(&ObjectKey) -> bool) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.retain(plural, exists),
            Target::Kubernetes(..) => Ok(()),
        }
    }

    /// Publishes an event; on an API server soon, behind those that wait already.
    ///
    /// # Errors
    /// It is lost.
    pub fn event(&self, event: &Event) -> Result<(), WriteError> {
        match &self.0 {
            Target::Directory(directory) => directory.append_event(event),
            Target::Kubernetes(_, events) => events.send(event.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(kernel: Option<Vec<KernelSetting>>) -> ConfigurationState {
        ConfigurationState { node: Some("n1".to_owned()), errors: Vec::new(), remarks: Vec::new(), kernel }
    }

    fn setting(interface: &str, kind: &str) -> KernelSetting {
        let message = format!("remedy of {kind}");
        KernelSetting { interface: interface.to_owned(), kind: kind.to_owned(), message }
    }

    fn condition<'v>(status: &'v Value, name: &str) -> &'v Value {
        let conditions = status["conditions"].as_array().unwrap();
        conditions.iter().find(|condition| condition["type"] == name).unwrap()
    }

    #[test]
    fn a_setting_of_the_kernel_is_a_condition_of_its_own_and_the_configuration_stays_valid() {
        let now: Timestamp = "2026-11-21T18:00:00.5Z".parse().unwrap();
        let settings = vec![setting("eth0", "StrictArp"), setting("eth1", "ReversePath"), setting("eth1", "StrictArp")];
        let status = state(Some(settings)).status(labels::CONDITION_CONFIG, &Value::Null, now);
        assert_eq!((status["result"].as_str(), status.get("errorSummary")), (Some("Valid"), None));
        assert_eq!(condition(&status, labels::CONDITION_CONFIG)["status"], "True");
        let kernel = condition(&status, labels::CONDITION_KERNEL);
        assert_eq!((&kernel["status"], &kernel["reason"]), (&json!("False"), &json!("ReversePath,StrictArp")));
        let message = "eth0: remedy of StrictArp\neth1: remedy of ReversePath\neth1: remedy of StrictArp";
        assert_eq!(kernel["message"], message);
    }

    #[test]
    fn each_condition_keeps_the_time_of_its_own_transition() {
        let [first, later]: [Timestamp; 2] =
            ["2026-11-21T18:00:00Z", "2026-11-21T19:00:00Z"].map(|t| t.parse().unwrap());
        let before = state(Some(Vec::new())).status(labels::CONDITION_CONFIG, &Value::Null, first);
        let after = state(Some(vec![setting("eth0", "Forwarding")])).status(labels::CONDITION_CONFIG, &before, later);
        let since = |status: &Value, name: &str| condition(status, name)["lastTransitionTime"].clone();
        assert_eq!(since(&after, labels::CONDITION_CONFIG), "2026-11-21T18:00:00Z");
        assert_eq!(since(&after, labels::CONDITION_KERNEL), "2026-11-21T19:00:00Z");
        assert_eq!(state(Some(Vec::new())).status(labels::CONDITION_CONFIG, &before, later), before);
    }

    #[test]
    fn where_nobody_looks_there_is_no_condition_and_a_message_fits_the_schema() {
        let status = state(None).status(labels::CONDITION_POOLS, &Value::Null, Timestamp::UNIX_EPOCH);
        assert_eq!(status["conditions"].as_array().unwrap().len(), 1);
        let many = (0..2000).map(|number| setting(&format!("eth{number}"), "ProxyArp")).collect();
        let status = state(Some(many)).status(labels::CONDITION_CONFIG, &Value::Null, Timestamp::UNIX_EPOCH);
        let kernel = condition(&status, labels::CONDITION_KERNEL);
        let message = kernel["message"].as_str().unwrap();
        assert!(message.len() <= LONGEST_MESSAGE && message.ends_with("remedy of ProxyArp"), "{}", message.len());
        assert_eq!(kernel["reason"], "ProxyArp");
    }
}
