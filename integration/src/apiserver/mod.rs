//! A real Kubernetes API server for tests: etcd and kube-apiserver as plain processes on loopback.
//!
//! ```text
//!   test process ──spawns──> etcd            (unix socket in the folder)
//!        │       ──spawns──> kube-apiserver  (127.0.0.1, a port that is held for it)
//!        │       ──spawns──> ferrolb's own processes, where a test wants them ([`Process`])
//!        └──────── pipe ───> guard: removes the folder when the pipe ends
//! ```
//!
//! No kubelet, no scheduler, no kube-controller-manager: Nodes and EndpointSlices are what tests create, tokens of
//! ServiceAccounts come from TokenRequest, and a deleted namespace stays in phase Terminating. Needs neither root
//! nor namespaces of the kernel.
//!
//! Nothing is left behind: every process dies with the test process, however that ends, and then the folder goes.
//!
//! ```no_run
//! # async fn example() -> Result<(), ferrolb_integration::apiserver::Error> {
//! use ferrolb_integration::apiserver::{self, ControlPlane, Options};
//!
//! let Some(programs) = apiserver::available()? else { return Ok(()) };
//! let cluster = ControlPlane::start(Options::new(programs)).await?;
//! let nodes = cluster.kubectl(&["get", "nodes"], "").await?;
//! assert!(nodes.status.success());
//! # Ok(())
//! # }
//! ```

mod access;
mod arguments;
mod audit;
mod bare;
mod certificates;
mod control_plane;
mod error;
mod folder;
mod port;
mod process;
mod programs;
mod readiness;
mod webhooks;

pub(crate) use self::access::client as client_of;
pub use self::access::service_account_user;
pub(crate) use self::arguments::{CA_FILE, TOKEN_KEY_FILE, api_server, etcd};
pub use self::audit::AuditEntry;
pub(crate) use self::bare::{ADMINISTRATOR, kubeconfig, prepare};
pub(crate) use self::certificates::Identity;
pub use self::control_plane::{ControlPlane, Options};
pub use self::error::Error;
pub(crate) use self::folder::remove_after_stdin;
pub use self::process::Process;
pub(crate) use self::process::become_tethered;
pub use self::programs::{available, cluster_programs, helm, metallb};
pub use self::webhooks::{call_conversion_at, call_webhooks_at, loopback_service};
