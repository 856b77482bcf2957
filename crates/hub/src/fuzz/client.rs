//! A server that says anything, and a user who wants this and that.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::channel::ChannelName;
use crate::client::driven::{Ask as Asked, Event, Grant, Machine, News, Serial, TokenAsk};
use crate::position::Position;
use crate::publication::Payload;
use crate::wire::{Ask, Command};

/// Most messages of the client between two things that happen: two channels, twice each, as many
/// commands as may be under way, a `connect` and a `ping`.
const AT_ONCE: usize = 70;

/// Follows a script: each line is a message of the server, or `!` and letters for what happens
/// around it (see `User::happen`).
///
/// What must hold: what the client says is one command each, `connect` first, under numbers that
/// grow; publications are told in their order without a hole; everything is told one outcome at
/// most, and nothing of an ended subscription.
pub fn client(script: &str) {
    let mut user = User {
        machine: Machine::default(),
        now: Instant::now(),
        rooms: ["chat:a", "chat:b"].map(Room::new),
        published: HashSet::new(),
        asked: HashSet::new(),
        wanted: None,
        id: 0,
        is_connecting: false,
    };
    for line in script.lines() {
        match line.strip_prefix('!') {
            Some(letters) => letters.chars().for_each(|letter| user.happen(letter)),
            None => user.machine.handle_message(line, user.now),
        }
        user.look();
    }
}

struct User {
    machine: Machine,
    now: Instant,
    rooms: [Room; 2],
    published: HashSet<Serial>,
    asked: HashSet<Asked>,
    /// The last question for a token.
    wanted: Option<(ChannelName, TokenAsk)>,
    /// Of the last command.
    id: u64,
    /// The line has come up, and the client has said nothing yet.
    is_connecting: bool,
}

struct Room {
    name: ChannelName,
    is_subscribed: bool,
    /// As its user has been told.
    position: Option<Position>,
}

impl Room {
    fn new(name: &str) -> Self {
        Self {
            name: name.parse().expect("a name"),
            is_subscribed: false,
            position: None,
        }
    }

    fn hear(&mut self, event: &Event) {
        assert!(self.is_subscribed, "{event:?} after the end");
        match event {
            Event::Subscribed { position, .. } => self.position = Some(*position),
            Event::Publication {
                position,
                publication,
            } => {
                let before = self.position.expect("it has begun");
                assert_eq!(*position, before.epoch.at(publication.offset));
                assert_eq!(before.offset.checked_add(1), Some(publication.offset));
                self.position = Some(*position);
            }
            Event::Gap(gap) => self.position = Some(gap.epoch.at(gap.to)),
            Event::Ended { .. } => self.is_subscribed = false,
            _ => {}
        }
    }
}

impl User {
    fn happen(&mut self, letter: char) {
        let (machine, now) = (&mut self.machine, self.now);
        match letter {
            'u' => {
                machine.handle_up(now);
                self.is_connecting = true;
            }
            'd' => machine.handle_down(),
            't' => self.time(Duration::from_secs(1)),
            'T' => self.time(Duration::from_mins(2)),
            's' => self.subscribe(0, None),
            'S' => self.subscribe(1, "kzeqhzcd.0:5".parse().ok()),
            'x' => {
                let room = &mut self.rooms[0];
                room.is_subscribed = false;
                machine.unsubscribe(&room.name);
            }
            'p' | 'P' => {
                let room = &self.rooms[usize::from(letter == 'P')];
                let payload = Payload::Text("hello".into());
                let serial = machine.publish(&room.name, payload, now);
                assert!(self.published.insert(serial), "a name comes twice");
            }
            'q' => {
                let channel = "chat:a".to_owned();
                let command = Command {
                    presence: Some(Ask { channel }),
                    ..Command::default()
                };
                let ask = machine.ask(command, now);
                assert!(self.asked.insert(ask), "a name comes twice");
            }
            'g' => machine.ping(),
            'k' | 'K' => {
                let token = match letter {
                    'k' => Ok("token".to_owned()),
                    _ => Err("no token".to_owned()),
                };
                if let Some((channel, ask)) = self.wanted.take() {
                    machine.token(&channel, ask, token, now);
                }
            }
            _ => {}
        }
        self.look();
    }

    fn time(&mut self, passes: Duration) {
        self.now += passes;
        self.machine.handle_timeout(self.now);
        let due = self.machine.poll_timeout();
        assert!(
            due.is_none_or(|at| at > self.now),
            "what is due is not done"
        );
    }

    fn subscribe(&mut self, at: usize, since: Option<Position>) {
        let room = &mut self.rooms[at];
        // The channel that begins from a position has tokens.
        let grant = match since {
            Some(_) => Grant::of_driver(),
            None => Grant::fixed(None),
        };
        let machine = &mut self.machine;
        let is_new = machine.subscribe(&room.name, since, true, grant, self.now);
        assert_eq!(is_new, !room.is_subscribed);
        room.is_subscribed = true;
    }

    /// Takes what the client says and tells.
    fn look(&mut self) {
        let mut count = 0;
        while let Some(text) = self.machine.poll_output() {
            let command: Command = serde_json::from_str(&text).expect("a command");
            assert_eq!(command.names(), 1, "{text}");
            assert!(command.id > self.id, "{text}");
            let is_first = std::mem::take(&mut self.is_connecting);
            assert_eq!(command.connect.is_some(), is_first, "{text}");
            self.id = command.id;
            count += 1;
        }
        assert!(count <= AT_ONCE, "it says too much");
        while let Some(news) = self.machine.poll_news() {
            match news {
                News::Channel(channel, event) => {
                    let room = self.rooms.iter_mut().find(|room| room.name == channel);
                    room.expect("a channel of its user").hear(&event);
                }
                News::Published(serial, _) => {
                    assert!(self.published.remove(&serial), "{serial:?} has an outcome");
                }
                News::Answered(ask, _) => {
                    assert!(self.asked.remove(&ask), "{ask:?} has an answer");
                }
                News::Token(channel, ask) => self.wanted = Some((channel, ask)),
                News::Connected { .. } | News::Refused(_) => {}
            }
        }
        let (waiting, bytes) = self.machine.waiting();
        assert_eq!(waiting, self.published.len());
        assert_eq!(bytes, "hello".len() * waiting);
    }
}
