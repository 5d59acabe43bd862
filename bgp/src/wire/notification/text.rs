//! A NOTIFICATION as text: names of the registry, and what the people of the other side have to say (RFC 9003).

use std::fmt::{self, Write};

use super::codes::subcode_name;
use super::{Notification, cease, code};

/// What comes with an Administrative Shutdown or Reset for people to read. Displayed on one line, whatever is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Communication<'a> {
    /// Text.
    Text(&'a str),
    /// Octets that are not what RFC 9003 section 2 says: no UTF-8, or fewer than they claim.
    Malformed(&'a [u8]),
}

// === impl Communication ===

impl fmt::Display for Communication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Nothing of a stranger moves a terminal's cursor or begins a line of a log.
            Self::Text(text) => text
                .chars()
                .try_for_each(|c| f.write_char(if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })),
            Self::Malformed(octets) => {
                f.write_str("0x")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

// === impl Notification ===

impl Notification {
    /// The shutdown communication (RFC 9003); that of a Hard Reset is in its [`Self::inner`]. `None` if nothing is said.
    pub fn communication(&self) -> Option<Communication<'_>> {
        if self.code != code::CEASE || !matches!(self.subcode, cease::SHUTDOWN | cease::RESET) {
            return None;
        }
        let (length, text) = self.data.split_first()?;
        if *length == 0 {
            return None;
        }
        let right = text.get(..usize::from(*length)).and_then(|text| std::str::from_utf8(text).ok());
        Some(right.map_or(Communication::Malformed(&self.data), Communication::Text))
    }
}

impl fmt::Display for Notification {
    /// Such as `6/2 (Administrative Shutdown), "going home"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = subcode_name(self.code, self.subcode).or_else(|| code::name(self.code)).unwrap_or("unknown");
        write!(f, "{}/{} ({name})", self.code, self.subcode)?;
        // One within another is as deep as anybody goes.
        if let Some(inner) = self.inner() {
            if inner.is_hard_reset() {
                return Ok(());
            }
            return write!(f, ": {inner}");
        }
        match self.communication() {
            Some(communication) => write!(f, ", \"{communication}\""),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Notification {}
