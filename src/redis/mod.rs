//! Speaks to Redis: one [`Link`] that is subscribed to channels, and one [`Publisher`].
//!
//! ```text
//!   address.rs     redis://…  ->  where to connect, and with which credentials
//!
//!   link.rs  \__ subscriptions.rs   what is wanted, what Redis holds, what was asked
//!   publisher.rs                    what was published and is not answered
//!     |
//!   session.rs     connect -> greet -> live -> back off, for ever: what both have in common
//!     |
//!   greeting.rs    AUTH, CLIENT SETNAME, PING      reason.rs    why a connection ended
//!   commands.rs    what is said to Redis           backoff.rs   how long to wait after that
//!   replies.rs     bytes -> values                 event.rs     what the loop is told
//!     |  \__ extent.rs   where one value ends, within limits
//!   shape.rs       values -> what they mean here
//! ```
//!
//! What to notice:
//! * Nothing here knows a socket, a clock or a client: bytes and `Now` go in, events and bytes come
//!   out, so an outage of an hour is a test of a millisecond.
//! * An answer of Redis names no command. All that is sent stands in a queue, first in, first
//!   answered, and an answer that does not fit its head ends the connection: a shifted queue would
//!   give every later answer to the wrong question.
//! * Only RESP2 is spoken: in RESP3 a push may come between any two answers, and nothing it adds is
//!   needed to follow channels.
//!
//! The crate of the same name is written `::redis` throughout. Its URL, its commands and its parser
//! are used; its connections are not, for they block or want a runtime.

mod address;
mod backoff;
mod commands;
mod event;
mod extent;
mod greeting;
mod link;
mod publisher;
mod reason;
mod replies;
mod session;
mod shape;
mod subscriptions;

use std::time::Duration;

pub use address::{Credentials, Endpoint, RedisAddress, UrlError, parse_url};
pub use event::{LinkEvent, Odd, PublishFailure, PublisherEvent};
pub use extent::ReplyError;
pub use greeting::Refusal;
pub use link::{Link, Subscribing};
pub use publisher::{Publisher, Publishing};
pub use reason::{ConnectFailure, Ended, Reason};
pub use session::{Session, Talk};

/// How long opening a socket may take, the look-up of its name included: 3 s.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// How long Redis may leave a command unanswered: 5 s. A stopped Redis still accepts connections and
/// takes bytes, so every step needs this, not only the first.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// How long a connection must have been live for the back-off to begin anew behind it: 1 s; else it
/// only falls to 400 ms.
pub const STEADY_AFTER: Duration = Duration::from_secs(1);

/// How often a live link is pinged, every 5 s, whether or not messages flow: they would flow on if only the way
/// *to* Redis were broken, and every new subscription would wait for ever.
pub const PING_EVERY: Duration = Duration::from_secs(5);

/// The longest reply that is read, in bytes with all its framing. A message over `--max-publish` but
/// below this costs its channel a gap; one above it costs the connection.
pub const MAX_REPLY_BYTES: usize = 64 << 20;
