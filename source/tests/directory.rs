//! The directory source as scripts and people rely on it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests may fail the test")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::ObjectRef;
use ferrolb_source::{Cluster, Event, EventType, ObjectKey, Version, Writer, directory, open_directory};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
                    metadata: {name: default, namespace: lb}\nspec: {addresses: [10.10.52.0/24]}\n";
const WEB: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                   spec: {type: LoadBalancer, clusterIP: 10.96.0.10, ports: [{port: 80}]}\n";

fn directory(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load(folder: &TempDir) -> Cluster {
    directory::load(folder.path(), None).unwrap()
}

fn sentences(cluster: &Cluster) -> Vec<String> {
    cluster.problems.iter().map(ToString::to_string).collect()
}

fn web() -> ObjectKey {
    ObjectKey::new("default", "web")
}

#[test]
fn manifests_lists_and_values_are_read_and_the_rest_is_named() {
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Node, metadata: {{name: n1, labels: {{zone: a}}}}, \
         status: {{addresses: [{{type: InternalIP, address: 192.0.2.1}}]}}}}\n---\n{WEB}"
    );
    let folder = directory(&[
        ("a.yaml", &list),
        ("deep/values.yml", "configInline: {address-pools: [{name: old, protocol: layer2, addresses: [10.0.0.0/24]}]}"),
        (
            "pool.json",
            r#"{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"p"},"spec":{"addresses":["10.1.0.0/24"]}}"#,
        ),
        ("deploy.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\nfoo: bar\n---\ny: no\n"),
        ("notes.txt", "not yaml: ["),
        (".hidden.yaml", "not yaml: ["),
    ]);
    let cluster = load(&folder);
    assert_eq!(sentences(&cluster), Vec::<String>::new());
    assert_eq!(cluster.nodes.keys().collect::<Vec<_>>(), ["n1"]);
    assert!(cluster.services.contains_key(&web()));
    let mut pools: Vec<&str> = cluster.resources.pools.iter().map(|pool| pool.name.as_str()).collect();
    pools.sort_unstable();
    assert_eq!(pools, ["old", "p"]);
    assert_eq!(cluster.skipped.len(), 3, "{:?}", cluster.skipped);
    assert_eq!(cluster.namespace, "ferrolb-system");
}

#[test]
fn what_is_wrong_names_place_and_field() {
    for (text, expected) in [
        ("a: [", "File bad.yaml: is no YAML"),
        ("a: 1\na: 2", "File bad.yaml: is no YAML"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: http}]}",
            "spec.ports[0].port = http",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: ../web}", "metadata.name = ../web: must be a DNS name"),
        (
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p}\nspec: {adresses: []}",
            "missing field `addresses`",
        ),
        (
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p}\nspec: {addresses: [], autoAsign: no}",
            "spec.autoAsign: unknown field",
        ),
        ("configInline: {}\nspeakers: {}", "unknown key \"speakers\""),
    ] {
        let cluster = load(&directory(&[("bad.yaml", text)]));
        let found = sentences(&cluster);
        assert!(found.iter().any(|sentence| sentence.contains(expected)), "{text}: {found:?}");
    }
}

#[test]
fn objects_that_are_not_for_us_are_skipped_whatever_their_names() {
    let cluster = load(&directory(&[
        ("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]"),
        ("role.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'lb:controller'}"),
        ("Chart.yaml", "apiVersion: v2\nname: chart"),
        ("job.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: x-}"),
        ("empty.yaml", "apiVersion: v1\nkind: List\nitems: []"),
    ]));
    assert_eq!(sentences(&cluster), Vec::<String>::new());
    assert_eq!(cluster.skipped.len(), 4);
}

#[test]
fn names_that_are_missing_or_no_names_say_where_they_stand() {
    for (metadata, expected) in [
        ("{}", "metadata.name: is missing (in x.yaml)"),
        ("{name: 123}", "metadata.name = 123: must be a DNS name"),
        ("{name: a, namespace: A_B}", "metadata.namespace = A_B: must be a DNS name"),
    ] {
        let cluster = load(&directory(&[("x.yaml", &format!("apiVersion: v1\nkind: Service\nmetadata: {metadata}"))]));
        assert!(sentences(&cluster)[0].contains(expected), "{:?}", sentences(&cluster));
    }
}

#[test]
fn odd_files_are_read_as_their_owners_mean_them() {
    let folder = directory(&[("bom.yaml", &format!("\u{feff}{WEB}")), ("crlf.yaml", &POOL.replace('\n', "\r\n"))]);
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    let cluster = load(&folder);
    assert_eq!(sentences(&cluster), Vec::<String>::new());
    assert!(cluster.services.contains_key(&web()) && cluster.resources.pools.len() == 1);
}

#[test]
fn the_same_object_twice_names_both_places() {
    let cluster = load(&directory(&[("a.yaml", WEB), ("b.yaml", WEB)]));
    assert_eq!(
        sentences(&cluster),
        ["Service default/web: metadata.name = web: stands in a.yaml and again in b.yaml; remove one of the two"]
    );
}

#[test]
fn configuration_of_several_namespaces_needs_a_choice() {
    let other = POOL.replace("name: default, namespace: lb", "name: other, namespace: lb2");
    let folder = directory(&[("a.yaml", POOL), ("b.yaml", &other)]);
    assert!(sentences(&load(&folder))[0].contains("several namespaces (lb, lb2)"));
    let chosen = directory::load(folder.path(), Some("lb2")).unwrap();
    assert!(chosen.problems.is_empty());
    assert_eq!(chosen.resources.pools.len(), 1);
    assert!(chosen.skipped[0].reason.contains("read from namespace lb2"));
}

#[tokio::test]
async fn a_written_status_wins_over_the_manifest_and_survives() {
    let with_status = format!("{WEB}status: {{loadBalancer: {{ingress: [{{ip: 10.10.52.9}}]}}}}\n");
    let folder = directory(&[("web.yaml", &with_status), ("pool.yaml", POOL)]);
    assert_eq!(*load(&folder).services[&web()].ingress, ["10.10.52.9".parse::<std::net::IpAddr>().unwrap()]);

    let writer = Writer::directory(folder.path());
    writer
        .service_status(&web(), &Version::default(), &["10.10.52.0".parse().unwrap()], Some("default"))
        .await
        .unwrap();
    let service = Arc::clone(&load(&folder).services[&web()]);
    assert_eq!(*service.ingress, ["10.10.52.0".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(service.annotations.get("metallb.io/ip-allocated-from-pool"), Some("default"));

    writer.service_status(&web(), &Version::default(), &[], None).await.unwrap();
    assert!(load(&folder).services[&web()].ingress.is_empty());

    writer.retain_services(&|_| false).unwrap();
    assert!(!folder.path().join("status/services/default/web.yaml").exists());
}

#[tokio::test]
async fn status_files_are_as_the_contract_says() {
    let folder = directory(&[]);
    let writer = Writer::directory(folder.path());
    writer
        .service_status(&web(), &Version::default(), &["10.10.52.0".parse().unwrap()], Some("default"))
        .await
        .unwrap();
    let text = fs::read_to_string(folder.path().join("status/services/default/web.yaml")).unwrap();
    let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default",
                         "annotations": {"metallb.io/ip-allocated-from-pool": "default"}},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.10.52.0"}]}}
        })
    );
    let counters = IPAddressPoolStatus { assigned_ipv4: 1, available_ipv4: 255, ..Default::default() };
    writer.pool_status(&ObjectKey::new("lb", "default"), counters).await.unwrap();
    let text = fs::read_to_string(folder.path().join("status/ipaddresspools/lb/default.yaml")).unwrap();
    let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(value["status"]["availableIPv4"], 255);

    let object = ObjectRef::new("Service", "default", "web");
    let event = Event {
        event_type: EventType::Normal,
        reason: "IPAllocated",
        message: "Assigned IP [\"10.10.52.0\"]".into(),
        object,
        source: "test",
    };
    writer.event(&event).unwrap();
    writer.event(&event).unwrap();
    let lines = fs::read_to_string(folder.path().join("status/events.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&line["type"], &line["reason"]), (&"Normal".into(), &"IPAllocated".into()));
    assert_eq!(line["object"], serde_json::json!({"kind": "Service", "namespace": "default", "name": "web"}));
}

#[test]
fn two_controllers_never_work_on_one_directory() {
    let folder = directory(&[]);
    let first = Writer::directory(folder.path());
    first.become_controller().unwrap();
    let error = Writer::directory(folder.path()).become_controller().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("another controller works on this directory"), "{source}");
    drop(first);
    Writer::directory(folder.path()).become_controller().unwrap();
}

fn manifest_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("apiVersion: v1".to_owned()),
        Just("apiVersion: metallb.io/v1beta1".to_owned()),
        Just("apiVersion: discovery.k8s.io/v1".to_owned()),
        "kind: (Service|IPAddressPool|L2Advertisement|EndpointSlice|Node|List|ConfigMap|[A-Z]{0,5})",
        "(metadata|spec|status|items|data|configInline|  address-pools|  loadBalancer): ?(\\{|\\[|~|[a-z]{0,3})",
        "  {0,4}(- )?(name|namespace|addresses|ports|ingress|type): ?[ -~]{0,12}",
        Just("---".to_owned()),
        "\\PC{0,20}",
    ];
    prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(text in manifest_like(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let folder = directory(&[("a.yaml", &text)]);
        fs::write(folder.path().join("b.json"), bytes).unwrap();
        let _cluster = load(&folder);
    }
}

struct Followed {
    cluster: watch::Receiver<Arc<Cluster>>,
    _folder: TempDir,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Followed {
    fn new(folder: TempDir) -> Self {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let cluster = open_directory(folder.path(), None, &tasks, shutdown.clone()).unwrap().cluster;
        Self { cluster, _folder: folder, shutdown, tasks }
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Cluster) -> bool) -> Arc<Cluster> {
        let waited = tokio::time::timeout(Duration::from_secs(60), self.cluster.wait_for(|cluster| holds(cluster)));
        Arc::clone(&waited.await.unwrap_or_else(|_| panic!("never {what}")).unwrap())
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test]
async fn changes_are_followed_and_a_broken_file_keeps_what_it_last_said() {
    let folder = directory(&[("pool.yaml", POOL)]);
    let path = folder.path().to_owned();
    let mut followed = Followed::new(folder);
    assert_eq!(followed.cluster.borrow().resources.pools.len(), 1);

    write(&path, "sub/web.yaml", WEB);
    followed.until("saw the Service", |cluster| cluster.services.contains_key(&web())).await;

    write(&path, "pool.yaml", "kind: [");
    let broken = followed.until("saw the broken file", |cluster| !cluster.is_complete_for_allocation()).await;
    assert_eq!(broken.resources.pools.len(), 1, "the last good content stays");

    write(&path, "pool.yaml", &POOL.replace("10.10.52.0/24", "nonsense: [1"));
    followed.until("still saw it broken", |cluster| !cluster.is_complete_for_allocation()).await;
    write(&path, "pool.yaml", POOL);
    followed.until("saw it mended", Cluster::is_complete_for_allocation).await;

    fs::remove_file(path.join("sub/web.yaml")).unwrap();
    followed.until("saw the Service go", |cluster| cluster.services.is_empty()).await;
    Writer::directory(&path).service_status(&web(), &Version::default(), &[], None).await.unwrap();
    followed.end().await;
}

#[tokio::test]
async fn a_file_that_is_removed_and_written_anew_was_never_gone() {
    let folder = directory(&[("web.yaml", WEB), ("pool.yaml", POOL)]);
    let path = folder.path().to_owned();
    let mut followed = Followed::new(folder);
    for (round, port) in (81..91).enumerate() {
        fs::remove_file(path.join("web.yaml")).unwrap();
        // Anything else that happens meanwhile makes the folder be looked at.
        write(&path, &format!("other-{round}.txt"), "x");
        write(&path, "web.yaml", &WEB.replace("port: 80", &format!("port: {port}")));
        loop {
            followed.cluster.changed().await.unwrap();
            let cluster = Arc::clone(&followed.cluster.borrow_and_update());
            assert!(cluster.services.contains_key(&web()), "round {round}");
            assert!(cluster.is_complete_for_allocation(), "{:?}", cluster.problems);
            if cluster.services[&web()].ports[0].port == port {
                break;
            }
        }
    }
    fs::rename(path.join("web.yaml"), path.join("renamed.yaml")).unwrap();
    write(&path, "more.yaml", &WEB.replace("name: web", "name: more"));
    let more = ObjectKey::new("default", "more");
    let cluster = followed.until("saw the other Service", |cluster| cluster.services.contains_key(&more)).await;
    assert!(cluster.services.contains_key(&web()) && cluster.problems.is_empty(), "{:?}", cluster.problems);
    followed.end().await;
}

#[tokio::test]
async fn a_new_file_counts_only_when_its_writer_has_closed_it() {
    let folder = directory(&[]);
    let path = folder.path().to_owned();
    let mut followed = Followed::new(folder);
    let mut file = fs::File::create(path.join("pool.yaml")).unwrap();
    let half = POOL.len() - 4; // ...10.10.52.0/2
    file.write_all(&POOL.as_bytes()[..half]).unwrap();
    file.flush().unwrap();
    for name in ["README.txt", ".pool.yaml.swp", "web.yaml"] {
        write(&path, name, WEB);
    }
    let cluster = followed.until("saw the Service", |cluster| !cluster.services.is_empty()).await;
    assert!(cluster.resources.pools.is_empty() && cluster.problems.is_empty(), "{:?}", cluster.problems);
    file.write_all(&POOL.as_bytes()[half..]).unwrap();
    drop(file);
    let cluster = followed.until("saw the pool", |cluster| !cluster.resources.pools.is_empty()).await;
    assert_eq!(cluster.resources.pools[0].spec.addresses, ["10.10.52.0/24"]);
    followed.end().await;
}

#[tokio::test]
async fn configuration_that_is_none_any_more_has_been_damaged() {
    let map = |text: &str, values: &str| {
        let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config, namespace: metallb-system}\n";
        format!("{head}data: {{config: '{text}', values: '{values}'}}\n")
    };
    let lists = "{ipAddressPools: [{name: c, addresses: [10.0.2.0/24]}]}";
    let good = "{address-pools: [{name: a, protocol: layer2, addresses: [10.0.0.0/24]}]}";
    let folder = directory(&[
        ("map.yaml", &map(good, lists)),
        ("values.yaml", "configInline: {address-pools: [{name: b, protocol: layer2, addresses: [10.0.1.0/24]}]}"),
    ]);
    let path = folder.path().to_owned();
    let mut followed = Followed::new(folder);
    for (name, wrong) in [
        ("map.yaml", map(&good.replace("address-pools", "adress-pools"), lists)),
        ("map.yaml", map("{address-pools: [}", lists)),
        ("values.yaml", "configinline: {}".to_owned()),
        ("values.yaml", "nonsense: {}".to_owned()),
        ("map.yaml", map(good, "[]")),
        ("map.yaml", map(good, "ipAddressPools: {")),
    ] {
        let before = fs::read_to_string(path.join(name)).unwrap();
        write(&path, name, &wrong);
        let cluster = followed.until("saw the damage", |cluster| !cluster.is_complete_for_allocation()).await;
        assert_eq!(cluster.resources.pools.len(), 3, "{wrong}");
        write(&path, name, &before);
        followed.until("saw it mended", Cluster::is_complete_for_allocation).await;
    }
    followed.end().await;
}

#[tokio::test]
async fn a_file_that_is_being_written_in_place_keeps_its_last_content_until_it_is_closed() {
    let folder = directory(&[("web.yaml", WEB)]);
    let path = folder.path().to_owned();
    let mut followed = Followed::new(folder);
    let mut file = fs::File::create(path.join("web.yaml")).unwrap();
    file.write_all(&WEB.as_bytes()[..20]).unwrap();
    file.flush().unwrap();
    // Another file's change makes everything be looked at again while the first one is half written.
    write(&path, "pool.yaml", POOL);
    let seen = followed.until("saw the pool", |cluster| !cluster.resources.pools.is_empty()).await;
    assert!(seen.services.contains_key(&web()) && seen.is_complete_for_allocation());
    file.write_all(WEB.replace("port: 80", "port: 81").as_bytes().get(20..).unwrap()).unwrap();
    drop(file);
    followed.until("saw the new port", |cluster| cluster.services[&web()].ports[0].port == 81).await;
    followed.end().await;
}

const PEER: &str = "apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: router, namespace: lb}\n\
                    spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1, passwordSecret: {name: session}}\n";
const SESSION: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: session, namespace: lb}\n\
                       type: kubernetes.io/basic-auth\nstringData: {password: hunter2}\n";

#[test]
fn every_kind_of_configuration_is_read_and_kinds_of_status_are_not() {
    let object = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: metallb.io/v1beta1\nkind: {kind}\nmetadata: {{name: {name}, namespace: lb}}\nspec: {spec}\n"
        )
    };
    let all = POOL.to_owned()
        + "---\n"
        + PEER
        + "---\n"
        + SESSION
        + &object("BGPPeer", "old", "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.2}")
        + &object("L2Advertisement", "l2", "{}")
        + &object("BGPAdvertisement", "bgp", "{communities: [backup]}")
        + &object("Community", "names", "{communities: [{name: backup, value: '64512:1'}]}")
        + &object("BFDProfile", "fast", "{}")
        + &object("ServiceL2Status", "s", "{}")
        + &object("ServiceBGPStatus", "s", "{}")
        + "---\napiVersion: metallb.io/v1beta1\nkind: ConfigurationState\nmetadata: {name: controller, namespace: lb}\n"
        + "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {rack: a}}\n";
    let cluster = load(&directory(&[("all.yaml", &all), ("again/all.yaml", &object("ServiceL2Status", "s", "{}"))]));
    assert_eq!((sentences(&cluster), cluster.skipped.len()), (Vec::new(), 0), "{:?}", cluster.skipped);
    let resources = &cluster.resources;
    assert_eq!(
        (resources.pools.len(), resources.l2_advertisements.len(), resources.bgp_advertisements.len()),
        (1, 1, 1)
    );
    assert_eq!((resources.bgp_peers.len(), resources.communities.len(), resources.bfd_profiles.len()), (2, 1, 1));
    assert!(resources.secrets["session"].has_password);
    assert_eq!(resources.nodes["n1"].get("rack"), Some("a"));
    let parsed = ferrolb_config::parse(resources);
    assert_eq!(parsed.problems, []);
    assert!(!format!("{cluster:?}").contains("hunter2"), "a password never shows");
}

#[test]
fn secrets_count_in_the_namespace_of_the_configuration_only_and_do_not_choose_it() {
    let elsewhere = SESSION.replace("namespace: lb", "namespace: shop");
    let cluster = load(&directory(&[("peer.yaml", PEER), ("secret.yaml", &elsewhere)]));
    assert_eq!((sentences(&cluster), cluster.namespace.as_str()), (Vec::new(), "lb"));
    assert!(cluster.resources.secrets.is_empty());
    let problems = ferrolb_config::parse(&cluster.resources).problems;
    assert_eq!(problems[0].field, "spec.passwordSecret.name");
    assert!(load(&directory(&[("secret.yaml", SESSION)])).resources.secrets.is_empty(), "nothing names that namespace");
}

#[test]
fn everything_that_is_wrong_with_one_object_is_said() {
    let wrong = PEER.replace("myASN: 64512, ", "holdtime: 3s, multiHop: true, myASN: 1, ");
    let cluster = load(&directory(&[("peer.yaml", &wrong)]));
    let all: Vec<String> =
        cluster.problems.iter().chain(&cluster.resources.problems).map(|problem| problem.field.clone()).collect();
    assert_eq!(all, ["spec.holdtime", "spec.multiHop"]);
    assert!(cluster.is_complete_for_allocation(), "peers are the speakers' matter");
}

#[tokio::test]
async fn what_links_to_places_outside_lead_to_is_followed() {
    let (folder, elsewhere) = (directory(&[("pool.yaml", POOL)]), directory(&[("v1/web.yaml", WEB)]));
    let (link, target) = (folder.path().join("web.yaml"), elsewhere.path().join("current"));
    std::os::unix::fs::symlink(elsewhere.path().join("v1"), &target).unwrap();
    std::os::unix::fs::symlink(target.join("web.yaml"), &link).unwrap();
    let mut followed = Followed::new(folder);
    assert!(followed.cluster.borrow().services.contains_key(&web()));

    // The file is edited where it is.
    write(elsewhere.path(), "v1/web.yaml", &WEB.replace("name: web}", "name: shop}"));
    let shop = ObjectKey::new("default", "shop");
    followed.until("saw the edit", |cluster| cluster.services.contains_key(&shop)).await;
    // A link on the way is replaced, as for a mounted ConfigMap.
    write(elsewhere.path(), "v2/web.yaml", WEB);
    std::os::unix::fs::symlink(elsewhere.path().join("v2"), elsewhere.path().join("next")).unwrap();
    fs::rename(elsewhere.path().join("next"), &target).unwrap();
    followed.until("saw what the link leads to now", |cluster| cluster.services.contains_key(&web())).await;
    // What it leads to goes, and comes again.
    fs::remove_file(&target).unwrap();
    followed.until("saw it go", |cluster| cluster.services.is_empty()).await;
    std::os::unix::fs::symlink(elsewhere.path().join("v1"), &target).unwrap();
    followed.until("saw it come", |cluster| cluster.services.contains_key(&shop)).await;
    followed.end().await;
}

#[tokio::test]
async fn what_a_killed_writer_left_behind_is_removed_and_what_is_being_written_is_not() {
    let folder = directory(&[
        ("status/services/default/.web.4711.tmp", "half"),
        ("status/services/default/.late.4712.tmp", "half"),
        ("status/services/default/old.yaml", "kind: Service"),
        ("status/ipaddresspools/.notes", "somebody's"),
    ]);
    let file = |name: &str| folder.path().join("status").join(name);
    let hours_ago =
        file("services/default/.late.4712.tmp").metadata().unwrap().modified().unwrap() - Duration::from_secs(2 * 3600);
    for name in ["services/default/.web.4711.tmp", "services/default/old.yaml", "ipaddresspools/.notes"] {
        fs::File::options().append(true).open(file(name)).unwrap().set_modified(hours_ago).unwrap();
    }
    let writer = Writer::directory(folder.path());
    assert!(!file("services/default/.web.4711.tmp").exists());
    for name in ["services/default/.late.4712.tmp", "services/default/old.yaml", "ipaddresspools/.notes"] {
        assert!(file(name).exists(), "{name}");
    }
    let ip = "10.10.52.0".parse().unwrap();
    writer.service_status(&web(), &Version::default(), &[ip], None).await.unwrap();
    assert!(file("services/default/web.yaml").exists());
}
