//! The status codes this server sends, each with the phrase of its RFC.
//!
//! What to notice:
//! * Only codes that the server really sends exist, so no other can be sent by mistake.
//! * 101 is missing: switching protocols is no response of HTTP's but the last thing it says, and
//!   it belongs to the bridge that does it.
//! * The phrase is for people; clients decide by the number (RFC 9112 section 4).

use std::fmt;

/// A status code of RFC 9110 section 15 or RFC 6585.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// RFC 9110 section 15.3.1: here it is.
    Ok,
    /// RFC 9110 section 15.5.1: the request is malformed.
    BadRequest,
    /// RFC 9110 section 15.5.2: credentials are missing or wrong.
    Unauthorized,
    /// RFC 9110 section 15.5.4: understood, and not allowed.
    Forbidden,
    /// RFC 9110 section 15.5.5: nothing answers at this path.
    NotFound,
    /// RFC 9110 section 15.5.6: the path does not take this method; the response must carry Allow.
    MethodNotAllowed,
    /// RFC 9110 section 15.5.9: the request was not complete in time.
    RequestTimeout,
    /// RFC 9110 section 15.5.14: the body is larger than this server takes.
    ContentTooLarge,
    /// RFC 9110 section 15.5.15: the target is longer than this server reads.
    UriTooLong,
    /// RFC 9110 section 15.5.18: an expectation that this server cannot meet.
    ExpectationFailed,
    /// RFC 9110 section 15.5.22: another protocol or version is needed; must carry Upgrade.
    UpgradeRequired,
    /// RFC 6585 section 5: the fields are too many or too long.
    FieldsTooLarge,
    /// RFC 9110 section 15.6.2: well formed, but unknown here.
    NotImplemented,
    /// RFC 9110 section 15.6.4: not now; may carry Retry-After.
    ServiceUnavailable,
    /// RFC 9110 section 15.6.6: another major version of HTTP.
    VersionNotSupported,
}

impl Status {
    /// The three-digit code.
    #[must_use]
    pub fn code(self) -> u16 {
        self.line().0
    }

    /// The words that stand behind the code.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.line().1
    }

    fn line(self) -> (u16, &'static str) {
        match self {
            Self::Ok => (200, "OK"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::RequestTimeout => (408, "Request Timeout"),
            Self::ContentTooLarge => (413, "Content Too Large"),
            Self::UriTooLong => (414, "URI Too Long"),
            Self::ExpectationFailed => (417, "Expectation Failed"),
            Self::UpgradeRequired => (426, "Upgrade Required"),
            Self::FieldsTooLarge => (431, "Request Header Fields Too Large"),
            Self::NotImplemented => (501, "Not Implemented"),
            Self::ServiceUnavailable => (503, "Service Unavailable"),
            Self::VersionNotSupported => (505, "HTTP Version Not Supported"),
        }
    }
}

/// As in the status line: `404 Not Found`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, reason) = self.line();
        write!(f, "{code} {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_in_the_status_line() {
        assert_eq!(Status::NotFound.to_string(), "404 Not Found");
        assert_eq!(Status::FieldsTooLarge.to_string(), "431 Request Header Fields Too Large");
        assert_eq!(Status::UriTooLong.to_string(), "414 URI Too Long");
    }
}
