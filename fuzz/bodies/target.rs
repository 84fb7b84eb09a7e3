//! Targets, hosts and origins: each is taken apart in one way only, and decoded once.
//!
//! The input is a text, which is read as a target, as a host and as an origin, and is also put into
//! each of them. Where a proxy and a server decode differently, or as often as it takes, is where the
//! rules of the one are walked around.

use barewire::http::{HeadLimits, Host, Scan, Target, encode, parse, split_origin};
use barewire::origin::Origin;

use super::request_head::check_error;

pub fn fuzz(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    check_target(text);
    check_host(text);
    check_origin(text);
}

fn check_target(raw: &str) {
    let target = Target::parse(raw).map_err(check_error).ok();
    assert_eq!(target, split(raw), "{raw}");
    if raw.starts_with('/') {
        let absolute = Target::parse(&format!("HTTP://[::1]:80{raw}")).ok();
        assert_eq!(absolute, target, "in absolute-form");
    }

    // What somebody has encoded is decoded to itself, once, whatever it looks like.
    let encoded = encode(raw);
    assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
    let held = Target::parse(&format!("/?q={encoded}&r")).unwrap();
    assert!(held.query_values("q").eq([raw]) && held.query_values("r").eq([""]), "{held:?}");

    let Some(target) = target else { return };
    assert!(target.path.starts_with('/'), "{target:?}");
    let pairs = target.query.iter().map(|(name, value)| encode(name) + "=" + &encode(value));
    let again = format!("/{}?{}", encode(&target.path[1..]), pairs.collect::<Vec<_>>().join("&"));
    assert_eq!(Target::parse(&again), Ok(target), "what is encoded again is the same again");
    check_in_a_head(&again, true);
    // With white space in it, it would be more than a target.
    if raw.bytes().all(|byte| byte.is_ascii_graphic()) {
        check_in_a_head(raw, false);
    }
}

/// The head's parser takes what is encoded, and passes on what it takes as it is.
fn check_in_a_head(raw: &str, must: bool) {
    let bytes = format!("GET {raw} HTTP/1.1\r\nHost: field\r\n\r\n");
    let limits = HeadLimits { head_bytes: usize::MAX, request_line_bytes: usize::MAX, fields: 1 };
    match parse(bytes.as_bytes(), &mut Scan::default(), &limits) {
        Ok(Some((head, used))) => {
            assert_eq!((head.target, used), (raw, bytes.len()));
            assert!(!raw.contains(['#', '"', '<', '>']) && raw.is_ascii(), "{raw}");
            let host = if raw.starts_with('/') { "field" } else { authority(raw) };
            assert_eq!(head.host, Some(Host::parse(host).unwrap()), "the target's counts");
        }
        Ok(None) => panic!("{raw} ends no head"),
        Err(error) => {
            check_error(error);
            assert!(!must, "{raw} is {error:?}");
        }
    }
}

fn authority(raw: &str) -> &str {
    raw.split_once("://").unwrap().1.split(['/', '?']).next().unwrap()
}

/// RFC 9112 section 3.2 and RFC 3986 section 2.1, by splitting and nothing else.
fn split(raw: &str) -> Option<Target> {
    let rest = match raw.split_once("://") {
        _ if raw.starts_with('/') => raw,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => {
            &raw[scheme.len() + 3 + authority(raw).len()..]
        }
        _ => return None,
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(&name.replace('+', "%20"))?, decode(&value.replace('+', "%20"))?))
    });
    let path = if path.is_empty() { "/".to_owned() } else { decode(path)? };
    Some(Target { path, query: pairs.collect::<Option<_>>()? })
}

fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%').map(str::as_bytes);
    let mut bytes = parts.next()?.to_vec();
    for part in parts {
        let (digits, behind) = part.split_at_checked(2)?;
        let value = digits.iter().map(|digit| char::from(*digit).to_digit(16));
        let value = value.reduce(|high, low| Some(high? * 16 + low?))??;
        bytes.push(u8::try_from(value).unwrap());
        bytes.extend(behind);
    }
    String::from_utf8(bytes).ok()
}

fn check_host(text: &str) {
    let Ok(host) = Host::parse(text) else { return };
    let behind = text.strip_prefix(host.name).expect("the name stands first");
    let again = match host.port {
        None => {
            assert!(behind.is_empty() || behind == ":", "{text}");
            host.name.to_owned()
        }
        Some(port) => {
            let digits = behind.strip_prefix(':').expect("a colon stands before the port");
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
            assert_eq!(digits.parse(), Ok(u32::from(port)));
            format!("{}:{port}", host.name)
        }
    };
    assert_eq!(Host::parse(&again), Ok(host));

    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_address = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
    match host.name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => {
            assert!(address.contains(':') && address.chars().all(is_address), "{text}")
        }
        None => assert!(!host.name.is_empty() && host.name.chars().all(is_plain), "{text}"),
    }
    let loopback = ["localhost", "127.0.0.1", "[::1]"];
    assert_eq!(host.is_loopback_name(), loopback.contains(&&*host.name.to_ascii_lowercase()));

    assert_eq!(split_origin(&format!("x-0+.://{text}")), Some(("x-0+.", host)));
    assert_eq!(split_origin(&format!("{text}://h")).is_some(), is_scheme(text));
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_part)
}

fn check_origin(text: &str) {
    let split = split_origin(text);
    let parts = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let expected = parts.and_then(|(scheme, host)| Some((scheme, Host::parse(host).ok()?)));
    assert_eq!(split, expected, "{text}");
    let origin = Origin::parse(text);
    assert_eq!(origin.is_some(), split.is_some(), "{text}");
    if let Some(origin) = origin {
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin), "{text}");
    }
}
