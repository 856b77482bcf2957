//! Those who come while the server goes down.

use std::net::SocketAddr;
use std::time::Duration;

use super::Report;
use super::program::{ask, get};

/// What newcomers were told while the server went down.
#[derive(Default)]
pub(super) struct Newcomers {
    refused: usize,
    without_time: usize,
    ready: usize,
    let_in: usize,
}

/// Asks again and again, until nobody listens.
pub(super) async fn knock(address: SocketAddr) -> Newcomers {
    let upgrade = format!(
        "GET /echo HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: w4v7O6xFTi36lq3RNcgctw==\r\n\r\n"
    );
    let mut newcomers = Newcomers::default();
    let mut is_draining = false;
    loop {
        // The signal is on its way; from the first 503 on it must stay so.
        let Ok(health) = ask(address, &get(address, "/health/ready")).await else {
            return newcomers;
        };
        if health.starts_with("HTTP/1.1 503 ") {
            is_draining = true;
        } else if is_draining && !health.is_empty() {
            newcomers.ready += 1;
        }
        if is_draining {
            let Ok(answer) = ask(address, &upgrade).await else {
                return newcomers;
            };
            if answer.starts_with("HTTP/1.1 503 ") {
                newcomers.refused += 1;
                let field = answer.to_ascii_lowercase();
                newcomers.without_time += usize::from(!field.contains("\r\nretry-after: "));
            } else if !answer.is_empty() {
                newcomers.let_in += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Newcomers {
    pub(super) fn check(&self, report: &mut Report) {
        report.check(
            "new handshakes were refused with 503 and Retry-After",
            self.refused > 0 && self.without_time == 0 && self.let_in == 0,
            format!("{} refused, {} let in", self.refused, self.let_in),
        );
        report.check(
            "the server was not ready any more",
            self.ready == 0,
            format!("{} times ready after it was not", self.ready),
        );
    }
}
