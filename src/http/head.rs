//! A complete request head, and the rules that need all of its fields.
//!
//! What to notice:
//! * What concerns the connection rather than the resource is decided here, once: whose host it is,
//!   where the body ends, whether another request may follow. Nobody behind this file asks again.
//! * One walk over the fields decides it all; a field that is not asked about costs one comparison.
//! * The head borrows from the bytes it was read from. Nothing is allocated.

use super::error::HeadError;
use super::fields::{Fields, Repeated, elements};
use super::framing::{Framing, FramingFields};
use super::host::{Host, HostError};
use super::request_line::{Method, RequestLine, Version};
use super::target;

/// A complete request head that broke no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// What to do.
    pub method: Method,
    /// With what, as it was sent: to be read by [`Target::parse`](super::Target::parse).
    pub target: &'a str,
    /// The version the client speaks.
    pub version: Version,
    /// All field lines.
    pub fields: Fields<'a>,
    /// The host that is asked: that of the target if it names one (RFC 9112 section 3.2.2), else
    /// that of the Host field. Only HTTP/1.0 may have neither.
    pub host: Option<Host<'a>>,
    /// Whether a body follows, and how it ends.
    pub framing: Framing,
    /// Whether the client waits for [`CONTINUE`](super::CONTINUE) before it sends the body.
    pub expects_continue: bool,
    /// Whether the client may send another request after this one. Never so in HTTP/1.0.
    pub keep_alive: bool,
}

impl<'a> Head<'a> {
    /// The value of each field line with this name; see [`Fields::lines`].
    pub fn field_lines(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.lines(name)
    }

    /// Whether the list under this name has `token` as an element; see [`Fields::has_token`].
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.fields.has_token(name, token)
    }

    /// The value of a field that may stand only once; see [`Fields::single`].
    ///
    /// # Errors
    /// [`Repeated`] if it stands on several lines; refuse the request with 400.
    pub fn single(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        self.fields.single(name)
    }

    /// Applies the rules that need all the fields, in one walk over them.
    pub(super) fn new(line: RequestLine<'a>, fields: Fields<'a>) -> Result<Self, HeadError> {
        let RequestLine { method, target, version } = line;
        let mut host = None;
        let mut framing = FramingFields::default();
        let mut expects_continue = false;
        let mut close = version == Version::Http10;
        for (name, value) in fields.iter() {
            if name.eq_ignore_ascii_case(b"host") {
                if host.replace(parse_host(value)?).is_some() {
                    return Err(HeadError::RepeatedHost);
                }
            } else if name.eq_ignore_ascii_case(b"content-length") {
                framing.note_length(value)?;
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                framing.note_encoding(value)?;
            } else if name.eq_ignore_ascii_case(b"connection") {
                close |= elements(value).any(|option| option.eq_ignore_ascii_case(b"close"));
            } else if name.eq_ignore_ascii_case(b"expect") {
                expects_continue |= parse_expectations(value)?;
            }
        }
        if host.is_none() && version == Version::Http11 {
            return Err(HeadError::MissingHost);
        }
        // RFC 9112 section 3.2.2: the authority of the target overrides the Host field.
        let host = target::authority(method, target)?.or(host);
        let framing = framing.framing(version)?;
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        // RFC 9110 section 10.1.1: ignored in HTTP/1.0, and meaningless without a body.
        let expects_continue = expects_continue && has_body && version == Version::Http11;
        let keep_alive = !close;
        Ok(Self { method, target, version, fields, host, framing, expects_continue, keep_alive })
    }
}

fn parse_host(value: &[u8]) -> Result<Host<'_>, HeadError> {
    let text = str::from_utf8(value).map_err(|_| HeadError::Host(HostError::Character))?;
    Host::parse(text).map_err(HeadError::Host)
}

/// Whether the one expectation there is stands in this value.
fn parse_expectations(value: &[u8]) -> Result<bool, HeadError> {
    let mut found = false;
    for member in elements(value).filter(|member| !member.is_empty()) {
        if !member.eq_ignore_ascii_case(b"100-continue") {
            return Err(HeadError::Expectation);
        }
        found = true;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadLimits, Scan, parse};

    fn whole(bytes: &[u8]) -> Head<'_> {
        parse(bytes, &mut Scan::default(), &HeadLimits::default()).unwrap().unwrap().0
    }

    #[test]
    fn s3_2_2_the_authority_of_the_target_overrides_the_host_field() {
        let host = |head: &'static [u8]| whole(head).host.map(|h| h.to_string());
        for (head, expected) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], Some("a")),
            (b"GET http://b:81/ HTTP/1.1\r\nHost: a\r\n\r\n", Some("b:81")),
            (b"CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", Some("b:443")),
            (b"GET http://b/ HTTP/1.0\r\n\r\n", Some("b")),
            (b"GET / HTTP/1.0\r\n\r\n", None),
        ] {
            assert_eq!(host(head).as_deref(), expected, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn s9_3_a_connection_is_kept_in_1_1_unless_close_is_asked_for() {
        for (version, connection, expected) in [
            ("1.1", "", true),
            ("1.1", "Connection: keep-alive\r\n", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Upgrade, CLOSE\r\n", false),
            ("1.1", "Connection: x\r\nConnection: close\r\n", false),
            ("1.1", "Connection: close-not\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", false),
        ] {
            let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
            let head = whole(bytes.as_bytes());
            assert_eq!(head.keep_alive, expected, "{bytes:?}");
        }
    }

    #[test]
    fn rfc9110_s10_1_1_continue_is_expected_only_in_1_1_and_with_a_body() {
        for (version, fields, expected) in [
            ("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true),
            ("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", true),
            ("1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false),
            ("1.1", "Expect: 100-continue\r\n", false),
            ("1.1", "Content-Length: 1\r\n", false),
            ("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false),
        ] {
            let bytes = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
            let head = whole(bytes.as_bytes());
            assert_eq!(head.expects_continue, expected, "{bytes:?}");
        }
    }
}
