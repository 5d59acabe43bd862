//! What a client wants of a Service, drawn at random, and the object it writes for that.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::pools::{ASKED, Pool};
use super::seen::EDIT;

/// A Service as a client wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    load_balancer: bool,
    /// Whether its first family is IPv6: the API lets nobody change that.
    v6_first: bool,
    policy: &'static str,
    sharing: Option<&'static str>,
    ports: Vec<u16>,
    local: bool,
    app: &'static str,
    pool: Option<&'static str>,
    requested: Option<String>,
}

const POLICIES: [&str; 4] = ["SingleStack", "SingleStack", "PreferDualStack", "RequireDualStack"];
const KEYS: [&str; 3] = ["blue", "green", "red"];
const APPS: [&str; 2] = ["one", "two"];
/// Few, so that some collide.
const PORTS: [u16; 6] = [80, 81, 82, 443, 8080, 8443];

// === impl Wish ===

impl Wish {
    /// One of many.
    pub(super) fn new(rng: &mut StdRng) -> Self {
        let mut wish = Self {
            load_balancer: true,
            v6_first: rng.random_ratio(1, 5),
            policy: "SingleStack",
            sharing: None,
            ports: Vec::new(),
            local: false,
            app: "one",
            pool: None,
            requested: None,
        };
        wish.draw_ports(rng);
        for _ in 0..rng.random_range(0..4) {
            wish.edit(rng);
        }
        wish
    }

    /// Changes one thing.
    pub(super) fn edit(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..9) {
            0 => self.load_balancer = !self.load_balancer || rng.random_ratio(1, 3),
            1 => self.policy = POLICIES.choose(rng).copied().unwrap_or("SingleStack"),
            2 | 3 => self.sharing = KEYS.choose(rng).copied().filter(|_| rng.random_ratio(3, 4)),
            4 => self.draw_ports(rng),
            5 => {
                self.local = rng.random();
                self.app = APPS.choose(rng).copied().unwrap_or("one");
            }
            6 => self.pool = ASKED.choose(rng).copied().filter(|_| rng.random_ratio(1, 2)),
            7 => self.requested = None,
            _ => self.request(rng),
        }
        // Whoever is no load balancer comes back some time.
        self.load_balancer |= rng.random_ratio(1, 4);
    }

    fn draw_ports(&mut self, rng: &mut StdRng) {
        self.ports = PORTS.sample(rng, 2).copied().collect();
        self.ports.truncate(rng.random_range(1..=2));
    }

    /// Asks for addresses: mostly of families and a pool that can be had.
    fn request(&mut self, rng: &mut StdRng) {
        let name = self.pool.or_else(|| ASKED.choose(rng).copied()).unwrap_or("large");
        let Some(pool) = Pool::named(name) else { return };
        let mut draw = |v6| pool.addresses(v6).choose(rng).map(ToString::to_string).unwrap_or_default();
        self.requested = Some(if self.policy == "SingleStack" {
            draw(self.v6_first)
        } else {
            format!("{},{}", draw(false), draw(true))
        });
    }

    /// The object, as edit number `edit`.
    pub(super) fn object(&self, name: &str, edit: u64) -> Value {
        let mut object = self.patch(edit);
        for part in ["/metadata/annotations", "/spec"] {
            if let Some(part) = object.pointer_mut(part).and_then(Value::as_object_mut) {
                part.retain(|_, value| !value.is_null());
            }
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("name".to_owned(), json!(name));
        }
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            let families = match (self.v6_first, self.policy) {
                (false, "SingleStack") => json!(["IPv4"]),
                (true, "SingleStack") => json!(["IPv6"]),
                (false, _) => json!(["IPv4", "IPv6"]),
                (true, _) => json!(["IPv6", "IPv4"]),
            };
            spec.insert("ipFamilies".to_owned(), families);
        }
        object
    }

    /// A merge patch that turns any Service of this first family into this.
    pub(super) fn patch(&self, edit: u64) -> Value {
        let port = |port: &u16| json!({ "name": format!("p{port}"), "port": port, "protocol": "TCP" });
        let ports: Vec<Value> = self.ports.iter().map(port).collect();
        let mut spec = json!({
            "type": if self.load_balancer { "LoadBalancer" } else { "ClusterIP" },
            "ipFamilyPolicy": self.policy,
            "selector": { "app": self.app },
            "ports": ports,
        });
        if let Some(spec) = spec.as_object_mut() {
            let of_balancers = |value: Value| if self.load_balancer { value } else { Value::Null };
            // A node port for each would be a resource of its own.
            spec.insert("allocateLoadBalancerNodePorts".to_owned(), of_balancers(json!(false)));
            let policy = if self.local { "Local" } else { "Cluster" };
            spec.insert("externalTrafficPolicy".to_owned(), of_balancers(json!(policy)));
        }
        json!({
            "metadata": { "annotations": {
                EDIT: edit.to_string(),
                "metallb.io/allow-shared-ip": self.sharing,
                "metallb.io/address-pool": self.pool,
                "metallb.io/loadBalancerIPs": self.requested,
            } },
            "spec": spec,
        })
    }
}
