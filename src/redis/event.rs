//! What the loop is told by the two machines that speak to Redis.
//!
//! What to notice:
//! * `Connect` and `Disconnect` are orders, the rest is news. Their order is the order in which
//!   things happened, so a message that arrived before the link went down comes out before `Down`.
//! * A channel is live from its `Subscribed` to the next `Down` with `was_live`: a gap is what lies
//!   between such a `Down` and the next `Subscribed`.
//! * A publish ends in exactly one of `Published` and `Failed`, with the ticket it came with.

use std::fmt;
use std::time::Duration;

use super::greeting::Refusal;
use super::reason::Reason;
use crate::channel::Channel;

/// What the loop has to do for a [`Link`](super::Link), or may want to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Resolve the host anew, open a socket, and say [`connected`](super::Session::connected) or
    /// [`connect_failed`](super::Session::connect_failed).
    Connect,
    /// Drop the socket, or the try for one, without a word.
    Disconnect,
    /// Redis answers. Each wanted channel is live with its own `Subscribed`.
    Live,
    /// The link, or the try for one, has ended; it goes on by itself.
    Down {
        /// For the log.
        reason: Reason,
        /// Whether it was live, so that all channels are dead from here on.
        was_live: bool,
        /// How long until the next `Connect`.
        retry_in: Duration,
    },
    /// Redis has acknowledged the channel: what is published from now on arrives.
    Subscribed(Channel),
    /// Redis will not let the channel be subscribed to. It is no longer wanted.
    Denied {
        /// The channel.
        channel: Channel,
        /// Why.
        why: Refusal,
    },
    /// Somebody published.
    Message {
        /// To what.
        channel: Channel,
        /// The exact bytes.
        payload: Vec<u8>,
    },
    /// Somebody published more than is passed on; it was dropped, which is a gap of the channel.
    TooLarge {
        /// To what.
        channel: Channel,
        /// The length of the payload.
        bytes: usize,
    },
    /// Something to count and to log that changes nothing.
    Odd(Odd),
}

/// What Redis may send and should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// A message of a channel that was not asked for.
    StrayMessage,
    /// A well-formed array of an unknown kind.
    UnknownPush,
    /// An ACL forbids PING. It was answered all the same, so the link is alive.
    PingDenied,
}

/// What the loop has to do for a [`Publisher`](super::Publisher), or may want to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublisherEvent {
    /// Resolve the host anew, open a socket, and say [`connected`](super::Session::connected) or
    /// [`connect_failed`](super::Session::connect_failed).
    Connect,
    /// Drop the socket, or the try for one, without a word.
    Disconnect,
    /// The connection, or the try for one, has ended. Each publish it owed has failed with an event
    /// of its own; the next one connects anew.
    Down {
        /// For the log.
        reason: Reason,
        /// How long publishes fail at once from here on.
        refuses_for: Duration,
    },
    /// Redis has passed the message on.
    Published {
        /// Which publish.
        ticket: u64,
        /// To how many subscribers of the Redis node that was asked. Each server counts as one,
        /// however many clients it has.
        receivers: u64,
    },
    /// Redis has not, or cannot be known to have, passed the message on.
    Failed {
        /// Which publish.
        ticket: u64,
        /// Why.
        why: PublishFailure,
    },
}

/// Why a publish failed. It is never sent a second time: it might then arrive twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishFailure {
    /// There is no connection to Redis. It was not published.
    Unreachable,
    /// Redis refused it. It was not published.
    Refused(Refusal),
    /// The connection ended before the answer came. It may have been published.
    Broken,
    /// No answer in time. It may have been published.
    Timeout,
    /// Too many wait already. It was not published.
    TooMany,
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("not published: Redis cannot be reached; try again"),
            Self::Refused(refusal) => write!(f, "not published: {refusal}"),
            Self::Broken => f.write_str("perhaps published: the connection to Redis broke"),
            Self::Timeout => f.write_str("perhaps published: Redis did not answer within 5 s"),
            Self::TooMany => f.write_str("not published: too many publishes wait; try again"),
        }
    }
}
