//! Chapter 4: what is a message, if it comes in fragments and the network cuts those too?
//!
//! There are two ways to be in pieces, and they have nothing to do with each other.
//!
//! * *The network cuts bytes.* A frame may come in two reads, in the middle of its header, or three frames
//!   in one. That means nothing, and the peer did not choose it.
//! * *The peer makes fragments.* A message may be several frames: the first has the opcode, text or binary,
//!   and FIN 0; the following have opcode 0, *continuation*; the last has FIN 1. So a sender can begin
//!   before it knows how long the message will be. Between the fragments of one message may stand no other
//!   message, but control frames may: a ping is answered even while a long message is under way.
//!
//! The law of this server: **cutting the byte stream anywhere changes nothing**. The events are a function
//! of the bytes, never of the chunks they came in. Property tests hold each machine to it, and so does the
//! example.
//!
//! **Predict**: a ping stands between the fragments "Hel" and "lo". In which order are the two handed out?
//!
//! ```
//! use barewire::websocket::form::Form;
//! use barewire::websocket::message::{Assembler, Event, MessageLimits};
//!
//! /// What comes out, if the bytes come in these chunks.
//! fn events(chunks: &[&[u8]]) -> Vec<String> {
//!     let limits = MessageLimits { max_message_bytes: 65_536, max_fragments: 1_000 };
//!     let (mut assembler, mut events) = (Assembler::default(), Vec::new());
//!     for chunk in chunks {
//!         let mut chunk = chunk.to_vec(); // it is unmasked in place
//!         let mut rest = &mut chunk[..];
//!         loop {
//!             let (taken, event) = assembler.receive(rest, Form::Plain, &limits).unwrap();
//!             let Some(event) = event else { break };
//!             events.push(match event {
//!                 Event::Message { payload, .. } => payload.escape_ascii().to_string(),
//!                 other => format!("{other:?}"),
//!             });
//!             rest = &mut rest[taken..];
//!         }
//!     }
//!     events
//! }
//!
//! let bytes = [
//! //  FIN opcode        MASK length  key (zeros, to be readable)  payload
//!     0b0_000_0001,     0x80 | 3,    0, 0, 0, 0,                  b'H', b'e', b'l',
//!     0b1_000_1001,     0x80 | 0,    0, 0, 0, 0,                  // a ping without payload
//!     0b1_000_0000,     0x80 | 2,    0, 0, 0, 0,                  b'l', b'o',
//! ];
//! let whole = events(&[&bytes]);
//! assert_eq!(whole, ["Ping([])", "Hello"]);
//!
//! // The law: two pieces, cut at every place, and single bytes.
//! for cut in 0..=bytes.len() {
//!     assert_eq!(events(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
//! }
//! assert_eq!(events(&bytes.chunks(1).collect::<Vec<_>>()), whole);
//! ```
//!
//! The ping comes first: it is whole before the message is. So its pong goes out before the message is
//! complete, too. And a character of UTF-8 may be cut by a fragment; the text is checked as its bytes come,
//! and must be valid as a whole.
//!
//! **Where to look**: the picture of the two states at the head of [`message`](crate::websocket::message),
//! and [`Assembler::receive`](crate::websocket::message::Assembler::receive); `allow` in
//! `src/websocket/message.rs` for the order of frames; `src/websocket/partial.rs` for what is kept between
//! two chunks.
//!
//! Back: [3, the accept key](super::_03_the_accept_key) · next: [5, masking](super::_05_masking)
