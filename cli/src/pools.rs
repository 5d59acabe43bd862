//! `pools`: how full every pool is, and who holds which of its addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_config::{Pool, parse};
use ferrolb_source::kubernetes::{self, Audience, Identity};
use ferrolb_source::{Cluster, Location, directory};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Access, block_on};
use crate::output::{Failure, Printer, remark, table};
use crate::remote;

/// An API server that has not told everything by then is asked in vain.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A pool and its use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Use {
    pool: String,
    addresses: Vec<String>,
    auto_assign: bool,
    ipv4: Count,
    ipv6: Count,
    /// In order of address.
    held: Vec<Held>,
}

/// Addresses of one family.
#[derive(Debug, Default, Serialize)]
struct Count {
    used: u128,
    total: u128,
}

/// An address and the Services that hold it: several where they share it.
#[derive(Debug, Serialize)]
struct Held {
    address: IpAddr,
    services: Vec<String>,
}

/// Prints the use of all pools, or who holds which address of the one called `name`.
///
/// # Errors
/// The source cannot be read, or there is no pool of this name.
pub fn pools(
    source: &str,
    access: &Access,
    namespace: Option<String>,
    name: Option<&str>,
    printer: Printer,
) -> Result<(), Failure> {
    let bad = |error: ferrolb_source::SourceError| Failure::BadInput(error.to_string());
    let cluster = match source.parse().map_err(bad)? {
        Location::Directory(path) => directory::load(&path, namespace.as_deref()).map_err(bad)?,
        Location::Kubernetes => ask(access, namespace)?,
    };
    let parsed = parse(&cluster.resources);
    for problem in cluster.problems.iter().chain(&parsed.problems) {
        remark(format_args!("{problem}"));
    }
    let mut uses: Vec<Use> = parsed.config.pools.values().map(|pool| usage(pool, &cluster)).collect();
    let Some(name) = name else {
        return printer.print(&uses, |_| overview(&uses));
    };
    let known = uses.iter().map(|usage| usage.pool.as_str()).collect::<Vec<_>>().join(", ");
    let unknown = format!("there is no pool {name:?}; pools are: {known}");
    uses.retain(|usage| usage.pool == name);
    let usage = uses.pop().ok_or(Failure::BadInput(unknown))?;
    printer.print(&usage, |_| {
        let row = |held: &Held| vec![held.address.to_string(), held.services.join(", ")];
        table(&["ADDRESS", "SERVICES"], &usage.held.iter().map(row).collect::<Vec<_>>())
    })
}

fn overview(uses: &[Use]) -> String {
    let count = |Count { used, total }: &Count| match (used, total) {
        (_, 0) => "-".to_owned(),
        (used, total) => format!("{used}/{total}"),
    };
    let row = |usage: &Use| {
        vec![
            usage.pool.clone(),
            count(&usage.ipv4),
            count(&usage.ipv6),
            if usage.auto_assign { "yes" } else { "no" }.to_owned(),
            usage.addresses.join(", "),
        ]
    };
    table(&["POOL", "IPV4 USED", "IPV6 USED", "AUTO ASSIGN", "ADDRESSES"], &uses.iter().map(row).collect::<Vec<_>>())
}

fn usage(pool: &Pool, cluster: &Cluster) -> Use {
    let mut held: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (key, service) in cluster.services.iter() {
        for ip in service.ingress.iter().filter(|ip| pool.contains(**ip)) {
            held.entry(*ip).or_default().push(key.to_string());
        }
    }
    let count = |ipv4: bool| {
        let used = held.keys().filter(|ip| ip.is_ipv4() == ipv4).count();
        Count { used: used.try_into().unwrap_or(u128::MAX), total: pool.size(ipv4) }
    };
    Use {
        pool: pool.name.clone(),
        addresses: pool.ranges.iter().map(ToString::to_string).collect(),
        auto_assign: pool.auto_assign,
        ipv4: count(true),
        ipv6: count(false),
        held: held.into_iter().map(|(address, services)| Held { address, services }).collect(),
    }
}

/// Reads Services and pools through the API.
fn ask(access: &Access, namespace: Option<String>) -> Result<Cluster, Failure> {
    block_on(async {
        let client = access.client().await?;
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let namespace = match namespace.or_else(kubernetes::own_namespace) {
            Some(namespace) => namespace,
            None => home(&client).await,
        };
        let (audience, identity) = (Audience::Reader, Identity::default());
        let mut source =
            ferrolb_source::open_kubernetes(&client, audience, identity, namespace, &tasks, shutdown.clone());
        let read = tokio::time::timeout(READ_WITHIN, source.read()).await;
        let cluster = source.cluster.borrow().as_ref().clone();
        shutdown.cancel();
        match read {
            Ok(()) => Ok(cluster),
            Err(_elapsed) => Err(Failure::Failed(format!(
                "the API server did not let services, configmaps and ipaddresspools be read within {READ_WITHIN:?}"
            ))),
        }
    })
}

/// The namespace of the release: where its speakers are, as far as that can be seen.
async fn home(client: &kube::Client) -> String {
    let speakers = remote::speakers(client, None, None).await.unwrap_or_default();
    speakers.into_iter().next().map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |speaker| speaker.namespace)
}
