//! What each path answers.
//!
//! What to notice:
//! * A decision needs the head, the way that the client came in, and nothing else. What it cannot know, the
//!   body or the state of the process, it hands back as a [`Decision`] for others to see to.
//! * A client that is refused is told what to write instead, and whoever runs the server what to add.
//! * With an address for operators, their paths are there and those of clients are not, and the reverse:
//!   each answers 404 where it does not belong.

use std::cell::RefCell;
use std::time::Duration;

use crate::channel::{AWAKE, Channel, Glob};
use crate::http::{Body, Framing, Head, Host, HttpError, Method, Response, Status, Target};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::now::Now;
use crate::origin::OriginPolicy;
use crate::quiet::Quiet;
use crate::secret::Secret;
use crate::upgrade::{self, Accepted};
use crate::websocket::form::Encoder;
use crate::websocket::message::MessageLimits;

/// Everything about this server that an answer depends on. But for what it keeps of its log, and
/// working memory, it does not change while it runs.
#[derive(Debug)]
pub struct Site {
    /// The limits that clients are held to.
    pub limits: Limits,
    /// Connections at once; who comes above that gets 503.
    pub max_connections: usize,
    /// Whether clients that offer compression get it.
    pub deflate: bool,
    /// What encodes the messages that go to one client alone.
    pub encoder: RefCell<Encoder>,
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
    /// The bus is Redis, not this process alone.
    pub has_redis: bool,
    /// Whether the subscribers of a channel of which messages may have been lost are closed, so that
    /// they come back and fetch what they missed.
    pub closes_on_gap: bool,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether operators have an address of their own, so that clients are answered nothing of theirs.
    pub has_admin: bool,
    /// The answer to `GET /`, as [`crate::page::page`] makes it.
    pub page: Response,
    /// Whether `/echo` is there.
    pub echo: bool,
    /// Who may publish by `POST /publish`.
    pub publishing: PublishPolicy,
    /// What clients were refused for lately.
    pub quiet: RefCell<Quiet>,
    /// Memory of an output that was written whole, for the next one: up to [`Limits::spare_bytes`].
    pub spare: RefCell<Vec<u8>>,
    /// The longest message that is passed on.
    pub max_publish_bytes: usize,
    /// How far a client may fall behind in one channel.
    pub backlog_bytes: usize,
    /// How often the server says on its own channel that it is awake, if it does.
    pub awake: Option<Duration>,
}

/// Who may publish by `POST /publish`.
#[derive(Debug)]
pub enum PublishPolicy {
    /// Nobody.
    Off,
    /// Who is on this machine and is no stranger's web page: for trying things out, without Redis
    /// and on a loopback address only.
    FromThisMachine,
    /// Who presents this token (RFC 6750 section 2.1).
    WithToken(Secret),
}

/// Which way a client came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entrance {
    /// It is on this machine.
    pub from_loopback: bool,
    /// It came to an address that is for operators (`--admin-bind`).
    pub is_admin: bool,
}

impl Entrance {
    /// From this machine, to an address for clients.
    pub const LOOPBACK: Self = Self { from_loopback: true, is_admin: false };
}

/// What a request asks that only the rest of the process can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// `GET /readyz`: would a subscription come about now?
    IsReady,
    /// `GET /metrics`: what was counted, and what there is.
    Metrics,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It is answered at once.
    Answer(Response),
    /// It becomes a WebSocket that gets every message back.
    Echo(Accepted),
    /// It becomes a WebSocket that is sent the messages of these channels, once they are live.
    Subscribe(Accepted, Vec<Channel>),
    /// Its body is read and published; true if the client waits to be told to send it.
    Publish(Channel, Body, bool),
    /// The rest of the process has to answer.
    Ask(Question),
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
            max_connections: usize::MAX,
            deflate: false,
            encoder: RefCell::default(),
            ping: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(60),
            origins: OriginPolicy { allowed: Vec::new(), loopback_only: true },
            channels: Glob::new("ruby").into_iter().collect(),
            has_redis: false,
            closes_on_gap: true,
            metrics: Metrics::default(),
            has_admin: false,
            page: Response::text(Status::Ok, "Barewire is listening."),
            echo: true,
            publishing: PublishPolicy::FromThisMachine,
            quiet: RefCell::default(),
            spare: RefCell::default(),
            max_publish_bytes: 1 << 20,
            backlog_bytes: 2 << 20,
            awake: Some(Duration::from_secs(5)),
        }
    }
}

impl Site {
    /// What becomes of one well-formed request.
    #[must_use]
    pub fn decide(&self, head: &Head<'_>, entrance: Entrance, now: Now) -> Decision {
        let decision = self.route(head, entrance).unwrap_or_else(|refusal| {
            self.note_refusal(head, &refusal, now);
            if upgrade::is_requested(head) {
                self.metrics.handshakes.add_one(refusal.status.code());
            }
            Decision::Answer(refusal)
        });
        if let Decision::Echo(_) = &decision {
            self.metrics.handshakes.add_one(Accepted::STATUS);
        }
        decision
    }

    fn route(&self, head: &Head<'_>, entrance: Entrance) -> Result<Decision, Response> {
        let target = match Target::parse(head.target) {
            Ok(target) => target,
            // OPTIONS * and CONNECT host:port name no path, and neither method does anything here.
            Err(HttpError::TargetNoPath) => return Err(method_not_allowed("GET, HEAD, POST")),
            Err(error) => return Err(Response::text(error.status(), error.to_string())),
        };
        let is_for_operators =
            matches!(target.path.as_str(), "/publish" | "/healthz" | "/readyz" | "/metrics");
        if self.has_admin && is_for_operators != entrance.is_admin {
            return Err(Response::text(Status::NotFound, "there is nothing here"));
        }
        if (target.path.as_str(), head.method) == ("/publish", Method::Post) {
            return self.publish(head, &target, entrance.from_loopback);
        }
        let decision = self.route_path(head, &target)?;
        // A body that nobody here reads is refused, not skipped: it may be somebody's next request.
        if head.framing != Framing::Length(0) {
            let text = "only POST /publish takes a body";
            return Err(Response::text(Status::BadRequest, text));
        }
        Ok(decision)
    }

    fn route_path(&self, head: &Head<'_>, target: &Target) -> Result<Decision, Response> {
        match (target.path.as_str(), head.method) {
            ("/", Method::Get) if upgrade::is_requested(head) => {
                let accepted = self.accept(head)?;
                Ok(Decision::Subscribe(accepted, self.wanted(target)?))
            }
            ("/", Method::Get | Method::Head) => Ok(Decision::Answer(self.page.clone())),
            ("/echo", _) if !self.echo => {
                Err(Response::text(Status::NotFound, "echo is off: start the server with --echo"))
            }
            ("/echo", method @ (Method::Get | Method::Head)) => {
                // RFC 6455 section 4.1: only a GET can be upgraded.
                if method == Method::Head || !upgrade::is_requested(head) {
                    let text = "this is a WebSocket: connect with new WebSocket(url)";
                    return Err(upgrade::upgrade_required(text.to_owned()));
                }
                Ok(Decision::Echo(self.accept(head)?))
            }
            ("/healthz", Method::Get | Method::Head) => {
                Ok(Decision::Answer(Response::text(Status::Ok, "alive")))
            }
            ("/readyz", Method::Get | Method::Head) => Ok(Decision::Ask(Question::IsReady)),
            ("/metrics", Method::Get | Method::Head) => Ok(Decision::Ask(Question::Metrics)),
            ("/" | "/echo" | "/healthz" | "/readyz" | "/metrics", _) => {
                Err(method_not_allowed("GET, HEAD"))
            }
            ("/publish", _) => Err(method_not_allowed("POST")),
            _ => Err(Response::text(Status::NotFound, "there is nothing here: try /")),
        }
    }

    fn publish(
        &self,
        head: &Head<'_>,
        target: &Target,
        from_loopback: bool,
    ) -> Result<Decision, Response> {
        self.may_publish(head, from_loopback)?;
        let mut names = target.query_values("channel");
        let (Some(name), None) = (names.next(), names.next()) else {
            let text = "name one channel: POST /publish?channel=NAME";
            return Err(Response::text(Status::BadRequest, text));
        };
        let channel = self.open_channel(name)?;
        if channel.as_str() == AWAKE {
            let text = "awake is the server's own channel";
            return Err(Response::text(Status::Forbidden, text));
        }
        let body = Body::new(head.framing, self.max_publish_bytes)
            .map_err(|error| Response::text(error.status(), error.to_string()))?;
        Ok(Decision::Publish(channel, body, head.expects_continue))
    }

    fn may_publish(&self, head: &Head<'_>, from_loopback: bool) -> Result<(), Response> {
        match &self.publishing {
            PublishPolicy::Off => Err(Response::text(
                Status::Forbidden,
                "publishing over HTTP is off: start the server with --publish-token TOKEN",
            )),
            PublishPolicy::WithToken(token) => {
                let presented = head.fields.single("Authorization").ok().flatten();
                let presented = presented.and_then(bearer_token);
                if presented.is_some_and(|presented| token.matches(presented)) {
                    return Ok(());
                }
                let text = "present the token: Authorization: Bearer TOKEN";
                let challenge = Response::text(Status::Unauthorized, text);
                Err(challenge.with("WWW-Authenticate", "Bearer"))
            }
            PublishPolicy::FromThisMachine => {
                let is_proxied =
                    PROXY_FIELDS.iter().any(|name| head.fields.lines(name).count() > 0)
                        || head.fields.iter().any(|(name, _)| is_forwarded_field(name));
                let names_this_machine = head.host.as_ref().is_some_and(Host::is_loopback_name);
                if !from_loopback || is_proxied || !names_this_machine {
                    let text = "publishing without a token is for this machine only: ask \
                                http://localhost directly, or use --publish-token TOKEN";
                    return Err(Response::text(Status::Forbidden, text));
                }
                self.check_origin(head)
            }
        }
    }

    /// The channels that a client asks for: those it names, or all that can be named.
    fn wanted(&self, target: &Target) -> Result<Vec<Channel>, Response> {
        let mut wanted: Vec<Channel> = Vec::new();
        for name in target.query_values("channel") {
            let channel = self.open_channel(name)?;
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

    /// A channel that clients may have.
    fn open_channel(&self, name: &str) -> Result<Channel, Response> {
        let channel = Channel::new(name)
            .map_err(|error| Response::text(Status::BadRequest, error.to_string()))?;
        if self.is_open(&channel) {
            return Ok(channel);
        }
        if channel.as_str() == AWAKE {
            let text = "awake is off: start the server with --awake 5s";
            return Err(Response::text(Status::Forbidden, text));
        }
        let text = "this channel is not open to clients: allow it with --channel";
        Err(Response::text(Status::Forbidden, text))
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
        let accepted = upgrade::accept(head, self.deflate).map_err(upgrade::Refused::response)?;
        self.check_origin(head)?;
        Ok(accepted)
    }

    fn check_origin(&self, head: &Head<'_>) -> Result<(), Response> {
        let forbidden = |text: String| Response::text(Status::Forbidden, text);
        let origin = head.fields.single("Origin");
        let origin = origin.map_err(|_| forbidden("Origin may be there only once".to_owned()))?;
        let origin = origin.map(String::from_utf8_lossy);
        let checked = self.origins.check(origin.as_deref(), head.host.as_ref());
        checked.map_err(|refused| forbidden(refused.to_string()))
    }

    /// Says in the log what was refused and why, if the one who runs this can change it.
    fn note_refusal(&self, head: &Head<'_>, answer: &Response, now: Now) {
        if [Status::Unauthorized, Status::Forbidden].contains(&answer.status) {
            let text = String::from_utf8_lossy(&answer.body);
            let text = text.trim_end();
            let origin = head.fields.single("Origin").ok().flatten().unwrap_or(b"none");
            let origin = String::from_utf8_lossy(origin);
            let what = format_args!(
                // Without the query: pages have their tokens there.
                "refused {} {:.200} (origin: {origin:.200}): {}",
                head.method,
                head.target.split('?').next().unwrap_or_default(),
                text,
            );
            // Each text is one cause; all of them are the program's own.
            self.quiet.borrow_mut().say(log::Level::Info, text, what, now);
        }
    }
}

/// What a proxy adds to what it passes on: whoever sent such a request is not on this machine.
const PROXY_FIELDS: [&str; 3] = ["Forwarded", "Via", "X-Real-IP"];

fn is_forwarded_field(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// RFC 9110 section 11.1: the scheme's name is case-insensitive, and a space follows it.
fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = authorization.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
}

/// RFC 9110 section 15.6.4: 503, and when to try again.
#[must_use]
pub fn unavailable(what: &str) -> Response {
    let text = format!("{what}: try again in a few seconds");
    Response::text(Status::ServiceUnavailable, text).with("Retry-After", "5")
}

/// RFC 9110 section 15.5.6: 405 names the methods that would do.
fn method_not_allowed(allowed: &'static str) -> Response {
    let text = format!("this answers only to {allowed}");
    Response::text(Status::MethodNotAllowed, text).with("Allow", allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadLimits, Scan, parse};

    /// The status that a request is answered with at once, or 0 if it is let in.
    fn status(site: &Site, request: &str, from_loopback: bool) -> u16 {
        let request = format!("{request}\r\n");
        let head = parse(request.as_bytes(), &mut Scan::default(), &HeadLimits::default());
        let entrance = Entrance { from_loopback, is_admin: false };
        match site.decide(&head.unwrap().unwrap().0, entrance, Now::default()) {
            Decision::Answer(answer) => answer.status.code(),
            Decision::Echo(_)
            | Decision::Subscribe(..)
            | Decision::Publish(..)
            | Decision::Ask(_) => 0,
        }
    }

    #[test]
    fn each_path_and_method_has_its_answer() {
        let site = Site::default();
        for (line, expected) in [
            ("GET /", 200),
            ("HEAD /", 200),
            ("GET /?channel=secret", 200), // no upgrade: it is only the page
            ("POST /", 405),
            ("GET /echo", 426),
            ("HEAD /echo", 426),
            ("POST /echo", 405),
            ("GET /healthz", 200),
            ("GET /readyz", 0),
            ("DELETE /readyz", 405),
            ("GET /metrics", 0),
            ("POST /metrics", 405),
            ("GET /publish", 405),
            ("POST /publish", 400),
            ("POST /publish?channel=ruby", 0),
            ("POST /publish?channel=ruby&channel=ruby", 400),
            ("POST /publish?channel=secret", 403),
            ("POST /publish?channel=awake", 403),
            ("POST /publish?channel=%07", 400),
            ("GET /%65cho", 426),
            ("GET /nothing", 404),
            ("GET /%ff", 400),
            ("OPTIONS *", 405),
            ("CONNECT localhost:80", 405),
        ] {
            let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
            assert_eq!(status(&site, &request, true), expected, "{line}");
        }
    }

    #[test]
    fn publishing_without_a_token_is_for_this_machine_only() {
        let site = Site::default();
        let request = |fields: &str| format!("POST /publish?channel=ruby HTTP/1.1\r\n{fields}");
        for (fields, expected) in [
            ("Host: localhost:8080\r\n", 0),
            ("Host: 127.0.0.1\r\n", 0),
            ("Host: [::1]:8080\r\n", 0),
            ("Host: localhost:8080\r\nOrigin: http://localhost:8080\r\n", 0),
            ("Host: evil.test\r\n", 403),
            ("Host: localhost:8080\r\nOrigin: http://evil.test\r\n", 403),
            ("Host: localhost\r\nForwarded: for=192.0.2.1\r\n", 403),
            ("Host: localhost\r\nVia: 1.1 proxy\r\n", 403),
            ("Host: localhost\r\nX-Real-Ip: 192.0.2.1\r\n", 403),
            ("Host: localhost\r\nx-forwarded-anything: x\r\n", 403),
        ] {
            assert_eq!(status(&site, &request(fields), true), expected, "{fields:?}");
            assert_eq!(status(&site, &request(fields), false), 403, "{fields:?}, from elsewhere");
        }
    }

    #[test]
    fn publishing_with_a_token_asks_for_it_and_for_nothing_else() {
        let token = Secret::new("s3cret").unwrap();
        let site = Site { publishing: PublishPolicy::WithToken(token), ..Site::default() };
        for (fields, expected) in [
            ("Authorization: Bearer s3cret\r\n", 0),
            ("authorization: bearer s3cret\r\nOrigin: https://any.example\r\n", 0),
            ("Authorization: Bearer s3cre\r\n", 401),
            ("Authorization: Bearer s3cret2\r\n", 401),
            ("Authorization: Basic s3cret\r\n", 401),
            ("Authorization: Bearer s3cret\r\nAuthorization: Bearer s3cret\r\n", 401),
            ("", 401),
        ] {
            let request = format!("POST /publish?channel=ruby HTTP/1.1\r\nHost: h\r\n{fields}");
            assert_eq!(status(&site, &request, false), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_is_off_is_not_there() {
        let site =
            Site { echo: false, publishing: PublishPolicy::Off, awake: None, ..Site::default() };
        for (line, expected) in
            [("GET /echo", 404), ("POST /publish?channel=ruby", 403), ("GET /", 200)]
        {
            let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
            assert_eq!(status(&site, &request, true), expected, "{line}");
        }
        let names: Vec<_> = site.default_channels().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["ruby"]);
    }
}
