//! The host that a request names, and the hosts that a server answers for.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use http::header::HOST;
use http::{Request, Version};

use super::refusal::{Reason, Refusal};
use super::token::one;

/// A host and perhaps a port, as in a `Host` header (RFC 9110 §7.2).
///
/// The name is kept in lower case, an IPv6 address in its brackets and its shortest form, so two
/// spellings of one host are equal.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::Host;
///
/// let host: Host = "LocalHost:3000".parse()?;
/// assert_eq!((host.name(), host.port()), ("localhost", Some(3000)));
/// assert!(host.is_loopback());
/// # Ok::<(), holdwire_proto::handshake::InvalidHost>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The name or address, in lower case, an IPv6 address in brackets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host that a request is for: the target's own, if it is a whole URI (RFC 9112 §3.2.2),
    /// else the `Host` header's, which must be right in any case.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Option<Self>, Reason> {
        let parse = |text: &str| text.parse().map_err(|_| Reason::HostMalformed);
        let named = one(request.headers(), &HOST, Reason::HostRepeated)?
            .map(|value| parse(value.to_str().map_err(|_| Reason::HostMalformed)?))
            .transpose()?;
        // A target in absolute form takes the place of the header (RFC 9112 §3.2.2). One that is a
        // bare word parses as an authority, too, but names no host.
        match (request.uri().scheme(), request.uri().authority()) {
            (Some(_), Some(authority)) => parse(authority.as_str()).map(Some),
            _ => Ok(named),
        }
    }

    /// The same host with no port named.
    pub(super) fn without_port(mut self) -> Self {
        self.port = None;
        self
    }

    /// Whether the name always means this machine: `localhost`, a name under it (RFC 6761 §6.3),
    /// `127.0.0.0/8` or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        if let Some(address) = self
            .name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return address
                .parse::<Ipv6Addr>()
                .is_ok_and(|address| address.to_canonical().is_loopback());
        }
        self.name == "localhost"
            || self.name.ends_with(".localhost")
            || self
                .name
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(InvalidHost)?;
                let address: Ipv6Addr = address.parse().map_err(|_| InvalidHost)?;
                (format!("[{address}]"), port)
            }
            None => {
                let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                if !is_registered_name(name.as_bytes()) {
                    return Err(InvalidHost);
                }
                (name.to_ascii_lowercase(), port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return Err(InvalidHost),
            Some("") => None, // RFC 3986 §3.2.3: an empty port is the default one
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| InvalidHost)?)
            }
            Some(_) => return Err(InvalidHost),
        };
        Ok(Self { name, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The text is not a host with perhaps a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHost;

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a host, perhaps with a port")
    }
}

impl core::error::Error for InvalidHost {}

/// Which hosts a server answers for; ports do not matter.
///
/// A server on a loopback address wants [`Hosts::loopback`]: a page of a foreign name that its
/// owner points to `127.0.0.1` (DNS rebinding) then gets a 421 (RFC 9110 §15.5.20).
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::Hosts;
///
/// let hosts = Hosts::loopback_and(["dev.example".parse()?]);
/// assert!(hosts.admits(&"127.0.0.1:3000".parse()?));
/// assert!(hosts.admits(&"dev.example:8080".parse()?));
/// assert!(!hosts.admits(&"rebound.example".parse()?));
/// # Ok::<(), holdwire_proto::handshake::InvalidHost>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Hosts {
    /// Any host: for a server that is reached from outside.
    #[default]
    Any,
    /// The names of this machine itself, and these.
    LoopbackAnd(Vec<Host>),
}

impl Hosts {
    /// Only names of this machine itself.
    #[must_use]
    pub const fn loopback() -> Self {
        Self::LoopbackAnd(Vec::new())
    }

    /// The names of this machine itself, and these.
    #[must_use]
    pub fn loopback_and(names: impl IntoIterator<Item = Host>) -> Self {
        Self::LoopbackAnd(names.into_iter().collect())
    }

    /// Checks an ordinary request, so that pages are as safe as connections.
    ///
    /// # Errors
    /// [`Refusal`]: 421 for a host that is not the server's, 400 for one that is malformed,
    /// repeated, or missing where HTTP/1.1 demands it (RFC 9112 §3.2).
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        match Host::of(request).map_err(Refusal::new)? {
            Some(host) if !self.admits(&host) => Err(Refusal::new(Reason::misdirected(&host))),
            None if request.version() == Version::HTTP_11 => Err(Refusal::new(Reason::HostMissing)),
            _ => Ok(()),
        }
    }

    /// Whether the server answers for this host.
    #[must_use]
    pub fn admits(&self, host: &Host) -> bool {
        match self {
            Self::Any => true,
            Self::LoopbackAnd(names) => {
                host.is_loopback() || names.iter().any(|known| known.name == host.name)
            }
        }
    }
}

/// `reg-name` of RFC 3986 §3.2.2, but not empty; percent signs are not followed up.
fn is_registered_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'-' | b'.'
                        | b'_'
                        | b'~'
                        | b'%'
                        | b'!'
                        | b'$'
                        | b'&'
                        | b'\''
                        | b'('
                        | b')'
                        | b'*'
                        | b'+'
                        | b','
                        | b';'
                        | b'='
                )
        })
}
