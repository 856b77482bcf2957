//! Heads of frames: reading and writing are each other's inverse.
#![no_main]

use holdwire_proto::frame::{Expected, Head, MAX_HEAD};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&flags, bytes)) = data.split_first() else {
        return;
    };
    let expected = Expected {
        masked: flags & 1 != 0,
        compression: flags & 2 != 0,
        in_message: flags & 4 != 0,
    };

    match Head::parse(bytes, expected) {
        Ok(Some((head, length))) => {
            let mut encoded = [0; MAX_HEAD];
            let written = head.encode(&mut encoded);
            assert_eq!(encoded[..written], bytes[..length]);
            for shorter in 0..length {
                assert_eq!(Head::parse(&bytes[..shorter], expected), Ok(None));
            }
        }
        Ok(None) => {
            assert!(bytes.len() < MAX_HEAD);
            for shorter in 0..bytes.len() {
                assert_eq!(Head::parse(&bytes[..shorter], expected), Ok(None));
            }
        }
        Err(violation) => {
            // The first input that is refused is refused for the same reason as all longer ones.
            let first = (0..=bytes.len())
                .map(|end| Head::parse(&bytes[..end], expected))
                .find(|parsed| *parsed != Ok(None));
            assert_eq!(first, Some(Err(violation)));
        }
    }
});
