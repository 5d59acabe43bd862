//! What speakers need for BGP: peers, what they are told, how failures are detected, names for communities.

mod advertisements;
mod bfd;
mod communities;
mod conflicts;
mod cross;
mod peers;
mod timers;
mod twins;

pub use advertisements::{BgpAdvertisement, Conflict, PeerSet};
pub(crate) use advertisements::{Context, parse as parse_advertisements};
pub use bfd::BfdProfile;
pub(crate) use bfd::parse as parse_bfd_profiles;
pub(crate) use communities::parse as parse_communities;
pub use communities::{Community, CommunityError};
pub(crate) use conflicts::check as check_conflicts;
pub(crate) use cross::check as check_across;
pub use peers::{Bfd, Password, Peer, PeerEndpoint, RemoteAsn};
pub(crate) use peers::{References, parse as parse_peers};
pub use timers::Timers;
pub(crate) use twins::check as check_twins;
