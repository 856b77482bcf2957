//! The address of a WebSocket server: a `ws` or `wss` URL (RFC 6455 §3).

use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

use super::host::Host;

/// Where to connect to, and what to ask for there.
///
/// `http` and `https` mean `ws` and `wss`. Path and query are kept as they are.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::Endpoint;
///
/// let endpoint: Endpoint = "wss://Example.com/chat?room=1".parse()?;
/// assert!(endpoint.is_secure());
/// assert_eq!((endpoint.host(), endpoint.port()), ("example.com", 443));
/// assert_eq!(endpoint.resource(), "/chat?room=1");
/// # Ok::<(), holdwire_proto::handshake::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    host: Host,
    resource: Uri,
    credentials: Option<HeaderValue>,
}

/// Why a text is not the URL of a WebSocket server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is not a URL.
    Malformed,
    /// The URL has characters outside ASCII; they must be percent-encoded, a host in punycode.
    NotAscii,
    /// The scheme is not `ws`, `wss`, `http` or `https`.
    Scheme,
    /// The host is missing or malformed.
    Host,
    /// The URL has a fragment, which WebSocket URLs must not have (RFC 6455 §3).
    Fragment,
    /// User and password are not percent-encoded as they should be.
    Credentials,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a URL such as ws://example.com/path",
            Self::NotAscii => {
                "the URL has characters outside ASCII: percent-encode them, write a host in punycode"
            }
            Self::Scheme => "the scheme of the URL is not ws, wss, http or https",
            Self::Host => "the URL's host is missing or malformed",
            Self::Fragment => "the URL has a fragment: write # as %23 or leave it out",
            Self::Credentials => "the URL's user and password are not percent-encoded rightly",
        })
    }
}

impl core::error::Error for EndpointError {}

impl Endpoint {
    /// Whether the connection is to be TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to: a name in lower case, or an address, an IPv6 one without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let name = self.host.name();
        name.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(name)
    }

    /// The port to connect to; 80 or 443 when the URL names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.host.port().unwrap_or(self.default_port())
    }

    /// The path and query to ask for.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.resource
            .path_and_query()
            .map_or("/", |resource| resource.as_str())
    }

    /// The same as a request target.
    pub(super) const fn target(&self) -> &Uri {
        &self.resource
    }

    /// The `Host` header: the default port is left out (RFC 6455 §4.1 item 4).
    pub(super) fn host_header(&self) -> HeaderValue {
        let host = if self.port() == self.default_port() {
            self.host.name().to_owned()
        } else {
            self.host.to_string()
        };
        HeaderValue::try_from(host).expect("a host is visible ASCII")
    }

    /// The value of `Authorization`, or of a proxy's `Proxy-Authorization`, that the URL's user and
    /// password make (RFC 7617).
    #[must_use]
    pub const fn credentials(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref()
    }

    const fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if !text.is_ascii() {
            return Err(EndpointError::NotAscii);
        }
        // The URI type drops fragments without a word, so look before it does.
        if text.contains('#') {
            return Err(EndpointError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| EndpointError::Malformed)?;
        let secure = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(EndpointError::Scheme),
        };
        let authority = uri.authority().ok_or(EndpointError::Host)?.as_str();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        Ok(Self {
            secure,
            host: host.parse().map_err(|_| EndpointError::Host)?,
            resource: resource(&uri)?,
            credentials: user.map(credentials).transpose()?,
        })
    }
}

/// Path and query, with the slash that an empty path stands for.
fn resource(uri: &Uri) -> Result<Uri, EndpointError> {
    uri.path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string)
        .parse()
        .map_err(|_| EndpointError::Malformed)
}

/// `user:password` of a URL as a value of `Authorization`.
fn credentials(user: &str) -> Result<HeaderValue, EndpointError> {
    let mut plain = percent_decode(user)?;
    if !user.contains(':') {
        plain.push(b':');
    }
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain)))
        .expect("base64 is visible ASCII");
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decode(text: &str) -> Result<Vec<u8>, EndpointError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2).ok_or(EndpointError::Credentials)?;
        rest = digits.1;
        let hex = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        match (hex(digits.0[0]), hex(digits.0[1])) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return Err(EndpointError::Credentials),
        }
    }
    Ok(decoded)
}
