//! The user's share of the CPU time, sampled with `perf` ten thousand times a second.
//!
//! The kernel's own account of it is by the tick and known to a hundredth of a second, which says
//! little of a server that is nearly all of its time in the kernel. Sampling costs the kernel's
//! side a few percent, so it has rounds of its own and only the user's side of them is taken.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{self, Command, Stdio};

use holdwire_bench::measurement::Work;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::child::spawn_watcher;

/// Between two samples, in nanoseconds of CPU time.
const PERIOD: &str = "100000";
/// Milliseconds before the first sample, so that opening the connections is not among them.
const DELAY: &str = "300";
/// Where the kernel's addresses begin, on every machine that perf and this run on.
const KERNEL: u64 = 1 << 63;

/// One run that was sampled.
#[derive(Serialize)]
pub(crate) struct Profile {
    work: Work,
    samples: Samples,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Samples {
    user: u64,
    kernel: u64,
}

impl Profile {
    /// CPU time per unit in user space, in nanoseconds.
    pub(crate) fn user_ns(&self) -> f64 {
        let Samples { user, kernel } = self.samples;
        self.work.cpu_ns() * user as f64 / (user + kernel).max(1) as f64
    }
}

/// Whether there is a `perf` that runs.
pub(crate) fn is_possible() -> bool {
    let mut command = Command::new("perf");
    command.args(["record", "-q", "-e", "cpu-clock", "-o", "/dev/null", "true"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Samples the process `pid` while `load` loads it.
pub(crate) fn of(pid: u32, load: impl FnOnce() -> io::Result<Work>) -> io::Result<Profile> {
    let file = env::temp_dir().join(format!("holdwire-bench-{}.perf", process::id()));
    let mut record = Command::new("perf");
    record.args(["record", "-q", "-e", "cpu-clock", "-c", PERIOD, "-D", DELAY]);
    record.args(["-p", &pid.to_string(), "-o"]).arg(&file);
    record.stdout(Stdio::null()).stderr(Stdio::null());
    let mut perf = spawn_watcher(&mut record)?;
    let work = load();
    if let Some(pid) = i32::try_from(perf.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::INT)?;
    }
    perf.wait()?;
    let samples = read(&file);
    fs::remove_file(&file)?;
    Ok(Profile {
        work: work?,
        samples: samples?,
    })
}

fn read(file: &Path) -> io::Result<Samples> {
    let mut script = Command::new("perf");
    script.args(["script", "-F", "ip", "-i"]).arg(file);
    let output = script.stderr(Stdio::null()).output()?;
    let samples = Samples::read(&String::from_utf8_lossy(&output.stdout));
    if samples.user + samples.kernel == 0 {
        return Err(io::Error::other("perf has seen nothing"));
    }
    Ok(samples)
}

impl Samples {
    /// Reads one address a line.
    fn read(addresses: &str) -> Self {
        let mut samples = Self::default();
        for line in addresses.lines() {
            match u64::from_str_radix(line.trim(), 16) {
                Ok(KERNEL..) => samples.kernel += 1,
                Ok(_) => samples.user += 1,
                Err(_) => {}
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_the_kernel_from_the_program() {
        let addresses = "\
        ffffffff8108f2b1 
            55d0c8a1f2c0 
        ffffffffc0341000 
            7f3c2f1a0e10 
        ffffffff81a00000 

";

        let samples = Samples::read(addresses);

        assert_eq!(samples, Samples { user: 2, kernel: 3 });
    }
}
