//! Lists objects of an API server, page by page, within bounds, and keeps of them what is to the point.

use std::time::Duration;

use http::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::remote::told;

/// A request that is not answered by then is not.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Objects a page.
const PAGE: usize = 500;
/// Objects of a kind; ten thousand Services have some more slices.
const MOST_OBJECTS: usize = 50_000;
/// After so many requests in a row without any answer no more are made.
const PATIENCE: u32 = 3;

/// Asks an API server, and stops to when it does not answer.
pub(super) struct Reader {
    client: Client,
    unanswered: u32,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(client: Client) -> Self {
        Self { client, unanswered: 0 }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// One answer as text.
    pub(super) async fn text(&mut self, path: &str) -> Result<String, String> {
        if self.unanswered >= PATIENCE {
            return Err("left out: the API server has stopped to answer".to_owned());
        }
        let request = Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        match tokio::time::timeout(ANSWER_WITHIN, self.client.request_text(request)).await {
            Ok(Ok(text)) => {
                self.unanswered = 0;
                Ok(text)
            }
            Ok(Err(error)) => {
                let answered = matches!(error, kube::Error::Api(_));
                self.unanswered = if answered { 0 } else { self.unanswered + 1 };
                Err(told("get it", &error))
            }
            Err(_elapsed) => {
                self.unanswered += 1;
                Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))
            }
        }
    }

    /// One answer as data.
    pub(super) async fn value(&mut self, path: &str) -> Result<Value, String> {
        let text = self.text(path).await?;
        serde_json::from_str(&text).map_err(|error| format!("not understood: {error}"))
    }

    /// All objects of a path that `keep` wants, as a list. What of it was not got is said, too.
    pub(super) async fn list(
        &mut self,
        path: &str,
        mut keep: impl FnMut(&mut Value) -> bool,
    ) -> Result<(Value, Option<String>), String> {
        let (mut kept, mut seen) = (Vec::new(), 0);
        let mut next = String::new();
        let mut head = Value::Null;
        let mut cut = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.value(&format!("{path}{separator}limit={PAGE}{next}")).await;
            let mut page = match page {
                Ok(page) => page,
                // What was got counts.
                Err(why) if seen > 0 => {
                    cut = Some(format!("the first {seen} only: {why}"));
                    break;
                }
                Err(why) => return Err(why),
            };
            let items = page.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
            seen += items.len();
            kept.extend(items.into_iter().filter_map(|mut item| keep(&mut item).then_some(item)));
            let token = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            head = json!({ "apiVersion": page.get("apiVersion"), "kind": page.get("kind") });
            if token.is_empty() {
                break;
            }
            if seen >= MOST_OBJECTS {
                cut = Some(format!("the first {seen} only"));
                break;
            }
            next = format!("&continue={token}");
        }
        if let Some(fields) = head.as_object_mut() {
            fields.insert("items".to_owned(), Value::Array(kept));
        }
        Ok((head, cut))
    }
}

/// The text at a place of an object; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The objects of a list.
pub(super) fn items(list: &Value) -> &[Value] {
    list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
