//! An observer on the LAN: who says that an address is his?
//!
//! [`ask`] sends ARP requests or neighbor solicitations and collects **all** answers within a time; the kernel's own
//! neighbour table knows only the last one. It asks as a stranger, with a hardware and an IP address of its own, so that
//! the table of the host that it runs on is not touched. [`watch`] listens to announcements and says when each came, by
//! the kernel's clock.
//!
//! Both run in the network namespace of a host, as a process of the lab.

mod frame;
mod sys;

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use crate::clock;
use crate::error::{Error, system};
use crate::layout::{INTERFACE, Layout, Mac};

/// A question may get lost: it is asked again as often as this.
const ASK_EVERY: Duration = Duration::from_millis(60);
/// Room for what comes while the observer does not run.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How long one look lasts at most when nothing comes.
const LOOK: Duration = Duration::from_millis(20);
/// The longest frame that is read; what is looked for is far shorter.
const FRAME: usize = 256;

/// Who answers for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The hardware address that the answer named.
    pub mac: Mac,
    /// How often it came.
    pub count: u32,
}

/// An announcement that was seen on the LAN: a gratuitous ARP packet or an unsolicited neighbor advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The address that was announced.
    pub address: IpAddr,
    /// Where it is said to be.
    pub mac: Mac,
    /// When the frame came: nanoseconds since 1970 by the machine's clock.
    pub at_ns: u64,
}

/// Asks from the network namespace that this process is in, for `duration`; `number` makes the asker's addresses.
pub(crate) fn ask(targets: &[IpAddr], number: u8, duration: Duration) -> Result<BTreeMap<IpAddr, Vec<Answer>>, Error> {
    let mut answers: BTreeMap<IpAddr, Vec<Answer>> = targets.iter().map(|target| (*target, Vec::new())).collect();
    let asker = Layout::stranger(number);
    let mut lines = Vec::new();
    for (protocol, is_v4) in [(frame::ARP, true), (frame::IPV6, false)] {
        let mine: Vec<IpAddr> = targets.iter().copied().filter(|target| target.is_ipv4() == is_v4).collect();
        let address = asker.addresses.iter().copied().find(|address| address.is_ipv4() == is_v4);
        if let (Some(address), false) = (address, mine.is_empty()) {
            let questions: Vec<Vec<u8>> =
                mine.iter().filter_map(|target| frame::question(asker.mac, address, *target)).collect();
            lines.push((open(protocol)?, questions));
        }
    }
    let began = clock::now();
    let mut asked: Option<Instant> = None;
    while began.elapsed() < duration {
        if asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            asked = Some(clock::now());
            for (socket, questions) in &lines {
                for question in questions {
                    // A full queue or a link that is down: asked again soon.
                    socket.send(question).ok();
                }
            }
        }
        for (socket, _) in &lines {
            while let Some((claim, _)) = receive(socket)? {
                if let (true, Some(known)) = (claim.answer, answers.get_mut(&claim.address)) {
                    match known.iter_mut().find(|answer| answer.mac == claim.mac) {
                        Some(answer) => answer.count += 1,
                        None => known.push(Answer { mac: claim.mac, count: 1 }),
                    }
                }
            }
        }
    }
    Ok(answers)
}

/// Listens in the network namespace that this process is in, until `over`; `tell` hears of every announcement that comes
/// after `began` was called.
pub(crate) fn watch(
    v6: bool,
    began: impl FnOnce() -> Result<(), Error>,
    over: impl Fn() -> bool,
    mut tell: impl FnMut(Sighting) -> Result<(), Error>,
) -> Result<(), Error> {
    let socket = open(if v6 { frame::IPV6 } else { frame::ARP })?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).map_err(system("ask for the time of frames"))?;
    began()?;
    while !over() {
        while let Some((claim, at_ns)) = receive(&socket)? {
            if !claim.answer {
                tell(Sighting { address: claim.address, mac: claim.mac, at_ns })?;
            }
        }
    }
    Ok(())
}

fn open(protocol: u16) -> Result<Socket, Error> {
    let make = || -> io::Result<Socket> {
        // Protocol 0: nothing is received before it is bound.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_read_timeout(Some(LOOK))?;
        sys::bind(&socket, protocol, if_nametoindex(INTERFACE)?)?;
        Ok(socket)
    };
    make().map_err(system("open a packet socket"))
}

/// The next claim and when it came; none when none came for a while, whatever else did: IPv6's socket sees all its traffic.
fn receive(socket: &Socket) -> Result<Option<(frame::Claim, u64)>, Error> {
    let until = clock::now() + LOOK;
    let mut buffer = [0; FRAME];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    loop {
        let (length, at) = {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::empty();
            match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Ok(message) => {
                    (message.bytes, message.cmsgs().ok().and_then(|mut all| all.find_map(|cmsg| stamp(&cmsg))))
                }
                Err(Errno::EAGAIN) => return Ok(None),
                // The link went down or came up: what comes next counts.
                Err(Errno::EINTR | Errno::ENETDOWN) => continue,
                Err(error) => return Err(system("receive a frame")(error)),
            }
        };
        if let Some(claim) = buffer.get(..length).and_then(frame::claim) {
            return Ok(Some((claim, at.unwrap_or_default())));
        }
        if clock::now() >= until {
            return Ok(None);
        }
    }
}

fn stamp(cmsg: &ControlMessageOwned) -> Option<u64> {
    let ControlMessageOwned::ScmTimestampns(time) = cmsg else { return None };
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec()).ok()?)
}
