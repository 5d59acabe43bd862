//! `validate`, `plan` and `convert` as scripts use them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const VALUES: &str =
    "configInline:\n  address-pools:\n   - name: default\n     protocol: layer2\n     addresses:\n     - 10.0.0.0/24\n";
const CLUSTER: &str = r"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: node-a}}
- {apiVersion: v1, kind: Node, metadata: {name: node-b}}
- {apiVersion: v1, kind: Node, metadata: {name: node-c}}
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: default}
  spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}]}
  status: {loadBalancer: {ingress: [{ip: 10.0.0.1}]}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
  addressType: IPv4
  endpoints: [{addresses: [10.244.0.1], nodeName: node-c}]
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn ferrolb(arguments: &[&str], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
    command.env_remove("FERROLB_NAMESPACE").env_remove("METALLB_NAMESPACE");
    command.arg(arguments[0]).arg(path).args(&arguments[1..]).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_valid_directory_has_no_problems() {
    let folder = folder(&[("values.yaml", VALUES), ("cluster.yaml", CLUSTER)]);
    let output = ferrolb(&["validate", "--output", "json"], folder.path());
    assert_eq!((output.status.code(), json_of(&output)), (Some(0), json!([])));
    let output = ferrolb(&["validate"], folder.path());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("valid: 1 pools, 1 L2 advertisements, 1 services"));
}

#[test]
fn problems_are_a_list_with_object_field_value_and_message() {
    let wrong = VALUES.replace("10.0.0.0/24", "10.0.0.0/33");
    let folder = folder(&[("values.yaml", &wrong)]);
    let output = ferrolb(&["validate", "--output", "json"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    let problems = json_of(&output);
    let problem = problems[0].as_object().unwrap();
    let keys: Vec<&str> = problem.keys().map(String::as_str).collect();
    assert_eq!(keys, ["field", "kind", "message", "name", "namespace", "value"]);
    assert_eq!(problem["field"], "configInline.address-pools[0].addresses[0]");
    assert_eq!(problem["value"], "10.0.0.0/33");
    assert!(problem["message"].as_str().unwrap().starts_with("invalid CIDR"));
    assert_eq!(ferrolb(&["plan", "--node", "n"], folder.path()).status.code(), Some(2));
    assert_eq!(ferrolb(&["validate"], Path::new("/nonexistent")).status.code(), Some(2));
}

#[test]
fn a_path_that_is_no_directory_is_named_as_the_argument_it_is() {
    let folder = folder(&[("values.yaml", VALUES)]);
    let (file, nothing) = (folder.path().join("values.yaml"), folder.path().join("nothing"));
    for arguments in [&["validate"][..], &["plan", "--node", "node-a"]] {
        for path in [&file, &nothing] {
            let output = ferrolb(arguments, path);
            let said = stderr_of(&output);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
            assert!(said.contains("PATH must be a directory of manifests"), "{said}");
            assert!(said.contains(path.to_str().unwrap()) && !said.contains("--source"), "{said}");
        }
    }
}

#[test]
fn what_is_left_out_is_said_on_stderr_whether_the_rest_is_right_or_wrong() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: default}\n";
    let wrong = VALUES.replace("10.0.0.0/24", "10.0.0.0/33");
    for (values, code) in [(VALUES, 0), (wrong.as_str(), 2)] {
        let folder = folder(&[("values.yaml", values), ("deployment.yaml", deployment)]);
        let output = ferrolb(&["validate", "--output", "json"], folder.path());
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let left_out: Vec<&str> = said.lines().filter(|line| line.starts_with("left out: ")).collect();
        assert_eq!(left_out.len(), 1, "{said}");
        assert!(left_out[0].contains("Deployment default/web"), "{said}");
        assert!(json_of(&output).is_array());
    }
}

#[test]
fn without_members_a_plan_announces_nothing_and_says_so() {
    let cluster: String =
        CLUSTER.lines().filter(|line| !line.contains("kind: Node")).map(|line| line.to_owned() + "\n").collect();
    let folder = folder(&[("values.yaml", VALUES), ("cluster.yaml", &cluster)]);
    let output = ferrolb(&["plan", "--node", "node-a", "--output", "json"], folder.path());
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("node-a announces nothing") && said.contains("--members"), "{said}");
    let plan = json_of(&output);
    assert_eq!(
        (&plan["services"][0]["service"], &plan["services"][0]["announce"]),
        (&json!("default/web"), &json!(false))
    );
    let output = ferrolb(&["plan", "--node", "node-a", "--members", "node-a"], folder.path());
    assert_eq!((output.status.code(), stderr_of(&output).as_str()), (Some(0), ""));
}

#[test]
fn a_missing_reference_is_refused_offline() {
    let l2 =
        "apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: l}\nspec: {ipAddressPools: [later]}\n";
    let folder = folder(&[("values.yaml", VALUES), ("l2.yaml", l2)]);
    let output = ferrolb(&["validate", "--output", "json"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json_of(&output)[0]["field"], "spec.ipAddressPools[0]");
    assert_eq!(ferrolb(&["plan", "--node", "node-a"], folder.path()).status.code(), Some(2));
}

#[test]
fn a_plan_says_for_each_address_whether_and_why() {
    let folder = folder(&[("values.yaml", VALUES), ("cluster.yaml", CLUSTER)]);
    let plan = |node: &str, more: &[&str]| {
        let mut arguments = vec!["plan", "--node", node, "--output", "json"];
        arguments.extend_from_slice(more);
        let output = ferrolb(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json_of(&output)
    };
    // MetalLB's digest ranks node-b, node-a, node-c for this address.
    let mine = plan("node-b", &[]);
    let entry = &mine["services"][0];
    assert_eq!(mine["node"], "node-b");
    assert_eq!(mine["routes"], json!([]));
    assert_eq!(
        (&entry["service"], &entry["address"], &entry["protocol"], &entry["announce"]),
        (&json!("default/web"), &json!("10.0.0.1"), &json!("layer2"), &json!(true))
    );
    let other = plan("node-a", &[]);
    assert_eq!(other["services"][0]["announce"], false);
    assert!(other["services"][0]["reason"].as_str().unwrap().starts_with("notOwner"));
    assert_eq!(plan("node-a", &["--members", "node-a,node-c"])["services"][0]["announce"], true);
    assert_eq!(plan("node-b", &["--members", "node-a,node-c"])["services"][0]["announce"], false);
    assert_eq!(plan("node-b", &["--strategy", "metallb"])["services"][0]["announce"], true);
    assert_eq!(plan("node-b", &["--lb-class", "x"])["services"], json!([]));
}

const ROUTERS: &str = r"
apiVersion: v1
kind: List
items:
- {apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: p}, spec: {addresses: [10.0.0.0/24]}}
- {apiVersion: metallb.io/v1beta2, kind: BGPPeer, metadata: {name: tor-a}, spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1}}
- {apiVersion: metallb.io/v1beta2, kind: BGPPeer, metadata: {name: tor-b}, spec: {myASN: 64512, peerASN: 64512, peerAddress: 192.0.2.2}}
- {apiVersion: metallb.io/v1beta2, kind: BGPPeer, metadata: {name: tor-v6}, spec: {myASN: 64512, peerASN: 64512, peerAddress: '2001:db8::2'}}
- {apiVersion: metallb.io/v1beta1, kind: Community, metadata: {name: c}, spec: {communities: [{name: backup, value: 'large:64512:1:2'}]}}
- {apiVersion: metallb.io/v1beta1, kind: BGPAdvertisement, metadata: {name: wide}, spec: {aggregationLength: 25, communities: ['64512:7'], localPref: 150}}
- {apiVersion: metallb.io/v1beta1, kind: BGPAdvertisement, metadata: {name: host}, spec: {communities: [backup, '64512:8'], peers: [tor-b], asPathPrepend: 2}}
";

#[test]
fn a_plan_lists_what_every_peer_is_told() {
    let routers = ROUTERS.replace("aggregationLength: 25,", "aggregationLength: 25, aggregationLengthV6: 127,");
    let folder = folder(&[("routers.yaml", &routers), ("cluster.yaml", CLUSTER)]);
    let plan = |more: &[&str]| {
        let mut arguments = vec!["plan", "--node", "node-a", "--output", "json"];
        arguments.extend_from_slice(more);
        let output = ferrolb(&arguments, folder.path());
        assert_eq!((output.status.code(), stderr_of(&output).as_str()), (Some(0), ""));
        json_of(&output)
    };
    let all = plan(&[]);
    assert_eq!(
        all["routes"],
        json!([
            {"peer": "tor-a", "prefix": "10.0.0.0/25", "communities": ["64512:7"], "localPref": 150},
            {"peer": "tor-b", "prefix": "10.0.0.0/25", "communities": ["64512:7"], "localPref": 150},
            {"peer": "tor-b", "prefix": "10.0.0.1/32", "communities": ["64512:8", "large:64512:1:2"], "localPref": 0, "asPathPrepend": 2},
        ])
    );
    assert_eq!(
        all["services"],
        json!([{
            "service": "default/web", "address": "10.0.0.1", "protocol": "bgp", "announce": true,
            "reason": "eligible: this node is one of those that announce the address", "owner": null,
        }])
    );
    let down = plan(&["--members", "node-b"]);
    assert_eq!((&down["routes"], &down["services"][0]["announce"]), (&json!([]), &json!(false)));
    let output = ferrolb(&["plan", "--node", "node-a"], folder.path());
    let table = String::from_utf8(output.stdout).unwrap();
    let line = table.lines().find(|line| line.contains("10.0.0.1/32")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["tor-b", "10.0.0.1/32", "64512:8", "large:64512:1:2", "-", "2"]
    );
}

#[test]
fn services_that_contradict_each_other_about_a_route_are_named() {
    let share = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, labels: {{app: {name}}}, annotations: {{metallb.io/allow-shared-ip: x}}}}\n\
             spec: {{type: LoadBalancer, clusterIP: 10.96.0.9}}\nstatus: {{loadBalancer: {{ingress: [{{ip: 10.0.0.9}}]}}}}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
             addressType: IPv4\nendpoints: [{{addresses: [10.244.0.1]}}]\n\
             ---\napiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\nmetadata: {{name: {name}}}\n\
             spec: {{serviceSelectors: [{{matchLabels: {{app: {name}}}}}], localPref: {}}}\n",
            name.len()
        )
    };
    let routers: String =
        ROUTERS.lines().filter(|line| !line.contains("BGPAdvertisement")).map(|line| line.to_owned() + "\n").collect();
    let folder = folder(&[("routers.yaml", &routers), ("services.yaml", &(share("four") + &share("seventh")))]);
    let output = ferrolb(&["plan", "--node", "n", "--members", "n", "--output", "json"], folder.path());
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("localPref 7 of BGPAdvertisement \"seventh\"") && said.contains("overrules 4"), "{said}");
    assert_eq!(json_of(&output)["routes"][0]["localPref"], 7);
}

#[test]
fn legacy_configuration_is_converted_in_every_form() {
    let config_map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config, namespace: lb}}\ndata:\n  config: |\n{}",
        VALUES.lines().skip(1).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    );
    let bare: String = VALUES.lines().skip(1).map(|line| line.get(2..).unwrap()).collect::<Vec<_>>().join("\n");
    let folder = folder(&[("values.yaml", VALUES), ("map.yaml", &config_map), ("bare.yaml", &bare)]);
    for (file, namespace) in [("values.yaml", "ferrolb-system"), ("map.yaml", "lb"), ("bare.yaml", "ferrolb-system")] {
        let output = ferrolb(&["convert"], &folder.path().join(file));
        assert_eq!(output.status.code(), Some(0), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let objects: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
            .map(|document| serde::Deserialize::deserialize(document).unwrap())
            .collect();
        let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
        assert_eq!(kinds, ["IPAddressPool", "L2Advertisement"], "{file}");
        assert!(objects.iter().all(|object| object["metadata"]["namespace"] == namespace), "{file}");
        assert_eq!(objects[1]["spec"]["ipAddressPools"], json!(["default"]));
    }
    fs::write(folder.path().join("bad.yaml"), "configInline: {address-pool: []}").unwrap();
    let output = ferrolb(&["convert"], &folder.path().join("bad.yaml"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown key \"address-pool\""));
}

/// A ConfigMap of old with one L2 pool.
fn config_map(name: &str, pool: &str, prefix: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: lb}}\ndata:\n  config: |\n    \
         address-pools:\n    - {{name: {pool}, protocol: layer2, addresses: [{prefix}]}}\n"
    )
}

#[test]
fn several_documents_become_one_set_with_unique_names() {
    let (a, b) = (config_map("a", "one", "10.1.0.0/24"), config_map("b", "two", "10.2.0.0/24"));
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: lb}\n";
    let folder = folder(&[("all.yaml", &format!("{namespace}---\n{VALUES}---\n{a}---\n---\n{b}"))]);
    let output = ferrolb(&["convert", "--output", "json"], &folder.path().join("all.yaml"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    assert!(stderr_of(&output).contains("left out: Namespace lb"), "{}", stderr_of(&output));
    let objects = json_of(&output);
    let names: Vec<&Value> = objects.as_array().unwrap().iter().map(|object| &object["metadata"]["name"]).collect();
    assert_eq!(names, ["default", "one", "two", "l2advertisement1", "l2advertisement2", "l2advertisement3"]);
    assert_eq!(objects[5]["spec"]["ipAddressPools"], json!(["two"]));
    let table = ferrolb(&["convert"], &folder.path().join("all.yaml")).stdout;
    let yaml = ferrolb(&["convert", "--output", "yaml"], &folder.path().join("all.yaml")).stdout;
    assert_eq!(table, yaml);
    let documents: Vec<Value> = serde_yaml::Deserializer::from_slice(&yaml)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect();
    assert_eq!(Value::from(documents), objects);
}

#[test]
fn a_list_as_kubectl_prints_it_is_converted_too() {
    let map: Value = serde_yaml::from_str(&config_map("config", "one", "10.1.0.0/24")).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [map]}).to_string();
    let folder = folder(&[("list.json", &list)]);
    let output = ferrolb(&["convert", "--output", "json"], &folder.path().join("list.json"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    assert_eq!(json_of(&output)[0]["metadata"], json!({"name": "one", "namespace": "lb"}));
}

#[test]
fn what_the_chart_made_of_values_is_converted_too() {
    let lists = "ipAddressPools: [{name: two, addresses: [10.2.0.0/24]}]";
    let map = format!("{}  values: |\n    {lists}\n", config_map("config", "one", "10.1.0.0/24"));
    let folder = folder(&[("map.yaml", &map), ("values.yaml", lists)]);
    let output = ferrolb(&["convert", "--output", "json"], &folder.path().join("map.yaml"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    let objects = json_of(&output);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let kind_and_name = |object: &Value| (text(&object["kind"]), text(&object["metadata"]["name"]));
    let found: Vec<_> = objects.as_array().unwrap().iter().map(kind_and_name).collect();
    let wanted = [("IPAddressPool", "one"), ("IPAddressPool", "two"), ("L2Advertisement", "l2advertisement1")];
    assert_eq!(found, wanted.map(|(kind, name)| (kind.to_owned(), name.to_owned())));
    let output = ferrolb(&["convert", "--output", "json"], &folder.path().join("values.yaml"));
    assert_eq!(json_of(&output)[0]["spec"]["addresses"], json!(["10.2.0.0/24"]));
}

#[test]
fn a_file_with_nothing_to_convert_is_refused_in_a_sentence() {
    let pool =
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p}\nspec: {addresses: [10.0.0.0/24]}\n";
    let mixed = format!("{VALUES}---\n{pool}");
    for (text, sentence) in [
        ("", "no configInline and no ConfigMap"),
        ("# only a comment\n---\n", "no configInline and no ConfigMap"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: lb}\n", "no configInline and no ConfigMap"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config, namespace: lb}\n",
            "ConfigMap lb/config has no data.config",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {other: x}\n", "ConfigMap c has no data.config"),
        (pool, "these are resources already; nothing to convert"),
        (mixed.as_str(), "IPAddressPool p is a resource already"),
    ] {
        let folder = folder(&[("file.yaml", text)]);
        let output = ferrolb(&["convert"], &folder.path().join("file.yaml"));
        let said = stderr_of(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{text}: {said}");
        assert!(said.contains(sentence), "{text}: {said}");
    }
}

#[test]
fn what_was_converted_for_bgp_is_valid_and_counted() {
    let values = "configInline:\n  peers:\n  - {my-asn: 64512, peer-asn: 64513, peer-address: 192.0.2.1, bfd-profile: Fast}\n\
                  \x20 bgp-communities: {backup: '64512:1'}\n  bfd-profiles: [{name: Fast}]\n  address-pools:\n\
                  \x20 - {name: a, protocol: bgp, addresses: [10.0.0.0/24], bgp-advertisements: [{communities: [backup]}]}\n";
    let legacy = folder(&[("values.yaml", values)]);
    let output = ferrolb(&["convert"], &legacy.path().join("values.yaml"));
    assert_eq!((output.status.code(), stderr_of(&output).as_str()), (Some(0), ""));
    let converted = folder(&[("all.yaml", std::str::from_utf8(&output.stdout).unwrap())]);
    for folder in [&legacy, &converted] {
        let output = ferrolb(&["validate"], folder.path());
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref(), stderr_of(&output).as_str()),
            (
                Some(0),
                "valid: 1 pools, 0 L2 advertisements, 0 services, 0 nodes, 1 BGP peers, 1 BGP advertisements, 1 communities, \
                 1 BFD profiles\n",
                ""
            )
        );
    }
}

#[test]
fn pools_tells_how_full_they_are_and_who_holds_what() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("all.yaml"),
        "{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: one, namespace: lb}, \
          spec: {addresses: [10.10.52.0/24], avoidBuggyIPs: true}}\n---\n\
         {apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: six, namespace: lb}, \
          spec: {addresses: ['fd00::/120'], autoAssign: false}}\n---\n\
         {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: LoadBalancer}, \
          status: {loadBalancer: {ingress: [{ip: 10.10.52.7}]}}}\n---\n\
         {apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop}, spec: {type: LoadBalancer}, \
          status: {loadBalancer: {ingress: [{ip: 10.10.52.7}]}}}\n",
    )
    .unwrap();
    let source = format!("--source=dir={}", folder.path().display());
    let pools = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
        command.arg("pools").arg(&source).args(more).output().unwrap()
    };
    let all = pools(&[]);
    let text = String::from_utf8(all.stdout).unwrap();
    assert_eq!(
        text,
        "POOL   IPV4 USED   IPV6 USED   AUTO ASSIGN   ADDRESSES\n\
         one    1/254       -           yes           10.10.52.0/24\n\
         six    -           0/256       no            fd00::/120\n"
    );
    let one = pools(&["one"]);
    assert_eq!(String::from_utf8(one.stdout).unwrap(), "ADDRESS      SERVICES\n10.10.52.7   shop/api, shop/web\n");
    let unknown = pools(&["two"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("there is no pool \"two\"; pools are: one, six"));
}
