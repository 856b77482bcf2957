//! Publishing in one channel, or in many.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire_hub::engine::{Key, Publish};
use holdwire_hub::{ChannelName, Payload};
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{Answer, Fault};
use super::{Api, answer, request};

/// The longest name of a publication, in bytes.
const LONGEST_KEY: usize = 255;

impl request::Publish {
    /// The one channel, and nothing about many.
    pub(super) fn one(self) -> Result<Self, &'static str> {
        match (&self.channel, &self.channels) {
            (Some(_), None) => Ok(self),
            (None, _) => Err("missing field `channel`"),
            _ => Err("unknown field `channels`"),
        }
    }

    /// Many channels, and nothing about one.
    pub(super) fn many(self) -> Result<Self, &'static str> {
        match (&self.channels, &self.channel) {
            (Some(_), None) => Ok(self),
            (None, _) => Err("missing field `channels`"),
            _ => Err("unknown field `channel`"),
        }
    }

    /// The same with the name of the publication from a header.
    pub(super) fn with_key(mut self, key: Option<&str>) -> Result<Self, &'static str> {
        match (&self.idempotency_key, key) {
            (Some(own), Some(key)) if own != key => {
                Err("Idempotency-Key and idempotency_key differ")
            }
            (None, Some(key)) => {
                self.idempotency_key = Some(key.to_owned());
                Ok(self)
            }
            _ => Ok(self),
        }
    }

    fn publish(&self) -> Result<Publish, Fault> {
        let refused = [
            (
                self.skip_history == Some(true),
                "skip_history: what is kept is up to the namespace",
            ),
            (
                self.tags.as_ref().is_some_and(|tags| !tags.is_empty()),
                "tags: put them into data",
            ),
            (
                self.delta == Some(true),
                "delta: permessage-deflate makes messages small",
            ),
        ];
        if let Some((_, why)) = refused.iter().find(|(is_asked, _)| *is_asked) {
            return Err(Fault::not_available(*why));
        }
        let key = match self.idempotency_key.as_deref() {
            Some(key) if key.is_empty() || key.len() > LONGEST_KEY => {
                let message = format!("an idempotency key has 1 to {LONGEST_KEY} bytes");
                return Err(Fault::bad_request(message));
            }
            key => key.map(|key| Key::Idempotency(key.into())),
        };
        let payload = payload(self.data.as_deref(), self.b64data.as_deref())?;
        Ok(Publish { payload, key })
    }
}

/// What is published: bytes, a text, or another JSON value.
fn payload(data: Option<&RawValue>, bytes: Option<&str>) -> Result<Payload, Fault> {
    if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
        let bytes = STANDARD.decode(bytes);
        let bytes = bytes.map_err(|_| Fault::bad_request("b64data is not base64"))?;
        return Ok(Payload::Binary(bytes.into()));
    }
    let data = data.ok_or_else(|| Fault::bad_request("data is missing"))?;
    Ok(match serde_json::from_str::<String>(data.get()) {
        Ok(text) => Payload::Text(text.into()),
        Err(_) => Payload::Json(data.get().into()),
    })
}

impl Api {
    pub(super) async fn publish(&self, asked: request::Publish) -> Answer {
        let channel = asked.channel.as_deref().unwrap_or_default();
        self.put(channel, asked.publish()?).await
    }

    pub(super) async fn broadcast(&self, asked: request::Publish) -> Answer {
        let publish = asked.publish()?;
        let channels = asked.channels.unwrap_or_default();
        if channels.is_empty() {
            return Err(Fault::bad_request("there is no channel"));
        }
        let mut responses = Vec::new();
        for channel in &channels {
            let answer = self.put(channel, publish.clone()).await;
            responses.push(answer::body(&answer));
        }
        Ok(json!({"responses": responses}))
    }

    async fn put(&self, channel: &str, publish: Publish) -> Answer {
        let channel: ChannelName = super::channels::name(channel)?;
        let published = self.hub.publish_with(&channel, publish).await?;
        let position = published.position;
        Ok(json!({"offset": position.offset, "epoch": position.epoch.to_string()}))
    }
}
