//! What the load generator reports and the runner reads: one line of JSON.

use serde::{Deserialize, Serialize};

/// What one run of work cost one server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Work {
    /// Messages answered, messages delivered or handshakes done inside the measured window.
    pub count: u64,
    /// Payload of one of the server's messages as it is on the wire, in bytes.
    pub wire_bytes: u64,
    /// Receives of the load generator in the window that brought something.
    pub receives: u64,
    /// Length of the measured window.
    pub seconds: f64,
    /// CPU time that the server spent in the window, in nanoseconds.
    pub server_cpu_ns: u64,
    /// Clock ticks of it in user space, as the kernel sampled them.
    pub server_user_ticks: u64,
    /// Clock ticks of it in the kernel, as the kernel sampled them.
    pub server_system_ticks: u64,
    /// CPU time that the load generator itself spent in the window, in nanoseconds.
    pub load_cpu_ns: u64,
}

impl Work {
    /// CPU time of the server for one message, delivery or handshake, in nanoseconds.
    pub fn cpu_ns(&self) -> f64 {
        self.server_cpu_ns as f64 / self.count as f64
    }

    /// The same in user space, as the kernel's ticks divide it.
    pub fn user_ns(&self) -> f64 {
        let ticks = self.server_user_ticks + self.server_system_ticks;
        self.cpu_ns() * self.server_user_ticks as f64 / ticks.max(1) as f64
    }
}

/// Resident memory of one server while connections are idle, in bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Idle {
    /// Connections held open.
    pub connections: u64,
    /// Before them, after one connection has come, echoed and gone.
    pub base: u64,
    /// With all connections open and none ever used.
    pub untouched: u64,
    /// After one echo on each connection, if there was one.
    pub after_echo: Option<u64>,
}

/// What idle connections cost while only the server's heartbeat speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Heartbeat {
    /// Connections held open.
    pub connections: u64,
    /// Length of the measured window.
    pub seconds: f64,
    /// Pings that came in the window; each was answered.
    pub pings: u64,
    /// Resident memory before the connections, in bytes.
    pub base: u64,
    /// With all connections open and none ever used.
    pub before: u64,
    /// At the end of the window.
    pub after: u64,
    /// CPU time that the server spent in the window, in nanoseconds.
    pub server_cpu_ns: u64,
    /// Clock ticks of it in user space, as the kernel sampled them.
    pub server_user_ticks: u64,
    /// Clock ticks of it in the kernel, as the kernel sampled them.
    pub server_system_ticks: u64,
}

impl Heartbeat {
    /// Growth per connection at the end of the window, in bytes.
    pub fn bytes_per_connection(&self) -> u64 {
        self.after.saturating_sub(self.base) / self.connections.max(1)
    }

    /// CPU time of the server for each connection and second, in microseconds.
    pub fn cpu_microseconds(&self) -> f64 {
        self.server_cpu_ns as f64 / 1000.0 / self.connections.max(1) as f64 / self.seconds
    }
}

impl Idle {
    /// Growth per connection that was never used, in bytes.
    pub fn untouched_per_connection(&self) -> u64 {
        self.untouched.saturating_sub(self.base) / self.connections.max(1)
    }

    /// Growth per connection that has echoed one message and is idle again, in bytes.
    pub fn after_echo_per_connection(&self) -> Option<u64> {
        let growth = self.after_echo?.saturating_sub(self.base);
        Some(growth / self.connections.max(1))
    }

    /// The larger of the two.
    pub fn most_per_connection(&self) -> u64 {
        let untouched = self.untouched_per_connection();
        self.after_echo_per_connection()
            .map_or(untouched, |after| after.max(untouched))
    }
}
