//! etcd and kube-apiserver, from start to end.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;

use kube::Client;

use super::access::{self, Access};
use super::arguments;
use super::audit::{self, AuditEntry};
use super::certificates::Certificates;
use super::error::{Error, system};
use super::folder::{Folder, write_private};
use super::port::HeldPort;
use super::process::Process;
use super::programs::say;
use super::readiness::ready;
use crate::clock;

/// The first address of TEST-NET-1 (RFC 5737): nobody is there.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The ranges of a cluster's Services, IPv4 first.
const SERVICE_RANGES: &str = "10.96.0.0/16,fd00:10:96::/112";
/// Names of the processes and of their logs.
const ETCD: &str = "etcd";
const API_SERVER: &str = "kube-apiserver";

/// What a control plane is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of etcd, kube-apiserver and kubectl: see [`available`](super::available).
    pub programs: PathBuf,
    /// Where the API server listens, on a port of its own choice. Default 127.0.0.1.
    pub listen: IpAddr,
    /// What the endpoints of `default/kubernetes` say: any address but a loopback one, of the family of the first range.
    /// Default 192.0.2.1, where nobody is.
    pub advertise: IpAddr,
    /// `--service-cluster-ip-range`. Default `10.96.0.0/16,fd00:10:96::/112`.
    pub service_ranges: String,
}

/// A running control plane. Dropping it ends it and removes everything it wrote.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they are to go: who uses etcd before etcd, the folder last.
    api_server: Option<Process>,
    etcd: Option<Process>,
    access: Access,
    options: Options,
    port: HeldPort,
    folder: Folder,
}

// === impl Options ===

impl Options {
    /// The defaults, with the programs in `programs`.
    pub fn new(programs: PathBuf) -> Self {
        Self {
            programs,
            listen: Ipv4Addr::LOCALHOST.into(),
            advertise: NOBODY,
            service_ranges: SERVICE_RANGES.to_owned(),
        }
    }
}

// === impl ControlPlane ===

impl ControlPlane {
    /// Starts etcd and kube-apiserver, and waits until Services can be created. About 4 s on an idle machine;
    /// progress goes to standard error.
    ///
    /// # Errors
    /// [`Error::Ended`] and [`Error::TimedOut`], with the end of the log, when it does not come up.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let began = clock::now();
        say("starting etcd and kube-apiserver ...");
        let folder = Folder::make()?;
        let port = HeldPort::take(options.listen).map_err(system("hold a port for kube-apiserver"))?;
        let certificates = Certificates::make(&[options.listen, options.advertise], &[])?;
        write_files(folder.path(), &certificates)?;
        let access = Access::new(port.address(), &certificates, &options.programs, &folder)?;
        let mut plane = Self { api_server: None, etcd: None, access, options, port, folder };
        plane.etcd = Some(plane.spawn_etcd()?);
        plane.start_api_server().await?;
        say(&format!("ready at {} after {:.1} s", plane.address(), began.elapsed().as_secs_f64()));
        Ok(plane)
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The folder of everything; processes that a test starts may write there, too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The kubeconfig of one who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        self.access.admin_kubeconfig()
    }

    /// A client who may do everything. It belongs to the runtime it was made on, never retries, and has no read timeout.
    ///
    /// # Errors
    /// [`Error::Api`] when it cannot be made.
    pub async fn client(&self) -> Result<Client, Error> {
        access::client(self.admin_kubeconfig()).await
    }

    /// A client that has `token`.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub async fn client_with_token(&self, token: &str) -> Result<Client, Error> {
        access::client(&self.kubeconfig_with_token(token)?).await
    }

    /// A token of a ServiceAccount, valid for a day.
    ///
    /// # Errors
    /// [`Error::Api`] when there is no such account.
    pub async fn token_for(&self, namespace: &str, service_account: &str) -> Result<String, Error> {
        self.access.token_for(namespace, service_account).await
    }

    /// Writes a kubeconfig with `token`; it goes with the control plane.
    ///
    /// # Errors
    /// [`Error::System`] when it cannot be written.
    pub fn kubeconfig_with_token(&self, token: &str) -> Result<PathBuf, Error> {
        self.access.kubeconfig_with_token(&self.folder, token)
    }

    /// Runs the real kubectl, as one who may do everything unless `arguments` name another `--kubeconfig`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after two minutes. What kubectl itself complains of is in its output.
    pub async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<Output, Error> {
        self.access.kubectl(&self.folder, arguments, stdin).await
    }

    /// Kills the API server with SIGKILL; its port stays its own, and refuses connections. Nothing to do when it
    /// does not run.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill_api_server(&mut self) -> Result<(), Error> {
        self.api_server.take().map_or(Ok(()), |process| process.kill().map(drop))
    }

    /// Starts the API server again, at the same address, and waits until it is ready; etcd must run.
    ///
    /// # Errors
    /// [`Error::RunsAlready`]; [`Error::Ended`] and [`Error::TimedOut`] when it does not come up.
    pub async fn start_api_server(&mut self) -> Result<(), Error> {
        if self.api_server.is_some() {
            return Err(Error::RunsAlready { name: API_SERVER.to_owned() });
        }
        self.api_server = Some(self.spawn_api_server()?);
        self.ready().await
    }

    /// Kills etcd with SIGKILL; what was written stays. Nothing to do when it does not run.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill_etcd(&mut self) -> Result<(), Error> {
        self.etcd.take().map_or(Ok(()), |process| process.kill().map(drop))
    }

    /// Starts etcd again and waits until the API server, if it runs, is ready.
    ///
    /// # Errors
    /// As [`start_api_server`](Self::start_api_server).
    pub async fn start_etcd(&mut self) -> Result<(), Error> {
        if self.etcd.is_some() {
            return Err(Error::RunsAlready { name: ETCD.to_owned() });
        }
        self.etcd = Some(self.spawn_etcd()?);
        self.ready().await
    }

    /// Every request so far, in the order in which they were answered. That of a request can come a moment after its
    /// answer: wait for it.
    ///
    /// # Errors
    /// [`Error::System`] and [`Error::Audit`] when the log cannot be read.
    pub fn audit_log(&self) -> Result<Vec<AuditEntry>, Error> {
        let text = match fs::read_to_string(self.folder().join(arguments::AUDIT_LOG)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(system("read the audit log"))?,
        };
        audit::parse(&text)
    }

    /// Waits for readiness, if there is an API server to wait for.
    async fn ready(&mut self) -> Result<(), Error> {
        let Some(api_server) = &mut self.api_server else { return Ok(()) };
        ready(self.access.admin_kubeconfig(), api_server, self.etcd.as_mut()).await
    }

    fn spawn_etcd(&self) -> Result<Process, Error> {
        Process::start(ETCD, &self.options.programs.join(ETCD), arguments::etcd(), &[], self.folder.path())
    }

    fn spawn_api_server(&self) -> Result<Process, Error> {
        let line = arguments::api_server(self.address(), self.options.advertise, &self.options.service_ranges);
        Process::start(API_SERVER, &self.options.programs.join(API_SERVER), line, &[], self.folder.path())
    }
}

/// Writes what etcd and the API server read, into the folder that they run in.
pub(super) fn write_files(folder: &Path, certificates: &Certificates) -> Result<(), Error> {
    for (name, content) in [
        (arguments::CA_FILE, certificates.authority.as_str()),
        (arguments::SERVER_CERTIFICATE_FILE, &certificates.server.certificate),
        (arguments::SERVER_KEY_FILE, &certificates.server.key),
        (arguments::TOKEN_KEY_FILE, &certificates.token_key),
        (arguments::TOKEN_PUBLIC_KEY_FILE, &certificates.token_public_key),
        (arguments::AUDIT_POLICY, arguments::AUDIT_POLICY_TEXT),
    ] {
        write_private(&folder.join(name), content)?;
    }
    Ok(())
}
