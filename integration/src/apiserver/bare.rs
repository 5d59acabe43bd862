//! The files of a control plane whose processes somebody else runs.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::access::kubeconfig_with_certificate;
use super::certificates::{Certificates, Identity};
use super::control_plane::write_files;
use super::error::Error;
use super::folder::write_private;

/// Name of the administrator's kubeconfig among those of [`prepare`].
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Writes into `folder` what [`etcd`](super::etcd) and [`api_server`](super::api_server) read when they run there, and for
/// the administrator and each of `others` a kubeconfig, a certificate and its key. The server is at `server`, and its
/// certificate is for `addresses` too.
///
/// # Errors
/// [`Error::Certificate`] and [`Error::System`].
pub(crate) fn prepare(
    folder: &Path,
    server: SocketAddr,
    addresses: &[IpAddr],
    others: &[Identity],
) -> Result<(), Error> {
    let addresses: Vec<IpAddr> = addresses.iter().copied().chain([server.ip()]).collect();
    let certificates = Certificates::make(&addresses, others)?;
    write_files(folder, &certificates)?;
    let others = others.iter().map(|identity| identity.name.as_str()).zip(&certificates.others);
    for (name, signed) in others.chain([(ADMINISTRATOR, &certificates.admin)]) {
        write_private(&kubeconfig(folder, name), &kubeconfig_with_certificate(server, &certificates, signed)?)?;
        write_private(&folder.join(format!("{name}.crt")), &signed.certificate)?;
        write_private(&folder.join(format!("{name}.key")), &signed.key)?;
    }
    Ok(())
}

/// The kubeconfig of `name` that [`prepare`] wrote.
pub(crate) fn kubeconfig(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.kubeconfig"))
}
