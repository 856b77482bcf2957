//! What stands in for permessage-deflate when the feature is off: it is never negotiated.

use bytes::Bytes;

use super::Role;
use super::prepared::Variant;
use super::scratch::Compression;
use crate::config::{Config, Limits};
use crate::error::Violation;
use crate::frame::Opcode;

/// What the opening handshake agreed on: nothing.
#[derive(Clone, Copy)]
pub(super) struct Agreed;

impl Agreed {
    pub(super) const NOTHING: Self = Self;

    pub(super) fn wants(self, _: Role, _: usize, _: &Config) -> bool {
        false
    }

    pub(super) fn variant(self, _: Role) -> Variant {
        Variant::PLAIN
    }
}

/// The connection's inflating side.
pub(super) struct InflationContext;

impl InflationContext {
    pub(super) fn new() -> Self {
        Self
    }
}

/// The thread's inflating side.
pub(super) struct InflateScratch {
    pub(super) counted: Compression,
}

impl InflateScratch {
    pub(super) fn new() -> Self {
        Self {
            counted: Compression::default(),
        }
    }

    pub(super) fn held(&self) -> usize {
        0
    }

    pub(super) fn trim(&mut self) {}
}

/// Both for one call.
pub(super) struct Inflation<'a>(std::marker::PhantomData<&'a ()>);

impl<'a> Inflation<'a> {
    pub(super) fn new(
        _: Agreed,
        _: &'a mut InflationContext,
        _: &'a mut InflateScratch,
        _: &Config,
        _: Role,
    ) -> Self {
        Self(std::marker::PhantomData)
    }

    pub(super) fn is_negotiated(&self) -> bool {
        false
    }

    pub(super) fn inflate(&mut self, _: &[u8], _: &Limits) -> Result<&[u8], Violation> {
        Err(Violation::InvalidDeflate)
    }
}

/// The connection's deflating side.
pub(super) struct Deflation;

/// The thread's deflating side.
pub(super) struct DeflateScratch {
    pub(super) counted: Compression,
}

impl DeflateScratch {
    pub(super) fn new() -> Self {
        Self {
            counted: Compression::default(),
        }
    }

    pub(super) fn held(&self) -> usize {
        0
    }

    pub(super) fn trim(&mut self) {}
}

impl Deflation {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn deflate<'s>(
        &mut self,
        _: Agreed,
        _: Role,
        _: &[u8],
        _: &Config,
        _: &'s mut DeflateScratch,
    ) -> Option<&'s [u8]> {
        None
    }
}

/// The compressed frames of one prepared message: none.
#[derive(Debug)]
pub(super) struct DeflatedFrames;

impl DeflatedFrames {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn get(
        &self,
        _: Variant,
        _: Opcode,
        _: &[u8],
        _: &Config,
        _: &mut DeflateScratch,
    ) -> Option<&Bytes> {
        None
    }
}
