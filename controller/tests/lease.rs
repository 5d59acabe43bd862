//! Several candidates and one lease: in a simulation of everything that can go wrong between them, and over the real
//! client against an API server in memory.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ferrolb_controller::lease::{Candidate, Record, Step, Terms};
use jiff::Timestamp;
use proptest::prelude::*;

const TICK: Duration = Duration::from_millis(100);
const TICKS: u32 = 1_800;

/// The API server's part: a write succeeds only if nobody wrote since it was read.
#[derive(Default)]
struct Store {
    record: Option<Record>,
    version: u64,
}

impl Store {
    fn write(&mut self, read: Option<u64>, record: &Record) -> bool {
        let current = self.record.is_some().then_some(self.version);
        let fits = current == read;
        if fits {
            self.record = Some(record.clone());
            self.version += 1;
        }
        fits
    }
}

/// What befalls one call: how long it takes to get there, how long the answer takes, and whether either is lost.
#[derive(Debug, Clone, Copy)]
struct Fate {
    there: u32,
    back: u32,
    lost: bool,
    unanswered: bool,
}

enum Call {
    Read,
    Write { read: Option<u64>, record: Record },
}

enum Answer {
    Read(Option<Record>, Option<u64>),
    Written(Record),
    Refused,
}

#[expect(clippy::large_enum_variant, reason = "there are three of them")]
enum State {
    Resting {
        until: u32,
    },
    /// On its way to the server, then with the answer on its way back.
    Calling {
        call: Option<Call>,
        arrives: u32,
        answer: Option<Answer>,
        returns: u32,
        began: u32,
        expires: u32,
    },
}

struct Actor {
    candidate: Candidate,
    state: State,
    fates: VecDeque<Fate>,
    /// When it stands still, in ticks: calls on their way go on without it.
    paused: std::ops::Range<u32>,
}

struct World {
    start: Instant,
    store: Store,
    actors: Vec<Actor>,
    /// Answers that were given up come too late, but what they wrote stays written.
    stray: Vec<(u32, Option<u64>, Record)>,
}

impl World {
    fn at(&self, tick: u32) -> Instant {
        self.start + TICK * tick
    }

    fn tick(&mut self, tick: u32) {
        let due: Vec<_> = self.stray.extract_if(.., |(arrives, ..)| *arrives <= tick).collect();
        for (_, read, record) in due {
            self.store.write(read, &record);
        }
        for index in 0..self.actors.len() {
            self.serve(index, tick);
            if !self.actors[index].paused.contains(&tick) {
                self.act(index, tick);
            }
        }
    }

    /// The network and the server.
    fn serve(&mut self, index: usize, tick: u32) {
        let State::Calling { call, arrives, answer, .. } = &mut self.actors[index].state else { return };
        if *arrives > tick {
            return;
        }
        match call.take() {
            None => {}
            Some(Call::Read) => {
                let version = self.store.record.is_some().then_some(self.store.version);
                *answer = Some(Answer::Read(self.store.record.clone(), version));
            }
            Some(Call::Write { read, record }) => {
                let written = self.store.write(read, &record);
                *answer = Some(if written { Answer::Written(record) } else { Answer::Refused });
            }
        }
    }

    fn act(&mut self, index: usize, tick: u32) {
        let now = self.at(tick);
        let actor = &mut self.actors[index];
        match &mut actor.state {
            State::Resting { until } if *until <= tick => actor.call(Call::Read, tick),
            State::Resting { .. } => {}
            State::Calling { call, answer, returns, began, expires, arrives } => {
                if *returns <= tick && answer.is_some() {
                    let began = self.start + TICK * *began;
                    match answer.take().unwrap() {
                        Answer::Read(record, version) => {
                            actor.candidate.observe(record, now);
                            match actor.candidate.step(now) {
                                Step::Wait(_) => actor.rest(tick, now),
                                Step::Create | Step::Renew | Step::TakeOver => {
                                    let record = actor.candidate.proposal(Timestamp::UNIX_EPOCH + TICK * tick);
                                    actor.call(Call::Write { read: version, record }, tick);
                                }
                            }
                        }
                        Answer::Written(record) => {
                            actor.candidate.written(record, began, now);
                            actor.rest(tick, now);
                        }
                        Answer::Refused => actor.rest(tick, now),
                    }
                } else if *expires <= tick {
                    if let Some(Call::Write { read, record }) = call.take() {
                        self.stray.push((*arrives, read, record));
                    }
                    actor.rest(tick, now);
                }
            }
        }
    }
}

impl Actor {
    fn rest(&mut self, tick: u32, now: Instant) {
        let rest = self.candidate.rest(now).as_millis().div_ceil(TICK.as_millis());
        self.state = State::Resting { until: tick + u32::try_from(rest).unwrap() };
    }

    fn call(&mut self, call: Call, tick: u32) {
        let fate = self.fates.pop_front().unwrap();
        self.fates.push_back(fate);
        let arrives = if fate.lost { u32::MAX } else { tick + fate.there };
        let returns = if fate.unanswered { u32::MAX } else { tick + fate.there + fate.back };
        self.state =
            State::Calling { call: Some(call), arrives, answer: None, returns, began: tick, expires: tick + 50 };
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let one = |there, back, lost, unanswered| Fate { there, back, lost, unanswered };
    prop_oneof![
        6 => (0u32..3, 0u32..3).prop_map(move |(there, back)| one(there, back, false, false)),
        2 => (0u32..150, 0u32..60).prop_map(move |(there, back)| one(there, back, false, false)),
        1 => Just(one(0, 0, true, false)),
        1 => (0u32..80).prop_map(move |there| one(there, 0, false, true)),
    ]
}

fn simulate(plans: &[(Vec<Fate>, u32, u32)]) -> (Vec<u32>, u32) {
    let start = start();
    let actor = |(index, (fates, from, length)): (usize, &(Vec<Fate>, u32, u32))| Actor {
        candidate: Candidate::new(format!("candidate-{index}"), Terms::default(), start),
        state: State::Resting { until: 0 },
        fates: fates.iter().copied().collect(),
        paused: *from..from + length,
    };
    let actors = plans.iter().enumerate().map(actor).collect();
    let mut world = World { start, store: Store::default(), actors, stray: Vec::new() };
    let (mut held, mut most) = (vec![0; plans.len()], 0);
    for tick in 0..TICKS {
        world.tick(tick);
        let now = world.at(tick);
        let holders: Vec<usize> =
            (0..plans.len()).filter(|index| world.actors[*index].candidate.held(now).allows(now)).collect();
        most = most.max(u32::try_from(holders.len()).unwrap());
        for index in holders {
            held[index] += 1;
        }
    }
    (held, most)
}

#[expect(clippy::disallowed_methods, reason = "any instant will do, but only the clock makes one")]
fn start() -> Instant {
    Instant::now()
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Calls are late, are lost, land after they were given up; processes stand still and go on where they were.
    #[test]
    fn never_do_two_hold_the_lease_at_one_instant(
        plans in prop::collection::vec((prop::collection::vec(fate(), 1..40), 0u32..1_500, 0u32..600), 2..4)
    ) {
        let (_, most) = simulate(&plans);
        prop_assert!(most <= 1);
    }
}

#[test]
fn one_holds_it_nearly_always_and_another_as_soon_as_that_one_stands_still() {
    let fine = vec![Fate { there: 0, back: 1, lost: false, unanswered: false }];
    let (held, most) = simulate(&[(fine.clone(), 600, 1_200), (fine, 0, 0)]);
    assert_eq!(most, 1);
    // 60 s the first one, which may act 10 s longer without knowing better; the second after 15 s and a retry.
    assert!((600..=700).contains(&held[0]), "{held:?}");
    assert!((1_000..=1_050).contains(&held[1]), "{held:?}");
}
