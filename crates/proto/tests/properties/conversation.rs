//! Conversations of a client and a server over a wire that delivers as it likes.

use holdwire_proto::frame::{Head, MAX_HEAD, Opcode};
use holdwire_proto::mask::Mask;
use holdwire_proto::{Config, Ended, Role};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{Endpoint, Seen, text};

/// What happens next; `bool` says at which end: true is the client.
#[derive(Clone, Debug)]
enum Step {
    Send(bool, String),
    SendBinary(bool, Vec<u8>),
    SendFragments(bool, Vec<Vec<u8>>),
    Ping(bool, Vec<u8>),
    Close(bool, u16),
    /// The transport takes so many bytes.
    Write(bool, usize),
    /// So many bytes arrive.
    Read(bool, usize),
    /// The application is ready for more.
    Resume(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), "[a-z漢é]{0,80}").prop_map(|(at, text)| Step::Send(at, text)),
        3 => (any::<bool>(), vec(0_u8..4, 0..400)).prop_map(|(at, bytes)| Step::SendBinary(at, bytes)),
        2 => (any::<bool>(), vec(vec(any::<u8>(), 0..9), 2..5))
            .prop_map(|(at, parts)| Step::SendFragments(at, parts)),
        2 => (any::<bool>(), vec(any::<u8>(), 0..20)).prop_map(|(at, bytes)| Step::Ping(at, bytes)),
        1 => (any::<bool>(), 3000_u16..5000).prop_map(|(at, code)| Step::Close(at, code)),
        8 => (any::<bool>(), 1_usize..500).prop_map(|(at, count)| Step::Write(at, count)),
        8 => (any::<bool>(), 1_usize..500).prop_map(|(at, count)| Step::Read(at, count)),
        4 => any::<bool>().prop_map(Step::Resume),
    ]
}

/// One end, with the bytes that are on their way to it and what its peer should see.
struct End {
    end: Endpoint,
    arriving: Vec<u8>,
    sent: Vec<Seen>,
    has_closed_first: bool,
}

impl End {
    fn new(end: Endpoint, pause_pattern: u64) -> Self {
        let mut end = end;
        end.pause_pattern = pause_pattern;
        Self {
            end,
            arriving: Vec::new(),
            sent: Vec::new(),
            has_closed_first: false,
        }
    }

    fn is_closing(&self) -> bool {
        self.end.connection.is_closing()
    }

    fn send(&mut self, seen: Seen) {
        if self.is_closing() {
            return;
        }
        match &seen {
            Seen::Text(text) => self.end.send(text.as_str()),
            Seen::Binary(bytes) => self.end.send(bytes.clone()),
            Seen::Ping(bytes) => self.end.ping(bytes),
            other => panic!("nobody sends {other:?}"),
        }
        self.sent.push(seen);
    }

    fn send_fragments(&mut self, parts: &[Vec<u8>]) {
        if self.is_closing() {
            return;
        }
        let mask = (self.end.connection.role() == Role::Client).then_some([1, 2, 3, 4]);
        for (number, part) in parts.iter().enumerate() {
            let head = Head {
                fin: number + 1 == parts.len(),
                rsv1: false,
                opcode: if number == 0 {
                    Opcode::Binary
                } else {
                    Opcode::Continuation
                },
                mask,
                length: part.len() as u64,
            };
            let mut bytes = [0; MAX_HEAD];
            let length = head.encode(&mut bytes);
            let mut part = part.clone();
            if let Some(key) = mask {
                Mask::new(key).apply(&mut part);
            }
            self.end.output.push(&bytes[..length]);
            self.end.output.push(&part);
        }
        self.sent.push(Seen::Binary(parts.concat()));
    }

    fn close(&mut self, code: u16) {
        self.has_closed_first |= !self.is_closing();
        self.end.close(code, "enough");
    }

    fn read(&mut self, count: usize) {
        self.resume_if(self.end.connection.wants_resume());
        if !self.end.connection.is_paused() {
            let count = count.min(self.arriving.len());
            let bytes: Vec<u8> = self.arriving.drain(..count).collect();
            self.end.receive(&bytes);
        }
    }

    fn resume_if(&mut self, is_ready: bool) {
        if is_ready {
            self.end.resume();
        }
    }
}

fn pair(client: &mut End, server: &mut End, is_client: bool, act: impl FnOnce(&mut End, &mut End)) {
    if is_client {
        act(client, server);
    } else {
        act(server, client);
    }
}

fn run(client: &mut End, server: &mut End, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Send(at, message) => {
                pair(client, server, at, |end, _| end.send(text(&message)));
            }
            Step::SendBinary(at, bytes) => {
                pair(client, server, at, |end, _| end.send(Seen::Binary(bytes)));
            }
            Step::SendFragments(at, parts) => {
                pair(client, server, at, |end, _| end.send_fragments(&parts));
            }
            Step::Ping(at, payload) => {
                pair(client, server, at, |end, _| end.send(Seen::Ping(payload)));
            }
            Step::Close(at, code) => pair(client, server, at, |end, _| end.close(code)),
            Step::Write(at, count) => pair(client, server, at, |end, peer| {
                peer.arriving.extend(end.end.write(count));
            }),
            Step::Read(at, count) => pair(client, server, at, |end, _| end.read(count)),
            Step::Resume(at) => pair(client, server, at, |end, _| {
                end.resume_if(end.end.connection.is_paused());
            }),
        }
    }
}

/// Somebody closes, if nobody did; then everything arrives.
fn finish(client: &mut End, server: &mut End) {
    if !client.is_closing() && !server.is_closing() {
        server.close(1001);
    }
    for _ in 0..200 {
        for is_client in [true, false] {
            pair(client, server, is_client, |end, peer| {
                peer.arriving.extend(end.end.write(usize::MAX));
                end.resume_if(end.end.connection.is_paused());
                end.read(usize::MAX);
            });
        }
    }
}

/// What `to` saw of what `from` sent: all of it in order, or, if `to` closed first, its beginning.
fn assert_delivered(from: &End, to: &End) {
    let seen: Vec<&Seen> = to
        .end
        .seen
        .iter()
        .filter(|seen| !matches!(seen, Seen::Pong(_) | Seen::Close(..)))
        .collect();
    let sent: Vec<&Seen> = from.sent.iter().collect();
    if to.has_closed_first {
        assert!(sent.starts_with(&seen), "{seen:?} of {sent:?}");
    } else {
        assert_eq!(seen, sent);
    }
}

/// Pongs answer our pings, in their order, none twice.
fn assert_answered(end: &End) {
    let mut pings = end.sent.iter();
    for seen in &end.end.seen {
        if let Seen::Pong(payload) = seen {
            let ping = Seen::Ping(payload.clone());
            assert!(
                pings.any(|sent| *sent == ping),
                "{payload:?} was not asked for"
            );
        }
    }
}

#[cfg(feature = "deflate")]
fn ends(deflate: u8) -> [Endpoint; 2] {
    use holdwire_proto::deflate::{DeflateConfig, accept_offer, offer};

    let config = match deflate {
        0 => {
            return [Role::Client, Role::Server].map(|role| Endpoint::new(role, Config::default()));
        }
        1 => DeflateConfig::default(),
        _ => DeflateConfig::with_context_takeover(),
    };
    let offers = holdwire_proto::extension::parse([offer(&config)]).expect("legal");
    let (params, _) = accept_offer(&config, &offers).expect("acceptable");
    [Role::Client, Role::Server].map(|role| {
        let mut end = Endpoint::new(role, Config::default().deflate(config));
        end.connection = end.connection.with_deflate(params);
        end
    })
}

#[cfg(not(feature = "deflate"))]
fn ends(_: u8) -> [Endpoint; 2] {
    [Role::Client, Role::Server].map(|role| Endpoint::new(role, Config::default()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_conversation_ends_clean_with_all_that_was_sent_before(
        deflate in 0_u8..3,
        steps in vec(step(), 0..60),
        pauses in any::<(u64, u64)>(),
    ) {
        let [client, server] = ends(deflate);
        let mut client = End::new(client, pauses.0);
        let mut server = End::new(server, pauses.1);

        run(&mut client, &mut server, steps);
        finish(&mut client, &mut server);

        for end in [&client, &server] {
            let ended = end.end.connection.ended();
            prop_assert!(matches!(ended, Some(Ended::Clean(_))), "{ended:?}");
            prop_assert!(matches!(end.end.seen.last(), Some(Seen::Close(..))));
            prop_assert_eq!(end.end.connection.held(), 0);
            assert_answered(end);
        }
        assert_delivered(&client, &server);
        assert_delivered(&server, &client);
    }
}
