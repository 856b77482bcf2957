//! The command line of the servers: so small that a parser would only weigh on their memory.

use std::env;
use std::io;
use std::net::SocketAddr;

/// Returns the value of `--name VALUE` on the command line, if it is there.
pub fn option(name: &str) -> Option<String> {
    let mut arguments = env::args().skip(1);
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

/// Whether `--name` is on the command line.
pub fn has_flag(name: &str) -> bool {
    env::args().skip(1).any(|argument| argument == name)
}

/// Returns the address of `--listen ADDRESS:PORT`.
///
/// # Errors
/// The option is missing or is not an address.
pub fn listen_address() -> io::Result<SocketAddr> {
    option("--listen")
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "say where to listen: --listen 127.0.0.1:PORT",
            )
        })
}
