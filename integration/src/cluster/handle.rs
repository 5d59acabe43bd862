//! The handle to a cluster, for tests and demonstrations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{ProxyMode, helm, kubectl};
use crate::clock;
use crate::error::{Error, system};
use crate::lab::Lab;
use crate::layout::{Family, Router, SWITCH};

/// How long [`Cluster::wait_for`] waits. Generous: it bounds a hang, not a figure.
const WAIT_DEADLINE: Duration = Duration::from_secs(120);
/// How often it looks.
const WAIT_POLL: Duration = Duration::from_millis(50);
/// Seconds that a speaker has to answer: one whose node is dead never does.
const SPEAKER_PATIENCE: &str = "5";
/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/ferrolb");
/// The project's folder.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Where the chart is installed.
pub const NAMESPACE: &str = "ferrolb-system";
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
    /// Routers that the nodes speak BGP with: `tor-1`, `tor-2`, ... Default: none.
    pub routers: Vec<Router>,
    /// Archive with the image of ferrolb. Default: made of the binaries beside `lab`.
    pub image: Option<PathBuf>,
    /// Whether nodes have the images `metallb-controller:test` and `metallb-speaker:test`, too. Default: no.
    pub metallb: bool,
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
        Self {
            nodes: 3,
            proxy: ProxyMode::default(),
            family: Family::default(),
            routers: Vec::new(),
            image: None,
            metallb: false,
            echo: false,
        }
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
        arguments.extend(options.routers.iter().map(|router| format!("--router={}", router.name())));
        arguments.extend(options.image.iter().map(|image| format!("--image={}", image.display())));
        arguments.extend(options.metallb.then(|| "--metallb".to_owned()));
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

    /// What lines print that somebody pastes into a shell in the project's folder: kubectl and helm are those of the cluster,
    /// curl runs on the client. The first line that fails ends it.
    ///
    /// # Errors
    /// [`Error::Command`] with what they complain of.
    pub fn paste(&self, lines: &str) -> Result<String, Error> {
        let curl = ["ip", "netns", "exec", "client", "curl"].map(str::to_owned).to_vec();
        let functions = [("kubectl", kubectl()), ("helm", helm()), ("curl", curl)].map(|(name, line)| {
            let line: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
            format!("{name}() {{ {} \"$@\"; }}\n", line.join(" "))
        });
        let script = format!("set -ex\ncd '{ROOT}'\n{}{lines}", functions.concat());
        successful("sh", &["-s"], &self.run(&["sh".to_owned()], &["-s"], &script)?)
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

    /// What `kubectl ferrolb` did, whether or not it succeeded.
    ///
    /// # Errors
    /// As [`try_kubectl`](Self::try_kubectl).
    pub fn ferrolb(&self, arguments: &[&str]) -> Result<Output, Error> {
        let arguments: Vec<&str> = ["ferrolb"].iter().chain(arguments).copied().collect();
        self.try_kubectl(&arguments, "")
    }

    /// What the speakers that answer say to a question of `kubectl ferrolb`, by node.
    ///
    /// # Errors
    /// [`Error::Protocol`] with what is no JSON, and as [`ferrolb`](Self::ferrolb).
    pub fn speakers(&self, question: &[&str]) -> Result<BTreeMap<String, Value>, Error> {
        let output = self.ferrolb(&[question, &["--output", "json", "--timeout", SPEAKER_PATIENCE]].concat())?;
        let lines: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        let answer = |line: &Value| Some((line.get("node")?.as_str()?.to_owned(), line.get("answer")?.clone()));
        Ok(lines.iter().filter_map(answer).collect())
    }

    /// The nodes that are alive by the word of each speaker that answers, by its node.
    ///
    /// # Errors
    /// As [`speakers`](Self::speakers).
    pub fn members(&self) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let names = |members: &Value| {
            let names = members.as_array().into_iter().flatten().filter_map(|member| member.get("name")?.as_str());
            names.map(str::to_owned).collect()
        };
        Ok(self.speakers(&["members"])?.iter().map(|(node, members)| (node.clone(), names(members))).collect())
    }

    /// The addresses of a Service, once it has some.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it has none.
    pub fn addresses(&self, namespace: &str, service: &str) -> Result<Vec<IpAddr>, Error> {
        self.wait_for(&format!("{namespace}/{service} has an address"), |cluster| {
            let service = cluster.get(&["service", service, "--namespace", namespace]).ok()?;
            let ingress = service.pointer("/status/loadBalancer/ingress")?.as_array()?;
            ingress.iter().map(|one| one.get("ip")?.as_str()?.parse().ok()).collect()
        })
    }

    /// Puts the pods made by [`web`] on these nodes, and waits until the traffic of those Services of the namespace
    /// `default` goes there and nowhere else: by their endpoints, and by the rules of every node that works.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl), and [`Error::TimedOut`].
    pub fn serve_from<S: AsRef<str>>(&self, services: &[S], nodes: &[String]) -> Result<(), Error> {
        for node in self.lab.layout().nodes() {
            let label = if nodes.contains(&node.name) { "web=yes" } else { "web-" };
            self.kubectl(&["label", "node", &node.name, label, "--overwrite"])?;
        }
        let wanted: BTreeSet<&str> = nodes.iter().map(String::as_str).collect();
        let selectors: Vec<String> =
            services.iter().map(|name| format!("kubernetes.io/service-name={}", name.as_ref())).collect();
        self.wait_for("the endpoints are on those nodes", |cluster| {
            let there = |selector: &String| {
                let slices = cluster.get(&["endpointslices", "--selector", selector]).ok()?;
                let slices = slices.pointer("/items")?.as_array()?;
                (!slices.is_empty() && slices.iter().all(|slice| ready_on(slice) == wanted)).then_some(())
            };
            selectors.iter().all(|selector| there(selector).is_some()).then_some(())
        })?;
        self.proxies_follow(services)
    }

    /// Sends a signal to a node's speaker, once there is one.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when there is none.
    pub fn signal_speaker(&self, node: &str, signal: &str) -> Result<(), Error> {
        let script = format!(
            "for pid in $(ip netns pids {node}); do \
               if [ \"$(cat /proc/$pid/comm)\" = ferrolb-speaker ]; then exec kill -{signal} $pid; fi; \
             done; exit 1"
        );
        self.wait_for(&format!("a speaker runs on {node}"), |cluster| {
            let output = cluster.lab().exec(SWITCH, &["sh", "-c", &script]).ok()?;
            output.status.success().then_some(())
        })
    }

    /// Looks again and again until `condition` is met, and returns what it found.
    ///
    /// # Errors
    /// [`Error::TimedOut`] naming `what` after two minutes.
    pub fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> Result<T, Error> {
        clock::until(what, WAIT_DEADLINE, WAIT_POLL, || condition(self))
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

/// The nodes with endpoints of a slice that are ready.
fn ready_on(slice: &Value) -> BTreeSet<&str> {
    let endpoints = slice.get("endpoints").and_then(Value::as_array).into_iter().flatten();
    let ready = endpoints.filter(|one| one.pointer("/conditions/ready") == Some(&Value::Bool(true)));
    ready.filter_map(|one| one.get("nodeName")?.as_str()).collect()
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
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1, timeoutSeconds: 10}}
        # Without a share of its own it has none at all on a busy machine.
        resources: {{requests: {{cpu: 50m}}}}
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
