//! Lengths of timers.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::{Config, Retry};

/// Hold time while the peer's OPEN is awaited (RFC 4271 section 8.2.2 suggests 4 minutes).
pub(super) const OPEN_HOLD: Duration = Duration::from_secs(240);

/// How long TCP may take to come up. The kernel sends its SYN three times more in this time.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection of the peer that has not sent its OPEN keeps this side from dialling too: it spares both a collision.
pub(super) const COURTESY: Duration = Duration::from_secs(5);

/// How long a second connection beside a session that is up may take to send its OPEN.
pub(super) const SECOND_OPEN: Duration = Duration::from_secs(10);

/// A session that was up for so long does not count as a failure when it ends.
pub(super) const STABLE: Duration = Duration::from_secs(60);

/// A session that was up for so long cannot collide with a connection that was made at the same time.
pub(super) const SETTLED: Duration = Duration::from_secs(30);

/// Least send hold time (RFC 9687 section 4).
const SEND_HOLD: Duration = Duration::from_secs(480);

/// 75 to 100 percent of a time (RFC 4271 section 10).
pub(super) fn jitter(random: &mut StdRng, time: Duration) -> Duration {
    time.mul_f64(random.random_range(0.75..=1.0))
}

/// The pause after so many failures in a row: doubled with each, bounded, with jitter.
pub(super) fn pause(retry: Retry, failures: u32, random: &mut StdRng) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    jitter(random, retry.first.saturating_mul(1 << doublings).min(retry.max))
}

/// Time between KEEPALIVE messages, before jitter; none without a hold time (RFC 4271 section 4.4).
pub(super) fn keepalive(config: &Config, hold_time: Duration) -> Option<Duration> {
    let most = (!hold_time.is_zero()).then_some(hold_time / 3)?;
    Some(config.keepalive.map_or(most, |configured| configured.min(most)))
}

/// How long the peer may take nothing; for ever without a hold time (RFC 9687 section 3).
pub(super) fn send_hold(config: &Config, hold_time: Duration) -> Option<Duration> {
    (!hold_time.is_zero()).then(|| config.send_hold_time.unwrap_or(SEND_HOLD.max(hold_time * 2)).max(hold_time))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rand::SeedableRng as _;

    use super::*;
    use crate::session::RemoteAs;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn config() -> Config {
        Config::new(64_512, RemoteAs::External, Ipv4Addr::new(192, 0, 2, 1))
    }

    #[test]
    fn pauses_double_up_to_their_bound_with_a_quarter_of_jitter() {
        let mut random = StdRng::seed_from_u64(1);
        for (failures, whole) in [(0, 1), (1, 1), (2, 2), (3, 4), (7, 64), (8, 120), (9, 120), (u32::MAX, 120)] {
            let drawn: Vec<_> = (0..200).map(|_| pause(Retry::default(), failures, &mut random)).collect();
            assert!(drawn.iter().all(|pause| S(whole).mul_f64(0.75) <= *pause && *pause <= S(whole)), "{failures}");
            assert!(drawn.iter().any(|pause| *pause < S(whole).mul_f64(0.8)), "{failures}: no jitter");
            assert!(drawn.iter().any(|pause| *pause > S(whole).mul_f64(0.95)), "{failures}: no jitter");
        }
    }

    #[test]
    fn a_keepalive_is_sent_three_times_in_the_hold_time_at_least() {
        let mut config = config();
        assert_eq!(keepalive(&config, S(90)), Some(S(30)));
        assert_eq!(keepalive(&config, S(3)), Some(S(1)));
        assert_eq!(keepalive(&config, S(0)), None);
        config.keepalive = Some(S(10));
        assert_eq!(keepalive(&config, S(90)), Some(S(10)));
        assert_eq!(
            keepalive(&config, S(9)),
            Some(S(3)),
            "the smaller one of both sides may be shorter than configured"
        );
    }

    #[test]
    fn the_send_hold_time_is_eight_minutes_or_twice_the_hold_time() {
        let mut config = config();
        assert_eq!(send_hold(&config, S(90)), Some(S(480)));
        assert_eq!(send_hold(&config, S(300)), Some(S(600)));
        assert_eq!(send_hold(&config, S(0)), None);
        config.send_hold_time = Some(S(20));
        assert_eq!(send_hold(&config, S(9)), Some(S(20)));
        assert_eq!(send_hold(&config, S(90)), Some(S(90)), "never below the hold time");
    }
}
