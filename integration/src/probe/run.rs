//! The probe at work: sockets and clocks.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout_at};

use super::tally::Tally;
use super::{Answers, ProbeLine, ProbeOptions, ports};
use crate::clock;
use crate::error::{Error, system};

/// A port that somebody else holds is passed over; so many in a row mean that something else is wrong.
const BUSY_PORTS: usize = 64;
/// The longest answer that is read.
const ANSWER_LIMIT: usize = 4096;
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// What became of one connection.
struct Outcome {
    /// When it was begun.
    begun: Instant,
    /// When its handshake was complete, or why it was not.
    handshake: Result<Instant, String>,
    /// Who answered.
    backend: Option<String>,
}

/// The ports of a run, in turn.
struct SourcePorts {
    next: u16,
    used: u32,
}

/// Probes until the time is over or `stop` returns; `tell` hears of progress and, last, the report. Returns how many
/// source ports it went through, beginning with `first_port`.
pub(crate) async fn run(
    options: ProbeOptions,
    first_port: u16,
    progress_every: Option<Duration>,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(ProbeLine) -> Result<(), Error>,
) -> Result<u32, Error> {
    let began = clock::now();
    let mut tally = Tally::new(began);
    let mut ticks = interval(options.every.max(Duration::from_micros(1)));
    // After a stall the missed attempts are made up for: their number is part of the result.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut reports = interval(progress_every.unwrap_or(options.duration).max(Duration::from_millis(1)));
    reports.reset();
    let mut ports = SourcePorts { next: first_port, used: 0 };
    let mut attempts = JoinSet::new();
    tokio::pin!(stop);
    let end = sleep_until((began + options.duration).into());
    tokio::pin!(end);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = &mut end => break,
            Some(Ok(outcome)) = attempts.join_next() => count(&mut tally, outcome, began, &mut tell)?,
            _ = ticks.tick() => {
                let socket = socket(options.target, &mut ports)?;
                let now = clock::now();
                tally.attempt(now);
                attempts.spawn(attempt(socket, options.target, (now, now + options.timeout), options.answers));
            }
            _ = reports.tick(), if progress_every.is_some() => tell(ProbeLine::Progress(tally.progress(clock::now())))?,
        }
    }
    let ended = clock::now();
    // Each has its own deadline.
    while let Some(outcome) = attempts.join_next().await {
        if let Ok(outcome) = outcome {
            count(&mut tally, outcome, began, &mut tell)?;
        }
    }
    tell(ProbeLine::Report(tally.report(options.target, ended)))?;
    Ok(ports.used)
}

impl SourcePorts {
    fn take(&mut self) -> u16 {
        let port = self.next;
        self.next = ports::after(port);
        self.used = self.used.saturating_add(1);
        port
    }
}

fn count(
    tally: &mut Tally,
    outcome: Outcome,
    began: Instant,
    tell: &mut impl FnMut(ProbeLine) -> Result<(), Error>,
) -> Result<(), Error> {
    if let Some(name) = outcome.backend {
        tally.backend(name);
    }
    match outcome.handshake {
        Err(kind) => tally.failure(kind, outcome.begun),
        Ok(at) => {
            if tally.success(at) {
                tell(ProbeLine::Running { at: at.saturating_duration_since(began) })?;
            }
        }
    }
    Ok(())
}

/// A socket with the next free source port.
fn socket(target: SocketAddr, ports: &mut SourcePorts) -> Result<Socket, Error> {
    let make = |port: u16| -> io::Result<Socket> {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Closed with a reset: no TIME_WAIT here, no half-closed entry in anybody's conntrack.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&SocketAddr::new(any, port).into())?;
        Ok(socket)
    };
    for _ in 0..BUSY_PORTS {
        match make(ports.take()) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            made => return made.map_err(system("make a socket for the probe")),
        }
    }
    let reason = format!("no source port is free before {}: does another program use them?", ports.next);
    Err(Error::Refused { reason })
}

async fn attempt(
    socket: Socket,
    target: SocketAddr,
    (begun, deadline): (Instant, Instant),
    answers: Answers,
) -> Outcome {
    match connect(socket, target, deadline).await {
        Ok(stream) => {
            let handshake = Ok(clock::now());
            let backend = match answers {
                Answers::Ignored => None,
                Answers::Counted => timeout_at(deadline.into(), ask(stream)).await.ok().flatten(),
            };
            Outcome { begun, handshake, backend }
        }
        // A reset that a connect ends with came after the SYN-ACK; one in answer to the SYN is a refusal (RFC 9293,
        // 3.10.7.3). The handshake was complete, and what breaks the connection then is not the announcement: when the
        // address has moved meanwhile, it is conntrack on the new node.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {
            Outcome { begun, handshake: Ok(clock::now()), backend: None }
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Outcome { begun, handshake: Err("timeout".to_owned()), backend: None }
        }
        Err(error) => Outcome { begun, handshake: Err(error.kind().to_string()), backend: None },
    }
}

/// Connects. What the kernel says at the deadline counts, not whether this process has heard of it by then: on a machine
/// that is busy a handshake may have been complete for long when the probe gets to run.
async fn connect(socket: Socket, target: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let stream = TcpStream::from_std(socket.into())?;
    loop {
        let waited = timeout_at(deadline.into(), stream.writable()).await;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        let connected = || stream.peer_addr().map_err(|_not_yet| io::Error::from(ErrorKind::WouldBlock));
        // Where it is not connected, what made it look writable is forgotten.
        if connected().is_ok() || stream.try_io(Interest::WRITABLE, connected).is_ok() {
            return Ok(stream);
        }
        if waited.is_err() {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}

/// The body of the backend's answer.
async fn ask(mut stream: TcpStream) -> Option<String> {
    stream.write_all(REQUEST).await.ok()?;
    let mut answer = Vec::new();
    let limit = u64::try_from(ANSWER_LIMIT).unwrap_or(u64::MAX);
    (&mut stream).take(limit).read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (_head, body) = answer.split_once("\r\n\r\n")?;
    Some(body.trim().to_owned())
}
