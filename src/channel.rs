//! Channel names, and the globs that say which of them clients may subscribe to.
//!
//! What to notice:
//! * A [`Channel`] can only be built from a name that is fit to be logged, sent to Redis and shown
//!   in a page, so nothing behind this file checks names again.
//! * Cloning a name is counting a reference: a hub with ten thousand subscribers holds it once.
//! * Glob matching walks and backs up; it never recurses, so a hostile name costs
//!   `glob length × name length` steps at the most.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

/// The longest channel name in bytes. Redis itself would take 512 MB; a name stands in log lines
/// and in the hub once for each channel, so it is kept to what a person would write.
pub const MAX_NAME_BYTES: usize = 256;

/// The server's own channel: never sent to Redis, and published to by nobody else.
pub const AWAKE: &str = "awake";

/// The name of a channel: 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(Rc<str>);

/// Why a name can be no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// The name has no bytes. Redis would accept it; nobody has ever meant it.
    Empty,
    /// The name has more than [`MAX_NAME_BYTES`] bytes.
    TooLong,
    /// The name holds a control character, which would garble logs and terminals.
    Control,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a channel name may not be empty"),
            Self::TooLong => write!(f, "a channel name has at most {MAX_NAME_BYTES} bytes"),
            Self::Control => f.write_str("a channel name holds no control characters"),
        }
    }
}

impl Channel {
    /// Checks `name` and takes a copy of it.
    ///
    /// # Errors
    /// What is wrong with the name; tell it to whoever chose the name.
    pub fn new(name: &str) -> Result<Self, ChannelError> {
        if name.is_empty() {
            return Err(ChannelError::Empty);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(ChannelError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(ChannelError::Control);
        }
        Ok(Self(Rc::from(name)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Lets a map keyed by channels be asked with a `&str` that came from Redis, without an allocation.
impl Borrow<str> for Channel {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A pattern over channel names: `*` stands for any run of characters, `?` for exactly one, and
/// everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Takes a pattern. Every text that could be a channel name is one.
    ///
    /// # Errors
    /// The same as for a name: empty, too long, or with control characters.
    pub fn new(pattern: &str) -> Result<Self, ChannelError> {
        Channel::new(pattern).map(|name| Self(name.as_str().to_owned()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one channel that this pattern names, if it has no `*` and no `?`.
    #[must_use]
    pub fn literal(&self) -> Option<Channel> {
        if self.0.contains(['*', '?']) { None } else { Channel::new(&self.0).ok() }
    }

    /// Whether the pattern matches the whole of `name`.
    ///
    /// A mismatch backs up to the last `*` only: an earlier one could take no name that the last
    /// one cannot, so nothing is tried twice and there is no recursion to bound.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut name) = (self.0.chars(), name.chars());
        // What is behind the last `*`, and what is left of the name for that to take.
        let mut star = None;
        loop {
            let mut rest = name.clone();
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => star = Some((pattern.clone(), name.clone())),
                (Some('?'), Some(_)) => name = rest,
                (Some(wanted), Some(found)) if wanted == found => name = rest,
                (Some(_), _) | (None, Some(_)) => {
                    // The `*` takes one character more, and all behind it is tried again.
                    let Some((behind, left)) = &mut star else { return false };
                    if left.next().is_none() {
                        return false;
                    }
                    (pattern, name) = (behind.clone(), left.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once_at_the_door() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for (name, expected) in [
            ("", Err(ChannelError::Empty)),
            ("ruby", Ok(())),
            ("räksmörgås 🦐", Ok(())),
            (long.as_str(), Err(ChannelError::TooLong)),
            (&long[1..], Ok(())),
            ("a\nb", Err(ChannelError::Control)),
            ("a\u{0}", Err(ChannelError::Control)),
            ("\u{9b}31m", Err(ChannelError::Control)),
        ] {
            assert_eq!(Channel::new(name).map(|_| ()), expected, "{name:?}");
        }
    }

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, expected) in [
            ("ruby", "ruby", true),
            ("ruby", "rubyx", false),
            ("ruby", "rub", false),
            ("*", "", true),
            ("*", "anything", true),
            ("news.*", "news.", true),
            ("news.*", "news.sport", true),
            ("news.*", "new.sport", false),
            ("?", "é", true),
            ("?", "", false),
            ("a*b*c", "axxbyybzzc", true),
            ("a*b*c", "axxbyybzz", false),
            ("*a*", "bab", true),
            ("**a", "bba", true),
            ("*.?", "a.b.c", true),
            ("[a]", "[a]", true),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_name_costs_no_more_than_the_product_of_the_lengths() {
        // Exponential matchers need years for this one.
        let glob = Glob::new(&"*a".repeat(100)).unwrap();
        assert!(!glob.matches(&"a".repeat(255).replace("aaa", "aab")));
        assert!(!glob.matches(&"b".repeat(256)));
    }

    #[test]
    fn only_a_pattern_without_wildcards_names_a_channel() {
        assert_eq!(Glob::new("ruby").unwrap().literal(), Channel::new("ruby").ok());
        assert_eq!(Glob::new("ruby.*").unwrap().literal(), None);
        assert_eq!(Glob::new("rub?").unwrap().literal(), None);
    }
}
