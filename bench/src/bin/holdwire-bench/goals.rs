//! What a row has to show, and whether it does.

use serde::Serialize;

use crate::servers::{Class, Server};

/// Differences of time below this share are a tie, whatever the two sides are.
const TIE: f64 = 0.10;
/// What a count may be off by because the run had a beginning and an end.
const COUNTING: f64 = 0.01;

/// One number of a server in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Least CPU time, divided by that of the row's baseline.
    Ratio,
    /// Least CPU time in user space for each message, in nanoseconds.
    UserNs,
    /// Least CPU time for each message, in microseconds.
    CpuMicroseconds,
    /// Payload of an answer on the wire, in bytes.
    WireBytes,
    /// Memory of a connection that does nothing, untouched or after traffic, in bytes.
    IdleBytes,
    /// Receives for each time that a socket has become readable.
    ReceivesPerEvent,
    /// Sends for each time that a socket has become readable.
    SendsPerEvent,
    /// Sends for each message that somebody gets.
    SendsPerDelivery,
}

impl Figure {
    /// Its name in sentences.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ratio => "CPU time against the baseline",
            Self::UserNs => "user ns/message",
            Self::CpuMicroseconds => "CPU µs/message",
            Self::WireBytes => "B on the wire",
            Self::IdleBytes => "B/connection",
            Self::ReceivesPerEvent => "receives/readable event",
            Self::SendsPerEvent => "sends/readable event",
            Self::SendsPerDelivery => "sends/delivery",
        }
    }

    /// Whether it is counted and not timed, so that it is the same on every machine.
    pub(crate) fn is_counted(self) -> bool {
        !matches!(self, Self::Ratio | Self::UserNs | Self::CpuMicroseconds)
    }

    fn tolerance(self, spread: f64) -> f64 {
        match self {
            Self::Ratio | Self::UserNs | Self::CpuMicroseconds => TIE.max(spread),
            Self::WireBytes | Self::IdleBytes => 0.0,
            Self::ReceivesPerEvent | Self::SendsPerEvent | Self::SendsPerDelivery => COUNTING,
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2}"),
            Self::CpuMicroseconds => format!("{value:.1}"),
            Self::UserNs | Self::WireBytes | Self::IdleBytes => format!("{value:.0}"),
            Self::ReceivesPerEvent | Self::SendsPerEvent | Self::SendsPerDelivery => {
                format!("{value:.3}")
            }
        }
    }
}

/// What a row asks for.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// No server of the class is above the bound.
    AtMost {
        class: Class,
        figure: Figure,
        bound: f64,
    },
    /// `holdwire serve` is below every peer.
    Lead(Figure),
}

/// A figure that a server had in a row.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) server: &'static str,
    pub(crate) class: Class,
    pub(crate) value: f64,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Met,
    /// Above, but by less than what can be told apart.
    Tie,
    Missed,
    /// It was to be measured and could not be.
    Unmeasured,
}

/// A goal, beside what was measured.
#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) row: &'static str,
    pub(crate) server: &'static str,
    /// What was asked for, in words.
    pub(crate) goal: String,
    pub(crate) value: String,
    /// How far above the bound, as a share of it; below zero is better than asked for.
    pub(crate) distance: f64,
    pub(crate) verdict: Verdict,
    /// Counted and not timed.
    pub(crate) is_counted: bool,
}

impl Judged {
    /// A line of the table of goals.
    pub(crate) fn line(&self) -> String {
        // Zero is added so that it has no sign of its own.
        let percent = (100.0 * self.distance).round() + 0.0;
        let verdict = match self.verdict {
            Verdict::Met => format!("met ({percent:+.0} %)"),
            Verdict::Tie => format!("tie ({percent:+.0} %)"),
            Verdict::Missed => format!("**missed by {percent:.0} %**"),
            Verdict::Unmeasured => "**not measured**".to_owned(),
        };
        format!(
            "| {} | {} | {} | {} | {verdict} |\n",
            self.row, self.server, self.goal, self.value
        )
    }
}

/// Holds what was measured against the goals of a row; a goal for none of the servers that have
/// `entered` is left out. `spread` is the share that the baseline differs from itself by.
pub(crate) fn judge(
    row: &'static str,
    goals: &[Goal],
    entered: &[Server],
    figures: impl Fn(Figure) -> Vec<Measured>,
    spread: f64,
) -> Vec<Judged> {
    let mut judged = Vec::new();
    let mut hold = |server, figure: Figure, bound: f64, goal: String, value: Option<f64>| {
        let distance = value.map_or(0.0, |value| value / bound - 1.0);
        judged.push(Judged {
            row,
            server,
            goal,
            value: value.map_or("-".to_owned(), |value| figure.show(value)),
            distance,
            verdict: value.map_or(Verdict::Unmeasured, |_| verdict(figure, distance, spread)),
            is_counted: figure.is_counted(),
        });
    };
    for goal in goals {
        match *goal {
            Goal::AtMost {
                class,
                figure,
                bound,
            } => {
                let figures = figures(figure);
                for server in entered.iter().filter(|server| server.class == class) {
                    let measured = figures.iter().find(|m| m.server == server.name);
                    let goal = format!("{} ≤ {bound}", figure.name());
                    let value = measured.map(|measured| measured.value);
                    hold(server.name, figure, bound, goal, value);
                }
            }
            Goal::Lead(figure) => {
                let figures = figures(figure);
                let ours = figures.iter().find(|m| m.class == Class::Serve);
                let peers = figures.iter().filter(|m| m.class == Class::Peer);
                let best = peers.min_by(|a, b| a.value.total_cmp(&b.value));
                if let (Some(ours), Some(best)) = (ours, best) {
                    let goal = format!(
                        "{} ahead of every peer: {} ({})",
                        figure.name(),
                        figure.show(best.value),
                        best.server,
                    );
                    hold(ours.server, figure, best.value, goal, Some(ours.value));
                }
            }
        }
    }
    judged
}

fn verdict(figure: Figure, distance: f64, spread: f64) -> Verdict {
    if distance <= 0.0 {
        Verdict::Met
    } else if distance <= figure.tolerance(spread) {
        match figure.is_counted() {
            true => Verdict::Met,
            false => Verdict::Tie,
        }
    } else {
        Verdict::Missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::{SERVE, SERVERS};

    fn measured(server: &'static str, class: Class, value: f64) -> Measured {
        Measured {
            server,
            class,
            value,
        }
    }

    fn verdict_of(figure: Figure, bound: f64, value: f64, spread: f64) -> Verdict {
        let goal = Goal::AtMost {
            class: Class::Serve,
            figure,
            bound,
        };
        let figures = |_| vec![measured(SERVE.name, Class::Serve, value)];
        judge("row", &[goal], &[SERVE], figures, spread)[0].verdict
    }

    #[test]
    fn time_within_ten_percent_or_the_spread_is_a_tie() {
        assert_eq!(verdict_of(Figure::Ratio, 1.0, 1.0, 0.0), Verdict::Met);
        assert_eq!(verdict_of(Figure::Ratio, 1.0, 1.09, 0.0), Verdict::Tie);
        assert_eq!(verdict_of(Figure::Ratio, 1.0, 1.15, 0.0), Verdict::Missed);
        assert_eq!(verdict_of(Figure::Ratio, 1.0, 1.15, 0.2), Verdict::Tie);
    }

    #[test]
    fn bytes_are_never_a_tie() {
        assert_eq!(
            verdict_of(Figure::IdleBytes, 200.0, 200.0, 0.5),
            Verdict::Met
        );
        assert_eq!(
            verdict_of(Figure::IdleBytes, 200.0, 201.0, 0.5),
            Verdict::Missed
        );
    }

    #[test]
    fn lead_is_over_the_best_peer_and_nobody_else() {
        let figures = |_| {
            vec![
                measured("limit", Class::Limit, 10.0),
                measured("ours", Class::Serve, 45.0),
                measured("library", Class::Task, 40.0),
                measured("slow", Class::Peer, 300.0),
                measured("fast", Class::Peer, 60.0),
            ]
        };

        let judged = judge("row", &[Goal::Lead(Figure::UserNs)], SERVERS, figures, 0.0);

        assert_eq!(judged.len(), 1);
        assert_eq!(judged[0].verdict, Verdict::Met);
        assert!(judged[0].goal.ends_with("60 (fast)"), "{}", judged[0].goal);
    }

    #[test]
    fn goal_of_a_server_that_was_not_there_is_left_out_and_of_one_that_failed_is_not() {
        let goals = [serve_at_most_one(), Goal::Lead(Figure::Ratio)];
        let figures = |_| vec![measured("limit", Class::Limit, 1.0)];

        let absent = judge("row", &goals, &[], figures, 0.0);
        let failed = judge("row", &goals, &[SERVE], figures, 0.0);

        assert!(absent.is_empty());
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].verdict, Verdict::Unmeasured);
    }

    #[test]
    fn count_that_is_off_by_the_ends_of_the_run_is_met() {
        let sends = Figure::SendsPerEvent;

        assert_eq!(verdict_of(sends, 1.0, 1.005, 0.0), Verdict::Met);
        assert_eq!(verdict_of(sends, 1.0, 1.02, 0.0), Verdict::Missed);
    }

    fn serve_at_most_one() -> Goal {
        Goal::AtMost {
            class: Class::Serve,
            figure: Figure::Ratio,
            bound: 1.0,
        }
    }
}
