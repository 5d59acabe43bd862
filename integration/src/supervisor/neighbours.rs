//! What neighbour tables say: whom the client sends to, and who answers ARP or NDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tokio::time::{sleep, timeout};

use super::command::Runner;
use crate::error::{Error, system};
use crate::layout::{INTERFACE, Mac};
use crate::namespaces::netns;

/// The kernel asks again after one second; an answer to the second question still counts.
const RESOLUTION: Duration = Duration::from_millis(1500);
/// Between two looks at an entry that is being resolved.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Discard (RFC 863): the packet is only there to make the kernel ask.
const DISCARD_PORT: u16 = 9;

/// The hardware address that `place` has in its neighbour table for `address`.
pub(super) async fn entry(runner: &Runner, place: &str, address: IpAddr) -> Result<Option<Mac>, Error> {
    let table = runner.ip_json(place, &["neigh", "show", "to", &address.to_string(), "dev", INTERFACE]).await?;
    let rows = table.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(rows.iter().find_map(|row| row.get("lladdr")?.as_str()?.parse().ok()))
}

/// Makes `place` ask for `address` before it sends there again.
pub(super) async fn forget(runner: &Runner, place: &str, interface: &str, address: IpAddr) {
    // An entry that is not there need not be deleted.
    runner.ip_batch(place, &format!("neigh del {address} dev {interface}\n")).await.ok();
}

/// Who answers now when `place` asks for `address`: resolved afresh.
pub(super) async fn resolve(runner: &Runner, place: &str, address: IpAddr) -> Result<Option<Mac>, Error> {
    forget(runner, place, INTERFACE, address).await;
    send_one(place, address)?;
    let resolved = async {
        loop {
            if let Some(mac) = entry(runner, place, address).await? {
                return Ok(Some(mac));
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(RESOLUTION, resolved).await.unwrap_or(Ok(None))
}

/// Sends a packet from `place`. A socket belongs to the namespace that it was made in, so a short-lived thread enters
/// that and makes it.
fn send_one(place: &str, address: IpAddr) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = std::fs::File::open(netns(place)).map_err(system(format!("open the namespace of {place}")))?;
            setns(file, CloneFlags::CLONE_NEWNET).map_err(system(format!("enter the namespace of {place}")))?;
            let any: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0)).map_err(system("make a socket"))?;
            socket.send_to(&[0], (address, DISCARD_PORT)).map_err(system(format!("send to {address}")))
        });
        thread.join().unwrap_or_else(|_panic| Err(Error::Ended { reason: "a thread panicked".to_owned() }))
    })
    .map(drop)
}
