//! The program under test, and plain questions to it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A server that this program started, and ends.
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Program {
    /// Starts `binary serve` with these flags, on a free port if none is named, and waits until it
    /// is ready.
    pub(super) async fn start(
        binary: &Path,
        address: Option<SocketAddr>,
        flags: &[&str],
    ) -> Result<Self, String> {
        let address = match address {
            Some(address) => address,
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|listener| listener.local_addr())
                .map_err(|error| format!("no free port: {error}"))?,
        };
        let mut command = Command::new(binary);
        // The defaults are under test, not the settings of whoever runs it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOLDWIRE_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["serve", "--listen", &address.to_string()])
            .args(flags)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        let mut program = Self { child, address };
        let ready = get(address, "/health/ready");
        for _ in 0..600 {
            if let Ok(Some(status)) = program.child.try_wait() {
                return Err(format!("{} ended: {status}", binary.display()));
            }
            let answer = ask(address, &ready).await.unwrap_or_default();
            if answer.starts_with("HTTP/1.1 200 ") {
                return Ok(program);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(format!("{} was not ready in time", binary.display()))
    }

    /// Sends SIGTERM.
    pub(super) async fn terminate(&mut self) -> Result<(), String> {
        let id = self.child.id().ok_or("the server has ended before")?;
        let sent = Command::new("kill")
            .args(["-s", "TERM", &id.to_string()])
            .status();
        match sent.await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("kill: {status}")),
            Err(error) => Err(format!("kill: {error}")),
        }
    }

    /// Ends it at once, as a crash does, and waits for that.
    pub(super) async fn crash(&mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self, patience: Duration) -> Result<ExitStatus, String> {
        match timeout(patience, self.child.wait()).await {
            Ok(status) => status.map_err(|error| error.to_string()),
            Err(_) => Err("the server does not end".to_owned()),
        }
    }

    /// What the server counts under this name; 0 when it is not there yet.
    pub(super) async fn metric(&self, name: &str) -> Result<usize, String> {
        let metrics = ask(self.address, &get(self.address, "/metrics"))
            .await
            .map_err(|error| error.to_string())?;
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let count = count.map_or(Ok(0), |count| count.trim().parse());
        count.map_err(|error| format!("{name}: {error}"))
    }
}

/// A request for a page that ends its connection.
pub(super) fn get(address: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
}

/// Sends a request; the whole answer, or what came of it.
///
/// # Errors
/// When nobody listens.
pub(super) async fn ask(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let mut answer = Vec::new();
    // A server that ends just now may reset the connection: then there is no answer.
    let _ended: Result<std::io::Result<usize>, _> = timeout(Duration::from_secs(5), async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut answer).await
    })
    .await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
