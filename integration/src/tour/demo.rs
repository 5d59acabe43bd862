//! `lab demo`: from values to a client that reaches the address, through the owner's crash and return.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use super::routed;
use super::screen::{Screen, millis};
use super::{SERVICE, address, endpoints_beside, everybody_is_a_member, owner, target};
use crate::error::{Error, system};
use crate::lab::{Api, Lab, Options, default_values};
use crate::layout::{Family, Router};
use crate::probe::{ProbeOptions, ProbeReport};
use crate::requirements::missing_routers;

/// A crash may take the address away for at most this long.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// For how long everything must have been well before the next fault.
const STEADY: Duration = Duration::from_millis(500);
/// Connections still open when an outage is over need this long to be counted as lost.
const COUNTED: Duration = Duration::from_millis(1500);
/// Longer than any step of the tour.
const PROBE: Duration = Duration::from_secs(60);

/// A service that comes later.
const SHOP: &str = "\
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {type: LoadBalancer, clusterIP: 10.96.0.11, ports: [{port: 80}]}
";

/// Runs the tour; whether everything it shows held.
pub(crate) fn demo(api: Api) -> Result<bool, Error> {
    let mut screen = Screen::new();
    screen.step("What the operator writes")?;
    let routers = [Router::Frr, Router::Bird];
    let missing = missing_routers(&routers);
    let routers = if missing.is_empty() { routers.to_vec() } else { Vec::new() };
    let values = default_values(Family::default(), &routers);
    screen.quote(&values)?;
    match api {
        Api::Directory => {
            screen
                .say("and a Service `default/web` of type LoadBalancer, in a directory of manifests: no API server.")?;
        }
        Api::Kube => {
            screen.say("$ ferrolb convert values.yaml")?;
            screen.quote(&converted(&values)?)?;
            screen.say("and a Service `default/web` of type LoadBalancer, all of it applied to a real API server.")?;
        }
    }

    screen.step("Three nodes, a client and a gateway come up, with real ferrolb processes on them")?;
    let lab = Lab::up(Options { api, routers: routers.clone(), ..Options::default() })?;
    let vip = address(&lab)?;
    let expected: IpAddr = [10, 10, 52, 0].into();
    screen.check("the service has the pool's first address", vip.to_string(), vip == expected)?;

    screen.step("One node owns the address, and can say why")?;
    let first = owner(&lab, vip)?;
    screen.say(&format!("$ ferrolb explain {SERVICE}        (asked on node-1)"))?;
    screen.quote(&lab.ferrolb("node-1", &["explain", SERVICE])?)?;

    screen.step("The client on the LAN reaches it")?;
    reach(&mut screen, &lab, vip, &first)?;

    screen.step(&format!("{first}, the owner, crashes: link down, every process killed"))?;
    screen.say("A probe opens a new connection every 2 ms. The endpoints are on the other two nodes, so that")?;
    screen.say("what is measured is the move of the address and not the death of a backend.")?;
    endpoints_beside(&lab, &first)?;
    let report = watched(&screen, &lab, vip, |lab| lab.kill(&first))?;
    let gap = report.longest_gap();
    let seen = format!("{} ({} of {} connections lost)", millis(gap), report.failures, report.attempts);
    screen.check("the client is served again within a second", seen, gap < LONGEST_GAP)?;

    let second = owner(&lab, vip)?;
    screen.say(&format!("$ ferrolb explain {SERVICE}        (asked on {second})"))?;
    screen.quote(&lab.ferrolb(&second, &["explain", SERVICE])?)?;
    let arp = client_sends_to(&lab, vip)?;
    screen.check("another node owns the address", format!("{first} -> {second}"), second != first)?;
    screen.check("the client's ARP entry points there", format!("{vip} is at {arp}"), arp == second)?;

    screen.step(&format!("{first} comes back"))?;
    let report = watched(&screen, &lab, vip, |lab| {
        lab.heal(&first)?;
        everybody_is_a_member(lab)
    })?;
    let stayed = owner(&lab, vip)?;
    let seen = format!("{stayed} keeps it, {} of {} connections lost", report.failures, report.attempts);
    screen.check("a return moves nothing and loses nothing", seen, stayed == second && report.failures == 0)?;

    screen.step(&format!("{second} leaves on purpose: SIGTERM to its speaker"))?;
    endpoints_beside(&lab, &second)?;
    let mut ended = String::new();
    let report = watched(&screen, &lab, vip, |lab| {
        let stopped = lab.stop(&second)?;
        ended = format!("{} after {}", stopped.status, millis(stopped.took));
        Ok(())
    })?;
    let third = owner(&lab, vip)?;
    let seen = format!("{second} -> {third}, {} of {} connections lost", report.failures, report.attempts);
    screen.say(&format!("the speaker ended with {ended}"))?;
    screen.check("a planned move loses nothing", seen, report.failures == 0 && third != second)?;

    screen.step("The controller is killed and started again, and a second service asks")?;
    lab.start(&second)?;
    lab.restart_controller()?;
    lab.apply("shop.yaml", SHOP)?;
    let shop = lab.wait_for("the second service has an address", |lab| lab.service_address("default/shop").ok()?)?;
    let kept = address(&lab)?;
    let seen = format!("{SERVICE} has {kept}, default/shop got {shop}");
    screen.check("what was promised is kept, the next one gets the next", seen, kept == vip && shop == next(vip))?;
    everybody_is_a_member(&lab)?;

    routed::tour(&mut screen, &lab, &missing)?;
    let all_held = screen.summary()?;
    lab.down()?;
    Ok(all_held)
}

/// What `ferrolb convert` makes of values.
fn converted(values: &str) -> Result<String, Error> {
    let program = crate::binaries::ferrolb()?;
    let folder = tempfile::tempdir().map_err(system("make a temporary folder"))?;
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).map_err(system("write the values"))?;
    let output = Command::new(program).arg("convert").arg(&file).output().map_err(system("run `ferrolb convert`"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Command { command: "ferrolb convert values.yaml".to_owned(), message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The address after `ip`.
fn next(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) + 1).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) + 1).into()),
    }
}

/// The client fetches a few times, and its ARP entry is the owner's.
fn reach(screen: &mut Screen, lab: &Lab, vip: IpAddr, owner: &str) -> Result<(), Error> {
    let url = format!("http://{vip}");
    let mut answers = Vec::new();
    for _ in 0..6 {
        let output = lab.exec("client", &["curl", "--no-progress-meter", "--max-time", "5", &url])?;
        answers.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    screen.say(&format!("$ curl {url}        (six times, on the client)"))?;
    screen.quote(&answers.join("\n"))?;
    let answered = answers.iter().all(|answer| answer.starts_with("node-"));
    screen.check("backends on the nodes answer", format!("{} of 6", answers.len()), answered)?;
    let neighbours = lab.exec("client", &["ip", "neigh", "show", &vip.to_string()])?;
    screen.say("$ ip neigh show        (on the client)")?;
    screen.quote(&String::from_utf8_lossy(&neighbours.stdout))?;
    let arp = client_sends_to(lab, vip)?;
    screen.check("the client's ARP entry is the owner's", format!("{vip} is at {arp}"), arp == owner)
}

/// The node that the client sends frames for `vip` to.
pub(super) fn client_sends_to(lab: &Lab, vip: IpAddr) -> Result<String, Error> {
    let mac = lab.client_arp(vip)?;
    let host = mac.and_then(|mac| lab.layout().by_mac(mac));
    Ok(host.map_or_else(|| "nobody".to_owned(), |host| host.name.clone()))
}

/// Probes while `fault` is done and until all is well again, with a live count.
pub(super) fn watched(
    screen: &Screen,
    lab: &Lab,
    vip: IpAddr,
    fault: impl FnOnce(&Lab) -> Result<(), Error>,
) -> Result<ProbeReport, Error> {
    let probe = lab.probe(&ProbeOptions { duration: PROBE, ..ProbeOptions::new(target(vip)) })?;
    probe.wait_until_steady(STEADY)?;
    fault(lab)?;
    let mut well = None;
    loop {
        let now = probe.progress()?;
        let open = now.attempts.saturating_sub(now.successes);
        screen.live(&format!(
            "{:>5} connections, {open:>4} unanswered, longest gap so far {}",
            now.attempts,
            millis(now.longest_gap)
        ))?;
        if now.silent > Duration::from_millis(100) {
            well = None;
        } else if now.at.saturating_sub(*well.get_or_insert(now.at)) > COUNTED {
            break;
        }
        if now.at + Duration::from_secs(5) > PROBE {
            break;
        }
    }
    screen.settle()?;
    probe.finish()
}
