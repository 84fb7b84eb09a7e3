//! Says what a value from Redis means to a subscriber or a publisher.
//!
//! ```text
//!   + "OK" | "PONG"                         done, alive
//!   - CODE text                             refused
//!   : 3                                     receivers of a PUBLISH
//!   * "message"     channel payload         somebody published
//!   * "subscribe"   channel count           from now on messages of it come
//!   * "unsubscribe" channel count           from now on none
//!   * "pong"        text                    alive; this shape while subscribed to something
//! ```
//!
//! What to notice:
//! * A payload is moved out of the value, never copied.
//! * A well-formed array that is none of these is kept apart from a wrong answer: a later Redis may
//!   push something new, and that is no reason to drop a link that works.
//! * The text of an error is not kept. Redis repeats what it was sent in some of them, and that may
//!   have been a password.

use std::mem::take;

use ::redis::Value::{self, Array, BulkString, Int, Okay, ServerError, SimpleString};

use super::greeting::Refusal;

/// What Redis said.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Okay,
    Pong,
    Receivers(u64),
    Refused(Refusal),
    Subscribed(Vec<u8>),
    Unsubscribed(Vec<u8>),
    Message {
        channel: Vec<u8>,
        payload: Vec<u8>,
    },
    /// An array of some other kind: nothing this server has asked for.
    UnknownPush,
    /// A reply of a kind that answers nothing this server ever asks.
    Misplaced,
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        // `Value` may grow kinds with the crate, so it is asked for those of RESP2, the most
        // frequent first.
        if let Array(mut items) = value {
            return Self::push(&mut items);
        }
        if let ServerError(error) = value {
            return Self::Refused(Refusal::classify(error.code(), error.details()));
        }
        if let Int(count) = value {
            return u64::try_from(count).map_or(Self::Misplaced, Self::Receivers);
        }
        if let SimpleString(text) = &value {
            return if text == "PONG" { Self::Pong } else { Self::Misplaced };
        }
        if value == Okay { Self::Okay } else { Self::Misplaced }
    }
}

impl Reply {
    fn push(items: &mut [Value]) -> Self {
        match items {
            [BulkString(kind), BulkString(channel), BulkString(payload)] if kind == b"message" => {
                Self::Message { channel: take(channel), payload: take(payload) }
            }
            [BulkString(kind), BulkString(channel), Int(_)] if kind == b"subscribe" => {
                Self::Subscribed(take(channel))
            }
            [BulkString(kind), BulkString(channel), Int(_)] if kind == b"unsubscribe" => {
                Self::Unsubscribed(take(channel))
            }
            [BulkString(kind), BulkString(_)] if kind == b"pong" => Self::Pong,
            _ => Self::UnknownPush,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(input: &[u8]) -> Reply {
        Reply::from(::redis::parse_redis_value(input).unwrap())
    }

    #[test]
    fn replies_are_told_by_their_shape() {
        let a = || b"a".to_vec();
        for (input, expected) in [
            (&b"+OK\r\n"[..], Reply::Okay),
            (b"+PONG\r\n", Reply::Pong),
            (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", Reply::Pong),
            (b":3\r\n", Reply::Receivers(3)),
            (b":-1\r\n", Reply::Misplaced),
            (b"-WRONGPASS invalid\r\n", Reply::Refused(Refusal::WrongPassword)),
            (b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", Reply::Subscribed(a())),
            (b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n", Reply::Unsubscribed(a())),
            (
                b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\n\0\xff\n\r\n",
                Reply::Message { channel: a(), payload: b"\0\xff\n".to_vec() },
            ),
            (b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", Reply::UnknownPush),
            (b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:1\r\n", Reply::UnknownPush),
            (b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nx\r\n", Reply::UnknownPush),
            (b"*4\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n:1\r\n", Reply::UnknownPush),
            (b"*0\r\n", Reply::UnknownPush),
            (b"$-1\r\n", Reply::Misplaced),
            (b"$4\r\nPONG\r\n", Reply::Misplaced),
            (b"+QUEUED\r\n", Reply::Misplaced),
        ] {
            assert_eq!(reply(input), expected, "{}", input.escape_ascii());
        }
    }
}
