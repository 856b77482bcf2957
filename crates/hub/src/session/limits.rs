//! How much clients may ask for: rates of a connection and of a user, and counts.
//!
//! A rate lets a second's worth through at once, and after that one at a time. What comes beyond it
//! is refused; whoever goes on with ten times the rate is closed. Time is an argument.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::counts::Counters;

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// What may be refused at once before it counts as abuse: clients of ours have 64 publications on
/// their way in each channel.
const PATIENCE: u64 = 1024;

/// Users that are remembered before it is looked for those who are gone.
const FEW: usize = 1024;

/// How much clients may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Commands of a connection in a second; at the plain door messages. Default: any number.
    pub commands: Option<NonZeroU32>,
    /// Publications of a connection in a second. Default: any number.
    pub publications: Option<NonZeroU32>,
    /// The same of all connections of a user to this server together; whoever has no name is not
    /// counted. Default: any number.
    pub user_commands: Option<NonZeroU32>,
    /// Default: any number.
    pub user_publications: Option<NonZeroU32>,
    /// Channels of a connection. Default: 128.
    pub channels: usize,
    /// Connections of a user to this server. Default: any number.
    pub connections: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands: None,
            publications: None,
            user_commands: None,
            user_publications: None,
            channels: 128,
            connections: None,
        }
    }
}

impl Limits {
    /// Whether there is a rate.
    fn has_rates(&self) -> bool {
        let own = self.commands.or(self.publications);
        own.or(self.user_commands)
            .or(self.user_publications)
            .is_some()
    }
}

/// What a limit was reached of, in the words of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    Commands,
    Publications,
    UserCommands,
    UserPublications,
    Channels,
    Connections,
    /// Somebody was closed.
    Abuse,
}

/// Whether somebody may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pass {
    /// As it is.
    Go,
    /// Later.
    Wait,
    /// Not at all.
    Stop,
}

/// One rate, as two times in nanoseconds: when all that was let through is paid for, and the same of
/// all that has come, at ten times the rate.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    paid: u64,
    come: u64,
}

impl Bucket {
    fn take(&mut self, rate: Option<NonZeroU32>, now: u64) -> Pass {
        let Some(rate) = rate else {
            return Pass::Go;
        };
        let each = (SECOND / u64::from(rate.get())).max(1);
        let tenth = (each / 10).max(1);
        self.come = self.come.max(now).saturating_add(tenth);
        if self.come - now > SECOND.max(PATIENCE * tenth) {
            return Pass::Stop;
        }
        let paid = self.paid.max(now).saturating_add(each);
        // Even the slowest rate lets one through.
        if paid - now > SECOND.max(each) {
            return Pass::Wait;
        }
        self.paid = paid;
        Pass::Go
    }

    /// Whether it is as if nothing had ever come.
    fn is_idle(&self, now: u64) -> bool {
        self.paid <= now && self.come <= now
    }
}

/// Commands and publications of somebody.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    commands: Bucket,
    publications: Bucket,
}

impl Spent {
    fn take(
        &mut self,
        rates: [Option<NonZeroU32>; 2],
        is_publication: bool,
        now: u64,
    ) -> [Pass; 2] {
        let [commands, publications] = rates;
        let passes = |is_it: bool, bucket: &mut Bucket, rate| match is_it {
            true => bucket.take(rate, now),
            false => Pass::Go,
        };
        [
            passes(true, &mut self.commands, commands),
            passes(is_publication, &mut self.publications, publications),
        ]
    }

    fn is_idle(&self, now: u64) -> bool {
        self.commands.is_idle(now) && self.publications.is_idle(now)
    }
}

/// What all connections of a user have together.
#[derive(Debug, Default)]
struct User {
    connections: u32,
    spent: Spent,
}

/// The limits of a hub, and its users.
#[derive(Debug)]
pub(crate) struct Limiting {
    pub(crate) limits: Limits,
    users: Mutex<Users>,
    begin: Instant,
}

#[derive(Debug, Default)]
struct Users {
    all: HashMap<Box<str>, User>,
    /// How many there were after the last time that those were forgotten who are gone.
    swept: usize,
}

impl Limiting {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            users: Mutex::default(),
            begin: Instant::now(),
        }
    }

    /// What a connection has spent, if anything is counted.
    pub(crate) fn purse(self: &Arc<Self>) -> Option<Box<Purse>> {
        let counts = self.limits.has_rates() || self.limits.connections.is_some();
        counts.then(|| {
            Box::new(Purse {
                limiting: Arc::clone(self),
                spent: Spent::default(),
                user: None,
            })
        })
    }

    /// Whether a user may have one more connection.
    pub(crate) fn has_room(&self, user: &str) -> bool {
        let Some(most) = self.limits.connections.filter(|_| !user.is_empty()) else {
            return true;
        };
        let users = self.users();
        let user = users.all.get(user);
        user.is_none_or(|user| user.connections < most.get())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn enter(&self, name: &str) {
        let now = self.now();
        let mut users = self.users();
        let Users { all, swept } = &mut *users;
        if all.len() >= FEW.max(2 * *swept) {
            all.retain(|_, user| user.connections > 0 || !user.spent.is_idle(now));
            *swept = all.len();
        }
        all.entry(name.into()).or_default().connections += 1;
    }

    fn leave(&self, name: &str) {
        let now = self.now();
        let mut users = self.users();
        if let Some(user) = users.all.get_mut(name) {
            user.connections -= 1;
            if user.connections == 0 && user.spent.is_idle(now) {
                users.all.remove(name);
            }
        }
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection has spent.
pub(crate) struct Purse {
    limiting: Arc<Limiting>,
    spent: Spent,
    user: Option<Box<str>>,
}

impl Purse {
    /// From now on it is this user's.
    pub(crate) fn belong(&mut self, user: &str) {
        self.leave();
        if !user.is_empty() {
            self.limiting.enter(user);
            self.user = Some(user.into());
        }
    }

    /// Whether one more command may come; what keeps it out is counted.
    pub(crate) fn spend(&mut self, is_publication: bool, counters: &Counters) -> Pass {
        let limits = &self.limiting.limits;
        let now = self.limiting.now();
        let rates = [limits.commands, limits.publications];
        let [commands, publications] = self.spent.take(rates, is_publication, now);
        let rates = [limits.user_commands, limits.user_publications];
        let name = self.user.as_deref();
        let has_rates = rates.iter().any(Option::is_some);
        let together = name.filter(|_| has_rates).and_then(|name| {
            let mut users = self.limiting.users();
            let user = users.all.get_mut(name)?;
            Some(user.spent.take(rates, is_publication, now))
        });
        let [user_commands, user_publications] = together.unwrap_or([Pass::Go; 2]);
        let all = [
            (commands, Limited::Commands),
            (publications, Limited::Publications),
            (user_commands, Limited::UserCommands),
            (user_publications, Limited::UserPublications),
        ];
        let worst = all.into_iter().max_by_key(|(pass, _)| *pass);
        match worst {
            Some((Pass::Wait, what)) => {
                counters.limited(what);
                Pass::Wait
            }
            Some((Pass::Stop, _)) => {
                counters.limited(Limited::Abuse);
                Pass::Stop
            }
            _ => Pass::Go,
        }
    }

    fn leave(&mut self) {
        if let Some(user) = self.user.take() {
            self.limiting.leave(&user);
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(rate)
    }

    fn passed(bucket: &mut Bucket, each: u32, now: u64, count: usize) -> usize {
        let passes = (0..count).map(|_| bucket.take(rate(each), now));
        passes.filter(|pass| *pass == Pass::Go).count()
    }

    #[test]
    fn a_seconds_worth_comes_at_once_and_then_one_at_a_time() {
        let mut bucket = Bucket::default();

        assert_eq!(passed(&mut bucket, 10, 0, 20), 10);
        assert_eq!(passed(&mut bucket, 10, SECOND / 10, 5), 1);
        assert_eq!(passed(&mut bucket, 10, SECOND / 2, 20), 4);
        assert_eq!(passed(&mut bucket, 10, 100 * SECOND, 20), 10);
    }

    #[test]
    fn rates_hold_over_a_long_time_whatever_they_are() {
        for each in [1, 3, 7, 1000, 1_000_000] {
            let mut bucket = Bucket::default();
            let mut count = 0;
            for step in 0..100 {
                count += passed(&mut bucket, each, step * SECOND, 2);
            }
            assert!(count >= 100.min(2 * each as usize), "{each}: {count}");
            assert_eq!(passed(&mut Bucket::default(), each, 5, 1), 1);
        }
        let mut slow = Bucket::default();
        assert_eq!(
            (0..600)
                .map(|at| passed(&mut slow, 1, at * SECOND / 60, 1))
                .sum::<usize>(),
            10
        );
    }

    #[test]
    fn ten_times_the_rate_is_too_much_only_when_it_goes_on() {
        let mut bucket = Bucket::default();
        let all: Vec<_> = (0..1025).map(|_| bucket.take(rate(10), 0)).collect();
        assert!(!all[..1024].contains(&Pass::Stop));
        assert_eq!(all[1024], Pass::Stop);

        let mut steady = Bucket::default();
        for at in 0..100_000 {
            let pass = steady.take(rate(10), at * SECOND / 99);
            assert_ne!(pass, Pass::Stop, "{at}");
        }
        let ends = (0..2_000_000_u64)
            .any(|at| steady.take(rate(10), 1100 * SECOND + at * SECOND / 120) == Pass::Stop);
        assert!(ends);
    }

    #[test]
    fn no_time_and_no_rate_overflow() {
        let mut bucket = Bucket::default();

        for now in [0, u64::MAX, u64::MAX - 1] {
            for each in [1, u32::MAX] {
                bucket.take(rate(each), now);
            }
        }
        assert_eq!(bucket.take(None, 7), Pass::Go);
    }

    #[test]
    fn a_users_connections_share_what_it_may() {
        let limits = Limits {
            user_commands: rate(10),
            connections: rate(2),
            ..Limits::default()
        };
        let (limiting, counters) = (Arc::new(Limiting::new(limits)), Counters::default());
        let mut purses = [(); 2].map(|()| limiting.purse().unwrap());
        for purse in &mut purses {
            assert!(limiting.has_room("ann"));
            purse.belong("ann");
        }

        assert!(!limiting.has_room("ann"));
        assert!(limiting.has_room("bob") && limiting.has_room(""));
        let mut passes = (0..30).map(|at| purses[at % 2].spend(false, &counters));
        assert_eq!(
            passes
                .by_ref()
                .take(10)
                .filter(|pass| *pass == Pass::Go)
                .count(),
            10
        );
        assert!(passes.any(|pass| pass == Pass::Wait));
        let mut other = limiting.purse().unwrap();
        other.belong("bob");
        assert_eq!(other.spend(false, &counters), Pass::Go);
        drop(purses);
        assert!(limiting.has_room("ann"));
    }

    #[test]
    fn users_who_are_gone_are_forgotten() {
        let limits = Limits {
            connections: rate(1),
            ..Limits::default()
        };
        let limiting = Arc::new(Limiting::new(limits));

        for number in 0..10 * FEW {
            limiting.purse().unwrap().belong(&number.to_string());
        }

        assert!(limiting.users().all.is_empty());
    }
}
