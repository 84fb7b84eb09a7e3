//! Why a connection to Redis ended, in words for the log that say what to do.
//!
//! What to notice:
//! * `net` says what its socket met in two small enums, so no error of the system reaches the
//!   machines, and every case can be tested by name.
//! * A reason decides how long the next try waits, by an exhaustive match.
//! * No secret can be printed: there is none in any of these values.

use std::fmt;

use super::extent::ReplyError;
use super::greeting::Refusal;

/// Why no connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nobody listens there.
    Refused,
    /// The host's name has no address.
    NoSuchHost,
    /// No route to the host or its network.
    Unreachable,
    /// No answer within [`CONNECT_DEADLINE`](super::CONNECT_DEADLINE).
    TimedOut,
    /// There is no such Unix socket.
    NoSuchPath,
    /// The Unix socket may not be opened by this user.
    NotPermitted,
    /// Anything else: no descriptor left, say.
    Other,
}

/// How a connection ended that had come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Redis closed it.
    Closed,
    /// It was reset.
    Reset,
    /// The network gave it up: the packets sent were never acknowledged.
    TimedOut,
    /// Anything else.
    Other,
}

/// Why a connection to Redis, or the try for one, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It never came about.
    Connect(ConnectFailure),
    /// Redis or the network ended it.
    Ended(Ended),
    /// A command stayed unanswered for [`ANSWER_DEADLINE`](super::ANSWER_DEADLINE).
    NoAnswer,
    /// Redis refused what the connection cannot go on without.
    Refused(Refusal),
    /// What came is no reply.
    Garbage(ReplyError),
    /// A reply came that answers something else than what was asked.
    OutOfStep,
}

impl Reason {
    /// Whether the next try will most likely end the same way, and had better come late.
    pub(super) fn is_lasting(self) -> bool {
        match self {
            Self::Connect(_) | Self::Ended(_) | Self::NoAnswer => false,
            // Those that do not pass by themselves are a setting that somebody has to change.
            Self::Refused(why) => {
                !matches!(why, Refusal::Loading | Refusal::MasterDown | Refusal::ReadOnly)
            }
            // What answers like this is hardly a Redis, and will not be one the next moment.
            Self::Garbage(_) | Self::OutOfStep => true,
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused; is Redis running there?",
            Self::NoSuchHost => "no such host; check the name in the URL, and DNS",
            Self::Unreachable => "no route to Redis; check the network and the firewall",
            Self::TimedOut => "no connection within 3 s; check address, network and firewall",
            Self::NoSuchPath => "no such socket; check the path, and `unixsocket` in redis.conf",
            Self::NotPermitted => "socket not permitted; check `unixsocketperm` in redis.conf",
            Self::Other => "the connection could not be opened",
        })
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => {
                "Redis closed the connection; if it did not restart, see `CLIENT KILL` and \
                 `client-output-buffer-limit pubsub` in its log"
            }
            Self::Reset => "the connection was reset; is Redis, or a proxy before it, restarting?",
            Self::TimedOut => "the network lost the connection",
            Self::Other => "the connection failed",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(failure) => failure.fmt(f),
            Self::Ended(ended) => ended.fmt(f),
            Self::NoAnswer => f.write_str("no answer within 5 s; is Redis stopped or overloaded?"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Garbage(error) => write!(f, "unreadable reply: {error}"),
            Self::OutOfStep => {
                f.write_str("a reply to something that was not asked; is there a proxy between?")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_person_can_mend_is_tried_late() {
        for (reason, lasting) in [
            (Reason::Connect(ConnectFailure::Refused), false),
            (Reason::Ended(Ended::Closed), false),
            (Reason::NoAnswer, false),
            (Reason::Refused(Refusal::Loading), false),
            (Reason::Refused(Refusal::MasterDown), false),
            (Reason::Refused(Refusal::ReadOnly), false),
            (Reason::Refused(Refusal::WrongPassword), true),
            (Reason::Refused(Refusal::NoAuth), true),
            (Reason::Refused(Refusal::TooManyClients), true),
            (Reason::Refused(Refusal::Other), true),
            (Reason::Garbage(ReplyError::UnknownType), true),
            (Reason::OutOfStep, true),
        ] {
            assert_eq!(reason.is_lasting(), lasting, "{reason:?}");
            assert!(reason.to_string().len() < 150, "one line: {reason}");
        }
    }
}
