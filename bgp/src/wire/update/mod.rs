//! UPDATE (RFC 4271 section 4.3), read in place, with the error handling of RFC 7606 already done.
//!
//! What a malformed attribute leads to is decided here, once: the session ends (reading fails with a NOTIFICATION), the
//! routes count as withdrawn ([`Update::withdrawn`] gives them, [`Update::announced`] does not), or the attribute is left
//! out of [`Update::attributes`]. [`Update::errors`] names each for logs and counters.

mod as4;
mod attribute;
mod attributes;
pub mod code;
mod flaw;
mod multiprotocol;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

pub use attribute::RawAttribute;
pub use flaw::{AttributeError, Disposition, Flaw};

use super::cursor::Cursor;
use super::notification::{Notification, update};
use super::prefixes::Prefixes;
use super::{Attributes, Family, NextHop, Parameters};
use attribute::{Context, Walk};
use multiprotocol::{Reach, Unreach};

/// A message of type 2. It borrows from the bytes it was read from and allocates nothing unless something is wrong with it.
#[derive(Debug, Clone)]
pub struct Update<'a> {
    context: Context,
    withdrawn: Prefixes<'a>,
    /// The list of attributes as it came.
    list: &'a [u8],
    nlri: Option<(NextHop, Prefixes<'a>)>,
    /// What the NLRI field withdraws when it has no next hop to be announced with.
    nlri_withdrawn: Prefixes<'a>,
    reach: Option<Reach<'a>>,
    unreach: Option<Unreach<'a>>,
    treat_as_withdraw: bool,
    errors: Vec<AttributeError>,
}

/// Routes of an UPDATE with one next hop. There are two at most: those of the NLRI field and those of MP_REACH_NLRI.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'a> {
    /// Their family.
    pub family: Family,
    /// Their next hop.
    pub next_hop: NextHop,
    /// The prefixes and their path identifiers.
    pub prefixes: Prefixes<'a>,
}

/// What is found on the first walk through the attributes.
struct Findings<'a> {
    seen: [u128; 2],
    next_hop: Option<Ipv4Addr>,
    reach: Option<Reach<'a>>,
    unreach: Option<Unreach<'a>>,
    errors: Vec<AttributeError>,
    /// The first error because of which routes are withdrawn, and the attribute.
    worst: Option<(AttributeError, &'a [u8])>,
}

// === impl Update ===

impl<'a> Update<'a> {
    /// Reads the body of a message.
    pub(super) fn decode(body: &'a [u8], parameters: &Parameters) -> Result<Self, Notification> {
        let mut cursor = Cursor::new(body);
        // RFC 4271 section 6.3: lengths that exceed the message are a malformed list.
        let malformed = || Notification::update(update::ATTRIBUTE_LIST, &[]);
        let length = cursor.u16().ok_or_else(malformed)?;
        let withdrawn = cursor.take(length.into()).ok_or_else(malformed)?;
        let length = cursor.u16().ok_or_else(malformed)?;
        let list = cursor.take(length.into()).ok_or_else(malformed)?;
        let nlri = cursor.rest();

        let path_ids = parameters.add_path.ipv4.receive;
        let prefixes = |field| Prefixes::checked(Family::Ipv4, path_ids, field).ok_or(update::NETWORK);
        let network = |subcode| Notification::update(subcode, &[]);
        let (withdrawn, nlri) = (prefixes(withdrawn).map_err(network)?, prefixes(nlri).map_err(network)?);

        let context = Context { four_octet_as: parameters.four_octet_as, external: parameters.external };
        let mut findings = Findings::new();
        findings.walk(list, context, parameters)?;
        let reaches = !nlri.is_empty() || findings.reach.is_some_and(|reach| reach.reaches);
        if reaches {
            findings.look_for_missing(!nlri.is_empty());
        }
        if let Some((error, attribute)) = findings.worst
            && !reaches
        {
            // RFC 7606 section 5.2: with no routes to be seen, they may be what is broken.
            return Err(error.notification(attribute));
        }
        let none = Prefixes::none(Family::Ipv4);
        let ours = parameters.families.ipv4;
        let (withdrawn, nlri) = if ours { (withdrawn, nlri) } else { (none, none) };
        let next_hop = findings.next_hop.map(|address| NextHop::Address(IpAddr::V4(address)));
        Ok(Self {
            context,
            withdrawn,
            list,
            nlri: next_hop.map(|next_hop| (next_hop, nlri)),
            nlri_withdrawn: nlri,
            reach: findings.reach,
            unreach: findings.unreach,
            treat_as_withdraw: findings.worst.is_some(),
            errors: findings.errors,
        })
    }

    /// Every prefix that the peer takes back, of either family, with its path identifier; where an error makes
    /// announcements count as withdrawals, also those. To be applied before what is announced: a prefix in both is
    /// announced (RFC 4271 section 4.3).
    pub fn withdrawn(&self) -> impl Iterator<Item = (IpNet, u32)> + 'a {
        let unreach = self.unreach.and_then(|unreach| unreach.prefixes);
        let (nlri, reach) = if self.treat_as_withdraw {
            (Some(self.nlri_withdrawn), self.reach.and_then(|reach| reach.routes).map(|(_, prefixes)| prefixes))
        } else {
            (None, None)
        };
        self.withdrawn
            .chain(unreach.into_iter().flatten())
            .chain(nlri.into_iter().flatten())
            .chain(reach.into_iter().flatten())
    }

    /// The routes that are announced, by next hop.
    pub fn announced(&self) -> impl Iterator<Item = Announced<'a>> + 'a {
        let sections =
            if self.treat_as_withdraw { [None, None] } else { [self.nlri, self.reach.and_then(|reach| reach.routes)] };
        sections
            .into_iter()
            .flatten()
            .filter(|(_, prefixes)| !prefixes.is_empty())
            .map(|(next_hop, prefixes)| Announced { family: prefixes.family(), next_hop, prefixes })
    }

    /// The attributes of the routes with a next hop of [`Self::announced`].
    pub fn attributes(&self, next_hop: NextHop) -> Attributes {
        attributes::collect(self.list, self.context, next_hop)
    }

    /// The attributes as they came, those left out included.
    pub fn raw_attributes(&self) -> impl Iterator<Item = RawAttribute<'a>> {
        Walk::new(self.list).filter_map(Result::ok)
    }

    /// Whether an error makes the announcements of the message count as withdrawals.
    pub fn treat_as_withdraw(&self) -> bool {
        self.treat_as_withdraw
    }

    /// What is wrong with the message, in the order of the attributes.
    pub fn errors(&self) -> &[AttributeError] {
        &self.errors
    }

    /// The family of which this is End-of-RIB (RFC 4724 section 2).
    pub fn end_of_rib(&self) -> Option<Family> {
        let rest = self.withdrawn.is_empty() && self.nlri_withdrawn.is_empty();
        match self.unreach {
            _ if !rest => None,
            None if self.list.is_empty() => Some(Family::Ipv4),
            Some(unreach) if unreach.empty && self.raw_attributes().count() == 1 => unreach.family.known(),
            _ => None,
        }
    }

    /// A family that the message speaks of and that was not negotiated: what it says of it is ignored.
    pub fn ignored_family(&self) -> Option<super::RawFamily> {
        let reach = self.reach.filter(|reach| reach.routes.is_none()).map(|reach| reach.family);
        reach.or_else(|| self.unreach.filter(|unreach| unreach.prefixes.is_none()).map(|unreach| unreach.family))
    }
}

// === impl Findings ===

impl<'a> Findings<'a> {
    fn new() -> Self {
        Self { seen: [0; 2], next_hop: None, reach: None, unreach: None, errors: Vec::new(), worst: None }
    }

    fn walk(&mut self, list: &'a [u8], context: Context, parameters: &Parameters) -> Result<(), Notification> {
        for step in Walk::new(list) {
            let attribute = match step {
                Ok(attribute) => attribute,
                Err(rest) => {
                    self.overrun(rest)?;
                    break;
                }
            };
            let code = attribute.code;
            if self.was_seen(code) {
                // RFC 7606 section 3g.
                let disposition = match code {
                    code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Disposition::Reset,
                    _ => Disposition::Discard,
                };
                self.note(AttributeError { attribute: code, flaw: Flaw::Repeated, disposition }, attribute.octets)?;
                continue;
            }
            if let Err(error) = attribute::check(&attribute, context) {
                self.note(error, attribute.octets)?;
                continue;
            }
            let looked_into = match code {
                code::NEXT_HOP => {
                    self.next_hop = attribute.value.first_chunk().map(|octets: &[u8; 4]| Ipv4Addr::from(*octets));
                    Ok(None)
                }
                code::MP_REACH_NLRI => Reach::read(attribute.value, parameters).map(|reach| {
                    self.reach = Some(reach);
                    reach.flaw
                }),
                code::MP_UNREACH_NLRI => Unreach::read(attribute.value, parameters).map(|unreach| {
                    self.unreach = Some(unreach);
                    None
                }),
                _ => Ok(None),
            };
            let (disposition, flaw) = match looked_into {
                Ok(None) => continue,
                Ok(Some(flaw)) => (Disposition::TreatAsWithdraw, flaw),
                Err(verdict) => verdict,
            };
            self.note(AttributeError { attribute: code, flaw, disposition }, attribute.octets)?;
        }
        Ok(())
    }

    /// Says whether the attribute came before, and remembers it.
    fn was_seen(&mut self, code: u8) -> bool {
        let [low, high] = &mut self.seen;
        let (half, bit) = (if code < 128 { low } else { high }, 1_u128 << (code % 128));
        let seen = *half & bit != 0;
        *half |= bit;
        seen
    }

    /// RFC 7606 section 4. Where the broken attribute is one of those with prefixes in it, those cannot be withdrawn.
    fn overrun(&mut self, rest: &'a [u8]) -> Result<(), Notification> {
        let attribute = rest.get(1).copied().unwrap_or(0);
        let disposition = match attribute {
            code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Disposition::Reset,
            _ => Disposition::TreatAsWithdraw,
        };
        self.note(AttributeError { attribute, flaw: Flaw::Overrun, disposition }, rest)
    }

    /// RFC 7606 section 3d. NEXT_HOP is mandatory, and means something, only with routes in the NLRI field (RFC 4760
    /// section 3). LOCAL_PREF is between peers of one AS (RFC 4271 section 5.1.5), but nobody is harmed without it.
    fn look_for_missing(&mut self, nlri: bool) {
        for code in [code::ORIGIN, code::AS_PATH, code::NEXT_HOP] {
            let needed = code != code::NEXT_HOP || nlri;
            if needed && !self.was_seen(code) {
                self.withdraw(AttributeError {
                    attribute: code,
                    flaw: Flaw::Missing,
                    disposition: Disposition::TreatAsWithdraw,
                });
            }
        }
        if nlri && self.next_hop.is_some_and(|address| !attribute::is_host_v4(address)) {
            self.withdraw(AttributeError {
                attribute: code::NEXT_HOP,
                flaw: Flaw::NextHop,
                disposition: Disposition::TreatAsWithdraw,
            });
        }
    }

    fn withdraw(&mut self, error: AttributeError) {
        self.worst.get_or_insert((error, &[]));
        self.errors.push(error);
    }

    fn note(&mut self, error: AttributeError, attribute: &'a [u8]) -> Result<(), Notification> {
        match error.disposition {
            Disposition::Reset => return Err(error.notification(attribute)),
            Disposition::TreatAsWithdraw => {
                self.worst.get_or_insert((error, attribute));
            }
            Disposition::Discard => {}
        }
        self.errors.push(error);
        Ok(())
    }
}
