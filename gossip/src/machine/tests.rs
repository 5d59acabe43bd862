//! Hostile content inside authentic datagrams: whoever holds the key may be broken, or of a version to come.

use foca::{Member, State};
use proptest::prelude::*;

use super::*;
use crate::key::Key;
use crate::notice::Notice;
use crate::seal::envelope::MAX_DATAGRAM;
use crate::testing::{cases, origin};
use crate::wire::{Brief, Cursor, Digest, Inventory, Page, Suspicion, Watch, as_reader};

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 7946))
}

fn config(last: u8) -> Config {
    Config {
        name: format!("n{last}").into(),
        advertise: addr(last),
        profile: Profile::default(),
        cluster_id: "test".to_owned(),
        keys: Key::from_bytes([5; 32]).into(),
        boot: 1_700_000_000_000,
        session: [last; 16],
        seed: 1,
    }
}

/// A machine with one member and one claim, and a channel by which that member can say anything.
fn victim(now: Instant) -> (Gossip, Channel) {
    let mut gossip = Gossip::new(config(1), now);
    gossip.handle(now, Input::Seeds(vec![addr(2)]));
    gossip.handle(now, Input::Claim(vec![IpAddr::from([198, 18, 0, 1])]));
    let mut peer = Channel::new(&config(2), now);
    let member = Identity::new("n2", addr(2), 1_700_000_000_000);
    say(now, &mut gossip, &mut peer, &Message::Records(vec![Member::alive(member)]));
    assert_eq!(drain(&mut gossip).members.len(), 2);
    (gossip, peer)
}

fn say(now: Instant, gossip: &mut Gossip, peer: &mut Channel, message: &Message) {
    if let Some((kind, body)) = message.encode() {
        let bytes = peer.seal(addr(1), kind, &body).unwrap();
        gossip.handle(now, Input::Datagram { from: addr(2), bytes: &bytes });
    }
}

/// Takes all outputs, which must be of a size that can be sent.
fn drain(gossip: &mut Gossip) -> Arc<View> {
    for _ in 0..100_000 {
        match gossip.poll() {
            Some(Output::Send { bytes, .. }) => assert!(bytes.len() <= MAX_DATAGRAM),
            Some(Output::View(view)) => assert!(!view.members.is_empty() || gossip.left),
            None => return gossip.view(),
        }
    }
    panic!("the outputs never end");
}

/// Lets two seconds pass.
fn live_on(gossip: &mut Gossip, from: Instant) {
    let end = from + Duration::from_secs(2);
    let mut steps = 0;
    while let Some(due) = gossip.next_deadline().filter(|due| *due <= end) {
        gossip.handle_deadline(due.max(from));
        drain(gossip);
        steps += 1;
        assert!(steps < 10_000, "the deadlines never end");
    }
}

fn names() -> impl Strategy<Value = NodeName> {
    prop_oneof![Just("n1".into()), Just("n2".into()), Just("".into()), "[a-z]{0,300}".prop_map(NodeName::from)]
}

fn addresses() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (0..4_u8).prop_map(addr),
        Just("0.0.0.0:0".parse().unwrap()),
        Just("[::ffff:192.0.2.1]:7946".parse().unwrap()),
        (any::<u128>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(IpAddr::from(ip.to_be_bytes()), port)),
    ]
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1_700_000_000_000), Just(u64::MAX), any::<u64>()]
}

fn identities() -> impl Strategy<Value = Identity> {
    let rejoins = prop_oneof![Just(0), Just(1), Just(u32::MAX)];
    (names(), addresses(), numbers(), rejoins).prop_map(|(name, addr, boot, rejoins)| Identity {
        name,
        addr,
        boot,
        rejoins,
    })
}

fn members() -> impl Strategy<Value = Member<Identity>> {
    let incarnation = prop_oneof![Just(0), Just(1), Just(u16::MAX)];
    let state = prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Down)];
    let whom = prop_oneof![
        Just(Identity::new("n1", addr(1), 1_700_000_000_000)),
        Just(Identity::new("n2", addr(2), 1_700_000_000_000)),
        identities(),
    ];
    (whom, incarnation, state).prop_map(|(id, incarnation, state)| Member::new(id, incarnation, state))
}

fn claims() -> impl Strategy<Value = Claim> {
    (0..3_u8, numbers(), names(), numbers(), any::<bool>()).prop_map(|(last, epoch, owner, boot, released)| Claim {
        vip: IpAddr::from([198, 18, 0, last]),
        epoch,
        owner,
        boot,
        released,
    })
}

fn cursors() -> impl Strategy<Value = Cursor> {
    prop_oneof![
        Just(Cursor::Start),
        addresses().prop_map(Cursor::Member),
        any::<u128>().prop_map(|ip| Cursor::Claim(IpAddr::from(ip.to_be_bytes()))),
    ]
}

fn notices() -> impl Strategy<Value = Notice> {
    let bytes = prop::collection::vec(any::<u8>(), 0..60);
    (names(), numbers(), numbers(), 0..3_u8, 0..4_u8, bytes)
        .prop_map(|(node, boot, number, part, parts, bytes)| Notice { node, boot, number, part, parts, bytes })
}

fn watches() -> impl Strategy<Value = Watch> {
    let origin = || prop::option::of(addresses());
    prop_oneof![
        Just(Watch::Beat),
        origin().prop_map(|origin| Watch::Check { origin }),
        addresses().prop_map(|target| Watch::CheckFor { target }),
        (addresses(), origin()).prop_map(|(who, origin)| Watch::Alive { who, origin }),
    ]
}

fn messages() -> impl Strategy<Value = Message> {
    let records = (claims(), any::<u32>()).prop_map(|(claim, lapsed_secs)| Record { claim, lapsed_secs });
    let page = (
        cursors(),
        prop::option::of(cursors()),
        prop::collection::vec(members(), 0..5),
        prop::collection::vec(records, 0..5),
    )
        .prop_map(|(after, next, members, claims)| Message::Page(Page { after, next, members, claims }));
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Message::Swim),
        (identities(), members()).prop_map(|(accuser, accused)| Message::Suspicion(Suspicion { accuser, accused })),
        prop::collection::vec(members(), 0..5).prop_map(Message::Records),
        identities().prop_map(Message::Outdated),
        prop::collection::vec(claims(), 0..5).prop_map(Message::Claims),
        prop::collection::vec(claims(), 0..5).prop_map(Message::Conceded),
        (any::<[u8; 16]>(), any::<bool>(), any::<Option<u64>>())
            .prop_map(|(value, answer, facts)| Message::Digest(Digest { value, answer, facts })),
        prop::collection::vec(notices(), 0..4).prop_map(Message::Notices),
        (numbers(), numbers(), prop::collection::vec(any::<[u8; 8]>(), 0..5), any::<bool>())
            .prop_map(|(from, to, marks, answer)| Message::Inventory(Inventory { from, to, marks, answer })),
        cursors().prop_map(Message::Pull),
        watches().prop_map(Message::Watch),
        page,
    ]
}

/// A datagram of foca, whole or in brief: a header that is addressed to the victim, then anything.
fn swim() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![
        Just(foca::Message::Ping(1)),
        Just(foca::Message::Announce),
        Just(foca::Message::Feed),
        Just(foca::Message::Gossip),
        Just(foca::Message::Broadcast),
        Just(foca::Message::TurnUndead),
        identities().prop_map(|target| foca::Message::PingReq { target, probe_number: 1 }),
        identities().prop_map(|origin| foca::Message::IndirectPing { origin, probe_number: 1 }),
        identities().prop_map(|target| foca::Message::IndirectAck { target, probe_number: 1 }),
    ];
    let source = prop_oneof![Just(Identity::new("n2", addr(2), 1_700_000_000_000)), identities()];
    (kind, source, prop::collection::vec(any::<u8>(), 0..100), any::<bool>()).prop_map(|(message, src, rest, brief)| {
        let dst = Identity::new("n1", addr(1), 1_700_000_000_000);
        let header = foca::Header { src: src.clone(), src_incarnation: 0, dst: dst.clone(), message };
        let mut bytes = postcard::to_allocvec(&header).unwrap();
        bytes.extend_from_slice(&rest);
        let brief = if brief { Brief::of(&bytes, &src, &dst) } else { None };
        brief.map_or(Message::Swim(bytes), Message::Brief)
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn authentic_nonsense_does_no_harm(said in prop::collection::vec(prop_oneof![3 => messages(), 2 => swim()], 1..12), leave in any::<bool>()) {
        let now = origin();
        let (mut gossip, mut peer) = victim(now);
        if leave {
            gossip.handle(now, Input::Leave);
        }
        for message in &said {
            say(now, &mut gossip, &mut peer, message);
            drain(&mut gossip);
        }
        live_on(&mut gossip, now);
        let view = drain(&mut gossip);
        prop_assert_eq!(view.members.contains_key("n1"), !leave, "we are alive unless we left");
    }

    #[test]
    fn authentic_bytes_of_any_kind_do_no_harm(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..400)) {
        let now = origin();
        let (mut gossip, mut peer) = victim(now);
        let bytes = peer.seal(addr(1), kind, &body).unwrap();
        gossip.handle(now, Input::Datagram { from: addr(2), bytes: &bytes });
        drain(&mut gossip);
        live_on(&mut gossip, now);
    }
}

#[test]
fn unknown_kinds_are_ignored_and_counted() {
    let now = origin();
    let (mut gossip, mut peer) = victim(now);
    let version = gossip.view().version;
    let bytes = peer.seal(addr(1), 200, b"from a later version").unwrap();
    gossip.handle(now, Input::Datagram { from: addr(2), bytes: &bytes });
    assert_eq!(gossip.poll(), None);
    assert_eq!(gossip.counters().unknown_kind, 1);
    assert_eq!(gossip.view().version, version);
}

/// What the victim says to its member, as messages; `peer` is that member's channel.
fn said(now: Instant, gossip: &mut Gossip, peer: &mut Channel) -> Vec<Message> {
    let mut counters = Counters::default();
    std::iter::from_fn(|| gossip.poll())
        .filter_map(|output| match output {
            Output::Send { to, bytes } if to == addr(2) => Some(peer.open(now, addr(1), &bytes, &mut counters)),
            Output::Send { .. } | Output::View(_) => None,
        })
        .filter_map(|opened| match opened {
            Opened::Message { kind, body } => Message::decode(kind, body).ok(),
            Opened::Admitted | Opened::Reply(_) | Opened::Dropped => None,
        })
        .collect()
}

/// A ping of the member, with what rides on it.
fn ping(dst: &Identity, rest: &[u8]) -> Vec<u8> {
    let src = Identity::new("n2", addr(2), 1_700_000_000_000);
    let header = foca::Header { src, src_incarnation: 0, dst: dst.clone(), message: foca::Message::Ping(1) };
    [postcard::to_allocvec(&header).unwrap().as_slice(), rest].concat()
}

#[test]
fn only_who_says_that_it_reads_brief_datagrams_gets_them() {
    let now = origin();
    let (mut gossip, mut peer) = victim(now);
    let me = gossip.me.clone();
    // A member of an earlier version says nothing of that kind, however often it comes.
    for _ in 0..3 {
        say(now, &mut gossip, &mut peer, &Message::Swim(ping(&me, &[0, 0])));
        let said = said(now, &mut gossip, &mut peer);
        assert!(said.iter().any(|message| matches!(message, Message::Swim(_))), "{said:?}");
        assert!(!said.iter().any(|message| matches!(message, Message::Brief(_))), "{said:?}");
    }
    // Nor does one that means another life of ours.
    let before = Identity { boot: 1, ..me.clone() };
    say(now, &mut gossip, &mut peer, &Message::Swim(as_reader(ping(&before, &[0, 0]))));
    say(now, &mut gossip, &mut peer, &Message::Swim(ping(&me, &[0, 0])));
    assert!(!said(now, &mut gossip, &mut peer).iter().any(|message| matches!(message, Message::Brief(_))));
    say(now, &mut gossip, &mut peer, &Message::Swim(as_reader(ping(&me, &[0, 0]))));
    say(now, &mut gossip, &mut peer, &Message::Swim(ping(&me, &[0, 0])));
    let said = said(now, &mut gossip, &mut peer);
    assert!(said.iter().any(|message| matches!(message, Message::Brief(_))), "{said:?}");
}

#[test]
fn a_brief_ping_is_answered_and_one_from_nobody_known_is_asked_who_it_is() {
    let now = origin();
    let (mut gossip, mut peer) = victim(now);
    said(now, &mut gossip, &mut peer);
    let me = gossip.me.clone();
    let src = Identity::new("n2", addr(2), 1_700_000_000_000);
    let brief = Message::Brief(Brief::of(&ping(&me, &[0, 0]), &src, &me).unwrap());
    say(now, &mut gossip, &mut peer, &brief);
    let answers = said(now, &mut gossip, &mut peer);
    assert!(matches!(answers[..], [Message::Brief(_)]), "{answers:?}");

    let stranger = Identity { rejoins: 1, ..src };
    let header =
        foca::Header { src: stranger.clone(), src_incarnation: 0, dst: me.clone(), message: foca::Message::Ping(2) };
    let brief = Brief::of(&postcard::to_allocvec(&header).unwrap(), &stranger, &me).unwrap();
    say(now, &mut gossip, &mut peer, &Message::Brief(brief));
    let answers = said(now, &mut gossip, &mut peer);
    let [Message::Swim(invitation)] = &answers[..] else { panic!("{answers:?}") };
    let (header, _): (foca::Header<Identity>, _) = postcard::take_from_bytes(invitation).unwrap();
    assert_eq!(header.message, foca::Message::Announce);

    // One to another life of this node is for nobody.
    let past = Identity { boot: 1, ..me };
    let brief = Brief::of(&ping(&past, &[]), &Identity { rejoins: 0, ..stranger }, &past).unwrap();
    say(now, &mut gossip, &mut peer, &Message::Brief(brief));
    assert_eq!(said(now, &mut gossip, &mut peer), []);
}

#[test]
fn a_suspicion_is_refuted_in_the_same_breath() {
    let now = origin();
    let (mut gossip, mut peer) = victim(now);
    let accuser = Identity::new("n2", addr(2), 1_700_000_000_000);
    let accused = Member::new(gossip.me.clone(), 0, State::Suspect);
    say(now, &mut gossip, &mut peer, &Message::Suspicion(Suspicion { accuser, accused }));
    let answers = std::iter::from_fn(|| gossip.poll())
        .filter(|output| matches!(output, Output::Send { to, .. } if *to == addr(2)))
        .count();
    assert!(answers >= 1);
    assert_eq!(gossip.counters().suspicions_refuted, 1);
}

#[test]
fn a_new_life_begins_after_the_newest_that_is_known() {
    let now = origin();
    let (mut gossip, mut peer) = victim(now);
    let later = Identity::new("n1", addr(1), 1_800_000_000_000);
    say(now, &mut gossip, &mut peer, &Message::Outdated(later));
    let view = drain(&mut gossip);
    assert_eq!(view.me.boot, 1_800_000_000_001);
    assert_eq!(view.owner(IpAddr::from([198, 18, 0, 1])), None, "old claims are void");
}
