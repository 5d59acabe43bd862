//! What is wrong with the cables: hosts that are cut off, groups that do not hear each other, lost frames.
//!
//! nftables in the switch drops the frames (family bridge), so that interfaces and carriers stay as they are: what a
//! broken switch, a wrong VLAN or a bad cable does. The rules follow from the whole state and are replaced as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::layout::SWITCH;

/// The table.
const TABLE: &str = "lab_cables";

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cables {
    /// Hosts whose frames are all dropped, in both directions.
    pub(super) cut: BTreeSet<String>,
    /// Hosts of one group do not hear those of another; who is in none hears everybody. The switch itself (the API
    /// server) may be in one.
    pub(super) groups: Vec<BTreeSet<String>>,
    /// Percentage of all frames that is lost.
    pub(super) loss: u8,
    /// Percentage of frames that is lost on a host's cable, in each direction.
    pub(super) loss_at: BTreeMap<String, u8>,
}

// === impl Cables ===

impl Cables {
    /// Mends everything that concerns one host. It is in no group any more.
    pub(super) fn mend(&mut self, host: &str) {
        self.cut.remove(host);
        self.loss_at.remove(host);
        for group in &mut self.groups {
            group.remove(host);
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// What is wrong at a host, in words.
    pub(super) fn at(&self, host: &str) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.cut.contains(host).then(|| "cut off".to_owned()));
        let group = self.groups.iter().position(|group| group.contains(host));
        words.extend(group.map(|number| format!("in part {}", number + 1)));
        words.extend(self.loss_at.get(host).map(|percent| format!("loses {percent} %")));
        words.extend((self.loss > 0).then(|| format!("all lose {} %", self.loss)));
        words
    }

    /// The rules, as input for `nft -f`.
    pub(super) fn rules(&self) -> String {
        let (mut ingress, mut forward, mut to_switch, mut from_switch) = Default::default();
        for host in &self.cut {
            // Before the bridge learns where the sender is.
            rule(&mut ingress, &format!("iifname \"{host}\" drop"));
            rule(&mut forward, &format!("oifname \"{host}\" drop"));
            rule(&mut from_switch, &format!("oifname \"{host}\" drop"));
        }
        for (one, other) in self.pairs() {
            let (senders, receivers) = (ports(one), ports(other));
            if !senders.is_empty() && !receivers.is_empty() {
                rule(&mut forward, &format!("iifname {{ {senders} }} oifname {{ {receivers} }} drop"));
            }
            if other.contains(SWITCH) && !senders.is_empty() {
                rule(&mut to_switch, &format!("iifname {{ {senders} }} drop"));
                rule(&mut from_switch, &format!("oifname {{ {senders} }} drop"));
            }
        }
        for (host, percent) in &self.loss_at {
            let lost = lost(*percent);
            rule(&mut ingress, &format!("iifname \"{host}\" {lost}"));
            rule(&mut forward, &format!("oifname \"{host}\" {lost}"));
            rule(&mut from_switch, &format!("oifname \"{host}\" {lost}"));
        }
        if self.loss > 0 {
            for chain in [&mut forward, &mut to_switch, &mut from_switch] {
                rule(chain, &lost(self.loss));
            }
        }
        let hooks = [
            ("ingress", "prerouting", ingress),
            ("forwarded", "forward", forward),
            ("to_switch", "input", to_switch),
            ("from_switch", "output", from_switch),
        ];
        let chain = |(name, hook, rules): (&str, &str, String)| {
            format!("  chain {name} {{\n    type filter hook {hook} priority -200\n{rules}  }}\n")
        };
        let chains: String = hooks.map(chain).concat();
        // `table` first, so that there is always one to delete.
        format!("table bridge {TABLE}\ndelete table bridge {TABLE}\ntable bridge {TABLE} {{\n{chains}}}\n")
    }

    /// Every two groups, both ways round.
    fn pairs(&self) -> impl Iterator<Item = (&BTreeSet<String>, &BTreeSet<String>)> {
        let all = || self.groups.iter().enumerate();
        all().flat_map(move |(i, one)| all().filter(move |(j, _)| *j != i).map(move |(_, other)| (one, other)))
    }
}

fn rule(chain: &mut String, text: &str) {
    writeln!(chain, "    {text}").ok();
}

/// Drops that share of what comes here.
fn lost(percent: u8) -> String {
    // A number from 0 to 99 is always below 100; nftables does not take that for a condition.
    if percent < 100 { format!("numgen random mod 100 < {percent} drop") } else { "drop".to_owned() }
}

/// The ports of a group, as the inside of a set. The switch is at none.
fn ports(group: &BTreeSet<String>) -> String {
    let ports = group.iter().filter(|host| *host != SWITCH).map(|host| format!("\"{host}\""));
    ports.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn whole_cables_have_no_rules() {
        assert!(!Cables::default().rules().contains("drop"));
        let mut cables = Cables { cut: set(&["node-1"]), groups: vec![set(&["node-1"])], ..Cables::default() };
        cables.loss_at.insert("node-1".to_owned(), 5);
        cables.mend("node-1");
        assert_eq!(cables, Cables::default());
    }

    #[test]
    fn a_cut_is_both_ways_and_before_the_bridge_learns() {
        let rules = Cables { cut: set(&["node-1"]), ..Cables::default() }.rules();
        let (ingress, rest) = rules.split_once("chain forwarded").unwrap();
        assert!(ingress.contains("iifname \"node-1\" drop"), "{rules}");
        assert!(rest.contains("oifname \"node-1\" drop"), "{rules}");
    }

    #[test]
    fn groups_do_not_hear_each_other_and_the_switch_may_be_in_one() {
        let groups = vec![set(&["node-1", "node-2"]), set(&["node-3", SWITCH])];
        let cables = Cables { groups, ..Cables::default() };
        let rules = cables.rules();
        assert!(rules.contains("iifname { \"node-1\", \"node-2\" } oifname { \"node-3\" } drop"), "{rules}");
        assert!(rules.contains("iifname { \"node-3\" } oifname { \"node-1\", \"node-2\" } drop"), "{rules}");
        let input = rules.split_once("chain to_switch").unwrap().1;
        assert!(input.contains("iifname { \"node-1\", \"node-2\" } drop"), "{rules}");
        assert_eq!(cables.at("node-3"), ["in part 2"]);
    }

    #[test]
    fn loss_is_a_share_of_all_frames_or_of_one_cables() {
        let cables = Cables { loss: 5, loss_at: [("node-2".to_owned(), 20)].into(), ..Cables::default() };
        let rules = cables.rules();
        assert!(rules.contains("    numgen random mod 100 < 5 drop"), "{rules}");
        assert!(rules.contains("oifname \"node-2\" numgen random mod 100 < 20 drop"), "{rules}");
        assert_eq!(cables.at("node-2"), ["loses 20 %", "all lose 5 %"]);
    }
}
