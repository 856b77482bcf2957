//! Every conversation of `vectors/session.json`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::grant::Grant;
use super::machine::{Ask, Machine, News, Outcome, Serial, TokenAsk, Trouble, raw};
use super::sub::Event;
use crate::channel::ChannelName;
use crate::position::{Epoch, Position};
use crate::reading::Reason;
use crate::wire::{Command, Data, Entry, Error, History, Rpc, Start};

#[test]
fn client_says_and_tells_what_the_vectors_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/session.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let conversations = file["conversations"].as_array().unwrap();
    assert!(conversations.len() >= 13);
    for conversation in conversations {
        for is_spaced in [false, true] {
            Run::new(is_spaced).all(conversation);
        }
    }
}

struct Run {
    machine: Machine,
    is_spaced: bool,
    begin: Instant,
    now: Instant,
    names: HashMap<String, String>,
    asks: HashMap<String, TokenAsk>,
    sends: Vec<Value>,
    tells: Vec<Value>,
}

fn members(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn position(step: &Value) -> Option<Position> {
    let epoch: Epoch = step.get("epoch")?.as_str()?.parse().unwrap();
    Some(epoch.at(step["offset"].as_u64().unwrap()))
}

impl Run {
    fn new(is_spaced: bool) -> Self {
        let now = Instant::now();
        Self {
            machine: Machine::default(),
            is_spaced,
            begin: now,
            now,
            names: HashMap::new(),
            asks: HashMap::new(),
            sends: Vec::new(),
            tells: Vec::new(),
        }
    }

    fn all(mut self, conversation: &Value) {
        let name = conversation["name"].as_str().unwrap();
        for member in members(conversation) {
            assert!(["name", "rule", "steps"].contains(&member), "{member}");
        }
        let (mut sends, mut tells) = (Vec::new(), Vec::new());
        for (at, step) in conversation["steps"].as_array().unwrap().iter().enumerate() {
            if let Some(message) = step.get("sends") {
                sends.push(message.clone());
            } else if let Some(news) = step.get("tells") {
                tells.push(news.clone());
            } else {
                self.check(&mut sends, &mut tells, &format!("{name}, before step {at}"));
                self.step(step);
            }
        }
        self.check(&mut sends, &mut tells, &format!("{name}, at the end"));
    }

    fn check(&mut self, sends: &mut Vec<Value>, tells: &mut Vec<Value>, what: &str) {
        assert_eq!(self.sends, *sends, "sends: {what}");
        assert_eq!(self.tells, *tells, "tells: {what}");
        self.sends.clear();
        self.tells.clear();
        sends.clear();
        tells.clear();
    }

    fn step(&mut self, step: &Value) {
        if let Some(message) = step.get("receives") {
            let text = message.to_string();
            let spaced = serde_json::to_string_pretty(message).unwrap();
            let text = if self.is_spaced { spaced } else { text };
            self.machine.handle_message(&text, self.now);
        } else if let Some(time) = step.get("time") {
            self.now = self.begin + Duration::from_millis(time.as_u64().unwrap());
            self.machine.handle_timeout(self.now);
        } else if let Some(line) = step.get("line") {
            match line.as_str().unwrap() {
                "up" => self.machine.handle_up(self.now),
                "down" => self.machine.handle_down(),
                other => panic!("{other}"),
            }
        } else {
            self.call(step);
        }
        while let Some(text) = self.machine.poll_output() {
            self.sends.push(serde_json::from_str(&text).unwrap());
        }
        while let Some(news) = self.machine.poll_news() {
            if let News::Token(channel, ask) = &news {
                self.asks.insert(channel.as_str().to_owned(), *ask);
            }
            let told = self.told(news);
            self.tells.push(told);
        }
    }

    fn call(&mut self, step: &Value) {
        let (machine, now) = (&mut self.machine, self.now);
        let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
        let channel: Option<ChannelName> = text("channel").parse().ok();
        let of = || channel.clone().unwrap();
        let ask = || crate::wire::Ask {
            channel: text("channel"),
        };
        let command = match step["call"].as_str().unwrap_or_else(|| panic!("{step}")) {
            "subscribe" => {
                let join_leave = step.get("join_leave") == Some(&json!(true));
                let grant = match step.get("token") {
                    Some(Value::Bool(true)) => Grant::of_driver(),
                    token => Grant::fixed(token.map(|_| text("token"))),
                };
                assert!(machine.subscribe(&of(), position(step), join_leave, grant, now));
                return;
            }
            "token" => {
                let has_token = step.get("token").is_some();
                let answer = if has_token {
                    Ok(text("token"))
                } else {
                    Err(text("why"))
                };
                let ask = self.asks.get(&text("channel")).copied();
                return machine.token(&of(), ask.unwrap_or(TokenAsk(0)), answer, now);
            }
            "unsubscribe" => return machine.unsubscribe(&of()),
            "ping" => return machine.ping(),
            "publish" => {
                let data = step.get("data").map(|data| raw(&data.to_string()).unwrap());
                let base64 = step.get("base64").and_then(Value::as_str);
                let payload = Data::payload(data.as_deref(), base64).unwrap();
                let Serial(serial) = machine.publish(&of(), payload, now);
                self.names.insert(format!("p{serial}"), text("as"));
                return;
            }
            "history" => Command {
                history: Some(History {
                    channel: text("channel"),
                    since: position(step).map(|position| Start {
                        epoch: Some(position.epoch.to_string()),
                        offset: Some(position.offset),
                        ..Start::default()
                    }),
                    limit: step.get("limit").and_then(Value::as_u64),
                    reverse: false,
                }),
                ..Command::default()
            },
            "presence" => Command {
                presence: Some(ask()),
                ..Command::default()
            },
            "presence_stats" => Command {
                presence_stats: Some(ask()),
                ..Command::default()
            },
            "rpc" => Command {
                rpc: Some(Rpc {
                    method: text("method"),
                    data: step.get("data").map(|data| raw(&data.to_string()).unwrap()),
                }),
                ..Command::default()
            },
            other => panic!("{other}"),
        };
        let Ask(number) = machine.ask(command, now);
        self.names.insert(format!("q{number}"), text("as"));
    }

    fn told(&self, news: News) -> Value {
        let error = |Error { code, message, .. }| json!({"code": code, "message": message});
        let place = |position: Position| json!({"epoch": position.epoch.to_string(), "offset": position.offset});
        match news {
            News::Connected { client, resumed } => {
                json!({"connected": {"client": client, "resumed": resumed}})
            }
            News::Token(channel, _) => json!({"channel": channel.as_str(), "token": true}),
            News::Refused(why) => json!({"refused": error(why)}),
            News::Published(Serial(serial), outcome) => {
                let name = &self.names[&format!("p{serial}")];
                match outcome {
                    Outcome::Placed {
                        position,
                        is_duplicate,
                    } => {
                        let mut published = place(position);
                        if is_duplicate {
                            published["dup"] = json!(true);
                        }
                        json!({"as": name, "published": published})
                    }
                    Outcome::Failed(why) => json!({"as": name, "failed": error(why)}),
                    Outcome::Unknown => json!({"as": name, "unknown": true}),
                }
            }
            News::Answered(Ask(number), answer) => {
                let name = &self.names[&format!("q{number}")];
                match answer {
                    Ok(reply) => {
                        let value = serde_json::to_value(&reply).unwrap();
                        let members = value.as_object().unwrap().iter();
                        let (_, answer) =
                            members.into_iter().find(|(name, _)| *name != "id").unwrap();
                        json!({"as": name, "answer": answer})
                    }
                    Err(Trouble::Refused(why)) => json!({"as": name, "failed": error(why)}),
                    Err(Trouble::Lost) => json!({"as": name, "lost": true}),
                }
            }
            News::Channel(channel, event) => {
                let (what, value) = match event {
                    Event::Subscribed {
                        position,
                        recovered,
                    } => {
                        let mut value = place(position);
                        if let Some(recovered) = recovered {
                            value["recovered"] = json!(recovered);
                        }
                        ("subscribed", value)
                    }
                    Event::Publication {
                        position,
                        publication,
                    } => {
                        let mut value = serde_json::to_value(Entry::of(&publication)).unwrap();
                        value["epoch"] = json!(position.epoch.to_string());
                        ("publication", value)
                    }
                    Event::Gap(gap) => {
                        let mut value = place(gap.epoch.at(gap.to));
                        value["reason"] = json!(gap.reason.word());
                        if let Reason::Diverged { fork } = gap.reason {
                            value["fork"] = json!(fork);
                        }
                        value["from"] = json!(gap.from);
                        value["to"] = json!(gap.to);
                        ("gap", value)
                    }
                    Event::Live { offset } => ("live", json!({"offset": offset})),
                    Event::Joined { client, user } => {
                        ("join", json!({"client": client, "user": user}))
                    }
                    Event::Left { client, user } => {
                        ("leave", json!({"client": client, "user": user}))
                    }
                    Event::Ended { code, reason } => {
                        ("ended", json!({"code": code, "reason": reason}))
                    }
                };
                json!({"channel": channel.as_str(), what: value})
            }
        }
    }
}
