//! The edge to foca: its configuration, what it wants done, and how news ride on its datagrams.

use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use foca::{BroadcastHandler, Foca, Invalidates, Notification, PeriodicParams, PostcardCodec, Runtime, Timer};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::claim::Claim;
use crate::identity::{Identity, NodeName};
use crate::notice::Notice;
use crate::profile::Profile;
use crate::seal::envelope::MAX_BODY;
use crate::wire::READER;

/// SWIM as we run it.
pub(crate) type Swim = Foca<Identity, PostcardCodec, StdRng, Relay>;

/// A member that went down is remembered for this long, so that old news cannot bring it back.
const REMOVE_DOWN_AFTER: Duration = Duration::from_secs(3600);

/// How often a random member is asked who else there is; repair that the digests make all but superfluous, and in a large
/// cluster each answer is as long as a datagram may be.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(30);

/// How often members that are down are invited, should they be back and know nobody.
const RECALL_INTERVAL: Duration = Duration::from_secs(5);

/// More news than one datagram of 1184 bytes can hold, and the inbox is emptied after each. A full inbox would lose news
/// that the next digest repairs.
const INBOX: usize = 256;

/// What foca wants done.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) sends: Vec<(Identity, Vec<u8>)>,
    pub(crate) timers: Vec<(Duration, Timer<Identity>)>,
    pub(crate) events: Vec<Event>,
}

/// What foca noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A member is alive.
    Up(Identity),
    /// A member went down.
    Down(Identity),
    /// A member goes on under a newer identity.
    Renamed {
        /// Who it was.
        old: Identity,
        /// Who it is.
        new: Identity,
    },
    /// There is a first member.
    Active,
    /// There is no member any more.
    Idle,
    /// We were declared down and go on under a renewed identity.
    Rejoined,
    /// Our probe of a member failed.
    ProbeFailed(Identity),
}

/// News that ride on foca's datagrams, each as an item of a tag and a record. Items with another tag are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A claim.
    Claim(Claim),
    /// A part of what a node tells about itself.
    Notice(Notice),
}

/// The tag of claims.
const CLAIM: u8 = 1;

/// The tag of notices.
const NOTICE: u8 = 2;

/// Longest item that can ride: beside it a datagram holds the longest header of foca, with two names of 253 bytes.
const RIDE_MAX: usize = 512;

/// Hands news that came with foca's datagrams to the machine, which decides about them.
pub(crate) struct Relay {
    inbox: SyncSender<Relayed>,
}

/// What came with a datagram of foca that was accepted, so it was meant for the present life of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// News.
    News(News),
    /// The sender reads [brief](crate::wire::Brief) datagrams.
    Reader(Identity),
}

/// Newer news about the same replaces older.
#[derive(PartialEq, Eq)]
pub(crate) enum About {
    Address(IpAddr),
    Node(NodeName, u8),
}

/// foca's settings for a profile.
fn foca_config(profile: &Profile) -> foca::Config {
    let periodic = |frequency, num_members| Some(PeriodicParams { frequency, num_members });
    foca::Config {
        probe_period: profile.probe_period,
        // foca judges a probe when the next period starts, so the indirect probes must come before.
        probe_rtt: profile.probe_rtt.min(profile.probe_period / 2),
        num_indirect_probes: profile.indirect_probes,
        max_transmissions: profile.max_transmissions,
        suspect_to_down_after: profile.suspect,
        remove_down_after: Some(REMOVE_DOWN_AFTER),
        max_packet_size: NonZeroUsize::MIN.saturating_add(MAX_BODY - 1),
        notify_down_members: true,
        periodic_announce: periodic(ANNOUNCE_INTERVAL, NonZeroUsize::MIN),
        periodic_announce_to_down_members: periodic(RECALL_INTERVAL, NonZeroUsize::MIN.saturating_add(1)),
        periodic_gossip: periodic(profile.gossip_interval, profile.gossip_fanout),
    }
}

/// SWIM at its start, and where the news come out that its datagrams bring.
pub(crate) fn new_swim(me: Identity, profile: &Profile, seed: u64) -> (Swim, Receiver<Relayed>) {
    let (inbox, news) = sync_channel(INBOX);
    let (config, rng) = (foca_config(profile), StdRng::seed_from_u64(seed));
    (Swim::with_custom_broadcast(me, config, rng, PostcardCodec, Relay { inbox }), news)
}

// === impl News ===

impl News {
    /// As an item for foca; `None` when it is too long to ride.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let item = match self {
            Self::Claim(claim) => postcard::to_allocvec(&(CLAIM, claim)),
            Self::Notice(notice) => postcard::to_allocvec(&(NOTICE, notice)),
        };
        item.ok().filter(|item| item.len() <= RIDE_MAX)
    }

    fn decode(item: &[u8]) -> Option<Self> {
        let (tag, record) = item.split_first()?;
        match *tag {
            CLAIM => postcard::take_from_bytes(record).ok().map(|(claim, _rest)| Self::Claim(claim)),
            NOTICE => postcard::take_from_bytes(record).ok().map(|(notice, _rest)| Self::Notice(notice)),
            _ => None,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::Claim(claim) => About::Address(claim.vip),
            Self::Notice(notice) => About::Node(notice.node.clone(), notice.part),
        }
    }
}

// === impl Effects ===

impl Effects {
    pub(crate) const fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.timers.is_empty() && self.events.is_empty()
    }
}

impl Runtime<Identity> for Effects {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        self.events.push(match notification {
            Notification::MemberUp(id) => Event::Up(id.clone()),
            Notification::MemberDown(id) => Event::Down(id.clone()),
            Notification::Rename(old, new) => Event::Renamed { old: old.clone(), new: new.clone() },
            Notification::Active => Event::Active,
            Notification::Idle => Event::Idle,
            Notification::Rejoin(_) => Event::Rejoined,
            Notification::ProbeFailed(_, id) => Event::ProbeFailed(id.clone()),
            // Defunct follows our own leave only: the identity can always be renewed.
            Notification::Defunct | Notification::DataReceived(_) | Notification::DataSent(_) => return,
        });
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        self.sends.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Identity>, after: Duration) {
        self.timers.push((after, event));
    }
}

// === impl Relay ===

impl BroadcastHandler<Identity> for Relay {
    type Key = About;
    type Error = Infallible;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Identity>) -> Result<Option<About>, Infallible> {
        let Some(sender) = sender else {
            // Added by the machine itself, which found it to be news.
            return Ok(News::decode(data).map(|news| news.about()));
        };
        let relayed = if *data == [READER] {
            Some(Relayed::Reader(sender.clone()))
        } else {
            News::decode(data).map(Relayed::News)
        };
        if let Some(relayed) = relayed {
            // When the inbox is full this is lost here and comes again with the next digest.
            self.inbox.try_send(relayed).ok();
        }
        Ok(None)
    }
}

// === impl About ===

impl Invalidates for About {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}
