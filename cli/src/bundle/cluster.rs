//! What an API server and the speakers behind it say.

use std::collections::BTreeSet;

use ferrolb_api::DEFAULT_NAMESPACE;
use futures::StreamExt;
use serde_json::{Value, json};

use super::archive::Collection;
use super::logs;
use super::resources::{Reader, items, text};
use crate::access::{Asked, Place, block_on};
use crate::output::Failure;
use crate::remote::{AT_A_TIME, Speaker, Told, ask, ask_each, speakers};

/// Services that are explained; each takes a command in a pod.
pub(super) const MOST_EXPLAINED: usize = 1_000;
/// API groups of the configuration and what is said of it.
const GROUPS: [&str; 2] = ["metallb.io", "ferrolb.io"];
/// What is listed of our namespace.
const AT_HOME: [(&str, &str); 6] = [
    ("/apis/apps/v1", "daemonsets"),
    ("/apis/apps/v1", "deployments"),
    ("/apis/coordination.k8s.io/v1", "leases"),
    ("/apis/networking.k8s.io/v1", "networkpolicies"),
    ("/apis/policy/v1", "poddisruptionbudgets"),
    ("/api/v1", "serviceaccounts"),
];
/// Services and slices by name of the Service.
type Names = BTreeSet<(String, String)>;

/// Collects everything.
///
/// # Errors
/// The kubeconfig or context that was named is none.
pub(super) fn collect(asked: &Asked, place: &Place, collection: &mut Collection) -> Result<(), Failure> {
    let work = async {
        let client = match asked.access.client().await {
            Ok(client) => client,
            Err(failure) if place.kubeconfig_said || asked.access.context.is_some() => return Err(failure),
            Err(failure) => {
                collection.missing("everything of the API server", failure.to_string());
                return Ok(());
            }
        };
        let mut reader = Reader::new(client);
        match reader.value("/version").await {
            Ok(version) => collection.tree("kubernetes-version.yaml", version),
            Err(why) => {
                collection.missing("everything of the API server", why);
                return Ok(());
            }
        }
        everything(&mut reader, asked, place, collection).await;
        Ok(())
    };
    block_on(work)
}

async fn everything(reader: &mut Reader, asked: &Asked, place: &Place, collection: &mut Collection) {
    let found = speakers(reader.client(), place.namespace.as_deref(), asked.selector.as_deref()).await;
    let found = found.unwrap_or_else(|failure| {
        collection.missing("what the speakers say", failure.to_string());
        Vec::new()
    });
    let home = place.namespace.clone().or_else(|| found.first().map(|speaker| speaker.namespace.clone()));
    let home = home.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    configuration(reader, &home, collection).await;
    let services = services(reader, collection).await;
    around(reader, &home, &services, collection).await;
    pods(reader, &home, collection).await;
    let names = services.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    answers(reader, found, names, asked, collection).await;
}

/// Lists objects into a file.
async fn keep(
    reader: &mut Reader,
    path: &str,
    name: &str,
    collection: &mut Collection,
    wanted: impl FnMut(&mut Value) -> bool,
) -> Value {
    match reader.list(path, wanted).await {
        Ok((list, cut)) => {
            if let Some(cut) = cut {
                collection.missing(name, cut);
            }
            collection.tree(format!("resources/{name}.yaml"), list.clone());
            list
        }
        Err(why) => {
            collection.missing(name, why);
            Value::Null
        }
    }
}

/// Every kind of MetalLB's group and ours, in the first version that is served; their definitions; the ConfigMap.
async fn configuration(reader: &mut Reader, home: &str, collection: &mut Collection) {
    for group in GROUPS {
        let mut seen = BTreeSet::new();
        let known = match reader.value(&format!("/apis/{group}")).await {
            Ok(known) => known,
            Err(why) => {
                collection.missing(format!("API group {group}"), why);
                continue;
            }
        };
        let versions = known.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
        for version in &versions {
            let version = text(version, "/groupVersion").to_owned();
            let kinds = reader.value(&format!("/apis/{version}")).await.unwrap_or_default();
            for kind in kinds.get("resources").and_then(Value::as_array).into_iter().flatten() {
                let plural = text(kind, "/name");
                if !plural.contains('/') && seen.insert(plural.to_owned()) {
                    let path = format!("/apis/{version}/{plural}");
                    keep(reader, &path, &format!("{plural}.{group}"), collection, |_| true).await;
                }
            }
        }
    }
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let without_schema = |definition: &mut Value| {
        for version in definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut).into_iter().flatten() {
            drop(version.as_object_mut().and_then(|version| version.remove("schema")));
        }
        GROUPS.contains(&text(definition, "/spec/group"))
    };
    keep(reader, definitions, "customresourcedefinitions", collection, without_schema).await;
    let webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let ours = |webhook: &mut Value| text(webhook, "/metadata/name").starts_with("metallb-");
    keep(reader, webhooks, "validatingwebhookconfigurations", collection, ours).await;
    // Other ConfigMaps are none of our business, but for those of the chart.
    let config = |map: &mut Value| {
        text(map, "/metadata/name") == "config" || text(map, "/metadata/labels/helm.sh~1chart").starts_with("ferrolb-")
    };
    let path = format!("/api/v1/namespaces/{home}/configmaps");
    keep(reader, &path, "configmaps", collection, config).await;
}

/// Services of type LoadBalancer and their EndpointSlices.
async fn services(reader: &mut Reader, collection: &mut Collection) -> Names {
    let balanced = |service: &mut Value| text(service, "/spec/type") == "LoadBalancer";
    let list = keep(reader, "/api/v1/services", "services", collection, balanced).await;
    let name =
        |service: &Value| (text(service, "/metadata/namespace").to_owned(), text(service, "/metadata/name").to_owned());
    let names: Names = items(&list).iter().map(name).collect();
    let theirs = |slice: &mut Value| {
        let service = text(slice, "/metadata/labels/kubernetes.io~1service-name").to_owned();
        names.contains(&(text(slice, "/metadata/namespace").to_owned(), service))
    };
    let path = "/apis/discovery.k8s.io/v1/endpointslices";
    keep(reader, path, "endpointslices", collection, theirs).await;
    names
}

/// Nodes, namespaces, events, and what runs ferrolb.
async fn around(reader: &mut Reader, home: &str, services: &Names, collection: &mut Collection) {
    let without_images = |node: &mut Value| {
        drop(node.pointer_mut("/status").and_then(Value::as_object_mut).and_then(|status| status.remove("images")));
        true
    };
    keep(reader, "/api/v1/nodes", "nodes", collection, without_images).await;
    keep(reader, "/api/v1/namespaces", "namespaces", collection, |_| true).await;
    let ours = |event: &mut Value| {
        let object = |field: &str| text(event, &format!("/involvedObject/{field}")).to_owned();
        let reporter = [text(event, "/source/component"), text(event, "/reportingComponent")];
        reporter.iter().any(|name| name.starts_with("ferrolb") || name.starts_with("metallb"))
            || text(event, "/metadata/namespace") == home
            || (object("kind") == "Service" && services.contains(&(object("namespace"), object("name"))))
    };
    keep(reader, "/api/v1/events", "events", collection, ours).await;
    for (group, plural) in AT_HOME {
        let path = format!("{group}/namespaces/{home}/{plural}");
        keep(reader, &path, plural, collection, |_| true).await;
    }
}

/// The pods of our namespace that are ours, what they log, and their metrics.
async fn pods(reader: &mut Reader, home: &str, collection: &mut Collection) {
    let ours = |pod: &mut Value| {
        let component = text(pod, "/metadata/labels/app.kubernetes.io~1component");
        ["controller", "speaker"].contains(&component) || text(pod, "/metadata/name").contains("ferrolb")
    };
    let list = keep(reader, &format!("/api/v1/namespaces/{home}/pods"), "pods", collection, ours).await;
    for pod in items(&list) {
        logs::collect(reader, pod, collection).await;
    }
}

/// What the speakers say, and why each Service is announced where it is, as the node says that announces it.
async fn answers(
    reader: &Reader,
    speakers: Vec<Speaker>,
    mut services: BTreeSet<String>,
    asked: &Asked,
    collection: &mut Collection,
) {
    let mut announced: Vec<(String, Speaker)> = Vec::new();
    let mut able: Vec<Speaker> = Vec::new();
    for question in ["status", "members", "l2"] {
        // Who did not answer the first question is not waited for again.
        let whom = if question == "status" { speakers.clone() } else { able.clone() };
        for Told { speaker, answer } in ask_each(reader.client(), whom, &[question], asked.patience()).await {
            let name = format!(
                "speakers/{}/{question}.yaml",
                if speaker.node.is_empty() { &speaker.pod } else { &speaker.node }
            );
            match answer {
                Ok(answer) => {
                    if question == "status" {
                        announced.extend(announced_by(&answer).into_iter().map(|service| (service, speaker.clone())));
                        services.extend(services_of(&answer));
                        able.push(speaker);
                    }
                    collection.tree(name, answer);
                }
                Err(reason) => collection.missing(name, reason.sentence()),
            }
        }
    }
    let Some(first) = able.first() else {
        if !services.is_empty() {
            collection.missing("explain", "no speaker answers");
        }
        return;
    };
    if services.len() > MOST_EXPLAINED {
        collection.missing("explain", format!("the first {MOST_EXPLAINED} of {} Services only", services.len()));
    }
    let teller = |service: &String| {
        let owner = announced.iter().find(|(announced, _)| announced == service).map(|(_, speaker)| speaker);
        (service.clone(), owner.unwrap_or(first).clone())
    };
    let questions: Vec<(String, Speaker)> = services.iter().take(MOST_EXPLAINED).map(teller).collect();
    let explained = |(service, speaker): (String, Speaker)| async move {
        let answer = ask(reader.client(), &speaker, &["explain", &service], asked.patience()).await;
        (service, speaker.node, answer)
    };
    let mut told = futures::stream::iter(questions).map(explained).buffer_unordered(AT_A_TIME);
    while let Some((service, node, answer)) = told.next().await {
        let name = format!("explain/{}.yaml", service.replace('/', "_"));
        match answer {
            Ok(answer) => collection.tree(name, json!({ "asked": node, "answer": answer })),
            Err(reason) => collection.missing(name, reason.sentence()),
        }
    }
}

/// The Services of a speaker's status.
pub(super) fn services_of(status: &Value) -> Vec<String> {
    let services = status.get("services").and_then(Value::as_array).into_iter().flatten();
    let names: BTreeSet<&str> = services.map(|service| text(service, "/service")).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Those of them that it announces.
fn announced_by(status: &Value) -> Vec<String> {
    let services = status.get("services").and_then(Value::as_array).into_iter().flatten();
    let here = services.filter(|service| service.get("announce").and_then(Value::as_bool) == Some(true));
    here.map(|service| text(service, "/service").to_owned()).collect()
}
