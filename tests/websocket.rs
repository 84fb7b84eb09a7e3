//! RFC 6455 over a real socket: frames, messages, closing, limits, and clients that misbehave.
//!
//! What to notice:
//! * The RFC's own bytes come first (section 5.7), as they stand there.
//! * What was received before a bad frame is answered before the Close.
//! * tungstenite speaks too, because a client by the same authors would make the same mistakes.

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
use support::{Client, SOON, Server, eventually};
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

#[test]
fn s5_4_fragments_with_control_frames_between() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    client.send_frame(0x01, b"He");
    client.send_frame(0x89, b"one");
    assert_eq!(client.frame(), Frame::pong(b"one"), "answered before the message is whole");
    client.send_frame(0x00, b"");
    client.send_frame(0x8a, b"nobody asked for this");
    client.send_frame(0x00, b"l");
    client.send_frame(0x89, b"");
    assert_eq!(client.frame(), Frame::pong(b""));
    client.send_frame(0x80, b"lo");
    assert_eq!(client.frame(), Frame::text("Hello"));
    // A character whose bytes are in different fragments is one character all the same.
    for part in [(0x01, b"\xe2".as_slice()), (0x00, b"\x82"), (0x80, b"\xac")] {
        client.send_frame(part.0, part.1);
    }
    assert_eq!(client.frame(), Frame::text("\u{20ac}"));
    client.send_frame(0x81, b"");
    assert_eq!(client.frame(), Frame::text(""));
}

// ---- What is broken gets the code of its rule ----

/// Sends bytes to `/echo`, behind one good message, and returns the code of the Close that follows.
#[track_caller]
fn close_code(server: &Server, bytes: &[u8]) -> u16 {
    let mut client = server.subscriber("/echo");
    client.send([&masked(0x81, b"before"), bytes, &masked(0x81, b"behind")].concat());
    let shown = bytes.escape_ascii().to_string();
    let shown = shown.get(..60).unwrap_or(&shown);
    assert_eq!(
        client.frame(),
        Frame::text("before"),
        "{shown}: what came before is answered first"
    );
    let frame = client.frame();
    let (code, _) = frame.close().unwrap_or_else(|| panic!("{shown}: {frame:?}"));
    let rest = client.rest();
    assert_eq!(rest, b"", "{shown}: behind the Close comes {}", rest.escape_ascii());
    code
}

#[test]
fn s5_a_broken_frame_is_1002() {
    let server = Server::start(&[]);
    let fragment = masked(0x01, b"a");
    for (why, bytes) in [
        ("unmasked", b"\x81\x05Hello".to_vec()),
        ("unmasked and empty", b"\x81\x00".to_vec()),
        ("an unmasked ping", b"\x89\x00".to_vec()),
        ("RSV1", masked(0xc1, b"a")),
        ("RSV2", masked(0xa1, b"a")),
        ("RSV3", masked(0x91, b"a")),
        ("opcode 3", masked(0x83, b"a")),
        ("opcode 7", masked(0x87, b"a")),
        ("opcode 11", masked(0x8b, b"a")),
        ("opcode 15", masked(0x8f, b"a")),
        ("126 for less", b"\x82\xfe\x00\x7d\0\0\0\0".to_vec()),
        ("127 for less", b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0".to_vec()),
        ("2^63 bytes", b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
        ("2^64 - 1 bytes", b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec()),
        ("a ping of 126 bytes", masked(0x89, &[0; 126])),
        ("a fragmented ping", masked(0x09, b"a")),
        ("a fragmented close", masked(0x08, b"\x03\xe8")),
        ("a continuation of nothing", masked(0x80, b"a")),
        ("a message inside a message", [fragment.clone(), masked(0x81, b"b")].concat()),
        ("a close of one byte", masked(0x88, b"a")),
    ] {
        assert_eq!(close_code(&server, &bytes), 1002, "{why}");
    }
}

#[test]
fn s7_4_which_close_codes_may_be_sent() {
    let server = Server::start(&[]);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        assert_eq!(close_code(&server, &masked(0x88, &close(code, "bye"))), code);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(close_code(&server, &masked(0x88, &close(code, ""))), 1002, "{code}");
    }
    assert_eq!(close_code(&server, &masked(0x88, b"\x03\xe8\xff")), 1007, "a reason is UTF-8");
}

#[test]
fn s5_5_1_a_close_without_a_code_is_answered_and_the_server_ends_tcp() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    client.send_frame(0x88, b"");
    let frame = client.frame();
    assert_eq!(frame.first, 0x88);
    assert!([0, 2].contains(&frame.payload.len()), "{frame:?}");
    assert_eq!(client.rest(), b"");
    // Close and FIN in one segment.
    let mut client = server.subscriber("/echo");
    client.send_frame(0x88, &close(1000, ""));
    client.end();
    assert_eq!(client.closed().0, 1000);
    assert_eq!(client.rest(), b"");
}

#[test]
fn s8_1_text_that_is_not_utf8_is_1007_at_its_first_bad_byte() {
    let server = Server::start(&[]);
    let bad_texts: [&[u8]; 5] =
        [b"\xff", b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"];
    for bad in bad_texts {
        assert_eq!(close_code(&server, &masked(0x81, bad)), 1007, "{}", bad.escape_ascii());
        assert_eq!(close_code(&server, &[masked(0x01, bad), masked(0x80, b"")].concat()), 1007);
    }
    // At once: neither the frame nor the message is complete yet.
    let mut client = server.subscriber("/echo");
    let frame = masked(0x01, b"good \xff and much more");
    client.send(&frame[..6 + 6]);
    assert_eq!(client.closed().0, 1007);
}

#[test]
fn s7_4_1_a_message_over_the_limit_is_1009_before_it_has_come() {
    let server = Server::start(&["--max-message", "1k"]);
    let mut client = server.subscriber("/echo");
    client.send_frame(0x82, &[7; 1024]);
    assert_eq!(client.frame(), Frame::binary(&[7; 1024]));
    assert_eq!(close_code(&server, b"\x82\xfe\x04\x01"), 1009, "its header alone decides");
    let huge = b"\x82\xff\x3f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
    assert_eq!(close_code(&server, huge), 1009);
    let whole = [masked(0x02, &[0; 1000]), masked(0x80, &[0; 25])].concat();
    assert_eq!(close_code(&server, &whole), 1009, "the fragments count together");
    let resident = server.proc_status("VmRSS");
    assert!(resident < 64 << 10, "{resident} kB: a declared length never allocates");
    // Who sends all of it before it looks is still told: a reset would destroy the Close.
    let mut deaf = server.subscriber("/echo");
    deaf.try_send(masked(0x82, &vec![7; 16 << 20]));
    assert_eq!(deaf.closed(), (1009, "the message is larger than this server takes".into()));
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

fn close_of(message: &Message) -> Option<CloseCode> {
    if let Message::Close(Some(frame)) = message { Some(frame.code) } else { None }
}

#[test]
fn tungstenite_gets_back_what_it_sends() {
    let server = Server::start(&["--max-message", "16m", "--deflate"]); // it does not offer it
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
    assert_eq!(close_of(&socket.read().expect("the answer")), Some(CloseCode::Normal));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    // From the other side: the server is told to stop.
    let mut socket = tungstenite(&server, "/echo");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(close_of(&socket.read().expect("a Close")), Some(CloseCode::Away));
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

#[test]
fn s7_1_1_a_client_that_never_answers_a_close_is_let_go() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    client.send(b"\x81\x00");
    assert_eq!(client.closed().0, 1002);
    let start = Instant::now();
    assert_eq!(client.rest(), b"");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

// ---- Clients that take and do not give, or the reverse ----

#[test]
fn a_slow_client_is_closed_with_1013_while_another_gets_everything() {
    const MESSAGES: u32 = 400;
    let server = Server::start(&["--max-publish", "64k", "--backlog", "256k"]);
    let mut slow = Client::connect_narrow(server.port());
    slow.upgrade("/?channel=ruby");
    let mut quick = server.subscriber("/?channel=ruby");
    let mut publisher = server.client();
    let mut body = vec![b'a'; 60_000];
    for number in 0..MESSAGES {
        body[..4].copy_from_slice(&number.to_be_bytes());
        publisher.post("/publish?channel=ruby", "", &body);
        assert_eq!(publisher.response().status, 200);
        let frame = quick.frame();
        assert!(frame.payload == body, "message {number}: {:?}", frame.close());
    }
    let resident = server.proc_status("VmRSS");
    assert!(resident < 32 << 10, "{resident} kB: a slow client costs its channel's backlog");
    // Reading what is left, the slow one finds whole frames and the reason.
    let mut expected = 0_u32;
    let (code, reason) = loop {
        let frame = slow.frame();
        if let Some(close) = frame.close() {
            break close;
        }
        assert_eq!(frame.payload[..4], expected.to_be_bytes(), "whole and in order up to its end");
        expected += 1;
    };
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.contains("slow"), "{reason}");
    assert!(expected < MESSAGES);
}

#[test]
fn a_client_that_pauses_within_the_backlog_misses_nothing() {
    const MESSAGES: u32 = 25;
    let server = Server::start(&["--max-publish", "64k", "--backlog", "2m"]);
    let mut pausing = Client::connect_narrow(server.port());
    pausing.upgrade("/?channel=ruby");
    let mut publisher = server.client();
    for number in 0..MESSAGES {
        publisher.post("/publish?channel=ruby", "", &number.to_be_bytes().repeat(15_000));
        assert_eq!(publisher.response().status, 200);
    }
    // A frame of its own waits for a frame's end and goes out all the same.
    pausing.send_frame(0x89, b"?");
    let mut ponged = false;
    let mut number = 0;
    while number < MESSAGES || !ponged {
        let frame = pausing.frame();
        if frame == Frame::pong(b"?") {
            ponged = true;
        } else if !frame.is_ping() {
            assert!(frame.payload == number.to_be_bytes().repeat(15_000), "message {number}");
            number += 1;
        }
    }
}

#[test]
fn s5_5_3_a_flood_of_pings_costs_the_server_nothing_and_the_last_is_answered() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    let mut sender = client.stream.try_clone().unwrap();
    let flood = thread::spawn(move || {
        use std::io::Write;
        let pings = masked(0x89, &[b'p'; 100]).repeat(600);
        for _ in 0..300 {
            sender.write_all(&pings).expect("the server goes on reading once it is read from");
        }
        sender.write_all(&masked(0x89, b"the last")).expect("taken");
    });
    // 19 MB of pings. Before anything is read, the server must have stopped reading.
    eventually("the flood stands still", SOON, || {
        let before = server.cpu();
        thread::sleep(Duration::from_millis(300));
        server.cpu() - before <= Duration::from_millis(10) || flood.is_finished()
    });
    let resident = server.proc_status("VmRSS");
    assert!(resident < 16 << 10, "{resident} kB for one client that reads nothing");
    while client.frame() != Frame::pong(b"the last") {}
    flood.join().expect("all was taken");
}

#[test]
fn an_echo_that_nobody_reads_is_bounded() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let message = masked(0x82, &[1; 60_000]);
    let mut sent = 0;
    while sent < 2000 && client.try_send(&message) {
        sent += 1;
    }
    assert!(sent < 2000, "120 MB were taken from a client that reads nothing");
    let resident = server.proc_status("VmRSS");
    assert!(resident < 16 << 10, "{resident} kB");
}

// ---- Too many ----

#[test]
fn over_max_connections_a_client_gets_503_and_the_others_stay() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut here: Vec<_> = (0..3).map(|_| server.subscriber("/?channel=ruby")).collect();
    let mut over = server.client();
    over.try_send(format!("GET /echo HTTP/1.1\r\nHost: a\r\n{}\r\n", Client::upgrade_fields()));
    let response = over.response();
    assert_eq!(response.status, 503, "{}", response.head);
    assert!(response.field("Retry-After").is_some(), "{}", response.head);
    assert_eq!(over.rest(), b"");
    for client in &mut here {
        client.send_frame(0x89, b"?");
        assert_eq!(client.frame(), Frame::pong(b"?"));
    }
    here.pop();
    eventually("the place of the one that left is free", SOON, || {
        let mut client = server.client();
        client.try_upgrade("/echo", "").status == 101
    });
}

#[test]
fn out_of_descriptors_accepting_pauses_without_spinning_and_goes_on_by_itself() {
    let mut server = Server::start(&[]);
    let mut first = server.subscriber("/echo");
    // As if something else had taken them all. The server knows its limit only from its start.
    server.limit_descriptors(40);
    // More than there are descriptors; the kernel completes the connections, so these all connect.
    let mut crowd: Vec<_> = (0..200).map(|_| server.client()).collect();
    first.echoes("still served");
    let before = server.cpu();
    thread::sleep(Duration::from_secs(1));
    let used = server.cpu() - before;
    assert!(used < Duration::from_millis(250), "{used:?} of a second: it spins");
    first.echoes("and still");
    // The last of them stays; when the others leave, it is its turn, without any newcomer.
    let mut last = crowd.pop().expect("200");
    drop(crowd);
    assert_eq!(last.get("/healthz").status, 200);
    assert!(server.log().contains("WARN"), "it is said: {}", server.log());
    assert!(server.is_alive());
}

#[test]
fn with_few_descriptors_from_the_start_the_server_says_so_and_serves_fewer() {
    let server = Server::start_with_descriptors(100, &["--max-connections", "1000"]);
    server.logs("--max-connections");
    let mut first = server.subscriber("/echo");
    let crowd: Vec<_> = (0..200).map(|_| server.client()).collect();
    first.echoes("still served");
    drop(crowd);
    eventually("there is room again", SOON, || {
        let mut client = server.client();
        // Who is one too many may also find the connection closed before asking.
        client.try_send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.rest().starts_with(b"HTTP/1.1 200 ")
    });
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start(&[]);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    drop(server.subscriber("/?channel=ruby"));
    let base = descriptors();
    for round in 0..3 {
        let clients: Vec<_> = (0..200).map(|_| server.subscriber("/?channel=ruby")).collect();
        for client in &clients {
            // Linger of zero: a reset instead of an orderly end.
            let linger = (round == 1).then_some(Duration::ZERO);
            socket2::SockRef::from(&client.stream).set_linger(linger).unwrap();
        }
        drop(clients);
        server.publish("ruby", b"to whom it may concern");
        eventually("all descriptors are given back", SOON, || descriptors() <= base);
    }
    assert_eq!(server.publish("ruby", b"Hello"), 0);
}
