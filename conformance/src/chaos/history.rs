//! What was seen of a run, record by record, in the order in which one recorder heard of it.

use std::io::BufRead;

use serde::{Deserialize, Serialize};

/// A line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Milliseconds since the run began.
    pub(super) at: u64,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What a record tells. A *key* names one publication, `PUBLISHER:NUMBER`, and is in its payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum What {
    /// The run has this channel, which keeps so many publications.
    Channel { channel: String, keep: u64 },
    /// From here on this subscriber reads this channel.
    Reader {
        who: String,
        kind: String,
        channel: String,
    },
    /// A fault of this kind must be in the history, with all that shows that it struck.
    Demand { kind: String },

    /// A publication is about to be handed to a client; nobody has seen it before.
    Invoke { channel: String, key: String },
    /// The server has said where it is.
    Acknowledged {
        channel: String,
        key: String,
        #[serde(flatten)]
        place: Place,
    },
    /// The server has said that it is somewhere, to a client of a protocol that does not tell where.
    Published { key: String },
    /// It was said to be nowhere. What has neither record may be somewhere or nowhere.
    Refused { key: String },

    /// A subscriber was told where it begins or goes on.
    Subscribed {
        who: String,
        channel: String,
        #[serde(flatten)]
        place: Place,
        recovered: Option<bool>,
    },
    /// A subscriber was handed a publication.
    Publication {
        who: String,
        channel: String,
        #[serde(flatten)]
        place: Place,
        key: String,
    },
    /// A subscriber was told that publications `from` to the one at `place` do not come.
    Gap {
        who: String,
        channel: String,
        reason: String,
        from: u64,
        #[serde(flatten)]
        place: Place,
    },
    /// A subscriber's client says that its line is lost.
    Lost { who: String },

    /// A fault begins, for these subscribers.
    Fault { kind: String, whom: Vec<String> },
    /// It is over.
    Healed { kind: String, whom: Vec<String> },
    /// A server begins, whose logs are new.
    Restarted,
    /// What the server has counted, one number of its metrics.
    Counted { name: String, value: u64 },
    /// Faults and publishing are over; within this time everybody must be at the top.
    Rest { bound: u64 },
    /// Who is listed in a channel, and how many are there.
    Members {
        channel: String,
        listed: u64,
        live: u64,
    },
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// Reads a history, a JSON object a line.
///
/// # Errors
/// When a line is none, with its number.
pub(super) fn read(lines: impl BufRead) -> Result<Vec<Record>, String> {
    let numbered = lines.lines().zip(1..);
    numbered
        .map(|(line, number)| {
            let line = line.map_err(|error| format!("line {number}: {error}"))?;
            serde_json::from_str(&line).map_err(|error| format!("line {number}: {error}"))
        })
        .collect()
}
