//! Why an address is announced from here, or why not: one type for logs, events, status and the command line.

use std::fmt;

use ferrolb_config::{Conflict, Interfaces};
use ferrolb_gossip::NodeName;
use serde::{Serialize, Serializer};

/// Why (not). Prints as a sentence for people; [`Reason::code`] is the word for tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// This node holds the claim and announces.
    Owner,
    /// This node holds the claim, should not any more, and announces until its successor does.
    HandingOver {
        /// The node that is expected to claim.
        to: NodeName,
    },
    /// Another node announces.
    OwnedBy {
        /// That node.
        owner: NodeName,
    },
    /// Nobody announces yet.
    Vacant {
        /// The node that is expected to.
        expected: NodeName,
    },
    /// This speaker has not yet learned from its peers who announces what.
    NotReady,
    /// The node is not among the living members.
    NotAMember,
    /// There is no Node object of this name.
    NodeUnknown,
    /// No pool holds the Service's addresses.
    IpNotAllowed,
    /// No L2Advertisement is for the pool.
    NotAdvertised {
        /// The pool.
        pool: String,
    },
    /// L2Advertisements of the pool select other Services.
    NoMatchingAdvertisement,
    /// L2Advertisements of the Service select other nodes.
    NodeNotSelected,
    /// No endpoint can serve, anywhere.
    NoEndpoints,
    /// `externalTrafficPolicy: Local`, and no endpoint on the node can serve.
    NoLocalEndpoints,
    /// A Service that shares its address cannot be announced by advertisements that select Services.
    SharedIpWithServiceSelector,
    /// The node's condition NetworkUnavailable is true.
    NodeNetworkUnavailable,
    /// The node carries the label `node.kubernetes.io/exclude-from-external-load-balancers`.
    NodeLabeledExcludeBalancers,
    /// No interface of the node that the advertisements allow can announce.
    NoUsableInterface {
        /// Those that they allow.
        allowed: Interfaces,
    },
    /// Too little of the cluster is seen from here to be sure that nobody else announces.
    NoQuorum {
        /// Living nodes that could announce.
        seen: usize,
        /// All nodes that could.
        of: usize,
    },
    /// The address that this node gossips from is not on it any more.
    CutOff,
    /// Nothing is wrong with the Service, but no node may announce it.
    NoEligibleNode,
    /// Over BGP: this node is one of those that announce.
    Eligible,
    /// Over BGP: BGPAdvertisements of the pool select other nodes.
    NotOnThisNode,
    /// Over BGP: no BGPAdvertisement of the pool that is for this node selects the Service.
    NoMatchingBgpAdvertisement,
    /// Over BGP: two BGPAdvertisements of the Service would tell a peer two things about the same route.
    ConflictingAdvertisements {
        /// What they contradict each other in.
        conflict: Conflict,
        /// Their names.
        advertisements: [String; 2],
    },
}

impl Reason {
    /// Whether the address is announced from here.
    pub fn announces(&self) -> bool {
        matches!(self, Self::Owner | Self::HandingOver { .. } | Self::Eligible)
    }

    /// The word for tools; where MetalLB logs the same reason, its word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::HandingOver { .. } => "handingOver",
            Self::OwnedBy { .. } | Self::NotOnThisNode => "notOwner",
            Self::Vacant { .. } => "vacant",
            Self::NotReady => "notReady",
            Self::NotAMember => "notAMember",
            Self::NodeUnknown => "nodeUnknown",
            Self::IpNotAllowed => "ipNotAllowed",
            Self::NotAdvertised { .. } => "notAdvertised",
            Self::NoMatchingAdvertisement | Self::NoMatchingBgpAdvertisement => "noMatchingAdvertisement",
            Self::NodeNotSelected => "nodeNotSelected",
            Self::NoEndpoints => "noEndpoints",
            Self::NoLocalEndpoints => "noLocalEndpoints",
            Self::SharedIpWithServiceSelector => "sharedIPWithServiceSelector",
            Self::NodeNetworkUnavailable => "nodeNetworkUnavailable",
            Self::NodeLabeledExcludeBalancers => "nodeLabeledExcludeBalancers",
            Self::NoUsableInterface { .. } => "noUsableInterface",
            Self::NoQuorum { .. } => "noQuorum",
            Self::CutOff => "cutOff",
            Self::NoEligibleNode => "noEligibleNode",
            Self::Eligible => "eligible",
            Self::ConflictingAdvertisements { .. } => "conflictingAdvertisements",
        }
    }
}

impl Reason {
    /// What [`Reason::code`] leaves open: a node, a pool, interfaces or a count; empty where it says it all.
    pub fn about(&self) -> String {
        match self {
            Self::HandingOver { to } => to.to_string(),
            Self::OwnedBy { owner } => owner.to_string(),
            Self::Vacant { expected } => expected.to_string(),
            Self::NotAdvertised { pool } => pool.clone(),
            Self::NoUsableInterface { allowed: Interfaces::Named(names) } => {
                names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
            }
            Self::NoQuorum { seen, of } => format!("{seen}/{of}"),
            Self::ConflictingAdvertisements { advertisements, .. } => advertisements.join(","),
            Self::Owner
            | Self::NotReady
            | Self::NotAMember
            | Self::NodeUnknown
            | Self::IpNotAllowed
            | Self::NoMatchingAdvertisement
            | Self::NodeNotSelected
            | Self::NoEndpoints
            | Self::NoLocalEndpoints
            | Self::SharedIpWithServiceSelector
            | Self::NodeNetworkUnavailable
            | Self::NodeLabeledExcludeBalancers
            | Self::NoUsableInterface { allowed: Interfaces::All }
            | Self::CutOff
            | Self::NoEligibleNode
            | Self::Eligible
            | Self::NotOnThisNode
            | Self::NoMatchingBgpAdvertisement => String::new(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("this node owns the address"),
            Self::HandingOver { to } => write!(f, "announced from here until {to} takes over"),
            Self::OwnedBy { owner } => write!(f, "{owner} owns the address"),
            Self::Vacant { expected } => write!(f, "nobody owns the address yet; {expected} is expected to"),
            Self::NotReady => f.write_str("this speaker is still learning from its peers who owns what"),
            Self::NotAMember => f.write_str("the node is not among the living members"),
            Self::NodeUnknown => f.write_str("there is no Node object for this member"),
            Self::IpNotAllowed => f.write_str("no pool holds all of the service's addresses"),
            Self::NotAdvertised { pool } => write!(f, "no L2Advertisement is for pool {pool:?}"),
            Self::NoMatchingAdvertisement => f.write_str("no L2Advertisement of the pool selects this service"),
            Self::NodeNotSelected => f.write_str("no L2Advertisement of the service selects this node"),
            Self::NoEndpoints => f.write_str("the service has no endpoint that can serve"),
            Self::NoLocalEndpoints => {
                f.write_str("externalTrafficPolicy is Local and no endpoint on this node can serve")
            }
            Self::SharedIpWithServiceSelector => f.write_str(
                "a service that shares its address is not announced by an L2Advertisement with serviceSelectors",
            ),
            Self::NodeNetworkUnavailable => {
                f.write_str("the node's network is unavailable (condition NetworkUnavailable)")
            }
            Self::NodeLabeledExcludeBalancers => write!(f, "the node carries the label {}", ferrolb_api::EXCLUDE_LABEL),
            Self::NoUsableInterface { allowed: Interfaces::All } => {
                f.write_str("the node has no interface that can announce")
            }
            Self::NoUsableInterface { allowed: Interfaces::Named(names) } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                write!(f, "the node cannot announce on {}", names.join(", "))
            }
            Self::NoQuorum { seen: 0, of: 0 } => {
                f.write_str("a quorum is asked for and there are no Node objects to count; see --partition-policy")
            }
            Self::NoQuorum { seen, of } => write!(
                f,
                "only {seen} of the {of} nodes that could announce are seen, too few to be sure that no other does \
                 (--partition-policy quorum)"
            ),
            Self::CutOff => f.write_str("the address that this speaker gossips from is not on the node any more"),
            Self::NoEligibleNode => f.write_str("no living node may announce the service"),
            Self::Eligible => f.write_str("this node is one of those that announce the address"),
            Self::NotOnThisNode => f.write_str("no BGPAdvertisement of the pool selects this node"),
            Self::NoMatchingBgpAdvertisement => {
                f.write_str("no BGPAdvertisement of the pool for this node selects this service")
            }
            Self::ConflictingAdvertisements { conflict, advertisements: [first, second] } => write!(
                f,
                "BGPAdvertisements {first:?} and {second:?} announce the same route to a common peer with different \
                 {conflict}; give both the same value, or let them differ in peers, nodes or services"
            ),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}: {self}", self.code()))
    }
}
