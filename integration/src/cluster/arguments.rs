//! The command lines of Kubernetes' programs.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::{ProxyMode, Setup, files, folder, machine_folder};
use crate::apiserver;
use crate::layout::{Family, Host, Layout};

/// Where the API server listens.
pub(super) const API_PORT: u16 = 6443;
/// Pods of all nodes, each node has a part.
const PODS: [&str; 2] = ["10.244.0.0/16", "fd00:10:244::/48"];
const SERVICES: [&str; 2] = ["10.96.0.0/16", "fd00:10:96::/112"];

/// A process of the control plane: its name and its command line.
pub(crate) type Line = (&'static str, Vec<String>);

/// `--service-cluster-ip-range` of a family.
fn service_ranges(family: Family) -> String {
    family.of(SERVICES[0], SERVICES[1]).join(",")
}

fn pod_ranges(family: Family) -> String {
    family.of(PODS[0], PODS[1]).join(",")
}

/// What runs on the host `control`, in the order in which it is started: the first two alone, the others once the API
/// server is ready.
pub(crate) fn control_plane(setup: &Setup, layout: &Layout, address: SocketAddr) -> [Vec<Line>; 2] {
    let program = |name: &str| setup.programs.join(name).display().to_string();
    // Their files, and the socket between the two, are in the folder that they run in.
    let in_folder = |name: &'static str, arguments: Vec<String>| -> Line {
        let begin = ["env".to_owned(), format!("--chdir={}", folder().display()), program(name)];
        (name, begin.into_iter().chain(arguments).collect())
    };
    let first =
        vec![in_folder("etcd", apiserver::etcd()), in_folder("kube-apiserver", api_server(layout.family(), address))];
    let second = vec![
        in_folder("kube-controller-manager", controller_manager(layout.family())),
        in_folder("kube-scheduler", scheduler()),
        // So that the API server reaches the ClusterIP of a webhook. There is no Node of this host's name; it is another's,
        // of whom nothing matters here.
        ("kube-proxy", kube_proxy(&program("kube-proxy"), setup.proxy, layout.family(), "node-1")),
    ];
    [first, second]
}

fn api_server(family: Family, address: SocketAddr) -> Vec<String> {
    let mut arguments = apiserver::api_server(address, address.ip(), &service_ranges(family));
    let client = files::KUBELET_CLIENT;
    arguments.extend([
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!("--kubelet-client-certificate={client}.crt"),
        format!("--kubelet-client-key={client}.key"),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ]);
    arguments
}

fn controller_manager(family: Family) -> Vec<String> {
    let mut arguments = identity("kube-controller-manager");
    arguments.extend([
        // Its own user may little more than borrow the rights of each controller.
        "--use-service-account-credentials".to_owned(),
        "--allocate-node-cidrs".to_owned(),
        // The usual place is outside the lab.
        format!("--flex-volume-plugin-dir={}", folder().join("volume-plugins").display()),
        format!("--cluster-cidr={}", pod_ranges(family)),
        format!("--service-cluster-ip-range={}", service_ranges(family)),
        format!("--root-ca-file={}", apiserver::CA_FILE),
        format!("--service-account-private-key-file={}", apiserver::TOKEN_KEY_FILE),
    ]);
    arguments.extend(match family {
        Family::Ipv4 => vec!["--node-cidr-mask-size=24".to_owned()],
        Family::Ipv6 => vec!["--node-cidr-mask-size=64".to_owned()],
        Family::Dual => vec!["--node-cidr-mask-size-ipv4=24".to_owned(), "--node-cidr-mask-size-ipv6=64".to_owned()],
    });
    arguments
}

fn scheduler() -> Vec<String> {
    identity("kube-scheduler")
}

/// Who a program of the control plane is, of which there is one.
fn identity(name: &str) -> Vec<String> {
    let file = apiserver::kubeconfig(&folder(), name).display().to_string();
    [format!("--kubeconfig={file}"), "--leader-elect=false".to_owned(), "--bind-address=127.0.0.1".to_owned()].to_vec()
}

pub(super) fn kube_proxy(program: &str, mode: ProxyMode, family: Family, node: &str) -> Vec<String> {
    [
        program.to_owned(),
        format!("--kubeconfig={}", apiserver::kubeconfig(&folder(), "kube-proxy").display()),
        format!("--proxy-mode={mode}"),
        format!("--cluster-cidr={}", pod_ranges(family)),
        format!("--hostname-override={node}"),
        // The settings of the whole machine stay as they are.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0s".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
    ]
    .to_vec()
}

pub(super) fn kubelet(program: &Path, node: &str, addresses: &[IpAddr], configuration: &Path) -> Vec<String> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    [
        program.display().to_string(),
        format!("--config={}", configuration.display()),
        format!("--kubeconfig={}", apiserver::kubeconfig(&folder(), node).display()),
        format!("--hostname-override={node}"),
        format!("--node-ip={}", addresses.join(",")),
        "--cert-dir=/var/lib/kubelet/pki".to_owned(),
    ]
    .to_vec()
}

/// How `lab` starts the machine of a node.
pub(crate) fn machine_command(lab: &Path, setup: &Setup, family: Family, node: &Host) -> Vec<String> {
    let addresses = node.addresses.iter().map(|address| format!("--address={address}"));
    let begin = [
        lab.display().to_string(),
        "machine".to_owned(),
        format!("--node={}", node.name),
        format!("--folder={}", machine_folder(&node.name).display()),
        format!("--programs={}", setup.programs.display()),
        format!("--cgroup={}", files::node_cgroup(&setup.cgroup, &node.name)),
        format!("--proxy={}", setup.proxy),
        format!("--family={family}"),
    ];
    begin.into_iter().chain(addresses).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_its_ranges_and_masks() {
        assert_eq!(service_ranges(Family::Dual), "10.96.0.0/16,fd00:10:96::/112");
        for (family, masks) in [
            (Family::Ipv4, ["--node-cidr-mask-size=24"].as_slice()),
            (Family::Ipv6, &["--node-cidr-mask-size=64"]),
            (Family::Dual, &["--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64"]),
        ] {
            let line = controller_manager(family);
            let given: Vec<&str> =
                line.iter().map(String::as_str).filter(|flag| flag.starts_with("--node-cidr")).collect();
            assert_eq!(given, masks);
            assert!(line.contains(&format!("--cluster-cidr={}", pod_ranges(family))), "{line:?}");
        }
    }

    #[test]
    fn a_node_has_its_name_and_all_its_addresses() {
        let layout = Layout::for_cluster(2, Family::Dual);
        let node = layout.node("node-2").unwrap();
        let line = kubelet(Path::new("/k/kubelet"), &node.name, &node.addresses, Path::new("/c.json"));
        for flag in ["--hostname-override=node-2", "--node-ip=10.10.0.12,fd00:10:10::12", "--config=/c.json"] {
            assert!(line.iter().any(|given| given == flag), "{flag}: {line:?}");
        }
    }
}
