//! A 101 answers only a request that has every part of a handshake, and says only what it must.
//!
//! The input is one byte that says whether compression may be agreed on, and the head of a request. A
//! connection is given the head and no more; whoever waits for channels is let in. What comes out is
//! held against the head as somebody reads it who only splits text. What is wrong with a head is what
//! the answer says, and all that it says.

use std::rc::Rc;
use std::time::Duration;

use barewire::conn::{Conn, Event};
use barewire::http::{HeadLimits, HttpError, Response, Scan, Status, Target, parse};
use barewire::now::Now;
use barewire::site::{Entrance, Site};
use tungstenite::handshake::derive_accept_key;

use super::plain::{PlainHead, latin1, trimmed};

/// The example of RFC 6455 section 1.2, on a path of this server.
const RIGHT: &[u8] = b"GET /echo HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

pub fn fuzz(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let compress = choice & 1 == 1;
    let Some(begin) = bytes.iter().position(|byte| !b"\r\n".contains(byte)) else { return };
    let Some(end) = bytes[begin..].windows(4).position(|four| four == b"\r\n\r\n") else { return };
    let bytes = &bytes[..begin + end + 4];

    let now = Now { since_start: Duration::ZERO, unix: Duration::ZERO };
    let site = Site { deflate: compress, ..Site::default() };
    let mut conn = Conn::new(Rc::new(site), Entrance::LOOPBACK, now);
    conn.receive(&mut bytes.to_vec(), now);
    match conn.poll_event() {
        Some(Event::Wants(_)) => {
            assert!(conn.output().is_empty(), "nothing is said before the channels are there");
            conn.admit(now);
        }
        Some(Event::Asks(_) | Event::Publish { .. }) => {
            conn.answer(&Response::text(Status::Ok, ""), now);
        }
        None => {}
    }
    let output = latin1(conn.output());
    assert_says_what_is_wrong(bytes, &output);

    let text = latin1(bytes);
    let expected = PlainHead::of(&text).and_then(|head| answer(&head, compress));
    if output.starts_with("HTTP/1.1 101") {
        assert_eq!(Some(&output), expected.as_ref(), "answers {text}");
        return;
    }
    if let Some(expected) = expected {
        assert_refused_with_reason(bytes, &expected);
    }
    assert!(!output.contains("HTTP/1.1 101") && !output.contains("Sec-WebSocket-Accept"));
    // What comes behind an answer is another request, but not behind a refusal: RFC 6455 section
    // 4.2.2 has that connection end.
    let Some(status) = output.get(9..12) else { return };
    let goes_on = status == "200" && !output.contains("\r\nConnection: close\r\n");
    conn.receive(&mut RIGHT.to_vec(), now);
    let more = &conn.output()[output.len()..];
    if status != "100" {
        assert_eq!(more.starts_with(b"HTTP/1.1 101"), goes_on, "behind {output}");
        assert!(goes_on || more.is_empty(), "behind {output}");
    }
}

/// RFC 6455 section 4.2, as plainly as can be: the whole answer to a head that has every part.
fn answer(head: &PlainHead<'_>, compress: bool) -> Option<String> {
    let has = |name: &str, token: &str| head.elements(name).iter().any(|found| found == token);
    let is_right = head.method == "GET"
        && head.version > "HTTP/1.0"
        && head.values("host").len() == 1
        && has("upgrade", "websocket")
        && has("connection", "upgrade")
        && head.values("sec-websocket-version") == ["13"]
        && head.values("transfer-encoding").is_empty()
        && head.values("content-length").iter().all(|length| length.bytes().all(|b| b == b'0'))
        && head.values("origin").iter().all(|origin| is_own(origin, head));
    let [key] = head.values("sec-websocket-key")[..] else { return None };
    if !is_right || !is_base64(key) {
        return None;
    }
    let accept = derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    let extensions = head.values("sec-websocket-extensions");
    let mut offers = extensions.iter().flat_map(|line| line.split(','));
    if let Some(agreed) = offers.find_map(agreed).filter(|_| compress) {
        answer += &format!("Sec-WebSocket-Extensions: {agreed}\r\n");
    }
    Some(answer + "\r\n")
}

/// RFC 4648 section 4, whatever the bits in its padding are.
fn is_base64(key: &str) -> bool {
    let digits = key.trim_end_matches('=');
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/".contains(c);
    !digits.is_empty()
        && digits.chars().all(is_digit)
        && key.len().is_multiple_of(4)
        && key.len() - digits.len() <= 2
}

/// Whether a page of this origin is this server's own, on this machine. A target that names a host
/// counts more than Host does (RFC 9112 section 3.2.2).
fn is_own(origin: &str, head: &PlainHead<'_>) -> bool {
    let origin = origin.split_once("://").map_or("", |(_, host)| host).to_ascii_lowercase();
    let absolute = head.target.split_once("://").filter(|_| !head.target.starts_with('/'));
    let field = head.values("host")[0];
    let host = absolute.map_or(field, |(_, host)| host).to_ascii_lowercase();
    let own = ["localhost", "127.0.0.1", "[::1]"];
    own.iter().any(|name| origin.starts_with(name) && host.starts_with(name))
}

/// RFC 7692 section 7.1: the answer to an offer, if it is acceptable.
fn agreed(offer: &str) -> Option<String> {
    let mut pieces = offer.split(';').map(trimmed);
    if pieces.next() != Some("permessage-deflate") {
        return None;
    }
    let mut agreed =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    let mut names = Vec::new();
    for piece in pieces {
        let (name, value) = piece.split_once('=').unzip();
        let name = trimmed(name.unwrap_or(piece));
        let bits = |least: u8| {
            let value = trimmed(value?).trim_matches('"').replace('\\', "");
            (least..=15).find(|bits| bits.to_string() == value)
        };
        match name {
            _ if names.contains(&name) => return None,
            "server_no_context_takeover" | "client_no_context_takeover" if value.is_none() => {}
            "client_max_window_bits" if value.is_none() || bits(8).is_some() => {}
            // zlib has no smaller window than one of 9 bits.
            "server_max_window_bits" => {
                agreed += &format!("; server_max_window_bits={}", bits(9)?);
            }
            _ => return None,
        }
        names.push(name);
    }
    Some(agreed)
}

/// RFC 9110 section 15.5: what is refused by its head alone is told so, with a text unless it asks for
/// none, and no byte of it comes back.
fn assert_says_what_is_wrong(bytes: &[u8], output: &str) {
    let parsed = parse(bytes, &mut Scan::default(), &HeadLimits::default());
    let wrong = match parsed {
        Ok(Some((head, _))) => Target::parse(head.target).err(),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    // What names no path is told which methods there are.
    let Some(error) = wrong.filter(|error| *error != HttpError::TargetNoPath) else { return };
    assert!(output.starts_with(&format!("HTTP/1.1 {}\r\nDate: ", error.status())), "{output}");
    let (_, body) = output.split_once("\r\n\r\n").expect("a head");
    // RFC 9112 section 2.2: two empty lines may stand before it, and nothing else.
    let asks_for_none = [&b"HEAD "[..], b"\r\nHEAD ", b"\r\n\r\nHEAD "];
    let asks_for_none = asks_for_none.iter().any(|begins| bytes.starts_with(begins));
    let text = if asks_for_none { String::new() } else { format!("{error}\n") };
    assert_eq!(body, text, "to {}", latin1(bytes));
}

/// A head that has every part is answered 101, but for what has nothing to do with the handshake.
fn assert_refused_with_reason(bytes: &[u8], expected: &str) {
    let Ok(Some((head, _))) = parse(bytes, &mut Scan::default(), &HeadLimits::default()) else {
        return;
    };
    let is_plain = head.fields.lines("Origin").chain(head.fields.lines("Sec-WebSocket-Extensions"));
    if head.target == "/echo" && is_plain.count() == 0 {
        panic!("{head:?} should be answered {expected}");
    }
}
