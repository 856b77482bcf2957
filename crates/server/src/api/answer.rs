//! What a backend is told.

use holdwire_hub::engine::{EngineError, PublishError};
use serde_json::{Value, json};

/// Why something is not done; the codes are those of `docs/protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: u16,
    pub(super) message: String,
}

/// What a method gives: the members of its result.
pub(super) type Answer = Result<Value, Fault>;

impl Fault {
    fn new(code: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// It cannot be done now.
    pub(super) fn unavailable() -> Self {
        Self::new(100, "this cannot be done now, try again")
    }

    /// Whoever asks is not known.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(103, message)
    }

    /// There is no such namespace.
    pub(super) fn no_channel() -> Self {
        Self::new(102, "there is no such namespace")
    }

    /// There is no such method.
    pub(super) fn no_method(name: &str) -> Self {
        Self::new(104, format!("there is no method {name:?}"))
    }

    /// What is asked for makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(107, message)
    }

    /// There is no such thing here.
    pub(super) fn not_available(message: impl Into<String>) -> Self {
        Self::new(108, message)
    }

    /// The position is of another log, or what follows it is not kept any more.
    pub(super) fn unrecoverable() -> Self {
        Self::new(112, "the position cannot be recovered")
    }

    /// As a member `error`.
    pub(super) fn json(&self) -> Value {
        json!({"code": self.code, "message": self.message})
    }
}

impl From<EngineError> for Fault {
    fn from(_: EngineError) -> Self {
        Self::unavailable()
    }
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NoChannel => Self::no_channel(),
            PublishError::KeyReused => Self::bad_request(error.to_string()),
            _ => Self::unavailable(),
        }
    }
}

/// The body of an answer.
pub(super) fn body(answer: &Answer) -> Value {
    match answer {
        Ok(result) => json!({"result": result}),
        Err(fault) => json!({"error": fault.json()}),
    }
}

/// An answer as a part of that to a batch.
pub(super) fn reply(method: &str, answer: &Answer) -> Value {
    match answer {
        Ok(result) => json!({method: result}),
        Err(fault) => json!({"error": fault.json()}),
    }
}
