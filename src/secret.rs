//! A value that is compared and never shown.
//!
//! What to notice:
//! * Neither `Debug` nor `Display` can print it, so no log line and no error can, by accident.
//! * A comparison takes a time that depends on what was presented, and not on how much of it is
//!   right: otherwise a token could be guessed byte by byte with a stopwatch.
//! * It is checked where it comes in: what could not stand in an HTTP field could never be
//!   presented, and would look like a wrong token for ever.

use std::fmt;
use std::hint::black_box;

/// The token that allows publishing: one or more visible ASCII characters.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

/// Why a text can be no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// RFC 6750 section 2.1: a bearer token has at least one character. An empty one would let
    /// everybody in who presents nothing.
    Empty,
    /// RFC 9110 section 5.5: a space, a control character or a byte outside ASCII.
    NotVisibleAscii,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => {
                "a token is not empty; write for example what `openssl rand -hex 16` says"
            }
            Self::NotVisibleAscii => {
                "a token travels in an HTTP field: write visible ASCII characters, without spaces"
            }
        })
    }
}

impl Secret {
    /// Checks `text` and takes a copy of it.
    ///
    /// # Errors
    /// What is wrong with the text; show it, but never the text.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::NotVisibleAscii);
        }
        Ok(Self(Box::from(text.as_bytes())))
    }

    /// Whether `presented` is the secret, in a time that tells only how long `presented` is.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        let same_length = self.0.len() == presented.len();
        // The secret is repeated as often as needed, so that every presented byte is compared.
        let difference = presented
            .iter()
            .zip(self.0.iter().cycle())
            .fold(0, |difference, (theirs, ours)| black_box(difference | (theirs ^ ours)));
        same_length & (difference == 0)
    }

    /// The secret in clear, for the one who must present it: `barewire publish`.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_and_nothing_else() {
        let secret = Secret::new("c4nary-c4nary").unwrap();
        assert!(secret.matches(b"c4nary-c4nary"));
        for wrong in [
            &b""[..],
            b"c",
            b"c4nary-c4nar",
            b"c4nary-c4narz",
            b"c4nary-c4naryc4nary-c4nary",
            b"C4NARY-C4NARY",
        ] {
            assert!(!secret.matches(wrong), "{}", wrong.escape_ascii());
        }
        // One byte, repeated: the cycle must not make a longer presentation right.
        assert!(!Secret::new("a").unwrap().matches(b"aaa"));
    }

    #[test]
    fn rfc9110_s5_5_what_no_field_can_hold_is_refused() {
        for (text, expected) in [
            ("", Err(SecretError::Empty)),
            ("a b", Err(SecretError::NotVisibleAscii)),
            ("a\r\nb", Err(SecretError::NotVisibleAscii)),
            ("ä", Err(SecretError::NotVisibleAscii)),
            ("!~", Ok(())),
        ] {
            assert_eq!(Secret::new(text).map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_prints_it() {
        let secret = Secret::new("c4nary").unwrap();
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "<redacted> <redacted> <redacted>");
        assert_eq!(secret.reveal(), b"c4nary");
    }
}
