//! Members that hold any value: a JSON value in JSON, bytes in Protobuf.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::publication::Payload;

/// Bytes that hold a JSON value, as that value.
pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match value(bytes) {
        Some(value) => value.serialize(serializer),
        // What is no JSON value cannot be said otherwise.
        None => STANDARD.encode(bytes).serialize(serializer),
    }
}

/// A JSON value as the bytes of its text.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let value = Box::<RawValue>::deserialize(deserializer)?;
    Ok(value.get().as_bytes().to_vec())
}

/// The JSON value that bytes hold, if they hold one.
pub(super) fn value(bytes: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(bytes).ok()
}

/// A payload as the bytes of its JSON value, or as its own.
pub(super) fn bytes(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Text(text) => {
            let value = to_raw_value(&**text);
            // A text has a JSON form.
            value.map_or_else(|_| Vec::new(), |value| value.get().as_bytes().to_vec())
        }
        Payload::Json(text) => text.as_bytes().to_vec(),
        Payload::Binary(bytes) => bytes.to_vec(),
    }
}

/// A member that is missing, or `null`, has its default value.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
