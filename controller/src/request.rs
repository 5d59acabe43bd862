//! What a Service asks for in its annotations and `spec.loadBalancerIP`.

use std::net::IpAddr;

use ferrolb_api::annotations::{self, ADDRESS_POOL, ALLOW_SHARED_IP, LOAD_BALANCER_IPS};
use ferrolb_source::{Family, Service};
use thiserror::Error;

use crate::allocator::Sharing;

/// What a Service asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// Exactly these addresses, IPv4 before IPv6; empty: any.
    pub(crate) ips: Vec<IpAddr>,
    /// Addresses of this pool.
    pub(crate) pool: Option<String>,
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

pub(crate) fn request(service: &Service) -> Result<Request, RequestError> {
    let pool = annotations::get(&service.annotations, ADDRESS_POOL).filter(|pool| !pool.is_empty());
    let annotation = annotations::get(&service.annotations, LOAD_BALANCER_IPS).filter(|text| !text.is_empty());
    let ips = match (annotation, service.requested_ip.as_deref()) {
        (Some(_), Some(_)) => return Err(RequestError::Both),
        (None, None) => Vec::new(),
        (None, Some(text)) => {
            vec![text.trim().parse().map_err(|_none| RequestError::LoadBalancerIp(text.to_owned()))?]
        }
        (Some(text), None) => {
            let parse = |part: &str| part.trim().parse().map_err(|_none| RequestError::Address(part.trim().to_owned()));
            let mut ips: Vec<IpAddr> = text.split(',').map(parse).collect::<Result<_, _>>()?;
            ips.sort_unstable();
            match ips.as_slice() {
                [_] => {}
                [first, second] if Family::of(*first) != Family::of(*second) => {}
                _ => return Err(RequestError::Families(text.to_owned())),
            }
            ips
        }
    };
    Ok(Request { ips, pool: pool.map(str::to_owned) })
}

/// What the Service shares its address on, if it does.
pub(crate) fn sharing(service: &Service) -> Option<Sharing> {
    let key = annotations::get(&service.annotations, ALLOW_SHARED_IP).filter(|key| !key.is_empty())?;
    Some(Sharing::of(key, service))
}
