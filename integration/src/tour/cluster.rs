//! `lab cluster demo`: from `helm install` to `helm uninstall` on a real Kubernetes cluster, through a crash of the owner and
//! an upgrade under load.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::demo::{client_sends_to, watched};
use super::screen::{Screen, millis};
use super::target;
use crate::cluster::{Cluster, Options, ProxyMode, web};
use crate::error::Error;
use crate::probe::{ProbeOptions, ProbeReport};

/// What people have in their values, and a pool of the lab's network in the newer form.
const VALUES: &str = "\
configInline:
  address-pools:
  - name: default
    protocol: layer2
    addresses: [192.168.1.240-192.168.1.250]
ipAddressPools:
- name: lan
  addresses: [10.10.52.0/24]
l2Advertisements:
- name: lan
  ipAddressPools: [lan]
";
/// The Service that the tour looks at, and what it asks for.
const SERVICE: &str = "web";
const ASKS_FOR_LAN: &str = "metallb.universe.tf/address-pool: lan";
/// A crash may take the address away for at most this long.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// For how long everything must have been well before a change.
const STEADY: Duration = Duration::from_secs(1);
/// Longer than an upgrade takes, at this pace.
const UPGRADE: Duration = Duration::from_secs(240);
const UPGRADE_PACE: Duration = Duration::from_millis(5);

/// Runs the tour; whether everything it shows held.
pub(crate) fn demo(proxy: ProxyMode, image: Option<PathBuf>) -> Result<bool, Error> {
    let mut screen = Screen::new();
    screen.step("A cluster comes up: three nodes with kubelet, containerd and kube-proxy, and a control plane")?;
    let cluster = Cluster::up(&Options { proxy, image, ..Options::default() })?;
    screen.say("$ kubectl get nodes")?;
    screen.quote(&cluster.kubectl(&["get", "nodes"])?)?;

    screen.step("ferrolb is installed, with the values that people have")?;
    screen.quote(VALUES)?;
    screen.say("$ helm install ferrolb charts/ferrolb --namespace ferrolb-system --values values.yaml --wait")?;
    cluster.install(VALUES, &[])?;
    screen.say("$ kubectl get pods --namespace ferrolb-system")?;
    let pods = cluster.kubectl(&["get", "pods", "--namespace", "ferrolb-system"])?;
    screen.quote(&pods)?;
    screen.check("controllers and speakers are ready", ready(&pods), ready(&pods) == "5 of 5")?;

    screen.step("A Service of type LoadBalancer gets an address, and a client on the LAN an answer")?;
    cluster.kubectl(&["label", "nodes", "--all", "web=yes"])?;
    cluster.apply(&web(SERVICE, ASKS_FOR_LAN, ""))?;
    let vip = address(&cluster)?;
    cluster.kubectl(&["rollout", "status", "daemonset/web", "--timeout", "2m"])?;
    screen.say("$ kubectl get service web")?;
    screen.quote(&cluster.kubectl(&["get", "service", SERVICE])?)?;
    let expected: IpAddr = [10, 10, 52, 0].into();
    screen.check("EXTERNAL-IP is the first address of the pool", vip.to_string(), vip == expected)?;
    let first = owner(&cluster, vip)?;
    reach(&mut screen, &cluster, vip)?;
    explain(&mut screen, &cluster)?;

    crash(&mut screen, &cluster, vip, &first)?;
    upgrade(&mut screen, &cluster, vip)?;
    remove(&mut screen, &cluster, vip)?;

    let all_held = screen.summary()?;
    cluster.down()?;
    Ok(all_held)
}

fn crash(screen: &mut Screen, cluster: &Cluster, vip: IpAddr, first: &str) -> Result<(), Error> {
    screen.step(&format!("{first}, the owner, crashes: link down, every process and pod on it killed"))?;
    screen.say("A probe opens a new connection every 2 ms. The pods are on the other two nodes, so that what is")?;
    screen.say("measured is the move of the address and not the death of a pod.")?;
    let nodes: Vec<String> = cluster.lab().layout().nodes().map(|node| node.name.clone()).collect();
    let others: Vec<String> = nodes.iter().filter(|node| *node != first).cloned().collect();
    cluster.serve_from(&[SERVICE], &others)?;
    let report = watched(screen, cluster.lab(), vip, |lab| lab.kill(first))?;
    let gap = report.longest_gap();
    let seen = format!("{} ({} of {} connections lost)", millis(gap), report.failures, report.attempts);
    screen.check("the client is served again within a second", seen, gap < LONGEST_GAP)?;
    let second = owner(cluster, vip)?;
    let arp = client_sends_to(cluster.lab(), vip)?;
    let seen = format!("{first} -> {second}, {vip} is at {arp}");
    screen.check("another node owns the address, and the client knows", seen, second != first && arp == second)?;
    explain(screen, cluster)?;

    screen.step(&format!("{first} boots again"))?;
    let report = under_load(cluster, vip, |cluster| {
        cluster.lab().heal(first)?;
        members(cluster, 3)
    })?;
    let stayed = owner(cluster, vip)?;
    let seen = format!("{stayed} keeps it, {} of {} connections lost", report.failures, report.attempts);
    screen.check("a return moves nothing and loses nothing", seen, stayed == second && report.failures == 0)?;
    cluster.serve_from(&[SERVICE], &nodes)
}

fn upgrade(screen: &mut Screen, cluster: &Cluster, vip: IpAddr) -> Result<(), Error> {
    screen.step("helm upgrade under load: every controller and speaker is replaced, one after the other")?;
    screen.say(
        "$ helm upgrade ferrolb charts/ferrolb --namespace ferrolb-system --values values.yaml \
         --set speaker.logLevel=debug --set controller.logLevel=debug --wait",
    )?;
    let new = ["--set", "speaker.logLevel=debug", "--set", "controller.logLevel=debug"];
    let report = under_load(cluster, vip, |cluster| cluster.install(VALUES, &new).map(drop))?;
    let seen = format!("{} of {} connections lost", report.failures, report.attempts);
    screen.check("an upgrade loses nothing", seen, report.failures == 0)?;
    screen.say("$ helm rollback ferrolb --namespace ferrolb-system --wait")?;
    let back = ["rollback", "ferrolb", "--namespace", "ferrolb-system", "--wait", "--timeout", "3m"];
    let report = under_load(cluster, vip, |cluster| cluster.helm(&back, "").map(drop))?;
    let seen = format!("{} of {} connections lost", report.failures, report.attempts);
    screen.check("a rollback loses nothing", seen, report.failures == 0)?;
    let kept = address(cluster)?;
    screen.check("the address is still the same", kept.to_string(), kept == vip)
}

fn remove(screen: &mut Screen, cluster: &Cluster, vip: IpAddr) -> Result<(), Error> {
    screen.step("helm uninstall")?;
    screen.say("$ helm uninstall ferrolb --namespace ferrolb-system")?;
    cluster.uninstall()?;
    let answers = cluster.lab().owner(vip)?;
    let seen = answers.clone().unwrap_or_else(|| "nobody".to_owned());
    screen.check("nobody answers for the address any more", seen, answers.is_none())?;
    let definitions = cluster.kubectl(&["get", "customresourcedefinitions", "--output", "name"])?;
    let kept = definitions.lines().filter(|line| line.ends_with(".metallb.io")).count();
    screen.check("the custom resource definitions are kept", kept.to_string(), kept == 9)
}

/// `5 of 5`: of what kubectl lists, how many are ready.
fn ready(pods: &str) -> String {
    let lines: Vec<&str> = pods.lines().skip(1).collect();
    let ready = lines.iter().filter(|line| line.split_whitespace().nth(1) == Some("1/1")).count();
    format!("{ready} of {}", lines.len())
}

fn address(cluster: &Cluster) -> Result<IpAddr, Error> {
    let addresses = cluster.addresses("default", SERVICE)?;
    addresses.first().copied().ok_or_else(|| Error::Refused { reason: format!("{SERVICE} has no address") })
}

fn owner(cluster: &Cluster, vip: IpAddr) -> Result<String, Error> {
    cluster.wait_for("a node answers for the address", |cluster| cluster.lab().owner(vip).ok()?)
}

/// Waits until that many speakers count that many members.
pub(super) fn members(cluster: &Cluster, wanted: usize) -> Result<(), Error> {
    cluster.wait_for("all nodes are members again", |cluster| {
        let members = cluster.members().ok()?;
        (members.len() == wanted && members.values().all(|seen| seen.len() == wanted)).then_some(())
    })
}

fn explain(screen: &mut Screen, cluster: &Cluster) -> Result<(), Error> {
    screen.say("$ kubectl ferrolb explain default/web")?;
    // It also says by its exit code that a node did not answer, as a dead one does not.
    screen.quote(&String::from_utf8_lossy(&cluster.ferrolb(&["explain", "default/web"])?.stdout))
}

/// Probes while `change` is made, and a little before and after.
fn under_load(
    cluster: &Cluster,
    vip: IpAddr,
    change: impl FnOnce(&Cluster) -> Result<(), Error>,
) -> Result<ProbeReport, Error> {
    let options = ProbeOptions { duration: UPGRADE, every: UPGRADE_PACE, ..ProbeOptions::new(target(vip)) };
    let probe = cluster.lab().probe(&options)?;
    probe.wait_until_steady(STEADY)?;
    change(cluster)?;
    probe.wait_until_steady(STEADY)?;
    probe.finish()
}

/// The client fetches a few times.
fn reach(screen: &mut Screen, cluster: &Cluster, vip: IpAddr) -> Result<(), Error> {
    let url = format!("http://{vip}");
    // kube-proxy has its rules a moment after the address is announced.
    cluster.wait_for("the first answer", |cluster| {
        let output = cluster.lab().exec("client", &["curl", "--silent", "--max-time", "1", &url]).ok()?;
        output.status.success().then_some(())
    })?;
    let mut answers = Vec::new();
    for _ in 0..6 {
        let output = cluster.lab().exec("client", &["curl", "--no-progress-meter", "--max-time", "5", &url])?;
        answers.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    screen.say(&format!("$ curl {url}        (six times, on the client)"))?;
    screen.quote(&answers.join("\n"))?;
    let answered = answers.iter().filter(|answer| answer.starts_with("node-")).count();
    screen.check("pods on the nodes answer", format!("{answered} of 6"), answered == 6)
}
