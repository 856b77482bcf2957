//! Questions about channels, and about the node.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire_hub::{ChannelName, Payload, Position, Publication, Since};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Fault};
use super::glob::is_like;
use super::{Api, request, value};

/// The most publications of one answer.
const MOST: usize = 10_000;

/// The most bytes of their payloads, but for one that is larger.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A name of a channel.
pub(super) fn name(channel: &str) -> Result<ChannelName, Fault> {
    channel
        .parse()
        .map_err(|error: holdwire_hub::ChannelNameError| {
            Fault::bad_request(format!("channel: {error}"))
        })
}

impl Api {
    pub(super) async fn history(&self, asked: request::History) -> Answer {
        let channel = self.known(&asked.channel)?;
        let since = asked.since.map(position).transpose()?;
        let limit = match asked.limit.unwrap_or_default() {
            limit if limit < 0 => MOST,
            limit => usize::try_from(limit).unwrap_or(MOST).min(MOST),
        };
        let mut found = Vec::new();
        let is_back = asked.reverse == Some(true);
        let newest = if is_back {
            self.backwards(&channel, since, limit, &mut found).await?
        } else {
            self.forwards(&channel, since, limit, &mut found).await?
        };
        let publications: Vec<Value> = found.iter().map(entry).collect();
        Ok(json!({
            "publications": publications,
            "offset": newest.offset,
            "epoch": newest.epoch.to_string(),
        }))
    }

    /// Reads page after page; gives the newest position.
    async fn forwards(
        &self,
        channel: &ChannelName,
        since: Option<Position>,
        limit: usize,
        found: &mut Vec<Publication>,
    ) -> Result<Position, Fault> {
        let mut room = MOST_BYTES;
        let mut from = match since {
            Some(position) => Since::Position(position),
            None if limit == 0 => Since::Newest,
            None => Since::Oldest,
        };
        loop {
            let reading = self.hub.history(channel, from, limit - found.len()).await?;
            let newest = reading.position.epoch.at(reading.newest);
            // What is lost while it is read was asked for without a position.
            if reading.gap.is_some() && (since.is_some() || !found.is_empty()) {
                return match since {
                    Some(_) => Err(Fault::unrecoverable()),
                    None => Ok(newest),
                };
            }
            let (has_more, is_empty) = (reading.has_more(), reading.publications.is_empty());
            let position = reading.position;
            for publication in reading.publications {
                let left = room.checked_sub(publication.payload.len());
                if left.is_none() && !found.is_empty() {
                    return Ok(newest);
                }
                room = left.unwrap_or_default();
                found.push(publication);
            }
            if !has_more || is_empty || found.len() >= limit {
                return Ok(newest);
            }
            from = Since::Position(position);
        }
    }

    async fn backwards(
        &self,
        channel: &ChannelName,
        since: Option<Position>,
        limit: usize,
        found: &mut Vec<Publication>,
    ) -> Result<Position, Fault> {
        let mut room = MOST_BYTES;
        let mut before = since;
        loop {
            let left = limit - found.len();
            let reading = self.hub.history_before(channel, before, left).await?;
            if reading.gap.is_some() {
                return Err(Fault::unrecoverable());
            }
            let newest = reading.position.epoch.at(reading.newest);
            let is_empty = reading.publications.is_empty();
            before = Some(reading.position);
            for publication in reading.publications {
                let left = room.checked_sub(publication.payload.len());
                if left.is_none() && !found.is_empty() {
                    return Ok(newest);
                }
                room = left.unwrap_or_default();
                found.push(publication);
            }
            if is_empty || found.len() >= limit {
                return Ok(newest);
            }
        }
    }

    pub(super) async fn history_remove(&self, asked: request::Channel) -> Answer {
        let channel = self.known(&asked.channel)?;
        self.hub.clear(&channel).await?;
        Ok(json!({}))
    }

    pub(super) async fn presence(&self, asked: request::Channel) -> Answer {
        let channel = self.present(&asked.channel)?;
        let members = self.hub.members(&channel).await?;
        let presence: Map<String, Value> = members
            .iter()
            .map(|(client, member)| {
                let client = client.to_string();
                let mut info = json!({"client": client, "user": &*member.user});
                if let Some(more) = &member.info {
                    info["conn_info"] = value(Some(more));
                }
                (client, info)
            })
            .collect();
        Ok(json!({"presence": presence}))
    }

    pub(super) async fn presence_stats(&self, asked: request::Channel) -> Answer {
        let channel = self.present(&asked.channel)?;
        let members = self.hub.members(&channel).await?;
        let users: BTreeSet<&str> = members.iter().map(|(_, member)| &*member.user).collect();
        Ok(json!({"num_clients": members.len(), "num_users": users.len()}))
    }

    pub(super) fn channels(&self, asked: &request::Channels) -> Answer {
        let pattern = asked
            .pattern
            .as_deref()
            .filter(|pattern| !pattern.is_empty());
        let channels: Map<String, Value> = self
            .hub
            .channels()
            .into_iter()
            .filter(|(name, _)| pattern.is_none_or(|pattern| is_like(pattern, name.as_str())))
            .map(|(name, count)| (name.to_string(), json!({"num_clients": count})))
            .collect();
        Ok(json!({"channels": channels}))
    }

    pub(super) fn info(&self) -> Answer {
        let counts = self.hub.counts();
        let (users, _) = self.hub.users();
        Ok(json!({"nodes": [{
            "uid": self.uid,
            "name": "holdwire",
            "version": env!("CARGO_PKG_VERSION"),
            "num_clients": self.site.metrics.connections(),
            "num_users": users,
            "num_subs": counts.subscriptions,
            "num_channels": counts.channels,
            "uptime": self.site.status.uptime().as_secs(),
        }]}))
    }

    /// A channel of a namespace that there is.
    pub(super) fn known(&self, channel: &str) -> Result<ChannelName, Fault> {
        let channel = name(channel)?;
        match self.hub.namespaces().of(&channel) {
            Some(_) => Ok(channel),
            None => Err(Fault::no_channel()),
        }
    }

    /// The same, that knows who is there.
    fn present(&self, channel: &str) -> Result<ChannelName, Fault> {
        let channel = self.known(channel)?;
        let namespace = self.hub.namespaces().of(&channel);
        if namespace.is_some_and(|namespace| namespace.presence) {
            return Ok(channel);
        }
        Err(Fault::not_available("the namespace has no presence"))
    }
}

/// A position of a log; of another server's there is none here.
pub(super) fn position(since: request::Since) -> Result<Position, Fault> {
    let epoch: holdwire_hub::Epoch = since.epoch.parse().map_err(|_| Fault::unrecoverable())?;
    let offset = since.offset.unwrap_or_default();
    if offset > holdwire_hub::MAX_OFFSET {
        return Err(Fault::bad_request("an offset is below 2^53"));
    }
    Ok(epoch.at(offset))
}

/// A publication as it is told; bytes are base64, and it says so.
fn entry(publication: &Publication) -> Value {
    let offset = publication.offset;
    match &publication.payload {
        Payload::Text(text) => json!({"offset": offset, "data": &**text}),
        Payload::Json(text) => {
            let data: Value = serde_json::from_str(text).unwrap_or_default();
            json!({"offset": offset, "data": data})
        }
        Payload::Binary(bytes) => json!({
            "offset": offset,
            "data": STANDARD.encode(bytes),
            "tags": {"encoding": "base64"},
        }),
    }
}
