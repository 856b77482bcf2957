//! How the program is told to end: SIGTERM drains, SIGINT ends within 2 s, a second one at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use holdwire::{Drain, ServerHandle};

use crate::config::ServeConfig;
use crate::http::Site;

/// The window that SIGINT leaves to closing handshakes.
const INTERRUPT_WINDOW: Duration = Duration::from_millis(1500);

/// Waits for a signal, or for a page of a demonstration to ask for the same, and shuts the server
/// down; a second signal ends the wait.
pub(crate) async fn end_on_signals(
    mut signals: Signals,
    server: ServerHandle,
    site: Arc<Site>,
    config: &ServeConfig,
) {
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = site.asked_to_drain() => Signal::Terminate,
    };
    let window = match signal {
        Signal::Terminate => config.drain.value,
        Signal::Interrupt => INTERRUPT_WINDOW.min(config.drain.value),
    };
    let drain = match &config.drain_url.value {
        Some(url) => Drain::handover(window).url(url.as_str()),
        None => Drain::restart(window),
    };
    site.status.drain();
    tracing::info!(
        connections = server.open(),
        window = window.as_secs_f64(),
        "draining; a second signal ends at once"
    );
    tokio::select! {
        () = server.drain(drain) => {}
        _ = signals.next() => tracing::info!("ending at once"),
    }
}

/// What the program was sent.
pub(crate) enum Signal {
    Terminate,
    Interrupt,
}

/// The signals that end the program.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

/// The signals that end the program.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> Signal {
        // A handler that cannot be installed leaves the program to the system's default.
        let _ = tokio::signal::ctrl_c().await;
        Signal::Interrupt
    }
}
