//! Events on their way to the API server: behind the statuses they speak of, and paced.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::sync::{mpsc, watch};
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
/// How often one event is sent to an API server that is too busy to take it.
const TRIALS: u32 = 4;
/// Names of objects are no longer (RFC 1123 section 2.1).
const LONGEST_NAME: usize = 253;
/// What is longer is no sentence any more; bytes, as the API counts them in the newer kind of event.
const LONGEST_MESSAGE: usize = 1024;
/// An event waits until no status has been written for so long: an API server that is busy with events answers those
/// who wait for addresses later ...
const QUIET: Duration = Duration::from_millis(20);
/// ... but no longer than this, so that there are events where there is always a status to write.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

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
            retry_after: None,
            source: format!("{WAITING} are waiting already ({})", reason(&error)).into(),
        })
    }
}

fn reason(error: &mpsc::error::TrySendError<Event>) -> &'static str {
    match error {
        mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event) => event.reason,
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
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = tokio::time::timeout(LONGEST_WAIT, quiet(writer.under_way.subscribe())) => {}
        }
        let event = core_event(&event, &writer.cluster.borrow());
        if let Some(event) = event {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = create(&writer, &event) => {}
            }
        }
        quiet_since = Instant::now();
    }
}

/// What an API server that is busy cannot take now, it is shown again after the pause that it asks for.
async fn create(writer: &KubernetesWriter, event: &CoreEvent) {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<CoreEvent> = Api::namespaced(writer.client.clone(), namespace);
    for trial in 1..=TRIALS {
        let Err(error) = within(api.create(&PostParams::default(), event)).await else { return };
        match error.retry_after {
            Some(pause) if trial < TRIALS => tokio::time::sleep(pause).await,
            Some(_) | None => {
                // It is about something that is shown elsewhere too.
                tracing::debug!(error = &*error.source as &dyn std::error::Error, "event not published");
                return;
            }
        }
    }
}

/// Waits until no status has been written for a while.
async fn quiet(mut under_way: watch::Receiver<usize>) {
    loop {
        // It does not end while the writer is there.
        if under_way.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        if tokio::time::timeout(QUIET, under_way.changed()).await.is_err() {
            return;
        }
    }
}

/// As the API has it; `None` for what is no object of the API.
fn core_event(event: &Event, cluster: &Cluster) -> Option<CoreEvent> {
    let object = &event.object;
    let (version, uid) = match &*object.kind {
        "Service" => {
            let key = ObjectKey::new(&*object.namespace, &*object.name);
            ("v1", cluster.services.get(&key).map(|service| service.version.uid.to_string()))
        }
        // As kubelets name it, whose events `kubectl describe node` shows.
        "Node" => ("v1", Some(object.name.to_string())),
        "ConfigMap" | "Secret" => ("v1", cluster.uids.get(object).cloned()),
        "BGPPeer" => ("metallb.io/v1beta2", cluster.uids.get(object).cloned()),
        _ if cluster.uids.contains_key(object) => ("metallb.io/v1beta1", cluster.uids.get(object).cloned()),
        _ => return None,
    };
    let now = Timestamp::now();
    // The API server wants events of objects without a namespace there.
    let namespace = if object.namespace.is_empty() { "default" } else { &object.namespace };
    Some(CoreEvent {
        metadata: ObjectMeta {
            // As clients of Go name them: unique, and found by the object's name.
            name: Some(event_name(&object.name, now)),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(version.to_owned()),
            kind: Some(object.kind.to_string()),
            name: Some(object.name.to_string()),
            namespace: Some(object.namespace.to_string()).filter(|namespace| !namespace.is_empty()),
            uid,
            ..ObjectReference::default()
        },
        reason: Some(event.reason.to_owned()),
        message: Some(shortened(&event.message, LONGEST_MESSAGE)),
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
        source: Some(EventSource { component: Some(event.source.to_owned()), host: None }),
        reporting_component: Some(event.source.to_owned()),
        ..CoreEvent::default()
    })
}

/// `<object>.<time in hex>`; of an object whose name leaves no room for the time, the beginning of its name. What is
/// left ends as a name has to (RFC 1123 section 2.1): with a letter or a digit.
fn event_name(object: &str, now: Timestamp) -> String {
    let time = format!("{:x}", now.as_nanosecond());
    let kept = shortened(object, LONGEST_NAME.saturating_sub(time.len() + 1));
    format!("{}.{time}", kept.trim_end_matches(['-', '.']))
}

/// As much of the beginning as fits into so many bytes.
fn shortened(text: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_valid_name_however_long_its_object_s_is() {
        let now: Timestamp = "2026-11-21T15:00:00.123456789Z".parse().unwrap();
        let time = format!("{:x}", now.as_nanosecond());
        assert_eq!(event_name("web", now), format!("web.{time}"));
        let fits = "a".repeat(LONGEST_NAME - time.len() - 1);
        assert_eq!(event_name(&fits, now), format!("{fits}.{time}"));
        for length in fits.len()..=LONGEST_NAME {
            // Dashes and dots where the cut may come.
            let object = "a--b.".chars().cycle().take(length - 1).chain(['z']).collect::<String>();
            let name = event_name(&object, now);
            assert!(name.len() <= LONGEST_NAME && name.ends_with(&time), "{name}");
            let labels = name.split('.').all(|label| {
                let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                alphanumeric(label.chars().next()) && alphanumeric(label.chars().next_back())
            });
            assert!(labels, "{name}");
            assert!(object.starts_with(name.rsplit_once('.').unwrap().0), "{name}");
        }
    }

    #[test]
    fn an_event_of_a_node_is_where_people_look_for_it() {
        let event = Event {
            event_type: EventType::Warning,
            reason: "KernelSettings",
            message: "eth0: set it".to_owned(),
            object: ferrolb_config::ObjectRef::new("Node", "", "n1"),
            source: "ferrolb-speaker",
        };
        let made = core_event(&event, &Cluster::default()).unwrap();
        assert_eq!(made.metadata.namespace.as_deref(), Some("default"));
        assert_eq!((made.involved_object.namespace, made.involved_object.uid.as_deref()), (None, Some("n1")));
    }

    #[test]
    fn a_long_message_is_cut_between_letters() {
        assert_eq!(shortened("äöü", 3), "ä");
        assert_eq!(shortened("äöü", 4), "äö");
        assert_eq!(shortened("abc", 1024), "abc");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_a_while_after_the_last_status() {
        let count = watch::Sender::new(1);
        let began = Instant::now();
        let statuses = async {
            for number in [0, 1, 0] {
                tokio::time::sleep(QUIET / 2).await;
                count.send_replace(number);
            }
        };
        tokio::join!(statuses, quiet(count.subscribe()));
        assert_eq!(began.elapsed(), QUIET / 2 * 3 + QUIET);
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_under_way_until_its_call_ends() {
        let count = watch::Sender::new(0);
        let (one, other) = (super::super::UnderWay::new(&count), super::super::UnderWay::new(&count));
        drop(one);
        assert_eq!(*count.borrow(), 1);
        drop(other);
        assert_eq!(*count.borrow(), 0);
    }
}
