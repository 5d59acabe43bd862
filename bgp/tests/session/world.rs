//! Two nodes and what is between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ferrolb_bgp::rib::Keep;
use ferrolb_bgp::session::{DownReason, Input, Mode, Output, State};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::estate::{Estate, Fault, seconds};
use crate::link::Link;
use crate::node::Node;
use crate::report::Report;

/// Time after the last fault in which all has to be well again: the longest pause between attempts (120 s) after the longest
/// hold time and the longest hold for too many prefixes (60 s each), twice.
const RECOVERY: Duration = Duration::from_secs(480);

/// And has to stay so.
const REST: Duration = Duration::from_secs(200);

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) trace: bool,
    pub(crate) random: StdRng,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) events: BTreeMap<(Instant, u64), Event>,
    pub(crate) sequence: u64,
    pub(crate) estate: Estate,
    pub(crate) nodes: [Node; 2],
    pub(crate) links: Vec<Link>,
    /// Until when the link is down.
    pub(crate) down_until: Option<Instant>,
    pub(crate) latency: f64,
    pub(crate) report: Report,
}

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Event {
    Syn {
        link: usize,
        attempt: u32,
    },
    SynAck {
        link: usize,
        refused: bool,
    },
    /// The next segment of this node's stream arrives.
    Arrive {
        link: usize,
        from: usize,
    },
    /// A reset arrives at this node.
    Reset {
        link: usize,
        at: usize,
    },
    Boot {
        node: usize,
        generation: u64,
    },
    Stalled {
        link: usize,
        from: usize,
    },
    BfdUp {
        node: usize,
    },
    Fault(Fault),
}

// === impl World ===

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let estate = Estate::random(&mut random);
        let now = crate::origin();
        let node = || Node { process: None, powered: true, stalled_until: None, generation: 0 };
        let latency = [0.0005, 0.01, 0.3][random.random_range(0..3)];
        Self {
            seed,
            trace,
            random,
            start: now,
            now,
            events: BTreeMap::new(),
            sequence: 0,
            estate,
            nodes: [node(), node()],
            links: Vec::new(),
            down_until: None,
            latency,
            report: Report::default(),
        }
    }

    pub(crate) fn run(mut self) -> Report {
        for node in 0..2 {
            let wait = seconds(&mut self.random, 0.0, 3.0);
            self.after(wait, Event::Boot { node, generation: 0 });
        }
        let faults = self.random.random_range(0..25);
        let span = [20.0, 200.0, 2000.0][self.random.random_range(0..3)];
        for _ in 0..faults {
            let (fault, wait) = (Fault::random(&mut self.random), seconds(&mut self.random, 0.0, span));
            self.after(wait, Event::Fault(fault));
        }
        self.until(self.start + Duration::from_secs_f64(span));
        self.heal();
        let healed = self.now;
        self.until(healed + RECOVERY);
        let since =
            self.session().unwrap_or_else(|| panic!("no session {RECOVERY:?} after the last fault: {}", self.text()));
        self.until(self.now + REST);
        assert_eq!(self.session(), Some(since), "the session did not last: {}", self.text());
        for node in 0..2 {
            let table = |node: usize| &self.nodes[node].process.as_ref().unwrap().table;
            assert!(table(node).is_told(), "not everything was told: {}", self.text());
            let (told, heard) = (table(node).advertised(), table(1 - node).received());
            assert_eq!(told, heard, "what {node} has told is not what the other holds: {}", self.text());
            self.report.routes += u64::try_from(told.len()).unwrap();
        }
        self.report.slowest = since.saturating_duration_since(healed);
        self.count();
        self.report
    }

    /// All that is broken is repaired, and everything is started.
    fn heal(&mut self) {
        self.log("healed");
        self.events.retain(|_, event| !matches!(event, Event::Fault(_)));
        self.down_until = None;
        // What waited for one of these arrives now.
        let late = |event: &Event| matches!(event, Event::Arrive { .. } | Event::Stalled { .. });
        let (waiting, others) =
            std::mem::take(&mut self.events).into_iter().partition::<BTreeMap<_, _>, _>(|(_, event)| late(event));
        self.events = others;
        for event in waiting.into_values() {
            let travel = self.travel();
            self.after(travel, event);
        }
        for node in 0..2 {
            self.nodes[node].stalled_until = None;
            if self.nodes[node].process.is_none() {
                let generation = self.nodes[node].generation;
                self.boot(node, generation);
            }
            self.input(node, Input::Start);
        }
    }

    /// The time since which both have the same session.
    fn session(&self) -> Option<Instant> {
        let up = |node: usize| {
            let process = self.nodes[node].process.as_ref()?;
            let (connection, _, since) = process.up.as_ref()?;
            Some((*process.links.get(connection)?, *since))
        };
        let ((one, here), (other, there)) = (up(0)?, up(1)?);
        (one == other).then_some(here.max(there))
    }

    fn until(&mut self, end: Instant) {
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let deadline = |node: usize| Some((self.nodes[node].process.as_ref()?.next_deadline()?, node));
            let due = [deadline(0), deadline(1)].into_iter().flatten().min();
            let next = event.into_iter().chain(due.map(|(at, _)| at)).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.report.steps += 1;
            match due {
                Some((deadline, node)) if event.is_none_or(|event| deadline < event) => {
                    let now = self.now;
                    self.nodes[node].process.as_mut().unwrap().due(now);
                    self.act(node);
                }
                _ => {
                    let (_, event) = self.events.pop_first().unwrap();
                    self.happen(event);
                }
            }
        }
        self.now = end;
    }

    pub(crate) fn after(&mut self, wait: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + wait, self.sequence), event);
    }

    /// How long a packet takes.
    pub(crate) fn travel(&mut self) -> Duration {
        seconds(&mut self.random, self.latency / 2.0, self.latency)
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down_until.is_some_and(|until| self.now < until)
    }

    // --- Events ---

    fn happen(&mut self, event: Event) {
        match event {
            Event::Syn { link, attempt } => self.syn(link, attempt),
            Event::SynAck { link, refused } => self.syn_ack(link, refused),
            Event::Arrive { link, from } | Event::Stalled { link, from } => self.arrive(link, from),
            Event::Reset { link, at } => self.reset(link, at),
            Event::Boot { node, generation } => self.boot(node, generation),
            Event::BfdUp { node } => self.input(node, Input::BfdUp),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    // --- A node ---

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
        let Some(process) = &mut self.nodes[node].process else { return };
        if self.trace {
            log(now - self.start, &format!("{node} <- {input:?}"));
        }
        process.peer.handle(now, input);
        self.act(node);
    }

    /// Does what the session wants.
    pub(crate) fn act(&mut self, node: usize) {
        loop {
            let Some(process) = &mut self.nodes[node].process else { return };
            let Some(output) = process.peer.poll() else { break };
            self.output(node, output);
        }
        let Some(process) = &mut self.nodes[node].process else { return };
        assert_eq!(process.state, process.peer.state(), "a state was not told");
        assert_eq!(process.up.as_ref().map(|up| up.0), process.peer.established().map(|up| up.0));
        if let Some((connection, ..)) = process.up {
            let link = process.links[&connection];
            self.fill(link, node);
        }
    }

    fn output(&mut self, node: usize, output: Output) {
        if self.trace {
            log(self.now - self.start, &format!("{node} -> {output:?}"));
        }
        let now = self.now;
        let process = self.nodes[node].process.as_mut().unwrap();
        match output {
            Output::Connect { connection } => {
                assert_ne!(process.peer.config().mode, Mode::Passive);
                let link = self.links.len();
                assert_eq!(process.links.insert(connection, link), None);
                self.links.push(Link::new(node));
                self.links[link].ends[node].connection = Some(connection);
                let travel = self.travel();
                self.after(travel, Event::Syn { link, attempt: 0 });
            }
            Output::Send { connection, message } => self.send(node, connection, &message),
            Output::Close { connection, how } => self.close(node, connection, how),
            Output::Established { connection, session } => {
                assert!(process.up.is_none(), "a second session");
                assert_eq!(process.state, State::OpenConfirm);
                process.table.established(now, &session);
                process.up = Some((connection, session, now));
                self.report.sessions += 1;
            }
            Output::Down { connection, reason, keep } => {
                assert_eq!(process.up.take().map(|up| up.0), Some(connection), "what was not up is down");
                process.table.down(now, keep);
                let report = &mut self.report;
                report.kept += u64::from(keep.iter().any(|(_, keep)| *keep != Keep::Drop));
                report.hold_timers += u64::from(reason == DownReason::HoldTimer);
                // Whoever does not read hears nothing either, so that its own hold timer is always the first.
                assert_ne!(reason, DownReason::SendHoldTimer);
                report.replaced += u64::from(reason == DownReason::Replaced);
            }
            Output::Refresh { family, refresh } => {
                assert!(process.up.is_some());
                process.table.refresh(now, family, refresh);
            }
            Output::State { from, to } => {
                assert_eq!(process.state, from);
                assert_ne!(from, to);
                process.state = to;
            }
            Output::Log(_) => {}
        }
    }

    /// Tells routes as long as the kernel takes them.
    fn fill(&mut self, link: usize, node: usize) {
        loop {
            self.write(link, node);
            let unsent = &mut self.links[link].ends[node].unsent;
            let Some(process) = self.nodes[node].process.as_mut().filter(|_| unsent.is_empty()) else { return };
            process.table.pull(unsent);
            if unsent.is_empty() {
                return;
            }
        }
    }

    pub(crate) fn count(&mut self) {
        for node in 0..2 {
            if let Some(process) = &self.nodes[node].process {
                self.report.collisions += process.counters().collisions;
            }
        }
    }

    pub(crate) fn log(&self, text: &str) {
        if self.trace {
            log(self.now - self.start, text);
        }
    }

    pub(crate) fn text(&self) -> String {
        let state = |node: usize| self.nodes[node].process.as_ref().map(|process| process.peer.summary());
        format!("seed {}, after {:?}: {:#?}, {:#?}", self.seed, self.now - self.start, state(0), state(1))
    }
}

#[expect(clippy::print_stdout, reason = "a replayed seed tells what happens")]
fn log(time: Duration, text: &str) {
    println!("{:9.3} {text}", time.as_secs_f64());
}
