//! The whole story of one Service, from the same facts and functions that the plan is made with.

use std::net::IpAddr;

use ferrolb_gossip::{Claim, Held, NodeName};
use ferrolb_source::ObjectKey;
use serde::{Deserialize, Serialize};

use super::eligibility::{Assessment, Assessor};
use super::{Cause, LAYER2, Reason, Snapshot, Strategy, Upgrade, plan};

/// What one node has to do with the Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVerdict {
    /// The node.
    pub node: String,
    /// Whether it may announce.
    pub eligible: bool,
    /// Its part, as a sentence.
    pub reason: String,
}

/// The whole story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `namespace/name`.
    pub service: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The pool they are from.
    pub pool: Option<String>,
    /// The L2Advertisements that announce it.
    pub advertisements: Vec<String>,
    /// Endpoints that can serve, of all endpoints.
    pub endpoints: (usize, usize),
    /// The node that announces it.
    pub owner: Option<String>,
    /// How often the address has changed hands; 0 while nobody has claimed it.
    pub epoch: u64,
    /// The answer in one sentence.
    pub summary: String,
    /// Every node, in order of name.
    pub nodes: Vec<NodeVerdict>,
}

/// Tells the story of a Service; `None`: there is no such Service.
pub fn explain(snapshot: &Snapshot, key: &ObjectKey) -> Option<Explanation> {
    let service = snapshot.cluster.services.get(key)?;
    let mut story = Explanation {
        service: key.to_string(),
        addresses: service.ingress.to_vec(),
        pool: None,
        advertisements: Vec::new(),
        endpoints: {
            let all = snapshot.cluster.endpoints_of(key);
            (all.iter().filter(|endpoint| endpoint.usable).count(), all.len())
        },
        owner: None,
        epoch: 0,
        summary: String::new(),
        nodes: Vec::new(),
    };
    story.summary = match &snapshot.config {
        _ if !service.load_balancer => "it is not of type LoadBalancer".to_owned(),
        _ if !service.is_ours(snapshot.options.class.as_deref()) => {
            format!("its loadBalancerClass is {:?}, which is not ours", service.class.as_deref().unwrap_or_default())
        }
        _ if service.ingress.is_empty() => "the controller has not given it an address; see its events".to_owned(),
        None => "this speaker has no configuration in force".to_owned(),
        Some(config) => {
            story.pool = config.pool_of(&service.ingress).map(|pool| pool.name.clone());
            let ads = config.l2_advertisements.iter();
            let pool = story.pool.clone().unwrap_or_default();
            let ads = ads.filter(|ad| ad.pools.contains(&pool) && ad.matches_service(&service.labels));
            story.advertisements = ads.map(|ad| ad.name.clone()).collect();
            let assessment = Assessor::new(snapshot, config).assess(key, service);
            summarise(snapshot, key, &assessment, &mut story)
        }
    };
    Some(story)
}

fn summarise(snapshot: &Snapshot, key: &ObjectKey, assessment: &Assessment, story: &mut Explanation) -> String {
    if let Some(reason) = &assessment.nobody {
        return format!("announced from nowhere: {reason}");
    }
    let decided = plan(snapshot);
    let mine = decided.verdicts.iter().find(|v| v.protocol == LAYER2 && v.service == key.to_string());
    let owner: Option<NodeName> = mine.and_then(|verdict| verdict.owner.clone());
    story.owner = owner.as_ref().map(ToString::to_string);
    let claim = story.addresses.iter().find_map(|vip| snapshot.view.claims.get(vip));
    story.epoch = claim.map_or(0, |held| held.claim.epoch);
    let known = snapshot.cluster.nodes.keys().map(|name| NodeName::from(name.as_str()));
    let mut names: Vec<NodeName> = known.chain(snapshot.view.members.keys().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    story.nodes = names
        .into_iter()
        .map(|node| {
            let hindrance = assessment.node(&node);
            let standing = assessment.nodes.get(&node).and_then(|verdict| verdict.as_ref().ok());
            let reason = match &hindrance {
                Some(reason) => reason.to_string(),
                None if owner.as_ref() == Some(&node) => "announces it".to_owned(),
                None if standing.is_some_and(|standing| standing.flapping) => {
                    "stands by, after the others: it was declared down again and again".to_owned()
                }
                None if standing.is_some_and(|standing| standing.drained) => {
                    "stands by, last of all: it is being emptied".to_owned()
                }
                None => "stands by".to_owned(),
            };
            NodeVerdict { node: node.to_string(), eligible: hindrance.is_none(), reason }
        })
        .collect();
    let Some(verdict) = mine else { return format!("announced from nowhere: {}", Reason::NoEligibleNode) };
    match owner {
        Some(owner) if owner != snapshot.me || verdict.announce => {
            let how = match claim.filter(|_| snapshot.options.strategy == Strategy::Balanced) {
                Some(Held { claim: Claim { epoch: 1, .. }, .. }) => "the first to own it".to_owned(),
                Some(held) => format!("owner number {}", held.claim.epoch),
                None => "by rank".to_owned(),
            };
            let first = story.addresses.first().and_then(|first| Some((first, decided.upgrades.get(first)?)));
            let until = match (first, snapshot.options.strategy) {
                (Some((_, Upgrade { to, cause: Cause::Preference(_) })), _) => {
                    format!("it moves to {to}, which is preferred, once nothing has changed for a minute")
                }
                (Some((_, Upgrade { to, cause: Cause::Balance })), _) => {
                    format!("it moves to {to}, which owns less, when nothing happens")
                }
                (None, Strategy::Balanced) => {
                    "it stays there until the node fails, leaves, is drained or may no longer".to_owned()
                }
                (None, Strategy::Metallb) => "it stays there while no better ranked node is alive".to_owned(),
            };
            format!("announced from {owner}: alive, eligible, {how}; {until}")
        }
        None if verdict.announce => format!("announced from here: {}", verdict.reason),
        Some(_) | None => format!("announced from nowhere right now: {}", verdict.reason),
    }
}
