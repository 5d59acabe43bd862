//! The sockets that packets come in by: one for each port, family and VRF, for all addresses of the host, so that another
//! BFD daemon is noticed and does not take packets away unseen.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::in6_pktinfo;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
    sockopt::{Ipv4PacketInfo, Ipv4RecvTtl, Ipv6RecvPacketInfo},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::demux::Arrival;
use super::error::Problem;
use super::peer::Peer;
use super::system;

/// What is asked of the kernel: some 1,000 packets, which is what 100 sessions send at 50 ms in half a second.
const BUFFER: usize = 1 << 20;

/// The longest packet that the length field can name.
const LONGEST: usize = 256;

/// Which socket a session receives by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Channel {
    pub(super) multihop: bool,
    pub(super) ipv6: bool,
    pub(super) vrf: Option<String>,
}

impl Channel {
    pub(super) fn of(peer: &Peer) -> Self {
        Self { multihop: peer.multihop, ipv6: peer.address.is_ipv6(), vrf: peer.vrf.clone() }
    }
}

/// What a datagram is read into.
#[derive(Debug)]
pub(super) struct Buffers {
    payload: [u8; LONGEST],
    control: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { payload: [0; LONGEST], control: cmsg_space!(in6_pktinfo, i32) }
    }
}

/// An open one.
#[derive(Debug)]
pub(super) struct Receiver {
    socket: Socket,
}

impl Receiver {
    pub(super) fn open(channel: &Channel, port: u16) -> Result<Self, Problem> {
        let failed = |source| Problem::Socket { operation: "open a socket to receive BFD", source };
        let domain = if channel.ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP)).map_err(failed)?;
        configure(&socket, channel).map_err(failed)?;
        if let Some(vrf) = &channel.vrf {
            socket
                .bind_device(Some(vrf.as_bytes()))
                .map_err(|source| Problem::NoInterface { interface: vrf.clone(), source })?;
        }
        let any: IpAddr = if channel.ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        match socket.bind(&SocketAddr::new(any, port).into()) {
            Ok(()) => Ok(Self { socket }),
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => Err(Problem::PortInUse { port, source }),
            Err(source) => Err(failed(source)),
        }
    }

    /// Reads one datagram.
    pub(super) fn receive<'a>(
        &self,
        channel: &'a Channel,
        buffers: &'a mut Buffers,
    ) -> io::Result<Option<(&'a [u8], Arrival<'a>)>> {
        let Buffers { payload, control } = buffers;
        let mut arrival = None;
        let len = {
            let mut parts = [IoSliceMut::new(payload)];
            let flags = MsgFlags::empty();
            let message = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(control), flags);
            let message = match message {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(system(error)),
            };
            let from = message.address.as_ref().and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
            });
            if let Some(from) = from {
                let (multihop, vrf) = (channel.multihop, channel.vrf.as_deref());
                let mut found = Arrival { from, to: None, interface: 0, ttl: None, multihop, vrf };
                // Without what the kernel knows of it, it is thrown away for its TTL.
                message.cmsgs().into_iter().flatten().for_each(|about| note(&about, &mut found));
                arrival = Some(found);
            }
            message.bytes
        };
        let bytes = payload.get(..len).unwrap_or_default();
        // A datagram without a sender does not occur; it is read as one from nowhere.
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let nothing = Arrival { from: nowhere, to: None, interface: 0, ttl: None, multihop: false, vrf: None };
        Ok(Some((bytes, arrival.unwrap_or(nothing))))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn configure(socket: &Socket, channel: &Channel) -> io::Result<()> {
    socket.set_recv_buffer_size(BUFFER)?;
    if channel.ipv6 {
        socket.set_only_v6(true)?;
        socket.set_recv_hoplimit_v6(true)?;
        setsockopt(socket, Ipv6RecvPacketInfo, &true).map_err(system)
    } else {
        setsockopt(socket, Ipv4RecvTtl, &true).map_err(system)?;
        setsockopt(socket, Ipv4PacketInfo, &true).map_err(system)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for")]
fn note(about: &ControlMessageOwned, arrival: &mut Arrival<'_>) {
    match about {
        ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
            arrival.ttl = u8::try_from(*ttl).ok();
        }
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            arrival.to = Some(IpAddr::V4(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())));
            arrival.interface = u32::try_from(info.ipi_ifindex).unwrap_or_default();
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            arrival.to = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
            arrival.interface = info.ipi6_ifindex;
        }
        _ => {}
    }
}
