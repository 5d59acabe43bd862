//! What the admin socket is told.

use ferrolb_gossip::NodeName;
use ferrolb_source::ObjectKey;

use super::interfaces;
use super::speaker::Speaker;
use crate::admin::{Address, Answer, Condition, InUse, Layer2, Member, Question, Status};
use crate::plan::{Explanation, explain};

// === impl Speaker ===

impl Speaker {
    pub(super) fn answer(&self, question: &Question) -> Answer {
        let value = match question {
            Question::Status => serde_json::to_value(self.status()),
            Question::Members => serde_json::to_value(self.members()),
            Question::Layer2 => serde_json::to_value(self.layer2()),
            Question::Bgp => serde_json::to_value(self.parts.bgp.story()),
            Question::BgpRoutes { peer, direction } => match self.parts.bgp.routes(peer, *direction) {
                Some(routes) => serde_json::to_value(routes),
                None => return Answer::Error(format!("this node has no BGP peer {peer:?}")),
            },
            Question::Explain { service } => {
                let Some((namespace, name)) = service.split_once('/') else {
                    return Answer::Error(format!("{service:?}: write NAMESPACE/NAME"));
                };
                match explain(self.parts.brain.snapshot(), &ObjectKey::new(namespace, name)) {
                    Some(story) => serde_json::to_value(self.with_deaths(story)),
                    None => return Answer::Error(format!("there is no Service {service}")),
                }
            }
        };
        value.map_or_else(|error| Answer::Error(error.to_string()), Answer::Ok)
    }

    /// Says of which nodes the endpoints are to fail, too.
    fn with_deaths(&self, mut story: Explanation) -> Explanation {
        let Some(deaths) = &self.parts.deaths else { return story };
        let deaths = deaths.borrow();
        for verdict in story.nodes.iter_mut().filter(|verdict| deaths.contains_key(verdict.node.as_str())) {
            verdict.reason.push_str("; its address does not answer either: reported, so that its endpoints fail");
        }
        story
    }

    fn status(&self) -> Status {
        let brain = &self.parts.brain;
        Status {
            node: self.parts.args.node_name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            ready: self.parts.ready.get(),
            config_stale: brain.is_stale(),
            problems: brain.problems().to_vec(),
            members: self.members(),
            services: brain.plan().verdicts.clone(),
            interfaces: interfaces::statuses(&self.ports, &self.parts.observed.borrow()),
        }
    }

    fn members(&self) -> Vec<Member> {
        let view = &self.parts.brain.snapshot().view;
        let owned: Vec<&NodeName> = self.parts.brain.plan().owners.values().collect();
        let started = |boot: u64| {
            let millis = i64::try_from(boot).unwrap_or(i64::MAX);
            jiff::Timestamp::from_millisecond(millis).map_or_else(|_| boot.to_string(), |time| time.to_string())
        };
        let member = |identity: &ferrolb_gossip::Identity| {
            let facts = view.facts.get(&identity.name);
            Member {
                name: identity.name.to_string(),
                address: identity.addr.to_string(),
                started: started(identity.boot),
                rejoins: identity.rejoins,
                owns: owned.iter().filter(|owner| ***owner == identity.name).count(),
                me: identity.name == view.me.name,
                version: facts.map(|facts| facts.version.clone()),
                interfaces: facts.map(|facts| facts.interfaces.keys().cloned().collect()),
                draining: facts.is_some_and(|facts| facts.draining),
                flapping: view.flapping.contains(&identity.name),
            }
        };
        view.members.values().map(member).collect()
    }

    fn layer2(&self) -> Layer2 {
        let observed = self.parts.observed.borrow();
        let plan = self.parts.brain.plan();
        let address = |announcement: &crate::plan::Announcement| {
            let status = observed.vips.get(&announcement.vip);
            let counters = status.map(|status| status.counters).unwrap_or_default();
            Address {
                address: announcement.vip,
                services: announcement.services.iter().map(ToString::to_string).collect(),
                interfaces: status
                    .map(|status| status.interfaces.names().map(str::to_owned).collect())
                    .unwrap_or_default(),
                requests_received: counters.requests_received,
                responses_sent: counters.responses_sent,
                gratuitous_sent: counters.gratuitous_sent,
                gateway_sent: counters.gateway_sent,
                dropped: counters.dropped,
                conflicts: counters.conflicts,
            }
        };
        let in_use = observed.in_use.iter().map(|stranger| InUse {
            address: stranger.vip,
            mac: stranger.mac.to_string(),
            interface: stranger.interface.clone(),
        });
        Layer2 {
            node: self.parts.args.node_name.clone(),
            addresses: plan.l2.iter().map(address).collect(),
            in_use: in_use.collect(),
            interfaces: interfaces::statuses(&self.ports, &observed),
            stalled: observed.stalled,
            conditions: self.conditions.iter().map(condition).collect(),
        }
    }
}

fn condition(condition: &ferrolb_l2::Condition) -> Condition {
    Condition {
        interface: condition.interface.clone(),
        kind: condition.kind.to_string(),
        message: condition.message.clone(),
    }
}
