//! Responses: what the server says when it does not switch protocols.
//!
//! What to notice:
//! * Every response has a length and a date, and says whether the connection ends with it; the one
//!   who answers adds only what is special.
//! * A control character cannot get into a head: each is replaced as it is written. Splitting a
//!   response takes a CR LF in a value, and there is no way to write one.
//! * A body and a value may be borrowed for ever: the embedded page is never copied before it is
//!   sent.
//!
//! ```text
//!   HTTP/1.1 404 Not Found CRLF
//!   Date: Sun, 06 Nov 1994 08:49:37 GMT CRLF
//!   Server: barewire CRLF
//!   Content-Type: text/plain; charset=utf-8 CRLF
//!   Content-Length: 28 CRLF
//!   X-Content-Type-Options: nosniff CRLF
//!   Connection: close CRLF                          if the connection ends; or with Upgrade
//!   ... CRLF                                        what Response::with has added
//!   CRLF
//!   body                                            unless the request was HEAD
//! ```

use super::fields::is_tchar;
use super::status::Status;
use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

/// RFC 9110 section 15.2.1: what a client that expects it waits for before it sends the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The last second that a date of RFC 9110 section 5.6.7 can name: its year has four digits.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// A response, not yet as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The value of Content-Type.
    pub content_type: &'static str,
    /// Further fields, in the order in which they are sent. Not those that every response has.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

/// What the request and the connection make of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The method was HEAD: all of the head, none of the body (RFC 9110 section 9.3.2).
    pub head_only: bool,
    /// The connection ends with this response (RFC 9112 section 9.6).
    pub close: bool,
}

impl Response {
    /// A response with a body of any type.
    #[must_use]
    pub fn new(status: Status, content_type: &'static str, body: Cow<'static, [u8]>) -> Self {
        Self { status, content_type, fields: Vec::new(), body }
    }

    /// A text for a person, ended with a newline so that it does not run into a shell's prompt.
    #[must_use]
    pub fn text(status: Status, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Self::new(status, "text/plain; charset=utf-8", text.into_bytes().into())
    }

    /// Adds a field. With Upgrade, the Connection option that must go with it comes by itself.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Appends the response to `out`, dated `unix` after 1970 began.
    pub fn encode(&self, how: Delivery, unix: Duration, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("HTTP/1.1 {}\r\n", self.status).as_bytes());
        put_field(out, "Date", &httpdate::fmt_http_date(UNIX_EPOCH + unix.min(LAST_SECOND)));
        put_field(out, "Server", "barewire");
        put_field(out, "Content-Type", self.content_type);
        put_field(out, "Content-Length", &self.body.len().to_string());
        put_field(out, "X-Content-Type-Options", "nosniff");
        // RFC 9110 section 7.8: a sender of Upgrade also sends the option of that name.
        let upgrades = self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
        match (upgrades, how.close) {
            (true, true) => put_field(out, "Connection", "upgrade, close"),
            (true, false) => put_field(out, "Connection", "upgrade"),
            (false, true) => put_field(out, "Connection", "close"),
            (false, false) => {}
        }
        for (name, value) in &self.fields {
            put_field(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        if !how.head_only {
            out.extend_from_slice(&self.body);
        }
    }
}

/// Writes a field line. What could end it early is replaced: values are this server's own, but this
/// is the one place through which all of them go.
fn put_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend(name.bytes().map(|byte| if is_tchar(byte) { byte } else { b'-' }));
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b'?' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The date of RFC 9110 section 5.6.7.
    const THEN: Duration = Duration::from_secs(784_111_777);

    fn encode(response: &Response, how: Delivery) -> String {
        let mut out = Vec::new();
        response.encode(how, THEN, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn s4_a_response_as_bytes() {
        let response =
            Response::text(Status::MethodNotAllowed, "use GET").with("Allow", "GET, HEAD");
        assert_eq!(
            encode(&response, Delivery { head_only: false, close: true }),
            "HTTP/1.1 405 Method Not Allowed\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Server: barewire\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 8\r\n\
             X-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n\
             Allow: GET, HEAD\r\n\
             \r\n\
             use GET\n"
        );
    }

    #[test]
    fn rfc9110_s9_3_2_head_has_the_same_head_and_no_body() {
        let response = Response::new(Status::Ok, "text/html", Cow::Borrowed(b"<p>page"));
        let get = encode(&response, Delivery::default());
        let head = encode(&response, Delivery { head_only: true, ..Delivery::default() });
        assert_eq!(get, format!("{head}<p>page"));
        assert!(head.contains("Content-Length: 7\r\n") && head.ends_with("\r\n\r\n"));
        assert!(!head.contains("Connection"), "1.1 keeps the connection without saying so");
    }

    #[test]
    fn rfc9110_s7_8_upgrade_comes_with_its_connection_option() {
        let response = Response::text(Status::UpgradeRequired, "").with("Upgrade", "next/2");
        let close = encode(&response, Delivery { close: true, head_only: false });
        assert!(close.contains("\r\nConnection: upgrade, close\r\nUpgrade: next/2\r\n\r\n\n"));
        let keep = encode(&response, Delivery::default());
        assert!(keep.contains("\r\nConnection: upgrade\r\nUpgrade: next/2\r\n\r\n\n"));
    }

    #[test]
    fn a_text_ends_in_one_newline() {
        let body = |text: &'static str| Response::text(Status::Ok, text).body;
        assert_eq!(&*body("ends\n"), b"ends\n");
        assert_eq!(&*body("does not"), b"does not\n");
        assert_eq!(&*Response::text(Status::Ok, String::from("own\n")).body, b"own\n");
    }

    #[test]
    fn s5_6_7_no_moment_breaks_the_date() {
        let response = Response::text(Status::Ok, "");
        for (unix, expected) in [
            (Duration::ZERO, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (Duration::from_secs(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT"),
            (Duration::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            let mut out = Vec::new();
            response.encode(Delivery::default(), unix, &mut out);
            assert!(String::from_utf8(out).unwrap().contains(expected), "{expected}");
        }
    }

    proptest! {
        #[test]
        fn no_value_can_split_a_response(value in any::<String>(), evil in "[\r\nA: -]{0,12}") {
            let value = format!("{value}{evil}");
            let response = Response::text(Status::Ok, "body").with("X-Value", value);
            let mut out = Vec::new();
            response.encode(Delivery { head_only: false, close: true }, THEN, &mut out);
            let mut space = [httparse::EMPTY_HEADER; 16];
            let mut other = httparse::Response::new(&mut space);
            let parsed = other.parse(&out).unwrap();
            prop_assert_eq!(parsed, httparse::Status::Complete(out.len() - 5));
            let names: Vec<_> = other.headers.iter().map(|header| header.name).collect();
            prop_assert_eq!(names, [
                "Date", "Server", "Content-Type", "Content-Length", "X-Content-Type-Options",
                "Connection", "X-Value",
            ]);
        }
    }
}
