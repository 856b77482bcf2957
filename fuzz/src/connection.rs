//! One stream, received in several ways.

use holdwire_proto::deflate::{DeflateConfig, accept_offer, offer};
use holdwire_proto::extension::parse;
use holdwire_proto::{Config, Ended, Limits, Role};

use crate::common::{Endpoint, Seen};

/// The beginning of an input: how the rest is received.
struct Plan<'a> {
    deflate: Option<DeflateConfig>,
    /// The lengths of the pieces, over and over.
    steps: &'a [u8],
    pause_pattern: u64,
}

/// Reads the plan; what follows it is the stream.
fn plan(data: &[u8]) -> Option<(Plan<'_>, &[u8])> {
    let (&[flags, pauses, count], rest) = data.split_first_chunk()?;
    let (steps, stream) = rest.split_at_checked(usize::from(count % 8))?;
    let plan = Plan {
        deflate: match flags % 3 {
            0 => None,
            1 => Some(DeflateConfig::default()),
            _ => Some(DeflateConfig::with_context_takeover()),
        },
        steps,
        pause_pattern: u64::from(pauses) * 0x0101_0101_0101_0101,
    };
    Some((plan, stream))
}

/// Small, so that short streams reach them.
fn config() -> Config {
    Config::default().limits(Limits {
        max_message: 1000,
        max_frame: 600,
        max_fragments: 6,
        ..Limits::default()
    })
}

fn endpoint(role: Role, plan: &Plan<'_>) -> Endpoint {
    let Some(deflate) = plan.deflate else {
        return Endpoint::new(role, config());
    };
    let offers = parse([offer(&deflate)]).expect("legal");
    let (params, _) = accept_offer(&deflate, &offers).expect("acceptable");
    let mut end = Endpoint::new(role, config().deflate(deflate));
    end.connection = end.connection.with_deflate(params);
    end
}

/// What a peer and an application see.
type Outcome = (Vec<Seen>, Option<Ended>, Vec<u8>);

fn outcome(mut end: Endpoint) -> Outcome {
    let written = end.says();
    (end.seen, end.connection.ended(), written)
}

/// Receives the stream at once, in pieces with pauses, into the place of each frame, and as
/// immutable input.
pub fn run(role: Role, data: &[u8]) {
    let Some((plan, stream)) = plan(data) else {
        return;
    };
    let mut at_once = endpoint(role, &plan);
    at_once.receive(stream);
    let at_once = outcome(at_once);

    let mut pieces = endpoint(role, &plan);
    pieces.pause_pattern = plan.pause_pattern;
    let most = pieces.config.limits.max_message + 64 + 125;
    let mut steps = plan
        .steps
        .iter()
        .map(|step| usize::from(*step).max(1))
        .cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let step = steps.next().unwrap_or(1).min(rest.len());
        let (piece, after) = rest.split_at(step);
        rest = after;
        pieces.receive(piece);
        assert!(pieces.connection.held() <= most + step, "held too much");
        while pieces.connection.is_paused() {
            pieces.resume();
        }
    }
    assert_eq!(outcome(pieces), at_once, "pieces");

    let mut direct = endpoint(role, &plan);
    let step = plan.steps.iter().map(|step| usize::from(*step)).sum();
    for piece in stream.chunks(usize::max(step, 1)) {
        direct.receive_direct(piece);
    }
    assert_eq!(outcome(direct), at_once, "into the place of each frame");

    let mut shared = endpoint(role, &plan);
    shared.receive_shared(stream);
    assert_eq!(outcome(shared), at_once, "immutable input");
}
