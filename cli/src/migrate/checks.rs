//! Whether ferrolb does what MetalLB did: the same addresses, the same custom resources, everything announced once.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use kube::api::DynamicObject;
use serde_json::Value;

use super::found::{Found, Holdings};
use super::objects::{called, number, text};
use crate::remote::{ask_each, speakers};

/// A speaker that does not answer by then is asked again at the next look.
const ANSWER: Duration = Duration::from_secs(5);

/// Everything that is not as it should be.
pub(super) async fn shortcomings(client: &Client, before: &Holdings, found: &Found) -> Vec<String> {
    let mut all = before.lost_in(&found.holdings);
    all.extend(unready(found));
    all.extend(found.states.iter().filter_map(invalid));
    all.extend(unannounced(before, &verdicts(client, &found.namespace).await));
    all
}

fn unready(found: &Found) -> Vec<String> {
    let ready = |workload: &DynamicObject, wanted: &str, ready: &str| {
        let (wanted, ready) = (number(workload, wanted), number(workload, ready));
        (ready < wanted || wanted == 0).then(|| format!("{}: {ready} of {wanted} are ready", called(workload)))
    };
    let controller = found.ferrolb.controller.iter();
    let controller = controller.filter_map(|workload| ready(workload, "/spec/replicas", "/status/readyReplicas"));
    let speaker = found.ferrolb.speaker.iter();
    controller
        .chain(speaker.filter_map(|workload| ready(workload, "/status/desiredNumberScheduled", "/status/numberReady")))
        .collect()
}

fn invalid(state: &DynamicObject) -> Option<String> {
    let result = text(state, "/status/result");
    (result != "Valid").then(|| format!("{}: {result} {}", called(state), text(state, "/status/errorSummary")))
}

/// How many nodes announce each address of each Service, as their speakers tell.
async fn verdicts(client: &Client, namespace: &str) -> BTreeMap<(String, String), usize> {
    let mut announced = BTreeMap::new();
    let found = speakers(client, Some(namespace), None).await.unwrap_or_default();
    for told in ask_each(client, found, &["status"], ANSWER).await {
        let Ok(status) = told.answer else { continue };
        for verdict in status.get("services").and_then(Value::as_array).into_iter().flatten() {
            let said = |field: &str| verdict.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let counts = verdict.get("announce") == Some(&Value::Bool(true));
            *announced.entry((said("service"), said("address"))).or_default() += usize::from(counts);
        }
    }
    announced
}

/// Addresses that were announced before and are not, or by several nodes.
fn unannounced(before: &Holdings, announced: &BTreeMap<(String, String), usize>) -> Vec<String> {
    let each = before.addresses.iter().flat_map(|(service, addresses)| addresses.iter().map(move |ip| (service, ip)));
    let wrong = each.filter_map(|(service, address)| {
        let nodes = announced.get(&(service.clone(), address.to_string())).copied().unwrap_or_default();
        let lost = nodes == 0 && before.announced.contains(service);
        (lost || nodes > 1).then(|| format!("{address} of {service} is announced by {nodes} nodes"))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_announced_has_to_be_announced_by_one_node() {
        let key = |service: &str| (service.to_owned(), "192.0.2.1".to_owned());
        let before = Holdings {
            addresses: ["a/told", "a/silent"]
                .map(|service| (service.to_owned(), vec!["192.0.2.1".parse().unwrap()]))
                .into(),
            announced: ["a/told".to_owned()].into(),
            ..Holdings::default()
        };
        let wrong = |told: usize, silent: usize| {
            unannounced(&before, &[(key("a/told"), told), (key("a/silent"), silent)].into())
        };
        assert_eq!(wrong(1, 0), [""; 0]);
        assert_eq!(wrong(0, 1), ["192.0.2.1 of a/told is announced by 0 nodes"]);
        assert_eq!(wrong(1, 2), ["192.0.2.1 of a/silent is announced by 2 nodes"]);
        assert_eq!(unannounced(&before, &BTreeMap::new()).len(), 1, "nobody answered");
    }
}
