//! `ferrolb-controller --once` on a directory, as a script runs it.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const VALUES: &str = "configInline:\n  address-pools:\n   - name: default\n     protocol: layer2\n     addresses:\n     - 10.10.52.0/24\n";
const WEB: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\n\
                   spec: {type: LoadBalancer, clusterIP: 10.96.0.10, ports: [{port: 80}]}\n";

fn once(folder: &Path) -> Output {
    let source = format!("dir={}", folder.display());
    Command::new(env!("CARGO_BIN_EXE_ferrolb-controller")).args(["--source", &source, "--once"]).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_seed_gives_the_service_the_first_address() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("values.yaml"), VALUES).unwrap();
    fs::write(folder.path().join("web.yaml"), WEB).unwrap();
    let output = once(folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let status = fs::read_to_string(folder.path().join("status/services/default/web.yaml")).unwrap();
    assert!(status.contains("ip: 10.10.52.0"), "{status}");
    let pool = fs::read_to_string(folder.path().join("status/ipaddresspools/ferrolb-system/default.yaml")).unwrap();
    assert!(pool.contains("assignedIPv4: 1") && pool.contains("availableIPv4: 255"), "{pool}");
    let events = fs::read_to_string(folder.path().join("status/events.jsonl")).unwrap();
    assert!(events.contains("\"reason\":\"IPAllocated\""), "{events}");

    // Again, with a Service that comes before the first one in every order: what is held stays held.
    fs::write(folder.path().join("a.yaml"), WEB.replace("name: web", "name: aaa")).unwrap();
    assert_eq!(once(folder.path()).status.code(), Some(0));
    let status =
        |name: &str| fs::read_to_string(folder.path().join(format!("status/services/default/{name}.yaml"))).unwrap();
    assert!(status("web").contains("ip: 10.10.52.0"));
    assert!(status("aaa").contains("ip: 10.10.52.1"));

    fs::remove_file(folder.path().join("web.yaml")).unwrap();
    assert_eq!(once(folder.path()).status.code(), Some(0));
    assert!(!folder.path().join("status/services/default/web.yaml").exists(), "its object is gone");
}

#[test]
fn bad_input_is_refused_in_one_sentence_and_nothing_is_written() {
    for (name, text, expected) in [
        ("values.yaml", "configInline: [", "File values.yaml: is no YAML"),
        ("values.yaml", "configInline: {adress-pools: []}", "unknown key \"adress-pools\""),
        (
            "values.yaml",
            "configInline: {address-pools: [{name: a, protocol: layer2, addresses: [10.0.0.0/24]}, \
             {name: b, protocol: layer2, addresses: [10.0.0.9/32]}]}",
            "CIDR \"10.0.0.9/32\" in pool \"b\" overlaps with already defined CIDR \"10.0.0.0/24\"",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        fs::write(folder.path().join("web.yaml"), WEB).unwrap();
        let output = once(folder.path());
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!folder.path().join("status").exists());
    }
    let missing = once(Path::new("/nonexistent/manifests"));
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("--source dir=/nonexistent/manifests"), "{}", stderr(&missing));
}

#[test]
fn what_only_speakers_use_does_not_stop_allocation() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("values.yaml"), VALUES).unwrap();
    fs::write(folder.path().join("web.yaml"), WEB).unwrap();
    let l2 = "apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: adv}\nspec: {nodes: [a]}\n";
    fs::write(folder.path().join("l2.yaml"), l2).unwrap();
    let output = once(folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(folder.path().join("status/services/default/web.yaml").exists());
    let events = fs::read_to_string(folder.path().join("status/events.jsonl")).unwrap();
    assert!(events.contains("spec.nodes: unknown field"), "{events}");
}
