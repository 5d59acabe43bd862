//! Secrets in every place where people and programs leave them; a support bundle must hold none.

use serde_json::{Value, json};

/// What each of them contains.
pub(crate) const PLANTED: &str = "planted";
/// Arguments of a container.
pub(crate) const ARGUMENTS: [&str; 4] =
    ["--port=9120", "--password", "planted-in-argument", "--api-token=planted-in-flag"];
/// A variable whose name gives nothing away.
pub(crate) const VARIABLE: &str = "planted-in-variable";
/// How a distribution keeps what a node was started with.
pub(crate) const NODE_ARGUMENTS: &str = r#"["agent","--token","planted-in-node","--server","https://192.0.2.1"]"#;
/// A log with what should not be in it, and what a maintainer looks for.
pub(crate) const LOG: &str = r#"2026-11-21T22:00:00Z  INFO ferrolb_speaker: announcing 192.0.2.1 service=default/web
2026-11-21T22:00:01Z DEBUG peer: connecting password=planted-in-log-1 peer=192.0.2.9
{"level":"debug","msg":"peer","password":"planted-in-log-2","nested":"{\"token\":\"planted-in-log-3\"}"}
Authorization: Bearer planted-in-log-4-planted-in-log-4
the peer refused planted-in-peer
-----BEGIN PRIVATE KEY-----
planted-in-log-5
-----END PRIVATE KEY-----
dial https://admin:planted-in-log-6@192.0.2.7/ failed
"#;

/// Objects with secrets in them, to be applied: kubectl repeats each in an annotation.
pub(crate) fn objects() -> Vec<Value> {
    let ours = |name: &str| json!({ "name": name, "namespace": ferrolb_api::DEFAULT_NAMESPACE });
    let legacy =
        "peers:\n- peer-address: 192.0.2.9\n  my-asn: 64512\n  peer-asn: 64513\n  password: planted-in-legacy\n";
    let values =
        "bgpPeers:\n- {name: a, myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.8, password: planted-in-values}\n";
    let broken = "other: [\npassword: planted-in-broken\n";
    vec![
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": ours("pw"),
            "stringData": { "password": "planted-in-secret" },
        }),
        json!({
            "apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": ours("peer"),
            "spec": { "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.9", "password": "planted-in-peer" },
        }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ours("config"),
            "data": { "config": legacy, "values": values, "broken": broken },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "kept-service", "namespace": "default",
                "annotations": { "dns.example/api-token": "planted-in-service", "note": "we use planted-in-peer" },
            },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
        }),
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": ours("event"), "type": "Warning", "reason": "Refused",
            "message": "peer refused: password=planted-in-event", "reportingComponent": "ferrolb-speaker",
            "involvedObject": { "kind": "Pod", "name": "speaker-1", "namespace": ferrolb_api::DEFAULT_NAMESPACE },
        }),
    ]
}
