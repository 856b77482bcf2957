//! From a message to its compressed payload (RFC 7692 §7.2.1).

use std::fmt;

use zlib_rs::{Deflate, DeflateConfig as ZlibConfig, DeflateFlush, Status};

use super::{Context, STEP, TAIL, WindowBits, grow};

/// Compresses whole messages.
///
/// With context takeover it belongs to one connection; without, one serves all connections of a
/// thread, [told](Self::switch_to) whose turn it is. It holds no memory before the first message,
/// then 147 KiB (window of 9 bits) to 273 KiB (15 bits), and allocates nothing per message but
/// what `output` needs to grow.
///
/// # Examples
/// ```
/// use holdwire_proto::deflate::{DeflateConfig, Deflater, accept_offer};
/// use holdwire_proto::extension::parse;
///
/// let config = DeflateConfig::default();
/// let offers = parse(["permessage-deflate; client_max_window_bits"])?;
/// let (params, _answer) = accept_offer(&config, &offers).expect("a plain offer");
///
/// let mut deflater = Deflater::new(params.server_to_client(), config.level);
/// let mut payload = Vec::new();
/// assert!(deflater.deflate(&[b'a'; 1000], &mut payload));
/// assert!(payload.len() < 20);
/// # Ok::<(), holdwire_proto::extension::ExtensionError>(())
/// ```
pub struct Deflater {
    context: Context,
    level: u8,
    /// The history must not reach the next message.
    stale: bool,
    state: Option<Box<State>>,
}

struct State {
    window_bits: u8,
    zlib: Deflate,
}

impl Deflater {
    /// Allocates nothing yet. A `level` outside 1 to 9 counts as the nearest of these.
    pub fn new(context: Context, level: u8) -> Self {
        Self {
            context,
            level: level.clamp(1, 9),
            stale: false,
            state: None,
        }
    }

    /// Turns a shared compressor to another connection; what it knew of the last one is forgotten.
    ///
    /// A state of another level is dropped: endpoints that share a thread do best with one level.
    pub fn switch_to(&mut self, context: Context, level: u8) {
        let level = level.clamp(1, 9);
        if level != self.level {
            self.level = level;
            self.state = None;
        }
        self.context = context;
        self.stale = true;
    }

    /// Appends the compressed `payload` of one whole message to `output`; the frame then has RSV1.
    ///
    /// `false` leaves `output` as it was, and the message is to be sent uncompressed: it is empty,
    /// it would not be smaller, or the peer's window is one of 8 bits, which zlib cannot produce.
    /// With context takeover a message is compressed even if it does not shrink, because the
    /// history has moved on.
    #[must_use = "the message is sent uncompressed when this is false"]
    pub fn deflate(&mut self, payload: &[u8], output: &mut Vec<u8>) -> bool {
        let Some(max_window_bits) = WindowBits::new(self.context.max_window_bits) else {
            return false;
        };
        if payload.is_empty() {
            return false;
        }
        let start = output.len();
        let window_bits = self.window_bits_for(payload.len(), max_window_bits);
        let zlib = prepare(&mut self.state, self.level, window_bits, self.stale);

        let Some(end) = compress(zlib, payload, output) else {
            self.state = None;
            output.truncate(start);
            return false;
        };

        self.stale = !self.context.takeover;
        let is_worth_it = self.context.takeover || end - start < payload.len();
        output.truncate(if is_worth_it { end } else { start });
        is_worth_it
    }

    /// Gives the memory back; the next message starts without history, which is always legal.
    pub fn release(&mut self) {
        self.state = None;
    }

    /// Without history no distance is longer than the message, so a large window that is already
    /// there serves a smaller one.
    fn window_bits_for(&self, length: usize, max: WindowBits) -> u8 {
        match &self.state {
            Some(state)
                if !self.context.takeover
                    && state.window_bits > max.get()
                    && length <= 1 << max.get() =>
            {
                state.window_bits
            }
            _ => max.get(),
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("context", &self.context)
            .field("level", &self.level)
            .field("allocated", &self.state.is_some())
            .finish()
    }
}

/// A compressor of the right window, without history if `stale`.
fn prepare(
    state: &mut Option<Box<State>>,
    level: u8,
    window_bits: u8,
    stale: bool,
) -> &mut Deflate {
    let kept = state
        .take()
        .filter(|state| state.window_bits == window_bits)
        .map(|mut state| {
            if stale {
                state.zlib.reset();
            }
            state
        });
    let state = state.insert(kept.unwrap_or_else(|| {
        Box::new(State {
            window_bits,
            zlib: Deflate::new_with_config(ZlibConfig {
                level: level.into(),
                window_bits: -i32::from(window_bits), // negative: no zlib header
                mem_level: MEM_LEVEL,
                ..ZlibConfig::default()
            }),
        })
    }));
    &mut state.zlib
}

/// The end of the compressed payload in `output`; `None` if zlib failed.
///
/// It goes on until zlib has nothing left to give: a reset before that keeps the offset of what is
/// left (zlib-rs 0.6), and the next message panics when the buffer ends too early.
fn compress(zlib: &mut Deflate, payload: &[u8], output: &mut Vec<u8>) -> Option<usize> {
    let mut input = payload;
    let mut filled = output.len();
    loop {
        if output.len() == filled {
            let wanted = (input.len() / 2).clamp(MIN_STEP, STEP);
            grow(output, filled, wanted, usize::MAX);
        }
        let room = &mut output[filled..];
        let (total_in, total_out) = (zlib.total_in(), zlib.total_out());
        let status = zlib.compress(input, room, DeflateFlush::SyncFlush).ok()?;
        let consumed = usize::try_from(zlib.total_in() - total_in).ok()?;
        let produced = usize::try_from(zlib.total_out() - total_out).ok()?;
        let is_drained = produced < room.len();
        input = &input[consumed..];
        filled += produced;
        if is_drained {
            let is_flushed = status == Status::Ok && input.is_empty();
            return (is_flushed && output[..filled].ends_with(&TAIL)).then(|| filled - TAIL.len());
        }
    }
}

/// 5 instead of zlib's 8 makes a state 98 KiB smaller: the buffer holds 2,048 symbols, which is a
/// block of about 8 KiB of text, and small messages come out the same and no slower.
const MEM_LEVEL: i32 = 5;

/// The least room made for a compressed message.
const MIN_STEP: usize = 512;
