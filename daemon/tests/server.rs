//! The server over real sockets: TLS versions, a certificate exchanged while serving, limits, the end.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_daemon::server::{Handle, Limits, Server, read_body, response};
use ferrolb_daemon::tls::{Identity, IdentityError, TlsArgs, TlsVersion, follow};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use rustls::version::{TLS12, TLS13};
use support::{Authority, ask, connect, post, shown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const LIMIT: u64 = 1024;

/// Sends a body back; `/wait` is answered when it is allowed to be.
#[derive(Default)]
struct Echo {
    asked: Notify,
    allowed: Notify,
}

impl Handle for Echo {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/wait" {
            self.asked.notify_one();
            self.allowed.notified().await;
        }
        match read_body(request.into_body(), LIMIT).await {
            Ok(body) => response(StatusCode::OK, body),
            Err(error) => response(error.status(), error.to_string()),
        }
    }
}

struct Running {
    address: SocketAddr,
    echo: Arc<Echo>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Running {
    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn start(tls: Option<(TlsArgs, watch::Receiver<Option<Identity>>)>, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = Arc::new(Echo::default());
    let server = Server::new(Arc::clone(&echo), limits);
    let server = match tls {
        Some((args, identity)) => server.over_tls(args.server_config(identity).unwrap()),
        None => server,
    };
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
    Running { address, echo, tasks, shutdown }
}

#[tokio::test]
async fn tls13_is_spoken_and_tls12_is_not() {
    let authority = Authority::new();
    let (_identity, shows) = watch::channel(Some(authority.identity()));
    let server = start(Some((TlsArgs::default(), shows)), Limits::default()).await;
    let stream = connect(&authority.client(&[&TLS13]), server.address).await.unwrap();
    assert_eq!(ask(stream, post("/", "hello")).await, (StatusCode::OK, Bytes::from("hello")));
    let refused = connect(&authority.client(&[&TLS12]), server.address).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    server.end().await;
}

#[tokio::test]
async fn tls12_is_spoken_where_it_is_wanted_with_the_suites_that_are_named() {
    let authority = Authority::new();
    let (_identity, shows) = watch::channel(Some(authority.identity()));
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let args =
        TlsArgs { tls_min_version: TlsVersion::Tls12, tls_cipher_suites: vec![suite.to_owned()], ..TlsArgs::default() };
    let server = start(Some((args, shows)), Limits::default()).await;
    let stream = connect(&authority.client(&[&TLS12]), server.address).await.unwrap();
    let spoken = stream.get_ref().1.negotiated_cipher_suite().unwrap();
    assert_eq!(format!("{:?}", spoken.suite()), suite);
    assert_eq!(ask(stream, post("/", "")).await.0, StatusCode::OK);
    server.end().await;
}

#[tokio::test]
async fn an_exchanged_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let authority = Authority::new();
    let (identity, shows) = watch::channel(None);
    let server = start(Some((TlsArgs::default(), shows)), Limits::default()).await;
    let client = authority.client(&[&TLS13]);
    assert!(connect(&client, server.address).await.is_err(), "there is no certificate yet");
    identity.send_replace(Some(authority.identity()));
    let old = connect(&client, server.address).await.unwrap();
    identity.send_replace(Some(authority.identity()));
    let new = connect(&client, server.address).await.unwrap();
    assert_ne!(shown(&old), shown(&new));
    assert_eq!(ask(old, post("/", "old")).await.1, "old");
    assert_eq!(ask(new, post("/", "new")).await.1, "new");
    server.end().await;
}

#[tokio::test]
async fn a_body_within_the_limit_is_read_and_one_beyond_it_is_refused() {
    let server = start(None, Limits::default()).await;
    let exact = vec![b'x'; usize::try_from(LIMIT).unwrap()];
    for (size, status) in [
        (exact.len(), StatusCode::OK),
        (exact.len() + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (exact.len() * 4, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        assert_eq!(ask(stream, post("/", vec![b'x'; size])).await.0, status, "{size} bytes");
    }
    server.end().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let soon = Duration::from_millis(20);
    let authority = Authority::new();
    let (_identity, shows) = watch::channel(Some(authority.identity()));
    let silent = Limits { handshake: soon, first_request: soon, ..Limits::default() };
    let tls = start(Some((TlsArgs::default(), shows.clone())), silent).await;
    let plain = start(None, silent).await;
    for server in [&tls, &plain] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "closed without a word");
    }
    tls.end().await;
    plain.end().await;
}

#[tokio::test]
async fn a_client_that_has_asked_once_may_be_silent_for_longer() {
    // Long enough for a busy machine to bring the first request in.
    let limits = Limits { first_request: Duration::from_secs(1), ..Limits::default() };
    let server = start(None, limits).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let client = TaskTracker::new();
    client.spawn(connection);
    assert_eq!(sender.send_request(post("/", "")).await.unwrap().status(), StatusCode::OK);
    // Another one that says nothing measures the time for us.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0);
    sender.ready().await.unwrap();
    assert_eq!(sender.send_request(post("/", "")).await.unwrap().status(), StatusCode::OK);
    server.end().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = start(None, Limits { connections: 1, ..Limits::default() }).await;
    let both = TaskTracker::new();
    let first = TcpStream::connect(server.address).await.unwrap();
    let one = both.spawn(ask(first, post("/wait", "first")));
    server.echo.asked.notified().await;
    let second = TcpStream::connect(server.address).await.unwrap();
    let two = both.spawn(ask(second, post("/wait", "second")));
    assert!(!two.is_finished());
    server.echo.allowed.notify_one();
    assert_eq!(one.await.unwrap().1, "first");
    // The first client is gone, so the second is heard.
    server.echo.asked.notified().await;
    server.echo.allowed.notify_one();
    assert_eq!(two.await.unwrap().1, "second");
    server.end().await;
}

/// A connection that stays open between its requests.
async fn keeping(address: SocketAddr) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let stream = hyper_util::rt::TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    TaskTracker::new().spawn(connection);
    sender
}

#[tokio::test]
async fn clients_that_only_hold_on_to_their_connections_keep_nobody_out() {
    let authority = Authority::new();
    let (_identity, shows) = watch::channel(Some(authority.identity()));
    let limits = Limits { connections: 8, ..Limits::default() };
    let server = start(Some((TlsArgs::default(), shows)), limits).await;
    let client = authority.client(&[&TLS13]);
    // Some say nothing at all, some stop after the handshake, some in the middle of a request.
    let mut silent = Vec::new();
    let mut halted = Vec::new();
    for number in 0..24 {
        if number % 3 == 0 {
            silent.push(TcpStream::connect(server.address).await.unwrap());
        } else {
            let mut stream = connect(&client, server.address).await.unwrap();
            if number % 3 == 1 {
                stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nx-slow: ").await.unwrap();
            }
            halted.push(stream);
        }
        let stream = connect(&client, server.address).await.unwrap();
        assert_eq!(ask(stream, post("/", "hello")).await, (StatusCode::OK, Bytes::from("hello")));
    }
    // The oldest had to go.
    assert_eq!(silent[0].read(&mut [0; 16]).await.unwrap_or(0), 0);
    server.end().await;
}

#[tokio::test]
async fn whoever_was_answered_stays_while_those_go_who_never_asked() {
    let server = start(None, Limits { connections: 4, ..Limits::default() }).await;
    let mut monitoring = keeping(server.address).await;
    assert_eq!(monitoring.send_request(post("/", "")).await.unwrap().status(), StatusCode::OK);
    let mut refused = keeping(server.address).await;
    let large = vec![b'x'; 2 * usize::try_from(LIMIT).unwrap()];
    assert_eq!(refused.send_request(post("/", large)).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    // The last one to be closed says that all have been let in that could be.
    assert_eq!(silent[27].read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert_eq!(monitoring.send_request(post("/", "")).await.unwrap().status(), StatusCode::OK);
    assert!(refused.send_request(post("/", "")).await.is_err(), "whoever was refused has to go as well");
    server.end().await;
}

#[tokio::test]
async fn what_is_being_answered_is_finished_when_the_server_stops() {
    let server = start(None, Limits::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let client = TaskTracker::new();
    let answer = client.spawn(ask(stream, post("/wait", "late")));
    server.echo.asked.notified().await;
    server.shutdown.cancel();
    server.echo.allowed.notify_one();
    assert_eq!(answer.await.unwrap(), (StatusCode::OK, Bytes::from("late")));
    server.end().await;
}

#[tokio::test]
async fn what_takes_too_long_does_not_hinder_the_end() {
    let limits = Limits { grace: Duration::from_millis(20), ..Limits::default() };
    let server = start(None, limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.echo.asked.notified().await;
    server.end().await;
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_said_to_be_late() {
    let server = start(None, Limits { request: Duration::from_millis(20), ..Limits::default() }).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(ask(stream, post("/wait", "")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    server.end().await;
}

fn write(dir: &Path, (chain, key): &(String, String)) {
    std::fs::write(dir.join("tls.crt"), chain).unwrap();
    std::fs::write(dir.join("tls.key"), key).unwrap();
}

fn identity((chain, key): &(String, String)) -> Identity {
    Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_taken_over_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (first, second) = (authority.pem(), authority.pem());
    let (follower, mut shows) = follow(dir.path());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(follower.run(shutdown.clone()));
    write(dir.path(), &first);
    shows.changed().await.unwrap();
    assert_eq!(*shows.borrow_and_update(), Some(identity(&first)));
    // Half of a change: a certificate whose key has not come yet.
    write(dir.path(), &(second.0.clone(), first.1.clone()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!shows.has_changed().unwrap());
    write(dir.path(), &second);
    shows.changed().await.unwrap();
    assert_eq!(*shows.borrow_and_update(), Some(identity(&second)));
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}

#[test]
fn what_is_no_certificate_with_its_key_is_named() {
    let authority = Authority::new();
    let ((chain, key), (_, other)) = (authority.pem(), authority.pem());
    let error = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(matches!(error("", &key), IdentityError::NoCertificate));
    assert!(matches!(error(&key, &key), IdentityError::NoCertificate));
    assert!(matches!(error(&chain, ""), IdentityError::Key(_)));
    assert!(matches!(error(&chain, &other), IdentityError::Pair(_)));
}
