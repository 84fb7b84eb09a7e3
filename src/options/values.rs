//! Reads the values of flags and variables: sizes, numbers, times, switches.
//!
//! ```text
//!   size    = 1*DIGIT [ "k" / "m" / "g" ]            1k is 1024 bytes
//!   time    = 1*DIGIT ( "ms" / "s" / "m" / "h" )     a number alone is no time
//! ```
//!
//! What to notice:
//! * No error repeats the value. It may be a password that landed in the wrong place, and whoever
//!   wrote it still sees it.
//! * A number without a unit is refused as a time: thirty what? Sizes have an obvious one.
//! * Every number is read by its digits alone: a sign, a point or a space is refused, not guessed at.

use std::fmt;
use std::time::Duration;

/// The longest time that may be asked for: more is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a text is no size or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SizeError {
    /// Not a whole number, or with an unknown unit.
    Malformed,
    /// Nothing would fit.
    Zero,
    /// More than this machine can count.
    TooLarge,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "write a size in bytes such as 512, 64k or 1m",
            Self::Zero => "nothing would fit: write at least 1",
            Self::TooLarge => "too large: write a size such as 512, 64k or 1m",
        })
    }
}

/// Reads a size such as `512`, `64k` or `1m`, in bytes.
///
/// # Errors
/// What to write instead.
pub(super) fn size(text: &str) -> Result<usize, SizeError> {
    let (digits, unit) = split_number(text);
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return Err(SizeError::Malformed),
    };
    if digits.is_empty() {
        return Err(SizeError::Malformed);
    }
    let number: usize = digits.parse().map_err(|_| SizeError::TooLarge)?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err(SizeError::Zero),
        Some(bytes) => Ok(bytes),
        None => Err(SizeError::TooLarge),
    }
}

/// Why a text is no number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberError;

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a whole number from 1, such as 1000")
    }
}

/// Reads a whole number from 1.
///
/// # Errors
/// What to write instead.
pub(super) fn number(text: &str) -> Result<usize, NumberError> {
    // Digits only: `parse` would also take a sign.
    let (digits, rest) = split_number(text);
    if !rest.is_empty() {
        return Err(NumberError);
    }
    digits.parse().ok().filter(|number| *number > 0).ok_or(NumberError)
}

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeError {
    /// A number alone. The number, for the advice.
    NoUnit(u32),
    /// Not a whole number with a known unit.
    Malformed,
    /// No time at all, where one must pass.
    Zero,
    /// More than a day.
    TooLong,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUnit(number) => write!(f, "a time has a unit: write {number}s"),
            Self::Malformed => {
                f.write_str("write a time in whole units such as 500ms, 30s, 5m or 1h")
            }
            Self::Zero => f.write_str("some time must pass: write for example 30s"),
            Self::TooLong => f.write_str("write at most 24h"),
        }
    }
}

/// Reads a time such as `500ms`, `30s`, `5m` or `1h`, or `0s`.
///
/// # Errors
/// What to write instead.
pub(super) fn time_or_zero(text: &str) -> Result<Duration, TimeError> {
    let (digits, unit) = split_number(text);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(digits.parse().map_or(TimeError::Malformed, TimeError::NoUnit)),
        _ => return Err(TimeError::Malformed),
    };
    if digits.is_empty() {
        return Err(TimeError::Malformed);
    }
    let milliseconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    milliseconds
        .map(Duration::from_millis)
        .filter(|time| *time <= LONGEST)
        .ok_or(TimeError::TooLong)
}

/// Reads a time that is not zero.
///
/// # Errors
/// What to write instead.
pub(super) fn time(text: &str) -> Result<Duration, TimeError> {
    time_or_zero(text).and_then(|time| if time.is_zero() { Err(TimeError::Zero) } else { Ok(time) })
}

/// Reads how often to say that one is awake: a time, or `off` (or no time at all).
///
/// # Errors
/// What to write instead.
pub(super) fn time_or_off(text: &str) -> Result<Option<Duration>, TimeError> {
    if text == "off" {
        return Ok(None);
    }
    time_or_zero(text).map(|time| Some(time).filter(|time| !time.is_zero()))
}

/// A time as [`time`] reads it, in the largest unit that holds it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShownTime(pub(super) Duration);

impl fmt::Display for ShownTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        match (milliseconds / 1_000, milliseconds % 1_000) {
            (seconds, 0) => write!(f, "{seconds}s"),
            _ => write!(f, "{milliseconds}ms"),
        }
    }
}

/// Why a text is no switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SwitchError;

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write 1 or 0")
    }
}

/// Reads a switch: `1` or `true`, `0` or `false`.
///
/// # Errors
/// What to write instead.
pub(super) fn switch(text: &str) -> Result<bool, SwitchError> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(SwitchError),
    }
}

/// The leading ASCII digits, and what follows them.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_multiples_of_1024() {
        for (text, expected) in [
            ("512", Ok(512)),
            ("64k", Ok(65_536)),
            ("64K", Ok(65_536)),
            ("1m", Ok(1_048_576)),
            ("2G", Ok(2_147_483_648)),
            ("007", Ok(7)),
            ("0", Err(SizeError::Zero)),
            ("0m", Err(SizeError::Zero)),
            ("", Err(SizeError::Malformed)),
            ("k", Err(SizeError::Malformed)),
            ("-1", Err(SizeError::Malformed)),
            ("+1", Err(SizeError::Malformed)),
            ("1.5m", Err(SizeError::Malformed)),
            ("64kb", Err(SizeError::Malformed)),
            ("64 k", Err(SizeError::Malformed)),
            ("６４", Err(SizeError::Malformed)),
            ("99999999999999999999", Err(SizeError::TooLarge)),
            ("18446744073709551615k", Err(SizeError::TooLarge)),
        ] {
            assert_eq!(size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_start_at_one() {
        for (text, expected) in [
            ("1", Ok(1)),
            ("1000", Ok(1000)),
            ("0", Err(NumberError)),
            ("", Err(NumberError)),
            ("+1", Err(NumberError)),
            ("1k", Err(NumberError)),
            ("99999999999999999999", Err(NumberError)),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("500ms", Ok(ms(500))),
            ("30s", Ok(ms(30_000))),
            ("5m", Ok(ms(300_000))),
            ("24h", Ok(ms(86_400_000))),
            ("0s", Ok(ms(0))),
            ("30", Err(TimeError::NoUnit(30))),
            ("99999999999", Err(TimeError::Malformed)),
            ("", Err(TimeError::Malformed)),
            ("s", Err(TimeError::Malformed)),
            ("-1s", Err(TimeError::Malformed)),
            ("1.5s", Err(TimeError::Malformed)),
            ("1d", Err(TimeError::Malformed)),
            ("30S", Err(TimeError::Malformed)),
            ("25h", Err(TimeError::TooLong)),
            ("99999999999999999999s", Err(TimeError::TooLong)),
            ("18446744073709551615h", Err(TimeError::TooLong)),
        ] {
            assert_eq!(time_or_zero(text), expected, "{text:?}");
        }
        assert_eq!(time("0ms"), Err(TimeError::Zero));
        assert_eq!(time("1ms"), Ok(ms(1)));
        assert_eq!(time_or_off("off"), Ok(None));
        assert_eq!(time_or_off("0s"), Ok(None));
        assert_eq!(time_or_off("5s"), Ok(Some(ms(5_000))));
        assert_eq!(time_or_off("no"), Err(TimeError::Malformed));
        assert_eq!(TimeError::NoUnit(30).to_string(), "a time has a unit: write 30s");
    }

    #[test]
    fn a_shown_time_reads_back_as_itself() {
        for text in ["25s", "500ms", "1500ms", "0s", "3600s"] {
            assert_eq!(ShownTime(time_or_zero(text).unwrap()).to_string(), text);
        }
    }

    #[test]
    fn switches_are_plain() {
        assert_eq!(
            ["1", "true", "0", "false"].map(switch),
            [Ok(true), Ok(true), Ok(false), Ok(false)]
        );
        assert_eq!(["", "yes", "TRUE", "2"].map(switch), [Err(SwitchError); 4]);
    }
}
