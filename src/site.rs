//! What each path answers.

use std::time::Duration;

use crate::channel::{Channel, Glob};
use crate::http::{Head, Method, Response, Status, Target};
use crate::limits::Limits;
use crate::origin::OriginPolicy;
use crate::upgrade::{self, Accepted};
use crate::websocket::message::MessageLimits;

/// Everything about this server that an answer depends on. It does not change while it runs.
#[derive(Debug)]
pub struct Site {
    /// The limits that clients are held to.
    pub limits: Limits,
    /// The limits of what clients send on a WebSocket.
    pub messages: MessageLimits,
    /// After this long without a byte, a client is sent a ping.
    pub ping: Duration,
    /// After this long without a byte, a client is closed.
    pub idle_timeout: Duration,
    /// Which web pages may open a WebSocket here.
    pub origins: OriginPolicy,
    /// The channels that clients may subscribe to.
    pub channels: Vec<Glob>,
    /// The longest message that is passed on.
    pub max_publish_bytes: usize,
    /// How far a client may fall behind in one channel.
    pub backlog_bytes: usize,
    /// How often the server says on its own channel that it is awake, if it does.
    pub awake: Option<Duration>,
}

/// The server's own channel: never sent to Redis, and published to by nobody else.
pub const AWAKE: &str = "awake";

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It is answered at once.
    Answer(Response),
    /// It becomes a WebSocket that gets every message back.
    Echo(Accepted),
    /// It becomes a WebSocket that is sent the messages of these channels, once they are live.
    Subscribe(Accepted, Vec<Channel>),
}

impl Default for Site {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            messages: MessageLimits {
                max_message_bytes: 64 << 10,
                max_fragments: limits.fragments,
            },
            limits,
            ping: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(60),
            origins: OriginPolicy { allowed: Vec::new(), loopback_only: true },
            channels: Glob::new("ruby").into_iter().collect(),
            max_publish_bytes: 1 << 20,
            backlog_bytes: 2 << 20,
            awake: Some(Duration::from_secs(5)),
        }
    }
}

impl Site {
    /// What becomes of one well-formed request.
    #[must_use]
    pub fn decide(&self, head: &Head<'_>) -> Decision {
        self.route(head).unwrap_or_else(Decision::Answer)
    }

    fn route(&self, head: &Head<'_>) -> Result<Decision, Response> {
        let target = Target::parse(head.target)
            .map_err(|error| Response::text(error.status(), error.text()))?;
        match (target.path.as_str(), head.method) {
            ("/", Method::Get) if upgrade::is_requested(head) => {
                let accepted = self.accept(head)?;
                Ok(Decision::Subscribe(accepted, self.wanted(&target)?))
            }
            ("/", Method::Get | Method::Head) => {
                Ok(Decision::Answer(Response::text(Status::Ok, "Barewire is listening.")))
            }
            ("/", _) => Err(method_not_allowed("GET, HEAD")),
            ("/echo", Method::Get) => {
                if !upgrade::is_requested(head) {
                    let text = "this is a WebSocket: connect with new WebSocket(url)";
                    return Err(upgrade::upgrade_required(text.to_owned()));
                }
                Ok(Decision::Echo(self.accept(head)?))
            }
            ("/echo", _) => Err(method_not_allowed("GET")),
            _ => Err(Response::text(Status::NotFound, "there is nothing here: try /")),
        }
    }

    /// The channels that a client asks for: those it names, or all that can be named.
    fn wanted(&self, target: &Target) -> Result<Vec<Channel>, Response> {
        let mut wanted: Vec<Channel> = Vec::new();
        for name in target.query_values("channel") {
            let channel = Channel::new(name)
                .map_err(|error| Response::text(Status::BadRequest, error.to_string()))?;
            if !self.is_open(&channel) {
                let text = "this channel is not open to clients: allow it with --channel";
                return Err(Response::text(Status::Forbidden, text));
            }
            if !wanted.contains(&channel) {
                wanted.push(channel);
            }
            if wanted.len() > self.limits.channels_per_client {
                let most = self.limits.channels_per_client;
                let text = format!("one client may subscribe to {most} channels");
                return Err(Response::text(Status::BadRequest, text));
            }
        }
        if wanted.is_empty() {
            wanted = self.default_channels();
        }
        if wanted.is_empty() {
            let text = "name the channels: /?channel=NAME&channel=ANOTHER";
            return Err(Response::text(Status::BadRequest, text));
        }
        Ok(wanted)
    }

    fn is_open(&self, channel: &Channel) -> bool {
        if channel.as_str() == AWAKE {
            return self.awake.is_some();
        }
        self.channels.iter().any(|glob| glob.matches(channel.as_str()))
    }

    /// Every channel that `--channel` names without a wildcard, and `awake` while it is on.
    #[must_use]
    pub fn default_channels(&self) -> Vec<Channel> {
        let awake = self.awake.and_then(|_| Channel::new(AWAKE).ok());
        self.channels.iter().filter_map(Glob::literal).chain(awake).collect()
    }

    /// The handshake itself, and then whether this page may have it (RFC 6455 section 4.2.2).
    fn accept(&self, head: &Head<'_>) -> Result<Accepted, Response> {
        let accepted = upgrade::accept(head).map_err(upgrade::Refused::response)?;
        let forbidden = |text: String| Response::text(Status::Forbidden, text);
        let origin = head.single("Origin").map_err(|_| "Origin may be there only once".to_owned());
        let origin = origin.map_err(forbidden)?.map(String::from_utf8_lossy);
        self.origins
            .check(origin.as_deref(), head.host.as_ref())
            .map_err(|refused| forbidden(refused.to_string()))?;
        Ok(accepted)
    }
}

/// RFC 9110 section 15.6.4: 503, and when to try again.
#[must_use]
pub fn unavailable(what: &str) -> Response {
    let text = format!("{what}: try again in a few seconds");
    Response::text(Status::ServiceUnavailable, text).with("Retry-After", "5")
}

/// RFC 9110 section 15.5.6: 405 names the methods that would do.
fn method_not_allowed(allowed: &'static str) -> Response {
    let text = format!("this path answers {allowed}");
    Response::text(Status::MethodNotAllowed, text).with("Allow", allowed)
}
