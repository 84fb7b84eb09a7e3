//! The first line of a request: what to do, with what, in which version.
//!
//! What to notice:
//! * Syntax is judged before meaning, so that `PRI * HTTP/2.0`, with which HTTP/2 knocks, is told
//!   that the version is wrong and not that the method is.
//! * Methods are case-sensitive words; `get` is a method that nobody has defined, hence 501.
//! * The minor version says only what the client could also do: 1.2 to 1.9 are read as 1.1.
//!
//! ```text
//!   request-line = method SP request-target SP HTTP-version
//!   HTTP-version = "HTTP/" DIGIT "." DIGIT
//!
//!   GET /?channel=ruby HTTP/1.1
//!   ^^^ ^^^^^^^^^^^^^^ ^^^^^^^^  always eight bytes
//! ```

use super::error::HttpError;
use super::fields::is_token;
use super::target;
use std::fmt;

/// A method of RFC 9110 section 9.3 or RFC 5789 (PATCH).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Transfer a representation.
    Get,
    /// The same as GET, without the body.
    Head,
    /// Process the body in the resource's own way.
    Post,
    /// Replace the resource by the body.
    Put,
    /// Remove the resource.
    Delete,
    /// Open a tunnel: for proxies.
    Connect,
    /// Say what is possible.
    Options,
    /// Send the request back.
    Trace,
    /// Change a part of the resource.
    Patch,
}

impl Method {
    fn from_word(word: &[u8]) -> Option<Self> {
        match word {
            b"GET" => Some(Self::Get),
            b"HEAD" => Some(Self::Head),
            b"POST" => Some(Self::Post),
            b"PUT" => Some(Self::Put),
            b"DELETE" => Some(Self::Delete),
            b"CONNECT" => Some(Self::Connect),
            b"OPTIONS" => Some(Self::Options),
            b"TRACE" => Some(Self::Trace),
            b"PATCH" => Some(Self::Patch),
            _ => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        })
    }
}

/// The version of the protocol that the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: no Host needed, no chunks, no Upgrade, and here no second request.
    Http10,
    /// HTTP/1.1, or a later 1.x, which is read as 1.1 (RFC 9110 section 2.5).
    Http11,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        })
    }
}

/// The three words of a request line, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: Method,
    pub(super) target: &'a str,
    pub(super) version: Version,
}

impl<'a> RequestLine<'a> {
    /// Reads a line without its CRLF, whose bytes have passed `LineEnd`.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, HttpError> {
        let [method, target, version] = split(line)?;
        if !is_token(method) {
            return Err(HttpError::Method);
        }
        // RFC 9112 section 2.3: exactly one digit on each side of the dot.
        let Some([major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9']) = version.strip_prefix(b"HTTP/")
        else {
            return Err(HttpError::Version);
        };
        let target = target::check_characters(target)?;
        if *major != b'1' {
            return Err(HttpError::UnsupportedVersion);
        }
        let version = if *minor == b'0' { Version::Http10 } else { Version::Http11 };
        let method = Method::from_word(method).ok_or(HttpError::UnknownMethod)?;
        target::authority(method, target)?;
        Ok(Self { method, target, version })
    }
}

/// Splits a request line at its two spaces. RFC 9112 section 3 lets a server take any run of white
/// space for a separator and warns of it in the same paragraph; this one does not.
fn split(line: &[u8]) -> Result<[&[u8]; 3], HttpError> {
    let mut words = line.split(|byte| *byte == b' ');
    if words.clone().any(<[u8]>::is_empty) {
        return Err(HttpError::RequestLineSpaces);
    }
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(target), Some(version), None) => Ok([method, target, version]),
        (Some(_), Some(_), None, _) => Err(HttpError::MissingVersion),
        (_, None, ..) => Err(HttpError::NotHttp),
        (_, _, _, Some(_)) | (None, ..) => Err(HttpError::RequestLineSpaces),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_request_lines() {
        for (line, expected) in [
            ("GET / HTTP/1.1", (Method::Get, "/", Version::Http11)),
            ("POST /publish?channel=ruby HTTP/1.0", {
                (Method::Post, "/publish?channel=ruby", Version::Http10)
            }),
            ("HEAD http://a.test/ HTTP/1.1", (Method::Head, "http://a.test/", Version::Http11)),
            ("OPTIONS * HTTP/1.1", (Method::Options, "*", Version::Http11)),
            ("OPTIONS / HTTP/1.1", (Method::Options, "/", Version::Http11)),
            ("CONNECT a.test:443 HTTP/1.1", (Method::Connect, "a.test:443", Version::Http11)),
            ("GET / HTTP/1.2", (Method::Get, "/", Version::Http11)),
            ("GET / HTTP/1.9", (Method::Get, "/", Version::Http11)),
            ("PATCH //x/../y HTTP/1.1", (Method::Patch, "//x/../y", Version::Http11)),
        ] {
            let parsed = RequestLine::parse(line.as_bytes()).unwrap();
            assert_eq!((parsed.method, parsed.target, parsed.version), expected, "{line}");
        }
    }

    #[test]
    fn s3_what_is_no_request_line() {
        for (line, expected) in [
            (&b"GET"[..], HttpError::NotHttp),
            (b"*1", HttpError::NotHttp),
            (b"SSH-2.0-OpenSSH_9.6", HttpError::NotHttp),
            (b"GET /", HttpError::MissingVersion),
            (b"GET  / HTTP/1.1", HttpError::RequestLineSpaces),
            (b"GET /  HTTP/1.1", HttpError::RequestLineSpaces),
            (b" GET / HTTP/1.1", HttpError::RequestLineSpaces),
            (b"GET / HTTP/1.1 ", HttpError::RequestLineSpaces),
            (b"GET /a b HTTP/1.1", HttpError::RequestLineSpaces),
            (b" ", HttpError::RequestLineSpaces),
            (b"GET\t/ HTTP/1.1", HttpError::MissingVersion),
            (b"GET /\t HTTP/1.1", HttpError::TargetCharacter),
            (b"G@T / HTTP/1.1", HttpError::Method),
            (b"G\xc3\x89T / HTTP/1.1", HttpError::Method),
            (b"GET / http/1.1", HttpError::Version),
            (b"GET / HTTP/1.10", HttpError::Version),
            (b"GET / HTTP/01.1", HttpError::Version),
            (b"GET / HTTP/1", HttpError::Version),
            (b"GET / HTTP/1,1", HttpError::Version),
            (b"GET / HTTP/+.1", HttpError::Version),
            (b"GET / HTTP/ 1.1", HttpError::RequestLineSpaces),
            (b"GET / ICY/1.1", HttpError::Version),
            (b"GET / HTTP/2.0", HttpError::UnsupportedVersion),
            (b"GET / HTTP/9.9", HttpError::UnsupportedVersion),
            (b"GET / HTTP/0.9", HttpError::UnsupportedVersion),
            (b"PRI * HTTP/2.0", HttpError::UnsupportedVersion),
            (b"get / HTTP/1.1", HttpError::UnknownMethod),
            (b"GETT / HTTP/1.1", HttpError::UnknownMethod),
            (b"BREW * HTTP/1.1", HttpError::UnknownMethod),
            (b"GET * HTTP/1.1", HttpError::AsteriskTarget),
            (b"GET /#top HTTP/1.1", HttpError::TargetFragment),
            (b"GET /\xc3\xa9 HTTP/1.1", HttpError::TargetCharacter),
            (b"GET /<> HTTP/1.1", HttpError::TargetCharacter),
            (b"GET index.html HTTP/1.1", HttpError::TargetForm),
            (b"GET a.test:443 HTTP/1.1", HttpError::TargetForm),
            (b"CONNECT / HTTP/1.1", HttpError::ConnectTarget),
        ] {
            assert_eq!(RequestLine::parse(line), Err(expected), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn every_method_is_read_as_it_is_written() {
        for word in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
        {
            let method = Method::from_word(word.as_bytes());
            assert_eq!(method.map(|method| method.to_string()).as_deref(), Some(word));
        }
    }
}
