//! The host of a request: who the client believes it is talking to.
//!
//! What to notice:
//! * A name is plain: letters, digits, `-`, `.`, `_`, `~`. The grammar of URIs would also allow
//!   escapes and punctuation, but no machine has such a name, and a comma can look like a list.
//! * Names are compared without regard to case and never looked up, so a host is only text here.
//! * `127.1` and `LOCALHOST.` may well lead to this machine, but only the three names a person
//!   writes count as loopback: what guards against DNS rebinding errs towards refusing.
//!
//! ```text
//!   Host      = uri-host [ ":" port ]
//!   uri-host  = "[" IPv6address "]" / 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" )
//!   port      = *DIGIT                     at most 65535; empty means the default
//!   origin    = scheme "://" Host
//! ```

// An address as a value, which no socket ever sees: the grammar of IPv6 is the library's.
use core::net::Ipv6Addr;

use super::error::HttpError;

/// A valid host with the port that was named beside it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// The name or address as it was written; an IPv6 address keeps its brackets.
    pub name: &'a str,
    /// The port, unless it was left to the default of the scheme.
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads the whole of `text` as a host.
    ///
    /// # Errors
    /// The rule that `text` breaks; a request with such a host is answered 400.
    pub fn parse(text: &'a str) -> Result<Self, HttpError> {
        if text.contains('@') {
            return Err(HttpError::HostUserInfo);
        }
        // The colons of an IPv6 address are why it wears brackets: the port is behind them.
        let end = if text.starts_with('[') {
            text.find(']').map(|at| at + 1).ok_or(HttpError::HostIpv6)?
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (name, behind) = text.split_at_checked(end).ok_or(HttpError::HostCharacter)?;
        check_name(name)?;
        Ok(Self { name, port: parse_port(behind)? })
    }

    /// Whether this is one of the names under which a person reaches their own machine.
    #[must_use]
    pub fn is_loopback_name(&self) -> bool {
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| self.name.eq_ignore_ascii_case(own))
    }
}

/// Names are equal whatever their case (RFC 3986 section 3.2.2); ports are as they were written.
impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(other.name) && self.port == other.port
    }
}

impl Eq for Host<'_> {}

/// Takes an origin such as `https://example.com:8443` apart (RFC 6454 section 6.2).
///
/// `None` for everything else: for `null`, for a path, a query or a final slash, for a list.
#[must_use]
pub fn split_origin(value: &str) -> Option<(&str, Host<'_>)> {
    let (scheme, host) = value.split_once("://")?;
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if is_scheme { Some((scheme, Host::parse(host).ok()?)) } else { None }
}

fn check_name(name: &str) -> Result<(), HttpError> {
    if let Some(address) = name.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or(HttpError::HostIpv6)?;
        return address.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| HttpError::HostIpv6);
    }
    if name.is_empty() {
        return Err(HttpError::EmptyHost);
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if name.bytes().all(is_plain) { Ok(()) } else { Err(HttpError::HostCharacter) }
}

/// Reads what stands behind the name: nothing, or a colon and a port.
fn parse_port(behind: &str) -> Result<Option<u16>, HttpError> {
    // RFC 3986 section 6.2.3: an empty port is the default one.
    if behind.is_empty() || behind == ":" {
        return Ok(None);
    }
    let digits = behind.strip_prefix(':').ok_or(HttpError::HostPort)?;
    // Digits only: `parse` would also take a sign.
    if digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HttpError::HostPort);
    }
    digits.parse().map(Some).map_err(|_| HttpError::HostPort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_2_2_hosts_and_ports() {
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("localhost:8080", "localhost", Some(8080)),
            ("127.0.0.1:0", "127.0.0.1", Some(0)),
            ("example.com:65535", "example.com", Some(65535)),
            ("example.com:", "example.com", None),
            ("example.com:00080", "example.com", Some(80)),
            ("my_host-1.internal", "my_host-1.internal", None),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:443", "[2001:db8::7]", Some(443)),
            ("[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]", Some(80)),
        ] {
            let host = Host::parse(text).unwrap();
            assert_eq!((host.name, host.port), (name, port), "{text}");
        }
    }

    #[test]
    fn s3_2_2_what_is_no_host() {
        for (text, expected) in [
            ("", HttpError::EmptyHost),
            (":80", HttpError::EmptyHost),
            ("user@example.com", HttpError::HostUserInfo),
            ("user:secret@example.com:80", HttpError::HostUserInfo),
            ("example.com, evil.test", HttpError::HostCharacter),
            ("example.com evil.test", HttpError::HostCharacter),
            ("example.com/path", HttpError::HostCharacter),
            ("example.com?query", HttpError::HostCharacter),
            ("ex%61mple.com", HttpError::HostCharacter),
            ("exämple.com", HttpError::HostCharacter),
            ("::1", HttpError::EmptyHost),
            ("fe80::1", HttpError::HostPort),
            ("example.com:http", HttpError::HostPort),
            ("example.com:+80", HttpError::HostPort),
            ("example.com:-1", HttpError::HostPort),
            ("example.com:65536", HttpError::HostPort),
            ("example.com:000080", HttpError::HostPort),
            ("example.com:80:80", HttpError::HostPort),
            ("example.com: 80", HttpError::HostPort),
            ("[::1", HttpError::HostIpv6),
            ("[]", HttpError::HostIpv6),
            ("[::1::]", HttpError::HostIpv6),
            ("[fe80::1%25eth0]", HttpError::HostIpv6),
            ("[v1.future]", HttpError::HostIpv6),
            ("[127.0.0.1]", HttpError::HostIpv6),
            ("[::1]80", HttpError::HostPort),
            ("[::1]:x", HttpError::HostPort),
        ] {
            assert_eq!(Host::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn names_are_equal_whatever_their_case_and_ports_are_not() {
        let same = |a, b| Host::parse(a).unwrap() == Host::parse(b).unwrap();
        assert!(same("Example.COM:80", "example.com:80"));
        assert!(!same("example.com", "example.com:80"));
        assert!(!same("example.com", "example.org"));
        assert!(!same("example.com", "example.com.evil.test"));
    }

    #[test]
    fn loopback_is_what_a_person_writes() {
        for (text, expected) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1:1", true),
            ("[::1]:8080", true),
            ("localhost.", false),
            ("127.0.0.2", false),
            ("127.1", false),
            ("localhost.evil.test", false),
            ("[::]", false),
        ] {
            assert_eq!(Host::parse(text).unwrap().is_loopback_name(), expected, "{text}");
        }
    }

    #[test]
    fn rfc6454_s6_2_an_origin_is_a_scheme_and_a_host() {
        let (scheme, host) = split_origin("https://Example.com:8443").unwrap();
        assert_eq!((scheme, host.name, host.port), ("https", "Example.com", Some(8443)));
        assert_eq!(split_origin("http://[::1]"), Some(("http", Host::parse("[::1]").unwrap())));
        assert_eq!(split_origin("chrome-extension://abcdef").unwrap().0, "chrome-extension");
        for value in [
            "null",
            "",
            "example.com",
            "http://",
            "://example.com",
            "1http://example.com",
            "http://example.com/",
            "http://example.com?",
            "http://user@example.com",
            "http://a.test http://b.test",
            "http://a.test, http://b.test",
        ] {
            assert_eq!(split_origin(value), None, "{value}");
        }
    }
}
