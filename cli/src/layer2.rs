//! `l2`: what the speaker of a node announces by ARP and NDP, on which interfaces, and who else claims it.

use std::path::Path;

use ferrolb_speaker::admin::Question;
use serde_json::Value;

use crate::ask::{ask, cell, flag, interfaces, list, texts};
use crate::output::{Failure, Printer, table};

/// Every address that is announced here, with its counters; strangers; interfaces.
///
/// # Errors
/// The speaker does not answer.
pub fn l2(socket: &Path, printer: Printer) -> Result<(), Failure> {
    let answer = ask(socket, &Question::Layer2)?;
    printer.print(&answer, |printer| {
        let mut text = String::new();
        if flag(&answer, "stalled") {
            text +=
                &printer.mark(false, "This process stood still; nothing is announced until it knows what is its own.");
            text += "\n\n";
        }
        text += &addresses(&answer);
        let strangers: Vec<_> = list(&answer, "inUse").iter().map(stranger).collect();
        if !strangers.is_empty() {
            text = text + "\n" + &table(&STRANGER_HEADINGS, &strangers);
        }
        text = text + "\n" + &interfaces(&answer, printer);
        let conditions: Vec<_> = list(&answer, "conditions").iter().map(condition).collect();
        if !conditions.is_empty() {
            text = text + "\n" + &table(&CONDITION_HEADINGS, &conditions);
        }
        text
    })
}

/// What [`address`] is made of.
pub(crate) const ADDRESS_HEADINGS: [&str; 8] =
    ["ADDRESS", "SERVICES", "INTERFACES", "ASKED", "ANSWERED", "GRATUITOUS", "DROPPED", "CONFLICTS"];
/// What [`stranger`] is made of.
pub(crate) const STRANGER_HEADINGS: [&str; 3] = ["IN USE", "BY", "INTERFACE"];
/// What [`condition`] is made of.
pub(crate) const CONDITION_HEADINGS: [&str; 3] = ["INTERFACE", "CONDITION", "WHAT TO DO"];

fn addresses(answer: &Value) -> String {
    let rows: Vec<_> = list(answer, "addresses").iter().map(address).collect();
    if rows.is_empty() {
        return "Nothing is announced from here.\n".to_owned();
    }
    table(&ADDRESS_HEADINGS, &rows)
}

/// An address that is announced, with its counters.
pub(crate) fn address(address: &Value) -> Vec<String> {
    let mut cells = vec![cell(address, "address"), texts(address, "services"), texts(address, "interfaces")];
    let counters = ["requestsReceived", "responsesSent", "gratuitousSent", "dropped", "conflicts"];
    cells.extend(counters.map(|counter| cell(address, counter)));
    cells
}

/// An address that somebody else has.
pub(crate) fn stranger(stranger: &Value) -> Vec<String> {
    ["address", "mac", "interface"].map(|field| cell(stranger, field)).to_vec()
}

/// A setting of the kernel that should be changed.
pub(crate) fn condition(condition: &Value) -> Vec<String> {
    ["interface", "kind", "message"].map(|field| cell(condition, field)).to_vec()
}
