//! The messages of the session protocol, as client and server write and read them: the tables of
//! `docs/protocol.md` as types.

mod command;
mod data;
mod push;
mod reply;

pub(crate) use self::command::{
    Ask, Command, Connect, Empty, History, Ping, Publish, Refresh, Rpc, Start, Subscribe,
    Unsubscribe,
};
pub(crate) use self::data::Data;
pub(crate) use self::push::{Cause, Entry, Live, Push, Someone};
pub(crate) use self::reply::{
    Connected, Error, Fault, Found, Missing, Placed, Pong, Refreshed, Reply, Said, Stats,
    Subscribed, Who,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::Payload;

    #[test]
    fn null_is_data_and_a_missing_member_is_none() {
        let null: Entry = serde_json::from_str(r#"{"offset":1,"data":null}"#).unwrap();
        let none: Entry = serde_json::from_str(r#"{"offset":1}"#).unwrap();

        let payload = null.publication().map(|publication| publication.payload);
        assert_eq!(payload, Some(Payload::Json("null".into())));
        assert!(none.publication().is_none());
    }

    #[test]
    fn push_and_reply_are_told_apart() {
        let push = r#"{"push":{"channel":"chat:a","pub":{"offset":18,"base64":"AP8="}}}"#;
        let reply = r#"{"id":2,"subscribe":{"epoch":"kzeqhzcd.0","offset":17,"recovered":true}}"#;

        for text in [push, reply] {
            let read: Reply = serde_json::from_str(text).unwrap();
            assert_eq!(read.push.is_some(), text == push);
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn subscription_is_read_with_and_without_a_position() {
        for text in [
            r#"{"id":1,"subscribe":{"channel":"a"}}"#,
            r#"{"id":1,"subscribe":{"channel":"a","epoch":"kzeqhzcd.0","offset":17,"join_leave":true}}"#,
        ] {
            let command: Command = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&command).unwrap(), text);
        }
    }
}
