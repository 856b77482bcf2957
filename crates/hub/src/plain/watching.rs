//! What a policy decides about a subscriber of the plain door that was let in.

use std::sync::Arc;

use holdwire::CloseCode;
use holdwire::proto::{Flow, Sender};
use holdwire::shard::Remote;

use super::Plain;
use super::json::Refused;
use crate::engine::{Answer, Publish};
use crate::presence::{ClientId, Member};
use crate::publication::Payload;
use crate::session::{Denied, Policy, Who};

/// There was no Close frame (RFC 6455 §7.1.5).
const LOST: u16 = 1006;

/// A subscriber that a policy is asked about.
#[derive(Clone)]
pub(super) struct Watched {
    policy: Arc<dyn Policy>,
    client: ClientId,
    member: Member,
    /// How it ends.
    ended: Option<(u16, Box<str>)>,
}

impl Watched {
    /// If the policy asks for more than who somebody is.
    pub(super) fn new(
        policy: Arc<dyn Policy>,
        client: ClientId,
        member: &Member,
    ) -> Option<Box<Self>> {
        policy.asks().any().then(|| {
            Box::new(Self {
                policy,
                client,
                member: member.clone(),
                ended: None,
            })
        })
    }

    fn who(&self) -> Who<'_> {
        Who::new(self.client, &self.member)
    }

    /// The name that it has in presence too.
    pub(super) fn client(&self) -> ClientId {
        self.client
    }
}

impl Plain {
    /// From now on a policy is asked about it.
    pub(super) fn watched(mut self, watched: Option<Box<Watched>>) -> Self {
        if let (Some(watched), Some(client)) = (&watched, &mut self.client) {
            client.0 = watched.client();
        }
        self.watched = watched;
        self
    }

    /// How it ends, if that is not known already.
    pub(super) fn ends(&mut self, code: CloseCode, reason: &str) {
        if let Some(watched) = &mut self.watched {
            let ended = || (code.value(), reason.into());
            watched.ended.get_or_insert_with(ended);
        }
    }

    /// The policy is told that it is gone.
    pub(super) fn tell_end(&mut self) {
        let watched = self.watched.take();
        if let Some(watched) = watched.filter(|watched| watched.policy.asks().end) {
            let (code, reason) = watched.ended.clone().unwrap_or((LOST, "".into()));
            watched.policy.left(watched.who(), code, &reason, None);
        }
    }

    /// Asks whether something may be published; gives what is published now.
    ///
    /// Nothing more is read until it is decided, so that the order is kept.
    pub(super) fn ask(
        &mut self,
        payload: Payload,
        sender: &mut Sender<'_>,
    ) -> Result<Publish, Flow> {
        let publish = Publish { payload, key: None };
        let watched = self.watched.as_ref();
        let Some(watched) = watched.filter(|watched| watched.policy.asks().publish) else {
            return Ok(publish);
        };
        let channel = self.subscription.channel();
        match watched.policy.publish(watched.who(), channel, &publish) {
            Answer::Now(Ok(other)) => Ok(put_in(publish, other)),
            Answer::Now(Err(denied)) => {
                self.deny(&denied, sender);
                Err(Flow::Continue)
            }
            Answer::Later(verdict) => {
                let (hub, local) = (&self.subscription.hub, &self.subscription.local);
                let (own, local, remote) = (hub.clone(), Arc::clone(local), self.remote.clone());
                let is_raw = self.is_raw();
                hub.runtime().spawn(async move {
                    let refused = match verdict.await {
                        Ok(other) => {
                            let publish = put_in(publish, other);
                            match own.put(&local.channel, publish).get().await {
                                // Its turn comes when the others have caught up.
                                Ok(_) if local.pace(&remote) == Flow::Pause => return,
                                Ok(_) => None,
                                Err(error) => Some((Refused::of(&error), false)),
                            }
                        }
                        Err(denied) => {
                            let is_over = denied.close().is_some();
                            Some((Refused::denied(&denied), is_over))
                        }
                    };
                    if let Some((refused, is_over)) = refused {
                        tell(&remote, refused, is_raw || is_over).await;
                    }
                    remote.resume();
                });
                Err(Flow::Pause)
            }
        }
    }

    fn deny(&mut self, denied: &Denied, sender: &mut Sender<'_>) {
        let refused = Refused::denied(denied);
        match denied.close() {
            Some(code) => self.close(sender, code, &refused.message),
            None => self.refuse(&refused, sender),
        }
    }
}

/// Says why something was not published, or ends the connection with that.
async fn tell(remote: &Remote, refused: Refused, is_over: bool) {
    if is_over {
        remote.close(refused.close, refused.message);
    } else {
        // It may be gone.
        let _ = remote.send(refused.json()).await;
    }
}

fn put_in(mut publish: Publish, other: Option<Payload>) -> Publish {
    if let Some(payload) = other {
        publish.payload = payload;
    }
    publish
}
