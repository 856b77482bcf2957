//! What happens on the WebSocket endpoints: `/` greets and echoes, `/echo` only echoes.

use std::sync::Arc;
use std::time::Duration;

use holdwire::handshake::{Reason, Refusal};
use holdwire::proto::Ended;
use holdwire::{Closed, Error, Message, Observer, Peer, Stats, Text, TurnedAway, WebSocket};
use http::{Request, StatusCode};

use crate::config::ServeConfig;
use crate::http::Site;

/// Counts handshakes and connections.
#[derive(Debug)]
pub(crate) struct Counter(Arc<Site>);

impl Counter {
    pub(crate) fn new(site: Arc<Site>) -> Self {
        Self(site)
    }
}

impl Observer for Counter {
    fn handshake(&self, status: StatusCode) {
        self.0.metrics.handshake(status);
    }

    fn refused(&self, refusal: &Refusal) {
        let flags = match refusal.reason() {
            Reason::Origin { .. } => {
                "allow more origins with --origin, believe a proxy with --trusted-proxy"
            }
            Reason::Misdirected { .. } => "allow more hosts with --host",
            _ => return,
        };
        tracing::info!(target: "holdwire::connection", "{flags}");
    }

    fn turned_away(&self, why: TurnedAway) {
        self.0.metrics.turned_away(why);
    }

    fn opened(&self, request: &Request<()>) {
        self.0.metrics.connection_opened();
        let client = request.extensions().get::<Peer>();
        tracing::info!(
            target: "holdwire::connection",
            client = client.map(|client| tracing::field::display(client.address.ip())),
            path = request.uri().path(),
            "opened"
        );
    }

    fn closed(&self, closed: &Closed, stats: &Stats, open: Duration) {
        let code = code(closed);
        self.0.metrics.connection_closed(code);
        tracing::info!(
            target: "holdwire::connection",
            code,
            %closed,
            received = stats.received.messages,
            sent = stats.sent.messages,
            seconds = open.as_secs_f64(),
            "closed"
        );
    }
}

/// The code that went over the wire: the peer's, or ours when it broke a rule.
fn code(closed: &Closed) -> u16 {
    match closed.ended {
        Ended::Violation(violation) => violation.close_code().value(),
        _ => closed.code(),
    }
}

/// The endpoint `/`.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    site: Arc<Site>,
    greeting: Option<Text>,
    echoes: bool,
}

impl Talk {
    pub(crate) fn new(config: &ServeConfig, site: Arc<Site>) -> Self {
        let greeting = config.greeting.value.as_str();
        Self {
            site,
            greeting: (!greeting.is_empty()).then(|| greeting.into()),
            echoes: !config.no_echo.value,
        }
    }

    /// Greets, logs what comes, and sends it back.
    pub(crate) async fn run(self, mut socket: WebSocket) {
        // How a connection ends is told to the observer; there is nothing to add.
        let _: Result<(), Error> = self.talk(&mut socket).await;
    }

    async fn talk(&self, socket: &mut WebSocket) -> Result<(), Error> {
        let metrics = &self.site.metrics;
        if let Some(greeting) = &self.greeting {
            metrics.sent(1, greeting.len() as u64);
            socket.send(greeting.clone()).await?;
        }
        while let Some(message) = socket.recv().await.transpose()? {
            let bytes = message.len() as u64;
            metrics.received(1, bytes);
            log(&message);
            if self.echoes {
                metrics.sent(1, bytes);
                socket.send(message).await?;
            }
        }
        Ok(())
    }
}

/// Says that a message came; what it says only at debug level.
fn log(message: &Message) {
    match message {
        Message::Text(text) => {
            tracing::info!(target: "holdwire::message", bytes = text.len(), "received text");
            // Escaped: the peer's text must not look like a line of ours.
            tracing::debug!(target: "holdwire::message", text = text.as_str());
        }
        Message::Binary(payload) => {
            tracing::info!(target: "holdwire::message", bytes = payload.len(), "received binary");
            tracing::debug!(target: "holdwire::message", ?payload);
        }
    }
}

/// The endpoint `/echo`: every message goes back as it came.
pub(crate) async fn echo(socket: WebSocket, site: Arc<Site>) {
    // How a connection ends is told to the observer; there is nothing to add.
    let _ = crate::echo::echo(socket, |bytes| {
        site.metrics.received(1, bytes);
        site.metrics.sent(1, bytes);
    })
    .await;
}
