//! permessage-deflate (RFC 7692) over a socket: what is agreed on, and what passes then.
//!
//! What to notice:
//! * The inflating here is flate2's own, one stream for each message: what the answer promises is
//!   that no message needs the one before.
//! * A frame that is compressed is the same bytes for everybody who has agreed on the same window.
//! * What a client may not do with the reserved bits stands in `websocket.rs`; here it may.

#![cfg(feature = "deflate")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use support::client::Frame;
use support::{Client, Server};

const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00"; // section 7.2.3.1
const TAIL: &[u8] = &[0x00, 0x00, 0xff, 0xff];
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A WebSocket that has offered this, and the answer to it.
fn open(server: &Server, target: &str, offer: &str) -> (Client, Option<String>) {
    let mut client = server.client();
    let response = client.try_upgrade(target, &format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    assert_eq!(response.status, 101, "{offer}: {response:?}");
    let answer = response.field("Sec-WebSocket-Extensions").map(str::to_owned);
    (client, answer)
}

fn deflate(message: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(message.len() + 64);
    let mut stream = Compress::new(Compression::best(), false);
    stream.compress_vec(message, &mut deflated, FlushCompress::Sync).unwrap();
    deflated.strip_suffix(TAIL).unwrap().to_vec()
}

/// Inflates a message by itself.
fn inflate(deflated: &[u8], length: usize) -> Vec<u8> {
    let mut inflated = Vec::with_capacity(length + 1);
    let mut stream = Decompress::new(false);
    for piece in [deflated, TAIL] {
        stream.decompress_vec(piece, &mut inflated, FlushDecompress::None).unwrap();
    }
    inflated
}

/// Text that compresses, and refers back as far as it may.
fn text(length: usize) -> String {
    let words = (0..).map(|n: u64| format!("{} ", n * n % 9_973));
    words.flat_map(|word| word.into_bytes()).take(length).map(char::from).collect()
}

#[test]
fn s5_1_offers_are_answered_as_they_can_be() {
    let server = Server::start(&["--deflate"]);
    for (offer, expected) in [
        ("permessage-deflate", Some(ANSWER.to_owned())),
        ("permessage-deflate; client_max_window_bits", Some(ANSWER.to_owned())),
        (
            "permessage-deflate; server_max_window_bits=9",
            Some(format!("{ANSWER}; server_max_window_bits=9")),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"11\"; client_max_window_bits=8",
            Some(format!("{ANSWER}; server_max_window_bits=11")),
        ),
        // The first that is acceptable.
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", Some(ANSWER.into())),
        // Declined, and the connection goes on without.
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; what=ever", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
        ("x-webkit-deflate-frame", None),
    ] {
        let (mut client, answer) = open(&server, "/echo", offer);
        assert_eq!(answer, expected, "{offer}");
        client.echoes("Hello");
        if answer.is_some() {
            client.send_frame(0xc1, HELLO);
            assert_eq!(client.frame(), Frame::text("Hello"), "{offer}");
        } else {
            client.send_frame(0xc1, HELLO);
            assert_eq!(client.closed().0, 1002, "{offer}");
        }
    }
}

#[test]
fn it_is_off_until_asked_for() {
    let server = Server::start(&[]);
    let (mut client, answer) = open(&server, "/echo", "permessage-deflate");
    assert_eq!(answer, None);
    client.echoes(&text(1_000));
}

#[test]
fn rfc6455_s9_1_a_list_that_cannot_be_read_is_refused() {
    let server = Server::start(&["--deflate"]);
    for list in ["", "permessage-deflate; ", "permessage-deflate; a=\"b", "a b", "a;;b"] {
        let fields = format!("Sec-WebSocket-Extensions: {list}\r\n");
        let response = server.client().try_upgrade("/echo", &fields);
        assert_eq!(response.status, 400, "{list:?}: {response:?}");
        assert!(response.text().contains("Sec-WebSocket-Extensions"), "{response:?}");
    }
}

#[test]
fn s7_2_messages_are_compressed_each_for_itself_if_that_makes_them_shorter() {
    let server = Server::start(&["--deflate", "--max-message", "2m"]);
    for bits in (9..=15).rev() {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let (mut client, _) = open(&server, "/echo", &offer);
        for length in [64, 125, 126, 1_000, 65_536, 100_000, 1 << 20] {
            let text = text(length).into_bytes();
            for (first, sent) in [(0x81, text.clone()), (0xc1, deflate(&text))] {
                client.send_frame(first, &sent);
                let Frame { first, payload } = client.frame();
                let payload = match first {
                    0xc1 => inflate(&payload, length),
                    0x81 if length == 64 => payload,
                    other => panic!("{other:x}, {length} bytes in {bits} bits"),
                };
                assert!(payload == text, "{length} bytes in {bits} bits came back changed");
            }
        }
        // What does not get shorter goes as it is: text below 64 bytes, and noise.
        client.echoes(&text(63));
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = (0..1_000).map(|_| random.u8(..)).collect();
        client.send_frame(0x82, &noise);
        assert_eq!(client.frame(), Frame::binary(&noise));
    }
}

#[test]
fn a_broadcast_is_the_same_bytes_for_all_who_agreed_on_the_same() {
    let server = Server::start(&["--deflate"]);
    let mut plain = server.client();
    plain.upgrade("/?channel=ruby");
    let join = |offer: &str| open(&server, "/?channel=ruby", offer).0;
    let mut wide = [join("permessage-deflate"), join("permessage-deflate; client_max_window_bits")];
    let mut narrow = join("permessage-deflate; server_max_window_bits=9");
    for length in [10, 64, 3_000, 100_000] {
        let text = text(length);
        server.client().post("/publish?channel=ruby", "", text.as_bytes());
        assert_eq!(plain.message(), text);
        let [first, second] = wide.each_mut().map(Client::frame);
        assert_eq!(first, second);
        for (frame, bits) in [(first, 15), (narrow.frame(), 9)] {
            let payload = match frame.first {
                0xc1 if length >= 64 => inflate(&frame.payload, length),
                0x81 if length <= 64 => frame.payload,
                other => panic!("{other:x}, {length} bytes in {bits} bits"),
            };
            assert!(payload == text.as_bytes(), "{length} bytes came changed");
        }
    }
    // What comes again only 1,000 bytes later is shorter for the wide alone.
    let mut random = fastrand::Rng::with_seed(1);
    let noise: String = (0..1_000).map(|_| random.alphanumeric()).collect();
    server.client().post("/publish?channel=ruby", "", noise.repeat(4).as_bytes());
    let (wide, narrow) = (wide[0].frame().payload.len(), narrow.frame().payload.len());
    assert!(wide < 1_500 && narrow > 2_500, "{wide} and {narrow} bytes");
}

#[test]
fn s6_rsv1_marks_the_first_frame_of_a_message_and_no_other() {
    let server = Server::start(&["--deflate"]);
    let (mut client, _) = open(&server, "/echo", "permessage-deflate");
    // A ping between the fragments of a compressed message, and a plain message behind it.
    client.send_frame(0x41, &HELLO[..3]);
    client.send_frame(0x89, b"?");
    client.send_frame(0x80, &HELLO[3..]);
    assert_eq!(client.frame(), Frame::pong(b"?"));
    assert_eq!(client.frame(), Frame::text("Hello"));
    client.echoes("Hello");

    for (frames, code) in [
        (&[(0x41, HELLO), (0xc0, b"\x00")][..], 1002),
        (&[(0xc9, b"?")], 1002),
        (&[(0xe1, HELLO)], 1002),
        (&[(0x91, HELLO)], 1002),
        (&[(0xc1, b"\x06")], 1007),
        (&[(0xc1, b"")], 1007),
        (&[(0xc1, &HELLO[..5])], 1007),
        // Inflated, it is the half of a character; or a whole one that is none.
        (&[(0xc1, b"\x00\x01\x00\xfe\xff\xc3\x00")], 1007),
        (&[(0x41, b"\x00\x01\x00\xfe\xff\xff")], 1007), // before the end of the message
    ] {
        let (mut client, _) = open(&server, "/echo", "permessage-deflate");
        for (first, payload) in frames {
            client.send_frame(*first, payload);
        }
        assert_eq!(client.closed().0, code, "{frames:x?}");
    }
}

/// CVE-2018-1000518: a size that is measured only after inflating.
#[test]
fn a_bomb_ends_at_the_limit() {
    let server = Server::start(&["--deflate"]);
    let before = server.proc_status("VmRSS");
    // A thousand times its size, and then a thousand of these in one message.
    let mut bomb = deflate(&vec![0; 1 << 20]);
    let bomb = {
        bomb.extend(TAIL);
        bomb.repeat(1_000)
    };
    for target in ["/echo", "/?channel=ruby"] {
        for _ in 0..20 {
            let (mut client, _) = open(&server, target, "permessage-deflate");
            client.try_send(support::client::masked(0xc2, &bomb));
            assert_eq!(
                client.closed(),
                (1009, "the message is larger than this server takes".into())
            );
        }
    }
    let grown = server.proc_status("VmRSS").saturating_sub(before);
    assert!(grown < 2 << 10, "{grown} kB for bombs of a gigabyte");

    // The limit is of what comes out, to the byte; what comes in may be longer than that.
    let (mut client, _) = open(&server, "/echo", "permessage-deflate");
    client.send_frame(0xc2, &deflate(&vec![0; 64 << 10]));
    assert_eq!(inflate(&client.frame().payload, 64 << 10), vec![0; 64 << 10]);
    let empty_block: &[u8] = &[0x00, 0x00, 0x00, 0xff, 0xff];
    client.send_frame(0xc1, &[&empty_block.repeat(30_000), HELLO].concat());
    assert_eq!(client.frame(), Frame::text("Hello"));
    client.send_frame(0xc2, &deflate(&vec![0; (64 << 10) + 1]));
    assert_eq!(client.closed().0, 1009);
}

/// A few bytes that inflate to many must not fill the memory with echoes that nobody reads.
#[test]
fn what_is_inflated_for_who_does_not_read_is_bounded() {
    let server = Server::start(&["--deflate"]);
    // What comes again every 600 bytes is short for a client with a large window, and long in 9 bits.
    let text = text(600).repeat(100);
    let bombs = support::client::masked(0xc1, &deflate(text.as_bytes())).repeat(300);
    let before = server.proc_status("VmRSS");
    let mut clients: Vec<_> = (0..20)
        .map(|_| open(&server, "/echo", "permessage-deflate; server_max_window_bits=9").0)
        .collect();
    for client in &mut clients {
        client.stream.set_nonblocking(true).unwrap();
        client.try_send(&bombs); // as much as the kernel takes
    }
    server.client().get("/healthz");
    let grown = server.proc_status("VmRSS").saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} kB");
}
