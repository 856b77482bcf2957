//! Keys that tokens are verified with: the tables `[keys.NAME]` of the configuration file.

use std::path::Path;

use jsonwebtoken::Algorithm;
use toml::Spanned;
use toml::de::DeValue;

use super::namespace::table;
use super::{ConfigError, Problem, Source};
use crate::token::{ALGORITHMS, Key};

/// The key of the file under which keys stand.
pub(super) const KEYS: &str = "keys";

/// The keys of such a table, each with what it says.
pub const KEY_KEYS: &[(&str, &str)] = &[
    ("secret", "a text that both ends know, of 32 bytes or more"),
    ("secret-file", "a file with such a text"),
    ("pem", "a public or private key in PEM"),
    ("pem-file", "a file with such a key"),
    ("algorithms", "what it is for"),
];

/// A key, and what was said about it.
#[derive(Debug, Clone)]
pub struct NamedKey {
    /// Its name, which tokens have as `kid`.
    pub name: String,
    /// The key.
    pub key: Key,
    /// Its table in the file.
    pub source: Source,
}

/// What stands in a table.
#[derive(Default)]
struct Table {
    /// Which of the four, and its text.
    material: Option<(&'static str, String, Source)>,
    algorithms: Vec<Algorithm>,
}

/// Reads the table of all keys.
///
/// No error repeats a value that may be secret.
///
/// # Errors
/// The first key or value that is wrong.
pub(super) fn read(
    value: &Spanned<DeValue<'_>>,
    path: &Path,
    line_of: &dyn Fn(usize) -> usize,
) -> Result<Vec<NamedKey>, ConfigError> {
    let source = |offset| Source::File {
        path: path.to_owned(),
        line: line_of(offset),
    };
    let mut all = Vec::new();
    for (name, value) in table(KEYS, value, &source(value.span().start))? {
        let at = source(name.span().start);
        let name = name.get_ref().as_ref();
        let about = format!("{KEYS}.{name}");
        let mut read = Table::default();
        for (key, value) in table(&about, value, &at)? {
            read.set(
                &about,
                key.get_ref().as_ref(),
                value.get_ref(),
                source(key.span().start),
            )?;
        }
        all.push(NamedKey {
            name: name.to_owned(),
            key: read.key(name, &about, &at)?,
            source: at,
        });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

impl Table {
    fn set(
        &mut self,
        about: &str,
        key: &str,
        value: &DeValue<'_>,
        source: Source,
    ) -> Result<(), ConfigError> {
        let wrong = |problem| ConfigError::about(format!("{about}.{key} ({source})"), problem);
        let Some((known, _)) = KEY_KEYS.iter().find(|(known, _)| *known == key) else {
            let names: Vec<&str> = KEY_KEYS.iter().map(|(known, _)| *known).collect();
            let remedy = format!("write one of {}", names.join(", "));
            return Err(wrong(Problem::new("there is no such key", remedy)));
        };
        if *known == "algorithms" {
            self.algorithms = algorithms(value).map_err(wrong)?;
            return Ok(());
        }
        let DeValue::String(text) = value else {
            return Err(wrong(Problem::new(
                "this is not a text",
                "write it in quotes",
            )));
        };
        if let Some((other, ..)) = &self.material {
            return Err(wrong(Problem::new(
                format!("{other} is there already"),
                "a key is one of them",
            )));
        }
        self.material = Some((known, text.to_string(), source));
        Ok(())
    }

    fn key(self, name: &str, about: &str, at: &Source) -> Result<Key, ConfigError> {
        let Some((known, text, source)) = self.material else {
            return Err(ConfigError::about(
                format!("{about} ({at})"),
                Problem::new(
                    "there is no key in it",
                    "add secret, secret-file, pem or pem-file",
                ),
            ));
        };
        let wrong = |problem| ConfigError::about(format!("{about}.{known} ({source})"), problem);
        let bytes = match known {
            "secret-file" | "pem-file" => std::fs::read(&text).map_err(|error| {
                wrong(Problem::new(
                    format!("{text:?} cannot be read: {error}"),
                    "name a file that can",
                ))
            })?,
            _ => text.into_bytes(),
        };
        let key = match known {
            "secret" => Key::secret(name, &bytes, &self.algorithms),
            // An editor ends the file with a line end, which nobody means.
            "secret-file" => Key::secret(name, line(&bytes), &self.algorithms),
            _ => Key::pem(name, &bytes, &self.algorithms),
        };
        key.map_err(wrong)
    }
}

/// Without the end of the line.
fn line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn algorithms(value: &DeValue<'_>) -> Result<Vec<Algorithm>, Problem> {
    let remedy = || {
        let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        format!("write a list of some of {}", names.join(", "))
    };
    let DeValue::Array(items) = value else {
        return Err(Problem::new("this is not a list", remedy()));
    };
    let known = items.iter().map(|item| {
        let DeValue::String(text) = item.get_ref() else {
            return Err(Problem::new("this is not a list of texts", remedy()));
        };
        let known = ALGORITHMS.iter().find(|(name, _)| name == text);
        known
            .map(|(_, algorithm)| *algorithm)
            .ok_or_else(|| Problem::new(format!("{text:?} is no algorithm"), remedy()))
    });
    known.collect()
}
