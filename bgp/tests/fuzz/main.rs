//! Whatever a peer sends: nothing panics, nothing allocates more than a few times the message, every error has its
//! NOTIFICATION, and what is understood means the same when it is written and read again.
//!
//! `SEED` and `FUZZ_ITERATIONS` choose another run than the one of `cargo test`, `FUZZ_SECONDS=60` one for a time.

#[cfg(test)]
mod corpus;
#[cfg(test)]
#[path = "../../examples/codec/counting.rs"]
mod counting;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrolb_bgp::wire::{
    Attributes, Disposition, Message, Notification, Packer, Parameters, Template, Update, decode, notification::code,
};
use ipnet::IpNet;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

#[expect(clippy::disallowed_methods, reason = "how long a run lasts is a matter of real time")]
#[cfg(test)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}

/// An error that a peer can be told of: a code of the registry, within one message.
#[cfg(test)]
fn check_refusal(refused: &Notification) {
    assert!(matches!(refused.code, code::HEADER | code::OPEN | code::UPDATE | code::ROUTE_REFRESH), "{refused:?}");
    assert!(refused.code == code::OPEN || refused.subcode != 0, "{refused:?}");
    assert!(refused.data.len() <= 4096 - 21);
}

/// Everything announced, with its attributes.
#[cfg(test)]
fn announced(update: &Update<'_>) -> Vec<((IpNet, u32), Attributes)> {
    update
        .announced()
        .flat_map(|section| {
            let attributes = update.attributes(section.next_hop);
            section.prefixes.map(move |path| (path, attributes.clone()))
        })
        .collect()
}

/// Writes what was understood, on a session that carries it, and reads it again.
#[cfg(test)]
fn check_again(update: &Update<'_>, parameters: &Parameters, out: &mut BytesMut) {
    let roomy = Parameters { max_send: 65_535, max_receive: 65_535, ..parameters.clone() };
    let mirror = Parameters {
        add_path: ferrolb_bgp::wire::PerFamily::from_fn(|family| ferrolb_bgp::wire::AddPath {
            send: parameters.add_path.get(family).receive,
            receive: parameters.add_path.get(family).receive,
        }),
        ..roomy
    };
    for section in update.announced() {
        out.clear();
        let attributes = update.attributes(section.next_hop);
        // Only a set that is next to the longest does not fit any more: host bits and repetitions are gone, but AS numbers of
        // a peer with two octets may now have both forms.
        let Ok(template) = Template::new(&attributes, section.family, &mirror) else { continue };
        Packer::announce(&template, &mirror, out).extend(section.prefixes);
        let mut again = Vec::new();
        let mut rest = &out[..];
        while let Some((message, length)) = decode(rest, &mirror).expect("what we write can be read") {
            let Message::Update(update) = message else { panic!("{message:?}") };
            assert_eq!(update.errors(), []);
            again.extend(announced(&update));
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        assert!(again.iter().map(|(path, _)| *path).eq(section.prefixes));
        for (_, read) in again {
            assert!(same(&read, &attributes), "{read:?}\n{attributes:?}");
        }
    }
}

/// The same but for the Partial bit of what we do not know, and for how long sequences are cut.
#[cfg(test)]
fn same(read: &Attributes, sent: &Attributes) -> bool {
    let plain = |attributes: &Attributes| {
        let mut attributes = attributes.clone();
        attributes.unknown.iter_mut().for_each(|unknown| unknown.flags |= 0x20);
        attributes
    };
    plain(read) == plain(sent)
}

#[cfg(test)]
fn check(message: &Message<'_>, parameters: &Parameters, out: &mut BytesMut) -> bool {
    out.clear();
    match message {
        Message::Open(open) => {
            // What came in a message of 4,096 octets has room in one, written as tightly as it was or tighter.
            if open.encode(out).is_ok() {
                let Ok(Some((Message::Open(again), _))) = decode(out, parameters) else { panic!("{open:?}") };
                assert_eq!(again, *open);
            }
        }
        Message::Update(update) => {
            let (withdrawn, announced) = (update.withdrawn().count(), announced(update).len());
            assert!(!update.treat_as_withdraw() || announced == 0);
            for error in update.errors() {
                assert!(error.subcode() != 0 && error.disposition != Disposition::Reset, "{error:?}");
                assert!(!error.to_string().is_empty());
            }
            assert!(update.end_of_rib().is_none() || withdrawn + announced == 0);
            check_again(update, parameters, out);
        }
        Message::Notification(notification) => assert!(!notification.to_string().contains('\n')),
        Message::KeepAlive => return false,
        Message::RouteRefresh(refresh) => {
            refresh.encode(out);
            assert!(
                matches!(decode(out, parameters), Ok(Some((Message::RouteRefresh(again), 23))) if again == *refresh)
            );
        }
    }
    true
}

#[test]
fn messages_of_any_kind_neither_panic_nor_swell_nor_change_their_meaning() {
    let (seed, iterations) = (from_environment("SEED", 1), from_environment("FUZZ_ITERATIONS", 100_000));
    let (begin, budget) = (now(), Duration::from_secs(from_environment("FUZZ_SECONDS", 0)));
    println!("SEED={seed} FUZZ_ITERATIONS={iterations} FUZZ_SECONDS={}", budget.as_secs());
    let mut rng = StdRng::seed_from_u64(seed);
    let (corpus, sessions) = (corpus::corpus(), corpus::sessions());
    let (mut bytes, mut out) = (Vec::with_capacity(1 << 16), BytesMut::with_capacity(1 << 18));
    let (mut executions, mut understood, mut refused, mut withdrawn, mut worst) = (0_u64, 0_u64, 0_u64, 0_u64, 0.0_f64);
    while if budget.is_zero() { executions < iterations } else { now().duration_since(begin) < budget } {
        // The clock is not looked at for every message.
        for _ in 0..1_000 {
            executions += 1;
            corpus::mutate(&corpus, &mut rng, &mut bytes);
            let parameters = &sessions[rng.random_range(0..sessions.len())];
            let (before, calls) = (counting::held(), counting::calls());
            counting::peak();
            let decoded = decode(&bytes, parameters);
            let calls = counting::calls() - calls;
            let taken = counting::peak().saturating_sub(before);
            // A capability of two octets becomes one of 40, an error of an attribute of three octets one of 24.
            assert!(taken <= 4096 + 32 * bytes.len(), "{taken} octets for {} octets", bytes.len());
            worst = worst.max(
                f64::from(u32::try_from(taken).expect("little"))
                    / f64::from(u32::try_from(bytes.len()).expect("little").max(1)),
            );
            match decoded {
                Err(notification) => {
                    refused += 1;
                    check_refusal(&notification);
                }
                Ok(None) => {}
                Ok(Some((message, length))) => {
                    assert!(length <= bytes.len());
                    let plain = matches!(&message, Message::Update(update) if update.errors().is_empty());
                    assert!(!plain || calls == 0, "an UPDATE without errors is read in place");
                    withdrawn += u64::from(matches!(&message, Message::Update(update) if update.treat_as_withdraw()));
                    understood += u64::from(check(&message, parameters, &mut out));
                }
            }
        }
    }
    println!(
        "{executions} messages in {:.1?}: {understood} understood ({withdrawn} as withdrawals), {refused} refused; \
         {worst:.1} octets of memory for one received at most",
        now().duration_since(begin)
    );
    assert!(understood > executions / 10 && refused > executions / 10 && withdrawn > executions / 50);
}
