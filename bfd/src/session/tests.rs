//! One test per rule of RFC 5880.

use super::*;

const OWN: u32 = 11;
const PEERS: u32 = 22;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start() -> Instant {
    // A fixed moment as far as the session is concerned: it only ever adds to it.
    #[expect(clippy::disallowed_methods, reason = "an instant cannot be made otherwise")]
    Instant::now()
}

fn config(interval: u64) -> Config {
    Config { transmit_interval: ms(interval), receive_interval: ms(interval), ..Config::default() }
}

/// What a peer of the same settings (50 ms, 3) sends.
fn from_peer(state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::None,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator: PEERS,
        your_discriminator: OWN,
        desired_min_tx: 50_000,
        required_min_rx: 50_000,
        required_min_echo_rx: 0,
    }
}

struct Bench {
    session: Session,
    now: Instant,
}

impl Bench {
    fn new(config: Config) -> Self {
        let now = start();
        Self { session: Session::new(now, config, OWN, 1), now }
    }

    fn up(config: Config) -> Self {
        let mut bench = Self::new(config);
        bench.hear(from_peer(State::Init));
        assert_eq!(bench.session.state(), State::Up);
        bench
    }

    /// Up, and what was wanted is agreed upon.
    fn settled(config: Config) -> Self {
        let mut bench = Self::up(config);
        bench.hear(Packet { is_final: true, ..from_peer(State::Up) });
        assert!(!bench.session.status().negotiated.unwrap().polling);
        bench
    }

    fn sent(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(output) = self.session.poll() {
            if let Output::Send(bytes) = output {
                packets.push(Packet::decode(&bytes).unwrap());
            }
        }
        packets
    }

    fn hear(&mut self, packet: Packet) -> Vec<Packet> {
        self.session.handle(self.now, Input::Received(&packet));
        self.sent()
    }

    /// Lets time pass, deadline by deadline; what is sent, and when.
    fn pass(&mut self, time: Duration) -> Vec<(Instant, Packet)> {
        let until = self.now + time;
        let mut all = Vec::new();
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_deadline(self.now);
            all.extend(self.sent().into_iter().map(|packet| (self.now, packet)));
        }
        self.now = until;
        all
    }

    fn failures(&self) -> u64 {
        self.session.status().counters.failures
    }
}

#[test]
fn states_follow_the_table_of_section_6_8_6() {
    use State::{AdminDown, Down, Init, Up};
    let reach = |state| {
        let mut bench = Bench::new(config(50));
        match state {
            Init => drop(bench.hear(from_peer(Down))),
            Up => drop(bench.hear(from_peer(Init))),
            AdminDown => bench.session.handle(bench.now, Input::Disable),
            Down => {}
        }
        assert_eq!(bench.session.state(), state);
        bench
    };
    let table = [
        (Down, [Down, Init, Up, Down]),
        (Init, [Down, Init, Up, Up]),
        (Up, [Down, Down, Up, Up]),
        (AdminDown, [AdminDown, AdminDown, AdminDown, AdminDown]),
    ];
    for (from, to) in table {
        for (heard, to) in [AdminDown, Down, Init, Up].into_iter().zip(to) {
            let to = if (from, heard) == (Down, Down) { Init } else { to };
            let to = if (from, heard) == (Down, Up) { Down } else { to };
            let mut bench = reach(from);
            bench.hear(from_peer(heard));
            assert_eq!(bench.session.state(), to, "{from} hears {heard}");
        }
    }
}

#[test]
fn no_more_than_a_packet_a_second_is_sent_before_the_session_is_up() {
    let mut bench = Bench::new(config(10));
    let packets = bench.pass(Duration::from_secs(20));
    assert!((20..=27).contains(&packets.len()), "{}", packets.len());
    for pair in packets.windows(2) {
        let gap = pair[1].0 - pair[0].0;
        assert!(gap >= ms(750) && gap <= ms(1000), "{gap:?}");
    }
    assert!(packets.iter().all(|(_, packet)| packet.desired_min_tx == 1_000_000 && !packet.poll));
}

#[test]
fn change_of_state_is_told_at_once_and_not_without_measure() {
    let mut bench = Bench::new(config(50));
    bench.sent();
    let told = bench.hear(from_peer(State::Down));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].state, told[0].your_discriminator), (State::Init, PEERS));
    let mut answers = 0;
    for _ in 0..100 {
        answers += bench.hear(from_peer(State::AdminDown)).len();
        answers += bench.hear(from_peer(State::Down)).len();
    }
    assert!(answers <= usize::from(EXTRA), "{answers}");
}

#[test]
fn coming_up_begins_a_poll_sequence_that_ends_with_f() {
    let mut bench = Bench::new(config(50));
    let told = bench.hear(from_peer(State::Init));
    assert_eq!((told[0].state, told[0].poll, told[0].desired_min_tx), (State::Up, true, 50_000));
    // Until it is answered every packet asks.
    bench.hear(from_peer(State::Up));
    assert!(bench.pass(ms(140)).iter().all(|(_, packet)| packet.poll && !packet.is_final));
    bench.hear(Packet { is_final: true, ..from_peer(State::Up) });
    let after = bench.pass(ms(140));
    assert!(!after.is_empty() && after.iter().all(|(_, packet)| !packet.poll));
}

#[test]
fn f_that_nobody_asked_for_means_nothing() {
    let mut bench = Bench::settled(config(50));
    bench.session.handle(bench.now, Input::Configured(config(500)));
    // No P was sent since.
    bench.hear(Packet { is_final: true, ..from_peer(State::Up) });
    assert!(bench.session.status().negotiated.unwrap().polling);
}

#[test]
fn poll_is_answered_at_once_and_once() {
    let mut bench = Bench::settled(config(50));
    let answer = bench.hear(Packet { poll: true, ..from_peer(State::Up) });
    assert_eq!(answer.len(), 1);
    assert!(answer[0].is_final && !answer[0].poll);
    // Whatever the state.
    let mut bench = Bench::new(config(50));
    bench.sent();
    let answer = bench.hear(Packet { poll: true, ..from_peer(State::Down) });
    assert_eq!(answer.len(), 1);
    assert!(answer[0].is_final && answer[0].state == State::Init);
}

#[test]
fn longer_interval_is_sent_by_only_once_the_peer_knows() {
    let mut bench = Bench::settled(config(50));
    bench.session.handle(bench.now, Input::Configured(Config { transmit_interval: ms(400), ..config(50) }));
    let packets = bench.pass(ms(140));
    assert!(packets.len() >= 2 && packets.iter().all(|(_, packet)| packet.poll && packet.desired_min_tx == 400_000));
    assert_eq!(bench.session.status().negotiated.unwrap().transmit_interval, ms(50));
    bench.hear(Packet { is_final: true, ..from_peer(State::Up) });
    assert_eq!(bench.session.status().negotiated.unwrap().transmit_interval, ms(400));
    assert_eq!(bench.failures(), 0);
}

#[test]
fn shorter_interval_to_receive_is_judged_by_only_once_the_peer_knows() {
    let mut bench = Bench::settled(config(300));
    let slow = Packet { desired_min_tx: 20_000, ..from_peer(State::Up) };
    bench.hear(slow);
    assert_eq!(bench.session.detection_time(), ms(900));
    bench.session.handle(bench.now, Input::Configured(Config { receive_interval: ms(100), ..config(300) }));
    assert_eq!(bench.session.detection_time(), ms(900));
    bench.pass(ms(300));
    bench.hear(Packet { is_final: true, ..slow });
    assert_eq!(bench.session.detection_time(), ms(300));
    // A longer one holds at once.
    bench.session.handle(bench.now, Input::Configured(Config { receive_interval: ms(700), ..config(300) }));
    assert_eq!(bench.session.detection_time(), ms(2100));
}

#[test]
fn change_during_a_poll_sequence_gets_one_of_its_own() {
    let mut bench = Bench::settled(config(50));
    bench.session.handle(bench.now, Input::Configured(config(100)));
    bench.pass(ms(60));
    bench.session.handle(bench.now, Input::Configured(config(200)));
    bench.hear(Packet { is_final: true, ..from_peer(State::Up) });
    let negotiated = bench.session.status().negotiated.unwrap();
    assert_eq!((negotiated.transmit_interval, negotiated.polling), (ms(100), true));
    assert!(bench.pass(ms(110)).iter().all(|(_, packet)| packet.poll && packet.desired_min_tx == 200_000));
    bench.hear(Packet { is_final: true, ..from_peer(State::Up) });
    assert!(!bench.session.status().negotiated.unwrap().polling);
}

#[test]
fn slower_peer_is_sent_to_as_slowly_as_it_asks() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { required_min_rx: 200_000, ..from_peer(State::Up) });
    bench.pass(ms(50));
    let packets = bench.pass(ms(90));
    assert!(packets.len() <= 1);
    assert_eq!(bench.session.status().negotiated.unwrap().transmit_interval, ms(200));
}

#[test]
fn faster_rate_that_the_peer_asks_for_holds_before_the_next_packet() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { required_min_rx: 60_000_000, ..from_peer(State::Up) });
    bench.pass(ms(100));
    bench.hear(from_peer(State::Up));
    let next = bench.session.next_deadline().unwrap();
    assert!(next <= bench.now + ms(50), "{:?}", next - bench.now);
}

#[test]
fn peer_that_wants_nothing_gets_nothing_but_answers() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { required_min_rx: 0, ..from_peer(State::Up) });
    assert!(bench.pass(ms(140)).is_empty());
    assert_eq!(bench.hear(Packet { required_min_rx: 0, poll: true, ..from_peer(State::Up) }).len(), 1);
}

#[test]
fn peer_in_demand_mode_is_obeyed_while_both_are_up() {
    let mut bench = Bench::settled(config(50));
    let demand = Packet { demand: true, ..from_peer(State::Up) };
    bench.hear(demand);
    assert!(bench.pass(ms(140)).is_empty());
    bench.session.handle(bench.now, Input::Configured(config(60)));
    assert!(bench.pass(ms(5)).iter().all(|(_, packet)| packet.poll), "a poll sequence is sent all the same");
    bench.hear(Packet { is_final: true, ..demand });
    bench.hear(from_peer(State::Up));
    assert!(!bench.pass(ms(100)).is_empty(), "and the end of it begins anew");
}

#[test]
fn detection_time_is_the_peers_multiplier_times_the_slower_interval() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { detect_multiplier: 5, desired_min_tx: 70_000, ..from_peer(State::Up) });
    assert_eq!(bench.session.detection_time(), ms(350));
    bench.pass(ms(349));
    assert_eq!(bench.session.state(), State::Up);
    let told = bench.pass(ms(1));
    let status = bench.session.status();
    assert_eq!((status.state, status.diagnostic), (State::Down, Diagnostic::DetectionTimeExpired));
    assert_eq!((status.cause, bench.failures()), (Some(DownCause::DetectionTimeExpired), 1));
    // The peer is told at once, and is forgotten.
    let (_, last) = told.last().unwrap();
    assert_eq!((last.state, last.your_discriminator, status.remote_state), (State::Down, 0, None));
}

#[test]
fn init_expires_as_well_and_is_no_failure() {
    let mut bench = Bench::new(config(50));
    bench.hear(from_peer(State::Down));
    bench.pass(ms(150));
    assert_eq!((bench.session.state(), bench.failures()), (State::Down, 0));
}

#[test]
fn packets_that_waited_count_before_silence_is_judged() {
    let mut bench = Bench::settled(config(50));
    // The thread stood still for ten seconds. What was waiting is handed in first.
    let woke = bench.now + Duration::from_secs(10);
    bench.session.handle(woke + ms(1), Input::Received(&from_peer(State::Up)));
    bench.session.handle_deadline(woke);
    assert_eq!(bench.session.state(), State::Up);
    bench.session.handle_deadline(woke + ms(151));
    assert_eq!(bench.session.state(), State::Down);
}

#[test]
fn neighbor_that_signals_down_is_a_failure_and_admin_down_is_none() {
    for (heard, failures, cause) in
        [(State::Down, 1, DownCause::NeighborSignaled), (State::AdminDown, 0, DownCause::NeighborAdminDown)]
    {
        let mut bench = Bench::settled(config(50));
        let independent = Packet { control_plane_independent: true, ..from_peer(heard) };
        let told = bench.hear(independent);
        let status = bench.session.status();
        assert_eq!((status.state, status.diagnostic), (State::Down, Diagnostic::NeighborSignaledDown));
        assert_eq!((status.cause, bench.failures(), status.counters.downs), (Some(cause), failures, 1));
        assert!(status.remote_control_plane_independent);
        assert_eq!((told.len(), told[0].state), (1, State::Down));
        // Slow again.
        assert!(bench.pass(ms(700)).is_empty());
    }
}

#[test]
fn c_bit_of_the_peer_outlives_its_silence() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { control_plane_independent: true, ..from_peer(State::Up) });
    bench.pass(ms(150));
    assert!(bench.session.status().remote_control_plane_independent);
}

#[test]
fn foreign_discriminator_is_ignored() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { your_discriminator: OWN + 1, ..from_peer(State::Down) });
    assert_eq!(bench.session.state(), State::Up);
}

#[test]
fn same_discriminator_on_both_sides_is_nothing_special() {
    let mut bench = Bench::new(config(50));
    bench.hear(Packet { my_discriminator: OWN, ..from_peer(State::Init) });
    assert_eq!(bench.session.state(), State::Up);
}

#[test]
fn passive_session_waits_to_be_spoken_to_and_falls_silent_again() {
    let mut bench = Bench::new(Config { passive: true, ..config(50) });
    assert!(bench.pass(Duration::from_secs(10)).is_empty());
    assert_eq!(bench.hear(from_peer(State::Down)).len(), 1);
    bench.hear(from_peer(State::Up));
    assert_eq!(bench.session.state(), State::Up);
    bench.pass(ms(150));
    assert_eq!(bench.session.state(), State::Down);
    assert!(bench.pass(Duration::from_secs(10)).is_empty());
    bench.session.handle(bench.now, Input::Configured(config(50)));
    assert!(!bench.pass(Duration::from_secs(1)).is_empty());
}

#[test]
fn jitter_keeps_within_75_to_100_percent_and_90_with_the_multiplier_1() {
    for (multiplier, most) in [(3, 100), (1, 90)] {
        let mut bench = Bench::settled(Config { detect_multiplier: multiplier, ..config(100) });
        bench.hear(Packet { detect_multiplier: 255, required_min_rx: 1, ..from_peer(State::Up) });
        bench.pass(ms(100));
        let times: Vec<Instant> = bench.pass(Duration::from_secs(10)).into_iter().map(|(at, _)| at).collect();
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap >= ms(75) && *gap <= ms(most)), "{gaps:?}");
        let (least, longest) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(*longest > *least + ms(10), "it is jitter: {least:?} to {longest:?}");
    }
}

#[test]
fn admin_down_is_told_until_the_peer_confirms_it() {
    let mut bench = Bench::settled(config(50));
    bench.session.handle(bench.now, Input::Disable);
    let told = bench.sent();
    assert_eq!((told[0].state, told[0].diagnostic), (State::AdminDown, Diagnostic::AdministrativelyDown));
    assert!(!bench.session.is_over());
    // What was under way when it was told confirms nothing.
    bench.hear(from_peer(State::Up));
    assert!(!bench.session.is_over());
    bench.hear(from_peer(State::Down));
    assert!(bench.session.is_over());
    assert!(bench.pass(Duration::from_secs(10)).is_empty());
    assert_eq!((bench.session.state(), bench.failures()), (State::AdminDown, 0));
}

#[test]
fn admin_down_is_told_for_the_peers_detection_time_at_most() {
    let mut bench = Bench::settled(config(50));
    bench.session.handle(bench.now, Input::Disable);
    bench.sent();
    let told = bench.pass(ms(149));
    assert!((2..=4).contains(&told.len()), "{}", told.len());
    bench.pass(ms(1));
    assert!(bench.session.is_over());
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn nobody_is_told_of_the_end_who_was_never_heard() {
    let mut bench = Bench::new(config(50));
    bench.sent();
    bench.session.handle(bench.now, Input::Disable);
    assert!(bench.sent().is_empty() && bench.session.is_over());
}

#[test]
fn session_that_is_enabled_again_comes_up_again() {
    let mut bench = Bench::settled(config(50));
    bench.session.handle(bench.now, Input::Disable);
    bench.session.handle(bench.now, Input::Enable);
    assert_eq!(bench.session.state(), State::Down);
    bench.hear(from_peer(State::Down));
    bench.hear(from_peer(State::Init));
    assert_eq!(bench.session.state(), State::Up);
    assert_eq!(bench.session.status().counters.ups, 2);
}

#[test]
fn packets_that_are_sent_too_late_are_counted() {
    let mut bench = Bench::settled(config(50));
    bench.hear(Packet { detect_multiplier: 255, ..from_peer(State::Up) });
    bench.pass(ms(200));
    assert_eq!(bench.session.status().counters.late, 0);
    bench.now += ms(100);
    bench.session.handle_deadline(bench.now);
    assert_eq!(bench.session.status().counters.late, 1);
}
