//! Clients in the classic style: a fixed delay, whatever the server says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long they wait after every loss.
const DELAY: Duration = Duration::from_secs(4);

/// How often the fleet is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What one client did.
#[derive(Clone, Default)]
struct Client {
    attempts: Vec<Instant>,
    ups: Vec<Instant>,
}

/// Such clients of one server.
pub(super) struct Fleet(Vec<Arc<Mutex<Client>>>);

impl Fleet {
    pub(super) fn start(address: SocketAddr, count: usize) -> Self {
        let client = |_| {
            let client = Arc::new(Mutex::new(Client::default()));
            tokio::spawn(follow(address, Arc::clone(&client)));
            client
        };
        Self((0..count).map(client).collect())
    }

    /// Waits until each of them came up so many times; when they did the last time.
    pub(super) async fn all_up(
        &self,
        times: usize,
        patience: Duration,
    ) -> Result<Vec<Instant>, String> {
        let end = Instant::now() + patience;
        loop {
            let ups = self.0.iter().filter_map(|client| {
                let client = client.lock().unwrap_or_else(PoisonError::into_inner);
                client.ups.get(times - 1).copied()
            });
            let ups: Vec<Instant> = ups.collect();
            if ups.len() == self.0.len() {
                return Ok(ups);
            }
            if Instant::now() > end {
                return Err(format!("of the fixed delays only {} are up", ups.len()));
            }
            sleep(LOOK).await;
        }
    }

    /// All attempts since then.
    pub(super) fn attempts_since(&self, then: Instant) -> Vec<Instant> {
        let attempts = self.0.iter().flat_map(|client| {
            let client = client.lock().unwrap_or_else(PoisonError::into_inner);
            client.attempts.clone()
        });
        attempts.filter(|at| *at > then).collect()
    }
}

async fn follow(address: SocketAddr, client: Arc<Mutex<Client>>) {
    let with = |act: &dyn Fn(&mut Client)| {
        act(&mut client.lock().unwrap_or_else(PoisonError::into_inner));
    };
    loop {
        with(&|client| client.attempts.push(Instant::now()));
        if let Ok(mut socket) = holdwire::connect(format!("ws://{address}/echo")).await {
            with(&|client| client.ups.push(Instant::now()));
            while let Some(Ok(_)) = socket.recv().await {}
        }
        sleep(DELAY).await;
    }
}
