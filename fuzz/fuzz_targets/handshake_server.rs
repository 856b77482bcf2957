//! A server reads whatever it may be instead of a request.
#![no_main]

use holdwire_proto::handshake::{
    Acceptance, Effective, HeadError, HeadLimits, HeadReader, Refusal, RequestHead, Rules,
    encode_response, encode_response_head,
};

const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 1024,
    max_fields: 16,
};

fn read(received: &[u8], step: usize) -> Option<Result<RequestHead, HeadError>> {
    let mut reader = HeadReader::new(LIMITS);
    let ends = (0..received.len()).step_by(step).skip(1);
    ends.chain([received.len()])
        .find_map(|end| reader.read_request(&received[..end]).transpose())
}

/// What we answer can be read by what we read answers with.
fn assert_legal(response: &[u8]) {
    let head = HeadReader::new(HeadLimits::default()).read_response(response);
    head.expect("a legal response").expect("a whole response");
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&step, received)) = data.split_first() else {
        return;
    };
    let at_once = read(received, usize::MAX);
    let pieces = read(received, usize::from(step).max(1));
    assert_eq!(format!("{pieces:?}"), format!("{at_once:?}"));

    let refused = match at_once {
        None => return,
        Some(Err(error)) => Refusal::from(error),
        Some(Ok(head)) => match Rules::default().check(&head, &Effective::plain()) {
            Ok(offer) => {
                let response = offer
                    .accept(Acceptance::default())
                    .expect("nothing asked for");
                return assert_legal(&encode_response_head(&response));
            }
            Err(refusal) => refusal,
        },
    };
    let response = refused.into_response();
    assert!(response.status().is_client_error() || response.status() == 505);
    assert_legal(&encode_response(&response));
});
