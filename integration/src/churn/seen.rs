//! One version of a Service, reduced to what decides on its addresses: read from the API's object alone, with nothing of
//! the controller's own code, so that an error there is not made here too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;

use super::pools::Pool;

/// Number of the edit that made a version; every edit of a client's counts it up.
pub(super) const EDIT: &str = "churn.ferrolb.io/edit";
const POOL: &str = "metallb.io/address-pool";
const REQUESTED: &str = "metallb.io/loadBalancerIPs";
const SHARING: &str = "metallb.io/allow-shared-ip";
const ALLOCATED_FROM: &str = "metallb.io/ip-allocated-from-pool";

/// `spec.ipFamilyPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Single,
    Prefer,
    Require,
}

/// A version of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) uid: String,
    /// `metadata.resourceVersion`: the order of everything that happens.
    pub(super) revision: u64,
    pub(super) edit: u64,
    pub(super) load_balancer: bool,
    sharing: Option<String>,
    /// What traffic policy Local makes part of the sharing key.
    backend: String,
    ports: BTreeSet<(String, i32)>,
    /// For each family of its cluster IPs whether it is IPv6.
    families: Vec<bool>,
    pub(super) policy: Policy,
    /// Sorted.
    requested: Vec<IpAddr>,
    pool: Option<String>,
    /// The pool that its addresses are said to be from.
    pub(super) from: Option<String>,
    /// `status.loadBalancer.ingress`, sorted.
    pub(super) ingress: Vec<IpAddr>,
}

// === impl Seen ===

impl Seen {
    /// Reads an object.
    pub(super) fn of(object: &Service) -> Self {
        let empty = BTreeMap::new();
        let annotations = object.metadata.annotations.as_ref().unwrap_or(&empty);
        let annotation = |key: &str| annotations.get(key).cloned();
        let spec = object.spec.clone().unwrap_or_default();
        let local = spec.external_traffic_policy.as_deref() == Some("Local");
        let ports = spec.ports.unwrap_or_default().into_iter();
        let balancer = object.status.as_ref().and_then(|status| status.load_balancer.clone()).unwrap_or_default();
        let ingress = balancer.ingress.unwrap_or_default().into_iter().filter_map(|entry| entry.ip);
        let cluster_ips = spec.cluster_ips.unwrap_or_default();
        Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            revision: object
                .metadata
                .resource_version
                .as_deref()
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            edit: annotation(EDIT).and_then(|text| text.parse().ok()).unwrap_or_default(),
            load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
            sharing: annotation(SHARING).filter(|key| !key.is_empty()),
            backend: if local { format!("{:?}", spec.selector.unwrap_or_default()) } else { String::new() },
            ports: ports.map(|port| (port.protocol.unwrap_or_else(|| "TCP".to_owned()), port.port)).collect(),
            families: cluster_ips.iter().map(|ip| ip.contains(':')).collect(),
            policy: match spec.ip_family_policy.as_deref() {
                Some("PreferDualStack") => Policy::Prefer,
                Some("RequireDualStack") => Policy::Require,
                _ => Policy::Single,
            },
            requested: sorted(annotation(REQUESTED).unwrap_or_default().split(',').map(str::to_owned)),
            pool: annotation(POOL).filter(|name| !name.is_empty()),
            from: annotation(ALLOCATED_FROM),
            ingress: sorted(ingress),
        }
    }

    /// The addresses that it holds: only a load balancer does.
    pub(super) fn holds(&self) -> &[IpAddr] {
        if self.load_balancer { &self.ingress } else { &[] }
    }

    /// Whether two Services may hold one address: the same sharing key, the same endpoints where the traffic policy is
    /// Local, and no port in common.
    pub(super) fn may_share(&self, other: &Self) -> bool {
        self.sharing.is_some()
            && self.sharing == other.sharing
            && self.backend == other.backend
            && self.ports.is_disjoint(&other.ports)
    }

    /// Whether somebody who was about to share with this version cannot share with the next one.
    pub(super) fn shuts_out(&self, next: &Self) -> bool {
        let on = |seen: &Self| (seen.sharing.clone(), seen.backend.clone(), seen.ports.clone());
        self.sharing.is_some() && on(self) != on(next)
    }

    /// Why it may not have `ips` by what it says itself; `None`: it may.
    pub(super) fn objection(&self, ips: &[IpAddr]) -> Option<String> {
        let pool = ips.first().and_then(|ip| Pool::of(*ip));
        let Some(pool) = pool.filter(|pool| ips.iter().all(|ip| pool.contains(*ip))) else {
            return Some("the addresses are not from one pool".to_owned());
        };
        if self.pool.as_deref().is_some_and(|asked| asked != pool.name) {
            return Some(format!("it asks for another pool than {}", pool.name));
        }
        if !self.requested.is_empty() && self.requested != ips {
            return Some(format!("it asks for {:?}", self.requested));
        }
        let mut of_ips: Vec<bool> = ips.iter().map(IpAddr::is_ipv6).collect();
        let mut own = self.families.clone();
        of_ips.sort_unstable();
        own.sort_unstable();
        let one_of_two = self.policy == Policy::Prefer && matches!(of_ips.as_slice(), [v6] if own.contains(v6));
        (of_ips != own && !one_of_two).then(|| "the families are not its own".to_owned())
    }

    /// The sets of addresses any of which would do, as pool and families; the requested ones, if there are any.
    pub(super) fn wanted(&self) -> Wanted {
        if !self.requested.is_empty() {
            return Wanted::Exactly(self.requested.clone());
        }
        let asked = self.pool.as_deref();
        let pools = super::pools::POOLS.iter().filter(|pool| asked.map_or(pool.auto, |asked| asked == pool.name));
        let mut families = vec![self.families.clone()];
        if let (Policy::Prefer, [first, second]) = (self.policy, self.families.as_slice()) {
            families.extend([vec![*first], vec![*second]]);
        }
        Wanted::AnyOf { pools: pools.collect(), families }
    }
}

/// What would do for a Service.
#[derive(Debug)]
pub(super) enum Wanted {
    Exactly(Vec<IpAddr>),
    AnyOf { pools: Vec<&'static Pool>, families: Vec<Vec<bool>> },
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, revision, edit, sharing, backend, ports, families, policy, requested, pool, from, .. } = self;
        let kind = if self.load_balancer { "LoadBalancer" } else { "ClusterIP" };
        let ports: Vec<String> = ports.iter().map(|(protocol, port)| format!("{protocol}/{port}")).collect();
        let families: Vec<&str> = families.iter().map(|v6| if *v6 { "IPv6" } else { "IPv4" }).collect();
        write!(
            f,
            "{revision:>7}  {name} edit {edit}: {kind} {} {policy:?}, ports {}",
            families.join("+"),
            ports.join(",")
        )?;
        if let Some(sharing) = sharing {
            write!(f, ", shares on {sharing} {backend}")?;
        }
        if let Some(pool) = pool {
            write!(f, ", wants pool {pool}")?;
        }
        if !requested.is_empty() {
            write!(f, ", wants {requested:?}")?;
        }
        write!(f, "; has {:?} from {}", self.ingress, from.as_deref().unwrap_or("-"))
    }
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = texts.filter_map(|text| text.trim().parse().ok()).collect();
    ips.sort_unstable();
    ips
}
