//! The handle to a cluster, for tests and demonstrations.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{ProxyMode, helm, kubectl};
use crate::clock;
use crate::error::{Error, system};
use crate::lab::Lab;
use crate::layout::{Family, SWITCH};

/// How long [`Cluster::wait_for`] waits. Generous: it bounds a hang, not a figure.
const WAIT_DEADLINE: Duration = Duration::from_secs(120);
/// How often it looks.
const WAIT_POLL: Duration = Duration::from_millis(50);
/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/ferrolb");
/// Where the chart is installed.
const NAMESPACE: &str = "ferrolb-system";
/// The release.
const RELEASE: &str = "ferrolb";

/// How a cluster is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Number of nodes, 1 to 9. Default 3.
    pub nodes: u8,
    /// How kube-proxy works. Default: iptables.
    pub proxy: ProxyMode,
    /// Address families of nodes, pods and Services. Default: IPv4.
    pub family: Family,
    /// Archive with the image of ferrolb. Default: made of the binaries beside `lab`.
    pub image: Option<PathBuf>,
    /// Whether the cluster's events are also printed to standard error. Default: they are not.
    pub echo: bool,
}

/// A running cluster. Dropping it takes it down.
#[derive(Debug)]
pub struct Cluster {
    lab: Lab,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 3, proxy: ProxyMode::default(), family: Family::default(), image: None, echo: false }
    }
}

// === impl Cluster ===

impl Cluster {
    /// Starts a cluster and returns when all its nodes are ready; [`missing_requirements`](super::missing_requirements)
    /// says beforehand what the machine lacks.
    ///
    /// # Errors
    /// [`Error::Ended`] with the reason.
    pub fn up(options: &Options) -> Result<Self, Error> {
        let mut arguments = ["cluster", "up", "--managed", "--nodes"].map(str::to_owned).to_vec();
        arguments.push(options.nodes.to_string());
        arguments.extend([format!("--proxy={}", options.proxy), format!("--family={}", options.family)]);
        arguments.extend(options.image.iter().map(|image| format!("--image={}", image.display())));
        Ok(Self { lab: Lab::up_with(&arguments, options.echo)? })
    }

    /// The network below it: faults, probes, commands on hosts.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Takes the cluster down and returns when nothing of it is left.
    ///
    /// # Errors
    /// When it cannot be reached; it is gone then too.
    pub fn down(self) -> Result<(), Error> {
        self.lab.down()
    }

    /// What kubectl prints, as one who may do everything.
    ///
    /// # Errors
    /// [`Error::Command`] with what it complains of.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.kubectl_with(arguments, "")
    }

    /// The same with something on its standard input: `apply -f -`.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl).
    pub fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Result<String, Error> {
        successful("kubectl", arguments, &self.run(&kubectl(), arguments, stdin)?)
    }

    /// What kubectl did, whether or not it succeeded.
    ///
    /// # Errors
    /// [`Error::System`] when it could not be started.
    pub fn try_kubectl(&self, arguments: &[&str], stdin: &str) -> Result<Output, Error> {
        self.run(&kubectl(), arguments, stdin)
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl).
    pub fn apply(&self, manifests: &str) -> Result<(), Error> {
        self.kubectl_with(&["apply", "-f", "-"], manifests).map(drop)
    }

    /// An object, or a list of them, as kubectl knows it: `&["service", "web"]`, `&["nodes"]`.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl), and [`Error::Protocol`] when it prints no JSON.
    pub fn get(&self, what: &[&str]) -> Result<Value, Error> {
        let arguments: Vec<&str> = ["get", "-o", "json"].into_iter().chain(what.iter().copied()).collect();
        Ok(serde_json::from_str(&self.kubectl(&arguments)?)?)
    }

    /// What helm prints.
    ///
    /// # Errors
    /// [`Error::Command`] with what it complains of.
    pub fn helm(&self, arguments: &[&str], stdin: &str) -> Result<String, Error> {
        successful("helm", arguments, &self.run(&helm(), arguments, stdin)?)
    }

    /// Installs the chart with these values, or upgrades it, and waits until all of it is ready. Images are never pulled.
    ///
    /// # Errors
    /// As [`helm`](Self::helm).
    pub fn install(&self, values: &str, more: &[&str]) -> Result<String, Error> {
        let mut arguments =
            vec!["upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace"];
        arguments.extend(["--set", "image.pullPolicy=Never", "--wait", "--timeout", "3m", "--values", "-"]);
        arguments.extend(more);
        self.helm(&arguments, values)
    }

    /// Removes the release, and waits until its pods are gone.
    ///
    /// # Errors
    /// As [`helm`](Self::helm).
    pub fn uninstall(&self) -> Result<(), Error> {
        self.helm(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "3m"], "")?;
        self.wait_for("the release's pods are gone", |cluster| {
            let pods = cluster.get(&["pods", "--namespace", NAMESPACE]).ok()?;
            pods.pointer("/items")?.as_array()?.is_empty().then_some(())
        })
    }

    /// The pod of a node's speaker.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none.
    pub fn speaker_on(&self, node: &str) -> Result<String, Error> {
        let selector = format!("spec.nodeName={node},status.phase=Running");
        let mut what = vec!["get", "pods", "--namespace", NAMESPACE, "--output", "name", "--field-selector", &selector];
        what.extend(["--selector", "app.kubernetes.io/component=speaker"]);
        let names = self.kubectl(&what)?;
        let name = names.lines().next().map(str::to_owned);
        name.ok_or_else(|| Error::Refused { reason: format!("no speaker runs on {node}") })
    }

    /// What the program `ferrolb` prints in a node's speaker.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl).
    pub fn ferrolb(&self, node: &str, arguments: &[&str]) -> Result<String, Error> {
        let pod = self.speaker_on(node)?;
        let mut command = vec!["exec", "--namespace", NAMESPACE, &pod, "--", "ferrolb"];
        command.extend(arguments);
        self.kubectl(&command)
    }

    /// Looks again and again until `condition` is met, and returns what it found.
    ///
    /// # Errors
    /// [`Error::TimedOut`] naming `what` after two minutes.
    pub fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> Result<T, Error> {
        let began = clock::now();
        loop {
            if let Some(found) = condition(self) {
                return Ok(found);
            }
            if began.elapsed() > WAIT_DEADLINE {
                return Err(Error::TimedOut { what: what.to_owned(), after: WAIT_DEADLINE });
            }
            clock::pause(WAIT_POLL);
        }
    }

    fn run(&self, begin: &[String], arguments: &[&str], stdin: &str) -> Result<Output, Error> {
        let line: Vec<&str> = begin.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let failed = || system::<std::io::Error>(format!("run `{}`", line.join(" ")));
        let mut command = self.lab.command(SWITCH, &line)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed())?;
        if let Some(mut pipe) = child.stdin.take() {
            // It may end without having read all; its exit status tells.
            pipe.write_all(stdin.as_bytes()).ok();
        }
        child.wait_with_output().map_err(failed())
    }
}

fn successful(program: &str, arguments: &[&str], output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: format!("{program} {}", arguments.join(" ")), message })
}

/// A Service of type LoadBalancer called `name` and a pod that answers for it with `NODE/POD` on every node with the label
/// `web=yes`. `more` are further lines of the Service's spec, and `annotations` those of its metadata, in YAML's flow style.
pub fn web(name: &str, annotations: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  updateStrategy: {{rollingUpdate: {{maxUnavailable: 100%}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      nodeSelector: {{web: \"yes\"}}
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: ferrolb-lab:latest
        imagePullPolicy: Never
        command: [/usr/local/bin/lab, backend, --listen, \"[::]:8080\", --answer, $(NODE)/$(POD)]
        env:
        - {{name: NODE, valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}}}
        - {{name: POD, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  type: LoadBalancer
  selector: {{app: {name}}}
  ports: [{{port: 80, targetPort: 8080}}]
{more}"
    )
}
