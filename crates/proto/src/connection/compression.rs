//! permessage-deflate inside a connection (RFC 7692 §6): who owns which codec.
//!
//! Without context takeover a connection owns none: it borrows the thread's. With takeover it
//! owns one a direction, from the first compressed message on.

use std::sync::OnceLock;

use bytes::Bytes;

use super::Role;
use super::prepared::{self, Variant};
use super::scratch::{Compression, trimmed};
use crate::config::{Config, Limits};
use crate::deflate::{
    self, DeflateConfig, DeflateParams, Deflater, InflateError, InflateLimits, Inflater, WindowBits,
};
use crate::error::Violation;
use crate::frame::Opcode;

/// What the opening handshake agreed on, for both directions.
#[derive(Clone, Copy)]
pub(super) struct Agreed(pub(super) Option<DeflateParams>);

impl Agreed {
    pub(super) const NOTHING: Self = Self(None);

    /// Whether a message of `length` bytes is worth compressing.
    #[inline]
    pub(super) fn wants(self, role: Role, length: usize, config: &Config) -> bool {
        self.sending(role, config)
            .is_some_and(|(direction, config)| length >= config.threshold_for(direction))
    }

    /// Which encoding of a prepared message can be sent.
    ///
    /// With takeover the peer's context would have to take note of what no compressor of this
    /// connection has seen.
    pub(super) fn variant(self, role: Role) -> Variant {
        let direction = match role {
            Role::Server => self.0.map(DeflateParams::server_to_client),
            Role::Client => None,
        };
        direction
            .filter(|direction| !direction.takeover())
            .and_then(|direction| WindowBits::new(direction.max_window_bits()))
            .map_or(Variant::PLAIN, Variant::deflated)
    }

    #[inline]
    fn sending(self, role: Role, config: &Config) -> Option<(deflate::Context, DeflateConfig)> {
        let (params, config) = (self.0?, config.deflate?);
        let direction = match role {
            Role::Server => params.server_to_client(),
            Role::Client => params.client_to_server(),
        };
        Some((direction, config))
    }
}

/// The connection's inflating side.
pub(super) struct InflationContext {
    inflater: Option<Box<Inflater>>,
}

impl InflationContext {
    pub(super) fn new() -> Self {
        Self { inflater: None }
    }
}

/// The thread's inflating side.
pub(super) struct InflateScratch {
    inflater: Option<Box<Inflater>>,
    inflated: Vec<u8>,
    pub(super) counted: Compression,
}

impl InflateScratch {
    pub(super) fn new() -> Self {
        Self {
            inflater: None,
            inflated: Vec::new(),
            counted: Compression::default(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.inflated.capacity()
    }

    /// Gives memory back after a large message.
    #[inline]
    pub(super) fn trim(&mut self) {
        self.inflated = trimmed(std::mem::take(&mut self.inflated));
    }
}

/// Both for one call.
pub(super) struct Inflation<'a> {
    agreed: Agreed,
    context: &'a mut InflationContext,
    scratch: &'a mut InflateScratch,
    config: &'a Config,
    role: Role,
}

impl<'a> Inflation<'a> {
    #[inline]
    pub(super) fn new(
        agreed: Agreed,
        context: &'a mut InflationContext,
        scratch: &'a mut InflateScratch,
        config: &'a Config,
        role: Role,
    ) -> Self {
        Self {
            agreed,
            context,
            scratch,
            config,
            role,
        }
    }

    #[inline]
    pub(super) fn is_negotiated(&self) -> bool {
        self.agreed.0.is_some()
    }

    /// Inflates one whole message into the thread's buffer.
    pub(super) fn inflate(
        &mut self,
        compressed: &[u8],
        limits: &Limits,
    ) -> Result<&[u8], Violation> {
        let Some(params) = self.agreed.0 else {
            return Err(Violation::ReservedBit);
        };
        let direction = match self.role {
            Role::Server => params.client_to_server(),
            Role::Client => params.server_to_client(),
        };
        let slot = if direction.takeover() {
            &mut self.context.inflater
        } else {
            &mut self.scratch.inflater
        };
        let inflater = slot.get_or_insert_with(|| Box::new(Inflater::new(direction)));
        let max_ratio = self.config.deflate.map(|config| config.max_inflate_ratio);
        let limits = InflateLimits {
            max_message: limits.max_message,
            max_ratio: max_ratio.unwrap_or(u32::MAX),
        };
        self.scratch.inflated.clear();
        inflater
            .inflate::<InflateError>(compressed, &mut self.scratch.inflated, limits, |_| Ok(()))?;
        let plain = self.scratch.inflated.len();
        self.scratch.counted.count(plain, compressed.len());
        Ok(&self.scratch.inflated)
    }
}

impl From<InflateError> for Violation {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Corrupt => Self::InvalidDeflate,
            InflateError::TooLong => Self::MessageTooBig,
            InflateError::RatioExceeded => Self::InflateRatio,
        }
    }
}

/// The connection's deflating side.
pub(super) struct Deflation {
    deflater: Option<Box<Deflater>>,
}

/// The thread's deflating side.
pub(super) struct DeflateScratch {
    deflater: Option<Box<Deflater>>,
    deflated: Vec<u8>,
    pub(super) counted: Compression,
}

impl DeflateScratch {
    pub(super) fn new() -> Self {
        Self {
            deflater: None,
            deflated: Vec::new(),
            counted: Compression::default(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.deflated.capacity()
    }

    /// Gives memory back after a large message.
    pub(super) fn trim(&mut self) {
        self.deflated = trimmed(std::mem::take(&mut self.deflated));
    }

    /// Deflates a message that refers to no other; `None` when it is to be sent as it is.
    fn deflate_alone(
        &mut self,
        direction: deflate::Context,
        level: u8,
        payload: &[u8],
    ) -> Option<&[u8]> {
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::new(direction, level)));
        deflater.switch_to(direction, level);
        counted(deflater, payload, &mut self.deflated, &mut self.counted)
    }
}

impl Deflation {
    pub(super) fn new() -> Self {
        Self { deflater: None }
    }

    /// Deflates one message into the thread's buffer; `None` when it is to be sent as it is.
    pub(super) fn deflate<'s>(
        &mut self,
        agreed: Agreed,
        role: Role,
        payload: &[u8],
        config: &Config,
        scratch: &'s mut DeflateScratch,
    ) -> Option<&'s [u8]> {
        let (direction, config) = agreed.sending(role, config)?;
        if payload.len() < config.threshold_for(direction) {
            return None;
        }
        if !direction.takeover() {
            return scratch.deflate_alone(direction, config.level, payload);
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::new(direction, config.level)));
        let DeflateScratch {
            deflated, counted, ..
        } = scratch;
        self::counted(deflater, payload, deflated, counted)
    }
}

/// Deflates one message into `deflated` and counts it.
fn counted<'s>(
    deflater: &mut Deflater,
    payload: &[u8],
    deflated: &'s mut Vec<u8>,
    counted: &mut Compression,
) -> Option<&'s [u8]> {
    deflated.clear();
    if !deflater.deflate(payload, deflated) {
        return None;
    }
    counted.count(payload.len(), deflated.len());
    Some(deflated)
}

/// The compressed frames of one prepared message, each made when it is first needed; `None` where
/// the message goes out as it is.
#[derive(Debug)]
pub(super) struct DeflatedFrames {
    /// For the largest window, and for every window that the whole payload fits in: without
    /// history nothing refers farther back than the message is long.
    widest: Frame,
    /// For the other windows, from the smallest on.
    narrower: OnceLock<Box<[Frame; NARROWER]>>,
}

type Frame = OnceLock<Option<Bytes>>;

/// How many windows are smaller than the largest.
const NARROWER: usize = (WindowBits::MAX.get() - WindowBits::MIN.get()) as usize;

impl DeflatedFrames {
    pub(super) fn new() -> Self {
        Self {
            widest: OnceLock::new(),
            narrower: OnceLock::new(),
        }
    }

    /// The frame for `variant`, made now if this is the first call; `None` when it is to be sent
    /// as it is.
    pub(super) fn get(
        &self,
        variant: Variant,
        opcode: Opcode,
        payload: &[u8],
        config: &Config,
        scratch: &mut DeflateScratch,
    ) -> Option<&Bytes> {
        let (window_bits, config) = (variant.window_bits()?, config.deflate?);
        let fits = payload.len() <= 1 << window_bits.get();
        let (frame, window_bits) = if fits || window_bits == WindowBits::MAX {
            (&self.widest, WindowBits::MAX)
        } else {
            let index = window_bits.get() - WindowBits::MIN.get();
            (
                &self.narrower.get_or_init(Box::default)[usize::from(index)],
                window_bits,
            )
        };
        let deflate = || {
            let direction = deflate::Context::new(window_bits, false);
            if payload.len() < config.threshold_for(direction) {
                return None;
            }
            let deflated = scratch.deflate_alone(direction, config.level, payload);
            let frame = deflated.map(|deflated| prepared::frame(opcode, true, deflated));
            scratch.trim();
            frame
        };
        frame.get_or_init(deflate).as_ref()
    }
}
