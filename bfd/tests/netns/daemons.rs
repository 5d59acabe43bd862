//! FRR's bfdd and BIRD: up, down, changed, stopped, started anew.

use std::net::IpAddr;

use ferrolb_bfd::driver::Peer;
use ferrolb_bfd::{Config, Diagnostic, DownCause, State};
use nix::sys::signal::Signal;

use crate::lab::{BFDD, BIRD, Lab, config, run};

fn peer() -> Peer {
    Peer::single_hop(IpAddr::from([192, 0, 2, 1])).from(IpAddr::from([192, 0, 2, 2]))
}

/// bfdd's name of us.
const US: &str = "peer 192.0.2.2 local-address 192.0.2.1 interface eth0";

fn frr(interval: u64) -> String {
    format!("{US}\nreceive-interval {interval}\ntransmit-interval {interval}\ndetect-multiplier 20\nno shutdown")
}

fn bird(interval: u64) -> String {
    format!(
        "interface \"eth0\" {{ interval {interval} ms; idle tx interval 1 s; multiplier 20; }};\nneighbor 192.0.2.2 dev \"eth0\" local 192.0.2.1;"
    )
}

#[test]
fn bfdd_changes_intervals_on_either_side_without_a_flap() {
    run(BFDD, async {
        let (_lab, ours, router) = Lab::pair();
        let bfdd = router.bfdd(&frr(200));
        let ours = ours.ours();
        ours.watch(&peer(), 200);
        ours.up(&peer()).await;
        ours.agreed(&peer(), 200, 200).await;
        bfdd.says("Status: up").await;
        // Ours faster, theirs slower, ours slower, theirs faster.
        ours.set(&peer(), Config { transmit_interval: config(400).transmit_interval, ..config(200) });
        ours.agreed(&peer(), 400, 200).await;
        bfdd.configure(US, "transmit-interval 500");
        ours.agreed(&peer(), 400, 500).await;
        bfdd.configure(US, "receive-interval 600");
        ours.agreed(&peer(), 600, 500).await;
        ours.watch(&peer(), 300);
        bfdd.configure(US, "receive-interval 100");
        bfdd.configure(US, "transmit-interval 100");
        let status = ours.agreed(&peer(), 300, 300).await.status;
        assert_eq!((status.counters.downs, status.counters.ups), (0, 1));
        assert!(!bfdd.log().contains("up -> down"), "nor did bfdd see one");
    });
}

#[test]
fn bfdd_and_ours_hold_the_session_down_for_each_other_without_a_failure() {
    run(BFDD, async {
        let (_lab, ours, router) = Lab::pair();
        let bfdd = router.bfdd(&frr(100));
        let ours = ours.ours();
        ours.watch(&peer(), 100);
        ours.up(&peer()).await;
        bfdd.configure(US, "shutdown");
        let down = ours.session(&peer(), "held down", |session| session.status.cause.is_some()).await.status;
        assert_eq!((down.cause, down.counters.failures), (Some(DownCause::NeighborAdminDown), 0));
        assert_eq!(down.remote_state, Some(State::AdminDown));
        bfdd.configure(US, "no shutdown");
        let up = ours.up(&peer()).await.status;
        assert_eq!(up.diagnostic, Diagnostic::None);
        bfdd.says("Status: up").await;
        // Removed here: the daemon hears that it is no failure.
        ours.handle.set([].into());
        bfdd.says("Remote diagnostics: administratively down").await;
        ours.watch(&peer(), 100);
        ours.up(&peer()).await;
        bfdd.says("Status: up").await;
        ours.handle.shutdown().await;
        bfdd.says("Remote diagnostics: administratively down").await;
    });
}

#[test]
fn bfdd_that_is_stopped_is_missed_and_one_that_is_started_anew_is_found() {
    run(BFDD, async {
        let (_lab, ours, router) = Lab::pair();
        let mut bfdd = router.bfdd(&frr(100));
        let ours = ours.ours();
        ours.watch(&peer(), 100);
        ours.up(&peer()).await;
        bfdd.signal(Signal::SIGSTOP);
        let failed = ours.failed(&peer(), 1).await.status;
        assert_eq!(failed.cause, Some(DownCause::DetectionTimeExpired));
        bfdd.signal(Signal::SIGCONT);
        ours.up(&peer()).await;
        bfdd.crash();
        let failed = ours.failed(&peer(), 2).await.status;
        assert_eq!(failed.cause, Some(DownCause::DetectionTimeExpired));
        bfdd.start();
        ours.up(&peer()).await;
        bfdd.says("Status: up").await;
    });
}

#[test]
fn passive_ours_waits_for_bfdd() {
    run(BFDD, async {
        let (_lab, ours, router) = Lab::pair();
        let ours = ours.ours();
        ours.set(&peer(), Config { passive: true, ..config(100) });
        let waiting = ours.session(&peer(), "there", |_| true).await.status;
        assert_eq!(waiting.counters.sent, 0);
        let bfdd = router.bfdd(&frr(100));
        ours.up(&peer()).await;
        bfdd.says("Status: up").await;
    });
}

#[test]
fn bird_comes_up_changes_stops_and_returns() {
    run(BIRD, async {
        let (_lab, ours, router) = Lab::pair();
        let mut daemon = router.bird(&bird(100));
        let ours = ours.ours();
        ours.watch(&peer(), 100);
        ours.up(&peer()).await;
        ours.agreed(&peer(), 100, 100).await;
        daemon.says("Up").await;
        ours.watch(&peer(), 250);
        ours.agreed(&peer(), 250, 250).await;
        daemon.configure(&bird(400));
        let status = ours.agreed(&peer(), 400, 400).await.status;
        assert_eq!(status.counters.downs, 0, "a change is no flap");
        daemon.signal(Signal::SIGSTOP);
        assert_eq!(ours.failed(&peer(), 1).await.status.cause, Some(DownCause::DetectionTimeExpired));
        daemon.signal(Signal::SIGCONT);
        ours.up(&peer()).await;
        daemon.crash();
        ours.failed(&peer(), 2).await;
        daemon.start();
        ours.up(&peer()).await;
        // Ours goes: BIRD hears of it.
        daemon.says("Up").await;
        ours.handle.shutdown().await;
        daemon.says("Down").await;
    });
}
