//! The same start, health, metrics and end for both daemons. Knows no word of what they are for.

mod failure;
pub mod flags;
mod guard;
mod http;
mod life;
mod logging;
mod memory;
mod observed;
pub mod server;
mod shutdown;
pub mod tls;

use clap::Args;
pub use failure::{complain, remark, sentence};
pub use guard::{Access, Authorize, Doorkeeper, Guard, GuardArgs, GuardError, guard};
pub use http::{HttpError, Readiness, serve, serve_guarded};
pub use life::{RuntimeError, Threads, alone, live};
pub use logging::{LogLevel, init as init_logging};
pub use observed::observed;

/// Flags that every daemon has.
#[derive(Debug, Clone, Args)]
pub struct DaemonArgs {
    /// How much to log.
    #[arg(long, env = "FERROLB_LOG_LEVEL", value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// TCP port of /metrics, 0 disables it: of 127.0.0.1 with --source dir=PATH, else of all addresses, over TLS and for
    /// whoever may get /metrics.
    #[arg(long, default_value_t = 9120)]
    pub port: u16,
    /// TCP port of /healthz and /readyz, 0 disables it: of 127.0.0.1 with --source dir=PATH, else of all addresses.
    #[arg(long, default_value_t = 17472)]
    pub health_probe_port: u16,
}
