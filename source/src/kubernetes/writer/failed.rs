//! Calls that fail: in time, and with what the API server said about it.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use kube::core::Status;

use crate::writer::{WriteError, WriteErrorClass};

/// A call that has no answer by then has none. Short enough that what the holder of a lease began while it held it is
/// over before somebody else can.
const CALL: Duration = Duration::from_secs(4);
/// Nobody who asks to be left alone is left alone for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An answer that says "too many requests" and not for how long.
const PAUSE: Duration = Duration::from_secs(1);
/// So much of an answer that is no `Status` is told.
const SAID: usize = 1024;

/// A call that failed, before it is said what for.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) class: WriteErrorClass,
    pub(super) retry_after: Option<Duration>,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}

/// What the API server said.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({code})")]
struct Said {
    code: u16,
    message: String,
}

// === impl Failed ===

impl Failed {
    pub(super) fn local(source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self { class: WriteErrorClass::Failed, retry_after: None, source }
    }

    /// A call that a client has made sense of.
    pub(super) fn call(error: kube::Error) -> Self {
        match status(&error) {
            Some(status) => Self::said(status.code, status, None),
            None => Self::local(Box::new(error)),
        }
    }

    /// An answer that is no success.
    pub(super) fn answer(code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let status = serde_json::from_slice(body).unwrap_or_else(|_text| {
            let text = String::from_utf8_lossy(body);
            Status::failure(text.trim().get(..SAID).unwrap_or_else(|| text.trim()), "")
        });
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self::said(code.as_u16(), &status, seconds.map(Duration::from_secs))
    }

    fn said(code: u16, status: &Status, header: Option<Duration>) -> Self {
        let details = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let asked = header.or_else(|| (details > 0).then(|| Duration::from_secs(details.into())));
        let retry_after = match code {
            429 => Some(asked.unwrap_or(PAUSE)),
            500..=599 => asked,
            _ => None,
        };
        let message = if status.message.is_empty() { "no reason was given" } else { &*status.message }.to_owned();
        Self {
            class: class(code, &message),
            retry_after: retry_after.map(|pause| pause.min(LONGEST_PAUSE)),
            source: Box::new(Said { code, message }),
        }
    }

    pub(super) fn of(self, what: String) -> WriteError {
        WriteError { what, class: self.class, retry_after: self.retry_after, source: self.source }
    }
}

/// By the status of the answer. Who asks (401), when (408, 429) and what goes on behind the API server (5xx) is no fault
/// of what was to be written, unless a webhook cannot be called for it or it is too large for etcd.
fn class(code: u16, message: &str) -> WriteErrorClass {
    match code {
        404 => WriteErrorClass::Gone,
        409 => WriteErrorClass::Conflict,
        401 | 408 | 429 => WriteErrorClass::Failed,
        400..=499 => WriteErrorClass::Refused,
        500 if ["calling webhook", "too large", "larger than max"].iter().any(|text| message.contains(text)) => {
            WriteErrorClass::Refused
        }
        _ => WriteErrorClass::Failed,
    }
}

/// A call and its deadline.
pub(super) async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
    in_time(async { call.await.map_err(Failed::call) }).await
}

/// The same of a call that says itself how it failed.
pub(super) async fn in_time<T>(call: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::time::timeout(CALL, call).await.unwrap_or_else(|_elapsed| {
        let source = std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {CALL:?}"));
        Err(Failed::local(Box::new(source)))
    })
}

/// What the API server said, where it was the one that refused.
pub(in crate::kubernetes) fn status(error: &kube::Error) -> Option<&Status> {
    if let kube::Error::Api(status) = error { Some(status) } else { None }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn answer(code: u16, header: Option<&'static str>, body: &str) -> (WriteErrorClass, Option<u64>, String) {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|value| (RETRY_AFTER, HeaderValue::from_static(value))));
        let failed = Failed::answer(StatusCode::from_u16(code).unwrap(), &headers, body.as_bytes());
        (failed.class, failed.retry_after.map(|pause| pause.as_secs()), failed.source.to_string())
    }

    fn said(code: u16, message: &str) -> (WriteErrorClass, Option<u64>, String) {
        answer(code, None, &json!({ "kind": "Status", "code": code, "message": message }).to_string())
    }

    #[test]
    fn what_the_api_server_has_a_reason_for_is_refused_and_its_sentence_is_kept() {
        let refused = [
            (400, "bad"),
            (403, "admission webhook \"a\" denied the request: no"),
            (413, "Request entity too large: limit is 3145728"),
            (422, "Service \"web\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes"),
            (500, "Internal error occurred: failed calling webhook \"a\": no endpoints"),
            (500, "rpc error: trying to send message larger than max (3000000 vs. 2097152)"),
        ];
        for (code, message) in refused {
            assert_eq!(said(code, message), (WriteErrorClass::Refused, None, format!("{message} ({code})")));
        }
        for (code, class) in [
            (401, WriteErrorClass::Failed),
            (404, WriteErrorClass::Gone),
            (409, WriteErrorClass::Conflict),
            (500, WriteErrorClass::Failed),
            (503, WriteErrorClass::Failed),
        ] {
            assert_eq!(said(code, "etcdserver: leader changed").0, class, "{code}");
        }
    }

    #[test]
    fn whoever_asks_to_be_left_alone_is_left_alone_for_a_bounded_time() {
        let text = "Too many requests, please try again later.\n";
        let failed = WriteErrorClass::Failed;
        let sentence = format!("{} (429)", text.trim());
        assert_eq!(answer(429, Some("7"), text), (failed, Some(7), sentence.clone()));
        assert_eq!(answer(429, Some("86400"), text), (failed, Some(30), sentence.clone()));
        assert_eq!(answer(429, None, text), (failed, Some(1), sentence.clone()));
        assert_eq!(answer(429, Some("Fri, 31 Dec 1999 23:59:59 GMT"), text), (failed, Some(1), sentence));
        assert_eq!(answer(503, Some("2"), "").1, Some(2));
        assert_eq!(answer(503, None, "").1, None);
        assert_eq!(answer(422, Some("2"), "").1, None);
        let body = json!({ "kind": "Status", "code": 429, "message": "slow", "details": { "retryAfterSeconds": 3 } });
        assert_eq!(answer(429, None, &body.to_string()), (failed, Some(3), "slow (429)".to_owned()));
    }
}
