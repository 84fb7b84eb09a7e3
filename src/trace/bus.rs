//! What passes between the server and its bus, and what it is told by its system, in lines of the notation.
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
//! | `! SIGTERM`, `! SIGINT` | the system | the server has to end |

use std::borrow::Cow;
use std::fmt;

use super::escape::{escape, unescape};
use super::piece::payload;
use super::side::show_whole;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bus<'t> {
    /// Redis shall deliver this channel.
    Subscribe(Cow<'t, str>),
    /// Redis need not deliver this channel any more.
    Unsubscribe(Cow<'t, str>),
    /// A client's message for a channel.
    Publish(Cow<'t, str>, Cow<'t, [u8]>),
    /// The link to Redis is live.
    Live,
    /// The link to Redis is down.
    Gone,
    /// Redis delivers this channel from here on.
    Subscribed(Cow<'t, str>),
    /// Redis refuses this channel.
    Denied(Cow<'t, str>),
    /// A message for the subscribers of a channel.
    Message(Cow<'t, str>, Cow<'t, [u8]>),
    /// Redis has passed the oldest message that was published on to so many.
    Published(u64),
    /// The server is told to end: at once if by SIGINT.
    Signal {
        /// SIGINT, not SIGTERM.
        is_interrupt: bool,
    },
}

impl fmt::Display for Bus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |verb: &str, channel: &str| format!("! {verb} {}", escape(channel.as_bytes()));
        f.write_str(&match self {
            Self::Subscribe(channel) => named("subscribe", channel),
            Self::Unsubscribe(channel) => named("unsubscribe", channel),
            Self::Publish(channel, body) => named("publish", channel) + " " + &show_whole(body),
            Self::Live => "! redis is live".to_owned(),
            Self::Gone => "! redis is gone".to_owned(),
            Self::Subscribed(channel) => named("subscribed", channel),
            Self::Denied(channel) => named("denied", channel),
            Self::Message(channel, body) => named("message", channel) + " " + &show_whole(body),
            Self::Published(receivers) => format!("! published {receivers}"),
            Self::Signal { is_interrupt: true } => "! SIGINT".to_owned(),
            Self::Signal { is_interrupt: false } => "! SIGTERM".to_owned(),
        })
    }
}

impl<'t> Bus<'t> {
    /// What stands behind the `!`.
    pub(super) fn read(text: &'t str) -> Result<Self, &'static str> {
        match text {
            "redis is live" => return Ok(Self::Live),
            "redis is gone" => return Ok(Self::Gone),
            "SIGINT" => return Ok(Self::Signal { is_interrupt: true }),
            "SIGTERM" => return Ok(Self::Signal { is_interrupt: false }),
            _ => {}
        }
        let (verb, text) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match verb {
            "subscribe" => Self::Subscribe(channel(text)?),
            "unsubscribe" => Self::Unsubscribe(channel(text)?),
            "subscribed" => Self::Subscribed(channel(text)?),
            "denied" => Self::Denied(channel(text)?),
            "publish" => message(text).map(|(channel, body)| Self::Publish(channel, body))?,
            "message" => message(text).map(|(channel, body)| Self::Message(channel, body))?,
            "published" => {
                let number = text.parse();
                Self::Published(number.map_err(|_| "published, and by how many it was received")?)
            }
            _ => return Err("no event begins like this: try ! message ruby \"Hello\""),
        })
    }
}

fn channel(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let name = unescape(text).and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.is_empty()).map(Cow::from).ok_or("a channel's name is missing")
}

/// `ruby 5 "Hello"` or `ruby "Hello"`. A quote in the channel's name is escaped.
fn message(text: &str) -> Result<(Cow<'_, str>, Cow<'_, [u8]>), &'static str> {
    let (name, _) = text.split_once(" \"").ok_or("a channel, and its message in quotes")?;
    let name = match name.rsplit_once(' ') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => name,
    };
    let body = text.strip_prefix(name).unwrap_or_default().trim_start();
    payload(body, 0).and_then(|(_, body)| Ok((channel(name)?, body.into())))
}
