//! The lab: a small network of nodes, a client and a gateway made of network namespaces, in which real ferrolb
//! processes run on a directory of manifests.
//!
//! ```text
//!   your terminal            mount + pid + network (+ user) namespace of the lab
//!  ┌────────────┐  control  ┌──────────────────────────────────────────────────────────────┐
//!  │ lab up     ├───────────┤ supervisor     switch: bridge br0, 10.10.0.0/16              │
//!  │ lab kill … │  socket   │                ├── gateway  10.10.0.1                        │
//!  │ a test     │           │                ├── control  10.10.0.2   (ferrolb-controller) │
//!  └────────────┘           │                ├── node-1   10.10.0.11  (ferrolb-speaker)    │
//!                           │                ├── node-2   10.10.0.12     10.244.2.2:8080   │
//!                           │                └── client   10.10.0.100                      │
//!                           └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! [`Lab`] is the handle that tests, demonstrations and the verbs of the binary `lab` share:
//!
//! ```no_run
//! use ferrolb_integration::{Lab, Options};
//!
//! let lab = Lab::up(Options::default())?;
//! let address = lab.wait_for("default/web has an address", |lab| lab.service_address("default/web").ok()?)?;
//! let owner = lab.wait_for("somebody answers for it", |lab| lab.owner(address).ok()?)?;
//! let report = lab.gap((address, 80).into(), |lab| lab.kill(&owner))?;
//! assert!(report.attempts > 0);
//! # Ok::<(), ferrolb_integration::Error>(())
//! ```
//!
//! With [`Api::Kube`] the objects are on a real API server, at an address of the bridge. [`apiserver`] is that API server
//! alone, the other ground that tests stand on: without nodes and namespaces. [`churn`] runs controllers there while
//! everything that can be killed is.
//!
//! [`image`] writes the container image. [`plugin`] is what `kubectl ferrolb` has to show of a real cluster.
//!
//! Everything the lab makes lives in its own namespaces: when the process that holds it ends, in whatever way, the
//! kernel takes all of it away. Nothing is named, mounted or written outside.

mod apibench;
pub mod apiserver;
mod backend;
mod binaries;
pub mod chaos;
pub mod churn;
pub mod cli;
mod client;
mod clock;
pub mod cluster;
mod error;
mod holder;
pub mod image;
mod lab;
mod layout;
mod namespaces;
mod observer;
mod output;
pub mod plugin;
mod probe;
mod protocol;
mod requirements;
pub mod simulation;
mod supervisor;
mod tour;

pub use self::error::Error;
pub use self::lab::{Api, Daemons, Lab, Options, Probe, Watch};
pub use self::layout::{Family, Host, HostKind, Layout, Mac, Pod, Router};
pub use self::observer::{Answer, Sighting};
pub use self::probe::{Answers, Gap, ProbeLine, ProbeOptions, ProbeReport, Progress};
pub use self::protocol::{Carrier, Event, HostState, ProcessState, ServiceState, State, Stopped};
pub use self::requirements::{Missing, missing_requirements};
