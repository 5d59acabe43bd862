//! What reading and writing a message costs, beside bgpkit-parser in the same run.
//!
//! `cargo run --release -p ferrolb-bgp --example codec`. Nanoseconds are time on the processor for one message, the median
//! of several runs; allocations are counted. "in place" is what a session does with every UPDATE: check all of it and look
//! at each prefix. "owned" makes attributes of one's own too, which is what bgpkit-parser always does.

mod counting;

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use bgpkit_parser::models::AsnLength;
use bgpkit_parser::parser::bgp::parse_bgp_message;
use bytes::{Bytes, BytesMut};
use ferrolb_bgp::wire::{
    Attributes, Community, Family, Message, NextHop, Packer, Parameters, PerFamily, Template, decode,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const RUNS: usize = 9;

/// Prefixes that are handled in a run, whatever their number in a message.
const PREFIXES: usize = 400_000;

/// Time on the processor: what the neighbours on the machine do does not count.
fn now() -> Duration {
    nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).unwrap_or_default()
}

/// Nanoseconds of one message, how often it asks for memory, and how many octets it holds at most.
#[derive(Debug, Clone, Copy)]
struct Cost {
    nanoseconds: f64,
    allocations: usize,
    octets: usize,
}

/// Does something often; it has succeeded when it returns a value.
fn measure<T>(prefixes: usize, mut one: impl FnMut() -> Option<T>) -> Result<Cost, Box<dyn Error>> {
    let rounds = u32::try_from((PREFIXES / prefixes.max(20)).max(100))?;
    black_box(one()).ok_or("the first did not succeed")?;
    let (before, held) = (counting::calls(), counting::held());
    counting::peak();
    black_box(one());
    let (allocations, octets) = (counting::calls() - before, counting::peak() - held);
    let mut runs = [0.0; RUNS];
    for run in &mut runs {
        let began = now();
        for _ in 0..rounds {
            black_box(one());
        }
        *run = now().saturating_sub(began).as_secs_f64() * 1e9 / f64::from(rounds);
    }
    runs.sort_by(f64::total_cmp);
    let [.., nanoseconds, _, _, _, _] = runs;
    Ok(Cost { nanoseconds, allocations, octets })
}

fn hosts(family: Family, count: u32) -> Result<Vec<IpNet>, Box<dyn Error>> {
    (0..count)
        .map(|host| {
            Ok(match family {
                Family::Ipv4 => IpNet::V4(Ipv4Net::new((0xc633_0000 + host).into(), 32)?),
                Family::Ipv6 => IpNet::V6(Ipv6Net::new(((0x2001_0db8_u128 << 96) + u128::from(host)).into(), 128)?),
            })
        })
        .collect()
}

fn session() -> Parameters {
    Parameters { four_octet_as: true, families: PerFamily { ipv4: true, ipv6: true }, ..Parameters::default() }
}

fn template(family: Family) -> Result<Template, Box<dyn Error>> {
    let next_hop = match family {
        Family::Ipv4 => "192.0.2.1",
        Family::Ipv6 => "2001:db8::1",
    };
    let mut attributes = Attributes::new(NextHop::Address(next_hop.parse()?));
    attributes.as_path.prepend(64_500, 1);
    attributes.communities = vec![Community(1), Community(2)];
    Ok(Template::new(&attributes, family, &session())?)
}

fn row(out: &mut impl Write, what: &str, costs: &[Cost]) -> Result<(), Box<dyn Error>> {
    write!(out, "{what:<20}")?;
    for cost in costs {
        write!(out, "{:>10.1} ({:>4}, {:>6})", cost.nanoseconds, cost.allocations, cost.octets)?;
    }
    if let (Some(ours), Some(theirs)) = (costs.first(), costs.last()) {
        write!(out, "{:>10.1}", theirs.nanoseconds / ours.nanoseconds)?;
    }
    Ok(writeln!(out)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let parameters = session();
    writeln!(out, "ns a message (allocations, octets held at most), and theirs as a multiple of ours in place")?;
    writeln!(out, "{:<20}{:>25}{:>25}{:>25}{:>10}", "", "in place", "owned", "bgpkit-parser", "ratio")?;
    for (name, family, count) in [
        ("v4 x 1", Family::Ipv4, 1),
        ("v4 x 800", Family::Ipv4, 800),
        ("v6 x 1", Family::Ipv6, 1),
        ("v6 x 230", Family::Ipv6, 230),
    ] {
        let prefixes = hosts(family, count)?;
        let count = prefixes.len();
        let template = template(family)?;
        let mut buffer = BytesMut::with_capacity(8192);
        let pack = |buffer: &mut BytesMut| {
            buffer.clear();
            let mut packer = Packer::announce(&template, &parameters, buffer);
            for prefix in &prefixes {
                packer.push(prefix, 0);
            }
            packer.finish()
        };
        if pack(&mut buffer) != 1 {
            return Err("the prefixes are to fill one message".into());
        }
        let bytes = buffer.clone().freeze();
        let read = |owned: bool| {
            let Ok(Some((Message::Update(update), _))) = decode(&bytes, &parameters) else { return None };
            let mut sum = 0;
            for section in update.announced() {
                if owned {
                    black_box(update.attributes(section.next_hop));
                }
                sum += section.prefixes.map(|(prefix, _)| usize::from(black_box(prefix).prefix_len())).sum::<usize>();
            }
            Some(sum)
        };
        let theirs = |bytes: &Bytes| parse_bgp_message(&mut bytes.clone(), false, &AsnLength::Bits32).ok();
        let parsed = theirs(&bytes).ok_or("bgpkit-parser does not read it")?;
        let costs =
            [measure(count, || read(false))?, measure(count, || read(true))?, measure(count, || theirs(&bytes))?];
        row(&mut out, &format!("read {name}"), &costs)?;
        let costs =
            [measure(count, || Some(pack(&mut buffer)))?, measure(count, || parsed.encode(AsnLength::Bits32).ok())?];
        let [ours, theirs] = costs;
        row(&mut out, &format!("write {name}"), &[ours, ours, theirs])?;
    }
    let all = hosts(Family::Ipv4, 100_000)?;
    let template = template(Family::Ipv4)?;
    let mut buffer = BytesMut::with_capacity(1 << 20);
    let mut messages = 0;
    let cost = measure(all.len(), || {
        buffer.clear();
        let mut packer = Packer::announce(&template, &parameters, &mut buffer);
        packer.extend(all.iter().map(|prefix| (*prefix, 0)));
        messages = packer.finish();
        Some(messages)
    })?;
    writeln!(
        out,
        "100,000 equal routes: {messages} UPDATEs in {:.2} ms ({} allocations)",
        cost.nanoseconds / 1e6,
        cost.allocations
    )?;
    Ok(())
}
