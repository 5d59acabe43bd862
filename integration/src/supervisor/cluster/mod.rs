//! A real API server in the lab: etcd and kube-apiserver at the switch, with what an installation puts there.
//!
//! It listens on an address of the bridge, so that a node reaches it over its own cable and loses it with its link.
//! The daemons come with the tokens of their ServiceAccounts and may do what the shipped roles allow, no more. A
//! manifest is applied object by object (server-side apply); its text is kept in the directory of manifests, which here
//! is only the record of what was applied.

mod documents;
mod events;
pub(super) mod requests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrolb_api::{DEFAULT_NAMESPACE, crds};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::timeout;

use self::documents::Identity;
use super::daemons::Origin;
use super::manifests::Manifests;
use crate::apiserver::{self, ControlPlane};
use crate::error::{Error, system};
use crate::layout::{Family, Layout};
use crate::namespaces::{KUBECONFIG, KUBECTL, LOG_FOLDER};

/// What an installation applies before it configures anything.
const INSTALLATION: [&str; 2] = [
    include_str!("../../../../charts/manifests/namespace.yaml"),
    include_str!("../../../../charts/manifests/rbac.yaml"),
];
/// The programs that run beside the lab's own processes; each has a log.
const PROGRAMS: [&str; 2] = ["etcd", "kube-apiserver"];
/// Below this name the directory of manifests has what daemons wrote.
const STATUS: &str = "status";
/// The bound of a hang while CRDs come into force.
const ESTABLISHED: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Cluster {
    plane: Plane,
    client: Client,
    record: Manifests,
    /// One manifest at a time: what is pruned follows from what was applied before.
    turn: tokio::sync::Mutex<()>,
}

/// The processes of the API server.
enum Plane {
    /// Its own: at the switch.
    Own(Box<ControlPlane>),
    /// Those of a whole Kubernetes, at this address.
    Elsewhere(SocketAddr),
}

// === impl Cluster ===

impl Cluster {
    /// Starts it in the calling thread's network namespace, with the programs in `programs`; its files are below
    /// `TMPDIR`.
    pub(super) async fn start(programs: &Path, record: Manifests, layout: &Layout) -> Result<Self, Error> {
        let mut options = apiserver::Options::new(programs.to_owned());
        if let Some(address) = layout.api_addresses().first() {
            options.listen = *address;
            options.advertise = *address;
        }
        if layout.family() == Family::Ipv6 {
            // The first range is of the family of the address that is advertised.
            "fd00:10:96::/112,10.96.0.0/16".clone_into(&mut options.service_ranges);
        }
        let plane = ControlPlane::start(options).await?;
        let client = plane.client().await?;
        link(&plane, programs)?;
        let cluster = Self { plane: Plane::Own(Box::new(plane)), client, record, turn: tokio::sync::Mutex::default() };
        cluster.install().await?;
        Ok(cluster)
    }

    /// An API server whose processes somebody else starts. Nothing is installed there.
    pub(super) fn elsewhere(address: SocketAddr, client: Client, record: Manifests) -> Self {
        Self { plane: Plane::Elsewhere(address), client, record, turn: tokio::sync::Mutex::default() }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        match &self.plane {
            Plane::Own(plane) => plane.address(),
            Plane::Elsewhere(address) => *address,
        }
    }

    /// A client who may do everything.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where the daemons find their objects, and as whom.
    pub(super) async fn origin(&self) -> Result<Origin, Error> {
        Ok(Origin::Kube {
            controller: self.kubeconfig_of("controller").await?,
            speaker: self.kubeconfig_of("speaker").await?,
        })
    }

    /// Applies every object of a manifest, and deletes what an earlier text of that name had and this one has not.
    pub(super) async fn apply(&self, name: &str, text: &str) -> Result<(), Error> {
        if Path::new(name).starts_with(STATUS) {
            return Err(Error::Refused { reason: format!("{name}: on an API server the daemons alone write status") });
        }
        let _turn = self.turn.lock().await;
        let before = self.record.read(name)?;
        let objects = documents::read(text, name)?;
        for object in &objects {
            requests::apply(&self.client, object).await?;
        }
        let kept: BTreeSet<Identity> = objects.iter().filter_map(Identity::of).collect();
        for object in before.map(|text| documents::read(&text, name)).transpose()?.unwrap_or_default().iter().rev() {
            if Identity::of(object).is_some_and(|identity| !kept.contains(&identity)) {
                requests::delete(&self.client, object).await?;
            }
        }
        self.record.apply(name, text)
    }

    /// Deletes every object of a manifest, the last one first.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let text = self.record.read(name)?;
        let text = text.ok_or_else(|| Error::Refused { reason: format!("no manifest {name} was applied") })?;
        for object in documents::read(&text, name)?.iter().rev() {
            requests::delete(&self.client, object).await?;
        }
        self.record.remove(name)
    }

    /// A manifest as it was applied; for `status/PLURAL/NAMESPACE/NAME.yaml`, the object as it is now.
    pub(super) async fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let parts: Vec<&str> = name.split('/').collect();
        if let [STATUS, plural, namespace, file] = parts.as_slice()
            && let Some(object) = file.strip_suffix(".yaml")
        {
            return requests::read(&self.client, plural, namespace, object).await;
        }
        self.record.read(name)
    }

    /// Whether `process` is one that runs here and not among the lab's own.
    pub(super) fn runs(&self, process: &str) -> bool {
        matches!(self.plane, Plane::Own(_)) && PROGRAMS.contains(&process)
    }

    /// Writes events down as they come, where `lab events` looks for them. Ends only with an error.
    pub(super) async fn follow_events(&self) -> Result<std::convert::Infallible, Error> {
        events::follow(&self.client, &self.record).await
    }

    async fn install(&self) -> Result<(), Error> {
        for text in INSTALLATION {
            for object in documents::read(text, "the installation")? {
                requests::apply(&self.client, &object).await?;
            }
        }
        let definitions: Vec<Value> = crds::all().iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        for definition in &definitions {
            requests::apply(&self.client, definition).await?;
        }
        let served: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for identity in definitions.iter().filter_map(Identity::of) {
            let established = await_condition(served.clone(), &identity.name, is_crd_established());
            let waited = timeout(ESTABLISHED, established).await;
            let waited = waited.map_err(|_elapsed| Error::TimedOut {
                what: format!("{} is served", identity.name),
                after: ESTABLISHED,
            })?;
            waited.map_err(|error| Error::Refused { reason: format!("{}: {error}", identity.name) })?;
        }
        Ok(())
    }

    async fn kubeconfig_of(&self, service_account: &str) -> Result<PathBuf, Error> {
        let Plane::Own(plane) = &self.plane else {
            return Err(Error::Refused { reason: "the daemons run in pods".to_owned() });
        };
        let token = plane.token_for(DEFAULT_NAMESPACE, service_account).await?;
        Ok(plane.kubeconfig_with_token(&token)?)
    }
}

/// Stable names for what `lab kubectl` and `lab logs --follow` need.
fn link(plane: &ControlPlane, programs: &Path) -> Result<(), Error> {
    let logs = PROGRAMS.map(|name| {
        let file = format!("{name}.log");
        (plane.folder().join(&file), Path::new(LOG_FOLDER).join(file))
    });
    let tools = [
        (programs.join("kubectl"), PathBuf::from(KUBECTL)),
        (plane.admin_kubeconfig().to_owned(), PathBuf::from(KUBECONFIG)),
    ];
    for (target, name) in tools.into_iter().chain(logs) {
        symlink(target, &name).map_err(system(format!("make {}", name.display())))?;
    }
    Ok(())
}
