//! A request's head and its body, in pieces: the bytes alone decide, never how they were cut.
//!
//! The input is a script. The first byte of its stream chooses the limits (0: the server's own), the
//! rest is what a client sends: a head, its body and what comes behind.
//!
//! * The head ends, or is refused, at one byte. No prefix says more than that it needs more, and
//!   nothing behind that byte changes anything.
//! * What an accepted head says is what stands there, for a reader who only splits text.
//! * Whatever is refused is refused with a status of its own class, and one line for a person.
//! * A body is what a plain decoder makes of it that has all the bytes in hand, and costs as much
//!   memory as has arrived, whatever it declares.
//! * No line is looked at again, once it has ended, before the head ends. A parser that starts anew
//!   with each piece takes quadratic time (CVE-2023-43669).

use barewire::http::body::MAX_EXTRA_BYTES;
use barewire::http::{Body, Framing, Head, HeadLimits, Host, HttpError, Method, Scan};
use barewire::http::{Version, parse};

use super::memory;
use super::plain::{PlainHead, is_a_line, is_text, is_token, latin1, split_field, trimmed};
use super::script::Script;

type Parsed<'a> = Result<Option<(Head<'a>, usize)>, HttpError>;

pub fn fuzz(script: &Script<'_>) {
    let Some((choice, bytes)) = script.stream.split_first() else { return };
    let script = Script { stream: bytes, ..script.clone() };
    let small = usize::from(*choice);
    let limits = match small {
        0 => HeadLimits::default(),
        small => HeadLimits { head_bytes: small, fields: small % 8, request_line_bytes: small / 3 },
    };
    let (parsed, decided) = byte_by_byte(bytes, &limits);
    check_limits(&parsed, decided, bytes, &limits);
    assert_eq!(parse(bytes, &mut Scan::default(), &limits), parsed, "at once");
    let shortest = &bytes[..decided.min(bytes.len())];
    assert_eq!(parse(shortest, &mut Scan::default(), &limits), parsed, "and nothing behind it");
    let mut scan = Scan::default();
    assert_eq!(in_pieces(&script, decided, &mut scan, &limits), parsed, "in pieces");
    match parsed {
        Ok(None) => {}
        Err(error) => {
            check_error(error);
            for more in [bytes, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""] {
                assert_eq!(parse(more, &mut scan, &limits), Err(error), "it stays refused");
            }
        }
        Ok(Some((head, used))) => {
            assert_eq!(used, decided);
            check_head(&head, &bytes[..used]);
            let rest = &bytes[used..];
            let next = parse(rest, &mut Scan::default(), &limits);
            assert_eq!(parse(rest, &mut scan, &limits), next, "the scan is as good as new");
            for max_bytes in [small % 64, usize::MAX] {
                check_body(head.framing, max_bytes, &Script { stream: rest, ..script.clone() });
            }
        }
    }
}

/// What the shortest prefix that decides says, and its length.
fn byte_by_byte<'a>(bytes: &'a [u8], limits: &HeadLimits) -> (Parsed<'a>, usize) {
    let mut scan = Scan::default();
    for end in 0..=bytes.len() {
        let parsed = parse(&bytes[..end], &mut scan, limits);
        if parsed != Ok(None) {
            return (parsed, end);
        }
    }
    (Ok(None), usize::MAX)
}

/// What a caller is told who has the pieces come into one buffer. Here the lines that have ended are
/// overwritten with what no head may have, until the caller has all that decides.
fn in_pieces<'a>(
    script: &Script<'a>,
    decided: usize,
    scan: &mut Scan,
    limits: &HeadLimits,
) -> Parsed<'a> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut ended = 0;
    for piece in script.pieces() {
        let new = buffer.len().saturating_sub(1);
        buffer.extend(piece);
        if buffer.len() >= decided {
            return parse(&script.stream[..buffer.len()], scan, limits);
        }
        assert_eq!(parse(&buffer, scan, limits), Ok(None), "of the first {}", buffer.len());
        if let Some(at) = buffer[new..].windows(2).rposition(|two| two == b"\r\n") {
            buffer[ended..new + at + 2].fill(0);
            ended = new + at + 2;
        }
    }
    Ok(None)
}

/// A limit only ever refuses: what is within all of them is read as if there were none, and what is
/// not is refused at the first byte that a head within them cannot have.
fn check_limits(parsed: &Parsed<'_>, decided: usize, bytes: &[u8], limits: &HeadLimits) {
    let looked_at = decided.min(bytes.len() + 1);
    assert!(looked_at <= limits.head_bytes + 1, "{looked_at} bytes, and it is not decided");
    let none =
        HeadLimits { head_bytes: usize::MAX, fields: usize::MAX, request_line_bytes: usize::MAX };
    let unlimited = parse(bytes, &mut Scan::default(), &none);
    if *parsed == unlimited {
        let Ok(Some((head, used))) = parsed else { return };
        let text = latin1(&bytes[..*used]);
        let line = text.trim_start_matches("\r\n").split("\r\n").next().unwrap();
        assert!(*used <= limits.head_bytes, "{used} bytes");
        assert!(head.fields.iter().count() <= limits.fields, "{head:?}");
        assert!(line.len() <= limits.request_line_bytes, "{line}");
        return;
    }
    match parsed {
        Err(HttpError::HeadTooLong) => assert_eq!(decided, limits.head_bytes + 1),
        Err(HttpError::TooManyFields) => {
            let lines = bytes[..decided].windows(2).filter(|two| *two == b"\r\n").count();
            assert!(lines > limits.fields + 1);
        }
        Err(HttpError::RequestLineTooLong | HttpError::UnknownMethod) => {
            assert!(decided > limits.request_line_bytes.min(limits.head_bytes));
        }
        other => panic!("{other:?} within {limits:?}, but {unlimited:?} without"),
    }
}

fn check_head(head: &Head<'_>, bytes: &[u8]) {
    let text = latin1(bytes);
    let plain = PlainHead::of(&text).expect("a head");
    let empty_bytes = text.len() - text.trim_start_matches("\r\n").len();
    assert!(empty_bytes <= 4, "two empty lines before it at the most");

    assert_eq!((&*head.method.to_string(), head.target), (plain.method, plain.target));
    assert!(head.target.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>".contains(&b)));
    let minor = plain.version.strip_prefix("HTTP/1.").unwrap();
    assert!(minor.len() == 1 && minor.as_bytes()[0].is_ascii_digit(), "{plain:?}");
    let version = if minor == "0" { Version::Http10 } else { Version::Http11 };
    assert_eq!(head.version, version);
    // RFC 9110 section 2.5: as the highest that is known.
    assert_eq!(head.version.to_string(), plain.version.min("HTTP/1.1"));

    let read: Vec<_> = head.fields.iter().map(|(n, v)| (latin1(n), latin1(v))).collect();
    assert!(read.iter().map(|(n, v)| (&**n, &**v)).eq(plain.fields.iter().copied()), "{head:?}");
    assert!(plain.fields.iter().all(|(_, value)| is_text(value)), "{head:?}");

    let hosts = plain.values("host");
    assert!(hosts.len() <= 1 && (hosts.len() == 1 || version == Version::Http10), "{head:?}");
    let absolute = head.target.split_once("://").filter(|_| !head.target.starts_with('/'));
    let named = match (head.method, absolute) {
        (Method::Connect, _) => Some(head.target),
        (_, Some((_, behind))) => behind.split(['/', '?']).next(),
        (_, None) => hosts.first().copied(),
    };
    assert_eq!(head.host, named.map(|host| Host::parse(host).unwrap()));

    let closes = plain.elements("connection").iter().any(|option| option == "close");
    assert_eq!(head.keep_alive, version == Version::Http11 && !closes, "{head:?}");
    let codings = plain.elements("transfer-encoding");
    let framing = match (&plain.values("content-length")[..], &codings[..]) {
        ([], []) => Framing::Length(0),
        ([length], []) if !length.starts_with('+') => Framing::Length(length.parse().unwrap()),
        ([], [coding]) if coding == "chunked" && version == Version::Http11 => Framing::Chunked,
        other => panic!("a length that two could read differently: {other:?}"),
    };
    assert_eq!(head.framing, framing);
    let mut expected = plain.elements("expect");
    expected.retain(|element| !element.is_empty());
    assert!(expected.iter().all(|element| element == "100-continue"), "{head:?}");
    let waits = !expected.is_empty() && version == Version::Http11;
    assert_eq!(head.expects_continue, waits && framing != Framing::Length(0), "{head:?}");
}

/// RFC 9112 section 4 and RFC 9110 section 15: an answer that can be sent, whatever was asked.
pub fn check_error(error: HttpError) {
    let (status, text) = (error.status(), error.to_string());
    assert!(matches!(status.code(), 400..=599), "{status}");
    assert_eq!(status.to_string(), format!("{} {}", status.code(), status.reason()));
    assert!(is_a_line(&text) && text.is_ascii() && text.len() <= 80, "{text}");
    // There is no room in it for anything that was sent.
    assert_eq!(size_of_val(&error), 1);
}

// ---- Bodies ----

fn check_body(framing: Framing, max_bytes: usize, script: &Script<'_>) {
    let bytes = script.stream;
    // What a vector may have while it grows, and something for whatever else the process does.
    let most = 4 * bytes.len() + (64 << 10);
    let received = memory::at_most(most, "a body", || collect(framing, max_bytes, [bytes]));
    let pieces = script.pieces();
    let in_pieces = memory::at_most(most, "a body", || collect(framing, max_bytes, pieces));
    assert_eq!(in_pieces, received, "in pieces");
    if let Err(error) = received {
        check_error(error);
    }
    match (decode(framing, max_bytes, bytes), &received) {
        (Ok(Some(whole)), Ok((content, taken, true))) => {
            assert_eq!((&whole.0, whole.1), (content, *taken));
        }
        (Ok(None), Ok((_, taken, false))) => assert_eq!(*taken, bytes.len()),
        // A line may be too long before it ends.
        (
            Ok(None),
            Err(HttpError::ChunkSize | HttpError::ExtensionsTooLong | HttpError::TrailersTooLong),
        ) => {}
        (Err(Wrong), Err(_)) => {}
        (model, _) => panic!("{model:?} is {received:?}"),
    }
}

/// What is collected: the content, how many bytes were taken, and whether that is all.
fn collect<'a>(
    framing: Framing,
    max_bytes: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, usize, bool), HttpError> {
    let mut body = Body::new(framing, max_bytes)?;
    let mut taken = 0;
    for piece in pieces {
        let received = body.receive(piece);
        if received.is_err() {
            assert_eq!(body.receive(b"0\r\n\r\n"), received, "it stays refused");
        }
        let (all, is_complete) = received?;
        assert!(is_complete || all == piece.len(), "{all} bytes of {}", piece.len());
        taken += all;
    }
    let (_, is_complete) = body.receive(b"")?;
    Ok((body.into_bytes(), taken, is_complete))
}

/// No continuation makes a body of it.
#[derive(Debug)]
pub struct Wrong;

/// RFC 9112 section 7.1.3 over bytes that are all there: the content and how many bytes it took;
/// `None` if the end is missing.
pub fn decode(
    framing: Framing,
    max_bytes: usize,
    bytes: &[u8],
) -> Result<Option<(Vec<u8>, usize)>, Wrong> {
    if let Framing::Length(length) = framing {
        let length = usize::try_from(length).ok().filter(|length| *length <= max_bytes);
        let length = length.ok_or(Wrong)?;
        return Ok(bytes.get(..length).map(|content| (content.to_vec(), length)));
    }
    let mut rest = bytes;
    let mut content = Vec::new();
    let (mut extension_bytes, mut trailer_bytes) = (0, 0);
    loop {
        let Some(line) = read_line(&mut rest)? else { return Ok(None) };
        let (digits, extensions) = line.split_at(line.find(';').unwrap_or(line.len()));
        // One character was one byte.
        extension_bytes += extensions.chars().count();
        let is_size = (1..=16).contains(&digits.len())
            && digits.chars().all(|c| c.is_ascii_hexdigit())
            && are_extensions(extensions)
            && extension_bytes <= MAX_EXTRA_BYTES;
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| is_size).ok_or(Wrong)?;
        if size > max_bytes - content.len() {
            return Err(Wrong);
        }
        if size == 0 {
            break;
        }
        let Some((data, behind)) = rest.split_at_checked(size) else { return Ok(None) };
        content.extend(data);
        rest = match behind {
            [b'\r', b'\n', behind @ ..] => behind,
            [] | [b'\r'] => return Ok(None),
            _ => return Err(Wrong),
        };
    }
    loop {
        let Some(line) = read_line(&mut rest)? else { return Ok(None) };
        if line.is_empty() {
            return Ok(Some((content, bytes.len() - rest.len())));
        }
        trailer_bytes += line.chars().count();
        if split_field(&line).is_none() || trailer_bytes > MAX_EXTRA_BYTES {
            return Err(Wrong);
        }
    }
}

/// Everything to the next CR LF, which must be text.
fn read_line(rest: &mut &[u8]) -> Result<Option<String>, Wrong> {
    let end = rest.windows(2).position(|two| two == b"\r\n");
    let line = latin1(&rest[..end.unwrap_or(rest.len())]);
    let begun = if end.is_none() { line.strip_suffix('\r').unwrap_or(&line) } else { &line };
    if !is_text(begun) {
        return Err(Wrong);
    }
    let Some(end) = end else { return Ok(None) };
    *rest = &rest[end + 2..];
    Ok(Some(line))
}

/// RFC 9112 section 7.1.1, for a text that begins with `;` or is empty.
fn are_extensions(text: &str) -> bool {
    // What is quoted may hold anything, so first each quoted string becomes one `"`.
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.push(char);
        let mut is_open = char == '"';
        while is_open {
            match chars.next() {
                Some('"') => is_open = false,
                Some('\\') if chars.next().is_some() => {}
                Some('\\') | None => return false,
                Some(_) => {}
            }
        }
    }
    let is_extension = |piece: &str| match piece.split_once('=') {
        Some((name, value)) => {
            let value = trimmed(value);
            is_token(trimmed(name)) && (is_token(value) || value == "\"")
        }
        None => is_token(trimmed(piece)),
    };
    plain.split(';').skip(1).all(is_extension) && !plain.ends_with([' ', '\t'])
}
