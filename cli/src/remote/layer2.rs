//! `l2` of all nodes: what each announces by ARP and NDP, and who else claims it.

use serde_json::Value;

use super::{Told, answers, ask_all, print, silent, with_nodes};
use crate::access::{Asked, Place};
use crate::ask::{INTERFACE_HEADINGS, flag, interface_cells, list};
use crate::layer2::{ADDRESS_HEADINGS, CONDITION_HEADINGS, STRANGER_HEADINGS, address, condition, stranger};
use crate::output::{Failure, Printer};

/// What every speaker announces by ARP and NDP.
///
/// # Errors
/// The API server or one of the nodes does not answer.
pub fn l2(asked: &Asked, place: &Place, printer: Printer) -> Result<(), Failure> {
    let told = ask_all(asked, place, &["l2"])?;
    print(&told, printer, |printer| draw(&told, printer) + &silent(&told, printer))
}

fn draw(told: &[Told], printer: Printer) -> String {
    let mut text = String::new();
    for (node, _) in answers(told).filter(|(_, answer)| flag(answer, "stalled")) {
        let sentence = "stood still; it announces nothing until it knows what is its own.";
        text = text + &printer.mark(false, &format!("{node} {sentence}")) + "\n\n";
    }
    let addresses = rows(told, "addresses", address);
    text += &if addresses.is_empty() {
        "Nothing is announced by ARP or NDP.\n".to_owned()
    } else {
        with_nodes(&ADDRESS_HEADINGS, &addresses)
    };
    let strangers = rows(told, "inUse", stranger);
    if !strangers.is_empty() {
        text = text + "\n" + &with_nodes(&STRANGER_HEADINGS, &strangers);
    }
    let interfaces = rows(told, "interfaces", |interface| interface_cells(interface, printer));
    text = text + "\n" + &with_nodes(&INTERFACE_HEADINGS, &interfaces);
    let conditions = rows(told, "conditions", condition);
    if !conditions.is_empty() {
        text = text + "\n" + &with_nodes(&CONDITION_HEADINGS, &conditions);
    }
    text
}

/// The rows of a list of every node, each with its node in front.
fn rows(told: &[Told], field: &str, cells: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    let row = |node: &str, value| std::iter::once(node.to_owned()).chain(cells(value)).collect();
    answers(told)
        .flat_map(|(node, answer)| list(answer, field).iter().map(move |value| (node, value)))
        .map(|(node, value)| row(node, value))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::said;
    use super::*;
    use crate::output::Format;

    #[test]
    fn every_row_names_its_node() {
        let told = [
            said("a", Ok(json!({"addresses": [{"address": "192.0.2.1"}], "interfaces": [{"name": "eth0"}]}))),
            said(
                "b",
                Ok(json!({"stalled": true, "inUse": [{"address": "192.0.2.9", "mac": "m", "interface": "eth1"}]})),
            ),
        ];
        let text = draw(&told, Printer::new(Format::Table));
        let has =
            |words: &str| text.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(words));
        for row in ["b stood still", "a 192.0.2.1 - -", "b 192.0.2.9 m eth1", "a eth0"] {
            assert!(has(row), "{row}: {text}");
        }
    }
}
