//! What is announced of each prefix. Several Services may need one prefix, by sharing an address or by aggregation: their
//! communities are united, and of what cannot be united the most preferred value goes, whoever wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ferrolb_config::{BgpAdvertisement, Community, Conflict};
use ferrolb_source::ObjectKey;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Ads;
use super::peers::Circle;

/// Prefixes and what is said of them, in order. Prefixes of which the same is said share it.
pub type Routes = BTreeMap<IpNet, Arc<Attributes>>;

/// What is said of a route. The rest follows from the session: the origin (IGP), the path of ASes, the next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Standard and large communities.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub communities: BTreeSet<Community>,
    /// LOCAL_PREF; counts on sessions within an AS only. None: what is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,
    /// How often our AS is put before the path beside the usual once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub as_path_prepend: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &u8) -> bool {
    *count == 0
}

/// Two Services want the same route with different attributes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contradiction {
    /// A route of which this is so; there may be more.
    pub prefix: IpNet,
    /// In what.
    pub conflict: Conflict,
    /// The value that goes, its BGPAdvertisement and the Service that has it.
    pub used: Wish,
    /// The one that does not.
    pub overruled: Wish,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// 0 where nothing is said.
    pub value: u32,
    /// The name of the BGPAdvertisement that says it.
    pub advertisement: String,
    /// A Service that is announced by it.
    pub service: ObjectKey,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, conflict, used, overruled } = self;
        write!(
            f,
            "route {prefix}: {conflict} {} of BGPAdvertisement {:?} (service {}) overrules {} of {:?} (service {}); give \
             both the same value, or let them differ in addresses or peers",
            used.value, used.advertisement, used.service, overruled.value, overruled.advertisement, overruled.service
        )
    }
}

/// A Service needs a route, for an advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Contribution {
    pub(super) prefix: IpNet,
    pub(super) ad: usize,
    pub(super) service: usize,
}

/// Puts together what is said of each prefix.
#[derive(Debug)]
pub(super) struct Merger<'a> {
    ads: &'a [BgpAdvertisement],
    /// In order.
    contributions: Vec<Contribution>,
    known: BTreeMap<Ads, Merged>,
    /// By what is contradicted, the advertisement that goes and the one that does not: a prefix, and Services.
    contradicted: BTreeMap<Disagreement, (IpNet, usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Disagreement {
    conflict: Conflict,
    used: usize,
    overruled: usize,
}

#[derive(Debug)]
struct Merged {
    attributes: Arc<Attributes>,
    disagreements: Vec<Disagreement>,
}

// === impl Merger ===

impl<'a> Merger<'a> {
    pub(super) fn new(ads: &'a [BgpAdvertisement], mut contributions: Vec<Contribution>) -> Self {
        contributions.sort_unstable();
        Self { ads, contributions, known: BTreeMap::new(), contradicted: BTreeMap::new() }
    }

    /// What the peers of a circle are told.
    pub(super) fn routes(&mut self, circle: &Circle) -> Routes {
        let Self { ads: all, contributions, known, contradicted } = self;
        let of_prefix = contributions.chunk_by(|a, b| a.prefix == b.prefix);
        let routes = of_prefix.filter_map(|needed| {
            let prefix = needed.first()?.prefix;
            if !circle.carries.contains(prefix.addr()) {
                return None;
            }
            let mut ads = Ads::new();
            for ad in needed.iter().map(|contribution| contribution.ad).filter(|ad| circle.ads.contains(ad)) {
                if ads.last() != Some(&ad) {
                    ads.push(ad);
                }
            }
            if ads.is_empty() {
                return None;
            }
            if !known.contains_key(&ads) {
                known.insert(ads.clone(), merge(all, &ads));
            }
            let merged = known.get(&ads)?;
            for disagreement in &merged.disagreements {
                let service = |ad: usize| needed.iter().find(|n| n.ad == ad).map(|n| n.service);
                let (Some(used), Some(overruled)) = (service(disagreement.used), service(disagreement.overruled))
                else {
                    continue;
                };
                contradicted.entry(*disagreement).or_insert((prefix, used, overruled));
            }
            Some((prefix, Arc::clone(&merged.attributes)))
        });
        routes.collect()
    }

    /// What was contradicted in all that was merged. `services` tells the Service of a number.
    pub(super) fn contradictions<'k>(self, services: impl Fn(usize) -> Option<&'k ObjectKey>) -> Vec<Contradiction> {
        let wish = |conflict, ad: usize, service| {
            let ad = self.ads.get(ad)?;
            let value = value(ad, conflict);
            Some(Wish { value, advertisement: ad.name.clone(), service: services(service)?.clone() })
        };
        let mut all: Vec<Contradiction> = self
            .contradicted
            .iter()
            .filter_map(|(Disagreement { conflict, used, overruled }, (prefix, by, other))| {
                Some(Contradiction {
                    prefix: *prefix,
                    conflict: *conflict,
                    used: wish(*conflict, *used, *by)?,
                    overruled: wish(*conflict, *overruled, *other)?,
                })
            })
            .collect();
        all.sort_unstable();
        all
    }
}

/// 0 where nothing is said.
fn value(ad: &BgpAdvertisement, conflict: Conflict) -> u32 {
    match conflict {
        Conflict::LocalPref => ad.local_pref.unwrap_or(0),
        Conflict::AsPathPrepend => ad.as_path_prepend.unwrap_or(0).into(),
    }
}

/// What several advertisements say together. Where they contradict each other, which they may only for different Services,
/// routers are to prefer the route as much as any of them wants.
fn merge(all: &[BgpAdvertisement], ads: &Ads) -> Merged {
    let ads: Vec<(usize, &BgpAdvertisement)> = ads.iter().filter_map(|ad| Some((*ad, all.get(*ad)?))).collect();
    let attributes = Attributes {
        communities: ads.iter().flat_map(|(_, ad)| ad.communities.iter().copied()).collect(),
        local_pref: ads.iter().filter_map(|(_, ad)| ad.local_pref).max(),
        as_path_prepend: ads.iter().map(|(_, ad)| ad.as_path_prepend.unwrap_or(0)).min().unwrap_or(0),
    };
    let mut disagreements = Vec::new();
    let goes = [
        (Conflict::LocalPref, attributes.local_pref.unwrap_or(0)),
        (Conflict::AsPathPrepend, attributes.as_path_prepend.into()),
    ];
    for (conflict, goes) in goes {
        let (first, others): (Vec<usize>, Vec<usize>) = ads
            .iter()
            .map(|(index, _)| *index)
            .partition(|ad| all.get(*ad).is_some_and(|ad| value(ad, conflict) == goes));
        let used = first.first().copied();
        disagreements.extend(used.into_iter().flat_map(|used| {
            others.iter().map(move |overruled| Disagreement { conflict, used, overruled: *overruled })
        }));
    }
    Merged { attributes: Arc::new(attributes), disagreements }
}
