//! What no safe interface covers: packet sockets bound to one interface and protocol, their groups, registering a socket
//! with the event loop, and the clock that goes on while the machine sleeps.
#![expect(
    unsafe_code,
    reason = "packet sockets and CLOCK_BOOTTIME have no safe interface, AsyncFd trusts what it gets"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use pnet_base::MacAddr;
use socket2::{SockAddr, SockAddrStorage, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Binds `socket` (`AF_PACKET`) to `protocol` (an ethertype, host byte order) on the interface of `index`: from now on it
/// receives what its filter lets through. See `packet(7)`.
pub(super) fn bind(socket: &Socket, protocol: u16, index: u32) -> io::Result<()> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a sockaddr type of this platform, smaller than the storage, and valid for any bytes.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = kernel_index(index)?;
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default();
    // SAFETY: the first `len` bytes of the storage are the sockaddr_ll just written.
    let address = unsafe { SockAddr::new(storage, len) };
    socket.bind(&address)
}

/// Has the network card of interface `index` receive the group `mac`, while `socket` (`AF_PACKET`) is open or until it is
/// told otherwise. See `packet(7)`.
pub(super) fn receive_group(socket: &Socket, index: u32, mac: MacAddr, member: bool) -> io::Result<()> {
    let mut mr_address = [0; 8];
    for (place, octet) in mr_address.iter_mut().zip(mac.octets()) {
        *place = octet;
    }
    let request = libc::packet_mreq {
        mr_ifindex: kernel_index(index)?,
        mr_type: libc::c_ushort::try_from(libc::PACKET_MR_MULTICAST).unwrap_or_default(),
        mr_alen: 6,
        mr_address,
    };
    let option = if member { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP };
    let len = libc::socklen_t::try_from(size_of::<libc::packet_mreq>()).unwrap_or_default();
    // SAFETY: the descriptor is open while `socket` lives, and the value is a packet_mreq of `len` bytes.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, std::ptr::from_ref(&request).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Registers `file` with the event loop of the current thread. It must be in nonblocking mode.
pub(super) fn register<T: Into<OwnedFd> + AsRawFd>(file: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: sockets and files own their descriptor, which is what `Into<OwnedFd>` stands for, and name the same one
    // until they are dropped; nothing here takes them out of the `AsyncFd` or replaces them.
    let registered = unsafe { AsyncFd::register_with_interest(file, interest) };
    registered.map_err(|refused| refused.into_parts().1)
}

/// A timer that is not set, in nonblocking mode.
pub(super) fn timer() -> io::Result<File> {
    // SAFETY: makes a descriptor from two numbers.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and is nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Has `timer` expire once after `delay`, never without; forgets what it was set to before.
pub(super) fn set_timer(timer: &File, delay: Option<Duration>) -> io::Result<()> {
    // Zero would mean never.
    let delay = delay.map_or(Duration::ZERO, |delay| delay.max(Duration::from_nanos(1)));
    let once = libc::itimerspec {
        it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: libc::timespec {
            tv_sec: delay.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: delay.subsec_nanos().cast_signed().into(),
        },
    };
    // SAFETY: the descriptor is open while `timer` lives, the value is an itimerspec, and the old one is not asked for.
    let result = unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const once, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The time since the machine was started, that which it slept included (`CLOCK_BOOTTIME`, `clock_gettime(2)`).
pub(super) fn since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to write to; the clock exists since Linux 2.6.39, and on failure `time` stays zero.
    let _zero_since_the_clock_exists = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

fn kernel_index(index: u32) -> io::Result<libc::c_int> {
    libc::c_int::try_from(index).map_err(|_out_of_range| io::Error::from_raw_os_error(libc::ENODEV))
}
