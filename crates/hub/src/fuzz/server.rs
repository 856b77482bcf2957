//! A client that says anything, and surroundings that answer when they like.

use holdwire::proto::Flow;
use holdwire::shard::Join;

use super::around::{Around, room};
use crate::centrifuge::{Encoding, Saying};
use crate::channel::ChannelName;
use crate::engine::{Engine, Publish};
use crate::position::Position;
use crate::publication::Payload;
use crate::session::driven::{CHANNELS, Dialect, Key, Machine, Outcome};
use crate::wire::Command;

/// Rounds in which everything that is under way comes to its end.
const ROUNDS: usize = 1000;

/// Follows a script: each line is a message of the client, or `!` and letters for what happens
/// around it (see `Server::happen`).
///
/// What must hold: each command has one answer, or the connection is closed; after that nothing is
/// said or asked; what is said is JSON, and no longer than what was asked for explains; nothing
/// waits for ever.
pub fn server(script: &str) {
    follow(Dialect::Holdwire, script);
}

/// The same in the Centrifuge client protocol, in which a message may have more commands.
pub fn centrifuge_server(script: &str) {
    follow(Dialect::Centrifuge(Encoding::Json), script);
}

fn follow(dialect: Dialect, script: &str) {
    let mut server = Server::new(dialect);
    for line in script.lines() {
        match line.strip_prefix('!') {
            Some(letters) => letters.chars().for_each(|letter| server.happen(letter)),
            None => server.hear(line),
        }
    }
    server.settle();
}

/// A machine, and whether it is told what the client says.
struct Server {
    machine: Machine,
    around: Around,
    is_paused: bool,
}

impl Server {
    fn new(dialect: Dialect) -> Self {
        Self {
            machine: Machine::new(dialect),
            around: Around::new(dialect),
            is_paused: false,
        }
    }

    /// The ids of the commands of a message that have an answer.
    fn ids(&self, text: &str) -> Vec<u64> {
        let Dialect::Centrifuge(encoding) = self.around.dialect else {
            let command = serde_json::from_str::<Command>(text);
            return command.iter().map(|command| command.id).collect();
        };
        let (mut message, mut ids) = (text.as_bytes(), Vec::new());
        while let Ok(Some(saying)) = encoding.next(&mut message) {
            match saying {
                Saying::Command(command) => ids.push(command.id),
                Saying::Refused(id, ..) => ids.push(id),
                Saying::Pong => {}
            }
        }
        ids.retain(|id| *id > 0);
        ids
    }

    fn hear(&mut self, text: &str) {
        if self.is_paused {
            return;
        }
        let before = self.around.said;
        for id in self.ids(text) {
            *self.around.unanswered.entry(id).or_default() += 1;
        }
        self.around.largest = self.around.largest.max(text.len());
        let flow = self.machine.handle_text(text, &mut self.around);
        self.is_paused = flow == Flow::Pause;
        let said = self.around.said - before;
        let page = 8 * (2 * self.around.largest + 256);
        assert!(said <= 1024 + 40 * text.len() + page, "it says too much");
        assert!(self.around.seats.len() <= CHANNELS);
        assert!(self.around.pending.len() <= CHANNELS + 65);
    }

    fn happen(&mut self, letter: char) {
        let (machine, around) = (&mut self.machine, &mut self.around);
        match letter {
            'l' => around.is_late = !around.is_late,
            'd' => around.is_down = !around.is_down,
            // What was asked for first is there, or what was asked for last.
            'o' | 'O' => {
                self.outcome(letter == 'o');
            }
            'j' => {
                self.join();
            }
            'r' => {
                self.rest();
            }
            'b' => {
                machine.handle_binary(b"\0", around);
            }
            'h' if around.dialect.is_foreign() => machine.handle_beat(around),
            'g' => machine.handle_drain(around),
            'e' => machine.handle_outcome(Outcome::Expired, around),
            'n' => machine.handle_outcome(Outcome::NeverConnected, around),
            't' => {
                if let Some(channel) = around.granted.pop() {
                    machine.handle_outcome(Outcome::Lapsed(channel), around);
                }
            }
            'p' => {
                let payload = Payload::Text("by another".into());
                let publish = Publish { payload, key: None };
                let _ = around.memory.publish(&room(), publish);
            }
            'f' | 'F' => {
                let top = around.top(&room()).offset;
                let to = if letter == 'f' { top } else { top / 2 };
                around.memory.fork(&room(), to);
                self.change();
            }
            'x' => {
                around.memory.lose(&room());
                self.change();
            }
            'w' => self.deliver(false),
            's' => self.deliver(true),
            _ => {}
        }
    }

    /// An answer comes.
    fn outcome(&mut self, is_first: bool) -> bool {
        let pending = &mut self.around.pending;
        let outcome = if is_first {
            pending.pop_front()
        } else {
            pending.pop_back()
        };
        let Some(outcome) = outcome else {
            return false;
        };
        self.machine.handle_outcome(outcome, &mut self.around);
        if std::mem::take(&mut self.around.has_resumed) {
            self.is_paused = false;
        }
        true
    }

    /// Somebody who has asked to joins.
    fn join(&mut self) -> bool {
        let Some(key) = self.around.joining.pop_front() else {
            return false;
        };
        let seat = self.around.seats.iter().find(|seat| seat.key == key);
        let Some(channel) = seat.map(|seat| seat.channel.clone()) else {
            return true;
        };
        let Position { epoch, offset } = self.around.top(&channel);
        let join = self
            .machine
            .handle_join(key, epoch, offset + 1, &mut self.around);
        let mut seats = self.around.seats.iter_mut();
        if let Some(seat) = seats.find(|seat| seat.key == key)
            && join == Join::Stay
        {
            seat.next = Some(offset + 1);
        }
        true
    }

    /// Everything has been written.
    fn rest(&mut self) -> bool {
        self.around.queued = 0;
        let is_resting = std::mem::take(&mut self.around.is_resting);
        if is_resting {
            self.machine.handle_rested(&mut self.around);
        }
        is_resting
    }

    /// A subscriber is sent what was published, or that is left out.
    fn deliver(&mut self, skip: bool) {
        if self.around.is_closed {
            return;
        }
        let joined = self.around.seats.iter();
        let joined: Vec<(Key, ChannelName, u64)> = joined
            .filter_map(|seat| Some((seat.key, seat.channel.clone(), seat.next?)))
            .collect();
        for (key, channel, next) in joined {
            let end = self.around.top(&channel).offset + 1;
            // Whoever cannot be told of a gap is closed by its topic.
            if skip && !self.around.dialect.is_foreign() {
                self.machine
                    .handle_skip(key, &(next..end), &mut self.around);
            }
            if let Some(seat) = self.around.seats.iter_mut().find(|seat| seat.key == key) {
                seat.next = Some(end);
            }
        }
    }

    /// The log is another one, or has forked: whoever has joined is told.
    fn change(&mut self) {
        let joined = self.around.seats.iter();
        let joined = joined.filter(|seat| seat.next.is_some() && seat.channel == room());
        let keys: Vec<Key> = joined.map(|seat| seat.key).collect();
        for key in keys {
            self.machine.handle_change(key, &mut self.around);
        }
    }

    /// Everything comes to its end.
    fn settle(&mut self) {
        self.around.is_down = false;
        let rounds = (0..ROUNDS).take_while(|_| {
            let has_outcome = self.outcome(true);
            let has_joined = self.join();
            self.rest() || has_joined || has_outcome
        });
        assert!(rounds.count() < ROUNDS, "it never comes to rest");
        if !self.around.is_closed {
            assert!(!self.is_paused, "it never reads on");
            let is_left = self.around.was_refused;
            assert!(self.around.unanswered.is_empty() || is_left, "no answer");
        }
    }
}
