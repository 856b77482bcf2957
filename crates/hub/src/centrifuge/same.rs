//! What must hold of reading, for the fuzz targets.

use prost::Message;

use super::Encoding;
use super::command::Command;

/// Any bytes in both encodings: reading them comes to an end, and a command in JSON means the same
/// when it is written in Protobuf.
pub(crate) fn message(bytes: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let mut rest = bytes;
        loop {
            let before = rest.len();
            match encoding.next(&mut rest) {
                Ok(Some(_)) => assert!(rest.len() < before, "it does not go on"),
                Ok(None) => {
                    assert!(rest.trim_ascii().is_empty(), "something is left");
                    break;
                }
                Err(_) => break,
            }
        }
    }
    if !bytes.trim_ascii().starts_with(b"{") {
        return;
    }
    let Ok(command) = serde_json::from_slice::<Command>(bytes) else {
        return;
    };
    let coded = command.encode_length_delimited_to_vec();
    if command != Command::default() {
        let one = Encoding::Json.next(&mut &*bytes);
        let other = Encoding::Protobuf.next(&mut &*coded);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}
