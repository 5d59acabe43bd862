//! The real controller at work with the rights of its service account: none is missing, and none is there in vain.

use std::collections::BTreeSet;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_integration::apiserver::{AuditEntry, ControlPlane, service_account_user};
use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use kube::Client;
use serde_json::{Value, json};

use crate::ask::{ask, delete, get, path};
use crate::common::{apply, documents, manifest_text, printed};
use crate::installation::{Installation, POD, address_of, installation, lease, pool, service};
use crate::patience::eventually;
use crate::scraping::scrape;

/// One right: a verb on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// Where it holds; `None`: everywhere.
    namespace: Option<String>,
    group: String,
    /// With its subresource, as roles write it.
    resource: String,
    name: Option<String>,
    verb: String,
}

#[tokio::test]
async fn the_controller_is_refused_nothing_and_uses_every_right_it_has() {
    let Some(mut installation) = installation().await else { return };
    let client = installation.client().await;
    printed(&apply(&installation.cluster, &pool("pool", &["192.0.2.7-192.0.2.9"]).to_string()).await);
    let web = service("web");
    printed(&apply(&installation.cluster, &web.to_string()).await);
    assigns(&client, &web).await;
    leaves_word(&client).await;
    looks_after_its_certificate(&client).await;
    shows_its_metrics(&installation).await;

    // A successor goes on where it left off.
    let before = get(&client, &web).await.unwrap();
    installation.stop_controller().await;
    let lease = get(&client, &lease()).await.unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "", "{lease:#}");
    installation.start_controller(&[]);
    installation.serving().await;
    let late = service("late");
    printed(&apply(&installation.cluster, &late.to_string()).await);
    eventually("the successor assigns", async || address_of(&client, &late).await).await;
    assert_eq!(get(&client, &web).await.unwrap(), before);

    for service in [web, late] {
        ask(&client, "DELETE", &path(&service), &Value::Null).await.object().unwrap();
    }
    let rights = rights("rbac.yaml");
    assert!(rights.len() > 40, "{rights:#?}");
    every_right_is_used(&installation.cluster, &rights).await;
}

/// An address, its event, and the pool's counters.
async fn assigns(client: &Client, service: &Value) {
    let address = eventually("the Service has an address", async || address_of(client, service).await).await;
    assert_eq!(address, "192.0.2.7");
    let annotations = get(client, service).await.unwrap()["metadata"]["annotations"].clone();
    assert_eq!(annotations["metallb.io/ip-allocated-from-pool"], "pool");
    let events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=web,reason=IPAllocated";
    eventually("an event tells of it", async || {
        let list = ask(client, "GET", events, &Value::Null).await.object()?;
        if list["items"] == json!([]) { Err(list.to_string()) } else { Ok(()) }
    })
    .await;
    eventually("the pool counts it", async || {
        let status = get(client, &pool("pool", &[])).await?["status"].clone();
        if status["assignedIPv4"] == 1 && status["availableIPv4"] == 2 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

/// The Lease, and the ConfigurationState that goes with the pod.
async fn leaves_word(client: &Client) {
    assert_eq!(get(client, &lease()).await.unwrap()["spec"]["holderIdentity"], POD);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": POD, "namespace": DEFAULT_NAMESPACE } });
    let uid = get(client, &pod).await.unwrap()["metadata"]["uid"].clone();
    let state = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "ConfigurationState",
        "metadata": { "name": "controller", "namespace": DEFAULT_NAMESPACE },
    });
    let valid = async || {
        eventually("the configuration is said to be valid", async || {
            let state = get(client, &state).await?;
            if state["status"]["result"] == "Valid" { Ok(state) } else { Err(state.to_string()) }
        })
        .await
    };
    let first = valid().await;
    // Whoever takes it away does not keep it from being said.
    delete(client, &state).await;
    let state = valid().await;
    assert_ne!(state["metadata"]["uid"], first["metadata"]["uid"]);
    let owner = json!([{ "apiVersion": "v1", "kind": "Pod", "name": POD, "uid": uid }]);
    assert_eq!(state["metadata"]["ownerReferences"], owner);
}

/// Made already, since the webhooks answer; a part that is lost is made anew.
async fn looks_after_its_certificate(client: &Client) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "metallb-webhook-cert", "namespace": DEFAULT_NAMESPACE },
    });
    let before = get(client, &secret).await.unwrap();
    let loss = json!({ "data": { "tls.crt": null } });
    ask(client, "PATCH", &path(&secret), &loss).await.object().unwrap();
    eventually("there is another certificate of the same authority", async || {
        let now = get(client, &secret).await?;
        let same_authority = now["data"]["ca.crt"] == before["data"]["ca.crt"];
        let another = now["data"]["tls.crt"].is_string() && now["data"]["tls.crt"] != before["data"]["tls.crt"];
        if same_authority && another { Ok(()) } else { Err("the Secret is as it was".to_owned()) }
    })
    .await;
}

/// To whoever may get them, which it asks the API server.
async fn shows_its_metrics(installation: &Installation) {
    let metrics = scrape(installation).await;
    for line in [
        "metallb_k8s_client_config_loaded_bool 1",
        "ferrolb_webhook_requests_total{kind=\"IPAddressPool\",verdict=\"allowed\"}",
        "# TYPE ferrolb_watch_failures_total counter",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// The audit log tells of every one of these rights of the controller, and of no refusal.
pub(crate) async fn every_right_is_used(cluster: &ControlPlane, rights: &BTreeSet<Right>) {
    let user = service_account_user(DEFAULT_NAMESPACE, "controller");
    // An entry may come a moment after the answer.
    let used = eventually("every right is used", async || {
        let log = cluster.audit_log().unwrap();
        let own: Vec<AuditEntry> = log.into_iter().filter(|entry| entry.user == user).collect();
        let unused: Vec<&Right> =
            rights.iter().filter(|right| !own.iter().any(|entry| right.is_used_by(entry))).collect();
        if unused.is_empty() { Ok(own) } else { Err(format!("{unused:#?}")) }
    })
    .await;
    let refused: BTreeSet<String> = used
        .iter()
        .filter(|entry| !entry.allowed || entry.code == 403)
        .map(|entry| format!("{} {}", entry.verb, entry.uri))
        .collect();
    assert_eq!(refused, BTreeSet::new());
}

/// What a manifest allows the controller, right by right.
pub(crate) fn rights(manifest: &str) -> BTreeSet<Right> {
    let documents = documents(&manifest_text(manifest));
    let mut rights = BTreeSet::new();
    let of = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
    for binding in of("RoleBinding").chain(of("ClusterRoleBinding")) {
        let subjects: Vec<Subject> = serde_json::from_value(binding["subjects"].clone()).unwrap();
        if !subjects.iter().any(|subject| subject.name == "controller") {
            continue;
        }
        let role: RoleRef = serde_json::from_value(binding["roleRef"].clone()).unwrap();
        let is_role = |document: &&Value| {
            document["kind"] == role.kind.as_str() && document["metadata"]["name"] == role.name.as_str()
        };
        let rules = documents.iter().find(is_role).unwrap()["rules"].clone();
        let namespace = binding["metadata"]["namespace"].as_str().map(str::to_owned);
        for rule in serde_json::from_value::<Vec<PolicyRule>>(rules).unwrap() {
            rights.extend(rights_of(&rule, namespace.as_ref()));
        }
    }
    rights
}

fn rights_of(rule: &PolicyRule, namespace: Option<&String>) -> Vec<Right> {
    let names = rule.resource_names.clone().unwrap_or_default();
    let names: Vec<Option<String>> = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for name in &names {
                rights.extend(rule.verbs.iter().map(|verb| Right {
                    namespace: namespace.cloned(),
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    rights
}

// === impl Right ===

impl Right {
    fn is_used_by(&self, entry: &AuditEntry) -> bool {
        let subresource = if entry.subresource.is_empty() { String::new() } else { format!("/{}", entry.subresource) };
        // Server-side apply of what is not there yet takes the right to create.
        let creates = self.verb == "create" && entry.verb == "patch" && entry.code == 201;
        self.group == entry.group
            && self.resource == format!("{}{subresource}", entry.resource)
            && (self.verb == entry.verb || creates)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == entry.namespace)
            && self.name.as_ref().is_none_or(|name| *name == entry.name)
            && entry.allowed
            && (200..300).contains(&entry.code)
    }
}
