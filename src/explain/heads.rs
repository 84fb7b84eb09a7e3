//! What heads say: the first line, the fields that matter, whether it is a handshake, how the accept
//! value comes about, and what is answered (RFC 6455 section 4.2).
//!
//! What to notice:
//! * The head of an answer has the fields of a request's and another first line. So the same parser
//!   reads it, behind a request line of our own.
//! * What a server answers depends on its options and its paths too. Here is told what depends on the
//!   bytes alone.
//! * A rule that is broken is shown in its line, over the byte at which no server can go on.

use super::page::{Page, brief, escaped, hex, shown};
use super::{From, Next, Step, Talk};
use crate::http::{
    self, Body, Framing, Head, HeadLimits, HttpError, Method, Scan, Target, Version,
};
use crate::trace::agreed;
use crate::trace::side::count;
use crate::upgrade::{self, GUID};

/// The most that a body may have, as without `--max-publish`.
const MAX_BODY_BYTES: usize = 1 << 20;

/// What stands before the fields of an answer to make a request of it.
const REQUEST_LINE: &[u8] = b"GET / HTTP/1.1\r\nHost: h";

/// The byte with which a rule is broken, and the rule.
type Broken = (usize, HttpError);

impl Talk {
    /// Explains the head at the front of the bytes.
    pub(super) fn head(&mut self, from: From, bytes: &[u8], page: &mut Page) -> Step {
        let end = bytes.windows(2).position(|two| two == b"\r\n").unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        let rest = rest.get(..=HeadLimits::default().head_bytes).unwrap_or(rest);
        let read_as = if from == From::Client { line } else { REQUEST_LINE };
        let whole = [read_as, rest].concat();
        let place = |at: usize| (at + line.len()).saturating_sub(read_as.len());
        let (head, used) = match parse(&whole) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return cut_off("head", bytes, page),
            Err((at, why)) => return refuse(from, "head", bytes, (place(at), why), page),
        };
        let used = place(used);
        page.say(&format!("head: from a {from}, {}\n", count(used, "byte")));
        if from == From::Client {
            let target = escaped(head.target.as_bytes());
            page.line(6, &format!("  {} {target} {}", head.method, head.version));
            if let Err(why) = path(&head, page) {
                return refuse(from, "head", bytes, (end, why), page);
            }
        } else {
            page.line(6, &format!("  {}", brief(line)));
        }
        fields(&head, from, page);
        let status = status(line);
        // RFC 9112 section 6.3: whatever the fields say.
        let is_empty = self.answers_head(from, status) || matches!(status, 100..200 | 204 | 304);
        self.side(from).next = match head.framing {
            Framing::Length(1..) | Framing::Chunked if !is_empty => Next::Body(head.framing),
            Framing::Length(_) | Framing::Chunked => Next::Head,
        };
        let goes_on = match from {
            From::Client => self.request(&head, page),
            From::Server => self.answer(&head, status, page),
        };
        if goes_on { Step::Took(used) } else { Step::Ended }
    }

    /// Whether this is the status of the answer to a HEAD, which has the fields of a body that does not
    /// come (RFC 9110 section 9.3.2). A 1xx is not yet the answer.
    fn answers_head(&mut self, from: From, status: u16) -> bool {
        from == From::Server && status >= 200 && self.asked.pop_front() == Some(Method::Head)
    }

    /// Says whether the request is a handshake, and how it is answered. `false`: it is refused.
    fn request(&mut self, head: &Head<'_>, page: &mut Page) -> bool {
        self.asked.push_back(head.method);
        if head.method != Method::Get || !upgrade::is_requested(head) {
            let missing = if head.method != Method::Get {
                "GET"
            } else if head.version == Version::Http10 {
                "HTTP/1.1"
            } else if head.fields.has_token("Upgrade", "websocket") {
                "Connection: Upgrade"
            } else {
                "Upgrade: websocket"
            };
            let section = "(RFC 6455 section 4.2.1)";
            page.say(&format!("This is no handshake, for it has no {missing} {section}."));
            return true;
        }
        let accepted = match upgrade::accept(head, true) {
            Err(why) => {
                let answer = why.response();
                let fields = answer.fields.iter().map(|(name, value)| format!(", {name}: {value}"));
                let fields: String = fields.collect();
                let then = format!("on / and /echo the server answers {}{fields}", answer.status);
                page.broken(why.section(), &why.to_string(), &then);
                return false;
            }
            Ok(accepted) => accepted,
        };
        let key = head.fields.single("Sec-WebSocket-Key").ok().flatten().unwrap_or_default();
        self.asks = Some((accept_value(key, page), extras(head)));
        page.say("The answer, if path, channels and Origin suit the server:\n");
        let mut answer = Vec::new();
        accepted.encode(&mut answer);
        for line in String::from_utf8_lossy(&answer).trim_end().lines() {
            page.line(6, &format!("  {line}"));
            if line.starts_with("Sec-WebSocket-Extensions") {
                page.line(6, "      (this line only with --deflate)");
            }
        }
        (self.client.frames.form, self.client.frames.is_alone) = (Some(accepted.form()), true);
        self.client.next = Next::Frame;
        true
    }

    /// Says whether a 101 is that of the request before it. `false`: a client must close.
    fn answer(&mut self, head: &Head<'_>, status: u16, page: &mut Page) -> bool {
        if status == 0 {
            let rule = "a status line is HTTP/1.1, a code of 3 digits, and a reason or none";
            page.broken("RFC 9112 section 4", rule, "the client closes");
            return false;
        }
        if status != 101 {
            // RFC 9110 section 7.8: the wish was ignored, and requests follow.
            if status >= 200 && self.client.next == Next::Frame {
                self.client.next = Next::Head;
            }
            return true;
        }
        match granted(head, self.asks.take()) {
            Ok(told) => page.say(told),
            Err(rule) => {
                page.broken("RFC 6455 section 4.1", &rule, "the client closes");
                return false;
            }
        }
        let value = head.fields.lines("Sec-WebSocket-Extensions").next().unwrap_or_default();
        for (who, side) in [("client", &mut self.client), ("server", &mut self.server)] {
            if side.next == Next::Head {
                side.next = Next::Frame;
            }
            side.frames.form = Some(agreed(value));
            side.frames.is_alone = escaped(value).contains(&format!("{who}_no_context_takeover"));
        }
        true
    }
}

/// The code of a status line (RFC 9112 section 4), or 0.
fn status(line: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(line);
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
    let (code, _) = rest.and_then(|line| line.split_once(' ')).unwrap_or_default();
    code.parse().ok().filter(|number| code.len() == 3 && *number >= 100).unwrap_or_default()
}

/// The extensions and the subprotocols that a head names.
fn extras(head: &Head<'_>) -> Vec<String> {
    let fields = ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"].into_iter();
    let values: Vec<_> = fields.flat_map(|name| head.fields.lines(name)).map(escaped).collect();
    let elements = values.iter().flat_map(|value| value.split(','));
    elements.filter_map(|element| element.split(';').next()).map(|e| e.trim().to_owned()).collect()
}

/// What is right about a 101, or why a client must fail the connection (RFC 6455 section 4.1).
fn granted(head: &Head<'_>, asks: Option<(String, Vec<String>)>) -> Result<&'static str, String> {
    if !upgrade::is_requested(head) {
        return Err("a 101 needs Connection: Upgrade and Upgrade: websocket".to_owned());
    }
    let Some((accept, offered)) = asks else {
        return Ok("Whether the accept value is right, only its request can tell.");
    };
    if head.fields.single("Sec-WebSocket-Accept") != Ok(Some(accept.as_bytes())) {
        return Err(format!("the accept value must be {accept}"));
    }
    match extras(head).into_iter().find(|extra| !extra.is_empty() && !offered.contains(extra)) {
        Some(extra) => Err(format!("the client has not offered {extra}")),
        None => Ok("The accept value is right: it is that of the key above."),
    }
}

/// Explains the body at the front of the bytes.
pub(super) fn body(from: From, framing: Framing, bytes: &[u8], page: &mut Page) -> Step {
    let mut body = match Body::new(framing, MAX_BODY_BYTES) {
        Ok(body) => body,
        Err(why) => return refuse(from, "body", bytes, (0, why), page),
    };
    for (at, byte) in bytes.iter().enumerate() {
        match body.receive(&[*byte]) {
            Ok((_, false)) => {}
            Err(why) => return refuse(from, "body", bytes, (at, why), page),
            Ok((_, true)) => {
                let body = body.into_bytes();
                page.say(&format!("body: {}: {}", count(body.len(), "byte"), shown(&body, true)));
                return Step::Took(at + 1);
            }
        }
    }
    cut_off("body", bytes, page)
}

/// A head, or the byte that breaks a rule: the first with which the parser refuses.
fn parse(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, Broken> {
    let mut scan = Scan::default();
    for at in 0..bytes.len() {
        let come = bytes.get(..=at).unwrap_or(bytes);
        let head = http::parse(come, &mut scan, &HeadLimits::default()).map_err(|why| (at, why))?;
        if head.is_some() {
            return Ok(head);
        }
    }
    Ok(None)
}

/// The path and the query of the target, decoded.
fn path(head: &Head<'_>, page: &mut Page) -> Result<(), HttpError> {
    let target = match Target::parse(head.target) {
        // `*`, or the host and port of CONNECT.
        Err(HttpError::TargetNoPath) => return Ok(()),
        target => target?,
    };
    page.line(12, &format!("      path  \"{}\"", escaped(target.path.as_bytes())));
    for (name, value) in &target.query {
        let (name, value) = (escaped(name.as_bytes()), escaped(value.as_bytes()));
        page.line(12, &format!("      query \"{name}\" is \"{value}\""));
    }
    Ok(())
}

/// Every field, and what it means for a handshake.
fn fields(head: &Head<'_>, from: From, page: &mut Page) {
    let ours = if from == From::Client { 0 } else { 1 };
    for (name, value) in head.fields.iter().skip(ours) {
        let name = escaped(name);
        page.line(6, &format!("  {name}: {}", brief(value)));
        let meaning = match name.to_ascii_lowercase().as_str() {
            "host" => "whom the client asks; HTTP/1.1 needs it (RFC 9112 section 3.2)",
            "connection" => "Upgrade counts only if it is named here (RFC 9110 section 7.8)",
            "upgrade" => "what to switch to; websocket is one word of the list",
            "sec-websocket-key" => "random bytes in base64, others for each connection",
            "sec-websocket-version" => "13 is RFC 6455, and the only one there is",
            "sec-websocket-extensions" => "what more may be done to frames: compression",
            "sec-websocket-protocol" => "what messages may mean; this server speaks none of it",
            "sec-websocket-accept" => "that the server has read the key",
            "origin" => "the page that asks; a stranger gets 403 (RFC 6455 section 10.2)",
            "content-length" => "a body of so many bytes; a handshake has none",
            "transfer-encoding" => "a body in chunks; a handshake has none",
            "expect" => "the body waits for a 100 Continue",
            _ => continue,
        };
        page.line(6, &format!("      {meaning}"));
    }
}

/// How the accept value comes about (RFC 6455 section 4.2.2, item 5.4).
fn accept_value(key: &[u8], page: &mut Page) -> String {
    page.say("This is a handshake. Its accept value (RFC 6455 section 4.2.2):\n");
    let accept = upgrade::accept_value(key);
    let joined = escaped(&[key, GUID].concat());
    let nonce = upgrade::nonce(key).unwrap_or_default();
    let size = count(nonce.len(), "byte");
    for (name, value) in [
        ("the key", escaped(key)),
        ("", format!("({size} in base64: {})", shown(&nonce, nonce.is_ascii()))),
        ("the GUID", escaped(GUID)),
        ("joined", joined),
        ("its SHA-1", hex(&upgrade::accept_hash(key))),
        ("in base64", accept.clone()),
    ] {
        page.line(13, &format!("  {name:<11}{value}"));
    }
    accept
}

fn cut_off(what: &str, bytes: &[u8], page: &mut Page) -> Step {
    page.say(&format!("cut off within a {what}: {}", shown(bytes, true)));
    Step::Ended
}

/// Shows the line up to the byte that breaks a rule, and says what is answered.
fn refuse(from: From, what: &str, bytes: &[u8], (at, why): Broken, page: &mut Page) -> Step {
    let (before, byte) =
        bytes.get(..=at).and_then(<[u8]>::split_last_chunk).unwrap_or((bytes, &[0]));
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let (line, byte) =
        (escaped(line.get(line.len().saturating_sub(60)..).unwrap_or(line)), escaped(byte));
    page.say(&format!("  {line}{byte}"));
    page.line(2, &format!("  {:1$}{2}", "", line.chars().count(), "^".repeat(byte.len())));
    let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let section = format!("{}, at byte {} of the {what}, line {number}", why.section(), at + 1);
    let then = match from {
        From::Client => format!("the server answers {}", why.status()),
        From::Server => "the client closes".to_owned(),
    };
    page.broken(&section, &why.to_string(), &then);
    Step::Ended
}
