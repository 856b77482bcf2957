//! The checker of `cargo xtask chaos`: it finds nothing in a history that is right, and something
//! in each that is not.

use std::collections::BTreeMap;

use super::history::{Place, Record, What, read};
use super::verdict::Rule;
use super::{judge, mutants};

const KEPT: &str = "kept:a";
const BRIEF: &str = "brief:b";
const BOUND: u64 = 30_000;

/// A run of two channels and four subscribers, played without any server.
#[derive(Default)]
struct Play {
    history: Vec<Record>,
    now: u64,
    epoch: u32,
    logs: BTreeMap<&'static str, Vec<String>>,
    numbers: BTreeMap<&'static str, u64>,
    /// Epoch and offset of each subscriber in each channel.
    cursors: BTreeMap<(&'static str, &'static str), (u32, usize)>,
}

impl Play {
    fn tell(&mut self, what: What) {
        self.now += 10;
        let at = self.now;
        self.history.push(Record { at, what });
    }

    fn place(&self, offset: usize) -> Place {
        Place {
            epoch: format!("log{}.0", self.epoch),
            offset: offset as u64,
        }
    }

    fn publish(&mut self, publisher: &'static str, channel: &'static str) {
        let number = self.numbers.entry(publisher).or_default();
        *number += 1;
        let key = format!("{publisher}:{number}");
        self.tell(What::Invoke {
            channel: channel.to_owned(),
            key: key.clone(),
        });
        let log = self.logs.entry(channel).or_default();
        log.push(key.clone());
        let place = self.place(self.logs[channel].len());
        self.tell(What::Acknowledged {
            channel: channel.to_owned(),
            key,
            place,
        });
    }

    /// A subscriber reads all that a channel still keeps, and is told of what it does not.
    fn read(&mut self, who: &'static str, channel: &'static str) {
        let keep = if channel == KEPT { 100_000 } else { 5 };
        let top = self.logs.get(channel).map_or(0, Vec::len);
        let (epoch, mut offset) = self.cursors.get(&(who, channel)).copied().unwrap_or((0, 0));
        let oldest = top.saturating_sub(keep);
        let reason = match epoch == self.epoch {
            false => Some("epoch"),
            true => (offset < oldest).then_some("expired"),
        };
        if let Some(mut reason) = reason {
            let from = if reason == "epoch" {
                1
            } else {
                offset as u64 + 1
            };
            offset = oldest;
            if who == "sdk" {
                // It recovers all or nothing.
                (reason, offset) = ("unrecovered", top);
            }
            let place = self.place(offset);
            if who == "sdk" {
                self.tell(What::Subscribed {
                    who: who.to_owned(),
                    channel: channel.to_owned(),
                    place: place.clone(),
                    recovered: Some(false),
                });
            }
            self.tell(What::Gap {
                who: who.to_owned(),
                channel: channel.to_owned(),
                reason: reason.to_owned(),
                from,
                place,
            });
        }
        while offset < top {
            let key = self.logs[channel][offset].clone();
            offset += 1;
            let place = self.place(offset);
            self.tell(What::Publication {
                who: who.to_owned(),
                channel: channel.to_owned(),
                place,
                key,
            });
        }
        self.cursors.insert((who, channel), (self.epoch, offset));
    }

    fn round(&mut self, readers: &[&'static str]) {
        for channel in [KEPT, BRIEF] {
            for publisher in ["one", "two", "one"] {
                self.publish(publisher, channel);
                for who in readers {
                    self.read(who, channel);
                }
            }
        }
    }

    fn fault(&mut self, kind: &str, whom: &[&'static str], during: impl FnOnce(&mut Self)) {
        let whom: Vec<String> = whom.iter().map(|&who| who.to_owned()).collect();
        let kind = kind.to_owned();
        self.tell(What::Demand { kind: kind.clone() });
        self.tell(What::Fault {
            kind: kind.clone(),
            whom: whom.clone(),
        });
        for who in &whom {
            self.tell(What::Lost { who: who.clone() });
        }
        during(self);
        self.tell(What::Healed { kind, whom });
    }
}

const ALL: [&str; 4] = ["rust", "node", "page", "sdk"];

fn history() -> Vec<Record> {
    let mut play = Play::default();
    for (channel, keep) in [(KEPT, 100_000), (BRIEF, 5)] {
        play.tell(What::Channel {
            channel: channel.to_owned(),
            keep,
        });
        for who in ALL {
            play.tell(What::Reader {
                who: who.to_owned(),
                kind: who.to_owned(),
                channel: channel.to_owned(),
            });
            let place = play.place(0);
            play.tell(What::Subscribed {
                who: who.to_owned(),
                channel: channel.to_owned(),
                place,
                recovered: None,
            });
            play.cursors.insert((who, channel), (0, 0));
        }
    }
    play.round(&ALL);
    play.fault("silence", &["node"], |play| {
        for _ in 0..5 {
            play.round(&["rust", "page", "sdk"]);
        }
    });
    let counted = |name: &str| What::Counted {
        name: name.to_owned(),
        value: 7,
    };
    play.tell(counted("dropped_packets"));
    play.round(&ALL);
    play.fault("slow", &["page", "sdk"], |play| {
        play.round(&["rust", "node"]);
        play.round(&["rust", "node"]);
    });
    play.tell(counted("slow_consumers"));
    play.round(&ALL);
    play.fault("kill", &ALL, |play| {
        play.tell(What::Restarted);
        play.epoch += 1;
        play.logs.clear();
    });
    for _ in 0..30 {
        play.round(&ALL);
    }
    play.tell(What::Rest { bound: BOUND });
    play.round(&ALL);
    play.tell(What::Members {
        channel: KEPT.to_owned(),
        listed: 4,
        live: 4,
    });
    play.history
}

#[test]
fn a_history_that_is_right_has_no_violation() {
    let verdict = judge(&history());
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.unjustified, 0);
    assert_eq!(verdict.faults.len(), 3);
    assert_eq!(verdict.gaps["epoch"], 6);
    assert!(verdict.gaps["expired"] > 0);
    assert_eq!(verdict.gaps["unrecovered"], 3);
    assert_eq!(verdict.recoveries.len(), 7);
    assert!(verdict.verified > 300);
}

#[test]
fn every_mutant_of_a_history_is_noticed() {
    let history = history();
    for mutant in mutants() {
        let spoiled = mutant
            .spoil(&history)
            .unwrap_or_else(|| panic!("nothing to spoil for {:?}", mutant.name));
        let verdict = judge(&spoiled);
        assert!(
            verdict
                .violations
                .iter()
                .any(|found| found.rule == mutant.breaks),
            "{:?} was not noticed: {:?}",
            mutant.name,
            verdict.violations
        );
    }
}

#[test]
fn an_empty_history_proves_nothing() {
    let verdict = judge(&[]);
    assert!(
        verdict
            .violations
            .iter()
            .any(|found| found.rule == Rule::Evidence)
    );
}

#[test]
fn a_record_is_read_as_it_is_written() {
    for record in history() {
        let line = serde_json::to_string(&record).expect("a record");
        let read = read(line.as_bytes()).expect("the same");
        assert_eq!(read, [record]);
    }
}
