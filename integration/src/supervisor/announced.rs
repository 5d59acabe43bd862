//! What the speakers themselves say that they announce: asked through the command line tool, as a person would.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;
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
                Ok(text) => serde_json::from_str::<Status>(&text).map_err(|error| error.to_string()),
                Err(error) => Err(chain(&error)),
            };
            Announced { node, addresses: addresses.map(Status::announced) }
        });
    }
    let mut answers = questions.join_all().await;
    answers.sort_by(|a, b| a.node.cmp(&b.node));
    answers
}

/// What is read of a speaker's status: its answers are those of `ferrolb plan`.
#[derive(Deserialize)]
struct Status {
    services: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    address: Option<IpAddr>,
    announce: bool,
}

impl Status {
    /// The addresses that are announced, each once.
    fn announced(self) -> Vec<IpAddr> {
        let announced = self.services.into_iter().filter(|verdict| verdict.announce);
        let addresses: BTreeSet<IpAddr> = announced.filter_map(|verdict| verdict.address).collect();
        addresses.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_addresses_are_found_and_others_are_not() {
        let status = r#"{
            "node": "node-1",
            "services": [
                {"service": "default/web", "address": "10.10.52.0", "announce": true, "reason": "owner: elected"},
                {"service": "default/shared", "address": "10.10.52.0", "announce": true},
                {"service": "default/api", "address": "10.10.52.1", "announce": false, "reason": "other: node-2"},
                {"service": "default/none", "announce": false}
            ],
            "interfaces": [{"name": "eth0", "announces": true}]
        }"#;
        let status: Status = serde_json::from_str(status).unwrap();
        assert_eq!(status.announced(), ["10.10.52.0".parse::<IpAddr>().unwrap()]);
    }
}
