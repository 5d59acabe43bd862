//! kubectl and helm, as they run in the switch of a cluster. What they cache is in the lab, not in the caller's home.

use std::env;

use crate::namespaces::{HELM, KUBECONFIG, KUBECTL, LAB_FOLDER};

/// The beginning of a command line of kubectl; it finds `kubectl ferrolb`.
pub(crate) fn kubectl() -> Vec<String> {
    command(&[], KUBECTL)
}

/// The beginning of a command line of helm.
pub(crate) fn helm() -> Vec<String> {
    command(&["CACHE", "CONFIG", "DATA"].map(|kind| format!("HELM_{kind}_HOME={LAB_FOLDER}/helm-{kind}")), HELM)
}

fn command(environment: &[String], program: &str) -> Vec<String> {
    let path = env::var("PATH").unwrap_or_default();
    let begin = [
        "env".to_owned(),
        format!("PATH={LAB_FOLDER}:{path}"),
        format!("KUBECONFIG={KUBECONFIG}"),
        format!("KUBECACHEDIR={LAB_FOLDER}/kubectl-cache"),
    ];
    begin.into_iter().chain(environment.iter().cloned()).chain([program.to_owned()]).collect()
}
