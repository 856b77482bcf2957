//! Which namespaces there are.

use std::collections::HashMap;

use crate::channel::{ChannelName, Namespace};

/// The namespaces of a hub; a channel whose namespace is not among them does not exist.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(HashMap<Box<str>, Namespace>);

impl Namespaces {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, or replaces it; the empty name is that of channels without a colon.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, namespace: Namespace) -> Self {
        self.0.insert(name.into(), namespace);
        self
    }

    /// The namespace of a channel; `None` when there is no such channel.
    #[must_use]
    pub fn of(&self, channel: &ChannelName) -> Option<&Namespace> {
        self.0.get(channel.namespace())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
