//! What holds in every cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_source::ObjectKey;
use ferrolb_speaker::brain::Input;
use ferrolb_speaker::plan::{Options, plan};
use ferrolb_speaker::{Brain, NodePlan, PartitionPolicy};
use proptest::prelude::*;

use crate::world::{World, endpoints, name, service, start};

const NODES: [&str; 4] = ["node-a", "node-b", "node-c", "node-d"];

/// A Service: its addresses, its policy, and where its endpoints run.
#[derive(Debug, Clone)]
struct Served {
    ips: (u8, Option<u8>),
    local: bool,
    endpoints: Vec<bool>,
}

/// What is drawn for a node.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each drawn for itself")]
struct Drawn {
    alive: bool,
    drained: bool,
    excluded: bool,
    unavailable: bool,
    near: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        any::<bool>(),
    )
        .prop_map(|(alive, drained, excluded, unavailable, near)| Drawn {
            alive,
            drained,
            excluded,
            unavailable,
            near,
        })
}

fn served() -> impl Strategy<Value = Served> {
    ((1..12_u8, prop::option::of(1..4_u8)), any::<bool>(), prop::collection::vec(any::<bool>(), NODES.len()))
        .prop_map(|(ips, local, endpoints)| Served { ips, local, endpoints })
}

prop_compose! {
    fn worlds()(
        nodes in prop::collection::vec(drawn(), NODES.len()),
        services in prop::collection::vec(served(), 1..12),
        claims in prop::collection::vec((1..12_u8, 0..NODES.len()), 0..10),
        metallb in any::<bool>(),
        rebalance in any::<bool>(),
    ) -> World {
        let mut world = World::new();
        world.cluster.resources.pools[0].spec =
            serde_yaml::from_str("addresses: [10.0.0.0/24, 'fd00::/120']").unwrap();
        world.l2("preferredNodeSelectors: [{weight: 5, preference: {matchLabels: {zone: near}}}]");
        world.cluster.nodes.clear();
        world.cluster.services.clear();
        let life = world.view.me.clone();
        world.view.members.clear();
        for (node, drawn) in NODES.iter().zip(&nodes) {
            world.cluster.nodes.insert((*node).to_owned(), Arc::default());
            world.node(node, |node| {
                node.drained = drawn.drained;
                node.network_unavailable = drawn.unavailable;
                if drawn.excluded {
                    node.labels.insert(ferrolb_api::EXCLUDE_LABEL, "");
                }
                if drawn.near {
                    node.labels.insert("zone", "near");
                }
            });
            if drawn.alive {
                world.view.members.insert(name(node), ferrolb_gossip::Identity { name: name(node), ..life.clone() });
            }
        }
        for (number, served) in services.iter().enumerate() {
            let key = ObjectKey::new("default", format!("s{number}"));
            let second = served.ips.1.map_or_else(String::new, |second| format!("}}, {{ip: 'fd00::{second}'"));
            let policy = if served.local { "externalTrafficPolicy: Local" } else { "" };
            world.cluster.services.insert(key.clone(), Arc::new(service(policy, &format!("10.0.0.{}{second}", served.ips.0))));
            let running = NODES.iter().zip(&served.endpoints).filter(|(_, runs)| **runs);
            let list: Vec<String> = running.map(|(node, _)| format!("{{addresses: [10.244.0.1], nodeName: {node}}}")).collect();
            world.cluster.endpoints.insert(key, Arc::new(endpoints(&format!("[{}]", list.join(", ")))));
        }
        for (ip, owner) in claims {
            world.claim_for(IpAddr::from([10, 0, 0, ip]), NODES[owner], 1);
        }
        world.options = Options {
            strategy: if metallb { ferrolb_speaker::Strategy::Metallb } else { ferrolb_speaker::Strategy::Balanced },
            rebalance,
            ..Options::default()
        };
        world
    }
}

fn plans(world: &World) -> BTreeMap<&'static str, NodePlan> {
    let alive = NODES.iter().filter(|node| world.view.members.contains_key(**node));
    alive.map(|node| (*node, plan(&world.snapshot(node)))).collect()
}

/// Lets everybody claim until nobody wants to; every move that is waiting for its time gets it.
fn settle(world: &mut World) -> BTreeMap<&'static str, NodePlan> {
    world.turns.calm = true;
    world.turns.ripe = (1..12).map(|ip| IpAddr::from([10, 0, 0, ip])).collect();
    for _ in 0..60 {
        let plans = plans(world);
        let claims: Vec<(IpAddr, &str)> =
            plans.iter().flat_map(|(node, plan)| plan.claims.iter().map(|vip| (*vip, *node))).collect();
        let distinct: BTreeSet<IpAddr> = claims.iter().map(|(vip, _)| *vip).collect();
        assert_eq!(distinct.len(), claims.len(), "two nodes claim the same: {claims:?}");
        if claims.is_empty() {
            return plans;
        }
        for (vip, node) in claims {
            let epoch = world.view.claims.get(&vip).map_or(0, |held| held.claim.epoch) + 1;
            world.claim_for(vip, node, epoch);
        }
    }
    panic!("addresses move for ever");
}

/// 48 cases each; `PROPTEST_CASES` says otherwise.
fn cases() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 48, ..config } }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn at_rest_every_address_has_exactly_one_owner_if_anybody_may_announce_it(mut world in worlds()) {
        let plans = settle(&mut world);
        let mut owners: BTreeMap<IpAddr, Vec<&str>> = BTreeMap::new();
        for (node, plan) in &plans {
            for announcement in &plan.l2 {
                owners.entry(announcement.vip).or_default().push(*node);
            }
        }
        for (vip, owners) in &owners {
            prop_assert_eq!(owners.len(), 1, "{} is answered for by {:?}", vip, owners);
        }
        for (node, plan) in &plans {
            for verdict in &plan.verdicts {
                // Whoever may announce a Service says why it does not: because somebody else does.
                let waits = matches!(verdict.reason.code(), "vacant" | "handingOver" | "noEligibleNode");
                prop_assert!(!waits, "{}: {} {}", node, verdict.address, verdict.reason);
                if verdict.reason.code() == "notOwner" {
                    prop_assert!(owners.contains_key(&verdict.address), "{}: {}", verdict.address, verdict.reason);
                }
            }
        }
    }

    #[test]
    fn all_nodes_agree_on_who_owns_what(mut world in worlds()) {
        let plans = settle(&mut world);
        let mut views = plans.values().map(|plan| &plan.owners);
        if let Some(first) = views.next() {
            prop_assert!(views.all(|other| other == first));
        }
    }

    #[test]
    fn no_move_interrupts_an_address(mut world in worlds()) {
        // Whoever announces goes on until a step gives the address to somebody else, who then announces.
        world.turns.calm = true;
        let mut held: BTreeSet<IpAddr> = BTreeSet::new();
        for _ in 0..60 {
            let plans = plans(&world);
            let now: BTreeSet<IpAddr> = plans.values().flat_map(|plan| plan.l2.iter().map(|a| a.vip)).collect();
            prop_assert!(held.is_subset(&now), "lost: {:?}", held.difference(&now));
            held = now;
            let claims: Vec<(IpAddr, &str)> =
                plans.iter().flat_map(|(node, plan)| plan.claims.iter().map(|vip| (*vip, *node))).collect();
            let Some((vip, node)) = claims.first() else { break };
            let epoch = world.view.claims.get(vip).map_or(0, |held| held.claim.epoch) + 1;
            world.claim_for(*vip, node, epoch);
        }
    }

    #[test]
    fn of_any_two_parts_at_most_one_announces_with_a_quorum(world in worlds(), split in prop::collection::vec(any::<bool>(), NODES.len())) {
        let part = |side: bool| {
            let mut world = World { view: world.view.clone(), cluster: world.cluster.clone(), config: Arc::clone(&world.config),
                options: world.options.clone(), ..World::new() };
            world.options.partition_policy = PartitionPolicy::Quorum;
            world.view.members.retain(|node, _| NODES.iter().zip(&split).any(|(name, at)| *name == node.as_str() && *at == side));
            let plans = settle(&mut world);
            plans.values().flat_map(|plan| plan.l2.iter().map(|a| a.vip)).collect::<BTreeSet<IpAddr>>()
        };
        let (left, right) = (part(true), part(false));
        prop_assert!(left.is_disjoint(&right), "both announce {:?}", left.intersection(&right));
    }

    #[test]
    fn the_order_of_news_does_not_matter(world in worlds()) {
        let now = start();
        let cluster = Arc::new(world.cluster.clone());
        let empty = Arc::new(ferrolb_gossip::View { members: BTreeMap::new(), claims: BTreeMap::new(), ..world.view.clone() });
        let view = Arc::new(world.view.clone());
        for me in NODES.iter().filter(|node| world.view.members.contains_key(**node)) {
            let mut first = Brain::new(name(me), world.options.clone(), Arc::clone(&empty));
            first.handle(now, Input::Cluster(Arc::clone(&cluster)));
            first.handle(now, Input::View(Arc::clone(&view)));
            let mut second = Brain::new(name(me), world.options.clone(), Arc::clone(&empty));
            second.handle(now, Input::View(Arc::clone(&view)));
            second.handle(now, Input::Cluster(Arc::clone(&cluster)));
            prop_assert_eq!(first.plan(), second.plan());
        }
    }
}
