//! Webhooks: an application's backend decides about clients, by HTTP.
//!
//! ```text
//!  Policy ──► question (JSON) ──► desk: bound, breaker, repeats ──► link: one POST ──► answer
//! ```
//!
//! What is asked and answered is in `docs/guide/hooks.md`.

mod answer;
mod breaker;
mod desk;
mod link;
mod notices;
mod policy;
mod question;
mod seal;

pub use desk::{Desk, Rules};
pub use policy::Hooks;
pub use seal::Secret;

/// What a backend is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who somebody is.
    Connect,
    /// Whether a client may have a channel.
    Subscribe,
    /// Whether something may be published.
    Publish,
    /// A client's question.
    Rpc,
    /// A client is gone.
    Disconnect,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Connect,
        Self::Subscribe,
        Self::Publish,
        Self::Rpc,
        Self::Disconnect,
    ];

    /// Its name in settings, requests and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Rpc => "rpc",
            Self::Disconnect => "disconnect",
        }
    }

    /// Whether asking twice does no harm, even when nobody looks at the request's id.
    fn is_harmless(self) -> bool {
        matches!(self, Self::Connect | Self::Subscribe | Self::Disconnect)
    }
}
