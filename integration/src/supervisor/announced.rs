//! What the speakers themselves say that they announce: asked through the command line tool, as a person would.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::command::run;
use crate::error::chain;
use crate::layout::Layout;
use crate::protocol::Announced;

/// Asks the speaker of every node, all at once.
pub(super) async fn ask(cli: &Path, layout: &Layout) -> Vec<Announced> {
    let mut questions = JoinSet::new();
    for node in layout.nodes() {
        let (cli, node) = (cli.to_owned(), node.name.clone());
        questions.spawn(async move {
            let mut command = Command::new(cli);
            command.args(["status", "--output", "json", "--socket"]).arg(super::admin_socket(&node));
            let addresses = match run(&mut command, None).await {
                Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
                Err(error) => Err(chain(&error)),
            };
            Announced { node, addresses: addresses.map(|status| announced_in(&status)) }
        });
    }
    let mut answers = questions.join_all().await;
    answers.sort_by(|a, b| a.node.cmp(&b.node));
    answers
}

/// The addresses with `"announce": true` in a speaker's status: the same entries as in `ferrolb plan`, wherever in the
/// status they stand.
fn announced_in(status: &Value) -> Vec<IpAddr> {
    fn collect(value: &Value, found: &mut BTreeSet<IpAddr>) {
        match value {
            Value::Object(object) => {
                let announced = object.get("announce").and_then(Value::as_bool) == Some(true);
                let address =
                    object.get("address").and_then(Value::as_str).and_then(|text| text.parse::<IpAddr>().ok());
                if announced {
                    found.extend(address);
                }
                object.values().for_each(|inner| collect(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| collect(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(status, &mut found);
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_addresses_are_found_and_others_are_not() {
        let status = serde_json::json!({
            "node": "node-1",
            "services": [
                {"service": "default/web", "address": "10.10.52.0", "announce": true, "reason": "elected"},
                {"service": "default/api", "address": "10.10.52.1", "announce": false, "reason": "other node"},
            ],
        });
        assert_eq!(announced_in(&status), ["10.10.52.0".parse::<IpAddr>().unwrap()]);
    }
}
