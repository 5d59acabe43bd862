//! Who a server is: its certificate chain and its private key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::sync::watch;

/// A certificate chain and the private key of its first certificate; cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// What is no certificate with its key.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Not PEM.
    #[error("the certificate is not PEM")]
    Certificate(#[source] pem::Error),
    /// PEM, but no certificate in it.
    #[error("there is no certificate in what should be one")]
    NoCertificate,
    /// Not PEM, or no key in it.
    #[error("the private key is not PEM")]
    Key(#[source] pem::Error),
    /// Of a kind that is not known, broken, or the key of another certificate.
    #[error("the private key cannot be used with the certificate")]
    Pair(#[source] rustls::Error),
    /// None can be made.
    #[error("a certificate cannot be made")]
    SelfSigned(#[source] rcgen::Error),
}

// === impl Identity ===

impl Identity {
    /// Reads a chain and a key (PKCS #8, PKCS #1 or SEC 1), both PEM.
    ///
    /// # Errors
    /// One of the two is unreadable, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(IdentityError::Certificate)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(IdentityError::Key)?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(IdentityError::Pair)?;
        Ok(Self(Arc::new(pair)))
    }

    /// A new certificate that nobody has signed, for `name`: whoever connects knows nothing but that nobody listens in.
    ///
    /// # Errors
    /// No certificate can carry that name, or there is no randomness.
    pub fn self_signed(name: &str) -> Result<Self, IdentityError> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).map_err(IdentityError::SelfSigned)?;
        Self::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes())
    }
}

impl PartialEq for Identity {
    /// Two identities are the same when they show the same chain.
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.0.cert.len()).finish_non_exhaustive()
    }
}

/// Shows at each handshake what is current then.
#[derive(Debug)]
pub(crate) struct Current(pub(crate) watch::Receiver<Option<Identity>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().as_ref().map(|identity| Arc::clone(&identity.0))
    }
}
