//! A port on loopback that nobody else gets, for a program that wants a number on its command line.
//!
//! To look for a free port and then name it is a race: between the two, anybody may take it. Here the port stays bound,
//! by a socket that does not listen, for as long as it is needed; `SO_REUSEPORT` (socket(7)) lets the program, run by
//! the same user, bind it as well. Connections go to whoever listens; while nobody does, they are refused.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port that is held.
#[derive(Debug)]
pub(super) struct HeldPort {
    address: SocketAddr,
    _socket: Socket,
}

// === impl HeldPort ===

impl HeldPort {
    /// Takes a free port of `ip`.
    pub(super) fn take(ip: IpAddr) -> io::Result<Self> {
        let free = SocketAddr::new(ip, 0);
        let socket = Socket::new(Domain::for_address(free), Type::STREAM, None)?;
        socket.set_reuse_port(true)?;
        socket.bind(&free.into())?;
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("the kernel named no port"))?;
        Ok(Self { address, _socket: socket })
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_held_port_is_refused_to_strangers_and_to_clients() {
        let held = HeldPort::take(Ipv4Addr::LOCALHOST.into()).unwrap();
        let stranger = TcpListener::bind(held.address()).unwrap_err();
        assert_eq!(stranger.kind(), io::ErrorKind::AddrInUse);
        let client = TcpStream::connect(held.address()).unwrap_err();
        assert_eq!(client.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn two_held_ports_are_two() {
        let first = HeldPort::take(Ipv4Addr::LOCALHOST.into()).unwrap();
        let second = HeldPort::take(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_ne!(first.address(), second.address());
    }
}
