//! `barewire explain`, run as a person runs it, and held against the parsers that it speaks for.
//!
//! What to notice:
//! * `tests/explain/*.txt` are sessions at a terminal, to be read as lessons: what was typed, what came
//!   out, and the exit code. `UPDATE=1 cargo test --test explain` writes them anew.
//! * Every rule of frames and a good part of those of HTTP is broken once, and must be told with its
//!   section.
//! * Whatever the bytes are, the lines fit a terminal and hold nothing that it would obey.

#![cfg(feature = "deflate")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test reads files and runs the program, and panics to fail"
)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::mem::discriminant;
use std::path::Path;
use std::process::{Command, Stdio};

use barewire::explain::{MAX_INPUT_BYTES, explain};
use barewire::http::{self, HeadLimits, Method, Scan, Target};
use barewire::upgrade;
use barewire::websocket::deflate::Agreement;
use barewire::websocket::extension::offers;
use barewire::websocket::form::Form;
use barewire::websocket::message::{Assembler, Event, MessageError, MessageLimits};
use proptest::prelude::*;
use support::{Finished, finish, run};

/// A handshake, behind which everything is the client's.
const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// What it says of any input.
fn explained(input: &[u8]) -> (String, bool) {
    let explained = explain(input).unwrap();
    (explained.text, explained.is_legal)
}

/// Runs what was typed in a shell, in which `barewire` is the program under test.
fn type_in(command: &str) -> Finished {
    let script = format!("barewire() {{ {} \"$@\"; }}\n{command}", support::binary());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdin(Stdio::null());
    finish(shell.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// What was typed stands behind `$ `, and goes on to the line END if it says so.
fn typed(session: &str) -> &str {
    let end = if session.lines().next().unwrap().ends_with("<<'END'") { "\nEND\n" } else { "\n" };
    let end = session.find(end).expect("the end of what was typed") + end.len() - 1;
    session[..end].strip_prefix("$ ").expect("$ and a command")
}

#[test]
fn sessions_are_as_they_are_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let session = fs::read_to_string(&path).unwrap();
        let command = typed(&session);
        let Finished { code, stdout, stderr } = type_in(command);
        let is = format!("$ {command}\n{stdout}{stderr}$ echo $?\n{}\n", code.unwrap());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &is).unwrap();
        } else {
            assert_eq!(is, session, "{}: UPDATE=1 writes it anew", path.display());
        }
        read += 1;
    }
    assert!(read > 15, "{read} sessions");
}

/// Bytes as a shell would be given them: `\x81` for what is not printable.
fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn every_broken_rule_of_a_frame_is_told_with_its_section() {
    let long = [&b"\x82\xff\0\0\0\0\0\x01\0\x01"[..], &[0; 4]].concat();
    for (bytes, section, code) in [
        (&b"\xa1"[..], "RFC 6455 section 5.2, at byte 1", 1002), // ReservedBits
        (b"\xc9", "RFC 7692 section 6.1, at byte 1", 1002),      // CompressedBit
        (b"\x83", "RFC 6455 section 5.2, at byte 1", 1002),      // ReservedOpcode
        (b"\x09\x80", "RFC 6455 section 5.5, at byte 1", 1002),  // FragmentedControl
        (b"\x81\x05", "RFC 6455 section 5.1, at byte 2", 1002),  // Unmasked
        (b"\x89\xfe", "RFC 6455 section 5.5, at byte 2", 1002),  // LongControl
        (b"\x82\xff\x80", "RFC 6455 section 5.2, at byte 3", 1002), // LengthTopBit
        (b"\x82\xfe\0\x7d", "RFC 6455 section 5.2, at byte 4", 1002), // LengthNotMinimal
        (b"\x80\x80\0\0\0\0", "RFC 6455 section 5.4, at byte 1", 1002), // UnexpectedContinuation
        (b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", "RFC 6455 section 5.4, at byte 1", 1002), // ExpectedContinuation
        (&long, "RFC 6455 section 10.4, at byte 10", 1009),                             // TooBig
        (b"\xc1\x81\0\0\0\0\x07", "RFC 7692 section 7.2.2, at byte 7", 1007), // InvalidDeflate
        (b"\x81\x82\0\0\0\0a\xff", "RFC 6455 section 8.1, at byte 8", 1007),  // InvalidUtf8
        (b"\x88\x81\0\0\0\0\x03", "RFC 6455 section 5.5.1, at byte 2", 1002), // CloseOneByte
        (b"\x88\x82\0\0\0\0\x03\xed", "RFC 6455 section 7.4, at byte 8", 1002), // CloseCode
        (b"\x88\x85\0\0\0\0\x03\xedbye", "RFC 6455 section 7.4, at byte 8", 1002), // CloseCode
        (b"\x88\x86\0\0\0\x80\x03\xe8a\x7fby", "RFC 6455 section 5.5.1, at byte 10", 1007), // CloseReason
        (b"\x88\x83\0\0\0\0\x03\xe8\xff", "RFC 6455 section 5.5.1, at byte 9", 1007), // CloseReason
    ] {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        let input = [HANDSHAKE.as_bytes(), offer.as_bytes(), bytes].concat();
        let (text, is_legal) = explained(&input);
        let told = text.contains(&format!("broken: {section} of the frame\n"));
        assert!(told && !is_legal, "{}\n{text}", escaped(bytes));
        assert!(text.contains(&format!("the server closes with {code} (")), "{text}");
        assert!(text.contains("\n  ^^\n") || text.contains(" ^^\n"), "{text}");
    }
}

/// RFC 7692 section 7.2.3.2: the second "Hello" refers to the first.
#[test]
fn a_message_that_refers_to_those_before_it_is_not_broken() {
    let answer = |parameters: &str| {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Extensions: permessage-deflate"
            .to_owned()
            + parameters
            + "\r\n\r\n"
    };
    let hello = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\0";
    let whole = &b"\xc1\x05\xf2\0\x11\0\0"[..];
    let pieces = &b"\x41\x01\xf2\x89\0\0\0\0\x03\0\x11\0\x80\x01\0"[..];
    for (parameters, again, may_refer) in [
        (None, whole, true),
        (None, pieces, true),
        (Some(""), whole, true),
        (Some("; client_no_context_takeover"), pieces, true),
        (Some("; server_no_context_takeover"), whole, false),
        (Some("; server_no_context_takeover"), pieces, false),
    ] {
        let answer = parameters.map(answer).unwrap_or_default();
        let input = [answer.as_bytes(), hello, again, hello].concat();
        let (text, is_legal) = explained(&input);
        assert_eq!(is_legal, may_refer, "{text}");
        assert_eq!(text.contains("cannot be inflated alone"), may_refer, "{text}");
        assert_eq!(text.contains("broken: RFC 7692 section 7.2.2"), !may_refer, "{text}");
        let hellos = text.matches("5 bytes, inflated from 7: \"Hello\"").count();
        assert_eq!(hellos, if may_refer { 2 } else { 1 }, "{text}");
    }
}

/// Where the server refuses a frame behind others, counted from 1, if it is handed over byte by byte.
fn refused(before: &[u8], frame: &[u8]) -> Option<(usize, MessageError)> {
    let offers = offers([&b"permessage-deflate"[..]].into_iter()).unwrap();
    let form = Agreement::negotiate(&offers).unwrap().form();
    let limits = MessageLimits { max_message_bytes: 64 << 10, max_fragments: 131_072 };
    let mut assembler = Assembler::default();
    let mut before = before.to_vec();
    assert_eq!(assembler.receive(&mut before, form, &limits).map(|(_, event)| event), Ok(None));
    let mut bytes = (1..).zip(frame);
    bytes.find_map(|(at, byte)| Some((at, assembler.receive(&mut [*byte], form, &limits).err()?)))
}

/// What cannot be judged when it comes is refused later: what a frame is and how long, when its header
/// is whole, before any of its payload; and code and reason of a Close, when that is.
#[test]
fn every_rule_is_marked_where_the_server_refuses_or_else_at_the_byte_at_fault() {
    use MessageError as E;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let handshake = [HANDSHAKE.as_bytes(), offer.as_bytes()].concat();
    let most = [&b"\x01\x80\0\0\0\0"[..], &b"\0\x80\0\0\0\0".repeat(131_071)].concat();
    let most_compressed = [b"\x41", &most[1..]].concat();
    let largest = [&b"\x02\xff\0\0\0\0\0\x01\0\0\0\0\0\0"[..], &[0; 65_536]].concat();
    // RFC 1951 section 3.2.4: a block that is not compressed.
    let stored = b"\x42\xff\0\0\0\0\0\x01\0\x04\0\0\0\0\0\xff\xff\0\0";
    let stored = [&stored[..], &[0; 65_535]].concat();
    let mut told = HashSet::new();
    for (before, frame, error, at, mark) in [
        (&b""[..], &b"\xa1"[..], E::ReservedBits, 1, 1),
        (b"", b"\xc9", E::CompressedBit, 1, 1),
        (b"", b"\x83", E::ReservedOpcode, 1, 1),
        (b"", b"\x09", E::FragmentedControl, 1, 1),
        (b"", b"\x81\x05", E::Unmasked, 2, 2),
        (b"", b"\x89\xfe", E::LongControl, 2, 2),
        (b"", b"\x82\xff\x80", E::LengthTopBit, 3, 3),
        (b"", b"\x82\xfe\0\x7d", E::LengthNotMinimal, 4, 4),
        (b"", b"\x82\xff\0\0\0\0\0\0", E::LengthNotMinimal, 8, 8),
        (b"", b"\x80\x81\0\0\0\0a", E::UnexpectedContinuation, 6, 1),
        (b"\x01\x80\0\0\0\0", b"\x81\x81\0\0\0\0a", E::ExpectedContinuation, 6, 1),
        (&most, b"\0\x81\0\0\0\0a", E::TooManyFragments, 6, 1),
        (&most_compressed, b"\0\x81\0\0\0\0a", E::TooManyFragments, 6, 1),
        (b"", b"\x82\xff\0\0\0\0\0\x01\0\x01\0\0\0\0a", E::TooBig, 14, 10),
        (&largest, b"\x80\x81\0\0\0\0a", E::TooBig, 6, 2),
        (&stored, b"\x80\x87\0\0\0\0\0\x02\0\xfd\xffab", E::TooBig, 13, 13),
        (b"", b"\xc1\x82\0\0\0\0\x07a", E::InvalidDeflate, 7, 7),
        (b"\x41\x81\0\0\0\0\xf2", b"\x80\x80\0\0\0\0", E::InvalidDeflate, 6, 2),
        (b"", b"\x81\x83\0\0\0\0a\xffb", E::InvalidUtf8, 8, 8),
        (b"\x01\x81\0\0\0\0\xc3", b"\x80\x80\0\0\0\0", E::InvalidUtf8, 6, 2),
        (b"", b"\x88\x81\0\0\0\0\x03", E::CloseOneByte, 7, 2),
        (b"", b"\x88\x85\0\0\0\0\x03\xedbye", E::CloseCode(1005), 11, 8),
        (b"", b"\x88\x86\0\0\0\0\x03\xe8a\xffby", E::CloseReason, 12, 10),
        (b"", b"\x88\x83\0\0\0\0\x03\xe8\xc3", E::CloseReason, 9, 9),
    ] {
        let name = format!("{error:?}: {}", escaped(frame));
        assert_eq!(refused(before, frame), Some((at, error)), "{name}");
        assert_eq!(marked(&[&handshake, before, frame].concat()), Some(mark), "{name}");
        // Another byte there, and the server would have read on.
        let is_at_fault = [0x89, 0x81, 0x80, 0, 0xe8, b'b'].into_iter().any(|byte| {
            let other = [&frame[..mark - 1], &[byte], &frame[mark..at]].concat();
            refused(before, &other).is_none()
        });
        assert!(is_at_fault || mark == at, "{name}");
        told.insert(discriminant(&error));
    }
    let rules = include_str!("../src/websocket/error.rs").matches("\n    /// RFC ").count();
    assert_eq!(told.len(), rules);
}

/// The same for what a server sends, of which only the key is missing.
#[test]
fn the_byte_at_fault_is_marked_in_a_frame_of_a_server_too() {
    let long = [&b"\x82\x7f\0\0\0\0\x01\0\0\x01"[..], &[0; 9]].concat();
    for (bytes, section) in [
        (&b"\x80\x02lo"[..], "RFC 6455 section 5.4, at byte 1"),
        (b"\x01\x02He\x81\x02lo", "RFC 6455 section 5.4, at byte 1"),
        (b"\x01\x01\xc3\x80\0", "RFC 6455 section 8.1, at byte 2"),
        (b"\x88\x01\x03", "RFC 6455 section 5.5.1, at byte 2"),
        (&long, "RFC 6455 section 10.4, at byte 10"),
        (b"\x88\x05\x03\xedbye", "RFC 6455 section 7.4, at byte 4"),
        (b"\x88\x06\x03\xe8a\xffby", "RFC 6455 section 5.5.1, at byte 6"),
    ] {
        let (text, is_legal) = explained(bytes);
        let told = text.contains(&format!("broken: {section} of the frame\n"));
        assert!(told && !is_legal && text.contains(" ^^\n"), "{text}");
    }
}

#[test]
fn a_fragment_too_many_is_told() {
    let fragments = [b"\x41\0", &b"\0\0".repeat(131_072)[..]].concat();
    let (text, is_legal) = explained(&fragments);
    assert!(!is_legal && text.contains("broken: RFC 6455 section 10.4, at byte 1"), "{text}");
    assert!(text.contains("the client closes with 1008 (policy violation)"), "{text}");
}

/// A key is no excuse for what stands before it.
#[test]
fn the_first_byte_of_a_frame_is_judged_before_its_mask() {
    for (frame, section) in [
        ("81 80 00 00 00 00", "RFC 6455 section 5.1, at byte 2"),
        ("83 80 00 00 00 00", "RFC 6455 section 5.2, at byte 1"),
    ] {
        let (text, is_legal) = explained(format!("a > {frame}\n").as_bytes());
        assert!(!is_legal && text.contains(section), "{text}");
    }
}

/// A request, the rule that it breaks, and the status that it gets.
const BROKEN_HEADS: [(&str, &str, u16); 18] = [
    (
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "RFC 9112 section 2.2, at byte 15 of the head, line 1",
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "RFC 9112 section 2.2, at byte 25 of the head, line 2",
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\x07\r\n\r\n",
        "RFC 9110 section 5.5, at byte 24 of the head, line 2",
        400,
    ),
    (
        "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "RFC 9112 section 2.2, at byte 6 of the head, line 3",
        400,
    ),
    ("hello\r\n", "RFC 9112 section 3, at byte 7 of the head, line 1", 400),
    ("GET /\r\n", "RFC 9112 section 3, at byte 7 of the head, line 1", 400),
    ("G@T / HTTP/1.1\r\n", "RFC 9112 section 3.1, at byte 16 of the head, line 1", 400),
    ("get / HTTP/1.1\r\n", "RFC 9110 section 15.6.2, at byte 16 of the head, line 1", 501),
    ("GET / HTTP/2.0\r\n", "RFC 9110 section 15.6.6, at byte 16 of the head, line 1", 505),
    ("GET /#a HTTP/1.1\r\n", "RFC 9110 section 7.1, at byte 18 of the head, line 1", 400),
    (
        "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n",
        "RFC 3986 section 2.1, at byte 17 of the head, line 1",
        400,
    ),
    (
        "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        "RFC 3986 section 2.5, at byte 18 of the head, line 1",
        400,
    ),
    ("GET / HTTP/1.1\r\n\r\n", "RFC 9112 section 3.2, at byte 18 of the head, line 2", 400),
    (
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "RFC 3986 section 3.2.2, at byte 29 of the head, line 3",
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "RFC 9112 section 5.2, at byte 29 of the head, line 3",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "RFC 9110 section 8.6, at byte 47 of the head, line 4",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "RFC 9112 section 7.1, at byte 3 of the body, line 1",
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n\r\n",
        "RFC 9110 section 10.1.1, at byte 41 of the head, line 4",
        417,
    ),
];

#[test]
fn broken_rules_of_http_are_told_with_their_sections() {
    for (head, section, status) in BROKEN_HEADS {
        let (text, is_legal) = explained(escaped(head.as_bytes()).as_bytes());
        let told = text.contains(&format!("broken: {section}\n"));
        assert!(told && !is_legal, "{head:?}\n{text}");
        assert!(text.contains(&format!("the server answers {status} ")), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_handshake_is_told_with_its_section() {
    for (change, section, status) in [
        (("Version: 13", "Version: 8"), "RFC 6455 section 4.4", 426),
        (("Sec-WebSocket-Key", "Key"), "RFC 6455 section 4.2.1", 400),
        (("dGhlIHNhbXBsZSBub25jZQ==", "never"), "RFC 6455 section 4.2.1", 400),
        (("Host: ", "Sec-WebSocket-Extensions: ,\r\nHost: "), "RFC 6455 section 9.1", 400),
        (("Host: ", "Content-Length: 1\r\nHost: "), "RFC 9112 section 6.3", 400),
    ] {
        let (text, is_legal) =
            explained((HANDSHAKE.replace(change.0, change.1) + "\r\n").as_bytes());
        assert!(!is_legal && text.contains(&format!("broken: {section}\n")), "{text}");
        assert!(text.contains(&format!("on / and /echo the server answers {status} ")), "{text}");
    }
}

#[test]
fn what_is_wrong_with_an_answer_is_told_with_its_section() {
    let request = format!(
        "{HANDSHAKE}Sec-WebSocket-Protocol: a, b\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    let right = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let line = "\n  a status line is HTTP/1.1, a code of 3 digits";
    for (change, broken) in [
        (("", ""), None),
        (("Upgrade: websocket", "X: y"), Some("6455 section 4.1\n  a 101 needs Connection")),
        (
            ("Upgrade: websocket", "Upgrade: h2c"),
            Some("6455 section 4.1\n  a 101 needs Connection"),
        ),
        (("Connection: Upgrade", "X: y"), Some("6455 section 4.1\n  a 101 needs Connection")),
        (("s3pP", "s3pp"), Some("6455 section 4.1\n  the accept value must be s3pP")),
        (("Accept", "Refuse"), Some("6455 section 4.1\n  the accept value must be s3pP")),
        (("\r\n\r\n", "\r\nSec-WebSocket-Protocol: b\r\n\r\n"), None),
        (
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: B\r\n\r\n"),
            Some("6455 section 4.1\n  the client has not offered B"),
        ),
        (("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate,\r\n\r\n"), None),
        (
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x-other\r\n\r\n"),
            Some("6455 section 4.1\n  the client has not offered x-other"),
        ),
        (
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: a b\r\n\r\n"),
            Some("6455 section 4.1\n  the client has not offered a b"),
        ),
        // What has no body takes no byte of the frame behind it (RFC 9112 section 6.3).
        (("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n"), None),
        (("HTTP/1.1 101", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101"), None),
        ((" 101 Switching Protocols", " 2000 OK"), Some(line)),
        ((" 101 Switching Protocols", " 101"), Some(line)),
        ((" 101 Switching Protocols", " OK"), Some(line)),
        (("HTTP/1.1 101 Switching Protocols", "HTTP/9 hello"), Some(line)),
    ] {
        let input = request.clone() + &right.replace(change.0, change.1);
        let (text, is_legal) = explained(&[input.as_bytes(), b"\x81\x05Hello"].concat());
        assert_eq!(is_legal, broken.is_none(), "{change:?} {text}");
        let expected = broken.unwrap_or("message: text, 5 bytes: \"Hello\"");
        assert!(text.contains(expected), "{change:?} {text}");
    }
}

#[test]
fn an_answer_without_a_body_takes_no_byte_of_the_next() {
    for (asked, status) in [("GET", 204), ("GET", 304), ("HEAD", 200)] {
        let request = format!("{asked} / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = format!("HTTP/1.1 {status} \r\nContent-Length: 5\r\n\r\n");
        let (text, is_legal) = explained((request + &answer).repeat(2).as_bytes());
        let heads = text.matches("head: from a server").count();
        assert!(is_legal && heads == 2 && !text.contains("body: "), "{text}");
    }
}

#[test]
fn every_way_to_write_bytes_down_means_the_same() {
    // 40 bytes: a "Hello" from a client, and a binary frame of 27 zeros from a server.
    let mut bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x82\x1b".to_vec();
    bytes.resize(40, 0);
    let of = |text: &str| {
        let (text, is_legal) = explained(text.as_bytes());
        assert!(is_legal && text.starts_with("40 bytes, read as "), "{text}");
        text.split_once('\n').unwrap().1.to_owned()
    };
    let (raw, _) = explained(&bytes);
    let expected = raw.split_once('\n').unwrap().1;
    let zeros = "00 ".repeat(27);
    for text in [
        format!("81 85 37 fa 21 3d 7f 9f 4d 51 58 82 1b {zeros}"),
        format!("8185 37FA 213D7F9F4D515882 1b{}", zeros.replace(' ', "")),
        "[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x82, 0x1b]".to_owned()
            + &zeros,
        format!("81:85:37:fa:21:3d:7f:9f:4d:51:58:82:1b {}", "0 ".repeat(27)),
        format!("b\"{}\"", escaped(&bytes)),
        escaped(&bytes),
        "00000000: 8185 37fa 213d 7f9f 4d51 5882 1b00 0000  ..7.!=..MQX.....\n\
         00000010: 0000 0000 0000 0000 0000 0000 0000 0000  abcdabcd 12 34  \n\
         00000020: 0000 0000 0000 0000                      abcdabcd\n"
            .to_owned(),
        "818537fa213d7f9f4d5158821b0000000000000000000000000000000000\n00000000000000000000\n"
            .to_owned(),
        "00000000  81 85 37 fa 21 3d 7f 9f  4d 51 58 82 1b 00 00 00  |..7.!=..MQX.....|\n\
         00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |  |  |  aa bb cc|\n\
         00000020  00 00 00 00 00 00 00 00                           |........|\n\
         00000028\n"
            .to_owned(),
        " 81 85 37 fa 21 3d 7f 9f 4d 51 58 82 1b 00 00 00\n \
         00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n 00 00 00 00 00 00 00 00\n"
            .to_owned(),
        "0000000 81 85 37 fa 21 3d 7f 9f 4d 51 58 82 1b 00 00 00\n\
         0000020 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n\
         0000040 00 00 00 00 00 00 00 00\n\
         0000050\n"
            .to_owned(),
        "000000 81 85 37 fa 21 3d 7f 9f 4d 51 58 82 1b 00 00 00\n\
         000010 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n\
         000020 00 00 00 00 00 00 00 00\n\
         000028\n"
            .to_owned(),
        r"\201\2057\372!=\177\237MQX\202\33".to_owned() + &r"\0".repeat(13) + &r"\000".repeat(14),
        "0000   81 85 37 fa 21 3d 7f 9f  4d 51 58 82 1b 00 00 00   ..7.!=..MQX.....\n\
         0010   00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00   aa bb cc dd ee f\n\
         0020   00 00 00 00 00 00 00 00                            ........\n"
            .to_owned(),
    ] {
        assert_eq!(of(&text), expected, "{text}");
    }
}

#[test]
fn line_feeds_are_mended_in_heads_alone() {
    let post = "POST / HTTP/1.1\nHost: a\nContent-Length: 4\n\n";
    let (get, body) = ("GET / HTTP/1.1\nHost: a\n\n", "body: 4 bytes: \"1\\n\\n2\"");
    for (input, expected, is_legal) in [
        (format!("{post}1\n\n2"), vec![body], true),
        (format!("{post}1\n\n2\n"), vec![body], true),
        (format!("{post}1\n\n2{post}1\n\n2\n"), vec![body, body], true),
        (format!("{post}1\n\n2{get}"), vec![body, "GET / HTTP/1.1"], true),
        (format!("{get}{get}"), vec!["GET / HTTP/1.1", "GET / HTTP/1.1"], true),
        (
            post.replace("Content-Length: 4", "transfer-encoding: chunked")
                + "4\r\n1\n\n2\r\n0\r\n\r\n",
            vec![body],
            true,
        ),
        (format!("{get}a\nb\n"), vec!["RFC 9112 section 2.2, at byte 2 of the head"], false),
    ] {
        let (text, said) = explained(input.as_bytes());
        assert_eq!(said, is_legal, "{text}");
        let mut rest = text.as_str();
        for part in expected {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("{part}: {text}")).1;
        }
    }
}

#[test]
fn what_a_star_stands_for_in_a_dump_is_put_back() {
    let dump = "00000000  82 40 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |.@..............|\n\
                00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
                *\n\
                00000040  00 00                                             |..|\n\
                00000042\n";
    let (text, is_legal) = explained(dump.as_bytes());
    assert!(
        is_legal && text.starts_with("66 bytes") && text.contains("binary, 64 bytes"),
        "{text}"
    );
}

/// In four of the golden transcripts bytes stand as they are, and behind them once more as what they turn
/// out to be, which is too much for whoever reads both. In one a rule is broken on purpose.
#[test]
fn transcripts_are_explained_client_by_client() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let twice = ["a_frame_in_pieces", "a_head_in_pieces", "broken_rules", "what_is_no_http"];
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|end| end != "txt") || twice.contains(&&*name) {
            continue;
        }
        let (text, is_legal) = explained(&fs::read(&path).unwrap());
        assert!(text.contains("read as a transcript"), "{text}");
        assert!(!text.contains("cut off"), "{name}: {text}");
        assert_eq!(is_legal, name != "close_while_a_message_is_open", "{text}");
        read += 1;
    }
    assert!(read > 10, "{read} transcripts");
    let (text, _) = explained(b"ann < ping \"a\"\nbob < ping \"b\"\nann > pong \"a\"\n");
    let order = ["---- ann ----", "ping: \"a\"", "pong: \"a\"", "---- bob ----", "ping: \"b\""];
    let places: Vec<_> = order.iter().map(|part| text.find(part).expect(part)).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn what_cannot_be_explained_is_told() {
    let too_much = vec![b'a'; MAX_INPUT_BYTES + 1];
    for (input, expected) in [
        (&b""[..], "there is nothing to explain"),
        (b" \n\n", "there is nothing to explain"),
        (b"81 85 3g", "write pairs of digits"),
        (b"0000000 8581 fa37 3d21\n0000006\n", "or use xxd or hexdump -C"),
        (b"0000000 8581 fa37 3d21 9f7f 514d 0058\n000000b\n", "or use xxd or hexdump -C"),
        (b"000000 8581 fa37 3d21\n000006\n", "or use xxd or hexdump -C"),
        (b"0000000 8581\n0000002\n", "or use xxd or hexdump -C"),
        (br"\u{81}\x05Hello", r"an escape in here is not known: write \x1b"),
        (br"\x81\x5Hello", "an escape in here is not known"),
        (br"\x81\400Hello", "an escape in here is not known"),
        (b"< GET / HTTP/1.1\n< hello\n", "line 2: this is no line of the notation"),
        (b"! redis is live\n", "nobody says anything"),
        (&too_much, "larger than 1 MiB"),
    ] {
        let why = explain(input).unwrap_err();
        assert!(why.contains(expected), "{}: {why}", escaped(input));
    }
    let finished = run(&["explain"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    assert!(finished.stderr.starts_with("barewire: there is nothing to explain"), "{finished:?}");
}

#[test]
fn much_is_told_briefly() {
    let pongs = b"\x8a\x80\0\0\0\0".repeat(MAX_INPUT_BYTES / 6);
    let requests = b"GET / HTTP/1.0\r\n\r\n".repeat(MAX_INPUT_BYTES / 18);
    let large = [&b"\x82\x7f\0\0\0\0\0\x0f\0\0"[..], &vec![b'a'; 0xf_0000]].concat();
    for (input, is_legal) in
        [(pongs, true), (requests, true), (large, true), (vec![0xff; MAX_INPUT_BYTES], false)]
    {
        let (text, said) = explained(&input);
        assert_eq!(said, is_legal, "{text}");
        assert!(text.len() < 100_000, "{}", text.len());
    }
}

#[test]
fn a_long_value_is_cut_between_two_characters_and_marked() {
    for (value, shown) in [
        ("é".repeat(63), "é".repeat(62) + "…"),
        ("a".to_owned() + &"é".repeat(63), "a".to_owned() + &"é".repeat(62) + "…"),
        ("a".repeat(125), "a".repeat(125)),
        ("a".repeat(126), "a".repeat(125) + "…"),
    ] {
        let text =
            explained(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n").as_bytes()).0;
        let lines: String = text.lines().map(str::trim_start).collect();
        assert!(lines.contains(&format!("X: {shown}This is no")), "{text}");
    }
}

#[test]
fn many_clients_are_told_briefly_too() {
    let mut pings = String::new();
    let mut broken = String::new();
    for client in 0..3_000 {
        pings += &format!("{client} < ping \"a\"\n");
        broken += &format!("{client} < ff\n{client} > ff\n{client} < 00\n");
    }
    for (input, is_legal) in [(pings, true), (broken, false)] {
        let (text, said) = explained(input.as_bytes());
        assert_eq!(said, is_legal);
        assert!(text.len() < 200_000, "{}", text.len());
        assert!(text.ends_with(" more were read, and are not shown)\n"), "{text}");
    }
    // Behind all that is shown, what breaks a rule is shown still.
    let pongs = (0..300).map(|client| format!("{client} < 8a 80 00 00 00 00\n{client} < 81\n"));
    let (text, said) = explained((pongs.collect::<String>() + "bob < ff\n").as_bytes());
    assert!(!said && text.contains("---- bob ----"), "{text}");
    assert!(text.contains("broken: RFC 6455 section 5.2, at byte 1"), "{text}");
    assert!(text.ends_with(" more were read, and are not shown)\n"), "{text}");
}

/// Nothing that a terminal would obey, and no line that does not fit.
fn assert_fits_a_terminal(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn no_control_character_reaches_a_terminal() {
    let evil = "\x1b[2J\u{7}\u{202e}\u{9b}31m\r\n\0";
    let masked = |opcode: u8| {
        [&[0x80 | opcode, 0x80 | evil.len() as u8, 0, 0, 0, 0][..], evil.as_bytes()].concat()
    };
    let close = [&b"\x88\x92\0\0\0\0\x03\xe8"[..], &evil.as_bytes()[..16]].concat();
    for input in [
        masked(1),
        masked(2),
        masked(9),
        masked(10),
        close,
        [&b"\x81\x7e\x01\0"[..], &evil.as_bytes().repeat(16)].concat(),
        format!("GET /{evil} HTTP/1.1\r\n\r\n").into_bytes(),
        "GET /%1b%5b2J?%1b=%07 HTTP/1.1\r\nHost: a\r\nX: \u{9b}31m\u{202e}\r\n\r\n"
            .as_bytes()
            .to_vec(),
        format!("HTTP/1.1 101 {evil}").into_bytes(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\x1b[2J".as_bytes().to_vec(),
    ] {
        let (text, _) = explained(&input);
        assert_fits_a_terminal(&text);
        assert!(!text.contains(['\u{202e}', '\u{9b}']), "{text}");
    }
}

/// A whole frame of a client, with a payload of at most 125 bytes.
fn masked(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let plain = payload.iter().zip(key.into_iter().cycle());
    let header = [first, 0x80 | payload.len() as u8].into_iter().chain(key);
    header.chain(plain.map(|(byte, key)| byte ^ key)).collect()
}

/// The byte of a frame that is marked, counted from 1.
fn marked(frame: &[u8]) -> Option<usize> {
    let (text, _) = explained(frame);
    text.split_once(", at byte ")?.1.split_once(" of the frame")?.0.parse().ok()
}

/// What follows a handshake, read by the server's own assembler: whether any rule is broken.
fn is_legal_for_a_server(mut bytes: Vec<u8>) -> bool {
    let limits = MessageLimits { max_message_bytes: 64 << 10, max_fragments: 131_072 };
    let mut assembler = Assembler::default();
    let mut rest = &mut bytes[..];
    loop {
        match assembler.receive(rest, Form::Plain, &limits) {
            Err(_) => return false,
            Ok((_, None)) => return true,
            Ok((taken, Some(Event::Close(_)))) => return taken == rest.len(),
            Ok((taken, Some(_))) => rest = &mut rest[taken..],
        }
    }
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(&[0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a][..]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        3 => prop::collection::vec(b' '..=b'~', 0..200),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(b"\x03\xe8".to_vec()),
    ];
    (first, payload, any::<[u8; 4]>()).prop_map(|(first, payload, key)| {
        let mut frame = match payload.len() {
            short @ 0..126 => vec![first, 0x80 | short as u8],
            long => vec![first, 0xfe, 0, long as u8],
        };
        frame.extend(key);
        frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    })
}

proptest! {
    #[test]
    fn any_bytes_are_explained(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(explained) = explain(&bytes) {
            assert_fits_a_terminal(&explained.text);
        }
    }

    #[test]
    fn any_text_is_explained(text in "[ -~\r\n\t]{0,80}", head in "(GET / HTTP/1.1\r\n|HTTP/1.1 101 a\r\n)?") {
        if let Ok(explained) = explain(format!("{head}{text}").as_bytes()) {
            assert_fits_a_terminal(&explained.text);
        }
    }

    /// What is said of frames is what the server makes of them, whole or cut off anywhere.
    #[test]
    fn the_verdict_on_frames_is_the_assemblers(
        frames in prop::collection::vec(frame(), 1..6), cut in 0..300_usize,
    ) {
        let mut bytes = frames.concat();
        bytes.truncate(bytes.len().saturating_sub(cut).max(1));
        prop_assume!(!b"HTTP/".starts_with(&bytes[..bytes.len().min(5)]));
        let (text, is_legal) = explained(&[HANDSHAKE.as_bytes(), b"\r\n", &bytes].concat());
        assert_fits_a_terminal(&text);
        prop_assert_eq!(is_legal, is_legal_for_a_server(bytes), "{}", text);
    }

    /// RFC 6455 section 5.5.1: the reason is UTF-8, as a text is. The code stands before it.
    #[test]
    fn a_reason_is_wrong_where_the_same_text_would_be(
        reason in prop::collection::vec(prop_oneof![9 => b' '..=b'~', 1 => any::<u8>()], 0..=123),
        key: [u8; 4],
    ) {
        let text = marked(&masked(0x81, &reason, key));
        let close = marked(&masked(0x88, &[b"\x03\xe8", &reason[..]].concat(), key));
        prop_assert_eq!(close, text.map(|at| at + 2));
    }

    /// What is said of a head is what `http` and `upgrade` make of it.
    #[test]
    fn the_verdict_on_a_head_is_the_parsers(
        at in 0..180_usize, removed in 0..4_usize, inserted in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut head = format!("{HANDSHAKE}\r\n").into_bytes();
        let end = (at + removed).min(head.len());
        head.splice(at.min(end)..end, inserted);
        prop_assume!(head.starts_with(b"G"));
        if let Ok(Some((_, used))) = http::parse(&head, &mut Scan::default(), &HeadLimits::default()) {
            head.truncate(used);
        }
        let (text, is_legal) = explained(&head);
        let expected = match http::parse(&head, &mut Scan::default(), &HeadLimits::default()) {
            Ok(None) => true,
            Err(why) => { prop_assert!(text.contains(why.section()), "{}", text); false }
            Ok(Some((head, _))) => {
                Target::parse(head.target).is_ok()
                    && (head.method != Method::Get
                        || !upgrade::is_requested(&head)
                        || upgrade::accept(&head, false).is_ok())
            }
        };
        assert_fits_a_terminal(&text);
        prop_assert_eq!(is_legal, expected, "{}", text);
    }
}
