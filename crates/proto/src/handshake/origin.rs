//! The origin of a page, and the origins that may connect (RFC 6455 §10.2, RFC 6454).

use core::fmt;
use core::str::FromStr;

use http::uri::Scheme;

use super::host::Host;

/// Where a page came from: the value of an `Origin` header (RFC 6454 §7).
///
/// Scheme and host are compared in lower case, a default port equals none, so the comparison is
/// of origins and never of texts.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::Origin;
///
/// let listed: Origin = "https://good.example".parse()?;
/// assert_eq!(listed, "HTTPS://Good.Example:443".parse()?);
/// assert_ne!(listed, "https://good.example.evil.com".parse()?);
/// # Ok::<(), holdwire_proto::handshake::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Opaque,
    Page {
        scheme: String,
        host: Host,
        port: Option<u16>,
    },
}

impl Origin {
    /// The origin `null`: a page from a file, in a sandbox, or made by script.
    pub const NULL: Self = Self(Kind::Opaque);

    /// The origin of the pages that this scheme and host serve.
    #[must_use]
    pub fn of(scheme: &Scheme, host: &Host) -> Self {
        Self::page(scheme.as_str(), host.clone())
    }

    /// The host, unless the origin is `null`.
    #[must_use]
    pub const fn host(&self) -> Option<&Host> {
        match &self.0 {
            Kind::Opaque => None,
            Kind::Page { host, .. } => Some(host),
        }
    }

    fn page(scheme: &str, host: Host) -> Self {
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let port = host.port().or(default);
        Self(Kind::Page {
            scheme,
            host: host.without_port(),
            port,
        })
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        // A page from a file has the origin `null`; embedded browsers write `file://` for it.
        if text == "null" || text.eq_ignore_ascii_case("file://") {
            return Ok(Self::NULL);
        }
        let (scheme, host) = text.split_once("://").ok_or(InvalidOrigin)?;
        let mut bytes = scheme.bytes();
        let is_scheme = bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme {
            return Err(InvalidOrigin);
        }
        Ok(Self::page(scheme, host.parse().map_err(|_| InvalidOrigin)?))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Opaque => f.write_str("null"),
            Kind::Page { scheme, host, port } => {
                write!(f, "{scheme}://{host}")?;
                match (scheme.as_str(), port) {
                    ("http", Some(80)) | ("https", Some(443)) | (_, None) => Ok(()),
                    (_, Some(port)) => write!(f, ":{port}"),
                }
            }
        }
    }
}

/// The text is not one origin: `null`, or scheme, host and perhaps a port without a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidOrigin;

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an origin such as https://example.com")
    }
}

impl core::error::Error for InvalidOrigin {}

/// Whose pages may connect.
///
/// A browser lets any page try any server and sends the cookies along, so the server has to
/// decide. Only browsers send `Origin`: a request without one is allowed by all of these; to
/// forbid it, see [`Rules::require_origin`](super::Rules::require_origin).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Origins {
    /// Pages of the same scheme, host and port as the request's own.
    #[default]
    SameOrigin,
    /// Pages of the same host, of any loopback host, and `null`: for the trial pages of a server
    /// on a loopback address. Not for anything with state or side effects, as any page can make
    /// itself a `null` origin in a sandboxed frame.
    Local,
    /// Pages of exactly these origins.
    List(Vec<Origin>),
    /// Any page: for an endpoint without state, or with tokens that no browser sends by itself.
    Any,
}

impl Origins {
    /// Whether a page of this origin may connect to the endpoint with this origin of its own.
    #[must_use]
    pub fn admits(&self, origin: &Origin, own: &Origin) -> bool {
        match self {
            Self::Any => true,
            Self::SameOrigin => origin != &Origin::NULL && origin == own,
            Self::Local => match (origin.host(), own.host()) {
                (None, _) => true,
                (Some(host), own) => host.is_loopback() || Some(host) == own,
            },
            Self::List(origins) => origins.contains(origin),
        }
    }
}
