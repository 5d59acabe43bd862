//! Waiting for what comes of its own accord.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::common::SOON;

/// Between two looks; short against what is waited for, long against a look on a busy machine.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until something is so. Fails the test, with what was seen last, when it does not become so.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    match within(SOON, look).await {
        Ok(found) => found,
        Err(last) => panic!("waited {SOON:?} in vain until {what}; last: {last}"),
    }
}

/// Looks until something is so, for at most `deadline`; what was seen last when it does not become so.
pub(crate) async fn within<T>(
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let until = Instant::now() + deadline;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() >= until => return Err(last),
            Err(_not_yet) => sleep(PAUSE).await,
        }
    }
}
