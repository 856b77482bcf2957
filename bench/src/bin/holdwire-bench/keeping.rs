//! What the program keeps of a connection, a subscription and a publication.

use holdwire_bench::measurement::Idle;
use serde::Serialize;

use crate::child::Running;
use crate::progress;
use crate::servers::CHANNELS;

/// Payload of a publication that is kept, in bytes.
const PAYLOADS: [usize; 2] = [64, 1024];
/// Publications that are kept.
const PUBLICATIONS: usize = 100_000;

/// The memory of one kind of thing.
#[derive(Serialize)]
pub(crate) struct Kept {
    pub(crate) what: String,
    /// It is a connection, with what belongs to it.
    pub(crate) is_connection: bool,
    pub(crate) memory: Idle,
}

impl Kept {
    /// Bytes of each.
    pub(crate) fn each(&self) -> i64 {
        i64::try_from(self.memory.untouched_per_connection()).unwrap_or(i64::MAX)
    }
}

/// Looks at each kind, in a fresh process.
pub(crate) fn run(count: usize) -> Vec<Kept> {
    let connections = format!("--connections {count} --no-echo");
    let session = |channels: usize| {
        let subs: Vec<_> = (0..channels)
            .map(|at| format!("\"kept:{at}\":{{}}"))
            .collect();
        let connect = format!(
            "{{\"id\":1,\"connect\":{{\"subs\":{{{}}}}}}}",
            subs.join(",")
        );
        let options = format!("{connections} --subprotocol holdwire.v1 --say {connect}");
        let what = format!("a session with {channels} subscriptions");
        (what, true, "idle", "/connection", options)
    };
    let mut kinds = vec![
        (
            "an idle connection".to_owned(),
            true,
            "idle",
            "/echo",
            connections.clone(),
        ),
        (
            "a subscriber at the plain door".to_owned(),
            true,
            "idle",
            "/ws/kept:0",
            connections.clone(),
        ),
        session(0),
        session(1),
        session(10),
    ];
    for payload in PAYLOADS {
        let options = format!("--connections 1 --payload {payload} --publications {PUBLICATIONS}");
        let what = format!("a publication of {payload} B that is kept");
        kinds.push((what, false, "retain", "/ws/large:0", options));
    }
    let mut results = Vec::new();
    for (what, is_connection, mode, path, options) in kinds {
        progress::show(&what);
        let looked = Running::start(&CHANNELS)
            .and_then(|running| running.load::<Idle>(mode, path, &options));
        match looked {
            Ok(memory) => results.push(Kept {
                what,
                is_connection,
                memory,
            }),
            Err(error) => progress::complain(&format!("{what}: {error}")),
        }
    }
    progress::show("");
    results
}
