//! The certificate in the cluster: replicas agree on one, whoever tampers with it is corrected, all over a real client.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

#[path = "support/api_server.rs"]
mod api_server;
mod support;

use std::sync::Arc;

use api_server::{ApiServer, CRD, SECRET, State, WEBHOOKS};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use ferrolb_controller::metrics::webhook_requests;
use ferrolb_controller::webhook::certificate::{Keeper, Names};
use ferrolb_controller::webhook::{ShownOfWebhooks, WebhookArgs, serve_webhooks};
use ferrolb_daemon::Readiness;
use ferrolb_daemon::tls::Identity;
use ferrolb_source::Cluster;
use hyper::StatusCode;
use serde_json::{Value, json};
use support::{NAMESPACE, ask, pool, review};
use tokio::sync::watch;

const SERVICE: &str = "metallb-webhook-service";
const NAME: &str = "metallb-webhook-service.metallb-system.svc";
const POOL: &str = "/validate-metallb-io-v1beta1-ipaddresspool";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    webhooks: WebhookArgs,
}

fn args(flags: &[&str]) -> WebhookArgs {
    Cli::try_parse_from([&["test", "--webhook-port", "0"], flags].concat()).unwrap().webhooks
}

fn shown(ready: &Readiness) -> ShownOfWebhooks {
    ShownOfWebhooks { ready: ready.clone(), requests: webhook_requests().unwrap() }
}

fn client_config() -> Value {
    json!({"service": {"name": SERVICE, "namespace": NAMESPACE, "path": "/x"}})
}

fn configuration() -> Value {
    let webhooks = ["a", "b"].map(|name| json!({"name": name, "clientConfig": client_config(), "laterField": true}));
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "metallb-webhook-configuration"},
        "webhooks": webhooks,
    })
}

fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "bgppeers.metallb.io"},
        "spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client_config()}}},
    })
}

/// What is in the Secret, base64.
fn part(state: &State, key: &str) -> Option<String> {
    Some(state.objects.get(SECRET)?["data"][key].as_str()?.to_owned())
}

/// Every authority that the API server was told to trust.
fn trusted(state: &State) -> Vec<Option<String>> {
    let pointers = [
        (WEBHOOKS, "/webhooks/0/clientConfig/caBundle"),
        (WEBHOOKS, "/webhooks/1/clientConfig/caBundle"),
        (CRD, "/spec/conversion/webhook/clientConfig/caBundle"),
    ];
    let bundle = |(path, pointer)| Some(state.objects.get(path)?.pointer(pointer)?.as_str()?.to_owned());
    pointers.map(bundle).to_vec()
}

fn is_trusted(state: &State) -> bool {
    let authority = part(state, "ca.crt");
    authority.is_some() && trusted(state).iter().all(|bundle| *bundle == authority)
}

fn keep(server: &ApiServer) -> watch::Receiver<Option<Identity>> {
    let (keeper, shows) = Keeper::new(server.client(), Names::new(SERVICE, NAMESPACE), "metallb-webhook-cert");
    server.tasks.spawn(keeper.run(server.tasks.clone(), server.shutdown.clone()));
    shows
}

fn stored(state: &State) -> Identity {
    let part = |key| STANDARD.decode(part(state, key).unwrap()).unwrap();
    Identity::from_pem(&part("tls.crt"), &part("tls.key")).unwrap()
}

async fn with_everything() -> ApiServer {
    let server = ApiServer::start().await;
    server.change(|state| {
        state.put(WEBHOOKS, configuration());
        state.put(CRD, crd());
    });
    server
}

#[tokio::test]
async fn replicas_agree_on_one_certificate_and_the_api_server_trusts_it() {
    let server = with_everything().await;
    let mut replicas = [keep(&server), keep(&server), keep(&server)];
    let state = server.until(is_trusted).await;
    for shows in &mut replicas {
        let shown = shows.wait_for(Option::is_some).await.unwrap().clone();
        assert_eq!(shown, Some(stored(&state)));
    }
    assert_eq!(state.objects[WEBHOOKS]["webhooks"][0]["laterField"], true, "fields of later releases stay");
    server.end().await;
}

#[tokio::test]
async fn a_secret_that_was_installed_empty_is_filled_and_keeps_what_it_has() {
    let server = with_everything().await;
    let metadata = json!({"name": "metallb-webhook-cert", "namespace": NAMESPACE, "labels": {"app": "metallb"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"other": "eA=="}});
    server.change(|state| state.put(SECRET, secret));
    let mut shows = keep(&server);
    shows.wait_for(Option::is_some).await.unwrap();
    let state = server.until(is_trusted).await;
    assert_eq!(part(&state, "other").unwrap(), "eA==");
    assert_eq!(state.objects[SECRET]["metadata"]["labels"]["app"], "metallb");
    server.end().await;
}

#[tokio::test]
async fn an_authority_that_somebody_changes_is_put_back() {
    let server = with_everything().await;
    let _shows = keep(&server);
    server.until(is_trusted).await;
    for (path, object) in [(WEBHOOKS, configuration()), (CRD, crd())] {
        let trusted = server.change(|state| {
            state.put(path, object);
            is_trusted(state)
        });
        assert!(!trusted);
        server.until(is_trusted).await;
    }
    server.end().await;
}

#[tokio::test]
async fn objects_that_come_later_get_the_authority_when_they_come() {
    let server = ApiServer::start().await;
    let mut shows = keep(&server);
    shows.wait_for(Option::is_some).await.unwrap();
    server.change(|state| state.put(WEBHOOKS, configuration()));
    server.until(|state| trusted(state).iter().flatten().count() == 2).await;
    server.change(|state| state.put(CRD, crd()));
    server.until(is_trusted).await;
    server.end().await;
}

#[tokio::test]
async fn a_secret_that_is_lost_is_made_again_and_taken_over() {
    let server = with_everything().await;
    let mut shows = keep(&server);
    server.until(is_trusted).await;
    shows.wait_for(Option::is_some).await.unwrap();
    let lost = part(&server.state.borrow(), "ca.crt");
    server.change(|state| state.delete(SECRET));
    let state = server.until(is_trusted).await;
    assert_ne!(part(&state, "ca.crt"), lost);
    let new = Some(stored(&state));
    shows.wait_for(|shown| *shown == new).await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn the_api_server_is_answered_once_there_is_a_certificate() {
    let server = with_everything().await;
    let (cluster, state) = watch::channel(Arc::new(Cluster { reading: true, ..Cluster::default() }));
    let ready = Readiness::default();
    let (flags, shutdown, tasks) = (args(&[]), &server.shutdown, &server.tasks);
    let serving = serve_webhooks(&flags, server.client(), NAMESPACE, state, tasks, shutdown, shown(&ready));
    let mut address = serving.await.unwrap();
    address.set_ip([127, 0, 0, 1].into());
    let authority = STANDARD.decode(part(&server.until(is_trusted).await, "ca.crt").unwrap()).unwrap();
    let question = review("CREATE", NAMESPACE, &pool("first", &["192.0.2.0/28"]), &Value::Null);
    let early = ask(address, &authority, NAME, POOL, question.clone()).await.unwrap();
    assert_eq!(early.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!ready.get());
    cluster.send_replace(Arc::new(Cluster { namespace: NAMESPACE.to_owned(), ..Cluster::default() }));
    let answer = ask(address, &authority, NAME, POOL, question).await.unwrap();
    assert_eq!(answer.0, StatusCode::OK);
    assert_eq!(serde_json::from_slice::<Value>(&answer.1).unwrap()["response"]["allowed"], true);
    assert!(ready.get());
    server.end().await;
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_served_and_nothing_is_written() {
    let server = with_everything().await;
    let before = server.state.borrow().objects.clone();
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(SERVICE, NAMESPACE);
    let made = ferrolb_controller::webhook::certificate::authority::create(
        &ferrolb_controller::webhook::certificate::Stored::default(),
        &names,
        jiff::Timestamp::now(),
    );
    let made = made.unwrap();
    std::fs::write(dir.path().join("tls.crt"), made.certificate.unwrap()).unwrap();
    std::fs::write(dir.path().join("tls.key"), made.key.unwrap()).unwrap();
    let flags = args(&["--disable-cert-rotation", "--cert-dir", dir.path().to_str().unwrap()]);
    let (_cluster, state) = watch::channel(Arc::new(Cluster::default()));
    let (shutdown, tasks) = (&server.shutdown, &server.tasks);
    let serving =
        serve_webhooks(&flags, server.client(), NAMESPACE, state, tasks, shutdown, shown(&Readiness::default()));
    let mut address = serving.await.unwrap();
    address.set_ip([127, 0, 0, 1].into());
    let authority = made.authority.unwrap();
    let question = review("CREATE", "default", &pool("first", &["192.0.2.0/28"]), &Value::Null);
    // Until the files were read there is nothing to shake hands with.
    let answer = loop {
        if let Ok(answer) = ask(address, &authority, NAME, POOL, question.clone()).await {
            break answer;
        }
    };
    assert_eq!(answer.0, StatusCode::OK);
    assert_eq!(server.state.borrow().objects, before);
    server.end().await;
}
