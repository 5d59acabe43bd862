//! How labs begin, live side by side, and end without a trace.

use std::process::Command;

use ferrolb_integration::{Daemons, Error, Lab, Options};

use crate::common::{Footprint, can_run, eventually, lab, run};

#[test]
fn whichever_process_of_a_lab_is_killed_nothing_is_left() {
    if !can_run() {
        return;
    }
    for victim in 0..4 {
        let lab = lab(2).unwrap();
        let footprint = Footprint::of(&lab);
        assert!(footprint.size() >= 6, "four that hold it and two backends: {footprint:?}");
        assert_eq!(footprint.visible_outside(), Vec::<String>::new(), "even while it runs");
        assert!(!footprint.remains().is_empty());
        let pid = footprint.chain[victim].to_string();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        eventually("everything is gone", || footprint.remains().is_empty());
        drop(lab);
    }
}

#[test]
fn an_interrupt_a_closed_input_and_the_verb_down_all_end_a_lab() {
    if !can_run() {
        return;
    }
    let ways: [fn(Lab, &Footprint); 4] = [
        |_lab, footprint| {
            let pid = footprint.chain[0].to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            eventually("everything is gone", || footprint.remains().is_empty());
        },
        |lab, _| drop(lab),
        |lab, _| lab.down().unwrap(),
        |lab, footprint| {
            Lab::attach(lab.name()).unwrap().down().unwrap();
            assert_eq!(footprint.remains(), Vec::<String>::new());
        },
    ];
    for way in ways {
        let lab = lab(1).unwrap();
        let (footprint, name) = (Footprint::of(&lab), lab.name().to_owned());
        way(lab, &footprint);
        assert_eq!(footprint.remains(), Vec::<String>::new());
        assert!(matches!(Lab::attach(&name), Err(Error::NotUp { .. })));
    }
}

#[test]
fn labs_run_side_by_side_and_a_name_is_taken_once() {
    let (Some(one), Some(two)) = (lab(1), lab(2)) else { return };
    one.kill("node-1").unwrap();
    assert!(two.state().unwrap().hosts.iter().all(|host| host.link_up));
    assert_eq!(run(&two, "node-2", &["curl", "-s", "http://10.244.1.2:8080"]), Ok("node-1\n".to_owned()));
    let again = Options { name: Some(two.name().to_owned()), daemons: Daemons::None, ..Options::default() };
    let refused = Lab::up(again).unwrap_err().to_string();
    assert!(refused.contains(&format!("a lab named {} is already up", two.name())), "{refused}");
    one.down().unwrap();
    assert_eq!(two.state().unwrap().name, two.name());
}
