//! Inputs that are bad by their number: many connections, endless frames, bombs.
//!
//! Each must be answered by the rule, and all of them together must not move the server's memory
//! beyond the bound.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::extension::agreed;
use super::frame::masked_frame;
use super::judge::{Mismatch, Verdict};
use super::line::Line;
use super::payload::compressed;
use super::process::{Memory, get_is_ok};
use super::reader::{Reader, Received};
use super::response::{Reply, Response, read_response};

/// The group's name on the command line.
pub(crate) const GROUP: &str = "process";

/// One flood.
#[derive(Debug)]
pub(crate) struct Flood {
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    act: fn(SocketAddr) -> Result<(), Mismatch>,
}

impl Flood {
    /// Runs the flood, then looks at the memory and whether the server still works.
    pub(crate) fn run(&self, server: SocketAddr, memory: &mut Memory) -> Verdict {
        let done = (self.act)(server).and_then(|()| {
            let mut witness = open(server, "")?;
            witness.line.send(&masked_frame(0x81, b"witness"));
            witness.expect(|it| *it == Received::Text(b"witness".to_vec()), "an echo")
        });
        match done {
            Ok(()) => memory_verdict(memory),
            Err(mismatch) => Verdict::Failed(mismatch),
        }
    }
}

/// All floods, in the order they run.
pub(crate) const FLOODS: &[Flood] = &[
    Flood {
        name: "2,000 connections each declare a frame of the largest legal size and send a few bytes of it",
        section: "holdwire: nothing is reserved from a declared length",
        act: declared_frames,
    },
    Flood {
        name: "200 connections each declare a frame of 2^40 bytes",
        section: "RFC 6455 §7.4.1",
        act: |server| {
            let frame = [0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4];
            each_closes(server, "", 200, &frame, 1009)
        },
    },
    Flood {
        name: "16 connections each send a message that inflates to 256 MiB",
        section: "RFC 7692 §8",
        act: bombs,
    },
    Flood {
        name: "8 connections each send 200,000 empty fragments",
        section: "holdwire: limits, 4,096 fragments a message, empty ones counted",
        act: |server| {
            let mut frames = masked_frame(0x01, b"");
            frames.extend(masked_frame(0x00, b"").repeat(200_000));
            each_closes(server, "", 8, &frames, 1008)
        },
    },
    Flood {
        name: "8 connections send pings and never read the pongs",
        section: "holdwire: when 16 pongs wait unsent the newest replaces the rest",
        act: |server| unread(server, &masked_frame(0x89, &[b'p'; 125]).repeat(500)),
    },
    Flood {
        name: "8 connections send messages of 64 KiB and never read the echoes",
        section: "holdwire: limits, send queue 1 MiB, and a blocked echo pauses reading",
        act: |server| unread(server, &masked_frame(0x82, &[b'b'; 64 * 1024])),
    },
    Flood {
        name: "1,000 handshakes hang after their first line, and one that does not is served at once",
        section: "holdwire: limits, 10 s for the request head",
        act: hanging_handshakes,
    },
];

/// Compares the peak so far with the bound.
pub(crate) fn memory_verdict(memory: &mut Memory) -> Verdict {
    match memory.check() {
        Ok(()) => Verdict::Passed,
        Err(seen) => Verdict::Failed(Mismatch::new("memory within the bound", seen)),
    }
}

fn declared_frames(server: SocketAddr) -> Result<(), Mismatch> {
    let mut frame = vec![0x82, 0xff]; // binary, masked, a length in 64 bits
    frame.extend(LARGEST_MESSAGE.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend([b'x'; 64]);
    let mut open_ones = Vec::new();
    for _ in 0..2_000 {
        match handshake(server, "")? {
            Handshake::Open(mut peer) => {
                peer.line.send(&frame);
                open_ones.push(peer);
            }
            // A limit of connections is an answer too, as long as it is told as one.
            Handshake::Refused(response) if matches!(response.status, 429 | 503) => {}
            Handshake::Refused(response) => return Err(refused(&response)),
        }
    }
    if open_ones.is_empty() {
        return Err(Mismatch::new("connections that open", "none did"));
    }
    std::thread::sleep(Duration::from_millis(500));
    Ok(())
}

fn bombs(server: SocketAddr) -> Result<(), Mismatch> {
    let unreadable = |problem: String| Mismatch::new("a bomb", problem);
    let piece = compressed(&vec![0; 1 << 20]).map_err(unreadable)?;
    let mut bomb = Vec::new();
    for _ in 0..256 {
        bomb.extend(&piece);
        bomb.extend([0x00, 0x00, 0xff, 0xff]); // the end of each sync flush
    }
    let frame = masked_frame(0xc2, &bomb);
    each_closes(server, "permessage-deflate", 16, &frame, 1009)
}

/// Opens connections, sends the same on each, and wants the same close code from each.
fn each_closes(
    server: SocketAddr,
    extension: &str,
    count: usize,
    frames: &[u8],
    code: u16,
) -> Result<(), Mismatch> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(open(server, extension)?);
    }
    let mut results = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = peers
            .chunks_mut(count.div_ceil(8))
            .map(|chunk| {
                scope.spawn(move || {
                    chunk.iter_mut().try_for_each(|peer| {
                        peer.line.send(frames);
                        let wanted = format!("close {code}");
                        peer.expect(|it| *it == Received::Close(code), &wanted)
                    })
                })
            })
            .collect();
        results.extend(workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Mismatch::new("a verdict", "the runner's thread died")))
        }));
    });
    results.into_iter().collect()
}

/// Sends on each connection until the server takes no more, and reads nothing.
fn unread(server: SocketAddr, frames: &[u8]) -> Result<(), Mismatch> {
    let mut peers = Vec::new();
    for _ in 0..8 {
        peers.push(open(server, "")?);
    }
    std::thread::scope(|scope| {
        for peer in &mut peers {
            scope.spawn(|| {
                peer.line
                    .flood(frames, UNREAD_LIMIT, Duration::from_secs(1))
            });
        }
    });
    Ok(())
}

fn hanging_handshakes(server: SocketAddr) -> Result<(), Mismatch> {
    let mut hanging = Vec::new();
    for _ in 0..1_000 {
        let mut line = open_line(server)?;
        line.send(b"GET /echo HTTP/1.1\r\n");
        hanging.push(line);
    }
    let asked = Instant::now();
    if !get_is_ok(server, "/health/live") || asked.elapsed() > Duration::from_secs(2) {
        return Err(Mismatch::new(
            "200 to GET /health/live within 2 s",
            format!("none within {:?}", asked.elapsed()),
        ));
    }
    open(server, "")?;
    let deadline = Instant::now() + Duration::from_secs(15);
    for line in &mut hanging {
        match read_response(line, "GET", deadline) {
            Reply::End => {}
            Reply::Response(response) if response.status == 408 => {}
            Reply::Response(response) => return Err(refused(&response)),
            Reply::Odd(problem) => return Err(Mismatch::new("408 or the end of TCP", problem)),
        }
    }
    Ok(())
}

/// An open WebSocket on `/echo`.
struct Peer {
    line: Line,
    reader: Reader,
}

enum Handshake {
    Open(Peer),
    Refused(Response),
}

impl Peer {
    fn expect(&mut self, is_it: impl Fn(&Received) -> bool, wanted: &str) -> Result<(), Mismatch> {
        let seen = self
            .reader
            .next(&mut self.line, Instant::now() + FLOOD_PATIENCE);
        if is_it(&seen) {
            return Ok(());
        }
        Err(Mismatch::new(wanted, seen.to_string()))
    }
}

fn open(server: SocketAddr, extension: &str) -> Result<Peer, Mismatch> {
    match handshake(server, extension)? {
        Handshake::Open(peer) => Ok(peer),
        Handshake::Refused(response) => Err(refused(&response)),
    }
}

fn handshake(server: SocketAddr, extension: &str) -> Result<Handshake, Mismatch> {
    let mut line = open_line(server)?;
    let mut request = format!(
        "GET /echo HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    );
    if !extension.is_empty() {
        request.push_str(&format!("Sec-WebSocket-Extensions: {extension}\r\n"));
    }
    request.push_str("\r\n");
    line.send(request.as_bytes());
    let response = match read_response(&mut line, "GET", Instant::now() + FLOOD_PATIENCE) {
        Reply::Response(response) if response.status == 101 => response,
        Reply::Response(response) => return Ok(Handshake::Refused(response)),
        Reply::End => return Err(Mismatch::new("status 101", "the end of TCP")),
        Reply::Odd(problem) => return Err(Mismatch::new("status 101", problem)),
    };
    let answer = response.field("Sec-WebSocket-Extensions");
    let deflate = agreed(&[extension.to_owned()], answer.as_deref())
        .map_err(|problem| Mismatch::new("an answer that fits the offer", problem))?;
    if deflate.is_none() && !extension.is_empty() {
        return Err(Mismatch::new(extension, "no extension in the answer"));
    }
    Ok(Handshake::Open(Peer {
        line,
        reader: Reader::new(deflate),
    }))
}

fn open_line(server: SocketAddr) -> Result<Line, Mismatch> {
    Line::open(server).map_err(|error| Mismatch::new("a TCP connection", error.to_string()))
}

fn refused(response: &Response) -> Mismatch {
    Mismatch::new("another answer", format!("status {}", response.status))
}

const LARGEST_MESSAGE: u64 = 1 << 20; // holdwire's default limit
const UNREAD_LIMIT: usize = 64 << 20;
const FLOOD_PATIENCE: Duration = Duration::from_secs(20);
