//! Wakes the event loop at a time, to the microsecond: the one of tokio rounds up to whole milliseconds, and the first
//! announcement of an address waits for just one.

use std::fs::File;
use std::future;
use std::io::{self, Read as _};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sys;

/// A timer of the kernel (`timerfd_create(2)`).
#[derive(Debug)]
pub(super) struct Timer {
    fd: AsyncFd<File>,
}

impl Timer {
    /// To be called in the context of an event loop.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { fd: sys::register(sys::timer()?, Interest::READABLE)? })
    }

    /// Waits for `delay`, for ever without. Can be dropped and called anew at any time.
    pub(super) async fn sleep(&self, delay: Option<Duration>) {
        if let Err(error) = sys::set_timer(self.fd.get_ref(), delay) {
            // It takes any time there is.
            tracing::error!(error = &error as &dyn std::error::Error, "the timer cannot be set");
        }
        loop {
            let Ok(mut guard) = self.fd.readable().await else { return future::pending().await };
            let mut expirations = [0; 8];
            // What it was set to before may have left it readable; then reading would block, and the wait goes on.
            if guard.try_io(|timer| timer.get_ref().read(&mut expirations)).is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the clock is what is tested")]
    fn timer_waits_no_shorter_than_told_and_forgets_what_it_was_told_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("an event loop");
        runtime.block_on(async {
            let timer = Timer::new().expect("a timer");
            for delay in [Duration::ZERO, Duration::from_micros(300), Duration::from_millis(20)] {
                let start = Instant::now();
                tokio::select! {
                    biased;
                    () = timer.sleep(Some(Duration::from_secs(3600))) => panic!("an hour has not passed"),
                    () = future::ready(()) => {}
                }
                timer.sleep(Some(delay)).await;
                assert!(start.elapsed() >= delay);
            }
            tokio::select! {
                biased;
                () = timer.sleep(None) => panic!("it was told never to"),
                () = future::ready(()) => {}
            }
        });
    }
}
