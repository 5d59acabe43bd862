//! BGP peers: the routers that speakers hold sessions with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ferrolb_api::v1beta2::{BGPPeerSpec, DynamicASN};

use super::bfd::BfdProfile;
use super::timers::{self, Timers};
use crate::addresses::parse_ip;
use crate::concealed::Concealed;
use crate::problem::{Class, Problem};
use crate::resource::{Resource, SecretFacts, unique};
use crate::selectors::{self, Labels, Selector, any_or_none};

/// A checked `BGPPeer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// The AS that we are in; never 0.
    pub my_asn: u32,
    /// The AS that the router is in.
    pub remote_asn: RemoteAsn,
    /// The AS that we show to this router instead of `my_asn`, where one is given.
    pub local_asn: Option<u32>,
    /// Where the router is.
    pub endpoint: PeerEndpoint,
    /// The router's TCP port: 1 to 16384, 179 where nothing is said.
    pub port: u16,
    /// The address that we come from; none: the system chooses.
    pub source_address: Option<IpAddr>,
    /// Hold time and keepalive.
    pub timers: Timers,
    /// How long to wait between two attempts to connect: 1 to 65535 s; none: speakers choose.
    pub connect_retry: Option<Duration>,
    /// Our BGP identifier; none: speakers choose.
    pub router_id: Option<Ipv4Addr>,
    /// Nodes that hold the session, any selector will do; none: all.
    pub node_selectors: Vec<Selector>,
    /// What TCP segments are signed with (RFC 2385).
    pub password: Password,
    /// How a failure is noticed beside the hold time.
    pub bfd: Bfd,
    /// Whether the router keeps our routes while the speaker restarts (RFC 4724).
    pub graceful_restart: bool,
    /// Whether the router may be more than one hop away although it is in another AS.
    pub ebgp_multi_hop: bool,
    /// The VRF that the session runs in; none: the default one.
    pub vrf: Option<String>,
    /// Whether the session carries routes of both families.
    pub dual_stack: bool,
}

impl Peer {
    /// Whether a node with these labels holds a session with it.
    pub fn covers_node(&self, labels: &Labels) -> bool {
        any_or_none(&self.node_selectors, labels)
    }

    /// Whether the session carries IPv4 routes: one over IPv4 does, and one that is unnumbered or asked to carry both.
    pub fn carries_ipv4(&self) -> bool {
        self.dual_stack || !matches!(self.endpoint, PeerEndpoint::Address(IpAddr::V6(_)))
    }

    /// Whether the session carries IPv6 routes: one over IPv6 does, and one that is unnumbered or asked to carry both.
    pub fn carries_ipv6(&self) -> bool {
        self.dual_stack || !matches!(self.endpoint, PeerEndpoint::Address(IpAddr::V4(_)))
    }

    /// Whether everything that it refers to is there. Until then there should be no session: one without its password
    /// or its failure detection is not what was asked for.
    pub fn is_complete(&self) -> bool {
        !matches!(self.bfd, Bfd::Missing(_)) && !matches!(self.password, Password::Missing(_))
    }
}

/// The AS of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteAsn {
    /// This one; never 0.
    Fixed(u32),
    /// The same as ours, whatever it says.
    Internal,
    /// Any but ours.
    External,
}

/// Where a router is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEndpoint {
    /// At an address.
    Address(IpAddr),
    /// Whoever is at the other end of this interface, by IPv6 link-local addresses.
    Interface(String),
}

impl fmt::Display for PeerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(interface) => f.write_str(interface),
        }
    }
}

/// What TCP segments are signed with.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Nothing.
    None,
    /// This text, which never shows in logs.
    Inline(String),
    /// What stands under the key `password` of a Secret.
    Secret {
        /// The Secret's name.
        name: String,
        /// What stands there.
        text: Concealed,
    },
    /// The Secret of this name, which is not there or of no use (yet).
    Missing(String),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Inline(_) => f.write_str("Inline(..)"),
            Self::Secret { name, .. } => f.debug_tuple("Secret").field(name).finish(),
            Self::Missing(name) => f.debug_tuple("Missing").field(name).finish(),
        }
    }
}

/// Whether and how BFD watches a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bfd {
    /// It does not.
    Off,
    /// As this profile says.
    On(BfdProfile),
    /// As the profile of this name says, which is not there (yet).
    Missing(String),
}

/// What peers refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct References<'a> {
    /// The profiles that are right.
    pub(crate) bfd_profiles: &'a BTreeMap<String, BfdProfile>,
    /// The names of all profiles, wrong ones included.
    pub(crate) bfd_names: &'a BTreeSet<&'a str>,
    pub(crate) secrets: &'a BTreeMap<String, SecretFacts>,
}

/// Checks every peer; those that are wrong are left out.
pub(crate) fn parse(
    resources: &[Resource<BGPPeerSpec>],
    references: References<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<Peer>> {
    let mut peers = BTreeMap::new();
    let mut twice = Vec::new();
    for resource in unique(resources, &mut twice) {
        let mut reader = Reader { resource, problems: Vec::new() };
        let peer = reader.peer(references);
        let invalid = reader.problems.iter().any(|problem| problem.class == Class::Invalid);
        if let Some(peer) = peer.filter(|_| !invalid) {
            peers.insert(peer.name.clone(), Arc::new(peer));
        }
        problems.extend(reader.finish());
    }
    problems.extend(twice.into_iter().map(Problem::announcement));
    peers
}

/// Reads one peer and keeps what is wrong with it.
struct Reader<'a> {
    resource: &'a Resource<BGPPeerSpec>,
    problems: Vec<Problem>,
}

/// The text, unless it is empty, which is the same as absent.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

// === impl Reader ===

impl Reader<'_> {
    fn wrong(&mut self, field: &str, value: &str, message: impl Into<String>) {
        self.problems.push(self.resource.origin.problem(field, value, message));
    }

    /// The problems, which are those of the nodes that would hold the session.
    fn finish(self) -> impl Iterator<Item = Problem> {
        let Self { resource, problems } = self;
        let mut ignored = Vec::new();
        let nodes = resource.spec.node_selectors.as_ref();
        let nodes = selectors::parse_list(&resource.origin, "nodeSelectors", nodes, &mut ignored);
        let nodes = if ignored.is_empty() { nodes } else { Vec::new() };
        problems.into_iter().map(move |problem| problem.announcement().on_nodes(nodes.clone()))
    }

    fn peer(&mut self, references: References<'_>) -> Option<Peer> {
        let spec = &self.resource.spec;
        let my_asn = self.my_asn();
        let remote_asn = self.remote_asn();
        let endpoint = self.endpoint();
        self.multi_hop();
        let nodes = spec.node_selectors.as_ref();
        let node_selectors = selectors::parse_list(&self.resource.origin, "nodeSelectors", nodes, &mut self.problems);
        let peer = Peer {
            name: self.resource.name.clone(),
            my_asn: my_asn.unwrap_or_default(),
            // A peer without these is left out below.
            remote_asn: remote_asn.unwrap_or(RemoteAsn::External),
            local_asn: self.local_asn(),
            endpoint: endpoint.unwrap_or(PeerEndpoint::Interface(String::new())),
            port: self.port(),
            source_address: self.source_address(),
            timers: self.timers(),
            connect_retry: self.connect_retry(),
            router_id: self.router_id(),
            node_selectors,
            password: self.password(references.secrets),
            bfd: self.bfd(references),
            graceful_restart: spec.enable_graceful_restart.unwrap_or(false),
            ebgp_multi_hop: spec.ebgp_multi_hop.unwrap_or(false),
            vrf: said(spec.vrf.as_ref()).map(str::to_owned),
            dual_stack: spec.dual_stack_address_family,
        };
        (my_asn.is_some() && remote_asn.is_some()).then_some(peer)
    }

    fn my_asn(&mut self) -> Option<u32> {
        let asn = self.resource.spec.my_asn;
        if asn == 0 {
            self.wrong("myASN", "0", "missing local ASN; give the number of the AS that the nodes are in");
        }
        (asn != 0).then_some(asn)
    }

    fn local_asn(&mut self) -> Option<u32> {
        let asn = self.resource.spec.local_asn?;
        if asn == 0 {
            self.wrong("localASN", "0", "invalid localASN: an AS number here is between 1 and 4294967295");
        }
        Some(asn)
    }

    fn remote_asn(&mut self) -> Option<RemoteAsn> {
        let spec = &self.resource.spec;
        match (spec.peer_asn.filter(|asn| *asn != 0), spec.dynamic_asn) {
            (None, None) => {
                let message = "missing peer ASN and dynamicASN; give one of the two, for example peerASN: 64512";
                self.wrong("peerASN", "", message);
                None
            }
            (Some(_), Some(dynamic)) => {
                let dynamic = match dynamic {
                    DynamicASN::Internal => "internal",
                    DynamicASN::External => "external",
                };
                let message = "both peer ASN and dynamicASN specified; leave one of the two out";
                self.wrong("dynamicASN", dynamic, message);
                None
            }
            (None, Some(DynamicASN::Internal)) => Some(RemoteAsn::Internal),
            (None, Some(DynamicASN::External)) => Some(RemoteAsn::External),
            (Some(asn), None) => Some(RemoteAsn::Fixed(asn)),
        }
    }

    fn multi_hop(&mut self) {
        let spec = &self.resource.spec;
        if spec.ebgp_multi_hop == Some(true) && spec.peer_asn == Some(spec.my_asn) && spec.my_asn != 0 {
            let message = "invalid ebgp-multihop parameter set for an ibgp peer; leave it out, sessions within an AS \
                           may cross routers anyway";
            self.wrong("ebgpMultiHop", "true", message);
        }
    }

    fn endpoint(&mut self) -> Option<PeerEndpoint> {
        let spec = &self.resource.spec;
        match (said(spec.peer_address.as_ref()), said(spec.interface.as_ref())) {
            (None, None) => {
                let message = "peer has no Address or Interface specified; give one of the two, for example \
                               peerAddress: 192.0.2.1";
                self.wrong("peerAddress", "", message);
                None
            }
            (Some(_), Some(interface)) => {
                let message = "peer has both Address and Interface specified; leave one of the two out";
                self.wrong("interface", interface, message);
                None
            }
            (Some(text), None) => {
                let address = parse_ip(text).map(PeerEndpoint::Address);
                if address.is_none() {
                    let message = format!(
                        "invalid BGPPeer address {text:?}: write an address such as 192.0.2.1 or 2001:db8::1, without \
                         port and prefix length"
                    );
                    self.wrong("peerAddress", text, message);
                }
                address
            }
            (None, Some(interface)) => Some(PeerEndpoint::Interface(interface.to_owned())),
        }
    }

    fn port(&mut self) -> u16 {
        let port = self.resource.spec.peer_port;
        if !(1..=16_384).contains(&port) {
            self.wrong("peerPort", &port.to_string(), "invalid peerPort: must be between 1 and 16384");
        }
        port
    }

    fn source_address(&mut self) -> Option<IpAddr> {
        let text = said(self.resource.spec.source_address.as_ref())?;
        let address = parse_ip(text);
        if address.is_none() {
            let message = format!("invalid source IP {text:?}: write an address of the node, such as 192.0.2.10");
            self.wrong("sourceAddress", text, message);
        }
        address
    }

    /// RFC 6286 section 2.1: any identifier of four octets but zero.
    fn router_id(&mut self) -> Option<Ipv4Addr> {
        let text = said(self.resource.spec.router_id.as_ref())?;
        let id = text.parse().ok().filter(|id: &Ipv4Addr| !id.is_unspecified());
        if id.is_none() {
            let message = format!("invalid router ID {text:?}: write it like an IPv4 address, such as 192.0.2.10");
            self.wrong("routerID", text, message);
        }
        id
    }

    fn timers(&mut self) -> Timers {
        let spec = &self.resource.spec;
        let (hold, keepalive) = (spec.hold_time.as_deref(), spec.keepalive_time.as_deref());
        match Timers::parse(hold, keepalive) {
            Ok(timers) => timers,
            Err(problem) => {
                let text = if problem.field == "holdTime" { hold } else { keepalive };
                self.wrong(problem.field, text.unwrap_or_default(), problem.message);
                Timers::default()
            }
        }
    }

    fn connect_retry(&mut self) -> Option<Duration> {
        let text = self.resource.spec.connect_time.as_deref()?;
        match timers::connect_retry(text) {
            Ok(retry) => Some(retry),
            Err(message) => {
                self.wrong("connectTime", text, message);
                None
            }
        }
    }

    fn password(&mut self, secrets: &BTreeMap<String, SecretFacts>) -> Password {
        let spec = &self.resource.spec;
        let inline = said(spec.password.as_ref());
        let secret = spec.password_secret.as_ref().and_then(|reference| said(reference.name.as_ref()));
        let name = match (inline, secret) {
            (None, None) => return Password::None,
            (Some(text), None) => {
                if let Some(message) = too_long(text) {
                    self.wrong("password", "", message);
                }
                return Password::Inline(text.to_owned());
            }
            (Some(_), Some(name)) => {
                let message = "both password and passwordSecret are set; leave one of the two out";
                self.wrong("passwordSecret.name", name, message);
                return Password::None;
            }
            (None, Some(name)) => name,
        };
        // Secrets come and change without anybody being asked, so what is wrong with one may mend itself.
        let message = match secrets.get(name) {
            Some(SecretFacts { secret_type, .. }) if secret_type != SecretFacts::BASIC_AUTH => format!(
                "secret type mismatch: Secret {name:?} is of type {secret_type:?}, but type {:?} is needed",
                SecretFacts::BASIC_AUTH
            ),
            Some(SecretFacts { has_password: false, .. }) => {
                format!("password not specified in the secret: Secret {name:?} has no key \"password\"")
            }
            Some(SecretFacts { password, .. }) => match too_long(password.expose()) {
                Some(message) => format!("Secret {name:?}: {message}"),
                None => return Password::Secret { name: name.to_owned(), text: password.clone() },
            },
            None => format!(
                "there is no Secret {name:?} in the namespace of the configuration; create it with type {:?} and the \
                 key \"password\"",
                SecretFacts::BASIC_AUTH
            ),
        };
        self.problems.push(self.resource.origin.problem("passwordSecret.name", name, message).missing_reference());
        Password::Missing(name.to_owned())
    }

    fn bfd(&mut self, references: References<'_>) -> Bfd {
        let Some(name) = said(self.resource.spec.bfd_profile.as_ref()) else { return Bfd::Off };
        if let Some(profile) = references.bfd_profiles.get(name) {
            return Bfd::On(profile.clone());
        }
        if !references.bfd_names.contains(name) {
            let peer = &self.resource.name;
            let message = format!(
                "peer {peer} referencing non existing bfd profile {name}; create the BFDProfile or leave it out"
            );
            self.problems.push(self.resource.origin.problem("bfdProfile", name, message).missing_reference());
        }
        Bfd::Missing(name.to_owned())
    }
}

/// What is wrong with a password that the kernel does not take (`TCP_MD5SIG_MAXKEYLEN`).
fn too_long(password: &str) -> Option<String> {
    const LONGEST: usize = 80;
    let length = password.len();
    (length > LONGEST)
        .then(|| format!("the password is {length} octets long; TCP signatures take at most {LONGEST} (RFC 2385)"))
}
