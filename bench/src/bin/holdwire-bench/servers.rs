//! The servers to compare: one line each.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server to measure.
#[derive(Clone, Copy)]
pub(crate) struct Server {
    /// Name in the tables.
    pub(crate) name: &'static str,
    /// Path of its pure echo endpoint.
    pub(crate) path: &'static str,
    program: Program,
    /// `{address}` stands for the address to listen on.
    arguments: &'static str,
}

#[derive(Clone, Copy)]
enum Program {
    /// A binary of this package.
    Here(&'static str),
    /// The server binary of the repository, or the one that `HOLDWIRE_BIN` names.
    Holdwire,
}

/// The server that all ratios are against.
pub(crate) const LIMIT: &str = "limit-epoll";
/// The same once more: what the two differ by is noise, whatever else the table says.
pub(crate) const LIMIT_AGAIN: &str = "limit-epoll (again)";

/// All servers, in the order of the tables.
///
/// An echo server over the library is a binary in `src/bin/` and a line here.
pub(crate) const SERVERS: &[Server] = &[
    here(LIMIT, "limit-epoll", LISTEN),
    here(LIMIT_AGAIN, "limit-epoll", LISTEN),
    serve("holdwire-serve", "serve --listen {address}"),
    here("holdwire-lent", "holdwire-lent", LISTEN),
    here("holdwire-task", "holdwire-task", LISTEN),
    here("tokio-tungstenite", "peer-tokio-tungstenite", LISTEN),
    here(
        "tokio-tungstenite, 8 KiB",
        "peer-tokio-tungstenite",
        "--listen {address} --read-buffer 8192",
    ),
    here("fastwebsockets", "peer-fastwebsockets", LISTEN),
    here("sockudo-ws", "peer-sockudo-ws", LISTEN),
];

/// The program without a heartbeat, and with one of 25 s: the first is what the second is held
/// against.
pub(crate) const HEARTBEAT_SERVERS: &[Server] = &[
    serve("heartbeat off", "serve --listen {address} --heartbeat off"),
    serve("heartbeat 25s", "serve --listen {address} --heartbeat 25s"),
];

const fn serve(name: &'static str, arguments: &'static str) -> Server {
    Server {
        name,
        path: "/echo",
        program: Program::Holdwire,
        arguments,
    }
}

const LISTEN: &str = "--listen {address}";

const fn here(name: &'static str, binary: &'static str, arguments: &'static str) -> Server {
    Server {
        name,
        path: "/",
        program: Program::Here(binary),
        arguments,
    }
}

impl Server {
    /// Where its binary must be.
    pub(crate) fn binary(&self) -> PathBuf {
        match self.program {
            Program::Here(name) => sibling(name),
            Program::Holdwire => env::var_os("HOLDWIRE_BIN").map_or_else(
                || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/holdwire"),
                PathBuf::from,
            ),
        }
    }

    /// Its command line: the program and the arguments that make it listen on `address`.
    pub(crate) fn command_line(&self, address: &str) -> Vec<String> {
        let binary = self.binary().to_string_lossy().into_owned();
        let arguments = self.arguments.replace("{address}", address);
        let arguments = arguments.split(' ').map(str::to_owned);
        std::iter::once(binary).chain(arguments).collect()
    }
}

/// The load generator, ready for arguments.
pub(crate) fn load() -> Command {
    Command::new(sibling("load"))
}

/// A binary that was built together with this one.
fn sibling(name: &str) -> PathBuf {
    env::current_exe().unwrap_or_default().with_file_name(name)
}
