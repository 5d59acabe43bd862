//! Whether the API server serves.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};

use super::access;
use super::error::Error;
use super::process::Process;
use crate::clock;
use crate::error::chain;

/// How long it may take: about 4 s on an idle machine with two cores, much longer on a busy one.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long one look may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);
/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// Waits until `/readyz` says ok and default/kubernetes can be read from etcd. That Service is made by the API server
/// itself, after the namespaces and the first ServiceCIDR: once it is there, tests can create Services of their own.
pub(super) async fn ready(admin: &Path, api_server: &mut Process, etcd: Option<&mut Process>) -> Result<(), Error> {
    let client = access::client(admin).await?;
    let began = clock::now();
    let mut etcd = etcd;
    loop {
        api_server.must_run()?;
        if let Some(etcd) = etcd.as_deref_mut() {
            etcd.must_run()?;
        }
        let last = match timeout(LOOK_DEADLINE, look(&client)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason,
            Err(_elapsed) => "no answer".to_owned(),
        };
        if began.elapsed() > DEADLINE {
            let what = "the API server is ready".to_owned();
            return Err(Error::TimedOut { what, after: DEADLINE, last, log: api_server.log_tail() });
        }
        sleep(POLL).await;
    }
}

async fn look(client: &Client) -> Result<(), String> {
    let request = http_get("/readyz")?;
    let answer = client.request_text(request).await.map_err(|error| chain(&error))?;
    if answer != "ok" {
        return Err(answer);
    }
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    services.get("kubernetes").await.map_err(|error| chain(&error))?;
    Ok(())
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>, String> {
    http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())
}
