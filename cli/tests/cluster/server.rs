//! A small API server: lists the pods that a test names, and answers `pods/exec` in the protocol of kubelets
//! (v4.channel.k8s.io over WebSocket, RFC 6455) as the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// How a pod answers.
#[derive(Clone)]
pub(crate) enum Manner {
    /// The command succeeds and prints this.
    Prints(String),
    /// The command fails with this code and complaint.
    Fails(u8, &'static str),
    /// The connection is made and nothing comes.
    Silent,
    /// The connection is asked for and nothing comes.
    Deaf,
    /// The connection ends in the middle of the answer.
    Breaks,
    /// The upgrade is refused with this status.
    Refuses(u16),
}

/// A cluster of pods with their manners, behind a kubeconfig.
pub(crate) struct Cluster {
    folder: TempDir,
}

/// A speaker's pod as the chart makes it.
pub(crate) fn pod(namespace: &str, node: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("speaker-{node}"), "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "ferrolb", "app.kubernetes.io/component": "speaker"},
        },
        "spec": {"nodeName": node, "containers": [{"name": "speaker", "image": "ferrolb:0.1.0"}]},
        "status": {"phase": "Running"},
    })
}

impl Cluster {
    /// Serves these pods; who is not named in `manners` is deaf.
    pub(crate) fn serve(pods: Vec<Value>, manners: Vec<(&'static str, Manner)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (pods, manners) = (pods.clone(), manners.clone());
                thread::spawn(move || answer(stream.unwrap(), &pods, &manners));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        });
        std::fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs `ferrolb` with this cluster's kubeconfig.
    pub(crate) fn ferrolb(&self, arguments: &[&str]) -> Output {
        let kubeconfig: PathBuf = self.folder.path().join("config");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
        command.args(arguments).arg("--kubeconfig").arg(kubeconfig);
        for variable in ["FERROLB_NAMESPACE", "METALLB_NAMESPACE", "FERROLB_ADMIN_SOCKET", "KUBECONFIG"] {
            command.env_remove(variable);
        }
        command.output().unwrap()
    }
}

fn answer(mut stream: TcpStream, pods: &[Value], manners: &[(&str, Manner)]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let target = head[0].split(' ').nth(1).unwrap().to_owned();
        let path = target.split('?').next().unwrap();
        let header = |name: &str| {
            let of = |line: &String| line.split_once(": ").map(|(key, value)| (key.to_lowercase(), value.to_owned()));
            head.iter().filter_map(of).find(|(key, _)| key == name).map(|(_, value)| value)
        };
        if path.ends_with("/exec") {
            let pod = path.split('/').rev().nth(1).unwrap();
            let manner = manners.iter().find(|(node, _)| pod == format!("speaker-{node}"));
            let key = header("sec-websocket-key").unwrap();
            return exec(stream, &key, manner.map_or(&Manner::Deaf, |(_, manner)| manner));
        }
        let body = if path.ends_with("/pods") {
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}).to_string()
        } else {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "message": "not here"})
                .to_string()
        };
        let status = if path.ends_with("/pods") { "200 OK" } else { "404 Not Found" };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    }
}

fn exec(mut stream: TcpStream, key: &str, manner: &Manner) {
    match manner {
        Manner::Deaf => return wait(stream),
        Manner::Refuses(code) => {
            let head = format!("HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(head.as_bytes()).unwrap();
        }
        Manner::Prints(_) | Manner::Fails(..) | Manner::Silent | Manner::Breaks => {}
    }
    let accepted = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accepted}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut socket = WebSocket::from_raw_socket(stream.try_clone().unwrap(), Role::Server, None);
    let mut send = |channel: u8, text: &str| {
        let bytes: Vec<u8> = std::iter::once(channel).chain(text.bytes()).collect();
        socket.send(Message::binary(bytes)).unwrap();
    };
    match manner {
        Manner::Prints(text) => {
            // In pieces, as a kubelet sends what a pipe gave it.
            let (first, second) = text.split_at(text.len() / 2);
            send(1, first);
            send(1, second);
            send(3, &json!({"status": "Success"}).to_string());
        }
        Manner::Fails(code, complaint) => {
            send(2, complaint);
            let cause = json!({"reason": "ExitCode", "message": code.to_string()});
            let status = json!({
                "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
                "details": {"causes": [cause]},
            });
            send(3, &status.to_string());
        }
        Manner::Breaks => return send(1, "{\"half\":"),
        Manner::Silent | Manner::Deaf | Manner::Refuses(_) => {}
    }
    wait(stream);
}

/// Until the client has gone.
fn wait(mut stream: TcpStream) {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
}
