//! Asks the kernel for the hardware addresses of neighbours, of each alone: tables of neighbours can be long.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, new_connection};
use tokio::time;

/// How long all answers may take; they take microseconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A neighbour: the index of the interface that leads to it, and its address.
pub type Neighbour = (u32, IpAddr);

/// Why nothing is known of neighbours.
#[derive(Debug, thiserror::Error)]
pub enum NeighbourError {
    /// No socket.
    #[error("cannot open a netlink socket")]
    Connect(#[source] io::Error),
    /// A question could not be sent.
    #[error("cannot ask for a neighbour")]
    Ask(#[source] rtnetlink::Error),
    /// The kernel did not answer.
    #[error("asking for neighbours took more than {TIMEOUT:?}")]
    Timeout,
    /// The socket failed meanwhile.
    #[error("the netlink socket has ended")]
    Ended,
}

/// The hardware addresses of neighbours in the network namespace of the calling thread, of those that the kernel knows at
/// present and whose address is of Ethernet's size. A kernel before Linux 5.0 answers for none.
///
/// # Errors
/// Nothing could be asked. That a neighbour is not known is no error.
pub async fn neighbours(of: &BTreeSet<Neighbour>) -> Result<BTreeMap<Neighbour, [u8; 6]>, NeighbourError> {
    if of.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (connection, handle, _notifications) = new_connection().map_err(NeighbourError::Connect)?;
    let asking = pin!(async {
        let mut known = BTreeMap::new();
        for &neighbour in of {
            known.extend(ask(handle.clone(), neighbour).await?.map(|mac| (neighbour, mac)));
        }
        Ok(known)
    });
    let answered = async {
        tokio::select! {
            answered = asking => answered,
            () = connection => Err(NeighbourError::Ended),
        }
    };
    time::timeout(TIMEOUT, answered).await.unwrap_or(Err(NeighbourError::Timeout))
}

async fn ask(mut handle: Handle, (index, address): Neighbour) -> Result<Option<[u8; 6]>, NeighbourError> {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index;
    let destination = match address {
        IpAddr::V4(address) => {
            message.header.family = AddressFamily::Inet;
            NeighbourAddress::Inet(address)
        }
        IpAddr::V6(address) => {
            message.header.family = AddressFamily::Inet6;
            NeighbourAddress::Inet6(address)
        }
    };
    message.attributes.push(NeighbourAttribute::Destination(destination));
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNeighbour(message));
    request.header.flags = NLM_F_REQUEST;
    let mut answers = pin!(handle.request(request).map_err(NeighbourError::Ask)?);
    while let Some(answer) = answers.next().await {
        if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(neighbour)) = answer.payload {
            return Ok(hardware_address(neighbour));
        }
    }
    Ok(None)
}

/// A neighbour that is asked for, or that did not answer, has none.
fn hardware_address(neighbour: NeighbourMessage) -> Option<[u8; 6]> {
    neighbour.attributes.into_iter().find_map(|attribute| {
        let NeighbourAttribute::LinkLayerAddress(address) = attribute else { return None };
        address.try_into().ok()
    })
}
