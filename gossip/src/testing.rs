//! What tests share.

use std::time::Instant;

use proptest::test_runner::{Config, RngSeed};

/// An arbitrary origin of virtual time.
#[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with; no time passes in tests")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// The same cases in each run.
pub(crate) fn cases() -> Config {
    Config { cases: 512, rng_seed: RngSeed::Fixed(20_260_101), failure_persistence: None, ..Config::default() }
}
