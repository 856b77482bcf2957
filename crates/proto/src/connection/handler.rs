//! The application's side: what it is handed, and what it answers.

use std::borrow::Cow;

use super::outbound::Sender;
use crate::close::Closing;
use crate::message::Message;

/// What a connection hands to the application.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole text message: borrowed from the input when it lay there whole, else owned.
    Text(Cow<'a, str>),
    /// A whole binary message.
    Binary(Cow<'a, [u8]>),
    /// A Ping; it has been answered.
    Ping(&'a [u8]),
    /// A Pong.
    Pong(&'a [u8]),
    /// The peer's Close frame; nothing follows. It is answered when the handler returns.
    Close(Closing<'a>),
}

impl Event<'_> {
    /// The message, owned; `None` for anything else.
    #[must_use]
    pub fn into_message(self) -> Option<Message> {
        match self {
            Self::Text(text) => Some(Message::Text(text.into())),
            Self::Binary(Cow::Borrowed(bytes)) => Some(bytes.into()),
            Self::Binary(Cow::Owned(bytes)) => Some(bytes.into()),
            _ => None,
        }
    }
}

impl<'a> From<&'a Message> for Event<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(Cow::Borrowed(text)),
            Message::Binary(bytes) => Self::Binary(Cow::Borrowed(bytes)),
        }
    }
}

/// Whether the application takes another event now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Keep the unread rest until [`Connection::resume`](super::Connection::resume).
    Pause,
}

/// The application's side: what every driver calls.
///
/// Closures of the same shape are handlers.
pub trait Handler {
    /// Takes one event; answers go through `sender` and leave with the same write.
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow;

    /// Whether messages were taken that the application has not seen yet.
    ///
    /// Then the end of the connection waits for [`Connection::resume`](super::Connection::resume), though no longer than half
    /// the close timeout: an application may answer what came before a Close frame or a violation
    /// of the protocol (RFC 6455 §5.5.1).
    fn has_unseen(&self) -> bool {
        false
    }
}

impl<F: FnMut(Event<'_>, &mut Sender<'_>) -> Flow> Handler for F {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        self(event, sender)
    }
}
