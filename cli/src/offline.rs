//! `validate`, `plan` and `convert`: what can be said without asking anybody.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_config::{Config, ObjectRef, Problem, Resources, legacy, parse};
use ferrolb_source::{Cluster, directory};
use ferrolb_speaker::plan::{Options, first_election};
use ferrolb_speaker::{NodePlan, Snapshot};
use serde::Serialize;
use serde_json::Value;

use crate::output::{Failure, Printer, table};

/// Reads a directory and checks everything in it.
fn checked(path: &Path, namespace: Option<&str>) -> Result<(Cluster, Config), Failure> {
    let cluster = directory::load(path, namespace).map_err(|error| Failure::BadInput(error.to_string()))?;
    let parsed = parse(&cluster.resources);
    let problems: Vec<Problem> = cluster.problems.iter().chain(&parsed.problems).cloned().collect();
    if problems.is_empty() { Ok((cluster, parsed.config)) } else { Err(Failure::Refused(problems)) }
}

/// Checks a directory; prints the problems as a list (empty: none).
///
/// # Errors
/// [`Failure::Refused`] where there are problems, after they are printed.
pub fn validate(path: &Path, namespace: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let result = checked(path, namespace);
    let problems = match &result {
        Ok(_) => &[][..],
        Err(Failure::Refused(problems)) => problems.as_slice(),
        Err(Failure::BadInput(_) | Failure::Failed(_)) => return result.map(drop),
    };
    printer.print(&problems, |printer| match &result {
        Ok((cluster, config)) => format!(
            "{}: {} pools, {} L2 advertisements, {} services, {} nodes\n",
            printer.mark(true, "valid"),
            config.pools.len(),
            config.l2_advertisements.len(),
            cluster.services.len(),
            cluster.nodes.len(),
        ),
        Err(_) => String::new(),
    })?;
    result.map(drop)
}

#[derive(Serialize)]
struct Planned<'a> {
    node: &'a str,
    services: &'a [ferrolb_speaker::plan::Verdict],
    routes: [(); 0],
}

/// What a node's speaker would announce if `members` (default: every Node object) were alive and had just begun.
///
/// # Errors
/// The configuration is refused, or nobody is called so.
pub fn plan(
    path: &Path,
    namespace: Option<&str>,
    node: &str,
    members: Option<&[String]>,
    options: Options,
    printer: Printer,
) -> Result<(), Failure> {
    let (cluster, config) = checked(path, namespace)?;
    let members: Vec<_> = match members {
        Some(members) => members.iter().map(|name| name.as_str().into()).collect(),
        None => cluster.nodes.keys().map(|name| name.as_str().into()).collect(),
    };
    if members.is_empty() {
        let message = "there are no Node objects; say with --members which nodes are alive";
        return Err(Failure::BadInput(message.to_owned()));
    }
    let snapshot = Snapshot::offline(node.into(), options, Arc::new(config), Arc::new(cluster), &members);
    let (_, NodePlan { verdicts, .. }) = first_election(snapshot);
    printer.print(&Planned { node, services: &verdicts, routes: [] }, |printer| {
        let row = |verdict: &ferrolb_speaker::plan::Verdict| {
            let announce = printer.mark(verdict.announce, if verdict.announce { "yes" } else { "no" });
            vec![
                verdict.service.clone(),
                verdict.address.to_string(),
                verdict.protocol.to_owned(),
                announce,
                verdict.reason.to_string(),
            ]
        };
        let rows: Vec<_> = verdicts.iter().map(row).collect();
        table(&["SERVICE", "ADDRESS", "PROTOCOL", "ANNOUNCE", "REASON"], &rows)
    })
}

/// Turns legacy values, `configInline` or the ConfigMap `config` into resources; prints them as YAML.
///
/// # Errors
/// The file cannot be read, is none of these, or what it says is refused.
pub fn convert(file: &Path, namespace: Option<&str>) -> Result<String, Failure> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Failure::BadInput(format!("{name}: {error}")))?;
    let mut resources = Resources::default();
    let mut found = namespace.map(str::to_owned);
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde::Deserialize::deserialize(document)
            .and_then(|value: serde_yaml::Value| serde_yaml::from_value::<Value>(value));
        let value = value.map_err(|error| Failure::BadInput(format!("{name} is no YAML: {error}")))?;
        if value.is_null() {
            continue;
        }
        let converted = if value.get("kind").and_then(Value::as_str) == Some("ConfigMap") {
            let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let namespace = text_at("/metadata/namespace");
            if found.is_none() && !namespace.is_empty() {
                found = Some(namespace.to_owned());
            }
            let object = ObjectRef::new("ConfigMap", namespace, text_at("/metadata/name"));
            let inner = serde_yaml::from_str(text_at("/data/config"));
            let inner: Value =
                inner.map_err(|e| Failure::BadInput(format!("{object}: data.config is no YAML: {e}")))?;
            legacy::from_config(&inner, object, "data.config")
        } else if legacy::is_bare(&value) {
            legacy::from_config(&value, ObjectRef::new("File", "", &*name), "config")
        } else {
            legacy::from_values(&value, &name)
        };
        resources.extend(converted.map_err(Failure::Refused)?);
    }
    let problems = parse(&resources).problems;
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    let objects = legacy::to_objects(&resources, found.as_deref().unwrap_or(DEFAULT_NAMESPACE));
    let objects = objects.map_err(|error| Failure::Failed(error.to_string()))?;
    let yaml = objects.iter().map(serde_yaml::to_string).collect::<Result<Vec<_>, _>>();
    Ok(yaml.map_err(|error| Failure::Failed(error.to_string()))?.join("---\n"))
}
