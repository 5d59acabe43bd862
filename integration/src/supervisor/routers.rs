//! The routers of a lab: what FRR and BIRD are told, as the ToR switches of a rack would be.
//!
//! A router is in an AS of its own ([`router_asn`]), the nodes in [`NODES_ASN`]. It takes what the nodes announce inside
//! the routed pool, puts it into the kernel with all next hops side by side (ECMP), and hears by BFD when a node is gone.
//! It opens no session itself.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::unistd::User;

use super::processes::Spec;
use crate::error::{Error, system};
use crate::layout::{Host, HostKind, Layout, NODES_ASN, Router, router_asn};
use crate::namespaces::LAB_FOLDER;

/// Where Debian has FRR's daemons.
const FRR: &str = "/usr/lib/frr";
/// Where they keep what they need at a crash, of all their lives: the lab has one of its own.
const FRR_CRASHES: &str = "/var/tmp/frr";
/// What BFD does on both sides: 150 ms until a silent node is gone.
const BFD_INTERVAL_MS: u16 = 50;
const BFD_MULTIPLIER: u8 = 3;

/// Writes the configuration of every router, and says which processes it is made of.
///
/// # Errors
/// A file could not be written.
pub(super) fn specs(layout: &Layout) -> Result<Vec<Spec>, Error> {
    let mut specs = Vec::new();
    if layout.routers().any(|host| host.kind == HostKind::Router(Router::Frr)) {
        let crashes = Path::new(FRR_CRASHES);
        fs::create_dir_all(crashes).map_err(system(format!("make {FRR_CRASHES}")))?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("lab"), crashes, Some("tmpfs"), flags, None::<&str>)
            .map_err(system(format!("mount the lab's {FRR_CRASHES}")))?;
        give_to_frr(crashes)?;
    }
    for host in layout.hosts() {
        let HostKind::Router(router) = host.kind else { continue };
        let folder = folder(&host.name);
        fs::create_dir_all(&folder).map_err(system(format!("make {}", folder.display())))?;
        match router {
            Router::Frr => specs.extend(frr(host, layout, &folder)?),
            Router::Bird => specs.push(bird(host, layout, &folder)?),
        }
    }
    Ok(specs)
}

/// Where a router has its configuration and its control sockets.
fn folder(router: &str) -> PathBuf {
    Path::new(LAB_FOLDER).join(router)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(system(format!("write {}", path.display())))
}

fn router_id(host: &Host) -> IpAddr {
    let v4 = host.addresses.iter().find(|address| address.is_ipv4());
    // A lab of IPv6 alone has no address that could stand in; the number of the host's last one does.
    v4.copied().unwrap_or_else(|| IpAddr::from([10, 255, 0, *host.mac.0.last().unwrap_or(&1)]))
}

// --- FRR ---

fn frr(host: &Host, layout: &Layout, folder: &Path) -> Result<Vec<Spec>, Error> {
    let daemon = |name: &str, text: &str, more: &[&str]| -> Result<Spec, Error> {
        let configuration = folder.join(format!("{name}.conf"));
        write(&configuration, text)?;
        let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
        let mut command = vec![format!("{FRR}/{name}"), "-f".to_owned(), configuration.to_string_lossy().into_owned()];
        command.extend(
            ["-z", &path("zserv"), "--vty_socket", &path(""), "-i", &path(&format!("{name}.pid"))].map(str::to_owned),
        );
        command.extend(["-P", "0", "--log", "stdout"].map(str::to_owned));
        command.extend(more.iter().map(|&word| word.to_owned()));
        Ok(Spec { name: format!("{name}-{}", host.name), place: host.name.clone(), command })
    };
    let control = folder.join("bfdd.sock").to_string_lossy().into_owned();
    write(&folder.join("vtysh.conf"), "")?;
    let daemons = vec![
        daemon("zebra", "", &[])?,
        daemon("bfdd", &bfd_profile(), &["--bfdctl", &control])?,
        daemon("bgpd", &frr_configuration(host, layout), &[])?,
    ];
    give_to_frr(folder)?;
    Ok(daemons)
}

/// FRR's daemons work as a user of their own, who has to read and write there.
fn give_to_frr(folder: &Path) -> Result<(), Error> {
    let user = User::from_name("frr").ok().flatten().ok_or_else(|| Error::Refused {
        reason: "there is no user `frr`, as which FRR's daemons work: run `integration/setup.sh bgp`".to_owned(),
    })?;
    let entries = fs::read_dir(folder).map_err(system(format!("read {}", folder.display())))?;
    let paths = entries.flatten().map(|entry| entry.path());
    for path in paths.chain([folder.to_owned()]) {
        let owner = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
        chown(&path, owner.0, owner.1).map_err(system(format!("give {} to FRR", path.display())))?;
    }
    Ok(())
}

/// What `bfdd` reads.
fn bfd_profile() -> String {
    format!(
        "bfd\n\
         \x20profile nodes\n\
         \x20 receive-interval {BFD_INTERVAL_MS}\n\
         \x20 transmit-interval {BFD_INTERVAL_MS}\n\
         \x20 detect-multiplier {BFD_MULTIPLIER}\n\
         \x20exit\n\
         exit\n"
    )
}

/// What `bgpd` reads.
fn frr_configuration(host: &Host, layout: &Layout) -> String {
    let mut text = format!(
        "router bgp {asn}\n\
         \x20bgp router-id {id}\n\
         \x20no bgp default ipv4-unicast\n\
         \x20bgp bestpath as-path multipath-relax\n\
         \x20neighbor nodes peer-group\n\
         \x20neighbor nodes remote-as {NODES_ASN}\n\
         \x20neighbor nodes passive\n\
         \x20neighbor nodes bfd\n\
         \x20neighbor nodes bfd profile nodes\n",
        asn = router_asn(&host.name),
        id = router_id(host),
    );
    // FRR 8.4 has no BFD for neighbours that it only listens for (`bgp listen range`).
    for address in layout.nodes().flat_map(|node| &node.addresses) {
        writeln!(text, " neighbor {address} peer-group nodes").ok();
    }
    for prefix in layout.routed() {
        let family = family(prefix);
        write!(
            text,
            " address-family {family} unicast\n\
             \x20 neighbor nodes activate\n\
             \x20 neighbor nodes route-map from-nodes-{family} in\n\
             \x20 neighbor nodes route-map nothing out\n\
             \x20 neighbor nodes soft-reconfiguration inbound\n\
             \x20 maximum-paths 64\n\
             \x20exit-address-family\n"
        )
        .ok();
    }
    text.push_str("exit\n");
    for prefix in layout.routed() {
        let (family, list, longest) = if prefix.contains(':') { ("ipv6", "ipv6", 128) } else { ("ipv4", "ip", 32) };
        write!(
            text,
            "{list} prefix-list pool permit {prefix} le {longest}\n\
             route-map from-nodes-{family} permit 10\n\
             \x20match {list} address prefix-list pool\n\
             exit\n"
        )
        .ok();
    }
    text.push_str("route-map nothing deny 10\nexit\n");
    text
}

// --- BIRD ---

fn bird(host: &Host, layout: &Layout, folder: &Path) -> Result<Spec, Error> {
    let configuration = folder.join("bird.conf");
    write(&configuration, &bird_configuration(host, layout))?;
    let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let command = ["bird", "-f", "-c", &path("bird.conf"), "-s", &path("bird.ctl"), "-P", &path("bird.pid")];
    Ok(Spec {
        name: format!("bird-{}", host.name),
        place: host.name.clone(),
        command: command.map(str::to_owned).to_vec(),
    })
}

fn bird_configuration(host: &Host, layout: &Layout) -> String {
    let mut text = format!(
        "log stderr all;\n\
         router id {id};\n\
         protocol device {{ scan time 10; }}\n\
         protocol bfd {{\n\
         \x20 interface \"*\" {{ interval {BFD_INTERVAL_MS} ms; multiplier {BFD_MULTIPLIER}; }};\n\
         }}\n",
        id = router_id(host),
    );
    // A session carries the family that it runs over: next hops of the other one need agreement on both sides. After a
    // failure BIRD refuses a peer for a minute and more, unless told otherwise: a node that is back has to be let in.
    for (number, (lan, prefix)) in layout.lans().into_iter().zip(layout.routed()).enumerate() {
        let family = family(prefix);
        write!(
            text,
            "filter from_nodes_{family} {{ if net ~ [ {prefix}+ ] then accept; reject; }}\n\
             protocol kernel kernel_{family} {{ merge paths on limit 64; {family} {{ import none; export all; }}; }}\n\
             protocol bgp nodes{number} {{\n\
             \x20 local as {asn};\n\
             \x20 neighbor range {lan} as {NODES_ASN};\n\
             \x20 dynamic name \"nodes{number}_\";\n\
             \x20 passive on;\n\
             \x20 error wait time 1, 5;\n\
             \x20 bfd on;\n\
             \x20 {family} {{ import filter from_nodes_{family}; export none; import table on; }};\n\
             }}\n",
            asn = router_asn(&host.name),
        )
        .ok();
    }
    text
}

/// The word for the family of a prefix.
fn family(prefix: &str) -> &'static str {
    if prefix.contains(':') { "ipv6" } else { "ipv4" }
}
