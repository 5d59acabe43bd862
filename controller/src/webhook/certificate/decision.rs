//! What is to be done about the certificate in the Secret: keep it, have it renewed, or begin anew.

use std::fmt;

use ferrolb_daemon::tls::Identity;
use jiff::{SignedDuration, Timestamp};

use crate::webhook::certificate::authority::{Facts, facts, is_signed_by};

/// A certificate is replaced when less than one part in this many of its life is left.
const LAST_PART: i32 = 3;

/// The names under which the API server reaches the webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    service: String,
    namespace: String,
}

impl Names {
    /// Those of a Service.
    pub fn new(service: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { service: service.into(), namespace: namespace.into() }
    }

    /// The name of the Service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The namespace of the Service.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name that the API server calls.
    pub fn called(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// Every name that a certificate of ours carries.
    pub fn all(&self) -> Vec<String> {
        vec![self.called(), format!("{}.cluster.local", self.called())]
    }
}

/// What is in the Secret, all of it PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// `ca.crt`: the authority, followed by older ones that are still trusted.
    pub authority: Option<Vec<u8>>,
    /// `ca.key`.
    pub authority_key: Option<Vec<u8>>,
    /// `tls.crt`.
    pub certificate: Option<Vec<u8>>,
    /// `tls.key`.
    pub key: Option<Vec<u8>>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("authority", &self.authority.is_some())
            .field("certificate", &self.certificate.is_some())
            .finish_non_exhaustive()
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// All is well.
    Keep {
        /// To serve with.
        identity: Identity,
        /// Until when nothing is to be done.
        until: Timestamp,
    },
    /// The authority is to sign a new certificate.
    Renew(Reason),
    /// Everything is to be made anew.
    Create(Reason),
}

/// Why something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing yet.
    Absent,
    /// There is something that is no certificate, or no authority, or a key that does not belong to it.
    Unusable,
    /// The authority has less than a third of its life left, or its life has not begun.
    AuthorityAge,
    /// The certificate has less than a third of its life left, or its life has not begun.
    Age,
    /// The certificate is for another name.
    Name,
    /// The certificate is signed by somebody else.
    Foreign,
}

/// What is to be done about what is stored, at this moment.
pub fn decide(stored: &Stored, names: &Names, now: Timestamp) -> Decision {
    let Some(bundle) = stored.authority.as_deref() else { return Decision::Create(Reason::Absent) };
    let authority = match facts(bundle) {
        Some(authority) if authority.is_authority => authority,
        Some(_) | None => return Decision::Create(Reason::Unusable),
    };
    let Some(authority_until) = good_until(&authority, now) else { return Decision::Create(Reason::AuthorityAge) };
    // Without the authority's key there is nobody who could renew; as long as all is well, nobody needs to.
    let anew = if stored.authority_key.is_some() { Decision::Renew } else { Decision::Create };
    let (Some(certificate), Some(key)) = (stored.certificate.as_deref(), stored.key.as_deref()) else {
        return anew(Reason::Absent);
    };
    let (Some(facts), Ok(identity)) = (facts(certificate), Identity::from_pem(certificate, key)) else {
        return anew(Reason::Unusable);
    };
    if !is_signed_by(certificate, bundle) {
        return anew(Reason::Foreign);
    }
    if !facts.names.contains(&names.called()) {
        return anew(Reason::Name);
    }
    match good_until(&facts, now) {
        Some(until) => Decision::Keep { identity, until: until.min(authority_until) },
        None => anew(Reason::Age),
    }
}

/// When the last part of a life begins; `None`: it has, or the life has not begun.
fn good_until(facts: &Facts, now: Timestamp) -> Option<Timestamp> {
    let life = facts.not_after.duration_since(facts.not_before);
    let until = facts.not_after.checked_sub(life / LAST_PART).ok()?;
    (facts.not_before <= now && now < until && life > SignedDuration::ZERO).then_some(until)
}
