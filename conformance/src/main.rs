//! The tests of the built program.

use std::process::ExitCode;

use holdwire_conformance::{bad_inputs, chaos, drain};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("bad-inputs") => bad_inputs::command(arguments),
        Some("drain") => drain::command(arguments),
        Some("judge") => chaos::command(arguments),
        _ => {
            eprintln!("usage: holdwire-conformance bad-inputs|drain|judge --help");
            ExitCode::from(2)
        }
    }
}
