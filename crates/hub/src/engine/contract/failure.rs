//! Why a behaviour is not as it must be.

use std::fmt::{self, Debug};

use crate::engine::{EngineError, PublishError};

/// Whether it is.
pub(super) type Tried<T = ()> = Result<T, Failure>;

#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The engine has done something else than it must.
    Broken(String),
    /// The subject has no hook for it.
    Unable(&'static str),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Self::Broken(format!("publishing is refused: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) => f.write_str(why),
            Self::Unable(why) => f.write_str(why),
        }
    }
}

/// What came must be what was wanted.
pub(super) fn same<T: PartialEq + Debug>(what: &str, came: T, wanted: T) -> Tried {
    if came == wanted {
        return Ok(());
    }
    Err(Failure::Broken(format!("{what}: {came:?}, not {wanted:?}")))
}

/// This must be so.
pub(super) fn must(what: &str, is_so: bool) -> Tried {
    same(what, is_so, true)
}
