//! Chapter 8: what does the system say when a socket is ready, and when does it say nothing?
//!
//! One thread cannot wait in a read: it has ten thousand sockets. So every socket is nonblocking, a read of
//! an empty one answers `WouldBlock`, and the thread sleeps in a *poll*, which wakes up for any of them.
//! `mio` is that poll (`epoll` on Linux), and it is **edge-triggered**: it tells of a *change*, from nothing to read to
//! something to read. It does not tell of a state. What was left in a socket is no change, and so nobody
//! tells of it again, until more comes.
//!
//! **Predict**: ten bytes come, and four are read. What does the next poll say of the other six?
//!
//! ```
//! use std::{io::{Read, Write}, time::Duration};
//! use barewire::hub::ClientId;
//! use mio::{Events, Interest, Poll, Token, net::UnixStream};
//! use slotmap::{Key, SlotMap};
//!
//! let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
//! let (mut ours, mut theirs) = UnixStream::pair()?;
//! poll.registry().register(&mut ours, Token(0), Interest::READABLE)?;
//!
//! theirs.write_all(b"ten bytes.")?;
//! poll.poll(&mut events, Some(Duration::from_secs(1)))?;
//! assert_eq!(events.iter().count(), 1);
//! assert_eq!(ours.read(&mut [0; 4])?, 4);
//!
//! poll.poll(&mut events, Some(Duration::from_millis(20)))?;
//! assert_eq!(events.iter().count(), 0, "who waits for an edge waits for ever");
//!
//! // Another trap: an event, fetched before its client went. The next client has its slot.
//! let mut clients = SlotMap::<ClientId, &str>::with_key();
//! let stale = clients.insert("first");
//! clients.remove(stale);
//! let second = clients.insert("second");
//! let slot = |id: ClientId| id.data().as_ffi() as u32; // and above that, the generation
//! assert_eq!(slot(stale), slot(second));
//! assert_eq!(clients.get(stale), None, "so the event reaches nobody");
//! assert_eq!(clients.get(second), Some(&"second"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | trap | what this loop does |
//! | --- | --- |
//! | an edge is told once | `is_readable` and `is_writable` in `src/net/peer.rs` remember it, until a read or a write says otherwise |
//! | "read until `WouldBlock`" lets one fast sender starve all others | a budget for each socket and turn (256 KiB); who has more stands on the list `again`, and while that is not empty the poll does not sleep |
//! | asking for `WouldBlock` is one more system call for each read | a read that did not fill the buffer has emptied the socket: what comes later is a new edge. But not if the poll has told of the end, which gives no further edge, or of urgent data, at which TCP stops a read: then it reads on |
//! | asking for writability only while a write is short costs two calls each time | both interests are registered once, at accept: an edge that nobody waits for costs nothing |
//! | a client dies in the middle of a turn, and its slot goes to a newcomer | who is over stands on a list, and is removed at the end of the turn, in `reap` in `src/net/clients.rs`; and ids hold a generation |
//! | no descriptor is left, and the queue of newcomers gives no edge | accepting pauses for 100 ms and tries again: `on_error` in `src/net/listener.rs` |
//!
//! A turn is always the same: sleep, read what is ready, decide, append, write, expire deadlines, reap. It
//! is one function of forty lines, and to read it is to know the server.
//!
//! **Where to look**: `turn` and `sleep_limit` in `src/net/mod.rs`; `fill` in `src/net/peer.rs`;
//! `follow_up` in `src/net/clients.rs`, which puts a peer on the lists.
//!
//! Back: [7, a connection without a socket](super::_07_without_a_socket) · next: [9, one Redis, many subscribers](super::_09_one_redis_for_all)
