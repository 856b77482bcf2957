//! Who is gone is told behind everybody's back, in a queue that does not grow for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdwire_hub::session::Absence;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::Kind;
use super::answer;
use super::desk::{Desk, Question};

/// What may wait to be told, or for its client to come back; of more the rest is lost.
const WAITING: usize = 100_000;

/// How many are told at the same time.
const AT_ONCE: usize = 32;

/// For how long a server that goes down tells what it has still to tell.
const LAST: Duration = Duration::from_secs(5);

/// The queue of what is to be told.
#[derive(Debug)]
pub(super) struct Notices {
    queue: mpsc::Sender<Question>,
    left: Arc<Left>,
    /// Whether the server goes down.
    ending: watch::Sender<bool>,
}

/// What has not been told.
#[derive(Debug, Default)]
struct Left {
    count: AtomicUsize,
    none: Notify,
}

impl Left {
    fn take(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none.notify_waiters();
        }
    }
}

impl Notices {
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        let (queue, waiting) = mpsc::channel(AT_ONCE);
        let left = Arc::new(Left::default());
        tokio::spawn(tell(desk, waiting, Arc::clone(&left)));
        Self {
            queue,
            left,
            ending: watch::Sender::new(false),
        }
    }

    /// Tells it as soon as may be, unless the client is back; false when too much waits.
    pub(super) fn put(&self, question: Question, absence: Option<Absence>) -> bool {
        if self.left.count.fetch_add(1, Ordering::AcqRel) >= WAITING {
            self.left.take();
            return false;
        }
        let (queue, left) = (self.queue.clone(), Arc::clone(&self.left));
        let mut ending = self.ending.subscribe();
        tokio::spawn(async move {
            if let Some(absence) = absence {
                tokio::select! {
                    () = tokio::time::sleep(absence.within()) => {}
                    // Nobody comes back to a server that is gone.
                    _ = ending.wait_for(|is_ending| *is_ending) => {}
                }
                if absence.is_over() {
                    return left.take();
                }
            }
            if queue.send(question).await.is_err() {
                left.take();
            }
        });
        true
    }

    /// Waits until all is told, for 5 s at most.
    pub(super) async fn flush(&self) {
        self.ending.send_replace(true);
        let told = async {
            loop {
                let none = self.left.none.notified();
                tokio::pin!(none);
                // From here on a notification is not missed.
                none.as_mut().enable();
                if self.left.count.load(Ordering::Acquire) == 0 {
                    return;
                }
                none.await;
            }
        };
        // What is left is lost with the server.
        let _ = tokio::time::timeout(LAST, told).await;
    }
}

async fn tell(desk: Arc<Desk>, mut waiting: mpsc::Receiver<Question>, left: Arc<Left>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(question) = waiting.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (desk, left) = (Arc::clone(&desk), Arc::clone(&left));
        tokio::spawn(async move {
            // Whatever is answered, it has heard.
            let read = |_: &[u8]| Some(((), answer::OK));
            let _ = desk.ask(Kind::Disconnect, question, read).await;
            left.take();
            drop(place);
        });
    }
}
