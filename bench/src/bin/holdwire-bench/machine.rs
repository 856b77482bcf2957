//! The facts without which a number means nothing.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

/// The packages whose versions belong to the numbers.
const PACKAGES: &[&str] = &[
    "tokio-tungstenite",
    "fastwebsockets",
    "sockudo-ws",
    "tokio-websockets",
    "yawc",
    "wtx",
    "tokio",
    "hyper",
];
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The command, the machine and the versions, one fact a line.
pub(crate) fn facts() -> Vec<String> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let uname = rustix::system::uname();
    let versions: Vec<_> = PACKAGES.iter().filter_map(|name| version(name)).collect();
    vec![
        format!("command: `holdwire-bench {}`", arguments.join(" ")),
        format!(
            "machine: {}, {} CPUs, {} {}",
            cpu_model().unwrap_or_else(|| "unknown CPU".to_owned()),
            thread::available_parallelism().map_or(0, usize::from),
            uname.sysname().to_string_lossy(),
            uname.release().to_string_lossy(),
        ),
        format!("load average before: {}", first_line("/proc/loadavg")),
        format!("compiler: {}", compiler()),
        format!("versions: {}", versions.join(", ")),
    ]
}

fn cpu_model() -> Option<String> {
    let information = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = information
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn compiler() -> String {
    Command::new("rustc")
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn version(name: &str) -> Option<String> {
    let entry = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    let (version, _) = entry.1.split_once('"')?;
    Some(format!("{name} {version}"))
}
