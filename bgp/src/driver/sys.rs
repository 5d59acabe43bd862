//! What no safe interface covers: keys of TCP MD5 signatures, the lowest TTL that is accepted, the ICMPv6 filter, received hop
//! limits, and the interfaces of this network namespace.
#![expect(unsafe_code, reason = "these options and queries have no safe interface")]

use std::ffi::{CStr, CString};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use ipnet::IpNet;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `TCP_MD5SIG_MAXKEYLEN` of `linux/tcp.h`: octets of a key.
pub(super) const LONGEST_KEY: usize = 80;

/// `IPV6_MINHOPCOUNT` of `linux/in6.h`.
const IPV6_MINHOPCOUNT: libc::c_int = 73;

/// Set on `tcpm_flags` when a prefix length is given.
const PREFIX_FLAG: u8 = 1;

/// `struct tcp_md5sig` of `linux/tcp.h`, 216 octets.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: libc::c_int,
    key: [u8; LONGEST_KEY],
}

const _: () = assert!(size_of::<TcpMd5Sig>() == 216, "as the kernel reads it");

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InterfaceAddress {
    pub(super) address: IpAddr,
    /// Index of its interface; 0 if that vanished meanwhile.
    pub(super) index: u32,
}

fn set<T>(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default();
    // SAFETY: the descriptor is open while `socket` lives, and the kernel reads no more than the `length` octets of `value`.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has segments to and from the addresses of `peers` carry signatures with `key` (RFC 2385), in place of the key set before;
/// without a key they carry none any more. On a listener that is also the key of connections accepted later; those that were
/// accepted keep theirs. `socket` may be of IPv6 and the peers of IPv4.
///
/// # Errors
/// `ENOENT` when there is no key to take away, `EINVAL` for one that is too long, `ENOPROTOOPT` from a kernel without.
pub(super) fn set_md5_key<S: AsFd + AsRawFd>(socket: &S, peers: IpNet, key: Option<&[u8]>) -> io::Result<()> {
    let key_octets = key.unwrap_or_default();
    let ipv6 = SockRef::from(socket).domain()? == Domain::IPV6;
    let mut value = TcpMd5Sig {
        address: sockaddr(match peers.addr() {
            IpAddr::V4(address) if ipv6 => IpAddr::V6(address.to_ipv6_mapped()),
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address,
        }),
        flags: PREFIX_FLAG,
        prefix_length: peers.prefix_len(),
        key_length: u16::try_from(key_octets.len()).map_err(|_too_long| io::Error::from_raw_os_error(libc::EINVAL))?,
        interface: 0,
        key: [0; LONGEST_KEY],
    };
    let place = value.key.get_mut(..key_octets.len()).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    place.copy_from_slice(key_octets);
    // One address is told without its length, which kernels before 4.13 know, too.
    if peers.prefix_len() == peers.max_prefix_len() {
        value.flags = 0;
        value.prefix_length = 0;
        return set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &value);
    }
    set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG_EXT, &value)
}

fn sockaddr(address: IpAddr) -> libc::sockaddr_storage {
    let address = SockAddr::from(std::net::SocketAddr::new(address, 0));
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_storage is what the storage is, and valid for any octets.
    let whole = unsafe { storage.view_as::<libc::sockaddr_storage>() };
    // SAFETY: `address` names at most as many octets as a sockaddr_storage has, and the two do not overlap.
    unsafe {
        ptr::copy_nonoverlapping(
            address.as_ptr().cast::<u8>(),
            ptr::from_mut(whole).cast::<u8>(),
            usize::try_from(address.len()).unwrap_or_default().min(size_of::<libc::sockaddr_storage>()),
        );
    }
    *whole
}

/// Has the kernel drop packets of this connection whose TTL is lower (RFC 5082 section 3); 0 takes all. For IPv4, on a socket of
/// either version.
pub(super) fn set_lowest_ttl_v4(socket: &impl AsRawFd, ttl: u8) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &libc::c_int::from(ttl))
}

/// The same for the hop limit of IPv6.
pub(super) fn set_lowest_hop_limit(socket: &impl AsRawFd, limit: u8) -> io::Result<()> {
    set(socket, libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT, &libc::c_int::from(limit))
}

/// Has `socket` (raw ICMPv6) receive only these types (RFC 3542 section 3.2).
pub(super) fn receive_only(socket: &Socket, types: &[u8]) -> io::Result<()> {
    const ICMP6_FILTER: libc::c_int = 1;
    let mut blocked = [u32::MAX; 8];
    for kind in types {
        if let Some(word) = blocked.get_mut(usize::from(kind >> 5)) {
            *word &= !(1 << (kind & 31));
        }
    }
    set(socket, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &blocked)
}

/// Reads one packet of ICMPv6 into `buffer`: its length, its sender and its hop limit.
pub(super) fn receive_icmp(socket: &Socket, buffer: &mut [u8]) -> io::Result<(usize, std::net::SocketAddrV6, u8)> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_in6 is smaller than the storage and valid for any octets.
    let from = unsafe { storage.view_as::<libc::sockaddr_in6>() };
    let mut control = [0_u64; 8]; // aligned as a cmsghdr wants to be
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a msghdr is a C struct of integers and pointers, for which all zeros are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = ptr::from_mut(from).cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_in6>()).unwrap_or_default();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: every pointer of `message` names memory that lives and is as large as said.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let length = usize::try_from(received).map_err(|_negative| io::Error::last_os_error())?;
    let sender = std::net::SocketAddrV6::new(Ipv6Addr::from(from.sin6_addr.s6_addr), 0, 0, from.sin6_scope_id);
    Ok((length, sender, hop_limit(&message).unwrap_or_default()))
}

fn hop_limit(message: &libc::msghdr) -> Option<u8> {
    // SAFETY: `message` was filled in by recvmsg, its control buffer still lives.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: not null, so it names a cmsghdr inside the control buffer.
        let told = unsafe { header.read() };
        if told.cmsg_level == libc::IPPROTO_IPV6 && told.cmsg_type == libc::IPV6_HOPLIMIT {
            // SAFETY: the data of a cmsghdr follows it.
            let data = unsafe { libc::CMSG_DATA(header) };
            // SAFETY: the kernel writes an int for this type; it need not be aligned.
            let value = unsafe { data.cast::<libc::c_int>().read_unaligned() };
            return u8::try_from(value).ok();
        }
        // SAFETY: as for the first one.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// Registers `socket`, which must be in nonblocking mode, with the event loop of the current thread.
pub(super) fn register(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a socket owns its descriptor and names the same one until it is dropped; nothing takes it out of the `AsyncFd`
    // or replaces it.
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(|refused| refused.into_parts().1)
}

/// A socket that becomes readable when links or addresses change; what it says need not be read, only taken off
/// (`rtnetlink(7)`).
pub(super) fn link_changes() -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW.nonblocking().cloexec(),
        Some(Protocol::from(libc::NETLINK_ROUTE)),
    )?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_nl is smaller than the storage and valid for any octets.
    let address = unsafe { storage.view_as::<libc::sockaddr_nl>() };
    address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
    let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
    address.nl_groups = u32::try_from(groups).unwrap_or_default();
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or_default();
    // SAFETY: the first `length` octets of the storage are the sockaddr_nl just written.
    let address = unsafe { SockAddr::new(storage, length) };
    socket.bind(&address)?;
    Ok(socket)
}

/// Index of the interface of this name, if there is one.
pub(super) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` ends with a zero and lives during the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The addresses of all interfaces that are up.
pub(super) fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut first = ptr::null_mut();
    // SAFETY: writes the head of a list that is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: not null, so it names an element of the list, which is not freed before the end of this function.
        let element = unsafe { &*next };
        next = element.ifa_next;
        let up = element.ifa_flags & libc::c_uint::try_from(libc::IFF_UP).unwrap_or_default() != 0;
        if let Some(address) = address_of(element).filter(|_| up) {
            // SAFETY: the name of an element is a string that ends with a zero.
            let name = unsafe { CStr::from_ptr(element.ifa_name) };
            let index = name.to_str().ok().and_then(interface_index).unwrap_or_default();
            found.push(InterfaceAddress { address, index });
        }
    }
    // SAFETY: the list came from getifaddrs, and nothing names its elements any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

fn address_of(element: &libc::ifaddrs) -> Option<IpAddr> {
    if element.ifa_addr.is_null() {
        return None;
    }
    // SAFETY: not null, so it names a sockaddr; the family says which one.
    let family = unsafe { (*element.ifa_addr).sa_family };
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: of this family it is a sockaddr_in, which need not be aligned.
            let address = unsafe { element.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::from(u32::from_be(address.sin_addr.s_addr).to_be_bytes()))
        }
        libc::AF_INET6 => {
            // SAFETY: of this family it is a sockaddr_in6, which need not be aligned.
            let address = unsafe { element.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::from(address.sin6_addr.s6_addr))
        }
        _ => None,
    }
}
