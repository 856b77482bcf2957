//! An engine in memory whose clock stands still until a test moves it.

use std::time::Duration;

use holdwire_hub::ChannelName;
use holdwire_hub::engine::contract::{Subject, Unable};
use holdwire_hub::engine::{Engine, Memory};
use tokio::runtime::{Builder, Runtime};

/// The engine, and the runtime that has its clock.
pub struct Paused<E> {
    pub engine: E,
    is_swept: bool,
    runtime: Runtime,
}

/// An engine that is one in memory, or stands before it.
pub trait InMemory: Engine {
    fn memory(&self) -> &Memory;
}

impl InMemory for Memory {
    fn memory(&self) -> &Memory {
        self
    }
}

impl<E> Paused<E> {
    pub fn new(engine: E) -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        Self {
            engine,
            is_swept: false,
            runtime,
        }
    }

    /// The same, swept whenever time has passed or never.
    pub fn swept(self, is_swept: bool) -> Self {
        Self { is_swept, ..self }
    }
}

impl<E: InMemory> Subject for Paused<E> {
    fn nodes(&self) -> [&dyn Engine; 2] {
        [&self.engine, &self.engine]
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn fork(&self, channel: &ChannelName, offset: u64) -> Result<(), Unable> {
        self.block_on(async { self.engine.memory().fork(channel, offset) });
        Ok(())
    }

    fn lose(&self, channel: &ChannelName) -> Result<(), Unable> {
        self.block_on(async { self.engine.memory().lose(channel) });
        Ok(())
    }

    fn advance(&self, time: Duration) -> Result<(), Unable> {
        self.block_on(async {
            tokio::time::advance(time).await;
            if self.is_swept {
                self.engine.memory().sweep();
            }
        });
        Ok(())
    }
}
