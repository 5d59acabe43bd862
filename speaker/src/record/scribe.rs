//! The thread that writes. What it cannot write is counted and told in the log, and the next file says what is missing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::decided::{Decided, Image};
use super::files::Files;
use super::line::{FORMAT, Header, Line, Lost, Start, Step, encode};
use super::recorder::{Begin, Entry, Happened, Shared};
use super::told::Known;

/// A folder that cannot be written is tried again so often.
const RETRY: Duration = Duration::from_secs(10);

/// What does not change while a program runs.
#[derive(Debug, Clone)]
pub(super) struct Author {
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    pub(super) run: u64,
    pub(super) flags: BTreeMap<String, String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scribe {
    author: Author,
    folder: PathBuf,
    files: Files,
    known: Known,
    image: Image,
    shared: Arc<Shared>,
    /// What is missing since the last line.
    lost: u64,
    /// Why nothing is written, and when that is tried again.
    failed: Option<(String, Instant)>,
}

// === impl Scribe ===

impl Scribe {
    pub(super) fn new(folder: &Path, limit: u64, author: Author, shared: Arc<Shared>) -> Self {
        Self {
            author,
            folder: folder.to_owned(),
            files: Files::new(folder, limit),
            known: Known::default(),
            image: Image::default(),
            shared,
            lost: 0,
            failed: None,
        }
    }

    /// Writes until nobody has anything to write any more.
    pub(super) fn work(mut self, entries: &Receiver<Entry>) {
        while let Ok(entry) = entries.recv() {
            let weight = entry.weight();
            match entry {
                Entry::Begin(begin) => self.begin(*begin),
                Entry::Happened(happened) => self.happened(*happened),
                Entry::End => self.end(),
            }
            self.shared.waiting.fetch_sub(weight, Ordering::Relaxed);
        }
    }

    fn begin(&mut self, begin: Begin) {
        if self.failed.as_ref().is_some_and(|(_, again)| now() < *again) {
            self.lost += begin.lost.as_ref().map_or(0, |lost| lost.steps);
            return;
        }
        let Begin { memory, plan, next, at, time, lost } = begin;
        let unwritten = self.lost;
        let why = self.failed.as_ref().map(|(why, _)| why.clone());
        let gap = Lost {
            steps: unwritten + lost.as_ref().map_or(0, |lost| lost.steps),
            why: why.into_iter().chain(lost.map(|lost| lost.why)).collect::<Vec<_>>().join("; "),
        };
        let Author { program, version, run, flags } = self.author.clone();
        let header = Header {
            format: FORMAT,
            program: program.to_owned(),
            version: version.to_owned(),
            node: memory.me.clone(),
            run,
            time,
            at,
            options: memory.options.clone(),
            flags,
            lost: (gap.steps > 0).then_some(gap.clone()),
        };
        self.known = Known { cluster: Arc::clone(&memory.cluster), view: Arc::clone(&memory.view) };
        self.image = Image::of(&plan);
        let start = Line::Start(Box::new(Start::new(&memory, &plan, next)));
        let text = encode(&header).and_then(|header| Ok([header, encode(&start)?].concat()));
        match text.map_err(io::Error::from).and_then(|text| self.files.begin(&text)) {
            Ok(()) => {
                if gap.steps > 0 || self.failed.is_some() {
                    tracing::info!(lost = gap.steps, "recording again");
                }
                (self.lost, self.failed) = (0, None);
            }
            Err(error) => {
                self.lost = gap.steps;
                self.fail(&error);
            }
        }
    }

    fn happened(&mut self, happened: Happened) {
        if self.files.is_open() {
            let Happened { at, input, outputs, next } = happened;
            let told = self.known.told(input);
            let decided = Decided::new(&outputs, next, &mut self.image);
            let line = encode(&Line::Step(Box::new(Step { at, told, decided })));
            match line.map_err(io::Error::from).and_then(|line| self.files.append(&line)) {
                Ok(()) => {
                    self.shared.written.inc();
                    if self.files.is_enough() {
                        self.shared.begin_anew.store(true, Ordering::Relaxed);
                    }
                    return;
                }
                Err(error) => self.fail(&error),
            }
        }
        self.lost += 1;
        self.shared.lost.inc();
        if self.failed.as_ref().is_none_or(|(_, again)| now() >= *again) {
            self.shared.begin_anew.store(true, Ordering::Relaxed);
        }
    }

    fn end(&mut self) {
        if self.files.is_open()
            && let Err(error) = encode(&Line::End).map_err(io::Error::from).and_then(|line| self.files.append(&line))
        {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &io::Error) {
        if self.failed.is_none() {
            let retry = RETRY.as_secs();
            tracing::warn!(folder = %self.folder.display(), %error, "not recorded; tried again every {retry} s");
        }
        self.failed = Some((error.to_string(), now() + RETRY));
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}
