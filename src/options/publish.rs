//! The options of `barewire publish`.
//!
//! What to notice:
//! * Where to publish is decided by a flag; `REDIS_URL` counts only where no flag says otherwise.
//! * A token from the environment is not for Redis, and is passed over there. One from a flag would
//!   be a mistake, and is refused.
//! * `{time}` stays in the message until it is sent: each send has its own time.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use super::given::Given;
use super::{Usage, values};
use crate::channel::{AWAKE, Channel};
use crate::http::split_origin;
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
    /// To a barewire server, by `POST /publish`, with its token if it wants one.
    Server(ServerAddress, Option<Secret>),
}

/// The address of a server, from an http URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an IP address; IPv6 without brackets.
    pub host: String,
    /// 80 unless the URL says otherwise.
    pub port: u16,
}

/// As the Host field wants it (RFC 9110 section 7.2), with the port always named.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is no address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToError {
    Tls,
    Redis,
    Malformed,
}

impl fmt::Display for ToError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "https is not spoken here: write http://host:port, or publish with curl",
            Self::Redis => "that is for --redis: write --redis URL",
            Self::Malformed => {
                "write http://host[:port] without a path, such as http://127.0.0.1:8080"
            }
        })
    }
}

fn server(text: &str) -> Result<ServerAddress, ToError> {
    // A final slash is what browsers show and people copy.
    let (scheme, host) =
        split_origin(text.strip_suffix('/').unwrap_or(text)).ok_or(ToError::Malformed)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {
            let name = host.name.trim_start_matches('[').trim_end_matches(']');
            Ok(ServerAddress { host: name.to_owned(), port: host.port.unwrap_or(80) })
        }
        "https" => Err(ToError::Tls),
        "redis" | "rediss" | "unix" => Err(ToError::Redis),
        _ => Err(ToError::Malformed),
    }
}

pub(super) fn publish(given: &Given<'_>) -> Result<PublishOptions, Usage> {
    let every = given.flag("every", values::time)?;
    let count = given.flag("count", values::number)?;
    Ok(PublishOptions {
        channel: channel(given)?,
        message: message(given),
        // Alone, `--every` means until it is interrupted.
        count: count.or_else(|| every.is_none().then_some(1)),
        every: every.unwrap_or_default(),
        to: to(given)?,
    })
}

fn channel(given: &Given<'_>) -> Result<Channel, Usage> {
    let name = given.matches().try_get_one::<String>("CHANNEL").ok().flatten();
    let name = name.map(String::as_str).unwrap_or_default();
    if name == AWAKE {
        return Err(Usage::about("CHANNEL", "awake is the server's own: write another name"));
    }
    Channel::new(name).map_err(|error| Usage::about("CHANNEL", error))
}

fn message(given: &Given<'_>) -> Vec<u8> {
    let message = given.matches().try_get_one::<OsString>("MESSAGE").ok().flatten();
    let mut bytes = message.map(|message| message.as_bytes().to_vec()).unwrap_or_default();
    // As `echo` does: a client in a terminal shows a message only at its newline.
    if !given.is_set("n") {
        bytes.push(b'\n');
    }
    bytes
}

fn to(given: &Given<'_>) -> Result<PublishTo, Usage> {
    let redis = given.flag("redis", parse_url)?;
    let to = given.flag("to", server)?;
    let token = given.flag("publish-token", Secret::new)?;
    match (redis, to) {
        (Some(_), Some(_)) => Err(Usage::about("--redis, --to", "write only one of them")),
        (Some(_), None) if token.is_some() => {
            Err(Usage::about("--publish-token", "it is for a server: leave it out for --redis"))
        }
        (Some(redis), None) => Ok(PublishTo::Redis(redis)),
        (None, Some(server)) => to_server(given, server),
        // A token in the arguments says that a server is meant.
        (None, None) if token.is_none() => match given.variable("REDIS_URL", parse_url)? {
            Some(redis) => Ok(PublishTo::Redis(redis)),
            None => to_server(given, ServerAddress::default()),
        },
        (None, None) => to_server(given, ServerAddress::default()),
    }
}

fn to_server(given: &Given<'_>, server: ServerAddress) -> Result<PublishTo, Usage> {
    Ok(PublishTo::Server(server, given.one("publish-token", Secret::new)?))
}

/// Where a server listens that was told nothing else.
impl Default for ServerAddress {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 8080 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_an_http_url() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", Ok("127.0.0.1:8080")),
            ("http://127.0.0.1:8080/", Ok("127.0.0.1:8080")),
            ("HTTP://example.org", Ok("example.org:80")),
            ("http://[::1]:8080", Ok("[::1]:8080")),
            ("https://example.org", Err(ToError::Tls)),
            ("redis://localhost", Err(ToError::Redis)),
            ("ws://localhost", Err(ToError::Malformed)),
            ("localhost:8080", Err(ToError::Malformed)),
            ("http://localhost:8080/publish", Err(ToError::Malformed)),
            ("http://me:c4nary@localhost", Err(ToError::Malformed)),
            ("", Err(ToError::Malformed)),
        ] {
            assert_eq!(server(text).map(|server| server.to_string()), expected.map(str::to_owned));
        }
    }
}
