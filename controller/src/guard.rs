//! Metrics for the network, for whoever the API server says may get them.

use ferrolb_daemon::tls::TlsArgs;
use ferrolb_daemon::{Access, Guard, GuardArgs, GuardError};
use ferrolb_source::permission::{Permission, Permissions};
use kube::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A guard that asks the API server through `client` whether the sender of a token may get a path. A certificate in
/// files is followed on `tasks` until `shutdown`.
///
/// # Errors
/// A flag cannot be followed, or no certificate can be made. Nothing was started then.
pub fn guard(
    args: &GuardArgs,
    tls: &TlsArgs,
    client: Client,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Guard, GuardError> {
    let permissions = Permissions::new(client);
    let ask = move |token, path| {
        let asked = permissions.clone().may_get(token, path);
        async move { asked.await.map(access) }
    };
    ferrolb_daemon::guard(args, tls, ask, tasks, shutdown)
}

fn access(permission: Permission) -> Access {
    match permission {
        Permission::Granted => Access::Granted,
        Permission::Unauthenticated => Access::Unauthenticated,
        Permission::Forbidden => Access::Forbidden,
    }
}
