//! What two nodes are, and what happens to them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_bgp::session::{BfdFailure, Config, FamilyConfig, GracefulRestart, LongLived, Mode, RemoteAs, Retry, Stop};
use ferrolb_bgp::wire::{AddPathMode, Family, PerFamily, Role};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// Something that happens to a node, or to the link.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing gets through for this time.
    LinkDown(Duration),
    /// Something on the way resets all connections.
    Reset,
    /// `kill -9`, and a new process after this time.
    Crash(usize, Duration),
    /// The node vanishes with its kernel for this time.
    PowerLoss(usize, Duration),
    /// SIGTERM, and a new process after this time.
    Upgrade(usize, Duration),
    /// A process does not read for this time.
    Stall(usize, Duration),
    /// A person, or the configuration.
    Stop(usize, Stop),
    /// The same on both at once, so that they dial at once.
    Both(Stop),
    /// A person starts it (again).
    Start(usize),
    /// Another configuration.
    Configure(usize),
    /// BFD goes down, and up a second later.
    Bfd(usize, BfdFailure),
    /// Too many prefixes, as if.
    PrefixLimit(usize),
    /// A person wants the routes again.
    Refresh(usize, Family),
    /// Other routes.
    Routes(usize),
}

pub(crate) fn seconds(random: &mut StdRng, from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(random.random_range(from..to))
}

/// Mostly short, sometimes long.
fn outage(random: &mut StdRng) -> Duration {
    let longest = [1.0, 10.0, 60.0, 300.0][random.random_range(0..4)];
    seconds(random, 0.01, longest)
}

impl Fault {
    pub(crate) fn random(random: &mut StdRng) -> Self {
        let node = random.random_range(0..2);
        let text = || "asked for".to_owned();
        match random.random_range(0..22) {
            0 | 1 => Self::LinkDown(outage(random)),
            2 | 3 => Self::Reset,
            4 => Self::Crash(node, outage(random) / 10),
            5 | 6 => Self::PowerLoss(node, outage(random) / 10),
            7 => Self::Upgrade(node, outage(random) / 10),
            8 => Self::Stall(node, outage(random) * 3),
            9 => Self::Stop(node, Stop::Reset { text: text() }),
            10 => Self::Stop(node, Stop::Reconfigured),
            11 => match random.random_range(0..3) {
                0 => Self::Stop(node, Stop::Disabled { text: text() }),
                1 => Self::Stop(node, Stop::Drained { text: text() }),
                _ => Self::Stop(node, Stop::Deleted),
            },
            12 | 13 => Self::Both(Stop::Reconfigured),
            14 => Self::Start(node),
            15 => Self::Configure(node),
            16 => Self::Bfd(node, BfdFailure { control_plane_independent: random.random() }),
            17 => Self::PrefixLimit(node),
            18 => Self::Refresh(node, if random.random() { Family::Ipv4 } else { Family::Ipv6 }),
            _ => Self::Routes(node),
        }
    }
}

/// Configurations of two nodes that can talk to each other.
pub(crate) struct Estate {
    asns: [u32; 2],
    router_ids: [Ipv4Addr; 2],
    modes: [Mode; 2],
    role: bool,
}

impl Estate {
    pub(crate) fn random(random: &mut StdRng) -> Self {
        let (internal, same_id) = (random.random_bool(0.3), random.random_bool(0.2));
        let asns = match (internal, random.random::<bool>()) {
            (true, _) => [64_500; 2],
            (false, true) => [64_500, 4_200_000_000],
            (false, false) => [65_001, 65_000],
        };
        let ids = if random.random() { [1, 2] } else { [2, 1] };
        // RFC 6286: external peers may have the same identifier.
        let ids = if same_id && !internal { [7, 7] } else { ids };
        let modes = match random.random_range(0..5) {
            0 => [Mode::Active, Mode::Passive],
            1 => [Mode::Both, Mode::Passive],
            2 => [Mode::Active, Mode::Both],
            _ => [Mode::Both, Mode::Both],
        };
        Self { asns, router_ids: ids.map(|id| Ipv4Addr::new(10, 0, 0, id)), modes, role: random.random_bool(0.2) }
    }

    /// One of the many configurations of a node.
    pub(crate) fn config(&self, node: usize, random: &mut StdRng) -> Arc<Config> {
        let (asn, peer) = (self.asns[node], self.asns[1 - node]);
        let remote_as = match random.random_range(0..2) {
            0 => RemoteAs::Exactly(peer),
            _ if asn == peer => RemoteAs::Internal,
            _ => RemoteAs::External,
        };
        let mut config = Config::new(asn, remote_as, self.router_ids[node]);
        config.mode = self.modes[node];
        config.hold_time = Duration::from_secs(random.random_range(3..60));
        config.keepalive = random.random_bool(0.3).then(|| seconds(random, 1.0, 20.0));
        let first = seconds(random, 0.2, 3.0);
        config.connect_retry = Retry { first, max: first * [1, 8, 40][random.random_range(0..3)] };
        config.delay_open = random.random_bool(0.2).then(|| seconds(random, 0.1, 5.0));
        config.send_hold_time = random.random_bool(0.5).then(|| seconds(random, 5.0, 120.0));
        config.families = PerFamily::from_fn(|family| FamilyConfig {
            enabled: family == Family::Ipv4 || random.random_bool(0.7),
            add_path: [None, Some(AddPathMode::Both), Some(AddPathMode::Send), Some(AddPathMode::Receive)]
                [random.random_range(0..4)],
            extended_next_hop: family == Family::Ipv4 && random.random(),
        });
        config.extended_messages = random.random();
        config.send_extended_messages = random.random();
        config.graceful_restart = random.random_bool(0.8).then(|| graceful(random));
        if self.role && asn != peer {
            config.role = Some([Role::Provider, Role::Customer][node]);
            config.strict_role = true;
        }
        config.prefix_limit_restart = Some(seconds(random, 1.0, 60.0));
        Arc::new(config)
    }
}

fn graceful(random: &mut StdRng) -> GracefulRestart {
    let mut long_lived = || {
        random.random_bool(0.3).then(|| LongLived {
            stale_time: Duration::from_secs(random.random_range(0..200)),
            max_stale_time: Duration::from_secs(random.random_range(0..200)),
        })
    };
    GracefulRestart {
        long_lived: PerFamily { ipv4: long_lived(), ipv6: long_lived() },
        families: PerFamily { ipv4: random.random(), ipv6: random.random() },
        restart_time: Duration::from_secs(random.random_range(1..120)),
        forwarding: random.random(),
        notification: random.random(),
        max_restart_time: Duration::from_secs(random.random_range(1..120)),
    }
}
