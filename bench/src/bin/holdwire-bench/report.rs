//! The report: Markdown for people, JSON for programs.

use serde::Serialize;

use crate::goals::{Figure, Judged, Measured, Verdict, judge};
use crate::heartbeat::HeartbeatResult;
use crate::keeping::Kept;
use crate::memory::MemoryResult;
use crate::rows::Row;
use crate::scale::ScaleResult;
use crate::servers::{
    Class, LIMIT, LIMIT_AGAIN, ONE_SHARD, ONE_SHARD_AGAIN, SERVERS, Server, TOPICS, TOPICS_AGAIN,
};
use crate::syscalls::SyscallResult;
use crate::tables;
use crate::work::WorkResult;

/// Everything that one run of the benchmark found.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) facts: Vec<String>,
    pub(crate) rows: Vec<RowReport>,
}

/// What one row found.
#[derive(Serialize)]
pub(crate) struct RowReport {
    name: &'static str,
    title: String,
    /// What is counted in it.
    unit: &'static str,
    results: Results,
    goals: Vec<Judged>,
    /// Servers that cannot do it.
    unable: Vec<&'static str>,
}

/// The results of a row, by its kind.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Results {
    Work(Vec<WorkResult>),
    Memory(Vec<MemoryResult>),
    Heartbeat(Vec<HeartbeatResult>),
    Syscalls(Vec<SyscallResult>),
    Scale(Vec<ScaleResult>),
    Keeping(Vec<Kept>),
}

impl Report {
    /// Writes the facts as a list.
    pub(crate) fn facts(&self) -> String {
        self.facts
            .iter()
            .map(|fact| format!("- {fact}\n"))
            .collect()
    }

    /// Writes one table of the rows that all servers may be in: a line for each server, a column
    /// for each row.
    pub(crate) fn summary(&self) -> String {
        let mut table = String::from("\n### Summary\n\n| server |");
        let mut rule = String::from("|---|");
        let has_cells =
            |row: &&RowReport| SERVERS.iter().any(|server| row.cell(server.name).is_some());
        let rows: Vec<_> = self.rows.iter().filter(has_cells).collect();
        if rows.is_empty() {
            return String::new();
        }
        for row in &rows {
            table += &format!(" {} |", row.column());
            rule += "---:|";
        }
        table += &format!("\n{rule}\n");
        for server in SERVERS {
            let cells: Vec<_> = rows.iter().map(|row| row.cell(server.name)).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
                let cells: Vec<_> = cells.collect();
                table += &format!("| {} | {} |\n", server.name, cells.join(" | "));
            }
        }
        table
    }

    /// Writes all goals that were put to the test, and how it went.
    pub(crate) fn goals(&self) -> String {
        let goals: String = self.judged().map(Judged::line).collect();
        if goals.is_empty() {
            return goals;
        }
        format!(
            "\n### Goals\n\n| row | server | goal | measured | verdict |\n|---|---|---|---:|---|\n{goals}"
        )
    }

    /// How many goals are missed that are the same on every machine.
    pub(crate) fn counted_misses(&self) -> usize {
        let is_missed =
            |goal: &Judged| matches!(goal.verdict, Verdict::Missed | Verdict::Unmeasured);
        let is_counted_miss = |goal: &&Judged| goal.is_counted && is_missed(goal);
        self.judged().filter(is_counted_miss).count()
    }

    fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.rows.iter().flat_map(|row| &row.goals)
    }
}

impl RowReport {
    /// Holds the results of a row against its goals. `entered` are the servers that were to do
    /// it, `unable` those that cannot.
    pub(crate) fn new(
        row: &Row,
        results: Results,
        entered: &[Server],
        unable: Vec<&'static str>,
    ) -> Self {
        let goals = match results {
            Results::Syscalls(_) => row.counts,
            _ => row.goals,
        };
        let spread = match &results {
            Results::Work(results) => spread(results).unwrap_or_default(),
            _ => 0.0,
        };
        let goals = judge(
            row.name,
            goals,
            entered,
            |figure| results.figures(figure),
            spread,
        );
        Self {
            name: row.name,
            title: row.title(),
            unit: row.call().map_or("connection", |call| call.unit),
            results,
            goals,
            unable,
        }
    }

    /// Writes the row as a heading and a table, with its goals below.
    pub(crate) fn markdown(&self) -> String {
        let table = match &self.results {
            Results::Work(results) => tables::work(results, self.unit),
            Results::Memory(results) => tables::memory(results),
            Results::Heartbeat(results) => tables::heartbeat(results),
            Results::Syscalls(results) => tables::syscalls(results, self.unit),
            Results::Scale(results) => tables::scale(results),
            Results::Keeping(results) => tables::keeping(results),
        };
        let unable = if self.unable.is_empty() {
            String::new()
        } else {
            format!("\nCannot do it: {}.\n", self.unable.join(", "))
        };
        let goals: String = self.goals.iter().map(Judged::line).collect();
        let goals = if goals.is_empty() {
            goals
        } else {
            format!(
                "\n| row | server | goal | measured | verdict |\n|---|---|---|---:|---|\n{goals}"
            )
        };
        format!("\n### {}\n\n{table}{unable}{goals}", self.title)
    }

    fn column(&self) -> String {
        let figure = match &self.results {
            Results::Work(_) => "ratio (user ns)",
            Results::Memory(_) => "B/connection",
            Results::Heartbeat(_) => "CPU µs/connection/s",
            Results::Syscalls(_) => "receives + sends",
            Results::Scale(_) | Results::Keeping(_) => "",
        };
        format!("{}: {figure}", self.name)
    }

    /// What the summary says of a server; `None` if it was not in this row.
    fn cell(&self, server: &str) -> Option<String> {
        match &self.results {
            Results::Work(results) => {
                let result = results.iter().find(|result| result.server == server)?;
                let user = result
                    .least_user_ns()
                    .unwrap_or_else(|| result.pooled_user_ns());
                let ratio = baseline(results).map(|(one, _)| result.least_ns() / one.least_ns());
                let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                Some(format!("{ratio} ({user:.0})"))
            }
            Results::Memory(results) => {
                let result = results.iter().find(|result| result.server == server)?;
                Some(result.memory.most_per_connection().to_string())
            }
            // These are not the servers of the other rows.
            Results::Heartbeat(_) | Results::Scale(_) | Results::Keeping(_) => None,
            Results::Syscalls(results) => {
                let calls = results.iter().find(|result| result.server == server)?;
                Some(format!("{:.3} + {:.3}", calls.receives, calls.sends))
            }
        }
    }
}

impl Results {
    /// The figure of every server that has it.
    fn figures(&self, figure: Figure) -> Vec<Measured> {
        match self {
            Self::Work(results) => {
                let values = results.iter().filter_map(|result| {
                    let value = work_figure(results, result, figure)?;
                    Some((result.server, result.class, value))
                });
                collect(values)
            }
            Self::Memory(results) if figure == Figure::IdleBytes => {
                collect(results.iter().map(|result| {
                    let bytes = result.memory.most_per_connection();
                    (result.server, result.class, bytes as f64)
                }))
            }
            Self::Syscalls(results) => collect(results.iter().filter_map(|result| {
                let value = match figure {
                    Figure::ReceivesPerEvent => result.receives_per_event(),
                    Figure::SendsPerEvent => result.sends_per_event(),
                    Figure::SendsPerDelivery => result.sends,
                    _ => return None,
                };
                Some((result.server, result.class, value))
            })),
            Self::Memory(_) | Self::Heartbeat(_) | Self::Scale(_) | Self::Keeping(_) => Vec::new(),
        }
    }
}

fn collect(values: impl Iterator<Item = (&'static str, Class, f64)>) -> Vec<Measured> {
    values
        .map(|(server, class, value)| Measured {
            server,
            class,
            value,
        })
        .collect()
}

fn work_figure(results: &[WorkResult], result: &WorkResult, figure: Figure) -> Option<f64> {
    match figure {
        Figure::Ratio => Some(result.least_ns() / baseline(results)?.0.least_ns()),
        Figure::UserNs => result.least_user_ns(),
        Figure::CpuMicroseconds => Some(result.least_ns() / 1000.0),
        Figure::WireBytes => Some(result.wire_bytes() as f64),
        _ => None,
    }
}

/// What the others are held against, and the same once more.
pub(crate) fn baseline(results: &[WorkResult]) -> Option<(&WorkResult, Option<&WorkResult>)> {
    let find = |names: [&str; 3]| {
        let mut found = names
            .iter()
            .filter_map(|name| results.iter().find(|result| result.server == *name));
        found.next()
    };
    let again = find([LIMIT_AGAIN, ONE_SHARD_AGAIN, TOPICS_AGAIN]);
    Some((find([LIMIT, ONE_SHARD, TOPICS])?, again))
}

/// The share that the baseline differs from itself by.
pub(crate) fn spread(results: &[WorkResult]) -> Option<f64> {
    let (one, again) = baseline(results)?;
    let (one, again) = (one.least_ns(), again?.least_ns());
    Some((one - again).abs() / one.min(again))
}

#[cfg(test)]
mod tests {
    use holdwire_bench::measurement::Work;

    use super::*;
    use crate::rows::ROWS;
    use crate::servers::SERVE;

    fn result(server: &'static str, class: Class, cpu_ns: u64) -> WorkResult {
        WorkResult {
            server,
            class,
            rounds: vec![Work {
                count: 1,
                seconds: 1.0,
                server_cpu_ns: cpu_ns,
                receives: 1,
                ..Work::default()
            }],
            profiles: Vec::new(),
        }
    }

    #[test]
    fn ratio_is_to_the_limit_and_what_missed_it_is_said() {
        let row = ROWS.iter().find(|row| row.name == "1KiB-x500").unwrap();
        let results = Results::Work(vec![
            result(LIMIT, Class::Limit, 1000),
            result(LIMIT_AGAIN, Class::Limit, 1010),
            result("holdwire-serve", Class::Serve, 1500),
            result("holdwire-task", Class::Task, 1100),
        ]);

        let report = RowReport::new(row, results, SERVERS, Vec::new());

        let text = report.markdown();
        assert!(text.contains("| 1.50 | **missed by 43 %** |"), "{text}");
        assert!(text.contains("| 1.10 | met (-2 %) |"), "{text}");
        assert!(text.contains("differ by 1.0 %"), "{text}");
    }

    #[test]
    fn misses_of_time_are_no_business_of_the_gate_and_misses_of_calls_are() {
        let row = ROWS.iter().find(|row| row.name == "64B-p16").unwrap();
        let timed = Results::Work(vec![
            result(LIMIT, Class::Limit, 1000),
            result("holdwire-serve", Class::Serve, 9000),
        ]);
        let counted = Results::Syscalls(vec![SyscallResult {
            server: "holdwire-serve",
            class: Class::Serve,
            receives: 1.0 / 16.0,
            sends: 2.0 / 16.0,
            others: 0.0,
            in_flight: 16,
        }]);

        let misses = |results| {
            let report = Report {
                facts: Vec::new(),
                rows: vec![RowReport::new(row, results, &[SERVE], Vec::new())],
            };
            report.counted_misses()
        };

        assert_eq!(misses(timed), 0);
        assert_eq!(misses(counted), 1);
    }
}
