//! Engines that are slightly wrong, of which each is found out twice: by a behaviour and by random
//! operations.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use holdwire_hub::engine::contract;
use holdwire_hub::engine::{Engine, Key, Publish, PublishError, Published};
use holdwire_hub::model::{Told, WINDOW};
use holdwire_hub::{
    ChannelName, ClientId, Gap, Member, Payload, Position, Publication, Reading, Reason, Since,
};
use tokio::time::Instant;

use crate::flawed::{Flaw, Flawed, now};
use crate::paused::{InMemory, Paused};

/// Enough random sequences for each flaw here.
const CASES: u32 = 100;

/// What a flaw knows of each name in each channel.
type Named<T> = Mutex<HashMap<(ChannelName, Box<str>), T>>;

/// Asserts that the suite finds the flaw, in a behaviour and by random operations.
fn finds<F: Flaw>() {
    let open = |namespaces| Paused::new(Flawed::<F>::new(namespaces));
    let report = contract::run(&open, CASES);

    let (by_random, by_behaviour): (Vec<_>, Vec<_>) = report
        .broken()
        .partition(|behaviour| behaviour.starts_with("whatever is done"));
    let flaw = std::any::type_name::<F>();
    assert!(!by_behaviour.is_empty(), "{flaw}: no behaviour is broken");
    assert!(
        !by_random.is_empty(),
        "{flaw}: random operations do not show it"
    );
}

/// No flaw: what stands before the engine finds nothing by itself.
#[derive(Default)]
struct Faithful;

impl Flaw for Faithful {}

#[test]
fn nothing_is_found_where_there_is_no_flaw() {
    let open = |namespaces| Paused::new(Flawed::<Faithful>::new(namespaces));
    let report = contract::run(&open, CASES);

    assert!(report.is_kept(), "{report}");
}

/// Declares a test for each flaw.
macro_rules! found {
    ($($test:ident: $flaw:ty;)*) => {
        $(#[test] fn $test() { finds::<$flaw>(); })*
    };
}

found! {
    publication_told_although_it_is_not_in_the_log_is_found: TellsBeforeTheLog;
    publications_told_in_another_order_are_found: Swaps;
    publication_told_twice_is_found: TellsTwice;
    publication_told_to_nobody_is_found: Skips;
    repeated_names_added_again_are_found: NoNames;
    repeated_numbers_added_again_are_found: NoNumbers;
    newest_position_for_a_repetition_is_found: NewestForRepetition;
    key_whose_payload_is_not_compared_is_found: PayloadNotCompared;
    key_that_outlives_a_loss_is_found: KeysOutliveLoss;
    number_that_is_left_out_is_found: HolesAllowed;
    generation_that_is_not_compared_is_found: GenerationNotCompared;
    epoch_that_is_not_compared_is_found: EpochNotCompared;
    fork_one_too_far_is_found: ForkOneTooFar;
    gap_that_begins_one_too_early_is_found: GapOneTooEarly;
    gap_of_one_that_is_not_told_is_found: GapOfOneNotTold;
    publication_left_out_between_pages_is_found: PageSkips;
    page_longer_than_its_limit_is_found: PageTooLong;
    change_told_after_the_first_publication_is_found: ChangeTooLate;
    change_told_to_nobody_is_found: ChangeNotTold;
    clear_that_removes_nothing_is_found: ClearDoesNothing;
    follower_that_is_told_when_it_has_gone_is_found: DoesNotLetGo;
    follower_that_begins_one_too_early_is_found: BeginsTooEarly;
    window_that_is_too_short_is_found: WindowTooShort;
    member_that_leaves_twice_is_found: LeavesTwice;
    member_that_comes_without_a_word_is_found: EntersUnheard;
}

/// Tells followers first, and asks the log then whether it is a publication at all.
#[derive(Default)]
struct TellsBeforeTheLog;

impl Flaw for TellsBeforeTheLog {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        publish: Publish,
    ) -> Result<Published, PublishError> {
        let newest = newest(engine, channel);
        let publication = Publication {
            offset: newest.offset + 1,
            payload: publish.payload.clone(),
        };
        engine.tell(channel, &Told::Published(newest.epoch, publication));
        now(engine.memory.publish(channel, publish))
    }

    fn tell(&self, told: Told, _: &mut Vec<Told>) -> Vec<Told> {
        match told {
            Told::Published(..) => Vec::new(),
            other => vec![other],
        }
    }
}

/// Tells each second publication before the first.
#[derive(Default)]
struct Swaps;

impl Flaw for Swaps {
    fn tell(&self, told: Told, held: &mut Vec<Told>) -> Vec<Told> {
        match told {
            Told::Published(_, ref publication) if publication.offset % 2 == 1 => {
                held.push(told);
                Vec::new()
            }
            other => [other].into_iter().chain(held.drain(..)).collect(),
        }
    }
}

/// Tells the third publication twice.
#[derive(Default)]
struct TellsTwice;

impl Flaw for TellsTwice {
    fn tell(&self, told: Told, _: &mut Vec<Told>) -> Vec<Told> {
        vec![told.clone(); 1 + usize::from(is_third(&told))]
    }
}

/// Does not tell the third publication.
#[derive(Default)]
struct Skips;

impl Flaw for Skips {
    fn tell(&self, told: Told, _: &mut Vec<Told>) -> Vec<Told> {
        vec![told.clone(); 1 - usize::from(is_third(&told))]
    }
}

fn is_third(told: &Told) -> bool {
    matches!(told, Told::Published(_, publication) if publication.offset == 3)
}

/// Knows no idempotency key.
#[derive(Default)]
struct NoNames;

impl Flaw for NoNames {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        mut publish: Publish,
    ) -> Result<Published, PublishError> {
        publish
            .key
            .take_if(|key| matches!(key, Key::Idempotency(_)));
        now(engine.memory.publish(channel, publish))
    }
}

/// Knows no numbers of publishers.
#[derive(Default)]
struct NoNumbers;

impl Flaw for NoNumbers {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        mut publish: Publish,
    ) -> Result<Published, PublishError> {
        publish.key.take_if(|key| matches!(key, Key::Sequence(..)));
        now(engine.memory.publish(channel, publish))
    }
}

/// Answers a repetition with the newest position.
#[derive(Default)]
struct NewestForRepetition;

impl Flaw for NewestForRepetition {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        publish: Publish,
    ) -> Result<Published, PublishError> {
        let mut published = now(engine.memory.publish(channel, publish))?;
        published.position = newest(engine, channel);
        Ok(published)
    }
}

/// Takes another payload with a known key for the same.
#[derive(Default)]
struct PayloadNotCompared(Named<Payload>);

impl Flaw for PayloadNotCompared {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        mut publish: Publish,
    ) -> Result<Published, PublishError> {
        if let Some(Key::Idempotency(name)) = &publish.key {
            let mut payloads = self.0.lock().unwrap();
            let known = payloads.entry((channel.clone(), name.clone()));
            publish.payload = known.or_insert(publish.payload).clone();
        }
        now(engine.memory.publish(channel, publish))
    }
}

/// Remembers where a name was published when the log has lost it.
#[derive(Default)]
struct KeysOutliveLoss(Named<(Payload, Position)>);

impl Flaw for KeysOutliveLoss {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        publish: Publish,
    ) -> Result<Published, PublishError> {
        let Some(Key::Idempotency(name)) = publish.key.clone() else {
            return now(engine.memory.publish(channel, publish));
        };
        let key = (channel.clone(), name);
        let mut known = self.0.lock().unwrap();
        match known.get(&key) {
            Some((payload, position)) if *payload == publish.payload => Ok(Published {
                position: *position,
                is_duplicate: true,
            }),
            _ => {
                let payload = publish.payload.clone();
                let published = now(engine.memory.publish(channel, publish))?;
                known.insert(key, (payload, published.position));
                Ok(published)
            }
        }
    }
}

/// Adds what comes after a number that was left out.
#[derive(Default)]
struct HolesAllowed;

impl Flaw for HolesAllowed {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        mut publish: Publish,
    ) -> Result<Published, PublishError> {
        match now(engine.memory.publish(channel, publish.clone())) {
            Err(PublishError::Hole { .. }) => {
                publish.key = None;
                now(engine.memory.publish(channel, publish))
            }
            other => other,
        }
    }
}

/// The usual scheme: a reader whose offset there is in the log, in whatever generation, goes on.
#[derive(Default)]
struct GenerationNotCompared;

impl Flaw for GenerationNotCompared {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        let newest = newest(engine, channel);
        let since = match since {
            Since::Position(old) if old.epoch.is_same_log(newest.epoch) => {
                Since::Position(newest.epoch.at(old.offset.min(newest.offset)))
            }
            other => other,
        };
        now(engine.memory.read(channel, since, limit)).unwrap()
    }
}

/// Reads from any epoch as from its own.
#[derive(Default)]
struct EpochNotCompared;

impl Flaw for EpochNotCompared {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        let newest = newest(engine, channel);
        let since = match since {
            Since::Position(old) if !old.epoch.is_same_log(newest.epoch) => {
                Since::Position(newest.epoch.at(old.offset.min(newest.offset)))
            }
            other => other,
        };
        now(engine.memory.read(channel, since, limit)).unwrap()
    }
}

/// Says what a reader has in common with the log, and one more.
#[derive(Default)]
struct ForkOneTooFar;

impl Flaw for ForkOneTooFar {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        let reading = now(engine.memory.read(channel, since, limit)).unwrap();
        let gap = reading.gap.map(|gap| match gap.reason {
            Reason::Diverged { fork } => Gap {
                reason: Reason::Diverged { fork: fork + 1 },
                ..gap
            },
            _ => gap,
        });
        Reading { gap, ..reading }
    }
}

/// Has a gap begin with what the reader has.
#[derive(Default)]
struct GapOneTooEarly;

impl Flaw for GapOneTooEarly {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        let mut reading = now(engine.memory.read(channel, since, limit)).unwrap();
        if let Some(gap) = reading
            .gap
            .as_mut()
            .filter(|gap| gap.reason == Reason::Expired)
        {
            gap.from -= 1;
        }
        reading
    }
}

/// Takes a reader that misses one publication for one that misses none.
#[derive(Default)]
struct GapOfOneNotTold;

impl Flaw for GapOfOneNotTold {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        let mut reading = now(engine.memory.read(channel, since, limit)).unwrap();
        let is_small = |gap: &mut Gap| gap.reason == Reason::Expired && gap.from == gap.to;
        reading.gap.take_if(is_small);
        reading
    }
}

/// Has the next page begin after the first publication of it.
#[derive(Default)]
struct PageSkips;

impl Flaw for PageSkips {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        let mut reading = now(engine.memory.read(channel, since, limit)).unwrap();
        if reading.has_more() && !reading.publications.is_empty() {
            reading.position.offset += 1;
        }
        reading
    }
}

/// Reads one more than it may.
#[derive(Default)]
struct PageTooLong;

impl Flaw for PageTooLong {
    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        now(engine.memory.read(channel, since, limit + 1)).unwrap()
    }
}

/// Tells of a change when something has been published after it.
#[derive(Default)]
struct ChangeTooLate;

impl Flaw for ChangeTooLate {
    fn tell(&self, told: Told, held: &mut Vec<Told>) -> Vec<Told> {
        if matches!(told, Told::Changed(_)) {
            held.push(told);
            return Vec::new();
        }
        [told].into_iter().chain(held.drain(..)).collect()
    }
}

/// Tells of no change.
#[derive(Default)]
struct ChangeNotTold;

impl Flaw for ChangeNotTold {
    fn tell(&self, told: Told, _: &mut Vec<Told>) -> Vec<Told> {
        let is_told = !matches!(told, Told::Changed(_));
        is_told.then_some(told).into_iter().collect()
    }
}

/// Keeps the history that was cleared.
#[derive(Default)]
struct ClearDoesNothing;

impl Flaw for ClearDoesNothing {
    fn clear(&self, engine: &Flawed<Self>, channel: &ChannelName) -> Position {
        newest(engine, channel)
    }
}

/// Tells a follower what happens when it has gone.
#[derive(Default)]
struct DoesNotLetGo;

impl Flaw for DoesNotLetGo {
    fn lets_go(&self) -> bool {
        false
    }
}

/// Gives a follower the position before the newest publication.
#[derive(Default)]
struct BeginsTooEarly;

impl Flaw for BeginsTooEarly {
    fn begin(&self, position: Position) -> Position {
        position.epoch.at(position.offset.saturating_sub(1))
    }
}

/// Knows a name for a second less than its window.
#[derive(Default)]
struct WindowTooShort(Named<Instant>);

impl Flaw for WindowTooShort {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        mut publish: Publish,
    ) -> Result<Published, PublishError> {
        if let Some(Key::Idempotency(name)) = &publish.key {
            let mut known = self.0.lock().unwrap();
            let now = Instant::now();
            let at = known.entry((channel.clone(), name.clone())).or_insert(now);
            if now - *at >= WINDOW - Duration::from_secs(1) {
                *at = now;
                publish.key = None;
            }
        }
        now(engine.memory.publish(channel, publish))
    }
}

/// Tells that a client has gone, also when it was not there.
#[derive(Default)]
struct LeavesTwice;

impl Flaw for LeavesTwice {
    fn leave(&self, engine: &Flawed<Self>, channel: &ChannelName, client: ClientId) {
        let members = now(engine.memory.members(channel)).unwrap();
        now(engine.memory.leave(channel, client)).unwrap();
        if !members.iter().any(|(other, _)| *other == client) {
            engine.tell(channel, &Told::Left(client, Member::default()));
        }
    }
}

/// Tells nobody who comes.
#[derive(Default)]
struct EntersUnheard;

impl Flaw for EntersUnheard {
    fn tell(&self, told: Told, _: &mut Vec<Told>) -> Vec<Told> {
        let is_told = !matches!(told, Told::Entered(..));
        is_told.then_some(told).into_iter().collect()
    }
}

fn newest<F: Flaw>(engine: &Flawed<F>, channel: &ChannelName) -> Position {
    let reading = now(engine.memory().read(channel, Since::Newest, 0)).unwrap();
    reading.position
}
