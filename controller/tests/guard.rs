//! Who may get metrics, as the API server says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::sync::Arc;

use ferrolb_controller::guard::guard;
use ferrolb_daemon::server::{Handle, Limits, Server, read_body, response};
use ferrolb_daemon::tls::TlsArgs;
use ferrolb_daemon::{Access, Guard, GuardArgs};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Reviews tokens and accesses, and writes down what it was asked.
#[derive(Default)]
struct Reviews {
    asked: Mutex<Vec<Value>>,
}

impl Handle for Reviews {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = read_body(request.into_body(), 1 << 20).await.unwrap();
        let mut review: Value = serde_json::from_slice(&body).unwrap();
        self.asked.lock().push(review.clone());
        let status = match review["kind"].as_str().unwrap() {
            "TokenReview" if review["spec"]["token"] == "broken" => {
                return response(StatusCode::INTERNAL_SERVER_ERROR, "no");
            }
            "TokenReview" if review["spec"]["token"] == "stranger" => json!({"error": "unknown token"}),
            "TokenReview" => {
                let name = format!("user-of-{}", review["spec"]["token"].as_str().unwrap());
                json!({"authenticated": true, "user": {"username": name, "groups": ["watchers"]}})
            }
            _ => json!({"allowed": review["spec"]["user"] == "user-of-monitoring"}),
        };
        review["status"] = status;
        response(StatusCode::CREATED, review.to_string())
    }
}

struct Running {
    reviews: Arc<Reviews>,
    guard: Guard,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Running {
    async fn access(&self, token: &str) -> Access {
        self.guard.authorize.authorize(token.to_owned(), "/metrics".to_owned()).await
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let reviews = Arc::new(Reviews::default());
    let server = Server::new(Arc::clone(&reviews), Limits::default());
    tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
    let mut config = Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    let guard = guard(&GuardArgs::default(), &TlsArgs::default(), client, &tasks, &shutdown).unwrap();
    Running { reviews, guard, tasks, shutdown }
}

#[tokio::test]
async fn the_api_server_decides_who_may_get_metrics() {
    let running = start().await;
    assert_eq!(running.access("monitoring").await, Access::Granted);
    assert_eq!(running.access("nobody").await, Access::Forbidden);
    assert_eq!(running.access("stranger").await, Access::Unauthenticated);
    assert_eq!(running.access("broken").await, Access::Unanswered);
    let asked = running.reviews.asked.lock().clone();
    let access = asked.iter().find(|review| review["kind"] == "SubjectAccessReview").unwrap();
    assert_eq!(access["spec"]["nonResourceAttributes"], json!({"path": "/metrics", "verb": "get"}));
    assert_eq!(access["spec"]["user"], "user-of-monitoring");
    assert_eq!(access["spec"]["groups"], json!(["watchers"]));
    running.end().await;
}

#[tokio::test]
async fn what_was_said_is_believed_for_a_while_and_what_was_not_is_asked_again() {
    let running = start().await;
    for _ in 0..3 {
        assert_eq!(running.access("monitoring").await, Access::Granted);
    }
    assert_eq!(running.reviews.asked.lock().len(), 2);
    for _ in 0..3 {
        assert_eq!(running.access("stranger").await, Access::Unauthenticated);
    }
    assert_eq!(running.reviews.asked.lock().len(), 3);
    for _ in 0..3 {
        assert_eq!(running.access("nobody").await, Access::Forbidden);
    }
    assert_eq!(running.reviews.asked.lock().len(), 5);
    for _ in 0..3 {
        assert_eq!(running.access("broken").await, Access::Unanswered);
    }
    assert_eq!(running.reviews.asked.lock().len(), 8);
    running.end().await;
}
