//! HTTP proxies: who goes through which, and what is said to them.

use std::error::Error as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use holdwire::proto::handshake::EndpointError;
use holdwire::tls::{TlsAcceptor, TlsConnector};
use holdwire::{Client, ConnectError, Message, Phase, Proxy, ProxyError, WebSocket};

use crate::peer::{Peer, listen};

/// A proxy that answers so, and gives back what it was asked.
async fn answering(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    listen(async move |mut peer: Peer| {
        let request = peer.head().await;
        peer.say(answer).await;
        request
    })
    .await
}

/// What comes of connecting through a proxy that answers so.
async fn refused(answer: &'static str) -> ProxyError {
    let (address, _) = answering(answer).await;
    through(&format!("http://{address}"), "ws://server.example")
        .await
        .map_or_else(proxy_error, |socket| panic!("{socket:?}"))
}

async fn through(proxy: &str, url: &str) -> Result<WebSocket, ConnectError> {
    let proxy = Proxy::http(proxy).unwrap();
    Client::new().proxy(proxy).connect(url).await
}

fn proxy_error(error: ConnectError) -> ProxyError {
    match error {
        ConnectError::Proxy(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Variables as an environment has them.
fn variables(pairs: &[(&str, &str)]) -> Proxy {
    Proxy::from_variables(|name| {
        let pair = pairs.iter().find(|pair| pair.0 == name);
        pair.map(|pair| pair.1.to_owned())
    })
}

/// Whether a proxy at a closed port was tried, and not a server at another closed port.
async fn goes_through(proxy: Proxy, url: &str) -> bool {
    match Client::new().proxy(proxy).connect(url).await.unwrap_err() {
        ConnectError::Proxy(ProxyError::Failed(_)) => true,
        ConnectError::Connect(_) => false,
        other => panic!("{other:?}"),
    }
}

/// A URL's host and port where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn connection_goes_through_the_tunnel() {
    let (address, proxy) = listen(async |mut peer: Peer| {
        let connect = peer.head().await;
        peer.say("HTTP/1.1 200 Connection established\r\n\r\n")
            .await;
        let request = peer.accept("", b"\x81\x02hi").await;
        (connect, request, peer)
    })
    .await;

    let mut socket = through(&format!("http://{address}"), "ws://server.example/chat")
        .await
        .unwrap();

    let message = socket.recv().await.unwrap().unwrap();
    let (connect, request, _) = proxy.await.unwrap();
    assert_eq!(message, Message::from("hi"));
    assert_eq!(
        connect,
        "CONNECT server.example:80 HTTP/1.1\r\nHost: server.example:80\r\n\r\n"
    );
    assert!(request.starts_with("GET /chat HTTP/1.1\r\nHost: server.example\r\n"));
}

#[tokio::test]
async fn wss_is_encrypted_inside_the_tunnel() {
    let own = rcgen::generate_simple_self_signed(["server.example".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let acceptor = TlsAcceptor::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let (address, proxy) = listen(async move |mut peer: Peer| {
        let connect = peer.head().await;
        peer.say("HTTP/1.1 200 OK\r\n\r\n").await;
        let mut peer = Peer::new(acceptor.accept(peer.into_io()).await.unwrap());
        peer.accept("", b"").await;
        (connect, peer)
    })
    .await;
    let client = Client::new()
        .tls(TlsConnector::with_roots_pem(certificate.as_bytes()).unwrap())
        .proxy(Proxy::http(format!("http://{address}")).unwrap());

    let socket = client.connect("wss://server.example").await;

    assert!(socket.is_ok(), "{socket:?}");
    let (connect, _) = proxy.await.unwrap();
    assert!(connect.starts_with("CONNECT server.example:443 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn proxy_at_an_https_url_is_spoken_to_by_tls() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let acceptor = TlsAcceptor::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let (address, proxy) = listen(async move |peer: Peer| {
        let mut peer = Peer::new(acceptor.accept(peer.into_io()).await.unwrap());
        peer.head().await;
        peer.say("HTTP/1.1 200 OK\r\n\r\n").await;
        peer.accept("", b"").await;
        peer
    })
    .await;
    let client = Client::new()
        .tls(TlsConnector::with_roots_pem(certificate.as_bytes()).unwrap())
        .proxy(Proxy::http(format!("https://{address}")).unwrap());

    let socket = client.connect("ws://server.example").await;

    assert!(socket.is_ok(), "{socket:?}");
    drop(proxy.await.unwrap());
}

#[tokio::test]
async fn credentials_go_to_the_proxy_and_those_of_the_server_do_not() {
    let (address, proxy) = answering("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n").await;
    let url = "ws://me:mine@server.example";

    let result = through(&format!("http://Aladdin:open%20sesame@{address}"), url).await;

    assert!(result.is_err());
    let request = proxy.await.unwrap();
    let expected = "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(request.contains(expected), "{request}");
    assert!(!request.contains("\r\nAuthorization"), "{request}");
}

#[tokio::test]
async fn headers_for_the_proxy_are_sent_to_it() {
    let (address, proxy) = answering("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n").await;
    let proxy_with_header = Proxy::http(format!("http://a:b@{address}"))
        .and_then(|proxy| proxy.header("proxy-authorization", "Bearer secret"))
        .unwrap();
    assert!(!format!("{proxy_with_header:?}").contains("secret"));

    let client = Client::new().proxy(proxy_with_header);
    let result = client.connect("ws://server.example").await;

    assert!(result.is_err());
    let request = proxy.await.unwrap();
    assert!(request.contains("\r\nProxy-Authorization: Bearer secret\r\n"));
    assert!(!request.contains("Basic"));
}

#[tokio::test]
async fn proxy_that_wants_credentials_says_so() {
    let error = refused(
        "HTTP/1.1 407 Proxy Authentication Required\r\n\
         Proxy-Authenticate: Basic realm=\"office\"\r\nContent-Length: 5\r\n\r\nlogin",
    )
    .await;

    let ProxyError::Credentials(refused) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        refused.headers()["proxy-authenticate"],
        "Basic realm=\"office\""
    );
    assert_eq!(refused.text(), "login");
}

#[tokio::test]
async fn refusal_of_the_proxy_is_not_the_servers() {
    let error = refused("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;

    let ProxyError::Refused(refused) = error else {
        panic!("{error:?}");
    };
    assert_eq!((refused.status().as_u16(), &*refused.text()), (403, "no"));
}

#[tokio::test]
async fn bytes_before_anything_was_asked_are_refused() {
    let error = refused("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n").await;

    assert!(matches!(error, ProxyError::EarlyBytes), "{error:?}");
}

#[tokio::test]
async fn proxy_that_hangs_up_or_talks_nonsense_has_failed() {
    for answer in ["HTTP/1.1 200", "220 mail.example ESMTP\r\n\r\n"] {
        let error = refused(answer).await;

        assert!(matches!(error, ProxyError::Failed(_)), "{error:?}");
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn proxy_that_is_not_there_has_failed() {
    let result = through(&nobody(), "ws://server.example").await;

    let error = proxy_error(result.unwrap_err());
    let ProxyError::Failed(cause) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(*cause, ConnectError::Connect(_)));
}

#[tokio::test]
async fn silent_proxy_ends_the_attempt_in_time() {
    let (address, proxy) = listen(async |mut peer: Peer| {
        peer.head().await;
        peer.rest().await
    })
    .await;
    let client = Client::new()
        .proxy(Proxy::http(format!("http://{address}")).unwrap())
        .proxy_timeout(Duration::from_millis(50));

    let error = client.connect("ws://server.example").await.unwrap_err();

    assert!(
        matches!(error, ConnectError::Timeout(Phase::Proxy)),
        "{error:?}"
    );
    assert_eq!(proxy.await.unwrap(), b"");
}

#[tokio::test]
async fn hosts_of_the_bypass_list_are_reached_straight() {
    let url = format!("ws://{}", nobody());
    for (hosts, is_proxied) in [
        ("", true),
        ("server.example", true),
        ("127.0.0.1", false),
        ("10.0.0.0/8, 127.0.0.0/8", false),
        ("*", false),
    ] {
        let proxy = Proxy::http(nobody()).unwrap().bypass(hosts);

        assert_eq!(goes_through(proxy, &url).await, is_proxied, "{hosts:?}");
    }
}

#[tokio::test]
async fn variables_choose_the_proxy_by_scheme() {
    let (proxy, ws) = (nobody(), format!("ws://{}", nobody()));
    let (proxy, wss) = (proxy.as_str(), ws.replace("ws:", "wss:"));
    for (pairs, ws_is_proxied, wss_is_proxied) in [
        (&[][..], false, false),
        (&[("HTTP_PROXY", proxy)], true, false),
        (&[("http_proxy", proxy)], true, false),
        (&[("https_proxy", proxy)], false, true),
        (&[("HTTPS_PROXY", proxy)], false, true),
        (&[("all_proxy", proxy)], true, true),
        (&[("ALL_PROXY", proxy), ("http_proxy", "")], true, true),
        (
            &[("ALL_PROXY", proxy), ("no_proxy", "127.0.0.1")],
            false,
            false,
        ),
        (
            &[("ALL_PROXY", proxy), ("NO_PROXY", "127.0.0.1")],
            false,
            false,
        ),
        (
            &[("HTTP_PROXY", proxy), ("REQUEST_METHOD", "GET")],
            false,
            false,
        ),
        (
            &[("http_proxy", proxy), ("REQUEST_METHOD", "GET")],
            true,
            false,
        ),
        (
            &[("HTTPS_PROXY", proxy), ("REQUEST_METHOD", "GET")],
            false,
            true,
        ),
    ] {
        let is_proxied = goes_through(variables(pairs), &ws).await;
        assert_eq!(is_proxied, ws_is_proxied, "{pairs:?}");
        let is_proxied = goes_through(variables(pairs), &wss).await;
        assert_eq!(is_proxied, wss_is_proxied, "{pairs:?}");
    }
}

#[tokio::test]
async fn variable_of_another_kind_of_proxy_is_not_passed_by() {
    let proxy = variables(&[("ALL_PROXY", "socks5://127.0.0.1:1080")]);
    let client = Client::new().proxy(proxy);

    let error = client.connect("ws://server.example").await.unwrap_err();

    let error = proxy_error(error);
    assert!(
        matches!(error, ProxyError::Url(EndpointError::Scheme)),
        "{error:?}"
    );
}

#[test]
fn proxy_url_is_checked() {
    let wrong = Proxy::http("socks5://proxy.example").unwrap_err();
    let error = proxy_error(wrong);

    assert!(matches!(error, ProxyError::Url(EndpointError::Scheme)));
    assert!(Proxy::http("proxy.example:3128").is_ok());
}

#[tokio::test]
async fn environment_of_the_process_is_read_when_asked_for() {
    const CHILD: &str = "HOLDWIRE_TEST_PROXIED";
    if let Ok(url) = std::env::var(CHILD) {
        let is_proxied = goes_through(Proxy::from_env(), &url).await;
        assert!(is_proxied);
        return;
    }
    // Only a new process can be given another environment without unsafe code.
    let this = std::env::current_exe().unwrap();
    let name = "proxy::environment_of_the_process_is_read_when_asked_for";
    let child = std::process::Command::new(this)
        .args(["--exact", name])
        .env(CHILD, format!("ws://{}", nobody()))
        .env("http_proxy", nobody())
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
