//! The lab on a real API server.
//!
//! Also needs etcd, kube-apiserver and kubectl; where they cannot be had, the test says so and passes.

use ferrolb_integration::{Api, Lab, Options, apiserver};
use serde_json::Value;

use crate::common::{VIP, ask, can_run, eventually, run};

/// A service that comes later, in a file with another object.
const SHOP: &str = "\
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop, namespace: default}
";

fn owner(lab: &Lab) -> String {
    let address = VIP.parse().unwrap();
    lab.wait_for("one node announces the address and answers for it", |lab| {
        let [owner] = <[String; 1]>::try_from(lab.announcers(address).ok()?).ok()?;
        (lab.owner(address).ok()? == Some(owner.clone())).then_some(owner)
    })
    .unwrap()
}

fn has_address(lab: &Lab, service: &str) -> String {
    let what = format!("{service} has an address");
    lab.wait_for(&what, |lab| lab.service_address(service).unwrap()).unwrap().to_string()
}

fn kubectl(lab: &Lab, arguments: &[&str]) -> Result<String, String> {
    let line = ["/run/lab/kubectl", "--kubeconfig", "/run/lab/kubeconfig", "--cache-dir", "/run/lab/kubectl-cache"];
    run(lab, "switch", &[&line, arguments].concat())
}

/// Whether an object of the API server is gone.
fn is_gone(lab: &Lab, object: &str) -> bool {
    kubectl(lab, &["get", object]).is_err_and(|complaint| complaint.contains("NotFound"))
}

#[test]
fn on_an_api_server_an_address_is_assigned_announced_and_taken_over_from_a_dead_owner() {
    let Some(_programs) = can_run().then(|| apiserver::available().unwrap()).flatten() else { return };
    let lab = Lab::up(Options { api: Api::Kube, ..Options::default() }).unwrap();
    assert_eq!(has_address(&lab, "default/web"), VIP);
    let status = lab.read("status/services/default/web.yaml").unwrap().unwrap();
    assert!(status.contains(&format!("- ip: {VIP}")), "{status}");

    let first = owner(&lab);
    assert!(ask(&lab).unwrap().starts_with("node-"), "a backend answers");
    let survivors: Vec<String> =
        lab.layout().nodes().map(|node| node.name.clone()).filter(|name| *name != first).collect();
    lab.endpoints_on(&survivors).unwrap();
    let endpoints = |lab: &Lab| lab.state().unwrap().services.first().map(|service| service.endpoints.len());
    eventually("the endpoints are those of the survivors", || endpoints(&lab) == Some(2));
    lab.kill(&first).unwrap();
    let second = owner(&lab);
    assert_ne!(second, first);
    eventually("the client is served again", || ask(&lab).is_ok_and(|answer| answer.starts_with("node-")));

    // The verbs work on the API: what an apply adds is there, what the next one leaves out goes, and so does the rest.
    lab.apply("shop.yaml", SHOP).unwrap();
    assert_ne!(has_address(&lab, "default/shop"), VIP);
    kubectl(&lab, &["get", "configmap/shop"]).unwrap();
    lab.apply("shop.yaml", SHOP.split("---").next().unwrap()).unwrap();
    assert!(is_gone(&lab, "configmap/shop"));
    kubectl(&lab, &["get", "service/shop"]).unwrap();
    lab.remove("shop.yaml").unwrap();
    assert!(is_gone(&lab, "service/shop"));
    let tells = |event: &Value| event["reason"] == "IPAllocated" && event["object"]["name"] == "web";
    eventually("the events are told", || lab.events().unwrap().iter().any(tells));

    // What the API server refuses is said, and a node that is cut off has lost it, too.
    let wrong = lab.apply("wrong.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {porst: []}\n");
    assert!(wrong.unwrap_err().to_string().contains("porst"));
    let api = lab.state().unwrap().api_server.unwrap();
    let url = format!("https://{api}/readyz");
    let reach = ["curl", "--no-progress-meter", "--insecure", "--max-time", "1", &url];
    run(&lab, &second, &reach).unwrap();
    run(&lab, &first, &reach).unwrap_err();

    // Cut off is as good as dead, for the API too; a drain is on the Node.
    lab.cut(&second).unwrap();
    run(&lab, &second, &reach).unwrap_err();
    lab.uncut(&second).unwrap();
    run(&lab, &second, &reach).unwrap();
    let taints =
        |lab: &Lab| kubectl(lab, &["get", "node", &second, "-o", "jsonpath={.spec.taints[*].effect}"]).unwrap();
    lab.drain(&second).unwrap();
    assert_eq!(taints(&lab), "NoSchedule NoExecute");
    lab.undrain(&second).unwrap();
    assert_eq!(taints(&lab), "");
    lab.down().unwrap();
}
