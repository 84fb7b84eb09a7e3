//! What of a request's head may stand in a log, which more people read than may know its secrets.
//!
//! What to notice:
//! * What is shown is named, and all else is hidden: a list of secrets would never be complete. Pages
//!   cannot set fields, so their tokens stand in the query, and of that only `channel` is shown.
//! * What is hidden is replaced by something that the same rules allow, so that the head means what it
//!   meant, or breaks the rule that it broke, when it is sent again.
//! * A head that breaks a rule has fields as well: what is no head is hidden line by line.

/// The fields whose values are shown.
const SHOWN: [&str; 10] = [
    "Host",
    "Connection",
    "Upgrade",
    "Origin",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
];

/// Stands for the value of a field: any bytes above ASCII may (RFC 9110 section 5.5).
pub(super) const HIDDEN: &str = "…";

/// Stands for a part of a target, which is ASCII.
const HIDDEN_IN_TARGET: &[u8] = b"***";

/// The value of a field as it is shown.
pub(super) fn value<'a>(name: &[u8], value: &'a [u8]) -> &'a [u8] {
    let is_shown = SHOWN.iter().any(|shown| name.eq_ignore_ascii_case(shown.as_bytes()));
    if is_shown { value } else { HIDDEN.as_bytes() }
}

/// A target without what may be a secret: a user's name and password, and the values of a query.
pub(super) fn target(target: &[u8]) -> Vec<u8> {
    let (rest, query) = split(target, |byte| *byte != b'?');
    let (scheme, host) = split(rest, |byte| *byte != b'/');
    let (user, host_alone) = split(host, |byte| *byte != b'@');
    let has_user = scheme.ends_with(b":") && !host_alone.is_empty() && user.starts_with(b"//");
    let mut shown = if has_user {
        [scheme, b"//", HIDDEN_IN_TARGET, host_alone].concat()
    } else {
        rest.to_vec()
    };
    for part in query.split_inclusive(|byte| matches!(byte, b'?' | b'&')) {
        let (name, value) = split(part, |byte| *byte != b'=');
        let (value, end) = split(value, |byte| !matches!(byte, b'?' | b'&'));
        shown.extend(name);
        match value {
            [] => {}
            value if name == b"channel" => shown.extend(value),
            _ => shown.extend([b"=", HIDDEN_IN_TARGET].concat()),
        }
        shown.extend(end);
    }
    shown
}

/// Bytes that were to be a head, and are none, or not yet.
pub(super) fn head(bytes: &[u8]) -> Vec<u8> {
    let (mut shown, mut is_first) = (Vec::new(), true);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        // RFC 9112 section 2.2: empty lines may stand before it.
        is_first &= !matches!(shown.last(), Some(b'\n')) || shown.trim_ascii().is_empty();
        shown.extend(if is_first { request_line(line) } else { field_line(line) });
    }
    // The byte that breaks a rule is the last, and where it does it is no letter and no digit.
    let last = bytes.last().filter(|byte| !byte.is_ascii_alphanumeric());
    shown.extend(last.filter(|last| shown.last() != Some(last)));
    shown
}

fn request_line(line: &[u8]) -> Vec<u8> {
    let words: Vec<_> = line.split(|byte| *byte == b' ').map(target).collect();
    words.join(&b' ')
}

/// Keeps what a rule could be about: the name, the colon, what stands between, and how the line ends.
fn field_line(line: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let (text, end) = split(line, |byte| !is_end(byte));
    let (name, behind) = split(text, is_name);
    let (space, behind) = split(behind, |byte| matches!(byte, b' ' | b'\t'));
    let Some((b':', content)) = behind.split_first().map(|(first, rest)| (*first, rest)) else {
        let hidden = match behind {
            [] => String::new(),
            _ if behind.contains(&b':') => format!("{HIDDEN}: {HIDDEN}"),
            _ => HIDDEN.to_owned(),
        };
        return [name, space, hidden.as_bytes(), end].concat();
    };
    let shown = value(name, content);
    let hidden = [b" ", HIDDEN.as_bytes()].concat();
    let shown = if shown == HIDDEN.as_bytes() { &hidden } else { shown };
    [name, space, b":", shown, end].concat()
}

fn split(bytes: &[u8], is_in: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !is_in(byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_query_only_the_channel_is_shown() {
        for (written, shown) in [
            ("/", "/"),
            ("/?", "/?"),
            ("/?channel=ruby&channel=a%20b", "/?channel=ruby&channel=a%20b"),
            ("/?token=SECRET&channel=ruby&x", "/?token=***&channel=ruby&x"),
            ("/echo?access_token=a=b&c", "/echo?access_token=***&c"),
            ("http://u:p@h/?k=v", "http://***@h/?k=***"),
            ("http://h/x", "http://h/x"),
            ("h:443", "h:443"),
        ] {
            assert_eq!(String::from_utf8(target(written.as_bytes())).unwrap(), shown);
        }
    }

    #[test]
    fn what_is_no_head_shows_what_a_rule_could_be_about() {
        for (written, shown) in [
            ("GET /?t=S HTTP/1.1\r\nCookie: S\r\n", "GET /?t=*** HTTP/1.1\r\nCookie: …\r\n"),
            ("GET / HTTP/1.1\r\nCookie : S\r\n", "GET / HTTP/1.1\r\nCookie : …\r\n"),
            ("GET / HTTP/1.1\r\nAUTHORIZATION S\r\n", "GET / HTTP/1.1\r\nAUTHORIZATION …\r\n"),
            ("GET / HTTP/1.1\r\n: S\r\n S\r\n", "GET / HTTP/1.1\r\n: …\r\n …\r\n"),
            ("GET / HTTP/1.1\r\nHost: a\r\nAuth", "GET / HTTP/1.1\r\nHost: a\r\nAuth"),
            ("GET / HTTP/1.1\r\nX(: S\n", "GET / HTTP/1.1\r\nX…: …\n"),
            ("GET / HTTP/1.1\r\nBad Name: S\r\n", "GET / HTTP/1.1\r\nBad …: …\r\n"),
            ("GET /?t=S", "GET /?t=***"),
            ("GET /?t=S\0", "GET /?t=***\0"),
            ("GET / HTTP/1.1\r\nCookie: S\x01", "GET / HTTP/1.1\r\nCookie: …\x01"),
        ] {
            assert_eq!(String::from_utf8(head(written.as_bytes())).unwrap(), shown);
        }
        assert_eq!(head(b"GET /\xff?t=S HTTP/1.1\r\n"), b"GET /\xff?t=*** HTTP/1.1\r\n");
    }
}
