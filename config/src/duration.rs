//! Durations as Kubernetes' resources write them: `90s`, `1m30s`, `1.5h`, `-200ms` (the syntax of Go's
//! `time.ParseDuration`).

use std::time::Duration;

use thiserror::Error;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DurationError {
    /// Not of the form number, unit, number, unit, ...
    #[error("not a duration; write a number with a unit, for example 90s, 1m30s or 300ms")]
    Syntax,
    /// Below zero.
    #[error("a duration here must not be below zero")]
    Negative,
    /// More than 292 years.
    #[error("too long for a duration")]
    Overflow,
}

/// The longest that 63 bits of nanoseconds hold, which is what the API takes.
const LONGEST: u128 = i64::MAX.unsigned_abs() as u128;

/// Reads a duration of zero or more.
///
/// # Errors
/// [`DurationError`] says what is expected instead.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // Zero needs no unit.
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(DurationError::Syntax);
    }
    let mut nanoseconds: u128 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (part, after) = component(rest)?;
        nanoseconds = nanoseconds.checked_add(part).filter(|sum| *sum <= LONGEST).ok_or(DurationError::Overflow)?;
        rest = after;
    }
    if negative && nanoseconds > 0 {
        return Err(DurationError::Negative);
    }
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_too_long| DurationError::Overflow)
}

/// The first number with its unit, in nanoseconds, and what follows.
fn component(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Syntax);
    }
    let units: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let unit = units.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit).ok_or(DurationError::Syntax)?;
    let whole = number(whole)?.checked_mul(unit).ok_or(DurationError::Overflow)?;
    // More digits than these are below a nanosecond even for hours.
    let fraction: String = fraction.chars().take(18).collect();
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let part = number(&fraction)?.saturating_mul(unit) / scale;
    whole.checked_add(part).map(|sum| (sum, after)).ok_or(DurationError::Overflow)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn number(digits: &str) -> Result<u128, DurationError> {
    if digits.is_empty() { Ok(0) } else { digits.parse().map_err(|_too_long| DurationError::Overflow) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("90s", 90_000),
            ("+5s", 5_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("2999ms", 2_999),
            ("1h1m1s1ms", 3_661_001),
            ("1000us", 1),
            ("1000\u{b5}s", 1),
            ("1000000ns", 1),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse("0.000000001s"), Ok(Duration::from_nanos(1)));
        assert_eq!(parse("0.3333333333333333333h"), Ok(Duration::from_nanos(1_199_999_999_999)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "-", "90", "s", "1.2.3s", "90 s", "1d", ".s", "90S", "s90", "1s-1s", "\u{661}s", "--1s"] {
            assert_eq!(parse(text), Err(DurationError::Syntax), "{text}");
        }
        assert_eq!(parse("-1s"), Err(DurationError::Negative));
        assert_eq!(parse("9223372036s"), Ok(Duration::from_secs(9_223_372_036)));
        for text in ["9223372037s", "2562048h", "99999999999999999999999999999999999999999999999h"] {
            assert_eq!(parse(text), Err(DurationError::Overflow), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[-+]?([0-9]{0,40}\\.?[0-9]{0,30}(ns|us|ms|s|m|h)?){0,4}|\\PC{0,20}") {
            let _duration = parse(&text);
        }

        #[test]
        fn milliseconds_come_back(milliseconds in 0u64..1 << 40) {
            prop_assert_eq!(parse(&format!("{milliseconds}ms")), Ok(Duration::from_millis(milliseconds)));
        }
    }
}
