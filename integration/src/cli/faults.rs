//! The verbs that do something to a node, a cable or a daemon, and those that mend it.

use std::time::Duration;

use clap::Subcommand;

use super::probe::duration;
use crate::error::Error;
use crate::lab::Lab;
use crate::layout::Mac;
use crate::output::print;
use crate::protocol::Carrier;

#[derive(Debug, Subcommand)]
pub(super) enum FaultVerb {
    /// Crash a node: link down, every process on it killed.
    Kill {
        /// The node.
        node: String,
    },
    /// Mend everything that was done to a node: cable, link, drain, processes; without a node, everything.
    Heal {
        /// The node; all when not given, and partition and loss end too.
        node: Option<String>,
    },
    /// End a node's speaker with SIGTERM and wait until it has ended.
    Stop {
        /// The node.
        node: String,
    },
    /// Start a node's speaker again.
    Start {
        /// The node.
        node: String,
    },
    /// Stop and start one speaker after the other, each after the one before it is a member again: a rolling update.
    Rolling,
    /// Cordon a node and taint it with NoExecute.
    Drain {
        /// The node.
        node: String,
    },
    /// Take cordon and taint back.
    Undrain {
        /// The node.
        node: String,
    },
    /// Stop a node's speaker where it is (SIGSTOP).
    Pause {
        /// The node.
        node: String,
        /// Let it go on after this time; without, until `resume`.
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
    },
    /// Let a paused speaker go on (SIGCONT).
    Resume {
        /// The node.
        node: String,
    },
    /// Drop every frame on a host's cable, both ways, while its carrier stays.
    Cut {
        /// The host.
        host: String,
    },
    /// Let the frames on a host's cable through again.
    Uncut {
        /// The host.
        host: String,
    },
    /// Drop every frame between groups of hosts: `partition node-1,client|node-2,gateway`; without groups, end it.
    Partition {
        /// Names separated by commas, groups by `|`; `switch` is the API server. Who is in none hears everybody.
        groups: Option<String>,
    },
    /// Lose that share of all frames, or of those on one host's cable; 0 ends it.
    Loss {
        /// Of a hundred.
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: u8,
        /// The host.
        host: Option<String>,
    },
    /// Take a host's carrier away, or give it back.
    Carrier {
        /// The host.
        host: String,
        /// What it is to be.
        carrier: Carrier,
    },
    /// Give a node's interface another name; it is down for that moment.
    Rename {
        /// The node.
        node: String,
        /// The new name.
        interface: String,
    },
    /// Give a node's interface another hardware address.
    Mac {
        /// The node.
        node: String,
        /// The new address: 02:00:00:00:01:03.
        mac: Mac,
    },
    /// Kill the controller with SIGKILL and start it again.
    RestartController,
}

/// Does it to `lab`.
pub(super) fn run(lab: &Lab, verb: FaultVerb) -> Result<(), Error> {
    match verb {
        FaultVerb::Kill { node } => lab.kill(&node),
        FaultVerb::Heal { node: Some(node) } => lab.heal(&node),
        FaultVerb::Heal { node: None } => lab.heal_all(),
        FaultVerb::Stop { node } => {
            let stopped = lab.stop(&node)?;
            print(&format!("{} after {:.0?}\n", stopped.status, stopped.took))
        }
        FaultVerb::Start { node } => lab.start(&node),
        FaultVerb::Rolling => lab.rolling(),
        FaultVerb::Drain { node } => lab.drain(&node),
        FaultVerb::Undrain { node } => lab.undrain(&node),
        FaultVerb::Pause { node, duration: Some(duration) } => lab.pause_for(&node, duration),
        FaultVerb::Pause { node, duration: None } => lab.pause(&node),
        FaultVerb::Resume { node } => lab.resume(&node),
        FaultVerb::Cut { host } => lab.cut(&host),
        FaultVerb::Uncut { host } => lab.uncut(&host),
        FaultVerb::Partition { groups } => lab.partition(&groups_of(groups.as_deref().unwrap_or_default())),
        FaultVerb::Loss { percent, host } => lab.lose(percent, host.as_deref()),
        FaultVerb::Carrier { host, carrier } => lab.carrier(&host, carrier),
        FaultVerb::Rename { node, interface } => lab.rename(&node, &interface),
        FaultVerb::Mac { node, mac } => lab.change_mac(&node, mac),
        FaultVerb::RestartController => lab.restart_controller(),
    }
}

/// `a,b|c` as groups of names.
fn groups_of(text: &str) -> Vec<Vec<&str>> {
    fn names(group: &str) -> Vec<&str> {
        group.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
    }
    text.split('|').map(names).filter(|group| !group.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_as_they_are_written() {
        assert_eq!(groups_of("node-1,client|node-2, gateway"), [vec!["node-1", "client"], vec!["node-2", "gateway"]]);
        assert!(groups_of("").is_empty() && groups_of("|,").is_empty());
    }
}
