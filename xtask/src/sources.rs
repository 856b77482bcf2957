//! What the protocol's source files must not name.
//!
//! Comments and strings are skipped, so documentation may show a clock; so is the item below
//! `#[cfg(test)]`. `use` trees are written out, so
//! that `use std::{io::Read, net}` is seen as `std::io::Read` and `std::net`.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Paths that no path in the protocol's sources may contain.
const FORBIDDEN: &[&[&str]] = &[
    &["tokio"],
    &["rand"],
    &["getrandom"],
    &["std", "net"],
    &["std", "fs"],
    &["std", "thread"],
    &["std", "process"],
    &["std", "env"],
    &["io", "Read"],
    &["io", "Write"],
    &["io", "BufRead"],
    &["io", "prelude"],
    &["io", "*"],
    &["std", "*"],
    &["Instant", "now"],
    &["SystemTime", "now"],
];

/// Every forbidden path in the Rust files below a folder, with file and line.
pub(crate) fn check(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(Failure::io(folder.display()))?;
        for entry in entries {
            let path = entry.map_err(Failure::io(folder.display()))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).map_err(Failure::io(path.display()))?;
                for (line, name) in violations(&text) {
                    found.push(format!("{}:{line} names {name}", path.display()));
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The forbidden paths in one source text, each with its line.
fn violations(source: &str) -> Vec<(usize, String)> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens[at..].iter().map(|token| token.text.as_str());
        if next.take(TESTS.len()).eq(TESTS) {
            at = after_item(&tokens, at + TESTS.len());
            continue;
        }
        let line = tokens[at].line;
        let mut paths = Vec::new();
        at = read_paths(&tokens, at, &[], &mut paths).max(at + 1);
        for path in paths {
            if FORBIDDEN.iter().any(|forbidden| contains(&path, forbidden)) {
                found.push((line, path.join("::")));
            }
        }
    }
    found
}

/// What stands above code that only tests build.
const TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// The index after the item at `at`: after its body, or after its semicolon.
fn after_item(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            ";" => {}
            _ => continue,
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

fn contains(path: &[String], part: &[&str]) -> bool {
    path.windows(part.len())
        .any(|window| window.iter().eq(part))
}

/// Reads the path at `at`, or the tree of paths that a `{…}` after `::` makes of it.
///
/// Returns the index after it.
fn read_paths(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let text = |at: usize| {
        tokens
            .get(at)
            .map_or("", |token: &Token| token.text.as_str())
    };
    let mut path = prefix.to_vec();
    while is_name(text(at)) || text(at) == "*" {
        path.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
        if text(at) != "{" {
            continue;
        }
        at += 1;
        while at < tokens.len() && text(at) != "}" {
            at = read_paths(tokens, at, &path, paths).max(at + 1);
            if text(at) == "as" {
                at += 2;
            }
            if text(at) == "," {
                at += 1;
            }
        }
        return at + 1;
    }
    if path.len() > prefix.len() {
        paths.push(path);
    }
    at
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// A name, `::`, or one other character, with the line it stands on.
struct Token {
    text: String,
    line: usize,
}

/// Splits a source text, leaving out blanks, comments, strings and characters.
fn tokens(source: &str) -> Vec<Token> {
    let characters: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let length = skipped(rest);
        if length > 0 {
            line += rest[..length].iter().filter(|c| **c == '\n').count();
            at += length;
            continue;
        }
        let in_name = |c: &&char| c.is_alphanumeric() || **c == '_';
        let length = match rest.iter().take_while(in_name).count() {
            0 if rest.starts_with(&[':', ':']) => 2,
            0 => 1,
            name => name,
        };
        tokens.push(Token {
            text: rest[..length].iter().collect(),
            line,
        });
        at += length;
    }
    tokens
}

/// How many characters at the front are no code: a blank, a comment, a string, a character.
fn skipped(rest: &[char]) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => {
            let end = rest[2..].windows(2).position(|two| two == ['*', '/']);
            end.map_or(rest.len(), |end| end + 4)
        }
        ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..] => raw_string(rest),
        ['"', ..] => 1 + quoted(&rest[1..], '"'),
        ['\'', '\\', ..] => 1 + quoted(&rest[1..], '\''),
        ['\'', _, '\'', ..] => 3,
        [blank, ..] if blank.is_whitespace() => 1,
        _ => 0,
    }
}

/// The characters up to and with the closing quote.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// A raw string with its hashes; 0 for a raw name such as `r#type`.
fn raw_string(rest: &[char]) -> usize {
    let start = rest.iter().take_while(|c| matches!(c, 'b' | 'r')).count();
    let hashes = rest[start..].iter().take_while(|c| **c == '#').count();
    let open = start + hashes;
    if rest.get(open) != Some(&'"') {
        return 0;
    }
    let mut close = vec!['"'];
    close.resize(hashes + 1, '#');
    let body = &rest[open + 1..];
    let end = body.windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| open + 1 + end + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        violations(source)
            .into_iter()
            .map(|(_, name)| name)
            .collect()
    }

    #[test]
    fn planted_violations_are_found() {
        for (source, name) in [
            ("use tokio::sync::Notify;", "tokio::sync::Notify"),
            ("fn f(s: std::net::TcpStream) {}", "std::net::TcpStream"),
            ("use std::io::Read;", "std::io::Read"),
            ("use std::io; fn f(w: &mut dyn io::Write) {}", "io::Write"),
            ("let t = Instant::now();", "Instant::now"),
            (
                "let t = std::time::Instant::now();",
                "std::time::Instant::now",
            ),
            ("let key = rand::random::<u32>();", "rand::random"),
            ("use std::io::prelude::*;", "std::io::prelude::*"),
        ] {
            assert_eq!(names(source), [name], "{source}");
        }
    }

    #[test]
    fn use_trees_are_written_out() {
        let source = "use std::{fmt, io::{self as i, Read, Write}, net::{IpAddr}};";

        let expected = ["std::io::Read", "std::io::Write", "std::net::IpAddr"];
        assert_eq!(names(source), expected);
    }

    #[test]
    fn line_of_the_violation_is_told() {
        let source = "//! A module.\n\n/* tokio\n */\nconst A: &str = \"\n\";\nuse tokio::io;\n";

        assert_eq!(violations(source), [(7, "tokio::io".to_owned())]);
    }

    #[test]
    fn comments_strings_and_tests_may_name_anything() {
        let source = r##"
            //! let t0 = Instant::now();
            /* use std::net::TcpStream; */
            const A: &str = "tokio \" rand";
            const B: &str = r#"std::net "tokio" "#;
            const C: char = '"';
            fn f<'a>(a: &'a str, random: u32, operand: Instant) -> io::Error {}
            #[cfg(test)]
            mod tests { use std::io::Read; }
        "##;

        assert_eq!(names(source), [""; 0]);
    }

    #[test]
    fn code_below_the_tests_is_read_again() {
        let source = "
            #[cfg(test)]
            use std::io::Read;
            #[cfg(test)]
            mod tests { fn f() { let t = Instant::now(); } }
            use std::io::Write;
        ";

        assert_eq!(names(source), ["std::io::Write"]);
    }

    #[test]
    fn violation_planted_in_a_file_of_a_folder_is_found() {
        let folder = std::env::temp_dir().join(format!("xtask-sources-{}", std::process::id()));
        let inner = folder.join("handshake");
        std::fs::create_dir_all(&inner).expect("a temporary folder");
        std::fs::write(folder.join("lib.rs"), "pub mod handshake;\n").expect("a file");
        std::fs::write(inner.join("mod.rs"), "//! Tea.\nuse std::net::IpAddr;\n").expect("a file");

        let found = check(&folder).expect("the folder can be read");

        std::fs::remove_dir_all(&folder).expect("the folder is ours");
        assert_eq!(found.len(), 1);
        assert!(
            found[0].ends_with("mod.rs:2 names std::net::IpAddr"),
            "{}",
            found[0]
        );
    }
}
