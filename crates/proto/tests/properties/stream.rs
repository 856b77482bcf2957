//! Streams of frames as a peer may send them: mostly legal, fragmented, with control frames
//! between, and now and then something that breaks a rule.

use holdwire_proto::frame::{Head, MAX_HEAD, Opcode};
use holdwire_proto::mask::Mask;
use holdwire_proto::{Config, Limits, Role};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::Endpoint;

/// One thing that a peer sends.
#[derive(Clone, Debug)]
pub enum Piece {
    Message {
        is_text: bool,
        is_compressed: bool,
        payload: Vec<u8>,
        /// Where it is cut into fragments.
        cuts: Vec<Index>,
        /// Sent after each fragment but the last.
        between: Vec<Control>,
    },
    Control(Control),
    Close(Option<u16>),
    /// Bytes that are no frame, or hardly.
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Control {
    pub is_ping: bool,
    pub payload: Vec<u8>,
}

pub fn control() -> impl Strategy<Value = Control> {
    (any::<bool>(), vec(any::<u8>(), 0..=125))
        .prop_map(|(is_ping, payload)| Control { is_ping, payload })
}

/// A message or control frame that breaks no rule.
pub fn legal() -> impl Strategy<Value = Piece> {
    prop_oneof![
        5 => (".{0,60}", any::<bool>(), vec(any::<Index>(), 0..4), vec(control(), 0..3)).prop_map(
            |(text, is_compressed, cuts, between)| Piece::Message {
                is_text: true,
                is_compressed,
                payload: text.into_bytes(),
                cuts,
                between,
            }
        ),
        5 => (vec(any::<u8>(), 0..300), any::<bool>(), vec(any::<Index>(), 0..4), vec(control(), 0..3))
            .prop_map(|(payload, is_compressed, cuts, between)| Piece::Message {
                is_text: false,
                is_compressed,
                payload,
                cuts,
                between,
            }),
        3 => control().prop_map(Piece::Control),
    ]
}

/// Anything: what is legal, a Close frame, what is not legal.
pub fn any_piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        20 => legal(),
        1 => proptest::option::of(990_u16..1020).prop_map(Piece::Close),
        1 => vec(any::<u8>(), 1..20).prop_map(Piece::Raw),
        1 => (vec(any::<u8>(), 0..80), any::<bool>()).prop_map(|(payload, is_compressed)| {
            Piece::Message {
                is_text: true,
                is_compressed,
                payload,
                cuts: Vec::new(),
                between: Vec::new(),
            }
        }),
    ]
}

/// Limits that a stream runs into now and then.
pub fn config() -> Config {
    Config::default().limits(Limits {
        max_message: 280,
        max_frame: 250,
        max_fragments: 4,
        ..Limits::default()
    })
}

/// An endpoint that takes compressed messages, if the feature is there.
#[cfg(feature = "deflate")]
pub fn endpoint(role: Role, config: Config) -> Endpoint {
    use holdwire_proto::deflate::{DeflateConfig, accept_offer, offer};

    let deflate = DeflateConfig::default();
    let offers = holdwire_proto::extension::parse([offer(&deflate)]).expect("legal");
    let (params, _) = accept_offer(&deflate, &offers).expect("acceptable");
    let mut end = Endpoint::new(role, config.deflate(deflate));
    end.connection = end.connection.with_deflate(params);
    end
}

#[cfg(not(feature = "deflate"))]
pub fn endpoint(role: Role, config: Config) -> Endpoint {
    Endpoint::new(role, config)
}

#[cfg(feature = "deflate")]
fn compressed(payload: &[u8]) -> Option<Vec<u8>> {
    use holdwire_proto::deflate::{Context, Deflater, WindowBits};

    let mut output = Vec::new();
    let mut deflater = Deflater::new(Context::new(WindowBits::MAX, false), 6);
    deflater.deflate(payload, &mut output).then_some(output)
}

#[cfg(not(feature = "deflate"))]
fn compressed(_: &[u8]) -> Option<Vec<u8>> {
    None
}

/// The bytes of these pieces on their way to `receiver`.
pub fn bytes(pieces: &[Piece], receiver: Role) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Message {
                is_text,
                is_compressed,
                payload,
                cuts,
                between,
            } => {
                let deflated = is_compressed.then(|| compressed(payload)).flatten();
                let rsv1 = deflated.is_some();
                let payload = deflated.as_ref().unwrap_or(payload);
                let mut cuts: Vec<usize> =
                    cuts.iter().map(|at| at.index(payload.len() + 1)).collect();
                cuts.sort_unstable();
                cuts.push(payload.len());
                let mut from = 0;
                for (number, to) in cuts.iter().enumerate() {
                    let is_first = number == 0;
                    let is_last = number + 1 == cuts.len();
                    let opcode = match (is_first, is_text) {
                        (false, _) => Opcode::Continuation,
                        (true, true) => Opcode::Text,
                        (true, false) => Opcode::Binary,
                    };
                    frame(
                        &mut bytes,
                        receiver,
                        (is_last, rsv1 && is_first),
                        opcode,
                        &payload[from..*to],
                    );
                    from = *to;
                    if let Some(control) = between.get(number).filter(|_| !is_last) {
                        control_frame(&mut bytes, receiver, control);
                    }
                }
            }
            Piece::Control(control) => control_frame(&mut bytes, receiver, control),
            Piece::Close(code) => {
                let body = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
                frame(&mut bytes, receiver, (true, false), Opcode::Close, &body);
            }
            Piece::Raw(raw) => bytes.extend(raw),
        }
    }
    bytes
}

fn control_frame(bytes: &mut Vec<u8>, receiver: Role, control: &Control) {
    let opcode = if control.is_ping {
        Opcode::Ping
    } else {
        Opcode::Pong
    };
    frame(bytes, receiver, (true, false), opcode, &control.payload);
}

fn frame(
    bytes: &mut Vec<u8>,
    receiver: Role,
    (fin, rsv1): (bool, bool),
    opcode: Opcode,
    payload: &[u8],
) {
    // Any key will do; it should not be the same for every frame.
    let key = u32::try_from(bytes.len())
        .expect("short")
        .wrapping_mul(0x9e37_79b9)
        .to_be_bytes();
    let mask = (receiver == Role::Server).then_some(key);
    let head = Head {
        fin,
        rsv1,
        opcode,
        mask,
        length: payload.len() as u64,
    };
    let mut encoded = [0; MAX_HEAD];
    let length = head.encode(&mut encoded);
    bytes.extend(&encoded[..length]);
    let at = bytes.len();
    bytes.extend(payload);
    if let Some(key) = mask {
        Mask::new(key).apply(&mut bytes[at..]);
    }
}

/// `bytes` in pieces, cut at these places.
pub fn split<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in cuts.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces
}

pub fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}
