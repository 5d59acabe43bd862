//! Bytes: messages of RFC 4271 and its extensions, strictly read and tightly packed. No clock, no socket, no state but what was
//! negotiated ([`Parameters`]).

mod attributes;
mod capability;
mod community;
mod family;
mod notification;
mod open;
mod parameters;
mod refresh;

pub use attributes::{Aggregator, AsPath, AsSegment, Attributes, NextHop, Origin, SegmentKind, UnknownAttribute};
pub use capability::{AddPathMode, Capability, GracefulRestart, LongLived, Role};
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use family::{Family, PerFamily, RawFamily};
pub use notification::Notification;
pub use open::Open;
pub use parameters::{AddPath, Parameters};
pub use refresh::{RefreshKind, RouteRefresh};
