//! Channels that resume.
//!
//! A channel is a [`Log`]; a subscriber is a cursor in it, a [`Position`]. Live delivery, history,
//! and coming back after a cut line are one operation: reading from a position, which gives what
//! follows it, or a [`Gap`] that says why not.

pub mod client;
pub mod engine;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "contract")]
pub mod model;
pub mod plain;
pub mod session;

mod allow;
mod backwards;
mod centrifuge;
mod channel;
mod counts;
mod cursor;
mod format;
mod hub;
mod local;
mod log;
mod namespaces;
mod position;
mod presence;
mod publication;
mod reading;
#[cfg(test)]
mod simulation;
mod wire;

pub use self::allow::{Allow, Allowed};
pub use self::channel::{Access, ChannelName, ChannelNameError, MAX_NAME, Namespace, SlowConsumer};
pub use self::counts::{Counts, Kept};
pub use self::hub::Hub;
pub use self::local::{CHANGED, TOO_SLOW};
pub use self::log::{Log, Retention};
pub use self::namespaces::Namespaces;
pub use self::position::{Epoch, MAX_OFFSET, Position, PositionError};
pub use self::presence::{ClientId, Member};
pub use self::publication::{Payload, Publication};
pub use self::reading::{Gap, Reading, Reason, Since};
