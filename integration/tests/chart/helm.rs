//! Helm, and what it renders.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ferrolb_integration::apiserver;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

/// Values files of these tests that the chart takes as they are.
pub(crate) const GOOD: [&[&str]; 6] =
    [&[], &["metallb-defaults", "own-images"], &["inline-layer2"], &["inline-bgp"], &["lists"], &["everything"]];

/// Helm with a home of its own.
pub(crate) struct Helm {
    program: PathBuf,
    home: TempDir,
}

/// The objects of a rendered chart.
#[derive(Debug)]
pub(crate) struct Rendered(pub(crate) Vec<Value>);

/// Helm; none where this machine cannot have it, which is then said.
pub(crate) fn helm() -> Option<Helm> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| apiserver::helm().unwrap()).clone()?;
    Some(Helm { program, home: TempDir::new().unwrap() })
}

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// The text of a file of the repository.
pub(crate) fn text(path: &str) -> String {
    let path = repository(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of values of these tests.
pub(crate) fn values_file(name: &str) -> PathBuf {
    repository(&format!("integration/tests/chart/values/{name}.yaml"))
}

/// The objects of a text of manifests.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

// === impl Helm ===

impl Helm {
    /// Helm with these arguments: what it prints, or its complaint.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let home = self.home.path();
        let output = Command::new(&self.program)
            .args(arguments)
            .env("HELM_CACHE_HOME", home.join("cache"))
            .env("HELM_CONFIG_HOME", home.join("config"))
            .env("HELM_DATA_HOME", home.join("data"))
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        Err(String::from_utf8(output.stderr).unwrap())
    }

    /// The chart rendered as release `ferrolb` with these files of values and `--set` of these.
    pub(crate) fn template(&self, files: &[&str], sets: &[&str]) -> Result<Rendered, String> {
        self.template_as("ferrolb", "ferrolb-system", files, sets)
    }

    /// The same as another release.
    pub(crate) fn template_as(
        &self,
        release: &str,
        namespace: &str,
        files: &[&str],
        sets: &[&str],
    ) -> Result<Rendered, String> {
        let chart = repository("charts/ferrolb");
        let mut arguments = vec!["template", release, chart.to_str().unwrap(), "--namespace", namespace];
        let files: Vec<PathBuf> = files.iter().map(|name| values_file(name)).collect();
        arguments.extend(files.iter().flat_map(|file| ["--values", file.to_str().unwrap()]));
        arguments.extend(sets.iter().flat_map(|set| ["--set", *set]));
        self.run(&arguments).map(|text| Rendered(documents(&text)))
    }

    /// The chart as everybody gets it who says nothing.
    pub(crate) fn defaults(&self) -> Rendered {
        self.template(&[], &[]).unwrap()
    }
}

// === impl Rendered ===

impl Rendered {
    /// All objects of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The object of this kind and name.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.all(kind).into_iter().find(|object| object["metadata"]["name"] == name)
    }

    /// The same where it has to be there.
    pub(crate) fn one(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// The pod template of a workload that ends with this.
    pub(crate) fn pod(&self, component: &str) -> &Value {
        let kind = if component == "controller" { "Deployment" } else { "DaemonSet" };
        let ours = |object: &&Value| object["metadata"]["labels"]["app.kubernetes.io/component"] == component;
        let workload = self.all(kind).into_iter().find(ours);
        &workload.unwrap_or_else(|| panic!("there is no {kind} of the {component}"))["spec"]["template"]
    }

    /// The container of a component, which has its name.
    pub(crate) fn container(&self, component: &str) -> &Value {
        let containers = self.pod(component)["spec"]["containers"].as_array().unwrap();
        containers.iter().find(|container| container["name"] == component).unwrap()
    }

    /// Its arguments.
    pub(crate) fn arguments(&self, component: &str) -> Vec<&str> {
        let arguments = self.container(component)["args"].as_array().unwrap();
        arguments.iter().map(|argument| argument.as_str().unwrap()).collect()
    }
}
