mod law;
mod states;

use super::*;
use crate::http::Status;

const START: Now = Now { since_start: Duration::ZERO, unix: Duration::from_secs(1_000_000_000) };

/// A clock that is set anew, by years perhaps, is no time that has passed.
#[test]
fn a_wall_clock_that_jumps_moves_no_deadline() {
    let mut conn = conn();
    conn.receive(&mut b"GET / HTTP/1.1\r\n".to_vec(), START);
    let deadline = conn.deadline().unwrap();
    for unix in [Duration::ZERO, Duration::MAX / 2] {
        conn.on_deadline(Now { since_start: deadline / 2, unix });
        assert_eq!((conn.output(), conn.deadline()), (&b""[..], Some(deadline)));
    }
    conn.on_deadline(Now { since_start: deadline, unix: Duration::ZERO });
    assert!(conn.output().starts_with(b"HTTP/1.1 408 "));
}

fn conn() -> Conn {
    Conn::new(Rc::new(Site::default()), Entrance::LOOPBACK, START)
}

/// Takes all output, as a socket does that is never full.
fn drain_bytes(conn: &mut Conn) -> Vec<u8> {
    let mut all = Vec::new();
    while !conn.output().is_empty() {
        all.extend_from_slice(conn.output());
        conn.wrote(conn.output().len(), START);
    }
    all
}

fn drain(conn: &mut Conn) -> String {
    String::from_utf8_lossy(&drain_bytes(conn)).into_owned()
}

fn send(conn: &mut Conn, bytes: &[u8]) -> String {
    conn.receive(&mut bytes.to_vec(), START);
    drain(conn)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_AND_CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn head_complete_is_answered_and_the_connection_kept() {
    let mut conn = conn();
    let answer = send(&mut conn, GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nDate: Sun, 09 Sep 2001 01:46:40 GMT\r\n"), "{answer}");
    assert!(!answer.contains("\r\nConnection:"), "{answer}");
    assert!(!conn.is_done());
    assert!(send(&mut conn, GET).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn head_with_connection_close_is_answered_then_shut_then_lingered_on() {
    let mut conn = conn();
    let answer = send(&mut conn, GET_AND_CLOSE);
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(conn.take_shutdown(START));
    assert!(!conn.take_shutdown(START), "once");
    assert!(conn.wants_input(), "so that unread bytes do not reset the connection");
    assert_eq!(send(&mut conn, GET), "", "but nothing of them is a request any more");
    conn.eof(START);
    assert!(conn.is_done());
}

#[test]
fn linger_too_long_is_done_and_whatever_comes_meanwhile_is_thrown_away() {
    let limits = Limits::default();
    let mut silent = conn();
    send(&mut silent, GET_AND_CLOSE);
    assert!(silent.take_shutdown(START));
    assert_eq!(silent.deadline(), Some(limits.linger));
    silent.on_deadline(START.later(limits.linger));
    assert!(silent.is_done());

    let mut talkative = conn();
    send(&mut talkative, GET_AND_CLOSE);
    assert!(talkative.take_shutdown(START));
    assert_eq!(send(&mut talkative, &vec![b'x'; 1 << 20]), "");
    assert!(talkative.wants_input() && !talkative.is_done(), "a reset could destroy the answer");
    talkative.on_deadline(START.later(limits.linger));
    assert!(talkative.is_done());
}

#[test]
fn head_malformed_is_refused_and_what_follows_is_never_a_request() {
    let mut conn = conn();
    let request = [b"GET / HTTP/1.1\r\n\r\n".as_slice(), GET].concat();
    let answer = send(&mut conn, &request);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
    assert!(conn.take_shutdown(START));
}

#[test]
fn body_that_nobody_asked_for_is_never_a_request() {
    for method in ["GET", "POST"] {
        let mut conn = conn();
        let request =
            format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", GET.len());
        let answer = send(&mut conn, &[request.as_bytes(), GET].concat());
        assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    }
}

#[test]
fn head_dripping_past_its_deadline_gets_408_and_an_idle_one_nothing() {
    let late = START.later(Limits::default().handshake);
    let mut dripping = conn();
    send(&mut dripping, b"GET / HT");
    dripping.on_deadline(late);
    assert!(drain(&mut dripping).starts_with("HTTP/1.1 408 Request Timeout\r\n"));

    let mut idle = conn();
    idle.on_deadline(START.later(Duration::from_secs(1)));
    assert!(!idle.is_done(), "too early");
    idle.on_deadline(late);
    assert!(idle.is_done());
    assert_eq!(drain(&mut idle), "");
}

#[test]
fn eof_with_an_answer_unwritten_ends_after_it_is_written() {
    let upgrade = String::from_utf8_lossy(UPGRADE).replace("/echo", "/");
    for behind in ["", "GET / HT", &post("Content-Length: 5\r\n\r\nHe"), &upgrade] {
        let mut conn = conn();
        conn.receive(&mut [GET, behind.as_bytes()].concat(), START);
        conn.eof(START);
        assert!(!conn.is_done(), "{behind:?}");
        assert!(drain(&mut conn).starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(conn.is_done(), "{behind:?}");
    }
}

#[test]
fn s9110_9_3_2_a_head_that_is_broken_before_its_method_asks_for_nothing() {
    for bytes in [&b"\nHEAD / HTTP/1.1\r\n"[..], b"\r\n\r\n\r\nHEAD / HTTP/1.1\r\n"] {
        for cut in 1..bytes.len() {
            let mut conn = conn();
            let answer = send(&mut conn, &bytes[..cut]) + &send(&mut conn, &bytes[cut..]);
            assert!(!answer.ends_with("\r\n\r\n"), "cut at {cut}: {answer}");
        }
    }
}

#[test]
fn s9110_9_3_2_no_refusal_of_a_head_request_has_a_body() {
    let late = START.later(Limits::default().handshake);
    let refusals: [fn(&mut Conn, Now); 3] = [
        |conn, late| conn.on_deadline(late),
        |conn, _| conn.close(CloseCode::GOING_AWAY, "bye", START),
        |conn, _| conn.receive(&mut b"\n".to_vec(), START),
    ];
    for refuse in refusals {
        for (method, has_body) in [("HEAD", false), ("GET", true)] {
            let mut conn = conn();
            send(&mut conn, format!("\r\n{method} / HTTP/1.1\r\nHost: h").as_bytes());
            refuse(&mut conn, late);
            let answer = drain(&mut conn);
            assert_eq!(!answer.ends_with("\r\n\r\n"), has_body, "{answer}");
            assert!(answer.contains("\r\nContent-Length: "), "{answer}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_no_faster_than_they_are_read() {
    let mut conn = conn();
    let mark = Site::default().limits.outbox_mark_bytes;
    let requests = 500;
    conn.receive(&mut GET.repeat(requests), START);
    conn.eof(START);
    assert!(conn.output().len() < mark + 1024, "{} bytes of answers", conn.output().len());
    assert!(!conn.wants_input());
    assert_eq!(drain(&mut conn).matches("HTTP/1.1 200 OK\r\n").count(), requests);
    assert!(conn.is_done());
}

#[test]
fn requests_on_one_connection_are_limited() {
    let mut site = Site::default();
    site.limits.requests = 2;
    let mut conn = Conn::new(Rc::new(site), Entrance::LOOPBACK, START);
    let answers = send(&mut conn, &GET.repeat(9));
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2);
    assert_eq!(answers.matches("Connection: close").count(), 1);
}

const UPGRADE: &[u8] = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// RFC 6455 section 5.7: "Hello" in a masked frame, and unmasked, as a server sends it.
const MASKED_HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

/// A frame as a client sends it, masked with zeros to be readable.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Like [`send`], for what is not text.
fn exchange(conn: &mut Conn, bytes: &[u8]) -> Vec<u8> {
    conn.receive(&mut bytes.to_vec(), START);
    drain_bytes(conn)
}

fn open() -> Conn {
    let mut conn = conn();
    let answer = send(&mut conn, UPGRADE);
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.ends_with("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
    conn
}

#[test]
fn head_that_upgrades_opens_and_frames_in_the_same_segment_are_not_lost() {
    let mut conn = conn();
    let answer = exchange(&mut conn, &[UPGRADE, MASKED_HELLO].concat());
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert!(answer.ends_with(b"\r\n\r\n\x81\x05Hello"));
}

#[test]
fn head_whose_upgrade_is_refused_is_followed_by_nothing() {
    let mut conn = conn();
    let refused = String::from_utf8_lossy(UPGRADE).replace("Version: 13", "Version: 8");
    let answer = send(&mut conn, &[refused.as_bytes(), GET].concat());
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
}

#[test]
fn head_of_a_strangers_page_is_forbidden_with_what_to_add() {
    let mut conn = conn();
    let head = String::from_utf8_lossy(UPGRADE)
        .replace("Connection", "Origin: http://evil.test\r\nConnection");
    let answer = send(&mut conn, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("--origin"), "{answer}");
}

#[test]
fn open_echoes_messages_and_answers_pings_between_fragments() {
    let mut conn = open();
    assert_eq!(exchange(&mut conn, MASKED_HELLO), b"\x81\x05Hello");
    let fragments = [masked(0x01, b"Hel"), masked(0x89, b"?"), masked(0x80, b"lo")].concat();
    assert_eq!(exchange(&mut conn, &fragments), b"\x8a\x01?\x81\x05Hello");
    assert_eq!(exchange(&mut conn, &masked(0x82, b"\xff\0")), b"\x82\x02\xff\0");
    assert_eq!(exchange(&mut conn, &masked(0x8a, b"unasked")), b"");
}

#[test]
fn head_whose_answers_are_not_read_in_time_is_told_nothing_new() {
    let mut conn = conn();
    while conn.wants_input() {
        conn.receive(&mut GET.to_vec(), START);
    }
    let answered = conn.output().len();
    conn.receive(&mut GET.repeat(3), START);
    conn.on_deadline(START.later(Limits::default().handshake));
    assert_eq!(conn.output().len(), answered, "the requests came in time, so no 408");
    drain(&mut conn);
    assert!(conn.take_shutdown(START), "behind the answers stands the end");
}

#[test]
fn open_close_is_answered_with_the_same_code_and_then_the_server_ends_it() {
    for (close, expected) in [
        (masked(0x88, b"\x03\xe8bye"), b"\x88\x02\x03\xe8".as_slice()),
        (masked(0x88, b"\x0f\xa0"), b"\x88\x02\x0f\xa0"),
        (masked(0x88, b""), b"\x88\x00"),
    ] {
        let mut conn = open();
        let answer = exchange(&mut conn, &[close, MASKED_HELLO.to_vec()].concat());
        assert_eq!(answer, expected, "and nothing behind it is echoed");
        assert!(conn.take_shutdown(START));
    }
}

#[test]
fn open_broken_rule_is_closed_with_its_code() {
    for (bytes, code) in [
        (b"\x81\x05Hello".to_vec(), 1002_u16), // not masked
        (masked(0xc1, b""), 1002),             // a reserved bit
        (masked(0x83, b""), 1002),             // a reserved opcode
        (masked(0x80, b""), 1002),             // a continuation of nothing
        (masked(0x09, b""), 1002),             // a ping in fragments
        (masked(0x88, b"\x03\xed"), 1002),     // 1005 is never sent
        (masked(0x81, b"\xff"), 1007),         // not UTF-8
        (b"\x82\xff\0\0\0\0\0\x01\0\x01mask".to_vec(), 1009), // 64 KiB and one
    ] {
        let mut conn = open();
        let answer = exchange(&mut conn, &bytes);
        assert_eq!(answer[0], 0x88);
        assert_eq!(answer[2..4], code.to_be_bytes(), "{:?}", answer.escape_ascii().to_string());
        assert!(answer.len() > 4, "with a reason");
        assert!(conn.take_shutdown(START));
        assert_eq!(exchange(&mut conn, MASKED_HELLO), b"", "nothing more is read as frames");
    }
}

#[test]
fn open_silence_is_pinged_and_then_closed_and_any_byte_is_life() {
    let site = Site::default();
    let mut conn = open();
    assert_eq!(conn.deadline(), Some(site.ping));
    conn.on_deadline(START.later(site.ping));
    assert_eq!(drain_bytes(&mut conn), b"\x89\x05ping\n", "without a NUL byte, for curl's sake");
    assert_eq!(conn.deadline(), Some(site.idle_timeout));

    conn.receive(&mut [0x8a], START.later(Duration::from_secs(40))); // a part of a pong will do
    assert_eq!(conn.deadline(), Some(site.ping + Duration::from_secs(40)));

    let silent = START.later(Duration::from_secs(40) + site.ping);
    conn.on_deadline(silent);
    conn.on_deadline(START.later(Duration::from_secs(40) + site.idle_timeout));
    assert!(drain_bytes(&mut conn).ends_with(b"\x88\x06\x03\xe9idle"));
}

#[test]
fn open_eof_is_the_end() {
    let mut conn = open();
    conn.eof(START);
    assert!(conn.is_done());
}

#[test]
fn open_and_closing_eof_with_output_unwritten_end_after_it_is_written() {
    let mut conn = open();
    conn.receive(&mut MASKED_HELLO.to_vec(), START);
    conn.wrote(1, START);
    conn.eof(START);
    assert!(!conn.is_done() && !conn.is_subscribed());
    assert_eq!(drain_bytes(&mut conn), b"\x05Hello");
    assert!(conn.is_done());

    let mut closing = open();
    closing.close(CloseCode::GOING_AWAY, "bye", START);
    closing.eof(START);
    assert_eq!(drain_bytes(&mut closing), b"\x88\x05\x03\xe9bye");
    assert!(closing.is_done());

    // It is not waited for longer than anybody else.
    let mut unread = open();
    unread.receive(&mut MASKED_HELLO.to_vec(), START);
    unread.eof(START);
    unread.on_deadline(START.later(Limits::default().last_write));
    assert!(unread.is_done());
}

#[test]
fn open_that_does_not_read_is_not_read_from() {
    let mut conn = open();
    let mark = Site::default().limits.outbox_mark_bytes;
    while conn.wants_input() {
        conn.receive(&mut masked(0x89, &[b'x'; 100]), START);
        assert!(conn.output().len() < mark + 200);
    }
    drain_bytes(&mut conn);
    assert!(conn.wants_input());
}

/// A client that asked for these channels and waits for them.
fn waiting(query: &str) -> (Conn, Vec<String>) {
    let mut conn = conn();
    let head = String::from_utf8_lossy(UPGRADE).replace("/echo", &format!("/{query}"));
    assert_eq!(send(&mut conn, head.as_bytes()), "");
    let Some(Event::Wants(channels)) = conn.poll_event() else { panic!("it wants channels") };
    assert_eq!(conn.poll_event(), None, "once");
    (conn, channels.iter().map(ToString::to_string).collect())
}

#[test]
fn waiting_admitted_gets_its_101_and_frames_sent_meanwhile_are_not_lost() {
    let (mut conn, channels) = waiting("?channel=ruby&channel=ruby&channel=awake");
    assert_eq!(channels, ["ruby", "awake"], "a channel named twice counts once");
    assert_eq!(exchange(&mut conn, &[MASKED_HELLO, &masked(0x89, b"!")].concat()), b"");
    assert!(!conn.is_subscribed());
    conn.admit(START);
    let answer = drain_bytes(&mut conn);
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert!(answer.ends_with(b"\r\n\r\n\x8a\x01!"), "the ping is answered, the message dropped");
    assert_eq!(conn.site.metrics.client_messages.get(), 1, "and it was seen");
    assert!(conn.is_subscribed());
}

#[test]
fn waiting_without_a_channel_named_gets_all_that_can_be_named() {
    assert_eq!(waiting("").1, ["ruby", "awake"]);
}

#[test]
fn head_that_asks_for_a_channel_that_is_not_open_is_forbidden() {
    for (query, status) in
        [("?channel=secret", "403"), ("?channel=ruby&channel=", "400"), ("?channel=a%00b", "400")]
    {
        let mut conn = conn();
        let head = String::from_utf8_lossy(UPGRADE).replace("/echo", &format!("/{query}"));
        let answer = send(&mut conn, head.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{query}: {answer}");
        assert_eq!(conn.poll_event(), None);
    }
}

#[test]
fn waiting_refused_is_answered_and_what_it_sent_meanwhile_is_no_request() {
    let (mut conn, _) = waiting("");
    send(&mut conn, GET);
    conn.answer(&Response::text(Status::Forbidden, "no"), START);
    let answer = drain(&mut conn);
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
    assert!(conn.take_shutdown(START));
}

#[test]
fn waiting_too_long_gets_503_and_one_that_goes_away_nothing() {
    let (mut conn, _) = waiting("");
    conn.on_deadline(START.later(Limits::default().handshake));
    let answer = drain(&mut conn);
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");

    let (mut conn, _) = waiting("");
    conn.eof(START);
    assert!(conn.is_done());
    conn.admit(START);
    assert_eq!(drain(&mut conn), "", "an admission that comes too late");
}

#[test]
fn waiting_keeps_what_arrives_up_to_a_heads_worth_and_then_reads_no_more() {
    let (mut conn, _) = waiting("");
    assert!(conn.wants_input());
    send(&mut conn, &vec![0; Limits::default().head.head_bytes]);
    assert!(!conn.wants_input());
}

#[test]
fn the_rest_of_a_frame_goes_out_before_the_close_behind_it() {
    let (mut conn, _) = waiting("");
    conn.admit(START);
    drain(&mut conn);
    conn.close(CloseCode::TRY_AGAIN_LATER, "too slow", START);
    assert!(!conn.is_subscribed());
    conn.finish_frame(b"llo".to_vec());
    assert_eq!(drain_bytes(&mut conn), b"llo\x88\x0a\x03\xf5too slow");
}

fn post(body: &str) -> String {
    format!("POST /publish?channel=ruby HTTP/1.1\r\nHost: localhost\r\n{body}")
}

fn published(conn: &mut Conn) -> Vec<u8> {
    match conn.poll_event() {
        Some(Event::Publish { channel, body }) => {
            assert_eq!(channel.as_str(), "ruby");
            body
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn posting_is_published_and_its_connection_goes_on_after_the_answer() {
    for body in [
        "Content-Length: 5\r\n\r\nHello",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n",
    ] {
        let mut conn = conn();
        let bytes = [post(body).as_bytes(), GET].concat();
        assert_eq!(send(&mut conn, &bytes), "", "the request behind it has to wait");
        assert_eq!(published(&mut conn), b"Hello");
        conn.answer(&Response::text(Status::Ok, "3"), START);
        let answers = drain(&mut conn);
        assert!(answers.contains("\r\n\r\n3\nHTTP/1.1 200 OK\r\n"), "{answers}");
    }
}

#[test]
fn posting_nothing_is_publishing_an_empty_message() {
    let mut conn = conn();
    send(&mut conn, post("\r\n").as_bytes());
    assert_eq!(published(&mut conn), b"");
}

#[test]
fn posting_that_expects_100_is_told_to_go_on_only_if_it_may() {
    let expecting = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut allowed = conn();
    assert_eq!(send(&mut allowed, post(expecting).as_bytes()), "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut allowed, b"Hello");
    assert_eq!(published(&mut allowed), b"Hello");

    let mut forbidden = conn();
    let elsewhere = post(expecting).replace("localhost", "example.com");
    assert!(send(&mut forbidden, elsewhere.as_bytes()).starts_with("HTTP/1.1 403 Forbidden\r\n"));
}

#[test]
fn posting_too_much_is_refused_at_its_length_and_too_slowly_at_its_deadline() {
    let mut large = conn();
    let answer = send(&mut large, post("Content-Length: 1048577\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{answer}");

    let mut slow = conn();
    send(&mut slow, post("Content-Length: 5\r\n\r\nHell").as_bytes());
    slow.on_deadline(START.later(Limits::default().body));
    assert!(drain(&mut slow).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

#[test]
fn waiting_for_an_answer_outlives_a_half_close() {
    let mut conn = conn();
    send(&mut conn, post("Content-Length: 1\r\n\r\nx").as_bytes());
    published(&mut conn);
    conn.eof(START);
    assert!(!conn.is_done());
    conn.admit(START); // meant for somebody else
    conn.answer(&Response::text(Status::Ok, "1"), START);
    assert!(drain(&mut conn).ends_with("\r\n\r\n1\n"));
    assert!(conn.is_done());
}

#[test]
fn closing_waits_for_the_peers_close_past_everything_else() {
    let limits = Limits::default();
    let mut conn = open();
    conn.close(CloseCode::GOING_AWAY, "bye", START);
    assert_eq!(drain_bytes(&mut conn), b"\x88\x05\x03\xe9bye");
    assert_eq!(exchange(&mut conn, &[MASKED_HELLO, &masked(0x89, b"")].concat()), b"");
    assert!(!conn.take_shutdown(START));
    assert_eq!(conn.deadline(), Some(limits.close_handshake));
    assert_eq!(exchange(&mut conn, &masked(0x88, b"\x03\xe9")), b"");
    assert!(conn.take_shutdown(START));

    let mut unanswered = open();
    unanswered.close(CloseCode::GOING_AWAY, "bye", START);
    unanswered.on_deadline(START.later(limits.close_handshake));
    assert!(unanswered.is_done());
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Conn>() <= 104, "{}", size_of::<Conn>());
}
