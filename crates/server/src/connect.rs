//! `holdwire connect`: the terminal client.
//!
//! Messages go to standard output and nothing else does; words about the connection go to standard
//! error. Lines of standard input go out as text messages. With `--reconnect` it is a line that comes
//! back, else one connection.

mod command;
mod delivery;
mod failure;
mod input;
mod insecure;
mod json;
mod line;
mod open;
mod output;
mod plan;
mod report;
mod stdin;
mod talk;
mod words;

use std::sync::Arc;
use std::time::Duration;

use holdwire::{CloseCode, Driver, Opened, WebSocket};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use failure::Failure;
pub(crate) use failure::{remedy_for, with_causes};
pub(crate) use insecure::connector as insecure_connector;
pub(crate) use open::tls;
pub(crate) use stdin::lines;

use crate::cli::ConnectFlags;
use crate::signals::Signals;

/// Opens the connection and does what the flags say until it ends.
///
/// # Errors
/// Why it did not go as asked.
pub fn connect(flags: &ConnectFlags) -> Result<(), Failure> {
    // Echoing is one task on one thread, the fastest way; a terminal client may wait for its
    // standard output, so there another thread answers pings meanwhile.
    let mut runtime = match flags.echo {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Failure::system)?;
    let result = runtime.block_on(run(flags));
    // A look-up of a name may still be under way.
    runtime.shutdown_timeout(Duration::ZERO);
    result
}

async fn run(flags: &ConnectFlags) -> Result<(), Failure> {
    let client = open::client(flags)?;
    output::prepare(flags)?;
    if flags.reconnect {
        return line::talk(client, flags, &*interrupts()?).await;
    }
    let opened = open::open(&client, flags).await?;
    let interrupt = interrupts()?;
    if flags.echo {
        let Opened { socket, driver, .. } = opened;
        echo(socket, driver, flags.timeout, &interrupt).await
    } else {
        talk::talk(opened, flags, &interrupt).await
    }
}

/// Sends back what comes until the server closes, the time is over or the user wants to end.
async fn echo(
    socket: WebSocket,
    driver: Driver,
    timeout: Option<Duration>,
    interrupt: &Notify,
) -> Result<(), Failure> {
    let mut ended = Ok(());
    let closed = driver
        .run(async {
            tokio::select! {
                result = crate::echo::echo(socket, |_| {}) => ended = result,
                () = interrupt.notified() => {}
                () = reached(deadline(timeout)) => {}
            }
        })
        .await;
    match ended {
        Err(error) => Err(Failure::lost(&error)),
        Ok(()) if closed.is_clean() => Ok(()),
        Ok(()) => Err(Failure::unclean(&closed)),
    }
}

/// When a time that begins now is over; `None` is for ever.
fn deadline(time: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(time?)
}

/// Waits for a moment, or for ever.
async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Tells when the user wants to end; the second time the program ends at once.
pub(crate) fn interrupts() -> Result<Arc<Notify>, Failure> {
    let mut signals = Signals::new().map_err(Failure::system)?;
    let interrupt = Arc::new(Notify::new());
    let told = Arc::clone(&interrupt);
    tokio::spawn(async move {
        signals.next().await;
        told.notify_one();
        signals.next().await;
        std::process::exit(1);
    });
    Ok(interrupt)
}

/// What ends a wait for messages, as it is told.
const INTERRUPTED: &str = "the program was interrupted";
const CLOSED: &str = "the connection was closed";

/// What a client says when it has no more to say.
const FAREWELL: CloseCode = CloseCode::NORMAL;
