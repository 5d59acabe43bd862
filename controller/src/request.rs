//! What a Service asks for in its annotations and `spec.loadBalancerIP`.

use std::net::IpAddr;

use ferrolb_api::annotations::{self, ADDRESS_POOL, ALLOW_SHARED_IP, LOAD_BALANCER_IPS};
use ferrolb_config::addresses::parse_ip;
use ferrolb_config::legacy::resource_name;
use ferrolb_source::{Addresses, Family, Service};
use thiserror::Error;

use crate::allocator::{Allocator, PoolId, Sharing};

/// A pool that a Service wants its addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolRequest<'a> {
    /// Its name as the Service says it.
    pub(crate) written: &'a str,
}

// === impl PoolRequest ===

impl PoolRequest<'_> {
    /// The pool of this name, else the one that a pool of this name became when its legacy configuration was converted.
    pub(crate) fn resolve(&self, allocator: &Allocator) -> Option<PoolId> {
        allocator.pool(self.written).or_else(|| allocator.pool(&resource_name(self.written)))
    }
}

/// A request that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RequestError {
    #[error("service can not have both {LOAD_BALANCER_IPS} and svc.Spec.LoadBalancerIP")]
    Both,
    #[error("invalid address {0:?} in {LOAD_BALANCER_IPS}: write one address, or an IPv4 and an IPv6 one with a comma")]
    Address(String),
    #[error("invalid spec.loadBalancerIP {0:?}: write one address")]
    LoadBalancerIp(String),
    #[error("{LOAD_BALANCER_IPS} asks for {0}: at most one address of each family")]
    Families(String),
}

/// The pool that is asked for, if one is.
pub(crate) fn pool(service: &Service) -> Option<PoolRequest<'_>> {
    let written = annotation(service, ADDRESS_POOL)?;
    Some(PoolRequest { written })
}

/// The addresses that are asked for, IPv4 before IPv6; empty: any will do.
pub(crate) fn addresses(service: &Service) -> Result<Addresses, RequestError> {
    match (annotation(service, LOAD_BALANCER_IPS), service.requested_ip.as_deref()) {
        (Some(_), Some(_)) => Err(RequestError::Both),
        (None, None) => Ok(Addresses::new()),
        (None, Some(text)) => {
            let ip = parse_ip(text.trim()).ok_or_else(|| RequestError::LoadBalancerIp(text.to_owned()))?;
            Ok(Addresses::from_slice(&[ip]))
        }
        (Some(text), None) => {
            let parse = |part: &str| -> Result<IpAddr, RequestError> {
                parse_ip(part.trim()).ok_or_else(|| RequestError::Address(part.trim().to_owned()))
            };
            let mut ips: Addresses = text.split(',').map(parse).collect::<Result<_, _>>()?;
            ips.sort_unstable();
            match ips.as_slice() {
                [_] => {}
                [first, second] if Family::of(*first) != Family::of(*second) => {}
                _ => return Err(RequestError::Families(text.to_owned())),
            }
            Ok(ips)
        }
    }
}

/// What the Service shares its address on, if it does.
pub(crate) fn sharing(service: &Service) -> Option<Sharing> {
    Some(Sharing::of(annotation(service, ALLOW_SHARED_IP)?, service))
}

/// An annotation that says something. One that is present and empty says nothing, and silences its forerunner.
fn annotation<'a>(service: &'a Service, key: &str) -> Option<&'a str> {
    let own = service.annotations.get(key);
    // Hardly any Service has annotations of old, and this is asked of every one.
    let value = own.or_else(|| {
        annotations::deprecated(&service.annotations).next()?;
        annotations::get(&service.annotations, key)
    });
    value.filter(|value| !value.is_empty())
}
