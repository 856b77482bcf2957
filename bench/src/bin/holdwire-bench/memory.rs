//! Memory of connections that do nothing.

use std::io;

use holdwire_bench::measurement::Idle;
use serde::Serialize;

use crate::certificate::Certificate;
use crate::child::{Running, Setting};
use crate::progress;
use crate::servers::{Class, LIMIT_AGAIN, Need, Server};

/// The memory of one server.
#[derive(Serialize)]
pub(crate) struct MemoryResult {
    pub(crate) server: &'static str,
    #[serde(skip)]
    pub(crate) class: Class,
    pub(crate) memory: Idle,
}

/// Looks at each server once, for memory does not wobble. `mode` is what the load generator does.
pub(crate) fn run(servers: &[Server], mode: &str, options: &str) -> Vec<MemoryResult> {
    each(servers, |server| {
        Running::start(server)?.load(mode, server.path(Need::Echo), options)
    })
}

/// The same through TLS, with a certificate that is made for it.
pub(crate) fn run_tls(servers: &[Server], options: &str) -> io::Result<Vec<MemoryResult>> {
    let certificate = Certificate::make()?;
    let options = format!("{options} --tls {}", certificate.path());
    Ok(each(servers, |server| {
        let setting = Setting {
            arguments: &[
                "--tls-cert",
                certificate.path(),
                "--tls-key",
                certificate.key_path(),
            ],
            ..Setting::default()
        };
        Running::start_in(server, setting)?.load("idle", server.path(Need::Tls), &options)
    }))
}

fn each(servers: &[Server], look: impl Fn(&Server) -> io::Result<Idle>) -> Vec<MemoryResult> {
    let mut results = Vec::new();
    for server in servers.iter().filter(|server| server.name != LIMIT_AGAIN) {
        progress::show(server.name);
        match look(server) {
            Ok(memory) => results.push(MemoryResult {
                server: server.name,
                class: server.class,
                memory,
            }),
            Err(error) => progress::complain(&format!("{}: {error}", server.name)),
        }
    }
    progress::show("");
    results
}
