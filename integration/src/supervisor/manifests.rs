//! The directory of manifests that the daemons read: what stands in it at the start, and how it is changed.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, system};
use crate::layout::{BACKEND_PORT, Layout};

/// The endpoints of the default service.
const ENDPOINTS_FILE: &str = "web-endpoints.yaml";
/// All objects of a lab are equally old, in every run.
const CREATED: &str = "2025-01-01T00:00:00Z";

/// The directory.
#[derive(Debug, Clone)]
pub(super) struct Manifests {
    folder: PathBuf,
}

impl Manifests {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Writes the manifests that every lab starts with.
    pub(super) fn write_defaults(&self, layout: &Layout, values: &str) -> Result<(), Error> {
        self.apply("values.yaml", values)?;
        self.apply("nodes.yaml", &nodes(layout))?;
        self.apply("web.yaml", SERVICE)?;
        let all: Vec<&str> = layout.nodes().map(|node| node.name.as_str()).collect();
        self.endpoints_on(layout, &all)
    }

    /// Makes the default service's endpoints those of `nodes`.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub(super) fn endpoints_on(&self, layout: &Layout, nodes: &[&str]) -> Result<(), Error> {
        if let Some(stranger) = nodes.iter().find(|name| layout.node(name).is_none()) {
            return Err(Error::Refused { reason: format!("there is no node {stranger}") });
        }
        self.apply(ENDPOINTS_FILE, &endpoint_slice(layout, nodes))
    }

    /// Writes or replaces a manifest; readers see the old text or the new one.
    pub(super) fn apply(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.inside(name)?;
        // No suffix of a manifest: nobody reads the half-written file.
        let temporary = path.with_extension("new");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(system(format!("make the folder of {name}")))?;
        }
        fs::write(&temporary, text).map_err(system(format!("write {name}")))?;
        fs::rename(&temporary, &path).map_err(system(format!("replace {name}")))
    }

    /// Removes a manifest.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        fs::remove_file(self.inside(name)?).map_err(system(format!("remove {name}")))
    }

    /// The text of a file, when it is there.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.inside(name)?) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(system(format!("read {name}"))(error)),
        }
    }

    /// The path of a file of the directory; a name that would lead out of it is refused.
    fn inside(&self, name: &str) -> Result<PathBuf, Error> {
        let harmless = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !harmless {
            return Err(Error::Refused {
                reason: format!("`{name}` is not a file name inside the manifest directory"),
            });
        }
        Ok(self.folder.join(name))
    }
}

/// The service that a lab starts with.
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: default
  creationTimestamp: \"2025-01-01T00:00:00Z\"
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  externalTrafficPolicy: Cluster
  selector: {app: web}
  ports:
  - name: http
    protocol: TCP
    port: 80
    targetPort: 8080
    nodePort: 30080
";

fn nodes(layout: &Layout) -> String {
    let mut text = String::new();
    for node in layout.nodes() {
        let (name, address) = (&node.name, node.address);
        let cidr = node.pod.as_ref().map(|pod| pod.cidr.as_str()).unwrap_or_default();
        write!(
            text,
            "---\n\
             apiVersion: v1\n\
             kind: Node\n\
             metadata:\n\
             \x20 name: {name}\n\
             \x20 creationTimestamp: \"{CREATED}\"\n\
             \x20 labels: {{kubernetes.io/hostname: {name}, kubernetes.io/os: linux}}\n\
             spec:\n\
             \x20 podCIDR: {cidr}\n\
             \x20 podCIDRs: [{cidr}]\n\
             status:\n\
             \x20 addresses:\n\
             \x20 - {{type: InternalIP, address: {address}}}\n\
             \x20 - {{type: Hostname, address: {name}}}\n\
             \x20 conditions:\n\
             \x20 - {{type: Ready, status: \"True\"}}\n"
        )
        .ok();
    }
    text
}

fn endpoint_slice(layout: &Layout, names: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: discovery.k8s.io/v1\n\
         kind: EndpointSlice\n\
         metadata:\n\
         \x20 name: web-lab\n\
         \x20 namespace: default\n\
         \x20 creationTimestamp: \"{CREATED}\"\n\
         \x20 labels: {{kubernetes.io/service-name: web}}\n\
         addressType: IPv4\n\
         ports:\n\
         - {{name: http, protocol: TCP, port: {BACKEND_PORT}}}\n"
    );
    let nodes: Vec<_> = layout.nodes().filter(|node| names.contains(&node.name.as_str())).collect();
    text.push_str(if nodes.is_empty() { "endpoints: []\n" } else { "endpoints:\n" });
    for node in nodes {
        let Some(pod) = &node.pod else { continue };
        write!(
            text,
            "- addresses: [{}]\n\
             \x20 conditions: {{ready: true, serving: true, terminating: false}}\n\
             \x20 nodeName: {}\n",
            pod.address, node.name
        )
        .ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_yaml::Value;

    use super::*;

    fn documents(text: &str) -> Vec<Value> {
        serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
    }

    #[test]
    fn the_manifests_are_the_objects_they_should_be() {
        let layout = Layout::new(2);
        let nodes = documents(&nodes(&layout));
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1]["metadata"]["name"], "node-2");
        assert_eq!(nodes[1]["status"]["addresses"][0]["address"], "10.10.0.12");
        assert_eq!(nodes[1]["spec"]["podCIDR"], "10.244.2.0/24");
        let service = documents(SERVICE);
        assert_eq!(service[0]["spec"]["type"], "LoadBalancer");
        assert_eq!(service[0]["metadata"]["creationTimestamp"], CREATED);
    }

    #[test]
    fn endpoints_are_those_of_the_chosen_nodes() {
        let layout = Layout::new(3);
        let slice = &documents(&endpoint_slice(&layout, &["node-3", "node-1"]))[0];
        let endpoints = slice["endpoints"].as_sequence().unwrap();
        let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint["nodeName"].as_str().unwrap()).collect();
        assert_eq!(names, ["node-1", "node-3"]);
        let none = &documents(&endpoint_slice(&layout, &[]))[0];
        assert!(none["endpoints"].as_sequence().unwrap().is_empty());
    }

    #[test]
    fn names_that_lead_out_of_the_directory_are_refused() {
        let manifests = Manifests::new(Path::new("/nowhere"));
        for name in ["", "/etc/passwd", "../x", "a/../../x", "."] {
            assert!(matches!(manifests.read(name), Err(Error::Refused { .. })), "{name}");
        }
        assert!(manifests.inside("status/services/default/web.yaml").is_ok());
    }
}
