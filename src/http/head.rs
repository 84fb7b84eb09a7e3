//! A complete request head, and the rules that need all of its fields.
//!
//! What to notice:
//! * What concerns the connection rather than the resource is decided here, once: whose host it is,
//!   where the body ends, whether another request may follow. Nobody behind this file asks again.
//! * One walk over the fields decides it all; a field that is not asked about costs one comparison.
//! * The head borrows from the bytes it was read from. Nothing is allocated.

use super::error::HttpError;
use super::fields::{Fields, elements};
use super::framing::{Framing, FramingFields};
use super::host::Host;
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
    /// Applies the rules that need all the fields, in one walk over them.
    pub(super) fn new(line: RequestLine<'a>, fields: Fields<'a>) -> Result<Self, HttpError> {
        let RequestLine { method, target, version } = line;
        let mut host = None;
        let mut framing = FramingFields::default();
        let mut expects_continue = false;
        let mut keep_alive = version == Version::Http11;
        for (name, value) in fields.iter() {
            if name.eq_ignore_ascii_case(b"host") {
                let value = str::from_utf8(value).map_err(|_| HttpError::HostCharacter)?;
                if host.replace(Host::parse(value)?).is_some() {
                    return Err(HttpError::RepeatedHost);
                }
            } else if name.eq_ignore_ascii_case(b"content-length") {
                framing.note_length(value)?;
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                framing.note_encoding(value)?;
            } else if name.eq_ignore_ascii_case(b"connection") {
                keep_alive &= !elements(value).any(|option| option.eq_ignore_ascii_case(b"close"));
            } else if name.eq_ignore_ascii_case(b"expect") {
                for member in elements(value).filter(|member| !member.is_empty()) {
                    if !member.eq_ignore_ascii_case(b"100-continue") {
                        return Err(HttpError::Expectation);
                    }
                    expects_continue = true;
                }
            }
        }
        if host.is_none() && version == Version::Http11 {
            return Err(HttpError::MissingHost);
        }
        // RFC 9112 section 3.2.2: the authority of the target overrides the Host field.
        let host = target::authority(method, target)?.or(host);
        let framing = framing.framing(version)?;
        // RFC 9110 section 10.1.1: ignored in HTTP/1.0, and meaningless without a body.
        expects_continue &= version == Version::Http11 && framing != Framing::Length(0);
        Ok(Self { method, target, version, fields, host, framing, expects_continue, keep_alive })
    }
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
        for (head, expected) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], Some("a")),
            (b"GET http://b:81/ HTTP/1.1\r\nHost: a\r\n\r\n", Some("b:81")),
            (b"CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", Some("b:443")),
            (b"GET http://b/ HTTP/1.0\r\n\r\n", Some("b")),
            (b"GET / HTTP/1.0\r\n\r\n", None),
        ] {
            let expected = expected.map(|host| Host::parse(host).unwrap());
            assert_eq!(whole(head).host, expected, "{}", head.escape_ascii());
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
