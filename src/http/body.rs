//! The body of a POST: collected up to a limit, by its length or chunk by chunk.
//!
//! What to notice:
//! * What the client declares, it only declares: memory grows with the bytes that have arrived.
//! * A chunk size is hexadecimal digits and nothing else. `0x5`, `+5` and `5 ` were each a smuggled
//!   request somewhere.
//! * What is skipped is checked and limited too. A quote that never closes may hide the end of the
//!   line from another parser, and much of what carries nothing only keeps the server busy.
//!
//! ```text
//!   5;name=value CRLF     size in hexadecimal, then extensions, which are checked and skipped
//!   hello CRLF            exactly as many bytes, then CRLF
//!   0 CRLF                the last chunk
//!   Name: value CRLF      trailers, which are checked and dropped
//!   CRLF
//! ```
//!
//! What the next byte belongs to. All that moves on from one to another is in this file.
//!
//! ```text
//!   Size    -- a size over 0 -----------------------------> Data
//!   Size    -- the size 0 --------------------------------> Trailer
//!   Data    -- all of a chunk ----------------------------> DataEnd
//!   DataEnd -- CRLF --------------------------------------> Size
//!   Trailer -- a trailer ---------------------------------> Trailer
//!   Trailer -- an empty line -----------------------------> Done
//!   Data    -- all of a Content-Length -------------------> Done
//!   Size, DataEnd, Trailer -- a broken rule, or a limit --> Refused
//! ```

use super::error::HttpError;
use super::fields::{check_line, is_tchar};
use super::framing::Framing;
use super::line::LineEnd;

/// The bytes of extensions, and again of trailers, that one body may carry (RFC 9112 section
/// 7.1.1).
pub const MAX_EXTRA_BYTES: usize = 4096;

/// Sixteen hexadecimal digits fill 64 bits.
const MAX_SIZE_DIGITS: usize = 16;

/// A body on its way in.
#[derive(Clone, Debug)]
pub struct Body {
    /// What has arrived, decoded.
    bytes: Vec<u8>,
    max_bytes: usize,
    place: Place,
    /// What follows the data that is being taken: a CRLF behind a chunk, nothing behind a length.
    behind_data: Place,
    /// The current line between data, as far as it has arrived, and where it ends.
    line: Vec<u8>,
    end: LineEnd,
    /// How many bytes of extensions and of trailers may still come.
    extensions_left: usize,
    trailers_left: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The line that begins a chunk.
    Size,
    /// The data of a chunk, or of a body with a Content-Length: this many bytes are left.
    Data { left: usize },
    /// The CRLF behind the data of a chunk.
    DataEnd,
    /// A line behind the last chunk.
    Trailer,
    /// The body is complete.
    Done,
    /// The body was refused, and stays so.
    Refused(HttpError),
}

impl Body {
    /// Begins to collect the body of a request with this framing.
    ///
    /// # Errors
    /// [`HttpError::BodyTooLarge`] if the client declares more than `max_bytes`: refuse before
    /// reading.
    pub fn new(framing: Framing, max_bytes: usize) -> Result<Self, HttpError> {
        let (place, behind_data) = match framing {
            Framing::Length(length) => {
                (Place::Data { left: within(length, max_bytes)? }, Place::Done)
            }
            Framing::Chunked => (Place::Size, Place::DataEnd),
        };
        Ok(Self {
            bytes: Vec::new(),
            max_bytes,
            place,
            behind_data,
            line: Vec::new(),
            end: LineEnd::default(),
            extensions_left: MAX_EXTRA_BYTES,
            trailers_left: MAX_EXTRA_BYTES,
        })
    }

    /// Takes the next bytes; returns how many of them belong to this body and whether it is
    /// complete. What is left over then belongs to the next request.
    ///
    /// # Errors
    /// The rule that the body breaks. Answer with its status and text, and close.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(usize, bool), HttpError> {
        let mut rest = bytes;
        loop {
            match self.place {
                Place::Done => return Ok((bytes.len() - rest.len(), true)),
                Place::Refused(error) => return Err(error),
                // Even of no bytes: a body may be complete before its first one.
                Place::Data { left } => rest = self.take_data(rest, left),
                Place::Size | Place::DataEnd | Place::Trailer => {
                    let taken = self.take_line(rest);
                    rest = taken.inspect_err(|error| self.place = Place::Refused(*error))?;
                }
            }
            if rest.is_empty() && self.place != Place::Done {
                return Ok((bytes.len(), false));
            }
        }
    }

    /// The decoded bytes that have arrived.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes up to `left` bytes of data; returns the other bytes.
    fn take_data<'b>(&mut self, bytes: &'b [u8], left: usize) -> &'b [u8] {
        let (data, rest) = bytes.split_at_checked(left).unwrap_or((bytes, &[]));
        self.bytes.extend_from_slice(data);
        let left = left - data.len();
        self.place = if left == 0 { self.behind_data } else { Place::Data { left } };
        rest
    }

    /// Takes bytes up to the end of the current line, and what the line says.
    fn take_line<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], HttpError> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            let (limit, error) = self.line_limit();
            if self.end.is_over(*byte, self.line.len(), limit) {
                return Err(error);
            }
            if self.end.step(*byte)? {
                self.end_line()?;
                self.line.clear();
                return Ok(rest);
            }
            if *byte != b'\r' {
                self.line.push(*byte);
            }
        }
        Ok(rest)
    }

    /// How long the current line may be, and what is wrong if it is longer.
    fn line_limit(&self) -> (usize, HttpError) {
        match self.place {
            Place::Size if self.line.contains(&b';') => {
                (MAX_SIZE_DIGITS + MAX_EXTRA_BYTES, HttpError::ExtensionsTooLong)
            }
            Place::Size => (MAX_SIZE_DIGITS + 1, HttpError::ChunkSize),
            Place::Trailer => (self.trailers_left, HttpError::TrailersTooLong),
            Place::DataEnd | Place::Data { .. } | Place::Done | Place::Refused(_) => {
                (0, HttpError::ChunkEnd)
            }
        }
    }

    /// Acts on the complete line in `self.line`, which has lost its CRLF.
    fn end_line(&mut self) -> Result<(), HttpError> {
        match self.place {
            Place::Size => {
                let (size, extensions) = parse_size(&self.line)?;
                self.extensions_left = self
                    .extensions_left
                    .checked_sub(extensions)
                    .ok_or(HttpError::ExtensionsTooLong)?;
                let left = within(size, self.max_bytes.saturating_sub(self.bytes.len()))?;
                self.place = if left == 0 { Place::Trailer } else { Place::Data { left } };
            }
            Place::DataEnd => self.place = Place::Size,
            Place::Trailer if self.line.is_empty() => self.place = Place::Done,
            Place::Trailer => {
                check_line(&self.line, false).map_err(|_| HttpError::Trailer)?;
                // At least one byte a line is taken, so there are never more lines than bytes.
                self.trailers_left = self.trailers_left.saturating_sub(self.line.len());
            }
            Place::Data { .. } | Place::Done | Place::Refused(_) => {}
        }
        Ok(())
    }
}

/// Reads the size of a chunk; returns it with the length of the extensions behind it.
fn parse_size(line: &[u8]) -> Result<(u64, usize), HttpError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    // Digits only: `from_str_radix` would also take a sign. It refuses none at all by itself.
    if digits.len() > MAX_SIZE_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(HttpError::ChunkSize);
    }
    let text = str::from_utf8(digits).map_err(|_| HttpError::ChunkSize)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| HttpError::ChunkSize)?;
    let extensions = line.get(digits.len()..).unwrap_or_default();
    check_extensions(extensions).ok_or(HttpError::ChunkExtension)?;
    Ok((size, extensions.len()))
}

/// RFC 9112 section 7.1.1: `*( ";" name [ "=" ( token / quoted-string ) ] )`, with white space
/// before and behind each `;` and `=`. Some if it is so to the end.
fn check_extensions(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        let name = rest.trim_ascii_start().strip_prefix(b";")?;
        rest = behind_token(name.trim_ascii_start())?;
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            rest = match value.strip_prefix(b"\"") {
                Some(text) => behind_quoted(text)?,
                None => behind_token(value)?,
            };
        }
    }
    Some(())
}

/// What follows the token that the text begins with.
fn behind_token(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| !is_tchar(*byte)).unwrap_or(text.len());
    if end == 0 { None } else { text.get(end..) }
}

/// What follows a quoted string (RFC 9110 section 5.6.4) whose first quote is gone.
fn behind_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
            [] => return None,
        };
    }
}

/// Takes a declared length for what it is worth: a number to compare with the limit.
fn within(length: u64, limit: usize) -> Result<usize, HttpError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= limit);
    length.ok_or(HttpError::BodyTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Received = Result<(Vec<u8>, usize, bool), HttpError>;

    /// What is collected from `pieces`: the decoded bytes, how many were taken, whether it is all.
    fn collect<'a>(
        framing: Framing,
        max_bytes: usize,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Received {
        let mut body = Body::new(framing, max_bytes)?;
        let mut taken = 0;
        for piece in pieces {
            taken += body.receive(piece)?.0;
        }
        let (_, complete) = body.receive(b"")?;
        Ok((body.into_bytes(), taken, complete))
    }

    /// The result for one chunk, after checking that no way to cut the bytes changes it.
    fn however_cut(framing: Framing, max_bytes: usize, bytes: &[u8]) -> Received {
        let expected = collect(framing, max_bytes, [bytes]);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(collect(framing, max_bytes, [head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(collect(framing, max_bytes, bytes.chunks(1)), expected, "bytewise");
        expected
    }

    include!("../../tests/sources/diagram.rs");

    fn place(body: &Body) -> &'static str {
        match body.place {
            Place::Size => "Size",
            Place::Data { .. } => "Data",
            Place::DataEnd => "DataEnd",
            Place::Trailer => "Trailer",
            Place::Done => "Done",
            Place::Refused(_) => "Refused",
        }
    }

    /// One edge of the diagram at the head of this file: how the body is framed, what has come when it
    /// stands in the state it leaves, the cause, the bytes that are it, and the state it leads to.
    type Edge = (Framing, &'static [u8], &'static str, &'static [u8], &'static str);

    const CHUNKED: Framing = Framing::Chunked;
    const WRONG: &str = "a broken rule, or a limit";

    const EDGES: &[Edge] = &[
        (CHUNKED, b"", "a size over 0", b"5\r\n", "Data"),
        (CHUNKED, b"", "a size over 0", b"5;name=value\r\n", "Data"),
        (CHUNKED, b"", "the size 0", b"0\r\n", "Trailer"),
        (CHUNKED, b"5\r\n", "all of a chunk", b"hello", "DataEnd"),
        (CHUNKED, b"5\r\nhello", "CRLF", b"\r\n", "Size"),
        (CHUNKED, b"0\r\n", "a trailer", b"Name: value\r\n", "Trailer"),
        (CHUNKED, b"0\r\n", "an empty line", b"\r\n", "Done"),
        (Framing::Length(5), b"", "all of a Content-Length", b"hello", "Done"),
        (CHUNKED, b"", WRONG, b"+5\r\n", "Refused"),
        (CHUNKED, b"", WRONG, b"ffff\r\n", "Refused"),
        (CHUNKED, b"5\r\nhello", WRONG, b"!", "Refused"),
        (CHUNKED, b"0\r\n", WRONG, b"no trailer\r\n", "Refused"),
    ];

    #[test]
    fn walks_the_diagram() {
        let begun = |framing, before: &[u8]| {
            let mut body = Body::new(framing, 100).unwrap();
            body.receive(before).unwrap();
            body
        };
        for (framing, before, cause, bytes, to) in EDGES {
            let mut body = begun(*framing, before);
            let from = place(&body);
            // Up to its last byte a cause that is legal has done nothing yet.
            let (last, others) = bytes.split_last().unwrap();
            body.receive(others).unwrap();
            assert_eq!(place(&body), from, "{from} -- {cause}, but for its last byte");
            let _ = body.receive(&[*last]);
            assert_eq!(place(&body), *to, "{from} -- {cause}");
        }
        let walked = EDGES
            .iter()
            .map(|(framing, before, cause, _, to)| (place(&begun(*framing, before)), *cause, *to));
        diagram::assert_drawn(include_str!("body.rs"), walked);
    }

    #[test]
    fn nothing_leads_out_of_done_and_refused() {
        for (framing, before, to) in
            [(Framing::Length(0), &b""[..], "Done"), (CHUNKED, &b"!"[..], "Refused")]
        {
            let mut body = Body::new(framing, 100).unwrap();
            let _ = body.receive(before);
            let _ = body.receive(b"5\r\nhello\r\n0\r\n\r\n");
            assert_eq!(place(&body), to);
        }
    }

    #[test]
    fn s6_3_a_body_without_framing_is_empty_and_complete() {
        assert_eq!(however_cut(Framing::Length(0), 0, b"GET /"), Ok((vec![], 0, true)));
        assert_eq!(Body::new(Framing::Length(0), 9).unwrap().receive(b""), Ok((0, true)));
    }

    #[test]
    fn s6_2_a_length_is_counted_and_what_follows_is_left() {
        let five = Framing::Length(5);
        assert_eq!(however_cut(five, 5, b"helloGET /"), Ok((b"hello".to_vec(), 5, true)));
        assert_eq!(however_cut(five, 5, b"hel\0"), Ok((b"hel\0".to_vec(), 4, false)));
    }

    #[test]
    fn a_declared_length_is_refused_at_once_or_costs_nothing() {
        for length in [6, 1 << 40, u64::MAX] {
            assert_eq!(Body::new(Framing::Length(length), 5).err(), Some(HttpError::BodyTooLarge));
        }
        let mut body = Body::new(Framing::Length(u64::MAX), usize::MAX).unwrap();
        assert_eq!(body.receive(b"abc"), Ok((3, false)));
        assert!(body.bytes.capacity() < 64);
        let mut body = Body::new(Framing::Chunked, usize::MAX).unwrap();
        assert_eq!(body.receive(b"ffffffffffffff\r\nabc"), Ok((19, false)));
        assert!(body.bytes.capacity() < 64);
    }

    #[test]
    fn s7_1_chunks_are_joined() {
        for (bytes, decoded, taken) in [
            (&b"0\r\n\r\nnext"[..], &b""[..], 5),
            (b"5\r\nhello\r\n0\r\n\r\nnext", b"hello", 15),
            (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello", 20),
            (b"A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", 22),
            (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", 20),
            (b"0000000000000002\r\n\r\n\r\n0\r\n\r\n", b"\r\n", 27),
            (b"5;a=b;c=\"d;e\"\r\nhello\r\n0;last\r\n\r\n", b"hello", 32),
            (b"5; a =\tb ;c=\"\\\"\xff\\\\\"\r\nhello\r\n0\r\n\r\n", b"hello", 33),
            (b"0\r\nX: y\r\nContent-Length: 9\r\n\r\n", b"", 30),
        ] {
            let expected = Ok((decoded.to_vec(), taken, true));
            assert_eq!(
                however_cut(Framing::Chunked, 10, bytes),
                expected,
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn s7_1_what_is_no_chunk() {
        for (bytes, expected) in [
            (&b"\r\n"[..], HttpError::ChunkSize),
            (b"x\r\n", HttpError::ChunkSize),
            (b"0x5\r\n", HttpError::ChunkSize),
            (b"+5\r\n", HttpError::ChunkSize),
            (b"-5\r\n", HttpError::ChunkSize),
            (b" 5\r\n", HttpError::ChunkSize),
            (b"5 \r\n", HttpError::ChunkSize),
            (b"5\t;a\r\n", HttpError::ChunkSize),
            (b"5_0\r\n", HttpError::ChunkSize),
            (b";a\r\n", HttpError::ChunkSize),
            (b"5,\r\n", HttpError::ChunkSize),
            (b"00000000000000005\r\n", HttpError::ChunkSize),
            (b"00000000000000005;", HttpError::ChunkSize),
            (b"5\n", HttpError::BareLf),
            (b"5\rh", HttpError::BareCr),
            (b"5;a\nb\r\n", HttpError::BareLf),
            (b"5;a\0", HttpError::Control),
            (b"5;\r\n", HttpError::ChunkExtension),
            (b"5;;a\r\n", HttpError::ChunkExtension),
            (b"5;a;\r\n", HttpError::ChunkExtension),
            (b"5;a \r\n", HttpError::ChunkExtension),
            (b"5;a b\r\n", HttpError::ChunkExtension),
            (b"5;a=\r\n", HttpError::ChunkExtension),
            (b"5;=b\r\n", HttpError::ChunkExtension),
            (b"5;a=\"\r\n", HttpError::ChunkExtension),
            (b"5;a=\"b\\\"\r\n", HttpError::ChunkExtension),
            (b"5;a=\"b\"c\r\n", HttpError::ChunkExtension),
            (b"5\r\nhellox", HttpError::ChunkEnd),
            (b"5\r\nhello\n", HttpError::ChunkEnd),
            (b"5\r\nhello\rx", HttpError::BareCr),
            (b"5\r\nhello0\r\n", HttpError::ChunkEnd),
            (b"0\r\nX\r\n", HttpError::Trailer),
            (b"0\r\n: y\r\n", HttpError::Trailer),
            (b"0\r\nX : y\r\n", HttpError::Trailer),
            (b"0\r\n X: y\r\n", HttpError::Trailer),
            (b"0\r\nX: y\r\n fold\r\n", HttpError::Trailer),
            (b"0\r\nX: y\n", HttpError::BareLf),
            (b"0\r\nGET / HTTP/1.1\r\n", HttpError::Trailer),
        ] {
            let found = however_cut(Framing::Chunked, 10, bytes);
            let line = bytes.escape_ascii();
            // An incomplete line is refused only once it is complete.
            let found = if found.is_ok() {
                however_cut(Framing::Chunked, 10, &[bytes, b"\r\n"].concat())
            } else {
                found
            };
            assert_eq!(found, Err(expected), "{line}");
        }
    }

    #[test]
    fn rfc9110_s15_5_14_a_body_over_the_limit_is_413() {
        for bytes in [
            &b"6\r\n"[..],
            b"ffffffffffffffff\r\n",
            b"5\r\nhello\r\n1\r\n",
            b"1\r\na\r\n5\r\n",
            b"1\r\na\r\nffffffffffffffff\r\n",
        ] {
            let found = however_cut(Framing::Chunked, 5, bytes);
            assert_eq!(found, Err(HttpError::BodyTooLarge), "{}", bytes.escape_ascii());
        }
        assert_eq!(HttpError::BodyTooLarge.status().code(), 413);
        assert!(however_cut(Framing::Chunked, 5, b"5\r\nhello\r\n0\r\n\r\n").is_ok());
    }

    #[test]
    fn s7_1_1_extensions_have_a_limit_over_the_whole_body() {
        let extension = |bytes: usize| format!("1;{}\r\na\r\n", "x".repeat(bytes - 1));
        let half = extension(MAX_EXTRA_BYTES / 2);
        let found = collect(Framing::Chunked, 10, [half.as_bytes(), half.as_bytes(), b"1\r\n"]);
        assert!(found.is_ok());
        let one_more = extension(MAX_EXTRA_BYTES / 2 + 1);
        let found = collect(Framing::Chunked, 10, [half.as_bytes(), one_more.as_bytes()]);
        assert_eq!(found, Err(HttpError::ExtensionsTooLong));
        let endless = vec![b';'; MAX_EXTRA_BYTES + MAX_SIZE_DIGITS + 2];
        let found = collect(Framing::Chunked, 10, [&b"1"[..], &endless]);
        assert_eq!(found, Err(HttpError::ExtensionsTooLong));
        assert_eq!(HttpError::ExtensionsTooLong.status().code(), 413);
    }

    #[test]
    fn s7_1_2_trailers_have_a_limit() {
        let trailer = format!("X: {}\r\n", "x".repeat(97));
        let most = trailer.repeat(MAX_EXTRA_BYTES / 100);
        assert!(collect(Framing::Chunked, 0, [&b"0\r\n"[..], most.as_bytes(), b"\r\n"]).unwrap().2);
        let found =
            collect(Framing::Chunked, 0, [&b"0\r\n"[..], most.as_bytes(), trailer.as_bytes()]);
        assert_eq!(found, Err(HttpError::TrailersTooLong));
        assert_eq!(HttpError::TrailersTooLong.status().code(), 431);
    }

    #[test]
    fn a_refused_body_stays_refused() {
        let mut body = Body::new(Framing::Chunked, 10).unwrap();
        for more in [&b"x\r\n"[..], b"0\r\n\r\n", b""] {
            assert_eq!(body.receive(more), Err(HttpError::ChunkSize));
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_in_chunks_arrives_whole_however_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cut in 1_usize..50,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let taken = wire.len();
            wire.extend_from_slice(b"next");
            let found = collect(Framing::Chunked, 240, wire.chunks(cut));
            prop_assert_eq!(found, Ok((chunks.concat(), taken, true)));
        }
    }
}
