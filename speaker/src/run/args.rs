//! Flags of `ferrolb-speaker`, and why it cannot start.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use ferrolb_daemon::tls::TlsArgs;
use ferrolb_daemon::{DaemonArgs, GuardArgs, GuardError};
use ferrolb_gossip::{Profile, UnknownProfile};
use ferrolb_source::{Cluster, SourceError};
use jiff::Timestamp;
use thiserror::Error;

use super::COMPONENT;
use super::exclusion::ExclusionError;
use super::ignored::IgnoredArgs;
use super::keys::KeysError;
use crate::admin::{AdminError, DEFAULT_PATH};
use crate::metrics::Metrics;
use crate::plan::{Options, PartitionPolicy, Strategy};
use crate::record::{Recorder, Settings};

/// Flags of `ferrolb-speaker`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SpeakerArgs {
    /// Where resources come from and status goes: `kube`, or `dir=PATH`.
    #[arg(long, env = "FERROLB_SOURCE", value_name = "kube|dir=PATH", default_value = "kube")]
    pub source: String,
    /// The API server's kubeconfig [default: KUBECONFIG, ~/.kube/config or the pod's service account].
    #[arg(long, env = "FERROLB_KUBECONFIG", value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the own pod; the status objects that this speaker writes go with it.
    #[arg(long, env = "METALLB_POD_NAME", default_value = "", hide_default_value = true)]
    pub pod_name: String,
    /// Namespace of the configuration objects [default: METALLB_NAMESPACE, the own pod's, or the one that they name].
    #[arg(long, env = "FERROLB_NAMESPACE")]
    pub namespace: Option<String>,
    /// Name of the node that this speaker runs on.
    #[arg(long, env = "METALLB_NODE_NAME")]
    pub node_name: String,
    /// Address to gossip from [default: the node's InternalIP].
    #[arg(long, env = "METALLB_ML_BIND_ADDR")]
    pub ml_bindaddr: Option<IpAddr>,
    /// UDP port to gossip on, the same on all nodes.
    #[arg(long, env = "METALLB_ML_BIND_PORT", default_value_t = 7946)]
    pub ml_bindport: u16,
    /// File with the keys that all speakers share: base64 of 32 bytes a line, the first of which seals. It may change at
    /// any time.
    #[arg(long, env = "FERROLB_GOSSIP_KEY_FILE", value_name = "PATH")]
    pub gossip_key_file: Option<PathBuf>,
    /// Folder of MetalLB's memberlist Secret, whose secretkey is stretched to a key; for want of --gossip-key-file.
    #[arg(long, env = "METALLB_ML_SECRET_KEY_PATH", value_name = "DIR")]
    pub ml_secret_key_path: Option<PathBuf>,
    /// How fast a dead node is noticed, and how long a living one may stall: fast, default, relaxed or safe.
    #[arg(long, env = "FERROLB_GOSSIP_PROFILE", value_name = "PROFILE")]
    pub gossip_profile: Option<String>,
    /// The profile safe, unless --gossip-profile says otherwise.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub ml_wan_config: bool,
    /// Keeps clusters apart that share a network and, by mistake, a key [default: the UID of namespace kube-system, or
    /// "default" without an API server].
    #[arg(long, env = "FERROLB_CLUSTER_ID")]
    pub cluster_id: Option<String>,
    /// Seconds between two refreshes of an announcement; 0: none after the first burst.
    #[arg(long, default_value_t = 60)]
    pub gratuitous_arp_interval: u64,
    /// Announce an address for the first time although somebody else answers for it.
    #[arg(long, env = "FERROLB_ANNOUNCE_IN_USE", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true")]
    pub announce_in_use: bool,
    /// Interfaces that do not announce besides those of --interface-exclude-file: regular expressions, separated by
    /// commas.
    #[arg(long, env = "FERROLB_INTERFACE_EXCLUDE", value_name = "REGEX", value_delimiter = ',')]
    pub interface_exclude: Vec<String>,
    /// File with announcedInterfacesToExclude: [REGEX, ...] [default: /etc/metallb/excludel2.yaml where it exists, else
    /// interfaces of containers and tunnels].
    #[arg(long, env = "FERROLB_INTERFACE_EXCLUDE_FILE", value_name = "PATH")]
    pub interface_exclude_file: Option<PathBuf>,
    /// How the owner of an address is chosen: balanced or metallb.
    #[arg(long, env = "FERROLB_STRATEGY", default_value_t = Strategy::Balanced)]
    pub strategy: Strategy,
    /// What a part of the cluster does that does not see the rest: available (announce) or quorum (announce only while
    /// most of the nodes are seen that could announce).
    #[arg(long, env = "FERROLB_PARTITION_POLICY", default_value_t = PartitionPolicy::Available)]
    pub partition_policy: PartitionPolicy,
    /// Under balanced: while nothing happens, move an address every 10 s from a node that owns more than its share to
    /// one that owns less.
    #[arg(long, env = "FERROLB_REBALANCE", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true")]
    pub rebalance: bool,
    /// Try nodes that are gone from gossip, and report those that are dead, so that the controller fails their endpoints.
    /// The controller needs the flag, too.
    #[arg(long, env = "FERROLB_FAIL_ENDPOINTS", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true")]
    pub fail_endpoints: bool,
    /// Announce Services of this loadBalancerClass only [default: those without one].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub lb_class: String,
    /// Announce also from nodes labelled node.kubernetes.io/exclude-from-external-load-balancers.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub ignore_exclude_lb: bool,
    /// Unix socket that `ferrolb status`, `members` and `explain` ask.
    #[arg(long, env = "FERROLB_ADMIN_SOCKET", default_value = DEFAULT_PATH)]
    pub admin_socket: PathBuf,
    /// Folder to record in what this speaker is told and decides, for `ferrolb replay` [default: not recorded].
    #[arg(long, env = "FERROLB_RECORD", value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// MiB that all files of the record together take; the oldest make room.
    #[arg(long, env = "FERROLB_RECORD_LIMIT", value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub record_limit: u64,
    /// Flags that MetalLB's speaker has and that have no meaning here.
    #[command(flatten)]
    pub ignored: IgnoredArgs,
    /// Metrics for the network.
    #[command(flatten)]
    pub guard: GuardArgs,
    /// TLS of metrics.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Log level, ports.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Why the speaker ended or did not start.
#[derive(Debug, Error)]
pub enum RunError {
    /// The source cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No key.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// No such profile.
    #[error("--gossip-profile")]
    Profile(#[from] UnknownProfile),
    /// Nobody knows which interfaces to leave out.
    #[error(transparent)]
    Exclusion(#[from] ExclusionError),
    /// Metrics cannot be guarded.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Nobody said where to gossip.
    #[error(
        "no address to gossip from: there is no Node object {0:?} with an InternalIP; say with --ml-bindaddr which \
         address of this node the others can reach"
    )]
    NoAddress(String),
    /// Gossip cannot start, or has failed.
    #[error(transparent)]
    Gossip(#[from] ferrolb_gossip::Error),
    /// The announcer cannot start.
    #[error(transparent)]
    L2(#[from] ferrolb_l2::driver::SpawnError),
    /// The admin socket cannot be had.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A port is taken.
    #[error(transparent)]
    Http(#[from] ferrolb_daemon::HttpError),
    /// Two metrics of one name: a bug.
    #[error("metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// The kernel grants no thread for the record.
    #[error("--record")]
    Record(#[source] std::io::Error),
    /// The kernel grants no threads.
    #[error(transparent)]
    Runtime(#[from] ferrolb_daemon::RuntimeError),
    /// The kernel grants no thread for BGP.
    #[error(transparent)]
    Bgp(ferrolb_bgp::driver::SpawnError),
    /// A part that everything depends on has ended by itself: a bug. Another start is the remedy.
    #[error("{0} has ended unexpectedly")]
    Ended(&'static str),
}

// === impl SpeakerArgs ===

impl SpeakerArgs {
    pub(super) fn options(&self) -> Options {
        Options {
            class: Some(self.lb_class.clone()).filter(|class| !class.is_empty()),
            ignore_exclude_label: self.ignore_exclude_lb,
            strategy: self.strategy,
            partition_policy: self.partition_policy,
            rebalance: self.rebalance,
        }
    }

    /// The flags that a record tells beside the [`Options`]: none of them is a secret.
    fn recorded(&self) -> BTreeMap<String, String> {
        let flag = |name: &str, value: String| (name.to_owned(), value);
        BTreeMap::from([
            flag("--announce-in-use", self.announce_in_use.to_string()),
            flag("--fail-endpoints", self.fail_endpoints.to_string()),
            flag("--gossip-profile", self.profile_name().to_owned()),
            flag("--gratuitous-arp-interval", self.gratuitous_arp_interval.to_string()),
            flag("--interface-exclude", self.interface_exclude.join(",")),
            flag("--source", self.source.clone()),
        ])
    }

    /// A record, if there is to be one.
    pub(super) fn recorder(&self, metrics: &Metrics) -> Result<Option<Recorder>, RunError> {
        let Some(folder) = &self.record else { return Ok(None) };
        let settings = Settings {
            folder,
            limit: self.record_limit << 20,
            program: COMPONENT,
            version: env!("CARGO_PKG_VERSION"),
            flags: self.recorded(),
            written: metrics.recorded("written"),
            lost: metrics.recorded("lost"),
        };
        Recorder::new(settings, Timestamp::now()).map(Some).map_err(RunError::Record)
    }

    fn profile_name(&self) -> &str {
        let otherwise = if self.ml_wan_config { "safe" } else { "default" };
        self.gossip_profile.as_deref().unwrap_or(otherwise)
    }

    /// How gossip keeps time.
    pub(super) fn profile(&self) -> Result<Profile, UnknownProfile> {
        self.profile_name().parse()
    }

    /// Where this node gossips.
    pub(super) fn gossip_address(&self, cluster: &Cluster) -> Result<SocketAddr, RunError> {
        let own = || cluster.nodes.get(&self.node_name)?.internal_ips.first().copied();
        let ip = self.ml_bindaddr.or_else(own).ok_or_else(|| RunError::NoAddress(self.node_name.clone()))?;
        Ok(SocketAddr::new(ip, self.ml_bindport))
    }

    /// Where the other nodes gossip: at the first of their addresses that is of our family.
    pub(super) fn seeds(&self, cluster: &Cluster, own: SocketAddr) -> Vec<SocketAddr> {
        let others = cluster.nodes.iter().filter(|(name, _)| **name != self.node_name);
        let reachable = others.filter_map(|(_, node)| {
            let ip = node.internal_ips.iter().find(|ip| ip.is_ipv4() == own.is_ipv4())?;
            Some(SocketAddr::new(*ip, self.ml_bindport))
        });
        reachable.filter(|address| *address != own).collect()
    }
}
