//! Where kube-proxy's rules lead. An EndpointSlice says where traffic is to go; a node goes there once its kube-proxy has
//! heard of it, which on a busy machine, or one that boots, is seconds later.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Cluster;
use crate::error::Error;
use crate::protocol::{HostState, State};

/// The rules of both modes; what the other mode has is empty or not there.
const RULES: &str = "iptables-save -t nat; ip6tables-save -t nat; \
                     nft list table ip kube-proxy; nft list table ip6 kube-proxy; true";

impl Cluster {
    /// Waits until the rules of all nodes that work lead to the ready endpoints of those Services of the namespace
    /// `default`, and nowhere else.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when they do not.
    pub fn proxies_follow<S: AsRef<str>>(&self, services: &[S]) -> Result<(), Error> {
        let mut behind = Vec::new();
        let followed = self.wait_for("kube-proxy of every node follows", |cluster| {
            behind = cluster.proxies_behind(services).ok()?;
            behind.is_empty().then_some(())
        });
        if let Err(Error::TimedOut { what, after }) = followed {
            return Err(Error::TimedOut { what: format!("{what}; not yet: {behind:?}"), after });
        }
        followed
    }

    /// What is not so yet: node, Service, where its rules lead, where they should.
    fn proxies_behind<S: AsRef<str>>(&self, services: &[S]) -> Result<Vec<String>, Error> {
        let wanted = services.iter().map(|service| self.endpoints(service.as_ref()));
        let wanted = wanted.collect::<Result<Vec<_>, Error>>()?;
        let state = self.lab().state()?;
        let mut behind = Vec::new();
        for node in self.lab().layout().nodes() {
            if !state.hosts.iter().any(|host| host.host.name == node.name && works(host, &state)) {
                continue;
            }
            let output = self.lab().exec(&node.name, &["sh", "-c", RULES])?;
            let rules = String::from_utf8_lossy(&output.stdout);
            for (service, wanted) in services.iter().zip(&wanted) {
                let service = service.as_ref();
                let leads = destinations(&rules, service);
                if leads != *wanted {
                    behind.push(format!("{} for {service}: {leads:?}, not {wanted:?}", node.name));
                }
            }
        }
        Ok(behind)
    }

    /// The addresses of the ready endpoints of a Service, as [`destinations`] writes them.
    fn endpoints(&self, service: &str) -> Result<BTreeSet<String>, Error> {
        let slices = self.get(&["endpointslices", "--selector", &format!("kubernetes.io/service-name={service}")])?;
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let endpoints = list(slices.get("items")).into_iter().flat_map(|slice| list(slice.get("endpoints")));
        let ready = endpoints.filter(|one| one.pointer("/conditions/ready") == Some(&Value::Bool(true)));
        let addresses = ready.flat_map(|endpoint| list(endpoint.get("addresses")));
        Ok(addresses.filter_map(|address| Some(written(address.as_str()?))).collect())
    }
}

/// Whether a node runs and its frames get through.
fn works(host: &HostState, state: &State) -> bool {
    let machine = format!("machine-{}", host.host.name);
    let runs = state.processes.iter().any(|process| process.name == machine && process.pid.is_some());
    runs && host.link_up && !host.faults.iter().any(|fault| fault == "cut off")
}

/// Where the rules of a Service of the namespace `default`, whose port has no name, lead.
fn destinations(rules: &str, service: &str) -> BTreeSet<String> {
    let (iptables, nftables) = (format!("\"default/{service} -> "), format!("-default/{service}/tcp/"));
    let mut found = BTreeSet::new();
    for line in rules.lines() {
        if line.starts_with("-A KUBE-SVC-")
            && let Some((_, destination)) = line.split_once(&iptables)
            && let Some((destination, _)) = destination.split_once('"')
            && let Some((address, _port)) = destination.rsplit_once(':')
        {
            found.insert(written(address.trim_matches(['[', ']'])));
        }
        // Several may be in one line: `vmap { 0 : goto endpoint-HASH-default/web/tcp/__10.244.1.2/8080, 1 : ...`.
        for destination in line.split("goto endpoint-").skip(1) {
            let Some((_, destination)) = destination.split_once(&nftables) else { continue };
            let Some((address, _port)) = destination.trim_start_matches('_').split_once('/') else { continue };
            found.insert(address.to_owned());
        }
    }
    found
}

/// An address as it can stand in the name of a chain of nftables.
fn written(address: &str) -> String {
    address.replace(':', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_both_modes_tell_where_a_service_leads() {
        let rules = "\
-A KUBE-SVC-X -m comment --comment \"default/web -> 10.244.1.2:8080\" -m statistic --mode random --probability 0.5 -j KUBE-SEP-A
-A KUBE-SVC-X -m comment --comment \"default/web -> 10.244.2.2:8080\" -j KUBE-SEP-B
-A KUBE-SVC-Y -m comment --comment \"default/webs -> 10.244.2.9:8080\" -j KUBE-SEP-C
-A KUBE-SVC-Z -m comment --comment \"default/web -> [fd00:10:244:1::2]:8080\" -j KUBE-SEP-D
-A KUBE-SEP-E -p tcp -m comment --comment \"default/web\" -m tcp -j DNAT --to-destination 10.244.3.2:8080
";
        let expected = ["10.244.1.2", "10.244.2.2", "fd00.10.244.1..2"].map(str::to_owned).into();
        assert_eq!(destinations(rules, "web"), expected);
        let rules = "\
	chain endpoint-OLD-default/web/tcp/__10.244.9.9/8080 {
		meta l4proto tcp dnat to 10.244.9.9:8080
	chain service-HASH-default/web/tcp/ {
		numgen random mod 2 vmap { 0 : goto endpoint-A-default/web/tcp/__10.244.1.2/8080, 1 : goto endpoint-B-default/web/tcp/__10.244.2.2/8080 }
		numgen random mod 1 vmap { 0 : goto endpoint-C-default/shop/tcp/__10.244.3.3/8080 }
";
        assert_eq!(destinations(rules, "web"), ["10.244.1.2", "10.244.2.2"].map(str::to_owned).into());
    }
}
