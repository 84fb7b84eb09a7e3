//! The end of a line and the bytes that may stand in one: a single rule for request lines, fields,
//! chunk sizes and trailers.
//!
//! What to notice:
//! * The rule is fed byte by byte and remembers one bit, so a cut between CR and LF changes
//!   nothing.
//! * CR and LF are each refused alone: a parser that takes a bare LF as a line end and one that
//!   does not see two different requests in the same bytes, which is how requests are smuggled.
//! * The bytes from 0x80 (obs-text) pass here; where they may not stand, the grammar of that place
//!   refuses them.
//!
//! ```text
//!   line = *( HTAB / SP / VCHAR / obs-text ) CRLF
//! ```

use super::error::HttpError;

/// Watches the bytes of a line go by until its CRLF.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineEnd {
    after_cr: bool,
}

impl LineEnd {
    /// Takes the next byte; `true` means that it was the LF of a CRLF and that the line is over.
    pub(super) fn step(&mut self, byte: u8) -> Result<bool, HttpError> {
        match byte {
            b'\n' if self.after_cr => {
                self.after_cr = false;
                return Ok(true);
            }
            b'\n' => return Err(HttpError::BareLf),
            _ if self.after_cr => return Err(HttpError::BareCr),
            b'\r' => self.after_cr = true,
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => return Err(HttpError::Control),
        }
        Ok(false)
    }

    /// How many bytes at the front are ordinary: [`step`](Self::step) would only let them pass. Some
    /// that it would let pass are not: those behind a tab.
    pub(super) fn ordinary(self, bytes: &[u8]) -> usize {
        if self.after_cr {
            return 0;
        }
        let is_ordinary = |byte: &u8| matches!(byte, b' '..=b'~' | 0x80..);
        // With no way out of a block, its bytes are looked at all at once: a fifth of a head's time.
        let whole = |block: &&[u8; 8]| block.iter().fold(true, |all, byte| all & is_ordinary(byte));
        let whole = 8 * bytes.as_chunks().0.iter().take_while(whole).count();
        whole + bytes.iter().skip(whole).take_while(|byte| is_ordinary(byte)).count()
    }

    /// Whether `byte` would make a line of `len` bytes longer than `limit`: the CRLF does not
    /// count.
    pub(super) fn is_over(self, byte: u8, len: usize, limit: usize) -> bool {
        len >= limit && byte != b'\r' && !self.after_cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(bytes: &[u8]) -> Result<Vec<usize>, HttpError> {
        let mut end = LineEnd::default();
        let mut found = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            if end.step(*byte)? {
                found.push(at);
            }
        }
        Ok(found)
    }

    #[test]
    fn s2_2_only_crlf_ends_a_line() {
        for (bytes, expected) in [
            (&b"ab\r\n\r\n"[..], Ok(vec![3, 5])),
            (b"a\tb \x80\xff", Ok(vec![])),
            (b"a\n", Err(HttpError::BareLf)),
            (b"\n", Err(HttpError::BareLf)),
            (b"\r\n\n", Err(HttpError::BareLf)),
            (b"a\rb", Err(HttpError::BareCr)),
            (b"a\r\r\n", Err(HttpError::BareCr)),
            (b"a\r\0", Err(HttpError::BareCr)),
            (b"a\r", Ok(vec![])),
        ] {
            assert_eq!(ends(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn s5_5_every_control_character_is_refused_at_the_byte() {
        for byte in (0..=0x1f).chain([0x7f]).filter(|b| !b"\t\r\n".contains(b)) {
            assert_eq!(ends(&[b'a', byte]), Err(HttpError::Control), "{byte:#x}");
        }
    }

    #[test]
    fn ordinary_bytes_are_such_as_pass_one_by_one() {
        for byte in 0..=u8::MAX {
            for before in 0..20 {
                let bytes = [&vec![b'a'; before][..], &[byte], b"aa"].concat();
                let passes =
                    byte != b'\t' && LineEnd::default().step(byte) == Ok(false) && byte != b'\r';
                let expected = if passes { before + 3 } else { before };
                assert_eq!(LineEnd::default().ordinary(&bytes), expected, "{byte:#x} at {before}");
            }
        }
        assert_eq!(LineEnd { after_cr: true }.ordinary(b"aa"), 0);
    }

    #[test]
    fn the_crlf_does_not_count_towards_a_limit() {
        let mut end = LineEnd::default();
        assert!(!end.is_over(b'x', 1, 2));
        assert!(end.is_over(b'x', 2, 2));
        assert!(!end.is_over(b'\r', 2, 2));
        assert_eq!(end.step(b'\r'), Ok(false));
        assert!(!end.is_over(b'\n', 3, 2));
    }
}
