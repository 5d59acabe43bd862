use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::plan::{Announcement, BgpPlan, Told as BgpTold, Wish};

struct Desk {
    folder: TempDir,
    tasks: TaskTracker,
    reporter: Reporter,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tasks = TaskTracker::new();
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let now = Instant::now();
        let writer = Writer::directory(folder.path());
        let reporter = Reporter::new("node-a", writer, Place::Own, &tasks, now);
        Self { folder, tasks, reporter, now }
    }

    fn announce(&mut self, addresses: &[&str]) {
        let announcement = |address: &&str| Announcement {
            vip: address.parse().unwrap(),
            claim: address.parse().unwrap(),
            interfaces: Interfaces::All,
            reasserted: 0,
            fresh: false,
            services: [ObjectKey::new("default", "web")].into(),
        };
        let plan = NodePlan { l2: addresses.iter().map(announcement).collect(), ..NodePlan::default() };
        self.reporter.plan(self.now, &plan, "lb", &[]);
    }

    /// Lets time pass until nothing is left to do, at most a minute.
    fn rest(&mut self) {
        let end = self.now + Duration::from_secs(60);
        while let Some(due) = self.reporter.next_deadline().filter(|due| *due <= end) {
            self.now = due;
            self.reporter.handle_deadline(due);
        }
    }

    /// Ends it; returns the reasons of all events, and whether the Service has a status.
    async fn end(self) -> (Vec<String>, bool) {
        drop(self.reporter);
        self.tasks.close();
        self.tasks.wait().await;
        let events = fs::read_to_string(self.folder.path().join("status/events.jsonl")).unwrap_or_default();
        let reason = |line: &str| serde_json::from_str::<Value>(line).unwrap()["reason"].as_str().unwrap().to_owned();
        (events.lines().map(reason).collect(), has_status(self.folder.path()))
    }
}

fn has_status(folder: &Path) -> bool {
    folder.join("status/servicel2statuses/lb/l2-default-web.yaml").exists()
}

#[tokio::test]
async fn what_is_announced_is_told_once_and_again_when_its_addresses_change() {
    let mut desk = Desk::new();
    desk.announce(&["192.0.2.1"]);
    desk.announce(&["192.0.2.1"]);
    desk.announce(&["192.0.2.1", "2001:db8::1"]);
    assert_eq!(desk.end().await, (vec!["nodeAssigned".to_owned(); 2], true));
}

#[tokio::test]
async fn what_is_no_longer_announced_loses_its_status() {
    let mut desk = Desk::new();
    desk.announce(&["192.0.2.1"]);
    desk.announce(&[]);
    assert_eq!(desk.end().await, (vec!["nodeAssigned".to_owned()], false));
}

#[tokio::test]
async fn an_address_that_comes_and_goes_is_told_seldom_but_its_last_state_is_told() {
    let mut desk = Desk::new();
    for _ in 0..50 {
        desk.announce(&["192.0.2.1"]);
        desk.announce(&[]);
    }
    desk.announce(&["192.0.2.1"]);
    desk.rest();
    assert_eq!(desk.end().await, (vec!["nodeAssigned".to_owned(); 4], true));
}

#[tokio::test]
async fn a_status_that_could_not_be_written_is_written_later() {
    let mut desk = Desk::new();
    let obstacle = desk.folder.path().join("status");
    fs::write(&obstacle, "no folder").unwrap();
    desk.announce(&["192.0.2.1"]);
    while desk.reporter.lost() == 0 {
        tokio::task::yield_now().await;
    }
    // The event fails as well, after the status.
    while !desk.reporter.queue.is_idle() {
        tokio::task::yield_now().await;
    }
    fs::remove_file(&obstacle).unwrap();
    desk.rest();
    assert!(desk.end().await.1);
}

#[tokio::test]
async fn a_status_that_could_not_be_removed_is_removed_later_although_nothing_else_is_announced() {
    let mut desk = Desk::new();
    let (status, aside) = (desk.folder.path().join("status"), desk.folder.path().join("aside"));
    desk.announce(&["192.0.2.1"]);
    while !has_status(desk.folder.path()) || !desk.reporter.queue.is_idle() {
        tokio::task::yield_now().await;
    }
    fs::rename(&status, &aside).unwrap();
    fs::write(&status, "no folder").unwrap();
    desk.announce(&[]);
    while desk.reporter.lost() == 0 {
        tokio::task::yield_now().await;
    }
    fs::remove_file(&status).unwrap();
    fs::rename(&aside, &status).unwrap();
    desk.rest();
    assert!(!desk.end().await.1);
}

#[tokio::test]
async fn a_service_that_no_interface_can_announce_is_told_of_once() {
    let mut desk = Desk::new();
    let failed = [(ObjectKey::new("default", "web"), Interfaces::Named(["eth9".to_owned()].into()))];
    let plan = NodePlan { failed: failed.into(), ..NodePlan::default() };
    desk.reporter.plan(desk.now, &plan, "lb", &[]);
    desk.reporter.plan(desk.now, &plan, "lb", &[]);
    assert_eq!(desk.end().await, (vec!["announceFailed".to_owned()], false));
}

#[tokio::test]
async fn a_setting_of_the_kernel_is_told_once_and_stands_in_the_state_as_long_as_it_is_so() {
    let mut desk = Desk::new();
    desk.reporter.problems(desk.now, &[], |_| true);
    let setting = |interface: &str| KernelSetting {
        interface: interface.to_owned(),
        kind: "StrictArp".to_owned(),
        message: "set ipvs.strictARP: true".to_owned(),
    };
    let kernel = |desk: &Desk| desk.reporter.state.clone().unwrap().kernel.unwrap();
    desk.reporter.kernel(desk.now, vec![setting("eth0")]);
    assert_eq!(kernel(&desk), [setting("eth0")]);
    desk.reporter.problems(desk.now, &[], |_| true);
    assert_eq!(kernel(&desk), [setting("eth0")], "news of the configuration say nothing about it");
    desk.reporter.kernel(desk.now, vec![setting("eth0"), setting("eth1")]);
    desk.reporter.kernel(desk.now, Vec::new());
    assert!(kernel(&desk).is_empty());
    desk.reporter.kernel(desk.now, vec![setting("eth1")]);
    let (reasons, _) = desk.end().await;
    assert_eq!(reasons, ["KernelSettings", "KernelSettings"]);
}

/// A plan that tells these peers of the Service.
fn over_bgp(peers: &[&str]) -> NodePlan {
    let told = BgpTold {
        addresses: ["192.0.2.1".parse().unwrap()].into(),
        peers: peers.iter().map(|peer| Arc::from(*peer)).collect(),
    };
    let services = [(ObjectKey::new("default", "web"), told)].into();
    NodePlan { bgp: BgpPlan { services, ..BgpPlan::default() }, ..NodePlan::default() }
}

#[tokio::test]
async fn over_bgp_a_status_of_the_node_names_the_peers() {
    let mut desk = Desk::new();
    let file = desk.folder.path().join("status/servicebgpstatuses/lb/bgp-default-web-node-a.yaml");
    let mut tell = async |peers: &[&str]| {
        desk.reporter.plan(desk.now, &over_bgp(peers), "lb", &[]);
        while !desk.reporter.queue.is_idle() {
            tokio::task::yield_now().await;
        }
        let text = fs::read_to_string(&file).ok()?;
        Some(serde_yaml::from_str::<Value>(&text).unwrap()["status"].clone())
    };
    assert_eq!(tell(&[]).await, None, "nobody is told");
    let status = |peers: &[&str]| {
        Some(
            serde_json::json!({ "node": "node-a", "serviceName": "web", "serviceNamespace": "default", "peers": peers }),
        )
    };
    assert_eq!(tell(&["tor-a"]).await, status(&["tor-a"]));
    assert_eq!(tell(&["tor-a", "tor-b"]).await, status(&["tor-a", "tor-b"]));
    assert_eq!(tell(&[]).await, None);
    let events = fs::read_to_string(desk.folder.path().join("status/events.jsonl")).unwrap();
    assert_eq!(events.matches("nodeAssigned").count(), 1, "other peers are no news to the Service");
    assert!(events.contains(r#"announcing from node \"node-a\" with protocol \"bgp\""#), "{events}");
    assert_eq!(desk.end().await, (vec!["nodeAssigned".to_owned()], false));
}

#[tokio::test]
async fn services_that_contradict_each_other_are_told_once_and_stand_in_the_state_as_long_as_they_do() {
    let mut desk = Desk::new();
    desk.reporter.problems(desk.now, &[], |_| true);
    let wish =
        |value, name: &str| Wish { value, advertisement: name.to_owned(), service: ObjectKey::new("default", name) };
    let contradiction = Contradiction {
        prefix: "192.0.2.1/32".parse().unwrap(),
        conflict: ferrolb_config::Conflict::LocalPref,
        used: wish(200, "high"),
        overruled: wish(100, "low"),
    };
    let mut plan = over_bgp(&["tor"]);
    let remarks = |desk: &Desk| desk.reporter.state.clone().unwrap().remarks;
    plan.bgp.contradictions = vec![contradiction];
    for _ in 0..2 {
        desk.reporter.plan(desk.now, &plan, "lb", &[]);
        desk.reporter.problems(desk.now, &[], |_| true);
        assert_eq!(remarks(&desk).len(), 1);
    }
    let remark = remarks(&desk).remove(0);
    assert_eq!(
        (remark.object.to_string().as_str(), remark.field.as_str(), remark.value.as_str()),
        ("BGPAdvertisement lb/low", "spec.localPref", "100")
    );
    desk.reporter.plan(desk.now, &over_bgp(&["tor"]), "lb", &[]);
    assert!(remarks(&desk).is_empty());
    assert_eq!(desk.end().await.0, ["conflictingAdvertisements", "nodeAssigned"]);
}
