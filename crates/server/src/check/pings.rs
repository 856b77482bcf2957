//! Round trips: pings one after the other, each with its pong.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::link::{End, Link, Seen};
use super::timing::{Bucket, Millis, Spread, histogram};

/// How pings were answered.
#[derive(Debug, Default, Serialize)]
pub(super) struct Pings {
    pub(super) sent: usize,
    /// The round trips, in the order they were made.
    pub(super) times_ms: Vec<Millis>,
    pub(super) spread_ms: Option<Spread>,
    pub(super) histogram_ms: Vec<Bucket>,
    /// How the connection ended meanwhile, if it did.
    pub(super) ended: Option<Ending>,
}

/// How a server ended a connection.
#[derive(Debug, Serialize)]
pub(super) struct Ending {
    /// Whether a Close frame came.
    pub(super) close_frame: bool,
    pub(super) code: Option<u16>,
    pub(super) reason: String,
    /// How the transport ended, if that was seen.
    pub(super) transport: Option<End>,
}

/// Two pings are this far apart.
const GAP: Duration = Duration::from_millis(50);

const BUCKETS: u8 = 6;

impl Pings {
    /// Sends pings until all are answered, one is not, or the connection ends.
    pub(super) async fn take(&mut self, link: &mut Link, count: u32, limit: Duration) {
        for number in 0..count {
            let payload = number.to_be_bytes();
            let begin = Instant::now();
            if link.ping(&payload).is_err() {
                self.ended = Ending::see(link, begin + limit).await;
                break;
            }
            self.sent += 1;
            match self.pong(link, &payload, begin + limit).await {
                Some(at) => self.times_ms.push(Millis(at - begin)),
                None => break,
            }
            self.sum_up();
            if number + 1 < count && self.rest(link, begin + GAP).await {
                break;
            }
        }
        self.sum_up();
    }

    /// Whether the server has answered every ping.
    pub(super) fn are_answered(&self) -> bool {
        self.sent == self.times_ms.len()
    }

    fn sum_up(&mut self) {
        self.spread_ms = Spread::of(&self.times_ms);
        self.histogram_ms = histogram(&self.times_ms, BUCKETS);
    }

    async fn pong(&mut self, link: &mut Link, payload: &[u8], until: Instant) -> Option<Instant> {
        while let Some((at, seen)) = link.next(until).await {
            match seen {
                Seen::Pong(answer) if answer == payload => return Some(at),
                Seen::Close(..) | Seen::End(_) => {
                    self.ended = Ending::after(seen, link).await;
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// Waits; `true` when the connection ends meanwhile.
    async fn rest(&mut self, link: &mut Link, until: Instant) -> bool {
        while let Some((_, seen)) = link.next(until).await {
            if matches!(seen, Seen::Close(..) | Seen::End(_)) {
                self.ended = Ending::after(seen, link).await;
                return true;
            }
        }
        false
    }
}

/// How long the transport's end may take after a Close frame.
const LAST_BYTES: Duration = Duration::from_secs(1);

impl Ending {
    /// The end that this begins, with what follows it.
    pub(super) async fn after(seen: Seen, link: &mut Link) -> Option<Self> {
        match seen {
            Seen::Close(code, reason) => {
                let mut ending = Self {
                    close_frame: true,
                    code,
                    reason,
                    transport: None,
                };
                let until = Instant::now() + LAST_BYTES;
                while let Some((_, seen)) = link.next(until).await {
                    if let Seen::End(end) = seen {
                        ending.transport = Some(end);
                    }
                }
                Some(ending)
            }
            Seen::End(end) => Some(Self {
                close_frame: false,
                code: None,
                reason: String::new(),
                transport: Some(end),
            }),
            _ => None,
        }
    }

    /// Waits for the end.
    pub(super) async fn see(link: &mut Link, until: Instant) -> Option<Self> {
        while let Some((_, seen)) = link.next(until).await {
            if matches!(seen, Seen::Close(..) | Seen::End(_)) {
                return Self::after(seen, link).await;
            }
        }
        None
    }
}
