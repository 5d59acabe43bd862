//! Decides about changes by what the configuration would be after them.

use std::sync::Arc;

use ferrolb_config::{Class, ObjectRef, Problem, Resources, UnknownFields, deletion, introduced, read};
use ferrolb_source::Cluster;
use serde_json::Value;
use tokio::sync::watch;

use crate::webhook::review::{Admission, Change, Judge, Verdict};

/// Judges over the latest state of the cluster: what a change brings that was not wrong before is refused, and what it
/// names that does not exist is warned of. What was wrong already hinders no change, so that it can be mended step by
/// step.
#[derive(Debug, Clone)]
pub struct ClusterJudge {
    cluster: watch::Receiver<Arc<Cluster>>,
}

// === impl ClusterJudge ===

impl ClusterJudge {
    /// A judge over the latest state.
    pub fn new(cluster: watch::Receiver<Arc<Cluster>>) -> Self {
        Self { cluster }
    }
}

impl Judge for ClusterJudge {
    fn review(&self, admission: &Admission) -> Verdict {
        let cluster = Arc::clone(&self.cluster.borrow());
        if cluster.reading {
            return Verdict::NotYet;
        }
        let object = ObjectRef::new(&*admission.kind, &*admission.namespace, &*admission.name);
        match &admission.change {
            Change::Delete => match deletion(&cluster.resources, &object) {
                Ok(()) => Verdict::allowed(),
                Err(problem) => verdict(&[*problem]),
            },
            Change::Create(new) => verdict(&brings(&cluster.resources, &object, None, new)),
            Change::Update { old, new } => verdict(&brings(&cluster.resources, &object, old.as_ref(), new)),
        }
    }
}

/// The problems that an object brings. What the API server says it was counts, not what was seen of it, which may be
/// older.
fn brings(resources: &Resources, object: &ObjectRef, old: Option<&Value>, new: &Value) -> Vec<Problem> {
    let part = |value: &Value| read(&object.kind, value, UnknownFields::Ignore);
    let old = old.map(part);
    let new = match part(new) {
        Ok(new) => new,
        Err(mut problems) => {
            if let Some(Err(known)) = old {
                problems.retain(|problem| !known.contains(problem));
            }
            return problems;
        }
    };
    let mut before = resources.clone();
    before.remove(object);
    let mut after = before.clone();
    after.extend(new);
    if let Some(Ok(old)) = old {
        before.extend(old);
    }
    introduced(&before, &after)
}

fn verdict(problems: &[Problem]) -> Verdict {
    let of = |class: Class| problems.iter().filter(move |problem| problem.class == class).map(ToString::to_string);
    let warnings: Vec<String> = of(Class::MissingReference).collect();
    let refused: Vec<String> = of(Class::Invalid).collect();
    if refused.is_empty() {
        Verdict::Allowed { warnings }
    } else {
        Verdict::Denied { message: refused.join("\n"), warnings }
    }
}
