//! An announcer that is fed with them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ferrolb_l2::wire::arp::ArpFrame;
use ferrolb_l2::wire::ndp::NdpFrame;
use ferrolb_l2::{
    Announcement, Announcer, Config, Family, Input, Interface, Output, PortEvent, Purpose, SendOutcome, Transmit,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::corpus::{OWN, PEER, corpus, mutated, v4, v6};

/// Answers, reports and what a frame may start: no frame leads to more.
const MOST_OUTPUTS: usize = 4;

/// Addresses 1 to 3 of each family are announced, 3 for the first time; 4 is watched, 5 is nobody's.
fn announcements() -> Vec<Announcement> {
    let both = (1..=3_u8).flat_map(|n| [(n, IpAddr::V4(v4(n))), (n, IpAddr::V6(v6(n.into())))]);
    both.map(|(n, vip)| Announcement { fresh: n == 3, ..Announcement::everywhere(vip) }).collect()
}

/// An announcer, its sockets and the time.
struct Fuzzed {
    announcer: Announcer,
    now: Instant,
    announced: BTreeSet<IpAddr>,
}

impl Fuzzed {
    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        self.announcer.handle(self.now, input);
        self.settle()
    }

    fn settle(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.announcer.poll() {
            match &output {
                Output::Filter { index, family, .. } => {
                    let (index, family) = (*index, *family);
                    self.announcer.handle(self.now, Input::Port { index, family, event: PortEvent::Open });
                }
                Output::Send(Transmit { index, vip, purpose, .. }) => {
                    let (index, vip, purpose) = (*index, *vip, *purpose);
                    self.announcer.handle(self.now, Input::Sent { index, vip, purpose, outcome: SendOutcome::Sent });
                }
                Output::Heard(_) | Output::Groups { .. } | Output::Close { .. } => {}
            }
            outputs.push(output);
        }
        outputs
    }

    fn check(&self, index: u32, bytes: &[u8], outputs: &[Output]) {
        assert!(outputs.len() <= MOST_OUTPUTS, "{} outputs", outputs.len());
        for output in outputs {
            match output {
                Output::Send(transmit) => {
                    assert!(self.announced.contains(&transmit.vip), "{} is not ours", transmit.vip);
                    let well_formed = match transmit.vip {
                        IpAddr::V4(_) => ArpFrame::parse(&transmit.frame)
                            .is_ok_and(|frame| frame.source == OWN[usize::from(index == 3)]),
                        IpAddr::V6(_) => NdpFrame::parse(&transmit.frame)
                            .is_ok_and(|frame| frame.source == OWN[usize::from(index == 3)]),
                    };
                    assert!(well_formed, "{transmit:?}");
                    if transmit.purpose == Purpose::Answer {
                        assert!(self.announcer.announces(transmit.index, transmit.vip));
                        let asked = ArpFrame::parse(bytes).map(|frame| IpAddr::V4(frame.target_ip)).ok();
                        let asked = asked.or_else(|| NdpFrame::parse(bytes).map(|frame| IpAddr::V6(frame.target)).ok());
                        assert_eq!(asked, Some(transmit.vip), "what is answered was asked");
                    }
                }
                Output::Heard(heard) => {
                    assert!(!OWN.contains(&heard.mac), "our own");
                    assert_ne!(heard.vip, IpAddr::V4(v4(5)));
                    assert_ne!(heard.vip, IpAddr::V6(v6(5)));
                }
                Output::Filter { .. } | Output::Groups { .. } | Output::Close { .. } => {
                    panic!("a frame changes no socket: {output:?}")
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
fn fuzzed(seed: u64) -> Fuzzed {
    let announced = announcements().into_iter().map(|announcement| announcement.vip).collect();
    let announcer = Announcer::new(Config { seed, ..Config::default() });
    let mut fuzzed = Fuzzed { announcer, now: Instant::now(), announced };
    let interface = |n: u32| Interface {
        name: format!("eth{n}"),
        index: 2 + n,
        mac: OWN[usize::from(n == 1)],
        up: true,
        link_local: None,
    };
    fuzzed.handle(Input::Interfaces(vec![interface(0), interface(1)]));
    fuzzed.handle(Input::Peers(BTreeSet::from([PEER])));
    fuzzed.handle(Input::Watch(BTreeSet::from([v4(4).into(), v6(4).into()])));
    fuzzed.handle(Input::Announce(announcements()));
    fuzzed
}

#[expect(clippy::disallowed_methods, reason = "how long a run lasts is a matter of real time")]
fn now() -> Instant {
    Instant::now()
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}

#[test]
fn frames_of_any_kind_neither_panic_nor_get_answers_that_were_not_asked_for() {
    let (seed, iterations) = (from_environment("SEED", 1), from_environment("FUZZ_ITERATIONS", 100_000));
    let (begin, budget) = (now(), Duration::from_secs(from_environment("FUZZ_SECONDS", 0)));
    println!("SEED={seed} FUZZ_ITERATIONS={iterations} FUZZ_SECONDS={}", budget.as_secs());
    let mut rng = StdRng::seed_from_u64(seed);
    let corpus = corpus();
    let mut fuzzed = fuzzed(seed);
    let (mut answers, mut heard, mut executions) = (0_u64, 0_u64, 0_u64);
    while if budget.is_zero() { executions < iterations } else { now().duration_since(begin) < budget } {
        executions += 1;
        let bytes = mutated(&corpus, &mut rng);
        let index = rng.random_range(2..5);
        let outputs = fuzzed.handle(Input::Frame { index, bytes: &bytes });
        fuzzed.check(index, &bytes, &outputs);
        let answer = |output: &&Output| matches!(output, Output::Send(sent) if sent.purpose == Purpose::Answer);
        answers += u64::try_from(outputs.iter().filter(answer).count()).expect("a few");
        heard +=
            u64::try_from(outputs.iter().filter(|output| matches!(output, Output::Heard(_))).count()).expect("few");
        if rng.random_range(0..64) == 0 {
            fuzzed.now += Duration::from_millis(rng.random_range(0..2_000));
            fuzzed.announcer.handle_deadline(fuzzed.now);
            // At most a round for each address on each interface, and what detection and defence add.
            assert!(fuzzed.settle().len() <= 6 * 2 * 5);
        }
        if rng.random_range(0..10_000) == 0 {
            let reasserted = rng.random();
            let again = announcements().into_iter().map(|vip| Announcement { reasserted, ..vip });
            fuzzed.handle(Input::Announce(again.collect()));
        }
    }
    println!("{executions} frames, {answers} answers, {heard} claims heard");
    assert!(answers > executions / 50 && heard > executions / 50, "the mutations leave nothing to look at");
    let status = fuzzed.announcer.status();
    assert_eq!(status.keys().copied().collect::<BTreeSet<_>>(), fuzzed.announced);
    assert_eq!(Family::BOTH.len() * 3, status.len());
}
