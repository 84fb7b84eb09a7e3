//! Chapter 3: what does the server prove with `Sec-WebSocket-Accept`, and why with SHA-1?
//!
//! It proves that it has read this very request and knows the WebSocket protocol. Without that, a script
//! could open a "WebSocket" to any server that echoes some of what it is sent, a mail server for instance,
//! take its confused answer for a handshake, and talk to it. So the browser sends 16 random bytes in
//! base64, which no script can choose, and the server answers with something that only a WebSocket server
//! would make of them.
//!
//! ```text
//!   Sec-WebSocket-Key     dGhlIHNhbXBsZSBub25jZQ==               24 characters, as sent
//!   the GUID              258EAFA5-E914-47DA-95CA-C5AB0DC85B11   36 characters, always these
//!                                      |  joined: 60 bytes
//!                                      v  SHA-1
//!   20 bytes              b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea
//!                                      v  base64
//!   Sec-WebSocket-Accept  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=           28 characters
//! ```
//!
//! *Why that GUID?* Because nobody else would ever append it. It is not secret and has no structure; it is
//! a name for "WebSocket", drawn once, so that no server gives the right answer by accident.
//!
//! *Why is SHA-1 fine here?* It is broken for signatures: one can make two texts with the same hash. But
//! here nothing is signed, and nothing is kept from anybody: whoever sees the key can compute the answer,
//! and may. RFC 6455 section 10.8 says that the handshake depends on no security property of SHA-1.
//!
//! **Predict**: is the key decoded from base64 before it is hashed?
//!
//! ```
//! use base64::{Engine, prelude::BASE64_STANDARD};
//! use barewire::{http::{HeadLimits, Scan, parse}, upgrade};
//! use sha1::{Digest, Sha1};
//!
//! // By hand, with the characters of the key as they are, not with what they encode:
//! let key = "dGhlIHNhbXBsZSBub25jZQ==";
//! let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
//! assert_eq!(hash[..4], [0xb3, 0x7a, 0x4f, 0x2c]);
//! let by_hand = BASE64_STANDARD.encode(hash);
//! assert_eq!(by_hand, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//!
//! // And by the server. The answer says what changes, gives the proof, and ends in an empty
//! // line. From the next byte on, either side speaks frames.
//! let hello = format!(
//!     "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//!      Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
//! );
//! let (mut scan, limits) = (Scan::default(), HeadLimits::default());
//! let (head, _) = parse(hello.as_bytes(), &mut scan, &limits)?.expect("it is complete");
//! let mut answer = Vec::new();
//! upgrade::accept(&head, false).unwrap().encode(&mut answer);
//! assert_eq!(String::from_utf8(answer).unwrap(), format!(
//!     "HTTP/1.1 101 Switching Protocols\r\n\
//!      Upgrade: websocket\r\n\
//!      Connection: Upgrade\r\n\
//!      Sec-WebSocket-Accept: {by_hand}\r\n\r\n"
//! ));
//! # Ok::<(), barewire::http::HttpError>(())
//! ```
//!
//! (The key that README's curl sends has 13 bytes in it, "Hello, world!". Their number protects nobody, so
//! it is not counted: see the table in [`websocket`](crate::websocket).)
//!
//! The 101 is written only when Redis has acknowledged the channels (chapter 9): whoever has it misses
//! nothing.
//!
//! **Where to look**: `accept_value` in `src/upgrade.rs`, which is three lines;
//! [`Refused`](crate::upgrade::Refused) for all that can be wrong with a handshake; `src/upgrade.rs` is the
//! only file that knows both protocols.
//!
//! Back: [2, hello in HTTP](super::_02_hello_in_http) · next: [4, messages in pieces](super::_04_messages_in_pieces)
