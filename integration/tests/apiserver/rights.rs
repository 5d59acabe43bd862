//! What the service accounts of the manifests may do: exactly this.

use std::collections::BTreeSet;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_integration::apiserver::ControlPlane;
use ferrolb_source::kubernetes::{Audience, Identity};
use ferrolb_source::open_kubernetes;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Resource};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::common::{SOON, printed, shared_control_plane};

/// What both may do in every namespace.
const EVERYWHERE: [&str; 4] = ["services list watch", "namespaces list watch", "nodes list watch", "events create"];
/// The controller, in every namespace.
const CONTROLLER_EVERYWHERE: [&str; 5] = [
    "services/status patch",
    "validatingwebhookconfigurations.admissionregistration.k8s.io=metallb-webhook-configuration get list watch update",
    "customresourcedefinitions.apiextensions.k8s.io=bgppeers.metallb.io get list watch update",
    "tokenreviews.authentication.k8s.io create",
    "subjectaccessreviews.authorization.k8s.io create",
];
/// The speaker, in every namespace.
const SPEAKER_EVERYWHERE: [&str; 4] = [
    "endpointslices.discovery.k8s.io list watch",
    "namespaces=kube-system get",
    "tokenreviews.authentication.k8s.io create",
    "subjectaccessreviews.authorization.k8s.io create",
];
/// What both may do in ours.
const AT_HOME: [&str; 9] = [
    "pods get",
    "configmaps list watch",
    "secrets get list watch",
    "bfdprofiles.metallb.io list watch",
    "bgpadvertisements.metallb.io list watch",
    "bgppeers.metallb.io list watch",
    "communities.metallb.io list watch",
    "ipaddresspools.metallb.io list watch",
    "l2advertisements.metallb.io list watch",
];
/// The controller, in ours.
const CONTROLLER_AT_HOME: [&str; 8] = [
    "secrets create",
    "secrets=metallb-webhook-cert update",
    "leases.coordination.k8s.io create",
    "leases.coordination.k8s.io=ferrolb-controller get update",
    "ipaddresspools/status.metallb.io patch",
    "configurationstates.metallb.io create",
    "configurationstates.metallb.io=controller get patch",
    "configurationstates/status.metallb.io=controller patch",
];
/// The speaker, in ours.
const SPEAKER_AT_HOME: [&str; 6] = [
    "servicel2statuses.metallb.io get list watch create delete",
    "servicebgpstatuses.metallb.io get list watch create delete",
    "servicel2statuses/status.metallb.io patch",
    "servicebgpstatuses/status.metallb.io patch",
    "configurationstates.metallb.io get create patch",
    "configurationstates/status.metallb.io patch",
];

#[tokio::test]
async fn the_service_accounts_may_do_what_they_do_and_no_more() {
    let Some(cluster) = shared_control_plane().await else { return };
    // What everybody may do is no right of ours.
    printed(&cluster.kubectl(&["create", "serviceaccount", "nobody", "-n", "default"], "").await.unwrap());
    let nobody = as_account(cluster, "default", "nobody").await;
    for (account, everywhere, at_home) in [
        ("controller", &CONTROLLER_EVERYWHERE[..], &CONTROLLER_AT_HOME[..]),
        ("speaker", &SPEAKER_EVERYWHERE[..], &SPEAKER_AT_HOME[..]),
    ] {
        let client = as_account(cluster, DEFAULT_NAMESPACE, account).await;
        let everywhere = expand(&[&EVERYWHERE, everywhere]);
        let abroad: BTreeSet<String> = &rules(&client, "default").await - &rules(&nobody, "default").await;
        assert_eq!(abroad, everywhere, "{account} in another namespace");
        let at_home = &everywhere | &expand(&[&AT_HOME, at_home]);
        let found: BTreeSet<String> =
            &rules(&client, DEFAULT_NAMESPACE).await - &rules(&nobody, DEFAULT_NAMESPACE).await;
        assert_eq!(found, at_home, "{account} in its own namespace");
    }
}

#[tokio::test]
async fn the_controller_does_its_work_and_is_refused_what_is_not() {
    let Some(cluster) = shared_control_plane().await else { return };
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "given" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
    });
    let admin: Api<Service> = Api::namespaced(cluster.client().await.unwrap(), "default");
    admin.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let client = as_account(cluster, DEFAULT_NAMESPACE, "controller").await;

    // An address and the annotation in one patch of the status.
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let patch = Patch::Merge(json!({
        "metadata": { "annotations": { "metallb.io/ip-allocated-from-pool": "pool" } },
        "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } },
    }));
    let given = services.patch_status("given", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(given.metadata.annotations.unwrap()["metallb.io/ip-allocated-from-pool"], "pool");
    let ingress = given.status.unwrap().load_balancer.unwrap().ingress.unwrap();
    assert_eq!(ingress[0].ip.as_deref(), Some("192.0.2.1"));
    forbidden(services.patch("given", &PatchParams::default(), &patch).await);
    forbidden(services.delete("given", &DeleteParams::default()).await);

    // Its own certificate, and nobody else's Secret.
    let secrets: Api<Secret> = Api::namespaced(client.clone(), DEFAULT_NAMESPACE);
    for name in ["metallb-webhook-cert", "other"] {
        secrets.create(&PostParams::default(), &named(name)).await.unwrap();
    }
    let mut own = secrets.get("metallb-webhook-cert").await.unwrap();
    own.immutable = Some(false);
    secrets.replace("metallb-webhook-cert", &PostParams::default(), &own).await.unwrap();
    forbidden(secrets.replace("other", &PostParams::default(), &named("other")).await);
    forbidden(Api::<Secret>::namespaced(client.clone(), "default").list(&ListParams::default()).await);

    // A watch of one object by name is a right to that name.
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let own = ListParams::default().fields("metadata.name=metallb-webhook-configuration");
    configurations.list(&own).await.unwrap();
    forbidden(configurations.list(&ListParams::default()).await);
    forbidden(configurations.list(&ListParams::default().fields("metadata.name=other")).await);
}

#[tokio::test]
async fn server_side_apply_makes_the_configuration_state_of_its_own_name() {
    let Some(cluster) = shared_control_plane().await else { return };
    let client = as_account(cluster, DEFAULT_NAMESPACE, "controller").await;
    let states: Api<ferrolb_api::v1beta1::ConfigurationState> = Api::namespaced(client, DEFAULT_NAMESPACE);
    let head = |name: &str| {
        Patch::Apply(json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "ConfigurationState", "metadata": { "name": name },
        }))
    };
    let params = PatchParams::apply("poolReconciler").force();
    states.patch("controller", &params, &head("controller")).await.unwrap();
    let status = Patch::Apply(json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "ConfigurationState", "status": { "result": "Valid" },
    }));
    states.patch_status("controller", &params, &status).await.unwrap();
    forbidden(states.patch("speaker-n1", &params, &head("speaker-n1")).await);
}

#[tokio::test]
async fn the_speaker_learns_which_cluster_it_is_in() {
    let Some(cluster) = shared_control_plane().await else { return };
    let namespaces: Api<Namespace> = Api::all(cluster.client().await.unwrap());
    let uid = namespaces.get("kube-system").await.unwrap().metadata.uid.unwrap();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let opened = |client: &Client, audience| {
        let (identity, namespace) = (Identity::default(), DEFAULT_NAMESPACE.to_owned());
        open_kubernetes(client, audience, identity, namespace, &tasks, shutdown.clone())
    };
    let speaker = as_account(cluster, DEFAULT_NAMESPACE, "speaker").await;
    let id = tokio::time::timeout(SOON, opened(&speaker, Audience::Speaker).cluster_id()).await.unwrap();
    assert_eq!(id, Some(uid));
    let controller = as_account(cluster, DEFAULT_NAMESPACE, "controller").await;
    assert_eq!(opened(&controller, Audience::Controller).cluster_id().await, None, "it has no use for it");
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}

fn named<K: Resource + Default>(name: &str) -> K {
    let mut object = K::default();
    *object.meta_mut() = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    object
}

fn forbidden<T: std::fmt::Debug>(answer: kube::Result<T>) {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        other => panic!("not forbidden: {other:?}"),
    }
}

async fn as_account(cluster: &ControlPlane, namespace: &str, account: &str) -> Client {
    let token = cluster.token_for(namespace, account).await.unwrap();
    cluster.client_with_token(&token).await.unwrap()
}

/// Everything that the client's user may do in a namespace, one verb each: `resource.group=name verb`.
async fn rules(client: &Client, namespace: &str) -> BTreeSet<String> {
    let question = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) },
        ..SelfSubjectRulesReview::default()
    };
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &question).await.unwrap();
    let mut found = BTreeSet::new();
    for rule in answer.status.unwrap().resource_rules {
        let names = rule.resource_names.filter(|names| !names.is_empty());
        let names = names.map_or(vec![String::new()], |names| names.iter().map(|name| format!("={name}")).collect());
        for group in rule.api_groups.unwrap() {
            let group = if group.is_empty() { group } else { format!(".{group}") };
            for resource in rule.resources.iter().flatten() {
                for name in &names {
                    found.extend(rule.verbs.iter().map(|verb| format!("{resource}{group}{name} {verb}")));
                }
            }
        }
    }
    found
}

/// One line per verb.
fn expand(lists: &[&[&str]]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in lists.iter().copied().flatten() {
        let (object, verbs) = line.split_once(' ').unwrap();
        found.extend(verbs.split(' ').map(|verb| format!("{object} {verb}")));
    }
    found
}
