//! Requests as kubectl makes them, with the warnings that the API server answers.

use ferrolb_api::GROUP;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use crate::common::plural;

/// What the API server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    /// The texts of its warnings.
    pub(crate) warnings: Vec<String>,
}

// === impl Answer ===

impl Answer {
    /// The object, or why there is none.
    pub(crate) fn object(self) -> Result<Value, String> {
        if (200..300).contains(&self.code) { Ok(self.body) } else { Err(self.to_string()) }
    }

    /// Why it was refused; empty where it was not.
    pub(crate) fn refusal(&self) -> &str {
        if self.code < 300 { "" } else { self.body["message"].as_str().unwrap_or_default() }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.code, self.body["message"].as_str().unwrap_or_default(), self.warnings)
    }
}

/// One request.
pub(crate) async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let request = http::Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, content);
    let answer = client.send(request.body(Body::from(text.into_bytes())).unwrap()).await.unwrap();
    let warnings = answer.headers().get_all(http::header::WARNING).iter().map(|value| warning(value.to_str().unwrap()));
    let (code, warnings) = (answer.status().as_u16(), warnings.collect());
    let bytes = answer.into_body().collect_bytes().await.unwrap();
    Answer { code, body: serde_json::from_slice(&bytes).unwrap_or_default(), warnings }
}

/// Asks whether an object may be created; nothing is.
pub(crate) async fn may_create(client: &Client, object: &Value) -> Answer {
    ask(client, "POST", &format!("{}?dryRun=All&fieldValidation=Strict", folder(object)), object).await
}

/// Asks whether an object may be deleted; it is not.
pub(crate) async fn may_delete(client: &Client, object: &Value) -> Answer {
    ask(client, "DELETE", &format!("{}?dryRun=All", path(object)), &Value::Null).await
}

/// Deletes an object, if it is there.
pub(crate) async fn delete(client: &Client, object: &Value) {
    let answer = ask(client, "DELETE", &path(object), &Value::Null).await;
    assert!(answer.code == 200 || answer.code == 404, "{answer}");
}

/// Reads an object.
pub(crate) async fn get(client: &Client, object: &Value) -> Result<Value, String> {
    ask(client, "GET", &path(object), &Value::Null).await.object()
}

/// The path of an object.
pub(crate) fn path(object: &Value) -> String {
    format!("{}/{}", folder(object), object["metadata"]["name"].as_str().unwrap())
}

/// The path of all objects of its kind in its namespace.
fn folder(object: &Value) -> String {
    let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let plural = if version.starts_with(GROUP) { plural(kind) } else { format!("{}s", kind.to_lowercase()) };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// The text of a header `299 - "text"` (RFC 7234, section 5.5).
fn warning(header: &str) -> String {
    let quoted = header.split_once('"').map_or(header, |(_agent, text)| text.strip_suffix('"').unwrap_or(text));
    quoted.replace("\\\"", "\"").replace("\\\\", "\\")
}
