//! What is measured: one line for each kind of load, with what it has to show.

use crate::goals::{Figure, Goal};
use crate::servers::{Class, Need};

/// One kind of load.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) load: Load,
    /// Which servers it is done to.
    pub(crate) field: Field,
    /// What it has to show when it is measured.
    pub(crate) goals: &'static [Goal],
    /// What it has to show when its system calls are counted; none if they are not.
    pub(crate) counts: &'static [Goal],
}

/// How the server is loaded.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// Echoes in a closed loop; CPU time per message counts.
    Echo {
        payload: usize,
        connections: usize,
        in_flight: usize,
    },
    /// Echoes of a JSON document of 1 KiB, compressed without context takeover.
    DeflateEcho { connections: usize },
    /// Messages that go to all in a room, a publisher in each; CPU time per delivery counts.
    Rooms { rooms: usize, subscribers: usize },
    /// What a connection, a subscription and a publication that is kept cost; memory counts.
    Keeping { count: usize },
    /// Messages that go to all others; CPU time per delivery counts.
    Fanout {
        payload: usize,
        subscribers: usize,
        publishers: usize,
        /// Messages that each publisher sends with one write.
        in_flight: usize,
    },
    /// The JSON document, compressed, to all others.
    DeflateFanout { subscribers: usize },
    /// Opening handshakes; CPU time of each counts.
    Connect { connections: usize },
    /// Connections that never end their request; memory counts.
    Hang { connections: usize },
    /// Connections that do nothing; memory counts.
    Idle { payload: usize, connections: usize },
    /// The same through TLS.
    IdleTls { payload: usize, connections: usize },
    /// Connections on which only the heartbeat speaks; memory and CPU time count.
    Heartbeat { connections: usize, seconds: f64 },
    /// Idle connections, subscriptions and fan-out of one server at several sizes.
    Scale { sizes: &'static [usize] },
}

/// Servers that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// All that can do it, against the limit, each on a CPU of its own.
    All,
    /// The program with one shard and with two, on all CPUs, against that with one.
    Shards,
    /// Channels and what others have for rooms, against the shard driver's bare topics.
    Rooms,
}

/// All rows, in the order of the report.
pub(crate) const ROWS: &[Row] = &[
    Row {
        goals: &[
            serve(Figure::Ratio, 1.08),
            serve(Figure::UserNs, 250.0),
            task(Figure::Ratio, 1.12),
            task(Figure::UserNs, 400.0),
            Goal::Lead(Figure::UserNs),
        ],
        counts: ONE_EACH,
        ..echo("64B-p1", 64, 100, 1)
    },
    Row {
        goals: &[
            serve(Figure::Ratio, 1.12),
            serve(Figure::UserNs, 45.0),
            task(Figure::Ratio, 1.25),
            task(Figure::UserNs, 60.0),
            Goal::Lead(Figure::Ratio),
            Goal::Lead(Figure::UserNs),
        ],
        counts: ONE_EACH,
        ..echo("64B-p16", 64, 100, 16)
    },
    Row {
        goals: &[
            serve(Figure::Ratio, 1.05),
            task(Figure::Ratio, 1.12),
            Goal::Lead(Figure::Ratio),
        ],
        ..echo("1KiB-x500", 1024, 500, 1)
    },
    Row {
        goals: &[serve(Figure::Ratio, 1.02), task(Figure::Ratio, 1.05)],
        ..echo("64KiB", 64 * 1024, 10, 1)
    },
    Row {
        goals: &[serve(Figure::Ratio, 0.84), task(Figure::Ratio, 0.90)],
        ..echo("1MiB", 1024 * 1024, 10, 1)
    },
    Row {
        goals: &[serve(Figure::Ratio, 1.02), Goal::Lead(Figure::Ratio)],
        counts: &[serve(Figure::SendsPerDelivery, 1.0)],
        ..fanout("fanout-w1", 1, 1)
    },
    Row {
        goals: &[serve(Figure::Ratio, 1.00), Goal::Lead(Figure::Ratio)],
        ..fanout("fanout-w8", 8, 1)
    },
    Row {
        // Here it is not up to the clock what comes together, so that it can be counted.
        counts: &[serve(Figure::SendsPerDelivery, 0.125)],
        ..fanout("fanout-burst", 1, 8)
    },
    Row {
        goals: &[
            serve(Figure::CpuMicroseconds, 30.0),
            serve(Figure::WireBytes, 385.0),
            Goal::Lead(Figure::CpuMicroseconds),
        ],
        ..row("deflate-1KiB", Load::DeflateEcho { connections: 100 })
    },
    Row {
        // Compressing for each delivery would make it five or more.
        goals: &[serve(Figure::Ratio, 1.5), Goal::Lead(Figure::Ratio)],
        ..row("fanout-deflate", Load::DeflateFanout { subscribers: 1000 })
    },
    row("connect", Load::Connect { connections: 64 }),
    row(
        "hang",
        Load::Hang {
            connections: 10_000,
        },
    ),
    Row {
        goals: &[
            serve(Figure::IdleBytes, 200.0),
            task(Figure::IdleBytes, 1229.0),
            Goal::Lead(Figure::IdleBytes),
        ],
        ..row(
            "idle",
            Load::Idle {
                payload: 1024,
                connections: 10_000,
            },
        )
    },
    Row {
        goals: &[serve(Figure::IdleBytes, 10_240.0)],
        ..row(
            "idle-tls",
            Load::IdleTls {
                payload: 1024,
                connections: 2000,
            },
        )
    },
    row(
        "heartbeat",
        Load::Heartbeat {
            connections: 10_000,
            seconds: 60.0,
        },
    ),
    Row {
        field: Field::Shards,
        goals: NO_MORE,
        counts: &[],
        ..echo("shards-echo", 64, 100, 1)
    },
    Row {
        field: Field::Shards,
        goals: NO_MORE,
        ..fanout("shards-fanout", 1, 1)
    },
    rooms("channels-x1", 1, 1),
    rooms("channels-x100", 1, 100),
    rooms("channels-x1000", 1, 1000),
    rooms("channels-x10000", 1, 10_000),
    rooms("rooms-100x100", 100, 100),
    row("keeping", Load::Keeping { count: 10_000 }),
    row(
        "scale",
        Load::Scale {
            sizes: &[1000, 5000, 15_000],
        },
    ),
];

const ONE_EACH: &[Goal] = &[
    serve(Figure::ReceivesPerEvent, 1.0),
    serve(Figure::SendsPerEvent, 1.0),
    task(Figure::ReceivesPerEvent, 1.0),
    task(Figure::SendsPerEvent, 1.0),
];

const NO_MORE: &[Goal] = &[Goal::AtMost {
    class: Class::MoreShards,
    figure: Figure::Ratio,
    bound: 1.0,
}];

const fn serve(figure: Figure, bound: f64) -> Goal {
    Goal::AtMost {
        class: Class::Serve,
        figure,
        bound,
    }
}

const fn task(figure: Figure, bound: f64) -> Goal {
    Goal::AtMost {
        class: Class::Task,
        figure,
        bound,
    }
}

const fn row(name: &'static str, load: Load) -> Row {
    Row {
        name,
        load,
        field: Field::All,
        goals: &[],
        counts: &[],
    }
}

const fn echo(name: &'static str, payload: usize, connections: usize, in_flight: usize) -> Row {
    let load = Load::Echo {
        payload,
        connections,
        in_flight,
    };
    row(name, load)
}

const fn fanout(name: &'static str, publishers: usize, in_flight: usize) -> Row {
    let load = Load::Fanout {
        payload: 100,
        subscribers: 1000,
        publishers,
        in_flight,
    };
    row(name, load)
}

const NEAR_TOPICS: &[Goal] = &[serve(Figure::Ratio, 1.10), Goal::Lead(Figure::Ratio)];

const fn rooms(name: &'static str, rooms: usize, subscribers: usize) -> Row {
    Row {
        field: Field::Rooms,
        goals: NEAR_TOPICS,
        ..row(name, Load::Rooms { rooms, subscribers })
    }
}

/// How the load generator is called for a kind of work.
pub(crate) struct Call {
    pub(crate) mode: &'static str,
    pub(crate) options: String,
    pub(crate) need: Need,
    /// What is counted.
    pub(crate) unit: &'static str,
    /// Units that come with one write of a connection: what makes a socket readable once.
    pub(crate) in_flight: usize,
}

impl Row {
    /// Whether it is asked for by `wanted`: its name, or the beginning of it up to a hyphen.
    pub(crate) fn is_named(&self, wanted: &str) -> bool {
        let rest = self.name.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Whether the user's share of the CPU time is to be known well.
    pub(crate) fn is_profiled(&self) -> bool {
        self.goals.iter().any(|goal| match goal {
            Goal::AtMost { figure, .. } | Goal::Lead(figure) => *figure == Figure::UserNs,
        })
    }

    /// The call of the load generator, if it is work in a closed loop.
    pub(crate) fn call(&self) -> Option<Call> {
        let echo = |in_flight, options: String| Call {
            mode: "echo",
            options,
            need: Need::Echo,
            unit: "message",
            in_flight,
        };
        Some(match self.load {
            Load::Echo {
                payload,
                connections,
                in_flight,
            } => echo(
                in_flight,
                format!("--payload {payload} --connections {connections} --in-flight {in_flight}"),
            ),
            Load::DeflateEcho { connections } => Call {
                need: Need::Deflate,
                ..echo(1, format!("--deflate --connections {connections}"))
            },
            Load::Fanout {
                payload,
                subscribers,
                publishers,
                in_flight,
            } => fan_out(
                Need::Broadcast,
                format!(
                    "--payload {payload} --connections {subscribers} --publishers {publishers} \
                     --in-flight {in_flight}"
                ),
            ),
            Load::Rooms { rooms, subscribers } => fan_out(
                Need::Rooms,
                format!("--payload 100 --connections {subscribers} --rooms {rooms}"),
            ),
            Load::DeflateFanout { subscribers } => fan_out(
                Need::DeflateBroadcast,
                format!("--deflate --connections {subscribers}"),
            ),
            Load::Connect { connections } => Call {
                mode: "storm",
                options: format!("--connections {connections}"),
                need: Need::Echo,
                unit: "handshake",
                in_flight: 1,
            },
            Load::Hang { .. }
            | Load::Idle { .. }
            | Load::IdleTls { .. }
            | Load::Heartbeat { .. }
            | Load::Keeping { .. }
            | Load::Scale { .. } => return None,
        })
    }

    /// What it asks of a server.
    pub(crate) fn need(&self) -> Need {
        match self.load {
            Load::IdleTls { .. } => Need::Tls,
            _ => self.call().map_or(Need::Echo, |call| call.need),
        }
    }

    /// One line that says what the row is.
    pub(crate) fn title(&self) -> String {
        let what = match self.load {
            Load::Echo {
                payload,
                connections,
                in_flight,
            } => format!(
                "echo of {payload} B, {connections} connections, {in_flight} in flight on each"
            ),
            Load::DeflateEcho { connections } => format!(
                "echo of 1 KiB of JSON, compressed without context takeover, {connections} connections"
            ),
            Load::Fanout {
                payload,
                subscribers,
                publishers,
                in_flight,
            } => format!(
                "{payload} B to {subscribers} subscribers and the other publishers, {publishers} \
                 publishing, {in_flight} with one write"
            ),
            Load::Rooms { rooms, subscribers } => {
                format!("100 B to {subscribers} subscribers and the publisher, in {rooms} rooms")
            }
            Load::Keeping { count } => format!(
                "memory of {count} connections, of {count} subscriptions, and of publications that are kept"
            ),
            Load::DeflateFanout { subscribers } => format!(
                "1 KiB of JSON, compressed without context takeover, to {subscribers} subscribers"
            ),
            Load::Connect { connections } => format!(
                "connecting, opening handshake as Chrome sends it, closing; {connections} under way"
            ),
            Load::Hang { connections } => {
                format!("{connections} connections that have sent half of a request head")
            }
            Load::Idle {
                payload,
                connections,
            } => format!(
                "{connections} connections, untouched, and after one echo of {payload} B on each"
            ),
            Load::IdleTls {
                payload,
                connections,
            } => format!(
                "{connections} TLS connections, untouched, and after one echo of {payload} B on each"
            ),
            Load::Heartbeat {
                connections,
                seconds,
            } => format!(
                "{connections} connections that say nothing for {seconds:.0} s, pings answered"
            ),
            Load::Scale { sizes } => {
                format!("one server with {sizes:?} connections: memory and fan-out of 100 B")
            }
        };
        let place = match self.field {
            Field::All | Field::Rooms => "",
            Field::Shards => "; servers and load on all CPUs",
        };
        format!("{}: {what}{place}", self.name)
    }
}

/// How the load generator is called for fan-out.
pub(crate) fn fan_out(need: Need, options: String) -> Call {
    Call {
        mode: "fanout",
        options,
        need,
        unit: "delivery",
        in_flight: 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_named_whole_or_by_the_beginning() {
        let named = |wanted: &str| {
            let rows = ROWS.iter().filter(|row| row.is_named(wanted));
            rows.map(|row| row.name).collect::<Vec<_>>()
        };

        assert_eq!(
            named("fanout"),
            ["fanout-w1", "fanout-w8", "fanout-burst", "fanout-deflate"]
        );
        assert_eq!(named("64B-p1"), ["64B-p1"]);
        assert!(named("fan").is_empty());
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.name).collect();

        assert_eq!(names.len(), ROWS.len());
    }
}
