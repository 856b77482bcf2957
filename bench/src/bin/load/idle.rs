//! Holds many connections that do nothing, and looks at the server's memory.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use holdwire_bench::measurement::Idle;
use holdwire_bench::process::resident_memory;
use holdwire_bench::wire::masked_text;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::message::Message;
use crate::{Target, connect};

/// Time for the server to finish what it does after the last byte, before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Leaves the connections as they are, for a path that does not echo.
    #[arg(long)]
    no_echo: bool,
    /// Says this on each connection; what is answered is left unread. For a path that does not echo.
    #[arg(long, requires = "no_echo")]
    say: Option<String>,
    /// Speaks TLS, and trusts the certificate in this file (PEM).
    #[arg(long)]
    tls: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> io::Result<Idle> {
    let target = &options.target;
    match &options.tls {
        None => hold(options, |number| connect::open(target, number)),
        Some(certificate) => {
            let config = trusting(certificate)?;
            hold(options, |number| {
                let stream = connect::dial(target, number)?;
                let mut stream = secure(stream, &config)?;
                connect::shake_hands(&mut stream, target)?;
                Ok(stream)
            })
        }
    }
}

fn hold<S: Read + Write>(
    options: &Options,
    open: impl Fn(usize) -> io::Result<S>,
) -> io::Result<Idle> {
    let target = &options.target;
    let message = Message::of(target)?;
    // What a server allocates once, for its first connection, is not charged to the others.
    let mut first = open(0)?;
    if !options.no_echo {
        message.exchange(&mut first)?;
    }
    drop(first);
    let base = settled_memory(target)?;

    let said = options.say.as_ref().map(|text| masked_text(text));
    let mut streams = (0..target.connections)
        .map(|number| {
            let mut stream = open(number)?;
            if let Some(said) = &said {
                stream.write_all(said)?;
            }
            Ok(stream)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let untouched = settled_memory(target)?;

    let mut after_echo = None;
    if !options.no_echo {
        for stream in &mut streams {
            message.exchange(stream)?;
        }
        after_echo = Some(settled_memory(target)?);
    }
    Ok(Idle {
        connections: target.connections as u64,
        base,
        untouched,
        after_echo,
    })
}

/// The server's memory, once it has done what it does after the last byte.
pub(crate) fn settled_memory(target: &Target) -> io::Result<u64> {
    thread::sleep(SETTLE);
    resident_memory(target.server_pid)
}

fn trusting(certificate: &Path) -> io::Result<Arc<ClientConfig>> {
    let certificate = CertificateDer::from_pem_slice(&fs::read(certificate)?);
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate.map_err(io::Error::other)?)
        .map_err(io::Error::other)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn secure(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}
