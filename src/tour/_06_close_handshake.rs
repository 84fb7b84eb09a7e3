//! Chapter 6: who says goodbye, who hangs up, and who is left with TIME_WAIT?
//!
//! TCP ends each direction by itself, with a packet called FIN (which has nothing to do with the bit of a
//! frame), and an end says nothing about why. So a WebSocket ends
//! twice. First with words: one side sends a Close frame, the other answers with a Close. Each is the last
//! frame of its sender. Its payload is empty, or a code of two bytes and a reason of at most 123. Then with
//! TCP: **the server closes first**.
//!
//! ```text
//!   client                                server
//!     | --- 88 82 37 fa 21 3d 34 12 -----> |   Close 1000, masked
//!     | <-- 88 02 03 e8 ------------------ |   Close 1000; from here on in state Linger
//!     | <-- FIN -------------------------- |   shutdown(Write): nothing more will come
//!     | --- FIN -------------------------> |   a read gives 0: Done, the socket is dropped
//!     |                                    |   TIME_WAIT, in the kernel
//! ```
//!
//! Whoever sends the first FIN keeps the pair of addresses and ports for a while (a minute, on Linux), so
//! that a late packet of this connection is not taken for one of the next. That is TIME_WAIT. At a client,
//! it would be in the way of a new connection from the same port; a server accepts one at once (RFC 6455
//! section 7.1.1). What it costs here is one socket option, without which a restart could not listen on its
//! own port: `bind` in `src/net/listener.rs`.
//!
//! Between its FIN and the end the server goes on *reading*, and throws away what comes. Closing a socket
//! with unread bytes sends a reset, and a reset may destroy the Close before the client has read it. It
//! waits at most two seconds; and five for the answer to a Close of its own.
//!
//! **Predict**: browsers report code 1005 for a Close without a code. What does a client get that sends
//! 1005?
//!
//! ```
//! # use std::rc::Rc;
//! # use barewire::{conn::Conn, now::Now, site::{Entrance, Site}};
//! # let now = Now::default();
//! # let open = || {
//! #     let mut conn = Conn::new(Rc::new(Site::default()), Entrance::LOOPBACK, now);
//! #     let mut hello = *b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
//! #     conn.receive(&mut hello, now);
//! #     conn.wrote(conn.output().len(), now);
//! #     conn
//! # };
//! let mut conn = open(); // a handshake on /echo, and its 101 is written
//! //                  FIN op  MASK len   key                     03 e8, masked: 1000
//! conn.receive(&mut [ 0x88,   0x80 | 2,  0x37, 0xfa, 0x21, 0x3d, 0x34, 0x12], now);
//! assert_eq!(conn.output(), [0x88, 2, 0x03, 0xe8]);
//!
//! assert!(!conn.take_shutdown(now), "not before the Close is written");
//! conn.wrote(4, now);
//! assert!(conn.take_shutdown(now), "then the FIN");
//! conn.receive(&mut b"whatever still comes".to_owned(), now);
//! assert!(!conn.is_done() && conn.output().is_empty());
//! conn.eof(now);
//! assert!(conn.is_done());
//!
//! // 1005, 1006 and 1015 report what was *not* on the wire. On it they break a rule: 1002.
//! let mut conn = open();
//! conn.receive(&mut [ 0x88,   0x80 | 2,  0, 0, 0, 0,             0x03, 0xed], now);
//! assert_eq!(conn.output()[..4], [0x88, 60, 0x03, 0xea]);
//! let reason = "close code 1005 may not be sent; use 1000, or 3000 to 4999";
//! assert_eq!(&conn.output()[4..], reason.as_bytes());
//! ```
//!
//! **Where to look**: [`CloseCode`](crate::websocket::close::CloseCode) for the codes, of which a browser's
//! page sees the number; `answer_close` in `src/conn/session.rs`;
//! [`Conn::take_shutdown`](crate::conn::Conn::take_shutdown); and `tests/wire.rs` for peers that never
//! answer, drip, or talk on and on.
//!
//! Back: [5, masking](super::_05_masking) · next: [7, a connection without a socket](super::_07_without_a_socket)
