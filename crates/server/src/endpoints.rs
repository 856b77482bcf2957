//! What happens on the WebSocket endpoints: `/` greets and echoes, `/echo` only echoes, and
//! `/broadcast` hands every message to all others.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdwire::handshake::{Reason, Refusal};
use holdwire::proto::{Ended, Event, Flow, Sender};
use holdwire::shard::{Remote, Session, Topic};
use holdwire::{Closed, Observer, Peer, Prepared, Stats, Text, Traffic, TurnedAway};
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

    fn traffic(&self, received: &Traffic, sent: &Traffic) {
        let metrics = &self.0.metrics;
        metrics.received(received.messages, received.payload);
        metrics.sent(sent.messages, sent.payload);
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

    /// The session of a connection, which suffers what its page asks for.
    pub(crate) fn session(self: &Arc<Self>, request: &Request<()>, remote: Remote) -> Talking {
        let page = PageId::of_query(request.uri().query());
        let suffer = move |trouble| match trouble {
            Trouble::Drop => remote.abort(),
            Trouble::Hold => remote.play_dead(HOLD),
        };
        let troubles = &self.site.troubles;
        let troubled = page.and_then(|page| troubles.enter(page, Instant::now(), suffer));
        Talking {
            talk: Arc::clone(self),
            _troubled: troubled.map(Box::new),
        }
    }
}

/// A connection of the endpoint `/`: greets, logs what comes, and sends it back.
pub(crate) struct Talking {
    talk: Arc<Talk>,
    /// What a connection that names no page does not have.
    _troubled: Option<Box<Troubled>>,
}

impl Session for Talking {
    fn on_open(&mut self, sender: &mut Sender<'_>) {
        if let Some(greeting) = &self.talk.greeting {
            // A connection that is closing gets no greeting.
            let _ = sender.text(greeting);
        }
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        log(&event);
        if self.talk.echoes {
            return echo(event, sender);
        }
        Flow::Continue
    }
}

/// The endpoint `/broadcast`: every message goes to all others who are connected here.
pub(crate) struct Broadcasting {
    topic: Topic,
    remote: Remote,
}

impl Broadcasting {
    pub(crate) fn new(topic: &Topic, remote: Remote) -> Self {
        Self {
            topic: topic.clone(),
            remote,
        }
    }
}

impl Session for Broadcasting {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.remote.join(&self.topic);
    }

    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        let message = match event {
            Event::Text(text) => Prepared::text(&text),
            Event::Binary(payload) => Prepared::binary(&payload),
            _ => return Flow::Continue,
        };
        self.topic.publish_from(&self.remote, message)
    }
}

/// Says that a message came; what it says only at debug level.
fn log(event: &Event<'_>) {
    match event {
        Event::Text(text) => {
            tracing::info!(target: "holdwire::message", bytes = text.len(), "received text");
            // Escaped: the peer's text must not look like a line of ours.
            tracing::debug!(target: "holdwire::message", text = &**text);
        }
        Event::Binary(payload) => {
            tracing::info!(target: "holdwire::message", bytes = payload.len(), "received binary");
            tracing::debug!(target: "holdwire::message", ?payload);
        }
        _ => {}
    }
}

/// The endpoint `/echo`: every message goes back as it came.
pub(crate) fn echo(event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
    // An answer is refused only when the connection is closing.
    let _ = match event {
        Event::Text(Cow::Borrowed(text)) => sender.text(text),
        Event::Binary(Cow::Borrowed(payload)) => sender.binary(payload),
        // What came in parts is ours already, and goes out without a copy.
        event => match event.into_message() {
            Some(message) => sender.message(message),
            None => Ok(()),
        },
    };
    Flow::Continue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_of_a_connection_stays_small() {
        // It lives as long as the connection, idle or not: trouble is boxed, for those that have it.
        assert!(size_of::<Talking>() <= 16);
        assert!(size_of::<Broadcasting>() <= 32);
    }
}
