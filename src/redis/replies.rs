//! Turns bytes from Redis into values, through the parser of the `redis` crate.
//!
//! ```text
//!   bytes as they came   + O K \r \n * 3 \r \n $ 7 …
//!   [`Extent`]           |---------|-------------->        one value at a time
//!   `::redis::Parser`    Okay      Array([BulkString(…), …
//! ```
//!
//! But for messages, which are nearly all that comes: one that lies whole in the bytes is taken apart
//! here. The parser takes over a microsecond for each, a quarter of what one costs that goes to one
//! client.
//!
//! What to notice:
//! * The parser is handed exactly the bytes of one value, all of them found sound. So nothing of the
//!   next one stands in its own buffer, and it can be replaced after a large value without losing a
//!   byte. If it and the extent ever disagree about where a value ends, the connection ends.
//! * A value may arrive in pieces: the parser keeps what it has when its reader answers
//!   `WouldBlock`. That is no promise of the crate, so the version is pinned and the tests below
//!   hold every fact that is relied upon.
//! * `Ok(0)` means "for ever at the end" to the parser, so the reader never says it; the end of the
//!   stream is the business of `net`.

// The one use of `std::io` outside `net`: the parser wants a reader. This one reads bytes that are
// already in hand and knows no system call.
use std::io::{Error, ErrorKind, Read, Result as IoResult};

use ::redis::{Parser, Value};

use super::extent::{Extent, ReplyError};
use super::shape::Reply;

/// After a value over this many bytes the parser is replaced, because it keeps buffers of twice the
/// largest value it has ever seen.
const KEEP_PARSER_BYTES: usize = 1 << 20;

/// The reading side of one connection to Redis.
pub(super) struct Replies {
    parser: Parser,
    extent: Extent,
}

impl Replies {
    /// A reader of values of at most `max_bytes` each, for a new connection.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { parser: Parser::new(), extent: Extent::new(max_bytes) }
    }

    /// Takes a message off the front of `bytes` that lies there whole, and leaves everything else, and
    /// whatever is unusual about it, to [`read`](Self::read).
    pub(super) fn message(&self, bytes: &mut &[u8]) -> Option<Reply> {
        let rest = bytes.strip_prefix(b"*3\r\n$7\r\nmessage\r\n")?;
        let (channel, rest) = bulk(rest)?;
        let (payload, rest) = bulk(rest)?;
        if !self.extent.may_take(bytes.len() - rest.len()) {
            return None;
        }
        *bytes = rest;
        Some(Reply::Message { channel: channel.to_vec(), payload: payload.to_vec() })
    }

    /// Reads the next value off the front of `bytes`, or all of them and `None` if it needs more.
    ///
    /// # Errors
    /// What is wrong with the bytes. There is no way on from there: drop the connection and with it
    /// this reader.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (sound, end) = self.extent.advance(bytes);
        let (hand, rest) = bytes.split_at_checked(sound).unwrap_or((bytes, &[]));
        *bytes = rest;
        // Reading ahead over several values at once was tried: the parser's own microsecond a
        // message hides what it saves.
        match (end, self.parser.parse_value(InHand(hand))) {
            (Ok(Some(size)), Ok(value)) => {
                if size > KEEP_PARSER_BYTES {
                    self.parser = Parser::new();
                }
                Ok(Some(value))
            }
            // Only `InHand` can have said so, for there is no socket behind it.
            (Ok(None), Err(error)) if error.is_timeout() => Ok(None),
            // The sound bytes before a broken rule were parsed too: what is wrong first, counts.
            (Err(rule), Err(error)) if error.is_timeout() => Err(rule),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(ReplyError::Unparsable),
        }
    }
}

/// The payload of a whole bulk string whose length has up to eight digits, and what follows it.
fn bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"$")?;
    let (digits, rest) = rest.split_at_checked(rest.iter().take(9).position(|b| *b == b'\r')?)?;
    let add = |length: usize, digit: &u8| {
        digit.is_ascii_digit().then(|| length * 10 + usize::from(digit - b'0'))
    };
    let length = digits.iter().try_fold(0, add).filter(|_| !digits.is_empty())?;
    let (payload, rest) = rest.strip_prefix(b"\r\n")?.split_at_checked(length)?;
    Some((payload, rest.strip_prefix(b"\r\n")?))
}

/// A reader of bytes in hand that says `WouldBlock` when it has no more.
struct InHand<'a>(&'a [u8]);

impl Read for InHand<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        if self.0.is_empty() {
            return Err(Error::from(ErrorKind::WouldBlock));
        }
        self.0.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Outcome = (Vec<Value>, Option<ReplyError>);

    fn read_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Outcome {
        let mut replies = Replies::new(max);
        let mut values = Vec::new();
        for mut chunk in chunks {
            loop {
                match replies.read(&mut chunk) {
                    Ok(Some(value)) => values.push(value),
                    Ok(None) => break,
                    Err(rule) => return (values, Some(rule)),
                }
            }
            assert!(chunk.is_empty());
        }
        (values, None)
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    const STREAM: &[u8] = b"+OK\r\n+PONG\r\n:1\r\n$-1\r\n*3\r\n$7\r\nmessage\r\n$4\r\nruby\r\n\
        $5\r\na\r\n\r\n\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n*0\r\n";

    fn stream_values() -> Vec<Value> {
        vec![
            Value::Okay,
            Value::SimpleString("PONG".into()),
            Value::Int(1),
            Value::Nil,
            Value::Array(vec![bulk("message"), bulk("ruby"), bulk("a\r\n\r\n")]),
            Value::Array(vec![bulk("subscribe"), bulk("a"), Value::Int(1)]),
            Value::Array(vec![bulk("pong"), bulk("")]),
            Value::Array(vec![]),
        ]
    }

    /// What the parser makes of the front of `bytes`, and how many of them that was.
    fn parsed(bytes: &[u8], max: usize) -> Option<(Reply, usize)> {
        let mut rest = bytes;
        let value = Replies::new(max).read(&mut rest).ok()??;
        Some((Reply::from(value), bytes.len() - rest.len()))
    }

    #[test]
    fn a_message_is_taken_only_whole_and_between_two_values() {
        let stream = b"*3\r\n$7\r\nmessage\r\n$4\r\nruby\r\n$2\r\nhi\r\n+OK\r\n";
        for cut in 0..stream.len() - 5 {
            let mut rest = &stream[..cut];
            assert_eq!(Replies::new(100).message(&mut rest), None, "cut at {cut}");
            assert_eq!(rest.len(), cut);
        }
        let mut rest = &stream[..];
        let message = Reply::Message { channel: b"ruby".to_vec(), payload: b"hi".to_vec() };
        assert_eq!(Replies::new(34).message(&mut rest), None, "35 bytes are over the limit");
        assert_eq!(Replies::new(35).message(&mut rest), Some(message));
        assert_eq!(rest, b"+OK\r\n");
        let mut replies = Replies::new(100);
        assert_eq!(replies.read(&mut &b"*2\r\n"[..]), Ok(None));
        assert_eq!(replies.message(&mut &stream[..]), None, "an element of an array");
    }

    proptest! {
        /// Sound messages, and such with a byte changed: what is taken here is what the parser takes.
        #[test]
        fn a_message_is_what_the_parser_makes_of_it(
            channel in prop::collection::vec(any::<u8>(), 0..12),
            payload in prop::collection::vec(any::<u8>(), 0..120),
            behind in prop::collection::vec(any::<u8>(), 0..9),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            max in 0..200_usize,
        ) {
            let mut bytes = b"*3\r\n$7\r\nmessage\r\n".to_vec();
            for text in [&channel, &payload] {
                bytes.extend(format!("${}\r\n", text.len()).into_bytes());
                bytes.extend(text);
                bytes.extend(b"\r\n");
            }
            bytes.extend(&behind);
            if let Some((place, byte)) = change {
                *place.get_mut(&mut bytes) = byte;
            }
            let mut rest = &bytes[..];
            let taken = Replies::new(max).message(&mut rest);
            if let Some(reply) = taken {
                prop_assert_eq!(Some((reply, bytes.len() - rest.len())), parsed(&bytes, max));
            } else {
                let is_message = |(reply, _): &(Reply, usize)| {
                    matches!(reply, Reply::Message { .. })
                };
                prop_assert!(change.is_some() || !parsed(&bytes, max).is_some_and(|p| is_message(&p)));
            }
        }
    }

    // The facts about `::redis::Parser` that this file stands on. One that fails after an upgrade of
    // the crate says what to look at before the version is raised.

    #[test]
    fn parser_keeps_its_partial_state_at_every_byte_boundary() {
        let mut parser = Parser::new();
        let mut values = Vec::new();
        for byte in STREAM.chunks(1) {
            match parser.parse_value(InHand(byte)) {
                Ok(value) => values.push(value),
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
        }
        assert_eq!(values, stream_values());
    }

    #[test]
    fn parser_says_is_timeout_for_would_block_and_for_timed_out_alike() {
        struct Says(ErrorKind);
        impl Read for Says {
            fn read(&mut self, _: &mut [u8]) -> IoResult<usize> {
                Err(Error::from(self.0))
            }
        }
        let timeout = |kind| Parser::new().parse_value(Says(kind)).unwrap_err().is_timeout();
        assert!(timeout(ErrorKind::WouldBlock));
        assert!(timeout(ErrorKind::TimedOut), "now it tells them apart: net may rely on it");
        assert!(!timeout(ErrorKind::ConnectionReset));
    }

    #[test]
    fn parser_takes_an_end_of_input_for_final() {
        let mut parser = Parser::new();
        assert!(parser.parse_value(&b"$3\r\nab"[..]).is_err());
        let again = parser.parse_value(&b"c\r\n"[..]);
        assert!(again.is_err(), "no longer sticky; `Ok(0)` would do no harm now: {again:?}");
    }

    #[test]
    fn parser_swallows_a_wrong_type_byte_that_arrives_alone_and_the_extent_does_not() {
        let mut parser = Parser::new();
        assert!(parser.parse_value(InHand(b"@")).unwrap_err().is_timeout());
        assert_eq!(parser.parse_value(InHand(b"+OK\r\n")).unwrap(), Value::Okay);
        let expected = (vec![], Some(ReplyError::UnknownType));
        assert_eq!(read_chunks([&b"@"[..], b"+OK\r\n"], 100), expected);
        assert_eq!(read_chunks([&b"*1\r\n"[..], b"@", b"+OK\r\n"], 100), expected);
    }

    #[test]
    fn parser_reads_ahead_and_limits_nothing_and_the_extent_does_both() {
        let mut parser = Parser::new();
        assert_eq!(parser.parse_value(InHand(b":1\r\n:2\r\n")).unwrap(), Value::Int(1));
        assert_eq!(parser.parse_value(InHand(b"")).unwrap(), Value::Int(2), "from its own buffer");
        let endless = b"$9223372036854775807\r\n";
        assert!(Parser::new().parse_value(InHand(endless)).unwrap_err().is_timeout());
        assert_eq!(read_chunks([&endless[..]], 1 << 20).1, Some(ReplyError::TooLong));
    }

    #[test]
    fn values_are_read_whatever_the_cut() {
        for at in 0..=STREAM.len() {
            let (a, b) = STREAM.split_at(at);
            assert_eq!(read_chunks([a, b], 1000), (stream_values(), None), "cut at {at}");
        }
        assert_eq!(read_chunks(STREAM.chunks(1), 1000), (stream_values(), None));
    }

    #[test]
    fn half_a_value_is_no_value() {
        let message = b"*3\r\n$7\r\nmessage\r\n$4\r\nruby\r\n$5\r\nhello\r\n";
        for end in 0..message.len() {
            assert_eq!(read_chunks([&message[..end]], 1000), (vec![], None));
        }
    }

    #[test]
    fn what_the_parser_refuses_is_refused() {
        for input in [&b":x\r\n"[..], b":\r\n", b"+\xff\r\n", b"*1\r\n-\xff\r\n@"] {
            let expected = (vec![], Some(ReplyError::Unparsable));
            assert_eq!(read_chunks([input], 100), expected, "{}", input.escape_ascii());
            assert_eq!(read_chunks(input.chunks(1), 100), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_value_over_a_mebibyte_leaves_a_new_parser_and_loses_nothing() {
        let size = KEEP_PARSER_BYTES + 1;
        let stream =
            [format!("${size}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n:7\r\n:8\r\n"].concat();
        for step in [stream.len(), 65_536] {
            let (values, error) = read_chunks(stream.chunks(step), 2 << 20);
            assert_eq!((values.len(), error), (3, None));
            assert_eq!(values[0], Value::BulkString(vec![b'x'; size]));
            assert_eq!(values[1..], [Value::Int(7), Value::Int(8)]);
        }
    }

    /// Bytes that look like RESP2, or nearly.
    fn nearly_resp() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => proptest::sample::select(vec![
                &b"+OK\r\n"[..], b"-ERR x\r\n", b":12\r\n", b"$3\r\nabc\r\n", b"$-1\r\n",
                b"*2\r\n", b"*0\r\n", b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n", b"$0\r\n\r\n",
            ]).prop_map(<[u8]>::to_vec),
            1 => proptest::collection::vec(any::<u8>(), 0..4),
            1 => proptest::collection::vec(
                proptest::sample::select(b"+-:$*\r\n0129>_@\xff".to_vec()), 0..6),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(bytes in nearly_resp(), step in 1..9_usize, max in 1..80_usize) {
            let whole = read_chunks([&bytes[..]], max);
            prop_assert_eq!(&read_chunks(bytes.chunks(step), max), &whole);
            prop_assert_eq!(&read_chunks(bytes.chunks(1), max), &whole);
        }

        #[test]
        fn the_extent_and_the_parser_agree_on_every_value(bytes in nearly_resp()) {
            let (values, error) = read_chunks([&bytes[..]], 1000);
            let mut parser = Parser::new();
            let mut alone = Vec::new();
            let mut reader = InHand(&bytes);
            while let Ok(value) = parser.parse_value(&mut reader) {
                alone.push(value);
            }
            // Stricter at the end, never different before it.
            prop_assert!(alone.starts_with(&values), "{values:?} {error:?} {alone:?}");
            prop_assert!(error.is_some() || alone == values);
        }
    }
}
