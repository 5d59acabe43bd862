//! kube-proxy's place: from an address to its endpoints.

use ferrolb_integration::Error;

use crate::common::{VIP, ask, assign, lab, point_client_at, run};

#[test]
fn an_address_leads_to_its_endpoints_through_whichever_node_the_client_sends_to() {
    let Some(lab) = lab(3) else { return };
    assert_eq!(lab.service_address("default/web").unwrap(), None);
    assign(&lab, VIP);
    let address = lab.wait_for("the status is seen", |lab| lab.service_address("default/web").unwrap()).unwrap();
    assert_eq!(address.to_string(), VIP);

    lab.endpoints_on(&["node-3"]).unwrap();
    for node in ["node-1", "node-2", "node-3"] {
        point_client_at(&lab, VIP, node);
        assert_eq!(lab.client_arp(address).unwrap(), lab.mac_of(node));
        lab.wait_for("node-3 answers", |lab| (ask(lab) == Ok("node-3\n".to_owned())).then_some(())).unwrap();
    }
    lab.endpoints_on(&["node-2"]).unwrap();
    lab.wait_for("node-2 answers", |lab| (ask(lab) == Ok("node-2\n".to_owned())).then_some(())).unwrap();

    lab.endpoints_on::<&str>(&[]).unwrap();
    lab.wait_for("it is refused", |lab| ask(lab).is_err_and(|why| why.contains("Failed to connect")).then_some(()))
        .unwrap();
    assert!(matches!(lab.endpoints_on(&["node-7"]), Err(Error::Refused { .. })));
}

#[test]
fn a_service_that_is_removed_is_gone() {
    let Some(lab) = lab(1) else { return };
    assign(&lab, VIP);
    point_client_at(&lab, VIP, "node-1");
    lab.wait_for("it answers", |lab| ask(lab).ok()).unwrap();
    lab.remove("web.yaml").unwrap();
    lab.wait_for("it is gone", |lab| lab.state().unwrap().services.is_empty().then_some(())).unwrap();
    let rules = || run(&lab, "node-1", &["nft", "list", "table", "ip", "lab_proxy"]).unwrap();
    lab.wait_for("its rules are gone", |_| (!rules().contains(VIP)).then_some(())).unwrap();
    assert!(matches!(lab.remove("web.yaml"), Err(Error::Refused { .. })), "there is nothing to remove any more");
}
