//! `wss`: whom the client trusts, and that it never goes on in clear.

use std::sync::Arc;

use holdwire::tls::rustls::{self, ServerConfig, pki_types::PrivateKeyDer};
use holdwire::tls::{TlsAcceptor, TlsConnector, TlsError};
use holdwire::{Client, CloseCode, ConnectError, Message, Phase, Setup};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::peer::{Peer, listen};

/// An authority of our own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A client that trusts this authority alone.
    fn client(&self) -> Client {
        Client::new().tls(TlsConnector::with_roots_pem(self.0.pem().as_bytes()).unwrap())
    }

    /// The PEM texts of a certificate for a host and of its key.
    fn issue(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn acceptor(&self, host: &str) -> TlsAcceptor {
        let (certificate, key) = self.issue(host);
        TlsAcceptor::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }
}

fn is_certificate_error(error: &ConnectError) -> bool {
    let ConnectError::Tls(error) = error else {
        return false;
    };
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

#[tokio::test]
async fn wss_talks_to_a_host_that_a_given_root_vouches_for() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost");
    let (address, server) = listen(async move |peer: Peer| {
        let mut peer = Peer::new(acceptor.accept(peer.into_io()).await.unwrap());
        peer.accept("", b"").await;
        peer.echo(Setup::default()).await;
    })
    .await;

    let url = format!("wss://localhost:{}/echo", address.port());
    let mut socket = authority.client().connect(url).await.unwrap();
    socket.send("hello").await.unwrap();
    let message = socket.recv().await.unwrap().unwrap();
    let closed = socket.close(CloseCode::NORMAL, "").await;

    assert_eq!(message, Message::from("hello"));
    assert!(closed.is_clean());
    server.await.unwrap();
}

#[tokio::test]
async fn wss_over_a_given_transport_is_tls_too() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("127.0.0.1");
    let (io, peer) = Peer::pipe();
    let server = async {
        let mut peer = Peer::new(acceptor.accept(peer.into_io()).await.unwrap());
        peer.accept("", b"\x81\x02hi").await;
        peer
    };

    let client = authority.client();
    let (socket, _peer) = tokio::join!(client.over(io, "wss://127.0.0.1"), server);

    let message = socket.unwrap().recv().await.unwrap().unwrap();
    assert_eq!(message, Message::from("hi"));
}

#[tokio::test]
async fn certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("other.example");
    let (io, peer) = Peer::pipe();

    let client = authority.client();
    let (refused, accepted) = tokio::join!(
        client.over(io, "wss://a.example"),
        acceptor.accept(peer.into_io())
    );

    assert!(is_certificate_error(&refused.unwrap_err()));
    assert!(accepted.is_err());
}

#[tokio::test]
async fn certificate_of_another_authority_is_refused() {
    let acceptor = Authority::new().acceptor("a.example");
    for client in [Authority::new().client(), Client::new()] {
        let (io, peer) = Peer::pipe();

        let (refused, accepted) = tokio::join!(
            client.over(io, "wss://a.example"),
            acceptor.accept(peer.into_io())
        );

        assert!(is_certificate_error(&refused.unwrap_err()));
        assert!(accepted.is_err());
    }
}

#[tokio::test]
async fn wss_to_a_server_without_tls_says_nothing_in_clear() {
    const HANDSHAKE_RECORD: u8 = 22; // RFC 8446 §5.1
    let (io, mut peer) = Peer::pipe();
    peer.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;

    let error = Client::new().over(io, "wss://a.example").await.unwrap_err();

    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
    let said = peer.rest().await;
    assert_eq!(said[0], HANDSHAKE_RECORD);
    assert!(!said.windows(4).any(|bytes| bytes == b"GET "));
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_tls_handshake_ends_the_attempt_in_time() {
    let (io, _peer) = Peer::pipe();
    let client = Authority::new().client();
    let start = tokio::time::Instant::now();

    let error = client.over(io, "wss://a.example").await.unwrap_err();

    assert!(matches!(error, ConnectError::Timeout(Phase::Tls)));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn given_configurations_speak_http_1_1_alone() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a.example");
    let chain =
        vec![rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key =
        <PrivateKeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(key.as_bytes())
            .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from_config(Arc::new(config));
    let (io, peer) = Peer::pipe();
    let client = authority.client();
    let server = async {
        let mut peer = Peer::new(acceptor.accept(peer.into_io()).await.unwrap());
        peer.accept("", b"").await;
    };

    let (socket, ()) = tokio::join!(client.over(io, "wss://a.example"), server);

    assert!(socket.is_ok(), "{socket:?}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = std::env::temp_dir().join(format!("holdwire-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a.example");
    let certificate = file("certificate.pem", &certificate);
    let key = file("key.pem", &key);
    let other_key = file("other.pem", &authority.issue("a.example").1);

    let good = TlsAcceptor::from_pem_files(&certificate, &key);
    let missing = TlsAcceptor::from_pem_files(folder.join("none.pem"), &key);
    let swapped = TlsAcceptor::from_pem_files(&key, &certificate);
    let foreign = TlsAcceptor::from_pem_files(&certificate, other_key);
    let roots = TlsConnector::with_roots_file(&key);

    std::fs::remove_dir_all(&folder).unwrap();
    assert!(good.is_ok());
    let told = missing.unwrap_err().to_string();
    assert!(told.contains("none.pem"), "{told}");
    assert!(matches!(swapped, Err(TlsError::File(..))));
    assert!(matches!(foreign, Err(TlsError::Rustls(_))));
    assert!(matches!(roots, Err(TlsError::File(..))));
}
