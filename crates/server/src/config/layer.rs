//! The three layers of a configuration: file, environment, flags, each stronger than the one
//! before. Here they are texts with a source; what they mean is [`ServeConfig`](super::ServeConfig)'s.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{self, KEYS, NamedKey};
use super::namespace::{self, NAMESPACES, NamedNamespace};
use super::setting::{Arity, SETTINGS, SettingSpec, Source, spec};
use super::{ConfigError, Problem};

/// The texts of a setting and where they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    /// One text, or any number of a list.
    pub(super) texts: Vec<String>,
    /// Where they came from.
    pub(super) source: Source,
}

/// Settings by name.
pub(super) type Layer = HashMap<&'static str, Texts>;

/// What stands in the tables of a configuration file.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) namespaces: Vec<NamedNamespace>,
    pub(super) keys: Vec<NamedKey>,
}

/// Reads the layer of a configuration file, and the tables that stand in it.
///
/// # Errors
/// When the file cannot be read, is not TOML, has an unknown key, or a value of a wrong type.
pub(super) fn from_file(path: &Path) -> Result<(Layer, Tables), ConfigError> {
    let about = || format!("file {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError::about(
            about(),
            Problem::new(
                format!("cannot be read: {error}"),
                "give --config the path of a readable TOML file",
            ),
        )
    })?;
    let line_of = |offset: usize| {
        let before = text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    };
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        ConfigError::about(
            format!("{} line {line}", about()),
            Problem::new(
                format!("not TOML: {}", error.message()),
                "docs/holdwire.toml shows every key",
            ),
        )
    })?;
    let (mut layer, mut tables) = (Layer::new(), Tables::default());
    for (name, value) in table.get_ref() {
        if name.get_ref() == NAMESPACES {
            tables.namespaces = namespace::read(value, path, &line_of)?;
            continue;
        }
        if name.get_ref() == KEYS {
            tables.keys = key::read(value, path, &line_of)?;
            continue;
        }
        let source = Source::File {
            path: path.to_owned(),
            line: line_of(name.span().start),
        };
        let name = name.get_ref().as_ref();
        let Some(spec) = spec(name) else {
            return Err(ConfigError::about(
                format!("{name:?} ({source})"),
                Problem::new("there is no such key", suggestion(name)),
            ));
        };
        let texts = file_texts(spec, value).map_err(|problem| {
            let written = text.get(value.span()).unwrap_or_default();
            ConfigError::value(spec.name, written, &source, problem)
        })?;
        layer.insert(spec.name, Texts { texts, source });
    }
    Ok((layer, tables))
}

/// Reads the layer of the environment; an empty variable counts as not set.
///
/// # Errors
/// When a variable is not UTF-8.
pub(super) fn from_environment(
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Layer, ConfigError> {
    let mut layer = Layer::new();
    for spec in SETTINGS {
        let name = spec.variable();
        let Some(text) = variable(&name).filter(|text| !text.is_empty()) else {
            continue;
        };
        let source = Source::Environment(name);
        let text = text.into_string().map_err(|text| {
            let problem = Problem::new("this is not UTF-8", "write it in UTF-8");
            ConfigError::value(spec.name, &text.to_string_lossy(), &source, problem)
        })?;
        let texts = match spec.arity {
            Arity::List => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
            Arity::One | Arity::Switch => vec![text],
        };
        layer.insert(spec.name, Texts { texts, source });
    }
    Ok(layer)
}

/// The known key that an unknown one was probably meant to be.
fn suggestion(unknown: &str) -> String {
    let likeness = |spec: &&SettingSpec| strsim::normalized_damerau_levenshtein(unknown, spec.name);
    SETTINGS
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|spec| likeness(spec) >= 0.5)
        .map_or_else(
            || "docs/holdwire.toml shows every key".to_owned(),
            |spec| format!("did you mean {}?", spec.name),
        )
}

fn file_texts(spec: &SettingSpec, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Problem> {
    match (spec.arity, value.get_ref()) {
        (Arity::List, DeValue::Array(items)) => items
            .iter()
            .map(|item| file_text(Arity::One, item.get_ref()))
            .collect(),
        (Arity::List, DeValue::String(_)) => Err(Problem::new(
            "this takes a list",
            format!("write {} = [\"…\"]", spec.name),
        )),
        (arity, value) => file_text(arity, value).map(|text| vec![text]),
    }
}

fn file_text(arity: Arity, value: &DeValue<'_>) -> Result<String, Problem> {
    match (arity, value) {
        (Arity::One, DeValue::String(text)) => Ok(text.to_string()),
        (Arity::One, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix())
                .map(|number| number.to_string())
                .map_err(|_| Problem::new("this number is too large", "write a smaller one"))
        }
        (Arity::Switch, DeValue::Boolean(value)) => Ok(value.to_string()),
        (Arity::One, _) => Err(Problem::new(
            format!("this is a {}, not a text or number", value.type_str()),
            "write it in quotes",
        )),
        (Arity::Switch, _) => Err(Problem::new(
            format!("this is a {}, not a boolean", value.type_str()),
            "write true or false without quotes",
        )),
        (Arity::List, _) => Err(Problem::new(
            format!("this is a {}, not a list", value.type_str()),
            "write a list of texts: [\"…\"]",
        )),
    }
}
