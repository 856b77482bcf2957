//! Frames as they are written down in a test, and as they travel.

use holdwire_proto::Role;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MASKED: u8 = 0x80;

/// `frames`, written down without masks, as the peer of `receiver` sends them.
pub fn to(receiver: Role, frames: &[u8]) -> Vec<u8> {
    match receiver {
        Role::Client => frames.to_vec(),
        Role::Server => masked(frames),
    }
}

/// What `sender` sent, without its masks.
#[track_caller]
pub fn from(sender: Role, bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let is_masked = rest[1] & MASKED != 0;
        assert_eq!(is_masked, sender == Role::Client, "{rest:02x?}");
        let (head, payload) = head_and_payload(rest);
        frames.push(rest[0]);
        frames.push(rest[1] & !MASKED);
        frames.extend_from_slice(&rest[2..head]);
        let mut at = head;
        let mut key = [0; 4];
        if is_masked {
            key.copy_from_slice(&rest[head..head + 4]);
            at += 4;
        }
        frames.extend(apply(key, &rest[at..at + payload]));
        rest = &rest[at + payload..];
    }
    frames
}

/// The frames, written down without masks, one by one.
pub fn split(frames: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut rest = frames;
    while !rest.is_empty() {
        let (head, payload) = head_and_payload(rest);
        let (frame, after) = rest.split_at(head + payload);
        all.push(frame);
        rest = after;
    }
    all
}

/// Masks each frame; the last one may be shorter than its length says.
fn masked(frames: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = frames;
    while rest.len() >= 2 {
        let (head, payload) = head_and_payload(rest);
        let head = head.min(rest.len());
        bytes.push(rest[0]);
        bytes.push(rest[1] | MASKED);
        bytes.extend_from_slice(&rest[2..head]);
        bytes.extend_from_slice(&KEY);
        let end = (head + payload).min(rest.len());
        bytes.extend(apply(KEY, &rest[head..end]));
        rest = &rest[end..];
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// How long the head is without its key, and how long the payload says to be.
fn head_and_payload(frame: &[u8]) -> (usize, usize) {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |number: usize, byte| (number << 8) | usize::from(*byte))
    };
    match frame[1] & !MASKED {
        126 => (4, number(&frame[2..frame.len().min(4)])),
        // Longer ones than this are never in a test.
        127 => (10, number(&frame[2..frame.len().min(10)]) & 0xffff_ffff),
        short => (2, usize::from(short)),
    }
}

fn apply(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    payload
        .iter()
        .zip(key.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect()
}
