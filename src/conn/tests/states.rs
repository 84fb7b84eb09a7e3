//! Walks the diagram at the head of `conn.rs`, and then tries all that it does not draw.

use super::*;
use crate::site::Question;

include!("../../../tests/sources/diagram.rs");

fn name(conn: &Conn) -> &'static str {
    match &conn.state {
        State::Head(_) => "Head",
        State::Posting(_) => "Posting",
        State::Waiting(_) => "Waiting",
        State::Open(_) => "Open",
        State::Closing(_) => "Closing",
        State::Linger(_) => "Linger",
        State::Done => "Done",
    }
}

// A connection in each state, most with all output written. Where a state has kinds that differ in what
// leads out of it, there is one of each.

fn begun() -> Conn {
    after(conn(), b"GET / HT")
}

fn answered_and_unwritten() -> Conn {
    receiving(conn(), GET)
}

/// More requests than may be answered before it reads.
fn backed_up() -> Conn {
    let mut conn = conn();
    while conn.wants_input() {
        request(&mut conn, GET);
    }
    request(&mut conn, GET);
    conn
}

fn posting() -> Conn {
    after(conn(), post("Content-Length: 5\r\n\r\nHe").as_bytes())
}

fn posting_behind_an_answer() -> Conn {
    receiving(answered_and_unwritten(), post("Content-Length: 5\r\n\r\nHe").as_bytes())
}

fn wanting() -> Conn {
    waiting("?channel=ruby").0
}

fn wanting_behind_an_answer() -> Conn {
    let wants = String::from_utf8_lossy(UPGRADE).replace("/echo", "/");
    receiving(answered_and_unwritten(), wants.as_bytes())
}

fn asking() -> Conn {
    let mut asking = after(conn(), b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(asking.poll_event(), Some(Event::Asks(Question::IsReady)));
    asking
}

fn echoing() -> Conn {
    receiving(open(), MASKED_HELLO)
}

fn pinged() -> Conn {
    let mut pinged = open();
    its_time_is_up(&mut pinged);
    drain_bytes(&mut pinged);
    pinged
}

fn closing() -> Conn {
    let mut closing = closing_and_unwritten();
    drain_bytes(&mut closing);
    closing
}

fn closing_and_unwritten() -> Conn {
    let mut closing = open();
    we_close(&mut closing);
    closing
}

fn lingering() -> Conn {
    after(conn(), GET_AND_CLOSE)
}

fn lingering_behind_the_end() -> Conn {
    let mut linger = receiving(conn(), GET_AND_CLOSE);
    linger.eof(START);
    linger
}

fn done() -> Conn {
    let mut done = conn();
    done.eof(START);
    done
}

fn receiving(mut conn: Conn, bytes: &[u8]) -> Conn {
    conn.receive(&mut bytes.to_vec(), START);
    conn
}

fn after(conn: Conn, bytes: &[u8]) -> Conn {
    let mut conn = receiving(conn, bytes);
    drain_bytes(&mut conn);
    conn
}

// What can happen to one.

fn frame(conn: &mut Conn) {
    conn.receive(&mut MASKED_HELLO.to_vec(), START);
}

fn close_frame(conn: &mut Conn) {
    conn.receive(&mut masked(0x88, b""), START);
}

fn unmasked_frame(conn: &mut Conn) {
    conn.receive(&mut b"\x81\x05Hello".to_vec(), START);
}

fn the_input_ends(conn: &mut Conn) {
    conn.eof(START);
}

fn we_close(conn: &mut Conn) {
    conn.close(CloseCode::GOING_AWAY, "bye", START);
}

fn its_time_is_up(conn: &mut Conn) {
    let since_start = conn.deadline().unwrap_or(Duration::from_secs(3600));
    conn.on_deadline(Now { since_start, ..START });
}

fn admitted(conn: &mut Conn) {
    conn.admit(START);
}

fn answered(conn: &mut Conn) {
    conn.answer(&Response::text(Status::Ok, "ready"), START);
}

fn written(conn: &mut Conn) {
    conn.wrote(conn.output().len(), START);
}

fn request(conn: &mut Conn, bytes: &[u8]) {
    conn.receive(&mut bytes.to_vec(), START);
}

/// One edge: a connection in the state it leaves, its cause as the diagram names it, how that comes
/// about, and the state it leads to.
type Edge = (fn() -> Conn, &'static str, fn(&mut Conn), &'static str);

const LAST: &str = "the last answer: refused, late, or asked to close";
const CUT_OFF: &str = "the input ends before all is written";
const GONE: &str = "the input ends, and all is written";

const EDGES: &[Edge] = &[
    (conn, "answered, and kept alive", |conn| request(conn, GET), "Head"),
    (
        conn,
        "a publish is let in, and its body comes",
        |conn| request(conn, post("Content-Length: 5\r\n\r\n").as_bytes()),
        "Posting",
    ),
    (
        conn,
        "others have to decide: it wants channels, or asks",
        |conn| request(conn, String::from_utf8_lossy(UPGRADE).replace("/echo", "/").as_bytes()),
        "Waiting",
    ),
    (
        conn,
        "others have to decide: it wants channels, or asks",
        |conn| request(conn, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        "Waiting",
    ),
    (conn, "101 on /echo", |conn| request(conn, UPGRADE), "Open"),
    (posting, "the body is complete", |conn| request(conn, b"llo"), "Waiting"),
    (wanting, "its channels are live: 101", admitted, "Open"),
    (asking, "answered, and kept alive", answered, "Head"),
    (open, "we close", we_close, "Closing"),
    (conn, LAST, |conn| request(conn, GET_AND_CLOSE), "Linger"),
    (conn, LAST, |conn| request(conn, b"GET / HTTP/1.1\r\n\r\n"), "Linger"),
    (conn, LAST, |conn| conn.turn_away(START), "Linger"),
    (begun, LAST, we_close, "Linger"),
    (begun, LAST, its_time_is_up, "Linger"),
    (posting, LAST, we_close, "Linger"),
    (posting, LAST, its_time_is_up, "Linger"),
    (wanting, LAST, we_close, "Linger"),
    (wanting, LAST, answered, "Linger"),
    (wanting, LAST, its_time_is_up, "Linger"),
    (asking, LAST, its_time_is_up, "Linger"),
    (conn, "we close between two requests", we_close, "Linger"),
    (answered_and_unwritten, "its answers are not read in time", its_time_is_up, "Linger"),
    (backed_up, "its answers are not read in time", its_time_is_up, "Linger"),
    (open, "the peer's Close", close_frame, "Linger"),
    (open, "a broken rule", unmasked_frame, "Linger"),
    (pinged, "silence behind our ping", its_time_is_up, "Linger"),
    (closing, "the peer's Close", close_frame, "Linger"),
    (closing, "a broken rule", unmasked_frame, "Linger"),
    (answered_and_unwritten, CUT_OFF, the_input_ends, "Linger"),
    (posting_behind_an_answer, CUT_OFF, the_input_ends, "Linger"),
    (wanting_behind_an_answer, CUT_OFF, the_input_ends, "Linger"),
    (echoing, CUT_OFF, the_input_ends, "Linger"),
    (closing_and_unwritten, CUT_OFF, the_input_ends, "Linger"),
    (conn, GONE, the_input_ends, "Done"),
    (begun, GONE, the_input_ends, "Done"),
    (posting, GONE, the_input_ends, "Done"),
    (wanting, GONE, the_input_ends, "Done"),
    (open, GONE, the_input_ends, "Done"),
    (closing, GONE, the_input_ends, "Done"),
    (conn, "its time is up, and nothing has come", its_time_is_up, "Done"),
    (closing, "its time is up", its_time_is_up, "Done"),
    (lingering, "its time is up", its_time_is_up, "Done"),
    (lingering, "the input has ended, and all is written", the_input_ends, "Done"),
    (lingering_behind_the_end, "the input has ended, and all is written", written, "Done"),
];

#[test]
fn walks_the_diagram() {
    for (from, cause, happens, to) in EDGES {
        let mut conn = from();
        let before = name(&conn);
        happens(&mut conn);
        assert_eq!(name(&conn), *to, "{before} -- {cause}");
    }
    let walked = EDGES.iter().map(|(from, cause, _, to)| (name(&from()), *cause, *to));
    diagram::assert_drawn(include_str!("../../conn.rs"), walked);
}

const HAPPENINGS: [fn(&mut Conn); 8] =
    [frame, close_frame, the_input_ends, we_close, its_time_is_up, admitted, answered, written];

/// A kind of connection, and to which state each of these leads from there. A dot: it stays.
type Row = (fn() -> Conn, [&'static str; HAPPENINGS.len()]);

#[rustfmt::skip]
const EVERYTHING: [Row; 14] = [
    //                      frame      Close      eof       close()    deadline  admit() answer()  wrote()
    (conn,                ["Linger",  "Linger",  "Done",   "Linger",  "Done",   ".",    ".",      "."]),
    (begun,               ["Linger",  "Linger",  "Done",   "Linger",  "Linger", ".",    ".",      "."]),
    (answered_and_unwritten,
                          ["Linger",  "Linger",  "Linger", "Linger",  "Linger", ".",    ".",      "."]),
    (posting,             ["Waiting", "Waiting", "Done",   "Linger",  "Linger", ".",    ".",      "."]),
    (wanting,             [".",       ".",       "Done",   "Linger",  "Linger", "Open", "Linger", "."]),
    (asking,              [".",       ".",       ".",      ".",       "Linger", ".",    "Head",   "."]),
    (open,                [".",       "Linger",  "Done",   "Closing", ".",      ".",    ".",      "."]),
    (echoing,             [".",       "Linger",  "Linger", "Closing", ".",      ".",    ".",      "."]),
    (pinged,              [".",       "Linger",  "Done",   "Closing", "Linger", ".",    ".",      "."]),
    (closing,             [".",       "Linger",  "Done",   ".",       "Done",   ".",    ".",      "."]),
    (closing_and_unwritten,
                          [".",       "Linger",  "Linger", ".",       "Done",   ".",    ".",      "."]),
    (lingering,           [".",       ".",       "Done",   ".",       "Done",   ".",    ".",      "."]),
    (lingering_behind_the_end,
                          [".",       ".",       ".",      ".",       "Done",   ".",    ".",      "Done"]),
    (done,                [".",       ".",       ".",      ".",       ".",      ".",    ".",      "."]),
];

/// Nothing leads where no edge is drawn: whatever else happens leaves a connection in its state.
#[test]
fn everything_else_stays_where_it_is() {
    let drawn = diagram::drawn(include_str!("../../conn.rs"));
    for (row, (from, leads_to)) in EVERYTHING.iter().enumerate() {
        for (column, (happens, to)) in HAPPENINGS.iter().zip(leads_to).enumerate() {
            let mut conn = from();
            let before = name(&conn);
            happens(&mut conn);
            let after = if *to == "." { before } else { *to };
            assert_eq!(name(&conn), after, "row {row}, column {column}");
            let is_drawn = drawn.iter().any(|(from, _, to)| (&**from, &**to) == (before, after));
            assert!(before == after || is_drawn, "{before} -> {after} is not drawn");
        }
    }
}
