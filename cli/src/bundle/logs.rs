//! What the pods of ferrolb log, and their metrics: the end of each, within bounds.

use serde_json::Value;

use super::archive::Collection;
use super::resources::{Reader, text};

/// Lines of a container's log, from its end.
const LINES: u32 = 5_000;
/// Bytes of it; the API server keeps to either.
const BYTES: u32 = 2 << 20;

/// Collects logs and metrics of a pod.
pub(super) async fn collect(reader: &mut Reader, pod: &Value, collection: &mut Collection) {
    let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    for (container, restarted) in containers(pod) {
        let one = format!("{path}/log?container={container}&tailLines={LINES}&limitBytes={BYTES}&timestamps=true");
        keep(reader, &one, format!("logs/{name}/{container}.log"), collection).await;
        if restarted {
            let before = format!("{one}&previous=true");
            keep(reader, &before, format!("logs/{name}/{container}.previous.log"), collection).await;
        }
    }
    for (scheme, port) in metrics_ports(pod) {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{scheme}:{name}:{port}/proxy/metrics");
        keep(reader, &path, format!("metrics/{name}.txt"), collection).await;
    }
}

async fn keep(reader: &mut Reader, path: &str, name: String, collection: &mut Collection) {
    match reader.text(path).await {
        Ok(text) => collection.text(name, text),
        Err(why) => collection.missing(name, why),
    }
}

fn list<'a>(pod: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Names of containers, and whether each was started more than once.
fn containers(pod: &Value) -> Vec<(&str, bool)> {
    let restarted = |name: &str| {
        let mut all = list(pod, "/status/containerStatuses").chain(list(pod, "/status/initContainerStatuses"));
        all.any(|status| {
            text(status, "/name") == name && status.get("restartCount").and_then(Value::as_u64).unwrap_or(0) > 0
        })
    };
    let all = list(pod, "/spec/initContainers").chain(list(pod, "/spec/containers"));
    all.map(|container| text(container, "/name")).map(|name| (name, restarted(name))).collect()
}

/// The ports that are named for metrics, and what is spoken there.
fn metrics_ports(pod: &Value) -> Vec<(&str, u64)> {
    let ports = list(pod, "/spec/containers").flat_map(|container| list(container, "/ports"));
    let metrics = |port: &Value| {
        let scheme = match text(port, "/name") {
            "metricshttps" => "https",
            "metrics" | "monitoring" => "http",
            _ => return None,
        };
        Some((scheme, port.get("containerPort")?.as_u64()?))
    };
    ports.filter_map(metrics).collect()
}
