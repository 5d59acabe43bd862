//! The admin socket: who may use it, and what stands in its way.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ferrolb_speaker::admin::{Answer, Question, listen};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn a_question_is_answered_on_a_socket_that_only_its_owner_may_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/speaker.sock");
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let mut questions = listen(&path, &tasks, shutdown.clone()).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
    tasks.spawn(async move {
        let (question, reply) = questions.recv().await.unwrap();
        assert_eq!(question, Question::Layer2);
        reply.send(Answer::Ok(json!(["fine"]))).unwrap();
    });
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"{\"ask\":\"layer2\"}\n").await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), Answer::Ok(json!(["fine"])));
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_speakers_socket_is_replaced_and_a_living_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speaker.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let _questions = listen(&path, &tasks, shutdown.clone()).await.unwrap();
    let refused = listen(&path, &tasks, shutdown.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("another speaker listens there"), "{refused}");
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn idle_clients_do_not_use_up_more_than_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speaker.sock");
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let mut questions = listen(&path, &tasks, shutdown.clone()).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(UnixStream::connect(&path).await.unwrap());
    }
    // One task listens; the others are clients.
    while tasks.len() < 33 {
        tokio::task::yield_now().await;
    }
    let mut asking = UnixStream::connect(&path).await.unwrap();
    asking.write_all(b"{\"ask\":\"members\"}\n").await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(tasks.len() == 33 && questions.try_recv().is_err(), "it waits for a place");
    drop(idle);
    let (question, _reply) = questions.recv().await.unwrap();
    assert_eq!(question, Question::Members);
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}
