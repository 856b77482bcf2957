//! What must hold whatever a peer says: for the targets in `fuzz/`, which reach nothing else that
//! is private here. Whatever does not hold panics.

mod around;
mod client;
mod server;
mod texts;

/// A message of the Centrifuge client protocol, in either encoding.
pub fn centrifuge_message(bytes: &[u8]) {
    crate::centrifuge::same::message(bytes);
}

pub use self::client::client;
pub use self::server::{centrifuge_server, server};
pub use self::texts::{entrance, plain_message, session_message};

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn bytes_are_read_to_their_end(bytes in proptest::collection::vec(0_u8.., 0..64)) {
            centrifuge_message(&bytes);
        }

        #[test]
        fn commands_mean_the_same_in_both_encodings(
            text in "\\{\"id\":[0-9],\"(subscribe|publish|history|rpc|send|connect|refresh|sub_refresh)\":\\{(\"channel\":\"[a-z:]{0,3}\",)?(\"(data|tf)\":(null|7| \\[1, \"x\"\\]),)?\"(limit|offset|type|recover|token|since|epoch)\":(null|-1|3|true|\"t\"|\\{\\})\\}\\}"
        ) {
            centrifuge_message(text.as_bytes());
        }
    }

    fn each(target: &str, check: impl Fn(&str)) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds");
        let mut count = 0;
        for seed in std::fs::read_dir(format!("{folder}/{target}")).unwrap() {
            check(&std::fs::read_to_string(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{target}");
    }

    #[test]
    fn seeds_of_the_fuzz_targets_hold() {
        each("entrance", entrance);
        each("plain_message", plain_message);
        each("session_message", session_message);
        each("centrifuge_message", |text| {
            centrifuge_message(text.as_bytes())
        });
        each("session_server", server);
        each("centrifuge_server", centrifuge_server);
        each("session_client", client);
    }
}
