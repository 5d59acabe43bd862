//! The machine: takes inputs and deadlines, returns datagrams and views.
//!
//! * [`membership`](self::membership): SWIM and what we add to it;
//! * [`brief`](self::brief): who is spoken to in brief;
//! * [`recovery`](self::recovery): what follows when this node was declared down, stalled, or leaves;
//! * [`hearing`](self::hearing): what a node that hears nobody keeps to itself;
//! * [`vigil`](self::vigil): how a death is noticed at once;
//! * [`doubts`](self::doubts): signs of life from whom we accuse;
//! * [`exchange`](self::exchange): digests and transfers of the whole state;
//! * [`claims`](self::claims): the claim table;
//! * [`facts`](self::facts): what the members tell about themselves;
//! * [`flapping`](self::flapping): who goes down again and again;
//! * [`readiness`](self::readiness): when this node knows enough to claim.

mod brief;
mod claims;
mod doubts;
mod exchange;
mod facts;
mod flapping;
mod hearing;
mod membership;
mod readiness;
mod recovery;
mod vigil;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::brief::Acquainted;
use self::claims::Conceded;
use self::doubts::Doubts;
use self::exchange::Pulls;
use self::facts::Own;
use self::flapping::Flaps;
use self::hearing::Hearing;
use self::readiness::Readiness;
use self::recovery::Company;
use self::vigil::Vigil;
use crate::claim::Claim;
use crate::config::Config;
use crate::counters::Counters;
use crate::facts::Facts;
use crate::identity::{Identity, NodeName, canonical};
use crate::notice::Board;
use crate::profile::Profile;
use crate::ring::KeyRing;
use crate::seal::{Channel, Opened};
use crate::swim::{Effects, News, Relayed, Swim, new_swim};
use crate::table::Table;
use crate::timers::{Task, Timers};
use crate::view::View;
use crate::wire::{Message, Record, Unreadable};

/// How often old claims and facts are looked through.
const FORGET_INTERVAL: Duration = Duration::from_secs(30);

/// How much news rides on foca's datagrams at the same time. It sorts them for each datagram, so thousands would keep it
/// busy. What exceeds this is repaired by the digests, a second later.
const RIDING_MAX: usize = 512;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A datagram was received. `from` must be the address that the sender advertises.
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// The other nodes that should be members, as known from elsewhere. Replaces the previous set.
    Seeds(Vec<SocketAddr>),
    /// This node owns these addresses from now on. Those it owns already are left as they are.
    Claim(Vec<IpAddr>),
    /// This node gives these addresses back. Those it does not own are ignored.
    Release(Vec<IpAddr>),
    /// This node tells these facts about itself from now on, in place of those before.
    Tell(Facts),
    /// These are the group keys from now on.
    Keys(KeyRing),
    /// The machine's clock stood still for this long while that of the others went on, as when a computer sleeps.
    Slept(Duration),
    /// This node leaves: all members are told at once. It never claims again, but the view goes on following the claims
    /// of the others.
    Leave,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram from the advertised address.
    Send {
        /// Where to.
        to: SocketAddr,
        /// Its content, at most 1232 bytes.
        bytes: Vec<u8>,
    },
    /// The view changed.
    View(Arc<View>),
}

/// Membership and claims of one node, as a pure state machine.
///
/// Drive it with [`handle`](Self::handle) for each input and [`handle_deadline`](Self::handle_deadline) when
/// [`next_deadline`](Self::next_deadline) is reached, and call [`poll`](Self::poll) after each until it returns `None`.
/// When both datagrams and a deadline are waiting, datagrams come first: they may refute what the deadline would decide.
///
/// What is added to foca, all of it visible to members of the same version only as ordinary traffic:
/// * a suspicion that was refuted in time is dropped before foca acts on it;
/// * a suspect is told directly, several times, and refutes directly;
/// * each node is watched by one other, which misses it at once;
/// * an own verdict goes to all members directly, and so does the news of a start and of leaving;
/// * each second one member compares digests with a random other, and they exchange state when those differ;
/// * a node that hears nobody tells nobody what it concludes from that;
/// * seeds that are not members are invited until they are;
/// * a node that stalled longer than others tolerate voids its claims by a new boot stamp before it does anything else.
pub struct Gossip {
    profile: Profile,
    started: Instant,
    /// Wall clock at `started`.
    epoch_ms: u64,
    /// When the machine last ran.
    awake: Instant,
    me: Identity,
    left: bool,
    swim: Swim,
    effects: Effects,
    relayed: Receiver<Relayed>,
    channel: Channel,
    timers: Timers,
    rng: StdRng,
    seeds: BTreeSet<SocketAddr>,
    /// Who is alive, this node included until it leaves.
    members: BTreeMap<NodeName, Identity>,
    /// Who went down lately, and when.
    departed: VecDeque<(SocketAddr, Instant)>,
    /// Members that went down and have not come back, and the boot of the life that they were taken to have ended.
    downed: BTreeMap<SocketAddr, u64>,
    /// Claims of ours that lost lately.
    conceded: Vec<Conceded>,
    company: Company,
    hearing: Hearing,
    acquainted: Acquainted,
    vigil: Vigil,
    doubts: Doubts,
    readiness: Readiness,
    table: Table,
    own: Own,
    board: Board,
    flaps: Flaps,
    pulls: Pulls,
    /// Digest of the state; computed when it is asked for after a change.
    digest: Option<[u8; 16]>,
    /// Likewise of the facts.
    facts_digest: Option<u64>,
    outputs: VecDeque<Output>,
    view: Arc<View>,
    view_changed: bool,
    counters: Counters,
}

// === impl Gossip ===

impl Gossip {
    /// A machine at its start. It knows nobody until it gets [`Input::Seeds`] or somebody else invites it.
    pub fn new(config: Config, now: Instant) -> Self {
        let me = Identity::new(config.name.clone(), config.advertise, config.boot);
        let mut rng = StdRng::seed_from_u64(config.seed);
        let channel = Channel::new(&config, now);
        let profile = config.profile.sane();
        let (swim, relayed) = new_swim(me.clone(), &profile, rng.random());
        let members = BTreeMap::from([(me.name.clone(), me.clone())]);
        let view = View::new(me.clone());
        let mut gossip = Self {
            swim,
            started: now,
            epoch_ms: config.boot,
            awake: now,
            me,
            left: false,
            effects: Effects::default(),
            relayed,
            channel,
            timers: Timers::default(),
            rng,
            seeds: BTreeSet::new(),
            members,
            departed: VecDeque::new(),
            downed: BTreeMap::new(),
            conceded: Vec::new(),
            company: Company::default(),
            hearing: Hearing::new(now),
            acquainted: Acquainted::default(),
            vigil: Vigil::new(now),
            doubts: Doubts::default(),
            readiness: Readiness::new(now),
            table: Table::default(),
            own: Own::default(),
            board: Board::default(),
            flaps: Flaps::default(),
            pulls: Pulls::default(),
            digest: None,
            facts_digest: None,
            outputs: VecDeque::new(),
            view: Arc::new(view),
            view_changed: false,
            counters: Counters::default(),
            profile,
        };
        gossip.start_timers(now);
        gossip
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.notice_stall(now);
        match input {
            Input::Datagram { from, bytes } => self.datagram(now, canonical(from), bytes),
            Input::Seeds(seeds) => self.set_seeds(now, seeds),
            Input::Claim(vips) => self.claim(now, &vips),
            Input::Release(vips) => self.release(now, &vips),
            Input::Keys(keys) => self.channel.set_keys(&keys),
            Input::Slept(time) => self.stalled(now, time),
            Input::Tell(facts) => self.tell(now, facts),
            Input::Leave => self.leave(now),
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.notice_stall(now);
        while let Some(task) = self.timers.pop(now) {
            self.run(now, task);
        }
        self.settle(now);
    }

    /// When [`handle_deadline`](Self::handle_deadline) is to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next thing to do; `None` when there is nothing. A new view comes before the datagrams of the same moment: what
    /// this node does about it need not wait until all members were written to.
    pub fn poll(&mut self) -> Option<Output> {
        if !std::mem::take(&mut self.view_changed) {
            return self.outputs.pop_front();
        }
        self.view = Arc::new(View {
            me: self.me.clone(),
            members: self.members.clone(),
            claims: self.table.held(),
            facts: self.facts(),
            flapping: self.flaps.flapping().clone(),
            ready: self.readiness.is_ready(),
            version: self.view.version.wrapping_add(1),
        });
        Some(Output::View(Arc::clone(&self.view)))
    }

    /// The view that was last returned by [`poll`](Self::poll); at the start one with only this node in it.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// What happened so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn start_timers(&mut self, now: Instant) {
        // Nodes that start together must not stay in step.
        let sync = self.some_of(self.profile.sync_interval);
        let seed = self.some_of(self.profile.seed_interval);
        self.schedule(now, sync, Task::Sync);
        self.schedule(now, seed, Task::Seed);
        let beat = self.some_of(self.profile.probe_period);
        self.schedule(now, beat, Task::Beat);
        self.schedule(now, beat, Task::Watch);
        self.schedule(now, FORGET_INTERVAL, Task::Forget);
        self.schedule(now, readiness::ALONE, Task::Ready);
    }

    fn run(&mut self, now: Instant, task: Task) {
        if self.left {
            if task == Task::Follow {
                self.follow(now);
            } else if let Task::PullAgain { peer, serial } = task {
                self.pull_again(now, peer, serial);
            }
            return;
        }
        match task {
            Task::Swim(timer) => self.swim_timer(now, timer),
            Task::Nudge { suspect, left } => self.nudge(now, suspect, left),
            Task::Beat => self.beat(now),
            Task::Watch => self.watch(now),
            Task::Help { member, since } => self.help(&member, since),
            Task::Judge { member, since } => self.judge(now, member, since),
            Task::Verdict { suspect, incarnation, since } => self.verdict(now, &suspect, incarnation, since),
            Task::Sync => self.sync(now),
            Task::Seed => self.invite_some_seed(now),
            Task::PullAgain { peer, serial } => self.pull_again(now, peer, serial),
            Task::Ready => self.review_readiness(now),
            Task::Forget => self.forget(now),
            Task::Concede { next } => self.tell_winners(now, next),
            Task::Calm => self.calm(now),
            Task::Follow => {}
        }
    }

    fn datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        match self.channel.open(now, from, bytes, &mut self.counters) {
            Opened::Message { kind, body } => {
                self.hearing.heard(now);
                self.signs_of(now, from);
                match Message::decode(kind, body) {
                    Ok(message) => self.message(now, from, message),
                    Err(Unreadable::Kind) => self.counters.unknown_kind += 1,
                    Err(Unreadable::Content) => self.counters.unreadable += 1,
                }
            }
            Opened::Admitted => {
                self.hearing.heard(now);
                self.admitted(now, from);
            }
            Opened::Reply(bytes) => self.hand_over(from, bytes),
            Opened::Dropped => {}
        }
    }

    fn message(&mut self, now: Instant, from: SocketAddr, message: Message) {
        match message {
            Message::Claims(claims) => {
                self.hear_claims(now, from, claims.into_iter().map(Record::fresh).collect(), true);
            }
            Message::Conceded(claims) => self.hear_conceded(now, from, claims),
            Message::Page(page) => self.hear_page(now, from, page),
            // A node that left takes no part in membership: the news of its own departure must not revive it.
            _ if self.left => {}
            Message::Swim(bytes) => self.hear_swim(now, from, &bytes),
            Message::Brief(brief) => self.hear_brief(now, from, &brief),
            Message::Watch(message) => self.hear_watch(now, from, &message),
            Message::Suspicion(suspicion) => self.refute(now, suspicion),
            Message::Records(records) => self.hear_records(now, from, records),
            Message::Outdated(known) => self.outdated(now, &known),
            Message::Digest(digest) => self.hear_digest(now, from, &digest),
            Message::Pull(after) => self.answer_pull(now, from, after),
            Message::Notices(notices) => self.hear_notices(notices),
            Message::Inventory(inventory) => self.hear_inventory(from, &inventory),
        }
    }

    /// The session of a peer was admitted: what it sent before was lost, so ask again.
    fn admitted(&mut self, now: Instant, from: SocketAddr) {
        if !self.left && !self.is_member_address(from) {
            self.invite(now, from);
        }
        self.pull_now(now, from);
    }

    /// Forgets what is of no use any more.
    fn forget(&mut self, now: Instant) {
        self.schedule(now, FORGET_INTERVAL, Task::Forget);
        self.forget_claims(now);
        self.forget_facts();
        let members: BTreeSet<SocketAddr> = self.other_addresses().into_iter().collect();
        self.acquainted.retain(|addr| members.contains(&addr));
    }

    /// Lets news ride on foca's datagrams until everybody has heard them: repairs what was lost of the direct news.
    fn ride(&mut self, news: &News) {
        if self.left || self.swim.custom_broadcast_backlog() >= RIDING_MAX {
            return;
        }
        let result = news.encode().map_or(Ok(true), |item| self.swim.add_broadcast(&item));
        self.count_refusal(&result.map(|_added| ()));
    }

    fn transmit(&mut self, to: SocketAddr, message: &Message) {
        self.transmit_to_each(&[to], message);
    }

    fn transmit_to_each(&mut self, to: &[SocketAddr], message: &Message) {
        let Some((kind, body)) = message.encode() else {
            self.counters.unsendable += 1;
            return;
        };
        let me = self.me.addr;
        for to in to.iter().copied().filter(|to| *to != me) {
            match self.channel.seal(to, kind, &body) {
                Some(bytes) => self.hand_over(to, bytes),
                None => self.counters.unsendable += 1,
            }
        }
    }

    fn hand_over(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.vigil.told(self.awake, to);
        self.counters.sent += 1;
        self.counters.sent_bytes = self.counters.sent_bytes.saturating_add(bytes.len() as u64);
        self.outputs.push_back(Output::Send { to, bytes });
    }

    fn schedule(&mut self, now: Instant, after: Duration, task: Task) {
        self.timers.add(now.checked_add(after).unwrap_or(now), task);
    }

    /// A random part of an interval.
    fn some_of(&mut self, interval: Duration) -> Duration {
        interval.mul_f64(self.rng.random_range(0.0..1.0))
    }

    /// A random one of the addresses.
    fn any_of(&mut self, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        if addresses.is_empty() {
            return None;
        }
        addresses.get(self.rng.random_range(0..addresses.len())).copied()
    }

    /// The state that digests cover changed, and with it the view.
    const fn changed(&mut self) {
        self.digest = None;
        self.facts_digest = None;
        self.view_changed = true;
    }
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gossip")
            .field("me", &self.me)
            .field("members", &self.members.len())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The owner of the claim lives, in the life in which it claimed.
fn lives(members: &BTreeMap<NodeName, Identity>, claim: &Claim) -> bool {
    members.get(&claim.owner).is_some_and(|owner| owner.boot == claim.boot)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
