//! The texts of a configuration and the values they stand for.
//!
//! Every value is parsed once, here, into a type that cannot hold an illegal one. The same text is
//! understood in the file, the environment and on the command line.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::Problem;

/// A value that a configuration can hold.
pub trait Value: Sized {
    /// Reads the value from its text.
    ///
    /// # Errors
    /// What is wrong with the text and what to write instead.
    fn parse(text: &str) -> Result<Self, Problem>;

    /// Writes the value as text that [`parse`](Self::parse) reads again.
    fn show(&self) -> String;
}

/// A number of bytes, at least 1: `1000`, `64KiB`, `16MiB`, `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

impl ByteSize {
    /// The number of bytes.
    pub fn bytes(self) -> usize {
        self.0
    }
}

/// Units of [`ByteSize`], in the order in which they are tried for writing.
const SIZE_UNITS: [(&str, usize); 8] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("KB", 1000),
    ("B", 1),
];

impl Value for ByteSize {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write whole bytes or a number with KiB, MiB or GiB, such as 64KiB or 16MiB";
        let (number, unit) = split_number(text);
        let factor = if unit.is_empty() {
            Some(1)
        } else {
            SIZE_UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
        };
        let (Ok(number), Some(factor)) = (number.parse::<u64>(), factor) else {
            return Err(Problem::new("this is not a size", remedy));
        };
        match usize::try_from(number)
            .ok()
            .and_then(|n| n.checked_mul(factor))
        {
            Some(0) => Err(Problem::new("a size of nothing lets nothing pass", remedy)),
            Some(bytes) if bytes <= isize::MAX.unsigned_abs() => Ok(Self(bytes)),
            _ => Err(Problem::new(
                "this is more than a machine can address",
                remedy,
            )),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZE_UNITS
            .iter()
            .find(|(name, factor)| *name != "B" && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Units of a duration in milliseconds, longest first.
const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The longest duration that makes sense for a deadline.
const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, Problem> {
        const REMEDY: &str = "write a number with ms, s, m or h, such as 25s, 1m30s or 500ms";
        let not_a_duration = || Problem::new("this is not a duration", REMEDY);
        let mut rest = text;
        let mut next_unit = 0;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (number, tail) = split_number(rest);
            let unit = &tail[..tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len())];
            let count: u64 = number.parse().map_err(|_| not_a_duration())?;
            if tail.is_empty() && next_unit == 0 {
                return Err(Problem::new(
                    "a duration needs its unit",
                    format!("write {count}s for seconds or {count}ms for milliseconds"),
                ));
            }
            let position = DURATION_UNITS
                .iter()
                .skip(next_unit)
                .position(|(name, _)| *name == unit)
                .ok_or_else(not_a_duration)?;
            let (_, factor) = DURATION_UNITS[next_unit + position];
            next_unit += position + 1;
            total = count
                .checked_mul(factor)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(not_a_duration)?;
            rest = &tail[unit.len()..];
        }
        match Duration::from_millis(total) {
            _ if text.is_empty() => Err(not_a_duration()),
            Duration::ZERO => Err(Problem::new(
                "a deadline of nothing is always over",
                "write a duration above zero, such as 25s",
            )),
            long if long > MAX_DURATION => Err(Problem::new(
                "a deadline beyond a day is none",
                "write at most 24h",
            )),
            duration => Ok(duration),
        }
    }

    fn show(&self) -> String {
        let mut rest = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let mut text = String::new();
        for (unit, factor) in DURATION_UNITS {
            if rest >= factor {
                text.push_str(&format!("{}{unit}", rest / factor));
                rest %= factor;
            }
        }
        text
    }
}

/// How many of something may exist: a number above zero, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<usize>);

impl Limit {
    /// The largest number allowed; `None` for unlimited.
    pub fn max(self) -> Option<usize> {
        self.0
    }
}

impl Value for Limit {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self(Some(number))),
            _ => Err(Problem::new(
                "this is not a limit",
                "write a whole number above zero, or unlimited",
            )),
        }
    }

    fn show(&self) -> String {
        self.0
            .map_or_else(|| "unlimited".to_owned(), |n| n.to_string())
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(Problem::new(
                "this is not a count",
                format!("write a whole number from 1 to {}", u32::MAX),
            )),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Problem::new(
                "this is neither true nor false",
                "write true or false",
            )),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::new(
                "a path is missing",
                "write the path of a file",
            ));
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            let port = text.rsplit(':').next().unwrap_or_default();
            let port = port.parse::<u16>().unwrap_or(3000);
            Problem::new(
                "this is not an address with a port",
                format!(
                    "write 127.0.0.1:{port} or [::1]:{port} for this machine, 0.0.0.0:{port} for all"
                ),
            )
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for IpNet {
    fn parse(text: &str) -> Result<Self, Problem> {
        let address = text.parse::<IpAddr>().map(Self::from);
        text.parse()
            .map(|net: Self| net.trunc())
            .or(address)
            .map_err(|_| {
                Problem::new(
                    "this is not a network",
                    "write an address or a CIDR, such as 10.0.0.0/8, 127.0.0.1 or fd00::/8",
                )
            })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The shape of the lines on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Problem::new(
                "there is no such log format",
                "write text or json",
            )),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}

/// Parts a text after its leading digits.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: Value + std::fmt::Debug>(text: &str) -> String {
        T::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        for (text, bytes) in [
            ("1", 1),
            ("1000", 1000),
            ("7B", 7),
            ("64KiB", 65_536),
            ("64kib", 65_536),
            ("1kB", 1000),
            ("1MB", 1_000_000),
            ("16MiB", 16 << 20),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(ByteSize::parse(text).unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_that_are_none_are_refused_with_a_remedy() {
        for text in [
            "", "0", "0MiB", "-1", "1.5MiB", "1 MiB", "16M", "MiB", "1MiBs", "+1",
        ] {
            assert!(refused::<ByteSize>(text).contains("16MiB"), "{text}");
        }
        assert!(refused::<ByteSize>("99999999999GiB").contains("address"));
    }

    #[test]
    fn sizes_are_written_so_that_they_read_the_same() {
        for text in ["1", "1000001", "64KiB", "1MB", "16MiB", "1kB", "3GiB"] {
            assert_eq!(ByteSize::parse(text).unwrap().show(), text);
        }
    }

    #[test]
    fn durations_are_read_with_units_longest_first() {
        for (text, millis) in [
            ("500ms", 500),
            ("25s", 25_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1h1ms", 3_600_001),
            ("24h", 86_400_000),
        ] {
            let duration = Duration::parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(duration.show(), text);
        }
    }

    #[test]
    fn durations_without_a_unit_are_refused_with_the_remedy() {
        assert_eq!(
            refused::<Duration>("25"),
            "a duration needs its unit; write 25s for seconds or 25ms for milliseconds"
        );
        for text in [
            "", "s", "25 s", "1.5s", "30s1m", "1s1s", "25x", "1m30", "-1s", "5S", "1é",
        ] {
            assert!(
                refused::<Duration>(text).contains("such as 25s"),
                "{text}: {}",
                refused::<Duration>(text)
            );
        }
        assert!(refused::<Duration>("0s").contains("above zero"));
        assert!(refused::<Duration>("25h").contains("24h"));
        assert!(refused::<Duration>("18446744073709551615h").contains("25s"));
    }

    #[test]
    fn limits_are_numbers_or_unlimited() {
        assert_eq!(Limit::parse("10").unwrap().max(), Some(10));
        assert_eq!(Limit::parse("unlimited").unwrap().max(), None);
        for text in ["0", "-1", "", "many"] {
            assert!(refused::<Limit>(text).contains("unlimited"), "{text}");
        }
    }

    #[test]
    fn listening_addresses_without_address_are_refused_with_what_to_write() {
        assert!(SocketAddr::parse("[::1]:3000").is_ok());
        for text in ["4000", ":4000", "localhost:4000"] {
            assert!(
                refused::<SocketAddr>(text).contains("127.0.0.1:4000"),
                "{text}"
            );
        }
    }

    #[test]
    fn networks_may_be_single_addresses() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(IpNet::parse(text).unwrap().show(), shown);
        }
        assert!(refused::<IpNet>("10.0.0.0/33").contains("CIDR"));
    }
}
