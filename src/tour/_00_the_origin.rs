//! Chapter 0: what did the experiment do that this grew from, and where is each of its steps now?
//!
//! It was a small Ruby script: a Rack app, which is a function from a request to a status, fields and a
//! body. Each step adds one thing to the step before. `tests/seed.rs` has a test for each step, against the
//! real program, with curl on a terminal.
//!
//! | step | in the experiment | here |
//! | --- | --- | --- |
//! | 1 | a bare-bones answer: `200`, and a line of text | [`Response::text`](crate::http::Response::text), chosen by [`Site::decide`](crate::site::Site::decide) |
//! | 2 | curl asks for an upgrade; a plain server ignores it and answers `200` | `route_path` in `src/site.rs`: `/healthz` does not look at [`is_requested`](crate::upgrade::is_requested) |
//! | 3 | answer 101 and take over the socket: what Rack calls *hijack* | [`Conn::admit`](crate::conn::Conn::admit): the state changes, the socket stays |
//! | 4 | the server speaks first: every five seconds, `[unix time] I'm awake...` | `line` and `say_awake` in `src/net/awake.rs` |
//! | 5 | subscribe to the Redis channel `ruby`, write to the socket what comes | `on_link_events` in `src/net/bus.rs`, `append` in `src/net/fanout.rs` |
//! | 6 | a publisher: `[unix time] I love ruby` | [`publish`](crate::net::publish::publish), the command `barewire publish` |
//! | 7 | left as an exercise: a client in JavaScript | `connect` in `src/page.html`, embedded by [`page`](crate::page::page) |
//!
//! A framework owns the socket and gives an app one request and one answer. A WebSocket is not one answer,
//! so the app has to take the socket away from its server: hijack. Here nobody has to, for there is no
//! framework. One [`Conn`](crate::conn::Conn) owns a client from its first byte to its last, and its state
//! says which protocol is spoken. With the page, all this is a minimal server side of what Action Cable
//! provides in Rails: channels, a Redis behind them, and a socket for each browser.
//!
//! **Predict**: curl asks `/healthz` for an upgrade, with everything right. Is that an error?
//!
//! ```
//! use std::rc::Rc;
//! use barewire::{channel::Channel, conn::{Conn, Event}, now::Now, site::{Entrance, Site}};
//!
//! let (site, now) = (Rc::new(Site::default()), Now::default());
//! let ask = |path: &str| {
//!     let mut conn = Conn::new(Rc::clone(&site), Entrance::LOOPBACK, now);
//!     let request = format!(
//!         "GET {path} HTTP/1.1\r\nHost: localhost\r\n\
//!          Connection: Upgrade\r\nUpgrade: websocket\r\n\
//!          Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
//!     );
//!     conn.receive(&mut request.into_bytes(), now);
//!     conn
//! };
//!
//! // Step 2. A server may ignore the wish (RFC 9110 section 7.8). Who asked sees it: no 101.
//! assert!(ask("/healthz").output().starts_with(b"HTTP/1.1 200 OK\r\n"));
//!
//! // Step 3. Nothing is answered before the channel is live. Then it speaks WebSocket.
//! let mut conn = ask("/?channel=ruby");
//! assert_eq!(conn.poll_event(), Some(Event::Wants(vec![Channel::new("ruby")?])));
//! assert!(conn.output().is_empty() && !conn.is_subscribed());
//! conn.admit(now);
//! assert!(conn.output().starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! assert!(conn.is_subscribed());
//! # Ok::<(), barewire::channel::ChannelError>(())
//! ```
//!
//! **Where to look**: `tests/seed.rs` from the top, which is the experiment as one would type it; then
//! `route_path` in `src/site.rs` for who answers what, and `admit` in `src/conn/waiting.rs` for the moment
//! of the 101.
//!
//! Back: [the tour](super) · next: [1, seven bytes of a frame](super::_01_seven_bytes)
