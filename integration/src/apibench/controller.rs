//! The controller as it is shipped, as a process of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use ferrolb_api::DEFAULT_NAMESPACE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{POD, Stage, within};
use super::usage;
use crate::apiserver::{Error, Process};
use crate::clock;

/// A controller that is not ready by then will not be.
const READY: Duration = Duration::from_secs(120);
/// A controller that was told to end has this long.
const END: Duration = Duration::from_secs(10);
/// Between two looks at whether it is ready.
const POLL: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Controller {
    process: Process,
    began: Instant,
    health: SocketAddr,
}

// === impl Controller ===

impl Controller {
    pub(super) fn start(stage: &Stage, program: &Path) -> Result<Self, Error> {
        let health = free_port().map_err(|source| Error::System { what: "find a free port".to_owned(), source })?;
        let port = health.port().to_string();
        let kubeconfig = stage.plane.admin_kubeconfig().to_string_lossy().into_owned();
        let arguments = [
            "--source=kube",
            &format!("--kubeconfig={kubeconfig}"),
            &format!("--namespace={DEFAULT_NAMESPACE}"),
            &format!("--pod-name={POD}"),
            "--webhook-mode=disabled",
            "--port=0",
            &format!("--health-probe-port={port}"),
        ];
        let began = clock::now();
        let process = Process::start("ferrolb-controller", program, arguments, &[], stage.plane.folder())?;
        Ok(Self { process, began, health })
    }

    /// When it was started.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Processor time so far.
    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        usage::cpu(self.process.pid())
    }

    /// The most memory so far, in bytes.
    pub(super) fn peak_memory(&self) -> Result<u64, Error> {
        usage::peak_memory(self.process.pid())
    }

    /// Something that it has to bring about; where it does not, its log may say why.
    pub(super) async fn brings_about<T>(
        &self,
        after: Duration,
        what: impl Into<String>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut result = within(after, what, work).await;
        if let Err(Error::TimedOut { log, .. }) = &mut result {
            *log = self.process.log_tail();
        }
        result
    }

    /// Waits until it says that it is ready; how long that took from its start.
    pub(super) async fn ready(&self) -> Result<Duration, Error> {
        self.brings_about(READY, "the controller is ready", async {
            while !is_ready(self.health).await.unwrap_or(false) {
                tokio::time::sleep(POLL).await;
            }
            Ok(self.began.elapsed())
        })
        .await
    }

    /// Ends it as a cluster would.
    pub(super) async fn end(self) -> Result<(), Error> {
        self.process.terminate(END).await.map(drop)
    }
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn is_ready(health: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(health).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
