//! How a machine brings the tokens of its subscriptions.

use std::time::Instant;

use super::machine::{AGAIN, Machine, News, Sent};
use super::sub::{Event, Wish};
use crate::channel::ChannelName;
use crate::wire::{Command, Error, Fault, Reply, Start, Subscribe};

/// The unsubscribe code for a token that has expired, where another one mends it.
const EXPIRED: u16 = 2500 + Fault::TokenExpired as u16;

/// The number of a question for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenAsk(pub(crate) u64);

impl Machine {
    /// The driver's answer: a token for the channel, or why there is none. It may come late; what
    /// nobody waits for is ignored.
    pub(crate) fn token(
        &mut self,
        channel: &ChannelName,
        TokenAsk(number): TokenAsk,
        token: Result<String, String>,
        now: Instant,
    ) {
        let Some(sub) = self.subs.get_mut(channel) else {
            return;
        };
        let (token, why) = match token {
            Ok(token) => (Some(token), None),
            Err(why) => (None, Some(why)),
        };
        if !sub.grant.answered(number, token) {
            return;
        }
        if let Some(why) = why {
            let reason = format!("no token: {why}");
            return self.dismiss(channel, Fault::TokenExpired as u16, reason);
        }
        match sub.wish {
            Wish::Bare => sub.wish = Wish::New,
            Wish::Live => self.show(channel),
            Wish::New | Wish::Asked | Wish::Later(_) => {}
        }
        self.send_waiting(now);
    }

    /// Without a token that it needs, a subscription waits for one.
    pub(super) fn require_token(&mut self, channel: &ChannelName) {
        if let Some(sub) = self.subs.get_mut(channel)
            && sub.grant.is_missing()
        {
            sub.wish = Wish::Bare;
            self.want_token(channel);
        }
    }

    fn want_token(&mut self, channel: &ChannelName) {
        let Some(sub) = self.subs.get_mut(channel) else {
            return;
        };
        self.asked += 1;
        if sub.grant.want(self.asked) {
            let ask = TokenAsk(self.asked);
            self.news.push_back(News::Token(channel.clone(), ask));
        }
    }

    /// Asks for the tokens that will soon be too old.
    pub(super) fn refresh_due(&mut self, now: Instant) {
        let due = self.subs.iter_mut();
        let due = due.filter_map(|(name, sub)| {
            (sub.wish == Wish::Live && sub.grant.take_due(now)).then(|| name.clone())
        });
        for channel in due.collect::<Vec<_>>() {
            self.want_token(&channel);
        }
    }

    /// Shows another token for what goes on.
    fn show(&mut self, channel: &ChannelName) {
        let token = self.subs.get(channel).and_then(|sub| sub.grant.token());
        let start = Start {
            token: token.map(str::to_owned),
            ..Start::default()
        };
        let command = Command {
            sub_refresh: Some(Subscribe {
                channel: channel.as_str().to_owned(),
                start,
            }),
            ..Command::default()
        };
        let text = self.next_text(command);
        let id = self.send(text, Sent::SubRefresh(channel.clone()));
        if let Some(sub) = self.subs.get_mut(channel) {
            sub.grant.show(id);
        }
    }

    pub(super) fn sub_refreshed(&mut self, channel: &ChannelName, reply: Reply, now: Instant) {
        let sub = self.subs.get_mut(channel);
        let Some(sub) = sub.filter(|sub| sub.grant.is_shown_by(reply.id)) else {
            return;
        };
        if let Some(refreshed) = reply.sub_refresh {
            return sub.grant.hold(refreshed.ttl, now);
        }
        let Some(Error {
            code,
            message,
            temporary,
            ..
        }) = reply.error
        else {
            return;
        };
        let is_expired = code == Fault::TokenExpired as u16;
        if temporary {
            sub.grant.put_off(now + AGAIN);
        } else if is_expired && sub.grant.expire() {
            self.want_token(channel);
        } else if is_expired || code == Fault::NotAllowed as u16 {
            self.dismiss(channel, code, message);
        }
        // Else the server cannot be shown another one now: it ends the subscription when it must.
    }

    /// The server finds a subscription's token too old, once; or the one after it, too.
    pub(super) fn expired(&mut self, channel: &ChannelName, reason: String) {
        let Some(sub) = self.subs.get_mut(channel) else {
            return;
        };
        if sub.grant.expire() {
            sub.grant.drop_token();
            self.require_token(channel);
        } else {
            self.subs.remove(channel);
            let code = 2000 + Fault::TokenExpired as u16;
            let ended = Event::Ended { code, reason };
            self.news.push_back(News::Channel(channel.clone(), ended));
        }
    }

    /// It cannot go on here, though the server may have it.
    fn dismiss(&mut self, channel: &ChannelName, fault: u16, reason: String) {
        self.unsubscribe(channel);
        let code = 2000_u16.saturating_add(fault);
        let ended = Event::Ended { code, reason };
        self.news.push_back(News::Channel(channel.clone(), ended));
    }

    /// Whether this code says that the token has expired.
    pub(super) fn is_expiry(code: u16) -> bool {
        code == EXPIRED || code == 2000 + Fault::TokenExpired as u16
    }
}
