//! Reading a channel backwards, by reading forwards from where a page must begin.

use std::sync::Arc;

use crate::channel::ChannelName;
use crate::engine::{Answer, Engine, EngineError};
use crate::hub::Hub;
use crate::position::Position;
use crate::reading::{Gap, Reading, Reason, Since};

/// The publications before this offset that a page has.
struct Page {
    end: u64,
}

impl Hub {
    /// Reads a channel backwards, the newest publication first: those with lower offsets than
    /// `before`, or with `None` the newest of all; at most a page of the namespace.
    ///
    /// The reading's `position` is that of its last publication: with it as `before` one goes on. What is not kept any more is left out without a gap; a gap says that `before`
    /// is of another log.
    ///
    /// # Errors
    /// When the engine cannot do it now.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn history_before(
        &self,
        channel: &ChannelName,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Reading, EngineError> {
        let page = self.namespaces().of(channel).map_or(0, |found| found.page);
        self.read_back(channel, before, limit.min(page)).get().await
    }

    pub(crate) fn read_back(
        &self,
        channel: &ChannelName,
        before: Option<Position>,
        limit: usize,
    ) -> Answer<Result<Reading, EngineError>> {
        read(self.shared_engine(), channel, before, limit)
    }
}

/// The same from an engine.
pub(crate) fn read(
    engine: &Arc<dyn Engine>,
    channel: &ChannelName,
    before: Option<Position>,
    limit: usize,
) -> Answer<Result<Reading, EngineError>> {
    match engine.read(channel, Since::Newest, 1) {
        Answer::Now(Err(error)) => Answer::Now(Err(error)),
        Answer::Now(Ok(top)) => page(&**engine, channel, &top, before, limit),
        Answer::Later(top) => {
            let (engine, channel) = (Arc::clone(engine), channel.clone());
            Answer::Later(Box::pin(async move {
                let top = top.await?;
                let page = page(&*engine, &channel, &top, before, limit);
                page.get().await
            }))
        }
    }
}

fn page(
    engine: &dyn Engine,
    channel: &ChannelName,
    top: &Reading,
    before: Option<Position>,
    limit: usize,
) -> Answer<Result<Reading, EngineError>> {
    let newest = top.position.epoch.at(top.newest);
    let end = match before {
        Some(before) if !before.epoch.is_same_log(newest.epoch) => {
            return Answer::Now(Ok(foreign(newest)));
        }
        Some(before) => before.offset.min(newest.offset + 1),
        None => newest.offset + 1,
    };
    let start = end.saturating_sub(1).saturating_sub(limit as u64);
    let page = Page { end };
    match engine.read(channel, Since::Position(newest.epoch.at(start)), limit) {
        Answer::Now(reading) => Answer::Now(reading.map(|reading| page.turn(reading))),
        Answer::Later(reading) => Answer::Later(Box::pin(async move {
            let reading = reading.await?;
            Ok(page.turn(reading))
        })),
    }
}

impl Page {
    fn turn(&self, mut reading: Reading) -> Reading {
        reading.publications.retain(|found| found.offset < self.end);
        reading.publications.reverse();
        let last = reading.publications.last();
        let offset = last.map_or(self.end, |last| last.offset);
        Reading {
            gap: None,
            position: reading.position.epoch.at(offset),
            ..reading
        }
    }
}

/// Nothing of this log, for whoever had another one.
fn foreign(newest: Position) -> Reading {
    Reading {
        gap: Some(Gap {
            reason: Reason::Epoch,
            from: 1,
            to: newest.offset,
            epoch: newest.epoch,
        }),
        publications: Vec::new(),
        position: newest,
        newest: newest.offset,
    }
}
