//! What a line means that was typed at a terminal.

use holdwire::CloseCode;

/// A typed line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A text message.
    Text(String),
    /// A binary message, given in hex.
    Binary(Vec<u8>),
    /// A ping; its round-trip time is told.
    Ping,
    /// The end, with a code and a reason.
    Close(CloseCode, String),
    /// What can be typed.
    Help,
    /// A command with something else than it takes: what to write.
    Wrong(&'static str),
}

/// What can be typed, in one line.
pub(super) const HELP: &str = "a line is sent as text; /ping, /hex 00 ff, /close [CODE [REASON]], \
                               /help; //text sends /text; Ctrl-D closes";

impl Command {
    /// A line that begins with a slash and is none of ours is text.
    pub(super) fn parse(line: String) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let rest = rest.trim();
        match word {
            "/ping" if rest.is_empty() => Self::Ping,
            "/help" if rest.is_empty() => Self::Help,
            "/hex" => bytes(rest).map_or(Self::Wrong("write /hex 00 ff"), Self::Binary),
            "/close" => close(rest).unwrap_or(Self::Wrong(
                "write /close, or /close 1000 reason, or a code from 3000 to 4999",
            )),
            _ => match line.strip_prefix("//") {
                Some(text) => Self::Text(format!("/{text}")),
                None => Self::Text(line),
            },
        }
    }
}

fn close(rest: &str) -> Option<Command> {
    if rest.is_empty() {
        return Some(Command::Close(super::FAREWELL, String::new()));
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = CloseCode::new(code.parse().ok()?)?;
    Some(Command::Close(code, reason.trim().to_owned()))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_text() {
        let parse = |line: &str| Command::parse(line.to_owned());
        let text = |text: &str| Command::Text(text.to_owned());

        assert_eq!(parse("/ping"), Command::Ping);
        assert_eq!(parse("/ping me"), text("/ping me"));
        assert_eq!(parse("//ping"), text("/ping"));
        assert_eq!(parse("/join room"), text("/join room"));
        assert_eq!(parse(""), text(""));
        assert_eq!(parse("/hex 00fF 1"), Command::Wrong("write /hex 00 ff"));
        assert_eq!(parse("/hex 00fF 10"), Command::Binary(vec![0, 255, 16]));
        assert_eq!(
            parse("/close 4001 bye now"),
            Command::Close(CloseCode::new(4001).unwrap(), "bye now".to_owned())
        );
        assert!(matches!(parse("/close 1006"), Command::Wrong(_)));
    }
}
