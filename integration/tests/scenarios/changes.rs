//! What becomes of addresses when the world changes.

use futures::FutureExt;

use crate::Scenario;
use crate::backend::{NAMESPACE, Stage};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        ("a Service that is no load balancer any more has no address", |stage| cleared(stage).boxed_local()),
        ("an address leaves with its pool and comes from another", |stage| moved(stage).boxed_local()),
        ("a Service that waits is served when an address becomes free", |stage| freed(stage).boxed_local()),
        ("a renamed pool keeps its Services", |stage| renamed(stage).boxed_local()),
        ("counters that somebody changed are put back", |stage| tampered(stage).boxed_local()),
    ]
}

async fn cleared(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    stage.service("web", "", "").await;
    stage.has("web", &["10.10.52.0"]).await;
    stage
        .apply(
            "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, \
             spec: {type: ClusterIP, ports: [{port: 80}]}}",
        )
        .await;
    stage.has("web", &[]).await;
    stage.until("the annotation is gone", async || stage.pool_of("web").await.is_none()).await;
    stage.counts("default", 0).await;
    stage.service("next", "", "").await;
    stage.has("next", &["10.10.52.0"]).await;
}

async fn moved(stage: &mut Stage) {
    stage.pool("first", "10.10.52.0/24", "").await;
    stage.service("web", "", "").await;
    stage.has("web", &["10.10.52.0"]).await;
    stage.pool("second", "10.10.53.0/24", "").await;
    stage.settle().await;
    stage.has("web", &["10.10.52.0"]).await;
    stage.delete("IPAddressPool", NAMESPACE, "first").await;
    stage.has("web", &["10.10.53.0"]).await;
    stage.told("web", "ClearAssignment", "10.10.52.0").await;
    stage.until("the annotation follows", async || stage.pool_of("web").await.as_deref() == Some("second")).await;
}

async fn freed(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/31", "").await;
    for (name, expected) in [("one", "10.10.52.0"), ("two", "10.10.52.1")] {
        stage.service(name, "", "").await;
        stage.has(name, &[expected]).await;
    }
    stage.service("three", "", "").await;
    stage.told("three", "AllocationFailed", "no available IPs").await;
    stage.delete("Service", "default", "one").await;
    stage.has("three", &["10.10.52.0"]).await;
    stage.service("four", "", "").await;
    stage.told("four", "AllocationFailed", "no available IPs").await;
    stage.pool("default", "10.10.52.0/30", "").await;
    stage.has("four", &["10.10.52.2"]).await;
}

async fn renamed(stage: &mut Stage) {
    stage.pool("before", "10.10.52.0/24", "").await;
    stage.service("web", ", annotations: {metallb.io/loadBalancerIPs: 10.10.52.9}", "").await;
    stage.has("web", &["10.10.52.9"]).await;
    stage.kill();
    stage.delete("IPAddressPool", NAMESPACE, "before").await;
    stage.pool("after", "10.10.52.0/24", "").await;
    stage.start();
    stage.until("the annotation follows", async || stage.pool_of("web").await.as_deref() == Some("after")).await;
    stage.has("web", &["10.10.52.9"]).await;
    let events = stage.events("web").await;
    assert!(events.iter().all(|(reason, _)| reason != "ClearAssignment"), "{events:?}");
}

async fn tampered(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    stage.service("web", "", "").await;
    stage.counts("default", 1).await;
    let Some(cluster) = stage.cluster() else { return };
    let patch = "{\"status\":{\"assignedIPv4\":77,\"assignedIPv6\":0,\"availableIPv4\":0,\"availableIPv6\":0}}";
    let arguments =
        ["patch", "ipaddresspool", "default", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch];
    assert!(cluster.kubectl(&arguments, "").await.is_ok_and(|output| output.status.success()));
    stage.counts("default", 1).await;
}
