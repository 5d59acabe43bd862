//! TCP connections of a peer: dialled, or accepted and then treated the same.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::sys;
use super::transport::{Password, Transport, host};

/// Class selector 6, internetwork control (RFC 4594 section 3.2), where routing protocols belong.
const CS6: u32 = 0xc0;

/// Dials `target` as `transport` wants it; resolves when the connection stands.
///
/// # Errors
/// Whatever the kernel says: among others `EADDRNOTAVAIL` for a source address or `ENODEV` for a device that is not there.
pub(super) async fn dial(
    transport: &Transport,
    target: SocketAddr,
    user_timeout: Option<Duration>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    if let Some(device) = &transport.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    prepare(&socket, transport, target.ip(), user_timeout)?;
    if let Some(password) = &transport.password {
        sys::set_md5_key(&socket, host(target.ip()), Some(password.octets()))?;
    }
    if let Some(source) = transport.source {
        socket.set_reuse_address(true)?;
        let scope = match target {
            SocketAddr::V6(target) if is_link_local(source) => target.scope_id(),
            SocketAddr::V4(_) | SocketAddr::V6(_) => 0,
        };
        socket.bind(&with_scope(source, 0, scope).into())?;
    }
    TcpSocket::from_std_stream(socket.into()).connect(target).await
}

/// Treats an accepted connection as one that was dialled. It is bound to the device and has the key of its listener.
pub(super) fn adopt(
    stream: &TcpStream,
    transport: &Transport,
    peer: IpAddr,
    user_timeout: Option<Duration>,
) -> io::Result<()> {
    prepare(&SockRef::from(stream), transport, peer, user_timeout)
}

/// Uses another key from now on, on a connection that has one. What is under way with the old one is sent again by TCP until the
/// peer has changed its own (RFC 4808 section 2.1).
pub(super) fn rekey(stream: &TcpStream, peer: IpAddr, password: &Password) -> io::Result<()> {
    sys::set_md5_key(stream, host(peer), Some(password.octets()))
}

/// How long what was sent may stay without an answer; 0 would be the kernel's time of many minutes.
pub(super) fn set_user_timeout(stream: &TcpStream, timeout: Option<Duration>) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(timeout)
}

/// Sets or takes away the key for `peers` on a listener.
pub(super) fn set_listener_key(socket: &TcpListener, peers: IpNet, password: Option<&Password>) -> io::Result<()> {
    sys::set_md5_key(socket, peers, password.map(Password::octets))
}

fn prepare(socket: &Socket, transport: &Transport, peer: IpAddr, user_timeout: Option<Duration>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(user_timeout)?;
    let (sent, lowest) = (transport.ttl.sent(), transport.ttl.lowest());
    // A connection of IPv4 that was accepted by a listener of both takes the options of IPv4, too.
    match peer {
        IpAddr::V4(_) => {
            socket.set_tos_v4(CS6)?;
            socket.set_ttl_v4(sent.into())?;
            sys::set_lowest_ttl_v4(socket, lowest)
        }
        IpAddr::V6(_) => {
            socket.set_tclass_v6(CS6)?;
            socket.set_unicast_hops_v6(sent.into())?;
            sys::set_lowest_hop_limit(socket, lowest)
        }
    }
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

pub(super) fn with_scope(address: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, port),
        IpAddr::V6(address) => std::net::SocketAddrV6::new(address, port, 0, scope).into(),
    }
}

/// A socket that listens for both versions of IP where there are both, on the interface of `device` alone where one is given.
pub(super) fn listen(port: u16, device: Option<&str>) -> io::Result<Socket> {
    let bind = |domain, address: IpAddr| -> io::Result<Socket> {
        let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
            socket.set_unicast_hops_v6(255)?;
            socket.set_tclass_v6(CS6)?;
        }
        // A peer with GTSM takes the answer to its SYN only with the highest TTL; the connection gets its own later.
        socket.set_ttl_v4(255)?;
        socket.set_tos_v4(CS6)?;
        if let Some(device) = device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        socket.bind(&SocketAddr::new(address, port).into())?;
        socket.listen(128)?;
        Ok(socket)
    };
    match bind(Domain::IPV6, IpAddr::from([0_u16; 8])) {
        // No IPv6 in this kernel, or switched off.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
            bind(Domain::IPV4, IpAddr::from([0_u8; 4]))
        }
        result => result,
    }
}
