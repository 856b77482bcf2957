//! What `holdwire serve` prints when it is ready: where to point the browser.

use std::net::{IpAddr, SocketAddr};

use crate::config::{ServeConfig, Value};
use crate::serve::limits;

/// The text for standard output; `bound` are the addresses that are listened on.
pub fn banner(config: &ServeConfig, bound: &[SocketAddr]) -> String {
    let (http, ws) = match config.tls() {
        Some(_) => ("https", "wss"),
        None => ("http", "ws"),
    };
    let place = place(config, bound);
    let root = match (config.greeting.is_empty(), config.no_echo.value) {
        (false, false) => "greets, then echoes",
        (false, true) => "greets",
        (true, false) => "echoes",
        (true, true) => "takes what it gets",
    };
    let addresses: Vec<String> = bound.iter().map(ToString::to_string).collect();
    format!(
        "\
holdwire {version}

  Open       {http}://{place}

  WebSocket  {ws}://{place}            {root}
             {ws}://{place}/echo       echoes whatever comes
             {ws}://{place}/broadcast  hands it to all others there
{channels}  Try        holdwire connect {ws}://{place}
  Also       /classic  /health  /metrics
  Listens    {addresses}
  Limits     message {message}, frame {frame}, {fragments} fragments, queue {queue}
             request {handshake}, message {arrival}, stalled write {stall}, close {close}
  Heartbeat  {heartbeat}

",
        channels = channels(config, ws, &place),
        version = env!("CARGO_PKG_VERSION"),
        addresses = addresses.join(", "),
        message = config.max_message.show(),
        frame = config.frame_limit(),
        fragments = config.max_fragments.value,
        queue = config.send_queue.show(),
        handshake = config.handshake_timeout.show(),
        arrival = config.message_timeout.show(),
        stall = config.write_stall.show(),
        close = config.close_timeout.show(),
        heartbeat = heartbeat(config),
    )
}

/// An example of a channel, where there are any.
fn channels(config: &ServeConfig, ws: &str, place: &str) -> String {
    let Some(first) = config.namespaces.first() else {
        return String::new();
    };
    let colon = if first.name.is_empty() { "" } else { ":" };
    let name = &first.name;
    format!("             {ws}://{place}/ws/{name}{colon}room  a channel that resumes\n")
}

/// When a cut line is noticed, and how.
fn heartbeat(config: &ServeConfig) -> String {
    let (interval, timeout) = (*config.heartbeat, *config.heartbeat_timeout);
    let Some(heartbeat) = interval.heartbeat(timeout) else {
        return "off: a cut line may stay unnoticed".to_owned();
    };
    format!(
        "ping after {}, answer in {}: a cut line is noticed within {}",
        interval.show(),
        timeout.show(),
        heartbeat.bound(&limits(config)).show(),
    )
}

/// Host and port to reach the server from this machine, by name where that works.
fn place(config: &ServeConfig, bound: &[SocketAddr]) -> String {
    let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let local = bound.iter().find(|address| is_local(address.ip()));
    let default_port = if config.tls().is_some() { 443 } else { 80 };
    let Some(address) = local.or(bound.first()) else {
        return "localhost".to_owned();
    };
    let host = match (local, address.ip()) {
        (Some(_), _) => "localhost".to_owned(),
        (None, IpAddr::V4(ip)) => ip.to_string(),
        (None, IpAddr::V6(ip)) => format!("[{ip}]"),
    };
    if address.port() == default_port {
        host
    } else {
        format!("{host}:{}", address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServeFlags;

    fn banner_of(texts: &[(&'static str, &str)], bound: &[&str]) -> String {
        let texts = texts
            .iter()
            .map(|(name, text)| (*name, vec![(*text).to_owned()]));
        let flags = ServeFlags {
            texts: texts.collect(),
            ..ServeFlags::default()
        };
        let config = ServeConfig::load(&flags, &|_| None).unwrap();
        let bound: Vec<SocketAddr> = bound.iter().map(|a| a.parse().unwrap()).collect();
        banner(&config, &bound)
    }

    #[test]
    fn banner_says_where_to_point_the_browser() {
        for (bound, place) in [
            (["127.0.0.1:3000", "[::1]:3000"], "http://localhost:3000\n"),
            (
                ["192.0.2.1:8080", "0.0.0.0:3001"],
                "http://localhost:3001\n",
            ),
            (["192.0.2.1:8080", "192.0.2.2:1"], "http://192.0.2.1:8080\n"),
            (
                ["[2001:db8::1]:8080", "192.0.2.2:1"],
                "http://[2001:db8::1]:8080\n",
            ),
            (["127.0.0.1:80", "[::1]:80"], "http://localhost\n"),
        ] {
            let text = banner_of(&[], &bound);
            assert!(text.contains(&format!("Open       {place}")), "{text}");
        }
    }

    #[test]
    fn banner_names_endpoints_and_limits_in_lines_that_fit_a_terminal() {
        let flags = [("max-message", "16MiB"), ("no-echo", "true")];

        let text = banner_of(&flags, &["127.0.0.1:3000", "[::1]:3000"]);

        assert!(
            text.contains("ws://localhost:3000            greets\n"),
            "{text}"
        );
        assert!(text.contains("ws://localhost:3000/echo "), "{text}");
        assert!(text.contains("ws://localhost:3000/broadcast "), "{text}");
        assert!(
            text.contains("message 16MiB, frame 16MiB, 4096 fragments"),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
