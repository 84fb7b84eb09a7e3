//! Chapter 2: how does a WebSocket begin, and when is a request complete?
//!
//! With an ordinary HTTP request. So one port serves pages and WebSockets, proxies know what to do with the
//! first line, and a server that speaks no WebSocket has a way to say so. For
//! `new WebSocket("ws://localhost:8080/?channel=ruby")` a browser sends text, each line ended by CR LF, and
//! an empty line behind the last. No body follows. (It sends more fields: cookies, its own name, what it
//! can compress.)
//!
//! TCP cuts this where it likes. [`http::parse`](crate::http::parse) is therefore called with all that has
//! come so far, and answers one of three things: a head and its length, an error, or `None`, which means:
//! nothing wrong yet, come back with more. "Need more" is no error. A [`Scan`](crate::http::Scan) remembers
//! how far it got, so that a request that drips costs little more than one that comes whole.
//!
//! **Predict**: at which byte is the request below complete? And is `GET / HTTP/1.1\n` an error, or does
//! the parser wait for more?
//!
//! ```
//! use barewire::{http::{self, HeadLimits, HttpError, Method, Scan, Target}, upgrade};
//!
//! let limits = HeadLimits::default();
//! let hello = b"GET /?channel=ruby HTTP/1.1\r\n\
//!               Host: localhost:8080\r\n\
//!               Connection: Upgrade\r\n\
//!               Upgrade: websocket\r\n\
//!               Origin: http://localhost:8080\r\n\
//!               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!               Sec-WebSocket-Version: 13\r\n\
//!               \r\n";
//! // First line: method, target, version. Then a field in each line: name, colon, value.
//!
//! // It comes byte by byte. One byte decides, and it is the last: the LF of the empty line.
//! let mut scan = Scan::default();
//! for come in 0..hello.len() {
//!     assert_eq!(http::parse(&hello[..come], &mut scan, &limits), Ok(None), "{come}");
//! }
//! let (head, length) = http::parse(hello, &mut scan, &limits)?.expect("now it is complete");
//! assert_eq!((head.method, length), (Method::Get, hello.len()));
//! assert!(upgrade::is_requested(&head));
//! let target = Target::parse(head.target)?;
//! assert_eq!(target.path, "/");
//! assert_eq!(target.query_values("channel").next(), Some("ruby"));
//!
//! // A line that ends in LF alone is refused at that byte. Some parsers take it for an end and
//! // some do not; between two that differ, a request can hide inside another.
//! let bare = http::parse(b"GET / HTTP/1.1\n", &mut Scan::default(), &limits);
//! assert_eq!(bare.unwrap_err(), HttpError::BareLf);
//! assert_eq!(HttpError::BareLf.status().code(), 400);
//! # Ok::<(), HttpError>(())
//! ```
//!
//! (For the same reason a request with two `Content-Length` fields is refused, even if they are equal: who
//! merges them and who takes the last would disagree where the next request begins.)
//!
//! Three things make it a handshake: `Upgrade: websocket`, the word `Upgrade` in `Connection`, which tells
//! proxies that the other field is for the next hop only, and HTTP/1.1. Then it must be a *good* one, with
//! a key and version 13: that is the next chapter. `Origin` says which page asks. A browser lets no script
//! change it, so the server can refuse pages of strangers, which would come with the user's cookies.
//!
//! **Where to look**: [`is_requested`](crate::upgrade::is_requested) and [`accept`](crate::upgrade::accept)
//! for the handshake, [`http`](crate::http) for its table of what is refused and why,
//! [`origin`](crate::origin) for the page.
//!
//! Back: [1, seven bytes of a frame](super::_01_seven_bytes) · next: [3, the accept key](super::_03_the_accept_key)
