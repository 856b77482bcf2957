//! A client reads whatever it may be instead of a response.
#![no_main]

use holdwire_proto::handshake::{Connect, HeadError, HeadLimits, HeadReader, ResponseHead};

const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 1024,
    max_fields: 16,
};

fn read(received: &[u8], step: usize) -> Option<Result<ResponseHead, HeadError>> {
    let mut reader = HeadReader::new(LIMITS);
    let ends = (0..received.len()).step_by(step).skip(1);
    ends.chain([received.len()])
        .find_map(|end| reader.read_response(&received[..end]).transpose())
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&step, received)) = data.split_first() else {
        return;
    };
    let at_once = read(received, usize::MAX);
    let pieces = read(received, usize::from(step).max(1));
    assert_eq!(format!("{pieces:?}"), format!("{at_once:?}"));

    let mut connect = Connect::new("ws://server.example.com/chat".parse().expect("a URL"));
    connect.subprotocols = vec!["chat".parse().expect("a token")];
    let pending = connect.start(*b"the sample nonce").expect("legal");
    if let Some(Ok(head)) = at_once
        && let Ok(accepted) = pending.verify(head)
    {
        let proof = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert!(received.windows(proof.len()).any(|window| window == proof));
        assert!(
            accepted
                .subprotocol
                .is_none_or(|name| name.as_str() == "chat")
        );
    }
});
