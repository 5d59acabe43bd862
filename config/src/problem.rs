//! What is wrong with which object, said so that one knows what to type instead.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::selectors::Selector;

/// An object as its owner knows it: kind, namespace (empty where there is none), name. Copies share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// For example `IPAddressPool`; `Values` for Helm values, `File` for a file that is no object yet.
    pub kind: Arc<str>,
    /// Empty for cluster-scoped objects and where none is given.
    pub namespace: Arc<str>,
    /// Of a file: its path below the directory.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// An object reference from its parts.
    pub fn new(kind: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// Whether a thing is wrong or only not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Wrong by itself: the configuration is refused and the last good one stays.
    Invalid,
    /// It names something that does not exist; resources may come in any order, so a running system reports it, goes
    /// on, and uses the thing when it comes.
    MissingReference,
}

/// Who is hindered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Controller and speakers.
    Allocation,
    /// Speakers only: addresses can be assigned all the same.
    Announcement,
}

/// One thing that is wrong in one field of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The object at fault.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Path of the field, for example `spec.addresses[0]`; empty where it is about the object as a whole.
    pub field: String,
    /// What stands there now; empty where nothing does.
    pub value: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Whether it is wrong or only missing.
    #[serde(skip)]
    pub class: Class,
    /// Who is hindered.
    #[serde(skip)]
    pub scope: Scope,
    /// Of a problem of speakers: the nodes whose speakers are hindered, any selector will do; none: all.
    #[serde(skip)]
    pub nodes: Vec<Selector>,
}

impl Problem {
    /// Something wrong that controller and speakers both use.
    pub fn new(
        object: ObjectRef,
        field: impl Into<String>,
        value: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            object,
            field: field.into(),
            value: value.into(),
            message: message.into(),
            class: Class::Invalid,
            scope: Scope::Allocation,
            nodes: Vec::new(),
        }
    }

    /// The same, hindering speakers only.
    #[must_use]
    pub fn announcement(self) -> Self {
        Self { scope: Scope::Announcement, ..self }
    }

    /// The same, hindering speakers on some nodes only.
    #[must_use]
    pub(crate) fn on_nodes(self, nodes: Vec<Selector>) -> Self {
        Self { nodes, ..self }
    }

    /// The same, as a reference to something that may still come.
    #[must_use]
    pub fn missing_reference(self) -> Self {
        Self { class: Class::MissingReference, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, field, value, message, .. } = self;
        write!(f, "{object}: ")?;
        match (field.is_empty(), value.is_empty()) {
            (true, _) => write!(f, "{message}"),
            (false, true) => write!(f, "{field}: {message}"),
            (false, false) => write!(f, "{field} = {value}: {message}"),
        }
    }
}
