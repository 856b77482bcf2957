//! A client of the Centrifuge protocol by hand, in JSON.

use serde_json::{Value, json};

use crate::client::{Client, frame};
use crate::site::Site;

/// A connection to a site.
pub struct Stranger {
    pub client: Client,
    id: u64,
    /// Messages of a frame that was read.
    read: Vec<Value>,
}

impl Stranger {
    /// A connection on which nothing has been said.
    pub async fn open(site: &Site) -> Self {
        let (client, head) = Client::connect(site.address, "/connection/websocket").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let (id, read) = (0, Vec::new());
        Self { client, id, read }
    }

    /// A connection that has connected with this; gives the reply too.
    pub async fn connect(site: &Site, connect: Value) -> (Self, Value) {
        let mut stranger = Self::open(site).await;
        let reply = stranger.ask("connect", connect).await;
        (stranger, reply)
    }

    /// A nameless client that has subscribed to `chat:a` with this; gives the reply too.
    pub async fn subscribed(site: &Site, more: Value) -> (Self, Value) {
        let (mut stranger, _) = Self::connect(site, json!({})).await;
        let reply = stranger.subscribe(more).await;
        (stranger, reply)
    }

    /// Subscribes to `chat:a` with this.
    pub async fn subscribe(&mut self, mut subscribe: Value) -> Value {
        subscribe["channel"] = json!("chat:a");
        self.ask("subscribe", subscribe).await
    }

    pub async fn say(&mut self, text: &str) {
        self.client.send(text).await;
    }

    pub async fn say_bytes(&mut self, bytes: &[u8]) {
        self.client.write(frame(0x82, bytes)).await;
    }

    /// Says a command, and gives what comes next, which is its reply without the id.
    pub async fn ask(&mut self, name: &str, members: Value) -> Value {
        self.id += 1;
        let command = json!({"id": self.id, name: members});
        self.say(&command.to_string()).await;
        let mut reply = self.next().await;
        assert_eq!(reply["id"], self.id, "{reply}");
        reply
            .get_mut(name)
            .map(Value::take)
            .unwrap_or_else(|| json!({"error": reply["error"]["code"]}))
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        if self.read.is_empty() {
            let text = self.client.text().await;
            let messages = serde_json::Deserializer::from_str(&text).into_iter();
            self.read = messages.map(|message| message.unwrap()).collect();
            self.read.reverse();
        }
        self.read.pop().expect("a message")
    }

    /// The next push about `chat:a`.
    pub async fn push(&mut self) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["push"]["channel"], "chat:a", "{message}");
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

    /// The code by which the server ends the connection, and what it says before.
    pub async fn end(&mut self) -> (Vec<String>, u16) {
        let (texts, code, _) = self.client.texts_until_closed().await;
        (texts, code)
    }
}
