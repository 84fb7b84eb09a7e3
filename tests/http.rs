//! HTTP/1.1 as the server speaks it over a socket (RFC 9110, RFC 9112, RFC 6455 section 4): what takes
//! more than a request and its answer.
//!
//! What to notice:
//! * What is a request and its answer is a case of `tests/http/rules.txt`, rule by rule. Here is what
//!   also needs time, a second client, a log, or options.
//! * A client that reads late, ends early or never stops sending still gets its answers.
//! * The last part is who may publish, and who may subscribe: Origin, Host and token.

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

use std::time::{Duration, Instant};

use support::client::{Frame, KEY, Response, masked};

use support::{Client, Server};

/// Follows every refused request: its 404 would show that a request was read out of the rest.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends `request` and what must not be read, and returns the one answer that comes, having checked
/// all that every refusal has to have.
#[track_caller]
fn refused(server: &Server, request: &[u8]) -> Response {
    let shown = request.escape_ascii().to_string();
    let shown = shown.get(..200).unwrap_or(&shown);
    let mut client = server.client();
    client.send([request, SMUGGLED].concat());
    let response = client.response();
    let rest = client.rest();
    assert_eq!(rest, b"", "after {shown} more is answered: {}", rest.escape_ascii());
    let options = response.field("Connection").unwrap_or_default().to_ascii_lowercase();
    let has = |option| options.split(',').any(|one| one.trim() == option);
    assert!(has("close"), "{shown}: {}", response.head);
    // RFC 9110 section 7.8: who sends Upgrade names it in Connection.
    assert_eq!(has("upgrade"), response.field("Upgrade").is_some(), "{shown}: {}", response.head);
    assert!(response.field("Date").is_some(), "{shown}: {}", response.head);
    let content = response.field("Content-Type").unwrap_or_default();
    assert!(content.starts_with("text/plain"), "{shown}: {}", response.head);
    let text = response.text();
    assert!(
        (8..400).contains(&text.len()) && text.trim_end().lines().count() == 1,
        "{shown}: {text:?}"
    );
    response
}

#[test]
fn s9112_9_3_a_connection_is_kept_for_a_thousand_requests_without_a_word() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for request in 1..1000 {
        let response = client.get("/healthz");
        assert_eq!((response.status, response.field("Connection")), (200, None), "{request}");
    }
    // Section 9.6: the last answer says that it is the last.
    let last = client.get("/healthz");
    assert_eq!((last.status, last.field("Connection")), (200, Some("close")));
    client.try_send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.rest(), b"");
}

#[test]
fn s9112_9_3_a_client_that_pipelines_and_reads_late_gets_every_answer() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let one = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(one.repeat(500));
    client.end();
    for answered in 0..500 {
        assert_eq!(client.response().status, 200, "answer {answered}");
    }
    assert_eq!(client.rest(), b"");
}

#[test]
fn s9110_9_3_2_head_gets_the_head_of_get_and_no_body() {
    let server = Server::start(&[]);
    for target in ["/", "/healthz", "/echo", "/nowhere"] {
        let mut client = server.client();
        let get = client.get(target);
        let mut client = server.client();
        client.request(&format!("HEAD {target}"), "Connection: close\r\n");
        let head = client.head();
        assert_eq!(
            (get.status, get.field("Content-Length")),
            (head.status, head.field("Content-Length"))
        );
        assert_eq!(client.rest(), b"", "a body after HEAD {target}");
    }
}

#[test]
fn s9110_6_6_1_every_answer_carries_date_server_and_length() {
    let server = Server::start(&[]);
    for target in ["/", "/healthz", "/nowhere"] {
        let response = server.client().get(target);
        let date = response.field("Date").expect("Date");
        let date = httpdate::parse_http_date(date).unwrap_or_else(|_| panic!("{date}"));
        let age = std::time::SystemTime::now().duration_since(date).unwrap_or_default();
        assert!(age < Duration::from_secs(60), "{date:?}");
        let name = response.field("Server").expect("Server");
        assert!(name.to_ascii_lowercase().starts_with("barewire"), "{name}");
        assert!(response.field("Content-Length").is_some(), "{}", response.head);
    }
}

#[test]
fn s9112_9_6_a_client_that_has_shut_its_side_still_gets_its_answer() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.end();
    assert_eq!(client.response().status, 200);
    assert_eq!(client.rest(), b"");
    // Half a request and no more: nobody waits for it.
    let mut client = server.client();
    client.send(b"GET / HT");
    client.end();
    let start = Instant::now();
    client.rest();
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn s9112_9_6_a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(b"GET / HTTP/9.9\r\n\r\n");
    // A socket that is closed with unread bytes is reset, and a reset can destroy the answer.
    for _ in 0..50 {
        if !client.try_send(SMUGGLED.repeat(20)) {
            break;
        }
    }
    assert_eq!(client.response().status, 505);
}

#[test]
fn s9110_15_5_9_a_slow_head_is_given_up_after_ten_seconds_from_accept() {
    if !support::is_long() {
        eprintln!("only with BAREWIRE_LONG=1, as tests/run --all sets it: 10 s");
        return;
    }
    let server = Server::start(&[]);
    let mut silent = server.client();
    let mut slow = server.client();
    let start = Instant::now();
    slow.stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut answer = Vec::new();
    for byte in b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".chunks(1) {
        slow.try_send(byte);
        let mut buffer = [0; 1000];
        if let Ok(n) = std::io::Read::read(&mut slow.stream, &mut buffer) {
            answer.extend_from_slice(&buffer[..n]);
            break;
        }
    }
    let took = start.elapsed();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
    assert!((9..13).contains(&took.as_secs()), "each byte must not prolong it: {took:?}");
    assert_eq!(silent.rest(), b"", "one that said nothing is closed in silence");
}

// ---- The handshake (RFC 6455 section 4) ----

#[test]
fn s4_2_2_the_101_has_these_lines_and_no_others() {
    let server = Server::start(&[]);
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        (KEY, "qGEgH3En71di5rrssAZTmtRTyFk="),
    ] {
        let mut client = server.client();
        let fields = Client::upgrade_fields().replace(KEY, key);
        client.request("GET /echo", &fields);
        let response = client.response();
        let mut lines: Vec<_> =
            response.head.trim_end().lines().map(str::to_ascii_lowercase).collect();
        lines.retain(|line| !line.starts_with("date:") && !line.starts_with("server:"));
        lines[1..].sort();
        let accept = format!("sec-websocket-accept: {accept}").to_ascii_lowercase();
        let expected = [
            "http/1.1 101 switching protocols",
            "connection: upgrade",
            &accept,
            "upgrade: websocket",
        ];
        assert_eq!(lines, expected, "{}", response.head);
    }
}

#[test]
fn s4_2_2_no_extension_and_no_subprotocol_is_chosen_unasked_or_unknown() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let fields =
        "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: x-unknown; a=1\r\n";
    let response = client.try_upgrade("/echo", fields);
    assert_eq!(response.status, 101, "{}", response.head);
    assert_eq!(response.field("Sec-WebSocket-Protocol"), None);
    assert_eq!(response.field("Sec-WebSocket-Extensions"), None);
    client.echoes("Hello");
}

#[test]
fn frames_behind_the_request_in_its_own_segment_are_not_lost() {
    let server = Server::start(&[]);
    let head = format!("GET /echo HTTP/1.1\r\nHost: a\r\n{}\r\n", Client::upgrade_fields());
    let mut client = server.client();
    client.send([head.as_bytes(), &masked(0x81, b"Hello"), &masked(0x89, b"?")].concat());
    assert_eq!(client.response().status, 101);
    assert_eq!(client.frame(), Frame::text("Hello"));
    assert_eq!(client.frame(), Frame::pong(b"?"));
    // The same behind requests that are pipelined before it.
    let plain = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    let mut client = server.client();
    client.send([&plain, head.as_bytes(), &masked(0x81, b"Hello")].concat());
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 101, "answers come in the order of the requests");
    assert_eq!(client.frame(), Frame::text("Hello"));
}

#[test]
fn cutting_the_handshake_anywhere_changes_nothing() {
    let server = Server::start(&[]);
    let head = format!("GET /echo HTTP/1.1\r\nHost: a\r\n{}\r\n", Client::upgrade_fields());
    let session =
        [head.as_bytes(), &masked(0x01, b"Hel"), &masked(0x89, b""), &masked(0x80, b"lo")].concat();
    let expect = |client: &mut Client, cut: usize| {
        assert_eq!(client.response().status, 101, "cut at {cut}");
        assert_eq!(client.frame(), Frame::pong(b""), "cut at {cut}");
        assert_eq!(client.frame(), Frame::text("Hello"), "cut at {cut}");
    };
    for cut in 1..session.len() {
        let mut client = server.client();
        client.send(&session[..cut]);
        client.send(&session[cut..]);
        expect(&mut client, cut);
    }
    let mut client = server.client();
    for byte in session.chunks(1) {
        client.send(byte);
    }
    expect(&mut client, 0);
}

#[test]
fn nothing_of_a_request_is_echoed_in_its_answer_or_raw_in_the_log() {
    let server = Server::start_logging("trace", &[]);
    let mut client = server.client();
    client.send(b"GET /canary%0d%0aX-Evil:1?q=canary HTTP/1.1\r\nHost: canary.test\r\nX-C: canary\r\nConnection: close\r\n\r\n");
    let answer = client.rest();
    assert!(!String::from_utf8_lossy(&answer).contains("canary"), "{}", answer.escape_ascii());
    let mut client = server.client();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-C: \x1b[31mred\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert!(!server.log().contains('\x1b'), "{}", server.log());
}

// ---- Who may subscribe: Origin, and the channel ----

#[test]
fn s10_2_an_upgrade_is_refused_to_a_page_from_elsewhere() {
    let server = Server::start(&["--origin", "https://app.example.org"]);
    let port = server.port();
    let ask = |host: &str, origin: &str| {
        let mut client = server.client();
        let fields = Client::upgrade_fields();
        client.send(format!(
            "GET /echo HTTP/1.1\r\nHost: {host}\r\n{fields}Origin: {origin}\r\n\r\n"
        ));
        client.response()
    };
    let here = format!("127.0.0.1:{port}");
    let local = format!("localhost:{port}");
    for (host, origin, status) in [
        (&*here, format!("http://{here}"), 101),
        (&*here, format!("https://{here}"), 101),
        (&*local, format!("http://{local}"), 101),
        (&*local, format!("http://LOCALHOST:{port}"), 101),
        (&*here, "https://app.example.org".into(), 101),
        ("localhost", "http://localhost:80".into(), 101),
        ("localhost:443", "https://localhost".into(), 101),
        (&*here, "http://app.example.org".into(), 403),
        (&*here, "https://app.example.org:444".into(), 403),
        (&*here, "https://app.example.org.evil.test".into(), 403),
        (&*here, format!("http://{local}"), 403),
        (&*here, "http://127.0.0.1:1".into(), 403),
        (&*here, "http://127.0.0.1".into(), 403),
        ("localhost", "http://localhost:3000".into(), 403),
        ("localhost:3000", "http://localhost".into(), 403),
        (&*here, "null".into(), 403),
        (&*here, "file://".into(), 403),
        (&*here, String::new(), 403),
        // DNS rebinding: a name of the attacker's that leads to this machine.
        ("evil.test", "http://evil.test".into(), 403),
    ] {
        let response = ask(host, &origin);
        let refused_at_all = response.status == 400 && status == 403 && origin.len() < 8;
        assert!(response.status == status || refused_at_all, "{host} {origin}: {}", response.head);
        if response.status == 403 && origin.starts_with("http") {
            assert!(
                response.text().contains("--origin"),
                "it says what to add: {}",
                response.text()
            );
        }
    }
    server.logs("--origin");
}

#[test]
fn a_channel_that_is_not_allowed_is_403_at_the_handshake() {
    let server = Server::start(&["--channel", "ruby", "--channel", "news.*"]);
    for (target, status) in [
        ("/", 101),
        ("/?channel=ruby", 101),
        ("/?channel=news.sport&channel=ruby", 101),
        ("/?channel=ruby&channel=ruby", 101),
        ("/?channel=news%2Esport", 101),
        ("/?channel=awake", 101),
        ("/?channel=rubyx", 403),
        ("/?channel=RUBY", 403),
        ("/?channel=ruby&channel=secret", 403),
        ("/?channel=ruby%2520", 403),
    ] {
        let response = server.client().try_upgrade(target, "");
        assert_eq!(response.status, status, "{target}: {}", response.text());
    }
    for target in ["/?channel=", "/?channel=%00", "/?channel=a%zz"] {
        let response = server.client().try_upgrade(target, "");
        assert!([400, 403].contains(&response.status), "{target}: {}", response.head);
    }
}

// ---- Publishing over HTTP ----

#[test]
fn post_publish_reaches_the_subscribers_of_its_channel_and_counts_them() {
    let server = Server::start(&["--channel", "ruby", "--channel", "news"]);
    let mut ruby = server.subscriber("/?channel=ruby");
    let mut both = server.subscriber("/?channel=ruby&channel=news");
    assert_eq!(server.publish("ruby", b"Hello"), 2);
    assert_eq!(server.publish("news", b"\xff\x00"), 1);
    assert_eq!(server.publish("news", b""), 1);
    assert_eq!(ruby.frame(), Frame::text("Hello"));
    assert_eq!(both.frame(), Frame::text("Hello"));
    assert_eq!(both.frame(), Frame::binary(b"\xff\x00"));
    assert_eq!(both.frame(), Frame::text(""));
}

#[test]
fn s9110_10_1_1_expect_100_continue_is_answered_before_the_body() {
    let server = Server::start(&[]);
    let mut subscriber = server.subscriber("/?channel=ruby");
    let mut client = server.client();
    client.request("POST /publish?channel=ruby", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    assert_eq!(client.head().status, 100);
    client.send(b"Hello");
    assert_eq!(client.response().status, 200);
    assert_eq!(subscriber.frame(), Frame::text("Hello"));
    // What would be refused anyway is refused before the body is sent.
    let mut client = server.client();
    client.request("POST /publish?channel=secret", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    assert_eq!(client.response().status, 403);
}

#[test]
fn s9112_7_1_a_chunked_body_is_put_together() {
    let server = Server::start(&[]);
    let mut subscriber = server.subscriber("/?channel=ruby");
    let mut client = server.client();
    client.request("POST /publish?channel=ruby", "Transfer-Encoding: chunked\r\n");
    client.send(b"2\r\nHe\r\n");
    client.send(b"3;note=\"x\"\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(subscriber.frame(), Frame::text("Hello"));
    assert_eq!(client.get("/healthz").status, 200, "the connection goes on behind the body");
}

#[test]
fn s9110_15_5_14_a_body_over_max_publish_is_413_before_it_is_sent() {
    let server = Server::start(&["--max-publish", "1k"]);
    let mut subscriber = server.subscriber("/?channel=ruby");
    let fits = vec![b'a'; 1024];
    assert_eq!(server.publish("ruby", &fits), 1);
    assert_eq!(subscriber.frame().payload, fits);
    let head = "POST /publish?channel=ruby HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    for length in ["1025", "18446744073709551615"] {
        let request = format!("{head}Content-Length: {length}\r\n\r\n");
        assert_eq!(refused(&server, request.as_bytes()).status, 413, "{length}");
    }
    let chunk =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n401\r\n{}\r\n0\r\n\r\n", "a".repeat(1025));
    assert_eq!(refused(&server, chunk.as_bytes()).status, 413);
    let chunks =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\na\r\n".repeat(1025));
    assert_eq!(refused(&server, chunks.as_bytes()).status, 413);
}

#[test]
fn publishing_without_a_token_is_for_this_machine_alone() {
    let server = Server::start(&[]);
    let port = server.port();
    let here = format!("127.0.0.1:{port}");
    let post = |host: &str, target: &str, fields: &str| {
        let mut client = server.client();
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: 1\r\n\r\nx"
        ));
        client.response()
    };
    let ruby = "/publish?channel=ruby";
    for (host, target, fields, status) in [
        (&*here, ruby, String::new(), 200),
        ("localhost", ruby, String::new(), 200),
        ("[::1]", ruby, String::new(), 200),
        (&*here, ruby, format!("Origin: http://{here}\r\n"), 200),
        (&*here, ruby, "Origin: http://evil.test\r\n".into(), 403),
        (&*here, ruby, "Origin: null\r\n".into(), 403),
        ("evil.test", ruby, String::new(), 403),
        ("evil.test", ruby, "Origin: http://evil.test\r\n".into(), 403),
        ("localhost.evil.test", ruby, String::new(), 403),
        (&*here, ruby, "Forwarded: for=192.0.2.1\r\n".into(), 403),
        (&*here, ruby, "Via: 1.1 proxy\r\n".into(), 403),
        (&*here, ruby, "X-Forwarded-For: 192.0.2.1\r\n".into(), 403),
        (&*here, ruby, "x-forwarded-host: evil.test\r\n".into(), 403),
        (&*here, ruby, "X-Real-IP: 192.0.2.1\r\n".into(), 403),
        (&*here, "/publish?channel=secret", String::new(), 403),
        (&*here, "/publish?channel=awake", String::new(), 403),
        (&*here, "/publish", String::new(), 400),
    ] {
        let response = post(host, target, &fields);
        assert_eq!(response.status, status, "{host} {target} {fields}: {}", response.text());
    }
}

#[test]
fn s6750_publishing_with_a_token_needs_that_token() {
    const TOKEN: &str = "correct-horse";
    let server = Server::start_logging("trace", &["--publish-token", TOKEN]);
    let post = |fields: &str| {
        let mut client = server.client();
        client.post("/publish?channel=ruby", fields, b"x");
        client.response()
    };
    for fields in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer correct-horsE\r\n",
        "Authorization: Bearer correct-horse2\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Basic correct-horse\r\n",
        "Authorization: correct-horse\r\n",
    ] {
        let response = post(fields);
        assert_eq!(response.status, 401, "{fields}: {}", response.head);
        let ask = response.field("WWW-Authenticate").unwrap_or_default();
        assert!(ask.starts_with("Bearer"), "{}", response.head);
    }
    let good = format!("Authorization: Bearer {TOKEN}\r\n");
    for fields in
        [good.clone(), good.replace("Bearer", "bearer"), good + "X-Forwarded-For: 192.0.2.1\r\n"]
    {
        assert_eq!(post(&fields).status, 200, "{fields}");
    }
    assert!(!server.log().contains(TOKEN), "{}", server.log());
}
