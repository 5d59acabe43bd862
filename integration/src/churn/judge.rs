//! What must hold at every event, told of one version after the other in the order of resourceVersions.
//!
//! A status is written by the controller for exactly one version of its Service (the API server refuses it for any
//! other), so what that version says is what the controller had to go by. Of *other* Services it may have seen an older
//! version, none that is older than their own last status. From this follows what can be demanded without regard to
//! time:
//!
//! * [`Rule::HeldTwice`]: whoever is given an address that another Service holds may share it with one of the versions
//!   that the other one has had since its own last status.
//! * [`Rule::Unfit`]: addresses are from one pool, the one and those that are asked for, and of the right families.
//! * [`Rule::Lost`]: a Service loses an address only if, since it was given, there was a version that it did not fit or
//!   another holder that it could not be shared with. Who changes what it shares on may find that somebody has been let
//!   in a moment before, whose status is still on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::seen::Seen;

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Two Services that may not share hold one address.
    HeldTwice,
    /// A Service was given addresses that it may not have.
    Unfit,
    /// A Service lost an address without cause.
    Lost,
    /// In the end something is not as it should be.
    Unsettled,
}

/// A broken rule, and the history of the Services and addresses concerned.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// What happened.
    pub what: String,
    /// Every version that has to do with it, in order.
    pub history: Vec<String>,
}

/// What was seen, so that a run that saw nothing is not taken for one that went well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Versions of Services.
    pub versions: usize,
    /// Addresses given to a Service.
    pub given: usize,
    /// Those of them that somebody else held, who shares.
    pub shared: usize,
    /// Addresses taken from a Service that still wanted one, with cause.
    pub taken: usize,
    /// Times that the watch had to begin anew and saw the outcome of what happened meanwhile.
    pub gaps: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) services: BTreeMap<String, Tracked>,
    history: Vec<Line>,
    pub(super) tally: Tally,
    violation: Option<Violation>,
}

/// A Service as it is, and as it was since it was given its addresses.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) now: Seen,
    since: Vec<Seen>,
    /// Whether there may have been versions that were not seen, or another holder that it could not share with.
    excused: bool,
}

#[derive(Debug)]
struct Line {
    name: String,
    ips: Vec<IpAddr>,
    text: String,
}

// === impl Judge ===

impl Judge {
    /// The first rule that was broken.
    pub(super) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// A new version of a Service.
    pub(super) fn applied(&mut self, seen: Seen) {
        let name = seen.name.clone();
        if let Some(change) = self.take(seen) {
            self.look_at(&name, &change);
        }
    }

    /// A Service is gone.
    pub(super) fn deleted(&mut self, seen: &Seen) {
        self.note(&seen.name, seen.ingress.clone(), format!("{:>7}  {} deleted", seen.revision, seen.name));
        self.services.remove(&seen.name);
    }

    /// The watch began anew: this is what there is now.
    pub(super) fn listed(&mut self, all: Vec<Seen>) {
        if !self.services.is_empty() {
            self.tally.gaps += 1;
            self.note("", Vec::new(), "         the watch begins anew".to_owned());
        }
        let names: BTreeSet<String> = all.iter().map(|seen| seen.name.clone()).collect();
        let gone: Vec<Seen> = self
            .services
            .values()
            .map(|tracked| &tracked.now)
            .filter(|now| !names.contains(&now.name))
            .cloned()
            .collect();
        for seen in &gone {
            self.deleted(seen);
        }
        let before: BTreeMap<String, (String, u64)> = self
            .services
            .iter()
            .map(|(name, tracked)| (name.clone(), (tracked.now.uid.clone(), tracked.now.edit)))
            .collect();
        // Everything is taken over before anything is judged: what happened in between has no order here.
        let mut changes = Vec::new();
        for seen in all {
            let name = seen.name.clone();
            let unseen = before.get(&name) != Some(&(seen.uid.clone(), seen.edit));
            if let Some(change) = self.take(seen) {
                changes.push((name.clone(), change));
            }
            if let Some(tracked) = self.services.get_mut(&name).filter(|_| unseen) {
                tracked.excused = true;
            }
        }
        for (name, change) in changes {
            self.look_at(&name, &change);
        }
    }

    /// Takes a version over; what it changed, if it is not one that is known.
    fn take(&mut self, seen: Seen) -> Option<Change> {
        let before = self.services.remove(&seen.name).filter(|tracked| tracked.now.uid == seen.uid);
        if let Some(tracked) = before.as_ref().filter(|tracked| tracked.now.revision >= seen.revision) {
            debug_assert_eq!(tracked.now.revision, seen.revision, "the watch goes back");
            self.services.extend(before.map(|tracked| (seen.name.clone(), tracked)));
            return None;
        }
        self.tally.versions += 1;
        let mut concerned = seen.ingress.clone();
        concerned.extend(before.iter().flat_map(|tracked| tracked.now.ingress.iter().copied()));
        self.note(&seen.name, concerned, seen.to_string());
        let mut next = Tracked { now: seen.clone(), since: vec![seen], excused: false };
        let change = match before {
            None => Change { given: next.now.holds().to_vec(), lost: None },
            Some(mut before) => {
                let (old, new) = (before.now.ingress.as_slice(), next.now.ingress.as_slice());
                if old == new {
                    before.since.append(&mut next.since);
                    next.since = before.since;
                    next.excused = before.excused;
                    Change { given: Vec::new(), lost: None }
                } else {
                    let given = next.now.holds().iter().copied().filter(|ip| !old.contains(ip)).collect();
                    let lost = before.now.holds().iter().any(|ip| !new.contains(ip)) && next.now.load_balancer;
                    Change { given, lost: lost.then_some(before) }
                }
            }
        };
        self.services.insert(next.now.name.clone(), next);
        Some(change)
    }

    fn look_at(&mut self, name: &str, Change { given, lost }: &Change) {
        self.tally.given += given.len();
        let Some(Tracked { now, excused, .. }) = self.services.get(name) else { return };
        let (now, blind) = (now.clone(), *excused);
        if let Some(before) = lost {
            let fitted = |version: &Seen| version.load_balancer && version.objection(&before.now.ingress).is_none();
            let overtaken = before.since.windows(2).any(|pair| matches!(pair, [was, is] if was.shuts_out(is)));
            if !before.excused && !blind && !overtaken && before.since.iter().all(fitted) {
                let what = format!("{name} had {:?} and has {:?}", before.now.ingress, now.ingress);
                return self.broken(Rule::Lost, what, name, &before.now.ingress);
            }
            self.tally.taken += 1;
        }
        if !given.is_empty()
            && !blind
            && let Some(objection) = now.objection(now.holds())
        {
            let what = format!("{name} was given {:?}: {objection}", now.ingress);
            return self.broken(Rule::Unfit, what, name, &now.ingress);
        }
        for ip in now.holds() {
            let others =
                self.services.values().filter(|other| other.now.name != name && other.now.holds().contains(ip));
            let (partners, strangers): (Vec<&Tracked>, Vec<&Tracked>) =
                others.partition(|other| other.now.may_share(&now));
            let shared = given.contains(ip) && !partners.is_empty();
            let knew = |other: &&&Tracked| !other.excused && !other.since.iter().any(|version| version.may_share(&now));
            let twice = strangers.iter().find(knew).filter(|_| given.contains(ip) && !blind);
            if let Some(other) = twice {
                let what = format!("{name} was given {ip}, which {} holds", other.now.name);
                return self.broken(Rule::HeldTwice, what, name, &[*ip]);
            }
            let concerned: Vec<String> = strangers.iter().map(|other| other.now.name.clone()).collect();
            self.tally.shared += usize::from(shared);
            // One of them will have to go.
            for name in concerned.iter().map(String::as_str).chain((!concerned.is_empty()).then_some(name)) {
                if let Some(tracked) = self.services.get_mut(name) {
                    tracked.excused = true;
                }
            }
        }
    }

    fn note(&mut self, name: &str, ips: Vec<IpAddr>, text: String) {
        self.history.push(Line { name: name.to_owned(), ips, text });
    }

    fn broken(&mut self, rule: Rule, what: String, name: &str, ips: &[IpAddr]) {
        let history = self.history_of(name, ips);
        self.violation.get_or_insert(Violation { rule, what, history });
    }

    /// Every version of a Service, and of whoever had to do with the addresses.
    pub(super) fn history_of(&self, name: &str, ips: &[IpAddr]) -> Vec<String> {
        let concerned =
            |line: &&Line| line.name.is_empty() || line.name == name || line.ips.iter().any(|ip| ips.contains(ip));
        self.history.iter().filter(concerned).map(|line| line.text.clone()).collect()
    }
}

/// What one version changed.
#[derive(Debug)]
struct Change {
    given: Vec<IpAddr>,
    /// The Service as it was when it had an address that it has no more.
    lost: Option<Tracked>,
}

// === impl Violation ===

impl Violation {
    /// The Services and addresses that the sentence names.
    pub(super) fn words(&self) -> Vec<String> {
        let apart = |c: char| !c.is_ascii_alphanumeric() && !".:-".contains(c);
        let named = |word: &&str| word.starts_with("s-") || word.parse::<IpAddr>().is_ok();
        self.what.split(apart).map(|word| word.trim_end_matches(':')).filter(named).map(str::to_owned).collect()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)?;
        for line in &self.history {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}
