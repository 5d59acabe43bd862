//! What containerd, kubelet and the network plugins of a node read.

use std::path::Path;

use serde_json::{Value, json};

use super::images::PAUSE_IMAGE;
use super::{files, folder};
use crate::apiserver;
use crate::layout::Host;

/// Where network plugins are, as Debian's package has them.
pub(super) const PLUGINS: &str = "/usr/lib/cni";
/// containerd's socket on every node.
pub(super) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// containerd's, whose paths are the usual ones: on a node they are its own.
pub(super) fn containerd(network: &Path) -> String {
    // Without CAP_SYS_RESOURCE, as in many containers, runc cannot lower the score of a process: `restrict_oom_score_adj`.
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{network}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"#,
        network = network.display(),
    )
}

/// kubelet's, of a node whose pods are below the control group `cgroup`.
pub(super) fn kubelet(cgroup: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": folder().join(apiserver::CA_FILE) },
        },
        "authorization": { "mode": "Webhook" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        // Nothing of the machine that the lab runs on ends pods or removes images.
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageMaximumGCAge": "0s",
        // There is no DNS in this cluster.
        "resolvConf": "",
        // The usual place is outside the node's own folders.
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "healthzBindAddress": "127.0.0.1",
    })
}

/// The network of a node's pods: a bridge with the node's podCIDRs. Routes between nodes are the lab's.
pub(super) fn network(node: &Host) -> Value {
    let cidrs = node.pod.iter().flat_map(|pod| &pod.cidrs);
    let ranges: Vec<Value> = cidrs.map(|cidr| json!([{ "subnet": cidr }])).collect();
    let route = |address: &std::net::IpAddr| json!({ "dst": if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" } });
    let routes: Vec<Value> = node.addresses.iter().map(route).collect();
    json!({
        "cniVersion": "0.4.0",
        "name": "lab",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
                "ipam": { "type": "host-local", "ranges": ranges, "routes": routes },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

/// What kubelet sets where it finds something else, and what it wants to find: settings of the whole machine, which are to
/// stay as they are. A node sees files with these values in their place.
pub(super) const SHADOWED: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1\n"),
    ("vm/panic_on_oom", "0\n"),
    ("kernel/panic", "10\n"),
    ("kernel/panic_on_oops", "1\n"),
    ("kernel/keys/root_maxkeys", "1000000\n"),
    ("kernel/keys/root_maxbytes", "25000000\n"),
];

/// Files of a node below its folder.
pub(super) const CONTAINERD_FILE: &str = "etc/containerd.toml";
pub(super) const KUBELET_FILE: &str = "etc/kubelet.json";
pub(super) const NETWORK_FOLDER: &str = "etc/network";

/// All of them, by their path below the node's folder.
pub(super) fn all(node: &Host, node_folder: &Path, cgroup: &str) -> Vec<(String, String)> {
    vec![
        (CONTAINERD_FILE.to_owned(), containerd(&node_folder.join(NETWORK_FOLDER))),
        (KUBELET_FILE.to_owned(), kubelet(&files::node_cgroup(cgroup, &node.name)).to_string()),
        (format!("{NETWORK_FOLDER}/10-lab.conflist"), network(node).to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Family, Layout};

    #[test]
    fn pods_of_a_node_get_addresses_of_its_own_part_of_each_range() {
        let layout = Layout::for_cluster(2, Family::Dual);
        let network = network(layout.node("node-2").unwrap());
        let ipam = network.pointer("/plugins/0/ipam").unwrap();
        assert_eq!(
            ipam,
            &json!({
                "type": "host-local",
                "ranges": [[{ "subnet": "10.244.2.0/24" }], [{ "subnet": "fd00:10:244:2::/64" }]],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
            })
        );
    }

    #[test]
    fn nothing_of_a_node_is_outside_its_folders() {
        let text = format!("{}{}", containerd(Path::new("/run/lab/network")), kubelet("/group/node-1"));
        for path in text.split('"').filter(|word| word.starts_with('/') && word.len() > 1) {
            let own = ["/var/lib/", "/run/", "/group/", PLUGINS].iter().any(|folder| path.starts_with(folder));
            assert!(own, "{path}");
        }
    }
}
