//! The request head: from bytes, in whatever pieces they come, to a [`Head`] or a [`HttpError`].
//!
//! What to notice:
//! * No byte is gone over more than three times, however small the pieces: once as it arrives, once
//!   when its line ends, once when the head ends. [`Scan`] is what makes that so; a parser that
//!   starts anew with each piece takes quadratic time, and that is an attack.
//! * A rule is applied at the earliest byte that can decide it, and rules in the order of the
//!   bytes. Hence the result depends on the bytes alone and never on how they were cut.
//! * The head borrows from the bytes it was read from. Nothing is allocated.
//!
//! ```text
//!   GET /?channel=ruby HTTP/1.1 CRLF     request line: at most HeadLimits::request_line_bytes
//!   Host: localhost:8080 CRLF            field lines: at most HeadLimits::fields
//!   Connection: Upgrade CRLF
//!   CRLF                                 the end: at most HeadLimits::head_bytes from the start
//!   ...                                  body, frames or the next request: not looked at
//!
//!   as a byte arrives     limits; no bare CR, no bare LF, no control character
//!   as a line ends        the grammar of a request line or of a field
//!   as the head ends      Host, framing, expectation: what needs all the fields
//! ```
//!
//! What a [`Scan`] waits for. It is ready for the next head as soon as one is complete.
//!
//! ```text
//!   request line -- an empty line, the first or the second --> request line
//!   request line -- a request line --------------------------> fields
//!   fields       -- a field line ----------------------------> fields
//!   fields       -- an empty line: the head is complete -----> request line
//!   request line, fields -- a broken rule, or a limit -------> refused
//! ```

use super::error::HttpError;
use super::fields::{Fields, check_line};
use super::head::Head;
use super::line::LineEnd;
use super::request_line::RequestLine;

/// RFC 9112 section 2.2: clients of long ago sent a CRLF too many behind a body.
const MAX_EMPTY_LINES: usize = 2;

/// The bytes that end a line.
const CRLF: usize = 2;

/// How large a request head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, from the first one to the empty line that ends it; over it 431.
    pub head_bytes: usize,
    /// Field lines; over it 431.
    pub fields: usize,
    /// Bytes of the request line without its CRLF; over it 414. RFC 9112 section 3 recommends 8000.
    pub request_line_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 8192, fields: 100, request_line_bytes: 8000 }
    }
}

/// How far a head has been read: kept by the caller beside the bytes, from one call of [`parse`] to
/// the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Bytes already looked at; none of them is looked at again before its line ends.
    looked: usize,
    /// Where the current line begins.
    line_start: usize,
    end: LineEnd,
    /// Empty lines before the request line.
    empty_lines: usize,
    /// Where the request line begins and ends, once it was found to be right. Places, not
    /// references, for the caller's buffer may move; it is read again when the head ends.
    request_line: Option<(usize, usize)>,
    /// Field lines behind it.
    fields: usize,
    /// What [`parse`] said when it refused the head, so that it will never say anything else.
    refused: Option<HttpError>,
}

/// Reads a request head from `bytes`: all that has arrived of it so far, from its first byte on.
///
/// `Ok(None)` means that the head is not complete: keep the bytes and call again with them and
/// more, and with the same `scan`. `Ok(Some((head, n)))` means that the first `n` bytes were the
/// head; what follows is body, frames or the next request. The `scan` is then ready for the next
/// head.
///
/// # Errors
/// The rule that the head breaks. Answer with its status and text, close, and never read what
/// follows as a request; the same `scan` will repeat the same error for ever.
pub fn parse<'a>(
    bytes: &'a [u8],
    scan: &mut Scan,
    limits: &HeadLimits,
) -> Result<Option<(Head<'a>, usize)>, HttpError> {
    if let Some(error) = scan.refused {
        return Err(error);
    }
    let parsed = scan.lines(bytes, limits);
    match &parsed {
        Ok(None) => {}
        Ok(Some(_)) => *scan = Scan::default(),
        Err(error) => scan.refused = Some(*error),
    }
    parsed
}

/// Whether a head of which only a part has come, or of which only a part is any good, begins as one of
/// HEAD: then its refusal has no body (RFC 9110 section 9.3.2). What stands before the method may not
/// be wrong itself, for nothing behind a broken rule may count.
#[must_use]
pub fn asks_for_head_only(bytes: &[u8]) -> bool {
    let skip_line = |bytes, _| <[u8]>::strip_prefix(bytes, b"\r\n").unwrap_or(bytes);
    (0..MAX_EMPTY_LINES).fold(bytes, skip_line).starts_with(b"HEAD ")
}

impl Scan {
    /// Takes line after line until the head ends or the bytes do.
    fn lines<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &HeadLimits,
    ) -> Result<Option<(Head<'a>, usize)>, HttpError> {
        loop {
            let line_start = self.line_start;
            let Some(line) = self.next_line(bytes, limits)? else { return Ok(None) };
            match self.request_line {
                None if !line.is_empty() => {
                    RequestLine::parse(line)?;
                    self.request_line = Some((line_start, line_start + line.len()));
                }
                None if self.empty_lines == MAX_EMPTY_LINES => return Err(HttpError::EmptyLines),
                None => self.empty_lines += 1,
                Some((start, end)) if line.is_empty() => {
                    let request = RequestLine::parse(span(bytes, start, end))?;
                    let fields = Fields::new(span(bytes, end + CRLF, line_start));
                    return Ok(Some((Head::new(request, fields)?, self.looked)));
                }
                Some(_) if self.fields == limits.fields => return Err(HttpError::TooManyFields),
                Some(_) => {
                    check_line(line, self.fields == 0)?;
                    self.fields += 1;
                }
            }
        }
    }

    /// Looks at new bytes up to the end of the current line, and returns it without its CRLF.
    fn next_line<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &HeadLimits,
    ) -> Result<Option<&'a [u8]>, HttpError> {
        let line_bytes = self.request_line.map_or(limits.request_line_bytes, |_| limits.head_bytes);
        let limit = self.line_start.saturating_add(line_bytes).min(limits.head_bytes);
        loop {
            // Most bytes are ordinary and within the limits. To pass over them together halves the
            // time that a whole head takes.
            self.looked += self.end.ordinary(span(bytes, self.looked, limit.min(bytes.len())));
            let Some(byte) = bytes.get(self.looked) else { return Ok(None) };
            self.check_limits(*byte, bytes, limits)?;
            let ended = self.end.step(*byte)?;
            self.looked += 1;
            if ended {
                let line = span(bytes, self.line_start, self.looked - CRLF);
                self.line_start = self.looked;
                return Ok(Some(line));
            }
        }
    }

    /// Refuses the first byte that a head within the limits cannot have.
    fn check_limits(&self, byte: u8, bytes: &[u8], limits: &HeadLimits) -> Result<(), HttpError> {
        let head_is_full = self.looked >= limits.head_bytes;
        if self.request_line.is_some() {
            return if head_is_full { Err(HttpError::HeadTooLong) } else { Ok(()) };
        }
        let len = self.looked - self.line_start;
        if !head_is_full && !self.end.is_over(byte, len, limits.request_line_bytes) {
            return Ok(());
        }
        // RFC 9112 section 3: 501 for a method longer than any known, 414 for a target.
        let is_target = span(bytes, self.line_start, self.looked).contains(&b' ');
        Err(if is_target { HttpError::RequestLineTooLong } else { HttpError::UnknownMethod })
    }
}

/// A part of the caller's bytes; empty if the caller has fewer of them than at the last call.
fn span(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    //! Tables of raw heads by section, each also cut everywhere. For the oracle see `tests.rs`.

    use super::super::{Framing, Host, Method, Status, Version};
    use super::*;

    type Parsed<'a> = Result<Option<(Head<'a>, usize)>, HttpError>;

    fn whole(bytes: &[u8]) -> Parsed<'_> {
        parse(bytes, &mut Scan::default(), &HeadLimits::default())
    }

    /// Feeds growing prefixes that end at the given cuts, then everything.
    fn in_pieces<'a>(bytes: &'a [u8], cuts: &[usize], limits: &HeadLimits) -> Parsed<'a> {
        let mut scan = Scan::default();
        for end in cuts.iter().copied().chain([bytes.len()]) {
            let parsed = parse(&bytes[..end], &mut scan, limits);
            if parsed != Ok(None) {
                return parsed;
            }
        }
        Ok(None)
    }

    /// The result for one chunk, after checking that no way to cut the bytes changes it.
    fn however_cut<'a>(bytes: &'a [u8], limits: &HeadLimits) -> Parsed<'a> {
        let expected = parse(bytes, &mut Scan::default(), limits);
        for cut in 0..=bytes.len() {
            assert_eq!(in_pieces(bytes, &[cut], limits), expected, "cut at {cut}");
        }
        let bytewise: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(in_pieces(bytes, &bytewise, limits), expected, "bytewise");
        expected
    }

    include!("../../tests/sources/diagram.rs");

    fn state(scan: &Scan) -> &'static str {
        match (scan.refused, scan.request_line) {
            (Some(_), _) => "refused",
            (None, None) => "request line",
            (None, Some(_)) => "fields",
        }
    }

    fn scanned(bytes: &[u8]) -> Scan {
        let mut scan = Scan::default();
        let _ = parse(bytes, &mut scan, &HeadLimits::default());
        scan
    }

    /// One edge of the diagram at the head of this file: what has come when a scan stands in the state
    /// it leaves, the cause, what comes, and the state it leads to.
    type Edge = (&'static str, &'static str, &'static str, &'static str);

    const LINE: &str = "GET / HTTP/1.1\r\n";
    const HOST: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
    const WRONG: &str = "a broken rule, or a limit";

    const EDGES: &[Edge] = &[
        ("", "an empty line, the first or the second", "\r\n", "request line"),
        ("\r\n", "an empty line, the first or the second", "\r\n", "request line"),
        ("", "a request line", LINE, "fields"),
        ("\r\n\r\n", "a request line", LINE, "fields"),
        (LINE, "a field line", "Host: a\r\n", "fields"),
        (HOST, "an empty line: the head is complete", "\r\n", "request line"),
        ("", WRONG, "\n", "refused"),
        ("\r\n\r\n", WRONG, "\r\n", "refused"),
        (HOST, WRONG, "Host\r\n", "refused"),
        (LINE, WRONG, "\r\n", "refused"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (before, cause, comes, to) in EDGES {
            let all = [*before, *comes].concat();
            let from = state(&scanned(before.as_bytes()));
            // Up to its last byte, what comes has done nothing yet.
            let short = state(&scanned(&all.as_bytes()[..all.len() - 1]));
            assert_eq!(short, from, "{from} -- {cause}, but for its last byte");
            assert_eq!(state(&scanned(all.as_bytes())), *to, "{from} -- {cause}");
        }
        let walked = EDGES
            .iter()
            .map(|(before, cause, _, to)| (state(&scanned(before.as_bytes())), *cause, *to));
        diagram::assert_drawn(include_str!("request.rs"), walked);
    }

    const CURL: &[u8] = b"GET / HTTP/1.1\r\n\
        Host: localhost:8080\r\n\
        User-Agent: curl/8.5.0\r\n\
        Accept: */*\r\n\
        Connection: Upgrade\r\n\
        Upgrade: websocket\r\n\
        Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        \r\n";

    #[test]
    fn s2_1_a_head_is_taken_apart() {
        let (head, used) = however_cut(CURL, &HeadLimits::default()).unwrap().unwrap();
        assert_eq!(used, CURL.len());
        assert_eq!((head.method, head.target, head.version), (Method::Get, "/", Version::Http11));
        assert_eq!(head.host, Host::parse("LOCALHOST:8080").ok());
        assert_eq!(
            (head.framing, head.expects_continue, head.keep_alive),
            (Framing::Length(0), false, true)
        );
        assert!(head.fields.has_token("connection", "upgrade"));
        assert_eq!(head.fields.single("sec-websocket-version"), Ok(Some(&b"13"[..])));
        assert_eq!(head.fields.lines("accept").collect::<Vec<_>>(), [b"*/*"]);
    }

    #[test]
    fn s9_3_2_what_follows_the_head_is_left_alone_and_may_be_the_next() {
        let mut scan = Scan::default();
        let limits = HeadLimits::default();
        let bytes =
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\x81\0\n";
        let (first, used) = parse(bytes, &mut scan, &limits).unwrap().unwrap();
        assert_eq!((first.target, used), ("/1", 28));
        let (second, used) = parse(&bytes[used..], &mut scan, &limits).unwrap().unwrap();
        assert_eq!((second.target, used), ("/2", 30), "the empty line belongs to the second");
    }

    #[test]
    fn heads_that_are_accepted() {
        for head in [
            &b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.2\r\nHost:a.test\r\n\r\n",
            b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHOST:\t a.test \t\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\nY: \xff\tz\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nExpect:\r\n\r\n",
        ] {
            let parsed = however_cut(head, &HeadLimits::default());
            assert!(matches!(parsed, Ok(Some(_))), "{} {parsed:?}", head.escape_ascii());
        }
    }

    /// Raw bytes, the rule they break, and the status this gives; RFC 9112 unless said otherwise.
    const REFUSED: &[(&[u8], HttpError, u16)] = &[
        // 2.2: octets, line ends, what is before the request line and behind it.
        (b"\x16\x03\x01\x02\x00\x01", HttpError::Control, 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HttpError::UnsupportedVersion, 505),
        (b"SSH-2.0-OpenSSH_9.6\r\n", HttpError::NotHttp, 400),
        (b"*1\r\n$4\r\nPING\r\n", HttpError::NotHttp, 400),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", HttpError::RequestLineSpaces, 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", HttpError::BareLf, 400),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", HttpError::BareLf, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", HttpError::BareLf, 400),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HttpError::BareLf, 400),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", HttpError::BareCr, 400),
        (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", HttpError::BareCr, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HttpError::BareCr, 400),
        (b"GET / HTTP/1.1\r\nX: a\0b\r\n", HttpError::Control, 400),
        (b"GET / HTTP/1.1\r\nX: a\x1b[31m\r\n", HttpError::Control, 400),
        (b"GET / HTTP/1.1\r\nX: a\x7f\r\n", HttpError::Control, 400),
        (b"GET /\x0b HTTP/1.1\r\n", HttpError::Control, 400),
        (b"\r\n\r\n\r\n", HttpError::EmptyLines, 400),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", HttpError::LeadingWhitespace, 400),
        (b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", HttpError::LeadingWhitespace, 400),
        (b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", HttpError::LeadingWhitespace, 400),
        // 2.3, 3: the request line.
        (b"GET /\r\n", HttpError::MissingVersion, 400),
        (b"GET  / HTTP/1.1\r\n", HttpError::RequestLineSpaces, 400),
        (b"GET / HTTP/1.1 \r\n", HttpError::RequestLineSpaces, 400),
        (b"GET / http/1.1\r\n", HttpError::Version, 400),
        (b"GET / HTTP/1.10\r\n", HttpError::Version, 400),
        (b"GET / HTTP/01.1\r\n", HttpError::Version, 400),
        (b"GET / HTTP/9.9\r\n", HttpError::UnsupportedVersion, 505),
        (b"get / HTTP/1.1\r\n", HttpError::UnknownMethod, 501),
        (b"G(T / HTTP/1.1\r\n", HttpError::Method, 400),
        (b"GET /a#b HTTP/1.1\r\n", HttpError::TargetFragment, 400),
        (b"GET /\xff HTTP/1.1\r\n", HttpError::TargetCharacter, 400),
        (b"GET * HTTP/1.1\r\n", HttpError::AsteriskTarget, 400),
        (b"GET a.test:80 HTTP/1.1\r\n", HttpError::TargetForm, 400),
        (b"GET http://u@a/ HTTP/1.1\r\n", HttpError::HostUserInfo, 400),
        // 3.2: Host.
        (b"GET / HTTP/1.1\r\n\r\n", HttpError::MissingHost, 400),
        (b"GET / HTTP/1.1\r\nHosts: a\r\n\r\n", HttpError::MissingHost, 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", HttpError::MissingHost, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", HttpError::RepeatedHost, 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HttpError::RepeatedHost, 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", HttpError::EmptyHost, 400),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", HttpError::HostCharacter, 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HttpError::HostCharacter, 400),
        (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", HttpError::HostCharacter, 400),
        (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HttpError::HostUserInfo, 400),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", HttpError::HostPort, 400),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HttpError::HostIpv6, 400),
        // 5: field lines.
        (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", HttpError::ObsFold, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\t\r\n\r\n", HttpError::ObsFold, 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", HttpError::SpaceBeforeColon, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", HttpError::EmptyName, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", HttpError::MissingColon, 400),
        (b"GET / HTTP/1.1\r\nX Y: a\r\n\r\n", HttpError::FieldName, 400),
        (b"GET / HTTP/1.1\r\nX\xe9: a\r\n\r\n", HttpError::FieldName, 400),
        // 6: framing.
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", HttpError::Length, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", HttpError::Length, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", HttpError::Length, 400),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
            HttpError::LengthTooLarge,
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            HttpError::RepeatedLength,
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            HttpError::LengthAndEncoding,
            400,
        ),
        (
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            HttpError::EncodingInHttp10,
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
            HttpError::ChunkedNotLast,
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            HttpError::ChunkedTwice,
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            HttpError::UnknownCoding,
            501,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
            HttpError::SpaceBeforeColon,
            400,
        ),
        // RFC 9110 section 10.1.1.
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", HttpError::Expectation, 417),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n",
            HttpError::Expectation,
            417,
        ),
    ];

    #[test]
    fn heads_that_are_refused() {
        for (bytes, error, status) in REFUSED {
            let parsed = however_cut(bytes, &HeadLimits::default());
            assert_eq!(parsed, Err(*error), "{}", bytes.escape_ascii());
            assert_eq!(error.status().code(), *status, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_error_depends_on_the_shortest_prefix_alone() {
        let limits = HeadLimits::default();
        for (bytes, error, _) in REFUSED {
            let shown = (0..=bytes.len()).find(|end| whole(&bytes[..*end]).is_err()).unwrap();
            let mut other = bytes[..shown].to_vec();
            other.extend_from_slice(b"\0\r\r\n\nanything else");
            assert_eq!(however_cut(&other, &limits), Err(*error), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_refused_head_stays_refused() {
        let mut scan = Scan::default();
        let limits = HeadLimits::default();
        let bad = b"GET / HTTP/1.1\r\nHost : a\r\n\r\n";
        for more in [&bad[..], bad, CURL, b""] {
            assert_eq!(parse(more, &mut scan, &limits), Err(HttpError::SpaceBeforeColon));
        }
    }

    #[test]
    fn bytes_taken_back_by_the_caller_harm_nobody() {
        for cut in 0..CURL.len() {
            let mut scan = Scan::default();
            assert_eq!(parse(&CURL[..cut], &mut scan, &HeadLimits::default()), Ok(None));
            assert_eq!(parse(b"", &mut scan, &HeadLimits::default()), Ok(None));
        }
    }

    #[test]
    fn s3_a_request_line_over_the_limit_is_414_at_the_first_byte_over() {
        let limits = HeadLimits::default();
        let line = |target: usize| format!("GET /{} HTTP/1.1", "a".repeat(target - 1));
        let longest = line(8000 - "GET  HTTP/1.1".len());
        assert_eq!(longest.len(), 8000);
        let head = format!("{longest}\r\nHost: a\r\n\r\n");
        assert!(matches!(whole(head.as_bytes()), Ok(Some(_))));
        let over = line(8001 - "GET  HTTP/1.1".len());
        assert_eq!(whole(&over.as_bytes()[..8000]), Ok(None));
        assert_eq!(whole(over.as_bytes()), Err(HttpError::RequestLineTooLong));
        assert_eq!(HttpError::RequestLineTooLong.status(), Status::UriTooLong);
        assert_eq!(
            whole(&[b'A'; 8001]),
            Err(HttpError::UnknownMethod),
            "the method itself is too long"
        );
        let small = HeadLimits { request_line_bytes: 14, head_bytes: 40, ..limits };
        assert!(matches!(however_cut(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &small), Ok(Some(_))));
        let refused = however_cut(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &small);
        assert_eq!(refused, Err(HttpError::RequestLineTooLong));
        let smaller = HeadLimits { head_bytes: 10, ..limits };
        assert_eq!(however_cut(b"GET / HTTP/1.1", &smaller), Err(HttpError::RequestLineTooLong));
    }

    #[test]
    fn rfc6585_s5_a_head_over_the_limit_is_431_at_the_first_byte_over() {
        let head = |len: usize| {
            let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(len - rest))
        };
        let (_, used) = whole(head(8192).as_bytes()).unwrap().unwrap();
        assert_eq!(used, 8192);
        let over = head(8193);
        assert_eq!(whole(&over.as_bytes()[..8192]), Ok(None));
        assert_eq!(whole(over.as_bytes()), Err(HttpError::HeadTooLong));
        assert_eq!(HttpError::HeadTooLong.status(), Status::FieldsTooLarge);
        let small = HeadLimits { head_bytes: 32, ..HeadLimits::default() };
        assert!(matches!(however_cut(head(32).as_bytes(), &small), Ok(Some(_))));
        assert_eq!(however_cut(head(33).as_bytes(), &small), Err(HttpError::HeadTooLong));
    }

    #[test]
    fn rfc6585_s5_one_field_too_many_is_431_and_never_dropped() {
        let head = |count: usize| {
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1))
        };
        let hundred = head(100);
        let (parsed, _) = whole(hundred.as_bytes()).unwrap().unwrap();
        assert_eq!(parsed.fields.iter().count(), 100);
        assert_eq!(whole(head(101).as_bytes()), Err(HttpError::TooManyFields));
        assert_eq!(HttpError::TooManyFields.status(), Status::FieldsTooLarge);
    }

    /// Every byte that was looked at is turned to poison before the next call: had the parser
    /// looked at it a second time before its line (the current one) or its head ended, it would
    /// have refused it.
    #[test]
    fn no_byte_is_looked_at_again_before_its_line_or_its_head_ends() {
        let limits = HeadLimits::default();
        let mut scan = Scan::default();
        let mut poisoned = vec![0_u8; CURL.len()];
        for end in 1..CURL.len() {
            let line_ends = CURL[end - 1] == b'\n';
            let line_start = if line_ends { scan.line_start } else { end - 1 };
            poisoned[line_start..end].copy_from_slice(&CURL[line_start..end]);
            assert_eq!(parse(&poisoned[..end], &mut scan, &limits), Ok(None), "at {end}");
            assert_eq!(scan.looked, end);
            poisoned[..end].fill(0);
        }
        assert!(matches!(parse(CURL, &mut scan, &limits), Ok(Some(_))));
    }
}
