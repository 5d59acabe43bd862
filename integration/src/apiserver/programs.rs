//! Where etcd, kube-apiserver, kubectl and helm are.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{Error, system};

/// The script's exit code for "this machine cannot build them".
const CANNOT: i32 = 3;

/// The folder with `etcd`, `kube-apiserver` and `kubectl`; builds them, with progress on standard error, where this
/// user has not done so before (`make kubernetes` does it ahead of the tests). None, with the reason on standard
/// error, where the machine lacks the compiler: then whatever needs an API server is to be skipped.
///
/// # Errors
/// [`Error::Programs`] when the build fails: that is no reason to skip.
pub fn available() -> Result<Option<PathBuf>, Error> {
    get(&[], "no API server")
}

/// The folder that has, beside those, `kubelet`, `kube-proxy`, `kube-controller-manager` and `kube-scheduler`, in the
/// same way.
///
/// # Errors
/// [`Error::Programs`] when the build fails: that is no reason to skip.
pub fn cluster_programs() -> Result<Option<PathBuf>, Error> {
    get(&["cluster"], "no cluster")
}

/// The program `helm`, in the same way.
///
/// # Errors
/// [`Error::Programs`] when the build fails: that is no reason to skip.
pub fn helm() -> Result<Option<PathBuf>, Error> {
    Ok(get(&["helm"], "no Helm")?.map(|folder| folder.join("helm")))
}

/// The folder with MetalLB's programs `controller` and `speaker`, and its `chart`, in the same way.
///
/// # Errors
/// [`Error::Programs`] when the build fails: that is no reason to skip.
pub fn metallb() -> Result<Option<PathBuf>, Error> {
    get(&["metallb"], "no MetalLB")
}

fn get(what: &[&str], without: &str) -> Result<Option<PathBuf>, Error> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/get.sh");
    let output = Command::new(&script)
        .args(what)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(system(format!("run {}", script.display())))?;
    if output.status.code() == Some(CANNOT) {
        say(&format!("skipped: {without}, for the reason above"));
        return Ok(None);
    }
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || folder.is_empty() {
        return Err(Error::Programs { status: output.status });
    }
    Ok(Some(PathBuf::from(folder)))
}

/// Progress, on standard error itself: the test harness hides what goes through `eprintln`.
pub(super) fn say(text: &str) {
    // When standard error is gone, nobody is left to tell.
    writeln!(io::stderr().lock(), "apiserver: {text}").ok();
}
