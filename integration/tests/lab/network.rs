//! Hosts, commands and manifests.

use ferrolb_integration::Error;

use crate::common::{lab, run, sleepers};

#[test]
fn hosts_reach_each_other_and_nodes_reach_every_backend() {
    let Some(lab) = lab(3) else { return };
    let state = lab.state().unwrap();
    assert_eq!(state.hosts.len(), 6);
    assert!(state.hosts.iter().all(|host| host.link_up), "{state:?}");
    for node in ["node-1", "node-2", "node-3"] {
        let (number, mac) = (node.strip_prefix("node-").unwrap(), lab.mac_of(node).unwrap());
        let url = format!("http://10.244.{number}.2:8080");
        assert_eq!(run(&lab, "node-1", &["curl", "--no-progress-meter", &url]), Ok(format!("{node}\n")));
        let address = lab.layout().node(node).unwrap().address();
        assert_eq!(lab.owner(address).unwrap(), Some(node.to_owned()), "asked by the gateway");
        assert_eq!(lab.client_arp(address).unwrap(), None, "the client was not involved");
        assert_eq!(mac.to_string(), format!("02:00:00:00:00:0{number}"));
    }
    assert_eq!(lab.owner("10.10.99.99".parse().unwrap()).unwrap(), None, "an address that nobody has");
    lab.down().unwrap();
}

#[test]
fn commands_keep_their_input_output_and_exit_code() {
    let Some(lab) = lab(1) else { return };
    let output = lab.exec("client", &["sh", "-c", "echo out; echo err >&2; exit 7"]).unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(lab.exec("client", &["sh", "-c", "kill -9 $$"]).unwrap().status.code(), Some(137));
    let mut cat = lab.command("node-1", &["cat"]).unwrap();
    let cat = cat.stdin(std::fs::File::open("/proc/self/comm").unwrap()).output().unwrap();
    assert_eq!(cat.stdout, std::fs::read("/proc/self/comm").unwrap());
    let status = run(&lab, "client", &["cat", "/proc/self/status"]).unwrap();
    assert!(status.contains("SigBlk:\t0000000000000000\n"), "Ctrl-C reaches it: {status}");
    let nowhere = lab.exec("node-9", &["true"]).unwrap();
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("there is no place node-9"), "{nowhere:?}");
}

#[test]
fn a_command_ends_with_the_process_that_asked_for_it() {
    let Some(lab) = lab(1) else { return };
    let mut asking = lab.command("client", &["sleep", "1000"]).unwrap().spawn().unwrap();
    lab.wait_for("it runs", |lab| (sleepers(lab) == 1).then_some(())).unwrap();
    asking.kill().unwrap();
    asking.wait().unwrap();
    lab.wait_for("it is gone", |lab| (sleepers(lab) == 0).then_some(())).unwrap();
}

#[test]
fn manifests_are_written_replaced_and_kept_inside_their_directory() {
    let Some(lab) = lab(1) else { return };
    lab.apply("pools/extra.yaml", "a: 1\n").unwrap();
    lab.apply("pools/extra.yaml", "a: 2\n").unwrap();
    assert_eq!(lab.read("pools/extra.yaml").unwrap().as_deref(), Some("a: 2\n"));
    lab.remove("pools/extra.yaml").unwrap();
    assert_eq!(lab.read("pools/extra.yaml").unwrap(), None);
    assert!(lab.read("values.yaml").unwrap().unwrap().contains("10.10.52.0/24"));
    for name in ["../gossip.key", "/etc/passwd", ""] {
        assert!(matches!(lab.apply(name, ""), Err(Error::Refused { .. })), "{name}");
    }
    let listed = run(&lab, "node-1", &["ls", "/run/lab/source"]).unwrap();
    assert_eq!(listed, "nodes.yaml\npools\nvalues.yaml\nweb-endpoints.yaml\nweb.yaml\n");
}
