//! Chapter 9: how many SUBSCRIBEs do ten thousand clients cost?
//!
//! One for each channel. The [`Hub`](crate::hub::Hub) counts who wants what: the first client of a channel
//! has it subscribed to, the last one to leave has it unsubscribed from, and Redis hears nothing of those
//! between. It knows names and ids and never sees a message. (In the source, *the bus* is Redis, or
//! without one this process itself.)
//!
//! To Redis leads one [`Link`](crate::redis::Link). Its language, RESP, is lengths again: `*3` an array of
//! three, `$4` a text of four bytes, `:1` a number, each ended by CR LF.
//!
//! A client gets its 101 *when Redis has acknowledged* all of its channels, and not when it was asked. So
//! what is published after the 101 arrives: a client that has it need not wonder. While the link is down,
//! handshakes get 503.
//!
//! **Predict**: two clients want `ruby`. What is the first thing that Redis hears of it, and when are both
//! let in?
//!
//! ```
//! use barewire::{channel::Channel, hub::{ClientId, Hub, HubEvent}, now::Now};
//! use barewire::redis::{Credentials, Link, LinkEvent};
//! use slotmap::SlotMap;
//!
//! let (ruby, now) = (Channel::new("ruby")?, Now::default());
//! let mut link = Link::new(Credentials::default(), 1 << 20, 7);
//! link.on_deadline(now);
//! assert_eq!(link.poll_event(), Some(LinkEvent::Connect)); // the loop opens a socket
//! link.connected(now);
//! link.wrote(link.output().len()); // CLIENT SETNAME barewire, PING
//! link.receive(b"+OK\r\n+PONG\r\n", now);
//! assert_eq!(link.poll_event(), Some(LinkEvent::Live));
//!
//! let mut clients = SlotMap::<ClientId, ()>::with_key();
//! let mut hub = Hub::default();
//! for client in [clients.insert(()), clients.insert(())] {
//!     hub.want(client, &[ruby.clone()], link.is_live());
//! }
//! assert_eq!(hub.poll_event(), Some(HubEvent::Subscribe(ruby.clone())));
//! assert_eq!(hub.poll_event(), None, "once, and nobody is admitted");
//!
//! link.subscribe(&ruby, now);
//! //               array      9 bytes   the word         4 bytes   the channel
//! let subscribe = ["*2\r\n",  "$9\r\n", "SUBSCRIBE\r\n", "$4\r\n", "ruby\r\n"].concat();
//! assert_eq!(link.output(), subscribe.as_bytes());
//! link.wrote(link.output().len());
//! link.receive(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nruby\r\n:1\r\n", now);
//! assert_eq!(link.poll_event(), Some(LinkEvent::Subscribed(ruby.clone())));
//! hub.acknowledged("ruby");
//! let admitted = std::iter::from_fn(|| hub.poll_event());
//! assert_eq!(admitted.filter(|event| matches!(event, HubEvent::Admit(..))).count(), 2);
//!
//! // And from here on, once for all of them:
//! link.receive(b"*3\r\n$7\r\nmessage\r\n$4\r\nruby\r\n$5\r\nHello\r\n", now);
//! let message = LinkEvent::Message { channel: ruby, payload: b"Hello".to_vec() };
//! assert_eq!(link.poll_event(), Some(message));
//! # Ok::<(), barewire::channel::ChannelError>(())
//! ```
//!
//! A Redis that is gone without a word is found by a PING, every 5 s, with 5 s for its answer; one that only
//! stood still for less has lost nothing. Redis Pub/Sub forgets what is published while nobody listens. So an outage is a **gap**: the hub notes
//! since when a channel is silent, and when it is live again says
//! [`HubEvent::Gap`](crate::hub::HubEvent::Gap). Unless `--on-gap keep` was asked for, its subscribers are
//! then closed with 1012 `redis gap`, a thousand in a second, so that they come back and know what they
//! have to fetch. It is counted and logged in any case.
//!
//! **Where to look**: the picture at the head of [`hub`](crate::hub), and
//! [`Hub::want`](crate::hub::Hub::want); `on_hub_events` in `src/net/clients.rs`, where its events are
//! done; the states at the head of `src/redis/subscriptions.rs`.
//!
//! Back: [8, edges and their traps](super::_08_edge_triggering) · next: [10, a log instead of queues](super::_10_log_or_queues)
