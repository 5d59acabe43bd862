//! What goes into a [`Session`](super::Session), what comes out, and how it stands.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::timing::Intervals;
use crate::wire::{Diagnostic, LEN, Packet, State};

/// What a session is to be like. All of it can change while it runs, without a flap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Desired Min TX: the interval at which we send once the session is up, if the peer takes that. 1 us to 4,294 s; what is
    /// outside is taken as the nearest. Default 300 ms.
    pub transmit_interval: Duration,
    /// Required Min RX: the shortest interval at which we take packets. As above.
    pub receive_interval: Duration,
    /// How many packets in a row may be lost before the peer takes us for dead, 1 to 255. Default 3. How many the peer may
    /// lose is the peer's multiplier.
    pub detect_multiplier: u8,
    /// Whether to wait for the peer's first packet (RFC 5880 section 6.1). Default no.
    pub passive: bool,
}

impl Default for Config {
    fn default() -> Self {
        let interval = Duration::from_millis(300);
        Self { transmit_interval: interval, receive_interval: interval, detect_multiplier: 3, passive: false }
    }
}

impl Config {
    pub(super) fn intervals(&self) -> Intervals {
        let micros = |interval: Duration| u32::try_from(interval.as_micros()).unwrap_or(u32::MAX).max(1);
        Intervals { tx: micros(self.transmit_interval), rx: micros(self.receive_interval) }
    }
}

/// What happens to a session.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A packet that belongs to it.
    Received(&'a Packet),
    /// It is to be otherwise. While it is up, new intervals are negotiated in a poll sequence.
    Configured(Config),
    /// Hold it down (AdminDown), and tell the peer.
    Disable,
    /// Let it come up again.
    Enable,
}

/// What a session wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Send([u8; LEN]),
    /// The state has changed; for whoever is interested.
    Changed {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Why.
        diagnostic: Diagnostic,
    },
}

/// Why a session left Up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DownCause {
    /// No packet came for the detection time.
    DetectionTimeExpired,
    /// The peer said that it is down: it does not hear us, or was started anew.
    NeighborSignaled,
    /// The peer was told to hold the session down. Says nothing about the path (RFC 5880 section 6.8.16).
    NeighborAdminDown,
    /// We were told so.
    Disabled,
}

impl DownCause {
    /// Whether whoever relies on the path must act.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::DetectionTimeExpired | Self::NeighborSignaled)
    }
}

/// What is counted since the session was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Control packets that were taken.
    pub received: u64,
    /// Control packets that were to be sent.
    pub sent: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it left Up, for whatever reason.
    pub downs: u64,
    /// Those that are a failure of the path or the peer ([`DownCause::is_failure`]). Who acts on failures compares this number
    /// with the one last acted upon: a session may be up again before anybody looked.
    pub failures: u64,
    /// Packets that were sent more than a quarter of the interval late, while up: this host is too busy for the interval.
    pub late: u64,
}

/// What both ends agreed on, in force now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Negotiated {
    /// At which interval we send, before jitter.
    pub transmit_interval: Duration,
    /// At which the peer sends at the slowest.
    pub receive_interval: Duration,
    /// After how much silence the peer is down.
    pub detection_time: Duration,
    /// What the peer would like to send at (Desired Min TX).
    pub remote_transmit_interval: Duration,
    /// What the peer takes (Required Min RX); zero: it wants nothing.
    pub remote_receive_interval: Duration,
    /// What the peer takes of echo packets; zero: none.
    pub remote_echo_receive_interval: Duration,
    /// The peer's multiplier.
    pub remote_detect_multiplier: u8,
    /// Whether new intervals wait for the peer's answer.
    pub polling: bool,
}

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Our state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Our diagnostic: why the state is not Up; `None` once it is.
    pub diagnostic: Diagnostic,
    /// Why it last left Up. Kept when it comes up again.
    pub cause: Option<DownCause>,
    /// The peer's state. `None`: nothing was heard, or not for the detection time.
    pub remote_state: Option<State>,
    /// What the peer says is the reason.
    pub remote_diagnostic: Diagnostic,
    /// The C bit of the last packet: the peer's BFD does not share the fate of its control plane, so that a failure is one of
    /// the path even during a graceful restart (RFC 5882 section 4.3). Kept after a failure.
    pub remote_control_plane_independent: bool,
    /// Our number for the session.
    pub discriminator: u32,
    /// The peer's; zero: unknown.
    pub remote_discriminator: u32,
    /// What is in force. `None` while nothing is heard.
    pub negotiated: Option<Negotiated>,
    /// What is counted.
    pub counters: Counters,
}
