//! From a compressed payload back to the message (RFC 7692 §7.2.2), never beyond its limits.

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Context, STEP, TAIL, grow};

/// Decompresses whole messages.
///
/// With context takeover it belongs to one connection; without, one serves all connections of a
/// thread, since it forgets everything before each message (in 3 ns). It holds no memory before
/// the first message, 46.5 KiB after it, whatever the window.
///
/// A window smaller than 15 bits is not enforced: what a peer may refer to is its own history.
///
/// # Examples
/// ```
/// use holdwire_proto::deflate::{DeflateConfig, InflateError, InflateLimits, Inflater, verify};
/// use holdwire_proto::extension::parse;
///
/// let config = DeflateConfig::with_context_takeover();
/// let answer = parse(["permessage-deflate"])?;
/// let params = verify(&config, &answer)?.expect("the server accepted");
///
/// let mut inflater = Inflater::new(params.server_to_client());
/// let mut message = Vec::new();
/// let compressed = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// inflater.inflate(&compressed, &mut message, InflateLimits::new(1024), |_chunk| {
///     Ok::<(), InflateError>(()) // the place to check UTF-8 as it appears
/// })?;
///
/// assert_eq!(message, b"Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Inflater {
    takeover: bool,
    /// The history must not reach the next message.
    stale: bool,
    state: Option<Box<Inflate>>,
}

impl Inflater {
    /// Allocates nothing yet.
    pub fn new(context: Context) -> Self {
        Self {
            takeover: context.takeover,
            stale: false,
            state: None,
        }
    }

    /// Appends the message whose whole compressed payload is `compressed` to `output`.
    ///
    /// The message comes in chunks of at most 16 KiB; each is shown to `on_chunk` before the next
    /// is produced, and an error of `on_chunk` ends the work. `output` never grows beyond the
    /// limits, nor does its memory.
    ///
    /// # Errors
    /// What `on_chunk` returned, or an [`InflateError`]. `output` is then as it was before, and
    /// the connection must be failed: the context is lost.
    pub fn inflate<E: From<InflateError>>(
        &mut self,
        compressed: &[u8],
        output: &mut Vec<u8>,
        limits: InflateLimits,
        on_chunk: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = self
            .state
            .get_or_insert_with(|| Box::new(Inflate::new(false, MAX_WINDOW_BITS)));
        if self.stale {
            state.reset(false);
        }
        let start = output.len();
        let mut message = Message {
            state,
            output,
            start,
            filled: start,
            ceiling: start.saturating_add(limits.allowance(compressed.len())),
            limits,
            on_chunk,
        };

        let result = message.inflate(compressed);

        let end = if result.is_ok() {
            message.filled
        } else {
            start
        };
        output.truncate(end);
        self.stale = result.is_err() || !self.takeover;
        result
    }

    /// Gives the memory back, which is possible only without context takeover; with it this does
    /// nothing, since the peer may refer to what it sent before.
    pub fn release(&mut self) {
        if !self.takeover {
            self.state = None;
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("takeover", &self.takeover)
            .field("allocated", &self.state.is_some())
            .finish()
    }
}

/// How far a message may inflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InflateLimits {
    /// The longest message in bytes; a message of exactly this length passes.
    pub max_message: usize,
    /// How many times the compressed payload a message may be, above
    /// [`RATIO_FREE`](Self::RATIO_FREE) bytes. `u32::MAX` is no limit.
    pub max_ratio: u32,
}

impl InflateLimits {
    /// Up to this many bytes any ratio passes: short messages of one repeated word are no attack.
    pub const RATIO_FREE: usize = 1024 * 1024;

    /// A limit on the length alone.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            max_ratio: u32::MAX,
        }
    }

    /// How many bytes `compressed` bytes may become.
    fn allowance(self, compressed: usize) -> usize {
        self.max_message.min(self.ratio_allowance(compressed))
    }

    fn ratio_allowance(self, compressed: usize) -> usize {
        let ratio = usize::try_from(self.max_ratio).unwrap_or(usize::MAX);
        compressed.saturating_mul(ratio).max(Self::RATIO_FREE)
    }

    /// Which of the two limits the message ran into.
    fn exceeded(self, compressed: usize) -> InflateError {
        if self.ratio_allowance(compressed) < self.max_message {
            InflateError::RatioExceeded
        } else {
            InflateError::TooLong
        }
    }
}

/// Why a compressed message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateError {
    /// The payload is no deflate stream, or stops in the middle of a block; close code 1007.
    Corrupt,
    /// The message is longer than [`InflateLimits::max_message`]; close code 1009.
    TooLong,
    /// The message is longer than [`InflateLimits::max_ratio`] allows; close code 1009.
    RatioExceeded,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "compressed message is corrupt",
            Self::TooLong => "inflated message is too long",
            Self::RatioExceeded => "compressed message inflates too much",
        })
    }
}

impl std::error::Error for InflateError {}

/// One message on its way out of the decompressor.
struct Message<'a, F> {
    state: &'a mut Inflate,
    /// What was there, what came, and zeros up to the room made for the next step.
    output: &'a mut Vec<u8>,
    start: usize,
    filled: usize,
    ceiling: usize,
    limits: InflateLimits,
    on_chunk: F,
}

impl<E: From<InflateError>, F: FnMut(&[u8]) -> Result<(), E>> Message<'_, F> {
    fn inflate(&mut self, compressed: &[u8]) -> Result<(), E> {
        let mut input = compressed;
        let mut output_waits = false;
        while !input.is_empty() || output_waits {
            let step = if self.filled < self.ceiling {
                self.step(input, compressed.len())?
            } else {
                self.probe(input, compressed.len())?
            };
            input = &input[step.consumed..];
            output_waits = step.is_full;
            if step.is_stream_end {
                // RFC 7692 §7.2.3.4: a block with BFINAL ends the stream, not the message. The
                // history goes with it: a sender that ended its stream refers to nothing in it.
                // If the message ends here too, the sender forgot the octet 0x00 that the tail
                // completes; nothing is missing, so it passes.
                self.state.reset(false);
                if input.is_empty() {
                    return Ok(());
                }
            } else if step.consumed == 0 && !input.is_empty() && !step.is_full {
                return Err(InflateError::Corrupt.into());
            }
        }
        self.finish().map_err(E::from)
    }

    /// Produces at most one step of output, within the ceiling.
    fn step(&mut self, input: &[u8], compressed: usize) -> Result<Step, E> {
        if self.output.len() == self.filled {
            let first = compressed.saturating_mul(4).clamp(MIN_STEP, STEP);
            let wanted = if self.filled == self.start {
                first
            } else {
                STEP
            };
            grow(self.output, self.filled, wanted, self.ceiling);
        }
        let end = self.output.len().min(self.filled + STEP);
        let room = &mut self.output[self.filled..end];
        let (step, produced) = advance(self.state, input, room, InflateFlush::NoFlush)?;
        let chunk = &room[..produced];
        self.filled += produced;
        if !chunk.is_empty() {
            (self.on_chunk)(chunk)?;
        }
        Ok(step)
    }

    /// At the limit: goes on only while nothing more comes out.
    fn probe(&mut self, input: &[u8], compressed: usize) -> Result<Step, E> {
        let (step, produced) = advance(self.state, input, &mut [0], InflateFlush::NoFlush)?;
        if produced > 0 {
            return Err(self.limits.exceeded(compressed).into());
        }
        Ok(step)
    }

    /// Feeds the tail that the sender stripped, and sees that it was the tail: told to stop at the
    /// end of a block, the decompressor must take these four bytes, not one more, and produce
    /// nothing. Anything else means that the payload stopped inside a block.
    fn finish(&mut self) -> Result<(), InflateError> {
        let [a, b, c, d] = TAIL;
        let tail_and_more = [a, b, c, d, 0, 0];
        let (step, produced) = advance(self.state, &tail_and_more, &mut [0], InflateFlush::Block)?;
        if step.consumed == TAIL.len() && produced == 0 && !step.is_stream_end {
            Ok(())
        } else {
            Err(InflateError::Corrupt)
        }
    }
}

struct Step {
    consumed: usize,
    /// The output was filled to the brim, so more may wait inside.
    is_full: bool,
    is_stream_end: bool,
}

/// One call of the decompressor: what happened, and how many bytes of `output` it wrote.
fn advance(
    state: &mut Inflate,
    input: &[u8],
    output: &mut [u8],
    flush: InflateFlush,
) -> Result<(Step, usize), InflateError> {
    let (total_in, total_out) = (state.total_in(), state.total_out());
    let status = state
        .decompress(input, output, flush)
        .map_err(|_| InflateError::Corrupt)?;
    let length = |total: u64| usize::try_from(total).map_err(|_| InflateError::Corrupt);
    let produced = length(state.total_out() - total_out)?;
    let step = Step {
        consumed: length(state.total_in() - total_in)?,
        is_full: produced == output.len(),
        is_stream_end: status == Status::StreamEnd,
    };
    Ok((step, produced))
}

/// The decompressor's memory does not depend on the window, so it takes the largest.
const MAX_WINDOW_BITS: u8 = 15;

/// The least room made for a message: most are shorter than this.
const MIN_STEP: usize = 512;
