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
    /// The reading's `position` is that of its last publication, and with it as `before` one goes on;
    /// a reading without any is at the end. A `before` above the newest is as if it were missing. What is not kept any more
    /// is left out without a gap; a gap says that `before` is of another log, and nothing is read then.
    ///
    /// # Errors
    /// When the engine cannot do it now.
    ///
    /// # Cancel safety
    /// Cancel safe.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use holdwire_hub::{Hub, Namespace, Namespaces, Retention};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut chat = Namespace::default();
    /// chat.retention = Retention {
    ///     publications: 10,
    ///     bytes: 1000,
    ///     age: Duration::from_secs(60),
    /// };
    /// let hub = Hub::in_memory(Namespaces::new().with("chat", chat));
    /// let lobby = "chat:lobby".parse()?;
    /// for text in ["one", "two", "three"] {
    ///     hub.publish(&lobby, text).await?;
    /// }
    ///
    /// let newest = hub.history_before(&lobby, None, 2).await?;
    /// let older = hub.history_before(&lobby, Some(newest.position), 2).await?;
    ///
    /// assert_eq!(newest.publications[0].offset, 3);
    /// assert_eq!(older.publications[0].offset, 1);
    /// # Ok(())
    /// # }
    /// ```
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::channel::Namespace;
    use crate::engine::{Memory, Publish};
    use crate::log::Retention;
    use crate::namespaces::Namespaces;
    use crate::position::Epoch;
    use crate::publication::Payload;

    fn now<T>(answer: Answer<T>) -> T {
        match answer {
            Answer::Now(answer) => answer,
            Answer::Later(_) => unreachable!("it answers at once"),
        }
    }

    /// A channel in which so many were published, and so many of them are kept.
    fn channel(published: u64, kept: usize) -> (Arc<dyn Engine>, ChannelName) {
        let namespace = Namespace {
            retention: Retention {
                publications: kept,
                bytes: usize::MAX,
                age: Duration::from_hours(1),
            },
            ..Namespace::default()
        };
        let namespaces = Namespaces::new().with("chat", namespace);
        let memory = Memory::new(Arc::new(namespaces));
        let name: ChannelName = "chat:a".parse().unwrap();
        for number in 1..=published {
            let payload = Payload::Text(number.to_string().into());
            now(memory.publish(&name, Publish { payload, key: None })).unwrap();
        }
        (Arc::new(memory), name)
    }

    fn offsets(reading: &Reading) -> Vec<u64> {
        let publications = reading.publications.iter();
        publications.map(|found| found.offset).collect()
    }

    proptest! {
        #[test]
        fn a_page_is_the_log_before_it_turned_round(
            published in 0_u64..30,
            kept in 0_usize..30,
            before in prop::option::of(prop_oneof![0_u64..40, Just(u64::MAX)]),
            limit in prop_oneof![0_usize..40, Just(usize::MAX)],
        ) {
            let (engine, name) = channel(published, kept);
            let epoch = now(engine.read(&name, Since::Newest, 0)).unwrap().position.epoch;
            let oldest = published - published.min(kept as u64) + 1;
            let log: Vec<u64> = (oldest..=published).collect();
            let expected: Vec<u64> = log
                .into_iter()
                .filter(|offset| before.is_none_or(|before| *offset < before))
                .rev()
                .take(limit)
                .collect();

            let page = now(read(&engine, &name, before.map(|offset| epoch.at(offset)), limit));
            let page = page.unwrap();

            prop_assert_eq!(offsets(&page), expected);
            prop_assert!(page.gap.is_none());
            prop_assert_eq!(page.newest, published);
        }

        #[test]
        fn pages_one_after_the_other_are_the_whole_log(
            published in 0_u64..30,
            kept in 0_usize..30,
            limit in 1_usize..10,
        ) {
            let (engine, name) = channel(published, kept);
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = now(read(&engine, &name, before, limit)).unwrap();
                if page.publications.is_empty() {
                    break;
                }
                found.extend(offsets(&page));
                before = Some(page.position);
            }

            let oldest = published - published.min(kept as u64) + 1;
            let expected: Vec<u64> = (oldest..=published).rev().collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_place_in_another_log_gives_a_gap_and_nothing_else(
            published in 0_u64..10,
            before in 0_u64..20,
            limit in 0_usize..10,
        ) {
            let (engine, name) = channel(published, 5);
            let before = Epoch::NOWHERE.at(before);
            let page = now(read(&engine, &name, Some(before), limit)).unwrap();

            prop_assert!(page.publications.is_empty());
            prop_assert_eq!(page.gap.map(|gap| gap.reason), Some(Reason::Epoch));
            prop_assert_eq!(page.position.offset, published);
        }
    }
}
