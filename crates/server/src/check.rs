//! `holdwire check`: a doctor for a WebSocket server and the way to it.
//!
//! Each probe fills its part of the report; what is known when somebody loses patience is told.
//! What the facts mean is decided in one place, `findings`.

mod certificate;
mod closing;
mod dial;
mod findings;
mod idle;
mod link;
mod messages;
mod page;
mod pings;
mod progress;
mod reflection;
mod refusals;
mod report;
mod text;
mod timing;
mod trouble;
mod visitor;
mod way;

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use holdwire::handshake::{Endpoint, Subprotocol};
use tokio::time::Instant;

use crate::cli::CheckFlags;
use crate::config::Value as _;
use crate::connect::Failure;
use crate::signals::Signals;

use closing::ClosingHandshake;
use idle::Idle;
use link::Link;
use messages::{Echoes, Largest, WordAnswer};
use page::has_colour;
use pings::Pings;
use progress::Progress;
use reflection::Reflected;
use refusals::{OriginAnswer, VersionAnswer};
use report::{Agreed, Report};
use visitor::Visitor;
use way::Way;

/// The largest message of a server that a check takes.
const MAX_RECEIVED: usize = 16 * 1024 * 1024;

/// How long an endpoint may take to reflect the request, once it is open.
const REFLECTION: Duration = Duration::from_secs(1);

/// Examines the server and prints what was found; whether it can be worked with.
///
/// # Errors
/// What the flags cannot mean, or what the system does not do.
pub fn check(flags: &CheckFlags) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system)?;
    let report = runtime.block_on(run(flags));
    // A look-up of a name may still be under way.
    runtime.shutdown_timeout(Duration::ZERO);
    let report = report?;
    let text = match flags.json {
        true => json(&report)?,
        false => text::show(&report, has_colour(io::stdout().is_terminal())),
    };
    // Nobody may be reading; the exit code tells all the same.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(report.verdict.is_sound())
}

fn json(report: &Report) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(report).map_err(Failure::system)?;
    Ok(format!("{json}\n"))
}

async fn run(flags: &CheckFlags) -> Result<Report, Failure> {
    let visitor = Visitor::new(flags)?;
    let mut signals = Signals::new().map_err(Failure::system)?;
    let progress = Progress::new(flags.json);
    let mut report = Report::new(flags.url.show(), flags.url.endpoint().is_secure());
    let interrupted = tokio::select! {
        () = examine(&visitor, flags, &mut report, &progress) => false,
        _ = signals.next() => true,
    };
    progress.clear();
    report.conclude(interrupted);
    Ok(report)
}

/// One probe after the other.
async fn examine(visitor: &Visitor, flags: &CheckFlags, report: &mut Report, progress: &Progress) {
    let to = flags.url.endpoint();
    progress.say("opening");
    let opened = match visitor.open(to, &mut report.way).await {
        Ok(opened) => opened,
        Err(trouble) => return report.fail(trouble),
    };
    let offered = visitor
        .subprotocols
        .iter()
        .map(Subprotocol::to_string)
        .collect();
    report.agreed = Some(Agreed::of(&opened, offered));
    let request = opened.request.clone();
    let mut link = Link::new(opened, MAX_RECEIVED);

    progress.say("pinging");
    let pings = report.pings.insert(Pings::default());
    pings.take(&mut link, flags.pings, visitor.timeout).await;
    let is_open = pings.ended.is_none();
    if let Some(reflected) = link.first_text().and_then(Reflected::parse) {
        report.changes = Some(reflected.changes(&request));
    }
    if is_open {
        progress.say("closing");
        report.closing = Some(ClosingHandshake::see(link, visitor.timeout).await);
    }
    if let Some(reflector) = &flags.reflect {
        progress.say("asking what proxies changed");
        reflect(visitor, reflector.endpoint(), report).await;
    }
    progress.say("asking with a wrong version");
    report.version = Some(VersionAnswer::ask(visitor, to).await);
    progress.say("asking with a foreign Origin");
    report.origin = Some(OriginAnswer::ask(visitor, to).await);
    send_messages(visitor, flags, report, progress).await;
    if let Some(time) = flags.idle {
        stay_idle(visitor, to, time, report, progress).await;
    }
}

/// Asks the endpoint that `--reflect` names.
async fn reflect(visitor: &Visitor, reflector: &Endpoint, report: &mut Report) {
    let opened = match visitor.open(reflector, &mut Way::default()).await {
        Ok(opened) => opened,
        Err(trouble) => return report.reflect_trouble = Some(trouble.to_string()),
    };
    let request = opened.request.clone();
    let mut link = Link::new(opened, MAX_RECEIVED);
    let until = Instant::now() + REFLECTION.max(visitor.timeout);
    while link.first_text().is_none() {
        if link.next(until).await.is_none() {
            break;
        }
    }
    match link.first_text().and_then(Reflected::parse) {
        Some(reflected) => report.changes = Some(reflected.changes(&request)),
        None => {
            report.reflect_trouble = Some("its first message is not a request in JSON".to_owned())
        }
    }
}

/// Sends messages to the application, as far as the flags ask for it.
async fn send_messages(
    visitor: &Visitor,
    flags: &CheckFlags,
    report: &mut Report,
    progress: &Progress,
) {
    let to = flags.url.endpoint();
    if flags.echo {
        progress.say("waiting for echoes");
        report.echo = Echoes::ask(visitor, to).await;
    }
    if let Some(word) = &flags.heartbeat_word {
        progress.say("sending the heartbeat's word");
        report.heartbeat_word = WordAnswer::ask(visitor, to, word).await;
    }
    if let Some(cap) = flags.max_message {
        progress.say("seeking the largest message");
        let largest = report.largest.insert(Largest::default());
        largest.seek(visitor, to, cap.bytes()).await;
    }
}

async fn stay_idle(
    visitor: &Visitor,
    to: &Endpoint,
    time: Duration,
    report: &mut Report,
    progress: &Progress,
) {
    progress.say(&format!(
        "saying nothing for {}; Ctrl-C tells what is known",
        time.show()
    ));
    if let Ok(opened) = visitor.open(to, &mut Way::default()).await {
        let idle = report.idle.insert(Idle::default());
        idle.watch(Link::new(opened, MAX_RECEIVED), time, visitor.timeout)
            .await;
    }
}
