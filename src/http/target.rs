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

use std::fmt::Write as _;

use super::error::HttpError;
use super::host::Host;
use super::request_line::Method;

/// The path and the query of a target, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path, beginning with `/`. An escaped slash cannot be told from a plain one any more.
    pub path: String,
    /// The pairs of the query in their order; no more than the request line has room for.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// Takes a target in origin-form or absolute-form apart. In the query `+` means a space, as
    /// forms and `URLSearchParams` write it; in the path it means itself.
    ///
    /// # Errors
    /// The rule that the target breaks; answer with its status and its text.
    pub fn parse(raw: &str) -> Result<Self, HttpError> {
        let absolute = split_absolute(raw).map(|(_, behind)| behind);
        let origin = raw.starts_with('/').then_some(raw);
        let rest = origin.or(absolute).ok_or(HttpError::TargetNoPath)?;
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
            .collect::<Result<_, HttpError>>()?;
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
fn decode(text: &str, plus: u8) -> Result<String, HttpError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            b'+' => plus,
            _ => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| HttpError::TargetNotUtf8)
}

fn hex(digit: Option<u8>) -> Result<u8, HttpError> {
    digit
        .and_then(|digit| char::from(digit).to_digit(16))
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(HttpError::TargetEscape)
}

/// Refuses what may not stand in a target, and gives it back as the ASCII text that it then is.
pub(super) fn check_characters(raw: &[u8]) -> Result<&str, HttpError> {
    let mut in_query = false;
    for byte in raw {
        match byte {
            b'#' => return Err(HttpError::TargetFragment),
            b'?' => in_query = true,
            b'/' | b':' | b'@' | b'%' | b'[' | b']' => {}
            // RFC 3986 section 2.3: unreserved, and section 2.2: sub-delims.
            b'-' | b'.' | b'_' | b'~' => {}
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {}
            // Not of RFC 3986, but browsers leave them as they are in a query, where Redis
            // Cluster's {hash tags} come from, and nobody reads them as anything else.
            b'{' | b'}' | b'|' | b'\\' | b'^' | b'`' if in_query => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(HttpError::TargetCharacter),
        }
    }
    str::from_utf8(raw).map_err(|_| HttpError::TargetCharacter)
}

/// The host that the target itself names, after checking that its form is one the method may have.
pub(super) fn authority(method: Method, raw: &str) -> Result<Option<Host<'_>>, HttpError> {
    if method == Method::Connect {
        let host = Host::parse(raw).map_err(|_| HttpError::ConnectTarget)?;
        // RFC 9110 section 9.3.6: there is no default port for a tunnel.
        return if host.port.is_some() { Ok(Some(host)) } else { Err(HttpError::ConnectTarget) };
    }
    if raw.starts_with('/') {
        return Ok(None);
    }
    if raw == "*" {
        let allowed = method == Method::Options;
        return if allowed { Ok(None) } else { Err(HttpError::AsteriskTarget) };
    }
    let (authority, _) = split_absolute(raw).ok_or(HttpError::TargetForm)?;
    Host::parse(authority).map(Some)
}

/// Splits an absolute-form target into its authority and what follows it. RFC 9110 section 7.4: what
/// is asked of `https` is not answered where there is no TLS.
fn split_absolute(raw: &str) -> Option<(&str, &str)> {
    let (scheme, behind) = raw.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    behind.split_at_checked(behind.find(['/', '?']).unwrap_or(behind.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;
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
            ("http://host:8080/a?x=1", "/a", &[("x", "1")]),
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
            ("/%", HttpError::TargetEscape),
            ("/%4", HttpError::TargetEscape),
            ("/%zz", HttpError::TargetEscape),
            ("/%+1", HttpError::TargetEscape),
            ("/% 41", HttpError::TargetEscape),
            ("/%%41", HttpError::TargetEscape),
            ("/?a=%", HttpError::TargetEscape),
            ("/?%4=a", HttpError::TargetEscape),
            ("/?a=%4&1=", HttpError::TargetEscape),
            ("/%ff", HttpError::TargetNotUtf8),
            ("/?a=%C3", HttpError::TargetNotUtf8),
            ("/?a=%ED%A0%80", HttpError::TargetNotUtf8),
            ("/?a=%C0%80", HttpError::TargetNotUtf8),
            ("*", HttpError::TargetNoPath),
            ("host:80", HttpError::TargetNoPath),
            ("", HttpError::TargetNoPath),
            ("ftp://host/", HttpError::TargetNoPath),
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
            ("/{", Some(HttpError::TargetCharacter)),
            ("/|", Some(HttpError::TargetCharacter)),
            ("/\\", Some(HttpError::TargetCharacter)),
            ("/?\"", Some(HttpError::TargetCharacter)),
            ("/?<", Some(HttpError::TargetCharacter)),
            ("/? ", Some(HttpError::TargetCharacter)),
            ("/?é", Some(HttpError::TargetCharacter)),
            ("/?a#b", Some(HttpError::TargetFragment)),
        ] {
            assert_eq!(check_characters(raw.as_bytes()).err(), expected, "{raw}");
        }
    }

    #[test]
    fn s3_2_forms_and_the_methods_that_may_use_them() {
        for (method, raw, expected) in [
            (Method::Get, "/", None),
            (Method::Options, "*", None),
            (Method::Get, "http://a.test:81/x", Some(("a.test", Some(81)))),
            (Method::Get, "http://[::1]?x", Some(("[::1]", None))),
            (Method::Connect, "a.test:443", Some(("a.test", Some(443)))),
        ] {
            let host = authority(method, raw).unwrap().map(|host| (host.name, host.port));
            assert_eq!(host, expected, "{method} {raw}");
        }
        for (method, raw, expected) in [
            (Method::Get, "*", HttpError::AsteriskTarget),
            (Method::Options, "**", HttpError::TargetForm),
            (Method::Get, "a.test:443", HttpError::TargetForm),
            (Method::Get, "ftp://a.test/", HttpError::TargetForm),
            (Method::Get, "https://a.test/", HttpError::TargetForm),
            (Method::Get, "?x", HttpError::TargetForm),
            (Method::Get, "http:/a.test/", HttpError::TargetForm),
            (Method::Get, "http://", HttpError::EmptyHost),
            (Method::Get, "http:///x", HttpError::EmptyHost),
            (Method::Get, "http://u@a.test/", HttpError::HostUserInfo),
            (Method::Get, "http://a.test:x/", HttpError::HostPort),
            (Method::Connect, "/", HttpError::ConnectTarget),
            (Method::Connect, "*", HttpError::ConnectTarget),
            (Method::Connect, "a.test", HttpError::ConnectTarget),
            (Method::Connect, "a.test:", HttpError::ConnectTarget),
            (Method::Connect, "http://a.test:80", HttpError::ConnectTarget),
        ] {
            assert_eq!(authority(method, raw), Err(expected), "{method} {raw}");
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
