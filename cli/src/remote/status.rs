//! `status` of all nodes: how each is, and which of them announces what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Told, answers, ask_all, print};
use crate::access::{Asked, Place};
use crate::ask::{cell, flag, list, sentence};
use crate::output::{Failure, Printer, table};

/// How every speaker is and what it announces.
///
/// # Errors
/// The API server or one of the nodes does not answer.
pub fn status(asked: &Asked, place: &Place, printer: Printer) -> Result<(), Failure> {
    let told = ask_all(asked, place, &["status"])?;
    print(&told, printer, |printer| {
        nodes(&told, printer) + &problems(&told, printer) + "\n" + &services(&told, printer)
    })
}

fn nodes(told: &[Told], printer: Printer) -> String {
    let row = |told: &Told| {
        let name = told.name().to_owned();
        let status = match &told.answer {
            Ok(status) => status,
            Err(reason) => {
                let unknown = || "-".to_owned();
                let remark = reason.sentence().to_owned();
                return vec![name, printer.mark(false, "unknown"), unknown(), unknown(), unknown(), remark];
            }
        };
        let ready = flag(status, "ready");
        let announced = list(status, "services").iter().filter(|service| flag(service, "announce")).count();
        let remark = if flag(status, "configStale") { "the newest configuration is not in force" } else { "" };
        vec![
            name,
            printer.mark(ready, if ready { "ready" } else { "not ready" }),
            cell(status, "version"),
            list(status, "members").len().to_string(),
            announced.to_string(),
            remark.to_owned(),
        ]
    };
    let rows: Vec<_> = told.iter().map(row).collect();
    table(&["NODE", "STATE", "VERSION", "MEMBERS", "ANNOUNCES", "REMARK"], &rows)
}

/// What is wrong with the configuration, each once, and who says so where not all do.
fn problems(told: &[Told], printer: Printer) -> String {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let asked = answers(told).count();
    for (node, status) in answers(told) {
        for problem in list(status, "problems") {
            let object = format!("{} {}/{}", cell(problem, "kind"), cell(problem, "namespace"), cell(problem, "name"));
            let text = [object, cell(problem, "field"), cell(problem, "message")].join(": ");
            found.entry(text).or_default().insert(node);
        }
    }
    let line = |(text, nodes): (String, BTreeSet<&str>)| {
        let who = nodes.iter().copied().collect::<Vec<_>>().join(", ");
        let who = if nodes.len() == asked { String::new() } else { format!(" (says {who})") };
        printer.mark(false, &text) + &who + "\n"
    };
    let lines: String = found.into_iter().map(line).collect();
    if lines.is_empty() { lines } else { "\n".to_owned() + &lines }
}

/// Every address and who announces it, as they say themselves.
fn services(told: &[Told], printer: Printer) -> String {
    let mut addresses: BTreeMap<(String, String), Vec<(&str, &Value)>> = BTreeMap::new();
    for (node, status) in answers(told) {
        for verdict in list(status, "services") {
            let key = (cell(verdict, "service"), cell(verdict, "address"));
            addresses.entry(key).or_default().push((node, verdict));
        }
    }
    if addresses.is_empty() {
        return "No service has an address yet.\n".to_owned();
    }
    let row = |((service, address), verdicts): ((String, String), Vec<(&str, &Value)>)| {
        let announcing: Vec<_> = verdicts.iter().filter(|(_, verdict)| flag(verdict, "announce")).collect();
        let owners: BTreeSet<String> = verdicts.iter().map(|(_, verdict)| cell(verdict, "owner")).collect();
        let by = announcing.iter().map(|(node, _)| *node).collect::<BTreeSet<_>>();
        let by = if by.is_empty() { "nobody".to_owned() } else { by.into_iter().collect::<Vec<_>>().join(", ") };
        // Of those who do not announce it, the owner knows best why.
        let owner = verdicts.iter().find(|(node, verdict)| cell(verdict, "owner") == *node);
        let reason = announcing.first().copied().or(owner).or(verdicts.first());
        let reason = reason.map(|(_, verdict)| sentence(verdict)).unwrap_or_default();
        let owners = owners.into_iter().collect::<Vec<_>>().join(", ");
        vec![service, address, owners, printer.mark(announcing.len() == 1, &by), reason]
    };
    let rows: Vec<_> = addresses.into_iter().map(row).collect();
    table(&["SERVICE", "ADDRESS", "OWNER", "ANNOUNCED BY", "WHY"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::NoAnswer;
    use super::super::tests::said;
    use super::*;
    use crate::output::Format;

    fn verdict(owner: &str, announce: bool, reason: &str) -> Value {
        json!({"service": "default/web", "address": "192.0.2.1", "owner": owner, "announce": announce, "reason": reason})
    }

    fn node(services: &[Value]) -> Value {
        json!({"ready": true, "version": "0.1.0", "members": [{}, {}], "services": services})
    }

    #[test]
    fn one_row_for_each_node_and_one_for_each_address() {
        let told = [
            said("node-1", Ok(node(&[verdict("node-1", true, "owner: node-1 is the owner")]))),
            said("node-2", Ok(node(&[verdict("node-1", false, "notOwner: node-1 has it")]))),
            said("node-3", Err(NoAnswer::Failed("no answer within 15 s".to_owned()))),
        ];
        let printer = Printer::new(Format::Table);
        let text = nodes(&told, printer) + &services(&told, printer);
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1], ["node-1", "ready", "0.1.0", "2", "1"]);
        assert_eq!(words[2], ["node-2", "ready", "0.1.0", "2", "0"]);
        assert_eq!(words[3].join(" "), "node-3 unknown - - - no answer within 15 s");
        assert_eq!(words[5].join(" "), "default/web 192.0.2.1 node-1 node-1 node-1 is the owner");
        assert_eq!(words.len(), 6, "{text}");
    }

    #[test]
    fn two_that_announce_and_nobody_who_does_are_both_seen() {
        let printer = Printer::new(Format::Table);
        let both = ["a", "b"].map(|name| said(name, Ok(node(&[verdict(name, true, "owner: it is")]))));
        assert!(services(&both, printer).contains("a, b"), "{}", services(&both, printer));
        let none = [said("a", Ok(node(&[verdict("b", false, "notOwner: b has it")])))];
        assert!(services(&none, printer).contains("nobody"), "{}", services(&none, printer));
        assert_eq!(services(&[], printer), "No service has an address yet.\n");
    }

    #[test]
    fn a_problem_is_told_once_and_with_who_says_so_where_not_all_do() {
        let printer = Printer::new(Format::Table);
        let problem =
            json!({"kind": "BGPPeer", "namespace": "lb", "name": "p", "field": "spec.myASN", "message": "bad"});
        let wrong = |name| said(name, Ok(json!({"problems": [problem]})));
        assert_eq!(problems(&[wrong("a"), wrong("b")], printer), "\nBGPPeer lb/p: spec.myASN: bad\n");
        let one = problems(&[wrong("a"), said("b", Ok(json!({})))], printer);
        assert_eq!(one, "\nBGPPeer lb/p: spec.myASN: bad (says a)\n");
    }
}
