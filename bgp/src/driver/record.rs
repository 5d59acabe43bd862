//! Messages of a session as they went over the wire, and their form in MRT files (RFC 6396, RFC 8050).

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut as _, Bytes};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it was read, or given to the socket.
    pub at: SystemTime,
    /// Which way it went.
    pub direction: Direction,
    /// The own end of its connection.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Own AS number.
    pub local_asn: u32,
    /// The peer's AS number; 0 as long as it is not known.
    pub remote_asn: u32,
    /// AS numbers in it have four octets.
    pub four_octet_as: bool,
    /// NLRI in it carry path identifiers.
    pub add_path: bool,
    /// The message with its header.
    pub message: Bytes,
    /// How many were left out since the one before because nobody took them.
    pub missed: u64,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the peer.
    Sent,
    /// From the peer.
    Received,
}

/// BGP4MP_ET: BGP messages with microseconds (RFC 6396 section 4.4 and 3).
const BGP4MP_ET: u16 = 17;

// === impl Recorded ===

impl Recorded {
    /// Appends it as a record of an MRT file.
    pub fn to_mrt(&self, out: &mut Vec<u8>) {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut body = Vec::with_capacity(self.message.len().saturating_add(48));
        body.put_u32(since.subsec_micros());
        if self.four_octet_as {
            body.put_u32(self.remote_asn);
            body.put_u32(self.local_asn);
        } else {
            // AS_TRANS (RFC 6793) stands for what has no room.
            let short = |asn: u32| u16::try_from(asn).unwrap_or(23456);
            body.put_u16(short(self.remote_asn));
            body.put_u16(short(self.local_asn));
        }
        body.put_u16(0); // interface index
        let (remote, local) = (self.remote.ip().to_canonical(), self.local.ip().to_canonical());
        body.put_u16(if remote.is_ipv4() { 1 } else { 2 });
        for address in [remote, local] {
            match address {
                IpAddr::V4(address) => body.put_slice(&address.octets()),
                IpAddr::V6(address) => body.put_slice(&address.octets()),
            }
        }
        body.put_slice(&self.message);
        out.put_u32(u32::try_from(since.as_secs()).unwrap_or(u32::MAX));
        out.put_u16(BGP4MP_ET);
        out.put_u16(self.subtype());
        out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(&body);
    }

    /// RFC 6396 section 4.4, RFC 8050 section 3.
    const fn subtype(&self) -> u16 {
        match (self.direction, self.four_octet_as, self.add_path) {
            (Direction::Received, false, false) => 1,
            (Direction::Received, true, false) => 4,
            (Direction::Sent, false, false) => 6,
            (Direction::Sent, true, false) => 7,
            (Direction::Received, false, true) => 8,
            (Direction::Received, true, true) => 9,
            (Direction::Sent, false, true) => 10,
            (Direction::Sent, true, true) => 11,
        }
    }
}

#[cfg(all(test, feature = "dissect"))]
mod tests {
    use bgpkit_parser::models::{Bgp4MpEnum, MrtMessage};
    use std::time::Duration;

    use super::*;

    #[test]
    fn another_program_reads_the_record() {
        let mut message = vec![0xff; 16];
        message.extend_from_slice(&[0, 19, 4]);
        for (local, remote) in [("192.0.2.1:179", "192.0.2.2:40000"), ("[2001:db8::1]:179", "[2001:db8::2]:40000")] {
            for direction in [Direction::Sent, Direction::Received] {
                let recorded = Recorded {
                    at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_042),
                    direction,
                    local: local.parse().unwrap(),
                    remote: remote.parse().unwrap(),
                    local_asn: 4_200_000_001,
                    remote_asn: 65_000,
                    four_octet_as: true,
                    add_path: false,
                    message: message.clone().into(),
                    missed: 0,
                };
                let mut octets = Vec::new();
                recorded.to_mrt(&mut octets);
                let record = bgpkit_parser::parser::mrt::mrt_record::parse_mrt_record(&mut octets.as_slice()).unwrap();
                assert_eq!(record.common_header.timestamp, 1_700_000_000);
                assert_eq!(record.common_header.microsecond_timestamp, Some(42));
                let MrtMessage::Bgp4Mp(Bgp4MpEnum::Message(read)) = record.message else { panic!("{record:?}") };
                assert_eq!(read.peer_ip, recorded.remote.ip());
                assert_eq!(read.local_ip, recorded.local.ip());
                assert_eq!((read.peer_asn.to_u32(), read.local_asn.to_u32()), (65_000, 4_200_000_001));
            }
        }
    }
}
