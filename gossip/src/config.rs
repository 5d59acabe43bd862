//! What a machine is told at its start.

use std::net::SocketAddr;

use crate::identity::NodeName;
use crate::profile::Profile;
use crate::ring::KeyRing;

/// Everything a [`Gossip`](crate::Gossip) machine needs to know at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this node.
    pub name: NodeName,
    /// Address and port at which the other nodes reach this one, and from which its datagrams come. Part of what every
    /// datagram authenticates.
    pub advertise: SocketAddr,
    /// Timing of failure detection.
    pub profile: Profile,
    /// Tells clusters apart that share a network and, by mistake, a key. Every node of a cluster has the same one.
    pub cluster_id: String,
    /// The group keys.
    pub keys: KeyRing,
    /// Wall clock at the start, in milliseconds since the Unix epoch. Must be newer than at the previous start of the
    /// process on this node; a clock that was set back costs one more round trip while joining.
    pub boot: u64,
    /// 16 random bytes, fresh at each start of the process: they separate the nonces of this run from all others, so a
    /// value used twice with the same key breaks the encryption.
    pub session: [u8; 16],
    /// Seed of the machine's random choices.
    pub seed: u64,
}
