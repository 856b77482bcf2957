//! What is published.

use bytes::Bytes;
use holdwire::Text;

/// The content of a publication, shared by all who hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A text. In JSON it is a string.
    Text(Text),
    /// A JSON value that is no string, as its text. In JSON it is that value.
    Json(Text),
    /// Bytes. In JSON they are base64.
    Binary(Bytes),
}

impl Payload {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Json(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The number of its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its number in the log: 1 for the first, and each one more than the one before it.
    pub offset: u64,
    /// Its content.
    pub payload: Payload,
}
