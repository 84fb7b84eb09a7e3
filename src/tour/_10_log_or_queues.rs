//! Chapter 10: what does one message to everybody cost?
//!
//! The usual design gives every client a queue. A message is encoded once and shared, and its frame is
//! pushed to each of N queues: M messages are N times M pushes and as many pops, and with slow clients as
//! many places in memory.
//!
//! Here each channel has one **log**: the frames of its messages, back to back, as they stand on the wire.
//! A message is appended once. A client is a **cursor**, the position up to which it has everything. To
//! serve it is one write of all between its cursor and the end, however many messages that is. The walk
//! over all cursors is a *pass*. What comes during a pass is carried by the next one, so the busier the
//! server, the more each write carries.
//!
//! **Predict**: three messages, two clients, and one whose socket takes only four bytes. How many
//! deliveries are handed out?
//!
//! ```
//! use barewire::broadcast::Broadcast;
//! use barewire::hub::{ChannelId, ClientId};
//! use barewire::websocket::form::Form;
//! use slotmap::SlotMap;
//!
//! let ruby = SlotMap::<ChannelId, ()>::with_key().insert(());
//! let mut clients = SlotMap::<ClientId, ()>::with_key();
//! let mut broadcast = Broadcast::new(2 << 20, 256 << 20); // what logs may hold: chapter 11
//! for client in [clients.insert(()), clients.insert(())] {
//!     broadcast.join(client, &[ruby], Form::Plain);
//! }
//! for message in ["one", "two", "three"] {
//!     assert_eq!(broadcast.append(ruby, message.as_bytes()), 2); // one append, two clients
//! }
//! let log = b"\x81\x03one\x81\x03two\x81\x05three";
//! assert_eq!(broadcast.log_bytes(), log.len());
//!
//! // The first takes everything, in one write.
//! let first = broadcast.next_delivery().unwrap();
//! assert_eq!(first.bytes, log);
//! broadcast.delivered(log.len());
//!
//! // The second takes "81 03 o n": it is blocked inside a frame, and no pass looks at it.
//! let slow = broadcast.next_delivery().unwrap().client;
//! broadcast.delivered(4);
//! assert!(broadcast.next_delivery().is_none() && broadcast.is_inside_frame(slow));
//!
//! // Its socket can take bytes again: it goes on from its cursor, and then the log is empty.
//! let (id, rest) = broadcast.owed(slow).unwrap();
//! assert_eq!(rest, &log[4..]);
//! let taken = rest.len();
//! broadcast.wrote(slow, id, taken);
//! assert_eq!(broadcast.log_bytes(), 0);
//! ```
//!
//! Two deliveries, where queues would have held six frames, and one rest. Both were measured, without
//! sockets, as nanoseconds for one message of 64 bytes to one of 1,000 clients.
//! `cargo bench --bench core -- fan-out` repeats it:
//!
//! | messages at once | log | a `VecDeque<Rc<[u8]>>` for each client | the log is so many times as fast |
//! | --- | --- | --- | --- |
//! | 1 | 24.0 | 7.0 | 0.29 |
//! | 4 | 5.4 | 6.2 | 1.12 |
//! | 64 | 0.4 | 7.3 | 19.8 |
//!
//! For a single message the queue wins: a pass looks up each client. But the write that follows takes some
//! 7,000 ns: one system call for each client, which [chapter 14](super::_14_numbers) counts. What counts is that a burst does not cost each client each message.
//!
//! **Where to look**: the picture at the head of [`broadcast`](crate::broadcast); `append` and `delivered`
//! in `src/broadcast/log.rs`; `deliver` in `src/net/fanout.rs`; and
//! `every_client_receives_exactly_what_a_queue_of_its_own_would_have_given_it` in `src/broadcast/tests.rs`.
//!
//! Back: [9, one Redis, many subscribers](super::_09_one_redis_for_all) · next: [11, back-pressure](super::_11_back_pressure)
