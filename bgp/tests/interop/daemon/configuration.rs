//! What each daemon is told, in its own words.

use std::fmt::Write as _;

use super::{Router, Side};
use crate::net::{OURS, OURS6, THEIRS};

impl Router {
    fn neighbor(&self) -> &'static str {
        if self.over_ipv6 { OURS6 } else { OURS }
    }

    pub(super) fn frr(&self) -> String {
        let neighbor = if self.unnumbered { "eth0" } else { self.neighbor() };
        let mut text = format!(
            "router bgp {asn}\n bgp router-id {THEIRS}\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
             no bgp default ipv4-unicast\n coalesce-time 0\n timers bgp {keepalive} {hold}\n",
            asn = self.asn,
            keepalive = (self.hold / 3).max(1),
            hold = self.hold,
        );
        if self.graceful_restart {
            text.push_str(" bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n");
        }
        if self.long_lived {
            text.push_str(" bgp long-lived-graceful-restart stale-time 600\n");
        }
        let interface = if self.unnumbered { "interface " } else { "" };
        let ours = if self.unnumbered { "external".to_owned() } else { self.ours.to_string() };
        writeln!(text, " neighbor {neighbor} {interface}remote-as {ours}").expect("text");
        writeln!(text, " neighbor {neighbor} timers connect 1").expect("text");
        if self.side == Side::Passive {
            writeln!(text, " neighbor {neighbor} passive").expect("text");
        }
        if let Some(password) = self.password {
            writeln!(text, " neighbor {neighbor} password {password}").expect("text");
        }
        if self.gtsm {
            writeln!(text, " neighbor {neighbor} ttl-security hops 1").expect("text");
        }
        if self.extended_next_hop {
            writeln!(text, " neighbor {neighbor} capability extended-nexthop").expect("text");
        }
        if !self.four_octet_as {
            writeln!(text, " neighbor {neighbor} dont-capability-negotiate").expect("text");
        }
        for (family, on) in [("ipv4", self.ipv4), ("ipv6", self.ipv6)] {
            if !on {
                continue;
            }
            writeln!(text, " address-family {family} unicast\n  neighbor {neighbor} activate").expect("text");
            if self.add_path {
                writeln!(text, "  neighbor {neighbor} addpath-tx-all-paths").expect("text");
            }
            for prefix in self.announces.iter().filter(|prefix| prefix.contains(':') == (family == "ipv6")) {
                writeln!(text, "  network {prefix}").expect("text");
            }
            text.push_str(" exit-address-family\n");
        }
        text
    }

    pub(super) fn bird(&self) -> String {
        let mut text = format!(
            "log stderr all;\nrouter id {THEIRS};\nprotocol device {{ scan time 1; }}\n\
             protocol static s4 {{ ipv4; {} }}\nprotocol static s6 {{ ipv6; {} }}\n",
            self.statics(false),
            self.statics(true),
        );
        let own = if self.over_ipv6 { crate::net::THEIRS6 } else { THEIRS };
        write!(
            text,
            "protocol bgp p {{\n local {own} as {}; neighbor {} as {};\n hold time {}; connect delay time 1; connect retry time 1; \
             error wait time 1, 2;\n",
            self.asn,
            self.neighbor(),
            self.ours,
            self.hold,
        )
        .expect("text");
        if self.side == Side::Passive {
            text.push_str(" passive on;\n");
        }
        if let Some(password) = self.password {
            writeln!(text, " password \"{password}\";").expect("text");
        }
        if self.gtsm {
            text.push_str(" ttl security on;\n");
        }
        if self.graceful_restart {
            text.push_str(" graceful restart on;\n");
        }
        if self.long_lived {
            text.push_str(" long lived graceful restart on; long lived stale time 600;\n");
        }
        if !self.four_octet_as {
            text.push_str(" enable as4 off;\n");
        }
        for (family, on) in [("ipv4", self.ipv4), ("ipv6", self.ipv6)] {
            if on {
                let next_hop = if self.extended_next_hop { " extended next hop on;" } else { "" };
                let add_path = if self.add_path { " add paths on;" } else { "" };
                writeln!(
                    text,
                    " {family} {{ import all; export where source = RTS_STATIC; next hop self;{next_hop}{add_path} }};"
                )
                .expect("text");
            }
        }
        text.push_str("}\n");
        text
    }

    fn statics(&self, ipv6: bool) -> String {
        let prefixes = self.announces.iter().filter(|prefix| prefix.contains(':') == ipv6);
        prefixes.fold(String::new(), |text, prefix| text + "route " + prefix + " blackhole; ")
    }

    pub(super) fn gobgp(&self) -> String {
        let mut text = format!(
            "[global.config]\n as = {}\n router-id = \"{THEIRS}\"\n[[neighbors]]\n [neighbors.config]\n \
             neighbor-address = \"{}\"\n peer-as = {}\n",
            self.asn,
            self.neighbor(),
            self.ours,
        );
        if let Some(password) = self.password {
            writeln!(text, " auth-password = \"{password}\"").expect("text");
        }
        write!(
            text,
            " [neighbors.transport.config]\n passive-mode = {}\n [neighbors.timers.config]\n hold-time = {}\n \
             keepalive-interval = {}\n connect-retry = 1\n idle-hold-time-after-reset = 1\n",
            self.side == Side::Passive,
            self.hold,
            (self.hold / 3).max(1),
        )
        .expect("text");
        if self.gtsm {
            text.push_str(" [neighbors.ttl-security.config]\n enabled = true\n ttl-min = 255\n");
        }
        if self.graceful_restart {
            text.push_str(
                " [neighbors.graceful-restart.config]\n enabled = true\n restart-time = 120\n notification-enabled = true\n",
            );
            if self.long_lived {
                text.push_str(" long-lived-enabled = true\n");
            }
        }
        if self.add_path {
            text.push_str(" [neighbors.add-paths.config]\n receive = true\n send-max = 8\n");
        }
        for (family, on) in [("ipv4", self.ipv4), ("ipv6", self.ipv6)] {
            if on {
                writeln!(
                    text,
                    " [[neighbors.afi-safis]]\n  [neighbors.afi-safis.config]\n   afi-safi-name = \"{family}-unicast\""
                )
                .expect("text");
                if self.graceful_restart {
                    text.push_str("  [neighbors.afi-safis.mp-graceful-restart.config]\n   enabled = true\n");
                }
                if self.long_lived {
                    text.push_str("  [neighbors.afi-safis.long-lived-graceful-restart.config]\n   enabled = true\n   restart-time = 600\n");
                }
            }
        }
        text
    }

    pub(super) fn exabgp(&self, folder: &str) -> String {
        let own = if self.over_ipv6 { crate::net::THEIRS6 } else { THEIRS };
        let mut text = format!(
            "process watch {{\n run /bin/sh {folder}watch.sh;\n encoder json;\n}}\n\
             neighbor {} {{\n router-id {THEIRS};\n local-address {own};\n local-as {};\n peer-as {};\n hold-time {};\n",
            self.neighbor(),
            self.asn,
            self.ours,
            self.hold,
        );
        if self.side == Side::Passive {
            text.push_str(" passive true;\n listen 179;\n");
        }
        if let Some(password) = self.password {
            writeln!(text, " md5-password '{password}';").expect("text");
        }
        if self.gtsm {
            text.push_str(" incoming-ttl 255;\n outgoing-ttl 255;\n");
        }
        let on = |yes: bool| if yes { "enable" } else { "disable" };
        write!(
            text,
            " capability {{\n  asn4 {}; route-refresh enable; graceful-restart {}; nexthop {}; add-path {};\n }}\n family {{\n",
            on(self.four_octet_as),
            if self.graceful_restart { "120" } else { "disable" },
            on(self.extended_next_hop),
            if self.add_path { "send/receive" } else { "disable" },
        )
        .expect("text");
        for (family, yes) in [("ipv4", self.ipv4), ("ipv6", self.ipv6)] {
            if yes {
                writeln!(text, "  {family} unicast;").expect("text");
            }
        }
        text.push_str(" }\n");
        if self.extended_next_hop {
            text.push_str(" nexthop {\n  ipv4 unicast ipv6;\n }\n");
        }
        text.push_str(" api {\n  processes [ watch ];\n  neighbor-changes;\n  receive { parsed; open; update; }\n }\n");
        if !self.announces.is_empty() {
            text.push_str(" static {\n");
            for prefix in &self.announces {
                let own = if prefix.contains(':') { crate::net::THEIRS6 } else { THEIRS };
                writeln!(text, "  route {prefix} next-hop {own};").expect("text");
            }
            text.push_str(" }\n");
        }
        text.push_str("}\n");
        text
    }

    pub(super) fn openbgpd(&self, folder: &str) -> String {
        let mut text = format!(
            "AS {}\nrouter-id {THEIRS}\nfib-update no\nsocket \"{folder}control\"\nholdtime {}\nconnect-retry 1\n\
             listen on {}\n",
            self.asn,
            self.hold,
            if self.over_ipv6 { crate::net::THEIRS6 } else { THEIRS },
        );
        for prefix in &self.announces {
            writeln!(text, "network {prefix}").expect("text");
        }
        writeln!(text, "neighbor {} {{\n remote-as {}", self.neighbor(), self.ours).expect("text");
        for (family, on) in [("IPv4", self.ipv4), ("IPv6", self.ipv6)] {
            writeln!(text, " announce {family} {}", if on { "unicast" } else { "none" }).expect("text");
        }
        if self.side == Side::Passive {
            text.push_str(" passive\n");
        }
        if let Some(password) = self.password {
            writeln!(text, " tcp md5sig password {password}").expect("text");
        }
        if self.gtsm {
            text.push_str(" ttl-security yes\n");
        }
        if !self.four_octet_as {
            text.push_str(" announce as-4byte no\n");
        }
        if self.graceful_restart {
            text.push_str(" announce restart yes\n");
        }
        if self.add_path {
            text.push_str(" announce add-path recv yes\n announce add-path send all\n");
        }
        text.push_str("}\nallow from any\nallow to any\n");
        text
    }
}
