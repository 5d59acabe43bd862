//! The control packet (RFC 5880 section 4.1), without authentication.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

/// Bytes of a control packet without authentication.
pub const LEN: usize = 24;

/// Where control packets of a single hop go to (RFC 5881 section 4).
pub const SINGLE_HOP_PORT: u16 = 3784;

/// Where those of several hops go to (RFC 5883 section 5).
pub const MULTIHOP_PORT: u16 = 4784;

/// What is sent with, and what a packet of a single hop must arrive with (RFC 5881 section 5).
pub const TTL: u8 = 255;

/// The state of a session as one end sees it (RFC 5880 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Held down by a person or a program; says nothing about the path.
    AdminDown,
    /// No session, or the path has failed.
    Down,
    /// The other end is heard, and does not hear us yet.
    Init,
    /// Both ends hear each other.
    Up,
}

impl State {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why an end last left the state Up (RFC 5880 section 4.1, RFC 6428 for 9 and above).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Diagnostic {
    /// 0: nothing has happened.
    None,
    /// 1: no packet came for the detection time.
    DetectionTimeExpired,
    /// 2: the echo function failed.
    EchoFailed,
    /// 3: the neighbour said that the session is down.
    NeighborSignaledDown,
    /// 4: the forwarding plane was reset.
    ForwardingPlaneReset,
    /// 5: the path is down, as something else than BFD knows.
    PathDown,
    /// 6: a path behind this one is down.
    ConcatenatedPathDown,
    /// 7: held down by a person or a program.
    AdministrativelyDown,
    /// 8: a path in the other direction is down.
    ReverseConcatenatedPathDown,
    /// 9 to 31: of a later specification.
    Other(u8),
}

impl Diagnostic {
    /// That of a code; only the low five bits count.
    pub fn from_code(code: u8) -> Self {
        match code & 0x1f {
            0 => Self::None,
            1 => Self::DetectionTimeExpired,
            2 => Self::EchoFailed,
            3 => Self::NeighborSignaledDown,
            4 => Self::ForwardingPlaneReset,
            5 => Self::PathDown,
            6 => Self::ConcatenatedPathDown,
            7 => Self::AdministrativelyDown,
            8 => Self::ReverseConcatenatedPathDown,
            other => Self::Other(other),
        }
    }

    /// Its code, 0 to 31.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::DetectionTimeExpired => 1,
            Self::EchoFailed => 2,
            Self::NeighborSignaledDown => 3,
            Self::ForwardingPlaneReset => 4,
            Self::PathDown => 5,
            Self::ConcatenatedPathDown => 6,
            Self::AdministrativelyDown => 7,
            Self::ReverseConcatenatedPathDown => 8,
            Self::Other(code) => code & 0x1f,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no diagnostic",
            Self::DetectionTimeExpired => "control detection time expired",
            Self::EchoFailed => "echo function failed",
            Self::NeighborSignaledDown => "neighbor signaled session down",
            Self::ForwardingPlaneReset => "forwarding plane reset",
            Self::PathDown => "path down",
            Self::ConcatenatedPathDown => "concatenated path down",
            Self::AdministrativelyDown => "administratively down",
            Self::ReverseConcatenatedPathDown => "reverse concatenated path down",
            Self::Other(code) => return write!(f, "diagnostic {code}"),
        })
    }
}

/// A control packet. Intervals are in microseconds, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of the packet")]
pub struct Packet {
    /// Why the sender last left Up.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// P: asks for a packet with F.
    pub poll: bool,
    /// F: answers one with P.
    pub is_final: bool,
    /// C: the sender's BFD does not share the fate of its control plane (RFC 5882 section 4.3).
    pub control_plane_independent: bool,
    /// D: the sender asks for silence while both are Up.
    pub demand: bool,
    /// Packets in a row that may be lost. Never zero.
    pub detect_multiplier: u8,
    /// The sender's number for the session. Never zero.
    pub my_discriminator: u32,
    /// What the sender knows of the receiver's number; zero if nothing.
    pub your_discriminator: u32,
    /// The interval at which the sender would like to send.
    pub desired_min_tx: u32,
    /// The shortest interval at which the sender takes packets; zero: it wants none.
    pub required_min_rx: u32,
    /// The same for echo packets; zero: it does not loop them back.
    pub required_min_echo_rx: u32,
}

/// Why a packet is not one, or not one to look at (RFC 5880 section 6.8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Invalid {
    /// Fewer bytes than a packet has, or than it says it has.
    #[error("is shorter than a control packet")]
    Short,
    /// Not version 1.
    #[error("is of another version than 1")]
    Version,
    /// The length field is below 24.
    #[error("says that it is shorter than a control packet")]
    Length,
    /// The A bit: we have no key.
    #[error("carries authentication, which is not configured")]
    Authentication,
    /// The M bit, which must be zero.
    #[error("is multipoint")]
    Multipoint,
    /// Detection multiplier zero.
    #[error("has the detection multiplier 0")]
    Multiplier,
    /// My Discriminator zero.
    #[error("has no discriminator of its sender")]
    MyDiscriminator,
    /// Your Discriminator zero though the sender hears us.
    #[error("is in a state that needs the receiver's discriminator, and has none")]
    YourDiscriminator,
    /// P and F together, which must not be (RFC 5880 section 6.8.7).
    #[error("asks and answers at the same time")]
    PollAndFinal,
}

impl Packet {
    /// Reads the payload of a datagram. Bytes behind the length that the packet names are not looked at.
    ///
    /// # Errors
    /// The packet is to be discarded without a trace but a counter.
    pub fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let Some(&[first, flags, detect_multiplier, length, ref rest @ ..]) = bytes.first_chunk::<LEN>() else {
            return Err(Invalid::Short);
        };
        let word = |n: usize| {
            let word = rest.get(4 * n..).and_then(|rest| rest.first_chunk::<4>());
            word.map_or(0, |word| u32::from_be_bytes(*word))
        };
        if first >> 5 != 1 {
            return Err(Invalid::Version);
        }
        if usize::from(length) < LEN {
            return Err(Invalid::Length);
        }
        if usize::from(length) > bytes.len() {
            return Err(Invalid::Short);
        }
        let packet = Self {
            diagnostic: Diagnostic::from_code(first),
            state: State::from_bits(flags >> 6),
            poll: flags & 0x20 != 0,
            is_final: flags & 0x10 != 0,
            control_plane_independent: flags & 0x08 != 0,
            demand: flags & 0x02 != 0,
            detect_multiplier,
            my_discriminator: word(0),
            your_discriminator: word(1),
            desired_min_tx: word(2),
            required_min_rx: word(3),
            required_min_echo_rx: word(4),
        };
        if detect_multiplier == 0 {
            Err(Invalid::Multiplier)
        } else if flags & 0x01 != 0 {
            Err(Invalid::Multipoint)
        } else if packet.my_discriminator == 0 {
            Err(Invalid::MyDiscriminator)
        } else if packet.your_discriminator == 0 && matches!(packet.state, State::Init | State::Up) {
            Err(Invalid::YourDiscriminator)
        } else if flags & 0x04 != 0 {
            Err(Invalid::Authentication)
        } else if packet.poll && packet.is_final {
            Err(Invalid::PollAndFinal)
        } else {
            Ok(packet)
        }
    }

    /// The bytes to send.
    pub fn encode(&self) -> [u8; LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = self.state.bits() << 6
            | flag(self.poll, 0x20)
            | flag(self.is_final, 0x10)
            | flag(self.control_plane_independent, 0x08)
            | flag(self.demand, 0x02);
        let mut bytes = [0; LEN];
        let words = [
            u32::from_be_bytes([1 << 5 | self.diagnostic.code(), flags, self.detect_multiplier, 24]),
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx,
            self.required_min_rx,
            self.required_min_echo_rx,
        ];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}
