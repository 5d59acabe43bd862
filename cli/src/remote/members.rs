//! `members` of all nodes: who is alive, and who sees whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Told, answers, ask_all, print, silent};
use crate::access::{Asked, Place};
use crate::ask::{MEMBER_HEADINGS, cell, flag, member_cells};
use crate::output::{Failure, Printer, table};

/// Who is alive, in the eyes of every speaker.
///
/// # Errors
/// The API server or one of the nodes does not answer.
pub fn members(asked: &Asked, place: &Place, printer: Printer) -> Result<(), Failure> {
    let told = ask_all(asked, place, &["members"])?;
    print(&told, printer, |printer| seen(&told, printer) + &silent(&told, printer))
}

/// Each member as it tells of itself, else as the first who sees it does.
fn seen(told: &[Told], printer: Printer) -> String {
    let mut members: BTreeMap<String, (BTreeSet<&str>, &Value)> = BTreeMap::new();
    let asked: BTreeSet<&str> = answers(told).map(|(node, _)| node).collect();
    for (node, answer) in answers(told) {
        for member in answer.as_array().map(Vec::as_slice).unwrap_or_default() {
            let (seers, view) = members.entry(cell(member, "name")).or_insert_with(|| (BTreeSet::new(), member));
            seers.insert(node);
            if flag(member, "me") {
                *view = member;
            }
        }
    }
    let row = |(name, (seers, member)): (String, (BTreeSet<&str>, &Value))| {
        let blind: Vec<&str> = asked.difference(&seers).copied().collect();
        let mut by = format!("{} of {}", seers.len(), asked.len());
        if !blind.is_empty() {
            by = by + ", not by " + &blind.join(", ");
        }
        let mut cells = member_cells(name, member);
        cells.push(printer.mark(blind.is_empty(), &by));
        cells
    };
    let rows: Vec<_> = members.into_iter().map(row).collect();
    let mut headings = MEMBER_HEADINGS.to_vec();
    headings.push("SEEN BY");
    table(&headings, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::said;
    use super::*;
    use crate::output::Format;

    #[test]
    fn a_member_is_shown_as_it_tells_of_itself_with_who_does_not_see_it() {
        let member = |name: &str, owns: u64, me: bool| json!({"name": name, "owns": owns, "me": me});
        let told = [
            said("a", Ok(json!([member("a", 1, true), member("b", 7, false)]))),
            said("b", Ok(json!([member("b", 2, true)]))),
        ];
        let text = seen(&told, Printer::new(Format::Table));
        let rows: Vec<String> = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows[1], "a alive - - - - 1 1 of 2, not by b");
        assert_eq!(rows[2], "b alive - - - - 2 2 of 2");
    }
}
