//! What each path answers.

use std::time::Duration;

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
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It is answered at once.
    Answer(Response),
    /// It becomes a WebSocket that gets every message back.
    Echo(Accepted),
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

/// RFC 9110 section 15.5.6: 405 names the methods that would do.
fn method_not_allowed(allowed: &'static str) -> Response {
    let text = format!("this path answers {allowed}");
    Response::text(Status::MethodNotAllowed, text).with("Allow", allowed)
}
