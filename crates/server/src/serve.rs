//! `holdwire serve`: from a checked configuration to a running server.

use std::error::Error as _;
use std::future::ready;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use holdwire::handshake::{Effective, Host, Hosts, NoneCommon, Origins, Subprotocols};
use holdwire::proto::deflate::DeflateConfig;
use holdwire::shard::Topic;
use holdwire::tls::TlsAcceptor;
use holdwire::{Config, Endpoint, HandshakeRate, Limits, Peer, Server, ServerLimits};
use holdwire_hub::session::Policy;
use holdwire_hub::{Access, Hub, plain, session};
use http::header::RETRY_AFTER;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::net::TcpListener;

use crate::api::Api;
use crate::banner::banner;
use crate::config::{
    ConfigError, CookieName, Limit, NamedNamespace, OriginRule, Problem, ServeConfig, Value as _,
    namespaces,
};
use crate::endpoints::{self, Broadcasting, Counter, Talk};
use crate::hook::{Desk, Hooks};
use crate::http::{Site, router, surrounded};
use crate::listen::{listen, listen_for_backends};
use crate::proxy_headers;
use crate::reflect::Reflecting;
use crate::signals::{Signals, end_on_signals};
use crate::token::{KeySet, Rules, SetSource, Tokens, Verifier};

/// Where channels are: their names follow.
const CHANNELS: &str = "/ws/";

/// How often it is looked whether all are gone.
const MOMENT: Duration = Duration::from_millis(10);

/// Where our own clients have all of them on one connection.
const SESSIONS: &str = "/connection";

/// Where clients of the Centrifuge protocol have them.
const CENTRIFUGE: &str = "/connection/websocket";

/// Listens, says where, and serves until the program is told to end.
///
/// # Errors
/// When the server cannot start or its listeners fail.
pub fn serve(config: &ServeConfig) -> Result<(), ConfigError> {
    let tls = tls(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    runtime.block_on(async {
        let listeners = listen(config).await?;
        let bound: Result<Vec<_>, _> = listeners.iter().map(TcpListener::local_addr).collect();
        let site = Arc::new(Site::new(config));
        let hub = Hub::in_memory(namespaces(&config.namespaces)).limited(asked_for(config));
        let verifier = verifier(config).await?;
        let tokens = verifier.map(|verifier| {
            let needs_none = |named: &NamedNamespace| named.namespace.access != Access::User;
            let admits_nameless = config.namespaces.iter().any(needs_none);
            Tokens::new(verifier, Arc::clone(&site), admits_nameless)
        });
        let has_keys = tokens.is_some();
        let policy: Option<Arc<dyn Policy>> = tokens.map(|tokens| Arc::new(tokens) as _);
        let hooks = config.hooks()?.map(|rules| {
            let desk = Arc::new(Desk::new(rules, Arc::clone(&site)));
            let inner = policy.clone().unwrap_or_else(|| Arc::new(()));
            Hooks::new(desk, inner, has_keys)
        });
        let policy = match &hooks {
            Some(hooks) => Some(Arc::new(hooks.clone()) as _),
            None => policy,
        };
        let api = config.api.keys.clone().map(|keys| {
            let (site, max_body) = (Arc::clone(&site), config.api.max_body.bytes());
            let patience = config.handshake_timeout.value;
            Api::new(hub.clone(), site, keys, max_body, patience).routes()
        });
        let own = listen_for_backends(config).await?;
        let (api, own) = match own {
            Some(listeners) => (None, api.map(|api| for_backends(listeners, api))),
            None => (api, None),
        };
        let server = build(config, &site, &hub, policy, api, listeners, tls);
        // Before anybody is told that the server is there, so that no signal is missed.
        let signals = Signals::new().map_err(broken)?;
        let text = banner(config, &bound.map_err(broken)?);
        // Nobody may be reading standard output; the server serves all the same.
        let _ = std::io::stdout().write_all(text.as_bytes());
        let handle = server.handle();
        let ended = end_on_signals(signals, handle.clone(), site, config);
        let ended = tokio::select! {
            served = server.run() => served.map_err(broken),
            served = run(own) => served.map_err(broken),
            () = ended => Ok(()),
        };
        if let Some(hooks) = hooks {
            // Connections that nobody has closed in time end with the server.
            let is_over = async || {
                while handle.open() > 0 {
                    tokio::time::sleep(MOMENT).await;
                }
            };
            let _ = tokio::time::timeout(100 * MOMENT, is_over()).await;
            hooks.flush().await;
        }
        ended
    })
}

/// The server of backends that do not come where everybody else does.
fn for_backends(listeners: Vec<TcpListener>, api: Router) -> Server {
    Server::on(listeners).fallback(surrounded(api))
}

/// Serves, or does nothing for ever.
async fn run(server: Option<Server>) -> std::io::Result<()> {
    match server {
        Some(server) => server.run().await,
        None => std::future::pending().await,
    }
}

fn broken(error: std::io::Error) -> ConfigError {
    ConfigError::about("serve", Problem::new(error.to_string(), "start it again"))
}

/// The server with its endpoints, limits and pages.
fn build(
    config: &ServeConfig,
    site: &Arc<Site>,
    hub: &Hub,
    policy: Option<Arc<dyn Policy>>,
    api: Option<Router>,
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
) -> Server {
    let plain = Config::default()
        .limits(limits(config))
        .heartbeat(config.heartbeat.heartbeat(*config.heartbeat_timeout));
    let deflating = plain.clone().deflate(DeflateConfig::default());
    let mut talking = if config.deflate.value {
        deflating.clone()
    } else {
        plain
    };
    talking.heartbeat_word = config.heartbeat_word.word().cloned();
    let talk = Arc::new(Talk::new(config, Arc::clone(site)));
    let hook = Arc::clone(&talk);
    let root = Endpoint::sessions(move |request, remote| talk.session(&request, remote))
        .on_upgrade(move |upgrade| {
            ready(if hook.refuses(&upgrade.request) {
                Err(refused_as_asked())
            } else {
                Ok(upgrade.accept())
            })
        })
        .origins(origins(config))
        .refuse_after_open()
        .subprotocols(subprotocols(config))
        .config(talking.clone());
    let topic = Topic::new();
    let broadcast = Endpoint::sessions(move |_, remote| Broadcasting::new(&topic, remote))
        .origins(origins(config))
        .refuse_after_open()
        .subprotocols(Subprotocols::FirstOffered)
        .config(talking.clone());
    let channels = match &policy {
        Some(policy) => {
            let cookie = config.token_cookie.as_ref().map(CookieName::as_str);
            plain::guarded(hub, CHANNELS, Arc::clone(policy), cookie)
        }
        None => plain::endpoint(hub, CHANNELS),
    };
    let channels = channels
        .origins(origins(config))
        .refuse_after_open()
        .subprotocols(Subprotocols::FirstOffered)
        .config(talking.clone());
    let policy = policy.unwrap_or_else(|| Arc::new(()));
    let sessions = session::endpoint(hub, Arc::clone(&policy))
        .origins(origins(config))
        .refuse_after_open()
        .config(talking.clone());
    let ping = config.heartbeat.duration();
    let centrifuge = session::centrifuge(hub, policy, ping)
        .origins(origins(config))
        .config(talking);
    let echo = Endpoint::sessions(|_, _| endpoints::echo)
        .origins(Origins::Any)
        .refuse_after_open()
        .subprotocols(Subprotocols::FirstOffered)
        .config(deflating.clone());
    let reflect = Endpoint::sessions(|request, _| Reflecting::new(&request))
        .origins(Origins::Any)
        .subprotocols(Subprotocols::FirstOffered)
        .config(deflating);

    let trusted = config.trusted_proxy.value.clone();
    let is_secure = config.tls().is_some();
    let server = Server::on(listeners)
        .hosts(hosts(config))
        .limits(ServerLimits {
            handshake_timeout: config.handshake_timeout.value,
            max_connections: config.max_connections.max().unwrap_or(usize::MAX),
            max_connections_per_ip: config.max_connections_per_ip.max().unwrap_or(usize::MAX),
            handshake_rate: config
                .handshakes_per_second
                .max()
                .map(|count| HandshakeRate::per_second(u32::try_from(count).unwrap_or(u32::MAX))),
            ..ServerLimits::default()
        })
        .peers(move |peer, headers| client(peer, is_secure, headers, &trusted))
        .observe(Arc::new(Counter::new(Arc::clone(site))))
        .endpoint("/", root)
        .endpoint("/echo", echo)
        .endpoint("/echo/headers", reflect)
        .endpoint("/broadcast", broadcast)
        .endpoint_under(CHANNELS, channels)
        .endpoint(SESSIONS, sessions)
        .endpoint(CENTRIFUGE, centrifuge)
        .shards(config.shards.count())
        .fallback(router(Arc::clone(site), api));
    site.count_what_is_in(server.handle(), hub.clone());
    match tls {
        Some(acceptor) => server.tls(acceptor),
        None => server,
    }
}

/// Reads the key set, if it is a file: one at a URL may not be there yet.
///
/// # Errors
/// When it cannot be read.
pub fn key_set(config: &ServeConfig) -> Result<(), ConfigError> {
    if !matches!(config.token_jwks.as_ref(), Some(SetSource::File(_))) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    runtime.block_on(verifier(config)).map(drop)
}

/// What verifies tokens, when the server has keys; its key set is read, and kept fresh.
///
/// A set that others keep may not be there yet: the server starts all the same.
///
/// # Errors
/// When the key set is a file that cannot be read.
pub(crate) async fn verifier(config: &ServeConfig) -> Result<Option<Verifier>, ConfigError> {
    if !config.has_keys() {
        return Ok(None);
    }
    let set = match config.token_jwks.as_ref() {
        Some(source) => {
            let set = Arc::new(KeySet::new(source.clone()));
            let read = set.read().await;
            if let (Err(why), SetSource::File(_)) = (read, source) {
                return Err(ConfigError::value(
                    "token-jwks",
                    &source.show(),
                    &config.token_jwks.source,
                    Problem::new(why, "name a key set (RFC 7517)"),
                ));
            }
            Some(set)
        }
        None => None,
    };
    let keys = config.keys.iter().map(|named| named.key.clone()).collect();
    let rules = Rules {
        audience: config.token_audience.value.clone(),
        issuer: config.token_issuer.value.clone(),
        leeway: config.token_leeway.value,
    };
    if let Some(set) = set.clone() {
        tokio::spawn(async move { set.keep_fresh().await });
    }
    Ok(Some(Verifier::new(keys, set, rules)))
}

/// The answer to a handshake that its page wants refused.
fn refused_as_asked() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"you asked for it\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The server's end of TLS, if it is configured.
///
/// # Errors
/// When certificate and key cannot be used, or not together.
pub fn tls(config: &ServeConfig) -> Result<Option<TlsAcceptor>, ConfigError> {
    let Some((certificate, key)) = config.tls() else {
        return Ok(None);
    };
    let acceptor = TlsAcceptor::from_pem_files(certificate, key).map_err(|error| {
        let reason = error.source().map(|source| format!(": {source}"));
        ConfigError::about(
            format!("tls-cert = {certificate:?}, tls-key = {key:?}"),
            Problem::new(
                format!("{error}{}", reason.unwrap_or_default()),
                "give a certificate chain and its own private key in PEM",
            ),
        )
    })?;
    Ok(Some(acceptor))
}

/// Sizes, counts and times of a connection.
pub(crate) fn limits(config: &ServeConfig) -> Limits {
    Limits {
        max_message: config.max_message.bytes(),
        max_frame: config.frame_limit().bytes(),
        max_fragments: config.max_fragments.value,
        message_timeout: config.message_timeout.value,
        close_timeout: config.close_timeout.value,
        write_stall: config.write_stall.value,
        send_queue: config.send_queue.bytes(),
    }
}

/// How much clients of channels may ask for.
fn asked_for(config: &ServeConfig) -> session::Limits {
    let at_most = |limit: Limit| {
        let most = limit.max()?;
        NonZeroU32::new(u32::try_from(most).unwrap_or(u32::MAX))
    };
    let mut limits = session::Limits::default();
    limits.commands = at_most(*config.commands_per_second);
    limits.publications = at_most(*config.publications_per_second);
    limits.user_commands = at_most(*config.user_commands_per_second);
    limits.user_publications = at_most(*config.user_publications_per_second);
    limits.connections = at_most(*config.connections_per_user);
    limits.channels = usize::try_from(*config.channels_per_connection).unwrap_or(usize::MAX);
    limits
}

/// Who may open `/`: what was configured, else the trial pages of this machine on a loopback
/// bind, else the server's own pages.
fn origins(config: &ServeConfig) -> Origins {
    if config.origin.is_empty() {
        // Other pages of this machine would come with its visitor's cookie.
        return if config.is_loopback() && !config.knows_visitors() {
            Origins::Local
        } else {
            Origins::SameOrigin
        };
    }
    let mut listed = Vec::new();
    for rule in &config.origin.value {
        match rule {
            OriginRule::Any => return Origins::Any,
            OriginRule::Exact(origin) => listed.push(origin.clone()),
        }
    }
    Origins::List(listed)
}

fn hosts(config: &ServeConfig) -> Hosts {
    if !config.is_loopback() {
        return Hosts::Any;
    }
    Hosts::loopback_and(config.host.iter().cloned())
}

fn subprotocols(config: &ServeConfig) -> Subprotocols {
    if config.subprotocol.is_empty() {
        return Subprotocols::None;
    }
    Subprotocols::Preferred {
        names: config.subprotocol.value.clone(),
        otherwise: NoneCommon::Accept,
    }
}

/// Who the client is, as trusted proxies tell it.
fn client(
    peer: SocketAddr,
    is_secure: bool,
    headers: &HeaderMap,
    trusted: &[ipnet::IpNet],
) -> Peer {
    let found = proxy_headers::Client::find(peer.ip(), is_secure, headers, trusted);
    let is_forwarded = trusted
        .iter()
        .any(|net| net.contains(&peer.ip().to_canonical()));
    let effective = Effective {
        scheme: if found.is_secure {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        },
        host: found
            .host
            .filter(|_| is_forwarded)
            .and_then(|host| host.parse::<Host>().ok()),
    };
    Peer::new(SocketAddr::new(found.address, peer.port()), effective)
}
