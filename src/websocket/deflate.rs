//! permessage-deflate (RFC 7692): messages that are compressed, each for itself.
//!
//! ```text
//!   c1 | 07 | f2 48 cd c9 c9 07 00                "Hello": the example of section 7.2.3.1
//!      |    | DEFLATE (RFC 1951), without the 00 00 ff ff that every one would end in
//!      | length 7, of the compressed bytes
//!      FIN, RSV1, opcode 1        RSV1: this message is compressed; only in its first frame
//! ```
//!
//! What to notice:
//! * The answer always has `server_no_context_takeover`: a compressed message must not look back
//!   at earlier ones, for it is sent to many clients, and each has seen others.
//! * It always has `client_no_context_takeover` too, so that between messages there is no window
//!   to keep. An idle client costs nothing; one inside a compressed message about 48 KiB and what of
//!   it has come out.
//! * What comes out is measured as it comes out, so a bomb costs one message of the largest size; and
//!   little is read at once from who may send such ([`crate::limits::Limits::compressed_read_bytes`]).
//!
//! Compression beside secrets gives them away: whoever can add to a message and see its length can
//! guess the rest of it letter by letter (the attacks called CRIME and BREACH). So it is off until
//! somebody asks for it.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::{Offer, Param};
use super::form::Form;
use super::message::MessageError;

/// RFC 7692 section 7.2.1: the empty block that a flush ends with, which is left out on the wire.
const TAIL: &[u8] = &[0x00, 0x00, 0xff, 0xff];

/// RFC 1951 section 3.2.4: an empty block with BFINAL set. Behind [`TAIL`] it ends the data, with
/// nothing more coming out, only if the data before ended where a block ends.
const LAST_BLOCK: &[u8] = &[0x01, 0x00, 0x00, 0xff, 0xff];

/// What is kept of a compressor's output for the next message.
const KEPT_BYTES: usize = 64 << 10;

/// The first room for what is inflated.
const MIN_ROOM_BYTES: usize = 256;

/// How hard to look for repetitions, from 1 to 9. Of 16 KiB of JSON, level 2 leaves 20 % and level 6,
/// which takes more than twice the time, 18 %; nobody else is served meanwhile.
const LEVEL: u32 = 2;

/// How far back compressed data may refer: 2⁹ to 2¹⁵ bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window(u8);

impl Window {
    /// RFC 7692 section 7.1.2.1: what holds where the client asks for nothing.
    const LARGEST: Self = Self(15);

    /// The window with this logarithm. Section 7.1.2.1 goes down to 8, but zlib has no raw window
    /// below 9, which would refer further back than the client can; and flate2 panics at an 8.
    fn new(bits: u8) -> Option<Self> {
        (9..=15).contains(&bits).then_some(Self(bits))
    }
}

/// An offer that was accepted. It displays as the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// `None`: the client did not ask, and the answer may not say.
    asked: Option<Window>,
}

impl Agreement {
    /// The first of the offers that is acceptable. RFC 7692 section 5: the client has put them in
    /// its order, and one that cannot be accepted is passed over.
    #[must_use]
    pub fn negotiate(offers: &[Offer<'_>]) -> Option<Self> {
        offers.iter().filter(|offer| offer.name == b"permessage-deflate").find_map(Self::accept)
    }

    /// RFC 7692 section 7.1: an offer is declined that has a parameter which is unknown, repeated,
    /// or has a value that it cannot have.
    fn accept(offer: &Offer<'_>) -> Option<Self> {
        let mut asked = None;
        for (index, Param { name, value }) in offer.params.iter().enumerate() {
            if offer.params.iter().take(index).any(|earlier| earlier.name == *name) {
                return None;
            }
            match (*name, value.as_deref()) {
                (b"server_no_context_takeover" | b"client_no_context_takeover", None) => {}
                // Section 7.1.2.2: a hint that we may set a limit, or that the client keeps to one.
                // None is set: a window is needed only while a message comes.
                (b"client_max_window_bits", None) => {}
                (b"client_max_window_bits", Some(bits)) => drop(window_bits(bits)?),
                (b"server_max_window_bits", Some(bits)) => {
                    asked = Some(Window::new(window_bits(bits)?)?);
                }
                _ => return None,
            }
        }
        Some(Self { asked })
    }

    /// What messages look like from now on.
    #[must_use]
    pub fn form(self) -> Form {
        Form::Deflate(self.asked.unwrap_or(Window::LARGEST))
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate; server_no_context_takeover; client_no_context_takeover")?;
        match self.asked {
            Some(Window(bits)) => write!(f, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// RFC 7692 section 7.1.2: "a decimal integer value without leading zeroes between 8 to 15".
fn window_bits(value: &[u8]) -> Option<u8> {
    let bits: u8 = str::from_utf8(value).ok()?.parse().ok()?;
    ((8..=15).contains(&bits) && bits.to_string().as_bytes() == value).then_some(bits)
}

/// Compresses messages, each for itself.
#[derive(Debug)]
pub(super) struct Deflater {
    stream: Compress,
    output: Vec<u8>,
}

impl Deflater {
    pub(super) fn new(Window(bits): Window) -> Self {
        let stream = Compress::new_with_window_bits(Compression::new(LEVEL), false, bits);
        Self { stream, output: Vec::new() }
    }

    /// The payload of a compressed message (RFC 7692 section 7.2.1). `None`: it would be no shorter.
    pub(super) fn deflate(&mut self, payload: &[u8]) -> Option<&[u8]> {
        if self.output.capacity() > KEPT_BYTES {
            self.output = Vec::new();
        }
        self.output.clear();
        self.output.reserve(payload.len() + TAIL.len());
        self.stream.reset();
        self.stream.compress_vec(payload, &mut self.output, FlushCompress::Sync).ok()?;
        // If there is room left, then all has come out.
        let is_whole = self.output.len() < self.output.capacity();
        let deflated = self.output.strip_suffix(TAIL)?;
        (is_whole && deflated.len() < payload.len()).then_some(deflated)
    }
}

/// Takes a compressed message apart, piece by piece.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    max_bytes: usize,
    /// The last byte that was read ended a block with BFINAL, and nothing has followed yet.
    is_at_end: bool,
}

impl Inflater {
    /// For one message of at most `max_bytes`. The window that was agreed on is the server's own; a
    /// client may use the largest.
    pub(super) fn new(_: Window, max_bytes: usize) -> Self {
        let Window(bits) = Window::LARGEST;
        let stream = Decompress::new_with_window_bits(false, bits);
        Self { stream, max_bytes, is_at_end: false }
    }

    /// Inflates the next piece of the message to the end of `output`, which holds all that came out
    /// before. What has been added to it when an error is returned stood before what is wrong.
    pub(super) fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) -> Result<(), MessageError> {
        let mut rest = piece;
        loop {
            if output.len() == output.capacity() {
                // Doubled, but by no more than it takes to see that there are too many.
                let wanted = output.len().max(piece.len()).max(MIN_ROOM_BYTES);
                let most = self.max_bytes.saturating_sub(output.len()).saturating_add(1);
                output.reserve_exact(wanted.min(most));
            }
            let (read, made) = (self.stream.total_in(), output.len());
            let status = self.stream.decompress_vec(rest, output, FlushDecompress::None);
            let taken = self.stream.total_in().saturating_sub(read);
            rest = usize::try_from(taken).ok().and_then(|taken| rest.get(taken..)).unwrap_or(&[]);
            if output.len() > self.max_bytes {
                output.truncate(self.max_bytes);
                return Err(MessageError::TooBig);
            }
            let has_moved = taken > 0 || output.len() > made;
            match status.map_err(|_| MessageError::InvalidDeflate)? {
                // RFC 7692 section 7.2.3.4: a sender may set BFINAL, and go on behind that block.
                Status::StreamEnd => {
                    self.stream.reset(false);
                    self.is_at_end = true;
                }
                Status::Ok | Status::BufError => self.is_at_end &= !has_moved,
            }
            // With room left, all has come out.
            if rest.is_empty() && (output.len() < output.capacity() || !has_moved) {
                return Ok(());
            }
            if !has_moved {
                return Err(MessageError::InvalidDeflate);
            }
        }
    }

    /// The message has ended (RFC 7692 section 7.2.2): inflates what is still in it.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), MessageError> {
        self.push(TAIL, output)?;
        let made = output.len();
        let ended = self.push(LAST_BLOCK, output).is_ok() && self.is_at_end && output.len() == made;
        output.truncate(made);
        if ended { Ok(()) } else { Err(MessageError::InvalidDeflate) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::extension::offers;

    const MAX: usize = 1_000;

    fn answer(header: &str) -> Option<String> {
        let offers = offers([header.as_bytes()].into_iter()).unwrap();
        Agreement::negotiate(&offers).map(|agreement| agreement.to_string())
    }

    #[test]
    fn s7_1_offers_and_their_answers() {
        const BOTH: &str =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for (offer, bits) in [
            ("permessage-deflate", ""),
            ("permessage-deflate; server_no_context_takeover", ""),
            ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", ""),
            ("permessage-deflate; client_max_window_bits", ""),
            ("permessage-deflate; client_max_window_bits=8", ""),
            ("permessage-deflate; client_max_window_bits=\"15\"", ""),
            ("permessage-deflate; server_max_window_bits=9", "; server_max_window_bits=9"),
            ("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15"),
            ("x-webkit-deflate-frame, permessage-deflate", ""),
            // Section 5: the first that is acceptable, in the order of the client.
            (
                "permessage-deflate; server_max_window_bits=8, \
                 permessage-deflate; server_max_window_bits=10, permessage-deflate",
                "; server_max_window_bits=10",
            ),
            ("permessage-deflate; unknown, permessage-deflate", ""),
        ] {
            assert_eq!(answer(offer).as_deref(), Some(&*format!("{BOTH}{bits}")), "{offer}");
        }
    }

    #[test]
    fn s7_1_offers_that_are_declined() {
        for parameters in [
            "unknown",
            "unknown=1",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "server_no_context_takeover; server_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            "server_max_window_bits",
            "server_max_window_bits=8", // legal, but see Window::new
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=0",
            "server_max_window_bits=09",
            "server_max_window_bits=+9",
            "server_max_window_bits=9.0",
            "server_max_window_bits=265",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=010",
            "Server_no_context_takeover",
        ] {
            assert_eq!(answer(&format!("permessage-deflate; {parameters}")), None, "{parameters}");
        }
        assert_eq!(answer("permessage-bzip2"), None);
        assert_eq!(answer("Permessage-Deflate"), None);
    }

    /// Inflates a message that comes in these pieces, with what came out before an error.
    fn inflate_pieces(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), MessageError>) {
        let (mut inflater, mut output) = (Inflater::new(Window::LARGEST, MAX), Vec::new());
        let result = pieces.iter().try_for_each(|piece| inflater.push(piece, &mut output));
        let result = result.and_then(|()| inflater.finish(&mut output));
        assert!(output.capacity() <= MAX + 1, "{}", output.capacity());
        (output, result)
    }

    /// The same for a message in one piece, having checked that no other cut changes anything.
    fn inflate(message: &[u8]) -> Result<Vec<u8>, MessageError> {
        let whole = inflate_pieces(&[message]);
        for cut in 0..=message.len() {
            let (left, right) = message.split_at(cut);
            assert_eq!(inflate_pieces(&[left, right]), whole, "cut at {cut}");
        }
        assert_eq!(inflate_pieces(&message.chunks(1).collect::<Vec<_>>()), whole, "bytewise");
        whole.1.map(|()| whole.0)
    }

    #[test]
    fn s7_2_3_the_examples_of_the_rfc() {
        for (bytes, expected) in [
            // 7.2.3.1, and 7.2.3.2 as far as it can be without context
            (&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], "Hello"),
            // 7.2.3.3: a block without compression
            (b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"),
            // 7.2.3.4: a block with BFINAL
            (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
            // 7.2.3.5: two blocks
            (b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"),
            // 7.2.3.6: nothing
            (b"\x00", ""),
            (b"\x03\x00\x03\x00\x00", ""), // two blocks with BFINAL and nothing in them
        ] {
            assert_eq!(inflate(bytes), Ok(expected.into()), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn s7_2_2_what_is_no_deflate_data() {
        for (bytes, what) in [
            (&b""[..], "no block at all"),
            (b"\xf2\x48\xcd\xc9\xc9", "it ends within a block"),
            (b"\xf3\x48\xcd\xc9\xc9\x07\x00", "BFINAL, and the 00 behind it is missing"),
            (b"\x03\x00\xf2\x48\xcd\xc9\xc9", "the same behind a block with BFINAL"),
            (b"\x06", "the reserved type of a block"),
            (b"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00", "a length without its complement"),
            (b"\x02\x03\x00", "it refers to what was before the message"),
            (
                b"\x01\x06\x00\xf9\xff",
                "a block that would end behind what is added to find its end",
            ),
            (b"\x01\x09\x00\xf6\xff", "the same, one as long as that is"),
        ] {
            assert_eq!(inflate(bytes), Err(MessageError::InvalidDeflate), "{what}");
        }
        // 7.2.3.2: the second "Hello" of a sender that has kept its window in spite of the answer.
        assert_eq!(inflate(b"\xf2\x00\x11\x00\x00"), Err(MessageError::InvalidDeflate));
    }

    #[test]
    fn what_came_out_before_an_error_is_there() {
        let (output, result) = inflate_pieces(&[b"\xf2\x48\xcd\xc9\xc9\x07\x00\x06"]);
        assert_eq!((&output[..], result), (&b"Hello"[..], Err(MessageError::InvalidDeflate)));
    }

    fn deflate(bits: u8, payload: &[u8]) -> Option<Vec<u8>> {
        Deflater::new(Window::new(bits).unwrap()).deflate(payload).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_bomb_ends_at_the_limit_and_takes_no_more_memory() {
        for (length, expected) in [
            (MAX, Ok(())),
            (MAX + 1, Err(MessageError::TooBig)),
            (1 << 20, Err(MessageError::TooBig)),
        ] {
            let bomb = deflate(15, &vec![b'x'; length]).unwrap();
            let (output, result) = inflate_pieces(&[&bomb]);
            assert_eq!((output.len(), result), (MAX, expected), "{length}");
            let pieces: Vec<_> = bomb.chunks(1).collect();
            assert_eq!(inflate_pieces(&pieces), (output, expected), "{length}, bytewise");
        }
    }

    #[test]
    fn what_would_be_no_shorter_is_not_compressed() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..5_000).map(|_| random.u8(..)).collect();
        for length in [0, 1, 64, 5_000] {
            assert_eq!(deflate(15, &noise[..length]), None, "{length}");
        }
        assert!(deflate(15, b"abcabcabcabcabc").is_some());
    }

    #[test]
    fn an_inflater_is_small_enough_to_stand_in_its_message() {
        assert!(size_of::<Inflater>() <= 176, "{}", size_of::<Inflater>());
    }

    /// Text with repetitions near and far.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            "[a-z]{1,9}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 1..300),
        ];
        (
            prop::collection::vec(word, 1..9),
            prop::collection::vec(any::<prop::sample::Index>(), 0..400),
        )
            .prop_map(|(words, picks)| {
                picks.iter().flat_map(|pick| pick.get(&words).iter().copied()).collect()
            })
    }

    /// By its length, for zlib-rs inflates with the largest window, whatever it is told.
    #[test]
    fn s7_1_2_1_nothing_refers_further_back_than_the_window() {
        let mut random = fastrand::Rng::with_seed(3);
        for bits in 9..=14 {
            let noise: Vec<u8> = (0..1 << bits).map(|_| random.u8(..)).collect();
            let text = noise.repeat(2); // it comes again just out of reach
            assert_eq!(deflate(bits, &text), None, "{bits}");
            assert!(deflate(bits + 1, &text).is_some(), "{bits}");
        }
    }

    proptest! {
        /// Each message alone, whatever was compressed before.
        #[test]
        fn deflated_inflates_to_what_it_was(
            texts in prop::collection::vec(text(), 1..4), bits in 9..=15_u8
        ) {
            let mut deflater = Deflater::new(Window::new(bits).unwrap());
            for text in texts {
                let Some(deflated) = deflater.deflate(&text) else { continue };
                prop_assert!(deflated.len() < text.len());
                let mut stream = Decompress::new(false);
                let mut output = Vec::with_capacity(text.len() + 1);
                for piece in [deflated, TAIL] {
                    stream.decompress_vec(piece, &mut output, FlushDecompress::None).unwrap();
                }
                prop_assert_eq!(output, text);
            }
        }

        #[test]
        fn hostile_streams_end_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..40), start in 0..3_usize
        ) {
            let start = [&b""[..], b"\x00\x05\x00\xfa\xffHello", b"\xf2\x48\x05\0\0\0\xff\xff"][start];
            let _ = inflate(&[start, &bytes].concat());
        }
    }
}
