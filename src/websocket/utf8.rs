//! Is this text, when it comes in pieces? (RFC 6455 section 8.1, RFC 3629 section 4.)
//!
//! ```text
//!   first byte   second    third     fourth
//!   00..7F                                        one byte: ASCII
//!   C2..DF       80..BF                           C0 and C1 would write ASCII in two bytes
//!   E0           A0..BF    80..BF                 below A0: too long a form
//!   E1..EC       80..BF    80..BF
//!   ED           80..9F    80..BF                 above 9F: the surrogates of UTF-16
//!   EE..EF       80..BF    80..BF
//!   F0           90..BF    80..BF    80..BF       below 90: too long a form
//!   F1..F3       80..BF    80..BF    80..BF
//!   F4           80..8F    80..BF    80..BF       above 8F: beyond U+10FFFF
//! ```
//!
//! What to notice:
//! * The second byte alone has special ranges. So all that must be remembered between two chunks is
//!   how many bytes are missing and from which range the next one comes.
//! * A bad byte fails at once, never only at the end of its character: `ED A0` fails at `A0`.
//! * The standard library does the bulk: what is ASCII in front is passed over, and its validator sees
//!   the rest. By hand are only the at most three bytes on each side of a cut.

use super::error::MessageError;

/// What every byte but the first of a character looks like, where nothing narrower is asked for.
const CONTINUATION: (u8, u8) = (0x80, 0xBF);

/// A text of which a part has come: all that needs to be known about that part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// Bytes that the character at the end of the last chunk still lacks; 0 between characters.
    missing: u8,
    /// The least and the greatest value that the first of them may have.
    next: (u8, u8),
}

impl Utf8 {
    /// Checks the next bytes of the text.
    ///
    /// ```
    /// # use barewire::websocket::{message::MessageError, utf8::Utf8};
    /// let mut text = Utf8::default();
    /// assert_eq!(text.push(b"caf\xC3"), Ok(())); // the rest of the é may still come
    /// assert!(!text.is_complete());
    /// assert_eq!(text.push(b"\xA9"), Ok(()));
    /// assert!(text.is_complete());
    /// assert_eq!(text.push(b"\xED\xA0"), Err(MessageError::InvalidUtf8)); // no third byte can mend this
    /// ```
    ///
    /// # Errors
    /// At the first byte that cannot be part of valid UTF-8, whatever follows it. Fail the
    /// connection with 1007, and do not ask further: the answers would mean nothing.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), MessageError> {
        let mut rest = chunk;
        while self.missing > 0 {
            let Some((&byte, behind)) = rest.split_first() else { return Ok(()) };
            self.continue_character(byte)?;
            rest = behind;
        }
        // Passing over the ASCII in front takes two thirds of the time that the validator would.
        let ascii = rest.as_chunks::<64>().0.iter().take_while(|block| block.is_ascii()).count();
        let rest = rest.get(64 * ascii..).unwrap_or_default();
        let Err(error) = std::str::from_utf8(rest) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(MessageError::InvalidUtf8);
        }
        let cut_off = rest.get(error.valid_up_to()..).unwrap_or_default();
        let Some((&first, others)) = cut_off.split_first() else { return Ok(()) };
        self.start_character(first)?;
        others.iter().try_for_each(|&byte| self.continue_character(byte))
    }

    /// Whether the text may end here: no character is cut off.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.missing == 0
    }

    fn start_character(&mut self, first: u8) -> Result<(), MessageError> {
        (self.missing, self.next) = match first {
            0x00..=0x7F => (0, CONTINUATION),
            0xC2..=0xDF => (1, CONTINUATION),
            0xE0 => (2, (0xA0, 0xBF)),
            0xE1..=0xEC | 0xEE..=0xEF => (2, CONTINUATION),
            0xED => (2, (0x80, 0x9F)),
            0xF0 => (3, (0x90, 0xBF)),
            0xF1..=0xF3 => (3, CONTINUATION),
            0xF4 => (3, (0x80, 0x8F)),
            0x80..=0xC1 | 0xF5..=0xFF => return Err(MessageError::InvalidUtf8),
        };
        Ok(())
    }

    fn continue_character(&mut self, byte: u8) -> Result<(), MessageError> {
        let (least, greatest) = self.next;
        if !(least..=greatest).contains(&byte) {
            return Err(MessageError::InvalidUtf8);
        }
        self.missing = self.missing.saturating_sub(1);
        self.next = CONTINUATION;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MessageError::InvalidUtf8;
    use super::*;
    use proptest::prelude::*;

    /// How many bytes of `text` are taken, one by one, before one is refused.
    fn taken(text: &[u8]) -> usize {
        let mut utf8 = Utf8::default();
        text.iter().take_while(|&&byte| utf8.push(&[byte]).is_ok()).count()
    }

    /// What the standard library says about `text` as the beginning of a longer text.
    fn oracle(text: &[u8]) -> Result<bool, MessageError> {
        match std::str::from_utf8(text) {
            Ok(_) => Ok(true),
            Err(error) if error.error_len().is_none() => Ok(false),
            Err(_) => Err(InvalidUtf8),
        }
    }

    #[test]
    fn it_fits_a_register() {
        assert!(size_of::<Utf8>() <= 8);
    }

    #[test]
    fn s8_1_the_first_impossible_byte_fails() {
        for (text, expected) in [
            (&b"\x80"[..], 0),
            (b"\xBF", 0),
            (b"\xC0\x80", 0),
            (b"\xC1\xBF", 0),
            (b"\xC2\x7F", 1),
            (b"\xC2\xC0", 1),
            (b"\xDFA", 1),
            (b"\xE0\x9F\xBF", 1),
            (b"\xE1\x80\xC0", 2),
            (b"\xED\xA0\x80", 1), // U+D800, the first surrogate
            (b"\xED\xBF\xBF", 1), // U+DFFF, the last one
            (b"\xEF\xBF\x7F", 2),
            (b"\xF0\x8F\xBF\xBF", 1),
            (b"\xF1\x80\x80\xC0", 3),
            (b"\xF4\x90\x80\x80", 1), // U+110000
            (b"\xF5", 0),
            (b"\xF8\x88\x80\x80\x80", 0),
            (b"\xFE", 0),
            (b"\xFF", 0),
            // Autobahn 6.4.1: a good text, then U+110000, then more.
            (b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited", 12),
        ] {
            assert_eq!(taken(text), expected, "{}", text.escape_ascii());
            assert_eq!(Utf8::default().push(text), Err(InvalidUtf8), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_borders_of_every_row_of_the_table_are_taken() {
        let borders = "\u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{FFF}\u{1000}\u{CFFF}\u{D000}\u{D7FF}\
                       \u{E000}\u{FFFF}\u{10000}\u{3FFFF}\u{40000}\u{FFFFF}\u{100000}\u{10FFFF}";
        for cut in 0..=borders.len() {
            let (left, right) = borders.as_bytes().split_at(cut);
            let mut utf8 = Utf8::default();
            assert_eq!(utf8.push(left), Ok(()), "cut at {cut}");
            assert_eq!(utf8.is_complete(), borders.is_char_boundary(cut), "cut at {cut}");
            assert_eq!(utf8.push(right), Ok(()), "cut at {cut}");
            assert!(utf8.is_complete(), "cut at {cut}");
        }
    }

    #[test]
    fn an_empty_chunk_changes_nothing() {
        let mut utf8 = Utf8::default();
        utf8.push(b"\xF0\x9F").unwrap();
        let before = utf8;
        assert_eq!(utf8.push(b""), Ok(()));
        assert_eq!(utf8, before);
    }

    #[test]
    fn every_pair_and_every_lead_with_its_second_byte_is_judged_as_by_the_standard_library() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for text in [&[first, second][..], &[first, second, 0x80], &[b'a', first, second]] {
                    let mut utf8 = Utf8::default();
                    let judged = text
                        .iter()
                        .try_for_each(|&byte| utf8.push(&[byte]))
                        .map(|()| utf8.is_complete());
                    assert_eq!(judged, oracle(text), "{}", text.escape_ascii());
                }
            }
        }
    }

    /// Bytes that are nearly text: characters of every length with a few bytes thrown in.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            4 => "[ -~]{0,40}".prop_map(String::into_bytes),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
            1 => prop::sample::select(vec![0xC0, 0xE0, 0xED, 0xF0, 0xF4, 0xF5])
                .prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_cut_gives_what_the_standard_library_gives(text in nearly_text()) {
            for cut in 0..=text.len() {
                let (left, right) = text.split_at(cut);
                let mut utf8 = Utf8::default();
                let judged_left = utf8.push(left).map(|()| utf8.is_complete());
                prop_assert_eq!(judged_left, oracle(left));
                if judged_left.is_ok() {
                    let judged = utf8.push(right).map(|()| utf8.is_complete());
                    prop_assert_eq!(judged, oracle(&text));
                }
            }
        }
    }
}
