//! Two sessions over a link that loses, delays and doubles, with other settings on each side. It keeps the order, as links
//! do: BFD numbers nothing, so that an old packet behind a new one takes a change back until the next one comes.
//!
//! `SEED` runs one seed, `SEEDS` that many.

use std::collections::BTreeMap;

use super::*;

/// Both ends and what is under way between them.
struct World {
    rng: StdRng,
    now: Instant,
    ends: [Session; 2],
    wire: BTreeMap<(Instant, u64), (usize, Packet)>,
    number: u64,
    /// When the last packet to each end arrives.
    last: [Instant; 2],
    loss: f64,
    longest_delay: Duration,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        #[expect(clippy::disallowed_methods, reason = "an instant cannot be made otherwise")]
        let now = Instant::now();
        let mut end = |number: u32, passive: bool| {
            let config = Config { passive, ..config(&mut rng) };
            let seed = rng.random();
            Session::new(now, config, number, seed)
        };
        // The same discriminator on both sides, as two daemons that start together may choose it.
        let ends = [end(7, false), end(7, seed.is_multiple_of(3))];
        let longest_delay = Duration::from_micros(rng.random_range(10..20_000));
        Self { rng, now, ends, wire: BTreeMap::new(), number: 0, last: [now; 2], loss: 0.0, longest_delay }
    }

    /// Lets time pass for both.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.send();
            let deadlines = self.ends.iter().filter_map(Session::next_deadline);
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let Some(next) = deadlines.chain(arrival).min().filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, packet) = entry.remove();
                self.ends[to].handle(self.now, Input::Received(&packet));
            }
            for end in &mut self.ends {
                end.handle_deadline(self.now);
            }
        }
        self.now = until;
    }

    fn send(&mut self) {
        for from in 0..2 {
            while let Some(output) = self.ends[from].poll() {
                let Output::Send(bytes) = output else { continue };
                let copies =
                    if self.rng.random_bool(self.loss) { 0 } else { 1 + u32::from(self.rng.random_bool(0.02)) };
                for _ in 0..copies {
                    let delay = self.rng.random_range(Duration::from_micros(5)..=self.longest_delay);
                    self.number += 1;
                    let packet = Packet::decode(&bytes).expect("what we send is valid");
                    let at = self.last[1 - from].max(self.now + delay);
                    self.last[1 - from] = at;
                    self.wire.insert((at, self.number), (1 - from, packet));
                }
            }
        }
    }

    fn both(&self, state: State) -> bool {
        self.ends.iter().all(|end| end.state() == state)
    }

    fn failures(&self) -> u64 {
        self.ends.iter().map(|end| end.status().counters.failures).sum()
    }
}

fn config(rng: &mut StdRng) -> Config {
    let intervals = [50, 100, 300, 1000, 2000];
    let mut interval = || Duration::from_millis(intervals[rng.random_range(0..intervals.len())]);
    let (transmit_interval, receive_interval) = (interval(), interval());
    Config { transmit_interval, receive_interval, detect_multiplier: rng.random_range(3..6), passive: false }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    world.pass(Duration::from_secs(10));
    assert!(world.both(State::Up), "seed {seed}: a good link comes up");
    // Settings change at any time on either side, and no session falls.
    for _ in 0..6 {
        let end = world.rng.random_range(0..2);
        let config = config(&mut world.rng);
        let now = world.now;
        world.ends[end].handle(now, Input::Configured(config));
        let time = world.rng.random_range(Duration::ZERO..Duration::from_secs(8));
        world.pass(time);
        assert!(world.both(State::Up), "seed {seed}: a change is no flap");
    }
    world.pass(Duration::from_secs(10));
    assert_eq!(world.failures(), 0, "seed {seed}: no failure without loss");
    let [a, b] = world.ends.each_ref().map(|end| end.status().negotiated.expect("both are heard"));
    assert!(!a.polling && !b.polling, "seed {seed}: every poll sequence ends");
    assert_eq!(a.transmit_interval, b.receive_interval, "seed {seed}: both mean the same interval");
    assert_eq!(b.transmit_interval, a.receive_interval, "seed {seed}");

    // A bad link never wedges them.
    world.loss = world.rng.random_range(0.1..0.6);
    world.pass(Duration::from_secs(60));
    world.loss = 0.0;
    world.pass(Duration::from_secs(20));
    assert!(world.both(State::Up), "seed {seed}: up again after a bad time");

    // A dead link is noticed by both within the detection time.
    let before = world.failures();
    let slowest = world.ends.iter().map(Session::detection_time).max().expect("two");
    world.loss = 1.0;
    world.pass(slowest + world.longest_delay + Duration::from_millis(1));
    assert!(world.both(State::Down), "seed {seed}: a dead link is noticed");
    assert_eq!(world.failures(), before + 2, "seed {seed}");
    world.loss = 0.0;
    world.pass(Duration::from_secs(20));
    assert!(world.both(State::Up), "seed {seed}: and its return");

    // An end that is disabled is confirmed, and is no failure.
    let before = world.failures();
    let now = world.now;
    world.ends[0].handle(now, Input::Disable);
    world.pass(Duration::from_secs(3));
    assert!(world.ends[0].is_over(), "seed {seed}: the end was told");
    assert_eq!(world.ends[1].status().cause, Some(DownCause::NeighborAdminDown), "seed {seed}");
    assert_eq!(world.failures(), before, "seed {seed}: nobody failed");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn two_sessions_agree_whatever_the_link_does() {
    if let Some(seed) = number("SEED") {
        return run(seed);
    }
    (0..number("SEEDS").unwrap_or(100)).for_each(run);
}
