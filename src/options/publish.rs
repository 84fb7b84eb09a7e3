//! The options of `barewire publish`.
//!
//! What to notice:
//! * Where to publish is decided by a flag; `REDIS_URL` counts only where no flag says otherwise.
//! * A token from the environment is not for Redis, and is passed over there. One from a flag would
//!   be a mistake, and is refused.
//! * `{time}` stays in the message until it is sent: each send has its own time.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use super::given::Given;
use super::{Usage, values};
use crate::channel::Channel;
use crate::redis::{RedisAddress, parse_url};
use crate::secret::Secret;

/// What to publish, and where.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// The channel.
    pub channel: Channel,
    /// The message, with its newline unless `-n`, and with every `{time}` still in it.
    pub message: Vec<u8>,
    /// How often to send it; for ever if `None`.
    pub count: Option<usize>,
    /// From one send to the next.
    pub every: Duration,
    /// Where to.
    pub to: PublishTo,
}

/// Where to publish.
#[derive(Clone, Debug)]
pub enum PublishTo {
    /// To Redis, by PUBLISH.
    Redis(RedisAddress),
    /// To the barewire server at this `host:port`, by `POST /publish`, with its token if it wants one.
    Server(String, Option<Secret>),
}

pub(super) fn publish(given: &Given<'_>) -> Result<PublishOptions, Usage> {
    let name = given.matches.get_one("CHANNEL").map(String::as_str).unwrap_or_default();
    let channel = values::channel(name, Channel::new);
    let message = given.matches.get_one::<OsString>("MESSAGE");
    let mut message = message.map(|text| text.as_bytes().to_vec()).unwrap_or_default();
    // As `echo` does: a client in a terminal shows a message only at its newline.
    if !given.matches.get_flag("n") {
        message.push(b'\n');
    }
    let every = given.flag("every", values::time)?;
    Ok(PublishOptions {
        channel: channel.map_err(|advice| Usage::about("CHANNEL", advice))?,
        message,
        // Alone, `--every` means until it is interrupted.
        count: given.flag("count", values::number)?.or_else(|| every.is_none().then_some(1)),
        every: every.unwrap_or_default(),
        to: to(given)?,
    })
}

fn to(given: &Given<'_>) -> Result<PublishTo, Usage> {
    let redis = given.flag("redis", parse_url)?;
    let server = given.flag("to", values::server)?;
    let token = given.flag("publish-token", Secret::new)?;
    let means_server = server.is_some() || token.is_some();
    let redis = match redis {
        Some(_) if means_server => {
            let advice = "it goes without --to and --publish-token, which are for a server";
            return Err(Usage::about("--redis", advice));
        }
        None if !means_server => given.variable("REDIS_URL", parse_url)?,
        redis => redis,
    };
    match redis {
        Some(redis) => Ok(PublishTo::Redis(redis)),
        None => Ok(PublishTo::Server(
            // Where a server listens that was told nothing else.
            server.unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            given.one("publish-token", Secret::new)?,
        )),
    }
}
