//! The socket that a session sends by: its source port is its own (RFC 5881 section 4), so that routers that spread flows
//! treat it as one, and everything leaves with TTL 255.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::error::Problem;
use super::peer::Peer;
use crate::wire::{LEN, TTL};

/// The source ports: 49152 to 65535.
const FIRST_PORT: u16 = 49152;
const PORTS: u16 = 16384;

/// How many of them are tried.
const ATTEMPTS: u16 = 256;

/// Internetwork control (RFC 4594), which networks spare when they are full.
const CS6: u32 = 0xc0;

/// The priority in queues of the own host that goes with it.
const PRIORITY: u32 = 6;

/// An open one.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    target: SockAddr,
    pub(super) port: u16,
}

impl Sender {
    /// `scope` is the index of the peer's interface, `taken` what other sessions use, `start` where to begin to look.
    pub(super) fn open(
        peer: &Peer,
        target_port: u16,
        scope: Option<u32>,
        taken: &BTreeSet<u16>,
        start: u32,
    ) -> Result<Self, Problem> {
        let target = match peer.address {
            IpAddr::V4(address) => SocketAddr::V4(SocketAddrV4::new(address, target_port)),
            IpAddr::V6(address) => {
                let scope = if address.is_unicast_link_local() { scope.unwrap_or_default() } else { 0 };
                SocketAddr::V6(SocketAddrV6::new(address, target_port, 0, scope))
            }
        };
        let failed = |source| Problem::Socket { operation: "open a socket to send BFD", source };
        let domain = Domain::for_address(target);
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP)).map_err(failed)?;
        configure(&socket, target.is_ipv6()).map_err(failed)?;
        if let Some(device) = peer.interface.as_ref().or(peer.vrf.as_ref()) {
            socket
                .bind_device(Some(device.as_bytes()))
                .map_err(|source| Problem::NoInterface { interface: device.clone(), source })?;
        }
        let port = bind(&socket, peer, scope, taken, start)?;
        Ok(Self { socket, target: target.into(), port })
    }

    /// Sends a packet. An error says that the socket must be opened anew; `Ok(false)` that the packet was lost.
    pub(super) fn send(&self, packet: &[u8; LEN]) -> io::Result<bool> {
        match self.socket.send_to(packet, &self.target) {
            Ok(_) => Ok(true),
            // Full queues empty themselves, and the next packet is due soon enough.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn configure(socket: &Socket, ipv6: bool) -> io::Result<()> {
    // Nobody should send here, and nobody reads.
    socket.set_recv_buffer_size(0)?;
    if ipv6 {
        socket.set_unicast_hops_v6(TTL.into())?;
        socket.set_tclass_v6(CS6)?;
    } else {
        socket.set_ttl_v4(TTL.into())?;
        socket.set_tos_v4(CS6)?;
    }
    socket.set_priority(PRIORITY)
}

fn bind(socket: &Socket, peer: &Peer, scope: Option<u32>, taken: &BTreeSet<u16>, start: u32) -> Result<u16, Problem> {
    let any = if peer.address.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let source = peer.source.unwrap_or(any);
    let start = u16::try_from(start % u32::from(PORTS)).unwrap_or_default();
    let candidates = (0..ATTEMPTS).map(|n| FIRST_PORT + (start + n) % PORTS);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in candidates.filter(|port| !taken.contains(port)) {
        let address = match source {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope.unwrap_or_default()))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => SocketAddr::new(source, port),
        };
        match socket.bind(&address.into()) {
            Ok(()) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(Problem::NoSource { address: source, source: error });
            }
            Err(error) => return Err(Problem::Socket { operation: "bind a socket to send BFD", source: error }),
        }
    }
    Err(Problem::Socket { operation: "find a free source port for BFD", source: last })
}
