//! permessage-deflate inside a connection (RFC 7692 §6): who owns which codec.
//!
//! Without context takeover a connection owns none: it borrows the thread's. With takeover it
//! owns one a direction, from the first compressed message on.

use super::Role;
use super::scratch::{Compression, trimmed};
use crate::config::{Config, Limits};
use crate::deflate::{
    self, DeflateConfig, DeflateParams, Deflater, InflateError, InflateLimits, Inflater,
};
use crate::error::Violation;

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
        let is_shared = !direction.takeover();
        let slot = if is_shared {
            &mut scratch.deflater
        } else {
            &mut self.deflater
        };
        let deflater = slot.get_or_insert_with(|| Box::new(Deflater::new(direction, config.level)));
        if is_shared {
            deflater.switch_to(direction, config.level);
        }
        scratch.deflated.clear();
        if !deflater.deflate(payload, &mut scratch.deflated) {
            return None;
        }
        let compressed = scratch.deflated.len();
        scratch.counted.count(payload.len(), compressed);
        Some(&scratch.deflated)
    }
}
