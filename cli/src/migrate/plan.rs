//! What is to be done next, and what forbids it: follows from what there is, whatever was done before.

use ferrolb_config::parse;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::backup::{self, Backup};
use super::found::{Found, WEBHOOK_CONFIGURATION, WEBHOOK_SERVICE, Workloads};
use super::objects::{Change, Verb, called, flag, number};
use crate::output::{Failure, Printer, table};

/// No node has this label, so MetalLB's speakers run nowhere.
const NOWHERE: &str = "ferrolb.io/in-place-of-metallb";
/// Where the webhooks' certificate is, of MetalLB as of ferrolb.
const WEBHOOK_SECRET: &str = "metallb-webhook-cert";

/// What was told on the command line.
#[derive(Debug, Clone)]
pub(super) struct Terms<'a> {
    /// The Helm release that ferrolb is, or will be.
    pub(super) release: &'a str,
    /// Whether BGP may go.
    pub(super) without_bgp: bool,
}

/// What is there, what is to be done, what forbids it, and what the operator does then.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    #[serde(serialize_with = "as_map")]
    found: Vec<(&'static str, String)>,
    pub(super) changes: Vec<Change>,
    pub(super) problems: Vec<String>,
    /// What the operator does when this is done.
    pub(super) next: String,
}

// === impl Plan ===

impl Plan {
    /// Forward, as far as it goes now.
    pub(super) fn forward(found: &Found, terms: &Terms<'_>) -> Result<Self, Failure> {
        Ok(Self::new(found, problems(found, terms), changes(found, terms)?, next(found, terms)))
    }

    /// Back to what was before the first change.
    pub(super) fn back(found: &Found, terms: &Terms<'_>) -> Result<Self, Failure> {
        let namespace = &found.namespace;
        let Some(backup) = &found.backup else {
            let message = format!("there is nothing to put back: no Secret {namespace}/{}", backup::NAME);
            return Err(Failure::BadInput(message));
        };
        let mut problems = Vec::new();
        if found.ferrolb.any().is_some() {
            problems.push(format!(
                "ferrolb is there, and holds what MetalLB needs; first: helm uninstall {} --namespace {namespace} --wait",
                terms.release
            ));
        }
        if found.metallb.any().is_none() {
            problems.push("MetalLB was removed; install it again, and it finds its custom resources".to_owned());
        }
        let put = |object: &DynamicObject| Change::new(object, "put back as it was", Verb::Put);
        let mut changes: Vec<Change> = backup.objects.iter().map(put).collect();
        let kept = backup.secret(namespace)?;
        changes.push(Change::new(&kept, "delete: it has served", Verb::Delete));
        let speaker = found.metallb.speaker.as_ref().map(ResourceExt::name_any).unwrap_or_default();
        let next = format!("kubectl --namespace {namespace} rollout status daemonset/{speaker}");
        Ok(Self::new(found, problems, changes, next))
    }

    fn new(found: &Found, problems: Vec<String>, changes: Vec<Change>, next: String) -> Self {
        Self { found: overview(found), changes, problems, next }
    }

    /// For people.
    pub(super) fn draw(&self, printer: Printer) -> String {
        let found: Vec<_> = self.found.iter().map(|(subject, is)| vec![(*subject).to_owned(), is.clone()]).collect();
        let mut drawn = table(&["FOUND", ""], &found);
        let change = |change: &Change| vec![called(&change.object), change.what.clone()];
        let changes: Vec<_> = self.changes.iter().map(change).collect();
        if !changes.is_empty() {
            drawn = drawn + "\n" + &table(&["OBJECT", "CHANGE"], &changes);
        }
        let problems: Vec<_> = self.problems.iter().map(|problem| vec![printer.mark(false, problem)]).collect();
        if !problems.is_empty() {
            drawn = drawn + "\n" + &table(&["PROBLEMS"], &problems);
        }
        drawn
    }
}

fn as_map<S: Serializer>(pairs: &[(&str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(subject, is)| (subject, is)))
}

fn overview(found: &Found) -> Vec<(&'static str, String)> {
    let state = |workload: Option<&DynamicObject>, wanted: &str, ready: &str| match workload {
        Some(workload) => {
            let (ready, wanted) = (number(workload, ready), number(workload, wanted));
            format!("{}, {ready} of {wanted} ready", called(workload))
        }
        None => "not there".to_owned(),
    };
    let controller = |of: &Workloads| state(of.controller.as_ref(), "/spec/replicas", "/status/readyReplicas");
    let speaker = |of: &Workloads| state(of.speaker.as_ref(), "/status/desiredNumberScheduled", "/status/numberReady");
    let release = match (&found.release, &found.released) {
        (Some(release), _) => release.called(),
        (None, Some(name)) => format!("{name}, without a record"),
        (None, None) => "none".to_owned(),
    };
    let held = found.holdings.addresses.values().map(Vec::len).sum::<usize>();
    vec![
        ("namespace", found.namespace.clone()),
        ("MetalLB's Helm release", release),
        ("MetalLB's controller", controller(&found.metallb)),
        ("MetalLB's speakers", speaker(&found.metallb)),
        ("ferrolb's controller", controller(&found.ferrolb)),
        ("ferrolb's speakers", speaker(&found.ferrolb)),
        ("custom resources", found.holdings.resources.len().to_string()),
        ("addresses", format!("{held} of {} Services", found.holdings.addresses.len())),
    ]
}

fn problems(found: &Found, terms: &Terms<'_>) -> Vec<String> {
    let mut resources = found.resources.clone();
    let mut problems: Vec<String> = found.unreadable.iter().map(ToString::to_string).collect();
    let (peers, advertisements) = (resources.bgp_peers.len(), resources.bgp_advertisements.len());
    if terms.without_bgp {
        resources.bgp_peers.clear();
        resources.bgp_advertisements.clear();
    } else if peers + advertisements > 0 {
        problems.push(format!(
            "{peers} BGPPeers and {advertisements} BGPAdvertisements: what they announce is gone from when MetalLB's speaker of a node \
             ends until ferrolb's has its sessions, and that was not tried by tests; --without-bgp goes on all the same"
        ));
    }
    let parsed = parse(&resources);
    problems.extend(parsed.problems.iter().map(ToString::to_string));
    for (service, addresses) in &found.holdings.addresses {
        if parsed.config.pool_of(addresses).is_none() {
            let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            problems.push(format!("Service {service} has {list}, which no pool has: it would get another address"));
        }
    }
    if let (Some(name), None) = (&found.released, &found.release) {
        problems.push(format!(
            "Helm release {name} has no record in a Secret of namespace {}: `helm uninstall` would delete the CRDs, and with them \
             every custom resource",
            found.namespace
        ));
    }
    problems.extend(found.ferrolb.both().filter_map(|workload| misplaced(found, workload)));
    let waits = |controller: &&DynamicObject| number(controller, "/status/availableReplicas") == 0;
    if let Some(controller) = found.ferrolb.controller.as_ref().filter(waits) {
        problems.push(format!("{} is not available yet: wait for it", called(controller)));
    }
    problems
}

/// Why ferrolb as it is installed cannot take over.
fn misplaced(found: &Found, workload: &DynamicObject) -> Option<String> {
    let (name, wanted) = (called(workload), &found.namespace);
    if workload.namespace().as_ref() != Some(wanted) {
        return Some(format!("{name} cannot see the custom resources: install ferrolb in namespace {wanted}"));
    }
    let class_of = |workload: &DynamicObject| flag(workload, "lb-class").unwrap_or_default().to_owned();
    let class = class_of(found.metallb.any()?);
    (class != class_of(workload))
        .then(|| format!("{name} serves other Services than MetalLB: install ferrolb with loadBalancerClass {class:?}"))
}

/// In order: nothing before it is kept, and the speakers last, as they are what announces.
fn changes(found: &Found, terms: &Terms<'_>) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    if found.metallb.any().is_none() {
        return Ok(changes);
    }
    if found.backup.is_none() {
        let kept = Backup::of(found).secret(&found.namespace)?;
        changes.push(Change::new(&kept, "keep there what is changed below, as it is now", Verb::Put));
    }
    let runs = |controller: &&DynamicObject| controller.data.pointer("/spec/replicas") != Some(&json!(0));
    if let Some(controller) = found.metallb.controller.as_ref().filter(runs) {
        let none = Verb::Merge(json!({ "spec": { "replicas": 0 } }));
        changes.push(Change::new(controller, "scale to 0: two must not assign addresses", none));
    }
    if let Some(release) = &found.release
        && let Some(kept) = release.keeping(is_kept).map_err(Failure::Failed)?
    {
        let what = "mark CRDs and webhooks as kept, so that `helm uninstall` leaves them";
        changes.push(Change::new(&release.secret, what, Verb::Merge(kept)));
    }
    let webhooks = found.webhooks_of_metallb();
    changes.extend(webhooks.map(|object| Change::new(object, "delete: ferrolb brings its own", Verb::Delete)));
    for definition in &found.definitions {
        let owner = json!({ "metadata": {
            "labels": { "app.kubernetes.io/managed-by": "Helm" },
            "annotations": {
                "helm.sh/resource-policy": "keep",
                "meta.helm.sh/release-name": terms.release,
                "meta.helm.sh/release-namespace": found.namespace,
            },
        } });
        if !has(&serde_json::to_value(definition).unwrap_or_default(), &owner) {
            let what = format!("hand over to Helm release {}", terms.release);
            changes.push(Change::new(definition, what, Verb::Merge(owner)));
        }
    }
    if let Some(speaker) = found.metallb.speaker.as_ref().filter(|speaker| !is_stopped(speaker))
        && found.ferrolb.speaker.is_some()
    {
        let what = "stop on all nodes: ferrolb's speakers start as soon as their ports are free";
        changes.push(Change::new(speaker, what, Verb::Merge(stopped())));
    }
    Ok(changes)
}

/// What of MetalLB's release stays: what cannot be made again, and what is ferrolb's by then.
fn is_kept(kind: &str, name: &str) -> bool {
    match kind {
        "CustomResourceDefinition" => true,
        "Service" => name == WEBHOOK_SERVICE,
        "ValidatingWebhookConfiguration" => name == WEBHOOK_CONFIGURATION,
        "Secret" => name == WEBHOOK_SECRET,
        "ConfigMap" => name == "config",
        _ => false,
    }
}

/// Whether merging `part` would change nothing.
fn has(whole: &Value, part: &Value) -> bool {
    part.as_object().map_or(whole == part, |fields| {
        fields.iter().all(|(name, value)| whole.get(name).is_some_and(|there| has(there, value)))
    })
}

/// What keeps speakers from every node.
fn stopped() -> Value {
    json!({ "spec": { "template": { "spec": { "nodeSelector": { NOWHERE: "true" } } } } })
}

/// Whether MetalLB's speakers were stopped for ferrolb's.
pub(super) fn is_stopped(speaker: &DynamicObject) -> bool {
    has(&speaker.data, &stopped())
}

fn next(found: &Found, terms: &Terms<'_>) -> String {
    let (namespace, release) = (&found.namespace, terms.release);
    if found.metallb.any().is_none() {
        return match &found.backup {
            Some(_) => format!("kubectl --namespace {namespace} delete secret {}", backup::NAME),
            None => "nothing: MetalLB is gone".to_owned(),
        };
    }
    if found.ferrolb.any().is_none() {
        let class = Some(found.class()).filter(|class| !class.is_empty());
        let class = class.map(|class| format!(" --set loadBalancerClass={class}")).unwrap_or_default();
        return format!(
            "helm install {release} charts/ferrolb --namespace {namespace}{class} --set speaker.priorityClassName= \
             (without --wait), then again: ferrolb migrate metallb --apply"
        );
    }
    if let Some(name) = &found.released {
        return format!("helm uninstall {name} --namespace {namespace}");
    }
    let names: Vec<String> = found.metallb.both().map(ResourceExt::name_any).collect();
    format!("kubectl --namespace {namespace} delete deployment,daemonset {}", names.join(" "))
}
