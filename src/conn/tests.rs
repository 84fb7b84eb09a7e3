use super::*;

const START: Now = Now { since_start: Duration::ZERO, unix: Duration::from_secs(1_000_000_000) };

fn conn() -> Conn {
    Conn::new(Rc::new(Site::default()), START)
}

/// Takes all output, as a socket does that is never full.
fn drain(conn: &mut Conn) -> String {
    let mut all = Vec::new();
    while !conn.output().is_empty() {
        all.extend_from_slice(conn.output());
        conn.wrote(conn.output().len(), START);
    }
    String::from_utf8_lossy(&all).into_owned()
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
    assert!(conn.take_shutdown());
    assert!(!conn.take_shutdown(), "once");
    assert!(conn.wants_input(), "so that unread bytes do not reset the connection");
    assert_eq!(send(&mut conn, GET), "", "but nothing of them is a request any more");
    conn.eof(START);
    assert!(conn.is_done());
}

#[test]
fn linger_too_long_or_too_much_is_done() {
    let limits = Limits::default();
    let mut silent = conn();
    send(&mut silent, GET_AND_CLOSE);
    assert!(silent.take_shutdown());
    assert_eq!(silent.deadline(), Some(limits.linger));
    silent.on_deadline(START.later(limits.linger));
    assert!(silent.is_done());

    let mut talkative = conn();
    send(&mut talkative, GET_AND_CLOSE);
    assert!(talkative.take_shutdown());
    send(&mut talkative, &vec![b'x'; limits.linger_bytes]);
    assert!(talkative.is_done());
}

#[test]
fn head_malformed_is_refused_and_what_follows_is_never_a_request() {
    let mut conn = conn();
    let request = [b"GET / HTTP/1.1\r\n\r\n".as_slice(), GET].concat();
    let answer = send(&mut conn, &request);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
    assert!(conn.take_shutdown());
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
    let mut conn = conn();
    conn.receive(&mut GET.to_vec(), START);
    conn.eof(START);
    assert!(!conn.is_done());
    assert!(drain(&mut conn).starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(conn.is_done());
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
    let mut conn = Conn::new(Rc::new(site), START);
    let answers = send(&mut conn, &GET.repeat(9));
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(answers.matches("Connection: close").count(), 1);
}

mod law {
    use proptest::prelude::*;

    use super::*;

    /// What one conversation showed: all output, and how it ended.
    fn replay(bytes: &[u8], cuts: &[usize]) -> (String, bool) {
        let mut conn = conn();
        let mut output = String::new();
        let mut rest = bytes;
        let mut cuts = cuts.iter().copied().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
            rest = after;
            output += &send(&mut conn, piece);
        }
        conn.eof(START);
        output += &drain(&mut conn);
        (output, conn.is_done())
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => Just(GET.to_vec()),
            1 => Just(GET_AND_CLOSE.to_vec()),
            1 => Just(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
            1 => Just(b"\r\n".to_vec()),
            1 => Just(b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
            1 => Just(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..9),
        ]
    }

    proptest! {
        #[test]
        fn cutting_the_bytes_anywhere_changes_nothing(
            pieces in prop::collection::vec(piece(), 0..6),
            cuts in prop::collection::vec(1..40_usize, 1..9),
        ) {
            let bytes = pieces.concat();
            let whole = replay(&bytes, &[bytes.len().max(1)]);
            prop_assert_eq!(&replay(&bytes, &[1]), &whole);
            prop_assert_eq!(&replay(&bytes, &cuts), &whole);
        }
    }

    #[test]
    fn at_every_single_cut() {
        let bytes = [GET, b"\r\n", GET_AND_CLOSE, GET].concat();
        let whole = replay(&bytes, &[bytes.len()]);
        for cut in 1..bytes.len() {
            assert_eq!(replay(&bytes, &[cut, bytes.len()]), whole, "cut at {cut}");
        }
    }
}
