//! Finds where one reply ends, within limits, so that the parser is never handed a byte unchecked.
//!
//! ```text
//!   value  = line / bulk / array                          RESP2, all there is of it
//!   line   = ("+" / "-" / ":") *any CRLF
//!   bulk   = "$" length CRLF length*any CRLF   /  "$-1" CRLF
//!   array  = "*" count  CRLF count*value       /  "*-1" CRLF
//! ```
//!
//! What to notice:
//! * This is no second parser: it reads types and lengths, keeps no byte, and never looks into a
//!   payload. It is here because the crate's parser limits nothing, reads ahead past the end of a
//!   value, and swallows a wrong type byte that arrives alone.
//! * A length is judged where it is declared, before the first byte of what it announces.
//! * Arrays are counted, not entered: each adds its elements to what is still missing. An error
//!   stands at one exact byte, however the bytes were cut.

use std::fmt;

/// The longest `+`, `-` or `:` line. Redis' own are below 1 KiB; the parser scans an unfinished line
/// anew with every piece that arrives, so this bounds that work.
const MAX_LINE_BYTES: usize = 16 << 10;
/// The most elements of all arrays of one reply together, which bounds their depth as well. Pub/Sub
/// has 3, or 4 with patterns.
const MAX_ITEMS: usize = 64;

/// Why what Redis sent is no reply that can be read on. Nothing after it can be trusted, so the
/// connection ends; the subscription state is rebuilt on the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// RESP2 types: a value begins with `+`, `-`, `:`, `$` or `*`.
    UnknownType,
    /// RESP2 lengths: decimal digits and CRLF, or `-1` for nil.
    BadLength,
    /// RESP2 bulk strings: CRLF follows the announced bytes.
    UnendedBulk,
    /// RESP2 simple strings, errors, integers: a line over 16 KiB.
    LineTooLong,
    /// RESP2 arrays: more than 64 elements, with those of the arrays inside.
    TooManyItems,
    /// No RESP2 rule: the reply is, or announces to be, longer than what is read at most.
    TooLong,
    /// RESP2 lines: what the parser refused, such as an integer without digits or a line that is not
    /// UTF-8.
    Unparsable,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownType => "not the start of a RESP2 reply; is this the port of a Redis?",
            Self::BadLength => "a length that is no number",
            Self::UnendedBulk => "a bulk string longer than announced",
            Self::LineTooLong => "a line over 16 KiB",
            Self::TooManyItems => "an array too large for anything that was asked",
            Self::TooLong => "a reply over the limit; publish smaller messages",
            Self::Unparsable => "a malformed line",
        })
    }
}

/// Where in the value the next byte stands.
#[derive(Clone, Copy)]
enum Place {
    Type,
    /// In a line, of which this many bytes were read.
    Line(usize),
    /// After `$` or `*`: how many of what, as far as it was read.
    Length(Counted, Option<usize>),
    /// In the payload of a bulk string, of which this many bytes are left.
    Body(usize),
    /// These bytes end the value, and any other breaks the rule.
    End(&'static [u8], ReplyError),
}

#[derive(Clone, Copy)]
enum Counted {
    Bytes,
    Items,
}

/// The way through one value, byte by byte.
pub(super) struct Extent {
    place: Place,
    /// Whether the byte before was CR.
    after_cr: bool,
    /// How many elements its arrays have announced, and how many values are still to come.
    items: usize,
    missing: usize,
    bytes: usize,
    max_bytes: usize,
}

impl Extent {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { place: Place::Type, after_cr: false, items: 0, missing: 1, bytes: 0, max_bytes }
    }

    /// Whether a value of so many bytes may come now: it stands between two, and that is not too long.
    pub(super) fn may_take(&self, bytes: usize) -> bool {
        self.bytes == 0 && bytes <= self.max_bytes
    }

    /// Goes on through `input`: how many of its bytes belong to the value and are sound, and with
    /// them the length of the whole value if it ends there, `None` if it needs more bytes, or the
    /// rule that the byte after them breaks.
    pub(super) fn advance(&mut self, input: &[u8]) -> (usize, Result<Option<usize>, ReplyError>) {
        let mut taken = 0;
        while let Some((&byte, rest)) = input.get(taken..).and_then(<[u8]>::split_first) {
            match self.step(byte, rest.len()) {
                Err(rule) => return (taken, Err(rule)),
                Ok((step, _)) if self.bytes + step > self.max_bytes => {
                    return (taken, Err(ReplyError::TooLong));
                }
                Ok((step, ended)) => {
                    taken += step;
                    self.bytes += step;
                    if ended {
                        self.place = Place::Type;
                        self.missing -= 1;
                    }
                    if self.missing == 0 {
                        let bytes = self.bytes;
                        *self = Self::new(self.max_bytes);
                        return (taken, Ok(Some(bytes)));
                    }
                }
            }
        }
        (taken, Ok(None))
    }

    /// Takes `byte`, or in a payload as many as there are with the `more` bytes after it: how many
    /// that were, and whether a value ends with them.
    fn step(&mut self, byte: u8, more: usize) -> Result<(usize, bool), ReplyError> {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        self.place = match self.place {
            Place::Type => match byte {
                b'+' | b'-' | b':' => Place::Line(0),
                b'$' => Place::Length(Counted::Bytes, None),
                b'*' => Place::Length(Counted::Items, None),
                _ => return Err(ReplyError::UnknownType),
            },
            Place::Line(_) if after_cr && byte == b'\n' => return Ok((1, true)),
            Place::Line(MAX_LINE_BYTES) => return Err(ReplyError::LineTooLong),
            Place::Line(bytes) => Place::Line(bytes + 1),
            Place::Length(_, None) if byte == b'-' => Place::End(b"1\r\n", ReplyError::BadLength),
            Place::Length(of, Some(length)) if after_cr && byte == b'\n' => {
                return self.announced(of, length);
            }
            Place::Length(_, Some(_)) if !after_cr && byte == b'\r' => self.place,
            Place::Length(of, number) if !after_cr && byte.is_ascii_digit() => {
                let tens = number.unwrap_or(0).checked_mul(10);
                let number = tens.and_then(|tens| tens.checked_add(usize::from(byte - b'0')));
                Place::Length(of, Some(number.ok_or(ReplyError::BadLength)?))
            }
            Place::Length(..) => return Err(ReplyError::BadLength),
            Place::Body(left) => {
                let step = left.min(more + 1);
                self.place = Place::body(left - step);
                return Ok((step, false));
            }
            Place::End([last], _) if byte == *last => return Ok((1, true)),
            Place::End([next, rest @ ..], rule) if byte == *next => Place::End(rest, rule),
            Place::End(_, rule) => return Err(rule),
        };
        Ok((1, false))
    }

    /// A length line is complete: what it announces is checked before any of it has arrived.
    fn announced(&mut self, of: Counted, length: usize) -> Result<(usize, bool), ReplyError> {
        self.place = match of {
            Counted::Bytes if length > self.max_bytes.saturating_sub(self.bytes) => {
                return Err(ReplyError::TooLong);
            }
            Counted::Bytes => Place::body(length),
            Counted::Items if length > MAX_ITEMS - self.items => {
                return Err(ReplyError::TooManyItems);
            }
            // An array ends with its length; its elements are values that come after it.
            Counted::Items => {
                self.items += length;
                self.missing += length;
                return Ok((1, true));
            }
        };
        Ok((1, false))
    }
}

impl Place {
    fn body(left: usize) -> Self {
        if left == 0 { Self::End(b"\r\n", ReplyError::UnendedBulk) } else { Self::Body(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of the values in `input`, and the byte and the rule at which it breaks.
    fn walk(input: &[u8], step: usize, max: usize) -> (Vec<usize>, Option<(usize, ReplyError)>) {
        let mut extent = Extent::new(max);
        let (mut ends, mut at) = (Vec::new(), 0);
        for chunk in input.chunks(step) {
            let mut chunk = chunk;
            while !chunk.is_empty() {
                let (taken, found) = extent.advance(chunk);
                at += taken;
                chunk = &chunk[taken..];
                match found {
                    Ok(Some(size)) => ends.push(size),
                    Ok(None) => assert!(chunk.is_empty()),
                    Err(rule) => return (ends, Some((at, rule))),
                }
            }
        }
        (ends, None)
    }

    #[test]
    fn values_end_where_resp2_says() {
        for (input, expected) in [
            (&b"+OK\r\n"[..], &[5][..]),
            (b"+\r\n:12\r\n-ERR no\r\n", &[3, 5, 9]),
            (b"+a\rb\nc\r\r\n", &[9]),
            (b"$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n", &[6, 5, 5, 4]),
            (b"$4\r\n\r\n$9\r\n+\r\n", &[10, 3]),
            (b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n+x\r\n", &[30, 4]),
            (b"*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n$1\r\nx\r\n:5\r\n", &[27, 4]),
            (b"$5\r\nabc", &[]),
        ] {
            for step in 1..=input.len() {
                assert_eq!(walk(input, step, 1000), (expected.to_vec(), None), "{step}");
            }
        }
    }

    #[test]
    fn a_broken_rule_stands_at_one_byte_however_the_bytes_are_cut() {
        let long = [&b"-"[..], &[b'x'; MAX_LINE_BYTES + 1]].concat();
        let deep = b"*1\r\n".repeat(MAX_ITEMS + 1);
        for (input, at, rule) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], 0, ReplyError::UnknownType),
            (b"\x15\x03\x01", 0, ReplyError::UnknownType),
            (b">3\r\n", 0, ReplyError::UnknownType),
            (b"*2\r\n:1\r\n@", 8, ReplyError::UnknownType),
            (b"$x\r\n", 1, ReplyError::BadLength),
            (b"$\r\n", 1, ReplyError::BadLength),
            (b"$+2\r\n", 1, ReplyError::BadLength),
            (b"$-2\r\n", 2, ReplyError::BadLength),
            (b"$-1x", 3, ReplyError::BadLength),
            (b"*1\rx", 3, ReplyError::BadLength),
            (b"$99999999999999999999\r\n", 20, ReplyError::BadLength),
            (b"$2\r\nabcd", 6, ReplyError::UnendedBulk),
            (b"$2\r\nab\rx", 7, ReplyError::UnendedBulk),
            (b"*65\r\n", 4, ReplyError::TooManyItems),
            (b"*60\r\n:1\r\n*5\r\n", 12, ReplyError::TooManyItems),
            (&deep, 4 * MAX_ITEMS + 3, ReplyError::TooManyItems),
            (b"*1000000000\r\n", 12, ReplyError::TooManyItems),
            (b"$9223372036854775807\r\n", 21, ReplyError::TooLong),
            (b"$100000\r\n", 8, ReplyError::TooLong),
            (&long, MAX_LINE_BYTES + 1, ReplyError::LineTooLong),
        ] {
            for step in [1, 2, 3, 7, input.len()] {
                let expected = (Vec::new(), Some((at, rule)));
                assert_eq!(walk(input, step, 99_999), expected, "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn the_limit_counts_every_byte_of_one_value_and_starts_anew_with_the_next() {
        let value = b"*2\r\n$3\r\nabc\r\n:1\r\n";
        let twice = [&value[..], &value[..]].concat();
        assert_eq!(walk(&twice, 5, value.len()), (vec![17, 17], None));
        assert_eq!(walk(&twice, 5, 16), (vec![], Some((16, ReplyError::TooLong))));
        assert_eq!(walk(b"$3\r\nabc\r\n", 9, 8), (vec![], Some((8, ReplyError::TooLong))));
    }
}
