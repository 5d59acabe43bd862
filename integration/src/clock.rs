//! The one place where the lab reads the clock: it measures real networks in real time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// The monotonic clock's present moment.
#[expect(clippy::disallowed_methods, reason = "the lab is all edge; nothing in it runs on virtual time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The machine's clock, in nanoseconds since 1970: the one that stamps frames and files.
#[expect(clippy::disallowed_methods, reason = "the lab is all edge; nothing in it runs on virtual time")]
pub(crate) fn unix_nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Sleeps the calling thread: between two looks at a lab whose state cannot be awaited from outside.
#[expect(clippy::disallowed_methods, reason = "the synchronous handle polls; its deadline is the caller's")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Looks again and again, with that pause between two looks, until one finds something.
///
/// # Errors
/// [`Error::TimedOut`] naming `what` when nothing was found within `deadline`.
pub(crate) fn until<T>(
    what: &str,
    deadline: Duration,
    between: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, Error> {
    let began = now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > deadline {
            return Err(Error::TimedOut { what: what.to_owned(), after: deadline });
        }
        pause(between);
    }
}
