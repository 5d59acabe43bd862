//! The features, and how each is seen to work.

mod announce;
mod establish;
mod keep;
mod limits;
mod transport;

use crate::daemon::Kind;

/// A row of the table.
pub(crate) struct Feature {
    pub(crate) key: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    /// Why it cannot be with a daemon.
    pub(crate) cannot: fn(Kind) -> Option<&'static str>,
    pub(crate) run: fn(Kind) -> Result<(), String>,
    /// About how many seconds it takes, to begin with the slowest.
    pub(crate) slow: u32,
}

const fn always(_: Kind) -> Option<&'static str> {
    None
}

const fn row(
    key: &'static str,
    what: &'static str,
    slow: u32,
    cannot: fn(Kind) -> Option<&'static str>,
    run: fn(Kind) -> Result<(), String>,
) -> Feature {
    Feature { key, what, cannot, run, slow }
}

/// ExaBGP has neither a RIB nor a table of the kernel.
const NO_RIB: &str = "ExaBGP reports what it hears and keeps no routes";

const NO_DIAL: &str = "ExaBGP either dials or listens, never both for one peer";

/// All rows, in the order of the table.
pub(crate) const FEATURES: &[Feature] = &[
    row("active", "We dial; a route appears and goes", 2, always, establish::active),
    row("passive", "The router dials", 3, always, establish::passive),
    row("both", "Both dial: one session remains", 3, establish::cannot_both, establish::both),
    row(
        "collisions",
        "72 restarts with both dialling: never two sessions",
        90,
        establish::cannot_collide,
        establish::collisions,
    ),
    row("ipv6", "IPv6 routes over IPv6", 2, always, establish::ipv6),
    row("ipv6-over-ipv4", "Both families over one session of IPv4", 2, always, establish::ipv6_over_ipv4),
    row(
        "rfc8950",
        "IPv4 routes with IPv6 next hops (RFC 8950)",
        3,
        establish::cannot_extended_next_hop,
        establish::extended_next_hop,
    ),
    row(
        "unnumbered",
        "Unnumbered: the neighbour found by router advertisements",
        5,
        establish::cannot_unnumbered,
        establish::unnumbered,
    ),
    row("as4", "AS numbers of four octets", 2, always, establish::four_octets),
    row("as2", "A peer that knows two octets only (AS_TRANS)", 2, establish::cannot_two_octets, establish::two_octets),
    row("md5", "TCP MD5: right, wrong, right again", 8, always, transport::md5),
    row("md5-passive", "TCP MD5, the router dials", 5, always, transport::md5_passive),
    row(
        "md5-rotated",
        "TCP MD5: key changed while the session is up",
        5,
        transport::cannot_rotate,
        transport::md5_rotated,
    ),
    row("gtsm", "GTSM (RFC 5082)", 2, always, transport::gtsm),
    row("gtsm-refused", "GTSM of the router alone refuses us", 3, transport::cannot_refuse, transport::gtsm_refused),
    row("hold", "Hold timer runs out when the router stands still", 12, always, limits::hold),
    row("refresh", "Route refresh asked by the router", 3, limits::cannot_be_asked, limits::refresh_asked),
    row("refresh-ours", "Route refresh asked by us", 3, limits::cannot_answer, limits::refresh),
    row("max-prefix", "Too many prefixes: Cease 6/1", 3, always, limits::max_prefix),
    row("gr", "Graceful restart of ours: the router keeps the route", 8, keep::cannot_help, keep::restart),
    row("gr-helper", "Graceful restart of the router: we keep its route", 8, keep::cannot_restart, keep::help),
    row("llgr", "Long-lived graceful restart of ours (RFC 9494)", 8, keep::cannot_long_lived, keep::long_lived),
    row("shutdown", "Our shutdown text arrives (RFC 9003)", 3, limits::cannot_hear, limits::shutdown_text),
    row("shutdown-theirs", "The router's shutdown text arrives", 3, limits::cannot_tell, limits::their_shutdown_text),
    row("gshut", "GRACEFUL_SHUTDOWN is put on what was announced (RFC 8326)", 3, always, announce::graceful_shutdown),
    row("communities", "Communities: standard, extended, large", 2, always, announce::communities),
    row("attributes", "MED and AS_PATH prepending", 2, always, announce::attributes),
    row("ibgp", "LOCAL_PREF within an AS", 2, always, announce::internal),
    row("aggregation", "Addresses give way to their aggregate", 2, always, announce::aggregation),
    row("add-path", "Several paths a prefix (RFC 7911), both ways", 3, always, announce::add_path),
];
