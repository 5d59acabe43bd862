//! `lab cluster bench`: what a client sees of a cluster whose nodes crash and whose programs are replaced, and what the
//! programs cost there without and with many Services.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Sample, millis, quantile, report, tell_crash};
use crate::clock;
use crate::cluster::{Cluster, Options, ProxyMode, web};
use crate::error::Error;
use crate::layout::SWITCH;
use crate::output::print;
use crate::probe::ProbeOptions;
use crate::tour::cluster::members;
use crate::tour::screen::Screen;
use crate::tour::target;

/// The bound of the median gap at a crash.
const MEDIAN: Duration = Duration::from_millis(500);
/// Connections that are opened while programs are replaced, one after the other at this pace, and the bound of a hang.
const CONNECTIONS: u64 = 30_000;
const PACE: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(290);
/// The bound of a hang while many Services are made, and how often is looked: a look at thousands takes its time.
const DEADLINE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// For how long all must have been well before and after.
const STEADY: Duration = Duration::from_secs(1);
/// The Service whose address is watched.
const SERVICE: &str = "web";
/// Room for as many Services as can be asked for.
const VALUES: &str = "\
configInline:
  address-pools:
  - {name: default, protocol: layer2, addresses: [10.10.48.0/20]}
";
/// Of each of ferrolb's processes: its name, the host whose network it has, its memory (kB), that which is its own (kB),
/// and its processor time (ticks of 10 ms).
const PROCESSES: &str = r#"
for folder in /proc/[0-9]*; do
  pid=${folder#/proc/}
  case $(cat $folder/comm 2>/dev/null) in ferrolb-speaker) name=speaker;; ferrolb-control) name=controller;; *) continue;; esac
  host=$(ip netns identify $pid)
  awk -v name=$name -v host=${host:--} -v stat="$(sed 's/.*) //' $folder/stat)" \
    '/^VmRSS/ {rss=$2} /^RssAnon/ {own=$2} END {split(stat, of, " "); print name, host, rss, own, of[12]+of[13]}' $folder/status
done"#;

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct ClusterBench {
    /// How kube-proxy works.
    pub(crate) proxy: ProxyMode,
    /// Archive with the image; none: made of the binaries beside `lab`.
    pub(crate) image: Option<PathBuf>,
    /// How often the owner crashes.
    pub(crate) crashes: usize,
    /// Services beside the one that is watched.
    pub(crate) services: usize,
}

/// Measures and prints; whether the bounds were kept.
pub(crate) fn cluster(options: &ClusterBench) -> Result<bool, Error> {
    let mut screen = Screen::new();
    let cluster = Cluster::up(&Options { proxy: options.proxy, image: options.image.clone(), ..Options::default() })?;
    cluster.install(VALUES, &[])?;
    cluster.apply(&web(SERVICE, "", ""))?;
    let nodes: Vec<String> = cluster.lab().layout().nodes().map(|node| node.name.clone()).collect();
    cluster.serve_from(&[SERVICE], &nodes)?;
    let addresses = cluster.addresses("default", SERVICE)?;
    let address = *addresses.first().ok_or_else(|| Error::Refused { reason: format!("{SERVICE} has no address") })?;

    let mut kept = crashes(&mut screen, &cluster, address, &nodes, options.crashes)?;
    kept &= update(&mut screen, &cluster, address)?;
    screen.step("Memory and processor time of every process with one Service")?;
    processes(&cluster)?;
    many(&mut screen, &cluster, options.services)?;
    cluster.down()?;
    Ok(kept)
}

fn crashes(
    screen: &mut Screen,
    cluster: &Cluster,
    address: IpAddr,
    nodes: &[String],
    count: usize,
) -> Result<bool, Error> {
    screen.step(&format!("{count} crashes of the owner: link down, every process and pod on it killed"))?;
    screen.say("gap: longest time between two successful new connections of a probe every 2 ms; pods on surviving")?;
    screen.say("nodes only, no source port twice in a run; pause: what the probe itself missed (the machine)")?;
    let mut samples = Vec::new();
    for number in 1..=count {
        members(cluster, nodes.len())?;
        let owner = cluster.wait_for("a node answers", |cluster| cluster.lab().owner(address).ok()?)?;
        let others: Vec<String> = nodes.iter().filter(|node| **node != owner).cloned().collect();
        cluster.serve_from(&[SERVICE], &others)?;
        let sample = Sample::of(&cluster.lab().gap(target(address), |lab| lab.kill(&owner))?);
        tell_crash(number, &owner, &sample)?;
        samples.push(sample);
        cluster.lab().heal(&owner)?;
    }
    members(cluster, nodes.len())?;
    cluster.serve_from(&[SERVICE], nodes)?;
    report("crashes", &samples)?;
    let median = quantile(&samples, 50);
    screen.check("median gap below 500 ms", millis(median), median < MEDIAN)?;
    Ok(median < MEDIAN)
}

fn update(screen: &mut Screen, cluster: &Cluster, address: IpAddr) -> Result<bool, Error> {
    screen
        .step(&format!("Every controller and speaker is replaced, again and again, for {CONNECTIONS} connections"))?;
    let options = ProbeOptions { duration: LONGEST, every: PACE, ..ProbeOptions::new(target(address)) };
    let probe = cluster.lab().probe(&options)?;
    probe.wait_until_steady(STEADY)?;
    let mut rounds = 0;
    while probe.progress()?.attempts < CONNECTIONS {
        rounds += 1;
        let annotation = |who: &str| format!("{who}.podAnnotations.round=r{rounds}");
        cluster.install(VALUES, &["--set", &annotation("speaker"), "--set", &annotation("controller")])?;
    }
    probe.wait_until_steady(STEADY)?;
    let seen = probe.finish()?;
    let said = format!("{} of {} connections lost in {rounds} updates", seen.failures, seen.attempts);
    screen.check("rolling updates lose nothing", said, seen.failures == 0)?;
    Ok(seen.failures == 0)
}

/// Makes many Services that share the pods of the one that is watched; how long until all have an address, and until
/// everybody who asks for one gets one answer.
fn many(screen: &mut Screen, cluster: &Cluster, count: usize) -> Result<(), Error> {
    screen.step(&format!("{count} Services more, whose endpoints are the same pods"))?;
    let before = clock::now();
    let names: BTreeSet<String> = (1..=count).map(|number| format!("many-{number}")).collect();
    cluster.kubectl_with(&["create", "-f", "-"], &names.iter().map(|name| service(name)).collect::<String>())?;
    let created = before.elapsed();
    let mut addresses: Vec<IpAddr> = clock::until("every Service has its address", DEADLINE, LOOK_EVERY, || {
        let services = cluster.get(&["services"]).ok()?;
        let addresses = services.pointer("/items")?.as_array()?.iter().filter_map(|service| {
            let ours = names.contains(service.pointer("/metadata/name")?.as_str()?);
            ours.then(|| service.pointer("/status/loadBalancer/ingress/0/ip")?.as_str()?.parse().ok())?
        });
        let addresses: Vec<IpAddr> = addresses.collect();
        (addresses.len() == count).then_some(addresses)
    })?;
    let assigned = before.elapsed();
    // Whoever has been seen is not asked for again: a thousand answers at once are more than a busy machine hears.
    clock::until("one node answers for each address", DEADLINE, LOOK_EVERY, || {
        let answerers = cluster.lab().answerers("client", &addresses).ok()?;
        addresses.retain(|address| answerers.get(address).is_none_or(|who| who.len() != 1));
        addresses.is_empty().then_some(())
    })?;
    screen.say(&format!(
        "created after {}, all assigned after {}, each announced by one node after {}",
        millis(created),
        millis(assigned),
        millis(before.elapsed())
    ))?;
    processes(cluster)
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  selector: {{app: {SERVICE}}}
  ports: [{{port: 80, targetPort: 8080}}]
---
"
    )
}

/// Prints what each of ferrolb's processes has used so far.
fn processes(cluster: &Cluster) -> Result<(), Error> {
    let output = cluster.lab().exec(SWITCH, &["sh", "-c", PROCESSES])?;
    let mut rows: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    rows.sort();
    print("   PROCESS     NETWORK OF  RESIDENT  ITS OWN   PROCESSOR\n")?;
    for row in rows {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let [name, host, resident, own, ticks] = fields.as_slice() else { continue };
        let tenths = |kilobytes: &str| kilobytes.parse::<u64>().unwrap_or_default() * 10 / 1024;
        let mebibytes = |kilobytes: &str| format!("{}.{} MiB", tenths(kilobytes) / 10, tenths(kilobytes) % 10);
        let seconds = ticks.parse::<u64>().unwrap_or_default();
        let (resident, own) = (mebibytes(resident), mebibytes(own));
        let processor = format!("{}.{:02} s", seconds / 100, seconds % 100);
        print(&format!("   {name:<12}{host:<12}{resident:<10}{own:<10}{processor}\n"))?;
    }
    Ok(())
}
