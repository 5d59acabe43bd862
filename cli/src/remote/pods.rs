//! Finds the speakers' pods: by the chart's labels, in the namespace that was said or in all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use ferrolb_api::DEFAULT_NAMESPACE;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use crate::output::Failure;

/// What the pods of speakers have in common, whatever the release is called.
const COMPONENT: &str = "app.kubernetes.io/component=speaker";
/// The chart's name for itself, unless `nameOverride` says otherwise.
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The product, as its labels, images and programs name it.
const PRODUCT: &str = "ferrolb";
/// The container of a speaker's pod.
pub(crate) const CONTAINER: &str = "speaker";
/// An API server that has not told the pods by then is asked in vain.
pub(crate) const LIST_WITHIN: Duration = Duration::from_secs(15);
/// Pods a page.
const PAGE: u32 = 500;

/// A speaker's pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Speaker {
    /// Its node; empty where it has none yet.
    pub(crate) node: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// Its container.
    pub(crate) container: String,
    /// Where it listens, if not where every speaker does.
    pub(crate) socket: Option<String>,
    /// Why it cannot be asked.
    pub(crate) unfit: Option<String>,
}

/// Why the pods could not be listed.
pub(crate) fn told(what: &str, error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let verb = if status.code == 403 { "may not" } else { "cannot" };
        return format!("{verb} {what}: {}", status.message);
    }
    format!("cannot {what}: {}", chain(error))
}

/// An error and what is behind it; kube's own texts stop at "service error".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let sentence = cause.to_string();
        // Many repeat their cause.
        if !text.contains(&sentence) {
            text = text + ": " + &sentence;
        }
        next = cause.source();
    }
    text
}

/// The speakers in `namespace`; `None`: wherever they are. In order of node.
///
/// # Errors
/// The API server does not tell, there are none, or those of several installations.
pub(crate) async fn speakers(
    client: &Client,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Speaker>, Failure> {
    let pods = list(client, namespace, selector.unwrap_or(COMPONENT)).await?;
    let ours = |pod: &&Pod| selector.is_some() || is_ours(pod);
    let mut speakers: Vec<Speaker> = pods.iter().filter(ours).map(speaker).collect();
    speakers.sort();
    let namespaces: BTreeSet<&str> = speakers.iter().map(|speaker| speaker.namespace.as_str()).collect();
    let place = namespace.map_or("any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
    match namespaces.len() {
        1 => Ok(speakers),
        0 => Err(Failure::Failed(format!(
            "no pod of a speaker is in {place} (labels {}); install ferrolb with its Helm chart, or say with --namespace \
             and --selector where its speakers are",
            selector.unwrap_or("app.kubernetes.io/name=ferrolb,app.kubernetes.io/component=speaker"),
        ))),
        _ => {
            let names = namespaces.into_iter().collect::<Vec<_>>().join(" and ");
            Err(Failure::BadInput(format!("speakers run in namespaces {names}; say with --namespace which to ask")))
        }
    }
}

/// Lists pods; of all namespaces where that is allowed, else of those where speakers usually are.
async fn list(client: &Client, namespace: Option<&str>, selector: &str) -> Result<Vec<Pod>, Failure> {
    let failed = |error: kube::Error| Failure::Failed(told("list pods", &error));
    if let Some(namespace) = namespace {
        return pages(&Api::namespaced(client.clone(), namespace), selector).await.map_err(failed);
    }
    match pages(&Api::all(client.clone()), selector).await {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let mut found = Vec::new();
            let mut allowed = false;
            for namespace in BTreeSet::from([DEFAULT_NAMESPACE, client.default_namespace()]) {
                match pages(&Api::namespaced(client.clone(), namespace), selector).await {
                    Ok(pods) => {
                        allowed = true;
                        found.extend(pods);
                    }
                    Err(kube::Error::Api(status)) if status.code == 403 => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            if allowed { Ok(found) } else { Err(failed(kube::Error::Api(status))) }
        }
        pods => pods.map_err(failed),
    }
}

async fn pages(pods: &Api<Pod>, selector: &str) -> kube::Result<Vec<Pod>> {
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = tokio::time::timeout(LIST_WITHIN, pods.list(&params)).await;
        let page = page.map_err(|_elapsed| kube::Error::Service("the API server does not answer".into()))??;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// Whether a pod that calls itself a speaker is one of ours: MetalLB's have the same component.
fn is_ours(pod: &Pod) -> bool {
    let named = pod.labels().get(NAME_LABEL).is_some_and(|name| name == PRODUCT);
    let runs = |container: &Container| {
        let command = container.command.iter().flatten();
        command.chain(&container.image).any(|text| text.contains(PRODUCT))
    };
    named || pod.spec.as_ref().is_some_and(|spec| spec.containers.iter().any(runs))
}

fn speaker(pod: &Pod) -> Speaker {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let container = containers.iter().find(|container| container.name == CONTAINER).or(containers.first());
    let arguments = container.and_then(|container| container.args.as_deref()).unwrap_or_default();
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let unfit = if pod.metadata.deletion_timestamp.is_some() && phase != "Running" {
        Some("its pod is being deleted".to_owned())
    } else if phase == "Running" {
        None
    } else {
        Some(format!("its pod is {}", if phase.is_empty() { "Pending" } else { &phase }))
    };
    Speaker {
        node,
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        container: container.map_or(CONTAINER.to_owned(), |container| container.name.clone()),
        socket: socket(arguments),
        unfit,
    }
}

/// What `--admin-socket` says, as the last of its kind; written with one dash or two.
fn socket(arguments: &[String]) -> Option<String> {
    let mut socket = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix('-').map(|flag| flag.strip_prefix('-').unwrap_or(flag)) else {
            continue;
        };
        match flag.split_once('=') {
            Some(("admin-socket", path)) => socket = Some(path.to_owned()),
            None if flag == "admin-socket" => socket = arguments.next().cloned(),
            _ => {}
        }
    }
    socket
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(value: &serde_json::Value) -> Pod {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn speakers_of_metallb_are_not_ours_and_ours_are_under_any_name() {
        let labelled = |name: &str, image: &str, command: &[&str]| {
            is_ours(&pod(&json!({
                "metadata": {"labels": {"app.kubernetes.io/name": name}},
                "spec": {"containers": [{"name": "speaker", "image": image, "command": command}]},
            })))
        };
        assert!(!labelled("metallb", "metallb/speaker:v0.16.1", &["/speaker"]));
        assert!(labelled("ferrolb", "registry.example/lb:1", &["/lb"]));
        assert!(labelled("metallb", "registry.example/lb:1", &["/usr/local/bin/ferrolb-speaker"]));
        assert!(labelled("metallb", "ferrolb:0.1.0", &[]));
    }

    #[test]
    fn the_socket_is_the_one_that_the_speaker_was_told_last() {
        let told = |arguments: &[&str]| socket(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(told(&["--port=9120"]), None);
        assert_eq!(told(&["--admin-socket=/a", "-admin-socket=/b"]).as_deref(), Some("/b"));
        assert_eq!(told(&["--admin-socket", "/c", "--port=1"]).as_deref(), Some("/c"));
    }

    #[test]
    fn a_pod_that_does_not_run_says_so() {
        let state = |status: serde_json::Value| speaker(&pod(&json!({"metadata": {}, "status": status}))).unfit;
        assert_eq!(state(json!({"phase": "Running"})), None);
        assert_eq!(state(json!({})).as_deref(), Some("its pod is Pending"));
        assert_eq!(state(json!({"phase": "Failed"})).as_deref(), Some("its pod is Failed"));
    }
}
