//! TLS for servers: which versions, suites and curves, and a certificate that can be exchanged while serving.

mod args;
mod files;
mod identity;

pub use args::{TlsArgs, TlsError, TlsVersion};
pub use files::{Follower, follow};
pub use identity::{Identity, IdentityError};
