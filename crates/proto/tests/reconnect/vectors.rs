//! `vectors/backoff.json`, `vectors/reconnect.json` and `vectors/close_codes.json`.

use std::time::{Duration, Instant};

use holdwire_proto::http::StatusCode;
use holdwire_proto::reconnect::{
    Action, Backoff, Decision, Loss, Policy, Reconnect, State, Target, Why,
};
use serde::Deserialize;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delays {
    #[serde(rename = "about")]
    _about: String,
    delays: Vec<Delay>,
    later: Vec<Later>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    name: String,
    first: Option<u64>,
    cap: Option<u64>,
    losses: u32,
    random: u32,
    ceiling: u64,
    delay: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    name: String,
    first: Option<u64>,
    cap: Option<u64>,
    random: u32,
    delay: u64,
}

fn backoff(first: Option<u64>, cap: Option<u64>) -> Backoff {
    let default = Backoff::default();
    Backoff::new(
        first.map_or(default.first(), ms),
        cap.map_or(default.cap(), ms),
    )
}

#[test]
fn delays_are_drawn_alike() {
    let file: Delays =
        serde_json::from_str(include_str!("../../../../vectors/backoff.json")).expect("delays");

    for case in file.delays {
        let backoff = backoff(case.first, case.cap);
        assert_eq!(
            backoff.ceiling(case.losses),
            ms(case.ceiling),
            "{}",
            case.name
        );
        let delay = backoff.delay(case.losses, case.random);
        assert_eq!(delay, ms(case.delay), "{}", case.name);
    }
    for case in file.later {
        let backoff = backoff(case.first, case.cap);
        assert_eq!(backoff.later(case.random), ms(case.delay), "{}", case.name);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(rename = "about")]
    _about: String,
    codes: Vec<Range>,
    statuses: Vec<Range>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: u16,
    to: u16,
    fixed: Choice,
    asked: Choice,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Retry,
    Later,
    StopAfter(u32),
    Stop,
}

impl From<Choice> for Decision {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Retry => Self::Retry,
            Choice::Later => Self::Later,
            Choice::StopAfter(count) => Self::StopAfter(count),
            Choice::Stop => Self::Stop,
        }
    }
}

/// Checks every number of the ranges, which must follow one another from `first` to `last`.
fn assert_table(ranges: &[Range], first: u16, last: u16, decide: impl Fn(u16, Target) -> Decision) {
    let mut next = u32::from(first);
    for range in ranges {
        assert_eq!(u32::from(range.from), next, "the ranges leave nothing out");
        for number in range.from..=range.to {
            let fixed = decide(number, Target::Fixed);
            let asked = decide(number, Target::Asked);
            assert_eq!(fixed, range.fixed.into(), "{number}");
            assert_eq!(asked, range.asked.into(), "{number}");
        }
        next = u32::from(range.to) + 1;
    }
    assert_eq!(next, u32::from(last) + 1);
}

#[test]
fn every_close_code_and_status_has_its_decision() {
    let file: Tables =
        serde_json::from_str(include_str!("../../../../vectors/close_codes.json")).expect("tables");

    assert_table(&file.codes, 0, u16::MAX, Decision::of_close_code);
    assert_table(&file.statuses, 100, 999, |number, target| {
        let status = StatusCode::from_u16(number).expect("a status");
        Decision::of_status(status, target)
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    policy: Settings,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    first: Option<u64>,
    cap: Option<u64>,
    min_uptime: Option<u64>,
    connect_timeout: Option<u64>,
    max_attempts: Option<u32>,
    max_advice: Option<u64>,
}

impl Settings {
    fn policy(&self) -> Policy {
        let default = Policy::default();
        Policy {
            backoff: backoff(self.first, self.cap),
            min_uptime: self.min_uptime.map_or(default.min_uptime, ms),
            connect_timeout: self.connect_timeout.map_or(default.connect_timeout, ms),
            max_attempts: self.max_attempts,
            max_advice: self.max_advice.map_or(default.max_advice, ms),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    event: Event,
    generation: Option<u64>,
    decision: Option<Choice>,
    advice: Option<u64>,
    #[serde(default)]
    abandon: bool,
    random: Option<u32>,
    actions: Vec<Done>,
    state: Position,
    deadline: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Start,
    Opened,
    Lost,
    Timeout,
    Wake,
    Stop,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
enum Done {
    Connect { generation: u64, attempt: u32 },
    Up { generation: u64 },
    Abandon { generation: u64 },
    Close { generation: u64 },
    Down { generation: u64, next_in: u64 },
    Stopped { why: Reason },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Asked,
    Decision,
    Attempts,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    Idle,
    Connecting,
    Open,
    Waiting,
    Stopped,
}

impl From<&Done> for Action {
    fn from(done: &Done) -> Self {
        match *done {
            Done::Connect {
                generation,
                attempt,
            } => Self::Connect {
                generation,
                attempt,
            },
            Done::Up { generation } => Self::Up { generation },
            Done::Abandon { generation } => Self::Abandon { generation },
            Done::Close { generation } => Self::Close { generation },
            Done::Down {
                generation,
                next_in,
            } => Self::Down {
                generation,
                next_in: ms(next_in),
            },
            Done::Stopped { why } => Self::Stopped {
                why: match why {
                    Reason::Asked => Why::Asked,
                    Reason::Decision => Why::Decision,
                    Reason::Attempts => Why::Attempts,
                },
            },
        }
    }
}

impl From<Position> for State {
    fn from(position: Position) -> Self {
        match position {
            Position::Idle => Self::Idle,
            Position::Connecting => Self::Connecting,
            Position::Open => Self::Open,
            Position::Waiting => Self::Waiting,
            Position::Stopped => Self::Stopped,
        }
    }
}

impl Step {
    fn feed(&self, reconnect: &mut Reconnect, now: Instant) {
        let generation = || self.generation.expect("a generation");
        let random = || self.random.expect("a random number");
        match self.event {
            Event::Start => reconnect.start(now),
            Event::Opened => reconnect.handle_opened(now, generation()),
            Event::Lost => {
                let loss = Loss {
                    advice: self.advice.map(ms),
                    abandon: self.abandon,
                };
                let decision = self.decision.expect("a decision").into();
                reconnect.handle_lost(now, generation(), loss, decision, random());
            }
            Event::Timeout => reconnect.handle_timeout(now, random()),
            Event::Wake => reconnect.handle_wake(now),
            Event::Stop => reconnect.stop(),
        }
    }
}

#[test]
fn events_have_their_actions_states_and_deadlines() {
    let file: Cases =
        serde_json::from_str(include_str!("../../../../vectors/reconnect.json")).expect("cases");

    for case in file.cases {
        let zero = Instant::now();
        let mut reconnect = Reconnect::new(case.policy.policy());
        for (index, step) in case.steps.iter().enumerate() {
            let what = format!("{}, step {index} at {}", case.name, step.at);

            step.feed(&mut reconnect, zero + ms(step.at));

            let done: Vec<Action> = std::iter::from_fn(|| reconnect.poll_action()).collect();
            let expected: Vec<Action> = step.actions.iter().map(Action::from).collect();
            assert_eq!(done, expected, "{what}");
            assert_eq!(reconnect.state(), step.state.into(), "{what}");
            let deadline = step.deadline.map(|at| zero + ms(at));
            assert_eq!(reconnect.poll_timeout(), deadline, "{what}");
        }
    }
}
