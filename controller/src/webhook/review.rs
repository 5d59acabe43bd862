//! Reviews as the API server sends them, bytes in and bytes out: `AdmissionReview` and `ConversionReview`.
//!
//! Both ways of asking are Kubernetes' own:
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/> and
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/>.

use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use kube::core::conversion::{ConversionRequest, ConversionResponse, ConversionReview};
use kube::core::{DynamicObject, Status};
use serde_json::Value;
use thiserror::Error;

const ADMISSION: (&str, &str) = ("admission.k8s.io/v1", "AdmissionReview");
/// What a CRD lists in `conversionReviewVersions` decides which one is sent; both have the same fields.
const CONVERSION_VERSIONS: [&str; 2] = ["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"];
const CONVERSION_KIND: &str = "ConversionReview";
const DISABLE_MP: &str = "disable mp is deprecated and has no effect since it's the default behavior now";

/// What somebody wants to do to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// Kind of the object, for example `IPAddressPool`.
    pub kind: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object; empty where the API server is to make one.
    pub name: String,
    /// What is to be done.
    pub change: Change,
}

/// What is to be done to an object, with the object as it comes and as it was.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is new.
    Create(Value),
    /// It changes.
    Update {
        /// As it is now.
        old: Option<Value>,
        /// As it is to be.
        new: Value,
    },
    /// It goes.
    Delete,
}

impl Change {
    /// The object as it is to be.
    pub fn candidate(&self) -> Option<&Value> {
        match self {
            Self::Create(new) | Self::Update { new, .. } => Some(new),
            Self::Delete => None,
        }
    }
}

/// What is said to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allowed {
        /// What is worth knowing all the same, a sentence each.
        warnings: Vec<String>,
    },
    /// It must not be done.
    Denied {
        /// Why not.
        message: String,
        /// What is worth knowing besides.
        warnings: Vec<String>,
    },
    /// Nothing can be said yet; what becomes of the change is for the failure policy of the webhook to say.
    NotYet,
}

impl Verdict {
    /// Nothing to say.
    pub fn allowed() -> Self {
        Self::Allowed { warnings: Vec::new() }
    }

    fn warn_first(&mut self, warning: String) {
        match self {
            Self::Allowed { warnings } | Self::Denied { warnings, .. } => warnings.insert(0, warning),
            Self::NotYet => {}
        }
    }
}

/// Decides about changes.
pub trait Judge: Send + Sync {
    /// What is said to a change; nothing is changed by asking.
    fn review(&self, admission: &Admission) -> Verdict;
}

/// Brings an object to another version of the API (`metallb.io/v1beta2`), or says why not.
pub trait Convert: Send + Sync {
    /// The object in the version `to`.
    ///
    /// # Errors
    /// A sentence that says why it cannot be brought there.
    fn convert(&self, object: Value, to: &str) -> Result<Value, String>;
}

impl<F: Fn(Value, &str) -> Result<Value, String> + Send + Sync> Convert for F {
    fn convert(&self, object: Value, to: &str) -> Result<Value, String> {
        self(object, to)
    }
}

/// A body that is no review, or one that cannot be answered.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// Not JSON, or fields are missing or of the wrong type.
    #[error("this is no {expected}: {source}")]
    Json {
        /// What it should have been.
        expected: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another kind, or a version that nobody here speaks.
    #[error("this is {kind:?} of {version:?}; only {expected} is answered here")]
    Type {
        /// What it is.
        kind: String,
        /// Its `apiVersion`.
        version: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// A review in which nothing is asked.
    #[error("this {0} has no request")]
    NoRequest(&'static str),
    /// A path is for one kind.
    #[error("objects of kind {kind} are not reviewed at this path; it is for {expected}")]
    Kind {
        /// Kind of the object.
        kind: String,
        /// Kind that the path is for.
        expected: String,
    },
    /// An operation without the object that it needs.
    #[error("{operation:?} comes without the object")]
    NoObject {
        /// As sent.
        operation: Operation,
    },
    /// Nothing has been read of the cluster yet.
    #[error("the configuration has not been read yet; try again in a moment")]
    NotYet,
    /// A review cannot be written: a bug.
    #[error("the answer cannot be written")]
    Answer(#[source] serde_json::Error),
}

/// An answer to a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As it is sent.
    pub body: Vec<u8>,
    /// What it says in a word, for counting: `allowed`, `denied`, `converted` or `not_converted`.
    pub verdict: &'static str,
}

/// Answers an `AdmissionReview` about an object of `kind`; objects are created in `namespace` only.
///
/// # Errors
/// It is no review that could be answered.
pub fn admit(body: &[u8], kind: &str, namespace: &str, judge: &dyn Judge) -> Result<Answer, ReviewError> {
    let (version, expected) = ADMISSION;
    let review: AdmissionReview<DynamicObject> = read(body, expected, &[version])?;
    let request: AdmissionRequest<DynamicObject> =
        review.try_into().map_err(|_none| ReviewError::NoRequest(expected))?;
    if request.kind.kind != kind {
        return Err(ReviewError::Kind { kind: request.kind.kind, expected: kind.to_owned() });
    }
    let verdict = if request.sub_resource.as_deref().is_none_or(str::is_empty) {
        admission(&request)?.map(|admission| verdict(&admission, namespace, judge))
    } else {
        None
    };
    let mut response = AdmissionResponse::from(&request);
    let warnings = match verdict {
        None => Vec::new(),
        Some(Verdict::NotYet) => return Err(ReviewError::NotYet),
        Some(Verdict::Allowed { warnings }) => warnings,
        Some(Verdict::Denied { message, warnings }) => {
            tracing::info!(kind, namespace = request.namespace, name = request.name, message, "change denied");
            response = response.deny(message);
            response.result.code = 403;
            "Forbidden".clone_into(&mut response.result.reason);
            warnings
        }
    };
    response.warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
    let verdict = if response.allowed { "allowed" } else { "denied" };
    let body = serde_json::to_vec(&response.into_review()).map_err(ReviewError::Answer)?;
    Ok(Answer { body, verdict })
}

/// `None`: an operation about which there is nothing to say.
fn admission(request: &AdmissionRequest<DynamicObject>) -> Result<Option<Admission>, ReviewError> {
    let value = |object: &Option<DynamicObject>| {
        let value = object.as_ref().map(serde_json::to_value).transpose();
        value.map_err(|source| ReviewError::Json { expected: ADMISSION.1, source })
    };
    let candidate = || {
        let missing = || ReviewError::NoObject { operation: request.operation.clone() };
        value(&request.object)?.ok_or_else(missing)
    };
    let change = match request.operation {
        Operation::Create => Change::Create(candidate()?),
        Operation::Update => Change::Update { old: value(&request.old_object)?, new: candidate()? },
        Operation::Delete => Change::Delete,
        Operation::Connect => return Ok(None),
    };
    Ok(Some(Admission {
        kind: request.kind.kind.clone(),
        namespace: request.namespace.clone().unwrap_or_default(),
        name: request.name.clone(),
        change,
    }))
}

fn verdict(admission: &Admission, namespace: &str, judge: &dyn Judge) -> Verdict {
    let elsewhere = admission.namespace != namespace;
    let mut verdict = match admission.change {
        Change::Create(_) if elsewhere => {
            let message = format!("resource must be created in {namespace} namespace");
            Verdict::Denied { message, warnings: Vec::new() }
        }
        // It was there before anybody asked, and may be changed and deleted since it does nothing.
        Change::Update { .. } if elsewhere => Verdict::Allowed {
            warnings: vec![format!("resources outside of the {namespace} namespace have no effect")],
        },
        Change::Delete if elsewhere => Verdict::allowed(),
        Change::Create(_) | Change::Update { .. } | Change::Delete => judge.review(admission),
    };
    let disable_mp = admission.change.candidate().and_then(|object| object.pointer("/spec/disableMP"));
    if admission.kind == "BGPPeer" && disable_mp == Some(&Value::Bool(true)) {
        verdict.warn_first(DISABLE_MP.to_owned());
    }
    verdict
}

/// Answers a `ConversionReview`: all objects are converted, in their order, or none.
///
/// # Errors
/// It is no review that could be answered. An object that cannot be converted is said in the answer.
pub fn convert(body: &[u8], converter: &dyn Convert) -> Result<Answer, ReviewError> {
    let review: ConversionReview = read(body, CONVERSION_KIND, &CONVERSION_VERSIONS)?;
    let mut request =
        ConversionRequest::from_review(review).map_err(|_none| ReviewError::NoRequest(CONVERSION_KIND))?;
    let objects = std::mem::take(&mut request.objects);
    let converted: Result<Vec<Value>, String> =
        objects.into_iter().map(|object| converter.convert(object, &request.desired_api_version)).collect();
    let response = ConversionResponse::for_request(request);
    let (response, verdict) = match converted {
        Ok(converted) => (response.success(converted), "converted"),
        Err(message) => {
            tracing::warn!(message, "object not converted");
            (response.failure(Status::failure(&message, "Invalid")), "not_converted")
        }
    };
    let body = serde_json::to_vec(&response.into_review()).map_err(ReviewError::Answer)?;
    Ok(Answer { body, verdict })
}

/// Reads a review of one of `versions`; what it is comes before what is in it, for a better sentence.
fn read<T: serde::de::DeserializeOwned>(
    body: &[u8],
    expected: &'static str,
    versions: &[&str],
) -> Result<T, ReviewError> {
    let json = |source| ReviewError::Json { expected, source };
    let value: Value = serde_json::from_slice(body).map_err(json)?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if kind != expected || !versions.contains(&version.as_str()) {
        return Err(ReviewError::Type { kind, version, expected });
    }
    T::deserialize(value).map_err(json)
}
