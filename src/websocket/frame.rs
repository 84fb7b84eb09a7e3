//! The frame header: what every piece of a WebSocket conversation begins with (RFC 6455 section
//! 5.2).
//!
//! ```text
//!    byte 0            byte 1           0, 2 or 8 bytes   4 bytes, only from clients
//!   +-+-+-+-+-------+ +-+-------------+ +---------------+ +---------+ +---------- - -
//!   |F|R|R|R|opcode | |M| length      | | longer length | | masking | | payload
//!   |I|S|S|S|       | |A| 0..125, or  | | 126: 16 bits  | |   key   | |
//!   |N|V|V|V|4 bits | |S| 126, or 127 | | 127: 64 bits  | |         | |
//!   | |1|2|3|       | |K| 7 bits      | | big-endian    | |         | |
//!   +-+-+-+-+-------+ +-+-------------+ +---------------+ +---------+ +---------- - -
//! ```
//!
//! What to notice:
//! * What must not be on the wire cannot be written down: [`Opcode`] has no reserved values and the
//!   mask of a [`FrameHeader`] is not optional, so nothing behind this file checks them again.
//! * Each rule is checked at the first byte that can break it, in the order of the bytes. So one
//!   prefix gives one error, however it was cut.
//! * A length is only a number here. Nothing is reserved for it, and a frame that announces 2⁶³
//!   bytes costs as much as one that announces none.
//!
//! The examples of RFC 6455 section 5.7, in columns under the names of the fields:
//!
//! ```
//! use barewire::websocket::frame::{self, FrameHeader, Opcode};
//! use barewire::websocket::form::Form;
//! use barewire::websocket::mask::Mask;
//! use barewire::websocket::message::MessageError;
//!
//! //  FIN opcode  MASK length  masking key             payload
//! let masked_hello =
//!     [0x81,      0x85,        0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! let header = FrameHeader {
//!     fin: true,
//!     compressed: false,
//!     opcode: Opcode::Text,
//!     mask: Mask([0x37, 0xfa, 0x21, 0x3d]),
//!     length: 5,
//! };
//! assert_eq!(frame::decode(&masked_hello, Form::Plain), Ok(Some((header, 6))));
//!
//! // What the server sends has no key, and a client may not send it.
//! let hello =
//!     [0x81,      0x05,                                b'H', b'e', b'l', b'l', b'o'];
//! assert_eq!(frame::decode(&hello, Form::Plain), Err(MessageError::Unmasked));
//! let mut out = Vec::new();
//! frame::encode(Opcode::Text, b"Hello", &mut out);
//! assert_eq!(out, hello);
//! ```

use super::error::MessageError;
use super::form::Form;
use super::mask::Mask;

/// The longest header of a client's frame: two bytes, a 64-bit length and the masking key.
pub const MAX_HEADER_BYTES: usize = 14;

/// RFC 6455 section 5.5: the most bytes that the payload of a control frame may have.
pub const MAX_CONTROL_BYTES: usize = 125;

const FIN: u8 = 0b1000_0000;
const RESERVED_BITS: u8 = 0b0111_0000;
/// RFC 7692 section 6: the bit that permessage-deflate claims.
const RSV1: u8 = 0b0100_0000;
const OPCODE: u8 = 0b0000_1111;
const MASKED: u8 = 0b1000_0000;
const LENGTH: u8 = 0b0111_1111;
/// The 7-bit length that says: the length is in the next two bytes.
const SIXTEEN_BITS: u8 = 126;
/// The 7-bit length that says: the length is in the next eight bytes.
const SIXTY_FOUR_BITS: u8 = 127;

/// What a frame is for. Data has opcodes below 8, control from 8 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// 0: the next fragment of the message that an earlier frame began.
    Continuation,
    /// 1: a message of text, or its first fragment.
    Text,
    /// 2: a message of any bytes, or its first fragment.
    Binary,
    /// 8: the last frame of its sender, perhaps with the reason.
    Close,
    /// 9: asks for a pong with the same payload.
    Ping,
    /// 10: answers a ping, or says unasked that its sender lives.
    Pong,
}

impl Opcode {
    /// The opcode with this 4-bit value, or `None` for one of the reserved (3 to 7, 11 to 15).
    #[must_use]
    pub const fn from_value(value: u8) -> Option<Self> {
        match value {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Its 4 bits on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether frames with it are about the connection, and no part of a message: they are short,
    /// whole, and may come between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.value() >= 0x8
    }
}

/// The header of a frame from a client, found to be legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message, or the only one. Always set in a control
    /// frame.
    pub fin: bool,
    /// Whether it begins a compressed message (RFC 7692 section 6).
    pub compressed: bool,
    /// What the frame is for.
    pub opcode: Opcode,
    /// The key that its payload is masked with.
    pub mask: Mask,
    /// The bytes of payload that follow the header: at most 125 in a control frame, else below 2⁶³.
    /// The peer's word only: reserve nothing for it.
    pub length: u64,
}

/// Reads the frame header at the start of `bytes`, as a client sends it that has agreed on `form`,
/// and the bytes it has. `None`: the header goes on behind `bytes`, and what is there breaks no rule
/// yet.
///
/// # Errors
/// The first rule that the bytes break. Close with 1002 and read no further: where the next frame
/// would begin is unknown.
pub fn decode(bytes: &[u8], form: Form) -> Result<Option<(FrameHeader, usize)>, MessageError> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let (fin, compressed, opcode) = decode_first_byte(first, form)?;
    let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
    // RFC 6455 section 5.1: "a client MUST mask all frames that it sends to the server".
    if second & MASKED == 0 {
        return Err(MessageError::Unmasked);
    }
    // RFC 6455 section 5.5: both longer forms are for 126 bytes and more.
    if opcode.is_control() && second & LENGTH >= SIXTEEN_BITS {
        return Err(MessageError::LongControl);
    }
    let Some((length, rest)) = decode_length(second & LENGTH, rest)? else { return Ok(None) };
    let Some((&key, payload)) = rest.split_first_chunk() else { return Ok(None) };
    let header = FrameHeader { fin, compressed, opcode, mask: Mask(key), length };
    Ok(Some((header, bytes.len() - payload.len())))
}

/// Reads the first byte of a frame, from either side: whether it is the last of its message, whether
/// that is compressed, and the opcode.
pub(crate) fn decode_first_byte(
    first: u8,
    form: Form,
) -> Result<(bool, bool, Opcode), MessageError> {
    // RFC 6455 section 5.2: "MUST be 0 unless an extension is negotiated".
    let claimed = match form {
        Form::Plain => 0,
        Form::Deflate(_) => RSV1,
    };
    if first & RESERVED_BITS & !claimed != 0 {
        return Err(MessageError::ReservedBits);
    }
    let opcode = Opcode::from_value(first & OPCODE).ok_or(MessageError::ReservedOpcode)?;
    let fin = first & FIN != 0;
    // RFC 6455 section 5.5: "they MUST NOT be fragmented".
    if opcode.is_control() && !fin {
        return Err(MessageError::FragmentedControl);
    }
    let compressed = first & RSV1 != 0;
    // RFC 7692 section 6.1: no other frame has it.
    if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(MessageError::CompressedBit);
    }
    Ok((fin, compressed, opcode))
}

/// The length that `short`, the 7 bits of the second byte, stands for, and what follows it.
fn decode_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, MessageError> {
    match short {
        SIXTEEN_BITS => {
            let Some((&length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let length = u16::from_be_bytes(length);
            if length < u16::from(SIXTEEN_BITS) {
                return Err(MessageError::LengthNotMinimal);
            }
            Ok(Some((u64::from(length), rest)))
        }
        SIXTY_FOUR_BITS => {
            // Both rules are broken before all eight bytes are there, and so found before.
            if rest.first().is_some_and(|highest| highest & 0b1000_0000 != 0) {
                return Err(MessageError::LengthTopBit);
            }
            if rest.starts_with(&[0; 6]) {
                return Err(MessageError::LengthNotMinimal);
            }
            let Some((&length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            Ok(Some((u64::from_be_bytes(length), rest)))
        }
        short => Ok(Some((u64::from(short), rest))),
    }
}

/// Appends one whole frame, as a server sends it: not fragmented, not masked, and with the shortest
/// length. The payload of a control frame has at most [`MAX_CONTROL_BYTES`], that of text is UTF-8.
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(MAX_HEADER_BYTES + payload.len());
    encode_header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends one whole message that is compressed (RFC 7692 section 6.1). Only for who has agreed.
pub fn encode_compressed(opcode: Opcode, deflated: &[u8], out: &mut Vec<u8>) {
    out.reserve(MAX_HEADER_BYTES + deflated.len());
    encode_beginning(FIN | RSV1 | opcode.value(), deflated.len(), out);
    out.extend_from_slice(deflated);
}

/// Appends only the header of a frame that is not compressed; `payload_bytes` bytes must follow it.
pub fn encode_header(opcode: Opcode, payload_bytes: usize, out: &mut Vec<u8>) {
    encode_beginning(FIN | opcode.value(), payload_bytes, out);
}

fn encode_beginning(first: u8, payload_bytes: usize, out: &mut Vec<u8>) {
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(short), _) if short < SIXTEEN_BITS => out.extend_from_slice(&[first, short]),
        (_, Ok(length)) => {
            let [high, low] = length.to_be_bytes();
            out.extend_from_slice(&[first, SIXTEEN_BITS, high, low]);
        }
        (_, Err(_)) => {
            // No machine has a usize of more than 64 bits.
            let length = u64::try_from(payload_bytes).unwrap_or(u64::MAX);
            out.extend_from_slice(&[first, SIXTY_FOUR_BITS]);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// The length in bytes, header included, of the frame of this server that begins with `bytes`; only
/// its header is looked at. `None`: the header goes on behind `bytes`.
///
/// For whoever holds frames back to back, as [`encode`] wrote them, and needs to know where one
/// ends.
#[must_use]
pub fn server_frame_length(bytes: &[u8]) -> Option<u64> {
    let (&[_, short], rest) = bytes.split_first_chunk()?;
    let (length, payload) = decode_length(short & LENGTH, rest).ok().flatten()?;
    Some(length.saturating_add(u64::try_from(bytes.len() - payload.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: Mask = Mask([0x37, 0xfa, 0x21, 0x3d]);
    const OPCODES: [Opcode; 6] = [
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ];

    fn header(fin: bool, opcode: Opcode, length: u64) -> FrameHeader {
        FrameHeader { fin, compressed: false, opcode, mask: KEY, length }
    }

    #[test]
    fn headers_stay_small() {
        assert!(size_of::<FrameHeader>() <= 16);
    }

    #[test]
    fn s5_7_examples_from_a_client() {
        for (bytes, expected, size) in [
            (
                &b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..],
                header(true, Opcode::Text, 5),
                6,
            ),
            (b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", header(true, Opcode::Pong, 5), 6),
            // The RFC shows these three unmasked, as a server sends them.
            (b"\x01\x83\x37\xfa\x21\x3d", header(false, Opcode::Text, 3), 6),
            (b"\x80\x82\x37\xfa\x21\x3d", header(true, Opcode::Continuation, 2), 6),
            (b"\x82\xfe\x01\x00\x37\xfa\x21\x3d", header(true, Opcode::Binary, 256), 8),
            (
                b"\x82\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d",
                header(true, Opcode::Binary, 65_536),
                14,
            ),
        ] {
            assert_eq!(
                decode(bytes, Form::Plain),
                Ok(Some((expected, size))),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn s5_7_examples_from_a_server() {
        for (opcode, payload, expected) in [
            (Opcode::Text, &b"Hello"[..], b"\x81\x05\x48\x65\x6c\x6c\x6f".to_vec()),
            (Opcode::Ping, b"Hello", b"\x89\x05\x48\x65\x6c\x6c\x6f".to_vec()),
            (Opcode::Binary, &[7; 256], [&b"\x82\x7e\x01\x00"[..], &[7; 256]].concat()),
            (
                Opcode::Binary,
                &[7; 65_536],
                [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &[7; 65_536]].concat(),
            ),
        ] {
            let mut out = b"before".to_vec();
            encode(opcode, payload, &mut out);
            assert_eq!(out[..6], *b"before");
            assert_eq!(out[6..], expected, "{opcode:?}");
        }
    }

    #[test]
    fn every_rule_is_found_at_the_first_byte_that_breaks_it() {
        use MessageError as E;
        for (shortest, expected) in [
            (&b"\xc1"[..], E::ReservedBits),
            (b"\xa1", E::ReservedBits),
            (b"\x91", E::ReservedBits),
            (b"\xf3", E::ReservedBits), // before the opcode: its bits come first
            (b"\x83", E::ReservedOpcode),
            (b"\x07", E::ReservedOpcode),
            (b"\x8b", E::ReservedOpcode),
            (b"\x0f", E::ReservedOpcode),
            (b"\x08", E::FragmentedControl),
            (b"\x09", E::FragmentedControl),
            (b"\x0a", E::FragmentedControl),
            (b"\x81\x05", E::Unmasked),
            (b"\x81\x00", E::Unmasked),
            (b"\x88\x7e", E::Unmasked), // before its length: the bit comes first
            (b"\x88\xfe", E::LongControl),
            (b"\x89\xff", E::LongControl),
            (b"\x82\xff\x80", E::LengthTopBit),
            (b"\x82\xff\xff", E::LengthTopBit),
            (b"\x82\xfe\x00\x7d", E::LengthNotMinimal),
            (b"\x82\xfe\x00\x00", E::LengthNotMinimal),
            (b"\x82\xff\x00\x00\x00\x00\x00\x00", E::LengthNotMinimal),
        ] {
            let text = shortest.escape_ascii();
            let longer = [shortest, &[0; 14]].concat();
            assert_eq!(decode(shortest, Form::Plain), Err(expected), "{text}");
            assert_eq!(decode(&longer, Form::Plain), Err(expected), "{text} and more");
            let (_, before) = shortest.split_last().unwrap();
            assert_eq!(decode(before, Form::Plain), Ok(None), "{text} without its last byte");
        }
    }

    #[test]
    fn s5_2_lengths_at_the_borders_of_their_forms() {
        for (bytes, length) in [
            (&b"\x82\x80"[..], 0),
            (b"\x82\xfd", 125),
            (b"\x82\xfe\x00\x7e", 126),
            (b"\x82\xfe\x00\x7f", 127),
            (b"\x82\xfe\xff\xff", 65_535),
            (b"\x82\xff\0\0\0\0\0\x01\0\0", 65_536),
            (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", (1 << 63) - 1),
        ] {
            let bytes = [bytes, &KEY.0].concat();
            let expected = (header(true, Opcode::Binary, length), bytes.len());
            assert_eq!(decode(&bytes, Form::Plain), Ok(Some(expected)), "{length}");
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut], Form::Plain), Ok(None), "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn s5_2_opcodes_are_their_values() {
        for value in 0..=u8::MAX {
            match Opcode::from_value(value) {
                Some(opcode) => {
                    assert_eq!(opcode.value(), value);
                    assert_eq!(opcode.is_control(), value >= 8);
                }
                None => assert!(OPCODES.iter().all(|opcode| opcode.value() != value)),
            }
        }
    }

    #[test]
    fn s5_2_encoding_takes_the_shortest_form() {
        for (length, header) in [
            (0, &b"\x82\x00"[..]),
            (1, b"\x82\x01"),
            (125, b"\x82\x7d"),
            (126, b"\x82\x7e\x00\x7e"),
            (255, b"\x82\x7e\x00\xff"),
            (256, b"\x82\x7e\x01\x00"),
            (65_535, b"\x82\x7e\xff\xff"),
            (65_536, b"\x82\x7f\0\0\0\0\0\x01\0\0"),
        ] {
            let mut out = Vec::new();
            encode_header(Opcode::Binary, length, &mut out);
            assert_eq!(out, header, "{length}");
            assert_eq!(
                server_frame_length(header),
                Some(u64::try_from(header.len() + length).unwrap())
            );
            for cut in 0..header.len() {
                assert_eq!(server_frame_length(&header[..cut]), None, "{length} cut at {cut}");
            }
        }
    }

    proptest! {
        /// What a server sends is what a client must send, but for the mask.
        #[test]
        fn a_frame_that_is_encoded_masked_and_decoded_is_the_same(
            opcode in prop::sample::select(&OPCODES[..]), length in 0..70_000_usize,
        ) {
            let length = if opcode.is_control() { length % 126 } else { length };
            let mut bytes = Vec::new();
            encode_header(opcode, length, &mut bytes);
            bytes[1] |= MASKED;
            bytes.extend_from_slice(&KEY.0);
            let expected = header(true, opcode, u64::try_from(length).unwrap());
            prop_assert_eq!(decode(&bytes, Form::Plain), Ok(Some((expected, bytes.len()))));
        }

        /// The law: a longer prefix never changes an answer that a shorter one gave.
        #[test]
        fn the_shortest_prefix_that_has_an_answer_decides(
            first: u8, second: u8, rest in prop::collection::vec(
                prop_oneof![Just(0), Just(0x7f), any::<u8>()], 0..14),
        ) {
            let bytes = [&[first, second][..], &rest].concat();
            let mut answers = (0..=bytes.len())
                .map(|end| decode(&bytes[..end], Form::Plain))
                .skip_while(|answer| *answer == Ok(None));
            if let Some(decided) = answers.next() {
                prop_assert!(answers.all(|answer| answer == decided));
            }
        }

        #[test]
        fn back_to_back_frames_are_walked_by_their_headers(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..9),
        ) {
            let mut log = Vec::new();
            for payload in &payloads {
                encode(Opcode::Text, payload, &mut log);
            }
            let mut rest = &log[..];
            for payload in &payloads {
                let length = usize::try_from(server_frame_length(rest).unwrap()).unwrap();
                let mut expected = Vec::new();
                encode(Opcode::Text, payload, &mut expected);
                let (frame, behind) = rest.split_at(length);
                prop_assert_eq!(frame, expected);
                rest = behind;
            }
            prop_assert!(rest.is_empty());
        }
    }
}
