//! What the server is told: file, environment and flags, each stronger than the one before.
//!
//! A setting has one name everywhere: `--max-message` on the command line, `max-message` in the
//! file, `HOLDWIRE_MAX_MESSAGE` in the environment. Each value remembers where it came from, so
//! that an error can say it. A list of a stronger layer replaces the whole list of a weaker one.

mod api;
mod error;
mod heartbeat;
mod hook;
mod key;
mod layer;
mod name;
mod namespace;
mod setting;
mod shards;
mod tls;
mod token;
mod url;
mod value;

use std::collections::HashSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdwire::handshake::{Host, Subprotocol};
use ipnet::IpNet;

pub use self::heartbeat::{Interval, Timeout, Word};
pub use self::hook::{Field, HookUrl, Retries};
pub use api::ApiSettings;
pub use error::{ConfigError, Problem};
pub use key::{KEY_KEYS, NamedKey};
pub use name::OriginRule;
pub(crate) use namespace::namespaces;
pub use namespace::{NAMESPACE_KEYS, NamedNamespace};
pub use setting::{Arity, SETTINGS, Setting, SettingSpec, Source};
pub use shards::Shards;
pub use token::CookieName;
pub use url::LineUrl;
pub use value::{ByteSize, Limit, LogFormat, Value};

use crate::hook::Kind;
use crate::token::SetSource;
use layer::{Layer, Texts};

/// Everything `holdwire serve` was told, checked.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where to listen. When nobody set it, an IPv6 loopback that does not exist is left out.
    pub listen: Setting<Vec<SocketAddr>>,
    /// Names of this server besides `localhost`.
    pub host: Setting<Vec<Host>>,
    /// The certificate chain; set exactly when the key is.
    pub tls_cert: Setting<Option<PathBuf>>,
    /// The private key; set exactly when the certificate is.
    pub tls_key: Setting<Option<PathBuf>>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxy: Setting<Vec<IpNet>>,
    /// The threads that serve plain connections.
    pub shards: Setting<Shards>,
    /// The first message on `/`; empty for none.
    pub greeting: Setting<String>,
    /// Whether `/` keeps messages to itself.
    pub no_echo: Setting<bool>,
    /// The ping for pages on `/`.
    pub heartbeat_word: Setting<Word>,
    /// Whether `/` negotiates permessage-deflate.
    pub deflate: Setting<bool>,
    /// The subprotocols of `/`, the preferred first.
    pub subprotocol: Setting<Vec<Subprotocol>>,
    /// Whose pages may open `/`; empty for the default policy.
    pub origin: Setting<Vec<OriginRule>>,
    /// Whether the page may end the server.
    pub demo: Setting<bool>,
    /// The key set that tokens are verified with.
    pub token_jwks: Setting<Option<SetSource>>,
    /// For whom tokens must be.
    pub token_audience: Setting<Vec<String>>,
    /// By whom tokens must be.
    pub token_issuer: Setting<Vec<String>>,
    /// How much clocks may differ.
    pub token_leeway: Setting<Duration>,
    /// The cookie that has the token of a page.
    pub token_cookie: Setting<Option<CookieName>>,
    /// The interface for backends.
    pub api: ApiSettings,
    /// Who is asked who somebody is.
    pub hook_connect: Setting<Option<HookUrl>>,
    /// Who is asked whether a client may have a channel.
    pub hook_subscribe: Setting<Option<HookUrl>>,
    /// Who is asked whether something may be published.
    pub hook_publish: Setting<Option<HookUrl>>,
    /// Who answers questions of clients.
    pub hook_rpc: Setting<Option<HookUrl>>,
    /// Who is told that a client is gone.
    pub hook_disconnect: Setting<Option<HookUrl>>,
    /// What these requests are signed with.
    pub hook_secret_file: Setting<Option<PathBuf>>,
    /// The time for one of them.
    pub hook_timeout: Setting<Duration>,
    /// How often one is repeated that nobody has answered.
    pub hook_retries: Setting<Retries>,
    /// Fields of clients' requests that are handed on.
    pub hook_header: Setting<Vec<Field>>,
    /// What may be done when nobody answers.
    pub hook_allow_when_down: Setting<Vec<Kind>>,
    /// The most questions at the same time.
    pub hook_under_way: Setting<Limit>,
    /// The largest message.
    pub max_message: Setting<ByteSize>,
    /// The largest frame, when set; see [`frame_limit`](Self::frame_limit).
    pub max_frame: Setting<Option<ByteSize>>,
    /// The most fragments of a message.
    pub max_fragments: Setting<u32>,
    /// The most connections.
    pub max_connections: Setting<Limit>,
    /// The most connections of one client address.
    pub max_connections_per_ip: Setting<Limit>,
    /// The most handshakes in a second.
    pub handshakes_per_second: Setting<Limit>,
    /// Commands of a connection in a second.
    pub commands_per_second: Setting<Limit>,
    /// Publications of a connection in a second.
    pub publications_per_second: Setting<Limit>,
    /// Commands of a user in a second.
    pub user_commands_per_second: Setting<Limit>,
    /// Publications of a user in a second.
    pub user_publications_per_second: Setting<Limit>,
    /// The most connections of a user.
    pub connections_per_user: Setting<Limit>,
    /// The most channels of a connection.
    pub channels_per_connection: Setting<u32>,
    /// The size of a connection's send queue.
    pub send_queue: Setting<ByteSize>,
    /// The time for a request to arrive.
    pub handshake_timeout: Setting<Duration>,
    /// The time for a message to arrive.
    pub message_timeout: Setting<Duration>,
    /// The time for a closing handshake.
    pub close_timeout: Setting<Duration>,
    /// The time a peer may refuse to read.
    pub write_stall: Setting<Duration>,
    /// The silence after which a peer is pinged.
    pub heartbeat: Setting<Interval>,
    /// The time for a peer to answer a ping.
    pub heartbeat_timeout: Setting<Timeout>,
    /// The window over which SIGTERM closes connections.
    pub drain: Setting<Duration>,
    /// Where clients are sent meanwhile.
    pub drain_url: Setting<Option<LineUrl>>,
    /// The shape of the log.
    pub log: Setting<LogFormat>,
    /// What channels there are, by the beginning of their names.
    pub namespaces: Vec<NamedNamespace>,
    /// The keys that tokens are verified with.
    pub keys: Vec<NamedKey>,
    effective: Vec<EffectiveSetting>,
}

/// A setting as it came out: for `--check-config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value, quoted as in the file; `None` when nothing is set.
    pub value: Option<String>,
    /// Where the value came from.
    pub source: Source,
}

/// What the command line says about the configuration, before it is understood.
#[derive(Debug, Clone, Default)]
pub struct ServeFlags {
    /// The file of `--config`.
    pub config: Option<PathBuf>,
    /// Whether `--check-config` was given.
    pub check_config: bool,
    /// The texts of each flag that was given, by the setting's name.
    pub texts: Vec<(&'static str, Vec<String>)>,
}

impl ServeConfig {
    /// Builds the configuration from the flags, the environment and the file they name.
    ///
    /// The file is that of `--config`, or else of `HOLDWIRE_CONFIG`. `variable` looks up an
    /// environment variable. Variables with other names are not looked at.
    ///
    /// # Errors
    /// The first thing that is wrong, with its remedy.
    pub fn load(
        flags: &ServeFlags,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let named = variable("HOLDWIRE_CONFIG").filter(|path| !path.is_empty());
        let path = flags.config.clone().or(named.map(PathBuf::from));
        let (mut layers, mut tables) = (Layer::new(), layer::Tables::default());
        if let Some(path) = path {
            (layers, tables) = layer::from_file(&path)?;
        }
        layers.extend(layer::from_environment(variable)?);
        for (name, texts) in &flags.texts {
            let source = Source::Flag(format!("--{name}"));
            let texts = texts.clone();
            layers.insert(name, Texts { texts, source });
        }
        let mut config = Self::resolve(layers)?;
        config.check()?;
        config.read_api_keys()?;
        config.keys = tables.keys;
        config.namespaces = namespace::or_trial(tables.namespaces, config.is_loopback());
        let has_keys = config.has_keys();
        let mut namespaces = std::mem::take(&mut config.namespaces);
        for named in &mut namespaces {
            named.settle_access(has_keys, &config)?;
        }
        config.namespaces = namespaces;
        Ok(config)
    }

    /// Whether tokens are looked at.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.token_jwks.is_some()
    }

    /// The largest frame: what was set, or else the largest message.
    pub fn frame_limit(&self) -> ByteSize {
        self.max_frame.value.unwrap_or(self.max_message.value)
    }

    /// Certificate chain and private key, when the server speaks TLS.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        Some((
            self.tls_cert.value.as_deref()?,
            self.tls_key.value.as_deref()?,
        ))
    }

    /// Whether only this machine can reach the server.
    pub fn is_loopback(&self) -> bool {
        self.listen.iter().all(|address| address.ip().is_loopback())
    }

    /// Every setting with its value and source, in the order of the help; none is a secret.
    pub fn effective(&self) -> &[EffectiveSetting] {
        &self.effective
    }

    fn resolve(layers: Layer) -> Result<Self, ConfigError> {
        let mut resolver = Resolver {
            layers,
            effective: Vec::new(),
        };
        Ok(Self {
            listen: resolver.list("listen")?,
            host: resolver.list("host")?,
            tls_cert: resolver.option("tls-cert")?,
            tls_key: resolver.option("tls-key")?,
            trusted_proxy: resolver.list("trusted-proxy")?,
            shards: resolver.one("shards")?,
            greeting: resolver.one("greeting")?,
            no_echo: resolver.one("no-echo")?,
            heartbeat_word: resolver.one("heartbeat-word")?,
            deflate: resolver.one("deflate")?,
            subprotocol: resolver.list("subprotocol")?,
            origin: resolver.list("origin")?,
            demo: resolver.one("demo")?,
            token_jwks: resolver.option("token-jwks")?,
            token_audience: resolver.list("token-audience")?,
            token_issuer: resolver.list("token-issuer")?,
            token_leeway: resolver.one("token-leeway")?,
            token_cookie: resolver.option("token-cookie")?,
            api: ApiSettings {
                key_file: resolver.option("api-key-file")?,
                listen: resolver.list("api-listen")?,
                max_body: resolver.one("api-max-body")?,
                keys: None,
            },
            hook_connect: resolver.option("hook-connect")?,
            hook_subscribe: resolver.option("hook-subscribe")?,
            hook_publish: resolver.option("hook-publish")?,
            hook_rpc: resolver.option("hook-rpc")?,
            hook_disconnect: resolver.option("hook-disconnect")?,
            hook_secret_file: resolver.option("hook-secret-file")?,
            hook_timeout: resolver.one("hook-timeout")?,
            hook_retries: resolver.one("hook-retries")?,
            hook_header: resolver.list("hook-header")?,
            hook_allow_when_down: resolver.list("hook-allow-when-down")?,
            hook_under_way: resolver.one("hook-under-way")?,
            max_message: resolver.one("max-message")?,
            max_frame: resolver.option("max-frame")?,
            max_fragments: resolver.one("max-fragments")?,
            max_connections: resolver.one("max-connections")?,
            max_connections_per_ip: resolver.one("max-connections-per-ip")?,
            handshakes_per_second: resolver.one("handshakes-per-second")?,
            commands_per_second: resolver.one("commands-per-second")?,
            publications_per_second: resolver.one("publications-per-second")?,
            user_commands_per_second: resolver.one("user-commands-per-second")?,
            user_publications_per_second: resolver.one("user-publications-per-second")?,
            connections_per_user: resolver.one("connections-per-user")?,
            channels_per_connection: resolver.one("channels-per-connection")?,
            send_queue: resolver.one("send-queue")?,
            handshake_timeout: resolver.one("handshake-timeout")?,
            message_timeout: resolver.one("message-timeout")?,
            close_timeout: resolver.one("close-timeout")?,
            write_stall: resolver.one("write-stall")?,
            heartbeat: resolver.one("heartbeat")?,
            heartbeat_timeout: resolver.one("heartbeat-timeout")?,
            drain: resolver.one("drain")?,
            drain_url: resolver.option("drain-url")?,
            log: resolver.one("log")?,
            namespaces: Vec::new(),
            keys: Vec::new(),
            effective: resolver.effective,
        })
    }

    /// Checks what no single value can tell.
    fn check(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::about(
                format!("listen ({})", self.listen.source),
                Problem::new(
                    "the list is empty",
                    "name an address, such as 127.0.0.1:3000",
                ),
            ));
        }
        let mut seen = HashSet::new();
        for address in self.listen.iter().filter(|address| address.port() != 0) {
            if !seen.insert(address) {
                return Err(ConfigError::value(
                    "listen",
                    &address.show(),
                    &self.listen.source,
                    Problem::new("this address is named twice", "name it once"),
                ));
            }
        }
        if let Some(frame) = self.max_frame.value.filter(|f| *f > *self.max_message) {
            let message = &self.max_message;
            return Err(ConfigError::value(
                "max-frame",
                &frame.show(),
                &self.max_frame.source,
                Problem::new(
                    format!("larger than max-message {} ({})", **message, message.source),
                    format!("raise max-message to {frame} or lower max-frame"),
                ),
            ));
        }
        if let Some(cookie) = self.token_cookie.as_ref()
            && let Some(rule) = self.origin.iter().find(|rule| rule.is_anybody())
        {
            return Err(ConfigError::value(
                "token-cookie",
                &cookie.show(),
                &self.token_cookie.source,
                Problem::new(
                    format!(
                        "origin {:?} ({}) lets every page come with its visitor's cookie",
                        rule.show(),
                        self.origin.source
                    ),
                    "name the origins of your own pages, or use ?token=",
                ),
            ));
        }
        self.check_hooks()?;
        match (&self.tls_cert.value, &self.tls_key.value) {
            (Some(cert), Some(key)) => {
                tls::check_certificate(cert)
                    .map_err(|p| path_error("tls-cert", cert, &self.tls_cert, p))?;
                tls::check_key(key).map_err(|p| path_error("tls-key", key, &self.tls_key, p))
            }
            (Some(cert), None) => Err(path_error(
                "tls-cert",
                cert,
                &self.tls_cert,
                Problem::new("a certificate needs its key", "add --tls-key PATH"),
            )),
            (None, Some(key)) => Err(path_error(
                "tls-key",
                key,
                &self.tls_key,
                Problem::new("a key needs its certificate", "add --tls-cert PATH"),
            )),
            (None, None) => Ok(()),
        }
    }
}

fn path_error<T>(key: &str, path: &Path, setting: &Setting<T>, problem: Problem) -> ConfigError {
    ConfigError::value(key, &path.to_string_lossy(), &setting.source, problem)
}

/// Turns texts into values and notes what came out.
struct Resolver {
    layers: Layer,
    effective: Vec<EffectiveSetting>,
}

impl Resolver {
    fn one<T: Value>(&mut self, name: &'static str) -> Result<Setting<T>, ConfigError> {
        let setting = self.option(name)?;
        let missing = || Problem::new("a value is missing", "write one");
        match setting.value {
            Some(value) => Ok(Setting {
                value,
                source: setting.source,
            }),
            None => Err(ConfigError::value(name, "", &setting.source, missing())),
        }
    }

    fn option<T: Value>(&mut self, name: &'static str) -> Result<Setting<Option<T>>, ConfigError> {
        let (mut values, source) = self.parse::<T>(name)?;
        let value = values.pop();
        let shown = value.as_ref().map(|value| format!("{:?}", value.show()));
        self.note(name, shown, &source);
        Ok(Setting { value, source })
    }

    fn list<T: Value>(&mut self, name: &'static str) -> Result<Setting<Vec<T>>, ConfigError> {
        let (value, source) = self.parse::<T>(name)?;
        let shown: Vec<String> = value.iter().map(Value::show).collect();
        self.note(name, Some(format!("{shown:?}")), &source);
        Ok(Setting { value, source })
    }

    fn parse<T: Value>(&mut self, name: &'static str) -> Result<(Vec<T>, Source), ConfigError> {
        let Texts { texts, source } = self.layers.remove(name).unwrap_or_else(|| Texts {
            texts: setting::spec(name)
                .map(|spec| spec.default.iter().map(|text| (*text).to_owned()).collect())
                .unwrap_or_default(),
            source: Source::Default,
        });
        let values = texts
            .iter()
            .map(|text| {
                T::parse(text).map_err(|problem| ConfigError::value(name, text, &source, problem))
            })
            .collect::<Result<_, _>>()?;
        Ok((values, source))
    }

    fn note(&mut self, name: &'static str, value: Option<String>, source: &Source) {
        self.effective.push(EffectiveSetting {
            name,
            value,
            source: source.clone(),
        });
    }
}
