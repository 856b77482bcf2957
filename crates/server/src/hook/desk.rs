//! Asks a backend, within bounds, and again where that does no harm.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use http::{HeaderName, Uri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Kind;
use super::breaker::{Breaker, Pass};
use super::link::{Failure, Link};
use super::seal::Secret;
use crate::http::Site;

/// The pause before the first repeat, at most; it doubles.
const PAUSE: Duration = Duration::from_millis(200);

/// What a server is told about its backend.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Where each kind is asked, in the order of [`Kind::ALL`].
    pub urls: [Option<Uri>; 5],
    /// What requests are signed with.
    pub secret: Option<Secret>,
    /// For one request and its whole answer.
    pub timeout: Duration,
    /// How often a question is repeated that nobody has answered.
    pub retries: u32,
    /// Fields of a client's request that are handed on.
    pub headers: Vec<HeaderName>,
    /// What may be done when the backend is down.
    pub allow: Vec<Kind>,
    /// The most questions at the same time.
    pub under_way: usize,
}

impl Rules {
    fn url(&self, kind: Kind) -> Option<&Uri> {
        self.urls[kind as usize].as_ref()
    }

    /// Whether the backend is asked about this.
    pub fn has(&self, kind: Kind) -> bool {
        self.url(kind).is_some()
    }
}

/// Where questions to a backend go out.
#[derive(Debug)]
pub struct Desk {
    pub(super) rules: Rules,
    link: Link,
    places: Arc<Semaphore>,
    breakers: [Mutex<Breaker>; 5],
    site: Arc<Site>,
}

/// A question: its id, and what it says.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

impl Desk {
    /// Counts what it asks at this site.
    pub fn new(rules: Rules, site: Arc<Site>) -> Self {
        let places = Arc::new(Semaphore::new(rules.under_way));
        Self {
            rules,
            link: Link::new(),
            places,
            breakers: Default::default(),
            site,
        }
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// A place for a question, if there is one at once.
    pub(super) fn place(&self, kind: Kind) -> Result<OwnedSemaphorePermit, Failure> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| {
            self.count(kind, Failure::Full.word());
            Failure::Full
        })
    }

    /// Asks; what the answer is `read` as counts as what has come of it.
    pub(super) async fn ask<T>(
        &self,
        kind: Kind,
        question: Question,
        read: impl FnOnce(&[u8]) -> Option<(T, &'static str)>,
    ) -> Result<T, Failure> {
        let begin = Instant::now();
        let pass = self.breaker(kind).pass(begin);
        if pass == Pass::Refuse {
            self.count(kind, Failure::Resting.word());
            return Err(Failure::Resting);
        }
        let answer = self.try_often(kind, &question, pass).await;
        let answer = answer.and_then(|body| read(&body).ok_or(Failure::Invalid));
        let word = match &answer {
            Ok((_, word)) => word,
            Err(failure) => {
                let (hook, why, id) = (kind.name(), failure.word(), &question.id);
                tracing::info!(target: "holdwire::hook", hook, why, id, detail = ?failure, "no answer");
                why
            }
        };
        self.count(kind, word);
        let metrics = &self.site.metrics.hooks;
        metrics.took(kind.name(), begin.elapsed());
        answer.map(|(answer, _)| answer)
    }

    async fn try_often(
        &self,
        kind: Kind,
        question: &Question,
        pass: Pass,
    ) -> Result<Bytes, Failure> {
        let body = Bytes::copy_from_slice(&question.body);
        let mut left = if pass == Pass::Try {
            0
        } else {
            self.rules.retries
        };
        let mut pause = PAUSE;
        loop {
            let answer = self.try_once(kind, &question.id, body.clone()).await;
            let Err(failure) = answer else {
                self.answered(kind);
                return answer;
            };
            if !failure.is_outage() {
                // It is there.
                self.answered(kind);
                return answer;
            }
            let is_open = self.unanswered(kind, pass);
            let was_unseen = matches!(failure, Failure::Unreachable | Failure::Unavailable(_));
            if left == 0 || is_open || !(was_unseen || kind.is_harmless()) {
                return answer;
            }
            left -= 1;
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause *= 2;
        }
    }

    async fn try_once(&self, kind: Kind, id: &str, body: Bytes) -> Result<Bytes, Failure> {
        let Some(url) = self.rules.url(kind) else {
            return Err(Failure::Invalid);
        };
        let secret = self.rules.secret.as_ref();
        let signature = secret.map(|secret| secret.seal(&body));
        let mut headers = vec![("holdwire-hook", kind.name()), ("holdwire-request", id)];
        if let Some(signature) = &signature {
            headers.push(("holdwire-signature", signature));
        }
        let answer = self.link.post(url, &headers, body);
        let answer = tokio::time::timeout(self.rules.timeout, answer).await;
        answer.unwrap_or(Err(Failure::Timeout))
    }

    fn answered(&self, kind: Kind) {
        if self.breaker(kind).succeeded() {
            self.site.metrics.hooks.set_open(kind.name(), false);
            tracing::info!(target: "holdwire::hook", hook = kind.name(), "the backend answers again");
        }
    }

    /// Nobody has answered; whether it is not asked again for a while.
    fn unanswered(&self, kind: Kind, pass: Pass) -> bool {
        let now = Instant::now();
        let is_open = self
            .breaker(kind)
            .failed(pass, now, rand::random_range(0.0..1.0));
        if is_open {
            self.site.metrics.hooks.set_open(kind.name(), true);
            tracing::warn!(
                target: "holdwire::hook",
                hook = kind.name(),
                "the backend does not answer, and is left alone for a while"
            );
        }
        is_open
    }

    fn count(&self, kind: Kind, outcome: &'static str) {
        self.site.metrics.hooks.asked(kind.name(), outcome);
    }

    fn breaker(&self, kind: Kind) -> MutexGuard<'_, Breaker> {
        let breaker = &self.breakers[kind as usize];
        breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
