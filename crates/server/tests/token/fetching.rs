//! A key set over TLS.

use holdwire::tls::TlsAcceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::common::{holdwire, run};

/// Serves one key set at `https://localhost:PORT`; gives the port.
async fn login(certificate: &str, key: &str, document: String) -> u16 {
    let tls = TlsAcceptor::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever does not trust the certificate goes.
            let Ok(mut stream) = tls.accept(stream).await else {
                continue;
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let length = document.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{document}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_is_taken_from_whom_the_certificate_names_and_from_nobody_else() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut public = pyjwt()["jwks"]["p256"].clone();
    public["kid"] = json!("p256");
    let port = login(&certificate, &key, json!({"keys": [public]}).to_string()).await;
    let directory = env!("CARGO_TARGET_TMPDIR");
    let (roots, file) = (
        format!("{directory}/fetching-roots.pem"),
        format!("{directory}/fetching.toml"),
    );
    std::fs::write(&roots, certificate).unwrap();
    let token = signed(&whole("p256", false), json!({"sub": "ann"}));
    for (host, is_trusted, words) in [
        (
            "localhost",
            true,
            "accepted: a connection of \"ann\", for ever",
        ),
        ("127.0.0.1", true, "refused (unavailable)"),
        ("localhost", false, "refused (unavailable)"),
    ] {
        std::fs::write(
            &file,
            format!("token-jwks = \"https://{host}:{port}/keys\"\n"),
        )
        .unwrap();
        let mut command = holdwire(&["token", "check", &token, "--config", &file]);
        if is_trusted {
            command.env("SSL_CERT_FILE", &roots);
        }

        let told = tokio::task::spawn_blocking(move || run(&mut command)).await;

        let (_, text, errors) = told.unwrap();
        assert!(text.contains(words), "{host}: {text}{errors}");
    }
}
