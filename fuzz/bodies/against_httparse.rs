//! What is read here and what `httparse` reads in the same bytes: the same, or it is said why not.
//!
//! The input is read twice, as a head and as a body in chunks. What two parsers read differently is
//! where requests are smuggled, so whatever is accepted here is read alike there. More may be refused
//! here: [`strictness`] and [`explains`] have those rules, each with its section, and for what
//! `httparse` has accepted, its own reading must show the reason.
//!
//! The one exception is HTTP/1.2 to 1.9, which are 1.1 here (RFC 9110 section 2.5) and nothing to
//! `httparse`. It is given the same bytes with a 1 in that place.

use barewire::http::body::MAX_EXTRA_BYTES;
use barewire::http::{Body, Framing, Head, HeadLimits, HttpError, Scan, Version, parse};
use httparse::{EMPTY_HEADER, Request, Status, parse_chunk_size, parse_headers};

use super::plain::latin1;

/// Room for the fields that `httparse` reads: more than the hundred that are read here.
const FIELDS: usize = 128;

const MAX_BODY_BYTES: usize = 1000;

pub fn fuzz(input: &[u8]) {
    compare_heads(input);
    compare_chunks(input);
}

// ---- Heads ----

fn compare_heads(bytes: &[u8]) {
    let limits = HeadLimits::default();
    let ours = parse(bytes, &mut Scan::default(), &limits);
    let as_1_1 = as_http_1_1(bytes);
    let mut space = [EMPTY_HEADER; FIELDS];
    let mut theirs = Request::new(&mut space);
    match (ours, theirs.parse(&as_1_1)) {
        (Ok(Some((head, used))), Ok(Status::Complete(length))) => {
            assert_eq!(used, length);
            assert_same(&head, &theirs);
        }
        // They judge a line as it comes, and the server when it has ended.
        (Ok(None), Ok(Status::Partial) | Err(_)) | (Err(_), Err(_)) => {}
        (Err(error), Ok(status)) => {
            let Some(shows) = strictness(error) else {
                panic!("{error:?}, which httparse has as well, but here it reads {theirs:?}");
            };
            if let Status::Complete(length) = status {
                let read = Read { request: &theirs, bytes: &bytes[..length], limits };
                assert!(shows(&read), "{error:?} does not show in {theirs:?}");
            }
        }
        (ours, theirs) => panic!("{ours:?} here, and for httparse {theirs:?}"),
    }
}

fn assert_same(head: &Head<'_>, theirs: &Request<'_, '_>) {
    assert_eq!(theirs.method, Some(&*head.method.to_string()));
    assert_eq!(theirs.path, Some(head.target));
    assert_eq!(theirs.version, Some(u8::from(head.version == Version::Http11)));
    let fields = theirs.headers.iter().map(|field| (field.name.as_bytes(), field.value));
    assert!(fields.eq(head.fields.iter()), "{head:?} here, and for httparse {theirs:?}");
}

/// The same head, as if it said HTTP/1.1 where it says 1.2 to 1.9.
fn as_http_1_1(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let begin = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(0);
    if let Some(length) = bytes[begin..].iter().position(|byte| *byte == b'\r')
        && let [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] =
            &mut bytes[begin..begin + length]
    {
        *minor = b'1';
    }
    bytes
}

/// What `httparse` has read.
struct Read<'a> {
    request: &'a Request<'a, 'a>,
    bytes: &'a [u8],
    limits: HeadLimits,
}

impl Read<'_> {
    fn path(&self) -> &str {
        self.request.path.unwrap()
    }

    fn is(&self, method: &str) -> bool {
        self.request.method == Some(method)
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    }

    /// Whether something is so of a host: of Host, or of the one that the target names.
    fn has_host(&self, is_so: impl Fn(&[u8]) -> bool) -> bool {
        let target = self.path().split_once("://").map(|(_, behind)| behind);
        let named = target.and_then(|behind| behind.split(['/', '?']).next());
        self.values("host").into_iter().chain(named.map(str::as_bytes)).any(is_so)
    }
}

/// How a rule shows in what `httparse` has accepted; `None`, if it accepts nothing that breaks it.
#[allow(clippy::too_many_lines, reason = "it is one table")]
fn strictness(error: HttpError) -> Option<fn(&Read<'_>) -> bool> {
    use HttpError as E;
    Some(match error {
        // RFC 9112 section 2.2: that a LF alone ends a line, and how many empty lines may stand
        // before the first one, is left to the server.
        E::BareLf => |read| has_bare_lf(read.bytes),
        E::EmptyLines => |read| read.bytes.starts_with(b"\r\n\r\n\r\n"),
        // Section 3 and RFC 6585 section 5: limits.
        E::RequestLineTooLong => |read| read.bytes.len() > read.limits.request_line_bytes,
        E::HeadTooLong => |read| read.bytes.len() > read.limits.head_bytes,
        E::TooManyFields => |read| read.request.headers.len() > read.limits.fields,
        // RFC 9110 section 9.1: the methods that are known.
        E::UnknownMethod => |read| {
            let known =
                ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
            !known.iter().any(|method| read.is(method))
        },
        // RFC 3986 sections 2 and 3.4: the characters of a target.
        E::TargetCharacter => |read| {
            let before_query = read.path().split('?').next().unwrap();
            let is_odd = |c: char| !c.is_ascii() || "\"<>".contains(c);
            read.path().contains(is_odd) || before_query.contains(['{', '}', '|', '\\', '^', '`'])
        },
        E::TargetFragment => |read| read.path().contains('#'),
        // RFC 9112 section 3.2: the forms of a target, and which method has which.
        E::TargetForm => |read| {
            let scheme = read.path().get(..7).unwrap_or("");
            !read.path().starts_with('/') && !scheme.eq_ignore_ascii_case("http://")
        },
        E::ConnectTarget => |read| read.is("CONNECT"),
        E::AsteriskTarget => |read| read.path() == "*" && !read.is("OPTIONS"),
        // Section 3.2: Host, once, in every request of HTTP/1.1.
        E::MissingHost => |read| read.request.version == Some(1) && read.values("host").is_empty(),
        E::RepeatedHost => |read| read.values("host").len() > 1,
        // RFC 3986 section 3.2: what a host is, and a port.
        E::EmptyHost => |read| read.has_host(|host| host.is_empty() || host.starts_with(b":")),
        E::HostUserInfo => |read| read.has_host(|host| host.contains(&b'@')),
        E::HostCharacter => |read| {
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            let name = |host: &[u8]| host.split(|byte| *byte == b':').next().unwrap().to_vec();
            read.has_host(|host| !name(host).iter().all(is_plain) || !host.is_ascii())
        },
        E::HostIpv6 => |read| read.has_host(|host| host.starts_with(b"[")),
        E::HostPort => |read| {
            read.has_host(|host| {
                let text = latin1(host);
                let is_port = |port: &str| {
                    port.len() <= 5
                        && port.bytes().all(|byte| byte.is_ascii_digit())
                        && (port.is_empty() || port.parse::<u16>().is_ok())
                };
                text.starts_with('[') || text.split_once(':').is_some_and(|(_, p)| !is_port(p))
            })
        },
        // RFC 9112 sections 6.1 to 6.3 and RFC 9110 section 8.6: where the body ends.
        E::RepeatedLength => |read| read.values("content-length").len() > 1,
        E::Length => |read| {
            let is_length =
                |value: &&[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            !read.values("content-length").iter().all(is_length)
        },
        E::LengthTooLarge => {
            |read| read.values("content-length").iter().any(|value| value.len() >= 20)
        }
        E::LengthAndEncoding => |read| {
            ["content-length", "transfer-encoding"].iter().all(|n| !read.values(n).is_empty())
        },
        E::EncodingInHttp10 => {
            |read| read.request.version == Some(0) && !read.values("transfer-encoding").is_empty()
        }
        E::Encoding | E::UnknownCoding | E::ChunkedNotLast | E::ChunkedTwice => {
            |read| match read.values("transfer-encoding")[..] {
                [] => false,
                [coding] => !coding.eq_ignore_ascii_case(b"chunked"),
                [..] => true,
            }
        }
        // RFC 9110 section 10.1.1.
        E::Expectation => |read| {
            let expected = read.values("expect");
            expected.iter().any(|value| !value.eq_ignore_ascii_case(b"100-continue"))
        },
        // RFC 9112 sections 2.2, 2.3, 3 and 5: the grammar of lines, which is the same to both.
        E::BareCr | E::Control | E::NotHttp | E::MissingVersion | E::RequestLineSpaces => {
            return None;
        }
        E::Method | E::Version | E::UnsupportedVersion => return None,
        E::LeadingWhitespace | E::ObsFold | E::MissingColon | E::SpaceBeforeColon => return None,
        E::EmptyName | E::FieldName => return None,
        // What the path says is read later, and the body behind the head.
        E::TargetNoPath | E::TargetEscape | E::TargetNotUtf8 => return None,
        E::BodyTooLarge | E::ChunkSize | E::ChunkExtension | E::ChunkEnd => return None,
        E::ExtensionsTooLong | E::Trailer | E::TrailersTooLong => return None,
    })
}

fn has_bare_lf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\n") || bytes.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r')
}

// ---- Chunks ----

fn compare_chunks(bytes: &[u8]) {
    if bytes.iter().filter(|byte| **byte == b'\n').count() > FIELDS {
        return; // more trailers than there is room for
    }
    let mut body = Body::new(Framing::Chunked, MAX_BODY_BYTES).unwrap();
    match (body.receive(bytes), Chunks::of(bytes)) {
        (Ok((taken, true)), Some(theirs)) => {
            assert_eq!((taken, body.into_bytes()), (theirs.length, theirs.content));
        }
        (Ok((_, false)) | Err(_), None) => {}
        (Err(error), Some(theirs)) => {
            assert!(explains(error, &theirs), "{error:?} does not show in {theirs:?}");
        }
        (ours, theirs) => panic!("{ours:?} here, and with httparse {theirs:?}"),
    }
}

/// What somebody decodes who has `httparse` read the lines.
#[derive(Debug, Default)]
struct Chunks<'a> {
    /// The lines that begin a chunk.
    lines: Vec<&'a [u8]>,
    content: Vec<u8>,
    trailers: &'a [u8],
    /// Of all of it.
    length: usize,
}

impl<'a> Chunks<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut chunks = Self::default();
        let mut rest = bytes;
        loop {
            let Ok(Status::Complete((line, size))) = parse_chunk_size(rest) else { return None };
            chunks.lines.push(&rest[..line]);
            rest = &rest[line..];
            if size == 0 {
                break;
            }
            let (data, behind) = rest.split_at_checked(usize::try_from(size).ok()?)?;
            chunks.content.extend(data);
            rest = behind.strip_prefix(b"\r\n")?;
        }
        let mut space = [EMPTY_HEADER; FIELDS];
        let Ok(Status::Complete((length, _))) = parse_headers(rest, &mut space) else {
            return None;
        };
        chunks.trailers = &rest[..length];
        chunks.length = bytes.len() - rest.len() + length;
        Some(chunks)
    }
}

/// Whether a body shows why it is refused here and not by `httparse`.
fn explains(error: HttpError, theirs: &Chunks<'_>) -> bool {
    let has_line = |is_so: fn(&[u8]) -> bool| {
        theirs.lines.iter().any(|line| is_so(line.strip_suffix(b"\r\n").unwrap()))
    };
    let line_bytes = theirs.lines.iter().map(|line| line.len()).sum::<usize>();
    let shown = [
        // RFC 9112 section 7.1: `httparse` takes no digits for a 0, and white space behind a size.
        (
            HttpError::ChunkSize,
            has_line(|line| {
                let size = line.split(|byte| *byte == b';').next().unwrap();
                size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit)
            }),
        ),
        // Section 7.1.1: it skips extensions, whatever they are and however many.
        (HttpError::ChunkExtension, has_line(|line| line.contains(&b';'))),
        (HttpError::Control, has_line(|line| line.iter().any(u8::is_ascii_control))),
        (HttpError::ExtensionsTooLong, line_bytes > MAX_EXTRA_BYTES),
        // Section 2.2: a LF alone, in extensions and trailers.
        (HttpError::BareLf, has_line(has_bare_lf) || has_bare_lf(theirs.trailers)),
        // Section 7.1.2 and RFC 9110 section 15.5.14: limits.
        (HttpError::TrailersTooLong, theirs.trailers.len() > MAX_EXTRA_BYTES),
        (HttpError::BodyTooLarge, theirs.content.len() > MAX_BODY_BYTES),
    ];
    shown.contains(&(error, true))
}
