//! An engine and the model of each of its channels, to which the same is done.

use std::collections::HashMap;
use std::time::Duration;

use super::Subject;
use super::channel::{ALL, Channel, Following, client, member, name, number};
use super::failure::{Failure, Tried, must, same};
use super::random::{Act, From, Step};
use crate::channel::Namespace;
use crate::engine::{Key, Publish, PublishError, Published};
use crate::model::Model;
use crate::position::{Epoch, Position};
use crate::publication::Payload;
use crate::reading::Since;

/// Does all steps and compares each outcome; gives what the subject cannot do.
pub(super) fn play<S: Subject>(
    subject: &S,
    namespace: &Namespace,
    steps: &[Step],
) -> Tried<Vec<&'static str>> {
    let mut now = Duration::ZERO;
    let mut pairs = [
        Pair::new(Channel::new(subject, "random:a"), namespace)?,
        Pair::new(Channel::new(subject, "random:b"), namespace)?,
    ];
    let mut unable = Vec::new();
    for step in steps {
        let pair = &mut pairs[step.channel];
        match pair.act(step, now) {
            Ok(()) => {
                if let Act::Advance(time) = step.act {
                    now += time;
                }
            }
            Err(Failure::Unable(why)) => unable.push(why),
            Err(broken) => return Err(broken),
        }
        for pair in &mut pairs {
            pair.compare_followers()?;
            pair.compare_members(step.node)?;
            pair.compare_reading(step.node, Since::Newest, 1, now)?;
        }
    }
    for pair in &mut pairs {
        pair.compare_everything(now)?;
    }
    Ok(unable)
}

/// A channel, and what it must be.
struct Pair<'a, S> {
    channel: Channel<'a, S>,
    model: Model,
    /// At each node one, with how much had been told before it came.
    followers: [Option<(Following, usize)>; 2],
    /// Those that have gone, with how much had been told before they came and before they went.
    gone: Vec<(Following, usize, usize)>,
    /// Every position that the engine has given.
    given: Vec<Position>,
    /// The last number of each publisher.
    numbers: HashMap<u8, u64>,
    published: u64,
}

impl<'a, S: Subject> Pair<'a, S> {
    fn new(channel: Channel<'a, S>, namespace: &Namespace) -> Tried<Self> {
        let position = channel.read(Since::Newest, 0)?.position;
        same("the first position", position, position.epoch.at(0))?;
        Ok(Self {
            channel,
            model: Model::new(namespace, position.epoch),
            followers: [None, None],
            gone: Vec::new(),
            given: vec![position],
            numbers: HashMap::new(),
            published: 0,
        })
    }

    fn act(&mut self, step: &Step, now: Duration) -> Tried {
        let node = step.node;
        let channel = self.channel.at(node);
        match step.act {
            Act::Publish(length) => {
                self.published += 1;
                let payload = format!("{}{}", self.published, "x".repeat(length));
                self.publish(node, &payload, None, now).map(drop)?;
            }
            Act::Named { key, is_other } => {
                let payload = if is_other { "other" } else { "named" };
                self.publish(node, payload, name(&key.to_string()), now)
                    .map(drop)?;
            }
            Act::Numbered { publisher, step } => {
                self.publish_numbered(node, publisher, step, now)?
            }
            Act::Read(ref from, limit) => {
                self.compare_reading(node, self.since(from), limit, now)?
            }
            Act::FollowOrGo => self.follow_or_go(node)?,
            Act::Enter { client: byte, user } => {
                let member = member(["anna", "bert", ""][usize::from(user)]);
                channel.enter(client(byte), member.clone())?;
                self.model.enter(client(byte), member);
            }
            Act::Leave { client: byte } => {
                channel.leave(client(byte))?;
                self.model.leave(client(byte));
            }
            Act::Clear => {
                let position = channel.clear()?;
                same(
                    "the position of the empty log",
                    position,
                    self.model.clear(),
                )?;
            }
            Act::Fork(lost) => {
                let offset = self.model.position().offset.saturating_sub(lost);
                channel.fork(offset)?;
                self.model.fork(offset);
            }
            Act::Lose => {
                channel.lose()?;
                let position = channel.read(Since::Newest, 0)?.position;
                let is_known = |given: &Position| given.epoch.is_same_log(position.epoch);
                must("the epoch is a new one", !self.given.iter().any(is_known))?;
                self.model.lose(position.epoch);
            }
            Act::Advance(time) => channel.advance(time)?,
        }
        Ok(())
    }

    /// Publishes in both; a publisher that was silent may be forgotten or not.
    fn publish(
        &mut self,
        node: usize,
        payload: &str,
        key: Option<Key>,
        now: Duration,
    ) -> Tried<Result<Published, PublishError>> {
        let came = self.channel.at(node).publish(payload, key.clone());
        let publish = Publish {
            payload: Payload::from(payload),
            key,
        };
        let forgetful = match publish.key {
            Some(Key::Sequence(publisher, _)) => self.model.forgetful(publisher, now),
            _ => Vec::new(),
        };
        let mut wanted = Vec::new();
        for mut model in [self.model.clone()].into_iter().chain(forgetful) {
            let answer = model.publish(publish.clone(), now);
            if came == answer {
                self.model = model;
                self.given
                    .extend(came.iter().map(|published| published.position));
                return Ok(came);
            }
            wanted.push(answer);
        }
        let why = format!("publishing {publish:?}: {came:?}, not {wanted:?}");
        Err(Failure::Broken(why))
    }

    fn publish_numbered(&mut self, node: usize, publisher: u8, step: i64, now: Duration) -> Tried {
        let last = self.numbers.get(&publisher).copied().unwrap_or(2);
        let count = last.saturating_add_signed(step).max(1);
        let payload = format!("{publisher}:{count}");
        let answer = self.publish(node, &payload, number(publisher, count), now)?;
        let last = match answer {
            Ok(published) if published.is_duplicate => last,
            Ok(_) => count,
            Err(PublishError::Hole { expected }) => expected - 1,
            Err(_) => last,
        };
        self.numbers.insert(publisher, last);
        Ok(())
    }

    fn follow_or_go(&mut self, node: usize) -> Tried {
        let channel = self.channel.at(node);
        let told = self.model.told().len();
        if let Some((follower, before)) = self.followers[node].take() {
            channel.unfollow(&follower);
            self.gone.push((follower, before, told));
            return Ok(());
        }
        let follower = channel.follow()?;
        let position = follower.position;
        self.given.push(position);
        self.followers[node] = Some((follower, told));
        same("where a follower begins", position, self.model.position())
    }

    fn since(&self, from: &From) -> Since {
        match from {
            From::Newest => Since::Newest,
            From::Oldest => Since::Oldest,
            From::Given(index) => Since::Position(*index.get(&self.given)),
            From::Beside(index, generations, offsets) => {
                let position = index.get(&self.given);
                Since::Position(beside(*position, *generations, *offsets))
            }
        }
    }

    fn compare_reading(&mut self, node: usize, since: Since, limit: usize, now: Duration) -> Tried {
        let came = self.channel.at(node).read(since, limit)?;
        self.given.push(came.position);
        let wanted = self.model.read(since, limit, now);
        same(&format!("reading {limit} since {since:?}"), came, wanted)
    }

    fn compare_followers(&self) -> Tried {
        let told = self.model.told();
        for (follower, before) in self.followers.iter().flatten() {
            let came = self.channel.told(follower);
            same("what a follower is told", &came[..], &told[*before..])?;
        }
        for (follower, before, until) in &self.gone {
            let came = self.channel.told(follower);
            let wanted = &told[*before..*until];
            same("what a follower that has gone was told", &came[..], wanted)?;
        }
        Ok(())
    }

    fn compare_members(&self, node: usize) -> Tried {
        let mut members = self.model.members().clone();
        members.sort_by_key(|(client, _)| *client);
        same("who is there", self.channel.at(node).members()?, members)
    }

    fn compare_everything(&mut self, now: Duration) -> Tried {
        for node in [0, 1] {
            self.compare_members(node)?;
        }
        let mut positions = std::mem::take(&mut self.given);
        positions.sort_by_key(Position::to_string);
        positions.dedup();
        for (at, position) in positions.into_iter().enumerate() {
            for (generations, offsets) in [(0, 0), (0, 1), (1, 0), (-1, 0)] {
                let position = beside(position, generations, offsets);
                self.compare_reading(at % 2, Since::Position(position), ALL, now)?;
            }
        }
        let mut since = Since::Oldest;
        loop {
            self.compare_reading(0, since, 2, now)?;
            let page = self.model.read(since, 2, now);
            since = Since::Position(page.position);
            if !page.has_more() {
                return Ok(());
            }
        }
    }
}

/// The position with so many more generations and offsets, if there can be one.
fn beside(position: Position, generations: i64, offsets: i64) -> Position {
    let Position { epoch, offset } = position;
    let text = epoch.to_string();
    let (name, generation) = text.split_once('.').unwrap_or_default();
    let generation = generation.parse::<i64>().unwrap_or_default() + generations;
    let epoch = format!("{name}.{}", generation.max(0)).parse::<Epoch>();
    let offset = offset.saturating_add_signed(offsets);
    epoch.map_or(position, |epoch| epoch.at(offset))
}
