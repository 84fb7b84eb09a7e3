//! Barewire is a WebSocket server on raw nonblocking sockets, without an HTTP framework and without
//! an async runtime: whatever is published to a Redis channel reaches every client subscribed to it.
//!
//! **New here? Begin with [the tour](tour)**: fifteen short chapters, an afternoon, from the seven bytes of a
//! frame to the loop that serves everybody; each with an example that runs. This page is the map of the
//! source, for after that. `cargo run --release` runs the server; the README says how to use it.
//!
//! # The picture
//!
//! ```text
//!    client socket                                               client sockets
//!         |  81 85 37 fa 21 3d 7f 9f 4d 51 58                          ^  81 05 48 65 6c 6c 6f
//!         v                                                            |
//!    net: fill     one shared read buffer                         net: flush
//!         v                                                            ^  one write for each
//!    conn          HTTP head -> upgrade -> frames -> messages          |  client and pass
//!         v                                                            |
//!    hub           who subscribes to which channel                broadcast
//!         |                                                            ^  each message is
//!         v  SUBSCRIBE / UNSUBSCRIBE                                   |  encoded once
//!    redis::Link  ------------------ message --------------------------+
//! ```
//!
//! # Where to find what, in the order in which it is best read
//!
//! After the tour, which goes the way of a conversation, each file as a whole, from the bottom up:
//!
//! | file | the question it answers | its source |
//! | --- | --- | --- |
//! | [`tour`] | where do I begin, if I have never written a protocol? | |
//! | [`websocket::frame`] | what do seven bytes on the wire mean? | RFC 6455 section 5.2 |
//! | [`websocket::mask`], [`websocket::utf8`], [`websocket::close`] | why is it masked, is it text, why does it end? | 5.3, 8.1, 7.4 |
//! | [`websocket::message`] | how do frames become messages? | 5.4, 5.5 |
//! | [`websocket::extension`], [`websocket::deflate`], [`websocket::form`] | how is a message compressed once for everybody? (to be skipped at first) | RFC 7692 |
//! | [`http`] | what does a client ask for, before it speaks WebSocket? | RFC 9112, RFC 9110 |
//! | [`upgrade`] | when does HTTP become WebSocket? the one bridge | RFC 6455 section 4.2 |
//! | [`origin`] | which web pages may come in? | 10.2 |
//! | [`site`], [`page`] | what does each path answer? | |
//! | [`conn`] | what is one client, as a machine of bytes and time? | 5.5.1, 7.1 |
//! | [`channel`], [`hub`] | who subscribes to what, and what must the bus be asked for? | |
//! | [`broadcast`] | how does one message reach ten thousand clients? | |
//! | [`redis`] | how is a link kept to a Redis that comes and goes? | RESP2 |
//! | [`net`] | how does one thread serve everybody? one turn of the loop | |
//! | [`metrics`] | what is counted, for those who run it? | Prometheus text 0.0.4 |
//! | [`trace`] | what does it look like on the wire, one line a frame? | |
//! | [`explain`] | what do these bytes mean, and which rule do they break? | |
//! | [`timers`], [`now`], [`limits`], [`options`], [`secret`], [`quiet`] | when, how much, and what is asked for? | |
//!
//! Where the protocols are read more strictly or more leniently than their RFCs, a table says so with
//! the reason: [of HTTP](http#where-this-server-differs-from-the-rfcs-or-chooses-among-what-they-allow)
//! and [of WebSocket](websocket).
//!
//! # Never
//!
//! * `http`, `websocket`, `redis`, `conn`, `hub` and `broadcast` never know a socket, a clock or a
//!   system call. Bytes and [`now::Now`] come in, events and bytes go out: that is what makes them
//!   testable, fuzzable and teachable. Only `net` touches the system.
//! * `http` never names `websocket`, nor the reverse. `hub` never sees a byte, `redis` never a client,
//!   `conn` never another connection.
//! * Only `main` prints and exits; only `options` reads arguments and environment.
//! * A declared length never allocates: memory is reserved for bytes that have arrived, up to a limit.
//! * No recursion on a peer's data without a bound, no callback out of a parser, no `_` arm over an
//!   enum of our own, no `unwrap`, index or `as` on the way of a peer's bytes, no `unsafe` at all.
//! * Everything that a peer can make grow has a limit, named in [`limits`], [`options`] or [`redis`].
//!
//! `tests/layering.rs` and the lints of `Cargo.toml` and `.clippy.toml` hold these.
//!
//! # The law
//!
//! Cutting the byte stream anywhere changes nothing. A machine's events and output are the same for
//! one chunk, for single bytes and for every cut between; property tests hold each machine to it.
//!
//! # A whole echo server
//!
//! The machine that the event loop drives for ten thousand clients, driven here for one, over a
//! blocking socket. Only the driver is different: that is all that "sans I/O" means.
//!
//! ```
//! use std::io::{ErrorKind, Read, Write};
//! use std::net::{Shutdown, TcpListener, TcpStream};
//! use std::rc::Rc;
//! use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
//!
//! use barewire::{conn::Conn, now::Now, site::{Entrance, Site}};
//!
//! fn serve(mut socket: TcpStream) -> std::io::Result<()> {
//!     let start = Instant::now();
//!     let now = || Now {
//!         since_start: start.elapsed(),
//!         unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
//!     };
//!     let mut conn = Conn::new(Rc::new(Site::default()), Entrance::LOOPBACK, now());
//!     let mut buffer = [0; 4096];
//!     while !conn.is_done() {
//!         while !conn.output().is_empty() {
//!             let taken = socket.write(conn.output())?;
//!             conn.wrote(taken, now());
//!         }
//!         if conn.take_shutdown(now()) {
//!             socket.shutdown(Shutdown::Write)?;
//!         }
//!         let patience = conn.deadline().map(|at| at.saturating_sub(start.elapsed()));
//!         socket.set_read_timeout(patience.map(|at| at.max(Duration::from_millis(1))))?;
//!         match socket.read(&mut buffer) {
//!             Ok(0) => conn.eof(now()),
//!             Ok(n) => conn.receive(&mut buffer[..n], now()),
//!             Err(e) if e.kind() == ErrorKind::WouldBlock => conn.on_deadline(now()),
//!             Err(e) => return Err(e),
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = std::thread::spawn(move || serve(listener.accept()?.0));
//!
//! let mut client = TcpStream::connect(address)?;
//! client.write_all(
//!     b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\
//!       Connection: Upgrade\r\nUpgrade: websocket\r\n\
//!       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
//!       \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\
//!       \x88\x80\x00\x00\x00\x00",
//! )?; // a handshake, "Hello" in a masked frame, and a Close
//! let mut answer = Vec::new();
//! client.read_to_end(&mut answer)?;
//! drop(client);
//! assert!(answer.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! assert!(answer.ends_with(b"\r\n\r\n\x81\x05Hello\x88\x00"));
//! server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod broadcast;
pub mod channel;
pub mod conn;
pub mod explain;
pub mod http;
pub mod hub;
pub mod limits;
pub mod metrics;
pub mod net;
pub mod now;
pub mod options;
pub mod origin;
pub mod page;
pub mod quiet;
pub mod redis;
pub mod secret;
pub mod site;
pub mod timers;
pub mod tour;
pub mod trace;
pub mod upgrade;
pub mod websocket;

#[cfg(test)]
mod tests;
