//! The report for people.

use super::findings::{Level, Verdict};
use super::idle::Idle;
use super::messages::{Fate, Largest};
use super::page::{Colour, Page};
use super::report::Report;
use super::timing::Millis;

use crate::config::{ByteSize, Value as _};

const GOOD: (&str, Colour) = ("✓", Colour::Green);
const NOTE: (&str, Colour) = ("·", Colour::Dim);
const WARNING: (&str, Colour) = ("!", Colour::Yellow);
const BAD: (&str, Colour) = ("✗", Colour::Red);

/// The report as a page for a terminal.
pub(super) fn show(report: &Report, has_colour: bool) -> String {
    let mut page = Page::new(has_colour);
    page.heading(&format!("holdwire check {}", report.url));
    way(&mut page, report);
    agreed(&mut page, report);
    pings(&mut page, report);
    if report.agreed.is_some() {
        changes(&mut page, report);
        rules(&mut page, report);
    }
    messages(&mut page, report);
    if let Some(idle) = &report.idle {
        silence(&mut page, idle);
    }
    verdict(&mut page, report);
    page.into_text()
}

/// The mark of what may have a finding.
fn mark(report: &Report, id: &str) -> (&'static str, Colour) {
    let found = report.findings.iter().filter(|finding| finding.id == id);
    match found.map(|finding| finding.level).max() {
        None => GOOD,
        Some(level) => mark_of(level),
    }
}

fn mark_of(level: Level) -> (&'static str, Colour) {
    match level {
        Level::Note => NOTE,
        Level::Warning => WARNING,
        Level::Broken => BAD,
    }
}

fn way(page: &mut Page, report: &Report) {
    let way = &report.way;
    page.heading("The way there");
    let steps = [
        way.dialing.name_ms,
        way.dialing.tcp_ms,
        way.proxy_ms,
        way.tls_ms,
        way.upgrade_ms,
    ];
    let longest = steps.iter().flatten().max().copied().unwrap_or_default();
    let mut step = |label, took: Option<Millis>, text: &str| {
        if let Some(took) = took {
            let share = took.0.as_secs_f64() / longest.0.as_secs_f64().max(f64::MIN_POSITIVE);
            page.bar(label, &took.to_string(), share, text);
        }
    };
    let addresses = way
        .dialing
        .addresses
        .iter()
        .map(|address| address.ip().to_string());
    step(
        "name",
        way.dialing.name_ms,
        &addresses.collect::<Vec<_>>().join(", "),
    );
    let attempts = way
        .dialing
        .attempts
        .iter()
        .map(|attempt| match &*attempt.outcome {
            "connected" => attempt.address.to_string(),
            outcome => format!("{} {outcome}", attempt.address),
        });
    step(
        "TCP",
        way.dialing.tcp_ms,
        &attempts.collect::<Vec<_>>().join(", "),
    );
    step("proxy", way.proxy_ms, "tunnel");
    let tls = way.tls.as_ref();
    let tls = tls.map(|tls| {
        let alpn = tls.alpn.as_deref().unwrap_or("no ALPN");
        format!("{}, {}, {alpn}", tls.version, tls.cipher)
    });
    step("TLS", way.tls_ms, &tls.unwrap_or_default());
    let answer = match (&report.trouble, &report.agreed) {
        (_, Some(_)) => "101 Switching Protocols".to_owned(),
        (Some(no_connection), _) => no_connection
            .trouble
            .status()
            .map_or("no connection".to_owned(), |status| status.to_string()),
        _ => String::new(),
    };
    step("upgrade", way.upgrade_ms, &answer);
    if let Some(total) = way.total_ms {
        page.bar("together", &total.to_string(), 0.0, "");
    }
}

fn agreed(page: &mut Page, report: &Report) {
    let certificate = report
        .way
        .tls
        .as_ref()
        .and_then(|tls| tls.certificate.as_ref());
    if report.agreed.is_none() && certificate.is_none() {
        return;
    }
    page.heading("Agreed");
    if let Some(certificate) = certificate {
        let names = certificate.names.join(", ");
        let left = match certificate.days_left {
            days if days < 0 => format!("expired {} days ago", -days),
            days => format!("{days} days left"),
        };
        let mark = match &report.trouble {
            Some(no_connection) if no_connection.kind == "tls" => BAD,
            _ => mark(report, "certificate"),
        };
        page.marked_row(
            mark,
            "certificate",
            &format!("for {names}; {left}; by {}", certificate.issuer),
        );
    }
    let Some(agreed) = &report.agreed else { return };
    page.row("server", agreed.server.as_deref().unwrap_or("not named"));
    for (name, value) in &agreed.via {
        page.row(name, value);
    }
    let subprotocol = match (&agreed.subprotocol, agreed.offered.is_empty()) {
        (Some(name), _) => name.clone(),
        (None, true) => "none, none was offered".to_owned(),
        (None, false) => format!("none of {}", agreed.offered.join(", ")),
    };
    page.marked_row(
        if agreed.offered.is_empty() {
            (" ", Colour::None)
        } else {
            mark(report, "subprotocol")
        },
        "subprotocol",
        &subprotocol,
    );
    let deflate = match &agreed.extensions {
        Some(extensions) => extensions.as_str(),
        None => "none; the server declined permessage-deflate",
    };
    page.row("compression", deflate);
}

fn pings(page: &mut Page, report: &Report) {
    let Some(pings) = &report.pings else { return };
    page.heading("Pings");
    let mark = if pings.are_answered() && pings.ended.is_none() {
        GOOD
    } else {
        BAD
    };
    page.marked_row(
        mark,
        "answered",
        &format!("{} of {}", pings.times_ms.len(), pings.sent),
    );
    if let Some(ended) = &pings.ended {
        page.marked_row(BAD, "ended", &ended.in_words());
    }
    let Some(spread) = pings.spread_ms else {
        return;
    };
    page.row(
        "round trip",
        &format!(
            "min {}, median {}, p95 {}, max {}",
            spread.min, spread.median, spread.p95, spread.max
        ),
    );
    let most = pings
        .histogram_ms
        .iter()
        .map(|bucket| bucket.count)
        .max()
        .unwrap_or(0);
    if pings.times_ms.len() > 1 {
        for bucket in &pings.histogram_ms {
            let share = bucket.count as f64 / most.max(1) as f64;
            page.bar(
                "       ≥",
                &bucket.from.to_string(),
                share,
                &bucket.count.to_string(),
            );
        }
    }
}

fn changes(page: &mut Page, report: &Report) {
    page.heading("Changed on the way");
    let Some(changes) = &report.changes else {
        page.row("unknown", "no request was reflected; name a reflecting endpoint behind the same proxies by --reflect, such as /echo/headers of holdwire serve");
        return;
    };
    if changes.are_none() {
        page.marked_row(GOOD, "nothing", "the request came as it was sent");
    }
    if let Some(version) = changes.version.as_deref() {
        page.row("version", version);
    }
    if let Some(target) = &changes.target {
        page.marked_row(
            NOTE,
            "target",
            &format!("{} came as {}", target.sent, target.came),
        );
    }
    let kept_back = "(value kept back)";
    for field in &changes.added {
        let value = field.value.as_deref().unwrap_or(kept_back);
        page.marked_row(NOTE, "added", &format!("{}: {value}", field.name));
    }
    for field in &changes.removed {
        let mark = mark_of_field(report, &field.name);
        let value = field.value.as_deref().unwrap_or(kept_back);
        page.marked_row(mark, "taken out", &format!("{}: {value}", field.name));
    }
    for field in &changes.changed {
        page.marked_row(
            mark_of_field(report, &field.name),
            "changed",
            &format!(
                "{}: {} came as {}",
                field.name, field.change.sent, field.change.came
            ),
        );
    }
    if let Some(peer) = &changes.peer {
        page.row("seen as", peer);
    }
}

/// The mark of a field that did not come as it was sent.
fn mark_of_field(report: &Report, name: &str) -> (&'static str, Colour) {
    let id = match name {
        "host" => "proxy_host",
        "origin" => "proxy_origin",
        "sec-websocket-extensions" => "proxy_extensions",
        _ => return NOTE,
    };
    mark(report, id)
}

fn rules(page: &mut Page, report: &Report) {
    if report.version.is_none() && report.origin.is_none() && report.closing.is_none() {
        return;
    }
    page.heading("Rules");
    if let Some(closing) = &report.closing {
        let answer = match (closing.answered_ms, closing.code) {
            (Some(took), Some(code)) => format!("{} answered by {code} after {took}", closing.sent),
            (Some(took), None) => format!("{} answered without a code after {took}", closing.sent),
            (None, _) => format!("{} not answered", closing.sent),
        };
        let transport = match (closing.transport, closing.transport_ms) {
            (Some(super::link::End::Fin), Some(took)) => {
                format!("the server closed TCP after {took}")
            }
            (Some(end), Some(took)) => format!("after {took}: {}", end.in_words()),
            _ => "the server left TCP open".to_owned(),
        };
        page.marked_row(
            mark(report, "closing"),
            "closing",
            &format!("{answer}; {transport}"),
        );
    }
    if let Some(version) = &report.version {
        let answer = match (version.status, &version.supported) {
            (Some(status), Some(supported)) => {
                format!("{status}, Sec-WebSocket-Version: {supported}")
            }
            (Some(status), None) => status.to_string(),
            (None, _) => version.trouble.clone().unwrap_or_default(),
        };
        page.marked_row(mark(report, "wrong_version"), "version 99", &answer);
    }
    if let Some(origin) = &report.origin {
        let with = if origin.credentials {
            "with credentials"
        } else {
            "without cookies"
        };
        let answer = match (origin.status, &origin.closed) {
            (Some(101), Some(ending)) => format!("101, and at once {}", ending.in_words()),
            (Some(101), None) => format!("101: accepted, {with}"),
            (Some(status), _) => format!("{status}: refused"),
            (None, _) => origin.trouble.clone().unwrap_or_default(),
        };
        page.marked_row(mark(report, "foreign_origin"), "foreign Origin", &answer);
    }
}

fn messages(page: &mut Page, report: &Report) {
    if report.echo.is_none() && report.heartbeat_word.is_none() && report.largest.is_none() {
        return;
    }
    page.heading("Messages");
    if let Some(echoes) = &report.echo {
        let of = [
            ("text", Some(&echoes.text)),
            ("binary", Some(&echoes.binary)),
            ("compressed", echoes.compressed.as_ref()),
        ];
        for (name, fate) in of {
            match fate {
                Some(fate) => page.marked_row(fate_mark(fate), name, &fate.in_words()),
                None => page.row(name, "not tried: compression was not agreed on"),
            }
        }
    }
    if let Some(answer) = &report.heartbeat_word {
        page.marked_row(
            mark(report, "heartbeat_word"),
            &answer.word,
            &answer.fate.in_words(),
        );
    }
    if let Some(largest) = &report.largest {
        page.marked_row(
            mark(report, "max_message"),
            "largest",
            &largest_in_words(largest),
        );
    }
}

fn fate_mark(fate: &Fate) -> (&'static str, Colour) {
    match fate {
        Fate::Echoed(_) => GOOD,
        Fate::Taken => NOTE,
        _ => BAD,
    }
}

fn largest_in_words(largest: &Largest) -> String {
    let size = |bytes: usize| match ByteSize::parse(&bytes.to_string()) {
        Ok(size) if size.show() != bytes.to_string() => format!("{} ({bytes} bytes)", size.show()),
        _ => format!("{bytes} bytes"),
    };
    let refusal = match &largest.refusal {
        Some(ending) => ending.in_words(),
        None => "silence".to_owned(),
    };
    match (largest.accepted, largest.refused) {
        (Some(accepted), Some(refused)) => format!(
            "{} taken; {refused} bytes refused: {refusal}",
            size(accepted)
        ),
        (Some(accepted), None) => format!("{} taken, more was not tried", size(accepted)),
        (None, Some(refused)) => format!("even {refused} bytes refused: {refusal}"),
        (None, None) => largest
            .trouble
            .clone()
            .unwrap_or_else(|| "not known".to_owned()),
    }
}

fn silence(page: &mut Page, idle: &Idle) {
    page.heading("Silence");
    let silence = idle.silence_ms;
    let (mark, text) = match &idle.cut {
        Some(ending) if !idle.silently_cut => (
            WARNING,
            format!("cut after {silence} of silence: {}", ending.in_words()),
        ),
        _ if idle.silently_cut => (
            WARNING,
            format!("cut without a word within {silence}: a ping was not answered"),
        ),
        _ => match idle.alive_ms {
            Some(took) => (
                GOOD,
                format!(
                    "open after {}; a ping was answered after {took}",
                    idle.watched_ms
                ),
            ),
            None => (
                NOTE,
                format!("open after {} of {}", idle.watched_ms, idle.asked_ms),
            ),
        },
    };
    page.marked_row(mark, "cut-off", &text);
    let pings = match idle.pings_ms.as_slice() {
        [] => "none".to_owned(),
        [first] => format!("one, after {first}"),
        [first, .., last] => {
            let gaps = u32::try_from(idle.pings_ms.len() - 1).unwrap_or(u32::MAX);
            format!(
                "{}, the first after {first}, then every {} or so",
                idle.pings_ms.len(),
                Millis((last.0 - first.0) / gaps)
            )
        }
    };
    page.row("server's pings", &pings);
    if idle.messages > 0 {
        page.row("messages", &idle.messages.to_string());
    }
}

fn verdict(page: &mut Page, report: &Report) {
    if report.interrupted {
        page.heading("Interrupted: what follows is what was known by then");
    }
    let count = |level| {
        report
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let (mark, text) = match report.verdict {
        Verdict::Ok => (GOOD, "ok".to_owned()),
        Verdict::Warnings => (
            WARNING,
            match count(Level::Warning) {
                1 => "works, with a warning".to_owned(),
                warnings => format!("works, with {warnings} warnings"),
            },
        ),
        Verdict::Broken => (BAD, "broken".to_owned()),
        Verdict::Unknown => (NOTE, "unknown: there was no connection yet".to_owned()),
    };
    page.heading("Verdict");
    page.item(mark, &text, None);
    for finding in &report.findings {
        page.item(
            mark_of(finding.level),
            &finding.text,
            finding.advice.as_deref(),
        );
    }
}
