//! What goes out: the flags' messages, then the lines of standard input.

use std::io::{self, IsTerminal};

use holdwire::{CloseCode, Sender};
use tokio::sync::mpsc;

use crate::cli::ConnectFlags;

use super::command::{Command, HELP};
use super::words::Words;
use super::{FAREWELL, Failure};

/// How the input ends.
pub(super) enum InputEnd {
    /// All is sent.
    Sent,
    /// The user closes.
    Close(CloseCode, String),
    /// It cannot be sent.
    Failed(Failure),
}

/// Sends until the input ends. Errors of sending are those of the connection, which the receiving
/// side tells.
pub(super) async fn send_all(
    sender: &Sender,
    flags: &ConnectFlags,
    words: Words,
    mut lines: mpsc::Receiver<io::Result<String>>,
) -> InputEnd {
    if flags.ping {
        ping(sender.clone(), words).await;
    }
    for text in &flags.send {
        if sender.send(text.as_str()).await.is_ok() {
            words.show_sent(text);
        }
    }
    let is_typed = io::stdin().is_terminal();
    if is_typed {
        words.say(HELP);
    }
    while let Some(line) = lines.recv().await {
        let sent = match line {
            Ok(line) if is_typed => match obey(Command::parse(line), sender, words).await {
                Some(end) => return end,
                None => continue,
            },
            Ok(line) => sender.send(line).await,
            Err(error) => {
                return InputEnd::Failed(Failure::failed(format!(
                    "standard input cannot be sent: {error}; give lines of UTF-8 text"
                )));
            }
        };
        if sent.is_err() {
            return InputEnd::Sent;
        }
    }
    let _ = sender.flush().await;
    match is_typed {
        true => InputEnd::Close(FAREWELL, String::new()),
        false => InputEnd::Sent,
    }
}

/// Does what a typed line says.
async fn obey(command: Command, sender: &Sender, words: Words) -> Option<InputEnd> {
    match command {
        Command::Close(code, reason) => return Some(InputEnd::Close(code, reason)),
        Command::Help => {
            words.tell(HELP);
            return None;
        }
        Command::Wrong(remedy) => {
            words.tell(remedy);
            return None;
        }
        Command::Ping => drop(tokio::spawn(ping(sender.clone(), words))),
        Command::Text(text) => sender.send(text).await.ok()?,
        Command::Binary(bytes) => sender.send(bytes).await.ok()?,
    }
    words.prompt();
    None
}

/// Tells how long a pong takes.
async fn ping(sender: Sender, words: Words) {
    if let Ok(time) = sender.ping().await {
        words.tell(&format!("pong after {:.3} ms", time.as_secs_f64() * 1000.0));
    }
}
