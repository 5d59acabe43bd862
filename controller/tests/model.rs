//! The allocator against the plainest one there could be: every address looked at, one after the other.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{Config, Labels, Origin, Resource, Resources, parse};
use ferrolb_controller::Allocator;
use ferrolb_controller::allocator::{Asker, Sharing};
use ferrolb_source::{Family, ObjectKey, Port};
use proptest::prelude::*;

const RANGES: [&str; 3] = ["10.0.0.252-10.0.1.1", "fd00::/127", "10.0.9.0/31"];

#[derive(Debug, Clone)]
enum Do {
    /// Who, sharing key (0: none), ports, families.
    Allocate(usize, u8, Vec<u8>, u8),
    /// The same with exactly this address of the pool.
    Assign(usize, u8, Vec<u8>, usize),
    Release(usize),
    Reserve(usize, Vec<usize>),
    Unreserve(usize),
}

#[derive(Default)]
struct Model {
    /// In the order in which they are handed out.
    addresses: Vec<IpAddr>,
    held: BTreeMap<usize, (Vec<IpAddr>, u8, Vec<u8>)>,
    reserved: BTreeMap<usize, Vec<IpAddr>>,
}

impl Model {
    fn admits(&self, who: usize, key: u8, ports: &[u8], ip: IpAddr) -> bool {
        let mut others = self.held.iter().filter(|(other, (ips, ..))| **other != who && ips.contains(&ip));
        let mine = self.held.get(&who).is_some_and(|(ips, ..)| ips.contains(&ip));
        let used = mine || others.clone().next().is_some();
        let reserved = self.reserved.values().any(|ips| ips.contains(&ip));
        (used || !reserved)
            && others.all(|(_, (_, theirs, taken))| {
                key != 0 && *theirs == key && !ports.iter().any(|port| taken.contains(port))
            })
    }

    fn first(&self, who: usize, key: u8, ports: &[u8], family: Family) -> Option<IpAddr> {
        let mut all = self.addresses.iter().copied().filter(|ip| Family::of(*ip) == family);
        all.find(|ip| self.admits(who, key, ports, *ip))
    }
}

fn config(avoid: bool) -> Config {
    let spec = serde_json::json!({"addresses": RANGES, "avoidBuggyIPs": avoid});
    let pool = Resource {
        origin: Origin::resource("IPAddressPool", "lb", "pool"),
        name: "pool".to_owned(),
        labels: Labels::new(),
        spec: serde_json::from_value(spec).unwrap(),
    };
    parse(&Resources { pools: vec![pool], ..Resources::default() }).strict().unwrap().clone()
}

fn addresses(avoid: bool) -> Vec<IpAddr> {
    let all = "10.0.0.252 10.0.0.253 10.0.0.254 10.0.0.255 10.0.1.0 10.0.1.1 fd00:: fd00::1 10.0.9.0 10.0.9.1";
    let left_out = ["10.0.0.255", "10.0.1.0", "10.0.9.0"];
    all.split(' ').filter(|ip| !avoid || !left_out.contains(ip)).map(|ip| ip.parse().unwrap()).collect()
}

fn step() -> impl Strategy<Value = Do> {
    let ports = || prop::collection::vec(0u8..3, 1..3);
    prop_oneof![
        4 => (0usize..9, 0u8..3, ports(), 0u8..3).prop_map(|(who, key, ports, f)| Do::Allocate(who, key, ports, f)),
        3 => (0usize..9, 0u8..3, ports(), 0usize..7).prop_map(|(who, key, ports, ip)| Do::Assign(who, key, ports, ip)),
        2 => (0usize..9).prop_map(Do::Release),
        1 => (20usize..22, prop::collection::vec(0usize..7, 1..3)).prop_map(|(who, ips)| Do::Reserve(who, ips)),
        1 => (20usize..22).prop_map(Do::Unreserve),
    ]
}

fn ports(numbers: &[u8]) -> Vec<Port> {
    numbers.iter().map(|n| Port { protocol: "TCP".into(), port: i32::from(*n) }).collect()
}

fn apply(allocator: &mut Allocator, model: &mut Model, keys: &[Arc<ObjectKey>], what: Do) -> Result<(), TestCaseError> {
    let labels = Labels::new();
    let ask = |allocator: &mut Allocator,
               who: usize,
               key: u8,
               numbers: &[u8],
               exactly: Option<IpAddr>,
               families: &[Family]| {
        let sharing = (key != 0).then(|| Sharing { key: key.to_string(), backend: String::new() });
        let ports = ports(numbers);
        let asker = Asker {
            key: &keys[who],
            labels: &labels,
            namespace_labels: &labels,
            sharing: sharing.as_ref(),
            ports: &ports,
        };
        let result = match exactly {
            Some(ip) => allocator.assign(&asker, &[ip]),
            None => allocator.allocate_from(&asker, "pool", families),
        };
        result.ok().map(|assignment| assignment.ips.to_vec())
    };
    match what {
        Do::Allocate(who, key, numbers, families) => {
            let families = [&[Family::V4][..], &[Family::V6], &[Family::V4, Family::V6]][usize::from(families)];
            // As for a Service that has lost what it had.
            allocator.release(&keys[who]);
            model.held.remove(&who);
            let expected: Option<Vec<IpAddr>> =
                families.iter().map(|family| model.first(who, key, &numbers, *family)).collect();
            prop_assert_eq!(&ask(allocator, who, key, &numbers, None, families), &expected);
            model.held.extend(expected.map(|ips| (who, (ips, key, numbers))));
        }
        Do::Assign(who, key, numbers, index) => {
            let ip = model.addresses[index];
            let admitted = model.admits(who, key, &numbers, ip);
            let expected = admitted.then(|| vec![ip]);
            prop_assert_eq!(&ask(allocator, who, key, &numbers, Some(ip), &[]), &expected);
            model.held.extend(expected.map(|ips| (who, (ips, key, numbers))));
        }
        Do::Release(who) => {
            let held = model.held.remove(&who).is_some();
            prop_assert_eq!(allocator.release(&keys[who]), held);
        }
        Do::Reserve(who, indices) => {
            let ips: Vec<IpAddr> = indices.iter().map(|index| model.addresses[*index]).collect();
            allocator.reserve(&keys[who], &ips);
            model.reserved.insert(who, ips);
        }
        Do::Unreserve(who) => {
            let reserved = model.reserved.remove(&who).is_some();
            prop_assert_eq!(allocator.unreserve(&keys[who]), reserved);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn it_gives_what_the_plainest_allocator_gives_and_counts_the_same(
        avoid: bool, steps in prop::collection::vec(step(), 1..60)
    ) {
        let config = config(avoid);
        let mut allocator = Allocator::new(config.pools.values());
        let mut model = Model { addresses: addresses(avoid), ..Model::default() };
        let keys: Vec<Arc<ObjectKey>> = (0..22).map(|n| Arc::new(ObjectKey::new("default", format!("s{n}")))).collect();
        for what in steps {
            apply(&mut allocator, &mut model, &keys, what)?;
            for family in [Family::V4, Family::V6] {
                let of = |ip: &&IpAddr| Family::of(**ip) == family;
                let used = |ip: &IpAddr| model.held.values().any(|(ips, ..)| ips.contains(ip));
                let reserved = |ip: &IpAddr| !used(ip) && model.reserved.values().any(|ips| ips.contains(ip));
                let count = allocator.count("pool", family).unwrap();
                prop_assert_eq!(count.total, model.addresses.iter().filter(of).count() as u128);
                prop_assert_eq!(count.used, model.addresses.iter().filter(of).filter(|ip| used(ip)).count() as u128);
                prop_assert_eq!(count.reserved, model.addresses.iter().filter(of).filter(|ip| reserved(ip)).count() as u128);
                let services = model.held.values().filter(|(ips, ..)| ips.iter().any(|ip| Family::of(*ip) == family));
                prop_assert_eq!(count.services, services.count());
            }
            prop_assert_eq!(allocator.services("pool"), model.held.len());
        }
    }
}
