//! A counter that somebody else counts.

use std::fmt;

use parking_lot::Mutex;
use prometheus::IntCounter;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

/// A counter that shows what `read` says whenever metrics are asked for. What `read` says must never become less.
///
/// # Errors
/// The name is no name of a metric.
pub fn observed(
    name: &str,
    help: &str,
    read: impl Fn() -> u64 + Send + 'static,
) -> prometheus::Result<Box<dyn Collector>> {
    Ok(Box::new(Observed { counter: IntCounter::new(name, help)?, read: Mutex::new(Box::new(read)) }))
}

struct Observed {
    counter: IntCounter,
    /// One at a time, so that nothing is added twice.
    read: Mutex<Box<dyn Fn() -> u64 + Send>>,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Collector for Observed {
    fn desc(&self) -> Vec<&Desc> {
        self.counter.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let read = self.read.lock();
        self.counter.inc_by(read().saturating_sub(self.counter.get()));
        self.counter.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use prometheus::{Registry, TextEncoder};

    use super::*;

    #[test]
    fn it_shows_what_was_counted_elsewhere() {
        let (registry, count) = (Registry::new(), Arc::new(AtomicU64::new(0)));
        let read = Arc::clone(&count);
        registry.register(observed("a_total", "things", move || read.load(Ordering::Relaxed)).unwrap()).unwrap();
        for number in [0, 3, 3, 7] {
            count.store(number, Ordering::Relaxed);
            let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
            assert_eq!(text, format!("# HELP a_total things\n# TYPE a_total counter\na_total {number}\n"));
        }
    }
}
