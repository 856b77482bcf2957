//! `holdwire pub`.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire::Text;
use holdwire_hub::Payload;
use holdwire_hub::client::{Client, Receipt, Unpublished, Unsent};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::{reach, record};
use crate::cli::{Kind, PubFlags};
use crate::connect::{Failure, interrupts, lines};

/// How often progress is told at a terminal.
const PROGRESS: Duration = Duration::from_secs(1);

pub(super) async fn publish(flags: &PubFlags) -> Result<(), Failure> {
    let mut source = Source::new(flags)?;
    let client = reach::client(&flags.reach)?.start();
    let interrupt = interrupts()?;
    tokio::spawn(reach::tell(client.clone(), flags.reach.clone()));
    let mut publishing = Publishing {
        flags,
        client,
        waiting: VecDeque::new(),
        done: 0,
        told: Instant::now(),
    };
    let all = async {
        let mut pace = flags.rate.map(pace);
        while let Some(payload) = source.next().await? {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            publishing.publish(payload).await?;
        }
        publishing.settle(0).await
    };
    let result = tokio::select! {
        result = all => result,
        () = interrupt.notified() => Err(Failure::failed(
            "interrupted before everything was published; publish the rest".to_owned(),
        )),
    };
    let total = format!("{} publications in {}", publishing.done, flags.channel);
    reach::say(&flags.reach, &total);
    publishing.client.stop();
    publishing.client.stopped().await;
    result
}

/// So many a second, and none made up for that came late.
fn pace(rate: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(1) / rate.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Where messages come from.
enum Source<'a> {
    Flags {
        flags: &'a PubFlags,
        given: u32,
    },
    Lines {
        kind: Kind,
        lines: mpsc::Receiver<io::Result<String>>,
    },
}

impl<'a> Source<'a> {
    /// # Errors
    /// When a message of the command line is not what it must be.
    fn new(flags: &'a PubFlags) -> Result<Self, Failure> {
        if flags.messages.is_empty() {
            let lines = lines().map_err(Failure::system)?;
            let kind = flags.kind;
            return Ok(Self::Lines { kind, lines });
        }
        for message in &flags.messages {
            payload(flags.kind, message).map_err(Failure::usage)?;
        }
        Ok(Self::Flags { flags, given: 0 })
    }

    async fn next(&mut self) -> Result<Option<Payload>, Failure> {
        match self {
            Self::Flags { flags, given } => {
                let messages = &flags.messages;
                let all = u32::try_from(messages.len()).unwrap_or(u32::MAX);
                if *given >= flags.count.unwrap_or(all) {
                    return Ok(None);
                }
                let message = &messages[(*given % all) as usize];
                *given += 1;
                payload(flags.kind, message)
                    .map(Some)
                    .map_err(Failure::usage)
            }
            Self::Lines { kind, lines } => match lines.recv().await {
                None => Ok(None),
                Some(Ok(line)) => payload(*kind, &line).map(Some).map_err(Failure::failed),
                Some(Err(error)) => Err(Failure::failed(format!(
                    "standard input: {error}; give lines of UTF-8 text"
                ))),
            },
        }
    }
}

/// What a message stands for; else what is wrong with it.
fn payload(kind: Kind, message: &str) -> Result<Payload, String> {
    match kind {
        Kind::Text => Ok(Payload::from(message)),
        Kind::Json => match serde_json::from_str::<&RawValue>(message) {
            Err(error) => Err(format!("{message:?} is no JSON: {error}; leave out --kind")),
            Ok(value) => Ok(match serde_json::from_str::<String>(value.get()) {
                Ok(text) => Payload::Text(Text::from(text)),
                Err(_) => Payload::Json(Text::from(value.get())),
            }),
        },
        Kind::Base64 => match STANDARD.decode(message) {
            Ok(bytes) => Ok(Payload::Binary(bytes.into())),
            Err(error) => Err(format!(
                "{message:?} is no base64: {error}; leave out --kind"
            )),
        },
    }
}

struct Publishing<'a> {
    flags: &'a PubFlags,
    client: Client,
    waiting: VecDeque<Receipt>,
    done: u64,
    told: Instant,
}

impl Publishing<'_> {
    async fn publish(&mut self, payload: Payload) -> Result<(), Failure> {
        loop {
            match self.client.publish(&self.flags.channel, payload.clone()) {
                Ok(receipt) => {
                    self.waiting.push_back(receipt);
                    return Ok(());
                }
                Err(Unsent::Full) => {
                    let half = self.waiting.len() / 2;
                    self.settle(half).await?;
                }
                Err(_) => return Err(reach::stopped(&self.client).await),
            }
        }
    }

    /// Waits until no more than so many are without an outcome.
    async fn settle(&mut self, left: usize) -> Result<(), Failure> {
        while self.waiting.len() > left
            && let Some(receipt) = self.waiting.pop_front()
        {
            let published = match receipt.await {
                Ok(published) => published,
                Err(Unpublished::Stopped) => return Err(reach::stopped(&self.client).await),
                Err(error) => {
                    let channel = &self.flags.channel;
                    return Err(Failure::failed(format!(
                        "{channel}: {error}; see the server's configuration"
                    )));
                }
            };
            self.done += 1;
            if self.flags.json {
                let mut members = record::place(published.position);
                members.insert("dup".to_owned(), json!(published.is_duplicate));
                reach::print(&Value::Object(members).to_string());
            }
            self.tell_progress();
        }
        Ok(())
    }

    fn tell_progress(&mut self) {
        if io::stderr().is_terminal() && self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            reach::say(&self.flags.reach, &format!("{} published", self.done));
        }
    }
}
