//! The servers to compare: one line each.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdwire_bench::peer::BROADCAST_PATH;

/// A server to measure.
#[derive(Clone, Copy)]
pub(crate) struct Server {
    /// Name in the tables.
    pub(crate) name: &'static str,
    /// Path of its pure echo endpoint.
    path: &'static str,
    program: Program,
    /// `{address}` stands for the address to listen on.
    arguments: &'static str,
    /// What it can be loaded with.
    pub(crate) abilities: Abilities,
    /// Whose goals it has.
    pub(crate) class: Class,
}

/// What a server can do: a row measures those that can do what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct Abilities {
    /// Echoes on its path.
    pub(crate) echo: bool,
    /// On `/broadcast` every message goes to all other connections of that path.
    pub(crate) broadcast: bool,
    /// Takes an offer of permessage-deflate without context takeover, on any of its paths.
    pub(crate) deflate: bool,
    /// Speaks TLS when it is given a certificate.
    pub(crate) tls: bool,
    /// On its path and a number every message goes to all who are there, its sender too.
    pub(crate) rooms: bool,
}

/// What a row asks of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Echo,
    Deflate,
    Broadcast,
    DeflateBroadcast,
    Tls,
    Rooms,
}

/// Whose goals a server is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The least that is possible, or what else the others are held against.
    Limit,
    /// `holdwire serve`.
    Serve,
    /// The library's `WebSocket`, in a task for each connection.
    Task,
    /// `holdwire serve` on more than one shard.
    MoreShards,
    /// Somebody else's.
    Peer,
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
    limit(LIMIT),
    limit(LIMIT_AGAIN),
    SERVE,
    library("holdwire-lent"),
    library("holdwire-task"),
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

/// The program as it is, but for its limits on numbers of connections and handshakes, which are
/// there to protect it from such loads, and for compression on `/broadcast`, which is off by default.
pub(crate) const SERVE: Server = serve(
    "holdwire-serve",
    "serve --listen {address} --deflate --max-connections unlimited --handshakes-per-second unlimited",
);

/// The program on one shard: what that on two is held against.
pub(crate) const ONE_SHARD: &str = "one shard";
/// The same once more, for the noise.
pub(crate) const ONE_SHARD_AGAIN: &str = "one shard (again)";

/// The program on one shard and on two.
pub(crate) const SHARD_SERVERS: &[Server] = &[
    shards(
        ONE_SHARD,
        "serve --listen {address} --shards 1",
        Class::Limit,
    ),
    shards(
        ONE_SHARD_AGAIN,
        "serve --listen {address} --shards 1",
        Class::Limit,
    ),
    shards(
        "two shards",
        "serve --listen {address} --shards 2",
        Class::MoreShards,
    ),
];

/// The shard driver's bare broadcast in rooms: what channels are held against.
pub(crate) const TOPICS: &str = "bare topics";
/// The same once more, for the noise.
pub(crate) const TOPICS_AGAIN: &str = "bare topics (again)";

/// Channels with a history and without, against topics, and what others have for rooms.
pub(crate) const ROOM_SERVERS: &[Server] = &[
    Server {
        class: Class::Limit,
        ..rooms(TOPICS, "holdwire-topics")
    },
    Server {
        class: Class::Limit,
        ..rooms(TOPICS_AGAIN, "holdwire-topics")
    },
    CHANNELS,
    Server {
        name: "channels, nothing kept",
        path: "/ws/bare:",
        ..CHANNELS
    },
    rooms("fastwebsockets, tokio broadcast", "peer-fastwebsockets"),
    Server {
        program: Program::Bun("bun.mjs"),
        ..rooms("bun publish", "")
    },
];

/// The program, whose channels keep a thousand publications.
pub(crate) const CHANNELS: Server = Server {
    path: "/ws/kept:",
    abilities: Abilities {
        rooms: true,
        ..ECHO
    },
    ..serve(
        "channels",
        concat!(
            "serve --listen {address} --max-connections unlimited --handshakes-per-second unlimited \
             --config ",
            env!("CARGO_MANIFEST_DIR"),
            "/channels.toml"
        ),
    )
};

const fn rooms(name: &'static str, binary: &'static str) -> Server {
    Server {
        path: "/ws/kept:",
        ..here(
            name,
            binary,
            Abilities {
                rooms: true,
                ..ECHO
            },
        )
    }
}

/// The program without a heartbeat, and with one of 25 s: the first is what the second is held
/// against.
pub(crate) const HEARTBEAT_SERVERS: &[Server] = &[
    serve(
        "heartbeat off",
        "serve --listen {address} --heartbeat off --handshakes-per-second unlimited",
    ),
    serve(
        "heartbeat 25s",
        "serve --listen {address} --heartbeat 25s --handshakes-per-second unlimited",
    ),
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
        class: Class::Serve,
    }
}

const fn shards(name: &'static str, arguments: &'static str, class: Class) -> Server {
    Server {
        class,
        ..serve(name, arguments)
    }
}

const fn limit(name: &'static str) -> Server {
    Server {
        class: Class::Limit,
        ..here(name, "limit-epoll", DEFLATE)
    }
}

/// An echo server over the library, in a binary of its own name.
const fn library(name: &'static str) -> Server {
    Server {
        class: Class::Task,
        ..here(name, name, ECHO)
    }
}

/// Echoes and no more.
const ECHO: Abilities = Abilities {
    echo: true,
    broadcast: false,
    deflate: false,
    tls: false,
    rooms: false,
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
        class: Class::Peer,
    }
}

const fn script(name: &'static str, program: Program) -> Server {
    Server {
        program,
        ..here(name, "", DEFLATE)
    }
}

impl Server {
    /// Whether it can do what a row asks for.
    pub(crate) fn can(&self, need: Need) -> bool {
        let Abilities {
            echo,
            broadcast,
            deflate,
            tls,
            rooms,
        } = self.abilities;
        match need {
            Need::Echo => echo,
            Need::Deflate => echo && deflate,
            Need::Broadcast => broadcast,
            Need::DeflateBroadcast => broadcast && deflate,
            Need::Tls => echo && tls,
            Need::Rooms => rooms,
        }
    }

    /// Path of the endpoint that a row asks for.
    pub(crate) fn path(&self, need: Need) -> &'static str {
        match need {
            Need::Broadcast | Need::DeflateBroadcast => BROADCAST_PATH,
            Need::Echo | Need::Deflate | Need::Tls | Need::Rooms => self.path,
        }
    }

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
