//! Chapter 1: what do the seven bytes `81 05 48 65 6c 6c 6f` say?
//!
//! They say: here is a whole message, it is text, it has five bytes, and they are "Hello". That is what a
//! server sends when a browser's `onmessage` shall be called with `"Hello"`. Such a unit is a *frame*: a
//! header of a few bytes, then the *payload*.
//!
//! ```text
//!   byte       81               05               48 65 6c 6c 6f
//!   bits       1 000 0001       0 0000101
//!              | |   |          | |              payload: H e l l o
//!              | |   opcode     | length: 5
//!              | |   1: text    MASK: 0, no key follows (chapter 5)
//!              | RSV1, 2, 3: 0, for extensions
//!              FIN: 1, the last frame of its message (chapter 4)
//! ```
//!
//! Why a header at all? TCP delivers bytes, not messages: what was written in one call may be read in
//! three, or with half of the next one. Somebody has to say where a message ends. A marker behind it could
//! stand inside a message too; a length before it cannot be mistaken, and the reader knows at once how much
//! will come.
//!
//! **Predict**: seven bits count to 127. How many bytes has the header of a message of 125 bytes, of 126,
//! of 65,535 and of 65,536?
//!
//! ```
//! use barewire::websocket::frame::{self, Opcode};
//!
//! //           FIN opcode     MASK length     payload
//! let hello = [0b1_000_0001,  0b0_0000101,    b'H', b'e', b'l', b'l', b'o'];
//! let mut out = Vec::new();
//! frame::encode(Opcode::Text, b"Hello", &mut out);
//! assert_eq!(out, hello);
//! assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
//!
//! // 126 and 127 are no lengths: the length is in the next two bytes, or in the next eight.
//! let header = |length| {
//!     let mut out = Vec::new();
//!     frame::encode_header(Opcode::Text, length, &mut out);
//!     out
//! };
//! //                            first  7 bits  16 or 64 bits, the highest byte first
//! assert_eq!(header(125),      [0x81,  125]);
//! assert_eq!(header(126),      [0x81,  126,    0x00, 0x7e]);
//! assert_eq!(header(65_535),   [0x81,  126,    0xff, 0xff]);
//! assert_eq!(header(65_536),   [0x81,  127,    0, 0, 0, 0, 0, 1, 0, 0]);
//! ```
//!
//! So it has 2, 4 or 10 bytes, and the shortest form is the only one allowed: one length has one spelling.
//! The opcode says what the payload is: 1 text, 2 any bytes, 0 more of the message before; from 8 on it is
//! about the connection: 8 close, 9 ping, 10 pong. The other ten are reserved, and cannot even be written
//! down here: [`Opcode`](crate::websocket::frame::Opcode) has six variants.
//!
//! **Where to look**: [`frame`](crate::websocket::frame) from its head to
//! [`decode`](crate::websocket::frame::decode); `decode_length` in `src/websocket/frame.rs` for the two
//! longer forms, and why a length is checked before all of it has come.
//!
//! Back: [0, where it came from](super::_00_the_origin) · next: [2, hello in HTTP](super::_02_hello_in_http)
