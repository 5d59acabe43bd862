//! The timers of a session: hold time and keepalive (RFC 4271 section 4.2 and 4.4), connect retry (section 8.2.1.3).

use std::time::Duration;

use crate::duration;

/// Hold time and keepalive interval, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// A peer that is silent for this long is gone; zero: never, else 3 to 65535 seconds. 90 s where nothing is said.
    pub hold: Duration,
    /// How often we say that we are there, at most `hold`; zero where `hold` is. A third of `hold` where nothing is
    /// said.
    pub keepalive: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { hold: Duration::from_secs(90), keepalive: Duration::from_secs(30) }
    }
}

/// The highest hold time that an OPEN message holds (RFC 4271 section 4.2).
const LONGEST_HOLD: Duration = Duration::from_secs(65_535);

/// What is wrong with one of the two fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimerProblem {
    pub(super) field: &'static str,
    pub(super) message: String,
}

impl Timers {
    /// Reads what a peer says of them: the one that is not said follows from the other.
    pub(super) fn parse(hold: Option<&str>, keepalive: Option<&str>) -> Result<Self, TimerProblem> {
        let hold_error = |text: &str, why: &str| TimerProblem {
            field: "holdTime",
            message: format!("invalid hold time {text:?}: {why}"),
        };
        let keepalive_error = |text: &str, why: &str| TimerProblem {
            field: "keepaliveTime",
            message: format!("invalid keepaliveTime {text:?}: {why}"),
        };
        let read_hold = |text| duration::parse(text).map_err(|error| hold_error(text, &error.to_string()));
        let read_keepalive = |text| duration::parse(text).map_err(|error| keepalive_error(text, &error.to_string()));
        let (wanted_hold, wanted_keepalive) = match (hold, keepalive) {
            (None, None) => return Ok(Self::default()),
            (Some(hold), None) => {
                let hold = read_hold(hold)?;
                (hold, hold / 3)
            }
            (None, Some(text)) => {
                let keepalive = read_keepalive(text)?;
                let hold = keepalive.checked_mul(3).filter(|hold| *hold <= LONGEST_HOLD);
                let hold = hold.ok_or_else(|| {
                    keepalive_error(text, "the hold time, which is three times it, must be at most 65535s")
                })?;
                (hold, keepalive)
            }
            (Some(hold), Some(keepalive)) => (read_hold(hold)?, read_keepalive(keepalive)?),
        };
        let seconds = |duration: Duration| Duration::from_secs(duration.as_secs());
        let hold_time = seconds(wanted_hold);
        if !hold_time.is_zero() && hold_time < Duration::from_secs(3) {
            return Err(match (hold, keepalive) {
                (None, Some(text)) => {
                    keepalive_error(text, "the hold time, which is three times it, must be 0 or >=3s")
                }
                (text, _) => hold_error(text.unwrap_or_default(), "must be 0 or >=3s"),
            });
        }
        if hold_time > LONGEST_HOLD {
            return Err(hold_error(hold.unwrap_or_default(), "must be at most 65535s"));
        }
        if wanted_keepalive > wanted_hold {
            let why = format!("must be lower than holdTime {:?}", hold.unwrap_or_default());
            return Err(keepalive_error(keepalive.unwrap_or_default(), &why));
        }
        if hold_time.is_zero() {
            return Ok(Self { hold: hold_time, keepalive: Duration::ZERO });
        }
        // With a hold time there have to be keepalives, and RFC 4271 section 4.4 allows one a second at most.
        let keepalive = match seconds(wanted_keepalive) {
            Duration::ZERO => seconds(hold_time / 3),
            keepalive => keepalive,
        };
        Ok(Self { hold: hold_time, keepalive })
    }
}

/// Reads `connectTime`: whole seconds from 1 to 65535.
pub(super) fn connect_retry(text: &str) -> Result<Duration, String> {
    let invalid = |why: &str| format!("invalid connectTime {text:?}: {why}");
    let duration = duration::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !(1..=65_535).contains(&duration.as_secs()) {
        return Err(invalid("connect time should be between 1 seconds to 65535"));
    }
    if duration.as_millis() % 1000 != 0 {
        return Err(invalid("connect time should contain a whole number of seconds"));
    }
    Ok(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_timer_that_is_not_said_follows_from_the_other() {
        for (hold, keepalive, expected) in [
            (None, None, (90, 30)),
            (Some("90s"), None, (90, 30)),
            (Some("3s"), None, (3, 1)),
            (Some("4s"), None, (4, 1)),
            (Some("1m"), None, (60, 20)),
            (None, Some("10s"), (30, 10)),
            (None, Some("1s"), (3, 1)),
            (Some("0s"), None, (0, 0)),
            (Some("0"), Some("0"), (0, 0)),
            (Some("500ms"), None, (0, 0)),
            (Some("500ms"), Some("400ms"), (0, 0)),
            (Some("9s"), Some("9s"), (9, 9)),
            (Some("9s"), Some("1500ms"), (9, 1)),
            (Some("9s"), Some("0s"), (9, 3)),
            (Some("65535s"), None, (65_535, 21_845)),
        ] {
            let timers = Timers::parse(hold, keepalive).unwrap();
            assert_eq!((timers.hold.as_secs(), timers.keepalive.as_secs()), expected, "{hold:?} {keepalive:?}");
        }
    }

    #[test]
    fn timers_that_no_session_can_have_are_refused() {
        for (hold, keepalive, expected) in [
            (Some("1s"), None, "invalid hold time \"1s\": must be 0 or >=3s"),
            (Some("2999ms"), None, "invalid hold time \"2999ms\": must be 0 or >=3s"),
            (Some("-3s"), None, "invalid hold time \"-3s\""),
            (Some("90"), None, "invalid hold time \"90\""),
            (Some("65536s"), None, "invalid hold time \"65536s\""),
            (Some("9s"), Some("10s"), "invalid keepaliveTime \"10s\": must be lower than holdTime \"9s\""),
            (Some("0s"), Some("1s"), "invalid keepaliveTime \"1s\""),
            (Some("9s"), Some("x"), "invalid keepaliveTime \"x\""),
            (None, Some("500ms"), "invalid keepaliveTime \"500ms\""),
            (None, Some("21846s"), "invalid keepaliveTime \"21846s\""),
        ] {
            let problem = Timers::parse(hold, keepalive).unwrap_err();
            assert!(problem.message.contains(expected), "{hold:?} {keepalive:?}: {}", problem.message);
            assert_eq!(problem.field == "holdTime", expected.contains("hold time"), "{problem:?}");
        }
    }

    #[test]
    fn connect_times_are_whole_seconds() {
        assert_eq!(connect_retry("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(connect_retry("65535s"), Ok(Duration::from_secs(65_535)));
        for text in ["0s", "999ms", "65536s", "1500ms", "10", "-1s"] {
            assert!(connect_retry(text).unwrap_err().contains("invalid connectTime"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn accepted_timers_are_fit_for_a_session(hold in prop::option::of("[0-9]{1,5}(ms|s|m)"), keepalive in prop::option::of("[0-9]{1,5}(ms|s|m)")) {
            if let Ok(Timers { hold, keepalive }) = Timers::parse(hold.as_deref(), keepalive.as_deref()) {
                prop_assert!(hold.is_zero() || (3..=65_535).contains(&hold.as_secs()));
                prop_assert!(keepalive <= hold && keepalive.is_zero() == hold.is_zero());
                prop_assert!(hold.subsec_nanos() == 0 && keepalive.subsec_nanos() == 0);
            }
        }
    }
}
