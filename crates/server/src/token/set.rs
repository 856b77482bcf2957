//! A key set (RFC 7517 §5) that others keep: read again from time to time, and when a token names a
//! key that is not in it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use serde::Deserialize;

use super::fetch::fetch;
use super::key::Key;
use super::refusal::Refusal;

/// How old a set may become; what was taken out of it is trusted for so long.
const FRESH: Duration = Duration::from_secs(600);

/// After it was looked for in vain, a key is not looked for again for so long, nor any other.
const PAUSE: Duration = Duration::from_secs(10);

/// The most keys of a set; the rest are left out.
const MOST: usize = 100;

/// The largest set, in bytes.
pub(super) const LARGEST: usize = 256 * 1024;

/// Where a key set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetSource {
    /// A file.
    File(PathBuf),
    /// A URL: `https`, or `http` of this machine.
    Url(Uri),
}

impl fmt::Display for SetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

/// The keys of a set, as they were when they were last read.
#[derive(Debug)]
pub struct KeySet {
    source: SetSource,
    state: Mutex<State>,
    /// Held by whoever reads it.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<Vec<Key>>,
    /// When it was last read, well or not.
    tried: Option<Instant>,
    /// Whether it has been read once.
    is_there: bool,
    /// Whether it could not be read the last time.
    has_failed: bool,
    /// When it was last looked into in vain.
    in_vain: Option<Instant>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// A set of which nothing is known yet.
    pub fn new(source: SetSource) -> Self {
        Self {
            source,
            state: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Whether it has been read once.
    pub(super) fn is_there(&self) -> bool {
        self.lock().is_there
    }

    /// Whether it has a key of this name.
    pub(super) fn has(&self, kid: &str) -> bool {
        let keys = self.keys();
        keys.iter().any(|key| key.name() == Some(kid))
    }

    pub(super) fn keys(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.lock().keys)
    }

    /// Reads it; when that cannot be done, what was there stays.
    ///
    /// # Errors
    /// Why it cannot be read.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn read(&self) -> Result<(), String> {
        let _reading = self.reading.lock().await;
        self.read_alone().await
    }

    async fn read_alone(&self) -> Result<(), String> {
        let text = match &self.source {
            SetSource::File(path) => {
                let text = tokio::fs::read(path).await;
                text.map_err(|error| format!("cannot be read: {error}"))
            }
            SetSource::Url(url) => fetch(url).await,
        };
        let keys = text.and_then(|text| keys_of(&text));
        let mut state = self.lock();
        state.tried = Some(Instant::now());
        state.has_failed = keys.is_err();
        match keys {
            Ok(keys) => {
                tracing::debug!(target: "holdwire::token", source = %self.source, keys = keys.len(), "key set read");
                state.is_there = true;
                state.keys = Arc::new(keys);
                Ok(())
            }
            Err(why) => {
                tracing::warn!(target: "holdwire::token", source = %self.source, %why, "key set not read");
                Err(why)
            }
        }
    }

    /// Reads the set because it may have a key of this name now, or because it was never read; not
    /// when that was done in vain a moment ago.
    ///
    /// # Errors
    /// When the set could not be read.
    pub(super) async fn look_for(&self, kid: Option<&str>) -> Result<(), Refusal> {
        let asked = Instant::now();
        let _reading = self.reading.lock().await;
        if self.is_worth_it(kid, asked) {
            // What went wrong is in the state.
            let _ = self.read_alone().await;
        }
        let is_found = match kid {
            Some(kid) => self.has(kid),
            None => self.is_there(),
        };
        let mut state = self.lock();
        if is_found {
            return Ok(());
        }
        let now = Instant::now();
        state.in_vain = state.in_vain.filter(|at| now - *at < PAUSE).or(Some(now));
        if state.has_failed || !state.is_there {
            return Err(Refusal::Unavailable);
        }
        Ok(())
    }

    /// Whether it is to be read for a key that was asked for then: nobody has read it since, and it
    /// was not looked into in vain a moment ago.
    fn is_worth_it(&self, kid: Option<&str>, asked: Instant) -> bool {
        let is_there = match kid {
            Some(kid) => self.has(kid),
            None => self.is_there(),
        };
        let state = self.lock();
        let is_new = state.tried.is_some_and(|tried| tried >= asked);
        let is_paused = state.in_vain.is_some_and(|at| at.elapsed() < PAUSE);
        !is_there && !is_new && !is_paused
    }

    /// Reads it again and again, for ever.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn keep_fresh(&self) {
        loop {
            let after = if self.lock().has_failed { PAUSE } else { FRESH };
            tokio::time::sleep(after).await;
            // What went wrong is logged.
            let _ = self.read().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of a document that are of use here.
fn keys_of(text: &[u8]) -> Result<Vec<Key>, String> {
    if text.len() > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    let document: Document = serde_json::from_slice(text)
        .map_err(|_| "it is no key set: an object with keys".to_owned())?;
    let mut keys = Vec::new();
    for (at, value) in document.keys.into_iter().take(MOST).enumerate() {
        match Key::jwk(value) {
            Ok(key) => keys.push(key),
            Err(why) => tracing::info!(target: "holdwire::token", at, why, "key left out"),
        }
    }
    Ok(keys)
}
