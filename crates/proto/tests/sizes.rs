//! How large a connection and the errors are.

use holdwire_proto::handshake::{AcceptError, ConnectError, HeadError, Refusal, ResponseError};
use holdwire_proto::{Connection, Ended, SendError, Violation};

#[test]
fn a_connection_is_112_bytes() {
    assert!(
        size_of::<Connection>() <= 112,
        "{} bytes",
        size_of::<Connection>()
    );
}

#[test]
fn errors_are_small() {
    assert_eq!(size_of::<Violation>(), 1);
    assert_eq!(size_of::<SendError>(), 1);
    assert!(size_of::<Option<Ended>>() <= 4);
    let handshake = [
        size_of::<HeadError>(),
        size_of::<Refusal>(),
        size_of::<ResponseError>(),
    ];
    assert!(handshake.iter().all(|size| *size <= 32), "{handshake:?}");
    // The name of a header alone has 32.
    assert!(size_of::<AcceptError>().max(size_of::<ConnectError>()) <= 40);
}
