//! Who the client is when a reverse proxy stands in between.
//!
//! A proxy tells whom it speaks for in `Forwarded` (RFC 7239) or in `X-Forwarded-For`, `-Host` and
//! `-Proto`. Anybody can write these fields, so they are believed from trusted peers only, and only
//! as far back as the chain of trusted proxies reaches: **the right-most hop that is not a trusted
//! proxy is the client**; what stands left of it is the client's own claim.
//!
//! When both kinds of field are there and name different clients, one of them came from the client
//! through a proxy that knows only the other: neither is believed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Most hops that are looked at; a longer chain is nobody's.
const MAX_HOPS: usize = 32;

/// What the client did, as the server should see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The client's address.
    pub address: IpAddr,
    /// The host the client asked for, with its port if it had one; `None` when it named none.
    pub host: Option<String>,
    /// Whether the client came by TLS (`https`, `wss`).
    pub is_secure: bool,
}

impl Client {
    /// Finds the client behind a peer.
    ///
    /// `is_secure` says whether the peer itself came by TLS. IPv4 addresses written as IPv6 are
    /// turned back, so that a list of IPv4 networks works on a dual-stack listener.
    pub fn find(peer: IpAddr, is_secure: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        let direct = Self {
            address: peer,
            host: headers
                .get(HOST)
                .and_then(|host| host.to_str().ok())
                .map(str::to_owned),
            is_secure,
        };
        let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
        if !is_trusted(peer) {
            return direct;
        }
        let standard = fields(headers, &FORWARDED).map(|text| forwarded_hops(&text));
        let common = fields(headers, &X_FORWARDED_FOR).map(|text| x_forwarded_hops(&text, headers));
        let client_of = |hops: Option<Vec<Hop>>| first_untrusted(hops, &direct, &is_trusted);
        match (standard, common) {
            (None, None) => Self {
                host: last(headers, &X_FORWARDED_HOST).or(direct.host),
                is_secure: last(headers, &X_FORWARDED_PROTO)
                    .map_or(direct.is_secure, |scheme| is_secure_scheme(&scheme)),
                ..direct
            },
            (Some(standard), None) => client_of(standard),
            (None, Some(common)) => client_of(common),
            (Some(standard), Some(common)) => {
                let (standard, common) = (client_of(standard), client_of(common));
                if standard.address == common.address {
                    standard
                } else {
                    direct
                }
            }
        }
    }
}

/// What one proxy says about the peer that it saw.
#[derive(Debug, Clone, Default)]
struct Hop {
    /// The peer's address; `None` when it is unknown or hidden.
    address: Option<IpAddr>,
    host: Option<String>,
    scheme: Option<String>,
}

/// Walks the hops from the nearest to the first that is not a trusted proxy.
fn first_untrusted(
    hops: Option<Vec<Hop>>,
    direct: &Client,
    is_trusted: &dyn Fn(IpAddr) -> bool,
) -> Client {
    let mut client = direct.clone();
    for hop in hops.unwrap_or_default().into_iter().rev() {
        client.host = hop.host.or(client.host);
        if let Some(scheme) = hop.scheme {
            client.is_secure = is_secure_scheme(&scheme);
        }
        let Some(address) = hop.address else { break };
        client.address = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// The elements of `Forwarded`, in order; `None` when the field is malformed.
fn forwarded_hops(text: &str) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for element in split_quoted(text, ',')? {
        let mut hop = Hop::default();
        for pair in split_quoted(element, ';')? {
            let pair = pair.trim();
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=')?;
            let value = unquote(value)?;
            match name.to_ascii_lowercase().as_str() {
                "for" => hop.address = node_address(&value),
                "host" => hop.host = Some(value),
                "proto" => hop.scheme = Some(value),
                _ => {}
            }
        }
        hops.push(hop);
    }
    (hops.len() <= MAX_HOPS).then_some(hops)
}

/// The entries of `X-Forwarded-For` with host and scheme; `None` when the chain is too long.
///
/// Host and scheme that are lists of the same length belong to the entries one by one; otherwise the
/// last is that of the whole chain.
fn x_forwarded_hops(text: &str, headers: &HeaderMap) -> Option<Vec<Hop>> {
    let addresses: Vec<&str> = text.split(',').collect();
    if addresses.len() > MAX_HOPS {
        return None;
    }
    let hosts = entries(headers, &X_FORWARDED_HOST);
    let schemes = entries(headers, &X_FORWARDED_PROTO);
    let nth = |list: &[String], index: usize| {
        if list.len() == addresses.len() {
            list.get(index).cloned()
        } else {
            list.last().cloned()
        }
    };
    let hops = addresses.iter().enumerate().map(|(index, address)| Hop {
        address: node_address(address.trim()),
        host: nth(&hosts, index),
        scheme: nth(&schemes, index),
    });
    Some(hops.collect())
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node_address(node: &str) -> Option<IpAddr> {
    let bracketed = || {
        let inner = node.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    let with_port = || node.parse::<SocketAddr>().ok().map(|a| a.ip());
    let address = node.parse::<IpAddr>().ok();
    address
        .or_else(bracketed)
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

/// All lines of a field as one list (RFC 9110 §5.3).
fn fields(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or("unreadable"))
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn entries(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let text = fields(headers, name).unwrap_or_default();
    let entries = text.split(',').map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn last(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    entries(headers, name).pop()
}

fn is_secure_scheme(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// Splits at a separator outside of quoted strings; `None` when a quote stays open.
fn split_quoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(&text[start..index]);
                start = index + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_quoted).then_some(parts)
}

/// The text of a token or a quoted string (RFC 9110 §5.6.4).
fn unquote(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '"' => return None,
            _ => text.push(character),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Networks of the cases: 10.0.0.0/8 and ::1 are proxies.
    fn find(peer: &str, lines: &[(&'static str, &str)]) -> Client {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "inner:3000".parse().unwrap());
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Client::find(peer.parse().unwrap(), false, &headers, &trusted)
    }

    #[track_caller]
    fn assert_client(client: &Client, address: &str, host: &str, is_secure: bool) {
        assert_eq!(client.address, address.parse::<IpAddr>().unwrap());
        assert_eq!(client.host.as_deref(), Some(host));
        assert_eq!(client.is_secure, is_secure);
    }

    #[test]
    fn fields_of_untrusted_peers_are_not_believed() {
        for lines in [
            [
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-proto", "https"),
            ],
            [
                ("forwarded", "for=1.2.3.4;proto=https"),
                ("x-forwarded-host", "evil"),
            ],
        ] {
            assert_client(&find("192.0.2.9", &lines), "192.0.2.9", "inner:3000", false);
        }
    }

    #[test]
    fn right_most_hop_that_is_no_proxy_is_the_client() {
        for (value, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("1.1.1.1, 192.0.2.1", "192.0.2.1"),
            ("1.1.1.1, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),
            ("", "10.0.0.1"),
        ] {
            let client = find("10.0.0.1", &[("x-forwarded-for", value)]);
            assert_eq!(
                client.address,
                address.parse::<IpAddr>().unwrap(),
                "{value}"
            );
        }
    }

    #[test]
    fn several_lines_of_a_field_are_one_list() {
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "192.0.2.1"),
        ];

        assert_eq!(
            find("10.0.0.1", &lines).address,
            IpAddr::from([192, 0, 2, 1])
        );
    }

    #[test]
    fn host_and_scheme_come_with_the_x_fields() {
        let one = [
            ("x-forwarded-for", "1.1.1.1, 192.0.2.1"),
            ("x-forwarded-host", "live.example.com"),
            ("x-forwarded-proto", "HTTPS"),
        ];
        assert_client(&find("::1", &one), "192.0.2.1", "live.example.com", true);

        let each = [
            ("x-forwarded-for", "192.0.2.1, 10.0.0.7"),
            ("x-forwarded-host", "live.example.com, middle"),
            ("x-forwarded-proto", "https, http"),
        ];
        assert_client(&find("::1", &each), "192.0.2.1", "live.example.com", true);

        let alone = [
            ("x-forwarded-host", "live.example.com"),
            ("x-forwarded-proto", "https"),
        ];
        assert_client(&find("::1", &alone), "::1", "live.example.com", true);
    }

    #[test]
    fn forwarded_is_read_with_quotes_and_cases() {
        for (value, address, host, is_secure) in [
            (
                "for=192.0.2.1;host=a.example;proto=https",
                "192.0.2.1",
                "a.example",
                true,
            ),
            (
                "For=\"[2001:db8::1]:80\"; HOST=\"a.example:81\"",
                "2001:db8::1",
                "a.example:81",
                false,
            ),
            (
                "for=1.1.1.1;proto=https, for=192.0.2.1;host=b",
                "192.0.2.1",
                "b",
                false,
            ),
            (
                "for=192.0.2.1;host=a;proto=https, for=10.0.0.7;host=b;proto=http",
                "192.0.2.1",
                "a",
                true,
            ),
            (
                "for=192.0.2.1;host=\"a\\\"b,c\"",
                "192.0.2.1",
                "a\"b,c",
                false,
            ),
            ("for=_hidden;host=a", "10.0.0.1", "a", false),
            ("for=192.0.2.1;host=\"a", "10.0.0.1", "inner:3000", false),
            ("nonsense", "10.0.0.1", "inner:3000", false),
        ] {
            let client = find("10.0.0.1", &[("forwarded", value)]);
            assert_client(&client, address, host, is_secure);
        }
    }

    #[test]
    fn contradicting_fields_are_not_believed() {
        let lines = [
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_client(&find("10.0.0.1", &lines), "10.0.0.1", "inner:3000", false);

        let lines = [
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_client(&find("10.0.0.1", &lines), "192.0.2.1", "inner:3000", false);
    }

    #[test]
    fn endless_chain_is_not_followed() {
        let chain = vec!["10.0.0.7"; 1000].join(",");

        let client = find("10.0.0.1", &[("x-forwarded-for", &chain)]);

        assert_eq!(client.address, IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn dual_stack_peer_matches_an_ipv4_network() {
        let client = find("::ffff:10.0.0.1", &[("x-forwarded-for", "192.0.2.1")]);

        assert_eq!(client.address, IpAddr::from([192, 0, 2, 1]));
    }
}
