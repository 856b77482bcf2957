//! What the facts mean, and what to do about them.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::connect::remedy_for;

use super::idle::Idle;
use super::messages::{Fate, Largest};
use super::pings::Ending;
use super::reflection::Changes;
use super::refusals::{OriginAnswer, VersionAnswer};
use super::report::Report;
use super::trouble::Trouble;

/// Something worth saying about a server.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// A word for it that does not change.
    pub(super) id: &'static str,
    pub(super) level: Level,
    /// What it is.
    pub(super) text: String,
    /// What to do, in one line.
    pub(super) advice: Option<String>,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// Good to know.
    Note,
    /// It works, and may hurt.
    Warning,
    /// It does not work.
    Broken,
}

/// All findings in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    Warnings,
    Broken,
    /// The check was ended before there was a connection.
    Unknown,
}

impl Verdict {
    pub(super) fn of(report: &Report) -> Self {
        match report.findings.iter().map(|finding| finding.level).max() {
            Some(Level::Broken) => Self::Broken,
            _ if report.agreed.is_none() => Self::Unknown,
            Some(Level::Warning) => Self::Warnings,
            Some(Level::Note) | None => Self::Ok,
        }
    }

    /// Whether the server can be worked with.
    pub(super) fn is_sound(self) -> bool {
        matches!(self, Self::Ok | Self::Warnings)
    }
}

/// A certificate that ends sooner is a warning.
const DAYS_TO_RENEW: i64 = 14;

/// An upgrade that takes longer is a warning.
const SLOW_UPGRADE: Duration = Duration::from_secs(1);

/// The findings, the worst first.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let mut all = Findings(Vec::new());
    all.way(report);
    all.pings(report);
    if let Some(changes) = &report.changes {
        all.changes(changes);
    }
    if let Some(trouble) = &report.reflect_trouble {
        let advice = "name an endpoint such as /echo/headers of holdwire serve";
        all.warn(
            "reflect",
            format!("--reflect told nothing: {trouble}"),
            advice,
        );
    }
    if let Some(version) = &report.version {
        all.version(version);
    }
    if let Some(origin) = &report.origin {
        all.origin(
            origin,
            report
                .agreed
                .as_ref()
                .is_some_and(|agreed| agreed.sets_cookie),
        );
    }
    all.closing(report);
    all.messages(report);
    if let Some(largest) = &report.largest {
        all.largest(largest);
    }
    if let Some(idle) = &report.idle {
        all.idle(idle);
    }
    let mut findings = all.0;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, id: &'static str, text: impl Into<String>, advice: &str) {
        self.0.push(Finding {
            id,
            level,
            text: text.into(),
            advice: (!advice.is_empty()).then(|| advice.to_owned()),
        });
    }

    fn note(&mut self, id: &'static str, text: impl Into<String>, advice: &str) {
        self.add(Level::Note, id, text, advice);
    }

    fn warn(&mut self, id: &'static str, text: impl Into<String>, advice: &str) {
        self.add(Level::Warning, id, text, advice);
    }

    fn broken(&mut self, id: &'static str, text: impl Into<String>, advice: &str) {
        self.add(Level::Broken, id, text, advice);
    }

    fn way(&mut self, report: &Report) {
        let way = &report.way;
        let days = way.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let days = days.map(|certificate| certificate.days_left);
        if let Some(no_connection) = &report.trouble {
            let (text, trouble) = (no_connection.text.clone(), &no_connection.trouble);
            return self.broken(trouble.id(), text, remedy(trouble, days));
        }
        match days {
            Some(days) if days < 0 => {
                self.broken(
                    "certificate",
                    format!("the certificate expired {} days ago", -days),
                    "renew it",
                );
            }
            Some(days) if days < DAYS_TO_RENEW => {
                self.warn(
                    "certificate",
                    format!("the certificate expires in {days} days"),
                    "renew it, and let that happen by itself",
                );
            }
            _ => {}
        }
        let Some(agreed) = &report.agreed else { return };
        let connected = way
            .dialing
            .connected
            .map(|address| address.ip().to_canonical());
        let is_near = connected.is_none_or(|ip| match ip {
            std::net::IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
            std::net::IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
        });
        if !report.is_secure && !is_near {
            self.warn(
                "plain",
                "ws:// is readable and changeable on the way",
                "use wss://; proxies between let it pass more often, too",
            );
        }
        if !connected.is_some_and(|ip| ip.is_loopback()) {
            let failed = way.dialing.attempts.iter();
            let mut failed =
                failed.filter(|attempt| !["connected", "slower"].contains(&&*attempt.outcome));
            if let Some(attempt) = failed.next() {
                self.note(
                    "address",
                    format!("{} does not work: {}", attempt.address, attempt.outcome),
                    "let the server listen there, or take the address out of the DNS",
                );
            }
        }
        if way.upgrade_ms.is_some_and(|took| took.0 > SLOW_UPGRADE) {
            let took = way.upgrade_ms.unwrap_or_default();
            self.warn(
                "slow_upgrade",
                format!("the server took {took} to answer the handshake"),
                "see what it does before it accepts: every return after a drop pays for it",
            );
        }
        if !agreed.offered.is_empty() && agreed.subprotocol.is_none() {
            self.warn(
                "subprotocol",
                "the server picked none of the subprotocols offered",
                "a browser fails such a connection: offer one that the server knows, or none",
            );
        }
    }

    fn pings(&mut self, report: &Report) {
        let Some(pings) = &report.pings else { return };
        match &pings.ended {
            Some(ending) => {
                let text = format!(
                    "the server ended the connection by itself: {}",
                    ending.in_words()
                );
                self.broken("ended", text, after_end(ending));
            }
            None if !pings.are_answered() && !report.interrupted => {
                let text = format!(
                    "a ping was not answered (RFC 6455 §5.5.2); {} before it were",
                    pings.times_ms.len()
                );
                self.broken(
                    "ping",
                    text,
                    "mend the server: without pongs no heartbeat can tell a dead line",
                );
            }
            None => {}
        }
    }

    fn changes(&mut self, changes: &Changes) {
        if changes.are_none() {
            return;
        }
        if let Some(version) = changes
            .version
            .as_deref()
            .filter(|version| *version != "HTTP/1.1")
        {
            self.warn(
                "proxy_version",
                format!("the server was spoken to in {version}"),
                "let the proxy use HTTP/1.1 (nginx: proxy_http_version 1.1)",
            );
        }
        let forwards_host = changes
            .added
            .iter()
            .any(|field| ["x-forwarded-host", "forwarded"].contains(&&*field.name));
        if let Some((sent, came)) = changes.of("host") {
            let text = format!("Host was {sent} and came as {}", came.unwrap_or("nothing"));
            let advice = "let the proxy pass it on (nginx: proxy_set_header Host $http_host)";
            match forwards_host {
                true => self.note(
                    "proxy_host",
                    format!("{text}, with the first one in another field"),
                    "let the server trust that proxy (holdwire serve: --trusted-proxy)",
                ),
                false => self.warn(
                    "proxy_host",
                    format!("{text}: rules of same origin fail"),
                    advice,
                ),
            }
        }
        if let Some((_, came)) = changes.of("origin") {
            let what = if came.is_some() {
                "changed"
            } else {
                "taken out"
            };
            self.warn(
                "proxy_origin",
                format!("Origin was {what} on the way"),
                "let the proxy pass it on, else the server cannot tell whose page asks",
            );
        }
        if let Some((_, came)) = changes.of("sec-websocket-extensions") {
            let what = if came.is_some() {
                "changed"
            } else {
                "taken out"
            };
            self.warn(
                "proxy_extensions",
                format!("the offer of compression was {what} on the way"),
                "let the proxy pass Sec-WebSocket-Extensions on, or do without compression",
            );
        }
        if changes.of("sec-websocket-key").is_some() {
            self.note(
                "proxy_terminates",
                "something between speaks WebSocket itself: the server saw another key",
                "its limits and timeouts count, too",
            );
        }
    }

    fn version(&mut self, answer: &VersionAnswer) {
        match (answer.status, &answer.supported) {
            (Some(426), Some(_)) => {}
            (Some(101), _) => self.warn(
                "wrong_version",
                "the server accepts version 99, which does not exist (RFC 6455 §4.4)",
                "let it refuse other versions than 13 with 426 and Sec-WebSocket-Version: 13",
            ),
            (Some(status), Some(_)) => self.note(
                "wrong_version",
                format!("a wrong version is refused with {status}; 426 is meant for it"),
                "",
            ),
            (Some(status), None) => self.note(
                "wrong_version",
                format!("a wrong version is refused with {status}, and the right one is not named"),
                "let the refusal say Sec-WebSocket-Version: 13 (RFC 6455 §4.2.2)",
            ),
            (None, _) => self.note(
                "wrong_version",
                format!(
                    "a wrong version got no answer: {}",
                    answer.trouble.as_deref().unwrap_or("none")
                ),
                "let it be refused with 426 and Sec-WebSocket-Version: 13",
            ),
        }
    }

    fn origin(&mut self, answer: &OriginAnswer, sets_cookie: bool) {
        if answer.is_accepted() {
            if answer.credentials || answer.sets_cookie || sets_cookie {
                self.warn("foreign_origin", "a page of any site may connect with the visitor's cookies, and act and read as the visitor", "let the server check Origin before its 101, or ask for a token that only its own pages have");
            } else {
                self.note("foreign_origin", "a page of any site may connect, which harms nobody as long as no cookie tells the server who it is", "to see the answer with a cookie add --header 'Cookie: …'");
            }
        } else if let Some(trouble) = &answer.trouble {
            self.note(
                "foreign_origin",
                format!("a foreign Origin got no answer: {trouble}"),
                "a refusal says 403",
            );
        }
    }

    fn closing(&mut self, report: &Report) {
        let Some(closing) = &report.closing else {
            return;
        };
        match (closing.answered_ms, closing.code) {
            (None, _) => self.warn(
                "closing",
                "the Close frame was not answered (RFC 6455 §5.5.1)",
                "let the server answer it: clients wait for that, or show 1006",
            ),
            (Some(_), Some(code)) if code != closing.sent => self.note(
                "closing",
                format!("code {} was answered by {code}", closing.sent),
                "a server usually sends the code back",
            ),
            (Some(_), None) => {
                self.note("closing", "the Close frame was answered without a code", "")
            }
            (Some(_), Some(_)) if closing.transport.is_none() => self.note(
                "closing",
                "the server leaves it to the client to close TCP (RFC 6455 §7.1.1)",
                "let it close first: else the client keeps the port for minutes",
            ),
            _ => {}
        }
    }

    fn messages(&mut self, report: &Report) {
        if let Some(echoes) = &report.echo {
            let of = [
                ("text", Some(&echoes.text)),
                ("binary", Some(&echoes.binary)),
                ("compressed", echoes.compressed.as_ref()),
            ];
            for (name, fate) in of {
                match fate {
                    None | Some(Fate::Echoed(_)) => {}
                    Some(Fate::Taken) => self.note(
                        "echo",
                        format!("the {name} message did not come back"),
                        "this may be no echo: leave out --echo",
                    ),
                    Some(fate) => self.broken(
                        "echo",
                        format!("the {name} message: {}", fate.in_words()),
                        "see the server's log; something between may break messages",
                    ),
                }
            }
        }
        if let Some(answer) = report
            .heartbeat_word
            .as_ref()
            .filter(|answer| !matches!(answer.fate, Fate::Echoed(_)))
        {
            self.warn(
                "heartbeat_word",
                format!(
                    "the text {:?} is not answered: {}",
                    answer.word,
                    answer.fate.in_words()
                ),
                "a page that counts on it would reconnect without end; use another word, or pings",
            );
        }
    }

    fn largest(&mut self, largest: &Largest) {
        if let Some(trouble) = &largest.trouble {
            return self.warn(
                "max_message",
                format!("the largest message was not found: {trouble}"),
                "try again; the server may limit connections",
            );
        }
        if largest.unanswered {
            self.warn(
                "max_message",
                "a message that is too large is answered by silence",
                "let the server close with 1009, so that the client knows",
            );
        } else if let Some(ending) = largest
            .refusal
            .as_ref()
            .filter(|ending| ending.code != Some(1009))
        {
            self.note(
                "max_message",
                format!(
                    "a message that is too large ends the connection otherwise than with 1009: {}",
                    ending.in_words()
                ),
                "let the server close with 1009, and read on until the client has seen it",
            );
        }
    }

    fn idle(&mut self, idle: &Idle) {
        let silence = idle.silence_ms;
        let heartbeat = format!("send a ping, or let the server, more often than every {silence}");
        match &idle.cut {
            _ if idle.silently_cut => self.warn(
                "idle",
                format!("after {silence} of silence the line was dead without a word"),
                &format!("{heartbeat}; without a heartbeat nobody notices"),
            ),
            Some(ending) => self.warn(
                "idle",
                format!(
                    "the connection was cut after {silence} of silence: {}",
                    ending.in_words()
                ),
                &heartbeat,
            ),
            None if idle.pings_ms.is_empty() && idle.alive_ms.is_some() => {
                self.note(
                    "idle",
                    format!("nobody said anything for {silence}, the server sent no ping"),
                    "it may not notice that a client is gone: let the client or the server ping",
                );
            }
            None => {}
        }
    }
}

impl Ending {
    /// How the server ended a connection, in words.
    pub(super) fn in_words(&self) -> String {
        let reason = match self.reason.as_str() {
            "" => String::new(),
            reason => format!(" {reason:?}"),
        };
        let transport = self.transport.map_or("", super::link::End::in_words);
        match (self.close_frame, self.code) {
            (true, Some(code)) => format!("close code {code}{reason}"),
            (true, None) => "a Close frame without a code".to_owned(),
            (false, _) => transport.to_owned(),
        }
    }
}

impl super::link::End {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Fin => "TCP was closed (FIN) without a Close frame",
            Self::Reset => "TCP was reset (RST)",
            Self::Failed(std::io::ErrorKind::TimedOut) => "TCP gave up: nobody answers any more",
            Self::Failed(_) => "TCP failed",
            Self::Violation(violation) => violation.reason(),
        }
    }
}

impl Fate {
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Echoed(took) => format!("came back after {took}"),
            Self::Changed => "came back changed".to_owned(),
            Self::Taken => "was taken and did not come back".to_owned(),
            Self::Ended(ending) => format!("ended the connection: {}", ending.in_words()),
            Self::Unanswered => "was answered by silence, and so was a ping".to_owned(),
        }
    }
}

fn after_end(ending: &Ending) -> &'static str {
    match ending.code {
        Some(1008 | 3000..=3999 | 4000..=4999) => {
            "it may want credentials (--header) or another Origin (--origin); see its log"
        }
        Some(1012 | 1013) => "it asks to come back later",
        _ => "see the server's log",
    }
}

/// What can be done where there is no connection.
fn remedy(trouble: &Trouble, days_left: Option<i64>) -> &'static str {
    match trouble {
        Trouble::Name(_) => "see whether the host is spelled right",
        Trouble::Connect(_) => {
            "see whether the server runs there, and whether a firewall lets the port through"
        }
        Trouble::Proxy(_) => {
            "see whether the proxy is right, wants credentials, and may reach this port"
        }
        Trouble::Tls(_) if days_left.is_some_and(|days| days < 0) => {
            "renew the certificate: it has expired"
        }
        Trouble::Tls(_) => {
            "see whether this port speaks TLS and the certificate is for this host; trust its authority with --cacert"
        }
        Trouble::Refused(refusal) => match refusal.status {
            StatusCode::BAD_REQUEST
            | StatusCode::UPGRADE_REQUIRED
            | StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
                "if a proxy stands between, let it use HTTP/1.1 and pass Upgrade and Connection on \
                 (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection upgrade)"
            }
            status => remedy_for(status, &refusal.headers),
        },
        Trouble::Violation(_) => "mend the server, or the proxy that answers in its place",
        Trouble::Late(_) | Trouble::Lost(_) | Trouble::Malformed(_) => {
            "see whether this is the right port, ws or wss, and what the server's log says"
        }
    }
}
