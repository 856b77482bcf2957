//! Replies, as they are written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::policy::Denied;
use crate::engine::{EngineError, Members, PublishError, Published};
use crate::publication::Publication;
use crate::reading::{Gap, Reading, Reason};
use crate::wire::{
    Cause, Entry, Error, Fault, Found, Missing, Placed, Push, Refreshed, Reply, Said, Someone,
    Stats, Who,
};

/// The most bytes of payloads in a page of the past, but for one that is larger.
const PAGE: usize = 256 * 1024;

/// Why a command was not followed.
pub(super) fn error(id: u64, fault: Fault, message: &str) -> Reply {
    Reply {
        id,
        error: Some(Error {
            code: fault as u16,
            message: message.to_owned(),
            temporary: matches!(fault, Fault::Unavailable | Fault::TooFast),
            expected: None,
        }),
        ..Reply::default()
    }
}

/// The application says no.
pub(super) fn denied(id: u64, denied: &Denied) -> Reply {
    let mut reply = error(id, denied.fault, &denied.message);
    if let Some(error) = &mut reply.error {
        error.code = denied.code();
    }
    reply
}

/// A publication leaves this number out.
pub(super) fn hole(id: u64, expected: u64) -> Reply {
    refused(id, &PublishError::Hole { expected })
}

/// The server has ended a subscription.
pub(super) fn ended(channel: &str, code: u16, reason: &str) -> Reply {
    let push = Push {
        channel: channel.to_owned(),
        unsubscribe: Some(Cause {
            code,
            reason: reason.to_owned(),
        }),
        ..Push::default()
    };
    Reply {
        push: Some(push),
        ..Reply::default()
    }
}

/// A gap, as a client is told.
pub(super) fn missing(gap: &Gap) -> Missing {
    let fork = match gap.reason {
        Reason::Diverged { fork } => Some(fork),
        _ => None,
    };
    Missing {
        reason: gap.reason.word().to_owned(),
        fork,
        from: gap.from,
        to: gap.to,
        epoch: gap.epoch.to_string(),
        offset: gap.to,
    }
}

/// Where it was published, or why not.
pub(super) fn placed(id: u64, result: &Result<Published, PublishError>) -> Reply {
    let publish = match result {
        Ok(published) => Placed {
            epoch: published.position.epoch.to_string(),
            offset: published.position.offset,
            dup: published.is_duplicate,
        },
        Err(why) => return refused(id, why),
    };
    Reply {
        id,
        publish: Some(publish),
        ..Reply::default()
    }
}

fn refused(id: u64, why: &PublishError) -> Reply {
    let fault = match why {
        PublishError::NoChannel => Fault::NoChannel,
        PublishError::KeyReused => Fault::BadRequest,
        PublishError::Hole { .. } => Fault::Hole,
        PublishError::Forgotten => Fault::Forgotten,
        PublishError::Engine(_) => return unavailable(id),
    };
    let mut reply = error(id, fault, &why.to_string());
    if let (PublishError::Hole { expected }, Some(error)) = (why, &mut reply.error) {
        error.expected = Some(*expected);
    }
    reply
}

fn unavailable(id: u64) -> Reply {
    error(id, Fault::Unavailable, "this cannot be done now")
}

/// A page of the past; with a gap there is none for whoever can only be told by an error.
pub(super) fn found(id: u64, reading: &Result<Reading, EngineError>, is_foreign: bool) -> Reply {
    let Ok(reading) = reading else {
        return unavailable(id);
    };
    if is_foreign && reading.gap.is_some() {
        return error(id, Fault::Unrecoverable, "the position cannot be recovered");
    }
    let mut room = PAGE;
    let fits = |publication: &&Publication| {
        let is_first = room == PAGE;
        let left = room.checked_sub(publication.payload.len());
        room = left.unwrap_or_default().min(PAGE - 1);
        is_first || left.is_some()
    };
    let taken: Vec<&Publication> = reading.publications.iter().take_while(fits).collect();
    let offset = match taken.last() {
        Some(last) if taken.len() < reading.publications.len() => last.offset,
        _ => reading.position.offset,
    };
    let found = Found {
        epoch: reading.position.epoch.to_string(),
        offset,
        newest: reading.newest,
        publications: taken.into_iter().map(Entry::of).collect(),
        gap: reading.gap.as_ref().map(missing),
    };
    Reply {
        id,
        history: Some(found),
        ..Reply::default()
    }
}

/// A page of the past, the newest first.
pub(super) fn found_back(id: u64, reading: &Result<Reading, EngineError>) -> Reply {
    found(id, reading, true)
}

/// Who is there, or only how many.
pub(super) fn members(id: u64, stats: bool, members: &Result<Members, EngineError>) -> Reply {
    let Ok(members) = members else {
        return unavailable(id);
    };
    if stats {
        let users: BTreeSet<&str> = members.iter().map(|(_, member)| &*member.user).collect();
        let stats = Stats {
            num_clients: members.len() as u64,
            num_users: users.len() as u64,
        };
        return Reply {
            id,
            presence_stats: Some(stats),
            ..Reply::default()
        };
    }
    let presence: BTreeMap<_, _> = members
        .iter()
        .map(|(client, member)| {
            let someone = Someone {
                client: client.to_string(),
                user: member.user.to_string(),
                info: member.info.clone(),
            };
            (client.to_string(), someone)
        })
        .collect();
    Reply {
        id,
        presence: Some(Who { presence }),
        ..Reply::default()
    }
}

/// What the application says.
pub(super) fn said(id: u64, said: Result<Box<RawValue>, Denied>) -> Reply {
    match said {
        Err(why) => denied(id, &why),
        Ok(data) => Reply {
            id,
            rpc: Some(Said { data: Some(data) }),
            ..Reply::default()
        },
    }
}

/// For how long a token for a channel holds.
pub(super) fn sub_refreshed(id: u64, ttl: Option<u64>) -> Reply {
    Reply {
        id,
        sub_refresh: Some(Refreshed {
            expires: ttl.is_some(),
            ttl,
        }),
        ..Reply::default()
    }
}

/// For how long a token holds.
pub(super) fn refreshed(id: u64, result: Result<Option<u64>, Denied>) -> Reply {
    match result {
        Err(why) => denied(id, &why),
        Ok(ttl) => Reply {
            id,
            refresh: Some(Refreshed {
                expires: ttl.is_some(),
                ttl,
            }),
            ..Reply::default()
        },
    }
}
