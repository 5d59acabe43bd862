//! The stream of events to `lab up`.

use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Mutex;

use crate::protocol::Event;

/// Writes events, one at a time. `lab up` reads them all the time, so a writer waits only as long as its terminal does.
#[derive(Debug)]
pub(super) struct Events {
    stream: Mutex<OwnedWriteHalf>,
}

impl Events {
    pub(super) fn new(stream: OwnedWriteHalf) -> Self {
        Self { stream: Mutex::new(stream) }
    }

    /// Tells what happened. When nobody listens any more the lab is about to end, and the event with it.
    pub(super) async fn emit(&self, event: Event) {
        let Ok(line) = serde_json::to_string(&event) else { return };
        let mut stream = self.stream.lock().await;
        stream.write_all((line + "\n").as_bytes()).await.ok();
    }

    pub(super) async fn progress(&self, text: &str) {
        self.emit(Event::Progress { text: text.to_owned() }).await;
    }

    pub(super) async fn fault(&self, text: String) {
        self.emit(Event::Fault { text }).await;
    }
}
