//! What no safe interface covers: binding a packet socket to one interface and protocol.
#![expect(unsafe_code, reason = "struct sockaddr_ll has no safe constructor")]

use std::io;

use socket2::{SockAddr, SockAddrStorage, Socket};

/// Binds `socket` (`AF_PACKET`) to `protocol` (an ethertype, host byte order) on the interface of `index`. See `packet(7)`.
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
