//! CPU time and memory of another process, read from `/proc`.

use std::fs;
use std::io;

use crate::measurement::Work;

/// CPU time that a process has spent until now.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime {
    total_ns: u64,
    user_ticks: u64,
    system_ticks: u64,
}

impl CpuTime {
    /// Reads the CPU time of the process `pid`, over all threads that it has now.
    ///
    /// The total is the scheduler's own account in nanoseconds. User and system time are known
    /// to the tick only: they say how the total divides, and need many ticks to say it well.
    ///
    /// # Errors
    /// The process is gone, or the kernel keeps no scheduler statistics.
    pub fn of(pid: u32) -> io::Result<Self> {
        let mut total_ns = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
            total_ns += number(statistics.split_whitespace().next())?;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the command in brackets and may hold anything, so count behind it.
        let (_, fields) = status.rsplit_once(')').ok_or_else(unreadable)?;
        let mut fields = fields.split_whitespace().skip(11);
        Ok(Self {
            total_ns,
            user_ticks: number(fields.next())?,
            system_ticks: number(fields.next())?,
        })
    }

    /// Writes what was spent since `earlier` into `work`, as the server's share.
    pub fn since(&self, earlier: &Self, work: &mut Work) {
        work.server_cpu_ns = self.nanoseconds_since(earlier);
        (work.server_user_ticks, work.server_system_ticks) = self.ticks_since(earlier);
    }

    /// Clock ticks spent since `earlier` in user space and in the kernel.
    pub fn ticks_since(&self, earlier: &Self) -> (u64, u64) {
        (
            self.user_ticks.saturating_sub(earlier.user_ticks),
            self.system_ticks.saturating_sub(earlier.system_ticks),
        )
    }

    /// CPU time spent since `earlier`, in nanoseconds.
    pub fn nanoseconds_since(&self, earlier: &Self) -> u64 {
        self.total_ns.saturating_sub(earlier.total_ns)
    }
}

/// Reads the resident memory of the process `pid` in bytes.
///
/// The page tables are walked for it: the counters in `/proc/PID/status` lag behind by some
/// dozens of pages for each CPU, which is bytes per connection even at ten thousand of them.
///
/// # Errors
/// The process is gone or belongs to somebody else.
pub fn resident_memory(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    Ok(1024 * number(line.and_then(|line| line.split_whitespace().next()))?)
}

fn number(field: Option<&str>) -> io::Result<u64> {
    field
        .and_then(|field| field.parse().ok())
        .ok_or_else(unreadable)
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "/proc has an unknown shape")
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::process;
    use std::time::Instant;

    use super::*;

    #[test]
    fn own_work_is_counted() {
        let before = CpuTime::of(process::id()).unwrap();

        let start = Instant::now();
        while start.elapsed().as_millis() < 30 {
            black_box((0..10_000_u64).sum::<u64>());
        }

        let after = CpuTime::of(process::id()).unwrap();
        assert!(after.nanoseconds_since(&before) > 0);
    }

    #[test]
    fn touched_memory_is_counted() {
        let before = resident_memory(process::id()).unwrap();

        let block = black_box(vec![1_u8; 8 << 20]);

        let after = resident_memory(process::id()).unwrap();
        assert!(after - before >= 7 << 20, "{} bytes", after - before);
        drop(block);
    }
}
