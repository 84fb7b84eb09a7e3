//! What passes between the server and its bus, in lines of the notation.
//!
//! What to notice:
//! * These are events and no bytes: which channels are wanted, which are live, what was published.
//! * Who says a line follows from its first word, so it needs no mark for the direction.
//! * A message stands there once, however many clients it goes to.
//!
//! | line | who says it | what it means |
//! | --- | --- | --- |
//! | `! subscribe ruby`, `! unsubscribe ruby` | the server | to Redis |
//! | `! publish ruby 5 "Hello"` | the server | for a client that has sent `POST /publish` |
//! | `! redis is live`, `! redis is gone` | the link | it answers, or it is down |
//! | `! subscribed ruby`, `! denied ruby` | Redis | the channel is live from here on; or it will never be |
//! | `! message ruby 5 "Hello"` | Redis, or the server on `awake` | for all subscribers |
//! | `! published 3` | Redis | to so many: the answer to the oldest `publish` |

use std::borrow::Cow;
use std::fmt;

use super::piece::payload;
use super::side::show_whole;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bus<'t> {
    /// Redis shall deliver this channel.
    Subscribe(&'t str),
    /// Redis need not deliver this channel any more.
    Unsubscribe(&'t str),
    /// A client's message for a channel.
    Publish(&'t str, Cow<'t, [u8]>),
    /// The link to Redis is live.
    Live,
    /// The link to Redis is down.
    Gone,
    /// Redis delivers this channel from here on.
    Subscribed(&'t str),
    /// Redis refuses this channel.
    Denied(&'t str),
    /// A message for the subscribers of a channel.
    Message(&'t str, Cow<'t, [u8]>),
    /// Redis has passed the oldest message that was published on to so many.
    Published(u64),
}

impl fmt::Display for Bus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe(channel) => write!(f, "! subscribe {channel}"),
            Self::Unsubscribe(channel) => write!(f, "! unsubscribe {channel}"),
            Self::Publish(channel, body) => write!(f, "! publish {channel} {}", show_whole(body)),
            Self::Live => f.write_str("! redis is live"),
            Self::Gone => f.write_str("! redis is gone"),
            Self::Subscribed(channel) => write!(f, "! subscribed {channel}"),
            Self::Denied(channel) => write!(f, "! denied {channel}"),
            Self::Message(channel, body) => write!(f, "! message {channel} {}", show_whole(body)),
            Self::Published(receivers) => write!(f, "! published {receivers}"),
        }
    }
}

impl<'t> Bus<'t> {
    /// What stands behind the `!`.
    pub(super) fn read(text: &'t str) -> Result<Self, &'static str> {
        match text {
            "redis is live" => return Ok(Self::Live),
            "redis is gone" => return Ok(Self::Gone),
            _ => {}
        }
        match text.split_once(' ') {
            Some(("subscribe", channel)) => Ok(Self::Subscribe(channel)),
            Some(("unsubscribe", channel)) => Ok(Self::Unsubscribe(channel)),
            Some(("subscribed", channel)) => Ok(Self::Subscribed(channel)),
            Some(("denied", channel)) => Ok(Self::Denied(channel)),
            Some(("publish", text)) => {
                message(text).map(|(channel, body)| Self::Publish(channel, body.into()))
            }
            Some(("message", text)) => {
                message(text).map(|(channel, body)| Self::Message(channel, body.into()))
            }
            Some(("published", number)) => {
                let number =
                    number.parse().map_err(|_| "published, and by how many it was received")?;
                Ok(Self::Published(number))
            }
            Some(_) | None => Err("no event begins like this: try ! message ruby \"Hello\""),
        }
    }
}

/// `ruby 5 "Hello"` or `ruby "Hello"`.
fn message(text: &str) -> Result<(&str, Vec<u8>), &'static str> {
    let (channel, _) = text.split_once(" \"").ok_or("a channel, and its message in quotes")?;
    let channel = match channel.rsplit_once(' ') {
        Some((channel, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => channel,
        Some(_) | None => channel,
    };
    let body = text.strip_prefix(channel).unwrap_or_default().trim_start();
    payload(body, 0).map(|(_, body)| (channel, body))
}
