//! Asks the speakers of a cluster through the API server: `ferrolb ... --output json` in their pods, all at once.
//!
//! A node that cannot be asked costs its row, never the others': every question has a deadline.

mod bgp;
mod exec;
mod explain;
mod layer2;
mod members;
mod pods;
mod status;

use std::time::Duration;

pub use bgp::bgp;
pub(crate) use exec::{NoAnswer, ask};
pub use explain::explain;
use futures::StreamExt;
use kube::Client;
pub use layer2::l2;
pub use members::members;
pub(crate) use pods::{Speaker, chain, speakers, told};
use serde::Serialize;
use serde_json::Value;
pub use status::status;

use crate::access::{Asked, Place, block_on};
use crate::output::{Failure, Printer, table};

/// Nodes that are asked at a time: each takes a connection to the API server, and one from there to the kubelet.
pub(crate) const AT_A_TIME: usize = 32;

/// What one node said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) speaker: Speaker,
    pub(crate) answer: Result<Value, NoAnswer>,
}

/// [`Told`] as it is printed for programs.
#[derive(Serialize)]
struct Line<'a> {
    node: &'a str,
    namespace: &'a str,
    pod: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

// === impl Told ===

impl Told {
    /// The node, or the pod that has none yet.
    pub(crate) fn name(&self) -> &str {
        if self.speaker.node.is_empty() { &self.speaker.pod } else { &self.speaker.node }
    }
}

/// Asks every speaker, or the one of `--node`; in order of node.
fn ask_all(asked: &Asked, place: &Place, question: &[&str]) -> Result<Vec<Told>, Failure> {
    block_on(async {
        let client = asked.access.client().await?;
        let all = speakers(&client, place.namespace.as_deref(), asked.selector.as_deref()).await?;
        let chosen = choose(all, asked.node.as_deref())?;
        Ok(ask_each(&client, chosen, question, asked.patience()).await)
    })
}

/// The speakers of one node, where one was named.
fn choose(all: Vec<Speaker>, node: Option<&str>) -> Result<Vec<Speaker>, Failure> {
    let Some(node) = node else { return Ok(all) };
    let (chosen, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|speaker| speaker.node == node);
    if chosen.is_empty() {
        let nodes: Vec<String> = others.into_iter().map(|speaker| speaker.node).collect();
        return Err(Failure::BadInput(format!(
            "no speaker is on node {node:?}; there are some on: {}",
            nodes.join(", ")
        )));
    }
    Ok(chosen)
}

/// Asks each of them the same.
pub(crate) async fn ask_each(
    client: &Client,
    speakers: Vec<Speaker>,
    question: &[&str],
    patience: Duration,
) -> Vec<Told> {
    let ask = |speaker: Speaker| async move {
        let answer = ask(client, &speaker, question, patience).await;
        Told { speaker, answer }
    };
    let mut told: Vec<Told> = futures::stream::iter(speakers).map(ask).buffer_unordered(AT_A_TIME).collect().await;
    told.sort_by(|a, b| a.speaker.cmp(&b.speaker));
    told
}

/// Those who answered.
fn answers(told: &[Told]) -> impl Iterator<Item = (&str, &Value)> {
    told.iter().filter_map(|told| Some((told.name(), told.answer.as_ref().ok()?)))
}

/// A table of rows that begin with their node.
fn with_nodes(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<&str> = std::iter::once("NODE").chain(headings.iter().copied()).collect();
    table(&headings, rows)
}

/// Those who did not, as a table; empty where all did.
fn silent(told: &[Told], printer: Printer) -> String {
    let row = |told: &Told| {
        let reason = told.answer.as_ref().err()?.sentence();
        Some(vec![told.name().to_owned(), printer.mark(false, reason)])
    };
    let rows: Vec<_> = told.iter().filter_map(row).collect();
    if rows.is_empty() { String::new() } else { "\n".to_owned() + &table(&["NODE", "NO ANSWER"], &rows) }
}

/// Prints, and fails where not everybody answered.
fn print(told: &[Told], printer: Printer, draw: impl FnOnce(Printer) -> String) -> Result<(), Failure> {
    let lines = told.iter().map(|told| Line {
        node: &told.speaker.node,
        namespace: &told.speaker.namespace,
        pod: &told.speaker.pod,
        answer: told.answer.as_ref().ok(),
        error: told.answer.as_ref().err().map(NoAnswer::sentence),
    });
    let lines: Vec<Line<'_>> = lines.collect();
    printer.print(&lines, draw)?;
    verdict(told)
}

/// 0 where all answered, 2 where none has what was asked for, else 1.
fn verdict(told: &[Told]) -> Result<(), Failure> {
    let failures: Vec<&NoAnswer> = told.iter().filter_map(|told| told.answer.as_ref().err()).collect();
    let all_refused = failures.len() == told.len() && failures.iter().all(|no| matches!(no, NoAnswer::Refused(_)));
    match failures.first() {
        None => Ok(()),
        Some(first) if all_refused => Err(Failure::BadInput(first.sentence().to_owned())),
        Some(_) => Err(Failure::Failed(format!("{} of {} nodes did not answer", failures.len(), told.len()))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a node said.
    pub(crate) fn said(node: &str, answer: Result<Value, NoAnswer>) -> Told {
        let speaker = Speaker {
            node: node.to_owned(),
            namespace: "lb".to_owned(),
            pod: format!("speaker-{node}"),
            container: "speaker".to_owned(),
            socket: None,
            unfit: None,
        };
        Told { speaker, answer }
    }

    #[test]
    fn who_does_not_answer_fails_the_command_and_an_unknown_service_is_bad_input() {
        let failed = || Err(NoAnswer::Failed("no answer within 1 s".to_owned()));
        let refused = || Err(NoAnswer::Refused("there is no service a/b".to_owned()));
        assert!(verdict(&[said("a", Ok(Value::Null)), said("b", Ok(Value::Null))]).is_ok());
        let one = verdict(&[said("a", Ok(Value::Null)), said("b", failed())]).unwrap_err();
        assert_eq!((one.code(), one.to_string().as_str()), (1, "1 of 2 nodes did not answer"));
        assert_eq!(verdict(&[said("a", refused()), said("b", refused())]).unwrap_err().code(), 2);
        assert_eq!(verdict(&[said("a", refused()), said("b", failed())]).unwrap_err().code(), 1);
    }

    #[test]
    fn a_node_without_a_speaker_is_told_with_those_that_have_one() {
        let speakers = || vec![said("a", Ok(Value::Null)).speaker, said("b", Ok(Value::Null)).speaker];
        assert_eq!(choose(speakers(), None).unwrap().len(), 2);
        assert_eq!(choose(speakers(), Some("b")).unwrap()[0].node, "b");
        let missing = choose(speakers(), Some("c")).unwrap_err();
        assert_eq!(missing.to_string(), "no speaker is on node \"c\"; there are some on: a, b");
    }
}
