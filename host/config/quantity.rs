//! Amounts as people write them: `256MiB`, `1m30s`.
//!
//! The configuration file and the command line share these types, so that a
//! value means the same in both. Printing gives text that parses back to the
//! same value. Knows nothing of what the amounts limit.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

/// A number of bytes.
///
/// Written as a number with a unit: `B`, `kB`, `MB`, `GB`, `TB` (powers of
/// 1000), `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024), or the single letters
/// `K`, `M`, `G`, `T`, which mean powers of 1024 as they do to `ulimit` and
/// container tools. Case does not matter; without a unit it is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A length of time.
///
/// Written as numbers with units, largest first: `500ms`, `30s`, `1m30s`,
/// `1.5h`. Without a unit it is seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// The longest [`Span`] that can be written: a year. Far beyond any deadline,
/// and adding it to a clock cannot overflow.
const MAX_SPAN: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Bounds the work on hostile text; no real amount is as long.
const MAX_TEXT: usize = 40;

const BYTE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// In nanoseconds, largest first: the order in which a compound is written.
const TIME_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Text that is not an amount, with the reason and a form that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAmount {
    text: String,
    reason: &'static str,
    example: Cow<'static, str>,
}

impl fmt::Display for NotAnAmount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            text,
            reason,
            example,
        } = self;
        write!(formatter, "`{text}` {reason}; write it like `{example}`")
    }
}

impl std::error::Error for NotAnAmount {}

impl Bytes {
    /// Reads an amount of memory for a program. A plain number that is too small
    /// for any was meant as megabytes, so it is refused.
    ///
    /// # Errors
    ///
    /// It is no amount, or lacks its unit.
    pub fn of_memory(text: &str) -> Result<Self, NotAnAmount> {
        /// No interpreter starts in less.
        const MIN: u64 = 1 << 20;
        let Self(bytes) = text.parse()?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain && (1..MIN).contains(&bytes) {
            let example = format!("{bytes}M");
            let reason = "are bytes, in which no program can run";
            return Err(NotAnAmount::new(text, reason, example));
        }
        Ok(Self(bytes))
    }
}

impl FromStr for Bytes {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let fail = |reason| NotAnAmount::new(text, reason, "256MiB");
        let (number, unit, rest) = first_amount(text).map_err(fail)?;
        if !rest.is_empty() {
            return Err(fail("is not one number with one unit"));
        }
        let unit = unit.to_ascii_lowercase();
        let (_, scale) = BYTE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| fail("has an unknown unit"))?;
        number.times(*scale).map(Bytes).map_err(fail)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("TiB", 1_u64 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        let whole = |(_, scale): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*scale);
        match units.iter().find(whole) {
            Some((unit, scale)) => write!(formatter, "{}{unit}", self.0 / scale),
            None => write!(formatter, "{}B", self.0),
        }
    }
}

impl FromStr for Span {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let fail = |reason| NotAnAmount::new(text, reason, "30s");
        let mut rest = text;
        let mut total = Duration::ZERO;
        let mut units = TIME_UNITS;
        loop {
            let (number, unit, after) = first_amount(rest).map_err(fail)?;
            let unit = match unit.to_ascii_lowercase().as_str() {
                // A bare number stands alone: what would `1m30` mean?
                "" if rest.len() == text.len() && after.is_empty() => "s".to_owned(),
                "" => return Err(fail("has a number without a unit")),
                "µs" | "μs" => "us".to_owned(),
                other => other.to_owned(),
            };
            let place = units
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(|| {
                    fail(if TIME_UNITS.iter().any(|(name, _)| *name == unit) {
                        "does not have its units from large to small"
                    } else {
                        "has an unknown unit"
                    })
                })?;
            total += Duration::from_nanos(number.times(units[place].1).map_err(fail)?);
            if total > MAX_SPAN {
                return Err(fail("is longer than a year"));
            }
            units = &units[place + 1..];
            rest = after;
            if rest.is_empty() {
                return Ok(Span(total));
            }
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_nanos();
        if left == 0 {
            return formatter.write_str("0s");
        }
        for (unit, scale) in TIME_UNITS {
            let scale = u128::from(*scale);
            if left >= scale {
                write!(formatter, "{}{unit}", left / scale)?;
                left %= scale;
            }
        }
        Ok(())
    }
}

impl NotAnAmount {
    fn new(text: &str, reason: &'static str, example: impl Into<Cow<'static, str>>) -> Self {
        let text = text
            .chars()
            .take(MAX_TEXT)
            .flat_map(char::escape_debug)
            .collect();
        Self {
            text,
            reason,
            example: example.into(),
        }
    }
}

/// A decimal number: `digits / 10^places`. Not a float, so that `0.1s` is
/// exactly 100 ms.
struct Number {
    digits: u64,
    places: u32,
}

impl Number {
    fn times(&self, scale: u64) -> Result<u64, &'static str> {
        let product = u128::from(self.digits) * u128::from(scale);
        let divisor = 10_u128.pow(self.places);
        if !product.is_multiple_of(divisor) {
            return Err("is finer than the smallest unit");
        }
        u64::try_from(product / divisor).map_err(|_| "is too large")
    }
}

/// Splits off the first number and its unit: `1m30s` into 1, `m` and `30s`.
fn first_amount(text: &str) -> Result<(Number, &str, &str), &'static str> {
    if text.len() > MAX_TEXT {
        return Err("is too long for an amount");
    }
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if text.starts_with('-') {
        return Err("is negative");
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err("does not start with a number");
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}")
        .parse()
        .map_err(|_| "is too large")?;
    let places = u32::try_from(fraction.len()).map_err(|_| "is too large")?;

    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    Ok((Number { digits, places }, unit, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, String> {
        text.parse()
            .map(|Bytes(count)| count)
            .map_err(|error: NotAnAmount| error.to_string())
    }

    fn span(text: &str) -> Result<Duration, String> {
        text.parse()
            .map(|Span(length)| length)
            .map_err(|error: NotAnAmount| error.to_string())
    }

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("0", 0),
            ("1024", 1024),
            ("1B", 1),
            ("1 kB", 1000),
            ("256MiB", 256 << 20),
            ("256M", 256 << 20),
            (" 1.5 GiB ", 3 << 29),
            ("2gb", 2_000_000_000),
            ("0.5KiB", 512),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_bytes_are_refused_with_the_reason() {
        for (text, expected) in [
            ("", "`` is empty; write it like `256MiB`"),
            ("-1", "`-1` is negative; write it like `256MiB`"),
            (
                "MiB",
                "`MiB` does not start with a number; write it like `256MiB`",
            ),
            (
                "1.",
                "`1.` does not start with a number; write it like `256MiB`",
            ),
            (
                "1.2.3M",
                "`1.2.3M` does not start with a number; write it like `256MiB`",
            ),
            (
                "1 parsec",
                "`1 parsec` has an unknown unit; write it like `256MiB`",
            ),
            (
                "1MiB 2",
                "`1MiB 2` is not one number with one unit; write it like `256MiB`",
            ),
            (
                "0.3B",
                "`0.3B` is finer than the smallest unit; write it like `256MiB`",
            ),
            (
                "99999999999TiB",
                "`99999999999TiB` is too large; write it like `256MiB`",
            ),
            (
                "18446744073709551616",
                "`18446744073709551616` is too large; write it like `256MiB`",
            ),
            (
                "1\u{1b}[2J",
                "`1\\u{1b}[2J` is not one number with one unit; write it like `256MiB`",
            ),
        ] {
            assert_eq!(bytes(text), Err(expected.to_owned()));
        }
        assert!(
            bytes(&"9".repeat(1 << 20))
                .unwrap_err()
                .contains("too long")
        );
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("0.25", 250),
            ("30s", 30_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("1.5h", 5_400_000),
            ("1d", 86_400_000),
            ("1000µs", 1),
            ("2 S", 2_000),
        ] {
            assert_eq!(
                span(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_spans_are_refused_with_the_reason() {
        for (text, expected) in [
            ("soon", "`soon` does not start with a number"),
            ("-5s", "`-5s` is negative"),
            ("1m30", "`1m30` has a number without a unit"),
            (
                "30s1m",
                "`30s1m` does not have its units from large to small",
            ),
            ("1s1s", "`1s1s` does not have its units from large to small"),
            ("1y", "`1y` has an unknown unit"),
            ("366d", "`366d` is longer than a year"),
            (
                "9999999999999999999s",
                "`9999999999999999999s` is too large",
            ),
        ] {
            assert_eq!(span(text), Err(format!("{expected}; write it like `30s`")));
        }
    }

    #[test]
    fn what_is_printed_parses_back() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000 {
            // xorshift: all magnitudes, without a dependency.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let value = seed >> (round % 64);
            assert_eq!(bytes(&Bytes(value).to_string()), Ok(value));
            let length = Duration::from_nanos(value).min(MAX_SPAN);
            assert_eq!(span(&Span(length).to_string()), Ok(length));
        }
        assert_eq!(Bytes(256 << 20).to_string(), "256MiB");
        assert_eq!(Bytes(0).to_string(), "0B");
        assert_eq!(Span(Duration::from_secs(90)).to_string(), "1m30s");
        assert_eq!(Span(Duration::ZERO).to_string(), "0s");
    }
}
