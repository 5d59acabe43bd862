//! The loop with a clock of the test's own, turn by turn.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollTimeout, poll};
use nix::sys::eventfd::EfdFlags;

use super::*;
use crate::session::{Config, DownCause};
use crate::wire::{Diagnostic, Packet};

const PEER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

struct Bench {
    worker: Worker,
    desired: watch::Sender<Desired>,
    observed: watch::Receiver<Arc<Observed>>,
    /// Milliseconds.
    time: Arc<AtomicU64>,
    /// The peer's socket, and where ours receives.
    peer: UdpSocket,
    ours: SocketAddr,
}

impl Bench {
    fn new() -> Self {
        // Some port that is free.
        let port = UdpSocket::bind("0.0.0.0:0").expect("a socket").local_addr().expect("an address").port();
        let time = Arc::new(AtomicU64::new(0));
        let (base, shared) = (crate::driver::now(), Arc::clone(&time));
        let clock = Box::new(move || base + Duration::from_millis(shared.load(Ordering::Relaxed)));
        let waker = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).expect("a descriptor");
        let (desired, desired_rx) = watch::channel(Desired::default());
        let (observed_tx, observed) = watch::channel(Arc::default());
        let journal = Journal::start().expect("a thread");
        let ports = Ports { single_hop: port, multihop: port };
        let worker = Worker::new(clock, ports, Arc::new(waker), desired_rx, observed_tx, journal);
        let peer = UdpSocket::bind((PEER, 0)).expect("a socket");
        peer.set_ttl(255).expect("an option");
        Self { worker, desired, observed, time, peer, ours: (Ipv4Addr::LOCALHOST, port).into() }
    }

    /// A peer that sends every 100 ms and wants nothing itself, so that all there is to read is the peer's.
    fn say(&self, state: State) {
        let packet = Packet {
            diagnostic: Diagnostic::None,
            state,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: 3,
            my_discriminator: 5,
            your_discriminator: self.status().map_or(0, |session| session.status.discriminator),
            desired_min_tx: 100_000,
            required_min_rx: 0,
            required_min_echo_rx: 0,
        };
        self.peer.send_to(&packet.encode(), self.ours).expect("it is sent");
        let open = self.worker.receivers.values().filter_map(|receiver| receiver.as_ref().ok());
        let mut waiting: Vec<PollFd<'_>> = open.map(|open| PollFd::new(open.as_fd(), PollFlags::POLLIN)).collect();
        assert_eq!(poll(&mut waiting, PollTimeout::from(60_000_u16)), Ok(1), "it arrives");
    }

    fn status(&self) -> Option<SessionStatus> {
        self.observed.borrow().sessions.values().next().cloned()
    }

    fn state(&self) -> Option<State> {
        self.status().map(|session| session.status.state)
    }

    fn pass(&self, ms: u64) {
        self.time.fetch_add(ms, Ordering::Relaxed);
    }

    fn up() -> Self {
        let mut bench = Self::new();
        let session = Config { passive: true, ..Config::default() };
        let parameters = Parameters { session, ..Parameters::default() };
        let peer = Peer::single_hop(IpAddr::V4(PEER));
        bench.desired.send_modify(|desired| desired.sessions = Arc::new([(peer, parameters)].into()));
        assert!(bench.worker.turn());
        bench.say(State::Init);
        assert!(bench.worker.turn());
        assert_eq!(bench.state(), Some(State::Up));
        bench
    }
}

#[test]
fn thread_that_stood_still_reads_what_waits_before_it_judges() {
    let mut bench = Bench::up();
    // It plans to wake up in time, and does not.
    bench.worker.planned = bench.worker.next_deadline();
    bench.say(State::Up);
    bench.pass(10_000);
    assert!(bench.worker.turn());
    assert_eq!(bench.state(), Some(State::Up));
    assert_eq!(bench.observed.borrow().stalls, 1);
    // Now nothing waits: it is the peer that is silent.
    bench.pass(10_000);
    assert!(bench.worker.turn());
    let status = bench.status().expect("a session").status;
    assert_eq!((status.state, status.cause), (State::Down, Some(DownCause::DetectionTimeExpired)));
    assert_eq!(status.counters.failures, 1);
}

#[test]
fn detection_time_is_kept_to_the_millisecond() {
    let mut bench = Bench::up();
    // Ours takes a packet in 300 ms, so that the peer's three are worth 900.
    bench.pass(899);
    assert!(bench.worker.turn());
    assert_eq!(bench.state(), Some(State::Up));
    bench.pass(1);
    assert!(bench.worker.turn());
    assert_eq!(bench.state(), Some(State::Down));
}

#[test]
fn stop_ends_at_once_where_nobody_is_to_be_told() {
    let mut bench = Bench::up();
    bench.desired.send_modify(|desired| desired.stop = true);
    assert!(!bench.worker.turn(), "a peer that wants no packets is told nothing");
}
