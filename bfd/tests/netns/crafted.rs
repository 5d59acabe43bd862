//! What no daemon would send: too far away, of nobody, with somebody else's number.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use ferrolb_bfd::driver::{Observed, Peer};
use ferrolb_bfd::wire::{LEN, Packet};
use ferrolb_bfd::{Diagnostic, DownCause, State};

use crate::lab::{DEADLINE, Host, Lab, Ours, run};

fn peer() -> Peer {
    Peer::single_hop(IpAddr::from([192, 0, 2, 1]))
}

/// A peer made by hand.
struct Crafted {
    receive: UdpSocket,
    send: UdpSocket,
    /// Another address of the same host.
    stranger: UdpSocket,
}

impl Crafted {
    fn new(host: &Host) -> Self {
        host.ip("addr add 192.0.2.9/24 dev eth0");
        let bind = |address: [u8; 4], port| {
            let socket = host.inside(|| UdpSocket::bind(SocketAddr::from((address, port)))).expect("a socket");
            socket.set_ttl(255).expect("an option");
            socket.set_read_timeout(Some(DEADLINE)).expect("an option");
            socket
        };
        Self {
            receive: bind([192, 0, 2, 1], 3784),
            send: bind([192, 0, 2, 1], 50_000),
            stranger: bind([192, 0, 2, 9], 50_000),
        }
    }

    /// The next packet from ours, and the port it came from.
    fn next(&self) -> (Packet, u16) {
        let mut bytes = [0; 64];
        let (len, from) = self.receive.recv_from(&mut bytes).expect("a packet in time");
        assert_eq!(len, LEN);
        (Packet::decode(&bytes[..len]).expect("a valid packet"), from.port())
    }

    fn say(&self, state: State, your_discriminator: u32) {
        say(&self.send, &packet(state, your_discriminator));
    }
}

fn say(socket: &UdpSocket, bytes: &[u8]) {
    socket.send_to(bytes, "192.0.2.2:3784").expect("it is sent");
}

/// Slow, so that no time matters.
fn packet(state: State, your_discriminator: u32) -> [u8; LEN] {
    Packet {
        diagnostic: Diagnostic::None,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: true,
        demand: false,
        detect_multiplier: 50,
        my_discriminator: 4711,
        your_discriminator,
        desired_min_tx: 10_000_000,
        required_min_rx: 100_000,
        required_min_echo_rx: 0,
    }
    .encode()
}

async fn rejected(ours: &Ours, what: &str, count: impl Fn(&Observed) -> u64) {
    ours.observe(what, |observed| count(observed) > 0).await;
}

#[test]
fn each_kind_of_foreign_packet_is_refused_and_counted() {
    run(&[], async {
        let (_lab, host, router) = Lab::pair();
        let ours = host.ours();
        ours.watch(&peer(), 100);
        let crafted = Crafted::new(&router);
        let (first, port) = crafted.next();
        assert_eq!((first.state, first.your_discriminator), (State::Down, 0));
        assert!(port >= 49152, "{port}");
        let number = first.my_discriminator;
        crafted.say(State::Init, number);
        ours.up(&peer()).await;

        // Each of these would tear the session down if it were taken.
        crafted.send.set_ttl(254).expect("an option");
        crafted.say(State::Down, number);
        rejected(&ours, "TTL", |observed| observed.rejected.ttl).await;
        crafted.send.set_ttl(255).expect("an option");
        crafted.say(State::Down, number.wrapping_add(1).max(1));
        rejected(&ours, "unknown discriminator", |observed| observed.rejected.unknown_discriminator).await;
        say(&crafted.stranger, &packet(State::Down, number));
        rejected(&ours, "not from the peer", |observed| observed.rejected.mismatched).await;
        say(&crafted.stranger, &packet(State::Down, 0));
        rejected(&ours, "unknown peer", |observed| observed.rejected.unknown_peer).await;
        let mut authenticated = packet(State::Down, number);
        authenticated[1] |= 0x04;
        say(&crafted.send, &authenticated);
        rejected(&ours, "authentication", |observed| observed.rejected.authentication).await;
        say(&crafted.send, &packet(State::Down, number)[..23]);
        rejected(&ours, "too short", |observed| observed.rejected.invalid).await;
        assert_eq!(ours.up(&peer()).await.status.counters.downs, 0);

        // A peer that was started anew knows no number; that is for real.
        crafted.say(State::Down, 0);
        let down = ours.failed(&peer(), 1).await.status;
        assert_eq!(down.cause, Some(DownCause::NeighborSignaled));
        assert!(down.remote_control_plane_independent);
        // One source port for all of the session's life.
        assert_eq!(crafted.next().1, port);
    });
}

#[test]
fn packets_leave_with_ttl_255() {
    use nix::sys::socket::{setsockopt, sockopt::Ipv4RecvTtl};

    run(&[], async {
        let (_lab, host, router) = Lab::pair();
        let ours = host.ours();
        let crafted = Crafted::new(&router);
        setsockopt(&crafted.receive, Ipv4RecvTtl, &true).expect("an option");
        ours.watch(&peer(), 100);
        assert_eq!(ttl_of_next(&crafted.receive), 255);
    });
}

fn ttl_of_next(socket: &UdpSocket) -> i32 {
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

    let (mut bytes, mut control) = ([0; 64], nix::cmsg_space!(i32));
    let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty());
    let message = message.expect("a packet in time");
    let ttl = message.cmsgs().expect("whole").find_map(|about| {
        let ControlMessageOwned::Ipv4Ttl(ttl) = about else { return None };
        Some(ttl)
    });
    ttl.expect("the TTL was asked for")
}
