//! The other end of the cable: asks, and watches.
#![expect(unsafe_code, reason = "struct sockaddr_ll has no safe constructor")]

use std::io::Read as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrolb_l2::wire::arp::ArpFrame;
use ferrolb_l2::wire::ndp::{Message, NdpFrame};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use crate::lab::{Lab, now, pause};

const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;

/// Long enough for any machine.
const DEADLINE: Duration = Duration::from_secs(10);

/// A packet socket on the interface of `index`; it receives nothing with protocol 0.
fn packet_socket(index: u32, protocol: u16) -> Socket {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))).expect("a packet socket");
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a sockaddr type of this platform, smaller than the storage, and valid for any bytes.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("small");
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index.try_into().expect("small");
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("small");
    // SAFETY: the first `len` bytes of the storage are the sockaddr_ll just written.
    let address = unsafe { SockAddr::new(storage, len) };
    socket.bind(&address).expect("binding");
    socket
}

/// Somebody who asks.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Flood {
    /// Sends `frames` again and again, `rate` a second.
    pub(crate) fn start(lab: &Lab, frames: Vec<Vec<u8>>, rate: u32) -> Self {
        let index = lab.outside_index();
        let socket = lab.outside(|| packet_socket(index, 0));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (start, mut sent) = (now(), 0_u64);
            let mut frames = frames.iter().cycle();
            while !stopped.load(Ordering::Relaxed) {
                let due = now().duration_since(start).as_millis() * u128::from(rate) / 1_000;
                while u128::from(sent) < due
                    && let Some(frame) = frames.next()
                {
                    socket.send(frame).expect("sending");
                    sent += 1;
                }
                pause(Duration::from_millis(1));
            }
            sent
        });
        Self { stop, thread }
    }

    /// Ends it and tells how many it sent.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("sending")
    }
}

/// Somebody who watches.
pub(crate) struct Sniffer {
    seen: Receiver<(Instant, IpAddr)>,
}

impl Sniffer {
    /// Watches for gratuitous ARP, or else for unsolicited advertisements, until it is dropped.
    pub(crate) fn start(lab: &Lab, arp: bool) -> Self {
        let index = lab.outside_index();
        let mut socket = lab.outside(|| packet_socket(index, if arp { ETH_P_ARP } else { ETH_P_IPV6 }));
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let (tell, seen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            loop {
                // Nothing for a while: is anybody still interested?
                let Ok(len) = socket.read(&mut buffer) else {
                    if tell.send((now(), IpAddr::from([0, 0, 0, 0]))).is_err() {
                        return;
                    }
                    continue;
                };
                let at = now();
                let vip = announced(buffer.get(..len).unwrap_or_default());
                if vip.is_some_and(|vip| tell.send((at, vip)).is_err()) {
                    return;
                }
            }
        });
        Self { seen }
    }

    /// When `vip` is first announced.
    pub(crate) fn first_announcement(&self, vip: IpAddr) -> Instant {
        let deadline = now() + DEADLINE;
        while now() < deadline {
            if let Ok((at, seen)) = self.seen.recv_timeout(DEADLINE)
                && seen == vip
            {
                return at;
            }
        }
        panic_late(vip)
    }
}

#[expect(clippy::panic, reason = "a bench ends where it cannot go on")]
fn panic_late(vip: IpAddr) -> ! {
    panic!("{vip} was not announced within {DEADLINE:?}")
}

fn announced(bytes: &[u8]) -> Option<IpAddr> {
    let arp = ArpFrame::parse(bytes).ok().filter(ArpFrame::is_announcement).map(|frame| IpAddr::V4(frame.sender_ip));
    let ndp = || NdpFrame::parse(bytes).ok().filter(|frame| frame.message != Message::Solicitation);
    arp.or_else(|| ndp().map(|frame| IpAddr::V6(frame.target)))
}
