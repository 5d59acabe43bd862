//! `explain` of all nodes: one story where they agree, and who tells it otherwise.

use ferrolb_speaker::plan::Explanation;
use serde_json::Value;

use super::{Told, answers, ask_all, print, silent};
use crate::access::{Asked, Place};
use crate::ask::story;
use crate::output::{Failure, Printer, table};

/// Where a Service is announced and why, in the eyes of every speaker.
///
/// # Errors
/// The API server or one of the nodes does not answer, or nobody knows such a Service.
pub fn explain(asked: &Asked, place: &Place, service: &str, printer: Printer) -> Result<(), Failure> {
    let told = ask_all(asked, place, &["explain", service])?;
    print(&told, printer, |printer| draw(&told, printer) + &silent(&told, printer))
}

fn draw(told: &[Told], printer: Printer) -> String {
    let understood =
        |(node, answer): (_, &Value)| Some((node, serde_json::from_value::<Explanation>(answer.clone()).ok()?));
    let stories: Vec<(&str, Explanation)> = answers(told).filter_map(understood).collect();
    // The owner knows best; where it is silent, whoever comes first.
    let owner = stories.iter().find(|(node, story)| story.owner.as_deref() == Some(node));
    let Some((teller, told_best)) = owner.or(stories.first()) else { return String::new() };
    let other = |(node, story): &(&str, Explanation)| {
        let differs = (&story.owner, &story.addresses) != (&told_best.owner, &told_best.addresses);
        differs.then(|| vec![(*node).to_owned(), printer.mark(false, &story.summary)])
    };
    let others: Vec<_> = stories.iter().filter_map(other).collect();
    let mut text = story(told_best, printer);
    if !others.is_empty() {
        text = text + "\nThis is what " + teller + " says. Others say:\n" + &table(&["NODE", "SAYS"], &others);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::said;
    use super::*;
    use crate::output::Format;

    fn tale(owner: Option<&str>, summary: &str) -> Value {
        json!({
            "service": "default/web", "addresses": ["192.0.2.1"], "pool": "p", "advertisements": ["a"],
            "endpoints": [1, 1], "owner": owner, "epoch": 1, "summary": summary, "nodes": [],
        })
    }

    #[test]
    fn the_owner_tells_the_story_and_who_differs_is_named() {
        let printer = Printer::new(Format::Table);
        let agreed = ["a", "b"].map(|node| said(node, Ok(tale(Some("b"), "b announces it"))));
        let text = draw(&agreed, printer);
        assert!(text.starts_with("default/web: b announces it\n") && !text.contains("Others"), "{text}");
        let split =
            [said("a", Ok(tale(Some("c"), "c announces it"))), said("b", Ok(tale(Some("b"), "b announces it")))];
        let text = draw(&split, printer);
        assert!(text.starts_with("default/web: b announces it\n"), "{text}");
        assert!(text.contains("This is what b says") && text.contains("c announces it"), "{text}");
    }
}
