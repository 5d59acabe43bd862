//! As much of an API server as the keeper of a certificate needs: objects with resource versions, guarded writes,
//! watches by name. Answers over HTTP on loopback, so that the real client is in the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_daemon::server::{Handle, Limits, Server, read_body, response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const SECRET: &str = "/api/v1/namespaces/metallb-system/secrets/metallb-webhook-cert";
pub(crate) const WEBHOOKS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/metallb-webhook-configuration";
pub(crate) const CRD: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.metallb.io";

/// Everything there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    version: u64,
    pub(crate) objects: BTreeMap<String, Value>,
    /// What happened, in order: version, path, event.
    log: Vec<(u64, String, Value)>,
}

impl State {
    pub(crate) fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let event = if self.objects.contains_key(path) { "MODIFIED" } else { "ADDED" };
        self.objects.insert(path.to_owned(), object.clone());
        self.log.push((self.version, path.to_owned(), json!({"type": event, "object": object})));
        object
    }

    pub(crate) fn delete(&mut self, path: &str) {
        self.version += 1;
        let mut object = self.objects.remove(path).unwrap();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.log.push((self.version, path.to_owned(), json!({"type": "DELETED", "object": object})));
    }
}

/// The server and its state.
pub(crate) struct ApiServer {
    address: SocketAddr,
    pub(crate) state: Arc<watch::Sender<State>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let state = Arc::new(watch::Sender::new(State::default()));
        // Watches hang until something happens.
        let limits = Limits { request: Duration::from_secs(3600), ..Limits::default() };
        let server = Server::new(Arc::new(Answers(Arc::clone(&state))), limits);
        tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
        Self { address, state, tasks, shutdown }
    }

    pub(crate) fn client(&self) -> Client {
        Client::try_from(Config::new(format!("http://{}", self.address).parse().unwrap())).unwrap()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.state.send_modify(|state| result = Some(change(state)));
        result.unwrap()
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, mut so: impl FnMut(&State) -> bool) -> State {
        self.state.subscribe().wait_for(|state| so(state)).await.unwrap().clone()
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Answers(Arc<watch::Sender<State>>);

impl Handle for Answers {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = read_body(request.into_body(), 1 << 20).await.unwrap();
        if method == Method::GET && query.contains("fieldSelector") {
            return self.collection(&path, &query).await;
        }
        let mut answer = failure(StatusCode::METHOD_NOT_ALLOWED);
        self.0.send_if_modified(|state| {
            let before = state.version;
            answer = one(state, &method, &path, &body);
            state.version != before
        });
        answer
    }
}

impl Answers {
    async fn collection(&self, path: &str, query: &str) -> Response<Full<Bytes>> {
        let value = |key: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            pair.unwrap_or_default().replace("%3D", "=").replace("%2E", ".")
        };
        let path = format!("{path}/{}", value("fieldSelector").strip_prefix("metadata.name=").unwrap());
        let mut state = self.0.subscribe();
        if value("watch") != "true" {
            let state = state.borrow();
            let version = state.version.to_string();
            let items: Vec<&Value> = state.objects.get(&path).into_iter().collect();
            return success(&json!({"metadata": {"resourceVersion": version}, "items": items}));
        }
        let from: u64 = value("resourceVersion").parse().unwrap_or(0);
        let news = |state: &State| {
            let new = state.log.iter().filter(|(version, at, _)| *version > from && *at == path);
            new.map(|(_, _, event)| event.to_string()).collect::<Vec<_>>().join("\n")
        };
        let lines = news(&state.wait_for(|state| !news(state).is_empty()).await.unwrap());
        response(StatusCode::OK, lines + "\n")
    }
}

fn one(state: &mut State, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let sent = || serde_json::from_slice::<Value>(body).unwrap();
    if *method == Method::GET {
        return state.objects.get(path).map_or_else(|| failure(StatusCode::NOT_FOUND), success);
    }
    if *method == Method::POST {
        let path = format!("{path}/{}", sent()["metadata"]["name"].as_str().unwrap());
        if state.objects.contains_key(&path) {
            return failure(StatusCode::CONFLICT);
        }
        return success(&state.put(&path, sent()));
    }
    let Some(current) = state.objects.get(path) else { return failure(StatusCode::NOT_FOUND) };
    if current["metadata"]["resourceVersion"] != sent()["metadata"]["resourceVersion"] {
        return failure(StatusCode::CONFLICT);
    }
    success(&state.put(path, sent()))
}

fn success(value: &Value) -> Response<Full<Bytes>> {
    response(StatusCode::OK, value.to_string())
}

fn failure(status: StatusCode) -> Response<Full<Bytes>> {
    let reason = match status {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        _ => "Failed",
    };
    let body =
        json!({"kind": "Status", "status": "Failure", "code": status.as_u16(), "reason": reason, "message": reason});
    response(status, body.to_string())
}
