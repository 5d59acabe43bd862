//! Several group keys at a time, so that they can be replaced without losing a member.

use std::fmt;

use crate::key::{Key, KeyError};

/// The group keys that a node has: it seals with the first and opens with all of them.
///
/// To replace a key without restarting anything, bring the nodes through three states, each of which must have reached
/// all nodes before the next begins: old; old, new; new, old; new.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

/// Why a text is not a key ring. Says nothing about what the text contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// There is no key in it.
    #[error("there is no key; expected base64 of 32 bytes, for example from `head -c 32 /dev/urandom | base64`")]
    Empty,
    /// There are more than [`KeyRing::MAX`] keys in it.
    #[error("there are more than {} keys", KeyRing::MAX)]
    TooMany,
    /// A line holds something else than a key.
    #[error("line {line}")]
    Line {
        /// Which one, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
}

// === impl KeyRing ===

impl KeyRing {
    /// Most keys in a ring.
    pub const MAX: usize = 8;

    /// A ring of these keys, the first of which seals.
    ///
    /// # Errors
    /// When there are none or more than [`KeyRing::MAX`].
    pub fn new(keys: Vec<Key>) -> Result<Self, KeyRingError> {
        match keys.len() {
            0 => Err(KeyRingError::Empty),
            1..=Self::MAX => Ok(Self { keys }),
            _ => Err(KeyRingError::TooMany),
        }
    }

    /// Parses the content of a key file: base64 of 32 bytes a line. Empty lines and those that begin with `#` are
    /// ignored.
    ///
    /// # Errors
    /// When a line holds something else, or there are no keys or too many.
    pub fn from_lines(text: &str) -> Result<Self, KeyRingError> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line_of_key = line.trim();
            if line_of_key.is_empty() || line_of_key.starts_with('#') {
                continue;
            }
            keys.push(Key::from_base64(line).map_err(|source| KeyRingError::Line { line: number, source })?);
        }
        Self::new(keys)
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "a ring is never empty")]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys, first the one that seals.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }
}

impl From<Key> for KeyRing {
    fn from(key: Key) -> Self {
        Self { keys: vec![key] }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, redacted)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const TWO: &str = "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_key_file_has_one_key_a_line_and_the_first_seals() {
        let ring = KeyRing::from_lines(&format!("# since May\n{TWO}\n\n  {ONE}\r\n")).unwrap();
        let first: Vec<u8> = ring.iter().map(|key| key.as_bytes()[0]).collect();
        assert_eq!(first, [0xff, 0]);
        assert_eq!(format!("{ring:?}"), "KeyRing(2 keys, redacted)");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        assert_eq!(KeyRing::from_lines("\n# none\n").unwrap_err(), KeyRingError::Empty);
        let error = KeyRing::from_lines(&format!("{ONE}\nhunter2!\n")).unwrap_err();
        assert_eq!(error, KeyRingError::Line { line: 2, source: KeyError::NotBase64 });
        assert_eq!(KeyRing::from_lines(&format!("{ONE}\n").repeat(9)).unwrap_err(), KeyRingError::TooMany);
    }
}
