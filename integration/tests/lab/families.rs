//! IPv6 beside IPv4, and alone; labs of many nodes.

use ferrolb_integration::{Family, Lab};

use crate::common::{lab, lab_of, point_client_at, run};

/// The addresses that the tests give to `default/web`.
const VIPS: [&str; 2] = ["10.10.52.0", "fd00:10:10::52:0"];

fn assign(lab: &Lab, addresses: &[&str]) {
    let ingress: Vec<String> = addresses.iter().map(|address| format!("{{ip: \"{address}\"}}")).collect();
    let status = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: default}}\n\
         status: {{loadBalancer: {{ingress: [{}]}}}}\n",
        ingress.join(", ")
    );
    lab.apply("status/services/default/web.yaml", &status).unwrap();
}

/// Waits until the client gets the answer of `backend` at an address, through whichever node it sends to.
fn leads_to(lab: &Lab, address: &str, backend: &str) {
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let url = format!("http://{host}");
    for node in ["node-1", "node-2"] {
        point_client_at(lab, address, node);
        let vip = address.parse().unwrap();
        assert_eq!(lab.client_arp(vip).unwrap(), lab.mac_of(node));
        let ask = || run(lab, "client", &["curl", "--no-progress-meter", "--max-time", "5", &url]);
        lab.wait_for("the backend answers", |_| (ask() == Ok(format!("{backend}\n"))).then_some(())).unwrap();
    }
}

#[test]
fn a_dual_stack_service_is_reached_at_both_of_its_addresses() {
    let Some(lab) = lab_of(Family::Dual, 2) else { return };
    let values = lab.read("values.yaml").unwrap().unwrap();
    assert!(values.contains("10.10.52.0/24") && values.contains("fd00:10:10::52:0/112"), "{values}");
    let web = lab.read("web.yaml").unwrap().unwrap();
    assert!(web.contains("ipFamilies: [IPv4, IPv6]") && web.contains("RequireDualStack"), "{web}");
    assign(&lab, &VIPS);
    let seen = lab.wait_for("both addresses are seen", |lab| {
        let addresses = lab.service_addresses("default/web").unwrap();
        (addresses.len() == 2).then_some(addresses)
    });
    assert_eq!(seen.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(), VIPS);
    for backend in ["node-1", "node-2"] {
        lab.endpoints_on(&[backend]).unwrap();
        for address in VIPS {
            leads_to(&lab, address, backend);
        }
    }
}

#[test]
fn a_lab_of_ipv6_alone_has_no_ipv4_and_works() {
    let Some(lab) = lab_of(Family::Ipv6, 2) else { return };
    let addresses = run(&lab, "node-1", &["ip", "-4", "-oneline", "addr", "show", "dev", "eth0"]);
    assert_eq!(addresses, Ok(String::new()));
    assert!(!lab.read("values.yaml").unwrap().unwrap().contains("10.10.52"), "no pool either");
    assign(&lab, &VIPS[1..]);
    lab.endpoints_on(&["node-2"]).unwrap();
    leads_to(&lab, VIPS[1], "node-2");
    assert_eq!(lab.owner("fd00:10:10::12".parse().unwrap()).unwrap(), Some("node-2".to_owned()));
    let attached = Lab::attach(lab.name()).unwrap();
    assert_eq!(attached.layout(), lab.layout());
}

#[test]
fn sixteen_nodes_are_connected_and_can_be_drained_by_name() {
    let Some(lab) = lab(16) else { return };
    let last = lab.layout().node("node-16").unwrap().address();
    assert_eq!(lab.owner(last).unwrap(), Some("node-16".to_owned()));
    let url = "http://10.244.16.2:8080";
    assert_eq!(run(&lab, "node-1", &["curl", "--no-progress-meter", url]), Ok("node-16\n".to_owned()));

    lab.drain("node-16").unwrap();
    let manifest = || lab.read("nodes.yaml").unwrap().unwrap();
    assert_eq!(manifest().matches("NoExecute").count(), 1);
    assert!(manifest().split("  name: node-16\n").nth(1).unwrap().contains("unschedulable: true"));
    lab.undrain("node-16").unwrap();
    assert!(!manifest().contains("NoExecute"));
    lab.drain("node-2").unwrap();
    lab.heal("node-2").unwrap();
    assert!(!manifest().contains("NoExecute"));
}
