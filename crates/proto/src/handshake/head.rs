//! Reading the head of a request or a response: everything up to the first empty line.

use core::fmt;

use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};

use super::token::has_token;

/// How large a head may be. How long it may take is the driver's to limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, its closing empty line included.
    pub max_bytes: usize,
    /// Header fields; a field that comes twice counts twice.
    pub max_fields: usize,
}

impl Default for HeadLimits {
    /// 16 KiB and 100 fields.
    fn default() -> Self {
        Self {
            max_bytes: 16 * 1024,
            max_fields: 100,
        }
    }
}

/// Finds the end of a head and reads it, once.
///
/// The caller keeps the bytes: each call gets everything that was received since the head began,
/// so a reader holds a few numbers and no buffer. A byte is looked at once while the end is
/// sought and once more when the whole head is read, however small the pieces were. After a
/// complete head the reader is ready for the next one on the same connection.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::{HeadLimits, HeadReader};
///
/// let mut reader = HeadReader::new(HeadLimits::default());
/// let mut received = b"GET /page HTTP/1.0\r\nHost: a".to_vec();
/// assert!(reader.read_request(&received)?.is_none());
///
/// received.extend_from_slice(b".example\r\n\r\nmore");
/// let head = reader.read_request(&received)?.expect("the empty line came");
/// assert_eq!(head.request.uri(), "/page");
/// assert_eq!(&received[head.length..], b"more");
/// # Ok::<(), holdwire_proto::handshake::HeadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeadReader {
    limits: HeadLimits,
    scan: Scan,
}

/// How far the end of the head was sought.
#[derive(Clone, Debug, Default)]
struct Scan {
    position: usize,
    line_start: usize,
    /// The start line has ended; before it empty lines are skipped (RFC 9112 §2.2).
    in_fields: bool,
    fields: usize,
    flaw: Option<Flaw>,
}

/// A request whose head is complete.
#[derive(Debug)]
pub struct RequestHead {
    /// The request, header fields in the order and number they came.
    pub request: Request<()>,
    /// Bytes of the head. What was received after them belongs to the next thing: an eager first
    /// frame, or a body.
    pub length: usize,
    /// What the syntax tolerates in an ordinary request but the opening handshake does not.
    pub flaw: Option<Flaw>,
}

/// A response whose head is complete.
#[derive(Debug)]
pub struct ResponseHead {
    /// The response, header fields in the order and number they came.
    pub response: Response<()>,
    /// Bytes of the head. What was received after them is the first frame, or the body.
    pub length: usize,
    /// What the syntax tolerates in an ordinary response but the opening handshake does not.
    pub flaw: Option<Flaw>,
}

/// Something that readers of HTTP differ on; two of them in a row may then see two requests where
/// there is one, so a handshake with it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A line ends with LF alone (RFC 9112 §2.2).
    BareLineFeed,
    /// The request target has a fragment (RFC 9112 §3.2).
    Fragment,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLineFeed => "a line of the head ends with LF instead of CRLF",
            Self::Fragment => "the request target has a fragment",
        })
    }
}

/// Why a head cannot be read. Nothing after it can be understood either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The head is longer than [`HeadLimits::max_bytes`].
    TooLarge,
    /// The head has more fields than [`HeadLimits::max_fields`].
    TooManyFields,
    /// The version is not HTTP/1.0 or HTTP/1.1.
    UnsupportedVersion,
    /// A control character, NUL or a lone CR stands in the head (RFC 9110 §5.5).
    ControlCharacter,
    /// A field goes on in a second line (RFC 9112 §5.2).
    FoldedField,
    /// The first line is not a request line or a status line (RFC 9112 §3, §4).
    StartLine,
    /// The request target is not a URI (RFC 9112 §3.2).
    Target,
    /// A header field is not a name, a colon and a value (RFC 9112 §5).
    Field,
}

impl HeadError {
    /// The status that tells the client.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge | Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the head is too large",
            Self::TooManyFields => "the head has too many fields",
            Self::UnsupportedVersion => "the version is not HTTP/1.1 or HTTP/1.0",
            Self::ControlCharacter => "the head has a control character in it",
            Self::FoldedField => "a header field goes on in a second line",
            Self::StartLine => "the first line is not one of HTTP/1.1",
            Self::Target => "the request target is not a URI",
            Self::Field => "a header field is not a name, a colon and a value",
        })
    }
}

impl core::error::Error for HeadError {}

impl RequestHead {
    /// Whether the request means WebSocket, well-formed or not: the rules of the handshake apply
    /// to it, and an ordinary HTTP server must not get it.
    ///
    /// So it is when an `Upgrade` header has the token `websocket`, or when a `Sec-WebSocket-Key`
    /// or `Sec-WebSocket-Version` is there.
    #[must_use]
    pub fn wants_websocket(&self) -> bool {
        wants_websocket(self.request.headers())
    }

    /// Whether the client wants the connection closed after this exchange (RFC 9112 §9.3).
    #[must_use]
    pub fn wants_close(&self) -> bool {
        let headers = self.request.headers();
        has_token(headers, &CONNECTION, "close")
            || (self.request.version() == Version::HTTP_10
                && !has_token(headers, &CONNECTION, "keep-alive"))
    }
}

/// See [`RequestHead::wants_websocket`].
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
        || headers.contains_key(SEC_WEBSOCKET_KEY)
        || headers.contains_key(SEC_WEBSOCKET_VERSION)
}

impl ResponseHead {
    /// Whether this is an interim response, such as 103: the real one follows, and a client reads
    /// on after [`length`](Self::length) bytes (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        let status = self.response.status();
        status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
    }
}

impl HeadReader {
    /// A reader at the beginning of a head.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            scan: Scan::default(),
        }
    }

    /// Reads a request's head from all bytes received since it began; `None` while it is partial.
    ///
    /// # Errors
    /// [`HeadError`], as soon as the bytes show it. The connection cannot go on: answer with
    /// [`Refusal::from`](super::Refusal) and close.
    pub fn read_request(&mut self, received: &[u8]) -> Result<Option<RequestHead>, HeadError> {
        let Some((length, scan)) = self.find_end(received)? else {
            return Ok(None);
        };
        let mut fields = vec![httparse::EMPTY_HEADER; scan.fields];
        let mut parsed = httparse::Request::new(&mut fields);
        let status = parsed.parse(&received[..length]);
        check(status, length, &received[..length])?;

        let target = parsed.path.ok_or(HeadError::Target)?;
        let mut request = Request::new(());
        *request.method_mut() = parsed
            .method
            .and_then(|method| Method::from_bytes(method.as_bytes()).ok())
            .ok_or(HeadError::StartLine)?;
        *request.uri_mut() = Uri::try_from(target).map_err(|_| HeadError::Target)?;
        *request.version_mut() = version(parsed.version);
        *request.headers_mut() = header_map(parsed.headers)?;
        let flaw = scan
            .flaw
            .or_else(|| target.contains('#').then_some(Flaw::Fragment));
        Ok(Some(RequestHead {
            request,
            length,
            flaw,
        }))
    }

    /// Reads a response's head from all bytes received since it began; `None` while it is partial.
    ///
    /// # Errors
    /// [`HeadError`], as soon as the bytes show it. The connection cannot go on.
    pub fn read_response(&mut self, received: &[u8]) -> Result<Option<ResponseHead>, HeadError> {
        let Some((length, scan)) = self.find_end(received)? else {
            return Ok(None);
        };
        let mut fields = vec![httparse::EMPTY_HEADER; scan.fields];
        let mut parsed = httparse::Response::new(&mut fields);
        let status = parsed.parse(&received[..length]);
        check(status, length, &received[..length])?;

        let mut response = Response::new(());
        *response.status_mut() = parsed
            .code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or(HeadError::StartLine)?;
        *response.version_mut() = version(parsed.version);
        *response.headers_mut() = header_map(parsed.headers)?;
        Ok(Some(ResponseHead {
            response,
            length,
            flaw: scan.flaw,
        }))
    }

    /// Seeks the end from where the last call left off; starts afresh once it is found.
    fn find_end(&mut self, received: &[u8]) -> Result<Option<(usize, Scan)>, HeadError> {
        Ok(self.scan.advance(received, self.limits)?.then(|| {
            let scan = core::mem::take(&mut self.scan);
            (scan.position, scan)
        }))
    }
}

impl Scan {
    /// Goes on to the end of the head, or of what was received; `true` at the end of the head.
    fn advance(&mut self, received: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
        while let Some(&byte) = received.get(self.position) {
            if self.position >= limits.max_bytes {
                return Err(HeadError::TooLarge);
            }
            let after_return =
                self.position > self.line_start && received[self.position - 1] == b'\r';
            match byte {
                b'\n' => {
                    let line_end = self.position - usize::from(after_return);
                    if !after_return {
                        self.flaw = Some(Flaw::BareLineFeed);
                    }
                    let line = &received[self.line_start..line_end];
                    self.position += 1;
                    self.line_start = self.position;
                    if self.end_line(line, limits)? {
                        return Ok(true);
                    }
                    continue;
                }
                _ if after_return => return Err(HeadError::ControlCharacter),
                b'\t' | b'\r' => {}
                0..0x20 | 0x7f => return Err(HeadError::ControlCharacter),
                _ => {}
            }
            self.position += 1;
        }
        Ok(false)
    }

    /// Counts a line; `true` when it ends the head.
    fn end_line(&mut self, line: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
        match line.first() {
            None => return Ok(self.in_fields),
            Some(_) if !self.in_fields => self.in_fields = true,
            Some(b' ' | b'\t') => return Err(HeadError::FoldedField),
            Some(_) if self.fields >= limits.max_fields => return Err(HeadError::TooManyFields),
            Some(_) => self.fields += 1,
        }
        Ok(false)
    }
}

/// Judges what the parser said of a head that is complete, so that nothing can be missing.
fn check(parsed: httparse::Result<usize>, length: usize, head: &[u8]) -> Result<(), HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(parsed)) if parsed == length => Ok(()),
        Ok(_) => Err(HeadError::StartLine),
        Err(httparse::Error::Version) if names_http_version(head) => {
            Err(HeadError::UnsupportedVersion)
        }
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => Err(HeadError::Field),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyFields),
        Err(_) => Err(HeadError::StartLine),
    }
}

/// Whether the first line is of HTTP but for its version: the last of a request line's three
/// words, or the first one of a status line.
fn names_http_version(head: &[u8]) -> bool {
    let line = head
        .trim_ascii_start()
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let words: Vec<&[u8]> = line.trim_ascii_end().split(|&byte| byte == b' ').collect();
    let is_version = |word: &[u8]| {
        matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit())
    };
    match words[..] {
        [_, _, last] if is_version(last) => true,
        [first, ..] => is_version(first),
        [] => false,
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    }
}

fn header_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
    let mut headers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| HeadError::Field)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| HeadError::Field)?;
        headers
            .try_append(name, value)
            .map_err(|_| HeadError::TooManyFields)?;
    }
    Ok(headers)
}
