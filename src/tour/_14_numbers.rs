//! Chapter 14: what does all that cost, and how can I measure it myself?
//!
//! A claim about speed that one cannot repeat is an advertisement. Each of these has its command. The
//! figures are of the machine that `benches/README.md` describes, and yours will differ; where a figure is
//! a ratio, both sides ran in turn on the same machine.
//!
//! | what | figure | the command |
//! | --- | --- | --- |
//! | memory of an idle client, machines alone | at most 192 bytes on one channel, 32 for each further one | `cargo test --release --test idle -- --nocapture` |
//! | memory of an idle client, real ones, 10,000 of them | 248 bytes | `benches/run --servers barewire memory` |
//! | system calls for one message to 1,000 clients | 1,000 writes, one for each client; none of `epoll_ctl`; two of all others together | `benches/run --servers barewire calls`; of any traffic of your own, `strace -f -c -p $(pidof barewire)` |
//! | the same with 64 messages in flight | still one write for each client | the same |
//! | a message to 1,000 clients, 64 B, 1,000 in flight | 0.98 of a bare program that checks nothing | `benches/run --servers barewire fan-out` |
//! | unmasking 16 KiB; decoding a text of 20 B | 47 GB/s; 20.5 ns | `cargo bench --bench core -- unmask` and `-- decode` |
//! | the stripped binary | 1.96 MB | `cargo build --release; ls -l target/release/barewire` |
//! | resident memory at the start | 3.4 MB | `grep VmRSS /proc/$(pidof barewire)/status` |
//! | threads at rest | 1 | `ls /proc/$(pidof barewire)/task` |
//! | allocations for a message that came whole, in one frame | none: it is handed out from where it lies | the example below, and `nothing_is_on_the_heap_between_messages` in `src/websocket/message.rs` |
//!
//! Why is an idle client so cheap? Because it owns no buffer. All sockets are read into the same 128 KiB,
//! one for the process; what is copied out of it is only what is incomplete. Its outbox is empty, and an
//! empty one owns no memory. Its place in a channel is a cursor. What is left is a machine of a hundred
//! bytes, its session, its timer and its places in a slot map, a log and the hub. (What the kernel keeps for a
//! socket is not in these figures.)
//!
//! **Predict**: is [`Conn`](crate::conn::Conn), with everything that a client needs between two messages,
//! larger than the request that opened it?
//!
//! ```
//! use barewire::{conn::Conn, websocket::form::Form};
//! use barewire::websocket::message::{Assembler, Event, MessageLimits};
//!
//! assert!(size_of::<Conn>() <= 104); // the request of chapter 2 has 197 bytes
//! assert!(size_of::<Assembler>() <= 16); // one empty pointer, between messages
//!
//! // A message that lies whole in what was read, in one frame, is lent from there: look at the address.
//! let limits = MessageLimits { max_message_bytes: 65_536, max_fragments: 1_000 };
//! let mut assembler = Assembler::default();
//! //                FIN op  MASK len  key                     payload
//! let mut buffer = [0x81,   0x80 | 5, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! let place = buffer.as_ptr_range();
//! let (taken, event) = assembler.receive(&mut buffer, Form::Plain, &limits)?;
//! let Some(Event::Message { payload, .. }) = event else { panic!("it is whole") };
//! assert_eq!((payload, taken), (&b"Hello"[..], 11));
//! assert!(place.contains(&payload.as_ptr()), "unmasked in place, and not copied");
//! # Ok::<(), barewire::websocket::message::MessageError>(())
//! ```
//!
//! **Where to look**: `tests/idle.rs`, which counts each byte of a client; `benches/core.rs` for how two
//! things are measured on a machine that is never quiet; `benches/README.md` for all figures, and where
//! this server is behind.
//!
//! That was the tour. Look at [its picture](super#all-of-it-in-one-picture) once more, and explain each
//! line to somebody. The second reading is the source itself, file by file, in the order of
//! [the map](crate#where-to-find-what-in-the-order-in-which-it-is-best-read).
//!
//! Back: [13, fuzzing](super::_13_fuzzing) · [the tour](super)
