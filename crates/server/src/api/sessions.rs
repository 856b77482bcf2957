//! Orders to the sessions of a user.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdwire::CloseCode;
use holdwire_hub::session::{Order, Whom};
use serde_json::json;

use super::answer::{Answer, Fault};
use super::channels::position;
use super::{Api, request};

/// The client is not to come back.
const FORCED: u16 = 3503;

/// The subscription is ended by the server, and the client does not ask for it again.
const TAKEN: u16 = 2000;

impl Api {
    pub(super) fn subscribe(&self, asked: request::Subscribe) -> Answer {
        let channel = self.known(&asked.channel)?;
        let since = asked.recover_since.map(position).transpose()?;
        let whom = whom(asked.user, asked.client, None);
        self.hub.order(&whom, &Order::Subscribe(channel, since));
        Ok(json!({}))
    }

    pub(super) fn unsubscribe(&self, asked: request::Unsubscribe) -> Answer {
        let channel = self.known(&asked.channel)?;
        let whom = whom(asked.user, asked.client, None);
        let reason = "unsubscribed by the server".to_owned();
        self.hub
            .order(&whom, &Order::Unsubscribe(channel, TAKEN, reason));
        Ok(json!({}))
    }

    pub(super) fn disconnect(&self, asked: request::Disconnect) -> Answer {
        let words = asked.disconnect.unwrap_or_default();
        let (code, reason) = match words.code.unwrap_or_default() {
            0 if words.reason.is_empty() => (FORCED, "force disconnect".to_owned()),
            0 => (FORCED, words.reason),
            code => (code, words.reason),
        };
        let code = CloseCode::new(code).filter(|code| (3000..5000).contains(&code.value()));
        let code = code.ok_or_else(|| Fault::bad_request("a close code is from 3000 to 4999"))?;
        if reason.len() > 123 {
            return Err(Fault::bad_request("a close reason has 123 bytes at most"));
        }
        let whom = whom(asked.user, asked.client, asked.whitelist);
        self.hub.order(&whom, &Order::Disconnect(code, reason));
        Ok(json!({}))
    }

    pub(super) fn refresh(&self, asked: request::Refresh) -> Answer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let order = match (asked.expired, asked.expire_at) {
            (Some(true), _) => Order::Expire,
            (_, Some(at)) => {
                let at = Duration::from_secs(u64::try_from(at).unwrap_or_default());
                match at.checked_sub(now) {
                    Some(left) => Order::Hold(Some(left)),
                    None => Order::Expire,
                }
            }
            _ => return Err(Fault::bad_request("expired or expire_at is missing")),
        };
        self.hub
            .order(&whom(asked.user, asked.client, None), &order);
        Ok(json!({}))
    }
}

fn whom(user: String, client: Option<String>, but: Option<Vec<String>>) -> Whom {
    let mut whom = Whom::user(user);
    whom.client = client.filter(|client| !client.is_empty()).map(Into::into);
    whom.but = but.into_iter().flatten().map(Into::into).collect();
    whom
}
