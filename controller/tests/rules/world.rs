//! A cluster in memory that shows what the book asks to be written.

use std::sync::Arc;

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_config::{Config, Labels, Origin, Resource, Resources, parse};
use ferrolb_controller::Book;
use ferrolb_controller::book::Change;
use ferrolb_source::{Age, Cluster, ClusterIps, Node, ObjectKey, Service};

/// A load balancer of one family.
pub(crate) const V4: &str = "spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}]}";

#[derive(Default)]
pub(crate) struct World {
    pub(crate) book: Book,
    pub(crate) cluster: Cluster,
    config: Arc<Config>,
    resources: Resources,
    class: Option<String>,
    /// Everything told so far: who, reason, message.
    pub(crate) told: Vec<(String, &'static str, String)>,
    number: usize,
}

impl World {
    /// Pools as `(name, spec)`.
    pub(crate) fn new(pools: &[(&str, &str)]) -> Self {
        let mut world = Self::default();
        world.pools(pools);
        world
    }

    /// The world of a controller with `--lb-class`.
    pub(crate) fn of_class(class: &str, pools: &[(&str, &str)]) -> Self {
        let class = Some(class.to_owned());
        Self { book: Book::new(class.clone()), class, ..Self::new(pools) }
    }

    pub(crate) fn pools(&mut self, pools: &[(&str, &str)]) {
        self.resources.pools = pools.iter().map(|(name, yaml)| resource("IPAddressPool", name, yaml)).collect();
        self.parse();
    }

    pub(crate) fn l2(&mut self, name: &str, yaml: &str) {
        self.resources.l2_advertisements.push(resource("L2Advertisement", name, yaml));
        self.parse();
    }

    fn parse(&mut self) {
        let parsed = parse(&self.resources);
        assert_eq!(parsed.problems, []);
        self.config = Arc::new(parsed.config);
    }

    pub(crate) fn namespace(&mut self, labels: &[(&str, &str)]) {
        let labels = labels.iter().copied().collect();
        self.cluster.namespaces.insert("default".to_owned(), labels);
    }

    pub(crate) fn node(&mut self, name: &str, yaml: &str) {
        let node = Node::project(&serde_yaml::from_str(yaml).unwrap());
        self.cluster.nodes.insert(name.to_owned(), Arc::new(node));
    }

    /// Creates or replaces a Service; whoever is created later is younger.
    pub(crate) fn put(&mut self, name: &str, yaml: &str) {
        let typed = serde_yaml::from_str(&format!("{{{yaml}}}")).unwrap();
        let age = self.cluster.services.get(&key(name)).map(|service| service.age.clone());
        self.number += 1;
        let age = age.unwrap_or_else(|| Age::read_at(format!("{:04}", self.number), 0, 0));
        let mut service = Service::project(&typed, age, ClusterIps::AsWritten);
        if let Some(before) = self.cluster.services.get(&key(name)).filter(|_| service.ingress.is_empty()) {
            service.ingress.clone_from(&before.ingress);
            if let Some(pool) = before.annotations.get(ALLOCATED_FROM_POOL) {
                service.annotations.insert(ALLOCATED_FROM_POOL, pool);
            }
        }
        self.cluster.services.insert(key(name), Arc::new(service));
    }

    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut Service)) {
        let mut service = self.cluster.services[&key(name)].as_ref().clone();
        change(&mut service);
        self.cluster.services.insert(key(name), Arc::new(service));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.cluster.services.remove(&key(name));
    }

    /// Runs the book until it is at rest, and shows it what it wrote, as the source would.
    pub(crate) fn settle(&mut self) -> &mut Self {
        for round in 0.. {
            assert!(round < 4, "it flaps: {:?}", self.told);
            let notices = self.book.update(&self.cluster, &self.config);
            let statuses: Vec<Change> = std::iter::from_fn(|| self.book.next_unwritten()).collect();
            let told = notices
                .into_iter()
                .map(|(key, notice)| (key.name.to_string(), notice.reason, notice.message.into_string()));
            self.told.extend(told);
            if statuses.is_empty() {
                break;
            }
            for Change { key, status, .. } in &statuses {
                self.book.written(key, status);
                self.change(&key.name, |service| {
                    service.ingress.clone_from(&status.ips);
                    service.ingress_has_more = false;
                    match &status.pool {
                        Some(pool) => service.annotations.insert(ALLOCATED_FROM_POOL, pool.as_str()),
                        None => service.annotations.remove(ALLOCATED_FROM_POOL),
                    }
                });
            }
        }
        self
    }

    pub(crate) fn restart(&mut self) -> &mut Self {
        self.book = Book::new(self.class.clone());
        self.told.clear();
        self.settle()
    }

    /// The addresses of a Service, with a blank between them.
    pub(crate) fn ips(&self, name: &str) -> String {
        self.cluster.services[&key(name)].ingress.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Whether somebody has added something to its status.
    pub(crate) fn has_more(&self, name: &str) -> bool {
        self.cluster.services[&key(name)].ingress_has_more
    }

    pub(crate) fn pool_of(&self, name: &str) -> Option<&str> {
        self.cluster.services[&key(name)].annotations.get(ALLOCATED_FROM_POOL)
    }

    /// What a Service was told since the last question.
    pub(crate) fn told(&mut self, name: &str) -> Vec<(&'static str, String)> {
        let told = self.told.extract_if(.., |(who, ..)| who == name);
        told.map(|(_, reason, message)| (reason, message)).collect()
    }

    pub(crate) fn reasons(&mut self, name: &str) -> Vec<&'static str> {
        self.told(name).into_iter().map(|(reason, _)| reason).collect()
    }
}

fn resource<T: serde::de::DeserializeOwned>(kind: &str, name: &str, yaml: &str) -> Resource<T> {
    Resource {
        origin: Origin::resource(kind, "lb", name),
        name: name.to_owned(),
        labels: Labels::new(),
        spec: serde_yaml::from_str(yaml).unwrap(),
    }
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

/// A load balancer with these annotations and whatever else `spec` says.
pub(crate) fn asks(annotations: &str, spec: &str) -> String {
    format!("metadata: {{annotations: {{{annotations}}}}}, spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, {spec}}}")
}

/// The same with what it shows in its status.
pub(crate) fn shows(yaml: &str, ips: &[&str]) -> String {
    let ingress: Vec<String> = ips.iter().map(|ip| format!("{{ip: '{ip}'}}")).collect();
    format!("{yaml}, status: {{loadBalancer: {{ingress: [{}]}}}}", ingress.join(", "))
}
