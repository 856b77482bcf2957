//! Runs one case on a connection of its own and compares what comes with what is expected.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::catalogue::{Agreement, Answer, Case, OnlyIf};
use super::extension::{Deflate, agreed};
use super::frame::{Action, masked_frame};
use super::line::{Arrival, Line, Pieces};
use super::reader::{Reader, Received, excerpt};
use super::response::{Reply, Response, read_response};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// What it needs was not agreed.
    NotApplicable,
    Failed(Mismatch),
}

/// Expected one thing, seen another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) seen: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            seen: seen.into(),
        }
    }
}

/// Runs a case against the server.
pub(crate) fn judge(case: &Case, server: SocketAddr) -> Verdict {
    match (Trial { case, server }).run() {
        Ok(verdict) => verdict,
        Err(mismatch) => Verdict::Failed(mismatch),
    }
}

struct Trial<'a> {
    case: &'a Case,
    server: SocketAddr,
}

/// What the opening handshake led to.
enum Opened {
    Open(Option<Deflate>),
    /// Answered as expected, and no WebSocket.
    Done,
}

impl Trial<'_> {
    fn run(&self) -> Result<Verdict, Mismatch> {
        let started = Instant::now();
        let mut line = Line::open(self.server)
            .map_err(|error| Mismatch::new("a TCP connection", error.to_string()))?;
        let mut request = Vec::new();
        for target in &self.case.earlier {
            let get = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.server);
            request.extend(get.into_bytes());
        }
        if !self.case.send.pipelined {
            line.send(&std::mem::take(&mut request));
            self.read_earlier(&mut line)?;
        }
        request.extend(self.case.request.bytes(self.server).map_err(unreadable)?);
        let mut actions = Vec::new();
        for step in &self.case.frames {
            actions.push(step.action().map_err(unreadable)?);
        }

        let mut first = vec![Action::Send(request)];
        if self.case.send.with_request {
            first.append(&mut actions);
        }
        let pieces = self.pieces(self.case.send.request_in);
        let opens = |opened: &Opened| matches!(opened, Opened::Open(_));
        let opened = while_sending(&mut line, &first, pieces, opens, |line| {
            if self.case.send.pipelined {
                self.read_earlier(line)?;
            }
            self.opening(line, started)
        })?;
        let Opened::Open(deflate) = opened else {
            return Ok(Verdict::Passed);
        };
        if !self.applies(deflate) {
            return Ok(Verdict::NotApplicable);
        }
        let mut reader = Reader::new(deflate);
        let pieces = self.pieces(self.case.send.frames_in);
        let goes_on = |(): &()| !self.ends();
        while_sending(&mut line, &actions, pieces, goes_on, |line| {
            self.answers(&mut reader, line)?;
            if self.ends() {
                self.end(&mut reader, line, started)?;
            }
            Ok(())
        })?;
        if !self.ends() {
            still_works(&mut reader, &mut line)?;
        }
        Ok(Verdict::Passed)
    }

    fn pieces(&self, size: Option<usize>) -> Pieces {
        Pieces {
            size,
            pause: Duration::from_millis(self.case.send.pause_ms),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.case.expect.within_ms)
    }

    fn ends(&self) -> bool {
        self.case.expect.or_end || !self.case.expect.close.is_empty()
    }

    fn applies(&self, deflate: Option<Deflate>) -> bool {
        let no_takeover = deflate.is_some_and(|it| it.client_no_context_takeover);
        match self.case.only_if {
            None => true,
            Some(OnlyIf::ClientNoContextTakeover) => no_takeover,
            Some(OnlyIf::ClientContextTakeover) => deflate.is_some() && !no_takeover,
        }
    }

    fn read_earlier(&self, line: &mut Line) -> Result<(), Mismatch> {
        for target in &self.case.earlier {
            match read_response(line, "GET", self.deadline()) {
                Reply::Response(response) if response.status == 200 => {}
                other => {
                    return Err(Mismatch::new(
                        format!("200 to the earlier GET {target}"),
                        told(&other),
                    ));
                }
            }
        }
        Ok(())
    }

    fn opening(&self, line: &mut Line, started: Instant) -> Result<Opened, Mismatch> {
        let expect = &self.case.expect;
        let mut expected = format!("status {}", one_of(&expect.status));
        if expect.or_end {
            expected.push_str(" or the end of TCP");
        }
        let reply = read_response(line, self.case.request.method(), self.deadline());
        if !expect.status.contains(&101) {
            self.not_too_early(started)?;
        }
        let response = match reply {
            Reply::End if expect.or_end => return Ok(Opened::Done),
            Reply::Response(response) if expect.status.contains(&response.status) => response,
            other => return Err(Mismatch::new(expected, told(&other))),
        };
        self.fields(&response)?;
        let offers = self.case.request.added("Sec-WebSocket-Extensions");
        let answer = response.field("Sec-WebSocket-Extensions");
        if response.status != 101 {
            self.rest_of_http(line)?;
            return Ok(Opened::Done);
        }
        let deflate = agreed(&offers, answer.as_deref())
            .map_err(|problem| Mismatch::new("an answer that fits the offer", problem))?;
        match (expect.extension, deflate) {
            (Agreement::Agreed, None) => Err(Mismatch::new(
                "permessage-deflate to be agreed",
                "no extension in the answer",
            )),
            (Agreement::Declined, Some(_)) => Err(Mismatch::new(
                "the extension to be declined",
                format!("Sec-WebSocket-Extensions: {}", answer.unwrap_or_default()),
            )),
            _ => Ok(Opened::Open(deflate)),
        }
    }

    /// What must hold for every response with its status, and what the case adds.
    fn fields(&self, response: &Response) -> Result<(), Mismatch> {
        let always: &[(&str, &str)] = match response.status {
            101 => &[("Upgrade", "websocket"), ("Connection", "upgrade")],
            405 => &[("Allow", "GET")],
            426 => &[
                ("Upgrade", "websocket"),
                ("Connection", "upgrade"),
                ("Sec-WebSocket-Version", "13"),
            ],
            _ => &[],
        };
        let of_case = self.case.expect.headers.iter();
        let accept = (response.status == 101
            && !self
                .case
                .expect
                .headers
                .contains_key("Sec-WebSocket-Accept"))
        .then_some(("Sec-WebSocket-Accept", EXAMPLE_ACCEPT));
        let wanted = always
            .iter()
            .copied()
            .chain(accept)
            .chain(of_case.map(|(name, value)| (name.as_str(), value.as_str())));
        for (name, value) in wanted {
            let exact = name == "Sec-WebSocket-Accept";
            let has = if exact {
                response.field(name).as_deref() == Some(value)
            } else {
                response.has(name, value)
            };
            if !has {
                return Err(Mismatch::new(
                    format!("{} with {name}: {value}", response.status),
                    format!("{:?}", response.fields),
                ));
            }
        }
        if let Some(name) = self.forbidden_field(response) {
            return Err(Mismatch::new(
                format!("{} without {name}", response.status),
                format!("{:?}", response.fields),
            ));
        }
        match &self.case.expect.body {
            Some(part) if !String::from_utf8_lossy(&response.body).contains(part) => Err(
                Mismatch::new(format!("a body with {part:?}"), excerpt(&response.body)),
            ),
            _ => Ok(()),
        }
    }

    /// A field that the case rules out, or a subprotocol that nobody offered (RFC 6455 §4.2.2).
    fn forbidden_field(&self, response: &Response) -> Option<String> {
        let mut absent = self.case.expect.absent.iter();
        if let Some(name) = absent.find(|name| response.field(name).is_some()) {
            return Some(name.clone());
        }
        let chosen = response.field("Sec-WebSocket-Protocol")?;
        let offers = self.case.request.added("Sec-WebSocket-Protocol");
        let offered = offers
            .iter()
            .flat_map(|line| line.split(','))
            .any(|offer| offer.trim() == chosen);
        (!offered).then(|| format!("Sec-WebSocket-Protocol: {chosen}"))
    }

    /// Reads the further responses that are expected, and sees that nothing else comes.
    fn rest_of_http(&self, line: &mut Line) -> Result<(), Mismatch> {
        for status in &self.case.expect.more {
            match read_response(line, "GET", self.deadline()) {
                Reply::Response(response) if response.status == *status => {}
                other => {
                    return Err(Mismatch::new(
                        format!("a further response with {status}"),
                        told(&other),
                    ));
                }
            }
        }
        if line.unread.is_empty() && line.more(Instant::now() + QUIET) != Arrival::Bytes {
            return Ok(());
        }
        Err(Mismatch::new(
            "nothing after the last response",
            excerpt(&line.unread),
        ))
    }

    fn answers(&self, reader: &mut Reader, line: &mut Line) -> Result<(), Mismatch> {
        for answer in &self.case.expect.answers {
            let wanted = match answer {
                Answer::Text(text) => Received::Text(text.bytes().map_err(unreadable)?),
                Answer::Binary(bytes) => Received::Binary(bytes.bytes().map_err(unreadable)?),
                Answer::Pong(payload) | Answer::LastPong(payload) => {
                    Received::Pong(payload.bytes().map_err(unreadable)?)
                }
            };
            loop {
                let seen = next(reader, line, self.deadline());
                if seen == wanted {
                    break;
                }
                let earlier_pong =
                    matches!((answer, &seen), (Answer::LastPong(_), Received::Pong(_)));
                if !earlier_pong {
                    return Err(Mismatch::new(wanted.to_string(), seen.to_string()));
                }
            }
        }
        Ok(())
    }

    /// Reads the Close frame that is expected and the end of TCP behind it.
    fn end(&self, reader: &mut Reader, line: &mut Line, started: Instant) -> Result<(), Mismatch> {
        let expect = &self.case.expect;
        let mut expected = match expect.close[..] {
            [] => String::new(),
            ref codes => format!("close {}", one_of(codes)),
        };
        if expect.or_end {
            expected.push_str(" or the end of TCP");
        }
        let seen = next(reader, line, self.deadline());
        self.not_too_early(started)?;
        match seen {
            Received::Close(code) if expect.close.contains(&code) => tcp_ends(reader, line),
            Received::End | Received::Broken(_) if expect.or_end => Ok(()),
            other => Err(Mismatch::new(expected, other.to_string())),
        }
    }

    fn not_too_early(&self, started: Instant) -> Result<(), Mismatch> {
        let least = Duration::from_millis(self.case.expect.after_ms);
        let passed = started.elapsed();
        if passed >= least {
            return Ok(());
        }
        Err(Mismatch::new(
            format!("no answer before {least:?}"),
            format!("one after {passed:?}"),
        ))
    }
}

/// Sends from a second thread while `read` judges what comes.
///
/// Then the rest is sent when the connection `goes_on`, and dropped with it when not.
fn while_sending<T>(
    line: &mut Line,
    actions: &[Action],
    pieces: Pieces,
    goes_on: impl Fn(&T) -> bool,
    read: impl FnOnce(&mut Line) -> Result<T, Mismatch>,
) -> Result<T, Mismatch> {
    let sender = line
        .sender()
        .map_err(|error| Mismatch::new("a descriptor for the sender", error.to_string()))?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| sender.run(actions, pieces, &stop));
        let result = read(line);
        if !result.as_ref().is_ok_and(goes_on) {
            stop.store(true, Ordering::Relaxed);
            line.cut();
        }
        result
    })
}

/// Sees that the connection still echoes and then closes in order (RFC 6455 §5.5.1, §7.1.1).
fn still_works(reader: &mut Reader, line: &mut Line) -> Result<(), Mismatch> {
    let wanted = Received::Text(STILL_HERE.to_vec());
    line.send(&masked_frame(0x81, STILL_HERE));
    let seen = next(reader, line, Instant::now() + PATIENCE);
    if seen != wanted {
        return Err(Mismatch::new(
            format!("{wanted}, for the connection goes on"),
            seen.to_string(),
        ));
    }
    line.send(&masked_frame(0x88, &1000_u16.to_be_bytes()));
    match next(reader, line, Instant::now() + PATIENCE) {
        Received::Close(1000) => tcp_ends(reader, line),
        other => Err(Mismatch::new("close 1000", other.to_string())),
    }
}

fn tcp_ends(reader: &mut Reader, line: &mut Line) -> Result<(), Mismatch> {
    match reader.next(line, Instant::now() + END_OF_TCP) {
        Received::End | Received::Broken(_) => Ok(()),
        other => Err(Mismatch::new(
            "the end of TCP after the Close frame",
            other.to_string(),
        )),
    }
}

/// What comes next; the server may ping at any time, that is no answer.
fn next(reader: &mut Reader, line: &mut Line, deadline: Instant) -> Received {
    loop {
        match reader.next(line, deadline) {
            Received::Ping(_) => {}
            other => return other,
        }
    }
}

fn told(reply: &Reply) -> String {
    match reply {
        Reply::Response(response) => format!("status {}", response.status),
        Reply::End => "the end of TCP".to_owned(),
        Reply::Odd(problem) => problem.clone(),
    }
}

fn one_of(numbers: &[u16]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
    numbers.join(" or ")
}

fn unreadable(problem: String) -> Mismatch {
    Mismatch::new("a case that can be read", problem)
}

const EXAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; // RFC 6455 §1.3
const STILL_HERE: &[u8] = b"still here";
const PATIENCE: Duration = Duration::from_secs(5);
/// The server half-closes right after its Close frame; the rest is for a busy machine.
const END_OF_TCP: Duration = Duration::from_secs(4);
/// How long nothing may come after the last response.
const QUIET: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests;
