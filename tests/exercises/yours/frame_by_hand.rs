//! Exercise `frame_by_hand`: your answers. Paper and pencil, RFC 6455 section 5.2, and no program.
//!
//! The key is 37 fa 21 3d wherever a frame is masked. Write bytes as `b"\x81\x05Hello"` or `&[0x81, 5, ..]`.

/// 1. The server says the text `Hi`: the whole frame.
pub(crate) const HI_FROM_THE_SERVER: &[u8] = &[];

/// 2. A client says the text `Hi`: the whole frame, which is masked.
pub(crate) const HI_FROM_A_CLIENT: &[u8] = &[];

/// 3. A client asks whether the server is there: a ping with the payload `?`.
pub(crate) const PING_FROM_A_CLIENT: &[u8] = &[];

/// 4. The server is about to send 126 bytes in one binary frame: everything before the payload.
pub(crate) const HEADER_OF_126_BYTES: &[u8] = &[];

/// 5. The same for 65,536 bytes.
pub(crate) const HEADER_OF_65536_BYTES: &[u8] = &[];

/// 6. A client closes with the code 1000 and no reason.
pub(crate) const CLOSE_FROM_A_CLIENT: &[u8] = &[];

/// 7. A client says `Hello` in two fragments, `Hel` and `lo`, with the ping of question 3 between them:
///    three frames, one after the other.
pub(crate) const HELLO_IN_TWO_FRAGMENTS: &[u8] = &[];

/// What a client sent, to be read.
pub(crate) const SENT: &[u8] = b"\x81\x86\x37\xfa\x21\x3d\x5a\x9b\x52\x56\x52\x9e";

/// 8. What does [`SENT`] say?
pub(crate) const WHAT_IT_SAYS: &str = "";
