//! The certificate of the webhooks, kept by the controller or by somebody else.

use std::fs;

use ferrolb_api::DEFAULT_NAMESPACE;
use kube::Client;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::ask::{ask, get, may_create, path};
use crate::installation::{installation, pool};
use crate::patience::eventually;

#[tokio::test]
async fn the_authority_is_put_wherever_the_api_server_looks_for_it_and_put_back() {
    let Some(installation) = installation().await else { return };
    let client = installation.client().await;
    let authority = get(&client, &secret()).await.unwrap()["data"]["ca.crt"].clone();
    assert!(authority.is_string());
    assert_eq!(bundles(&client).await.unwrap(), vec![authority.clone(); 7]);
    for part in ["tls.crt", "tls.key", "ca.key"] {
        assert!(get(&client, &secret()).await.unwrap()["data"][part].is_string(), "{part}");
    }

    // The certificate of somebody else: well-formed, and of no use.
    let (stranger, _key) = certificate("stranger");
    let stranger = json!(k8s_openapi::ByteString(stranger.into_bytes()));
    let configuration = get(&client, &configuration()).await.unwrap();
    let mut webhooks = configuration["webhooks"].clone();
    webhooks[2]["clientConfig"]["caBundle"] = stranger.clone();
    change(&client, &self::configuration(), &json!({ "webhooks": webhooks })).await;
    let conversion = json!({ "webhook": { "clientConfig": { "caBundle": stranger } } });
    change(&client, &crd(), &json!({ "spec": { "conversion": conversion } })).await;
    eventually("the authority is back everywhere", async || {
        let found = bundles(&client).await?;
        if found == vec![authority.clone(); 7] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    // And nothing but the authority was touched.
    let after = get(&client, &self::configuration()).await.unwrap();
    assert_eq!(after["webhooks"], configuration["webhooks"]);
    eventually("the API server trusts it", async || may_create(&client, &pool("a", &["192.0.2.0/24"])).await.object())
        .await;
}

#[tokio::test]
async fn without_its_secret_a_new_certificate_is_made_and_trusted() {
    let Some(installation) = installation().await else { return };
    let client = installation.client().await;
    let before = get(&client, &secret()).await.unwrap()["data"]["ca.crt"].clone();
    ask(&client, "DELETE", &path(&secret()), &Value::Null).await.object().unwrap();
    let authority = eventually("there is another authority", async || {
        let authority = get(&client, &secret()).await?["data"]["ca.crt"].clone();
        if authority.is_string() && authority != before { Ok(authority) } else { Err(authority.to_string()) }
    })
    .await;
    eventually("the API server is told of it", async || {
        let found = bundles(&client).await?;
        if found == vec![authority.clone(); 7] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    eventually("the API server trusts it", async || may_create(&client, &pool("a", &["192.0.2.0/24"])).await.object())
        .await;
}

#[tokio::test]
async fn a_certificate_kept_by_somebody_else_is_followed_and_nothing_is_injected() {
    let Some(mut installation) = installation().await else { return };
    let client = installation.client().await;
    installation.stop_controller().await;
    let resource_version =
        async |object: Value| get(&client, &object).await.unwrap()["metadata"]["resourceVersion"].clone();
    let kept = resource_version(secret()).await;

    let folder = tempfile::tempdir().unwrap();
    let host = format!("metallb-webhook-service.{DEFAULT_NAMESPACE}.svc");
    let first = bring(folder.path(), &host);
    trust(&client, &first).await;
    let files = ["--disable-cert-rotation", "--cert-dir", folder.path().to_str().unwrap()];
    installation.start_controller(&files);
    installation.serving().await;

    // Renewed by whoever keeps it.
    let second = bring(folder.path(), &host);
    trust(&client, &second).await;
    eventually("the new certificate is served", async || {
        may_create(&client, &pool("a", &["192.0.2.0/24"])).await.object()
    })
    .await;
    let secret_now = resource_version(secret()).await;
    assert_eq!(secret_now, kept, "the Secret is nobody's business then");
    assert_eq!(bundles(&client).await.unwrap(), vec![json!(bytes(&second)); 7]);
}

/// Makes a certificate for `host` in `folder`, which is its own authority; what to trust.
fn bring(folder: &std::path::Path, host: &str) -> String {
    let (certificate, key) = certificate(host);
    // Each by itself, as Kubernetes does: whoever reads in between sees a key that does not fit, and looks again.
    fs::write(folder.join("tls.key"), key).unwrap();
    fs::write(folder.join("tls.crt"), &certificate).unwrap();
    certificate
}

fn certificate(host: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn bytes(text: &str) -> k8s_openapi::ByteString {
    k8s_openapi::ByteString(text.as_bytes().to_vec())
}

/// Has the API server trust a certificate, at the admission webhooks and at the conversion.
async fn trust(client: &Client, authority: &str) {
    let mut webhooks = get(client, &configuration()).await.unwrap()["webhooks"].clone();
    for webhook in webhooks.as_array_mut().unwrap() {
        webhook["clientConfig"]["caBundle"] = json!(bytes(authority));
    }
    change(client, &configuration(), &json!({ "webhooks": webhooks })).await;
    let conversion = json!({ "webhook": { "clientConfig": { "caBundle": bytes(authority) } } });
    change(client, &crd(), &json!({ "spec": { "conversion": conversion } })).await;
}

async fn change(client: &Client, object: &Value, patch: &Value) {
    ask(client, "PATCH", &path(object), patch).await.object().unwrap();
}

/// The authorities of the six admission webhooks and of the conversion.
async fn bundles(client: &Client) -> Result<Vec<Value>, String> {
    let configuration = get(client, &configuration()).await?;
    let webhooks = configuration["webhooks"].as_array().unwrap().iter();
    let mut bundles: Vec<Value> = webhooks.map(|webhook| webhook["clientConfig"]["caBundle"].clone()).collect();
    let crd = get(client, &crd()).await?;
    bundles.push(crd["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"].clone());
    Ok(bundles)
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "metallb-webhook-cert", "namespace": DEFAULT_NAMESPACE },
    })
}

fn configuration() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "metallb-webhook-configuration" },
    })
}

fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "bgppeers.metallb.io" },
    })
}
