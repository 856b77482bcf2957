//! A wire, a clock and a session that the tests hold in their hands.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use holdwire_proto::time::Tick;
use holdwire_proto::{Config, Connection, Event, Flow, Output, Role, Scratch, Sender};

use super::super::{Delivery, Ready, Slot, Tools, Turn};
use crate::shard::mailbox::Order;
use crate::shard::session::Session;
use crate::shard::socket::Socket;
use crate::stats::{Stats, Traffic};

/// What the next reads give.
pub(super) enum Incoming {
    Bytes(Vec<u8>),
    Error(ErrorKind),
    End,
}

/// The state of a [`Wire`].
pub(super) struct State {
    pub(super) incoming: VecDeque<Incoming>,
    /// Bytes that may still be written before the wire blocks.
    pub(super) room: usize,
    pub(super) write_error: Option<ErrorKind>,
    pub(super) written: Vec<u8>,
    /// Where the bytes of each slice lay that was written.
    pub(super) places: Vec<(usize, usize)>,
    pub(super) reads: usize,
    pub(super) writes: usize,
    pub(super) ends: usize,
}

/// Both ends of a socket that does not block.
#[derive(Clone)]
pub(super) struct Wire(Rc<RefCell<State>>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        state.reads += 1;
        match state.incoming.pop_front() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(Incoming::Error(kind)) => Err(kind.into()),
            Some(Incoming::End) => {
                state.incoming.push_front(Incoming::End);
                Ok(0)
            }
            Some(Incoming::Bytes(mut bytes)) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                if !bytes.is_empty() {
                    state.incoming.push_front(Incoming::Bytes(bytes));
                }
                Ok(count)
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        state.writes += 1;
        if let Some(kind) = state.write_error {
            return Err(kind.into());
        }
        if state.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let count = slice.len().min(state.room);
            state.room -= count;
            state.written.extend_from_slice(&slice[..count]);
            if count > 0 {
                state.places.push((slice.as_ptr().addr(), count));
            }
            written += count;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Wire {
    fn end(&mut self) -> io::Result<()> {
        self.0.borrow_mut().ends += 1;
        Ok(())
    }
}

/// What a [`Talk`] was called with.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A session that does what it is told by text: `pause`, `panic`, `close`, `ask 1000` for an answer
/// of so many bytes; anything else comes back.
pub(super) struct Talk {
    log: Log,
    panics_in: &'static str,
}

impl Talk {
    fn call(&self, name: &'static str) {
        self.log.note(name);
        if self.panics_in == name {
            // Without a word on the standard error.
            std::panic::resume_unwind(Box::new("as the test wants it"));
        }
    }
}

impl Session for Talk {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.call("open");
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        match &event {
            Event::Text(text) => {
                self.log.note(&**text);
                let (verb, number) = text.split_once(' ').unwrap_or((text, ""));
                let _ = match verb {
                    "pause" => return Flow::Pause,
                    "panic" => std::panic::resume_unwind(Box::new("as the test wants it")),
                    "close" => {
                        sender.close(holdwire_proto::CloseCode::NORMAL, "asked");
                        Ok(())
                    }
                    "ask" => sender.binary(&vec![b'x'; number.parse().unwrap()]),
                    _ => sender.text(text),
                };
            }
            Event::Close(closing) => self.log.note(format!("closed {:?}", closing.code)),
            Event::Ping(_) => self.log.note("ping"),
            Event::Pong(_) => self.log.note("pong"),
            Event::Binary(_) => self.log.note("binary"),
        }
        Flow::Continue
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        self.call("wake");
        let _ = sender.text("awake");
    }
}

/// A connection with everything that its shard would lend it.
pub(super) struct Bench {
    pub(super) slot: Slot<Wire>,
    pub(super) tools: Tools,
    pub(super) config: Config,
    pub(super) log: Log,
    wire: Wire,
}

impl Bench {
    /// A connection that has been opened.
    pub(super) fn new(config: Config) -> Self {
        let mut bench = Self::closed(config, "");
        bench.open(b"");
        bench
    }

    /// A connection that is about to be opened, whose session panics in this call.
    pub(super) fn closed(config: Config, panics_in: &'static str) -> Self {
        Self::with(Connection::new(Role::Server), config, panics_in)
    }

    pub(super) fn with(connection: Connection, config: Config, panics_in: &'static str) -> Self {
        let wire = Wire(Rc::new(RefCell::new(State {
            incoming: VecDeque::new(),
            room: usize::MAX,
            write_error: None,
            written: Vec::new(),
            places: Vec::new(),
            reads: 0,
            writes: 0,
            ends: 0,
        })));
        let log = Log::default();
        let session = Box::new(Talk {
            log: log.clone(),
            panics_in,
        });
        Self {
            slot: Slot::new(connection, session, wire.clone(), 0),
            tools: Tools {
                input: vec![0; 64 * 1024].into(),
                output: Output::default(),
                scratch: Scratch::new(Box::new(|| [0; 4])),
                now: Tick::from_millis(1000),
                step: Stats::default(),
                moved: Stats::default(),
            },
            config,
            log,
            wire,
        }
    }

    pub(super) fn wire(&self) -> Ref<'_, State> {
        self.wire.0.borrow()
    }

    pub(super) fn wire_mut(&self) -> RefMut<'_, State> {
        self.wire.0.borrow_mut()
    }

    /// Opens it with bytes that came with the handshake.
    pub(super) fn open(&mut self, received: &[u8]) -> Turn {
        let Self {
            slot,
            tools,
            config,
            ..
        } = self;
        slot.open(received.to_vec(), None, tools, config);
        slot.finish(false, tools, config)
    }

    /// The poller says that these bytes have come.
    pub(super) fn receive(&mut self, bytes: impl Into<Vec<u8>>) -> Turn {
        let bytes = Incoming::Bytes(bytes.into());
        self.wire_mut().incoming.push_back(bytes);
        self.readable()
    }

    /// The poller says that the peer has closed its side.
    pub(super) fn receive_end(&mut self) -> Turn {
        self.wire_mut().incoming.push_back(Incoming::End);
        self.ready(Ready {
            readable: true,
            half_closed: true,
            ..Ready::default()
        })
    }

    pub(super) fn readable(&mut self) -> Turn {
        self.ready(Ready {
            readable: true,
            ..Ready::default()
        })
    }

    /// The poller says that so much may be written.
    pub(super) fn writable(&mut self, room: usize) -> Turn {
        self.wire_mut().room = room;
        self.ready(Ready {
            writable: true,
            ..Ready::default()
        })
    }

    pub(super) fn ready(&mut self, ready: Ready) -> Turn {
        let turn = self.slot.on_ready(ready, &mut self.tools, &self.config);
        assert!(self.tools.output.is_empty(), "left for the next connection");
        turn
    }

    pub(super) fn go_on(&mut self) -> Turn {
        self.slot.go_on(&mut self.tools, &self.config)
    }

    /// Goes on as long as it is not done.
    pub(super) fn go_on_until_done(&mut self) -> Turn {
        for _ in 0..10_000 {
            let turn = self.go_on();
            if !matches!(turn, Turn::Again(_)) {
                return turn;
            }
        }
        panic!("it is never done");
    }

    pub(super) fn order(&mut self, order: Order) -> Turn {
        self.slot.obey(order, &mut self.tools, &self.config);
        self.go_on()
    }

    pub(super) fn deliver(&mut self, frames: &Bytes) -> Delivery {
        let mut counts = Traffic::default();
        counts.count(frames.len() - 2);
        let (tools, config) = (&mut self.tools, &self.config);
        self.slot.deliver(frames, &counts, tools, config)
    }

    /// A turn without news: a deadline, or after a delivery.
    pub(super) fn finish(&mut self) -> Turn {
        self.slot.finish(false, &mut self.tools, &self.config)
    }

    /// Time passes, and the connection has a turn.
    pub(super) fn wait(&mut self, duration: Duration) -> Turn {
        self.tools.now = self.tools.now.after(duration);
        self.finish()
    }

    /// Takes the frames that went out.
    pub(super) fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        frames(&std::mem::take(&mut self.wire_mut().written))
    }

    /// Takes the texts that went out; nothing else may have.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |(opcode, payload)| {
            assert_eq!(opcode, 0x1);
            String::from_utf8(payload).unwrap()
        };
        self.frames().into_iter().map(text).collect()
    }
}

/// A frame with FIN set, masked by zeros.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

pub(super) fn text(text: &str) -> Vec<u8> {
    frame(0x1, text.as_bytes())
}

/// A Close frame with a code and a reason.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    let body = [&code.to_be_bytes(), reason.as_bytes()].concat();
    frame(0x8, &body)
}

/// A server's Close frame, as [`frames`] gives it.
pub(super) fn closed(code: u16, reason: &str) -> (u8, Vec<u8>) {
    (0x8, [&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Frames of a server: opcode and payload.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second {
            126 => {
                let (length, rest) = rest.split_first_chunk().unwrap();
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk().unwrap();
                (usize::try_from(u64::from_be_bytes(*length)).unwrap(), rest)
            }
            length => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        frames.push((first & 0x0F, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    frames
}

/// The default configuration with this limit of the queue, and without a heartbeat.
pub(super) fn send_queue(bytes: usize) -> Config {
    let mut config = Config::default().heartbeat(None);
    config.limits.send_queue = bytes;
    config
}
