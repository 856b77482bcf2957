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
    /// What it can be loaded with.
    #[expect(dead_code, reason = "for the rows to come")]
    pub(crate) abilities: Abilities,
}

/// What a server can do: a row measures those that can do what it asks for.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "for the rows to come")]
pub(crate) struct Abilities {
    /// Echoes on its path.
    pub(crate) echo: bool,
    /// On `/broadcast` every message goes to all other connections of that path.
    pub(crate) broadcast: bool,
    /// Takes an offer of permessage-deflate without context takeover, on any of its paths.
    pub(crate) deflate: bool,
    /// Speaks TLS when it is given a certificate.
    pub(crate) tls: bool,
}

#[derive(Clone, Copy)]
enum Program {
    /// A binary of this package.
    Here(&'static str),
    /// A script in `js/` for the Node on the path.
    Node(&'static str),
    /// A script in `js/` for the Bun that npm installed there.
    Bun(&'static str),
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
    here(LIMIT, "limit-epoll", ECHO),
    here(LIMIT_AGAIN, "limit-epoll", ECHO),
    serve("holdwire-serve", "serve --listen {address}"),
    here("holdwire-lent", "holdwire-lent", ECHO),
    here("holdwire-task", "holdwire-task", ECHO),
    here("tokio-tungstenite", "peer-tokio-tungstenite", BROADCAST),
    Server {
        arguments: "--listen {address} --read-buffer 8192",
        ..here(
            "tokio-tungstenite, 8 KiB",
            "peer-tokio-tungstenite",
            BROADCAST,
        )
    },
    here("fastwebsockets", "peer-fastwebsockets", BROADCAST),
    here("sockudo-ws", "peer-sockudo-ws", DEFLATE),
    here("tokio-websockets", "peer-tokio-websockets", BROADCAST),
    here("yawc", "peer-yawc", DEFLATE),
    Server {
        arguments: "--listen {address} --tuned",
        ..here("yawc, tuned", "peer-yawc", DEFLATE)
    },
    Server {
        abilities: Abilities {
            broadcast: false,
            ..DEFLATE
        },
        ..here("wtx", "peer-wtx", DEFLATE)
    },
    script("ws", Program::Node("ws.mjs")),
    script("bun", Program::Bun("bun.mjs")),
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
        abilities: Abilities {
            tls: true,
            ..DEFLATE
        },
    }
}

/// Echoes and no more.
const ECHO: Abilities = Abilities {
    echo: true,
    broadcast: false,
    deflate: false,
    tls: false,
};
const BROADCAST: Abilities = Abilities {
    broadcast: true,
    ..ECHO
};
/// Deflates, and broadcasts too.
const DEFLATE: Abilities = Abilities {
    deflate: true,
    ..BROADCAST
};

const fn here(name: &'static str, binary: &'static str, abilities: Abilities) -> Server {
    Server {
        name,
        path: "/",
        program: Program::Here(binary),
        arguments: "--listen {address}",
        abilities,
    }
}

const fn script(name: &'static str, program: Program) -> Server {
    Server {
        program,
        ..here(name, "", DEFLATE)
    }
}

impl Server {
    /// What must be there for it to run: its binary, or what npm installs for it.
    pub(crate) fn binary(&self) -> PathBuf {
        match self.program {
            Program::Here(name) => sibling(name),
            Program::Node(_) => js().join("node_modules/ws/wrapper.mjs"),
            Program::Bun(_) => js().join(BUN),
            Program::Holdwire => env::var_os("HOLDWIRE_BIN").map_or_else(
                || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/holdwire"),
                PathBuf::from,
            ),
        }
    }

    /// Its command line: the program and the arguments that make it listen on `address`.
    pub(crate) fn command_line(&self, address: &str) -> Vec<String> {
        let mut words = match self.program {
            Program::Node(script) => vec!["node".into(), js().join(script)],
            Program::Bun(script) => vec![self.binary(), js().join(script)],
            Program::Here(_) | Program::Holdwire => vec![self.binary()],
        };
        let arguments = self.arguments.replace("{address}", address);
        words.extend(arguments.split(' ').map(PathBuf::from));
        let text = |word: PathBuf| word.to_string_lossy().into_owned();
        words.into_iter().map(text).collect()
    }
}

/// Bun itself, below `js/`; the package `bun` has a wrapper around it only.
const BUN: &str = "node_modules/@oven/bun-linux-x64/bin/bun";

/// The folder of the peers in JavaScript.
fn js() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js")
}

/// The load generator, ready for arguments.
pub(crate) fn load() -> Command {
    Command::new(sibling("load"))
}

/// A binary that was built together with this one.
fn sibling(name: &str) -> PathBuf {
    env::current_exe().unwrap_or_default().with_file_name(name)
}
