//! A message in words.

use std::fmt;

use bgpkit_parser::models::{AsnLength, DissectionNode};
use bgpkit_parser::parser::bgp::dissect::dissect_bgp_message;

use crate::wire::{Attributes, Message, Parameters, Prefixes, Update, decode};

/// Prefixes that a line names; of more it says how many.
const NAMED: usize = 4;

/// A message on one line, such as `UPDATE announces 198.51.100.1/32 next-hop 192.0.2.1 path 64500 origin IGP community
/// 65000:100`.
pub fn line(message: &Message<'_>) -> String {
    Line(message).to_string()
}

/// A message as a tree, a field a line with its octets: first what it means or why it is refused, then what bgpkit-parser
/// sees in it. The latter knows one kind of NLRI for the whole message; path identifiers are looked for if IPv4 has them.
pub fn tree(message: &[u8], parameters: &Parameters) -> String {
    let head = match decode(message, parameters) {
        Ok(Some((message, _))) => line(&message),
        Ok(None) => format!("{} octets, not a whole message", message.len()),
        Err(notification) => format!("refused with {notification}"),
    };
    let width = if parameters.four_octet_as { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let root = dissect_bgp_message(message, &width, parameters.add_path.ipv4.receive);
    format!("{head}\n{}", Branch { node: &root, depth: 0 })
}

struct Line<'a, 'b>(&'b Message<'a>);

struct Branch<'a> {
    node: &'a DissectionNode,
    depth: usize,
}

// === impl Branch ===

impl fmt::Display for Branch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, depth } = *self;
        let label: String =
            node.label.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        let end = u64::from(node.offset) + u64::from(node.length);
        writeln!(f, "{:>5}..{end:<5} {:2$}{label}", node.offset, "", depth * 2)?;
        node.children.iter().try_for_each(|node| Branch { node, depth: depth + 1 }.fmt(f))
    }
}

// === impl Line ===

impl fmt::Display for Line<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Open(open) => {
                let (asn, hold_time, id) = (open.asn, open.hold_time, open.router_id);
                write!(f, "OPEN AS {asn} hold {hold_time} s id {id} capabilities")?;
                open.capabilities.iter().try_for_each(|capability| write!(f, " {}", capability.code()))
            }
            Message::Update(update) => self::update(f, update),
            Message::Notification(notification) => write!(f, "NOTIFICATION {notification}"),
            Message::KeepAlive => f.write_str("KEEPALIVE"),
            Message::RouteRefresh(refresh) => write!(f, "ROUTE-REFRESH {:?} {}", refresh.kind, refresh.family),
        }
    }
}

fn update(f: &mut fmt::Formatter<'_>, update: &Update<'_>) -> fmt::Result {
    f.write_str("UPDATE")?;
    if let Some(family) = update.end_of_rib() {
        return write!(f, " End-of-RIB of {family}");
    }
    named(f, " withdraws", update.withdrawn())?;
    for section in update.announced() {
        announced(f, section.prefixes, &update.attributes(section.next_hop))?;
    }
    if let Some(family) = update.ignored_family() {
        write!(f, " (of {family}, which was not negotiated: ignored)")?;
    }
    update.errors().iter().try_for_each(|error| write!(f, " [{error}]"))
}

fn announced(f: &mut fmt::Formatter<'_>, prefixes: Prefixes<'_>, attributes: &Attributes) -> fmt::Result {
    named(f, " announces", prefixes)?;
    write!(f, " next-hop {} path {} origin {}", attributes.next_hop, attributes.as_path, attributes.origin)?;
    let numbers = [("med", attributes.med), ("local-pref", attributes.local_pref), ("otc", attributes.otc)];
    for (name, value) in numbers {
        if let Some(value) = value {
            write!(f, " {name} {value}")?;
        }
    }
    let communities = attributes.communities.iter().map(ToString::to_string);
    let extended = attributes.extended_communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    communities.chain(extended).chain(large).try_for_each(|community| write!(f, " community {community}"))
}

fn named(f: &mut fmt::Formatter<'_>, verb: &str, prefixes: impl Iterator<Item = (ipnet::IpNet, u32)>) -> fmt::Result {
    let mut count = 0_usize;
    for (prefix, path_id) in prefixes {
        count += 1;
        if count == 1 {
            f.write_str(verb)?;
        }
        match (count, path_id) {
            (..=NAMED, 0) => write!(f, " {prefix}")?,
            (..=NAMED, _) => write!(f, " {prefix} (path {path_id})")?,
            _ => {}
        }
    }
    if count > NAMED { write!(f, " and {} more", count - NAMED) } else { Ok(()) }
}
