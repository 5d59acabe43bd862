//! A simulated cluster in virtual time: the real gossip and the real decisions of every node on a network that loses,
//! delays and cuts.
//!
//! * [`World`]: event queue, processes and network; everything follows from one seed;
//! * `Process`: one speaker, wired as the real program wires it;
//! * [`Estate`]: what Kubernetes says;
//! * [`Fault`]: what befalls the cluster;
//! * [`Watch`]: what must hold all the same;
//! * [`run`]: one random run under watch;
//! * [`Event::measure`]: how long recovery takes.

mod detection;
mod estate;
mod fault;
pub mod limits;
mod log;
mod network;
mod node;
mod process;
mod run;
mod watch;
mod world;

pub use self::detection::{Event, Times};
pub use self::estate::Estate;
pub use self::fault::Fault;
pub use self::limits::Limits;
pub use self::log::{Line, Log};
pub use self::network::Network;
pub use self::node::Node;
pub use self::run::{Report, run};
pub use self::watch::{Rule, Touch, Violation, Watch};
pub use self::world::{Note, World};
