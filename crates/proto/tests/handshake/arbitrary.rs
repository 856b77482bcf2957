//! Whatever a peer sends, nothing panics, and the size of the pieces changes nothing.

use holdwire_proto::handshake::{
    Connect, Effective, Endpoint, HeadError, HeadLimits, HeadReader, Host, Key, Origin, Rules,
    encode_response,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::REQUEST;

const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 512,
    max_fields: 12,
};

/// Where reading stopped, and with what: an error, or the length and the text of the head.
type Outcome = Option<Result<(usize, String), HeadError>>;

fn read_request(reader: &mut HeadReader, received: &[u8]) -> Outcome {
    let head = reader.read_request(received).transpose()?;
    Some(head.map(|head| {
        let length = head.length;
        (length, format!("{head:?}"))
    }))
}

fn at_once(bytes: &[u8]) -> Outcome {
    read_request(&mut HeadReader::new(LIMITS), bytes)
}

fn byte_by_byte(bytes: &[u8]) -> Outcome {
    let mut reader = HeadReader::new(LIMITS);
    (1..=bytes.len()).find_map(|end| read_request(&mut reader, &bytes[..end]))
}

/// The example request with some bytes overwritten, taken out or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        proptest::sample::select(&b"\r\n\t :,#/0\0"[..])
    ];
    vec((0..REQUEST.len(), 0..3_u8, byte), 0..6).prop_map(|changes| {
        let mut bytes = REQUEST.as_bytes().to_vec();
        for (at, kind, byte) in changes {
            let at = at.min(bytes.len() - 1);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn byte_by_byte_equals_at_once(bytes in damaged()) {
        prop_assert_eq!(byte_by_byte(&bytes), at_once(&bytes));
    }

    #[test]
    fn byte_by_byte_equals_at_once_for_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(byte_by_byte(&bytes), at_once(&bytes));
    }

    #[test]
    fn any_request_is_accepted_or_refused_with_a_response(bytes in damaged()) {
        if let Ok(Some(head)) = HeadReader::new(LIMITS).read_request(&bytes)
            && let Err(refusal) = Rules::default().check(&head, &Effective::plain())
        {
            let response = refusal.response();
            prop_assert!(response.status().is_client_error() || response.status() == 505);
            prop_assert!(encode_response(response).starts_with(b"HTTP/1.1 "));
        }
    }

    #[test]
    fn any_response_is_accepted_or_refused(tail in vec(any::<u8>(), 0..200)) {
        let mut bytes = b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nX: ".to_vec();
        bytes.extend_from_slice(&tail);
        bytes.extend_from_slice(b"\r\n\r\n");
        if let Ok(Some(head)) = HeadReader::new(LIMITS).read_response(&bytes) {
            let pending = Connect::new("ws://a/".parse().expect("a URL")).start([0; 16]);
            prop_assert!(pending.expect("legal").verify(head).is_err());
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}") {
        let _ = (text.parse::<Host>(), text.parse::<Origin>(), Key::parse(text.as_bytes()));
        if let Ok(endpoint) = format!("ws://{text}").parse::<Endpoint>() {
            let pending = Connect::new(endpoint).start([0; 16]).expect("legal");
            let encoded = pending.encode();
            let head = HeadReader::new(HeadLimits::default()).read_request(&encoded);
            let head = head.expect("what we send can be read").expect("whole");
            prop_assert_eq!(head.length, encoded.len());
        }
    }

    #[test]
    fn a_printed_origin_or_host_parses_to_the_same(text in "[a-z]{1,8}://[a-zA-Z0-9.-]{1,12}(:[0-9]{1,5})?") {
        if let Ok(origin) = text.parse::<Origin>() {
            prop_assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
        }
    }
}
