//! What happens on the WebSocket endpoints: `/` greets and echoes, `/echo` only echoes.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdwire::handshake::{Reason, Refusal};
use holdwire::proto::Ended;
use holdwire::{Closed, Error, Message, Observer, Peer, Stats, Text, TurnedAway, WebSocket};
use http::{Request, StatusCode};

use crate::config::ServeConfig;
use crate::http::Site;
use crate::trouble::{HOLD, PageId, Trouble, Troubled};

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
#[derive(Debug)]
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

    /// Whether the page wants this handshake of its own refused.
    pub(crate) fn refuses(&self, request: &Request<()>) -> bool {
        let page = PageId::of_query(request.uri().query());
        page.is_some_and(|page| {
            let troubles = &self.site.troubles;
            troubles.takes_refusal(page, Instant::now())
        })
    }

    /// Greets, logs what comes, and sends it back.
    ///
    /// A connection that names no page carries one empty pointer for the trouble it will not have.
    pub(crate) fn run(
        self: Arc<Self>,
        mut socket: WebSocket,
        request: &Request<()>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let page = PageId::of_query(request.uri().query());
        let troubled = page.and_then(|page| self.site.troubles.enter(page, Instant::now()));
        let troubled = troubled.map(Box::new);
        async move {
            // How a connection ends is told to the observer; there is nothing to add.
            let _: Result<(), Error> = match troubled {
                None => self.talk(&mut socket).await,
                Some(troubled) => Box::pin(self.talk_in_trouble(socket, troubled)).await,
            };
        }
    }

    async fn talk(&self, socket: &mut WebSocket) -> Result<(), Error> {
        self.greet(socket).await?;
        while let Some(message) = socket.recv().await.transpose()? {
            if let Some(echo) = self.take(message) {
                socket.send(echo).await?;
            }
        }
        Ok(())
    }

    /// As `talk`, and suffers what its page asks for meanwhile.
    async fn talk_in_trouble(
        &self,
        mut socket: WebSocket,
        mut troubled: Box<Troubled>,
    ) -> Result<(), Error> {
        self.greet(&socket).await?;
        loop {
            let message = tokio::select! {
                message = socket.recv() => message,
                trouble = troubled.next() => {
                    suffer(&socket, trouble);
                    continue;
                }
            };
            let Some(message) = message.transpose()? else {
                return Ok(());
            };
            let Some(echo) = self.take(message) else {
                continue;
            };
            let mut sending = pin!(socket.send(echo));
            loop {
                tokio::select! {
                    sent = &mut sending => break sent?,
                    trouble = troubled.next() => suffer(&socket, trouble),
                }
            }
        }
    }

    async fn greet(&self, socket: &WebSocket) -> Result<(), Error> {
        if let Some(greeting) = &self.greeting {
            self.site.metrics.sent(1, greeting.len() as u64);
            socket.send(greeting.clone()).await?;
        }
        Ok(())
    }

    /// Counts and logs a message; what is to be sent back.
    fn take(&self, message: Message) -> Option<Message> {
        let bytes = message.len() as u64;
        self.site.metrics.received(1, bytes);
        log(&message);
        if !self.echoes {
            return None;
        }
        self.site.metrics.sent(1, bytes);
        Some(message)
    }
}

/// Does to a connection what its page asked for.
fn suffer(socket: &WebSocket, trouble: Trouble) {
    match trouble {
        Trouble::Drop => socket.abort(),
        Trouble::Hold => socket.play_dead(HOLD),
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

#[cfg(test)]
mod tests {
    use holdwire::{Role, Setup};

    use super::*;
    use crate::config::ServeFlags;

    #[tokio::test]
    async fn handler_of_a_connection_without_a_page_stays_small() {
        let config = ServeConfig::load(&ServeFlags::default(), &|_| None).unwrap();
        let talk = Arc::new(Talk::new(&config, Arc::new(Site::new(&config))));
        let (socket, _driver) =
            WebSocket::over(tokio::io::duplex(64).0, Role::Server, Setup::default());
        let request = Request::builder().uri("/").body(()).unwrap();

        let handler = talk.run(socket, &request);

        // It lives as long as the connection, idle or not: trouble is boxed, for those that have it.
        assert!(size_of_val(&handler) <= 272, "{}", size_of_val(&handler));
    }
}
