//! Neighbours that are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ferrolb_fib::driver::neighbours;

use crate::lab::run;

#[test]
fn hardware_addresses_of_known_neighbours_are_found_and_of_others_not() {
    run(async |lab, mut links| {
        lab.ip("link add v0 type veth peer name v1");
        lab.ip("link set v0 up");
        lab.ip("link set v1 up");
        lab.ip("addr add 192.0.2.1/24 dev v0");
        lab.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 nud stale dev v0");
        lab.ip("neigh add fe80::9 lladdr 02:00:00:00:00:19 nud permanent dev v0");
        lab.ip("neigh add 192.0.2.8 nud failed dev v0");
        let seen = links.see("the link", |links| links.by_name("v0").is_some()).await;
        let index = seen.by_name("v0").expect("just seen").index;
        let address = |text: &str| (index, text.parse::<IpAddr>().expect("an address"));
        let asked = ["192.0.2.9", "192.0.2.8", "192.0.2.7", "fe80::9", "fe80::7"].map(address);
        let elsewhere = (index + 1000, IpAddr::from([192, 0, 2, 9]));
        let asked: BTreeSet<_> = asked.into_iter().chain([elsewhere]).collect();
        let expected = [(address("192.0.2.9"), [2, 0, 0, 0, 0, 0x09]), (address("fe80::9"), [2, 0, 0, 0, 0, 0x19])];
        assert_eq!(neighbours(&asked).await.expect("answers"), BTreeMap::from(expected));
        assert!(neighbours(&BTreeSet::new()).await.expect("nothing to ask").is_empty());
    });
}
