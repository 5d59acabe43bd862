//! How long it takes from the assignment of an address until the LAN hears of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::{BenchOptions, quantile_of};
use crate::apiserver;
use crate::error::Error;
use crate::lab::{Api, Lab, Options};
use crate::observer::Sighting;
use crate::tour::screen::Screen;
use crate::tour::{address, everybody_is_a_member};

/// Measures and prints, on a directory and, where there is one, on an API server.
pub(super) fn measure(screen: &mut Screen, options: &BenchOptions) -> Result<(), Error> {
    screen.step(&format!("ferrolb: {} addresses are assigned, one after the other", options.samples))?;
    screen.say(
        "from when the controller's log has it that the status is stored (on a directory: that the file has its",
    )?;
    screen.say("name), to the first gratuitous ARP as the client receives it; the same clock")?;
    on(screen, options, Api::Directory)?;
    screen.step(&format!("the same on an API server, {} addresses", options.samples))?;
    if apiserver::available()?.is_none() {
        return Ok(());
    }
    on(screen, options, Api::Kube)
}

fn on(screen: &mut Screen, options: &BenchOptions, api: Api) -> Result<(), Error> {
    let lab = Lab::up(Options { profile: options.profile.clone(), api, ..Options::default() })?;
    everybody_is_a_member(&lab)?;
    let mut known = BTreeSet::from([address(&lab)?]);
    let watch = lab.watch("client", false)?;
    let mut times = Vec::new();
    for number in 1..=options.samples {
        let name = format!("new-{number}");
        lab.apply(&format!("{name}.yaml"), &manifest(&name))?;
        let key = format!("default/{name}");
        // Nothing is asked of the lab meanwhile: its answers would take the time of those that are measured.
        let seen = lab.wait_for("an address is announced", |_| first_of(&watch.seen(), &known))?;
        let address = lab.wait_for("the Service shows its address", |lab| lab.service_address(&key).ok()?)?;
        if address != seen.address {
            return Err(Error::Refused {
                reason: format!("{} was announced instead of the address of {key}", seen.address),
            });
        }
        known.insert(seen.address);
        // What follows an announcement would take the time of the next.
        lab.wait_for("its node tells of it", |lab| {
            let says = |event: &Value, place: &str, what: &str| event.pointer(place).is_some_and(|said| *said == *what);
            let told = |event: &Value| says(event, "/reason", "nodeAssigned") && says(event, "/object/name", &name);
            lab.events().ok()?.iter().any(told).then_some(())
        })?;
        let said = |lab: &Lab| stored(&lab.logs("controller").ok()??, &key);
        let written = lab.wait_for("the controller says so", said)?;
        times.push(Duration::from_nanos(seen.at_ns.saturating_sub(written)));
    }
    lab.down()?;
    let tenths = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let [median, high, worst] = [50, 95, 100].map(|percent| tenths(quantile_of(times.iter().copied(), percent)));
    screen.say(&format!("n = {}  median {median}  95 % {high}  worst {worst}", times.len()))
}

/// The first one of an address that was not announced before.
fn first_of(sightings: &[Sighting], known: &BTreeSet<IpAddr>) -> Option<Sighting> {
    sightings.iter().find(|sighting| !known.contains(&sighting.address)).copied()
}

/// When the controller wrote into its log that the status of `service` is stored, in nanoseconds since 1970.
fn stored(log: &str, service: &str) -> Option<u64> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is = |line: &Value, key: &str, value: &str| line.get(key).is_some_and(|found| *found == value);
    let line = lines.find(|line| is(line, "message", "status written") && is(line, "service", service))?;
    let at: jiff::Timestamp = line.get("timestamp")?.as_str()?.parse().ok()?;
    u64::try_from(at.as_nanosecond()).ok()
}

fn manifest(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nports: [{{port: 8080, protocol: TCP}}]\n\
         endpoints: [{{addresses: [10.244.1.2], nodeName: node-1, conditions: {{ready: true}}}}]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_log_says_when_a_status_was_stored() {
        let log = "no JSON\n\
                   {\"timestamp\":\"1970-01-01T00:00:01.000002Z\",\"message\":\"status written\",\"service\":\"default/a\"}\n\
                   {\"timestamp\":\"1970-01-01T00:00:03Z\",\"message\":\"status written\",\"service\":\"default/b\"}\n";
        assert_eq!(stored(log, "default/a"), Some(1_000_002_000));
        assert_eq!(stored(log, "default/c"), None);
    }
}
