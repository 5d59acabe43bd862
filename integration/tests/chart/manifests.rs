//! The chart says the same as the manifests that are applied without Helm, which other tests try on an API server.

use std::collections::BTreeMap;

use ferrolb_api::crds;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionSpec;
use serde_json::Value;

use crate::helm::{documents, helm, text};

/// Roles by what they are called for: without the name of the release, or of the namespace.
fn rules(objects: &[Value]) -> BTreeMap<String, Value> {
    let roles = objects.iter().filter(|object| ["Role", "ClusterRole"].contains(&object["kind"].as_str().unwrap()));
    roles
        .map(|role| {
            let name = role["metadata"]["name"].as_str().unwrap();
            let name = name.trim_start_matches("ferrolb-system").trim_start_matches("ferrolb");
            let kind = role["kind"].as_str().unwrap();
            (format!("{kind} {}", name.trim_start_matches([':', '-'])), role["rules"].clone())
        })
        .collect()
}

/// Who is given which role: (role, account).
fn grants(objects: &[Value]) -> Vec<(String, String)> {
    let bindings = objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("RoleBinding"));
    let plain = |name: &Value| {
        let name = name.as_str().unwrap().trim_start_matches("ferrolb-system").trim_start_matches("ferrolb");
        name.trim_start_matches([':', '-']).to_owned()
    };
    let mut all: Vec<_> = bindings
        .flat_map(|binding| {
            let role =
                format!("{} {}", binding["roleRef"]["kind"].as_str().unwrap(), plain(&binding["roleRef"]["name"]));
            let subjects = binding["subjects"].as_array().unwrap().iter();
            subjects.map(|subject| (role.clone(), plain(&subject["name"]))).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all
}

#[test]
fn rights_are_those_of_the_manifests() {
    let Some(helm) = helm() else { return };
    let (chart, manifests) = (helm.defaults().0, documents(&text("charts/manifests/rbac.yaml")));
    assert_eq!(rules(&chart), rules(&manifests));
    assert_eq!(grants(&chart), grants(&manifests));
    let abroad = helm.template_as("metallb", "metallb-system", &[], &[]).unwrap();
    for binding in abroad.all("RoleBinding").into_iter().chain(abroad.all("ClusterRoleBinding")) {
        for subject in binding["subjects"].as_array().unwrap() {
            assert_eq!(subject["namespace"], "metallb-system", "{}", binding["metadata"]["name"]);
            abroad.one("ServiceAccount", subject["name"].as_str().unwrap());
        }
    }
}

#[test]
fn rights_over_pods_come_with_the_wish_to_fail_endpoints_only() {
    let Some(helm) = helm() else { return };
    let usual = helm.defaults().0;
    let chart = helm.template(&[], &["nodeFailure.failEndpoints=true"]).unwrap().0;
    let mut manifests = documents(&text("charts/manifests/rbac.yaml"));
    manifests.extend(documents(&text("charts/manifests/optional/node-failure.yaml")));
    assert_eq!(rules(&chart), rules(&manifests));
    assert_eq!(grants(&chart), grants(&manifests));
    assert!(!rules(&usual).values().any(|rules| rules.to_string().contains("pods/status")), "{usual:#?}");
}

#[test]
fn webhooks_are_those_of_the_manifests() {
    let Some(helm) = helm() else { return };
    let chart = helm.defaults();
    let manifests = documents(&text("charts/manifests/webhooks.yaml"));
    let manifest = |kind: &str| manifests.iter().find(|object| object["kind"] == kind).unwrap();
    let name = "metallb-webhook-configuration";
    assert_eq!(
        chart.one("ValidatingWebhookConfiguration", name)["webhooks"],
        manifest("ValidatingWebhookConfiguration")["webhooks"]
    );
    let service = chart.one("Service", "metallb-webhook-service");
    assert_eq!(manifest("Service")["metadata"]["name"], "metallb-webhook-service");
    assert_eq!(service["spec"]["ports"][0]["port"], manifest("Service")["spec"]["ports"][0]["port"]);
    let ports = chart.container("controller")["ports"].as_array().unwrap();
    let target = ports.iter().find(|port| port["name"] == service["spec"]["ports"][0]["targetPort"]).unwrap();
    assert_eq!(target["containerPort"], manifest("Service")["spec"]["ports"][0]["targetPort"]);
    assert_eq!(service["spec"]["selector"], chart.pod("controller")["metadata"]["labels"]);
}

#[test]
fn crds_are_those_of_the_types_and_outlive_the_release() {
    let Some(helm) = helm() else { return };
    let chart = helm.template_as("lb", "elsewhere", &[], &[]).unwrap();
    let all = crds::all();
    assert_eq!(chart.all("CustomResourceDefinition").len(), all.len());
    for crd in all {
        let crd = if crd.spec.versions.len() > 1 {
            crds::with_conversion(crd, "elsewhere", "metallb-webhook-service", None)
        } else {
            crd
        };
        let name = crd.metadata.name.clone().unwrap();
        let rendered = chart.one("CustomResourceDefinition", &name);
        let spec: CustomResourceDefinitionSpec = serde_json::from_value(rendered["spec"].clone()).unwrap();
        assert_eq!(spec, crd.spec, "{name}");
        assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{name}");
    }
}
