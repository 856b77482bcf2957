//! Messages to the application, for those who asked for it: echoes, the heartbeat's word, and the
//! largest message that is taken.

use std::time::Duration;

use holdwire::Message;
use holdwire::handshake::Endpoint;
use serde::Serialize;
use tokio::time::Instant;

use super::link::{Link, Seen};
use super::pings::Ending;
use super::timing::Millis;
use super::visitor::Visitor;
use super::way::Way;

/// What became of a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// It came back as it was, after so long.
    Echoed(Millis),
    /// Something else came back.
    Changed,
    /// Nothing came back in time, but the server answered a ping that came after it.
    Taken,
    /// The server ended the connection.
    Ended(Ending),
    /// Nothing came at all.
    Unanswered,
}

/// What came back of messages.
#[derive(Debug, Serialize)]
pub(super) struct Echoes {
    pub(super) text: Fate,
    pub(super) binary: Fate,
    /// A message that shrinks; none when compression was not agreed on.
    pub(super) compressed: Option<Fate>,
}

/// The answer to a word of a heartbeat.
#[derive(Debug, Serialize)]
pub(super) struct WordAnswer {
    pub(super) word: String,
    pub(super) fate: Fate,
}

/// The largest message that was taken.
#[derive(Debug, Default, Serialize)]
pub(super) struct Largest {
    /// What was not to be passed, in bytes.
    pub(super) cap: usize,
    /// The largest that was taken.
    pub(super) accepted: Option<usize>,
    /// The smallest that was refused.
    pub(super) refused: Option<usize>,
    /// How it was refused.
    pub(super) refusal: Option<Ending>,
    /// The refused one was neither taken nor was the connection ended.
    pub(super) unanswered: bool,
    /// Connections that it took to find out.
    pub(super) connections: usize,
    /// Why it could not be found out.
    pub(super) trouble: Option<String>,
}

/// How long a message may be under way that nobody echoes: then it counts as taken once a ping
/// behind it was answered.
const ECHO_AFTER_PONG: Duration = Duration::from_millis(250);

const PAYLOAD: &[u8] = b"behind";

/// Longer than what is sent as it is, and of a kind that shrinks.
const COMPRESSIBLE: usize = 8 * 1024;

/// What echoes are tried with.
const TEXT: &str = "holdwire check: 心跳 🦀";

/// Sends a message and a ping behind it, and sees what comes of them.
async fn send(link: &mut Link, message: Message, limit: Duration) -> Fate {
    let begin = Instant::now();
    let mut until = begin + limit;
    let mut is_taken = false;
    // A connection that takes nothing more shows so in what is seen next.
    let _ = link.message(message.clone());
    let _ = link.ping(PAYLOAD);
    while let Some((at, seen)) = link.next(until).await {
        match seen {
            Seen::Message(echo) if echo == message => return Fate::Echoed(Millis(at - begin)),
            Seen::Message(other) if is_taken && other.len() == message.len() => {
                return Fate::Changed;
            }
            // A greeting may come before the echo.
            Seen::Message(_) | Seen::Ping => {}
            Seen::Pong(payload) if payload == PAYLOAD => {
                is_taken = true;
                until = until.min(at + ECHO_AFTER_PONG.max((at - begin) * 2));
            }
            Seen::Pong(_) => {}
            Seen::Close(..) | Seen::End(_) => {
                return match Ending::after(seen, link).await {
                    Some(ending) => Fate::Ended(ending),
                    None => Fate::Unanswered,
                };
            }
        }
    }
    if is_taken {
        Fate::Taken
    } else {
        Fate::Unanswered
    }
}

impl Echoes {
    /// On one connection, one after the other; none when it does not open.
    pub(super) async fn ask(visitor: &Visitor, to: &Endpoint) -> Option<Self> {
        let opened = visitor.open(to, &mut Way::default()).await.ok()?;
        let is_deflating = opened.deflate.is_some();
        let mut link = Link::new(opened, super::MAX_RECEIVED);
        let limit = visitor.timeout;
        let bytes: Vec<u8> = (0..=255).collect();
        Some(Self {
            text: send(&mut link, TEXT.into(), limit).await,
            binary: send(&mut link, bytes.into(), limit).await,
            compressed: match is_deflating {
                true => Some(
                    send(
                        &mut link,
                        "compress me ".repeat(COMPRESSIBLE / 12).into(),
                        limit,
                    )
                    .await,
                ),
                false => None,
            },
        })
    }
}

impl WordAnswer {
    /// On a connection of its own; none when it does not open.
    pub(super) async fn ask(visitor: &Visitor, to: &Endpoint, word: &str) -> Option<Self> {
        let opened = visitor.open(to, &mut Way::default()).await.ok()?;
        let mut link = Link::new(opened, super::MAX_RECEIVED);
        Some(Self {
            word: word.to_owned(),
            fate: send(&mut link, word.into(), visitor.timeout).await,
        })
    }
}

impl Largest {
    /// Halves the gap between what is taken and what is not, each on a connection of its own.
    pub(super) async fn seek(&mut self, visitor: &Visitor, to: &Endpoint, cap: usize) {
        self.cap = cap;
        let mut size = cap;
        loop {
            self.connections += 1;
            match self.is_taken(visitor, to, size).await {
                Ok(true) => self.accepted = Some(size),
                Ok(false) => self.refused = Some(size),
                Err(trouble) => {
                    self.trouble = Some(trouble);
                    return;
                }
            }
            size = match (self.accepted.unwrap_or(0), self.refused) {
                (accepted, Some(refused)) if !is_found(accepted, refused) => {
                    between(accepted, refused)
                }
                _ => return,
            };
        }
    }

    async fn is_taken(
        &mut self,
        visitor: &Visitor,
        to: &Endpoint,
        size: usize,
    ) -> Result<bool, String> {
        let opened = visitor
            .open(to, &mut Way::default())
            .await
            .map_err(|trouble| trouble.to_string())?;
        let mut link = Link::new(opened, size.max(super::MAX_RECEIVED));
        // Bytes that do not shrink, so that compression hides nothing.
        let mut payload = vec![0; size];
        rand::fill(&mut payload[..]);
        // A megabyte a second must do.
        let limit =
            visitor.timeout + Duration::from_micros(u64::try_from(size).unwrap_or(u64::MAX));
        match send(&mut link, payload.into(), limit).await {
            Fate::Echoed(_) | Fate::Taken | Fate::Changed => Ok(true),
            Fate::Ended(ending) => {
                (self.refusal, self.unanswered) = (Some(ending), false);
                Ok(false)
            }
            Fate::Unanswered => {
                (self.refusal, self.unanswered) = (None, true);
                Ok(false)
            }
        }
    }
}

/// Whether the two are as close as it is worth: each try costs a message of that size.
fn is_found(accepted: usize, refused: usize) -> bool {
    refused - accepted <= (accepted / 128).max(1)
}

/// The next size to try: limits are powers of two far more often than not.
fn between(accepted: usize, refused: usize) -> usize {
    let power = (refused - 1)
        .checked_ilog2()
        .map_or(1, |exponent| 1 << exponent);
    if power > accepted {
        power
    } else if accepted.is_power_of_two() && accepted + 1 < refused {
        accepted + 1
    } else {
        accepted + (refused - accepted) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tries it takes to find a limit.
    fn tries(limit: usize, cap: usize) -> usize {
        let (mut accepted, mut refused, mut tries) = (0, cap + 1, 0);
        while !is_found(accepted, refused) {
            let size = between(accepted, refused);
            assert!(
                accepted < size && size < refused,
                "{accepted} {size} {refused}"
            );
            if size <= limit {
                accepted = size
            } else {
                refused = size
            }
            tries += 1;
        }
        assert!(accepted <= limit && limit < refused);
        tries
    }

    #[test]
    fn largest_is_found_in_a_few_tries() {
        let cap = 16 * 1024 * 1024;
        assert!(tries(1024 * 1024, cap) <= 7);
        assert!(tries(10_000_000, cap) <= 10);
        assert!(tries(125, cap) <= 30);
        assert_eq!(tries(0, 1), 1);
    }
}
