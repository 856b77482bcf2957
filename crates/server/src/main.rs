//! The `holdwire` program.
//!
//! Exit codes: 0 when all went as asked, 1 when a connection or an expectation failed, 2 when the
//! command line, the configuration or an address cannot be used.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use holdwire_server::channels::{publish, subscribe};
use holdwire_server::check::check;
use holdwire_server::check_config;
use holdwire_server::cli::{Cli, Command, NoCommand, TokenCommand};
use holdwire_server::config::{ConfigError, ServeConfig, ServeFlags};
use holdwire_server::connect::{Failure, connect};
use holdwire_server::log;
use holdwire_server::serve::{key_set, serve, tls};
use holdwire_server::token::{check_token, make_token};

fn main() -> ExitCode {
    let command = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli.command,
        Err(NoCommand::Text(text)) => return print(&text),
        Err(NoCommand::Wrong(line)) => return refuse(&line),
    };
    match command {
        Command::Serve(flags) => run_serve(&flags).unwrap_or_else(|error| refuse(&error)),
        Command::Connect(flags) => match connect(&flags) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        },
        Command::Sub(flags) => match subscribe(&flags) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        },
        Command::Pub(flags) => match publish(&flags) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        },
        Command::Token(command) => run_token(&command).unwrap_or_else(|error| refuse(&error)),
        Command::Check(flags) => match check(&flags) {
            Ok(is_sound) => ExitCode::from(u8::from(!is_sound)),
            Err(failure) => fail(&failure),
        },
    }
}

fn run_serve(flags: &ServeFlags) -> Result<ExitCode, ConfigError> {
    let config = ServeConfig::load(flags, &|name| std::env::var_os(name))?;
    if flags.check_config {
        tls(&config)?;
        key_set(&config)?;
        return Ok(print(&check_config::report(&config)));
    }
    log::start(config.log.value, std::env::var_os("RUST_LOG"))?;
    serve(&config)?;
    Ok(ExitCode::SUCCESS)
}

fn run_token(command: &TokenCommand) -> Result<ExitCode, ConfigError> {
    match command {
        TokenCommand::Make(flags) => Ok(print(&(make_token(flags)? + "\n"))),
        TokenCommand::Check(flags) => {
            let mut token = flags.token.clone();
            if token == "-" {
                token.clear();
                // What cannot be read is no token, which is what is said of it.
                let _ = std::io::stdin().lock().read_line(&mut token);
            }
            let (text, is_accepted) = check_token(token.trim(), flags.config.as_deref())?;
            print(&text);
            Ok(ExitCode::from(u8::from(!is_accepted)))
        }
    }
}

/// Says in one line what did not go as asked.
fn fail(failure: &Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "holdwire: {failure}");
    failure.exit_code()
}

/// Prints what was asked for; a reader that went away is no failure.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Says in one line what cannot be used and what to do.
fn refuse(line: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "holdwire: {line}");
    ExitCode::from(2)
}
