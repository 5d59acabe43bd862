use std::cmp::Reverse;

use super::*;

fn eligible(names: &[&str]) -> BTreeMap<NodeName, Standing> {
    names.iter().map(|name| (NodeName::from(*name), Standing::default())).collect()
}

fn order(names: &[&str], vip: &str) -> Vec<String> {
    by_load(&eligible(names), vip.parse().unwrap(), &BTreeMap::new(), 100).iter().map(ToString::to_string).collect()
}

#[test]
fn the_rank_is_metallbs() {
    let abc = ["node-a", "node-b", "node-c"];
    assert_eq!(order(&abc, "10.0.0.1"), ["node-b", "node-a", "node-c"]);
    assert_eq!(order(&abc, "10.0.0.2"), ["node-b", "node-c", "node-a"]);
    assert_eq!(order(&["edge-a", "edge-b"], "10.20.30.1"), ["edge-b", "edge-a"]);
    assert_eq!(order(&["node-a", "node-b"], "10.20.30.1"), ["node-b", "node-a"]);
    assert_eq!(order(&["worker-b", "worker-a"], "10.20.30.1"), ["worker-a", "worker-b"]);
    assert_eq!(order(&["iris1", "iris2"], "10.20.30.1"), ["iris2", "iris1"]);
    assert_eq!(order(&["iris1", "iris2"], "10.20.30.2"), ["iris1", "iris2"]);
}

#[test]
fn a_preference_comes_before_rank_and_load_and_a_drained_node_last_of_all() {
    let mut nodes = eligible(&["node-a", "node-b", "node-c"]);
    let vip = "10.0.0.1".parse().unwrap();
    let load = [(NodeName::from("node-a"), 50)].into();
    let standing = |drained, weight| Standing { drained, preference: Reverse(weight), ..Standing::default() };
    nodes.insert("node-a".into(), standing(false, 10));
    nodes.insert("node-b".into(), standing(true, 100));
    let names: Vec<String> = by_load(&nodes, vip, &load, 51).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["node-a", "node-c", "node-b"]);
}

#[test]
fn a_node_at_its_bound_comes_after_the_others() {
    let nodes = eligible(&["node-a", "node-b", "node-c"]);
    let vip = "10.0.0.1".parse().unwrap();
    let load = [(NodeName::from("node-b"), 2)].into();
    let names: Vec<String> = by_load(&nodes, vip, &load, 3).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["node-a", "node-c", "node-b"]);
}
