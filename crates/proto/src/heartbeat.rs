//! When a silent peer is dead: any byte is life, a ping goes out after silence, and what answers
//! nothing is dead.

use std::fmt;
use std::time::Duration;

use crate::config::Limits;
use crate::frame::MAX_CONTROL_PAYLOAD;
use crate::message::Text;
use crate::time::{Deadline, Tick};

/// How a dead peer is found; on by default with 25 s and 20 s.
///
/// Any byte from the peer is life. After `interval` of silence, shortened by up to 20 % of jitter
/// so that many connections do not ping in step, a Ping goes out (RFC 6455 §5.5.2), ahead of
/// whatever is queued; when `timeout` has passed since it was handed to the socket and not one
/// byte came, the peer is dead. A ping that the socket does not take is judged by
/// [`write_stall`](Limits::write_stall) instead. While our own side has paused reading nothing is
/// judged.
///
/// It costs one Ping and one Pong for each `interval` of silence, 16 bytes a connection, and
/// nothing for each message.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use holdwire_proto::{Config, HeartbeatConfig, Limits};
///
/// let heartbeat = HeartbeatConfig::new(Duration::from_secs(10), Duration::from_secs(5))?;
/// assert_eq!(heartbeat.bound(&Limits::default()), Duration::from_secs(30));
///
/// let config = Config::default().heartbeat(heartbeat);
/// let silent = Config::default().heartbeat(None);
/// # Ok::<(), holdwire_proto::HeartbeatError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatConfig {
    interval: Duration,
    timeout: Duration,
}

impl HeartbeatConfig {
    /// A ping after `interval` of silence, and `timeout` for the answer.
    ///
    /// # Errors
    /// When one of them is shorter than [`HeartbeatConfig::MIN`] or longer than
    /// [`HeartbeatConfig::MAX`].
    pub fn new(interval: Duration, timeout: Duration) -> Result<Self, HeartbeatError> {
        let range = Self::MIN..=Self::MAX;
        if range.contains(&interval) && range.contains(&timeout) {
            Ok(Self { interval, timeout })
        } else {
            Err(HeartbeatError)
        }
    }

    /// The shortest interval or timeout: 10 milliseconds.
    pub const MIN: Duration = Duration::from_millis(10);

    /// The longest interval or timeout: one day.
    pub const MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// The silence after which a ping goes out.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long the answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The longest time from a peer's last sign of life to the verdict.
    ///
    /// It is interval + timeout, or the write stall where that is longer: for a peer that takes
    /// no bytes, not even the ping, counted from the last byte that it took.
    #[must_use]
    pub fn bound(&self, limits: &Limits) -> Duration {
        (self.interval + self.timeout).max(limits.write_stall)
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(25),
            timeout: Duration::from_secs(20),
        }
    }
}

/// A heartbeat whose interval or timeout is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatError;

impl fmt::Display for HeartbeatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heartbeat's interval and timeout lie between 10 ms and one day")
    }
}

impl std::error::Error for HeartbeatError {}

/// A text message that is a heartbeat: for pages, which can neither send a Ping nor see a Pong.
///
/// A text message that is exactly this word, byte for byte and whole, is answered at once and
/// never reaches the application. A binary message never is one. When sixteen answers (or Pongs)
/// wait unsent, further ones are merged.
///
/// # Examples
/// ```
/// use holdwire_proto::{Config, HeartbeatWord};
///
/// let word = HeartbeatWord::new("HeartBeat")?.reply("alive")?;
/// let config = Config::default().heartbeat_word(word);
/// # Ok::<(), holdwire_proto::BadWord>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatWord {
    word: Text,
    reply: Option<Text>,
}

impl HeartbeatWord {
    /// A word of 1 to 125 bytes, answered with itself.
    ///
    /// # Errors
    /// When it is empty or longer.
    pub fn new(word: impl Into<Text>) -> Result<Self, BadWord> {
        let word = fitting(word.into())?;
        Ok(Self { word, reply: None })
    }

    /// Answers with something else, of 1 to 125 bytes.
    ///
    /// # Errors
    /// When it is empty or longer.
    pub fn reply(mut self, reply: impl Into<Text>) -> Result<Self, BadWord> {
        self.reply = Some(fitting(reply.into())?);
        Ok(self)
    }

    /// The answer to `text`, if it is the word.
    pub(crate) fn answer(&self, text: &str) -> Option<&str> {
        let answer = self.reply.as_ref().unwrap_or(&self.word);
        (*text == *self.word).then_some(answer)
    }
}

impl Default for HeartbeatWord {
    /// `HeartBeat`, answered with itself.
    fn default() -> Self {
        Self {
            word: Text::from("HeartBeat"),
            reply: None,
        }
    }
}

fn fitting(text: Text) -> Result<Text, BadWord> {
    if (1..=MAX_CONTROL_PAYLOAD).contains(&text.len()) {
        Ok(text)
    } else {
        Err(BadWord)
    }
}

/// A heartbeat word, or the answer to one, that is empty or longer than 125 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWord;

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heartbeat word and its answer have 1 to 125 bytes")
    }
}

impl std::error::Error for BadWord {}

/// What a connection remembers about its peer's life.
///
/// Nothing but a moment is stored for received bytes: the deadline stays where it is, and when it
/// passes it is moved to where the silence since then would end.
pub(crate) struct Heartbeat {
    /// When the last byte came.
    seen: Tick,
    deadline: Deadline,
    /// Bytes of output up to the end of a queued ping, or when the last ping was handed over.
    ping: u32,
    /// Milliseconds, or [`UNKNOWN`].
    round_trip: u16,
    count: u8,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No ping is under way.
    Quiet,
    /// A ping waits to be written.
    Queued,
    /// The socket has the ping, and no byte came since.
    Asked,
    /// The verdict was late already once.
    AskedLate,
    /// Bytes came since the ping, but not its pong yet.
    Alive,
}

/// What a passed deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing.
    Rest,
    /// A ping with this payload, of which [`Heartbeat::queued`] is told.
    Ping([u8; PING]),
    /// The peer is dead.
    Dead,
}

/// The length of a ping's payload: a mark and a count.
const PING: usize = 3;

/// A verdict that is later than this was not ours to give: the process was stopped or the machine
/// asleep, and the answer may lie unread in the socket.
const LATE: Duration = Duration::from_secs(1);

/// How long a peer has after a late verdict, at most.
const PROBE: Duration = Duration::from_secs(5);

impl Heartbeat {
    pub(crate) fn new() -> Self {
        Self {
            seen: Tick::from_millis(0),
            deadline: Deadline::NONE,
            ping: 0,
            round_trip: UNKNOWN,
            count: 0,
            stage: Stage::Quiet,
        }
    }

    /// The first silence begins.
    pub(crate) fn start(&mut self, now: Tick, config: HeartbeatConfig, random: [u8; 4]) {
        self.seen = now;
        self.rest(config, random);
    }

    /// Bytes came from the peer.
    #[inline]
    pub(crate) fn seen(&mut self, now: Tick, config: Option<HeartbeatConfig>) {
        self.seen = now;
        if matches!(self.stage, Stage::Asked | Stage::AskedLate) {
            // Looked at at the old verdict's time, and moved then; where that is too late for the
            // next ping, after an interval.
            self.stage = Stage::Alive;
            if let Some(config) = config
                && config.timeout > config.interval
            {
                self.deadline = Deadline::at(now.after(config.interval));
            }
        }
    }

    /// Whether this Pong answers our own ping.
    pub(crate) fn takes_pong(&mut self, payload: &[u8], now: Tick) -> bool {
        let is_ours = *payload == self.payload() && !matches!(self.stage, Stage::Quiet);
        if is_ours && self.stage != Stage::Queued {
            let took = now.since(Tick::from_millis(u64::from(self.ping)));
            self.round_trip = u16::try_from(took.as_millis()).map_or(LONGEST, |ms| ms.min(LONGEST));
            self.stage = Stage::Quiet;
        }
        is_ours
    }

    /// A ping stands in the output; `left` bytes up to its end are to be written.
    pub(crate) fn queued(&mut self, left: usize) {
        self.ping = u32::try_from(left).unwrap_or(u32::MAX);
        self.stage = Stage::Queued;
        // Write stall decides until the socket has it.
        self.deadline = Deadline::NONE;
    }

    /// `progress` bytes of the output were written.
    #[inline]
    pub(crate) fn wrote(&mut self, progress: usize, now: Tick, config: Option<HeartbeatConfig>) {
        if self.stage != Stage::Queued || progress == 0 {
            return;
        }
        let progress = u32::try_from(progress).unwrap_or(u32::MAX);
        self.ping = self.ping.saturating_sub(progress);
        if self.ping == 0
            && let Some(config) = config
        {
            self.ping = now.millis();
            self.stage = Stage::Asked;
            self.deadline = Deadline::at(now.after(config.timeout));
        }
    }

    /// Our side reads again after a pause, in which no answer could be seen.
    pub(crate) fn resumed(&mut self, now: Tick, config: Option<HeartbeatConfig>) {
        if let (Stage::Asked | Stage::AskedLate, Some(config)) = (self.stage, config) {
            self.deadline = Deadline::at(now.after(config.timeout));
        }
    }

    /// Nobody has read meanwhile: a verdict that is due waits for a probe's time.
    pub(crate) fn defer(&mut self, now: Tick, config: Option<HeartbeatConfig>) {
        if let (Stage::Asked | Stage::AskedLate, Some(config)) = (self.stage, config)
            && self.deadline.has_passed(now)
        {
            self.deadline = Deadline::at(now.after(config.timeout.min(PROBE)));
        }
    }

    /// Acts on the deadline, which may have passed.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Tick,
        config: HeartbeatConfig,
        random: [u8; 4],
    ) -> Beat {
        if !self.deadline.has_passed(now) {
            return Beat::Rest;
        }
        match self.stage {
            Stage::Queued => Beat::Rest,
            Stage::Asked if self.is_late(now) => {
                self.stage = Stage::AskedLate;
                self.defer(now, Some(config));
                Beat::Rest
            }
            Stage::Asked | Stage::AskedLate => Beat::Dead,
            Stage::Quiet | Stage::Alive => {
                // The shortest silence that jitter allows, in the ticks that the deadline is made of.
                let shortest = config.interval - config.interval / JITTER;
                if now.since(self.seen).as_millis() >= shortest.as_millis() {
                    self.count = self.count.wrapping_add(1);
                    return Beat::Ping(self.payload());
                }
                self.rest(config, random);
                Beat::Rest
            }
        }
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The time between the last ping that was answered and its pong.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let millis = Duration::from_millis(u64::from(self.round_trip));
        (self.round_trip != UNKNOWN).then_some(millis)
    }

    fn payload(&self) -> [u8; PING] {
        [b'h', b'b', self.count]
    }

    fn is_late(&self, now: Tick) -> bool {
        self.deadline
            .get()
            .is_some_and(|deadline| now.since(deadline) > LATE)
    }

    /// Looks again when the silence since the last byte is long enough.
    fn rest(&mut self, config: HeartbeatConfig, random: [u8; 4]) {
        let [share, ..] = random;
        let jitter = config.interval / JITTER / u32::from(u8::MAX) * u32::from(share);
        self.deadline = Deadline::at(self.seen.after(config.interval - jitter));
    }
}

/// No round trip has been seen.
const UNKNOWN: u16 = u16::MAX;

/// The longest round trip that is told apart: 65 s.
const LONGEST: u16 = UNKNOWN - 1;

/// Jitter takes away at most one part in so many of the interval.
const JITTER: u32 = 5;
