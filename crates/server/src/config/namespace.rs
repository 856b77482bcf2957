//! Namespaces of channels: the tables `[namespaces.NAME]` of the configuration file.

use std::path::Path;
use std::time::Duration;

use holdwire_hub::{Access, Allow, ChannelName, Namespace, Namespaces, Retention, SlowConsumer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{ByteSize, Value};
use super::{ConfigError, Problem, ServeConfig, Source};

/// The key of the file under which namespaces stand.
pub(super) const NAMESPACES: &str = "namespaces";

/// The key that says who may use the channels.
const ACCESS: &str = "access";

/// The keys of a namespace, each with its default and what it says, in the order in which they
/// are shown.
pub const NAMESPACE_KEYS: &[(&str, &str, &str)] = &[
    (
        ACCESS,
        "auto",
        "who may use the channels: anyone, user, token; auto for user where the server has keys, else anyone",
    ),
    ("history", "0", "the most publications that are kept"),
    ("history-bytes", "1MiB", "the most bytes of their payloads"),
    ("history-age", "10m", "for how long each is kept"),
    (
        "subscribe",
        "true",
        "who of them may subscribe: true, user, token",
    ),
    (
        "publish",
        "false",
        "who of them may publish: true, false, user, subscriber, token",
    ),
    (
        "presence",
        "false",
        "who of them may see who is there: the same",
    ),
    (
        "read-history",
        "false",
        "who of them may read what is kept: the same",
    ),
    ("grace", "10s", "for so long whoever is gone has not left"),
    ("page", "200", "the most publications read at once"),
    ("slow", "close", "who is too slow: close, or skip"),
    (
        "compress",
        "true",
        "publications are compressed, with deflate",
    ),
];

/// A namespace, and what was said about it.
#[derive(Debug, Clone)]
pub struct NamedNamespace {
    /// Its name; channels without a colon are in the one without a name.
    pub name: String,
    /// What it keeps and allows.
    pub namespace: Namespace,
    /// Its table in the file, or the default.
    pub source: Source,
    /// Its keys with their values and where they came from.
    pub effective: Vec<(&'static str, String, Source)>,
}

impl NamedNamespace {
    /// The namespaces for trials: what a server has that only this machine can reach, when nobody
    /// has named any. One is for chats; the other keeps so little that a gap is soon seen.
    fn trials() -> Vec<Self> {
        [("brief", "10"), ("chat", "1000")].map(Self::trial).into()
    }

    /// Says who may use the channels, now that it is known whether the server has keys.
    ///
    /// # Errors
    /// When whoever may use them would need a token, and nobody can have one.
    pub(super) fn settle_access(
        &mut self,
        has_keys: bool,
        config: &ServeConfig,
    ) -> Result<(), ConfigError> {
        let has_users = has_keys || config.hook_connect.is_some();
        let may_have =
            |access: &str| has_users || (access == "token" && config.hook_subscribe.is_some());
        let others = ["subscribe", "publish", "presence", "read-history"];
        for (key, text, source) in &self.effective {
            let is_void = ["user", "token"].contains(&text.as_str()) && !may_have(text);
            if others.contains(key) && is_void {
                return Err(ConfigError::value(
                    &format!("{NAMESPACES}.{}.{key}", self.name),
                    text,
                    source,
                    Problem::new(
                        "there are no keys, so nobody has a token",
                        "add a table [keys.NAME], token-jwks or hook-connect, or write true or false",
                    ),
                ));
            }
        }
        let found = self.effective.iter_mut().find(|(key, ..)| *key == ACCESS);
        let Some((_, text, source)) = found else {
            return Ok(());
        };
        match (text.as_str(), has_users) {
            ("auto", true) => {
                self.namespace.access = Access::User;
                "user".clone_into(text);
            }
            ("auto", false) => "anyone".clone_into(text),
            (access @ ("user" | "token"), false) if !may_have(access) => {
                return Err(ConfigError::value(
                    &format!("{NAMESPACES}.{}.{ACCESS}", self.name),
                    text,
                    source,
                    Problem::new(
                        "there are no keys, so nobody has a token",
                        "add a table [keys.NAME], token-jwks or hook-connect, or write anyone",
                    ),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn trial((name, history): (&str, &str)) -> Self {
        let mut namespace = Reader::new(name, Source::Default);
        for (key, text) in [
            ("history", history),
            ("history-age", "1h"),
            ("publish", "true"),
            ("presence", "true"),
        ] {
            // Texts as a file may have them.
            let _ = namespace.set(key, text, &Source::Default);
        }
        namespace.finish()
    }
}

/// The namespaces of a server: those of the file, or else those for trials on a loopback bind.
pub(super) fn or_trial(named: Vec<NamedNamespace>, is_loopback: bool) -> Vec<NamedNamespace> {
    if named.is_empty() && is_loopback {
        return NamedNamespace::trials();
    }
    named
}

/// The same for a hub.
pub(crate) fn namespaces(named: &[NamedNamespace]) -> Namespaces {
    let add = |all: Namespaces, one: &NamedNamespace| all.with(&*one.name, one.namespace.clone());
    named.iter().fold(Namespaces::new(), add)
}

/// Reads the table of all namespaces.
///
/// # Errors
/// The first key or value that is wrong.
pub(super) fn read(
    value: &Spanned<DeValue<'_>>,
    path: &Path,
    line_of: &dyn Fn(usize) -> usize,
) -> Result<Vec<NamedNamespace>, ConfigError> {
    let source = |offset| Source::File {
        path: path.to_owned(),
        line: line_of(offset),
    };
    let mut all = Vec::new();
    let tables = table(NAMESPACES, value, &source(value.span().start))?;
    for (name, value) in tables {
        let at = source(name.span().start);
        let name = name.get_ref().as_ref();
        let about = format!("{NAMESPACES}.{name}");
        let sample = format!("{name}:a");
        if name.contains(':') || sample.parse::<ChannelName>().is_err() {
            return Err(ConfigError::about(
                format!("{about:?} ({at})"),
                Problem::new(
                    "this is not the name of a namespace",
                    "use visible ASCII characters without : \" and \\",
                ),
            ));
        }
        let mut reader = Reader::new(name, at.clone());
        for (key, value) in table(&about, value, &at)? {
            let at = source(key.span().start);
            reader.set(key.get_ref().as_ref(), &text(value.get_ref()), &at)?;
        }
        all.push(reader.finish());
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

pub(super) fn table<'a, 'b>(
    about: &str,
    value: &'a Spanned<DeValue<'b>>,
    source: &Source,
) -> Result<&'a DeTable<'b>, ConfigError> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        other => Err(ConfigError::about(
            format!("{about} ({source})"),
            Problem::new(
                format!("this is a {}, not a table", other.type_str()),
                format!("write [{}.NAME] and its keys below", root(about)),
            ),
        )),
    }
}

/// The table that something stands in.
fn root(about: &str) -> &str {
    about.split('.').next().unwrap_or(about)
}

/// A value as the text that its key takes.
pub(super) fn text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
        DeValue::Boolean(value) => value.to_string(),
        // No key takes it, and its error shows what it is.
        other => format!("a {}", other.type_str()),
    }
}

/// One namespace on its way.
struct Reader {
    name: String,
    source: Source,
    namespace: Namespace,
    effective: Vec<(&'static str, String, Source)>,
}

impl Reader {
    /// A namespace with every default.
    fn new(name: &str, source: Source) -> Self {
        let mut namespace = Namespace::default();
        namespace.retention = Retention::NONE;
        let mut reader = Self {
            name: name.to_owned(),
            source,
            namespace,
            effective: Vec::new(),
        };
        for (key, default, _) in NAMESPACE_KEYS {
            reader
                .effective
                .push((key, (*default).to_owned(), Source::Default));
            // A test reads them all.
            let _ = reader.apply(key, default);
        }
        reader
    }

    fn set(&mut self, key: &str, text: &str, source: &Source) -> Result<(), ConfigError> {
        let full = format!("{NAMESPACES}.{}.{key}", self.name);
        let known = self.effective.iter().position(|(own, ..)| *own == key);
        let Some(at) = known else {
            return Err(ConfigError::about(
                format!("{full:?} ({source})"),
                Problem::new("there is no such key", suggestion(key)),
            ));
        };
        let shown = self
            .apply(key, text)
            .map_err(|problem| ConfigError::value(&full, text, source, problem))?;
        let (own, ..) = self.effective[at];
        self.effective[at] = (own, shown, source.clone());
        Ok(())
    }

    /// Sets a key; gives its value as it is shown.
    fn apply(&mut self, key: &str, text: &str) -> Result<String, Problem> {
        let namespace = &mut self.namespace;
        let (retention, allowed) = (&mut namespace.retention, &mut namespace.allowed);
        Ok(match key {
            ACCESS => {
                namespace.access = match text {
                    // What it is, is settled when it is known whether there are keys.
                    "auto" | "anyone" => Access::Anyone,
                    "user" => Access::User,
                    "token" => Access::Token,
                    _ => {
                        let what = "this is not who may use the channels";
                        return Err(Problem::new(what, "write auto, anyone, user or token"));
                    }
                };
                text.to_owned()
            }
            "history" => {
                retention.publications = count(text, 0)?;
                retention.publications.to_string()
            }
            "history-bytes" => {
                let size = ByteSize::parse(text)?;
                retention.bytes = size.bytes();
                size.show()
            }
            "history-age" => {
                retention.age = Duration::parse(text)?;
                retention.age.show()
            }
            "subscribe" => {
                let remedy = "write true, user or token";
                let (_, allow) = allow(text)
                    .filter(|found| !matches!(found, (false, _) | (_, Allow::Subscriber)))
                    .ok_or_else(|| Problem::new("this is not who may subscribe", remedy))?;
                allowed.subscribe = allow;
                text.to_owned()
            }
            "publish" => permit(&mut namespace.publish, &mut allowed.publish, text)?,
            "presence" => permit(&mut namespace.presence, &mut allowed.presence, text)?,
            "read-history" => permit(&mut namespace.history, &mut allowed.history, text)?,
            "compress" => switch(&mut namespace.compress, text)?,
            "grace" => {
                namespace.grace = Duration::parse(text)?;
                namespace.grace.show()
            }
            "page" => {
                namespace.page = count(text, 1)?;
                namespace.page.to_string()
            }
            _ => {
                namespace.slow = match text {
                    "close" => SlowConsumer::Close,
                    "skip" => SlowConsumer::Skip,
                    _ => {
                        let what = "this is not what becomes of a slow subscriber";
                        return Err(Problem::new(what, "write close or skip"));
                    }
                };
                text.to_owned()
            }
        })
    }

    fn finish(self) -> NamedNamespace {
        NamedNamespace {
            name: self.name,
            namespace: self.namespace,
            source: self.source,
            effective: self.effective,
        }
    }
}

/// A whole number, not below `least`.
fn count(text: &str, least: usize) -> Result<usize, Problem> {
    match text.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(Problem::new(
            "this is not a count",
            format!("write a whole number from {least} on"),
        )),
    }
}

/// Whether somebody may do something, and who; `None` for another text.
fn allow(text: &str) -> Option<(bool, Allow)> {
    match text {
        "true" => Some((true, Allow::All)),
        "false" => Some((false, Allow::All)),
        "user" => Some((true, Allow::User)),
        "subscriber" => Some((true, Allow::Subscriber)),
        "token" => Some((true, Allow::Token)),
        _ => None,
    }
}

/// Says who may do something.
fn permit(is_on: &mut bool, who: &mut Allow, text: &str) -> Result<String, Problem> {
    (*is_on, *who) = allow(text).ok_or_else(|| {
        let remedy = "write true, false, user, subscriber or token";
        Problem::new("this is not who may do that", remedy)
    })?;
    Ok(text.to_owned())
}

fn switch(target: &mut bool, text: &str) -> Result<String, Problem> {
    *target = bool::parse(text)?;
    Ok(target.show())
}

/// The known key that an unknown one was probably meant to be.
fn suggestion(unknown: &str) -> String {
    let likeness = |key: &str| strsim::normalized_damerau_levenshtein(unknown, key);
    let keys = NAMESPACE_KEYS.iter().map(|(key, ..)| *key);
    keys.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|key| likeness(key) >= 0.5)
        .map_or_else(
            || "docs/guide/serve.md shows every key".to_owned(),
            |key| format!("did you mean {key}?"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for (key, default, _) in NAMESPACE_KEYS {
            let mut reader = Reader::new("x", Source::Default);
            let shown = reader
                .apply(key, default)
                .map_err(|problem| problem.to_string());
            assert_eq!(shown.as_deref(), Ok(*default), "{key}");
        }
    }

    #[test]
    fn trials_keep_ten_and_a_thousand_and_allow_what_is_asked_for_in_trials() {
        let trials = NamedNamespace::trials();

        let kept = |named: &NamedNamespace| named.namespace.retention.publications;
        let kept: Vec<_> = trials.iter().map(|one| (&*one.name, kept(one))).collect();
        assert_eq!(kept, [("brief", 10), ("chat", 1000)]);
        for NamedNamespace { namespace, .. } in trials {
            assert_eq!(namespace.retention.bytes, 1 << 20);
            assert_eq!(namespace.retention.age, Duration::from_secs(3600));
            assert!(namespace.publish && namespace.presence && !namespace.history);
        }
    }
}
