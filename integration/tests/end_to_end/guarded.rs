//! A speaker's metrics on an API server: over TLS, for whoever may get them.

use ferrolb_integration::{Api, Lab, Options, apiserver};

use crate::common::{lab_with, run, settled_owner};

const MONITORING: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: monitoring, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: curious, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: monitoring}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: monitoring}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: monitoring}
subjects: [{kind: ServiceAccount, name: monitoring, namespace: default}]
";

fn kubectl(lab: &Lab, arguments: &[&str]) -> String {
    let line = ["/run/lab/kubectl", "--kubeconfig", "/run/lab/kubeconfig", "--cache-dir", "/run/lab/kubectl-cache"];
    let (code, said) = run(lab, "switch", &[&line, arguments].concat());
    assert_eq!(code, Some(0), "{said}");
    said.trim().to_owned()
}

#[test]
fn metrics_of_a_speaker_are_for_tokens_that_may_get_them_and_over_tls_only() {
    if !apiserver::available().is_ok_and(|there| there.is_some()) {
        println!("skipped: no API server can be had");
        return;
    }
    // The last of a flag that is repeated counts: speakers of a lab have no ports otherwise.
    let speaker_flags = vec!["--port=9120".to_owned()];
    let Some((lab, vip)) = lab_with(Options { api: Api::Kube, speaker_flags, ..Options::default() }) else { return };
    let node = settled_owner(&lab, vip);
    lab.apply("monitoring.yaml", MONITORING).unwrap();
    let get = |url: &str, token: Option<&str>| {
        let header = format!("Authorization: Bearer {}", token.unwrap_or_default());
        let mut line = vec!["curl", "--no-progress-meter", "--insecure", "--max-time", "10", "-w", "\n%{http_code}"];
        line.extend(token.is_some().then_some(["-H", &header]).into_iter().flatten());
        run(&lab, &node, &[&line[..], &[url]].concat()).1
    };
    let secure = "https://127.0.0.1:9120/metrics";
    let token = kubectl(&lab, &["create", "token", "monitoring"]);
    let shown = get(secure, Some(&token));
    assert!(shown.ends_with("\n200") && shown.contains("\nferrolb_members 3\n"), "{shown}");
    assert!(shown.contains("metallb_speaker_announced{"), "{shown}");
    let curious = kubectl(&lab, &["create", "token", "curious"]);
    for (token, code) in [(None, "\n401"), (Some("made-up"), "\n401"), (Some(curious.as_str()), "\n403")] {
        let refused = get(secure, token);
        assert!(refused.ends_with(code) && !refused.contains("ferrolb_members"), "{code}: {refused}");
    }
    let plain = get("http://127.0.0.1:9120/metrics", Some(&token));
    assert!(!plain.contains("ferrolb_members"), "{plain}");
}
