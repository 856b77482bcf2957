//! TLS: `wss` and `https`, and what is said when certificate or key cannot be used.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use holdwire::tls::TlsConnector;
use holdwire::{Client, Message};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{holdwire, run};
use crate::running::Running;

/// A certificate for localhost in a directory that goes with the value.
struct Identity {
    directory: PathBuf,
    certificate: String,
}

impl Identity {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("holdwire-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let identity = Self {
            directory,
            certificate: cert.pem(),
        };
        identity.write("cert.pem", &cert.pem());
        identity.write("key.pem", &signing_key.serialize_pem());
        identity
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn start(&self) -> Running {
        Running::start(&[
            "--tls-cert",
            &self.path("cert.pem"),
            "--tls-key",
            &self.path("key.pem"),
        ])
    }

    fn trusted(&self) -> TlsConnector {
        TlsConnector::with_roots_pem(self.certificate.as_bytes()).unwrap()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // A directory that stays behind is no failure of the test.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test]
async fn wss_greets_and_echoes() {
    let identity = Identity::new("wss");
    let server = identity.start();
    let url = format!("wss://localhost:{}/", server.address.port());

    let client = Client::new().tls(identity.trusted());
    let mut socket = client.connect(&url).await.unwrap();
    let greeting = socket.recv().await.unwrap().unwrap();
    socket.send("over TLS").await.unwrap();
    let echo = socket.recv().await.unwrap().unwrap();

    assert_eq!(greeting, Message::from("Information from the server"));
    assert_eq!(echo, Message::from("over TLS"));
    let page = format!("https://localhost:{}\n", server.address.port());
    assert!(server.banner.contains(&page), "{}", server.banner);
}

#[tokio::test]
async fn page_comes_by_https_on_the_same_port() {
    let identity = Identity::new("https");
    let server = identity.start();

    let tcp = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let mut tls = identity.trusted().connect("localhost", tcp).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tls.write_all(request.as_bytes()).await.unwrap();
    tls.flush().await.unwrap();
    let mut page = String::new();
    tls.read_to_string(&mut page).await.unwrap();

    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
}

#[tokio::test]
async fn own_pages_are_of_the_https_origin() {
    let identity = Identity::new("origin");
    let mut command = holdwire(&["serve", "--listen", "0.0.0.0:0"]);
    command.args(["--tls-cert", &identity.path("cert.pem")]);
    command.args(["--tls-key", &identity.path("key.pem")]);
    let server = Running::spawn(&mut command);
    let place = format!("localhost:{}", server.address.port());
    let client = Client::new().tls(identity.trusted());
    let open = async |origin: String| {
        let client = client.clone().origin(origin).unwrap();
        client.connect(format!("wss://{place}/")).await.is_ok()
    };

    assert!(open(format!("https://{place}")).await);
    assert!(!open(format!("http://{place}")).await);
}

#[test]
fn plain_http_to_a_tls_port_does_not_hang_or_end_the_server() {
    let identity = Identity::new("plain");
    let mut server = identity.start();

    let answer = server.ask_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    assert!(server.is_running());
}

#[test]
fn client_that_does_not_begin_with_tls_is_left_in_time() {
    let identity = Identity::new("silent");
    let server = Running::start(&[
        "--tls-cert",
        &identity.path("cert.pem"),
        "--tls-key",
        &identity.path("key.pem"),
        "--handshake-timeout",
        "200ms",
    ]);
    let start = Instant::now();

    assert_eq!(server.ask_bytes(b""), b"");

    assert!(start.elapsed() < Duration::from_secs(4));
}

#[track_caller]
fn assert_refused(certificate: &str, key: &str, parts: &[&str]) {
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let files = ["--tls-cert", certificate, "--tls-key", key];

    let (code, stdout, stderr) = run(holdwire(&listen).args(files));

    assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}

#[test]
fn key_of_another_certificate_is_refused_in_one_line() {
    let identity = Identity::new("other");
    identity.write("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    let (certificate, key) = (identity.path("cert.pem"), identity.path("other.pem"));

    let parts = [
        "tls-cert",
        "tls-key",
        &certificate,
        &key,
        "its own private key",
    ];
    assert_refused(&certificate, &key, &parts);
}

#[test]
fn checked_configuration_has_a_key_that_fits_its_certificate() {
    let identity = Identity::new("checked");
    identity.write("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    let check = |key: &str| {
        let (certificate, key) = (identity.path("cert.pem"), identity.path(key));
        let files = ["--tls-cert", &certificate, "--tls-key", &key];
        run(holdwire(&["serve", "--check-config"]).args(files))
    };

    let (code, stdout, _) = check("key.pem");
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("configuration ok\n"), "{stdout}");
    let (code, stdout, stderr) = check("other.pem");
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.contains("its own private key"), "{stderr}");
}

#[test]
fn missing_key_file_is_refused_in_one_line() {
    let identity = Identity::new("missing");
    let key = identity.path("nowhere.pem");

    let parts = [
        "tls-key",
        &key,
        "cannot be read",
        "No such file",
        "private key",
    ];
    assert_refused(&identity.path("cert.pem"), &key, &parts);
}

#[test]
fn key_that_cannot_be_read_is_refused_in_one_line() {
    let identity = Identity::new("unreadable");
    // A directory cannot be read as a file by anybody, root included.
    let key = identity.path("");

    assert_refused(
        &identity.path("cert.pem"),
        &key,
        &["tls-key", &key, "cannot be read"],
    );
}

#[test]
fn key_without_a_key_in_it_is_refused_in_one_line() {
    let identity = Identity::new("empty");
    identity.write("empty.pem", "nothing\n");
    let key = identity.path("empty.pem");

    let parts = ["tls-key", &key, "there is none", "private key"];
    assert_refused(&identity.path("cert.pem"), &key, &parts);
}

#[test]
fn certificate_and_key_in_the_wrong_places_are_refused_in_one_line() {
    let identity = Identity::new("swapped");
    let (certificate, key) = (identity.path("cert.pem"), identity.path("key.pem"));

    assert_refused(&key, &certificate, &["tls-cert", &key, "certificate chain"]);
}
