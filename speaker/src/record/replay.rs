//! Plays a record back: tells a brain of this build what the recorded one was told, and compares what it decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

use super::decided::{Decided, Image, PlanChange};
use super::files;
use super::line::{FORMAT, Header, Line, Preface, Start, Step, encode};
use super::told::{Known, Told};
use crate::brain::{Brain, Moment, Output};
use crate::plan::{BGP, NodePlan, Verdict};

/// A record that cannot be played.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing.
    #[error("{path}: there is no record-*.jsonl", path = .0.display())]
    Empty(PathBuf),
    /// Another build is needed.
    #[error(
        "{path}: written by {program} {version} in format {format}; this build reads format {FORMAT}",
        path = .path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Who wrote it.
        program: String,
        /// In which version.
        version: String,
        /// The number of its format.
        format: u32,
    },
    /// A line is not what a record holds.
    #[error("{path}:{line}: {source}", path = .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Something happens before the file says what was known.
    #[error("{path}:{line}: a file must begin with a header and a start", path = .path.display())]
    Headless {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Act {
    /// When, by the clock of the node.
    pub time: Timestamp,
    /// The file, and the line in it.
    pub place: String,
    /// What the brain was told.
    pub told: Vec<String>,
    /// What this build decides then.
    pub decided: Vec<String>,
    /// Where that is not what was recorded; what was said of an earlier step already is not repeated.
    pub differences: Vec<String>,
}

/// A record that was played.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Playback {
    /// In order.
    pub acts: Vec<Act>,
    /// How often the brain was told something.
    pub steps: u64,
    /// How many of these this build would record byte for byte as they are recorded.
    pub identical: u64,
    /// After how many of these this build differs in what it decided.
    pub differing: u64,
    /// How many steps are missing in the record.
    pub lost: u64,
}

/// A brain, and what it should be like.
#[derive(Debug)]
struct Stage {
    header: Header,
    brain: Brain,
    known: Known,
    ours: Image,
    theirs: Image,
    /// Differences that were told.
    said: Vec<String>,
    ended: bool,
}

/// Plays all files of `folder`, with `origin` as the time of every first input: any time will do.
///
/// # Errors
/// It is no record that this build can read.
pub fn replay(folder: &Path, origin: Instant) -> Result<Playback, ReplayError> {
    let unreadable = |source| ReplayError::Unreadable { path: folder.to_owned(), source };
    let files = files::list(folder).map_err(unreadable)?;
    if files.is_empty() {
        return Err(ReplayError::Empty(folder.to_owned()));
    }
    let mut player = Player { origin, playback: Playback::default(), stage: None, path: PathBuf::new(), line: 0 };
    for (number, _) in files {
        player.path = files::path(folder, number);
        player.file()?;
    }
    Ok(player.playback)
}

struct Player {
    origin: Instant,
    playback: Playback,
    stage: Option<Stage>,
    path: PathBuf,
    line: usize,
}

// === impl Player ===

impl Player {
    fn file(&mut self) -> Result<(), ReplayError> {
        let failed = |source| ReplayError::Unreadable { path: self.path.clone(), source };
        let mut reader = BufReader::new(File::open(&self.path).map_err(failed)?);
        let (mut text, mut header) = (Vec::new(), None);
        self.line = 0;
        loop {
            text.clear();
            let failed = |source| ReplayError::Unreadable { path: self.path.clone(), source };
            reader.read_until(b'\n', &mut text).map_err(failed)?;
            self.line += 1;
            if text.is_empty() {
                return Ok(());
            }
            if text.last() != Some(&b'\n') {
                self.remark("the file ends in the middle of a line");
                return Ok(());
            }
            match header.take() {
                None if self.line == 1 => header = Some(self.header(&text)?),
                Some(head) => self.start(head, &text)?,
                None => match (self.parse(&text)?, self.stage.is_some()) {
                    (Line::Step(step), true) => self.step(*step, &text)?,
                    (Line::End, true) => self.end(),
                    (Line::Start(_), _) | (_, false) => return Err(self.headless()),
                },
            }
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, text: &[u8]) -> Result<T, ReplayError> {
        serde_json::from_slice(text).map_err(|source| self.wrong(source))
    }

    fn wrong(&self, source: serde_json::Error) -> ReplayError {
        ReplayError::Line { path: self.path.clone(), line: self.line, source }
    }

    fn headless(&self) -> ReplayError {
        ReplayError::Headless { path: self.path.clone(), line: self.line }
    }

    fn header(&self, text: &[u8]) -> Result<Header, ReplayError> {
        let Preface { format, program, version } = self.parse(text)?;
        if format == FORMAT {
            self.parse(text)
        } else {
            Err(ReplayError::Format { path: self.path.clone(), program, version, format })
        }
    }

    fn start(&mut self, header: Header, text: &[u8]) -> Result<(), ReplayError> {
        let Line::Start(start) = self.parse(text)? else { return Err(self.headless()) };
        let before = self.stage.take();
        let goes_on = before.as_ref().filter(|stage| {
            let same = stage.header.run == header.run && stage.header.node == header.node;
            same && !stage.ended && header.lost.is_none()
        });
        let mut told = match (&before, goes_on) {
            (_, Some(_)) => vec!["the record goes on in another file".to_owned()],
            (Some(stage), None) if stage.header.run != header.run && !stage.ended => {
                vec!["the program before ended without a word".to_owned(), began(&header)]
            }
            (_, None) => vec![began(&header)],
        };
        if let Some(lost) = &header.lost {
            self.playback.lost += lost.steps;
            told.push(format!("{} steps before are missing: {}", lost.steps, lost.why));
        }
        let mut differences = Vec::new();
        if let Some(stage) = goes_on.filter(|stage| stage.said.is_empty()) {
            let ours = Start::new(&stage.brain.memory(), stage.brain.plan(), stage.brain.next_moment());
            let ours = encode(&Line::Start(Box::new(ours))).map_err(|source| self.wrong(source))?;
            if ours != text {
                differences.push("what the brain knows here is not what the file before leads to".to_owned());
            }
        }
        let mut theirs = Image::default();
        start.plan.clone().apply(&mut theirs);
        let (brain, known) = start.brain(&header, self.origin);
        let ours = Image::of(brain.plan());
        let said = theirs.differences(&ours);
        differences.extend(said.iter().cloned());
        let decided = told_of(&NodePlan::default(), brain.plan());
        self.playback.differing += u64::from(!differences.is_empty());
        let time = header.time;
        self.act(time, told, decided, differences);
        self.stage = Some(Stage { header, brain, known, ours, theirs, said, ended: false });
        Ok(())
    }

    fn step(&mut self, step: Step, text: &[u8]) -> Result<(), ReplayError> {
        let Some(mut stage) = self.stage.take() else { return Err(self.headless()) };
        let Step { at, told, decided: recorded } = step;
        let plan = Arc::clone(stage.brain.plan());
        let summary = stage.summary(&told);
        let outputs = stage.tell(self.origin, at, told.clone());
        let decided = Decided::new(&outputs, stage.brain.next_moment(), &mut stage.ours);
        if let Some(change) = &recorded.plan {
            PlanChange::clone(change).apply(&mut stage.theirs);
        }
        let differences = stage.differences(&recorded, &decided);
        let mut follows: Vec<String> = Vec::new();
        follows.extend(decided.claims.iter().map(|vip| format!("claim {vip}")));
        follows.extend(decided.releases.iter().map(|vip| format!("release {vip}")));
        follows.extend(told_of(&plan, stage.brain.plan()));
        let line = Line::Step(Box::new(Step { at, told, decided }));
        let same = encode(&line).map_err(|source| self.wrong(source))? == text;
        self.playback.steps += 1;
        self.playback.identical += u64::from(same);
        self.playback.differing += u64::from(!differences.is_empty());
        self.act(stage.time(at), summary, follows, differences);
        self.stage = Some(stage);
        Ok(())
    }

    fn end(&mut self) {
        if let Some(stage) = &mut self.stage {
            stage.ended = true;
        }
        self.remark("the program ended on purpose");
    }

    fn remark(&mut self, what: &str) {
        let time = self.playback.acts.last().map(|act| act.time).unwrap_or_default();
        self.act(time, vec![what.to_owned()], Vec::new(), Vec::new());
    }

    fn act(&mut self, time: Timestamp, told: Vec<String>, decided: Vec<String>, differences: Vec<String>) {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("{file}:{}", self.line);
        self.playback.acts.push(Act { time, place, told, decided, differences });
    }
}

// === impl Stage ===

impl Stage {
    fn summary(&self, told: &Told) -> Vec<String> {
        match told {
            Told::Cluster(change) => change.summary(&self.known.cluster),
            Told::View(change) => change.summary(&self.known.view),
            Told::Ground(ground) => {
                let names = |names: &BTreeSet<String>| {
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.iter().cloned().collect::<Vec<_>>().join(", ")
                    }
                };
                let usable = ground.interfaces.as_ref().map_or_else(|| "not known".to_owned(), names);
                let cut_off = if ground.cut_off { "; its gossip address is gone" } else { "" };
                vec![format!("interfaces that can announce: {usable}{cut_off}")]
            }
            Told::Heard { vip, mac } => {
                let mac: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
                vec![format!("{vip} heard from {}", mac.join(":"))]
            }
            Told::Time => vec!["its time came".to_owned()],
        }
    }

    /// Tells the brain; what it wants then.
    fn tell(&mut self, origin: Instant, at: Moment, told: Told) -> Vec<Output> {
        let now = origin + at.elapsed();
        match self.known.input(told) {
            Some(input) => self.brain.handle(now, input),
            None => self.brain.handle_deadline(now),
        }
        std::iter::from_fn(|| self.brain.poll()).collect()
    }

    /// What is newly different.
    fn differences(&mut self, recorded: &Decided, decided: &Decided) -> Vec<String> {
        let mut found = Vec::new();
        let lists =
            [("claims", &recorded.claims, &decided.claims), ("releases", &recorded.releases, &decided.releases)];
        for (what, theirs, ours) in lists.into_iter().filter(|(_, theirs, ours)| theirs != ours) {
            found.push(format!("{what}: recorded {theirs:?}, this build {ours:?}"));
        }
        if recorded.next != decided.next {
            let text =
                |next: Option<Moment>| next.map_or_else(|| "nothing".to_owned(), |next| self.time(next).to_string());
            let (theirs, ours) = (text(recorded.next), text(decided.next));
            found.push(format!("next deadline: recorded {theirs}, this build {ours}"));
        }
        if recorded.plan.is_some() || decided.plan.is_some() {
            let lasting = self.theirs.differences(&self.ours);
            found.extend(lasting.iter().filter(|line| !self.said.contains(line)).cloned());
            self.said = lasting;
        }
        found
    }

    fn time(&self, at: Moment) -> Timestamp {
        let elapsed = at.elapsed().saturating_sub(self.header.at.elapsed());
        self.header.time.saturating_add(elapsed).unwrap_or(self.header.time)
    }
}

fn began(header: &Header) -> String {
    let Header { program, version, node, options, flags, .. } = header;
    let own = [
        Some(format!("{program} {version} on {node}: --strategy {}", options.strategy)),
        Some(format!("--partition-policy {}", options.partition_policy)),
        options.class.as_ref().map(|class| format!("--lb-class {class}")),
        options.rebalance.then(|| "--rebalance".to_owned()),
        options.ignore_exclude_label.then(|| "--ignore-exclude-lb".to_owned()),
    ];
    let flags = flags.iter().map(|(flag, value)| format!("{flag} {value}"));
    own.into_iter().flatten().chain(flags).collect::<Vec<_>>().join(", ")
}

/// What of a plan is other than before, for people.
fn told_of(before: &NodePlan, after: &NodePlan) -> Vec<String> {
    fn by_place(plan: &NodePlan) -> BTreeMap<(&str, IpAddr, &str), &Verdict> {
        plan.verdicts.iter().map(|v| ((v.service.as_str(), v.address, v.protocol), v)).collect()
    }
    if std::ptr::eq(before, after) {
        return Vec::new();
    }
    let (old, new) = (by_place(before), by_place(after));
    let sentence = |verdict: &Verdict| {
        let verb = if verdict.announce { "announced" } else { "not announced" };
        let over = if verdict.protocol == BGP { " over BGP" } else { "" };
        format!("{} {}: {verb}{over}: {}", verdict.service, verdict.address, verdict.reason)
    };
    let changed = new.iter().filter(|(place, verdict)| old.get(*place) != Some(*verdict));
    let gone = old.keys().filter(|place| !new.contains_key(*place));
    let gone = gone.map(|(service, address, protocol)| {
        format!("{service} {address}: gone{}", if *protocol == BGP { " from BGP" } else { "" })
    });
    let sessions = sessions_of(before, after);
    changed.map(|(_, verdict)| sentence(verdict)).chain(gone).chain(sessions).collect()
}

/// The same of what BGP peers are told.
fn sessions_of(before: &NodePlan, after: &NodePlan) -> Vec<String> {
    let (old, new) = (&before.bgp.sessions, &after.bgp.sessions);
    let told = new.iter().filter_map(|(name, session)| match old.get(name) {
        Some(known) if known.routes == session.routes => None,
        Some(known) => {
            let fresh = session.routes.iter().filter(|(prefix, route)| known.routes.get(*prefix) != Some(*route));
            let gone = known.routes.keys().filter(|prefix| !session.routes.contains_key(*prefix));
            Some(format!("peer {name}: {} routes announced, {} withdrawn", fresh.count(), gone.count()))
        }
        None => Some(format!("peer {name}: a session, with {} routes", session.routes.len())),
    });
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("peer {name}: no session"));
    told.chain(gone).collect()
}
