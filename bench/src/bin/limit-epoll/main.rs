//! The least that a server can cost: the limit that every ratio in the tables is against.
//!
//! One thread, one raw edge-triggered epoll set, one receive buffer of 256 KiB for all
//! connections. A readable socket is received from once; every whole frame that came is unmasked
//! where it lies, eight bytes at a time; the answers are moved together in the same buffer and
//! leave with one send. A single frame is not moved at all: its answer's header is written over
//! the end of its own. Only an incomplete frame or a full socket takes memory, in a buffer of the
//! frame's declared length that goes back to a pool.
//!
//! On the path `/broadcast` the messages of a turn are appended to one batch, and at the end of
//! the turn each member gets it with one send: the same batching as ours. Asked for compression
//! without context takeover it agrees and hands every compressed message on as it came, so it
//! costs less there than any server that looks at what it carries.
//!
//! What it does **not** do, and any real server has to: look at the request (it answers the one
//! key that the load generator sends), check opcodes, reserved bits, masks, lengths or UTF-8,
//! join fragments, answer pings, close in order, keep deadlines, limit memory, call a handler. It
//! trusts a declared length with memory, which no server on a network may.

mod room;

use std::io;
use std::mem;
use std::net::TcpListener;
use std::ops::Range;

use holdwire_bench::deflate::OFFER;
use holdwire_bench::options::listen_address;
use holdwire_bench::wire::{HANDSHAKE_ACCEPT, MAX_HEADER, MaskedHeader, RECEIVE_BUFFER, unmask};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

use crate::room::Room;

/// More room than the frame needs, so that a receive that completes it is seen to be short and
/// needs no second one to find the socket empty.
const SLACK: usize = 4096;
const LISTENER: u64 = u64::MAX;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(listen_address()?)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let readable = EventData::new_u64(LISTENER);
    epoll::add(&epoll, &listener, readable, EventFlags::IN)?;

    let mut slots = Slots::default();
    let mut shared = Shared {
        buffer: vec![0; RECEIVE_BUFFER],
        pool: Vec::new(),
        room: Room::default(),
        buffer_of_news: Vec::new(),
    };
    let mut events = Vec::with_capacity(1024);
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            if event.data.u64() == LISTENER {
                accept_all(&listener, &epoll, &mut slots)?;
            } else if let Ok(index) = usize::try_from(event.data.u64()) {
                slots.serve(index, &mut shared);
            }
        }
        if shared.room.has_news() {
            slots.tell_the_news(&mut shared);
        }
    }
}

fn accept_all(listener: &TcpListener, epoll: &OwnedFd, slots: &mut Slots) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    loop {
        let socket = match accept_with(listener, flags) {
            Ok(socket) => socket,
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        sockopt::set_tcp_nodelay(&socket, true)?;
        let index = slots.free.pop().unwrap_or(slots.connections.len());
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(epoll, &socket, EventData::new_u64(index as u64), interest)?;
        let connection = Some(Connection {
            socket,
            stage: Stage::Request,
            partial: None,
        });
        match slots.connections.get_mut(index) {
            Some(slot) => *slot = connection,
            None => slots.connections.push(connection),
        }
    }
}

/// All connections; a slot that is free is used again. An event cannot reach the wrong
/// connection, for a socket has one event in a round and is closed by that one only.
#[derive(Default)]
struct Slots {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Slots {
    fn serve(&mut self, index: usize, shared: &mut Shared) {
        if let Some(connection) = &mut self.connections[index]
            && connection.serve(index, shared).is_err()
        {
            self.close(index, shared);
        }
    }

    /// Gives each member what the others have published in this turn.
    fn tell_the_news(&mut self, shared: &mut Shared) {
        let mut lost = Vec::new();
        for &index in &shared.room.members {
            let news = shared.room.news_for(index, &mut shared.buffer_of_news);
            if let Some(connection) = &mut self.connections[index]
                && connection.write(news).is_err()
            {
                lost.push(index);
            }
        }
        shared.room.clear();
        for index in lost {
            self.close(index, shared);
        }
    }

    fn close(&mut self, index: usize, shared: &mut Shared) {
        let connection = self.connections[index].take();
        if connection.is_some_and(|connection| connection.stage == Stage::Member) {
            shared.room.leave(index);
        }
        self.free.push(index);
    }
}

/// What the connections of the thread share.
struct Shared {
    buffer: Vec<u8>,
    pool: Vec<Vec<u8>>,
    room: Room,
    buffer_of_news: Vec<u8>,
}

struct Connection {
    socket: OwnedFd,
    stage: Stage,
    partial: Option<Box<Partial>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its opening handshake is to come.
    Request,
    /// Gets back what it sends.
    Echo,
    /// Talks with the others on `/broadcast`.
    Member,
}

/// What did not fit into one event: the beginning of a frame, or the end of an answer.
#[derive(Default)]
struct Partial {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// The connection is over; why does not matter.
struct Over;

impl Connection {
    fn serve(&mut self, index: usize, shared: &mut Shared) -> Result<(), Over> {
        loop {
            let is_drained = match self.partial.take() {
                None => self.receive_shared(index, shared)?,
                Some(partial) => self.receive_partial(index, partial, shared)?,
            };
            if is_drained {
                return Ok(());
            }
        }
    }

    /// Receives into the shared buffer; true if the socket has nothing more.
    fn receive_shared(&mut self, index: usize, shared: &mut Shared) -> Result<bool, Over> {
        let Some(received) = receive(&self.socket, &mut shared.buffer[..])? else {
            return Ok(true);
        };
        let input = &mut shared.buffer[..received];
        let (answers, consumed) = self.answer(index, input, &mut shared.room);
        let output = self.send(&input[answers])?;
        let rest = &input[consumed..];
        if !output.is_empty() || !rest.is_empty() {
            let mut partial = Partial {
                input: shared.pool.pop().unwrap_or_default(),
                output: output.to_vec(),
            };
            partial.input.reserve(room_for(rest));
            partial.input.extend_from_slice(rest);
            self.partial = Some(Box::new(partial));
        }
        Ok(received < RECEIVE_BUFFER)
    }

    /// Sends what is left over, then receives behind the beginning of the incomplete frame.
    fn receive_partial(
        &mut self,
        index: usize,
        mut partial: Box<Partial>,
        shared: &mut Shared,
    ) -> Result<bool, Over> {
        if !partial.output.is_empty() {
            let left = self.send(&partial.output)?.len();
            partial.output.drain(..partial.output.len() - left);
            if left > 0 {
                self.partial = Some(partial);
                return Ok(true);
            }
        }
        partial.input.reserve(SLACK);
        let room = partial.input.capacity() - partial.input.len();
        let Some(received) = receive(&self.socket, spare_capacity(&mut partial.input))? else {
            self.keep(partial, shared);
            return Ok(true);
        };
        let (answers, consumed) = self.answer(index, &mut partial.input, &mut shared.room);
        let output = self.send(&partial.input[answers])?;
        partial.output.extend_from_slice(output);
        partial.input.drain(..consumed);
        let more = room_for(&partial.input).saturating_sub(partial.input.len());
        if !partial.input.is_empty() {
            partial.input.reserve(more);
        }
        self.keep(partial, shared);
        Ok(received < room)
    }

    /// Keeps what is incomplete, or gives its memory back.
    fn keep(&mut self, mut partial: Box<Partial>, shared: &mut Shared) {
        if partial.input.is_empty() && partial.output.is_empty() {
            shared.pool.push(mem::take(&mut partial.input));
        } else {
            self.partial = Some(partial);
        }
    }

    /// Writes the answers into the input: where they lie, and how much of it is done with.
    fn answer(&mut self, index: usize, input: &mut [u8], room: &mut Room) -> (Range<usize>, usize) {
        match self.stage {
            Stage::Request if !input.ends_with(b"\r\n\r\n") => return (0..0, 0),
            Stage::Request => {}
            Stage::Echo => return echo(input),
            Stage::Member => return (0..0, room.publish(index, input)),
        }
        self.stage = Stage::Echo;
        if input.starts_with(b"GET /broadcast ") {
            self.stage = Stage::Member;
            room.members.push(index);
        }
        let agreed = input.ends_with(OFFER.as_bytes());
        let end = if agreed { OFFER } else { "\r\n" };
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {HANDSHAKE_ACCEPT}\r\n{end}"
        );
        // The request of the load generator is longer than this response.
        input[..response.len()].copy_from_slice(response.as_bytes());
        (0..response.len(), input.len())
    }

    /// Sends, behind what is left over; the socket may be full.
    fn write(&mut self, output: &[u8]) -> Result<(), Over> {
        if let Some(partial) = &mut self.partial
            && !partial.output.is_empty()
        {
            partial.output.extend_from_slice(output);
            return Ok(());
        }
        let left = self.send(output)?;
        if !left.is_empty() {
            let left = left.to_vec();
            self.partial.get_or_insert_default().output = left;
        }
        Ok(())
    }

    /// Sends once; what the socket did not take comes back.
    fn send<'a>(&self, output: &'a [u8]) -> Result<&'a [u8], Over> {
        if output.is_empty() {
            return Ok(output);
        }
        match send(&self.socket, output, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(&output[sent..]),
            Err(Errno::AGAIN) => Ok(output),
            Err(_) => Err(Over),
        }
    }
}

/// Receives once; `None` if the socket is empty.
fn receive<B: rustix::buffer::Buffer<u8>>(
    socket: &OwnedFd,
    buffer: B,
) -> Result<Option<usize>, Over> {
    match recv(socket, buffer, RecvFlags::empty()) {
        Ok((_, 0)) => Err(Over),
        Ok((_, received)) => Ok(Some(received)),
        Err(Errno::AGAIN) => Ok(None),
        Err(_) => Err(Over),
    }
}

/// Room for the whole frame that `input` is the beginning of.
fn room_for(input: &[u8]) -> usize {
    MaskedHeader::read(input).map_or(MAX_HEADER, |header| header.length + header.payload) + SLACK
}

/// Turns all whole frames in `input` into their answers, which lie one behind the other in the
/// range returned; the second number is how many bytes the frames had.
fn echo(input: &mut [u8]) -> (Range<usize>, usize) {
    let mut consumed = 0;
    let mut answers: Option<Range<usize>> = None;
    while let Some(header) = MaskedHeader::read(&input[consumed..]) {
        let payload = consumed + header.length;
        let end = payload + header.payload;
        if end > input.len() {
            break;
        }
        unmask(&mut input[payload..end], header.key);
        // The answer has no masking key, so it is shorter by that and fits before its payload.
        let unmasked_header = header.length - header.key.len();
        let range = answers.get_or_insert(payload - unmasked_header..payload - unmasked_header);
        input.copy_within(consumed..consumed + unmasked_header, range.end);
        input[range.end + 1] &= 0x7f;
        range.end += unmasked_header;
        if range.end != payload {
            input.copy_within(payload..end, range.end);
        }
        range.end += header.payload;
        consumed = end;
    }
    (answers.unwrap_or(0..0), consumed)
}

#[cfg(test)]
mod tests {
    use holdwire_bench::wire::{masked_message, unmasked_message};

    use super::*;

    #[test]
    fn whole_frames_are_answered_together_and_the_beginning_of_another_is_left() {
        let payloads = [vec![1; 5], vec![2; 300], Vec::new(), vec![3; 70_000]];
        let mut input: Vec<u8> = payloads.iter().flat_map(|p| masked_message(p)).collect();
        let whole = input.len();
        input.extend(&masked_message(b"incomplete")[..9]);

        let (answers, consumed) = echo(&mut input);

        let expected: Vec<u8> = payloads.iter().flat_map(|p| unmasked_message(p)).collect();
        assert_eq!(consumed, whole);
        assert!(input[answers] == expected, "the answers differ");
    }
}
