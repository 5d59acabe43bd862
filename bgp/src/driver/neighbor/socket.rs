//! The raw ICMPv6 socket: one for all interfaces. Needs `CAP_NET_RAW`.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::machine::Action;
use super::message::{ADVERTISEMENT, Message, SOLICITATION};
use crate::driver::sys;

/// All routers on the link: who is a member gets solicitations.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Larger than what is looked at; options behind may be cut off only where they are not well formed then.
const BUFFER: usize = 2048;

/// Messages that are read before others get their turn.
const BATCH: usize = 32;

/// Sends and receives.
#[derive(Debug)]
pub(in crate::driver) struct Port {
    socket: AsyncFd<Socket>,
}

/// A message that came in.
#[derive(Debug, Clone, Copy)]
pub(in crate::driver) struct Arrived {
    /// On this interface.
    pub(in crate::driver) index: u32,
    /// From this address.
    pub(in crate::driver) from: Ipv6Addr,
    pub(in crate::driver) message: Message,
}

impl Port {
    /// # Errors
    /// `EPERM` without the capability, `EAFNOSUPPORT` without IPv6.
    pub(in crate::driver) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW.nonblocking().cloexec(), Some(Protocol::ICMPV6))?;
        sys::receive_only(&socket, &[SOLICITATION, ADVERTISEMENT])?;
        socket.set_recv_hoplimit_v6(true)?;
        socket.set_multicast_hops_v6(255)?;
        socket.set_multicast_loop_v6(false)?;
        Ok(Self { socket: sys::register(socket, Interest::READABLE)? })
    }

    /// Takes solicitations of an interface from now on. Advertisements are sent to all nodes, of which this is one.
    pub(in crate::driver) fn join(&self, index: u32) -> io::Result<()> {
        match self.socket.get_ref().join_multicast_v6(&ALL_ROUTERS, index) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Ok(()),
            result => result,
        }
    }

    pub(in crate::driver) fn send(&self, action: &Action) -> io::Result<()> {
        let destination = SocketAddrV6::new(action.message.destination(), 0, 0, action.index);
        self.socket.get_ref().send_to(&action.message.encode(), &destination.into()).map(drop)
    }

    /// Waits for messages; the valid ones of those that had come.
    pub(in crate::driver) async fn receive(&self) -> io::Result<Vec<Arrived>> {
        let mut ready = self.socket.readable().await?;
        let mut arrived = Vec::new();
        let mut buffer = [0; BUFFER];
        for _ in 0..BATCH {
            match sys::receive_icmp(self.socket.get_ref(), &mut buffer) {
                Ok((length, from, hop_limit)) => {
                    let octets = buffer.get(..length).unwrap_or_default();
                    if let Some(message) = Message::decode(octets, &from, hop_limit) {
                        arrived.push(Arrived { index: from.scope_id(), from: *from.ip(), message });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(arrived)
    }
}
