//! What tells this cluster from others: the UID of the namespace kube-system, which is there from a cluster's first
//! moment to its last.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An answer that does not come by then is asked for again.
const CALL: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Finds it out, on `tasks` and until `shutdown`; `None` until then.
pub(super) fn find(
    client: Client,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<String>> {
    let (sender, receiver) = watch::channel(None);
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            uid = ask(client) => {
                sender.send_replace(Some(uid));
            }
        }
    });
    receiver
}

async fn ask(client: Client) -> String {
    let namespaces = Api::<Namespace>::all(client);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match tokio::time::timeout(CALL, namespaces.get_metadata("kube-system")).await {
            Ok(Ok(namespace)) => match namespace.metadata.uid {
                Some(uid) => return uid,
                None => "it has no UID".to_owned(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("no answer within {CALL:?}"),
        };
        tracing::warn!(error, "the namespace kube-system cannot be read, which tells this cluster from others");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
