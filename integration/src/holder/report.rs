//! What `lab up` prints: lines for a person with the time since the start, or events as JSON lines for a program.

use std::fmt::Write as _;
use std::time::Instant;

use super::Audience;
use crate::clock;
use crate::error::Error;
use crate::layout::{Family, Layout};
use crate::output::print;
use crate::protocol::Event;

/// The writer of `lab up`.
pub(super) struct Report {
    audience: Audience,
    kind: Kind,
    name: String,
    began: Instant,
}

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A lab with daemons of its own.
    Lab,
    /// A Kubernetes cluster.
    Cluster,
}

impl Report {
    pub(super) fn new(audience: Audience, kind: Kind, name: &str) -> Self {
        Self { audience, kind, name: name.to_owned(), began: clock::now() }
    }

    /// Prints what happened.
    pub(super) fn event(&mut self, event: &Event) -> Result<(), Error> {
        let text = match self.audience {
            Audience::Program => serde_json::to_string(event)? + "\n",
            Audience::Person => {
                let seconds = self.began.elapsed().as_secs_f64();
                let mut text = format!("{seconds:8.3}  {event}\n");
                if let Event::Ready { layout } = event {
                    text.push_str(&hosts(layout));
                    text.push_str(&match self.kind {
                        Kind::Lab => how_to_use_lab(&self.name, layout),
                        Kind::Cluster => how_to_use_cluster(&self.name),
                    });
                }
                text
            }
        };
        print(&text)
    }

    /// Prints that the lab is gone.
    pub(super) fn down(&mut self) -> Result<(), Error> {
        match self.audience {
            Audience::Program => Ok(()),
            Audience::Person => self.event(&Event::Progress { text: "down: nothing is left".to_owned() }),
        }
    }
}

fn hosts(layout: &Layout) -> String {
    let mut text = String::from("\n");
    for host in layout.hosts() {
        let addresses: Vec<String> = host.addresses.iter().map(ToString::to_string).collect();
        let pods = host.pod.as_ref().map(|pod| format!("  pods {}", pod.cidrs.join(", "))).unwrap_or_default();
        writeln!(text, "    {:<9} {}  {}{pods}", host.name, host.mac, addresses.join("  ")).ok();
    }
    text
}

fn how_to_use_lab(name: &str, layout: &Layout) -> String {
    let vip = if layout.family() == Family::Ipv6 { "[fd00:10:10::52:0]" } else { "10.10.52.0" };
    let option = if name == "lab" { String::new() } else { format!(" --name {name}") };
    format!(
        "\n  In another terminal:\n\
         \x20   cargo lab{option} status\n\
         \x20   cargo lab{option} exec client curl --no-progress-meter http://{vip}\n\
         \x20   cargo lab{option} kill node-1        cargo lab{option} heal node-1\n\
         \x20   cargo lab{option} probe {vip}:80 --for 5s\n\
         \x20 Ctrl-C here, or cargo lab{option} down, ends it.\n\n"
    )
}

fn how_to_use_cluster(name: &str) -> String {
    let option = if name == "cluster" { String::new() } else { format!(" --name {name}") };
    format!(
        "\n  In another terminal:\n\
         \x20   cargo lab cluster{option} kubectl get nodes\n\
         \x20   cargo lab cluster{option} helm install ferrolb charts/ferrolb -n ferrolb-system --create-namespace \\\n\
         \x20     --set image.pullPolicy=Never -f values.yaml --wait\n\
         \x20   cargo lab cluster{option} crash node-1        cargo lab cluster{option} restore node-1\n\
         \x20   cargo lab --name {name} exec client curl --no-progress-meter http://10.10.52.0\n\
         \x20 Ctrl-C here, or cargo lab cluster{option} down, ends it.\n\n"
    )
}
