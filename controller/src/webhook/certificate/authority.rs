//! Makes certificates and reads them.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::webhook::certificate::decision::{Names, Stored};

/// Life of an authority: ten years.
const AUTHORITY: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// Life of a certificate: a year.
const SERVING: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Certificates are valid from a little before they are made: clocks differ.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// A certificate that cannot be made.
#[derive(Debug, Error)]
pub enum MakeError {
    /// The key of the authority is missing or of no use.
    #[error("the key of the authority cannot be used")]
    AuthorityKey(#[source] Option<rcgen::Error>),
    /// A name that no certificate can carry, or no randomness.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
}

/// A new authority with a certificate of its own. As long as it has some life left, the old authority stays in the
/// bundle behind the new one, so that replicas that still show its certificate are trusted.
///
/// # Errors
/// See [`MakeError`].
pub fn create(old: &Stored, names: &Names, now: Timestamp) -> Result<Stored, MakeError> {
    let mut params = CertificateParams::default();
    lasts(&mut params, now, AUTHORITY);
    // A name of its own: where two authorities have the same, a client may try the wrong one only.
    params.distinguished_name.push(DnType::CommonName, format!("ferrolb-webhooks-ca-{}", now.as_second()));
    params.distinguished_name.push(DnType::OrganizationName, "ferrolb");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let mut bundle = params.self_signed(&key)?.pem();
    if let Some(old) = still_trusted(old, now) {
        bundle.push_str(&old);
    }
    let ca_key = key.serialize_pem();
    let (certificate, private_key) = serving(&Issuer::new(params, key), names, now)?;
    Ok(Stored {
        authority: Some(bundle.into_bytes()),
        authority_key: Some(ca_key.into_bytes()),
        certificate: Some(certificate.into_bytes()),
        key: Some(private_key.into_bytes()),
    })
}

/// A new certificate of the authority that is there.
///
/// # Errors
/// See [`MakeError`].
pub fn renew(old: &Stored, names: &Names, now: Timestamp) -> Result<Stored, MakeError> {
    let text = |bytes: &Option<Vec<u8>>| {
        let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.map(str::to_owned).ok_or(MakeError::AuthorityKey(None))
    };
    let key = KeyPair::from_pem(&text(&old.authority_key)?).map_err(|error| MakeError::AuthorityKey(Some(error)))?;
    let issuer =
        Issuer::from_ca_cert_pem(&text(&old.authority)?, key).map_err(|error| MakeError::AuthorityKey(Some(error)))?;
    let (certificate, private_key) = serving(&issuer, names, now)?;
    Ok(Stored { certificate: Some(certificate.into_bytes()), key: Some(private_key.into_bytes()), ..old.clone() })
}

/// A new certificate and its key.
fn serving(issuer: &Issuer<'_, KeyPair>, names: &Names, now: Timestamp) -> Result<(String, String), MakeError> {
    let mut params = CertificateParams::new(names.all())?;
    lasts(&mut params, now, SERVING);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "ferrolb");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

fn lasts(params: &mut CertificateParams, now: Timestamp, life: SignedDuration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| epoch + std::time::Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0));
    params.not_before = at(now.saturating_sub(SLACK).unwrap_or(now));
    params.not_after = at(now.saturating_add(life).unwrap_or(Timestamp::MAX));
}

/// The first authority of the old bundle, if it is one and has some life left.
fn still_trusted(old: &Stored, now: Timestamp) -> Option<String> {
    let bytes = old.authority.as_deref()?;
    let facts = facts(bytes)?;
    if !facts.is_authority || facts.not_after <= now {
        return None;
    }
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, from) = text.split_once(begin)?;
    let (body, _) = from.split_once(end)?;
    Some(format!("{begin}{body}{end}\n"))
}

/// What matters of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) names: Vec<String>,
    pub(crate) is_authority: bool,
}

/// The facts of the first certificate; `None`: there is none that could be read.
pub(crate) fn facts(pem: &[u8]) -> Option<Facts> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    let names = certificate.subject_alternative_name().ok()?;
    let names = names.into_iter().flat_map(|extension| &extension.value.general_names).filter_map(dns_name).collect();
    Some(Facts {
        not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        names,
        is_authority: certificate.is_ca(),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "there are many kinds of names, and one of them is used for DNS")]
fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

/// Whether the first certificate of `authority` has signed the first one of `certificate`.
pub(crate) fn is_signed_by(certificate: &[u8], authority: &[u8]) -> bool {
    let verified = || {
        let (certificate, authority) =
            (CertificateDer::from_pem_slice(certificate).ok()?, CertificateDer::from_pem_slice(authority).ok()?);
        let (_, certificate) = X509Certificate::from_der(&certificate).ok()?;
        let (_, authority) = X509Certificate::from_der(&authority).ok()?;
        let named = certificate.issuer().as_raw() == authority.subject().as_raw();
        named.then(|| certificate.verify_signature(Some(authority.public_key())).ok())?
    };
    verified().is_some()
}
