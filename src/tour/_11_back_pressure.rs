//! Chapter 11: what happens to a client that stops reading?
//!
//! Bytes for it must be somewhere: in its kernel, in ours, or in our memory. TCP has the first two say when
//! they are full: a write is not taken whole. From there on somebody has to decide, and "keep it" without a
//! limit is how one client takes a server down. There are four places, and each has its valve:
//!
//! | what waits | where | at most | then |
//! | --- | --- | --- | --- |
//! | what one client alone is sent: echoes, pongs, answers | its outbox | 16 KiB, and what one read more causes | its socket is not read until the outbox is below that: [`Conn::wants_input`](crate::conn::Conn::wants_input) |
//! | what the kernel took and has not sent | the socket | 128 KiB that it could not send at once (the socket option `TCP_NOTSENT_LOWAT`), and what is under way | a write comes short: the client is blocked |
//! | what its channels hold for it | the log, once for all | `--backlog`, 2 MiB for each channel; 256 MiB for all | 1013 `too slow`, which it gets when it reads again within 10 s; a reset if it does not, or if it stands inside a frame of which more than 64 KiB are missing, for that would be copied for it alone |
//! | what Redis has sent and nobody has got yet | Redis' socket | one turn's budget, 1 MiB | it is not read while more than a backlog waits for clients that *can* take it: TCP slows Redis down |
//!
//! The first row is the interesting one: a client that sends and does not read is stopped by *not listening
//! to it*. Its own kernel fills up, its own writes block. Who causes the work has the wait.
//!
//! **Predict**: a client sends pings of 125 bytes and never reads. Is that for ever? After how many does
//! nobody listen any more?
//!
//! ```
//! # use std::rc::Rc;
//! # use barewire::{conn::Conn, now::Now, site::{Entrance, Site}};
//! # use barewire::{hub::{ChannelId, ClientId}, websocket::form::Form};
//! # use slotmap::SlotMap;
//! # let now = Now::default();
//! # let mut conn = Conn::new(Rc::new(Site::default()), Entrance::LOOPBACK, now);
//! # let mut hello = *b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
//! # conn.receive(&mut hello, now);
//! # conn.wrote(conn.output().len(), now);
//! use barewire::broadcast::Broadcast;
//!
//! // `conn` is an open WebSocket.
//! let mut ping = [0; 6 + 125];
//! ping[..2].copy_from_slice(&[0x89, 0x80 | 125]);
//! let mut pings = 0;
//! while conn.wants_input() {
//!     conn.receive(&mut ping, now);
//!     pings += 1;
//! }
//! assert_eq!((pings, conn.output().len()), (130, 130 * (2 + 125))); // just above 16,384
//! conn.wrote(1_000, now); // it reads a little, and is listened to again
//! assert!(conn.wants_input());
//!
//! // A channel with a backlog of 30 bytes, and a client whose socket takes nothing.
//! # let ruby = SlotMap::<ChannelId, ()>::with_key().insert(());
//! # let client = SlotMap::<ClientId, ()>::with_key().insert(());
//! let mut broadcast = Broadcast::new(30, 256 << 20);
//! broadcast.join(client, &[ruby], Form::Plain);
//! broadcast.append(ruby, b"ten bytes.");
//! while broadcast.next_delivery().is_some() {
//!     broadcast.delivered(0);
//! }
//! broadcast.append(ruby, b"ten more..");
//! assert_eq!(broadcast.lagging(), None); // 24 bytes, with their headers
//! broadcast.append(ruby, b"too much..");
//! assert_eq!(broadcast.lagging(), Some(client)); // 36: it is told 1013, and leaves
//! ```
//!
//! **Where to look**: [`Limits`](crate::limits::Limits), where every such number stands with its reason;
//! `close_lagging` in `src/net/fanout.rs`; `listen_to_bus` in `src/net/bus.rs`; `bind` in
//! `src/net/listener.rs` for the kernel's part.
//!
//! Back: [10, a log instead of queues](super::_10_log_or_queues) · next: [12, what can go wrong](super::_12_what_can_go_wrong)
