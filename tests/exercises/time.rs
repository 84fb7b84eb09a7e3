//! Exercise `time`: a path that says what time it is.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Exercise;
use super::support::Server;
use barewire::conn::Conn;
use barewire::now::Now;
use barewire::site::{Entrance, Site};

const TIME: Exercise = Exercise {
    name: "time",
    begin: "src/site.rs, `route_path`; who calls it, and what does that one know that it does not?",
};

#[test]
#[ignore = "exercise: time"]
fn get_time_is_answered_with_the_unix_time() {
    let server = Server::start(&[]);
    let response = server.client().get("/time");
    TIME.expects(
        "GET /time is answered with 200",
        response.status == 200,
        (response.status, response.text()),
    );
    let is_text = response.field("Content-Type") == Some("text/plain; charset=utf-8");
    TIME.expects("as a text", is_text, &response.head);
    let seconds = response.text().strip_suffix('\n').and_then(|line| line.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let is_now = seconds.is_some_and(|seconds| seconds.abs_diff(now) < 10);
    TIME.expects("a line with the seconds since 1970, and nothing else", is_now, response.text());
    let is_fresh = response.field("Cache-Control") == Some("no-store");
    TIME.expects("which no cache keeps: Cache-Control: no-store", is_fresh, &response.head);
}

#[test]
#[ignore = "exercise: time"]
fn every_other_method_has_its_answer_too() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.request("HEAD /time", "");
    let head = client.head();
    TIME.expects("HEAD /time is answered with 200", head.status == 200, head.status);
    let response = client.get("/healthz");
    TIME.expects(
        "and without a body, so that the next answer follows",
        response.status == 200,
        &response.head,
    );
    let mut client = server.client();
    client.post("/time", "", b"");
    let response = client.response();
    TIME.expects("POST /time is answered with 405", response.status == 405, response.status);
    let allowed = response.field("Allow");
    TIME.expects("which names what would do", allowed == Some("GET, HEAD"), &response.head);
    let response = server.client().get("/time?zone=none");
    TIME.expects(
        "a query changes nothing",
        response.status == 200,
        (response.status, response.text()),
    );
}

/// The layers: bytes and `Now` come in. A site that asks the system what time it is cannot be driven in
/// virtual time.
#[test]
#[ignore = "exercise: time"]
fn the_time_is_the_one_that_the_driver_says() {
    let unix = Duration::from_millis(1_000_000_000_999);
    let now = Now { since_start: Duration::ZERO, unix };
    let mut conn = Conn::new(Rc::new(Site::default()), Entrance::LOOPBACK, now);
    let mut request = *b"GET /time HTTP/1.1\r\nHost: localhost\r\n\r\n";
    conn.receive(&mut request, now);
    let answer = String::from_utf8_lossy(conn.output());
    let is_virtual = answer.ends_with("\r\n\r\n1000000000\n");
    TIME.expects("1000000000, for that is what Now says it is", is_virtual, answer);
}
