//! What all watches together have seen: nothing counts before everything was listed, what a new list lacks is gone, and
//! what cannot be read says what it said before.

use ferrolb_api::v1beta1::IPAddressPoolSpec;
use ferrolb_config::{Origin, Resource};
use k8s_openapi::api::core::v1 as core;

use super::super::kind::{self, Custom};
use super::*;

const POOL: Kind = Kind::Custom(Custom::Pool);
const KINDS: [Kind; 3] = [Kind::Service, Kind::EndpointSlice, POOL];

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn service(label: &str) -> Stored {
    let yaml = format!("metadata: {{labels: {{a: '{label}'}}}}\nspec: {{type: LoadBalancer}}\n");
    kind::service(&serde_yaml::from_str::<core::Service>(&yaml).unwrap())
}

fn slice(service: &str, nodes: &[&str]) -> Stored {
    let endpoint = |node: &&str| Endpoint { addresses: Vec::new(), node: Some((*node).to_owned()), usable: true };
    Stored::Slice(Slice { service: key(service), endpoints: nodes.iter().map(endpoint).collect() }.into())
}

fn pool(addresses: &str, problem: Option<&str>) -> Stored {
    let object = ObjectRef::new("IPAddressPool", "lb", "pool");
    let mut resources = Resources::default();
    if problem.is_none() {
        resources.pools.push(Resource {
            origin: Origin::resource("IPAddressPool", "lb", "pool"),
            name: "pool".to_owned(),
            labels: Labels::new(),
            spec: IPAddressPoolSpec { addresses: vec![addresses.to_owned()], ..Default::default() },
        });
    }
    let problems = problem.map(|message| Problem::new(object.clone(), "spec", "", message)).into_iter().collect();
    Stored::Config(Box::new(Configured { object, uid: "1".to_owned(), resources, problems, pool_status: None }))
}

/// A state whose kinds were all listed: these Services, no slices, these pools.
fn listed(services: &[(&str, Stored)], pools: &[Stored]) -> State {
    let mut state = State::new("lb", &KINDS, |_| true);
    list(&mut state, Kind::Service, 0, services.iter().map(|(name, stored)| (key(name), stored.clone())));
    list(&mut state, Kind::EndpointSlice, 0, []);
    list(&mut state, POOL, 0, pools.iter().map(|stored| (ObjectKey::new("lb", "pool"), stored.clone())));
    state
}

fn list(state: &mut State, kind: Kind, refresh: u64, objects: impl IntoIterator<Item = (ObjectKey, Stored)>) -> bool {
    state.apply(kind, Change::Begin(refresh));
    for (key, stored) in objects {
        state.apply(kind, Change::Listed(key, stored));
    }
    state.apply(kind, Change::Complete)
}

fn names(cluster: &Cluster) -> Vec<&str> {
    cluster.services.keys().map(|key| &*key.name).collect()
}

#[test]
fn nothing_counts_before_every_kind_was_listed() {
    let mut state = State::new("lb", &KINDS, |_| true);
    assert!(!state.is_complete());
    list(&mut state, Kind::Service, 0, [(key("web"), service("1"))]);
    list(&mut state, Kind::EndpointSlice, 0, []);
    assert!(!state.is_complete());
    state.apply(POOL, Change::Begin(0));
    assert!(!state.is_complete(), "half a list is no list");
    assert!(state.apply(POOL, Change::Complete), "that everything is known is news");
    assert!(state.is_complete());
    assert_eq!(names(&state.cluster()), ["web"]);
}

#[test]
fn what_a_new_list_lacks_is_gone_and_the_rest_was_never_away() {
    let mut state = listed(&[("a", service("1")), ("b", service("1"))], &[]);
    state.apply(Kind::Service, Change::Begin(0));
    state.apply(Kind::Service, Change::Listed(key("b"), service("1")));
    assert_eq!(names(&state.cluster()), ["a", "b"], "while the list is under way, what was known holds");
    assert!(state.apply(Kind::Service, Change::Complete));
    assert_eq!(names(&state.cluster()), ["b"]);
}

#[test]
fn what_is_listed_again_as_it_was_is_not_kept_twice() {
    let mut state = listed(&[("a", service("1")), ("b", service("1"))], &[]);
    let before = state.cluster().services;
    state.apply(Kind::Service, Change::Begin(1));
    state.apply(Kind::Service, Change::Listed(key("a"), service("1")));
    state.apply(Kind::Service, Change::Listed(key("b"), service("2")));
    let (_, next) = state.tables[&Kind::Service].next.as_ref().unwrap();
    let (known, held) = next.get_key_value(&key("a")).unwrap();
    assert!(before.keys().any(|key| Arc::ptr_eq(&key.name, &known.name)));
    assert!(matches!(held, Stored::Service(service) if Arc::ptr_eq(service, &before[&key("a")])));
    assert!(matches!(&next[&key("b")], Stored::Service(service) if !Arc::ptr_eq(service, &before[&key("b")])));
    assert!(state.apply(Kind::Service, Change::Complete));
    assert_eq!(state.cluster().services[&key("b")].labels.get("a"), Some("2"));
}

#[test]
fn a_list_that_breaks_off_changes_nothing() {
    let mut state = listed(&[("a", service("1"))], &[]);
    state.apply(Kind::Service, Change::Begin(0));
    assert!(!list(&mut state, Kind::Service, 0, [(key("a"), service("1"))]), "the same again is no news");
    assert_eq!(names(&state.cluster()), ["a"]);
}

#[test]
fn changes_are_taken_over_and_repetitions_are_none() {
    let mut state = listed(&[("a", service("1"))], &[]);
    assert!(!state.apply(Kind::Service, Change::Applied(key("a"), service("1"))));
    assert!(state.apply(Kind::Service, Change::Applied(key("a"), service("2"))));
    assert_eq!(state.cluster().services[&key("a")].labels.get("a"), Some("2"));
    assert!(state.apply(Kind::Service, Change::Gone(key("a"))));
    assert!(!state.apply(Kind::Service, Change::Gone(key("a"))));
    assert!(state.cluster().services.is_empty());
}

#[test]
fn the_endpoints_of_all_slices_of_a_service_count_together() {
    let mut state = listed(&[], &[]);
    let nodes = |state: &State, service: &str| {
        let cluster = state.cluster();
        let nodes: Vec<String> = cluster.endpoints_of(&key(service)).iter().filter_map(|e| e.node.clone()).collect();
        nodes
    };
    state.apply(Kind::EndpointSlice, Change::Applied(key("web-1"), slice("web", &["n1", "n2"])));
    state.apply(Kind::EndpointSlice, Change::Applied(key("web-2"), slice("web", &["n3"])));
    assert_eq!(nodes(&state, "web"), ["n1", "n2", "n3"]);
    state.apply(Kind::EndpointSlice, Change::Applied(key("web-2"), slice("other", &["n3"])));
    assert_eq!((nodes(&state, "web"), nodes(&state, "other")), (vec!["n1".into(), "n2".into()], vec!["n3".to_owned()]));
    state.apply(Kind::EndpointSlice, Change::Gone(key("web-1")));
    assert!(nodes(&state, "web").is_empty());
    list(&mut state, Kind::EndpointSlice, 0, []);
    assert!(state.cluster().endpoints.is_empty());
}

#[test]
fn what_cannot_be_read_says_what_it_said_before() {
    let mut state = listed(&[], &[pool("192.0.2.0/24", None)]);
    let key = ObjectKey::new("lb", "pool");
    state.apply(POOL, Change::Applied(key.clone(), pool("", Some("is nonsense"))));
    let cluster = state.cluster();
    assert_eq!(cluster.resources.pools[0].spec.addresses, ["192.0.2.0/24"]);
    assert!(!cluster.is_complete_for_allocation());
    list(&mut state, POOL, 0, [(key.clone(), pool("", Some("is nonsense still")))]);
    assert_eq!(state.cluster().resources.pools.len(), 1, "also when it is listed anew");
    state.apply(POOL, Change::Applied(key, pool("198.51.100.0/24", None)));
    let cluster = state.cluster();
    assert_eq!(cluster.resources.pools[0].spec.addresses, ["198.51.100.0/24"]);
    assert!(cluster.is_complete_for_allocation());
}

#[test]
fn a_kind_that_the_api_server_does_not_know_is_a_problem_until_it_does() {
    let mut state = State::new("lb", &KINDS, |_| true);
    list(&mut state, Kind::Service, 0, []);
    list(&mut state, Kind::EndpointSlice, 0, []);
    assert!(state.apply(POOL, Change::Unknown));
    assert!(!state.apply(POOL, Change::Unknown), "told once");
    assert!(state.is_complete());
    let cluster = state.cluster();
    let sentences: Vec<String> = cluster.problems.iter().map(ToString::to_string).collect();
    assert!(
        sentences[0].contains("CustomResourceDefinition ipaddresspools.metallb.io: is not installed"),
        "{sentences:?}"
    );
    assert!(!cluster.is_complete_for_allocation(), "nobody knows what the pools would be");
    assert!(list(&mut state, POOL, 0, []));
    assert!(state.cluster().is_complete_for_allocation());
}

#[test]
fn a_state_is_as_recent_as_its_oldest_list() {
    let mut state = listed(&[], &[]);
    assert_eq!(state.cluster().refreshed, 0);
    for (kind, expected) in [(Kind::Service, 0), (Kind::EndpointSlice, 0), (POOL, 3)] {
        assert!(list(&mut state, kind, 3, []), "that a list is recent is news");
        assert_eq!(state.cluster().refreshed, expected);
    }
}

#[test]
fn a_kind_that_is_not_needed_keeps_nobody_waiting() {
    let mut state = State::new("lb", &KINDS, |kind| kind != POOL);
    list(&mut state, Kind::Service, 2, [(key("web"), service("1"))]);
    list(&mut state, Kind::EndpointSlice, 2, []);
    assert!(state.is_complete());
    assert_eq!(state.cluster().refreshed, 2);
    assert!(list(&mut state, POOL, 0, [(ObjectKey::new("lb", "pool"), pool("192.0.2.0/24", None))]));
    assert_eq!(state.cluster().resources.pools.len(), 1, "it is used when it comes");
}
