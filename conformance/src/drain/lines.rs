//! A fleet of lines that talk all the time, and what each of them goes through.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use holdwire::Line;
use holdwire::line::{Event, Handle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout_at};

/// How often each line sends something.
const PACE: Duration = Duration::from_millis(250);

/// Lines to one server.
pub(super) struct Fleet {
    count: usize,
    handles: Vec<Handle>,
    news: UnboundedReceiver<News>,
    ups: Vec<Instant>,
    left: Vec<Left>,
    attempts: Vec<Instant>,
}

enum News {
    Attempt(Instant),
    Up(Instant),
    Left(Left),
    /// A line that will not come back.
    Stopped(String),
}

/// The end of a connection that was open.
pub(super) struct Left {
    pub(super) at: Instant,
    /// 1012, with advice that names a time.
    is_advised: bool,
    /// Messages that came after the first line of all was closed.
    pub(super) received_in_drain: usize,
}

impl Left {
    pub(super) fn is_advised(&self) -> bool {
        self.is_advised
    }
}

impl Fleet {
    /// Starts so many lines to `/echo` of this server.
    pub(super) fn start(address: SocketAddr, count: usize) -> Self {
        let (tell, news) = unbounded_channel();
        let (closed, first_closed) = tokio::sync::watch::channel(false);
        let closed = std::sync::Arc::new(closed);
        let mut handles = Vec::new();
        for index in 0..count {
            let line = Line::to(format!("ws://{address}/echo")).start();
            handles.push((*line).clone());
            let (tell, closed) = (tell.clone(), closed.clone());
            let first_closed = first_closed.clone();
            // Their messages are spread over the pace, not sent in step.
            let offset = PACE.mul_f64(index as f64 / count as f64);
            tokio::spawn(async move {
                sleep(offset).await;
                follow(line, &tell, &closed, &first_closed).await;
            });
        }
        Self {
            count,
            handles,
            news,
            ups: Vec::new(),
            left: Vec::new(),
            attempts: Vec::new(),
        }
    }

    /// Waits until as many came up as there are lines, since it was asked last; when they did.
    pub(super) async fn all_up(&mut self, patience: Duration) -> Result<Vec<Instant>, String> {
        let count = self.count;
        self.wait(patience, "up", |fleet| fleet.ups.len() >= count)
            .await?;
        Ok(std::mem::take(&mut self.ups))
    }

    /// The same for connections that ended.
    pub(super) async fn all_left(&mut self, patience: Duration) -> Result<Vec<Left>, String> {
        let count = self.count;
        self.wait(patience, "closed", |fleet| fleet.left.len() >= count)
            .await?;
        Ok(std::mem::take(&mut self.left))
    }

    /// All attempts since then.
    pub(super) fn attempts_since(&self, then: Instant) -> Vec<Instant> {
        let attempts = self.attempts.iter().copied();
        attempts.filter(|at| *at > then).collect()
    }

    /// Stops all of them.
    pub(super) fn stop(&self) {
        for handle in &self.handles {
            handle.stop();
        }
    }

    async fn wait(
        &mut self,
        patience: Duration,
        word: &str,
        is_done: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let end = tokio::time::Instant::now() + patience;
        while !is_done(self) {
            match timeout_at(end, self.news.recv()).await {
                Ok(Some(News::Attempt(at))) => self.attempts.push(at),
                Ok(Some(News::Up(at))) => self.ups.push(at),
                Ok(Some(News::Left(left))) => self.left.push(left),
                Ok(Some(News::Stopped(why))) => return Err(format!("a line stopped: {why}")),
                Ok(None) => return Err("the lines are gone".to_owned()),
                Err(_) => {
                    let (ups, left) = (self.ups.len(), self.left.len());
                    return Err(format!(
                        "not all are {word} in time: {ups} up, {left} closed"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Talks and tells what happens.
async fn follow(
    mut line: Line,
    tell: &UnboundedSender<News>,
    closed: &tokio::sync::watch::Sender<bool>,
    first_closed: &tokio::sync::watch::Receiver<bool>,
) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut received_in_drain = 0;
    loop {
        let event = tokio::select! {
            event = line.next() => event,
            _ = pace.tick() => {
                // While the line is down the outbox may be full; that is another suite's matter.
                let _ = line.send("a message of a common length, there and back again");
                continue;
            }
        };
        let now = Instant::now();
        let news = match event {
            Some(Event::Connecting { .. }) => News::Attempt(now),
            Some(Event::Up { .. }) => News::Up(now),
            Some(Event::Message(_)) => {
                received_in_drain += usize::from(*first_closed.borrow());
                continue;
            }
            // An attempt that failed is not a connection that ended.
            Some(Event::Down { loss, .. }) if loss.uptime.is_none() => continue,
            Some(Event::Down { loss, .. }) => {
                closed.send_replace(true);
                let advice = loss.advice.as_ref();
                News::Left(Left {
                    at: now,
                    is_advised: loss.code() == Some(1012)
                        && advice.is_some_and(|advice| advice.retry_after.is_some()),
                    received_in_drain: std::mem::take(&mut received_in_drain),
                })
            }
            Some(Event::Stopped { why, loss }) => {
                let loss = loss.map_or_else(String::new, |loss| loss.to_string());
                News::Stopped(format!("{why:?} {loss}"))
            }
            Some(_) => continue,
            None => return,
        };
        if tell.send(news).is_err() {
            return;
        }
    }
}
