//! Two connections joined by a wire that the test owns, with the test's own clock.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod wire;

use std::time::Duration;

use holdwire_proto::bytes::Buf;
use holdwire_proto::time::Tick;
use holdwire_proto::{
    CloseCode, Config, Connection, Context, Ended, Event, Flow, Message, Output, Role, Scratch,
    Sender, Violation,
};

/// What an endpoint was handed, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.into_owned()),
            Event::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Event::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Event::Close(closing) => Self::Close(
                closing.code.map(CloseCode::value),
                closing.reason.to_owned(),
            ),
        }
    }
}

pub fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

const START: Tick = Tick::from_millis(1000);

/// One end: a connection, what it was handed, and what it wants to write.
pub struct Endpoint {
    pub connection: Connection,
    pub config: Config,
    pub now: Tick,
    pub output: Output,
    pub scratch: Scratch,
    pub seen: Vec<Seen>,
    /// The handler pauses after each message.
    pub pauses: bool,
    /// Bit by bit, for ever: whether the handler pauses after the next event.
    pub pause_pattern: u64,
    /// The handler sends every message back.
    pub echoes: bool,
    /// The application has not seen everything that the handler took.
    pub has_unseen: bool,
    half_closed: bool,
}

/// A fresh endpoint of each role.
pub fn both() -> [Endpoint; 2] {
    [Endpoint::server(), Endpoint::client()]
}

/// Both roles, with this configuration.
pub fn both_with(config: &Config) -> [Endpoint; 2] {
    [Role::Server, Role::Client].map(|role| Endpoint::new(role, config.clone()))
}

/// Sees that `end` took the frames for this violation, told the peer, and hands on nothing more.
#[track_caller]
pub fn assert_refused(end: &mut Endpoint, violation: Violation, close_code: u16) {
    let role = end.connection.role();
    let ended = end.connection.ended();
    assert_eq!(ended, Some(Ended::Violation(violation)), "{role:?}");
    assert_eq!(violation.close_code().value(), close_code);
    let said = end.says();
    let last = *wire::split(&said).last().expect("a Close frame");
    assert!(
        last[0] == 0x88 && last[2..4] == close_code.to_be_bytes(),
        "{role:?} said {said:02x?}"
    );
    let seen = end.seen.len();
    end.hears(b"\x81\x04late");
    assert_eq!(end.seen.len(), seen, "{role:?} hands on what follows");
}

/// Both roles refuse these frames, whether they come at once or byte by byte.
#[track_caller]
pub fn both_refuse(frames: &[u8], violation: Violation, close_code: u16) {
    for mut end in both() {
        end.hears(frames);
        assert_refused(&mut end, violation, close_code);
    }
    for mut end in both() {
        let bytes = wire::to(end.connection.role(), frames);
        end.receive_bytewise(&bytes);
        assert_refused(&mut end, violation, close_code);
    }
}

/// Both roles are handed these events, whether the frames come at once or byte by byte.
#[track_caller]
pub fn both_see(frames: &[u8], expected: &[Seen]) {
    for mut end in both() {
        end.hears(frames);
        assert_eq!(end.seen, expected, "{:?}", end.connection.role());
    }
    for mut end in both() {
        let bytes = wire::to(end.connection.role(), frames);
        end.receive_bytewise(&bytes);
        assert_eq!(end.seen, expected, "{:?} bytewise", end.connection.role());
    }
}

impl Endpoint {
    pub fn new(role: Role, config: Config) -> Self {
        Self::with_keys(role, config, 0)
    }

    /// An endpoint whose random bytes differ from another's.
    pub fn with_keys(role: Role, config: Config, seed: u32) -> Self {
        let mut key = seed.wrapping_mul(0x85eb_ca6b);
        let keys = move || {
            key = key.wrapping_add(0x9e37_79b9);
            key.to_be_bytes()
        };
        Self {
            connection: Connection::new(role),
            config,
            now: START,
            output: Output::default(),
            scratch: Scratch::new(Box::new(keys)),
            seen: Vec::new(),
            pauses: false,
            pause_pattern: 0,
            echoes: false,
            has_unseen: false,
            half_closed: false,
        }
    }

    pub fn server() -> Self {
        Self::new(Role::Server, Config::default())
    }

    pub fn client() -> Self {
        Self::new(Role::Client, Config::default())
    }

    /// Lends the connection its context and runs `act`.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Connection, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            now: self.now,
            config: &self.config,
            output: &mut self.output,
            scratch: &mut self.scratch,
        };
        act(&mut self.connection, &mut cx)
    }

    fn deliver(&mut self, act: impl FnOnce(&mut Connection, &mut Context<'_>, &mut Recorder<'_>)) {
        let mut recorder = Recorder {
            seen: &mut self.seen,
            pauses: self.pauses,
            pause_pattern: &mut self.pause_pattern,
            echoes: self.echoes,
            has_unseen: self.has_unseen,
        };
        let mut cx = Context {
            now: self.now,
            config: &self.config,
            output: &mut self.output,
            scratch: &mut self.scratch,
        };
        act(&mut self.connection, &mut cx, &mut recorder);
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        let mut input = bytes.to_vec();
        self.deliver(|connection, cx, recorder| connection.receive(&mut input, cx, recorder));
    }

    /// Receives frames that are written down without masks, masked if this role expects it.
    pub fn hears(&mut self, frames: &[u8]) {
        let bytes = wire::to(self.connection.role(), frames);
        self.receive(&bytes);
    }

    /// What was sent, without its masks; each frame is masked as the role demands.
    pub fn says(&mut self) -> Vec<u8> {
        let bytes = self.written();
        wire::from(self.connection.role(), &bytes)
    }

    pub fn receive_shared(&mut self, bytes: &[u8]) {
        self.deliver(|connection, cx, recorder| connection.receive_shared(bytes, cx, recorder));
    }

    /// Receives as a driver does that reads long frames into their place, as often as it takes.
    pub fn receive_direct(&mut self, mut bytes: &[u8]) {
        while let Some(buffer) = self.connection.direct(1)
            && !bytes.is_empty()
        {
            let room = buffer.capacity() - buffer.len();
            assert!(
                room > 0,
                "an empty room looks like the end of the peer's side"
            );
            let (here, rest) = bytes.split_at(room.min(bytes.len()));
            buffer.extend_from_slice(here);
            bytes = rest;
            self.deliver(|connection, cx, recorder| {
                connection.receive_direct(here.len(), cx, recorder);
            });
        }
        self.receive(bytes);
    }

    pub fn receive_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.receive(&[*byte]);
        }
    }

    pub fn resume(&mut self) {
        self.deliver(|connection, cx, recorder| connection.resume(cx, recorder));
    }

    pub fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        self.with(|connection, cx| connection.sender(cx).message(message))
            .expect("message is taken");
    }

    /// As [`Endpoint::send`], whatever comes of it.
    pub fn try_send(
        &mut self,
        message: impl Into<Message>,
    ) -> Result<(), holdwire_proto::SendError> {
        let message = message.into();
        self.with(|connection, cx| connection.sender(cx).message(message))
    }

    pub fn ping(&mut self, payload: &[u8]) {
        self.with(|connection, cx| connection.sender(cx).ping(payload))
            .expect("ping is taken");
    }

    pub fn close(&mut self, code: u16, reason: &str) {
        let code = CloseCode::new(code).expect("code may be sent");
        self.with(|connection, cx| connection.sender(cx).close(code, reason));
    }

    /// Takes up to `most` bytes off the output, as a socket would.
    pub fn write(&mut self, most: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while self.output.has_remaining() && written.len() < most {
            let chunk = self.output.chunk();
            let step = chunk.len().min(most - written.len());
            written.extend_from_slice(&chunk[..step]);
            self.output.advance(step);
        }
        let waiting = self.output.len();
        self.connection
            .handle_written(written.len(), waiting, self.now, &self.config);
        if waiting == 0 && self.connection.wants_half_close() {
            self.half_closed = true;
            self.connection.handle_half_closed(self.now);
        }
        written
    }

    pub fn written(&mut self) -> Vec<u8> {
        self.write(usize::MAX)
    }

    /// The opening handshake is done.
    pub fn open(&mut self) {
        self.with(|connection, cx| connection.handle_opened(cx));
    }

    pub fn since_open(&self) -> Duration {
        self.now.since(START)
    }

    /// Lets time pass at once: whatever fell due meanwhile is acted on late.
    pub fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        let is_due = |end: &Self| {
            let next = end.connection.poll_timeout();
            next.is_some_and(|tick| !end.now.is_before(tick))
        };
        let mut turns = 0;
        while is_due(self) {
            self.with(|connection, cx| connection.handle_timeout(cx));
            turns += 1;
            assert!(turns < 100, "a deadline that has passed does not go away");
        }
    }

    /// Lets time pass, deadline by deadline.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(next) = self.connection.poll_timeout() {
            if end.is_before(next) {
                break;
            }
            if self.now.is_before(next) {
                self.now = next;
            }
            self.with(|connection, cx| connection.handle_timeout(cx));
        }
        self.now = end;
    }

    /// Whether the transport's write side was shut down.
    pub fn has_half_closed(&self) -> bool {
        self.half_closed
    }
}

struct Recorder<'a> {
    seen: &'a mut Vec<Seen>,
    pauses: bool,
    pause_pattern: &'a mut u64,
    echoes: bool,
    has_unseen: bool,
}

impl holdwire_proto::Handler for Recorder<'_> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        if self.echoes {
            match &event {
                Event::Text(text) => sender.text(text).expect("echo is taken"),
                Event::Binary(bytes) => sender.binary(bytes).expect("echo is taken"),
                _ => {}
            }
        }
        self.seen.push(event.into());
        *self.pause_pattern = self.pause_pattern.rotate_right(1);
        if self.pauses || *self.pause_pattern & 1 == 1 {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    fn has_unseen(&self) -> bool {
        self.has_unseen
    }
}

/// A client and a server, and the wire between them.
pub struct Line {
    pub client: Endpoint,
    pub server: Endpoint,
    is_cut: bool,
}

impl Line {
    pub fn open() -> Self {
        Self {
            client: Endpoint::client(),
            server: Endpoint::server(),
            is_cut: false,
        }
    }

    pub fn with(client: Endpoint, server: Endpoint) -> Self {
        Self {
            client,
            server,
            is_cut: false,
        }
    }

    /// Lets time pass at both ends.
    pub fn pass(&mut self, duration: Duration) {
        self.client.pass(duration);
        self.server.pass(duration);
    }

    /// Bytes vanish from now on, and no end is announced.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Carries bytes both ways until nothing moves.
    pub fn carry(&mut self) {
        loop {
            let up = self.client.written();
            let down = self.server.written();
            if up.is_empty() && down.is_empty() {
                break;
            }
            if !self.is_cut {
                self.server.receive(&up);
                self.client.receive(&down);
            }
        }
        if self.is_cut {
            return;
        }
        if self.client.has_half_closed() {
            self.server.connection.handle_eof();
        }
        if self.server.has_half_closed() || self.server.connection.is_over() {
            self.client.connection.handle_eof();
        }
    }
}
