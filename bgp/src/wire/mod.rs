//! Bytes: messages of RFC 4271 and its extensions, strictly read and tightly packed. No clock, no socket, no state but what was
//! negotiated ([`Parameters`]).
//!
//! [`decode`] takes the first message off what was received:
//!
//! ```
//! use bytes::BytesMut;
//! use ferrolb_bgp::wire::{Message, Parameters, decode, encode_keepalive};
//!
//! let mut out = BytesMut::new();
//! encode_keepalive(&mut out);
//! let (message, length) = decode(&out, &Parameters::default())?.expect("it is complete");
//! assert!(matches!(message, Message::KeepAlive));
//! assert_eq!(length, 19);
//! # Ok::<(), ferrolb_bgp::wire::Notification>(())
//! ```
//!
//! [`Open`], [`Notification`] and [`RouteRefresh`] write themselves; an UPDATE is a [`Template`] and what a [`Packer`] puts
//! behind it:
//!
//! ```
//! use bytes::BytesMut;
//! use ferrolb_bgp::wire::{Attributes, Family, Message, NextHop, Packer, Parameters, Template, decode};
//!
//! let parameters = Parameters::default();
//! let attributes = Attributes::new(NextHop::Address("192.0.2.1".parse()?));
//! let template = Template::new(&attributes, Family::Ipv4, &parameters)?;
//! let mut out = BytesMut::new();
//! let mut packer = Packer::announce(&template, &parameters, &mut out);
//! packer.push(&"198.51.100.1/32".parse()?, 0);
//! assert_eq!(packer.finish(), 1);
//!
//! let Ok(Some((Message::Update(update), _))) = decode(&out, &parameters) else { panic!("it can be read") };
//! let routes = update.announced().next().expect("there is one");
//! assert_eq!(routes.prefixes.clone().next(), Some(("198.51.100.1/32".parse()?, 0)));
//! assert_eq!(update.attributes(routes.next_hop), attributes);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attributes;
mod capability;
mod community;
pub(crate) mod cursor;
mod encode;
mod family;
mod message;
pub mod notification;
mod open;
mod parameters;
mod prefixes;
mod refresh;
mod update;

pub use attributes::{Aggregator, AsPath, AsSegment, Attributes, NextHop, Origin, SegmentKind, UnknownAttribute};
pub use capability::{AddPathMode, Capability, GracefulRestart, LongLived, Role, code as capability_code};
pub use community::{Community, CommunityError, ExtendedCommunity, LargeCommunity, LinkBandwidth};
pub use encode::{EncodeError, Packer, Template, encode_end_of_rib, encode_keepalive};
pub use family::{Family, PerFamily, RawFamily};
pub use message::{HEADER_LEN, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Message, decode};
pub use notification::Notification;
pub use open::Open;
pub use parameters::{AddPath, Parameters};
pub use prefixes::Prefixes;
pub use refresh::{RefreshKind, RouteRefresh};
pub use update::{Announced, AttributeError, Disposition, Flaw, RawAttribute, Update, code as attribute_code};

/// Stands in for an AS number that does not fit into two octets (RFC 6793 section 9).
pub const AS_TRANS: u32 = 23_456;
