//! What a client means.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Buf;
use prost::Message;
use serde_json::value::RawValue;

use super::command::{self, Command};
use super::{Encoding, Saying, raw};
use crate::position::Epoch;
use crate::wire::{self, Fault, Start};

/// Why a command has no meaning here, or none at all.
type Refusal = (Fault, &'static str);

const NOT_SERVED: Refusal = (Fault::NotHere, "this kind of subscription is not served");

impl Encoding {
    /// The next saying of a message, which is taken from it; `None` when nothing is left.
    ///
    /// # Errors
    /// When the message is not written in this way; nothing of it can be read then.
    pub(crate) fn next(self, message: &mut &[u8]) -> Result<Option<Saying>, String> {
        let command = match self {
            Self::Json => {
                let mut commands = serde_json::Deserializer::from_slice(message).into_iter();
                let Some(command) = commands.next() else {
                    *message = &[];
                    return Ok(None);
                };
                let command: Command = command.map_err(|error| error.to_string())?;
                let (said, rest) = message.split_at(commands.byte_offset());
                *message = rest;
                let said = said.trim_ascii();
                if !said.starts_with(b"{") {
                    return Err("a command is an object".to_owned());
                }
                if said.contains(&b'"') && command == Command::default() {
                    return Err("a command has an id".to_owned());
                }
                command
            }
            Self::Protobuf if message.has_remaining() => {
                Command::decode_length_delimited(message).map_err(|error| error.to_string())?
            }
            Self::Protobuf => return Ok(None),
        };
        command.saying().map(Some)
    }
}

impl Command {
    fn saying(self) -> Result<Saying, String> {
        let id = u64::from(self.id);
        let is_send = self.send.is_some();
        if self == Self::default() {
            return Ok(Saying::Pong);
        }
        if id == 0 && !is_send {
            return Err("a command has an id".to_owned());
        }
        Ok(match self.meaning(id) {
            Ok(command) => Saying::Command(Box::new(command)),
            Err((fault, message)) => Saying::Refused(id, fault, message),
        })
    }

    fn meaning(self, id: u64) -> Result<wire::Command, Refusal> {
        let rpc = match (self.rpc, self.send) {
            (None, Some(send)) => Some(asked(String::new(), &send.data)?),
            (Some(rpc), None) => Some(asked(rpc.method, &rpc.data)?),
            (None, None) => None,
            _ => return Err((Fault::BadRequest, "a command has one name")),
        };
        let ask = |question: Option<command::Channel>| {
            question.map(|command::Channel { channel }| wire::Ask { channel })
        };
        Ok(wire::Command {
            id,
            connect: self.connect.map(|connect| connect.meaning()).transpose()?,
            subscribe: self
                .subscribe
                .map(|subscribe| subscribe.meaning())
                .transpose()?,
            unsubscribe: self
                .unsubscribe
                .map(|command::Channel { channel }| wire::Unsubscribe { channel }),
            publish: self.publish.map(|publish| publish.meaning()).transpose()?,
            history: self.history.map(|history| history.meaning()),
            presence: ask(self.presence),
            presence_stats: ask(self.presence_stats),
            rpc,
            ping: self.ping.map(|_| wire::Ping::default()),
            refresh: self
                .refresh
                .map(|command::Refresh { token }| wire::Refresh { token }),
            sub_refresh: self
                .sub_refresh
                .map(command::SubRefresh::meaning)
                .transpose()?,
            disconnect: None,
        })
    }
}

impl command::Connect {
    fn meaning(self) -> Result<wire::Connect, Refusal> {
        let subs: Result<BTreeMap<_, _>, _> = self
            .subs
            .into_iter()
            .map(|(channel, subscribe)| Ok((channel, subscribe.start()?)))
            .collect();
        Ok(wire::Connect {
            token: Some(self.token).filter(|token| !token.is_empty()),
            subs: subs?,
            name: Some(self.name),
            version: Some(self.version),
            data: raw::value(&self.data),
            ..wire::Connect::default()
        })
    }
}

impl command::Subscribe {
    fn meaning(mut self) -> Result<wire::Subscribe, Refusal> {
        let channel = std::mem::take(&mut self.channel);
        let start = self.start()?;
        Ok(wire::Subscribe { channel, start })
    }

    fn start(self) -> Result<Start, Refusal> {
        if self.kind != 0 {
            return Err(NOT_SERVED);
        }
        if !self.tf.is_empty() && self.tf != b"null" {
            return Err((Fault::NotHere, "publications have no tags to filter by"));
        }
        let mut start = Start {
            join_leave: self.join_leave,
            token: Some(self.token).filter(|token| !token.is_empty()),
            ..Start::default()
        };
        if self.recover {
            // Whoever names a log that cannot be here is told that its position is not.
            let epoch = self.epoch.parse().unwrap_or(Epoch::NOWHERE);
            start.epoch = Some(epoch.to_string());
            start.offset = Some(self.offset);
        }
        Ok(start)
    }
}

impl command::Publish {
    fn meaning(self) -> Result<wire::Publish, Refusal> {
        if self.kind != 0 {
            return Err((Fault::NotHere, "this kind of publication is not served"));
        }
        let data = raw::value(&self.data);
        let is_binary = data.is_none() && !self.data.is_empty();
        Ok(wire::Publish {
            channel: self.channel,
            base64: is_binary.then(|| STANDARD.encode(&self.data).into()),
            data,
            n: None,
        })
    }
}

impl command::History {
    fn meaning(self) -> wire::History {
        wire::History {
            channel: self.channel,
            since: self.since.map(|since| Start {
                epoch: Some(since.epoch.parse().unwrap_or(Epoch::NOWHERE).to_string()),
                offset: Some(since.offset),
                ..Start::default()
            }),
            limit: u64::try_from(self.limit).ok(),
            reverse: self.reverse,
        }
    }
}

impl command::SubRefresh {
    fn meaning(self) -> Result<wire::Subscribe, Refusal> {
        if self.kind != 0 {
            return Err(NOT_SERVED);
        }
        let start = Start {
            token: Some(self.token),
            ..Start::default()
        };
        Ok(wire::Subscribe {
            channel: self.channel,
            start,
        })
    }
}

fn asked(method: String, data: &[u8]) -> Result<wire::Rpc, Refusal> {
    let value: Option<Box<RawValue>> = raw::value(data);
    if value.is_none() && !data.is_empty() {
        return Err((Fault::BadRequest, "data is a JSON value"));
    }
    Ok(wire::Rpc {
        method,
        data: value,
    })
}
