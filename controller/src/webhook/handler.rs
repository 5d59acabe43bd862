//! Which path is for which question.

use std::sync::Arc;

use ferrolb_daemon::server::{Handle, read_body, response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use prometheus::IntCounterVec;

use crate::webhook::review::{Answer, Convert, Judge, ReviewError, admit, convert};

/// A review carries an object twice at most; an object in etcd has at most 1.5 MiB, a list to convert has many.
pub const LARGEST_BODY: u64 = 8 * 1024 * 1024;
/// `spec.conversion.webhook.clientConfig.service.path` of the CRD.
pub const CONVERT: &str = "/convert";
/// The paths that `ValidatingWebhookConfiguration` names, each with the kind that it is for.
pub const VALIDATE: [(&str, &str); 6] = [
    ("/validate-metallb-io-v1beta2-bgppeer", "BGPPeer"),
    ("/validate-metallb-io-v1beta1-ipaddresspool", "IPAddressPool"),
    ("/validate-metallb-io-v1beta1-bgpadvertisement", "BGPAdvertisement"),
    ("/validate-metallb-io-v1beta1-community", "Community"),
    ("/validate-metallb-io-v1beta1-bfdprofile", "BFDProfile"),
    ("/validate-metallb-io-v1beta1-l2advertisement", "L2Advertisement"),
];

/// Answers the API server's questions.
pub struct Webhooks {
    /// Where objects may be created.
    namespace: String,
    judge: Arc<dyn Judge>,
    converter: Arc<dyn Convert>,
    requests: IntCounterVec,
}

// === impl Webhooks ===

impl Webhooks {
    /// Webhooks for the objects in `namespace`; questions are counted in `requests`, by kind and verdict.
    pub fn new(
        namespace: impl Into<String>,
        judge: Arc<dyn Judge>,
        converter: Arc<dyn Convert>,
        requests: IntCounterVec,
    ) -> Self {
        Self { namespace: namespace.into(), judge, converter, requests }
    }

    /// Answers, and counts the question.
    fn answer(&self, path: &str, body: &[u8]) -> Result<Answer, ReviewError> {
        let reviewed = VALIDATE.iter().find(|(validate, _)| *validate == path);
        let (kind, answer) = match reviewed {
            Some((_, kind)) => (*kind, admit(body, kind, &self.namespace, &*self.judge)),
            // The only kind of more than one version.
            None => ("BGPPeer", convert(body, &*self.converter)),
        };
        let verdict = match &answer {
            Ok(answer) => answer.verdict,
            Err(ReviewError::NotYet) => "not_yet",
            Err(ReviewError::Answer(_)) => "failed",
            Err(
                ReviewError::Json { .. }
                | ReviewError::Type { .. }
                | ReviewError::NoRequest(_)
                | ReviewError::Kind { .. }
                | ReviewError::NoObject { .. },
            ) => "not_understood",
        };
        self.requests.with_label_values(&[kind, verdict]).inc();
        answer
    }
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Handle for Webhooks {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path != CONVERT && !VALIDATE.iter().any(|(validate, _)| *validate == path) {
            return response(StatusCode::NOT_FOUND, "no webhook at this path\n");
        }
        if request.method() != Method::POST {
            return response(StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
        }
        let body = match read_body(request.into_body(), LARGEST_BODY).await {
            Ok(body) => body,
            Err(error) => return response(error.status(), format!("{error}\n")),
        };
        match self.answer(&path, &body) {
            Ok(answer) => {
                let mut response = response(StatusCode::OK, answer.body);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error @ ReviewError::Answer(_)) => {
                response(StatusCode::INTERNAL_SERVER_ERROR, ferrolb_daemon::sentence(&error))
            }
            Err(error @ ReviewError::NotYet) => response(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Err(error) => {
                tracing::warn!(path, error = ferrolb_daemon::sentence(&error), "question not understood");
                response(StatusCode::BAD_REQUEST, ferrolb_daemon::sentence(&error))
            }
        }
    }
}
