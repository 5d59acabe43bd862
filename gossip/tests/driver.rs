//! The driver over real sockets on the loopback interface.

#![cfg(feature = "driver")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::error::Error as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ferrolb_gossip::driver::KeyFileError;
use ferrolb_gossip::{DriverConfig, Error, Facts, Handle, Key, KeyRing, Profile, View, spawn};

/// Only keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(name: &str) -> DriverConfig {
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let key = Key::from_bytes([1; 32]);
    DriverConfig::new(name.into(), anywhere, Profile::default(), "test".to_owned(), key).unwrap()
}

async fn seen(handle: &mut Handle, condition: impl FnMut(&std::sync::Arc<View>) -> bool) {
    tokio::time::timeout(PATIENCE, handle.view.wait_for(condition)).await.unwrap().unwrap();
}

async fn cluster() -> Vec<Handle> {
    let mut handles: Vec<Handle> = ["a", "b", "c"].into_iter().map(|name| spawn(config(name)).unwrap()).collect();
    let addresses: Vec<SocketAddr> = handles.iter().map(Handle::advertised).collect();
    for handle in &handles {
        handle.seeds(addresses.clone()).await.unwrap();
    }
    for handle in &mut handles {
        seen(handle, |view| view.members.len() == 3 && view.ready).await;
    }
    handles
}

#[tokio::test]
async fn nodes_find_each_other_see_claims_and_leave() {
    let vip: IpAddr = "198.51.100.1".parse().unwrap();
    let mut handles = cluster().await;
    let mut c = handles.pop().unwrap();
    let mut b = handles.pop().unwrap();
    let mut a = handles.pop().unwrap();

    let facts = Facts {
        interfaces: [("eth0".to_owned(), [2, 0, 0, 0, 0, 1])].into(),
        draining: true,
        version: "0.1.0".to_owned(),
    };
    a.tell(facts.clone()).await.unwrap();
    for handle in [&mut a, &mut b, &mut c] {
        seen(handle, |view| view.facts.get("a").is_some_and(|told| **told == facts)).await;
    }

    a.claim(vec![vip]).await.unwrap();
    for handle in [&mut a, &mut b, &mut c] {
        seen(handle, |view| view.owner(vip).is_some_and(|owner| owner.as_str() == "a")).await;
    }

    a.leave().await.unwrap();
    for handle in [&mut b, &mut c] {
        seen(handle, |view| view.members.len() == 2 && view.owner(vip).is_none()).await;
    }
    b.claim(vec![vip]).await.unwrap();
    seen(&mut a, |view| view.owner(vip).is_some_and(|owner| owner.as_str() == "b")).await;
    tokio::time::timeout(PATIENCE, a.stopped()).await.unwrap();
    a.shutdown().await.unwrap();

    c.release(vec![vip]).await.unwrap();
    b.release(vec![vip]).await.unwrap();
    seen(&mut c, |view| view.owner(vip).is_none()).await;
    assert_eq!(c.counters().send_errors, 0);
    assert!(c.counters().received > 0);
    for handle in [b, c] {
        handle.shutdown().await.unwrap();
    }
}

/// Waits until each node has received some more datagrams.
async fn exchanged(handles: &[Handle]) {
    for handle in handles {
        let enough = handle.counters().received + 5;
        let mut counters = handle.watch_counters();
        tokio::time::timeout(PATIENCE, counters.wait_for(|counters| counters.received >= enough))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_key_is_replaced_while_the_cluster_runs_and_no_member_is_lost() {
    let handles = cluster().await;
    let key = |number: u8| Key::from_bytes([number; 32]);
    for keys in [vec![key(1), key(2)], vec![key(2), key(1)], vec![key(2)]] {
        let ring = KeyRing::new(keys).unwrap();
        for handle in &handles {
            handle.keys(ring.clone()).await.unwrap();
            exchanged(&handles).await;
        }
    }
    for handle in handles {
        let counters = handle.counters();
        assert_eq!((counters.members_down, counters.foreign_key, counters.forged), (0, 0, 0));
        assert!(counters.other_key > 0, "both keys were in use");
        assert_eq!(handle.view.borrow().members.len(), 3);
        handle.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_stopped_driver_is_noticed_and_its_port_is_free_again() {
    let handle = spawn(config("a")).unwrap();
    let port = handle.local_addr();
    let mut view = handle.view.clone();
    handle.shutdown().await.unwrap();
    while tokio::time::timeout(PATIENCE, view.changed()).await.unwrap().is_ok() {}
    let again = DriverConfig { bind: port, ..config("a") };
    spawn(again).unwrap().shutdown().await.unwrap();
}

#[tokio::test]
async fn a_dropped_handle_stops_the_thread() {
    let handle = spawn(config("a")).unwrap();
    let mut view = handle.view.clone();
    drop(handle);
    while tokio::time::timeout(PATIENCE, view.changed()).await.unwrap().is_ok() {}
}

#[tokio::test]
async fn a_member_without_route_does_not_stop_the_others() {
    let mut a = spawn(config("a")).unwrap();
    let mut b = spawn(config("b")).unwrap();
    // A socket that is bound to the loopback address cannot send to the outside.
    let nowhere: SocketAddr = "192.0.2.1:7946".parse().unwrap();
    a.seeds(vec![nowhere, b.advertised()]).await.unwrap();
    b.seeds(vec![a.advertised()]).await.unwrap();
    for handle in [&mut a, &mut b] {
        seen(handle, |view| view.members.len() == 2 && view.ready).await;
    }
    assert!(a.counters().send_errors > 0);
    for handle in [a, b] {
        handle.shutdown().await.unwrap();
    }
}

#[test]
fn a_port_in_use_and_a_foreign_address_are_named_with_a_remedy() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap();
    let error = spawn(DriverConfig { bind, ..config("a") }).unwrap_err();
    assert!(matches!(error, Error::InUse { addr, .. } if addr == bind));
    assert!(error.to_string().contains(&format!("{bind} is in use")), "{error}");

    let bind: SocketAddr = "192.0.2.1:7946".parse().unwrap();
    let error = spawn(DriverConfig { bind, ..config("a") }).unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }));
    assert!(error.to_string().contains("192.0.2.1:7946 is not an address of this node"), "{error}");
    assert!(error.source().is_some());
}

#[test]
fn a_key_file_is_read_and_errors_name_it_without_its_content() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    Key::from_file(file.path()).unwrap();

    let mut broken = tempfile::NamedTempFile::new().unwrap();
    writeln!(broken, "correct horse battery staple").unwrap();
    let error = Key::from_file(broken.path()).unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(error.to_string().contains(&broken.path().display().to_string()), "{error}");
    assert!(cause.contains("base64 of 32 bytes"), "{cause}");
    assert!(!format!("{error} {cause} {error:?}").contains("horse"));

    writeln!(file, "correct horse battery staple").unwrap();
    let error = KeyRing::from_file(file.path()).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "line 2");
    assert!(!format!("{error} {error:?}").contains("horse"));

    let error = Key::from_file("/nonexistent/key").unwrap_err();
    assert!(matches!(error, KeyFileError::Read { .. }));
    assert!(error.to_string().contains("/nonexistent/key"), "{error}");
}
