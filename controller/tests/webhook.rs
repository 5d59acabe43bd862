//! What the API server asks and what it is told, over real TLS.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use ferrolb_config::{UnknownFields, read};
use ferrolb_controller::metrics::webhook_requests;
use ferrolb_controller::webhook::certificate::{Names, Stored, authority};
use ferrolb_controller::webhook::handler::{CONVERT, LARGEST_BODY, VALIDATE};
use ferrolb_controller::webhook::{ClusterJudge, Webhooks};
use ferrolb_daemon::server::{Limits, Server};
use ferrolb_daemon::tls::{Identity, TlsArgs};
use ferrolb_source::Cluster;
use hyper::StatusCode;
use jiff::Timestamp;
use prometheus::IntCounterVec;
use serde_json::{Value, json};
use support::{NAMESPACE, ask, object, pool, review};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const POOL: &str = "/validate-metallb-io-v1beta1-ipaddresspool";
const PEER: &str = "/validate-metallb-io-v1beta2-bgppeer";
const BFD: &str = "/validate-metallb-io-v1beta1-bfdprofile";

/// Webhooks that serve, and the state that they judge over.
struct Running {
    address: SocketAddr,
    authority: Vec<u8>,
    cluster: watch::Sender<Arc<Cluster>>,
    requests: IntCounterVec,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

async fn start(objects: &[Value]) -> Running {
    let (cluster, state) = watch::channel(Arc::new(state(objects)));
    let names = Names::new("metallb-webhook-service", NAMESPACE);
    let stored = authority::create(&Stored::default(), &names, Timestamp::now()).unwrap();
    let identity = Identity::from_pem(stored.certificate.as_ref().unwrap(), stored.key.as_ref().unwrap()).unwrap();
    let config = TlsArgs::default().server_config(watch::channel(Some(identity)).1).unwrap();
    let convert =
        |object, to: &str| ferrolb_api::conversion::convert_bgp_peer(object, to).map_err(|error| error.to_string());
    let requests = webhook_requests().unwrap();
    let webhooks = Webhooks::new(NAMESPACE, Arc::new(ClusterJudge::new(state)), Arc::new(convert), requests.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let server = Server::new(Arc::new(webhooks), Limits::default()).over_tls(config);
    tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
    Running { address, authority: stored.authority.unwrap(), cluster, requests, tasks, shutdown }
}

fn state(objects: &[Value]) -> Cluster {
    let mut cluster = Cluster { namespace: NAMESPACE.to_owned(), ..Cluster::default() };
    for object in objects {
        let kind = object["kind"].as_str().unwrap();
        cluster.resources.extend(read(kind, object, UnknownFields::Ignore).unwrap());
    }
    cluster
}

impl Running {
    async fn ask(&self, path: &str, body: Vec<u8>) -> (StatusCode, String) {
        let name = format!("metallb-webhook-service.{NAMESPACE}.svc");
        let (status, body) = ask(self.address, &self.authority, &name, path, body).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Whether it is allowed, the message, the warnings.
    async fn judge(&self, path: &str, body: Vec<u8>) -> (bool, String, Vec<String>) {
        let (status, answer) = self.ask(path, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        let response = &answer["response"];
        assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
        let warnings = response["warnings"].as_array().into_iter().flatten();
        let warnings = warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect();
        let message = response["status"]["message"].as_str().unwrap_or_default().to_owned();
        (response["allowed"].as_bool().unwrap(), message, warnings)
    }

    async fn create(&self, path: &str, object: &Value) -> (bool, String, Vec<String>) {
        self.judge(path, review("CREATE", NAMESPACE, object, &Value::Null)).await
    }

    async fn update(&self, path: &str, old: &Value, new: &Value) -> (bool, String, Vec<String>) {
        self.judge(path, review("UPDATE", NAMESPACE, new, old)).await
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn peer(name: &str, spec: &Value) -> Value {
    object("v1beta2", "BGPPeer", name, spec)
}

#[tokio::test]
async fn what_is_right_is_allowed_and_what_is_wrong_is_denied_with_the_sentence() {
    let webhooks = start(&[pool("first", &["192.0.2.0/28"])]).await;
    let (allowed, message, warnings) = webhooks.create(POOL, &pool("second", &["192.0.2.16/28"])).await;
    assert_eq!((allowed, &*message, warnings.len()), (true, "", 0));
    let (allowed, message, _) = webhooks.create(POOL, &pool("second", &["192.0.2.8/29", "nonsense"])).await;
    assert!(!allowed);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 2, "{message}");
    assert!(
        lines[0].starts_with("IPAddressPool metallb-system/second: spec.addresses[0] = 192.0.2.8/29:"),
        "{message}"
    );
    assert!(lines[0].contains("overlaps with already defined CIDR"), "{message}");
    assert!(lines[1].contains("spec.addresses[1] = nonsense"), "{message}");
    webhooks.end().await;
}

#[tokio::test]
async fn the_latest_state_of_the_cluster_counts() {
    let webhooks = start(&[]).await;
    let candidate = pool("second", &["192.0.2.8/29"]);
    assert!(webhooks.create(POOL, &candidate).await.0);
    webhooks.cluster.send_replace(Arc::new(state(&[pool("first", &["192.0.2.0/28"])])));
    assert!(!webhooks.create(POOL, &candidate).await.0);
    webhooks.end().await;
}

#[tokio::test]
async fn an_update_takes_the_place_of_what_was_there() {
    let old = pool("first", &["192.0.2.0/28"]);
    let webhooks = start(&[old.clone(), pool("second", &["192.0.2.32/28"])]).await;
    assert!(webhooks.update(POOL, &old, &pool("first", &["192.0.2.0/27"])).await.0);
    let (allowed, message, _) = webhooks.update(POOL, &old, &pool("first", &["192.0.2.0/26"])).await;
    assert!(!allowed);
    assert!(message.contains("overlaps"), "{message}");
    webhooks.end().await;
}

#[tokio::test]
async fn what_was_wrong_before_can_be_mended_step_by_step() {
    let old = pool("first", &["nonsense", "rubbish"]);
    let webhooks = start(std::slice::from_ref(&old)).await;
    assert!(webhooks.update(POOL, &old, &pool("first", &["nonsense"])).await.0);
    assert!(!webhooks.update(POOL, &old, &pool("first", &["nonsense", "more"])).await.0);
    assert!(!webhooks.create(POOL, &old).await.0, "new, it is as wrong as any");
    webhooks.end().await;
}

#[tokio::test]
async fn a_reference_to_what_may_still_come_is_a_warning() {
    let webhooks = start(&[]).await;
    let spec = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "fast"});
    let (allowed, _, warnings) = webhooks.create(PEER, &peer("router", &spec)).await;
    assert!(allowed);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("fast"), "{warnings:?}");
    webhooks.end().await;
}

#[tokio::test]
async fn nothing_is_created_outside_of_the_namespace() {
    let webhooks = start(&[]).await;
    for (path, kind) in VALIDATE {
        let version = if kind == "BGPPeer" { "v1beta2" } else { "v1beta1" };
        let mut object = object(version, kind, "a", &json!({"disableMP": true}));
        object["metadata"]["namespace"] = json!("default");
        let body = |operation, old| review(operation, "default", &object, old);
        let (allowed, message, _) = webhooks.judge(path, body("CREATE", &Value::Null)).await;
        assert!(!allowed);
        assert_eq!(message, "resource must be created in metallb-system namespace");
        let (allowed, _, warnings) = webhooks.judge(path, body("UPDATE", &object)).await;
        assert!(allowed, "finalizers have to come off");
        assert!(warnings.last().unwrap().contains("no effect"), "{warnings:?}");
    }
    webhooks.end().await;
}

#[tokio::test]
async fn disable_mp_is_warned_of_and_checked_like_any_other_peer() {
    let webhooks = start(&[]).await;
    let deprecated = "disable mp is deprecated and has no effect since it's the default behavior now";
    let right = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "disableMP": true});
    let (allowed, _, warnings) = webhooks.create(PEER, &peer("router", &right)).await;
    assert!(allowed);
    assert_eq!(warnings, [deprecated]);
    let wrong = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "nowhere", "disableMP": true});
    let (allowed, message, warnings) = webhooks.create(PEER, &peer("router", &wrong)).await;
    assert!(!allowed);
    assert!(message.contains("nowhere"), "{message}");
    assert_eq!(warnings, [deprecated]);
    webhooks.end().await;
}

#[tokio::test]
async fn a_bfd_profile_that_a_peer_uses_is_not_deleted() {
    let profile = |name| object("v1beta1", "BFDProfile", name, &json!({}));
    let spec = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "fast"});
    let webhooks = start(&[profile("fast"), profile("slow"), peer("router", &spec)]).await;
    let delete = |name| review("DELETE", NAMESPACE, &Value::Null, &profile(name));
    let (allowed, message, _) = webhooks.judge(BFD, delete("fast")).await;
    assert!(!allowed);
    assert!(message.contains("failed to delete BFDProfile fast, used by BGPPeer router"), "{message}");
    assert!(webhooks.judge(BFD, delete("slow")).await.0);
    webhooks.end().await;
}

#[tokio::test]
async fn nothing_is_said_before_anything_was_read() {
    let webhooks = start(&[]).await;
    webhooks.cluster.send_replace(Arc::new(Cluster { reading: true, ..Cluster::default() }));
    let body = review("CREATE", NAMESPACE, &pool("first", &["192.0.2.0/28"]), &Value::Null);
    let (status, sentence) = webhooks.ask(POOL, body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(sentence.contains("has not been read yet"), "{sentence}");
    webhooks.end().await;
}

#[tokio::test]
async fn a_malformed_review_is_refused_with_a_sentence() {
    let webhooks = start(&[]).await;
    let right = review("CREATE", NAMESPACE, &pool("first", &["192.0.2.0/28"]), &Value::Null);
    let without = |pointer: &str| {
        let mut body: Value = serde_json::from_slice(&right).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        serde_json::to_vec(&body).unwrap()
    };
    let deep = "[".repeat(100_000).into_bytes();
    let conversion = br#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}"#.to_vec();
    for (path, body, expected) in [
        (POOL, b"hello".to_vec(), "this is no AdmissionReview"),
        (POOL, Vec::new(), "this is no AdmissionReview"),
        (POOL, b"[]".to_vec(), "only AdmissionReview is answered here"),
        (POOL, deep, "recursion limit"),
        (POOL, without("/request"), "this AdmissionReview has no request"),
        (POOL, without("/request/uid"), "missing field `uid`"),
        (POOL, without("/request/object"), "comes without the object"),
        (POOL, conversion.clone(), "only AdmissionReview is answered here"),
        (PEER, right.clone(), "it is for BGPPeer"),
        (CONVERT, right.clone(), "only ConversionReview is answered here"),
        (CONVERT, conversion, "this ConversionReview has no request"),
    ] {
        let (status, sentence) = webhooks.ask(path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{sentence}");
        assert!(sentence.contains(expected), "{sentence} should say {expected}");
    }
    let (status, _) = webhooks.ask("/elsewhere", right).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    webhooks.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let webhooks = start(&[]).await;
    let large = vec![b' '; usize::try_from(LARGEST_BODY).unwrap() + 1];
    assert_eq!(webhooks.ask(POOL, large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    webhooks.end().await;
}

#[tokio::test]
async fn peers_are_converted_in_their_order_in_both_versions_of_the_review() {
    let webhooks = start(&[]).await;
    let spec = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"});
    let objects = [object("v1beta1", "BGPPeer", "a", &spec), peer("b", &spec)];
    for version in ["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"] {
        let request = json!({"uid": "u", "desiredAPIVersion": "metallb.io/v1beta2", "objects": objects});
        let body = json!({"apiVersion": version, "kind": "ConversionReview", "request": request});
        let (status, answer) = webhooks.ask(CONVERT, serde_json::to_vec(&body).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["apiVersion"], version);
        assert_eq!(answer["response"]["uid"], "u");
        assert_eq!(answer["response"]["result"]["status"], "Success");
        let converted = answer["response"]["convertedObjects"].as_array().unwrap();
        let names: Vec<_> = converted.iter().map(|object| &object["metadata"]["name"]).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(converted.iter().all(|object| object["apiVersion"] == "metallb.io/v1beta2"));
    }
    webhooks.end().await;
}

#[tokio::test]
async fn what_cannot_be_converted_is_said() {
    let webhooks = start(&[]).await;
    let request = json!({"uid": "u", "desiredAPIVersion": "metallb.io/v9", "objects": [peer("a", &json!({}))]});
    let body = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request});
    let (status, answer) = webhooks.ask(CONVERT, serde_json::to_vec(&body).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["response"]["result"]["status"], "Failure");
    let message = answer["response"]["result"]["message"].as_str().unwrap();
    assert!(message.contains("metallb.io/v9"), "{message}");
    assert_eq!(answer["response"]["convertedObjects"], json!([]));
    webhooks.end().await;
}

#[tokio::test]
async fn questions_are_counted_by_kind_and_verdict() {
    let webhooks = start(&[pool("first", &["192.0.2.0/28"])]).await;
    webhooks.create(POOL, &pool("second", &["192.0.2.16/28"])).await;
    webhooks.create(POOL, &pool("third", &["198.51.100.0/28"])).await;
    webhooks.create(POOL, &pool("second", &["192.0.2.8/29"])).await;
    webhooks.ask(PEER, b"nonsense".to_vec()).await;
    let conversion = |object: &Value| {
        serde_json::to_vec(&json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "request": { "uid": "1", "desiredAPIVersion": "metallb.io/v1beta2", "objects": [object] },
        }))
        .unwrap()
    };
    let old = object("v1beta1", "BGPPeer", "a", &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" }));
    webhooks.ask(CONVERT, conversion(&old)).await;
    webhooks.ask(CONVERT, conversion(&object("v1beta9", "BGPPeer", "a", &json!({})))).await;
    webhooks.cluster.send_replace(Arc::new(Cluster { reading: true, ..Cluster::default() }));
    webhooks.ask(POOL, review("CREATE", NAMESPACE, &pool("late", &["192.0.2.32/28"]), &Value::Null)).await;
    for (kind, verdict, times) in [
        ("IPAddressPool", "allowed", 2),
        ("IPAddressPool", "denied", 1),
        ("IPAddressPool", "not_yet", 1),
        ("BGPPeer", "not_understood", 1),
        ("BGPPeer", "converted", 1),
        ("BGPPeer", "not_converted", 1),
    ] {
        assert_eq!(webhooks.requests.with_label_values(&[kind, verdict]).get(), times, "{kind} {verdict}");
    }
    webhooks.end().await;
}
