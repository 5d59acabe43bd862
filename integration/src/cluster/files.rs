//! The files of a cluster, and the Nodes that it begins with.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use super::arguments::API_PORT;
use super::{Setup, configuration, disk, folder, image_folder, machine_folder};
use crate::apiserver::{self, Identity};
use crate::error::{Error, system};
use crate::layout::{Host, Layout};

/// As whom the API server calls kubelets.
pub(super) const KUBELET_CLIENT: &str = "kubelet-client";
/// The first address of each range of Services is the API server's.
const API_SERVICE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 1))];

/// A Node as it is before its kubelet comes: with the part of the pods' range that the lab's routes lead to it.
pub(crate) type NodeObject = Value;

/// The control group of a node's pods.
pub(super) fn node_cgroup(cgroup: &str, node: &str) -> String {
    format!("/{cgroup}/{node}")
}

/// Writes everything that the programs read. Where the API server will be.
pub(crate) fn write(setup: &Setup, layout: &Layout) -> Result<SocketAddr, Error> {
    let control = layout.host("control").map(Host::address);
    let control =
        control.ok_or_else(|| Error::Refused { reason: "there is no host for the control plane".to_owned() })?;
    let server = SocketAddr::new(control, API_PORT);
    let addresses: Vec<IpAddr> =
        layout.host("control").into_iter().flat_map(|host| host.addresses.clone()).chain(API_SERVICE).collect();
    make_disk()?;
    for made in [folder(), image_folder()] {
        fs::create_dir_all(&made).map_err(system(format!("make {}", made.display())))?;
    }
    apiserver::prepare(&folder(), server, &addresses, &identities(layout))?;
    for node in layout.nodes() {
        let machine = machine_folder(&node.name);
        for (path, content) in configuration::all(node, &machine, &setup.cgroup) {
            let path = machine.join(path);
            let parent = path.parent().unwrap_or(&machine);
            fs::create_dir_all(parent).map_err(system(format!("make {}", parent.display())))?;
            fs::write(&path, content).map_err(system(format!("write {}", path.display())))?;
        }
    }
    Ok(server)
}

/// Images and containers need more room than a lab has. In memory, too: it ends with the lab.
fn make_disk() -> Result<(), Error> {
    let disk = disk();
    fs::create_dir_all(&disk).map_err(system(format!("make {}", disk.display())))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("lab"), &disk, Some("tmpfs"), flags, Some("mode=755,size=75%"))
        .map_err(system(format!("mount {}", disk.display())))
}

/// Everybody who has a certificate of their own, named as Kubernetes' own roles expect it.
fn identities(layout: &Layout) -> Vec<Identity> {
    let identity = |name: &str, user: &str, group: Option<&str>| Identity {
        name: name.to_owned(),
        user: user.to_owned(),
        group: group.map(str::to_owned),
    };
    let mut all = vec![
        identity(KUBELET_CLIENT, "kube-apiserver-kubelet-client", Some("system:masters")),
        identity("kube-controller-manager", "system:kube-controller-manager", None),
        identity("kube-scheduler", "system:kube-scheduler", None),
        identity("kube-proxy", "system:kube-proxy", None),
    ];
    all.extend(
        layout.nodes().map(|node| identity(&node.name, &format!("system:node:{}", node.name), Some("system:nodes"))),
    );
    all
}

/// See [`NodeObject`].
pub(crate) fn node_objects(layout: &Layout) -> Vec<NodeObject> {
    let object = |node: &Host| {
        let cidrs = node.pod.as_ref().map(|pod| pod.cidrs.clone()).unwrap_or_default();
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": node.name },
            "spec": { "podCIDR": cidrs.first(), "podCIDRs": cidrs },
        })
    };
    layout.nodes().map(object).collect()
}
