//! What a brain decided, as it is written: what is announced, and why.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::Interfaces;
use ferrolb_gossip::NodeName;
use ferrolb_source::ObjectKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::Changes;
use crate::brain::{Moment, Output};
use crate::plan::{Announcement, Attributes, BGP, NodePlan, Upgrade};

/// What followed from an input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decided {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) claims: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) releases: Vec<IpAddr>,
    /// None: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<Box<PlanChange>>,
    /// When something is to be decided again, if nothing happens before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Moment>,
}

/// A plan as far as it tells what is announced and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Image {
    /// By Service and address.
    verdicts: BTreeMap<String, Verdict>,
    l2: BTreeMap<IpAddr, Announcement>,
    vacant: BTreeMap<IpAddr, Vec<NodeName>>,
    owners: BTreeMap<IpAddr, NodeName>,
    upgrades: BTreeMap<IpAddr, Upgrade>,
    /// The addresses; each is `true`.
    watched: BTreeMap<IpAddr, bool>,
    failed: BTreeMap<ObjectKey, Interfaces>,
    /// Peers with a session, and the first of those that are told the same.
    sessions: BTreeMap<String, String>,
    /// By the first of the peers that are told it, and prefix.
    routes: BTreeMap<String, Arc<Attributes>>,
}

/// Of a reason only what it is and about whom, not the words: those may become better ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    announce: bool,
    why: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    about: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<NodeName>,
}

/// What leads from one image to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PlanChange {
    #[serde(skip_serializing_if = "Changes::is_empty")]
    verdicts: Changes<String, Verdict>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    l2: Changes<IpAddr, Announcement>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    vacant: Changes<IpAddr, Vec<NodeName>>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    owners: Changes<IpAddr, NodeName>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    upgrades: Changes<IpAddr, Upgrade>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    watched: Changes<IpAddr, bool>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    failed: Changes<ObjectKey, Interfaces>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    sessions: Changes<String, String>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    routes: Changes<String, Arc<Attributes>>,
}

// === impl Decided ===

impl Decided {
    /// What `outputs` say; `image` is the plan so far and then theirs.
    pub(super) fn new(outputs: &[Output], next: Option<Moment>, image: &mut Image) -> Self {
        let mut decided = Self { next, ..Self::default() };
        for output in outputs {
            match output {
                Output::Claim(vips) => decided.claims.extend(vips),
                Output::Release(vips) => decided.releases.extend(vips),
                Output::Plan(plan) => {
                    let after = Image::of(plan);
                    decided.plan = Some(Box::new(PlanChange::between(image, &after)));
                    *image = after;
                }
            }
        }
        decided
    }
}

// === impl Image ===

impl Image {
    pub(super) fn of(plan: &NodePlan) -> Self {
        let verdicts = plan.verdicts.iter().map(|verdict| {
            let crate::plan::Verdict { service, address, protocol, announce, reason, owner } = verdict;
            let (why, about) = (reason.code().to_owned(), reason.about());
            let over = if *protocol == BGP { " bgp" } else { "" };
            (format!("{service} {address}{over}"), Verdict { announce: *announce, why, about, owner: owner.clone() })
        });
        let firsts: Vec<_> = plan.bgp.distinct().collect();
        let sessions = plan.bgp.sessions.iter().map(|(peer, session)| {
            let first = firsts.iter().find(|(_, routes)| Arc::ptr_eq(routes, &session.routes));
            (peer.to_string(), first.map_or(peer, |(first, _)| *first).to_string())
        });
        let routes = firsts.iter().flat_map(|(peer, routes)| {
            routes.iter().map(move |(prefix, attributes)| (format!("{peer} {prefix}"), Arc::clone(attributes)))
        });
        Self {
            sessions: sessions.collect(),
            routes: routes.collect(),
            verdicts: verdicts.collect(),
            l2: plan.l2.iter().map(|announcement| (announcement.vip, announcement.clone())).collect(),
            vacant: plan.vacant.clone(),
            owners: plan.owners.clone(),
            upgrades: plan.upgrades.clone(),
            watched: plan.watched.iter().map(|vip| (*vip, true)).collect(),
            failed: plan.failed.clone(),
        }
    }

    /// Where two plans differ, a line each.
    pub(super) fn differences(&self, ours: &Self) -> Vec<String> {
        if self == ours {
            return Vec::new();
        }
        let value = |image: &Self| serde_json::to_value(image).unwrap_or_default();
        let (theirs, ours) = (value(self), value(ours));
        let parts = theirs.as_object().into_iter().flatten();
        parts.flat_map(|(part, theirs)| differing(part, theirs, ours.get(part).unwrap_or(&Value::Null))).collect()
    }
}

fn differing(part: &str, theirs: &Value, ours: &Value) -> Vec<String> {
    let keys = |value: &Value| value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let mut all: Vec<String> = keys(theirs).into_iter().chain(keys(ours)).collect();
    all.sort_unstable();
    all.dedup();
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let differs = all.iter().filter(|key| theirs.get(*key) != ours.get(*key));
    differs
        .map(|key| format!("{part} {key}: recorded {}, this build {}", text(theirs.get(key)), text(ours.get(key))))
        .collect()
}

// === impl PlanChange ===

impl PlanChange {
    pub(super) fn between(before: &Image, after: &Image) -> Self {
        Self {
            verdicts: Changes::between(&before.verdicts, &after.verdicts, PartialEq::eq),
            l2: Changes::between(&before.l2, &after.l2, PartialEq::eq),
            vacant: Changes::between(&before.vacant, &after.vacant, PartialEq::eq),
            owners: Changes::between(&before.owners, &after.owners, PartialEq::eq),
            upgrades: Changes::between(&before.upgrades, &after.upgrades, PartialEq::eq),
            watched: Changes::between(&before.watched, &after.watched, PartialEq::eq),
            failed: Changes::between(&before.failed, &after.failed, PartialEq::eq),
            sessions: Changes::between(&before.sessions, &after.sessions, PartialEq::eq),
            routes: Changes::between(&before.routes, &after.routes, PartialEq::eq),
        }
    }

    pub(super) fn apply(self, image: &mut Image) {
        self.verdicts.apply(&mut image.verdicts);
        self.l2.apply(&mut image.l2);
        self.vacant.apply(&mut image.vacant);
        self.owners.apply(&mut image.owners);
        self.upgrades.apply(&mut image.upgrades);
        self.watched.apply(&mut image.watched);
        self.failed.apply(&mut image.failed);
        self.sessions.apply(&mut image.sessions);
        self.routes.apply(&mut image.routes);
    }
}
