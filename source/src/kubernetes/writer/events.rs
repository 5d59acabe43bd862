//! Events on their way to the API server: behind the statuses they speak of, and paced.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{KubernetesWriter, within};
use crate::cluster::Cluster;
use crate::object::ObjectKey;
use crate::writer::{Event, EventType, WriteError, WriteErrorClass};

/// Events that wait: those of as many Services as a large cluster has. Beyond them they are dropped, and counted by
/// whoever sent them.
const WAITING: usize = 16_384;
/// So many go at once after a quiet time ...
const BURST: u32 = 100;
/// ... and then one each of these, so that statuses go first and the API server has time for others.
const PACE: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct EventQueue(mpsc::Sender<Event>);

impl EventQueue {
    /// Starts publishing, until shutdown.
    pub(crate) fn start(writer: Arc<KubernetesWriter>, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tasks.spawn(publish(writer, receiver, shutdown));
        Self(sender)
    }

    /// Takes an event to publish it soon.
    pub(crate) fn send(&self, event: Event) -> Result<(), WriteError> {
        self.0.try_send(event).map_err(|error| WriteError {
            what: "an event".to_owned(),
            class: WriteErrorClass::Failed,
            source: format!("{WAITING} are waiting already ({})", reason(&error)).into(),
        })
    }
}

fn reason(error: &mpsc::error::TrySendError<Event>) -> &str {
    match error {
        mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event) => &event.reason,
    }
}

async fn publish(writer: Arc<KubernetesWriter>, mut events: mpsc::Receiver<Event>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval_at(Instant::now(), PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut allowance = BURST;
    let mut quiet_since = Instant::now();
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = events.recv() => event,
        };
        let Some(event) = event else { return };
        let rested = u32::try_from(quiet_since.elapsed().as_millis() / PACE.as_millis()).unwrap_or(BURST);
        allowance = allowance.saturating_add(rested).min(BURST);
        if allowance == 0 {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
        } else {
            allowance -= 1;
        }
        let event = core_event(&event, &writer.cluster.borrow());
        if let Some(event) = event {
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            let api: Api<CoreEvent> = Api::namespaced(writer.client.clone(), &namespace);
            if let Err(error) = within(api.create(&PostParams::default(), &event)).await {
                // It is about something that is shown elsewhere too.
                tracing::debug!(error = &*error.source as &dyn std::error::Error, "event not published");
            }
        }
        quiet_since = Instant::now();
    }
}

/// As the API has it; `None` for what is no object of the API.
fn core_event(event: &Event, cluster: &Cluster) -> Option<CoreEvent> {
    let object = &event.object;
    let (version, uid) = match object.kind.as_str() {
        "Service" => {
            let key = ObjectKey::new(&*object.namespace, &*object.name);
            ("v1", cluster.services.get(&key).map(|service| service.version.uid.clone()))
        }
        "ConfigMap" | "Secret" => ("v1", cluster.uids.get(object).cloned()),
        "BGPPeer" => ("metallb.io/v1beta2", cluster.uids.get(object).cloned()),
        _ if cluster.uids.contains_key(object) => ("metallb.io/v1beta1", cluster.uids.get(object).cloned()),
        _ => return None,
    };
    let now = Timestamp::now();
    Some(CoreEvent {
        metadata: ObjectMeta {
            // As clients of Go name them: unique, and found by the object's name.
            name: Some(format!("{}.{:x}", object.name, now.as_nanosecond())),
            namespace: Some(object.namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(version.to_owned()),
            kind: Some(object.kind.clone()),
            name: Some(object.name.clone()),
            namespace: Some(object.namespace.clone()),
            uid,
            ..ObjectReference::default()
        },
        reason: Some(event.reason.clone()),
        message: Some(event.message.clone()),
        type_: Some(
            match event.event_type {
                EventType::Normal => "Normal",
                EventType::Warning => "Warning",
            }
            .to_owned(),
        ),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        source: Some(EventSource { component: Some(event.source.clone()), host: None }),
        reporting_component: Some(event.source.clone()),
        ..CoreEvent::default()
    })
}
