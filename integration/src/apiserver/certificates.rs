//! The control plane's own certificate authority, and what it signs.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

use super::error::Error;

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// A certificate with its key, in PEM.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Somebody whom the API server is to know by a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What its files are called.
    pub(crate) name: String,
    /// The user.
    pub(crate) user: String,
    /// A group of the user.
    pub(crate) group: Option<String>,
}

/// Everything that the control plane identifies itself and others with.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The authority's certificate, in PEM.
    pub(super) authority: String,
    /// kube-apiserver's.
    pub(super) server: Signed,
    /// The administrator's, of group `system:masters`.
    pub(super) admin: Signed,
    /// Those of others, in the order in which they were asked for.
    pub(super) others: Vec<Signed>,
    /// The key that signs tokens, in PEM.
    pub(super) token_key: String,
    /// Its public half, in PEM.
    pub(super) token_public_key: String,
}

// === impl Certificates ===

impl Certificates {
    /// Makes them for a server at `addresses`, and for those who are to be known beside the administrator.
    pub(super) fn make(addresses: &[IpAddr], others: &[Identity]) -> Result<Self, Error> {
        let failed = |subject: &str| {
            let subject = subject.to_owned();
            move |source| Error::Certificate { subject, source }
        };
        let mut authority = CertificateParams::default();
        authority.distinguished_name = named("ferrolb-test-ca", None);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(authority, key))
            .map_err(failed("the authority"))?;

        let mut server = CertificateParams::new(vec![
            "localhost".to_owned(),
            "kubernetes.default.svc".to_owned(),
            "kubernetes.default".to_owned(),
        ])
        .map_err(failed("kube-apiserver"))?;
        server.distinguished_name = named("kube-apiserver", None);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut at: Vec<IpAddr> = addresses.to_vec();
        at.push(Ipv4Addr::LOCALHOST.into());
        at.sort_unstable();
        at.dedup();
        server.subject_alt_names.extend(at.into_iter().map(SanType::IpAddress));

        let others = others.iter().map(|identity| {
            let signed = sign(&client(&identity.user, identity.group.as_deref()), &authority);
            signed.map_err(failed(&identity.user))
        });
        let others = others.collect::<Result<_, _>>()?;

        let tokens = KeyPair::generate().map_err(failed("tokens"))?;
        Ok(Self {
            server: sign(&server, &authority).map_err(failed("kube-apiserver"))?,
            admin: sign(&client("admin", Some(MASTERS)), &authority).map_err(failed("the administrator"))?,
            others,
            authority: authority.pem(),
            token_key: tokens.serialize_pem(),
            token_public_key: tokens.public_key_pem(),
        })
    }
}

fn client(user: &str, group: Option<&str>) -> CertificateParams {
    let mut client = CertificateParams::default();
    client.distinguished_name = named(user, group);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    client
}

fn named(common_name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name
}

fn sign(params: &CertificateParams, authority: &CertifiedIssuer<'_, KeyPair>) -> Result<Signed, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok(Signed { certificate: certificate.pem(), key: key.serialize_pem() })
}
