//! A client of the session protocol by hand, and an application that knows tokens.

use std::time::Duration;

use holdwire_hub::engine::Answer;
use holdwire_hub::session::{Denied, Guest, Policy, Question};
use holdwire_hub::{ChannelName, Member};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::Client;
use crate::site::Site;

/// Lets in whoever has no token or whose token is a name; `short` holds for no time.
pub struct Desk;

impl Policy for Desk {
    fn connect(&self, member: &Member, token: Option<&str>) -> Answer<Result<Guest, Denied>> {
        let named = |user: &str| Guest::new(Member::new(user));
        let decided = match token {
            None => Ok(Guest::new(member.clone())),
            Some("forged") => Err(Denied::unauthorized("this is no token of ours")),
            Some("away") => Err(Denied::unavailable("nobody can tell now")),
            Some("old") => Err(Denied::expired("the token has expired")),
            Some("short") => {
                let mut guest = named("short");
                guest.holds = Some(Duration::from_millis(1));
                Ok(guest)
            }
            Some("member") => {
                let mut guest = named("member");
                guest.channels = vec!["chat:members".parse().expect("a name")];
                Ok(guest)
            }
            Some(user) => Ok(named(user)),
        };
        // As from a service somewhere else.
        Answer::Later(Box::pin(std::future::ready(decided)))
    }

    fn refresh(&self, _: &Member, token: &str) -> Answer<Result<Option<Duration>, Denied>> {
        Answer::Now(match token {
            "forged" => Err(Denied::unauthorized("this is no token of ours")),
            _ => Ok(Some(Duration::from_secs(3600))),
        })
    }

    fn subscribe(
        &self,
        _: &Member,
        _: &ChannelName,
        token: &str,
    ) -> Answer<Result<Option<Duration>, Denied>> {
        let decided = match token {
            "yes" => Ok(None),
            "short" => Ok(Some(Duration::from_millis(1))),
            "old" => Err(Denied::expired("the token has expired")),
            "away" => Err(Denied::unavailable("nobody can tell now")),
            _ => Err(Denied::unauthorized("this is no token of ours")),
        };
        Answer::Later(Box::pin(std::future::ready(decided)))
    }

    fn enter(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: Option<&str>,
    ) -> Answer<Result<Guest, Denied>> {
        let Some("ticket") = token else {
            return self.connect(member, token);
        };
        let mut guest = Guest::new(Member::new("ann"));
        guest.channels = vec![channel.clone()];
        Answer::Now(Ok(guest))
    }

    fn grace(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn rpc(&self, ask: Question<'_>) -> Answer<Result<Box<RawValue>, Denied>> {
        Answer::Now(match ask.method {
            "echo" => {
                let data = ask.data.map_or("null", RawValue::get).to_owned();
                RawValue::from_string(data).map_err(|_| Denied::bad_request("no JSON"))
            }
            method => Err(Denied::no_method(format!("there is no {method}"))),
        })
    }
}

/// A connection to a site, over which commands are said.
pub struct Speaker {
    pub client: Client,
    id: u64,
}

impl Speaker {
    /// A connection on which nothing has been said.
    pub async fn open(site: &Site) -> Self {
        let offer = "Sec-WebSocket-Protocol: holdwire.v1\r\n";
        let (client, head) = Client::connect_with(site.address, "/connection", offer).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("holdwire.v1"), "{head}");
        Self { client, id: 0 }
    }

    /// A connection that has connected with this; gives the reply too.
    pub async fn connect(site: &Site, connect: Value) -> (Self, Value) {
        let mut speaker = Self::open(site).await;
        let reply = speaker.ask("connect", connect).await;
        (speaker, reply)
    }

    /// A nameless client that has subscribed to `chat:a` with this; gives the reply too.
    pub async fn subscribed(site: &Site, more: Value) -> (Self, Value) {
        let (mut speaker, _) = Self::connect(site, json!({})).await;
        let mut subscribe = more;
        subscribe["channel"] = json!("chat:a");
        let reply = speaker.ask("subscribe", subscribe).await;
        (speaker, reply)
    }

    /// Says a command.
    pub async fn say(&mut self, name: &str, members: Value) {
        self.id += 1;
        let command = json!({"id": self.id, name: members});
        self.client.send(&command.to_string()).await;
    }

    /// Says a command, and gives what comes next, which is its reply without the id.
    pub async fn ask(&mut self, name: &str, members: Value) -> Value {
        self.say(name, members).await;
        let mut reply = self.client.json().await;
        assert_eq!(reply["id"], self.id, "{reply}");
        reply
            .get_mut(name)
            .map(Value::take)
            .unwrap_or_else(|| json!({"error": reply["error"]["code"]}))
    }

    /// The next push about `chat:a`.
    pub async fn push(&mut self) -> Value {
        let mut message = self.client.json().await;
        let push = message["push"].as_object_mut().expect("a push");
        assert_eq!(push.remove("channel"), Some(json!("chat:a")));
        message["push"].take()
    }

    /// The offsets of the next publications.
    pub async fn offsets(&mut self, count: usize) -> Vec<u64> {
        let mut offsets = Vec::new();
        while offsets.len() < count {
            let push = self.push().await;
            offsets.push(push["pub"]["offset"].as_u64().expect("a publication"));
        }
        offsets
    }
}
