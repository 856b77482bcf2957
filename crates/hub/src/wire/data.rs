//! The content of a publication, as a member `data` or `base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire::Text;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::publication::Payload;

/// One of both members, in the object that it is flattened into by hand: a raw value cannot be
/// flattened.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Data {
    /// Any JSON value; `null` is one.
    #[serde(deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<Box<str>>,
}

/// A member that is there, whatever its value.
pub(super) fn there<'de, D>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Data {
    /// As it is written.
    pub(crate) fn of(payload: &Payload) -> Self {
        match payload {
            Payload::Text(text) => Self {
                data: to_raw_value(&**text).ok(),
                base64: None,
            },
            Payload::Json(text) => Self {
                data: RawValue::from_string(text.to_string()).ok(),
                base64: None,
            },
            Payload::Binary(bytes) => Self {
                data: None,
                base64: Some(STANDARD.encode(bytes).into()),
            },
        }
    }

    /// What it stands for; `None` when it has none of the members or both, or is not what it says.
    pub(crate) fn payload(data: Option<&RawValue>, base64: Option<&str>) -> Option<Payload> {
        match (data, base64) {
            (Some(value), None) if value.get().starts_with('"') => {
                let text: String = serde_json::from_str(value.get()).ok()?;
                Some(Payload::Text(Text::from(text)))
            }
            (Some(value), None) => Some(Payload::Json(Text::from(value.get()))),
            (None, Some(base64)) => Some(Payload::Binary(STANDARD.decode(base64).ok()?.into())),
            _ => None,
        }
    }
}
