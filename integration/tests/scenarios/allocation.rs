//! Who gets which address.

use futures::FutureExt;

use crate::Scenario;
use crate::backend::Stage;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        ("the first Service gets the pool's first address", |stage| first(stage).boxed_local()),
        ("a requested address is given, and refused while somebody else holds it", |stage| {
            requested(stage).boxed_local()
        }),
        ("Services with one sharing key share an address", |stage| shared(stage).boxed_local()),
        ("a Service of both families gets one address of each", |stage| dual(stage).boxed_local()),
        ("pools are chosen by selector and priority", |stage| chosen(stage).boxed_local()),
        ("only Services of the own class are served", |stage| class(stage).boxed_local()),
    ]
}

async fn first(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    stage.service("web", "", "").await;
    stage.has("web", &["10.10.52.0"]).await;
    assert_eq!(stage.pool_of("web").await.as_deref(), Some("default"));
    stage.told("web", "IPAllocated", "Assigned IP [\"10.10.52.0\"]").await;
    stage.counts("default", 1).await;
    stage.service("more", "", "").await;
    stage.has("more", &["10.10.52.1"]).await;
    stage.counts("default", 2).await;
}

async fn requested(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    let wish = ", annotations: {metallb.io/loadBalancerIPs: 10.10.52.7}";
    stage.service("web", wish, "").await;
    stage.has("web", &["10.10.52.7"]).await;
    stage.service("late", wish, "").await;
    stage.told("late", "AllocationFailed", "Failed to allocate IP for \"default/late\"").await;
    assert!(stage.addresses("late").await.is_empty());
    stage.delete("Service", "default", "web").await;
    stage.has("late", &["10.10.52.7"]).await;
    stage.service("other", ", annotations: {metallb.io/loadBalancerIPs: 192.0.2.1}", "").await;
    stage.told("other", "AllocationFailed", "[\"192.0.2.1\"] is not allowed in config").await;
    stage.service("named", ", annotations: {metallb.io/address-pool: nobody}", "").await;
    stage.told("named", "AllocationFailed", "unknown pool \"nobody\"").await;
}

async fn shared(stage: &mut Stage) {
    stage.pool("default", "10.10.52.5/32", "").await;
    let key = ", annotations: {metallb.io/allow-shared-ip: key}";
    stage.service("http", key, "").await;
    stage.has("http", &["10.10.52.5"]).await;
    let object = "{apiVersion: v1, kind: Service, metadata: {name: https, namespace: default\
                  , annotations: {metallb.io/allow-shared-ip: key}}, \
                  spec: {type: LoadBalancer, ports: [{port: 443}]}}";
    stage.apply(object).await;
    stage.has("https", &["10.10.52.5"]).await;
    stage.counts("default", 1).await;
    // The same port twice cannot be.
    stage.service("again", key, "").await;
    stage.told("again", "AllocationFailed", "no available IPs").await;
}

async fn dual(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24, 'fd00:52::/112'", "").await;
    stage.service("web", "", ", ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv6]").await;
    stage.has("web", &["10.10.52.0", "fd00:52::"]).await;
    stage.service("six", "", ", ipFamilies: [IPv6]").await;
    stage.has("six", &["fd00:52::1"]).await;
}

async fn chosen(stage: &mut Stage) {
    stage.pool("general", "10.10.52.0/24", "").await;
    let labelled = "serviceSelectors: [{matchLabels: {tier: gold}}]";
    stage.pool("gold-2", "10.10.54.0/24", &format!(", serviceAllocation: {{priority: 20, {labelled}}}")).await;
    stage.pool("gold-1", "10.10.53.0/32", &format!(", serviceAllocation: {{priority: 10, {labelled}}}")).await;
    stage.service("plain", "", "").await;
    stage.has("plain", &["10.10.52.0"]).await;
    for (name, expected) in [("one", "10.10.53.0"), ("two", "10.10.54.0")] {
        stage.service(name, ", labels: {tier: gold}", "").await;
        stage.has(name, &[expected]).await;
    }
}

async fn class(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    stage.service("foreign", "", ", loadBalancerClass: example.com/other").await;
    stage.service("ours", "", "").await;
    stage.has("ours", &["10.10.52.0"]).await;
    assert!(stage.addresses("foreign").await.is_empty());
    stage.restart_with(&["--lb-class=example.com/other"]);
    stage.has("foreign", &["10.10.52.1"]).await;
    stage.has("ours", &["10.10.52.0"]).await;
}
