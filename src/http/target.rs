//! The target of a request: its forms, and the path and query in it.
//!
//! What to notice:
//! * Splitting comes first and decoding second, once. The other way round, `%26` in a value would
//!   begin a new parameter, and `%2525` would be decoded twice.
//! * Nothing is tidied: `/a/../b` is a path that no route has, not `/b`. A server without a file
//!   system gains nothing from tidying, and what is not done cannot be tricked.
//! * A bad escape is refused rather than kept as it stands, for other parsers would drop it.
//!
//! ```text
//!   origin-form     /publish?channel=ruby                  what browsers and curl send
//!   absolute-form   http://host/publish?channel=ruby       what is sent to proxies
//!   authority-form  host:443                               CONNECT only
//!   asterisk-form   *                                      OPTIONS only
//!                   '------'-------------------------------- path, then query at the first '?',
//!                                                            pairs at '&', name at the first '='
//! ```

use super::error::HeadError;
use super::host::Host;
use super::request_line::Method;
use super::status::Status;
use std::fmt;
use std::fmt::Write as _;

/// The path and the query of a target, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path, beginning with `/`. An escaped slash cannot be told from a plain one any more.
    pub path: String,
    /// The pairs of the query in their order; no more than the request line has room for.
    pub query: Vec<(String, String)>,
}

/// Why a target has no path and query to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// RFC 9112 section 3.2: the target has no path, being `*` or a host and port.
    NoPath,
    /// RFC 3986 section 2.1: a `%` is not followed by two hexadecimal digits.
    Escape,
    /// RFC 3986 section 2.5: the escapes do not spell UTF-8.
    NotUtf8,
}

impl TargetError {
    /// The status of the response that refuses the request.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::NoPath | Self::Escape | Self::NotUtf8 => Status::BadRequest,
        }
    }

    /// What was wrong and what to write instead, in one line for a person.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NoPath => "the target has no path; begin it with /",
            Self::Escape => "a % is not followed by two hexadecimal digits; write % itself as %25",
            Self::NotUtf8 => "the target's escapes are not UTF-8; write for example %C3%A9",
        }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Takes a target in origin-form or absolute-form apart. In the query `+` means a space, as
    /// forms and `URLSearchParams` write it; in the path it means itself.
    ///
    /// # Errors
    /// The rule that the target breaks; answer with its status and its text.
    pub fn parse(raw: &str) -> Result<Self, TargetError> {
        let rest = if raw.starts_with('/') {
            raw
        } else {
            split_absolute(raw).ok_or(TargetError::NoPath)?.1
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        // RFC 9112 section 3.2.1: an empty path is the root.
        let path = if path.is_empty() { "/" } else { path };
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name, b' ')?, decode(value, b' ')?))
            })
            .collect::<Result<_, TargetError>>()?;
        Ok(Self { path: decode(path, b'+')?, query })
    }

    /// Every value of the query under this name, in their order.
    pub fn query_values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Escapes a name or a value for a query: everything but letters, digits and `-._~`. A space
/// becomes `%20`, which reads the same everywhere, where `+` depends on who reads.
#[must_use]
pub fn encode(component: &str) -> String {
    let mut encoded = String::with_capacity(component.len());
    for byte in component.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes percent escapes, with `plus` standing for `+`.
fn decode(text: &str, plus: u8) -> Result<String, TargetError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            b'+' => plus,
            _ => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| TargetError::NotUtf8)
}

fn hex(digit: Option<u8>) -> Result<u8, TargetError> {
    digit
        .and_then(|digit| char::from(digit).to_digit(16))
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(TargetError::Escape)
}

/// Refuses what may not stand in a target, and gives it back as the ASCII text that it then is.
pub(super) fn check_characters(raw: &[u8]) -> Result<&str, HeadError> {
    let mut in_query = false;
    for byte in raw {
        match byte {
            b'#' => return Err(HeadError::TargetFragment),
            b'?' => in_query = true,
            b'/' | b':' | b'@' | b'%' | b'[' | b']' => {}
            // RFC 3986 section 2.3: unreserved, and section 2.2: sub-delims.
            b'-' | b'.' | b'_' | b'~' => {}
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {}
            // Not of RFC 3986, but browsers leave them as they are in a query, where Redis
            // Cluster's {hash tags} come from, and nobody reads them as anything else.
            b'{' | b'}' | b'|' | b'\\' | b'^' | b'`' if in_query => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(HeadError::TargetCharacter),
        }
    }
    str::from_utf8(raw).map_err(|_| HeadError::TargetCharacter)
}

/// The host that the target itself names, after checking that its form is one the method may have.
pub(super) fn authority(method: Method, raw: &str) -> Result<Option<Host<'_>>, HeadError> {
    if method == Method::Connect {
        let host = Host::parse(raw).map_err(|_| HeadError::ConnectTarget)?;
        // RFC 9110 section 9.3.6: there is no default port for a tunnel.
        return if host.port.is_some() { Ok(Some(host)) } else { Err(HeadError::ConnectTarget) };
    }
    if raw.starts_with('/') {
        return Ok(None);
    }
    if raw == "*" {
        let allowed = method == Method::Options;
        return if allowed { Ok(None) } else { Err(HeadError::AsteriskTarget) };
    }
    let (authority, _) = split_absolute(raw).ok_or(HeadError::TargetForm)?;
    Host::parse(authority).map(Some).map_err(HeadError::Host)
}

/// Splits an absolute-form target into its authority and what follows it. `https` is fine too: a
/// proxy in front may have ended the TLS.
fn split_absolute(raw: &str) -> Option<(&str, &str)> {
    let (scheme, behind) = raw.split_once("://")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    behind.split_at_checked(behind.find(['/', '?']).unwrap_or(behind.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn s3_2_paths_and_queries() {
        for (raw, path, query) in [
            ("/", "/", &[][..]),
            ("/echo", "/echo", &[]),
            ("/?", "/", &[]),
            ("/?channel=ruby&channel=news", "/", &[("channel", "ruby"), ("channel", "news")]),
            ("/?&&a&=b&c=d=e&", "/", &[("a", ""), ("", "b"), ("c", "d=e")]),
            ("/?a?b=c?d", "/", &[("a?b", "c?d")]),
            ("/a?x/../y", "/a", &[("x/../y", "")]),
            ("http://host", "/", &[]),
            ("HTTP://host?x=1", "/", &[("x", "1")]),
            ("https://host:8080/a?x=1", "/a", &[("x", "1")]),
            ("//evil.test/x", "//evil.test/x", &[]),
            ("/a/../b/./c", "/a/../b/./c", &[]),
        ] {
            let expected = Target { path: path.to_owned(), query: pairs(query) };
            assert_eq!(Target::parse(raw), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn s2_1_escapes_are_decoded_once_and_after_splitting() {
        for (raw, path, query) in [
            ("/r%C3%A4ksm%c3%b6rg%C3%A5s", "/räksmörgås", &[][..]),
            ("/%2e%2e/x", "/../x", &[]),
            ("/a%2Fb%3Fc", "/a/b?c", &[]),
            ("/a+b%2B", "/a+b+", &[]),
            ("/%00", "/\0", &[]),
            ("/?a=1%262%3D3&b=%2525", "/", &[("a", "1&2=3"), ("b", "%25")]),
            ("/?a+b=c+d%2Be%20f", "/", &[("a b", "c d+e f")]),
            ("/?%63hannel=x", "/", &[("channel", "x")]),
            ("/?channel={user}.news|x", "/", &[("channel", "{user}.news|x")]),
        ] {
            let expected = Target { path: path.to_owned(), query: pairs(query) };
            assert_eq!(Target::parse(raw), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn s2_1_bad_escapes_are_refused_wherever_they_stand() {
        for (raw, expected) in [
            ("/%", TargetError::Escape),
            ("/%4", TargetError::Escape),
            ("/%zz", TargetError::Escape),
            ("/%+1", TargetError::Escape),
            ("/% 41", TargetError::Escape),
            ("/%%41", TargetError::Escape),
            ("/?a=%", TargetError::Escape),
            ("/?%4=a", TargetError::Escape),
            ("/?a=%4&1=", TargetError::Escape),
            ("/%ff", TargetError::NotUtf8),
            ("/?a=%C3", TargetError::NotUtf8),
            ("/?a=%ED%A0%80", TargetError::NotUtf8),
            ("/?a=%C0%80", TargetError::NotUtf8),
            ("*", TargetError::NoPath),
            ("host:80", TargetError::NoPath),
            ("", TargetError::NoPath),
            ("ftp://host/", TargetError::NoPath),
        ] {
            assert_eq!(Target::parse(raw), Err(expected), "{raw}");
            assert_eq!(expected.status(), Status::BadRequest);
        }
    }

    #[test]
    fn values_are_found_by_name_in_their_order() {
        let target = Target::parse("/?channel=a&x=1&channel=b&Channel=c").unwrap();
        assert_eq!(target.query_values("channel").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(target.query_values("y").count(), 0);
    }

    #[test]
    fn s3_3_characters_of_path_and_query() {
        for (raw, expected) in [
            ("/azAZ09-._~!$&'()*+,;=:@%/?/?", None),
            ("/?{}|\\^`[]", None),
            ("/{", Some(HeadError::TargetCharacter)),
            ("/|", Some(HeadError::TargetCharacter)),
            ("/\\", Some(HeadError::TargetCharacter)),
            ("/?\"", Some(HeadError::TargetCharacter)),
            ("/?<", Some(HeadError::TargetCharacter)),
            ("/? ", Some(HeadError::TargetCharacter)),
            ("/?é", Some(HeadError::TargetCharacter)),
            ("/?a#b", Some(HeadError::TargetFragment)),
        ] {
            assert_eq!(check_characters(raw.as_bytes()).err(), expected, "{raw}");
        }
    }

    #[test]
    fn s3_2_forms_and_the_methods_that_may_use_them() {
        use crate::http::HostError;
        let name = |method, raw| authority(method, raw).map(|host| host.map(|h| h.to_string()));
        assert_eq!(name(Method::Get, "/"), Ok(None));
        assert_eq!(name(Method::Options, "*"), Ok(None));
        assert_eq!(name(Method::Get, "http://a.test:81/x"), Ok(Some("a.test:81".to_owned())));
        assert_eq!(name(Method::Get, "http://[::1]?x"), Ok(Some("[::1]".to_owned())));
        assert_eq!(name(Method::Connect, "a.test:443"), Ok(Some("a.test:443".to_owned())));
        for (method, raw, expected) in [
            (Method::Get, "*", HeadError::AsteriskTarget),
            (Method::Options, "**", HeadError::TargetForm),
            (Method::Get, "a.test:443", HeadError::TargetForm),
            (Method::Get, "ftp://a.test/", HeadError::TargetForm),
            (Method::Get, "?x", HeadError::TargetForm),
            (Method::Get, "http:/a.test/", HeadError::TargetForm),
            (Method::Get, "http://", HeadError::Host(HostError::Empty)),
            (Method::Get, "http:///x", HeadError::Host(HostError::Empty)),
            (Method::Get, "http://u@a.test/", HeadError::Host(HostError::UserInfo)),
            (Method::Get, "http://a.test:x/", HeadError::Host(HostError::Port)),
            (Method::Connect, "/", HeadError::ConnectTarget),
            (Method::Connect, "*", HeadError::ConnectTarget),
            (Method::Connect, "a.test", HeadError::ConnectTarget),
            (Method::Connect, "a.test:", HeadError::ConnectTarget),
            (Method::Connect, "http://a.test:80", HeadError::ConnectTarget),
        ] {
            assert_eq!(name(method, raw), Err(expected), "{method} {raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_itself(name in "\\PC*", value in any::<String>()) {
            let raw = format!("/?{}={}&x", encode(&name), encode(&value));
            let target = Target::parse(&raw).unwrap();
            prop_assert_eq!(&target.query, &[(name, value), ("x".to_owned(), String::new())]);
            prop_assert_eq!(check_characters(raw.as_bytes()), Ok(raw.as_str()));
        }

        #[test]
        fn decoding_encoding_and_decoding_again_is_stable(raw in "/[a-c%2-4&=+?]*") {
            if let Ok(target) = Target::parse(&raw) {
                let again: Vec<String> = target
                    .query
                    .iter()
                    .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
                    .collect();
                let again = Target::parse(&format!("/?{}", again.join("&"))).unwrap();
                prop_assert_eq!(again.query, target.query);
            }
        }

        #[test]
        fn no_text_harms_the_parser(raw in any::<String>()) {
            if let Ok(target) = Target::parse(&raw) {
                prop_assert!(target.path.len() <= raw.len().max(1));
                prop_assert!(target.query.len() <= raw.len());
            }
        }
    }
}
