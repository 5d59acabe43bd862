//! All files together become one [`Cluster`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_config::{ObjectRef, Problem};

use super::files::{Files, News, Presence};
use super::item::{Content, Item, with_status};
use crate::SourceError;
use crate::cluster::{Cluster, Skipped};
use crate::object::{Endpoint, ObjectKey, Service};

/// Where MetalLB is installed as often as not.
const METALLB_NAMESPACE: &str = "metallb-system";

/// Reads a directory once.
///
/// `namespace` is the one of the configuration objects; `None`: the one that they all name.
///
/// # Errors
/// The directory cannot be read at all.
pub fn load(path: &Path, namespace: Option<&str>) -> Result<Cluster, SourceError> {
    let mut files = open(path)?;
    let news = News { all: true, ..News::default() };
    files.refresh(now(), &news).map_err(|error| SourceError::Directory(path.to_owned(), error))?;
    Ok(combine(&files, namespace))
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// A directory whose files have not been read yet.
pub(super) fn open(path: &Path) -> Result<Files, SourceError> {
    Ok(Files::new(&canonical(path)?))
}

pub(super) fn canonical(path: &Path) -> Result<PathBuf, SourceError> {
    path.canonicalize().map_err(|error| SourceError::Directory(path.to_owned(), error))
}

/// Puts together what stands in all files.
pub(super) fn combine(files: &Files, namespace: Option<&str>) -> Cluster {
    let mut cluster = Cluster { problems: files.problems().cloned().collect(), ..Cluster::default() };
    let held: HashMap<ObjectKey, &Arc<Service>> = files.statuses().filter_map(Item::service).collect();
    cluster.problems.extend(files.statuses().filter_map(|item| item.problem.as_deref().cloned()));
    cluster.pool_statuses = files.statuses().filter_map(Item::pool_status).collect();

    let mut seen: HashMap<&ObjectRef, &str> = HashMap::new();
    let mut endpoints: BTreeMap<ObjectKey, Vec<Endpoint>> = BTreeMap::new();
    let mut configuration: Vec<&Item> = Vec::new();
    for (item, presence) in files.manifests() {
        if presence == Presence::Gone && seen.contains_key(&item.object) {
            continue;
        }
        cluster.problems.extend(item.problem.as_deref().cloned());
        let said = item.problem.is_some() || !matches!(item.content, Content::Skipped(_) | Content::Nothing);
        let named = !item.object.name.is_empty() && said;
        if named && let Some(first) = seen.insert(&item.object, &item.place) {
            let message = format!("stands in {first} and again in {}; remove one of the two", item.place);
            cluster.problems.push(Problem::new(item.object.clone(), "metadata.name", &*item.object.name, message));
            continue;
        }
        match &item.content {
            Content::Service(service) => {
                let key = ObjectKey::new(&*item.object.namespace, &*item.object.name);
                let service = match held.get(&key) {
                    Some(status) => Arc::new(with_status(service, status)),
                    None => Arc::clone(service),
                };
                cluster.services.insert(key, service);
            }
            Content::Endpoints(service, more) => endpoints.entry(service.clone()).or_default().extend_from_slice(more),
            Content::Node(node) => {
                cluster.nodes.insert(item.object.name.to_string(), Arc::clone(node));
            }
            Content::Namespace(labels) => {
                cluster.namespaces.insert(item.object.name.to_string(), labels.clone());
            }
            Content::Config(_) | Content::Secret(_) | Content::Suspect(_) => configuration.push(item),
            Content::Skipped(skipped) => cluster.skipped.push((**skipped).clone()),
            Content::Nothing | Content::PoolStatus(_) => {}
        }
    }
    cluster.endpoints = endpoints.into_iter().map(|(key, endpoints)| (key, Arc::new(endpoints))).collect();
    configure(&mut cluster, &configuration, namespace);
    cluster
}

/// Takes over the configuration of the one namespace that counts.
fn configure(cluster: &mut Cluster, configuration: &[&Item], namespace: Option<&str>) {
    cluster.resources.nodes = cluster.nodes.iter().map(|(name, node)| (name.clone(), node.labels.clone())).collect();
    let certain = configuration.iter().filter(|item| matches!(item.content, Content::Config(_)));
    let named: BTreeSet<&str> = certain.map(|item| &*item.object.namespace).filter(|name| !name.is_empty()).collect();
    cluster.namespace = match namespace {
        Some(namespace) => namespace.to_owned(),
        None => named.first().map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |first| (*first).to_owned()),
    };
    if namespace.is_none() && named.len() > 1 {
        for item in configuration.iter().filter(|item| named.iter().skip(1).any(|n| *n == &*item.object.namespace)) {
            let all = named.iter().copied().collect::<Vec<_>>().join(", ");
            let message =
                format!("configuration objects name several namespaces ({all}); say with --namespace which one counts");
            let problem = Problem::new(item.object.clone(), "metadata.namespace", &*item.object.namespace, message);
            cluster.problems.push(problem);
        }
    }
    for item in configuration {
        let ours = item.object.namespace.is_empty() || *item.object.namespace == cluster.namespace;
        if let Content::Suspect(problem) = &item.content
            && (ours || &*item.object.namespace == METALLB_NAMESPACE)
        {
            cluster.problems.push((**problem).clone());
        }
        if let Content::Secret(facts) = &item.content
            && ours
        {
            cluster.resources.extend((**facts).clone());
        }
        let Content::Config(resources) = &item.content else { continue };
        if !ours {
            cluster.skipped.push(Skipped {
                object: item.object.clone(),
                place: item.place.clone(),
                reason: format!("ignored: configuration is read from namespace {}", cluster.namespace),
            });
            continue;
        }
        cluster.resources.extend((**resources).clone());
    }
}
