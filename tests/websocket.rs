//! What RFC 6455 says, as tables of literal bytes that go over a real socket.
//!
//! What to notice:
//! * [`LEGAL`] and [`BROKEN`] are where to look up what a rule means: its section, the bytes, and what
//!   they get. Every row is sent whole, cut at each byte, and in front of and behind others.
//! * What the RFC counts is tried to the end: all first bytes, all close codes.
//! * tungstenite speaks too, because a client by the same authors would make the same mistakes.
//!
//! How clients come, break off, stall and flood is in `tests/wire.rs`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::client::{Frame, close, masked};
use support::{Client, SOON, Server};
use tungstenite::protocol::frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Bytes, Message, WebSocket};

// ---- The RFC's own bytes ----

#[test]
fn s5_7_the_examples_of_the_rfc() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    // A single-frame masked text message.
    client.send(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(client.take(7), b"\x81\x05\x48\x65\x6c\x6c\x6f");
    // A fragmented one (masked here with zeros, which leave the bytes as they stand in the RFC).
    client.send(b"\x01\x83\x00\x00\x00\x00\x48\x65\x6c\x80\x82\x00\x00\x00\x00\x6c\x6f");
    assert_eq!(client.take(7), b"\x81\x05\x48\x65\x6c\x6c\x6f");
    // Ping, and its Pong.
    client.send(b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(client.take(7), b"\x8a\x05\x48\x65\x6c\x6c\x6f");
    // 256 bytes and 64 KiB, binary.
    for (length, header) in
        [(256, b"\x82\x7e\x01\x00".as_slice()), (65_536, b"\x82\x7f\0\0\0\0\0\x01\0\0")]
    {
        let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
        client.send_frame(0x82, &payload);
        assert_eq!(client.take(header.len()), header);
        assert!(client.take(length) == payload, "{length} bytes came back changed");
    }
}

#[test]
fn s5_2_every_length_at_the_edges_of_its_form() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    for length in [0, 1, 2, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536] {
        let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
        client.send_frame(0x82, &payload);
        let frame = client.frame();
        assert!(frame == Frame::binary(&payload), "{length} bytes came back changed");
    }
}

// ---- What is legal, byte for byte ----

/// A rule, what a client sends, and all that it gets. The masking key is zero, so that payloads stand
/// here as they are; a client's library takes a random one (section 5.3).
const LEGAL: [(&str, &[u8], &[u8]); 26] = [
    ("5.3: a key of zeros is a key", b"\x81\x85\0\0\0\0Hello", b"\x81\x05Hello"),
    ("5.6: a text may be empty", b"\x81\x80\0\0\0\0", b"\x81\x00"),
    ("5.6: an empty frame is masked too", b"\x82\x80\xff\xff\xff\xff", b"\x82\x00"),
    ("5.6: binary is any bytes", b"\x82\x83\0\0\0\0\xff\0\xc0", b"\x82\x03\xff\0\xc0"),
    ("5.6: U+0000 is text", b"\x81\x81\0\0\0\0\0", b"\x81\x01\0"),
    ("8.1: U+10FFFF is text", b"\x81\x84\0\0\0\0\xf4\x8f\xbf\xbf", b"\x81\x04\xf4\x8f\xbf\xbf"),
    ("8.1: a byte order mark stays", b"\x81\x83\0\0\0\0\xef\xbb\xbf", b"\x81\x03\xef\xbb\xbf"),
    ("5.4: two fragments", b"\x01\x83\0\0\0\0Hel\x80\x82\0\0\0\0lo", b"\x81\x05Hello"),
    (
        "5.4: the type is that of the first fragment",
        b"\x02\x81\0\0\0\0\xff\x80\x81\0\0\0\0\xff",
        b"\x82\x02\xff\xff",
    ),
    (
        "5.4: fragments may be empty, the first, one between, and the last",
        b"\x01\x80\0\0\0\0\x00\x81\0\0\0\0a\x00\x80\0\0\0\0\x80\x80\0\0\0\0",
        b"\x81\x01a",
    ),
    (
        "5.4: all fragments may be empty",
        b"\x02\x80\0\0\0\0\x00\x80\0\0\0\0\x80\x80\0\0\0\0",
        b"\x82\x00",
    ),
    (
        "5.4, 5.5: a ping between fragments is answered before the message",
        b"\x01\x83\0\0\0\0Hel\x89\x81\0\0\0\0?\x80\x82\0\0\0\0lo",
        b"\x8a\x01?\x81\x05Hello",
    ),
    (
        "5.4, 8.1: a character may be cut by a frame's end, and a ping come there",
        b"\x01\x81\0\0\0\0\xe2\x89\x81\0\0\0\0\xff\x00\x81\0\0\0\0\x82\x80\x81\0\0\0\0\xac",
        b"\x8a\x01\xff\x81\x03\xe2\x82\xac",
    ),
    ("5.5.2: a ping may be empty", b"\x89\x80\0\0\0\0", b"\x8a\x00"),
    ("5.5.3: a pong has the ping's payload", b"\x89\x82\0\0\0\0\0\xff", b"\x8a\x02\0\xff"),
    (
        "5.5.3: each of several pings may have its pong, in order",
        b"\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b\x89\x81\0\0\0\0a",
        b"\x8a\x01a\x8a\x01b\x8a\x01a",
    ),
    ("5.5.3: a pong that nobody asked for is no fault", b"\x8a\x81\0\0\0\0!", b""),
    ("5.5.3: nor is it when it comes twice", b"\x8a\x81\0\0\0\0!\x8a\x81\0\0\0\0!", b""),
    ("5.5.1: a Close without a body", b"\x88\x80\0\0\0\0", b"\x88\x00"),
    ("5.5.1: its code is answered", b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"),
    ("5.5.1: its reason is for logs", b"\x88\x85\0\0\0\0\x03\xe9bye", b"\x88\x02\x03\xe9"),
    ("7.4.2: an application's code", b"\x88\x82\0\0\0\0\x13\x87", b"\x88\x02\x13\x87"),
    (
        "5.5.1: a Close may come inside a message, which nobody gets then",
        b"\x01\x83\0\0\0\0Hel\x88\x82\0\0\0\0\x03\xe8",
        b"\x88\x02\x03\xe8",
    ),
    (
        "5.5.1: behind a Close, a message means nothing",
        b"\x88\x82\0\0\0\0\x03\xe8\x81\x85\0\0\0\0Hello",
        b"\x88\x02\x03\xe8",
    ),
    (
        "5.5.2: behind a Close, a ping needs no pong",
        b"\x88\x82\0\0\0\0\x03\xe8\x89\x80\0\0\0\0",
        b"\x88\x02\x03\xe8",
    ),
    (
        "5.5.1: behind a Close, a second one or a broken frame gets no second answer",
        b"\x88\x82\0\0\0\0\x03\xe8\x88\x82\0\0\0\0\x03\xe9\xff\xff",
        b"\x88\x02\x03\xe8",
    ),
];

/// Ends a row of [`LEGAL`] that has not ended itself, and its answer.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
const CLOSED: &[u8] = b"\x88\x02\x03\xe8";

/// What `/echo` says to a client that sends these parts, until it ends the connection. Each part is
/// read before the next one is sent, so that a cut between two is a cut for the server too.
#[track_caller]
fn conversation(server: &Server, bystander: &mut Client, parts: &[&[u8]]) -> Vec<u8> {
    let mut client = server.subscriber("/echo");
    for part in parts {
        client.send(part);
        bystander.fence();
    }
    client.orderly_rest()
}

#[test]
fn what_is_legal_is_answered_and_wherever_it_is_cut() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for (rule, sent, answer) in LEGAL {
        let mut answer = answer.to_vec();
        if !answer.starts_with(b"\x88") {
            answer.extend(CLOSED);
        }
        let sent = [sent, CLOSE].concat();
        for cut in 0..sent.len() {
            let (left, right) = sent.split_at(cut);
            let got = conversation(&server, &mut bystander, &[left, right]);
            assert_eq!(
                got.escape_ascii().to_string(),
                answer.escape_ascii().to_string(),
                "{rule}: {}, cut at {cut}",
                sent.escape_ascii()
            );
        }
        let single: Vec<_> = sent.chunks(1).collect();
        assert_eq!(conversation(&server, &mut bystander, &single), answer, "{rule}, byte by byte");
    }
}

// ---- What is broken gets the code of its rule, at the byte that breaks it ----

/// A rule; bytes that are legal as far as they go; those that break it, and not one more; the code
/// of the Close that they get, and words of its reason.
///
/// Where more than one byte breaks a rule, the first may already do so, but it is judged at the last:
/// the order of frames (5.4) and their size (10.4) when a header is whole, a Close when it is whole.
type Broken = (&'static str, &'static [u8], &'static [u8], u16, &'static str);

const BROKEN: [Broken; 44] = [
    ("5.1: a client masks every frame", b"\x81", b"\x05", 1002, "masks every frame"),
    ("5.1: an empty frame too", b"\x82", b"\x00", 1002, "masks every frame"),
    ("5.1: a control frame too", b"\x89", b"\x00", 1002, "masks every frame"),
    ("5.1: a Close too", b"\x88", b"\x02", 1002, "masks every frame"),
    ("5.1: before its length is looked at", b"\x82", b"\x7f", 1002, "masks every frame"),
    ("5.2: RSV1 is 0", b"", b"\xc1", 1002, "reserved bit"),
    ("5.2: RSV2 is 0", b"", b"\xa1", 1002, "reserved bit"),
    ("5.2: RSV3 is 0", b"", b"\x91", 1002, "reserved bit"),
    ("5.2: RSV1 is 0 in a ping too", b"", b"\xc9", 1002, "reserved bit"),
    ("5.2: and in a continuation", b"\x01\x81\0\0\0\0a", b"\xc0", 1002, "reserved bit"),
    ("5.2: the opcodes 3 to 7 are reserved", b"", b"\x83", 1002, "opcode is reserved"),
    ("5.2: the opcodes 11 to 15, too", b"", b"\x8f", 1002, "opcode is reserved"),
    ("5.2: and between fragments", b"\x01\x81\0\0\0\0a", b"\x0b", 1002, "opcode is reserved"),
    ("5.2: a length of 125 fits 7 bits", b"\x82\xfe\x00", b"\x7d", 1002, "shortest form"),
    ("5.2: a length of 0 does too", b"\x82\xfe\x00", b"\x00", 1002, "shortest form"),
    ("5.2: a length of 65,535 fits 16", b"\x82\xff\0\0\0\0\0", b"\0", 1002, "shortest form"),
    ("5.2: a length of 2^63", b"\x82\xff", b"\x80", 1002, "highest bit"),
    ("5.2: a length of 2^64 - 1", b"\x82\xff", b"\xff", 1002, "highest bit"),
    ("5.4: a continuation of nothing", b"", b"\x80\x80\0\0\0\0", 1002, "continuation without"),
    ("5.4: and one that would go on", b"", b"\x00\x81\0\0\0\0", 1002, "continuation without"),
    (
        "5.4: a whole message inside another",
        b"\x01\x81\0\0\0\0a",
        b"\x81\x81\0\0\0\0",
        1002,
        "inside another",
    ),
    (
        "5.4: one that begins in another",
        b"\x01\x81\0\0\0\0a",
        b"\x02\x80\0\0\0\0",
        1002,
        "inside another",
    ),
    ("5.5: a ping without FIN", b"", b"\x09", 1002, "never fragmented"),
    ("5.5: a pong without FIN", b"", b"\x0a", 1002, "never fragmented"),
    ("5.5: a Close without FIN", b"", b"\x08", 1002, "never fragmented"),
    ("5.5: a ping of over 125 bytes", b"\x89", b"\xfe", 1002, "at most 125"),
    ("5.5: a pong of over 125 bytes", b"\x8a", b"\xff", 1002, "at most 125"),
    ("5.5: a Close of over 125 bytes", b"\x88", b"\xfe", 1002, "at most 125"),
    ("5.5.1: a Close of one byte", b"\x88", b"\x81\0\0\0\0\x03", 1002, "two bytes of a code"),
    ("7.4.1: 1005 is never sent", b"\x88\x82\0\0\0\0\x03", b"\xed", 1002, "close code 1005"),
    (
        "7.4.1: the code is judged before the reason",
        b"\x88\x84\0\0\0\0\x03",
        b"\xee\xff\xff",
        1002,
        "close code 1006",
    ),
    (
        "5.5.1: a reason that is no UTF-8",
        b"\x88\x83\0\0\0\0\x03\xe8",
        b"\xff",
        1007,
        "reason in a Close",
    ),
    (
        "5.5.1: one whose end is cut off",
        b"\x88\x84\0\0\0\0\x03\xe8",
        b"\xe2\x82",
        1007,
        "reason in a Close",
    ),
    ("8.1: a byte that no text has", b"\x81\x85\0\0\0\0He", b"\xff", 1007, "text is not"),
    ("8.1: an ASCII character in two bytes", b"\x81\x85\0\0\0\0", b"\xc0", 1007, "text is not"),
    ("8.1: a character in too many bytes", b"\x81\x85\0\0\0\0\xe0", b"\x9f", 1007, "text is not"),
    ("8.1: a surrogate", b"\x81\x85\0\0\0\0\xed", b"\xa0", 1007, "text is not"),
    ("8.1: beyond U+10FFFF", b"\x81\x85\0\0\0\0\xf4", b"\x90", 1007, "text is not"),
    ("8.1: a character cut off by the end", b"\x81\x82\0\0\0\0", b"\xe2\x82", 1007, "text is not"),
    (
        "8.1: or by the end of the last fragment",
        b"\x01\x82\0\0\0\0\xe2\x82",
        b"\x80\x80\0\0\0\0",
        1007,
        "text is not",
    ),
    (
        "8.1: what goes on in the next fragment has to fit",
        b"\x01\x81\0\0\0\0\xe2\x8a\x81\0\0\0\0\x82\x00\x85\0\0\0\0",
        b"(",
        1007,
        "text is not",
    ),
    (
        "10.4: 64 KiB and a byte, the limit being 64 KiB",
        b"\x82\xff\0\0\0\0\0\x01\0",
        b"\x01\0\0\0\0",
        1009,
        "larger than",
    ),
    (
        "10.4: 2^63 - 1 bytes are no other case",
        b"\x82\xff",
        b"\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        1009,
        "larger than",
    ),
    (
        "10.4: fragments count together, and no sum of theirs goes round",
        b"\x02\x81\0\0\0\0a\x80\xff",
        b"\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        1009,
        "larger than",
    ),
];

/// Whether bytes are one Close frame of that code, with these words in its reason, and nothing else.
#[track_caller]
fn assert_closed(got: &[u8], code: u16, words: &str, what: &str) {
    let shown = got.escape_ascii();
    let [0x88, length @ 2..=125, high, low, reason @ ..] = got else {
        panic!("{what}: no Close with a code: {shown}");
    };
    assert_eq!(usize::from(*length), 2 + reason.len(), "{what}: more than a Close: {shown}");
    assert_eq!(u16::from_be_bytes([*high, *low]), code, "{what}: {shown}");
    let reason = std::str::from_utf8(reason).expect("a reason is UTF-8");
    assert!(reason.contains(words), "{what}: {words:?} is not in {reason:?}");
}

#[test]
fn what_is_broken_is_told_at_the_byte_that_breaks_it_and_not_before() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for (rule, legal, broken, code, words) in BROKEN {
        let mut client = server.subscriber("/echo");
        client.send(legal);
        bystander.fence();
        let shown = legal.escape_ascii();
        assert!(client.has_nothing(), "{rule}: {shown} may still become legal");
        client.send(broken);
        assert_closed(&client.orderly_rest(), code, words, rule);
    }
}

#[test]
fn what_is_broken_gets_one_answer_wherever_it_is_cut() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for (rule, legal, broken, code, words) in BROKEN {
        let sent = [legal, broken].concat();
        for cut in 1..sent.len() {
            let (left, right) = sent.split_at(cut);
            let got = conversation(&server, &mut bystander, &[left, right]);
            assert_closed(&got, code, words, &format!("{rule}, cut at {cut}"));
        }
    }
}

#[test]
fn what_came_before_a_broken_frame_is_answered_and_what_comes_behind_is_not() {
    let server = Server::start(&[]);
    for (rule, legal, broken, code, words) in BROKEN {
        let before = b"\x81\x81\0\0\0\0a\x82\x81\0\0\0\0b\x89\x80\0\0\0\0";
        let behind = [b"\x81\x81\0\0\0\0c\x89\x80\0\0\0\0".as_slice(), CLOSE].concat();
        let mut client = server.subscriber("/echo");
        client.send([before, legal, broken, &behind].concat());
        let got = client.orderly_rest();
        let Some(close) = got.strip_prefix(b"\x81\x01a\x82\x01b\x8a\x00") else {
            panic!("{rule}: what came before is answered first: {}", got.escape_ascii());
        };
        assert_closed(close, code, words, rule);
    }
}

/// Sends the first bytes of a frame, which either break a rule by themselves, with these words for it,
/// or get no answer.
#[track_caller]
fn begins(server: &Server, bystander: &mut Client, bytes: &[u8], broken: Option<&str>) {
    let mut client = server.subscriber("/echo");
    client.send(bytes);
    let what = bytes.escape_ascii().to_string();
    if let Some(words) = broken {
        assert_closed(&client.orderly_rest(), 1002, words, &what);
    } else {
        bystander.fence();
        assert!(client.has_nothing(), "{what} begins a frame, and gets {:?}", client.frame());
    }
}

#[test]
fn s5_2_every_first_byte() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for first in 0..=u8::MAX {
        let (is_last, reserved_bits, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
        let broken = match opcode {
            _ if reserved_bits != 0 => Some("reserved bit"),
            3..=7 | 11..=15 => Some("opcode is reserved"),
            8..=10 if !is_last => Some("never fragmented"),
            0 => continue, // a continuation of nothing, which is judged with the whole header
            _ => None,
        };
        begins(&server, &mut bystander, &[first], broken);
    }
}

#[test]
fn s5_1_every_second_byte() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for first in [0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8a] {
        let is_control = first & 0x08 != 0;
        for second in 0..=u8::MAX {
            let broken = match second {
                0..=127 => Some("masks every frame"),
                254..=255 if is_control => Some("at most 125"),
                _ => None,
            };
            begins(&server, &mut bystander, &[first, second], broken);
        }
    }
    for first in [0x00, 0x80] {
        // Continuations of nothing, so the reason may be that one too.
        for second in 0..=127 {
            begins(&server, &mut bystander, &[first, second], Some(""));
        }
    }
}

#[test]
fn s5_2_every_length_that_is_too_long_a_form_and_every_one_with_its_highest_bit_set() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for length in 0..=300_u16 {
        let [high, low] = length.to_be_bytes();
        let broken = (length <= 125).then_some("shortest form");
        begins(&server, &mut bystander, &[0x82, 0xfe, high, low], broken);
    }
    for highest in 0x80..=0xff {
        begins(&server, &mut bystander, &[0x82, 0xff, highest], Some("highest bit"));
    }
}

// ---- Closing ----

#[test]
fn s7_4_every_close_code_from_0_to_65535() {
    const AT_ONCE: u16 = 4;
    // Section 7.4.1 and the IANA registry; section 7.4.2. What nobody may send, or nobody has
    // registered yet, is answered with 1002.
    let may_be_sent = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    let server = Server::start(&[]);
    let mut first = server.client();
    first.send(Client::handshake("/echo"));
    let switched = first.head().head;
    let check = |code: u16| {
        let mut client = server.client();
        let frame = masked(0x88, &close(code, ""));
        client.send([Client::handshake("/echo"), frame].concat());
        let got = client.orderly_rest();
        let got = got.strip_prefix(switched.as_bytes()).expect("101, as for everybody");
        if may_be_sent(code) {
            assert_eq!(got, [b"\x88\x02", &code.to_be_bytes()[..]].concat(), "{code}");
        } else {
            let words = format!("close code {code} may not be sent");
            assert_closed(got, 1002, &words, &code.to_string());
        }
    };
    let check = &check;
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            scope.spawn(move || (worker..=u16::MAX).step_by(AT_ONCE.into()).for_each(check));
        }
    });
}

#[test]
fn s5_5_1_a_reason_has_at_most_123_bytes() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for length in 0..=123 {
        let frame = masked(0x88, &close(4000, &"a".repeat(length)));
        let got = conversation(&server, &mut bystander, &[&frame]);
        assert_eq!(got, b"\x88\x02\x0f\xa0", "a reason of {length} bytes");
    }
    // A longer one does not fit a control frame (section 5.5), which its header says already.
    let frame = masked(0x88, &close(4000, &"a".repeat(124)));
    let got = conversation(&server, &mut bystander, &[&frame]);
    assert_closed(&got, 1002, "at most 125", "a reason of 124 bytes");
}

// ---- Limits ----

#[test]
fn s10_4_a_message_over_the_limit_is_1009_before_it_has_come() {
    let server = Server::start(&["--max-message", "1k"]);
    let mut bystander = server.subscriber("/echo");
    let mut client = server.subscriber("/echo");
    client.send_frame(0x82, &[7; 1024]);
    assert_eq!(client.frame(), Frame::binary(&[7; 1024]));
    let before = server.proc_status("VmHWM");
    for header in [
        b"\x82\xfe\x04\x01\0\0\0\0".as_slice(),
        b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0",
        b"\x82\xff\0\0\x01\0\0\0\0\0\0\0\0\0",
        b"\x82\xff\x40\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        let got = conversation(&server, &mut bystander, &[header]);
        assert_closed(&got, 1009, "larger than", &header.escape_ascii().to_string());
    }
    let fragments = [masked(0x02, &[0; 1000]), masked(0x80, &[0; 25])].concat();
    let got = conversation(&server, &mut bystander, &[&fragments]);
    assert_closed(&got, 1009, "larger than", "the fragments count together");
    let grown = server.proc_status("VmHWM") - before;
    assert!(grown < 1 << 10, "{grown} kB: a declared length never allocates");
    // Who sends all of it before it looks is still told: a reset would destroy the Close.
    let mut deaf = server.subscriber("/echo");
    deaf.try_send(masked(0x82, &vec![7; 16 << 20]));
    assert_eq!(deaf.closed(), (1009, "the message is larger than this server takes".into()));
}

#[test]
fn s10_4_a_message_of_too_many_fragments_is_1008_even_if_all_are_empty() {
    const MOST: usize = 131_072;
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    let before = server.proc_status("VmHWM");
    let empty = masked(0x00, b"");
    client.send([masked(0x02, b""), empty.repeat(MOST - 2), masked(0x80, b"all")].concat());
    assert_eq!(client.frame(), Frame::binary(b"all"));
    // As many bytes as a message may have, each in a frame of its own.
    let single = masked(0x00, b"x").repeat((64 << 10) - 2);
    client.send([masked(0x02, b"x"), single, masked(0x80, b"x")].concat());
    assert_eq!(client.frame(), Frame::binary(&[b'x'; 64 << 10]));
    client.send([masked(0x02, b""), empty.repeat(MOST)].concat());
    let (code, reason) = client.closed();
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.contains("too many fragments"), "{reason}");
    let grown = server.proc_status("VmHWM") - before;
    assert!(grown < 1 << 10, "{grown} kB for messages of at most 64 KiB");
}

#[test]
fn what_a_client_says_on_a_channel_is_checked_and_dropped() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/?channel=ruby");
    client.send_frame(0x81, b"to nobody");
    client.send_frame(0x82, b"\xff");
    client.send_frame(0x89, b"still there?");
    assert_eq!(client.frame(), Frame::pong(b"still there?"));
    server.publish("ruby", b"Hello");
    assert_eq!(client.frame(), Frame::text("Hello"));
    client.send_frame(0x81, b"\xff");
    assert_eq!(client.closed().0, 1007);
}

#[test]
fn what_is_dropped_is_said_even_if_its_sender_leaves_with_the_same_bytes() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/?channel=ruby");
    client.send([masked(0x81, b"to nobody"), masked(0x88, &close(1000, ""))].concat());
    assert_eq!(client.closed().0, 1000);
    server.logs("dropped a message that a subscriber sent: publishing is POST /publish");
}

// ---- tungstenite ----

/// A tungstenite client on a target; its messages may be as large as they come.
#[track_caller]
fn tungstenite(server: &Server, target: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
    stream.set_read_timeout(Some(SOON)).unwrap();
    let url = format!("ws://127.0.0.1:{}{target}", server.port());
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (socket, response) =
        tungstenite::client::client_with_config(url, stream, Some(config)).expect("the handshake");
    assert_eq!(response.status().as_u16(), 101);
    socket
}

fn close_of(message: &Message) -> Option<(CloseCode, &str)> {
    if let Message::Close(Some(frame)) = message { Some((frame.code, &frame.reason)) } else { None }
}

#[test]
fn tungstenite_gets_back_what_it_sends() {
    let server = Server::start(&["--max-message", "16m"]);
    let mut socket = tungstenite(&server, "/echo");
    let bytes = |length| (0..=255).cycle().take(length).collect::<Vec<u8>>();
    for message in [
        Message::text("Hello"),
        Message::text(""),
        Message::text("\u{20ac}".repeat(300)),
        Message::binary(Bytes::new()),
        Message::binary(vec![0, 255, 128]),
        Message::binary(bytes(1 << 20)),
        Message::binary(bytes(16 << 20)),
    ] {
        socket.send(message.clone()).expect("sent");
        let back = socket.read().expect("read");
        assert!(back == message, "{} bytes came back as {}", message.len(), back.len());
    }
    let mut fragment = |text: &'static str, opcode, fin| {
        let frame = frame::Frame::message(text, OpCode::Data(opcode), fin);
        socket.send(Message::Frame(frame)).expect("sent");
    };
    fragment("Hel", Data::Text, false);
    fragment("", Data::Continue, false);
    fragment("lo", Data::Continue, true);
    assert_eq!(socket.read().expect("read"), Message::text("Hello"));
    socket.send(Message::Ping(Bytes::from_static(b"?"))).expect("sent");
    assert_eq!(socket.read().expect("read"), Message::Pong(Bytes::from_static(b"?")));
}

#[test]
fn tungstenite_closes_and_is_closed() {
    let mut server = Server::start(&[]);
    let mut socket = tungstenite(&server, "/echo");
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    socket.close(Some(frame)).expect("closing");
    assert_eq!(close_of(&socket.read().expect("the answer")), Some((CloseCode::Normal, "")));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    // From the other side: the server is told to stop.
    let mut socket = tungstenite(&server, "/echo");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(
        close_of(&socket.read().expect("a Close")),
        Some((CloseCode::Away, "the server is going away"))
    );
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    assert_eq!(server.wait(SOON).code(), Some(0));
}

#[test]
fn tungstenite_gets_every_message_of_its_channel_in_order() {
    const CLIENTS: usize = 10;
    const MESSAGES: usize = 1000;
    let server = Server::start(&[]);
    let readers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut socket = tungstenite(&server, "/?channel=ruby");
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    let text = socket.read().expect("read").into_text().expect("text");
                    assert_eq!(text.as_str(), number.to_string());
                }
            })
        })
        .collect();
    let mut publisher = server.client();
    for number in 0..MESSAGES {
        publisher.post("/publish?channel=ruby", "", number.to_string().as_bytes());
        assert_eq!(publisher.response().status, 200, "{number}");
        if number % 900 == 899 {
            publisher = server.client();
        }
    }
    for reader in readers {
        reader.join().expect("each gets all, in order");
    }
}

// ---- Time ----

#[test]
fn s5_5_2_a_client_that_answers_pings_stays_and_one_that_does_not_is_closed_as_idle() {
    let server = Server::start(&["--ping", "1s", "--idle-timeout", "3s"]);
    let mut deaf = server.subscriber("/?channel=ruby");
    let mut alive = server.subscriber("/?channel=ruby");
    let answers = thread::spawn(move || {
        let mut pings = 0;
        while pings < 6 {
            let ping = alive.frame();
            assert!(ping.is_ping(), "{ping:?}");
            assert!(!ping.payload.is_empty() && ping.payload.is_ascii(), "{ping:?}");
            assert!(!ping.payload.contains(&0), "a NUL byte makes curl on a terminal give up");
            alive.send_frame(0x8a, &ping.payload);
            pings += 1;
        }
        alive
    });
    let start = Instant::now();
    assert!(deaf.frame().is_ping());
    let (code, reason) = deaf.closed();
    assert_eq!(code, 1001, "{reason}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(deaf.rest(), b"", "it does not answer the Close either, and is let go");
    let mut alive = answers.join().expect("it is pinged on and on");
    server.publish("ruby", b"Hello");
    assert_eq!(alive.message(), "Hello");
}
