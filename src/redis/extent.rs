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
//! * Arrays are counted, not recursed into, and an error stands at one exact byte, however the
//!   bytes were cut.

use std::fmt;

/// The longest `+`, `-` or `:` line. Redis' own are below 1 KiB; the parser scans an unfinished line
/// anew with every piece that arrives, so this bounds that work.
const MAX_LINE_BYTES: usize = 16 << 10;
/// The most elements of one array. Pub/Sub has 3, or 4 with patterns.
const MAX_ITEMS: usize = 64;
/// The most arrays inside each other. Pub/Sub has 1.
const MAX_DEPTH: usize = 4;

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
    /// RESP2 arrays: more than 64 elements, or more than 4 inside each other.
    TooNested,
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
            Self::TooNested => "an array too large for anything that was asked",
            Self::TooLong => "a reply over the limit; publish smaller messages",
            Self::Unparsable => "a malformed line",
        })
    }
}

/// Where in the value the next byte stands.
#[derive(Clone, Copy)]
enum Place {
    Type,
    Line { bytes: usize, after_cr: bool },
    Length { of: Counted, so_far: Length },
    Body { left: usize },
    BodyCr,
    BodyLf,
}

#[derive(Clone, Copy)]
enum Counted {
    Bytes,
    Items,
}

/// The text between `$` or `*` and its LF, as far as it was read.
#[derive(Clone, Copy)]
enum Length {
    Empty,
    Minus,
    Nil,
    Number(usize),
    /// CR was read; `None` is nil.
    Cr(Option<usize>),
}

/// The way through one value, byte by byte.
pub(super) struct Extent {
    place: Place,
    /// How many values each open array still waits for, the innermost last.
    open: Vec<usize>,
    bytes: usize,
    max_bytes: usize,
}

impl Extent {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { place: Place::Type, open: Vec::new(), bytes: 0, max_bytes }
    }

    /// Goes on through `input`: how many of its bytes belong to the value and are sound, and with
    /// them the length of the whole value if it ends there, `None` if it needs more bytes, or the
    /// rule that the byte after them breaks.
    pub(super) fn advance(&mut self, input: &[u8]) -> (usize, Result<Option<usize>, ReplyError>) {
        let mut taken = 0;
        while let Some((&byte, rest)) = input.get(taken..).and_then(<[u8]>::split_first) {
            let mut step = 1;
            let ended = if let Place::Body { left } = self.place {
                step = left.min(rest.len() + 1);
                self.place =
                    if step == left { Place::BodyCr } else { Place::Body { left: left - step } };
                Ok(false)
            } else {
                self.byte(byte)
            };
            match ended {
                Err(rule) => return (taken, Err(rule)),
                Ok(_) if self.bytes + step > self.max_bytes => {
                    return (taken, Err(ReplyError::TooLong));
                }
                Ok(ended) => {
                    taken += step;
                    self.bytes += step;
                    if ended && self.close() {
                        return (taken, Ok(Some(std::mem::take(&mut self.bytes))));
                    }
                }
            }
        }
        (taken, Ok(None))
    }

    /// One byte outside the payload of a bulk string; whether it is the last of a value.
    fn byte(&mut self, byte: u8) -> Result<bool, ReplyError> {
        self.place = match self.place {
            Place::Type => match byte {
                b'+' | b'-' | b':' => Place::Line { bytes: 0, after_cr: false },
                b'$' => Place::Length { of: Counted::Bytes, so_far: Length::Empty },
                b'*' => Place::Length { of: Counted::Items, so_far: Length::Empty },
                _ => return Err(ReplyError::UnknownType),
            },
            Place::Line { after_cr: true, .. } if byte == b'\n' => return Ok(true),
            Place::Line { bytes: MAX_LINE_BYTES, .. } => return Err(ReplyError::LineTooLong),
            Place::Line { bytes, .. } => Place::Line { bytes: bytes + 1, after_cr: byte == b'\r' },
            Place::Length { of, so_far: Length::Cr(length) } if byte == b'\n' => {
                return self.announced(of, length);
            }
            Place::Length { of, so_far } => Place::Length { of, so_far: so_far.next(byte)? },
            Place::BodyCr if byte == b'\r' => Place::BodyLf,
            Place::BodyLf if byte == b'\n' => return Ok(true),
            // (`advance` walks over a body in one step and never asks about one of its bytes.)
            Place::Body { left: _ } | Place::BodyCr | Place::BodyLf => {
                return Err(ReplyError::UnendedBulk);
            }
        };
        Ok(false)
    }

    /// A length line is complete: what it announces is checked before any of it has arrived.
    fn announced(&mut self, of: Counted, length: Option<usize>) -> Result<bool, ReplyError> {
        let Some(length) = length else { return Ok(true) };
        match of {
            Counted::Bytes if length > self.max_bytes.saturating_sub(self.bytes) => {
                Err(ReplyError::TooLong)
            }
            Counted::Bytes => {
                self.place = if length == 0 { Place::BodyCr } else { Place::Body { left: length } };
                Ok(false)
            }
            Counted::Items if length > MAX_ITEMS || self.open.len() == MAX_DEPTH => {
                Err(ReplyError::TooNested)
            }
            Counted::Items if length == 0 => Ok(true),
            Counted::Items => {
                self.open.push(length);
                self.place = Place::Type;
                Ok(false)
            }
        }
    }

    /// A value has ended, and with it every array whose last element it was; whether none is open.
    fn close(&mut self) -> bool {
        self.place = Place::Type;
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

impl Length {
    fn next(self, byte: u8) -> Result<Self, ReplyError> {
        let digit = usize::from(byte.wrapping_sub(b'0'));
        let number = match self {
            Self::Empty if byte == b'-' => return Ok(Self::Minus),
            Self::Minus if byte == b'1' => return Ok(Self::Nil),
            Self::Nil if byte == b'\r' => return Ok(Self::Cr(None)),
            Self::Number(number) if byte == b'\r' => return Ok(Self::Cr(Some(number))),
            Self::Empty => 0,
            Self::Number(number) => number,
            Self::Minus | Self::Nil | Self::Cr(_) => return Err(ReplyError::BadLength),
        };
        if digit > 9 {
            return Err(ReplyError::BadLength);
        }
        let number = number.checked_mul(10).and_then(|tens| tens.checked_add(digit));
        number.map(Self::Number).ok_or(ReplyError::BadLength)
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
            (b"*65\r\n", 4, ReplyError::TooNested),
            (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", 19, ReplyError::TooNested),
            (b"*1000000000\r\n", 12, ReplyError::TooNested),
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
