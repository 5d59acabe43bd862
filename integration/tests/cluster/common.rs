//! The cluster that all tests share.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use ferrolb_integration::apiserver;
pub(crate) use ferrolb_integration::cluster::NAMESPACE;
use ferrolb_integration::cluster::{Cluster, Options, missing_requirements, web};
use ferrolb_integration::{Family, ProbeOptions, ProbeReport};
use parking_lot::{Mutex, MutexGuard};

/// A pool of the lab's network in each family, in the legacy form.
pub(crate) const VALUES: &str = "\
configInline:
  address-pools:
  - name: default
    protocol: layer2
    addresses: [10.10.52.0/24, fd00:10:10::52:0/112]
";
/// The Service of every test.
pub(crate) const WEB: &str = "default/web";
/// Longer than whatever is done under load; no source port is used twice.
const LOAD: Duration = Duration::from_secs(240);
const PACE: Duration = Duration::from_millis(5);
/// For how long all must have been well.
const STEADY: Duration = Duration::from_secs(1);

/// The cluster, and what tests ask of it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
}

/// The stage, for this test alone until the guard is dropped; none where no cluster can run.
pub(crate) fn stage() -> Option<MutexGuard<'static, Stage>> {
    static STAGE: OnceLock<Option<Mutex<Stage>>> = OnceLock::new();
    let stage = STAGE.get_or_init(|| can_run().then(|| Mutex::new(Stage::up()))).as_ref()?.lock();
    stage.settle();
    Some(stage)
}

/// Whether a cluster can run here; says why not.
pub(crate) fn can_run() -> bool {
    let missing = missing_requirements();
    for what in &missing {
        say(&format!("skipped: {what}"));
    }
    let programs = || apiserver::cluster_programs().unwrap().is_some() && apiserver::helm().unwrap().is_some();
    missing.is_empty() && programs()
}

/// On standard error itself: the test harness hides what goes through `eprintln`.
pub(crate) fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "cluster: {text}").unwrap();
}

impl Stage {
    fn up() -> Self {
        say("starting a cluster of three nodes ...");
        let cluster = Cluster::up(&Options { family: Family::Dual, ..Options::default() }).unwrap();
        cluster.kubectl(&["label", "nodes", "--all", "web=yes"]).unwrap();
        Self { cluster }
    }

    /// Installs what is not installed, and waits until all is well.
    fn settle(&self) {
        self.cluster.lab().heal_all().unwrap();
        self.cluster.wait_for("the API server answers", |cluster| cluster.get(&["nodes"]).ok()).unwrap();
        let installed = self.cluster.helm(&["list", "--short", "--namespace", NAMESPACE], "").unwrap();
        if installed.trim().is_empty() {
            self.cluster.install(VALUES, &[]).unwrap();
        }
        self.cluster.apply(&web("web", "", "  ipFamilyPolicy: RequireDualStack\n")).unwrap();
        self.web_on(&self.nodes());
        self.speakers_are_whole();
        assert_eq!(self.addresses(WEB).len(), 2);
    }

    pub(crate) fn nodes(&self) -> Vec<String> {
        self.cluster.lab().layout().nodes().map(|node| node.name.clone()).collect()
    }

    /// The nodes but that one.
    pub(crate) fn others(&self, node: &str) -> Vec<String> {
        self.nodes().into_iter().filter(|other| other != node).collect()
    }

    /// Puts the pods of all Services on these nodes, and waits until the endpoints of `web` are there.
    pub(crate) fn web_on(&self, nodes: &[String]) {
        self.cluster.serve_from(&["web"], nodes).unwrap();
    }

    /// Waits until every node's speaker is ready and counts all of them as members.
    pub(crate) fn speakers_are_whole(&self) {
        let nodes = self.nodes();
        self.cluster
            .wait_for("every speaker is a member", |cluster| {
                let pods = cluster.get(&["daemonset", "ferrolb-speaker", "--namespace", NAMESPACE]).ok()?;
                let ready = pods["status"]["numberReady"] == nodes.len();
                let updated = pods["status"]["updatedNumberScheduled"] == nodes.len();
                let whole = || -> Option<bool> {
                    let members = cluster.members().ok()?;
                    Some(members.len() == nodes.len() && members.values().all(|seen| seen.len() == nodes.len()))
                };
                (ready && updated && whole()?).then_some(())
            })
            .unwrap();
    }

    /// The addresses of a Service, once it has one.
    pub(crate) fn addresses(&self, service: &str) -> Vec<IpAddr> {
        let (namespace, name) = service.split_once('/').unwrap();
        self.cluster.addresses(namespace, name).unwrap()
    }

    /// Its first address.
    pub(crate) fn address(&self, service: &str) -> IpAddr {
        *self.addresses(service).first().unwrap()
    }

    /// The node that answers for an address, once one does.
    pub(crate) fn owner(&self, address: IpAddr) -> String {
        self.cluster.wait_for("a node answers", |cluster| cluster.lab().owner(address).ok()?).unwrap()
    }

    /// How often a node was taken for dead since its speaker was started, and was not.
    pub(crate) fn rejoins(&self, node: &str) -> u64 {
        let said = |cluster: &Cluster| -> Option<u64> {
            let members = cluster.speakers(&["members", "--node", node]).ok()?.remove(node)?;
            members.as_array()?.iter().find(|member| member["me"] == true)?["rejoins"].as_u64()
        };
        self.cluster.wait_for("its speaker knows", said).unwrap()
    }

    /// Waits until another node than that answers.
    pub(crate) fn owner_beside(&self, address: IpAddr, before: &str) -> String {
        let another = |cluster: &Cluster| cluster.lab().owner(address).ok()?.filter(|owner| owner != before);
        self.cluster.wait_for(&format!("another node than {before} answers"), another).unwrap()
    }

    /// Waits until no node answers for an address.
    pub(crate) fn nobody_answers(&self, address: IpAddr) {
        let nobody = |cluster: &Cluster| cluster.lab().owner(address).ok()?.is_none().then_some(());
        self.cluster.wait_for("nobody answers for it", nobody).unwrap();
    }

    /// What the client gets.
    pub(crate) fn ask(&self, address: IpAddr) -> String {
        let url = format!("http://{}", SocketAddr::new(address, 80));
        let output =
            self.cluster.lab().exec("client", &["curl", "--no-progress-meter", "--max-time", "5", &url]).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { text(&output.stdout) } else { text(&output.stderr) }
    }

    /// Probes while something is done, and a little before and after; a connection is lost when it is not there after a
    /// second.
    pub(crate) fn under_load(&self, address: IpAddr, change: impl FnOnce(&Self)) -> ProbeReport {
        self.under_load_of(&ProbeOptions::new(SocketAddr::new(address, 80)), change)
    }

    /// The same with patience of one's own.
    pub(crate) fn under_load_of(&self, options: &ProbeOptions, change: impl FnOnce(&Self)) -> ProbeReport {
        let options = ProbeOptions { duration: LOAD, every: PACE, ..options.clone() };
        let probe = self.cluster.lab().probe(&options).unwrap();
        probe.wait_until_steady(STEADY).unwrap();
        change(self);
        probe.wait_until_steady(STEADY).unwrap();
        probe.finish().unwrap()
    }
}
