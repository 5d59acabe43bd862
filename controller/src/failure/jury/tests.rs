//! Who is failed, and who is not.

use proptest::prelude::*;

use super::*;

const SHARE: u8 = 34;
const RENEWAL: Duration = Duration::from_secs(10);
const REFRESH: Duration = Duration::from_secs(5);

/// A cluster: every node has a speaker and a Lease.
struct World {
    jury: Jury,
    now: Instant,
    nodes: Vec<String>,
    /// Rises with every write.
    version: u64,
}

impl World {
    /// So many nodes, that are well, for long enough.
    fn new(nodes: usize) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        let now = Instant::now();
        let nodes = (1..=nodes).map(|number| format!("n{number}")).collect();
        let mut world = Self { jury: Jury::new(now, SHARE), now, nodes, version: 0 };
        for node in world.nodes.clone() {
            world.report(&node, &[]);
        }
        let none: [&str; 0] = [];
        world.pass(LISTEN, &none);
        world
    }

    fn tell(&mut self, input: impl FnOnce(String) -> Input) {
        self.version += 1;
        self.jury.handle(self.now, input(self.version.to_string()));
    }

    fn report(&mut self, speaker: &str, dead: &[&str]) {
        let unreachable = dead.iter().map(|node| (*node).to_owned()).collect();
        self.tell(|version| Input::Report { speaker: speaker.to_owned(), version, unreachable });
    }

    fn renew(&mut self, node: &str) {
        let duration = RENEWAL * 4;
        self.tell(|version| Input::Lease { node: node.to_owned(), version, duration });
    }

    /// Time passes, in which all nodes but those renew their Leases.
    fn pass(&mut self, time: Duration, but: &[&str]) {
        for _ in 0..time.as_secs().div_ceil(RENEWAL.as_secs()) {
            self.now += RENEWAL;
            for node in self.nodes.clone() {
                if !but.contains(&node.as_str()) {
                    self.renew(&node);
                }
            }
        }
        self.now += Duration::from_secs(1);
    }

    /// What is decided now: those to fail, and why others are not.
    fn verdicts(&mut self) -> Vec<(String, Option<Guard>)> {
        self.jury.verdicts(self.now).into_iter().map(|verdict| (verdict.node, verdict.guard)).collect()
    }

    /// All speakers but those of dead nodes report these.
    fn all_report(&mut self, dead: &[&str]) {
        for node in self.nodes.clone() {
            if !dead.contains(&node.as_str()) {
                self.report(&node, dead);
            }
        }
    }
}

fn fails(node: &str) -> Vec<(String, Option<Guard>)> {
    vec![(node.to_owned(), None)]
}

fn refused(node: &str, guard: Guard) -> Vec<(String, Option<Guard>)> {
    vec![(node.to_owned(), Some(guard))]
}

#[test]
fn a_node_fails_once_when_more_than_half_of_all_speakers_say_so() {
    let mut world = World::new(4);
    for reporter in ["n1", "n2"] {
        world.report(reporter, &["n4"]);
        assert_eq!(world.verdicts(), [], "half is no majority");
    }
    world.report("n3", &["n4"]);
    let verdicts = world.jury.verdicts(world.now);
    assert_eq!(verdicts, [Verdict { node: "n4".to_owned(), votes: 3, speakers: 4, guard: None }]);
    for _ in 0..12 {
        world.now += REFRESH;
        world.all_report(&["n4"]);
        assert_eq!(world.verdicts(), [], "once");
    }
}

#[test]
fn two_nodes_are_too_few_to_tell_who_is_right() {
    let mut world = World::new(2);
    world.report("n1", &["n2"]);
    assert_eq!(world.verdicts(), []);
}

#[test]
fn a_report_that_nobody_renews_or_that_is_taken_back_does_not_count() {
    let mut world = World::new(3);
    world.report("n1", &["n3"]);
    world.now += FRESH;
    world.report("n2", &["n3"]);
    assert_eq!(world.verdicts(), []);
    world.report("n2", &[]);
    world.report("n1", &["n3"]);
    assert_eq!(world.verdicts(), []);
    world.jury.handle(world.now, Input::ReportGone("n1".to_owned()));
    world.report("n2", &["n3"]);
    assert_eq!(world.verdicts(), [], "one of two");
}

#[test]
fn a_controller_that_has_just_begun_waits_until_it_knows_who_is_well() {
    let mut world = World::new(3);
    world.jury.began = world.now;
    world.all_report(&["n3"]);
    assert_eq!(world.verdicts(), refused("n3", Guard::Starting));
    assert_eq!(world.verdicts(), [], "nothing new");
    world.now += LISTEN;
    for node in ["n1", "n2"] {
        world.renew(node);
    }
    world.all_report(&["n3"]);
    assert_eq!(world.verdicts(), fails("n3"), "the same report, still held up");
}

#[test]
fn a_node_whose_kubelet_renews_its_lease_is_left_alone() {
    let mut world = World::new(3);
    world.report("n1", &["n3"]);
    world.now += Duration::from_millis(1);
    world.renew("n3");
    world.report("n2", &["n3"]);
    assert_eq!(world.verdicts(), refused("n3", Guard::Lease));
    world.now += REFRESH;
    world.all_report(&["n3"]);
    assert_eq!(world.verdicts(), [], "as long as it is held for dead");
    // Somebody else changes nothing about it.
    world.all_report(&[]);
    world.now += REFRESH;
    world.all_report(&["n3"]);
    assert_eq!(world.verdicts(), fails("n3"), "it dies later");
}

#[test]
fn a_node_that_flaps_is_failed_once_in_five_minutes() {
    let mut world = World::new(3);
    let none: [&str; 0] = [];
    world.all_report(&["n3"]);
    assert_eq!(world.verdicts(), fails("n3"));
    for _ in 0..2 {
        world.all_report(&[]);
        world.pass(Duration::from_secs(60), &none);
        assert_eq!(world.verdicts(), []);
        world.all_report(&["n3"]);
        assert_eq!(world.verdicts(), refused("n3", Guard::Flapping));
    }
    world.all_report(&[]);
    world.pass(REST, &none);
    world.verdicts();
    world.all_report(&["n3"]);
    assert_eq!(world.verdicts(), fails("n3"));
}

#[test]
fn no_more_than_a_share_of_the_nodes_is_unavailable_at_once() {
    let mut world = World::new(6);
    world.all_report(&["n5", "n6"]);
    assert_eq!(world.verdicts().len(), 2, "a third of six");
    world.all_report(&["n4", "n5", "n6"]);
    assert_eq!(world.verdicts(), [], "three of six are no majority");

    let mut world = World::new(10);
    let dead = ["n6", "n7", "n8", "n9"];
    world.all_report(&dead);
    let verdicts = world.verdicts();
    let (refused, failed): (Vec<_>, Vec<_>) = verdicts.into_iter().partition(|(_, guard)| guard.is_some());
    assert_eq!(failed.len(), 3);
    assert_eq!(refused, [("n9".to_owned(), Some(Guard::Share))]);
    // When one of them is back, there is room for it.
    world.now += REFRESH;
    world.renew("n6");
    world.all_report(&dead);
    world.report("n1", &["n7", "n8", "n9"]);
    assert_eq!(world.verdicts(), fails("n9"));
}

#[test]
fn nodes_that_died_before_count_although_somebody_else_was_in_charge() {
    let mut world = World::new(3);
    world.pass(RENEWAL * 2, &["n1"]);
    world.all_report(&["n1", "n3"]);
    world.report("n1", &["n3"]);
    assert_eq!(world.verdicts(), refused("n3", Guard::Share));
    world.jury.handle(world.now, Input::LeaseGone("n1".to_owned()));
    assert_eq!(world.verdicts(), [], "a node that is removed has no voice; one of two is no majority");
}

#[test]
fn a_lone_accuser_is_not_believed_whatever_it_says() {
    let mut world = World::new(5);
    world.report("n1", &["n1", "n2", "n3", "n4", "n5", "nobody"]);
    assert_eq!(world.verdicts(), []);
    world.all_report(&["nobody"]);
    assert_eq!(world.verdicts(), [], "there is no such node");
}

proptest! {
    #[test]
    fn of_a_split_cluster_at_most_one_part_is_heard(count in 2_usize..12, split in any::<u16>()) {
        let mut world = World::new(count);
        let (one, other): (Vec<usize>, Vec<usize>) = (0..count).partition(|number| split >> number & 1 == 0);
        let names = |part: &[usize]| part.iter().map(|number| world.nodes[*number].clone()).collect::<Vec<_>>();
        let (one, other) = (names(&one), names(&other));
        for (mine, theirs) in [(&one, &other), (&other, &one)] {
            let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
            for node in mine {
                world.report(node, &theirs);
            }
        }
        let failed: Vec<String> =
            world.verdicts().into_iter().filter(|(_, guard)| guard.is_none()).map(|(node, _)| node).collect();
        prop_assert!(failed.len() <= (count * usize::from(SHARE) / 100).max(1), "{failed:?}");
        let smaller = if one.len() < other.len() { &one } else { &other };
        prop_assert!(failed.iter().all(|node| smaller.contains(node) && one.len() != other.len()), "{failed:?}");
    }

    #[test]
    fn never_are_more_nodes_failed_than_may_be(steps in prop::collection::vec((0_usize..7, any::<u8>(), 0_u64..8), 1..120)) {
        let mut world = World::new(7);
        let mut failed: BTreeSet<String> = BTreeSet::new();
        for (who, dead, seconds) in steps {
            world.now += Duration::from_secs(seconds);
            let node = world.nodes[who].clone();
            if dead % 4 == 0 {
                world.renew(&node);
                failed.remove(&node);
            } else {
                let dead: Vec<String> =
                    (0..7).filter(|number| dead >> number & 1 == 1).map(|number| world.nodes[number].clone()).collect();
                world.report(&node, &dead.iter().map(String::as_str).collect::<Vec<_>>());
            }
            failed.extend(world.verdicts().into_iter().filter(|(_, guard)| guard.is_none()).map(|(node, _)| node));
            prop_assert!(failed.len() <= 2, "{failed:?}");
        }
    }
}
