//! `holdwire sub`.

use holdwire_hub::client::{Event, SubscribeError, Subscription, Wants};
use tokio::sync::mpsc;

use super::{reach, record};
use crate::cli::{Since, SubFlags};
use crate::connect::{Failure, interrupts};

/// Events that are read ahead of the output, of all channels together.
const AHEAD: usize = 16;

pub(super) async fn read(flags: &SubFlags) -> Result<(), Failure> {
    let since = match flags.since {
        Since::Last => None,
        Since::Position(_) if flags.channels.len() > 1 => {
            return Err(Failure::usage(
                "--since EPOCH:OFFSET is a position in one channel; name only that one".to_owned(),
            ));
        }
        Since::Position(position) => Some(position),
    };
    if flags.channel_token.is_some() && flags.channels.len() > 1 {
        return Err(Failure::usage(
            "--channel-token is a token for one channel; name only that one".to_owned(),
        ));
    }
    let client = reach::client(&flags.reach)?.start();
    let interrupt = interrupts()?;
    tokio::spawn(reach::tell(client.clone(), flags.reach.clone()));
    let (events, mut arriving) = mpsc::channel(AHEAD);
    for channel in &flags.channels {
        let mut wants = since.map_or_else(Wants::new, Wants::since);
        if flags.presence {
            wants = wants.presence();
        }
        if let Some(token) = &flags.channel_token {
            wants = wants.fixed_token(token);
        }
        let subscription = match client.subscribe(channel, wants) {
            Ok(subscription) => subscription,
            Err(SubscribeError::Stopped) => return Err(reach::stopped(&client).await),
            Err(error) => return Err(Failure::usage(format!("{channel}: {error}; name it once"))),
        };
        tokio::spawn(pass_on(subscription, events.clone()));
    }
    drop(events);
    let mut reader = Reader { flags, count: 0 };
    loop {
        tokio::select! {
            () = interrupt.notified() => break,
            arrived = arriving.recv() => match arrived {
                Some((channel, event)) => if reader.take(&channel, &event)? { break },
                None => return Err(reach::stopped(&client).await),
            },
        }
    }
    reader.tell_total();
    client.stop();
    client.stopped().await;
    Ok(())
}

async fn pass_on(mut subscription: Subscription, events: mpsc::Sender<(String, Event)>) {
    let channel = subscription.channel().to_string();
    while let Some(event) = subscription.next().await {
        if events.send((channel.clone(), event)).await.is_err() {
            return;
        }
    }
}

struct Reader<'a> {
    flags: &'a SubFlags,
    count: u32,
}

impl Reader<'_> {
    /// Shows an event; whether it was the last that is wanted.
    fn take(&mut self, channel: &str, event: &Event) -> Result<bool, Failure> {
        let is_read = if self.flags.json {
            record::json(channel, event).is_none_or(|line| reach::print(&line))
        } else {
            self.show(channel, event)
        };
        if let Event::Ended { code, reason } = event {
            return Err(Failure::failed(format!(
                "{channel}: {reason} ({code}); see the server's configuration"
            )));
        }
        if let Event::Publication { .. } = event {
            self.count = self.count.saturating_add(1);
        }
        let is_enough = self.flags.count.is_some_and(|count| self.count >= count);
        Ok(is_enough || !is_read)
    }

    /// Shows an event to people; false when nobody reads any more.
    fn show(&self, channel: &str, event: &Event) -> bool {
        let reach = &self.flags.reach;
        match event {
            Event::Publication { publication, .. } => {
                let text = record::text(&publication.payload);
                return reach::print(&match self.flags.channels.len() {
                    1 => text,
                    _ => format!("{channel} {text}"),
                });
            }
            Event::Gap(gap) => reach::tell_line(&format!("{channel}: gap: {gap}")),
            Event::Subscribed { position, .. } => {
                reach::say(reach, &format!("{channel}: from {position} on"));
            }
            Event::Joined { client, user } => {
                reach::tell_line(&format!("{channel}: {client} {user} joins"));
            }
            Event::Left { client, user } => {
                reach::tell_line(&format!("{channel}: {client} {user} leaves"));
            }
            _ => {}
        }
        true
    }

    fn tell_total(&self) {
        let total = format!("{} publications", self.count);
        reach::say(&self.flags.reach, &total);
    }
}
