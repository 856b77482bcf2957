//! A client of the session protocol: many channels on one line, none of which loses anything.
//!
//! A [`Client`] is a [`Line`](holdwire::Line) that knows channels: it comes back by itself, with
//! the position of every subscription, and what was published and not acknowledged is sent again
//! under the same number, so that it is in the log once.

mod builder;
mod grant;
mod granting;
mod handle;
mod machine;
mod publishing;
mod sub;
mod subscription;
mod task;
#[cfg(test)]
mod vectors;

pub use self::builder::Builder;
pub use self::handle::{
    AskError, Client, Member, Page, Receipt, Status, SubscribeError, Unpublished, Unsent,
};
pub use self::sub::Event;
pub use self::subscription::{Subscription, Wants};

/// What a simulation and the fuzz targets drive.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod driven {
    pub(crate) use super::grant::Grant;
    #[cfg(test)]
    pub(crate) use super::machine::Outcome;
    pub(crate) use super::machine::{Ask, Event, Machine, News, Serial, TokenAsk};
}
