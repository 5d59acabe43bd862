//! What a driver is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Transport;
use super::transport::PORT;
use crate::rib::{PeerName, Policy, RouteSet};
use crate::session::{self, BfdFailure, Stop};

/// What holds for the life of a driver.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port to listen on where peers may dial; default 179.
    pub listen_port: u16,
    /// This process took over from an earlier one: first sessions say so (RFC 4724 section 3, R bit).
    pub restarted: bool,
    /// For jitter.
    pub seed: u64,
}

/// A peer as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Unique; a peer with another name is another peer.
    pub name: PeerName,
    /// How it is reached.
    pub transport: Transport,
    /// What is said in the session.
    pub session: Arc<session::Config>,
    /// What its routes may do.
    pub policy: Policy,
    /// The text for its people while a person has it disabled; none: it is enabled.
    pub disabled: Option<String>,
}

/// What BFD says of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bfd {
    /// The session is up.
    Up,
    /// It went from up to down.
    Down(BfdFailure),
}

/// All that shall be.
#[derive(Debug, Clone, Default)]
pub(super) struct Desired {
    pub(super) peers: Arc<Vec<PeerConfig>>,
    pub(super) routes: Arc<BTreeMap<PeerName, Arc<RouteSet>>>,
    pub(super) bfd: BTreeMap<PeerName, BfdState>,
    /// Why everything shall end, if so.
    pub(super) stop: Option<Stop>,
}

/// The latest of BFD, and that nothing is lost between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BfdState {
    pub(super) up: bool,
    pub(super) downs: u64,
    pub(super) failure: Option<BfdFailure>,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen_port: PORT, restarted: false, seed: 0 }
    }
}

// === impl BfdState ===

impl BfdState {
    pub(super) fn hear(&mut self, bfd: Bfd) {
        match bfd {
            Bfd::Up => self.up = true,
            Bfd::Down(failure) => {
                self.up = false;
                self.downs = self.downs.saturating_add(1);
                self.failure = Some(failure);
            }
        }
    }
}
