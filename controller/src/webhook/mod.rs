//! Admission and conversion webhooks: what the API server asks before it stores a configuration object, and how it
//! turns an object of an old version into one of the new.
//!
//! [`review`] is bytes in, bytes out; [`ClusterJudge`] decides; [`handler`] knows the paths; [`certificate`] keeps the certificate that the API
//! server trusts.

pub mod certificate;
pub mod handler;
mod judge;
pub mod review;
mod serve;

pub use handler::Webhooks;
pub use judge::ClusterJudge;
pub use review::{Admission, Answer, Change, Convert, Judge, Verdict};
pub use serve::{ShownOfWebhooks, WebhookArgs, WebhookError, WebhookMode, serve_webhooks};
