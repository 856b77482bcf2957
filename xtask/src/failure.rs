//! Why a stage did not pass.

use std::fmt;
use std::time::Duration;

/// The reason a step or a stage ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It ran and says no; the text is for the reader of the table.
    Failed(String),
    /// It passed its budget and was killed with its process group.
    TimedOut(Duration),
    /// Somebody pressed Ctrl-C, or the machine wants us gone.
    Interrupted,
}

impl Failure {
    /// A failure with this text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// Turns an I/O error into a failure that names what was tried.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |error| Self::Failed(format!("{what}: {error}"))
    }

    /// A failure that lists what was found wrong, one a line; `Ok` for an empty list.
    pub(crate) fn unless_empty(what: &str, found: &[String]) -> Result<(), Self> {
        if found.is_empty() {
            return Ok(());
        }
        for line in found {
            println!("  {line}");
        }
        Err(Self::Failed(format!("{} {what}", found.len())))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => f.write_str(text),
            Self::TimedOut(budget) => {
                write!(f, "killed: over its budget of {} s", budget.as_secs())
            }
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}
