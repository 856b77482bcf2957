//! TLS: what was agreed on, and certificates that nobody should trust.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::common::Server;
use crate::{assert_broken, assert_warned, check};

/// A certificate for `localhost` until that year, with its key, as files.
fn certificate(name: &str, until: i32) -> (PathBuf, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let paths = (
        folder.join(format!("check-{name}.pem")),
        folder.join(format!("check-{name}.key")),
    );
    std::fs::write(&paths.0, certificate.pem()).unwrap();
    std::fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

fn serve(paths: &(PathBuf, PathBuf)) -> (Server, String) {
    let [certificate, key] = [&paths.0, &paths.1].map(|path| path.to_str().unwrap());
    let server = Server::start(&["--tls-cert", certificate, "--tls-key", key]);
    let url = format!("wss://localhost:{}/echo/headers", server.address.port());
    (server, url)
}

#[test]
fn what_tls_agreed_on_is_told() {
    let paths = certificate("good", 2090);
    let (_server, url) = serve(&paths);

    let (code, report) = check(&[&url, "--cacert", paths.0.to_str().unwrap()]);

    assert_eq!(code, Some(0), "{report:#}");
    let tls = &report["way"]["tls"];
    assert_eq!(
        (&tls["version"], &tls["alpn"]),
        (&"TLS 1.3".into(), &"http/1.1".into())
    );
    assert_eq!(tls["certificate"]["names"][0], "localhost");
    assert!(tls["certificate"]["days_left"].as_i64().unwrap() > 300);
}

#[test]
fn certificate_of_a_stranger_is_not_trusted_but_shown() {
    let (_server, url) = serve(&certificate("stranger", 2090));

    assert_broken(&[&url], "tls", &["nobody who is trusted", "--cacert"]);
    let (_, report) = check(&[&url]);
    assert_eq!(report["way"]["tls"]["certificate"]["names"][0], "localhost");
    assert!(report["agreed"].is_null());
    let (code, trusting) = check(&[&url, "--insecure"]);
    assert_eq!((code, &trusting["verdict"]), (Some(0), &"ok".into()));
}

#[test]
fn expired_certificate_is_to_be_renewed() {
    let paths = certificate("expired", 2021);
    let (_server, url) = serve(&paths);
    let authority = paths.0.to_str().unwrap();

    assert_broken(
        &[&url, "--cacert", authority],
        "tls",
        &["has expired", "renew"],
    );
    assert_broken(&[&url, "--insecure"], "certificate", &["expired", "renew"]);
}

#[test]
fn tls_where_there_is_none_is_told() {
    let server = Server::start(&[]);

    assert_broken(
        &[&format!("wss://{}/", server.address)],
        "tls",
        &["whether this port speaks TLS"],
    );
    let (_secured, url) = serve(&certificate("other-way", 2090));
    let plain = url.replace("wss://", "ws://");
    let (code, report) = check(&[&plain]);
    assert_eq!((code, &report["verdict"]), (Some(1), &"broken".into()));
}

#[test]
fn subprotocol_that_nobody_picks_is_a_warning() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/", server.address);

    assert_warned(
        &[&url, "--subprotocol", "chat"],
        "subprotocol",
        &["none", "browser"],
    );
}
