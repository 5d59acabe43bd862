//! Whether ferrolb's processes got a processor when they wanted one: by the kernel's own count, not by theirs.
//!
//! A process that waits for its turn can answer nobody, and whoever is silent for longer than others tolerate is taken for
//! dead. What is lost then is lost by the machine.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::{Error, system};

/// How often it is looked, and how often for new processes.
const EVERY: Duration = Duration::from_millis(50);
const SEARCH: Duration = Duration::from_millis(500);
/// What was waited for within such a time is one wait: a processor in between for a moment helps nobody.
const WINDOW: Duration = Duration::from_millis(300);
/// What processes are looked at, by the begin of their names.
const NAMES: &str = "ferrolb-";

/// A look at processes that goes on until it is finished or dropped.
#[derive(Debug)]
pub(super) struct Starvation {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Duration>>,
}

/// What a thread has waited so far, and lately.
#[derive(Debug, Default)]
struct Waits {
    total: Duration,
    lately: VecDeque<(Instant, Duration)>,
}

// === impl Starvation ===

impl Starvation {
    /// Looks at those below the process `root`.
    pub(super) fn watch(root: u32) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("starvation".to_owned());
        let thread =
            thread.spawn(move || look(root, &told)).map_err(system("start the thread that looks for waits"))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// The longest that one of them waited for a processor.
    pub(super) fn finish(mut self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has seen nothing.
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Starvation {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn look(root: u32, stop: &AtomicBool) -> Duration {
    let (mut longest, mut threads) = (Duration::ZERO, BTreeMap::<String, Waits>::new());
    let mut searched = None::<Instant>;
    while !stop.load(Ordering::Relaxed) {
        let now = clock::now();
        if searched.is_none_or(|at| now.duration_since(at) >= SEARCH) {
            searched = Some(now);
            let found = files(root);
            threads.retain(|file, _| found.contains(file));
            for file in found {
                threads.entry(file).or_insert_with_key(|file| Waits::new(waited(file).unwrap_or_default()));
            }
        }
        for (file, waits) in &mut threads {
            if let Some(total) = waited(file) {
                longest = longest.max(waits.add(now, total));
            }
        }
        clock::pause(EVERY);
    }
    longest
}

/// The accounts of all threads of the processes below `root`.
fn files(root: u32) -> Vec<String> {
    let mut parents = BTreeMap::<u32, (u32, bool)>::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        parents.extend(process(&stat).map(|(name, parent)| (pid, (parent, name.starts_with(NAMES)))));
    }
    let is_below = |mut pid: u32| {
        while pid != root {
            match parents.get(&pid) {
                Some((parent, _)) if *parent != 0 => pid = *parent,
                _ => return false,
            }
        }
        true
    };
    let wanted = parents.iter().filter(|(pid, (_, ours))| *ours && is_below(**pid));
    let threads = wanted.flat_map(|(pid, _)| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
    threads.map(|thread| thread.path().join("schedstat").display().to_string()).collect()
}

/// Name and parent of a process, of its `stat`: `42 (name) S 1 ...`.
fn process(stat: &str) -> Option<(&str, u32)> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    Some((name, rest.split_whitespace().nth(1)?.parse().ok()?))
}

/// How long a thread has waited for a processor since it began: the second number of its `schedstat`, in nanoseconds.
fn waited(file: &str) -> Option<Duration> {
    let text = fs::read_to_string(file).ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

// === impl Waits ===

impl Waits {
    fn new(total: Duration) -> Self {
        Self { total, lately: VecDeque::new() }
    }

    /// It has waited for `total` by now; how much of it lately. The kernel counts a wait when it ends.
    fn add(&mut self, now: Instant, total: Duration) -> Duration {
        let more = total.saturating_sub(self.total);
        self.total = total;
        if !more.is_zero() {
            self.lately.push_back((now, more));
        }
        while self.lately.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.lately.pop_front();
        }
        self.lately.iter().map(|(_, wait)| *wait).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_within_a_moment_add_up_and_older_ones_are_forgotten() {
        let (begin, ms) = (clock::now(), Duration::from_millis);
        let mut waits = Waits::new(ms(1_000));
        assert_eq!(waits.add(begin, ms(1_100)), ms(100));
        assert_eq!(waits.add(begin + ms(200), ms(1_150)), ms(150));
        assert_eq!(waits.add(begin + ms(400), ms(1_150)), ms(50));
        assert_eq!(waits.add(begin + ms(900), ms(3_000)), ms(1_850), "a long wait is counted when it ends");
    }

    #[test]
    fn a_process_is_known_by_its_name_and_its_parent() {
        assert_eq!(process("42 (ferrolb-speaker) S 7 42 42 0"), Some(("ferrolb-speaker", 7)));
        assert_eq!(process("42 (a) b) R 7 1"), Some(("a) b", 7)));
        assert_eq!(process(""), None);
    }

    #[test]
    fn processes_of_others_are_not_looked_at() {
        assert!(files(std::process::id()).is_empty());
    }
}
