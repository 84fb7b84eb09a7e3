//! The WebSocket protocol behind its handshake: RFC 6455 sections 5 to 9 and RFC 7692, the server's
//! side.
//!
//! What to notice:
//! * Bytes come in and bytes go out. Nothing here knows a socket, a clock or HTTP, so that every
//!   rule can be tested on literal bytes and every parser can be fuzzed alone.
//! * What the RFC forbids mostly cannot be written down in these types: there is no reserved
//!   opcode, no client's frame without a mask, no close code 1006.
//! * Whoever breaks a rule is told which one: an error is one variant, its section number, its
//!   close code and one line of text.
//!
//! # Three layers
//!
//! TCP delivers a stream of bytes, in chunks that mean nothing. A browser's `onmessage` delivers
//! messages. Between the two stand three steps, each with its own file:
//!
//! ```text
//!   bytes      81 85 37 fa 21 3d 7f 9f 4d 51 58            cut anywhere by the network
//!     |  frame, mask
//!   frames     [FIN text "Hello"]  or  [text "Hel"] [ping] [FIN continuation "lo"]
//!     |  message, utf8, close
//!   messages   Text "Hello", and the pings, pongs and the Close that came between its fragments
//! ```
//!
//! The way back is shorter: a server may send every message as one frame and must not mask it, so
//! encoding is a header of 2, 4 or 10 bytes before the payload. That header depends on nothing but
//! the payload, and so the same bytes can be sent to every subscriber.
//!
//! **The law**: events and errors are a function of the bytes, never of the chunks they came in.
//! So every check is made at a place that the bytes decide, in their order: in a header's first two
//! bytes at the byte that breaks the rule; for the order of frames, sizes and numbers of fragments,
//! when the header is whole; for text at the first impossible byte; for a Close at its end.
//!
//! # Reading order
//!
//! | file | the one question it answers | RFC 6455 |
//! | --- | --- | --- |
//! | [`frame`] | where does a frame end, and what does its header say? | 5.2, 5.5 |
//! | [`mask`] | how are a client's payload bytes hidden and shown? | 5.3 |
//! | [`utf8`] | is this text, when it comes in pieces? | 8.1 |
//! | [`close`] | why does a connection end? | 5.5.1, 7.4 |
//! | [`message`] | how do frames become messages? | 5.4, 5.6, 10.4 |
//! | `partial` | what is kept while one of them is incomplete? | 5.4 |
//! | `error` | which rule was broken, and which code says so? | 7.4.1 |
//! | [`extension`] | what does a client offer beyond all this? | 9.1 |
//! | [`deflate`] | how is a message compressed, if that was agreed on? | RFC 7692 |
//! | [`form`] | how does that change what is sent? | RFC 7692 section 6 |
//!
//! # Explained deviations
//!
//! Where this server does other than the letter of RFC 6455 or RFC 7692, or than its strictest reader
//! expects:
//!
//! | RFC 6455 | here | why |
//! | --- | --- | --- |
//! | 4.2.1: the key decodes to 16 bytes | any length but 0 is accepted | the most copied curl command for WebSocket sends `Hello, world!`, which is 13; the key is a proof that the *server* understood, and its length protects nobody |
//! | 4.1: the key is base64 | its unused last bits may be set | the RFC's own sample has them set (erratum 3150) |
//! | 7.4.1 defines close codes up to 1015 | 1012, 1013 and 1014 are accepted, and 1012 and 1013 are sent | IANA registered them later, in the way that section 7.4.2 foresees |
//! | 7.4.2: 1016 to 2999 are for future revisions | refused with 1002 | none is registered, so a peer that sends one is mistaken; Autobahn 7.9 expects it for those that it tries |
//! | 5.4: a message may have any number of fragments | more than a limit end with 1008 | empty fragments are free for the sender and not for us (section 10.4 allows limits) |
//! | 5.4: fragments exist so that none has to buffer a message | a message is handed out whole | every user of this crate needs it whole, and its size is limited (1009) |
//! | 8.1: invalid text fails the connection | at the first impossible byte, even inside a frame | allowed and kinder to fast failure; Autobahn 6.4 calls it strict |
//! | 7.4.2 says nothing of codes from 5000 on | refused with 1002 | they are outside of every registered range |
//! | 7.4.1: 1010 is for clients to send | received, it is echoed | 5.5.1: an answer typically repeats the code |
//! | 5.5.2: a ping gets a pong unless a Close was received | not behind our own Close | 1.4: who has our Close discards what follows, so it would reach nobody |
//! | 7.1.2: after our Close, the peer's is waited for | not from a client that was idle: Close and the end at once | it has answered nothing for `--idle-timeout`, and a curl sees its end |
//! | silent on half-closed connections | an end without a Close ends the connection behind what was already said; who still waits for channels is let go | it could never answer our Close: 7.1.5 calls it 1006 |
//! | 11.3.4: `Sec-WebSocket-Protocol` | not read, and never answered | no subprotocol is spoken here, and clients that insist on one see that none was chosen |
//! | 9.1 takes RFC 2616's lists, in which elements may be empty | so it is, but a field with no element at all is 400 | `1#extension` is at least one |
//! | RFC 7692 7.1.2.1: a window of 8 bits may be asked for | the offer is declined | zlib cannot do it: it has no raw window below 9, which would refer further back than the client can |
//! | 7692 7.1.2.2: a client may ask to be given a window limit | it never is | a window is needed only while one message comes |
//! | 7692 7.2.2 does not say what data is that ends within a block | not DEFLATE data: 1007 | what is missing may be the end of the message |

pub mod close;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "without_deflate.rs"]
pub mod deflate;
mod error;
pub mod extension;
pub mod form;
pub mod frame;
pub mod mask;
pub mod message;
mod partial;
pub mod utf8;
