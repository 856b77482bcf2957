//! Silence: whether and how a connection is cut on which nothing is said.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::link::{Link, Seen};
use super::pings::Ending;
use super::timing::Millis;

/// What happened in the silence.
#[derive(Debug, Default, Serialize)]
pub(super) struct Idle {
    /// How long it was to be.
    pub(super) asked_ms: Millis,
    /// How long the connection was watched.
    pub(super) watched_ms: Millis,
    /// The longest time without a byte in either direction, the last included.
    pub(super) silence_ms: Millis,
    /// When pings of the server came, from the opening on; they were answered.
    pub(super) pings_ms: Vec<Millis>,
    /// Messages of the server.
    pub(super) messages: usize,
    /// How the connection was cut; none while it was not.
    pub(super) cut: Option<Ending>,
    /// How long the ping afterwards took; none also when there was none.
    pub(super) alive_ms: Option<Millis>,
    /// The ping afterwards was not answered: the connection was cut without a word.
    pub(super) silently_cut: bool,
}

impl Idle {
    /// Says nothing for so long, then sees whether the connection still lives.
    pub(super) async fn watch(&mut self, mut link: Link, time: Duration, limit: Duration) {
        self.asked_ms = Millis(time);
        let begin = Instant::now();
        let until = begin + time;
        loop {
            let quiet_from = link.last_byte().max(begin);
            // A look now and then, so that what is known so far can be told at any time.
            let seen = link.next(until.min(Instant::now() + LOOK)).await;
            let now = seen.as_ref().map_or_else(Instant::now, |(at, _)| *at);
            self.watched_ms = Millis(now - begin);
            self.silence_ms = self
                .silence_ms
                .max(Millis(now.saturating_duration_since(quiet_from)));
            match seen {
                Some((_, seen @ (Seen::Close(..) | Seen::End(_)))) => {
                    self.cut = Ending::after(seen, &mut link).await;
                    return;
                }
                Some((at, Seen::Ping)) if self.pings_ms.len() < MAX_PINGS => {
                    self.pings_ms.push(Millis(at - begin));
                }
                Some((_, Seen::Message(_))) => self.messages += 1,
                Some((_, Seen::Ping | Seen::Pong(_))) => {}
                None if Instant::now() >= until => break,
                None => {}
            }
        }
        self.ask_for_life(link, limit).await;
    }

    /// A cut that nobody told of shows when something is sent.
    async fn ask_for_life(&mut self, mut link: Link, limit: Duration) {
        let begin = Instant::now();
        // A connection that takes no ping shows so in what is seen next.
        let _ = link.ping(PAYLOAD);
        while let Some((at, seen)) = link.next(begin + limit).await {
            match seen {
                Seen::Pong(payload) if payload == PAYLOAD => {
                    self.alive_ms = Some(Millis(at - begin));
                    return;
                }
                // A server that still speaks was not cut off; it ends for a reason of its own.
                Seen::Close(..) => {
                    self.cut = Ending::after(seen, &mut link).await;
                    return;
                }
                Seen::End(_) => {
                    self.cut = Ending::after(seen, &mut link).await;
                    break;
                }
                _ => {}
            }
        }
        self.silently_cut = true;
    }
}

const LOOK: Duration = Duration::from_millis(200);

/// More pings than this are remembered of no server.
const MAX_PINGS: usize = 10_000;

const PAYLOAD: &[u8] = b"alive";
