//! What must hold once nothing changes any more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ferrolb_api::v1beta1::IPAddressPoolStatus;

use super::judge::Judge;
use super::pools::{POOLS, Pool};
use super::seen::{Policy, Seen, Wanted};

/// Something that is not as it should be in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmet {
    /// The Service, if it is about one.
    pub(super) service: String,
    pub(super) ips: Vec<IpAddr>,
    pub(super) what: String,
}

/// Everything that keeps this from being the end: a Service that is not served and could be, an address that two hold,
/// a counter that is wrong.
pub(super) fn unmet(judge: &Judge, counters: &BTreeMap<String, IPAddressPoolStatus>) -> Vec<Unmet> {
    let all: Vec<&Seen> = judge.services.values().map(|tracked| &tracked.now).collect();
    let mut unmet = Vec::new();
    for seen in &all {
        let mut add = |what: String| {
            unmet.push(Unmet {
                service: seen.name.clone(),
                ips: seen.ingress.clone(),
                what: format!("{}: {what}", seen.name),
            });
        };
        let from = seen.holds().first().and_then(|ip| Pool::of(*ip)).map(|pool| pool.name);
        if seen.from.as_deref() != from {
            add(format!("says that it has its addresses from {:?}", seen.from));
        }
        match (seen.load_balancer, seen.ingress.as_slice()) {
            (false, []) => {}
            (false, ips) => add(format!("is no load balancer and still shows {ips:?}")),
            (true, []) => {
                if let Some(ips) = possible(seen, &all) {
                    add(format!("has no address, and could have {ips:?}"));
                }
            }
            (true, ips) => {
                if let Some(objection) = seen.objection(ips) {
                    add(format!("has {ips:?}: {objection}"));
                }
                if let Some(ip) = addition(seen, &all) {
                    add(format!("has one address, and could have {ip} too"));
                }
            }
        }
        for ip in seen.holds() {
            for other in others(seen, *ip, &all).filter(|other| seen.name < other.name && !other.may_share(seen)) {
                add(format!("holds {ip} beside {}", other.name));
            }
        }
    }
    unmet.extend(POOLS.iter().filter_map(|pool| miscounted(pool, &all, counters.get(pool.name))));
    unmet
}

/// Others that hold an address.
fn others<'a>(seen: &'a Seen, ip: IpAddr, all: &'a [&Seen]) -> impl Iterator<Item = &'a Seen> {
    all.iter().copied().filter(move |other| other.name != seen.name && other.holds().contains(&ip))
}

fn available(seen: &Seen, ip: IpAddr, all: &[&Seen]) -> bool {
    others(seen, ip, all).all(|other| other.may_share(seen))
}

/// Addresses that a Service without any could have.
fn possible(seen: &Seen, all: &[&Seen]) -> Option<Vec<IpAddr>> {
    match seen.wanted() {
        Wanted::Exactly(ips) => {
            // Of a Service of two families both are to be asked for.
            let can = seen.objection(&ips).is_none()
                && (seen.policy != Policy::Prefer || ips.len() == 2)
                && ips.iter().all(|ip| available(seen, *ip, all));
            can.then_some(ips)
        }
        Wanted::AnyOf { pools, families } => pools.iter().find_map(|pool| {
            families.iter().find_map(|families| families.iter().map(|v6| free(seen, pool, *v6, all)).collect())
        }),
    }
}

/// The address of the other family that a Service with one of two could have.
fn addition(seen: &Seen, all: &[&Seen]) -> Option<IpAddr> {
    let [ip] = seen.holds() else { return None };
    let Wanted::AnyOf { families, .. } = seen.wanted() else { return None };
    let pool = Pool::of(*ip)?;
    (families.len() > 1).then(|| free(seen, pool, ip.is_ipv4(), all)).flatten()
}

fn free(seen: &Seen, pool: &Pool, v6: bool, all: &[&Seen]) -> Option<IpAddr> {
    pool.addresses(v6).into_iter().find(|ip| available(seen, *ip, all))
}

fn miscounted(pool: &Pool, all: &[&Seen], counted: Option<&IPAddressPoolStatus>) -> Option<Unmet> {
    let held: BTreeSet<IpAddr> =
        all.iter().flat_map(|seen| seen.holds()).copied().filter(|ip| pool.contains(*ip)).collect();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let of = |v6: bool| {
        let held = held.iter().filter(|ip| ip.is_ipv6() == v6).count();
        (count(held), count(pool.addresses(v6).len().saturating_sub(held)))
    };
    let ((assigned_ipv4, available_ipv4), (assigned_ipv6, available_ipv6)) = (of(false), of(true));
    let right = IPAddressPoolStatus { assigned_ipv4, assigned_ipv6, available_ipv4, available_ipv6 };
    (counted != Some(&right)).then(|| Unmet {
        service: String::new(),
        ips: held.into_iter().collect(),
        what: format!("pool {} counts {counted:?}, not {right:?}", pool.name),
    })
}
