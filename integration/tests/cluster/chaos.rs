//! Faults at random, on the cluster.

use ferrolb_integration::chaos::{self, ClusterTarget, Limit, Plan};
use ferrolb_integration::cluster::web;

use crate::common::{say, stage};

/// Always the same faults; others are drawn by `lab cluster chaos`.
const SEED: u64 = 1;

#[test]
fn twenty_faults_at_random_leave_one_owner_of_each_address_and_planned_ones_lose_nothing() {
    let Some(stage) = stage() else { return };
    stage.cluster.apply(&web("shop", "", "  ipFamilyPolicy: RequireDualStack\n")).unwrap();
    let without = ClusterTarget::WITHOUT.map(str::to_owned).into();
    let target = ClusterTarget::new(&stage.cluster, &["web", "shop"]);
    let plan = Plan { seed: SEED, limit: Limit::Faults(20), without };
    let report = chaos::run(&target, &plan, |line| {
        say(line);
        Ok(())
    });
    let report = report.unwrap();
    assert_eq!(report.violation, None, "{report}");
    for address in stage.addresses("default/shop") {
        assert!(stage.ask(address).starts_with("node-"), "{address}");
    }
    stage.cluster.kubectl(&["delete", "service,daemonset", "shop"]).unwrap();
}
