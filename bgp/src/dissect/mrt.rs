//! Recordings of sessions in MRT files (RFC 6396, RFC 8050), read back message by message.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bgpkit_parser::models::EntryType;
use bgpkit_parser::parser::mrt::{RawMrtRecord, chunk_mrt_record};
use bgpkit_parser::parser::{ParserError, ParserErrorWithBytes};
use thiserror::Error;

use crate::wire::cursor::Cursor;

/// A message of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it went over the wire, to the second or the microsecond.
    pub at: SystemTime,
    /// AS of the peer.
    pub peer_as: u32,
    /// AS of whoever recorded.
    pub local_as: u32,
    /// Address of the peer.
    pub peer: IpAddr,
    /// Address of whoever recorded.
    pub local: IpAddr,
    /// It went to the peer; otherwise it came from there.
    pub sent: bool,
    /// AS numbers in it have four octets.
    pub four_octet_as: bool,
    /// NLRI in it carry path identifiers.
    pub add_path: bool,
    /// The message with its header, as it was.
    pub message: Vec<u8>,
}

/// The records of a file. Those that are no messages (tables, changes of state) are passed over.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    done: bool,
}

/// A file that is not what RFC 6396 says. Nothing can be read behind it.
#[derive(Debug, Error)]
pub enum MrtError {
    /// There is no record where one should be.
    #[error("MRT: {0}")]
    Record(#[from] ParserErrorWithBytes),
    /// A record ends before the message in it begins.
    #[error("MRT: a record of {octets} octets is too short for a message")]
    Short {
        /// How long it is.
        octets: usize,
    },
}

// === impl Records ===

impl<R: Read> Records<R> {
    /// Reads from the beginning of a file.
    pub fn new(input: R) -> Self {
        Self { input, done: false }
    }

    fn step(&mut self) -> Result<Option<Record>, MrtError> {
        loop {
            let raw = match chunk_mrt_record(&mut self.input) {
                Ok(raw) => raw,
                Err(ParserErrorWithBytes { error: ParserError::EofExpected, .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            if let Some(kind) = Kind::of(&raw) {
                let octets = raw.message_bytes.len();
                return kind.read(&raw).map(Some).ok_or(MrtError::Short { octets });
            }
        }
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Record, MrtError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// What a subtype says of its message.
#[derive(Debug, Clone, Copy)]
struct Kind {
    four_octet_as: bool,
    sent: bool,
    add_path: bool,
}

// === impl Kind ===

impl Kind {
    /// RFC 6396 section 4.4, RFC 8050 section 4; `None` of what is no message.
    fn of(raw: &RawMrtRecord) -> Option<Self> {
        if !matches!(raw.common_header.entry_type, EntryType::BGP4MP | EntryType::BGP4MP_ET) {
            return None;
        }
        let (four_octet_as, sent, add_path) = match raw.common_header.entry_subtype {
            1 => (false, false, false),
            4 => (true, false, false),
            6 => (false, true, false),
            7 => (true, true, false),
            8 => (false, false, true),
            9 => (true, false, true),
            10 => (false, true, true),
            11 => (true, true, true),
            _ => return None,
        };
        Some(Self { four_octet_as, sent, add_path })
    }

    fn read(self, raw: &RawMrtRecord) -> Option<Record> {
        let header = &raw.common_header;
        let micros = Duration::from_micros(header.microsecond_timestamp.unwrap_or(0).into());
        let mut cursor = Cursor::new(&raw.message_bytes);
        let mut asn = || if self.four_octet_as { cursor.u32() } else { cursor.u16().map(u32::from) };
        let (peer_as, local_as) = (asn()?, asn()?);
        let (_interface, afi) = (cursor.u16()?, cursor.u16()?);
        let mut address = || match afi {
            1 => cursor.array::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
            2 => cursor.array::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
            _ => None,
        };
        let (peer, local) = (address()?, address()?);
        Some(Record {
            at: UNIX_EPOCH + Duration::from_secs(header.timestamp.into()) + micros,
            peer_as,
            local_as,
            peer,
            local,
            sent: self.sent,
            four_octet_as: self.four_octet_as,
            add_path: self.add_path,
            message: cursor.rest().to_vec(),
        })
    }
}
