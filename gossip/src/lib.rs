//! Who is alive, and who claims which address.
//!
//! Membership is SWIM (Das, Gupta, Motivala 2002, with suspicion and infection-style dissemination) as implemented by
//! foca, with additions that bring detection below a second on small and lossy networks without false alarms: see
//! [`Gossip`]. On top of it spreads a table of [`Claim`]s: which node announces which address. Who *should* claim is
//! decided elsewhere; here claims are stored, spread, merged, and void when their owner is gone. Beside that each node
//! tells all others some [`Facts`] about itself.
//!
//! [`Gossip`] is a pure state machine: time comes in as `now`, randomness as a seed, datagrams as bytes. The feature
//! `driver` adds a socket and a thread. Datagrams are encrypted and authenticated with a group key.
//!
//! ```
//! use std::time::Instant;
//! use ferrolb_gossip::{Config, Gossip, Input, Key, NodeName, Output, Profile};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example")]
//! let now = Instant::now();
//! let mut gossip = Gossip::new(
//!     Config {
//!         name: NodeName::from("node-a"),
//!         advertise: "192.0.2.1:7946".parse()?,
//!         profile: Profile::default(),
//!         cluster_id: "default".to_owned(),
//!         keys: Key::from_bytes([7; 32]).into(),
//!         boot: 1_700_000_000_000,
//!         session: [1; 16],
//!         seed: 42,
//!     },
//!     now,
//! );
//! gossip.handle(now, Input::Seeds(vec!["192.0.2.2:7946".parse()?]));
//! while let Some(output) = gossip.poll() {
//!     match output {
//!         Output::Send { to, bytes } => assert!(to.port() == 7946 && bytes.len() <= 1232),
//!         Output::View(view) => assert!(!view.ready),
//!     }
//! }
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod claim;
mod config;
mod counters;
#[cfg(feature = "driver")]
pub mod driver;
mod facts;
mod identity;
mod key;
mod machine;
mod notice;
mod profile;
mod ring;
mod seal;
mod swim;
mod table;
#[cfg(test)]
mod testing;
mod timers;
mod view;
mod wire;

pub use self::claim::{Claim, merge, rank};
pub use self::config::Config;
pub use self::counters::Counters;
#[cfg(feature = "driver")]
pub use self::driver::{DriverConfig, Error, Handle, spawn};
pub use self::facts::Facts;
pub use self::identity::{Identity, NodeName};
pub use self::key::{Key, KeyError};
pub use self::machine::{Gossip, Input, Output};
pub use self::profile::{Profile, UnknownProfile};
pub use self::ring::{KeyRing, KeyRingError};
pub use self::view::{Held, View};
