//! Chapter 7: how can one machine be driven by a loop, by a blocking thread and by a fuzzer?
//!
//! By knowing none of them. [`Conn`](crate::conn::Conn) is one client, from its first byte to its last, and
//! has no socket and no clock. Bytes go in, bytes and events come out, and the time is an argument: *sans
//! I/O*. Whoever owns a socket drives it. There are three such drivers:
//!
//! | | the event loop | the echo server in `src/lib.rs` | the fuzzer |
//! | --- | --- | --- | --- |
//! | where | `src/net/peer.rs` | [the front page](crate#a-whole-echo-server) | `fuzz/bodies/connection.rs` |
//! | who gives bytes | `fill`: a nonblocking read into a buffer shared by all | a read that waits | the input, in pieces that it chooses |
//! | who gives time | the heap of [`Timers`](crate::timers::Timers), and `on_timer` | the read's time-out | `pass`: the input says how much; nobody waits |
//! | who writes | `flush`, as far as the socket takes it | a write that waits | `flush`, into a vector, all or a little |
//! | who answers [`Event`](crate::conn::Event)s | the hub and Redis: `on_wish` in `src/net/clients.rs` | nobody, `/echo` has none | `decide`: the channel's name says how |
//! | clients | ten thousand and more | one for each thread | one, again and again, millions of times |
//!
//! ```text
//! the loop                        a thread                        the fuzzer
//!
//! n = socket.read(buffer)         n = socket.read(buffer)         read = pieces.take(limit)
//! conn.receive(buffer[..n], now)  conn.receive(buffer[..n], now)  conn.receive(read, now)
//! n = socket.write(output)        n = socket.write(output)        said.extend(output[..n])
//! conn.wrote(n, now)              conn.wrote(n, now)              conn.wrote(n, now)
//! conn.on_deadline(now)           conn.on_deadline(now)           conn.on_deadline(now)
//! ```
//!
//! The verbs are the same; only what stands around them differs. So no test can meet another WebSocket than
//! the loop does, and a minute of silence is tested without waiting for it.
//!
//! **Predict**: a client is silent from the start. After 10 s it sends one byte, half a frame's header.
//! When does the machine want to be called?
//!
//! ```
//! # use std::rc::Rc;
//! # use barewire::{conn::Conn, site::{Entrance, Site}};
//! use std::time::Duration;
//! use barewire::now::Now;
//!
//! // No clock: we say what time it is.
//! let at = |seconds| Now::default().later(Duration::from_secs(seconds));
//! # let mut conn = Conn::new(Rc::new(Site::default()), Entrance::LOOPBACK, at(0));
//! # let mut hello = *b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
//! # conn.receive(&mut hello, at(0));
//! # conn.wrote(conn.output().len(), at(0));
//! // `conn` is an open WebSocket on /echo, since 0 s.
//! assert_eq!(conn.deadline(), Some(Duration::from_secs(25)));
//! conn.receive(&mut [0x81], at(10)); // any byte is a sign of life
//! assert_eq!(conn.deadline(), Some(Duration::from_secs(35)));
//!
//! conn.on_deadline(at(35)); //  FIN op  len  payload: a ping, of five bytes
//! assert_eq!(conn.output(),   [ 0x89,   5,   b'p', b'i', b'n', b'g', b'\n']);
//! conn.wrote(conn.output().len(), at(35));
//!
//! conn.on_deadline(at(70)); // 60 s without a byte: Close 1001
//! assert_eq!(conn.output(), b"\x88\x06\x03\xe9idle");
//! ```
//!
//! **Where to look**: the states at the head of [`conn`](crate::conn); `fill` and `flush` in
//! `src/net/peer.rs`; [`redis::Session`](crate::redis::Session), which has the same verbs, so that an
//! outage of Redis is a test, too.
//!
//! Back: [6, the close handshake](super::_06_close_handshake) · next: [8, edges and their traps](super::_08_edge_triggering)
