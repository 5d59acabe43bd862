//! What answers in a lab and in a cluster: the backend of a node, which answers every HTTP request with the node's name,
//! and what holds the namespaces of a pod.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::error::{Error, system};

/// Connections that wait to be accepted; a probe of 500 a second must never fill it.
const BACKLOG: u32 = 4096;
/// How long a connection may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted: out of descriptors, which comes and goes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);
/// The longest request head that is read.
const HEAD_LIMIT: usize = 16 * 1024;

/// The hidden verb `backend`: serves until it is killed.
pub(crate) fn serve(listen: SocketAddr, answer: &str) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the asynchronous runtime"))?;
    let response: Arc<[u8]> = response(answer).into();
    runtime.block_on(async {
        let listener = bind(listen).map_err(system(format!("listen on {listen}")))?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(respond(stream, Arc::clone(&response)))),
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    })
}

/// The hidden verb `hold-pod`: waits until it is told to end.
pub(crate) fn hold_pod() -> Result<u8, Error> {
    let mut end = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        end.add(signal);
    }
    // pid 1 of a container: without a handler, it would not hear of them at all.
    end.thread_block().map_err(system("wait for signals"))?;
    end.wait().map_err(system("wait for signals"))?;
    Ok(0)
}

fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

fn response(answer: &str) -> Vec<u8> {
    let length = answer.len() + 1;
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}\n"
    )
    .into_bytes()
}

/// Answers one request. A caller that hangs up, or never asks, gets nothing.
async fn respond(mut stream: TcpStream, response: Arc<[u8]>) {
    let conversation = async {
        let mut head: Vec<u8> = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut chunk = [0; 1024];
            let count = stream.read(&mut chunk).await?;
            if count == 0 || head.len() > HEAD_LIMIT {
                return Ok(());
            }
            head.extend(chunk.iter().take(count));
        }
        stream.write_all(&response).await?;
        stream.shutdown().await
    };
    // A conversation that took too long or broke off is over either way.
    timeout(PATIENCE, conversation).await.unwrap_or(Ok::<(), std::io::Error>(())).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_complete_http_response() {
        let text = String::from_utf8(response("node-1")).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "node-1\n");
        assert!(head.contains("Content-Length: 7"), "{head}");
    }
}
