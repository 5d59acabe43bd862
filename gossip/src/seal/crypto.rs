//! The cryptographic primitives; the only place that knows which crate they come from.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hmac};

/// Length of the authentication tag in bytes.
pub(crate) const TAG_LEN: usize = 16;

/// Length of the nonce in bytes (RFC 5116 section 5.2: the recommended 96 bits).
pub(crate) const NONCE_LEN: usize = 12;

/// AES-256-GCM under the key of one session.
pub(crate) struct SessionKey(LessSafeKey);

/// SHA-256 of the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// HMAC-SHA256 (RFC 2104) of the parts, one after the other.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// HKDF-SHA256 (RFC 5869) with an output of 32 bytes, which is a single block: `T(1) = HMAC(PRK, info | 0x01)`.
pub(crate) fn derive(secret: &[u8], salt: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let prk = mac(salt, &[secret]);
    let mut parts = Vec::with_capacity(info.len().saturating_add(1));
    parts.extend_from_slice(info);
    parts.push(&[1]);
    mac(&prk, &parts)
}

// === impl SessionKey ===

impl SessionKey {
    #[expect(clippy::expect_used, reason = "AES-256-GCM takes any key of 32 bytes")]
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key")))
    }

    /// Encrypts what follows the first `skip` bytes of `buffer` in place and appends the tag. `false` when the text is
    /// too long for the algorithm.
    pub(crate) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>, skip: usize) -> bool {
        let Some(text) = buffer.get_mut(skip..) else { return false };
        let nonce = Nonce::assume_unique_for_key(nonce);
        match self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), text) {
            Ok(tag) => {
                buffer.extend_from_slice(tag.as_ref());
                true
            }
            Err(ring::error::Unspecified) => false,
        }
    }

    /// Decrypts ciphertext and tag; `None` when they are not authentic.
    pub(crate) fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivation_agrees_with_rfc_5869_test_case_1() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let okm = derive(&[0x0b; 22], &salt, &[&info[..4], &info[4..]]);
        assert_eq!(okm[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
        assert_eq!(okm[28..], [0xec, 0xc4, 0xc5, 0xbf]);
    }

    #[test]
    fn sha256_agrees_with_fips_180_4() {
        assert_eq!(sha256(&[b"a", b"bc"])[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = SessionKey::new(&[1; 32]);
        let mut sealed = b"headtext".to_vec();
        assert!(key.seal([0; 12], b"aad", &mut sealed, 4));
        assert_eq!(sealed.len(), 8 + TAG_LEN);
        let body = sealed.split_off(4);
        assert_eq!(key.open([0; 12], b"aad", body.clone()).as_deref(), Some(b"text".as_slice()));
        assert_eq!(key.open([0; 12], b"other", body.clone()), None);
        assert_eq!(key.open([1; 12], b"aad", body.clone()), None);
        assert_eq!(SessionKey::new(&[2; 32]).open([0; 12], b"aad", body), None);
    }
}
