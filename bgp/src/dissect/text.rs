//! A message in words.

use std::fmt::Write as _;

use bgpkit_parser::models::AsnLength;
use bgpkit_parser::models::DissectionNode;
use bgpkit_parser::parser::bgp::dissect::dissect_bgp_message;

use crate::wire::{Attributes, Message, Parameters, Prefixes, Update, decode};

/// Prefixes that a line names; of more it says how many.
const NAMED: usize = 4;

/// A message on one line, such as `UPDATE announces 198.51.100.1/32 next-hop 192.0.2.1 path 64500 community 65000:100`.
pub fn line(message: &Message<'_>) -> String {
    match message {
        Message::Open(open) => {
            let codes: Vec<String> = open.capabilities.iter().map(|capability| capability.code().to_string()).collect();
            format!(
                "OPEN AS {} hold {} s id {} capabilities {}",
                open.asn,
                open.hold_time,
                open.router_id,
                if codes.is_empty() { "none".to_owned() } else { codes.join(" ") }
            )
        }
        Message::Update(update) => update_line(update),
        Message::Notification(notification) => format!("NOTIFICATION {notification}"),
        Message::KeepAlive => "KEEPALIVE".to_owned(),
        Message::RouteRefresh(refresh) => format!("ROUTE-REFRESH {:?} {}", refresh.kind, refresh.family),
    }
}

/// A message as a tree, a field a line with its octets: first what it means or why it is refused, then what bgpkit-parser
/// sees in it. The latter knows one kind of NLRI for the whole message; path identifiers are looked for if IPv4 has them.
pub fn tree(message: &[u8], parameters: &Parameters) -> String {
    let mut text = match decode(message, parameters) {
        Ok(Some((message, _))) => line(&message),
        Ok(None) => format!("{} octets, not a whole message", message.len()),
        Err(notification) => format!("refused with {notification}"),
    };
    text.push('\n');
    let width = if parameters.four_octet_as { AsnLength::Bits32 } else { AsnLength::Bits16 };
    branch(&mut text, &dissect_bgp_message(message, &width, parameters.add_path.ipv4.receive), 0);
    text
}

fn branch(text: &mut String, node: &DissectionNode, depth: usize) {
    let label: String =
        node.label.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let end = u64::from(node.offset) + u64::from(node.length);
    // Writing to a String does not fail.
    let _ = writeln!(text, "{:>5}..{end:<5} {:2$}{label}", node.offset, "", depth * 2);
    for child in &node.children {
        branch(text, child, depth + 1);
    }
}

fn update_line(update: &Update<'_>) -> String {
    let mut text = "UPDATE".to_owned();
    if let Some(family) = update.end_of_rib() {
        let _ = write!(text, " End-of-RIB of {family}");
        return text;
    }
    named(&mut text, " withdraws", update.withdrawn());
    for section in update.announced() {
        announced(&mut text, section.prefixes, &update.attributes(section.next_hop));
    }
    if let Some(family) = update.ignored_family() {
        let _ = write!(text, " (of {family}, which was not negotiated: ignored)");
    }
    for error in update.errors() {
        let _ = write!(text, " [{error}]");
    }
    text
}

fn announced(text: &mut String, prefixes: Prefixes<'_>, attributes: &Attributes) {
    named(text, " announces", prefixes);
    let _ = write!(text, " next-hop {} path {} origin {}", attributes.next_hop, attributes.as_path, attributes.origin);
    let numbers = [("med", attributes.med), ("local-pref", attributes.local_pref), ("otc", attributes.otc)];
    for (name, value) in numbers {
        if let Some(value) = value {
            let _ = write!(text, " {name} {value}");
        }
    }
    let communities = attributes.communities.iter().map(ToString::to_string);
    let extended = attributes.extended_communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    for community in communities.chain(extended).chain(large) {
        let _ = write!(text, " community {community}");
    }
}

fn named(text: &mut String, verb: &str, prefixes: impl Iterator<Item = (ipnet::IpNet, u32)>) {
    let mut count = 0_usize;
    for (prefix, path_id) in prefixes {
        if count == 0 {
            text.push_str(verb);
        }
        count += 1;
        if count <= NAMED {
            let _ = write!(text, " {prefix}");
            if path_id != 0 {
                let _ = write!(text, " (path {path_id})");
            }
        }
    }
    if count > NAMED {
        let _ = write!(text, " and {} more", count - NAMED);
    }
}
