//! What our server says, in the words of the protocol.

use std::collections::BTreeMap;

use holdwire::Message;
use serde::Serialize;

use super::{Encoding, raw, reply};
use crate::channel::ChannelName;
use crate::format::push;
use crate::presence::{ClientId, Member};
use crate::publication::{Payload, Publication};
use crate::wire;

/// A publication as a message.
pub(crate) fn publication(
    encoding: Encoding,
    channel: &ChannelName,
    publication: &Publication,
) -> Message {
    match (encoding, &publication.payload) {
        // The words are the same.
        (Encoding::Json, Payload::Text(_) | Payload::Json(_)) => {
            Message::from(push(channel, publication))
        }
        _ => pushed(encoding, channel, |push| {
            let data = raw::bytes(&publication.payload);
            push.publication = Some(entry(encoding, publication.offset, data));
        }),
    }
}

/// Somebody who joins, or leaves.
pub(crate) fn member(
    encoding: Encoding,
    channel: &ChannelName,
    joins: bool,
    client: ClientId,
    who: &Member,
) -> Message {
    let info = reply::ClientInfo {
        user: who.user.to_string(),
        client: client.to_string(),
        conn_info: who
            .info
            .as_deref()
            .map_or_else(Vec::new, |info| info.get().into()),
    };
    pushed(encoding, channel, |push| {
        let whoever = Some(reply::Whoever { info: Some(info) });
        if joins {
            push.join = whoever;
        } else {
            push.leave = whoever;
        }
    })
}

/// What a server says, as a message.
pub(crate) fn written(encoding: Encoding, reply: &wire::Reply) -> Message {
    encoded(encoding, &said(encoding, reply))
}

fn pushed(
    encoding: Encoding,
    channel: &ChannelName,
    fill: impl FnOnce(&mut reply::Push),
) -> Message {
    let mut push = reply::Push {
        channel: channel.to_string(),
        ..reply::Push::default()
    };
    fill(&mut push);
    let reply = reply::Reply {
        push: Some(Box::new(push)),
        ..reply::Reply::default()
    };
    encoded(encoding, &reply)
}

fn encoded<T: prost::Message + Serialize>(encoding: Encoding, message: &T) -> Message {
    match encoding {
        // Strings, numbers and maps with string keys always have a JSON form.
        Encoding::Json => Message::from(serde_json::to_string(message).unwrap_or_default()),
        Encoding::Protobuf => Message::from(message.encode_length_delimited_to_vec()),
    }
}

fn said(encoding: Encoding, reply: &wire::Reply) -> reply::Reply {
    reply::Reply {
        // Commands have ids of 32 bits here.
        id: u32::try_from(reply.id).unwrap_or_default(),
        error: reply.error.as_ref().map(|error| reply::Error {
            code: error.code.into(),
            message: error.message.clone(),
            temporary: error.temporary,
        }),
        push: reply.push.as_ref().map(|push| Box::new(about(push))),
        connect: reply.connect.as_ref().map(|connected| {
            Box::new(reply::Connected {
                client: connected.client.clone(),
                version: concat!("holdwire ", env!("CARGO_PKG_VERSION")).to_owned(),
                expires: connected.expires,
                ttl: seconds(connected.ttl),
                data: connected
                    .data
                    .as_ref()
                    .map_or_else(Vec::new, |data| data.get().into()),
                subs: connected
                    .subs
                    .iter()
                    .map(|(channel, subscribed)| (channel.to_string(), begun(subscribed)))
                    .collect(),
                ping: connected.ping.unwrap_or_default(),
                pong: connected.ping.is_some(),
            })
        }),
        subscribe: reply.subscribe.as_ref().map(|sub| Box::new(begun(sub))),
        unsubscribe: reply.unsubscribe.as_ref().map(|_| reply::Empty {}),
        publish: reply.publish.as_ref().map(|_| reply::Empty {}),
        presence: reply.presence.as_ref().map(|who| reply::Presence {
            presence: who
                .presence
                .iter()
                .map(|(client, someone)| (client.clone(), info(someone)))
                .collect(),
        }),
        presence_stats: reply
            .presence_stats
            .as_ref()
            .map(|stats| reply::PresenceStats {
                num_clients: u32::try_from(stats.num_clients).unwrap_or(u32::MAX),
                num_users: u32::try_from(stats.num_users).unwrap_or(u32::MAX),
            }),
        history: reply.history.as_ref().map(|found| reply::History {
            publications: found
                .publications
                .iter()
                .filter_map(wire::Entry::publication)
                .map(|entry| self::entry(encoding, entry.offset, raw::bytes(&entry.payload)))
                .collect(),
            epoch: found.epoch.clone(),
            offset: found.newest,
        }),
        ping: reply.ping.as_ref().map(|_| reply::Empty {}),
        rpc: reply.rpc.as_ref().map(|said| reply::Answer {
            data: said
                .data
                .as_deref()
                .map_or_else(Vec::new, |data| data.get().into()),
        }),
        refresh: reply.refresh.as_ref().map(|refreshed| reply::Refreshed {
            expires: refreshed.expires,
            ttl: seconds(refreshed.ttl),
        }),
        sub_refresh: reply
            .sub_refresh
            .as_ref()
            .map(|refreshed| reply::SubRefreshed {
                expires: refreshed.expires,
                ttl: seconds(refreshed.ttl),
            }),
    }
}

fn about(push: &wire::Push) -> reply::Push {
    reply::Push {
        channel: push.channel.clone(),
        unsubscribe: push.unsubscribe.as_ref().map(|cause| reply::Unsubscribed {
            code: cause.code.into(),
            reason: cause.reason.clone(),
        }),
        subscribe: push.subscribe.as_ref().map(|subscribed| {
            let begun = begun(subscribed);
            reply::Begun {
                recoverable: begun.recoverable,
                epoch: begun.epoch,
                offset: begun.offset,
                positioned: begun.positioned,
            }
        }),
        ..reply::Push::default()
    }
}

/// A client moves its position with each publication that it gets, so the position here is the one
/// after which they follow.
fn begun(subscribed: &wire::Subscribed) -> reply::Subscribed {
    let is_recoverable = subscribed.is_recoverable;
    reply::Subscribed {
        expires: subscribed.expires,
        ttl: seconds(subscribed.ttl),
        recoverable: is_recoverable,
        epoch: subscribed.epoch.clone(),
        recovered: subscribed.recovered == Some(true),
        offset: subscribed.offset,
        positioned: is_recoverable,
        was_recovering: subscribed.recovered.is_some(),
    }
}

/// What is no JSON value is base64 in JSON, and says so.
fn entry(encoding: Encoding, offset: u64, data: Vec<u8>) -> reply::Publication {
    let is_coded = encoding == Encoding::Json && raw::value(&data).is_none();
    let tag = || ("encoding".to_owned(), "base64".to_owned());
    reply::Publication {
        data,
        offset,
        tags: is_coded.then(tag).into_iter().collect::<BTreeMap<_, _>>(),
    }
}

fn info(someone: &wire::Someone) -> reply::ClientInfo {
    reply::ClientInfo {
        user: someone.user.clone(),
        client: someone.client.clone(),
        conn_info: someone
            .info
            .as_deref()
            .map_or_else(Vec::new, |info| info.get().into()),
    }
}

fn seconds(ttl: Option<u64>) -> u32 {
    ttl.map_or(0, |ttl| u32::try_from(ttl).unwrap_or(u32::MAX))
}
