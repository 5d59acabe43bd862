//! The lease over the real client, against an API server in memory, in virtual time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_controller::lease::{Held, Lease};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Default)]
struct Server {
    lease: Option<Value>,
    version: u64,
    /// Calls are swallowed.
    dead: bool,
    calls: Vec<Method>,
}

impl Server {
    fn answer(&mut self, method: &Method, mut body: Value) -> (u16, Value) {
        self.calls.push(method.clone());
        let failure = |code: u16, reason: &str| {
            (code, json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": reason}))
        };
        match (method, &self.lease) {
            (&Method::GET, Some(lease)) => (200, lease.clone()),
            (&Method::GET | &Method::PUT, None) => failure(404, "NotFound"),
            (&Method::POST, Some(_)) => failure(409, "AlreadyExists"),
            (&Method::PUT, Some(lease))
                if lease["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] =>
            {
                failure(409, "Conflict")
            }
            (&Method::POST | &Method::PUT, _) => {
                self.version += 1;
                body["metadata"]["resourceVersion"] = json!(self.version.to_string());
                self.lease = Some(body.clone());
                (200, body)
            }
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    fn holder(&self) -> &str {
        self.lease.as_ref().unwrap()["spec"]["holderIdentity"].as_str().unwrap()
    }
}

fn client(server: &Arc<Mutex<Server>>) -> Client {
    let server = Arc::clone(server);
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            if server.lock().dead {
                std::future::pending::<()>().await;
            }
            let (code, body) = server.lock().answer(&parts.method, body);
            let response = Response::builder().status(code).header("content-type", "application/json");
            Ok::<_, Infallible>(response.body(Body::from(serde_json::to_vec(&body).unwrap())).unwrap())
        }
    });
    Client::new(service, "default")
}

struct Process {
    held: watch::Receiver<Held>,
    release: CancellationToken,
    tasks: TaskTracker,
}

impl Process {
    fn start(server: &Arc<Mutex<Server>>, identity: &str) -> Self {
        let (tasks, release) = (TaskTracker::new(), CancellationToken::new());
        let lease = Lease::new(client(server), "ferrolb-system", "ferrolb-controller", identity);
        let held = lease.spawn(&tasks, release.clone());
        Self { held, release, tasks }
    }

    fn acts(&self) -> bool {
        self.held.borrow().allows(Instant::now().into_std())
    }

    async fn gets_it(&mut self) {
        self.held.wait_for(|held| held.deadline().is_some()).await.unwrap();
    }

    async fn loses_it(&mut self) {
        self.held.wait_for(|held| held.deadline().is_none()).await.unwrap();
    }

    async fn end(self) {
        self.release.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_gets_it_and_gives_it_to_the_next_when_it_ends() {
    let server = Arc::default();
    let mut first = Process::start(&server, "first");
    first.gets_it().await;
    let mut second = Process::start(&server, "second");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(first.acts() && !second.acts());
    assert_eq!(server.lock().holder(), "first");
    let ended = Instant::now();
    first.end().await;
    assert_eq!(server.lock().holder(), "", "released as other tools release");
    second.gets_it().await;
    assert!(ended.elapsed() < Duration::from_secs(3), "{:?}", ended.elapsed());
    assert_eq!(server.lock().lease.as_ref().unwrap()["spec"]["leaseTransitions"], 1);
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_stops_acting_before_anybody_may_take_over() {
    let server: Arc<Mutex<Server>> = Arc::default();
    let mut holder = Process::start(&server, "holder");
    holder.gets_it().await;
    server.lock().dead = true;
    let cut_off = Instant::now();
    holder.loses_it().await;
    assert!(!holder.acts());
    assert!(cut_off.elapsed() <= Duration::from_secs(10), "{:?}", cut_off.elapsed());
    server.lock().dead = false;
    holder.gets_it().await;
    holder.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_holder_is_replaced_after_the_lease_has_run_out() {
    let server: Arc<Mutex<Server>> = Arc::default();
    let mut holder = Process::start(&server, "holder");
    holder.gets_it().await;
    let record = server.lock().lease.clone();
    holder.end().await;
    server.lock().lease = record;
    let crashed = Instant::now();
    let mut next = Process::start(&server, "next");
    next.gets_it().await;
    assert!(crashed.elapsed() >= Duration::from_secs(15), "{:?}", crashed.elapsed());
    assert!(crashed.elapsed() <= Duration::from_secs(18), "{:?}", crashed.elapsed());
    next.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_renews_without_reading_and_keeps_what_others_wrote_beside() {
    let server: Arc<Mutex<Server>> = Arc::default();
    let mut holder = Process::start(&server, "holder");
    holder.gets_it().await;
    server.lock().calls.clear();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(server.lock().calls.iter().all(|method| *method == Method::PUT), "{:?}", server.lock().calls);
    {
        let mut server = server.lock();
        server.version += 1;
        let version = server.version.to_string();
        let lease = server.lease.as_mut().unwrap();
        lease["metadata"]["annotations"] = json!({"note": "kept"});
        lease["metadata"]["resourceVersion"] = json!(version);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(holder.acts());
    assert_eq!(server.lock().lease.as_ref().unwrap()["metadata"]["annotations"]["note"], "kept");
    holder.end().await;
}
