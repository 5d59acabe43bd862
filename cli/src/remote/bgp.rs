//! `bgp` of all nodes: the sessions of each, and what its peers have been told.

use ferrolb_speaker::admin::{Bgp, BgpPeer, BgpRoute};
use serde::de::DeserializeOwned;

use super::{Told, answers, ask_all, print, silent, with_nodes};
use crate::access::{Asked, Place};
use crate::bgp::{BgpCommand, ROUTE_HEADINGS, SUMMARY_HEADINGS, deaf, details, route_cells, summary_cells, words};
use crate::output::{Failure, Printer};

/// What every speaker says of BGP.
///
/// # Errors
/// The API server or one of the nodes does not answer, or none of them has the peer.
pub fn bgp(asked: &Asked, place: &Place, command: &BgpCommand, printer: Printer) -> Result<(), Failure> {
    let words = words(command);
    let question: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = ask_all(asked, place, &question)?;
    print(&told, printer, |printer| draw(&told, command, printer) + &silent(&told, printer))
}

fn draw(told: &[Told], command: &BgpCommand, printer: Printer) -> String {
    match command {
        BgpCommand::Summary => {
            let all: Vec<(&str, Bgp)> = read(told).collect();
            let rows = rows(all.iter().map(|(node, bgp)| (*node, bgp.peers.as_slice())), |p| summary_cells(p, printer));
            let complaints: String = all.iter().map(|(_, bgp)| deaf(bgp)).collect();
            if rows.is_empty() {
                "No BGP peer is configured for any of the nodes.\n".to_owned()
            } else {
                with_nodes(&SUMMARY_HEADINGS, &rows) + &complaints
            }
        }
        BgpCommand::Peers { .. } => {
            let of = |(node, peers): (&str, Vec<BgpPeer>)| -> Vec<String> {
                peers.iter().map(|peer| format!("{node}: {}", details(peer, printer))).collect()
            };
            read(told).flat_map(of).collect::<Vec<_>>().join("\n")
        }
        BgpCommand::Routes(_) => {
            let all: Vec<(&str, Vec<BgpRoute>)> = read(told).collect();
            let rows = rows(all.iter().map(|(node, routes)| (*node, routes.as_slice())), route_cells);
            if rows.is_empty() { "no routes\n".to_owned() } else { with_nodes(&ROUTE_HEADINGS, &rows) }
        }
    }
}

/// The answers, understood; one of another version of the program is passed over.
fn read<T: DeserializeOwned>(told: &[Told]) -> impl Iterator<Item = (&str, T)> {
    answers(told).filter_map(|(node, answer)| Some((node, serde_json::from_value(answer.clone()).ok()?)))
}

/// The rows of every node, each with its node in front.
fn rows<'a, T: 'a>(
    all: impl Iterator<Item = (&'a str, &'a [T])>,
    cells: impl Fn(&T) -> Vec<String>,
) -> Vec<Vec<String>> {
    let of = |node: &str, value: &T| std::iter::once(node.to_owned()).chain(cells(value)).collect();
    all.flat_map(|(node, values)| values.iter().map(move |value| (node, value)))
        .map(|(node, value)| of(node, value))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::said;
    use super::*;
    use crate::output::Format;

    #[test]
    fn every_session_names_its_node_and_what_keeps_it_down() {
        let up = json!({"node": "a", "unknownSources": 0, "listeners": [], "peers": [{
            "name": "tor", "remote": "192.0.2.1:179", "asn": 64601, "localAsn": 64512, "state": "Established",
            "since": "2026-01-01T00:00:00Z", "established": 1, "families": [{"family": "ipv4", "desired": 2, "sent": 2, "received": 0}],
            "messages": [3, 4],
        }]});
        let down = json!({"node": "b", "unknownSources": 0, "peers": [{
            "name": "tor", "remote": "192.0.2.1:179", "asn": null, "localAsn": 64512, "state": "Active", "established": 0,
            "families": [], "messages": [0, 0], "lastError": "cannot connect: refused",
        }], "listeners": [{"port": 179, "error": "in use"}]});
        let told = [said("a", Ok(up)), said("b", Ok(down))];
        let text = draw(&told, &BgpCommand::Summary, Printer::new(Format::Table));
        let words: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(words[1], "a tor 192.0.2.1:179 64601 4 3 Established 2026-01-01T00:00:00Z 0 2 - -");
        assert_eq!(words[2], "b tor 192.0.2.1:179 external 0 0 Active - 0 0 - cannot connect: refused");
        assert!(text.ends_with("b: port 179 cannot be listened on: in use\n"), "{text}");
    }
}
