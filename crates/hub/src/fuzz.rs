//! What must hold whatever a peer says: for the targets in `fuzz/`, which reach nothing else that
//! is private here. Whatever does not hold panics.

mod client;
mod server;
mod texts;

pub use self::client::client;
pub use self::server::server;
pub use self::texts::{entrance, plain_message, session_message};

#[cfg(test)]
mod tests {
    use super::*;

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
        each("session_server", server);
        each("session_client", client);
    }
}
