//! Messages there and back, and garbage instead of a compressed payload.
#![no_main]

use holdwire_proto::deflate::{
    Context, Deflater, InflateError, InflateLimits, Inflater, WindowBits,
};

fn inflate(
    inflater: &mut Inflater,
    payload: &[u8],
    limits: InflateLimits,
) -> Result<Vec<u8>, InflateError> {
    let mut output = Vec::new();
    let mut chunks = Vec::new();
    let result = inflater.inflate::<InflateError>(payload, &mut output, limits, |chunk| {
        chunks.extend_from_slice(chunk);
        Ok(())
    });
    assert!(
        output.capacity() <= limits.max_message,
        "{} bytes",
        output.capacity()
    );
    result.map(|()| {
        assert_eq!(chunks, output);
        output
    })
}

fn there_and_back(context: Context, level: u8, mut data: &[u8]) {
    let mut deflater = Deflater::new(context, level);
    let mut inflater = Inflater::new(context);
    while let Some((&length, rest)) = data.split_first() {
        // A message is a few bytes over and over, so that long ones can come up.
        let (pattern, after) = rest.split_at(usize::from(length % 32).min(rest.len()));
        data = after;
        let message = pattern.repeat(1 << (length / 32));
        let mut payload = b"before".to_vec();
        if deflater.deflate(&message, &mut payload) {
            let limits = InflateLimits::new(message.len());
            let inflated = inflate(&mut inflater, &payload[6..], limits);
            assert_eq!(inflated.as_ref(), Ok(&message));
        }
        assert_eq!(payload[..6], *b"before");
    }
}

fn garbage(context: Context, max_message: usize, max_ratio: u32, data: &[u8]) {
    let mut inflater = Inflater::new(context);
    let limits = InflateLimits {
        max_message,
        max_ratio,
    };
    for payload in data.split(|byte| *byte == b'|') {
        // What a payload becomes does not hang on what was refused before it.
        let mut fresh = Inflater::new(context);
        let result = inflate(&mut inflater, payload, limits);
        if !context.takeover() {
            assert_eq!(result, inflate(&mut fresh, payload, limits));
        }
        if result.is_err() && context.takeover() {
            return;
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&[mode, size], data)) = data.split_first_chunk() else {
        return;
    };
    let bits = WindowBits::new(9 + mode % 7).expect("9 to 15");
    let context = Context::new(bits, mode & 0x40 != 0);
    if mode & 0x80 == 0 {
        there_and_back(context, size % 10, data);
    } else {
        garbage(context, usize::from(size) * 300, 1 + u32::from(size), data);
    }
});
