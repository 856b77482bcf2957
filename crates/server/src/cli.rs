//! The command line: what can be written, the help, and errors in one line.

mod channels;
mod check;
mod connect;
mod serve;
mod token;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use channels::{From as Since, Kind, PubFlags, ReachFlags, SubFlags};
pub use check::CheckFlags;
pub use connect::{BinaryView, ConnectFlags, Header, ProxyUrl, Target};
pub use token::{CheckTokenFlags, Lifetime, MakeFlags, TokenCommand};

use crate::config::ServeFlags;

/// A WebSocket server and a terminal client in one program.
#[derive(Debug, Parser)]
#[command(name = "holdwire", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves WebSocket on / and /echo, a page to try it, health and metrics
    ///
    /// Each setting is a flag here, a key of the same name in the file of --config (see
    /// docs/holdwire.toml) and an environment variable. A flag is stronger than the environment,
    /// the environment is stronger than the file. Lists in the environment are separated by commas.
    Serve(ServeFlags),
    /// Opens a WebSocket: lines in, messages out
    ///
    /// Each line of standard input is sent as a text message, without its end. Messages go to
    /// standard output, each text with a line end; words about the connection go to standard error.
    ///
    /// Typed at a terminal, /ping tells the round-trip time, /hex 00 ff sends binary, /close CODE
    /// REASON closes, /help lists these, and //text sends /text. Ctrl-D and Ctrl-C close; a second
    /// Ctrl-C ends at once.
    ///
    /// In a pipe, the end of standard input closes after --linger without a message, unless
    /// --expect, --count or --no-close wait for something. When nobody reads standard output any
    /// more, the connection is closed in silence.
    ///
    /// Exit codes: 0 when all went as asked, 1 when the connection or an expectation failed or the
    /// server closed with another code than 1000 or 1001, 2 when the command line is wrong.
    /// --echo takes any code of the server for an end as asked.
    Connect(Box<ConnectFlags>),
    /// Reads channels: what is published there, once and in order
    ///
    /// Each text or JSON value goes to standard output on a line, bytes as base64, with the channel
    /// in front when there are several. When the line is lost it comes back and goes on where it
    /// was. What cannot be had any more is told on standard error with its bounds, and by --json in
    /// its place.
    ///
    /// Exit codes: 0 when --count publications came or Ctrl-C ended it, 1 when the server ended a
    /// subscription or the line does not come back, 2 when the command line is wrong.
    Sub(Box<SubFlags>),
    /// Publishes in a channel, each message once
    ///
    /// A publication is repeated under its number until the server has said where it stands,
    /// whatever happens to the line, so that it is in the channel once.
    ///
    /// Exit codes: 0 when everything was published, 1 when something was not or it is not known, 2
    /// when the command line is wrong.
    Pub(Box<PubFlags>),
    /// Makes tokens, and says what is wrong with one
    ///
    /// The keys are those of the configuration of holdwire serve.
    ///
    /// Exit codes: 0 when the token was made or is accepted, 1 when it is refused, 2 when the command
    /// line, the configuration or the key cannot be used.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Examines a WebSocket server and the way to it
    ///
    /// Tells how long each step of opening takes, what was agreed on, how pings are answered, what
    /// the server says to a wrong version and to a foreign Origin, how it closes, and what to do
    /// about it. With a reflecting endpoint it tells what proxies changed. Messages are sent to the
    /// application only by the flags that say so.
    ///
    /// Exit codes: 0 when all is well or there are warnings, 1 when the server cannot be reached or
    /// is broken, 2 when the command line is wrong. Ctrl-C prints what is known by then.
    Check(Box<CheckFlags>),
}

/// Why there is nothing to run.
#[derive(Debug)]
pub enum NoCommand {
    /// Help or version was asked for: the text to print.
    Text(String),
    /// The command line is wrong: one line that says what and how to mend it.
    Wrong(String),
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// The text of help or version when that was asked for, or what is wrong, in one line.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, NoCommand> {
        let mut command = Self::command();
        command
            .try_get_matches_from_mut(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    NoCommand::Text(error.render().to_string())
                }
                _ => NoCommand::Wrong(one_line(&error)),
            })
    }
}

/// Flags whose values may be secret and are not repeated in an error.
const SECRET: [&str; 3] = ["--header", "--proxy", "--token"];

/// Says in one line what clap says in many.
fn one_line(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(" or ")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let help = "see holdwire help";
    match error.kind() {
        ErrorKind::ValueValidation => {
            let flag = argument.split_whitespace().next().unwrap_or_default();
            let problem = std::error::Error::source(error).map(ToString::to_string);
            let problem = problem.unwrap_or_else(|| help.to_owned());
            if SECRET.contains(&flag) {
                format!("{flag}: {problem}")
            } else {
                format!("{flag} = {value:?}: {problem}")
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument}: a value is missing"),
        ErrorKind::InvalidValue => {
            let valid = text(ContextKind::ValidValue).unwrap_or_default();
            format!("{argument} = {value:?}: there is no such value; write {valid}")
        }
        ErrorKind::UnknownArgument => {
            let likely = text(ContextKind::SuggestedArg);
            let likely = likely.map_or(help.to_owned(), |likely| format!("did you mean {likely}?"));
            format!("{argument}: there is no such flag or argument here; {likely}")
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!(
                "{name:?}: there is no such command; write holdwire serve, connect, sub, pub, token or check"
            )
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing; write holdwire serve, or holdwire help".to_owned()
        }
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing; {help}"),
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg);
            match other.filter(|other| *other != argument) {
                Some(other) => format!("{argument} and {other} exclude each other; leave one out"),
                None => format!("{argument}: given twice; give it once"),
            }
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            format!("{}; {help}", first.trim_start_matches("error: "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, NoCommand> {
        let words = std::iter::once("holdwire").chain(line.split(' ').filter(|w| !w.is_empty()));
        Cli::read(words.map(OsString::from))
    }

    fn wrong(line: &str) -> String {
        match read(line) {
            Err(NoCommand::Wrong(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn command_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line_with_a_remedy() {
        for (line, expected) in [
            (
                "",
                "a command is missing; write holdwire serve, or holdwire help",
            ),
            (
                "sevre",
                "\"sevre\": there is no such command; write holdwire serve, connect, sub, pub, token or check",
            ),
            (
                "serve --lisen 1",
                "--lisen: there is no such flag or argument here; did you mean --listen?",
            ),
            (
                "serve now",
                "now: there is no such flag or argument here; see holdwire help",
            ),
            (
                "serve --drain 1s --drain 2s",
                "--drain <DURATION>: given twice; give it once",
            ),
            ("connect", "<URL> is missing; see holdwire help"),
            (
                "connect ws://localhost --timeout 5",
                "--timeout = \"5\": a duration needs its unit; \
                 write 5s for seconds or 5ms for milliseconds",
            ),
            (
                "connect ws://localhost --binary heks",
                "--binary <VIEW> = \"heks\": there is no such value; write hex or raw or file",
            ),
            (
                "connect ws://localhost --echo --send x",
                "--echo and --send <TEXT> exclude each other; leave one out",
            ),
            (
                "connect ws://localhost --binary file",
                "--output-dir <DIR> is missing; see holdwire help",
            ),
        ] {
            assert_eq!(wrong(line), expected, "{line}");
        }
    }

    #[test]
    fn secrets_are_not_repeated_in_errors() {
        for line in [
            "connect ws://localhost --header Authorization=Bearer:s3cret",
            "connect ws://localhost --proxy ftp://user:s3cret@proxy",
        ] {
            let text = wrong(line);
            assert!(!text.contains("s3cret"), "{text}");
            assert!(text.contains("write"), "{text}");
        }
    }

    #[test]
    fn help_shows_default_and_variable_of_every_setting() {
        let Err(NoCommand::Text(help)) = read("serve --help") else {
            panic!("no help");
        };
        for spec in crate::config::SETTINGS {
            assert!(help.contains(&format!("--{}", spec.name)), "{}", spec.name);
            assert!(help.contains(&spec.variable()), "{}", spec.name);
        }
        assert!(help.contains("[default: 1MiB]"), "{help}");
        assert!(
            help.contains("[default: 127.0.0.1:3000 [::1]:3000]"),
            "{help}"
        );
    }
}
