//! How many shards the server has.

use std::num::NonZero;
use std::thread::available_parallelism;

use super::Problem;
use super::value::Value;

/// The most shards; more threads than CPUs gain nothing.
const MOST: usize = 1024;

/// A number of shards, or as many as there are CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards(Option<usize>);

impl Shards {
    /// How many that is on this machine.
    pub fn count(self) -> usize {
        self.0
            .unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get))
    }
}

impl Value for Shards {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text == "auto" {
            return Ok(Self(None));
        }
        match text.parse() {
            Ok(count) if count <= MOST => Ok(Self(Some(count))),
            _ => Err(Problem::new(
                "this is not a number of threads",
                format!("write a whole number up to {MOST}, or auto for one on each CPU"),
            )),
        }
    }

    fn show(&self) -> String {
        self.0
            .map_or_else(|| "auto".to_owned(), |count| count.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_shards_is_auto_or_a_count() {
        for text in ["auto", "0", "1", "64"] {
            assert_eq!(Shards::parse(text).unwrap().show(), text);
        }
        assert!(Shards::parse("auto").unwrap().count() > 0);
        for text in ["", "-1", "1.5", "many", "1025"] {
            assert!(Shards::parse(text).is_err(), "{text}");
        }
    }
}
