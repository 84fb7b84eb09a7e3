//! Bytes as text that a terminal shows and a person can type, and back.
//!
//! What to notice:
//! * No byte of a peer reaches a terminal as it is. [`escape`] is the only way of one into a line.
//! * [`unescape`] is its inverse, byte for byte, and reads nothing else. So what was shown can be
//!   sent again.
//! * `\u{..}` is a character and `\x..` a byte that is no part of one: text that is not UTF-8 keeps
//!   its bytes.

/// The bytes as text on one line, with no character that a terminal would obey.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                // Harmless here, and frequent.
                '\'' => text.push(char),
                _ => text.extend(char.escape_debug()),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The same where no quote ends the text, so that one needs no escape.
pub(crate) fn escape_unquoted(bytes: &[u8]) -> String {
    escape(bytes).replace("\\\"", "\"")
}

/// The bytes that [`escape`] made this of; `None` for what it never makes.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut chars = behind.chars();
        let char = match chars.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            plain @ ('\\' | '"' | '\'') => plain,
            'u' => {
                let (code, behind) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                chars = behind.chars();
                char::from_u32(number(code)?)?
            }
            'x' => {
                let (digits, behind) = chars.as_str().split_at_checked(2)?;
                bytes.push(u8::try_from(number(digits)?).ok()?);
                rest = behind;
                continue;
            }
            _ => return None,
        };
        bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        rest = chars.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// Each byte as two digits, with a space before each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(" {byte:02x}")).collect()
}

/// The bytes of [`hex`].
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |digits: &str| {
        let number = (digits.len() == 2).then(|| number(digits)).flatten();
        number.and_then(|number| u8::try_from(number).ok())
    };
    text.split(' ').filter(|word| !word.is_empty()).map(byte).collect()
}

/// Hexadecimal digits alone: `from_str_radix` would take a sign as well.
fn number(digits: &str) -> Option<u32> {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit();
    digits.bytes().all(is_digit).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        for (bytes, text) in [
            (&b"it's [1] a\\b \"c\""[..], r#"it's [1] a\\b \"c\""#),
            (b"\x1b[2J\r\n\0\x7f\t", r"\u{1b}[2J\r\n\0\u{7f}\t"),
            ("é \u{202e} \u{9b}".as_bytes(), r"é \u{202e} \u{9b}"),
            (b"caf\xc3", r"caf\xc3"),
            (b"", ""),
        ] {
            assert_eq!(escape(bytes), text);
            assert_eq!(unescape(text).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_was_never_written_is_not_read() {
        for text in [r"\", r"\a", r"\x", r"\x1", r"\xzz", r"\u{}", r"\u{110000}", r"\u{41", r"\xé"]
        {
            assert_eq!(unescape(text), None, "{text}");
        }
        assert_eq!(unhex(" 81 0g"), None);
        assert_eq!(unhex(" 8"), None);
        assert_eq!(unhex(" +1"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = escape(&bytes);
            prop_assert!(!text.chars().any(char::is_control), "{}", text);
            prop_assert_eq!(unescape(&text), Some(bytes.clone()));
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        }
    }
}
