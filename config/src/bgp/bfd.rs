//! BFD profiles: how quickly a session's failure is noticed (RFC 5880).

use std::collections::BTreeMap;
use std::time::Duration;

use ferrolb_api::v1beta1::BFDProfileSpec;

use crate::problem::Problem;
use crate::resource::{Resource, unique};

/// A checked `BFDProfile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BfdProfile {
    /// Its name.
    pub name: String,
    /// The shortest interval at which we take control packets: 10 ms to 60 s, 300 ms where nothing is said.
    pub receive_interval: Duration,
    /// The interval at which we send control packets: 10 ms to 60 s, 300 ms where nothing is said.
    pub transmit_interval: Duration,
    /// How many packets may be lost: 2 to 255, 3 where nothing is said.
    pub detect_multiplier: u8,
    /// The shortest interval at which we take echo packets: 10 ms to 60 s, 50 ms where nothing is said.
    pub echo_interval: Duration,
    /// Whether echo packets are sent (RFC 5880 section 6.4); IPv4 on a single hop only.
    pub echo_mode: bool,
    /// Whether we wait for the peer's first packet (RFC 5880 section 6.1).
    pub passive_mode: bool,
    /// The lowest TTL a packet of a multi-hop session may arrive with: 1 to 254, 254 where nothing is said.
    pub minimum_ttl: u8,
}

/// Checks every profile; those that are wrong are left out.
pub(crate) fn parse(
    resources: &[Resource<BFDProfileSpec>],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, BfdProfile> {
    let mut own = Vec::new();
    let mut profiles = BTreeMap::new();
    for resource in unique(resources, &mut own) {
        if let Some(profile) = profile(resource, &mut own) {
            profiles.insert(profile.name.clone(), profile);
        }
    }
    problems.extend(own.into_iter().map(Problem::announcement));
    profiles
}

fn profile(resource: &Resource<BFDProfileSpec>, problems: &mut Vec<Problem>) -> Option<BfdProfile> {
    let before = problems.len();
    let spec = &resource.spec;
    let mut within = |field: &str, value: Option<u32>, default: u16, lowest: u16, highest: u16, unit: &str| -> u16 {
        let Some(value) = value else { return default };
        if let Ok(value) = u16::try_from(value)
            && (lowest..=highest).contains(&value)
        {
            return value;
        }
        let message = format!("invalid {field} {value}: must be between {lowest} and {highest}{unit}");
        problems.push(resource.origin.problem(field, value.to_string(), message));
        default
    };
    let milliseconds = " (milliseconds)";
    let mut interval = |field: &str, value: Option<u32>, default: u16| {
        Duration::from_millis(within(field, value, default, 10, 60_000, milliseconds).into())
    };
    let receive_interval = interval("receiveInterval", spec.receive_interval, 300);
    let transmit_interval = interval("transmitInterval", spec.transmit_interval, 300);
    let echo_interval = interval("echoInterval", spec.echo_interval, 50);
    let detect_multiplier = within("detectMultiplier", spec.detect_multiplier, 3, 2, 255, "");
    let minimum_ttl = within("minimumTtl", spec.minimum_ttl, 254, 1, 254, "");
    let profile = BfdProfile {
        name: resource.name.clone(),
        receive_interval,
        transmit_interval,
        detect_multiplier: u8::try_from(detect_multiplier).unwrap_or(u8::MAX),
        echo_interval,
        echo_mode: spec.echo_mode.unwrap_or(false),
        passive_mode: spec.passive_mode.unwrap_or(false),
        minimum_ttl: u8::try_from(minimum_ttl).unwrap_or(u8::MAX),
    };
    (problems.len() == before).then_some(profile)
}
