//! The secret that all speakers of a cluster share.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::seal::crypto;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The group key: 32 random bytes, the same on every node. Never printed, neither whole nor in part.
#[derive(Clone)]
pub struct Key([u8; Key::LEN]);

/// Why a text is not a key. Says nothing about what the text contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text holds nothing but white space.
    #[error("the key is empty; expected base64 of 32 bytes, for example from `head -c 32 /dev/urandom | base64`")]
    Empty,
    /// The text is not base64 in the standard alphabet (RFC 4648 section 4).
    #[error("the key is not base64; expected base64 of 32 bytes, for example from `head -c 32 /dev/urandom | base64`")]
    NotBase64,
    /// The decoded key has another length.
    #[error(
        "the key has {found} bytes after base64 decoding; expected 32, for example from `head -c 32 /dev/urandom | base64`"
    )]
    Length {
        /// Length in bytes that was found.
        found: usize,
    },
    /// A secret to stretch is too short to be safe against guessing.
    #[error("the secret has {found} bytes; at least {} are needed", Key::MIN_SECRET_LEN)]
    SecretTooShort {
        /// Length in bytes that was found.
        found: usize,
    },
}

// === impl Key ===

impl Key {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Shortest secret that [`Key::stretch`] takes, in bytes.
    pub const MIN_SECRET_LEN: usize = 16;

    /// Takes raw key bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Parses the content of a key file: base64 of 32 bytes, padding optional, white space around it ignored.
    ///
    /// # Errors
    /// When the text is empty, not base64 or of another length.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let Ok(bytes) = BASE64.decode(text) else { return Err(KeyError::NotBase64) };
        let found = bytes.len();
        <[u8; Self::LEN]>::try_from(bytes).map(Self).or(Err(KeyError::Length { found }))
    }

    /// Derives a key from a random secret of another form or length by HKDF-SHA256 (RFC 5869), for example from the
    /// memberlist secret that a `MetalLB` installation left behind.
    ///
    /// The secret must be random: HKDF does not slow down guessing.
    ///
    /// # Errors
    /// When the secret is shorter than [`Key::MIN_SECRET_LEN`].
    pub fn stretch(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < Self::MIN_SECRET_LEN {
            return Err(KeyError::SecretTooShort { found: secret.len() });
        }
        Ok(Self(crypto::derive(secret, b"", &[b"ferrolb-gossip/1 stretched key"])))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_key_file_with_or_without_padding_and_newline_is_read() {
        for text in [TEXT.to_owned(), format!("{TEXT}\n"), format!("  {}\r\n", TEXT.trim_end_matches('='))] {
            let key = Key::from_base64(&text).unwrap();
            assert_eq!(key.as_bytes()[..3], [0, 1, 2]);
            assert_eq!(key.as_bytes()[31], 31);
        }
    }

    #[test]
    fn errors_and_debug_show_nothing_of_the_text() {
        assert_eq!(Key::from_base64(" \n").unwrap_err(), KeyError::Empty);
        assert_eq!(Key::from_base64("hunter2!").unwrap_err(), KeyError::NotBase64);
        assert_eq!(Key::from_base64("aHVudGVyMg==").unwrap_err(), KeyError::Length { found: 7 });
        assert!(!Key::from_base64("hunter2!").unwrap_err().to_string().contains("hunter"));
        let key = Key::from_base64(TEXT).unwrap();
        assert_eq!(format!("{key:?}"), "Key(redacted)");
    }

    #[test]
    fn stretching_is_deterministic_and_refuses_short_secrets() {
        let long = [7_u8; 128];
        assert_eq!(Key::stretch(&long).unwrap().as_bytes(), Key::stretch(&long).unwrap().as_bytes());
        assert_ne!(Key::stretch(&long).unwrap().as_bytes(), Key::stretch(&[8; 128]).unwrap().as_bytes());
        assert_eq!(Key::stretch(b"short").unwrap_err(), KeyError::SecretTooShort { found: 5 });
    }
}
