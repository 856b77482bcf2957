//! What waits to be written, in order: bytes of our own and bytes that are shared.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::connection::Scratch;
use crate::frame::{Expected, Head};

/// Pongs that may wait unsent before the newest replaces the rest (RFC 6455 §5.5.3 allows it).
const WAITING_PONGS: usize = 16;

/// A buffer larger than this is given back when it has been written.
const KEPT_CAPACITY: usize = 64 * 1024;

/// A buffer that one thread's connections use in turn is kept up to this size: it held the answers
/// to all that is read at once.
const KEPT_BY_THREAD: usize = 512 * 1024;

/// Fewer written bytes than this are not worth moving the rest.
const COMPACT_FROM: usize = 4 * 1024;

/// Encoded frames on their way to a socket.
///
/// A driver lends it to the connection, which appends, and then writes it with as few calls as
/// it can: it is a [`Buf`], so `chunks_vectored` and `advance` serve a vectored write. One
/// `Output` may serve every connection of a thread (what could not be written must then be moved
/// out before the next connection's turn), or a connection may take one only while something
/// waits. An empty one keeps a buffer of at most 64 KiB.
#[derive(Debug, Default)]
pub struct Output {
    buffer: Vec<u8>,
    start: usize,
    shared: VecDeque<Shared>,
    /// Bytes of all `shared` that are not written yet.
    shared_length: usize,
    /// Bytes written since the output was last empty.
    done: u64,
    /// Bytes that are left of the frame that is half written; zero between two frames.
    front: usize,
    /// Where each Pong that waits begins, counted as `done` is.
    pongs: VecDeque<u64>,
    /// The newest Pong beyond those; it takes its place as soon as one of them is written.
    late_pong: Option<Box<[u8]>>,
}

/// Shared bytes that go out before `buffer[at..]`.
#[derive(Debug)]
struct Shared {
    at: usize,
    bytes: Bytes,
}

impl Output {
    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start + self.shared_length + self.late_pong().len()
    }

    /// Bytes that go out before what is appended next: all that wait but a Pong that is kept for the
    /// end.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.len() - self.late_pong().len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes of frames that are encoded already; a head must come in one piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends whole frames that are encoded already, without copying them.
    pub fn push_shared(&mut self, bytes: Bytes) {
        self.shared_length += bytes.len();
        self.shared.push_back(Shared {
            at: self.buffer.len(),
            bytes,
        });
    }

    /// The buffer, to append to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Counts a Pong that is about to be appended; false when so many wait that it must go to
    /// [`Output::replace_pong`].
    pub(crate) fn takes_pong(&mut self) -> bool {
        let takes = self.pongs.len() < WAITING_PONGS;
        if takes {
            self.pongs.push_back(self.done + self.len() as u64);
        }
        takes
    }

    /// Keeps an encoded Pong until all else is written, instead of the one kept before.
    pub(crate) fn replace_pong(&mut self, pong: Output) {
        self.late_pong = Some(pong.buffer.into());
    }

    /// Gives the kept Pong its place now: what is appended next goes out after it.
    pub(crate) fn place_pong(&mut self) {
        if let Some(pong) = self.late_pong.take() {
            self.pongs.push_back(self.done + self.len() as u64);
            self.push(&pong);
        }
    }

    /// Forgets the Pongs that are being written, which makes room for the one that was kept.
    fn count_pongs(&mut self) {
        while self.pongs.front().is_some_and(|&begin| begin < self.done) {
            self.pongs.pop_front();
        }
        if self.pongs.len() < WAITING_PONGS {
            self.place_pong();
        }
    }

    /// Inserts a whole frame before all that wait, behind the one that is half written; gives the
    /// bytes up to its end.
    pub(crate) fn push_first(&mut self, frame: &Output) -> usize {
        let frame = frame.buffer.as_slice();
        let (mut at, mut left, mut passed) = (self.start, self.front, 0);
        while let Some(shared) = self.shared.get(passed)
            && left > shared.at - at
        {
            // It ends at the end of these bytes, if not later.
            left = (left - (shared.at - at)).saturating_sub(shared.bytes.len());
            at = shared.at;
            passed += 1;
        }
        at += left;
        self.buffer.splice(at..at, frame.iter().copied());
        for shared in self.shared.range_mut(passed..) {
            shared.at += frame.len();
        }
        let begin = self.done + self.front as u64;
        for pong in self.pongs.iter_mut().filter(|pong| **pong >= begin) {
            *pong += frame.len() as u64;
        }
        self.front + frame.len()
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// As [`Buf::advance`], for an output that serves all connections of a thread, or what was moved
    /// out of it: the memory of long messages that are written goes to `scratch` for those that come
    /// ([`Scratch::reclaim`]), and when nothing waits a buffer of at most 512 KiB is kept.
    ///
    /// # Panics
    /// As [`Buf::advance`], when fewer than `count` bytes wait.
    pub fn advance_reclaiming(&mut self, count: usize, scratch: &mut Scratch) {
        self.advance_with(count, KEPT_BY_THREAD, |bytes| scratch.reclaim(bytes));
    }

    fn written(&mut self, kept: usize) {
        self.start = 0;
        self.done = 0;
        self.front = 0;
        self.pongs = VecDeque::new();
        if self.buffer.capacity() > kept {
            self.buffer = Vec::new();
        } else {
            self.buffer.clear();
        }
    }

    /// Moves on by `count` bytes; `done` takes the shared ones that are written whole. When nothing
    /// waits any more, a buffer of at most `kept` bytes is kept.
    fn advance_with(&mut self, mut count: usize, kept: usize, mut done: impl FnMut(Bytes)) {
        assert!(count <= self.len(), "advanced beyond what waits");
        self.done += count as u64;
        // Where frames begin matters only as long as something waits.
        let is_all = count == self.len();
        while count > 0 {
            let own = self.own();
            if !own.is_empty() {
                let step = own.len().min(count);
                let front = if is_all {
                    0
                } else {
                    pass(self.front, own, step)
                };
                self.front = front;
                self.start += step;
                count -= step;
            } else if let Some(shared) = self.shared.front_mut() {
                let step = shared.bytes.len().min(count);
                if !is_all {
                    self.front = pass(self.front, &shared.bytes, step);
                }
                shared.bytes.advance(step);
                self.shared_length -= step;
                count -= step;
                if shared.bytes.is_empty()
                    && let Some(shared) = self.shared.pop_front()
                {
                    done(shared.bytes);
                }
            } else {
                self.place_pong();
            }
        }
        self.count_pongs();
        if self.is_empty() {
            self.written(kept);
        } else {
            self.compact();
        }
    }

    /// Drops the written part of the buffer once it is the larger one, so that an output that is
    /// never quite empty does not grow for ever. What moves was written once for each byte.
    fn compact(&mut self) {
        if self.start > COMPACT_FROM && self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            for shared in &mut self.shared {
                shared.at -= self.start;
            }
            self.start = 0;
        }
    }

    fn late_pong(&self) -> &[u8] {
        self.late_pong.as_deref().unwrap_or_default()
    }

    /// Our own bytes that go out next, before any shared ones.
    fn own(&self) -> &[u8] {
        let end = self
            .shared
            .front()
            .map_or(self.buffer.len(), |shared| shared.at);
        &self.buffer[self.start..end]
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        match (self.own(), self.shared.front()) {
            ([], Some(shared)) => &shared.bytes,
            ([], None) => self.late_pong(),
            (own, _) => own,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut at = self.start;
        let mut add = |bytes: &'a [u8]| {
            if !bytes.is_empty() && count < slices.len() {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        for shared in &self.shared {
            add(&self.buffer[at..shared.at]);
            add(&shared.bytes);
            at = shared.at;
        }
        add(&self.buffer[at..]);
        add(self.late_pong());
        count
    }

    fn advance(&mut self, count: usize) {
        self.advance_with(count, KEPT_CAPACITY, drop);
    }
}

/// What is left of the frame in which `step` bytes of `bytes` end, when `front` was left before.
fn pass(mut front: usize, mut bytes: &[u8], mut step: usize) -> usize {
    while step > 0 {
        if front == 0 {
            front = frame_length(bytes);
        }
        let now = front.min(step);
        front -= now;
        step -= now;
        bytes = bytes.get(now..).unwrap_or_default();
    }
    front
}

/// The length of the frame of our own that begins here; its head stands in one piece.
fn frame_length(bytes: &[u8]) -> usize {
    let second = bytes.get(1).copied().unwrap_or_default();
    let expected = Expected {
        masked: second & 0x80 != 0,
        compression: true,
        in_message: false,
    };
    match Head::parse(bytes, expected) {
        Ok(Some((head, length))) => {
            length.saturating_add(usize::try_from(head.length).unwrap_or(usize::MAX))
        }
        _ => bytes.len().max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while output.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = output.chunks_vectored(&mut slices);
            let all: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect();
            let now = step.min(all.len());
            written.extend_from_slice(&all[..now]);
            output.advance(now);
        }
        written
    }

    #[test]
    fn own_and_shared_bytes_leave_in_the_order_they_came() {
        for step in 1..20 {
            let mut output = Output::default();
            output.push(b"one ");
            output.push_shared(Bytes::from_static(b"two "));
            output.push_shared(Bytes::from_static(b"three "));
            output.push(b"four");

            assert_eq!(output.len(), 18);
            assert_eq!(
                drain(&mut output, step),
                b"one two three four",
                "{step} bytes a write"
            );
            assert!(output.is_empty());
        }
    }

    #[test]
    fn beyond_sixteen_waiting_pongs_the_newest_replaces_the_rest() {
        let mut output = Output::default();

        for number in 0..100 {
            let mut pong = Output::default();
            pong.push(&[number]);
            if output.takes_pong() {
                output.push(&[number]);
            } else {
                output.replace_pong(pong);
            }
        }

        let expected: Vec<u8> = (0..16).chain([99]).collect();
        assert_eq!(drain(&mut output, 5), expected);
    }

    #[test]
    fn pongs_go_on_though_the_output_is_never_empty() {
        let mut output = Output::default();
        let mut written = Vec::new();

        for number in 0..100 {
            output.push(b"data");
            let mut pong = Output::default();
            pong.push(&[number]);
            if output.takes_pong() {
                output.push(&[number]);
            } else {
                output.replace_pong(pong);
            }
            output.push(b"data");
            // All but the last four bytes are taken.
            while output.len() > 4 {
                let step = output.chunk().len().min(output.len() - 4);
                written.extend_from_slice(&output.chunk()[..step]);
                output.advance(step);
            }
        }

        let pongs: Vec<u8> = written.into_iter().filter(|byte| *byte < 97).collect();
        assert_eq!(pongs, (0..97).collect::<Vec<u8>>());
    }

    #[test]
    fn a_frame_put_first_does_not_make_room_for_more_pongs() {
        let mut output = Output::default();
        let mut ping = Output::default();
        ping.push(b"\x89\x03hb!");
        output.push(b"\x81\x04data");
        for _ in 0..WAITING_PONGS {
            assert!(output.takes_pong());
            output.push(b"\x8a\0");
        }

        assert_eq!(output.push_first(&ping), 5);
        output.advance(5 + 6);

        assert_eq!(output.chunk()[..2], *b"\x8a\0");
        assert!(!output.takes_pong(), "all sixteen wait");
    }

    #[test]
    fn the_pong_that_replaces_others_is_counted_and_can_be_given_its_place() {
        let mut output = Output::default();
        let mut pong = Output::default();
        pong.push(b"pong ");
        output.push(b"first ");
        output.replace_pong(pong);

        assert_eq!((output.len(), output.ahead()), (11, 6));
        output.place_pong();
        output.push(b"last");

        assert_eq!(drain(&mut output, 3), b"first pong last");
    }

    #[test]
    fn an_output_that_is_never_empty_holds_about_what_waits() {
        let mut output = Output::default();
        let mut written = 0_u64;
        output.push(&[0; 1000]);

        for _ in 0..10_000 {
            output.push(&[0; 1000]);
            output.push_shared(Bytes::from_static(b"shared"));
            output.advance(1006);
            written += 1006;
        }

        assert_eq!((written, output.len()), (10_060_000, 1000));
        assert!(
            output.buffer.capacity() <= 32 * 1024,
            "{} bytes",
            output.buffer.capacity()
        );
    }

    #[test]
    fn a_written_output_owns_no_large_buffer() {
        let mut output = Output::default();
        output.push(&[0; 100_000]);

        drain(&mut output, 100_000);

        assert_eq!(output.buffer.capacity(), 0);
    }
}
