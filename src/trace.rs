//! A tap on one client's wire: what passes in both directions, in lines for people to read.
//!
//! What to notice:
//! * It only listens. It reads every byte for itself, so what it says is what was on the wire and
//!   not what the server made of it, and nothing depends on it.
//! * Heads and headers are read byte by byte, payloads by their length. So no line depends on how
//!   the bytes were cut, at a price that is paid only while somebody looks.
//! * What it says can be read back ([`transcript`]): a line from a log, pasted into a file of
//!   `tests/scripts`, is a test. Only what may be a secret is kept back.
//!
//! `RUST_LOG=info,barewire::wire=trace barewire` says it of every client.
//!
//! # The notation
//!
//! ```text
//!   < GET /echo HTTP/1.1                   < from the client, > from the server
//!   <   Host: localhost:8080               the fields of a head, each in a line;
//!   <   Cookie: …                          of one that may hold a secret the name alone,
//!                                          and of a query the values of `channel` alone
//!   > 101 Switching Protocols
//!   >   Upgrade: websocket
//!   < text fragment 3 "Hel"                frames in the order in which they pass; the number
//!   < ping 5 "ping\n"                      is the length of the whole payload,
//!   < continuation end 2 "lo"
//!   > text 70000 "aaaaaaaaaaaaaaaaaa"…     of which only the beginning is shown
//!   > binary 3 ff 00 01
//!   > compressed text 7 f2 48 cd c9 …      the bytes as they pass (RFC 7692)
//!   < close 1000 "bye"
//!   < body 5 "hello"                       of a request or of an answer; or, in pieces:
//!   < chunk 5 "hello"                      then `last chunk`
//!   < ?? "\u{16}": a control character …   neither HTTP nor a frame: what follows is not read,
//!   < ignored 516 bytes                    only counted, as is what follows a refusal
//!   < cut off, 3 bytes missing             the connection ended inside of something
//!   < connects                             a client was accepted
//!   < end                                  that side sends nothing more (TCP's FIN)
//!   < reset                                the client has gone without an end
//!   > gone                                 the server has closed the socket
//! ```
//!
//! Two more kinds of lines belong to no wire: [`transcript`] has the whole grammar.
//!
//! What follows a request for WebSocket is read as frames at once, for a client need not wait for
//! the 101. That is a guess: a *request* sent there, before an answer that ignores the wish (RFC
//! 9110 section 7.8), is shown as no frame.

pub mod bus;
pub(crate) mod escape;
mod piece;
mod redact;
pub(crate) mod side;
pub mod transcript;

use std::collections::VecDeque;
use std::fmt;

use crate::http::{self, Framing, HeadLimits, Method, Scan};
use crate::upgrade;
use crate::websocket::deflate::Agreement;
use crate::websocket::extension;
use crate::websocket::form::Form;
use crate::websocket::frame;
use escape::{escape, escape_unquoted};
use side::{Next, Notation, Side};

/// Requests that may wait for their answers: more than fit into one read of a socket.
const MAX_AWAITED: usize = 4096;

/// Who takes the lines: one call a line, without its end.
pub type Say<'s> = dyn FnMut(fmt::Arguments<'_>) + 's;

/// What one connection has shown so far. It keeps an incomplete head (8 KiB), or the header and the
/// beginning of a payload, and two flags for each request that has no answer yet.
///
/// ```
/// use barewire::trace::Wire;
///
/// let mut lines = Vec::new();
/// let mut say = |line: std::fmt::Arguments<'_>| lines.push(line.to_string());
/// let mut wire = Wire::default();
/// wire.received(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnec", &mut say);
/// wire.received(b"tion: Upgrade\r\nUpgrade: websocket\r\n\r\n", &mut say);
/// wire.sent(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05Hello", &mut say);
/// assert_eq!(lines[0], "< GET / HTTP/1.1");
/// assert_eq!(lines[1], "<   Host: localhost");
/// assert_eq!(lines[4], "> 101 Switching Protocols");
/// assert_eq!(lines[5], r#"> text 5 "Hello""#);
/// ```
#[derive(Debug)]
pub struct Wire {
    inbound: Side,
    outbound: Side,
    scan: Scan,
    awaited: VecDeque<Asked>,
}

/// What has to be known of a request to read its answer.
#[derive(Debug, Default)]
struct Asked {
    upgrade: bool,
    head_only: bool,
}

impl Default for Wire {
    fn default() -> Self {
        let (inbound, outbound) = (Side::new('<', Next::Head), Side::new('>', Next::Head));
        Self { inbound, outbound, scan: Scan::default(), awaited: VecDeque::new() }
    }
}

impl Wire {
    /// The client's next bytes, as they came from its socket: still masked.
    pub fn received(&mut self, bytes: &[u8], say: &mut Say<'_>) {
        let mut rest = bytes;
        while self.inbound.next_byte(&mut rest, say) {
            match self.inbound.next {
                Next::Head => self.request(say),
                Next::ChunkLine { is_behind } => self.inbound.chunk_line(is_behind, say),
                Next::Frame => match frame::decode(&self.inbound.untold, self.inbound.form) {
                    Ok(None) => {}
                    Ok(Some((header, _))) => self.inbound.frame(header),
                    Err(why) => self.inbound.give_up(why, say),
                },
                Next::Nothing => {}
            }
        }
    }

    /// The next bytes that the client's socket took.
    pub fn sent(&mut self, bytes: &[u8], say: &mut Say<'_>) {
        let mut rest = bytes;
        while self.outbound.next_byte(&mut rest, say) {
            match self.outbound.next {
                Next::Head if self.outbound.untold.ends_with(b"\r\n\r\n") => self.answer(say),
                Next::Frame => self.outbound.server_frame(say),
                Next::Head | Next::ChunkLine { .. } | Next::Nothing => {}
            }
        }
    }

    /// The client will send nothing more: says what is incomplete, and how much was not read.
    pub fn received_end(&mut self, say: &mut Say<'_>) {
        self.inbound.ended(say);
        say(format_args!("< end"));
    }

    /// The client has gone without an end: its system has reset the connection, or nobody is there.
    pub fn reset(&mut self, say: &mut Say<'_>) {
        self.inbound.ended(say);
        say(format_args!("< reset"));
    }

    /// The server will send nothing more, and has told the client's system so.
    pub fn sent_end(&mut self, say: &mut Say<'_>) {
        self.outbound.ended(say);
        say(format_args!("> end"));
    }

    /// The socket was closed.
    pub fn gone(mut self, say: &mut Say<'_>) {
        self.inbound.ended(say);
        self.outbound.ended(say);
        say(format_args!("> gone"));
    }

    /// Looks whether the head of a request is complete, and what follows it.
    fn request(&mut self, say: &mut Say<'_>) {
        let inbound = &mut self.inbound;
        let head = match http::parse(&inbound.untold, &mut self.scan, &HeadLimits::default()) {
            Ok(None) => return,
            Ok(Some(_)) if self.awaited.len() == MAX_AWAITED => {
                return inbound.give_up("too many requests wait for answers", say);
            }
            Ok(Some((head, _))) => head,
            Err(why) => return inbound.give_up(why, say),
        };
        let target = redact::target(head.target.as_bytes());
        let target = escape(&target);
        say(format_args!("< {} {target} {}", head.method, head.version));
        for (name, value) in head.fields.iter() {
            field('<', name, redact::value(name, value), say);
        }
        let upgrade = upgrade::is_requested(&head);
        self.awaited.push_back(Asked { upgrade, head_only: head.method == Method::Head });
        let framing = head.framing;
        inbound.untold = Vec::new();
        match framing {
            Framing::Length(0) if upgrade => inbound.next = Next::Frame,
            Framing::Length(0) => {}
            Framing::Length(length) => inbound.begin("body", Notation::Text, length),
            Framing::Chunked => inbound.next = Next::ChunkLine { is_behind: false },
        }
    }

    /// Reads the head of an answer, as this server writes it, and what it means for both sides.
    fn answer(&mut self, say: &mut Say<'_>) {
        let head = String::from_utf8_lossy(&self.outbound.untold).into_owned();
        let mut lines = head.trim_end().lines();
        let Some(status) = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")) else {
            return self.outbound.give_up("this is no answer", say);
        };
        self.outbound.untold.clear();
        say(format_args!("> {}", escape(status.as_bytes())));
        let (mut length, mut close, mut form) = (0, false, Form::Plain);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name {
                "Content-Length" => length = value.parse::<u64>().unwrap_or(0),
                "Sec-WebSocket-Extensions" => form = agreed(value.as_bytes()),
                "Connection" => close = value.ends_with("close"),
                _ => {}
            }
            // What time it was is nothing that can be sent again.
            let value = if name == "Date" { redact::HIDDEN } else { value };
            field('>', name.as_bytes(), value.as_bytes(), say);
        }
        // RFC 9110 section 15.2.1: 100 is not yet the answer.
        let asked = if status.starts_with("100") { None } else { self.awaited.pop_front() };
        let asked = asked.unwrap_or_default();
        if length > 0 && !asked.head_only {
            self.outbound.begin("body", Notation::Text, length);
        }
        if status.starts_with("101") {
            self.outbound.next = Next::Frame;
            (self.inbound.form, self.outbound.form) = (form, form);
        } else if close {
            // RFC 9112 section 9.6: nothing more is processed. So a refused upgrade ends, too.
            self.inbound.ignore();
        } else if asked.upgrade && self.inbound.next == Next::Frame {
            // RFC 9110 section 7.8: the wish was ignored, and requests follow.
            self.inbound.next = Next::Head;
        }
    }
}

fn field(mark: char, name: &[u8], value: &[u8], say: &mut Say<'_>) {
    let space = if value.is_empty() { "" } else { " " };
    say(format_args!("{mark}   {}:{space}{}", escape(name), escape_unquoted(value)));
}

/// The form that an answer agrees on: it has the same grammar as the offer that it accepts.
pub(crate) fn agreed(value: &[u8]) -> Form {
    let mut offers = extension::offers([value].into_iter()).unwrap_or_default();
    // RFC 7692 section 7.1.2.1: 8 to 15. This server never says 8, for it has no compressor with so
    // small a window; but others do, and what is written with one of 256 bytes, one of 512 reads.
    for param in offers.iter_mut().flat_map(|offer| &mut offer.params) {
        if param.name == b"server_max_window_bits" && param.value.as_deref() == Some(b"8") {
            param.value = Some(b"9"[..].into());
        }
    }
    Agreement::negotiate(&offers).map_or(Form::Plain, Agreement::form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Delivery, Response, Status};
    use crate::websocket::frame::Opcode::{Binary, Text};
    use crate::websocket::frame::encode;
    use proptest::prelude::*;
    use std::time::Duration;
    use transcript::What;

    const UPGRADE: &[u8] =
        b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    #[derive(Clone, Debug)]
    enum Pass {
        In(Vec<u8>),
        Out(Vec<u8>),
    }
    use Pass::{In, Out};

    fn pieces(passes: &[Pass], cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |line: fmt::Arguments<'_>| lines.push(line.to_string());
        let mut wire = Wire::default();
        for pass in passes {
            match pass {
                In(bytes) => cut(bytes).iter().for_each(|piece| wire.received(piece, &mut say)),
                Out(bytes) => cut(bytes).iter().for_each(|piece| wire.sent(piece, &mut say)),
            }
        }
        wire.gone(&mut say);
        assert_eq!(lines.pop().as_deref(), Some("> gone"));
        lines
    }

    /// Lines without those of fields.
    fn without_fields(lines: Vec<String>) -> Vec<String> {
        lines.into_iter().filter(|line| line.get(1..4) != Some("   ")).collect()
    }

    /// The lines for whole passes, after checking that no way to cut them changes any.
    fn however_cut(passes: &[Pass]) -> Vec<String> {
        let expected = pieces(passes, |bytes| vec![bytes.to_vec()]);
        let bytewise = pieces(passes, |bytes| bytes.iter().map(|byte| vec![*byte]).collect());
        assert_eq!(bytewise, expected, "bytewise");
        let longest = passes.iter().map(|(In(bytes) | Out(bytes))| bytes.len()).max().unwrap_or(0);
        for at in 0..longest.min(2_000) {
            let cut = |bytes: &[u8]| {
                let (a, b) = bytes.split_at(at.min(bytes.len()));
                vec![a.to_vec(), b.to_vec()]
            };
            assert_eq!(pieces(passes, cut), expected, "cut at {at}");
        }
        expected
    }

    /// Frames behind an upgrade: the lines of them alone.
    fn frames(passes: &[Pass]) -> Vec<String> {
        let opening = [In(UPGRADE.to_vec()), Out(ACCEPTED.to_vec())];
        let lines = however_cut(&[&opening[..], passes].concat());
        assert_eq!(lines[0], "< GET /echo HTTP/1.1");
        assert_eq!(lines[4..6], ["> 101 Switching Protocols", ">   Upgrade: websocket"]);
        lines[6..].to_vec()
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(Binary, payload, &mut bytes);
        let start = bytes.len() - payload.len();
        bytes[0] = first;
        bytes[1] |= 0x80;
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for (i, byte) in bytes[start..].iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
        bytes.splice(start..start, key);
        bytes
    }

    fn response(status: Status, body: &'static str, how: Delivery) -> Pass {
        let mut out = Vec::new();
        Response::text(status, body).encode(how, Duration::ZERO, &mut out);
        Out(out)
    }

    #[test]
    fn s5_7_frames_from_a_client() {
        for (bytes, line) in [
            (&b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..], r#"< text 5 "Hello""#),
            (b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", r#"< ping 5 "Hello""#),
            (&masked(0x8a, b"ping\n"), r#"< pong 5 "ping\n""#),
            (&masked(0x82, b"\xff\0\x01"), "< binary 3 ff 00 01"),
            (&masked(0x82, b""), "< binary 0"),
            (&masked(0x81, b""), r#"< text 0 """#),
            (&masked(0x88, b""), "< close"),
            (&masked(0x88, b"\x03\xe8"), "< close 1000"),
            (&masked(0x88, b"\x03\xe8bye"), r#"< close 1000 "bye""#),
            (&masked(0x88, b"\x07"), "< close ?? 07"),
        ] {
            assert_eq!(frames(&[In(bytes.to_vec())]), [line]);
        }
    }

    #[test]
    fn s5_4_fragments_keep_the_kind_of_their_message() {
        let text = [
            masked(0x01, b"Hel"),
            masked(0x89, b"ping\n"),
            masked(0x00, b"l"),
            masked(0x80, b"o"),
            masked(0x02, b"a"),
            masked(0x80, b"b"),
        ];
        let expected = [
            r#"< text fragment 3 "Hel""#,
            r#"< ping 5 "ping\n""#,
            r#"< continuation 1 "l""#,
            r#"< continuation end 1 "o""#,
            "< binary fragment 1 61",
            "< continuation end 1 62",
        ];
        assert_eq!(frames(&[In(text.concat())]), expected);
    }

    #[test]
    fn frames_from_the_server_are_not_masked() {
        let mut out = Vec::new();
        encode(Text, "[1] I'm awake...\n".as_bytes(), &mut out);
        encode(Binary, &[7; 70_000], &mut out);
        out.extend_from_slice(b"\x8a\x00\x88\x02\x03\xe9");
        let more = " 07".repeat(125);
        let binary = format!("> binary 70000{more} …");
        let expected =
            [r#"> text 17 "[1] I'm awake...\n""#, &binary, r#"> pong 0 """#, "> close 1001"];
        assert_eq!(frames(&[Out(out)]), expected);
    }

    #[test]
    fn a_payload_is_shown_up_to_the_length_of_a_control_frame() {
        for (length, more) in [(125, ""), (126, "…"), (65_536, "…")] {
            let line = format!("< text {length} \"{}\"{more}", "x".repeat(125));
            assert_eq!(frames(&[In(masked(0x81, &b"x".repeat(length)))]), [line]);
        }
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let hostile = "\x1b[2J\r\n\0\u{7f}\u{9b}\u{202e}\"\\é";
        let bytes = [hostile.as_bytes(), b"\xe2\x82"].concat();
        let line = r#"< text 19 "\u{1b}[2J\r\n\0\u{7f}\u{9b}\u{202e}\"\\é\xe2\x82""#;
        assert_eq!(frames(&[In(masked(0x81, &bytes))]), [line]);
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn every_window_that_an_answer_may_name_is_an_agreement() {
        for (bits, is_legal) in [
            ("7", false),
            ("8", true),
            ("\"8\"", true),
            ("9", true),
            ("15", true),
            ("16", false),
            ("08", false),
            ("8; server_max_window_bits=8", false),
            ("8; server_max_window_bits=9", false),
        ] {
            let answer = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_eq!(agreed(answer.as_bytes()) != Form::Plain, is_legal, "{answer}");
        }
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn compressed_messages_are_shown_as_they_pass() {
        let accepted = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: \
            permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n";
        let lines = without_fields(however_cut(&[
            In(UPGRADE.to_vec()),
            Out(accepted.to_vec()),
            In(masked(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")),
            Out(b"\x81\x05Hello\x42\x01\xf2\x80\x06\x48\xcd\xc9\xc9\x07\x00\xc0\x00".to_vec()),
        ]));
        assert_eq!(
            lines[2..],
            [
                "< compressed text 7 f2 48 cd c9 c9 07 00",
                "> text 5 \"Hello\"",
                "> compressed binary fragment 1 f2",
                "> continuation end 6 48 cd c9 c9 07 00",
                "> ?? c0 00: RSV1 belongs on the first frame of a message; send 0 on all others",
            ]
        );
    }

    #[test]
    fn what_is_no_frame_ends_the_reading() {
        for (bytes, line) in [
            (
                &b"\xc1abc"[..],
                "< ?? c1: a reserved bit is set that no agreed extension has claimed; send 0",
            ),
            (
                b"\x81\x05ab",
                "< ?? 81 05: a client masks every frame; set MASK and send the four-byte key",
            ),
        ] {
            assert_eq!(frames(&[In(bytes.to_vec())])[0], line);
            assert!(frames(&[In(bytes.to_vec())])[1].starts_with("< ignored "));
        }
        assert_eq!(
            frames(&[Out(b"\x83\0..".to_vec())]),
            ["> ?? 83 00: the opcode is reserved; use 0, 1, 2, 8, 9 or 10", "> ignored 2 bytes"]
        );
        assert!(frames(&[Out(b"\xc1\0".to_vec())])[0].starts_with("> ?? c1 00: a reserved bit"));
    }

    #[test]
    fn what_is_no_request_ends_the_reading() {
        let tls = however_cut(&[In(b"\x16\x03\x01\x02\0".to_vec())]);
        let why = "a control character stands in the request; use none";
        assert_eq!(tls, [format!(r#"< ?? "\u{{16}}": {why}"#), "< ignored 4 bytes".into()]);
        let lf = however_cut(&[In(b"GET / HTTP/1.1\n\n".to_vec())]);
        let why = "a LF stands alone; every line ends in CR LF";
        assert_eq!(lf, [format!(r#"< ?? "GET / HTTP/1.1\n": {why}"#), "< ignored 1 byte".into()]);
    }

    #[test]
    fn a_field_has_a_line_and_what_may_be_a_secret_keeps_its_value() {
        let head = "GET / HTTP/1.1\r\nhost: a\r\nCookie: id=7\r\nSec-WebSocket-Protocol: token\r\n\
            Sec-WebSocket-Extensions: x; a=\"1\\2\"\r\nOrigin:\r\nX-\u{e9}: 1\r\n\r\n";
        let head = head.replace("X-\u{e9}: 1\r\n", "X-A: \u{e9}\r\n");
        let answer = response(Status::Ok, "", Delivery::default());
        let expected = [
            "< GET / HTTP/1.1",
            "<   host: a",
            "<   Cookie: …",
            "<   Sec-WebSocket-Protocol: …",
            r#"<   Sec-WebSocket-Extensions: x; a="1\\2""#,
            "<   Origin:",
            "<   X-A: …",
            "> 200 OK",
        ];
        let lines = however_cut(&[In(head.into_bytes()), answer]);
        assert_eq!(lines[..8], expected);
        assert!(lines.contains(&">   Date: …".to_owned()), "{lines:?}");
    }

    #[test]
    fn requests_are_pipelined_and_answers_have_bodies_unless_head_was_asked() {
        let head = [&b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"[..], GET].concat();
        let head_only = Delivery { head_only: true, close: false };
        let lines = without_fields(however_cut(&[
            In([&head, GET].concat()),
            response(Status::Ok, "Hello", head_only),
            response(Status::Ok, "Hello", Delivery::default()),
            response(Status::Ok, "HTTP/1.1 200 OK\r\n\r\n", Delivery::default()),
        ]));
        let expected = [
            "< HEAD / HTTP/1.1",
            "< GET / HTTP/1.1",
            "< GET / HTTP/1.1",
            "> 200 OK",
            "> 200 OK",
            r#"> body 6 "Hello\n""#,
            "> 200 OK",
            r#"> body 19 "HTTP/1.1 200 OK\r\n\r\n""#,
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn bodies_are_shown_by_length_or_chunk_by_chunk() {
        let post = |fields: &str| format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let length = post("Content-Length: 5\r\nExpect: 100-continue");
        let chunked = post("Transfer-Encoding: chunked");
        let lines = without_fields(however_cut(&[
            In(length.into_bytes()),
            Out(http::CONTINUE.to_vec()),
            In(b"hello".to_vec()),
            response(Status::Ok, "1", Delivery::default()),
            In([
                chunked.as_bytes(),
                b"5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
                GET,
            ]
            .concat()),
            In(format!("{chunked}x\r\n").into_bytes()),
        ]));
        let expected = [
            "< POST /p HTTP/1.1",
            "> 100 Continue",
            r#"< body 5 "hello""#,
            "> 200 OK",
            r#"> body 2 "1\n""#,
            "< POST /p HTTP/1.1",
            r#"< chunk 5 "hello""#,
            r#"< chunk 10 "0123456789""#,
            "< last chunk",
            "< GET / HTTP/1.1",
            "< POST /p HTTP/1.1",
            r#"< ?? "x\r\n": a chunk's size must be 1 to 16 hexadecimal digits"#,
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_follows_a_refused_upgrade_is_ignored() {
        let hello = masked(0x81, b"Hello");
        let (begun, rest) = hello.split_at(8);
        let close = Delivery { head_only: false, close: true };
        let lines = without_fields(however_cut(&[
            In([UPGRADE, begun].concat()),
            response(Status::Forbidden, "no", close),
            In(rest.to_vec()),
            In(GET.to_vec()),
        ]));
        let expected = [
            "< GET /echo HTTP/1.1",
            "> 403 Forbidden",
            r#"> body 3 "no\n""#,
            &format!("< ignored {} bytes", hello.len() + GET.len()),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn frames_may_come_before_the_101_and_requests_after_an_upgrade_that_was_ignored() {
        let lines =
            however_cut(&[In([UPGRADE, &masked(0x81, b"early")].concat()), Out(ACCEPTED.to_vec())]);
        assert_eq!(lines[4], r#"< text 5 "early""#);
        let ok = response(Status::Ok, "ok", Delivery::default());
        let lines = without_fields(however_cut(&[In(UPGRADE.to_vec()), ok, In(GET.to_vec())]));
        assert_eq!(lines[3], "< GET / HTTP/1.1");
    }

    #[test]
    fn each_side_has_its_end_and_what_it_left_unfinished_is_said_before_it() {
        let mut lines = Vec::new();
        let mut say = |line: fmt::Arguments<'_>| lines.push(line.to_string());
        let mut wire = Wire::default();
        wire.received(b"GET", &mut say);
        wire.received_end(&mut say);
        wire.sent_end(&mut say);
        wire.gone(&mut say);
        assert_eq!(lines, [r#"< cut off after "GET""#, "< end", "> end", "> gone"]);
    }

    #[test]
    fn a_text_is_not_shown_with_half_a_character_at_its_end() {
        let text = "é".repeat(100);
        let line = format!("< text 200 \"{}\"…", "é".repeat(62));
        assert_eq!(frames(&[In(masked(0x81, text.as_bytes()))]), [line]);
    }

    #[test]
    fn an_end_in_the_middle_says_what_is_missing() {
        let cut = |bytes: &[u8]| however_cut(&[In(bytes.to_vec())]).pop();
        assert_eq!(cut(b"GET / HT").as_deref(), Some(r#"< cut off after "GET / HT""#));
        let frame = masked(0x81, b"Hello");
        assert_eq!(frames(&[In(frame[..5].to_vec())]), ["< cut off after 81 85 37 fa 21"]);
        assert_eq!(
            frames(&[In(frame[..8].to_vec())]),
            [r#"< text 5 "He"…"#, "< cut off, 3 bytes missing"]
        );
        let long = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
        let missing = format!("< cut off, {} bytes missing", u64::MAX >> 1);
        assert_eq!(frames(&[In(long.to_vec())])[1], missing);
        assert!(however_cut(&[]).is_empty());
    }

    #[test]
    fn what_is_kept_has_limits() {
        let mut wire = Wire::default();
        let mut lines = Vec::new();
        let mut say = |line: fmt::Arguments<'_>| lines.push(line.to_string());
        for _ in 0..=MAX_AWAITED {
            wire.received(GET, &mut say);
        }
        assert_eq!(wire.awaited.len(), MAX_AWAITED);
        wire.sent(&[b'x'; 100_000], &mut say);
        assert!(wire.outbound.untold.is_empty());
        let lines = without_fields(lines);
        assert_eq!(lines.len(), MAX_AWAITED + 2);
        assert!(lines[MAX_AWAITED].ends_with(": too many requests wait for answers"));
        assert!(lines[MAX_AWAITED + 1].ends_with("\"…: this is too long"));

        let chunks = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;";
        let lines = without_fields(however_cut(&[In([&chunks[..], &[b'x'; 10_000]].concat())]));
        assert!(lines[1].ends_with("\"…: this is too long"), "{lines:?}");
        let fields = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(9_000));
        assert!(
            however_cut(&[In(fields.into_bytes())])[0].contains("the request head is too long")
        );
    }

    fn any_pass() -> impl Strategy<Value = Pass> {
        let bytes = prop_oneof![
            Just(UPGRADE.to_vec()),
            Just(GET.to_vec()),
            Just(ACCEPTED.to_vec()),
            Just(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
            Just(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..150))
                .prop_map(|(first, payload)| masked(first & 0x8f, &payload)),
            prop::collection::vec(any::<u8>(), 0..20),
            "[0-3a;\r\nX: ]{0,8}(\r\n)?".prop_map(String::into_bytes),
        ];
        (any::<bool>(), bytes).prop_map(|(is_in, bytes)| if is_in { In(bytes) } else { Out(bytes) })
    }

    /// The lines of a transcript, from its bytes.
    fn sent_again(transcript: &str) -> Result<Option<Vec<String>>, transcript::Unreadable> {
        let entries = transcript::read(transcript)?;
        let mut lines = Vec::new();
        let mut say = |line: fmt::Arguments<'_>| lines.push(line.to_string());
        let mut wire = Wire::default();
        for entry in entries {
            match entry.what {
                What::Received(bytes) => wire.received(&bytes, &mut say),
                What::Sent(bytes) => wire.sent(&bytes, &mut say),
                What::Gone => std::mem::take(&mut wire).gone(&mut say),
                // The test is over: such a line cannot be sent again.
                What::NotWhole { .. } => return Ok(None),
                What::ReceivedEnd
                | What::SentEnd
                | What::Connects
                | What::Reset
                | What::Reads(_)
                | What::Bus(_)
                | What::Time(_)
                | What::Command(_) => panic!("a wire says nothing like this"),
            }
        }
        Ok(Some(lines))
    }

    proptest! {
        #[test]
        fn cutting_the_bytes_anywhere_changes_no_line(
            passes in prop::collection::vec(any_pass(), 0..8),
            size in 1_usize..40,
        ) {
            let expected = pieces(&passes, |bytes| vec![bytes.to_vec()]);
            let cut = pieces(&passes, |bytes| bytes.chunks(size).map(<[u8]>::to_vec).collect());
            prop_assert_eq!(&cut, &expected);
            prop_assert!(expected.iter().flat_map(|line| line.chars()).all(|char| !char.is_control()));
        }

        #[test]
        fn what_is_said_can_be_sent_again_and_then_the_same_is_said(
            passes in prop::collection::vec(any_pass(), 0..8),
        ) {
            let mut said = pieces(&passes, |bytes| vec![bytes.to_vec()]);
            said.push("> gone".to_owned());
            if let Some(lines) = sent_again(&said.join("\n")).unwrap() {
                prop_assert_eq!(lines, said);
            } else {
                prop_assert!(said.iter().any(|line| line.ends_with('…') || line.contains("…:")));
            }
        }
    }
}
