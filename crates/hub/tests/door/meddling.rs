//! What happens between reading and joining, made to happen each time; and an engine that answers
//! later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use holdwire_hub::engine::{
    Answer, Engine, EngineError, Follower, Members, Memory, Publish, PublishError, Published,
};
use holdwire_hub::{ChannelName, ClientId, Member, Namespace, Position, Reading, Retention, Since};
use serde_json::json;

use crate::site::{Site, keeping, offset};

everywhere! {
    what_is_published_between_reading_and_joining_comes_once,
    what_is_published_while_it_joins_comes_once,
    more_than_a_page_between_reading_and_joining_is_read_first,
    what_expires_while_it_joins_is_told_up_to_what_comes_by_itself,
    a_log_that_changes_between_reading_and_joining_is_read_again,
    an_engine_that_answers_later_is_waited_for,
    an_engine_that_does_not_answer_sends_its_readers_away,
}

/// What happens around one reading.
#[derive(Clone, Copy, Default)]
struct Meddling {
    /// Publications just before it.
    before: usize,
    /// And just after it.
    after: usize,
    /// The log loses what follows this offset after it.
    fork: Option<u64>,
}

/// The engine in memory, where others are always quicker than whoever reads.
struct Meddler {
    memory: Arc<Memory>,
    script: Mutex<VecDeque<Meddling>>,
    is_late: bool,
    is_broken: bool,
}

impl Meddler {
    fn over(script: &[Meddling]) -> impl FnOnce(Arc<Memory>) -> Arc<dyn Engine> {
        let script = script.iter().copied().collect();
        move |memory| {
            Arc::new(Self {
                memory,
                script: Mutex::new(script),
                is_late: false,
                is_broken: false,
            })
        }
    }

    fn publish_here(&self, channel: &ChannelName, count: usize) {
        for _ in 0..count {
            let (payload, key) = ("quick".into(), None);
            drop(self.memory.publish(channel, Publish { payload, key }));
        }
    }

    fn answer<T: Send + 'static>(&self, answer: Answer<T>) -> Answer<T> {
        match answer {
            Answer::Now(answer) if self.is_late => Answer::Later(Box::pin(async {
                tokio::task::yield_now().await;
                answer
            })),
            answer => answer,
        }
    }
}

impl Engine for Meddler {
    fn publish(
        &self,
        channel: &ChannelName,
        publish: Publish,
    ) -> Answer<Result<Published, PublishError>> {
        self.answer(self.memory.publish(channel, publish))
    }

    fn read(
        &self,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Answer<Result<Reading, EngineError>> {
        if self.is_broken {
            return self.answer(Answer::Now(Err(EngineError::unavailable("a test"))));
        }
        let meddling = self.script.lock().unwrap().pop_front().unwrap_or_default();
        self.publish_here(channel, meddling.before);
        let answer = self.memory.read(channel, since, limit);
        self.publish_here(channel, meddling.after);
        if let Some(fork) = meddling.fork {
            self.memory.fork(channel, fork);
        }
        self.answer(answer)
    }

    fn follow(
        &self,
        channel: &ChannelName,
        follower: Arc<dyn Follower>,
    ) -> Answer<Result<Position, EngineError>> {
        if self.is_broken {
            return self.answer(Answer::Now(Err(EngineError::unavailable("a test"))));
        }
        self.answer(self.memory.follow(channel, follower))
    }

    fn unfollow(&self, channel: &ChannelName, follower: &Arc<dyn Follower>) {
        self.memory.unfollow(channel, follower);
    }

    fn enter(
        &self,
        channel: &ChannelName,
        client: ClientId,
        member: Member,
    ) -> Answer<Result<(), EngineError>> {
        self.answer(self.memory.enter(channel, client, member))
    }

    fn leave(&self, channel: &ChannelName, client: ClientId) -> Answer<Result<(), EngineError>> {
        self.answer(self.memory.leave(channel, client))
    }

    fn members(&self, channel: &ChannelName) -> Answer<Result<Members, EngineError>> {
        self.answer(self.memory.members(channel))
    }

    fn clear(&self, channel: &ChannelName) -> Answer<Result<Position, EngineError>> {
        self.answer(self.memory.clear(channel))
    }
}

/// A site whose readings are meddled with, and so many publications.
async fn meddled(shards: usize, change: impl FnOnce(&mut Namespace), script: &[Meddling]) -> Site {
    Site::over(shards, change, |_| {}, Meddler::over(script)).await
}

/// Comes back after the first publication and gets everything up to `end`, once.
async fn read_all(site: &Site, end: u64) {
    let first = site.publish([1]).await;
    site.publish(2..=10).await;
    let (mut client, position) = site.json(&format!("since={first}")).await;
    assert_eq!(offset(&position), 1);
    for at in 2..=end {
        assert_eq!(offset(&client.json().await), at);
    }
    site.publish([0]).await;
    assert_eq!(offset(&client.json().await), end + 1);
}

async fn what_is_published_between_reading_and_joining_comes_once(shards: usize) {
    let after = |after| Meddling {
        after,
        ..Meddling::default()
    };
    let site = meddled(shards, |_| {}, &[after(5)]).await;

    read_all(&site, 15).await;
}

async fn what_is_published_while_it_joins_comes_once(shards: usize) {
    let script = [(0, 5), (3, 3)].map(|(before, after)| Meddling {
        before,
        after,
        fork: None,
    });
    let site = meddled(shards, |_| {}, &script).await;

    read_all(&site, 21).await;
}

async fn more_than_a_page_between_reading_and_joining_is_read_first(shards: usize) {
    let script = [300, 30, 300, 3].map(|after| Meddling {
        after,
        ..Meddling::default()
    });
    let site = meddled(shards, |namespace| namespace.page = 100, &script).await;

    read_all(&site, 10 + 633).await;
}

async fn what_expires_while_it_joins_is_told_up_to_what_comes_by_itself(shards: usize) {
    let script = [(0, 10), (30, 0)].map(|(before, after)| Meddling {
        before,
        after,
        fork: None,
    });
    let short = |namespace: &mut Namespace| namespace.retention = keeping(5);
    let site = meddled(shards, short, &script).await;
    let first = site.publish([1]).await;

    let (mut client, position) = site.json(&format!("since={first}")).await;

    assert_eq!(offset(&position), 1);
    let gap = client.json().await["gap"].take();
    assert_eq!((&gap["from"], &gap["to"]), (&json!(2), &json!(11)));
    for at in 12..=41 {
        assert_eq!(offset(&client.json().await), at);
    }
}

async fn a_log_that_changes_between_reading_and_joining_is_read_again(shards: usize) {
    let script = [Meddling {
        fork: Some(7),
        ..Meddling::default()
    }];
    let site = meddled(shards, |_| {}, &script).await;
    let first = site.publish([1]).await;
    site.publish(2..=10).await;

    let (mut client, _) = site.json(&format!("since={first}")).await;

    for at in 2..=10 {
        assert_eq!(offset(&client.json().await), at);
    }
    let gap = client.json().await["gap"].take();
    assert_eq!(
        (&gap["reason"], &gap["fork"]),
        (&json!("diverged"), &json!(7))
    );
    site.publish([8]).await;
    let publication = client.json().await;
    assert_eq!(
        (offset(&publication), &publication["data"]),
        (8, &json!("8"))
    );
}

async fn an_engine_that_answers_later_is_waited_for(shards: usize) {
    let late = |memory| -> Arc<dyn Engine> {
        Arc::new(Meddler {
            memory,
            script: Mutex::default(),
            is_late: true,
            is_broken: false,
        })
    };
    let site = Site::over(shards, |namespace| namespace.page = 7, |_| {}, late).await;

    let (mut ann, first) = site.json("presence").await;
    assert_eq!(offset(&first), 0);
    assert_eq!(ann.json().await["presence"][0]["user"], "");
    for number in 1..=30_u64 {
        ann.send(&number.to_string()).await;
    }
    for number in 1..=30_u64 {
        let publication = ann.json().await;
        assert_eq!(
            (offset(&publication), &publication["data"]),
            (number, &json!(number))
        );
    }
    let since = format!("since={}", site.publish([31]).await.epoch.at(2));
    let (mut bob, position) = site.json(&since).await;
    assert_eq!(offset(&position), 2);
    for number in 3..=31 {
        assert_eq!(offset(&bob.json().await), number);
    }
    ann.close().await;
    bob.close().await;
    site.empty().await;
}

async fn an_engine_that_does_not_answer_sends_its_readers_away(shards: usize) {
    for is_late in [false, true] {
        let broken = |memory| -> Arc<dyn Engine> {
            Arc::new(Meddler {
                memory,
                script: Mutex::default(),
                is_late,
                is_broken: true,
            })
        };
        let nothing = |namespace: &mut Namespace| namespace.retention = Retention::NONE;
        let site = Site::over(shards, nothing, |_| {}, broken).await;

        for query in ["", "since=abcdefgh.0:1"] {
            let mut client = site.connect(query).await;
            let (texts, code, _) = client.texts_until_closed().await;
            assert_eq!((texts.len(), code), (0, 1013));
            client.close().await;
        }
        site.empty().await;
    }
}
