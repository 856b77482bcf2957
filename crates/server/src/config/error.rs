//! Why a configuration is refused, in exactly one line.

use std::fmt;

use crate::one_line::write_one_line;

use super::Source;

/// What is wrong with a text and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    what: String,
    remedy: String,
}

impl Problem {
    /// Says what is wrong and what to do about it; both lower case, without a full stop.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Problem {}

/// A configuration that cannot be used: the key, its value, where it came from and the remedy.
///
/// Its text is always one line: values are shown quoted and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    subject: String,
    problem: Problem,
}

impl ConfigError {
    /// A value that does not fit its key.
    pub fn value(key: &str, value: &str, source: &Source, problem: Problem) -> Self {
        Self {
            subject: format!("{key} = {value:?} ({source})"),
            problem,
        }
    }

    /// A problem with something that is not one value: a file, a pair of keys.
    pub fn about(subject: impl Into<String>, problem: Problem) -> Self {
        Self {
            subject: subject.into(),
            problem,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_one_line(&format!("{}: {}", self.subject, self.problem), f)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_key_value_source_and_remedy_in_one_line() {
        let source = Source::Environment("HOLDWIRE_DRAIN".to_owned());

        let error = ConfigError::value(
            "drain",
            "2\n5",
            &source,
            Problem::new("a duration\nhas a unit", "write 25s"),
        );

        assert_eq!(
            error.to_string(),
            r#"drain = "2\n5" (environment HOLDWIRE_DRAIN): a duration\nhas a unit; write 25s"#
        );
    }
}
