//! Metrics over HTTPS, for whoever may have them.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use crate::common::{NAMESPACE, Stage, stage};

/// A ServiceAccount that may get /metrics, and one that may not.
const ACCOUNTS: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: scraper, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: scraper}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: scraper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: scraper}
subjects: [{kind: ServiceAccount, name: scraper, namespace: default}]
";

/// The status and the body that a pod answers with.
fn scrape(stage: &Stage, url: &str, token: &str) -> (String, String) {
    let header = format!("Authorization: Bearer {token}");
    let mut command =
        vec!["curl", "--insecure", "--no-progress-meter", "--max-time", "10", "--write-out", "\n%{http_code}"];
    if !token.is_empty() {
        command.extend(["--header", &header]);
    }
    command.push(url);
    // The host of the control plane has routes to pods, as the nodes do.
    let output = stage.cluster.lab().exec("control", &command).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[test]
fn metrics_are_given_over_https_to_whoever_may_have_them() {
    let Some(stage) = stage() else { return };
    stage.cluster.apply(ACCOUNTS).unwrap();
    let token = |account: &str| stage.cluster.kubectl(&["create", "token", account]).unwrap().trim().to_owned();
    let (scraper, stranger) = (token("scraper"), token("stranger"));
    let pods = stage.cluster.get(&["pods", "--namespace", NAMESPACE]).unwrap();
    let mut seen = String::new();
    for pod in pods.pointer("/items").unwrap().as_array().unwrap() {
        let component = pod.pointer("/metadata/labels/app.kubernetes.io~1component").unwrap().as_str().unwrap();
        let address = pod.pointer("/status/podIP").unwrap().as_str().unwrap();
        let url = format!("https://{address}:9120/metrics");
        assert_eq!(scrape(&stage, &url, "").0, "401", "{component}");
        assert_eq!(scrape(&stage, &url, &stranger).0, "403", "{component}");
        let (status, body) = scrape(&stage, &url, &scraper);
        assert_eq!(status, "200", "{component}");
        assert!(body.contains("ferrolb_"), "{component}: {body}");
        seen.push_str(&body);
    }
    for metric in ["metallb_speaker_announced{", "metallb_allocator_addresses_in_use_total{"] {
        assert!(seen.contains(metric), "{metric}: {seen}");
    }
}
