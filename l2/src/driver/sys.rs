//! What no safe interface covers: binding a packet socket to one interface and protocol, and registering a socket with
//! the event loop.
#![expect(unsafe_code, reason = "struct sockaddr_ll has no safe constructor, AsyncFd trusts what it is given")]

use std::io;

use socket2::{SockAddr, SockAddrStorage, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Binds `socket` (`AF_PACKET`) to `protocol` (an ethertype, host byte order) on the interface of `index`: from now on it
/// receives what its filter lets through. See `packet(7)`.
pub(super) fn bind(socket: &Socket, protocol: u16, index: u32) -> io::Result<()> {
    let index = libc::c_int::try_from(index).map_err(|_out_of_range| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a sockaddr type of this platform, smaller than the storage, and valid for any bytes.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index;
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default();
    // SAFETY: the first `len` bytes of the storage are the sockaddr_ll just written.
    let address = unsafe { SockAddr::new(storage, len) };
    socket.bind(&address)
}

/// Registers `socket` with the event loop of the current thread. It must be in nonblocking mode.
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: a `Socket` owns its descriptor and names the same one until it is dropped, and nothing here takes the
    // socket out of the `AsyncFd` or replaces it.
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(|refused| refused.into_parts().1)
}
