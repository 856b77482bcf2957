//! The table of everything that `holdwire serve` can be told.
//!
//! A name, its help and its default stand here and nowhere else: the flag, the key of the file,
//! the environment variable and the help text are made from this table.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// One value.
    One,
    /// Any number of values: a repeatable flag, an array in the file, commas in the environment.
    List,
    /// True or false; the flag alone means true.
    Switch,
}

/// One thing that can be set.
#[derive(Debug, Clone, Copy)]
pub struct SettingSpec {
    /// The flag without its dashes, and the key in the file.
    pub name: &'static str,
    /// The heading under which the help shows it.
    pub group: &'static str,
    /// How many values it takes.
    pub arity: Arity,
    /// What the help calls its value.
    pub value_name: &'static str,
    /// The default, as texts; empty when nothing is set.
    pub default: &'static [&'static str],
    /// One or two sentences for the help.
    pub help: &'static str,
}

impl SettingSpec {
    /// The environment variable: `HOLDWIRE_MAX_MESSAGE` for `max-message`.
    pub fn variable(&self) -> String {
        format!(
            "HOLDWIRE_{}",
            self.name.replace('-', "_").to_ascii_uppercase()
        )
    }
}

const LISTENING: &str = "Listening";
const WEBSOCKET: &str = "WebSocket";
const TOKENS: &str = "Tokens";
const BACKENDS: &str = "Backends";
const HOOKS: &str = "Hooks";
const LIMITS: &str = "Limits";
const DEADLINES: &str = "Deadlines";
const LOGGING: &str = "Logging";

/// Every setting, in the order of the help.
pub const SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        name: "listen",
        group: LISTENING,
        arity: Arity::List,
        value_name: "ADDR:PORT",
        default: &["127.0.0.1:3000", "[::1]:3000"],
        help: "Listens here, for pages and WebSocket alike; without an IPv6 loopback the default \
               is the first address alone",
    },
    SettingSpec {
        name: "host",
        group: LISTENING,
        arity: Arity::List,
        value_name: "NAME",
        default: &[],
        help: "A name this server has besides localhost; when it listens on loopback only, \
               requests for other names are refused with 421",
    },
    SettingSpec {
        name: "tls-cert",
        group: LISTENING,
        arity: Arity::One,
        value_name: "PATH",
        default: &[],
        help: "The certificate chain, a PEM file; with --tls-key the server speaks https and wss",
    },
    SettingSpec {
        name: "tls-key",
        group: LISTENING,
        arity: Arity::One,
        value_name: "PATH",
        default: &[],
        help: "The private key of the certificate, a PEM file",
    },
    SettingSpec {
        name: "trusted-proxy",
        group: LISTENING,
        arity: Arity::List,
        value_name: "CIDR",
        default: &[],
        help: "A reverse proxy whose Forwarded or X-Forwarded-For, -Host and -Proto are believed",
    },
    SettingSpec {
        name: "shards",
        group: LISTENING,
        arity: Arity::One,
        value_name: "N",
        default: &["auto"],
        help: "Threads that serve plain connections, auto for one on each CPU; with 0 each \
               connection has a task, as those over TLS always have",
    },
    SettingSpec {
        name: "greeting",
        group: WEBSOCKET,
        arity: Arity::One,
        value_name: "TEXT",
        default: &["Information from the server"],
        help: "The first message to whoever connects to /; an empty text sends none",
    },
    SettingSpec {
        name: "no-echo",
        group: WEBSOCKET,
        arity: Arity::Switch,
        value_name: "BOOL",
        default: &["false"],
        help: "Does not send messages back on /; /echo always does",
    },
    SettingSpec {
        name: "heartbeat-word",
        group: WEBSOCKET,
        arity: Arity::One,
        value_name: "TEXT",
        default: &["HeartBeat"],
        help: "A text message that / and /broadcast answer with itself and keep to themselves: a ping \
               for pages; an empty text for none",
    },
    SettingSpec {
        name: "deflate",
        group: WEBSOCKET,
        arity: Arity::Switch,
        value_name: "BOOL",
        default: &["false"],
        help: "Compresses on /, /broadcast and in channels when the peer offers permessage-deflate; \
               /echo always does",
    },
    SettingSpec {
        name: "subprotocol",
        group: WEBSOCKET,
        arity: Arity::List,
        value_name: "NAME",
        default: &[],
        help: "A subprotocol that / speaks; of those a client offers the one named first here is \
               chosen",
    },
    SettingSpec {
        name: "origin",
        group: WEBSOCKET,
        arity: Arity::List,
        value_name: "ORIGIN",
        default: &[],
        help: "Whose pages may open / and /broadcast: scheme://host[:port], null (opened from a file) \
               or any; when none is named: this server's own and, on loopback, those of this \
               machine",
    },
    SettingSpec {
        name: "demo",
        group: WEBSOCKET,
        arity: Arity::Switch,
        value_name: "BOOL",
        default: &["false"],
        help: "Lets whoever opens the page on / end the whole server by a button, to watch a \
               drain; never where others depend on it",
    },
    SettingSpec {
        name: "token-jwks",
        group: TOKENS,
        arity: Arity::One,
        value_name: "FILE|URL",
        default: &[],
        help: "A key set that tokens are verified with, beside the keys of the file: read again every \
               10 minutes, and when a token names a key that is not in it",
    },
    SettingSpec {
        name: "token-audience",
        group: TOKENS,
        arity: Arity::List,
        value_name: "NAME",
        default: &[],
        help: "For whom a token must be (aud): one of these; one that is for somebody is refused when \
               none is named",
    },
    SettingSpec {
        name: "token-issuer",
        group: TOKENS,
        arity: Arity::List,
        value_name: "NAME",
        default: &[],
        help: "By whom a token must be (iss): one of these; by anybody when none is named",
    },
    SettingSpec {
        name: "token-leeway",
        group: TOKENS,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["30s"],
        help: "How much clocks may differ, and how long a connection may outlive its token while a \
               fresh one is on its way",
    },
    SettingSpec {
        name: "token-cookie",
        group: TOKENS,
        arity: Arity::One,
        value_name: "NAME",
        default: &[],
        help: "The cookie that has the token of a page under /ws/, when its query has none",
    },
    SettingSpec {
        name: "api-key-file",
        group: BACKENDS,
        arity: Arity::One,
        value_name: "PATH",
        default: &[],
        help: "A file with the keys of backends, one on each line: with it they publish and more by POST \
               to /api/",
    },
    SettingSpec {
        name: "api-listen",
        group: BACKENDS,
        arity: Arity::List,
        value_name: "ADDR:PORT",
        default: &[],
        help: "Where backends call, without TLS, when that is not where everybody else does",
    },
    SettingSpec {
        name: "api-max-body",
        group: BACKENDS,
        arity: Arity::One,
        value_name: "SIZE",
        default: &["1MiB"],
        help: "The largest body of a backend's call; beyond it 413",
    },
    SettingSpec {
        name: "hook-connect",
        group: HOOKS,
        arity: Arity::One,
        value_name: "URL",
        default: &[],
        help: "A backend that is asked by POST who a client is that shows no token, or any when the \
               server has no keys",
    },
    SettingSpec {
        name: "hook-subscribe",
        group: HOOKS,
        arity: Arity::One,
        value_name: "URL",
        default: &[],
        help: "A backend that is asked whether a client may have a channel that no token gives it",
    },
    SettingSpec {
        name: "hook-publish",
        group: HOOKS,
        arity: Arity::One,
        value_name: "URL",
        default: &[],
        help: "A backend that is asked whether a client may publish something, and what instead",
    },
    SettingSpec {
        name: "hook-rpc",
        group: HOOKS,
        arity: Arity::One,
        value_name: "URL",
        default: &[],
        help: "A backend that answers what clients ask with rpc",
    },
    SettingSpec {
        name: "hook-disconnect",
        group: HOOKS,
        arity: Arity::One,
        value_name: "URL",
        default: &[],
        help: "A backend that is told which client is gone and does not come back",
    },
    SettingSpec {
        name: "hook-secret-file",
        group: HOOKS,
        arity: Arity::One,
        value_name: "PATH",
        default: &[],
        help: "A file with 32 bytes or more that requests to the backend are signed with; without \
               one they are not",
    },
    SettingSpec {
        name: "hook-timeout",
        group: HOOKS,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["3s"],
        help: "The time for one request to the backend and its whole answer",
    },
    SettingSpec {
        name: "hook-retries",
        group: HOOKS,
        arity: Arity::One,
        value_name: "N",
        default: &["2"],
        help: "How often a request to the backend is repeated that was not answered",
    },
    SettingSpec {
        name: "hook-header",
        group: HOOKS,
        arity: Arity::List,
        value_name: "NAME",
        default: &[],
        help: "A field of the client's handshake that --hook-connect is told, such as cookie",
    },
    SettingSpec {
        name: "hook-allow-when-down",
        group: HOOKS,
        arity: Arity::List,
        value_name: "HOOK",
        default: &[],
        help: "connect, subscribe or publish: goes on as without a backend when that does not answer; \
               else clients are refused for the time being",
    },
    SettingSpec {
        name: "hook-under-way",
        group: HOOKS,
        arity: Arity::One,
        value_name: "N",
        default: &["256"],
        help: "The most requests to the backend at a time, or unlimited; beyond it clients are refused \
               for the time being",
    },
    SettingSpec {
        name: "max-message",
        group: LIMITS,
        arity: Arity::One,
        value_name: "SIZE",
        default: &["1MiB"],
        help: "The largest message that is accepted; beyond it the close code is 1009",
    },
    SettingSpec {
        name: "max-frame",
        group: LIMITS,
        arity: Arity::One,
        value_name: "SIZE",
        default: &[],
        help: "The largest frame that is accepted; when not set, as large as a message",
    },
    SettingSpec {
        name: "max-fragments",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["4096"],
        help: "The most fragments of one message, empty ones counted",
    },
    SettingSpec {
        name: "max-connections",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["100000"],
        help: "The most connections at a time, or unlimited; beyond it the answer is 503",
    },
    SettingSpec {
        name: "max-connections-per-ip",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["unlimited"],
        help: "The most connections of one client address at a time, or unlimited; beyond it the \
               answer is 429",
    },
    SettingSpec {
        name: "handshakes-per-second",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["5000"],
        help: "The most handshakes a second, or unlimited; after a pause a second's worth may come \
               at once; beyond it the answer is 503 and when to try again",
    },
    SettingSpec {
        name: "commands-per-second",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["unlimited"],
        help: "The most commands of a connection of /connection a second, and messages under /ws/, or \
               unlimited; a second's worth may come at once; beyond it error 111, and 4429 for \
               whoever does not mind",
    },
    SettingSpec {
        name: "publications-per-second",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["unlimited"],
        help: "The same for what a connection publishes",
    },
    SettingSpec {
        name: "user-commands-per-second",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["unlimited"],
        help: "The same for all connections of a user together; whoever has no name is not counted",
    },
    SettingSpec {
        name: "user-publications-per-second",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["unlimited"],
        help: "The same for what they publish",
    },
    SettingSpec {
        name: "connections-per-user",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["unlimited"],
        help: "The most connections of a user to channels at a time, or unlimited; beyond it error 106, \
               and 429 under /ws/",
    },
    SettingSpec {
        name: "channels-per-connection",
        group: LIMITS,
        arity: Arity::One,
        value_name: "N",
        default: &["128"],
        help: "The most channels of a connection of /connection; beyond it error 106",
    },
    SettingSpec {
        name: "send-queue",
        group: LIMITS,
        arity: Arity::One,
        value_name: "SIZE",
        default: &["1MiB"],
        help: "What may wait unsent for one connection; an empty queue takes one message of any \
               size",
    },
    SettingSpec {
        name: "handshake-timeout",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["10s"],
        help: "The time for a request to arrive, TLS included",
    },
    SettingSpec {
        name: "message-timeout",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["30s"],
        help: "The time for a message to arrive, from its first byte to its last",
    },
    SettingSpec {
        name: "close-timeout",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["5s"],
        help: "The time for a peer to answer a close frame",
    },
    SettingSpec {
        name: "write-stall",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["30s"],
        help: "The time a peer may refuse to read before its connection ends",
    },
    SettingSpec {
        name: "heartbeat",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["25s"],
        help: "The silence after which a peer is pinged, or off; with --heartbeat-timeout the time \
               in which a cut line is noticed (or --write-stall, where that is longer)",
    },
    SettingSpec {
        name: "heartbeat-timeout",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["20s"],
        help: "The time for a peer to answer a ping; then its connection ends",
    },
    SettingSpec {
        name: "drain",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "DURATION",
        default: &["25s"],
        help: "The window over which SIGTERM closes connections, closing handshakes included",
    },
    SettingSpec {
        name: "drain-url",
        group: DEADLINES,
        arity: Arity::One,
        value_name: "URL",
        default: &[],
        help: "Where others serve meanwhile: clients are told this address, and that they may come \
               back at once; when not set, to come back when all are gone",
    },
    SettingSpec {
        name: "log",
        group: LOGGING,
        arity: Arity::One,
        value_name: "FORMAT",
        default: &["text"],
        help: "The shape of the log on standard error: text or json; RUST_LOG says how much \
               (info when not set)",
    },
];

/// The setting of a name.
pub(super) fn spec(name: &str) -> Option<&'static SettingSpec> {
    SETTINGS.iter().find(|spec| spec.name == name)
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A line of the configuration file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag on the command line, with its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file {} line {line}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value and where it came from; it derefs to the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
