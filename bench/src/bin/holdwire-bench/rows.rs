//! What is measured: one line for each kind of load.

/// One kind of load.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) load: Load,
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
    /// Connections that do nothing; memory counts.
    Idle { payload: usize, connections: usize },
    /// Connections on which only the heartbeat speaks; memory and CPU time count.
    Heartbeat { connections: usize, seconds: f64 },
}

/// All rows, in the order of the report.
pub(crate) const ROWS: &[Row] = &[
    echo("64B-p1", 64, 100, 1),
    echo("64B-p16", 64, 100, 16),
    echo("1KiB-x500", 1024, 500, 1),
    echo("64KiB", 64 * 1024, 10, 1),
    Row {
        name: "idle",
        load: Load::Idle {
            payload: 1024,
            connections: 10_000,
        },
    },
    Row {
        name: "heartbeat",
        load: Load::Heartbeat {
            connections: 10_000,
            seconds: 60.0,
        },
    },
];

const fn echo(name: &'static str, payload: usize, connections: usize, in_flight: usize) -> Row {
    Row {
        name,
        load: Load::Echo {
            payload,
            connections,
            in_flight,
        },
    }
}

impl Row {
    /// One line that says what the row is.
    pub(crate) fn title(&self) -> String {
        match self.load {
            Load::Echo {
                payload,
                connections,
                in_flight,
            } => format!(
                "{}: echo of {payload} B, {connections} connections, {in_flight} in flight on each",
                self.name
            ),
            Load::Idle {
                payload,
                connections,
            } => format!(
                "{}: {connections} connections, untouched, and after one echo of {payload} B on each",
                self.name
            ),
            Load::Heartbeat {
                connections,
                seconds,
            } => format!(
                "{}: {connections} connections that say nothing for {seconds:.0} s, pings answered",
                self.name
            ),
        }
    }
}
