//! What tests share.

use std::net::IpAddr;
use std::time::Instant;

use proptest::test_runner::{Config, RngSeed};

use crate::claim::Claim;

/// An arbitrary origin of virtual time.
#[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with; no time passes in tests")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// The same cases in each run.
pub(crate) fn cases() -> Config {
    Config { cases: 512, rng_seed: RngSeed::Fixed(20_260_101), failure_persistence: None, ..Config::default() }
}

/// A first claim of the node with that name.
pub(crate) fn claim(last: u8, name: &str) -> Claim {
    Claim {
        vip: IpAddr::from([192, 0, 2, last]),
        epoch: 1,
        owner: name.into(),
        boot: 1_700_000_000_000,
        released: false,
    }
}
