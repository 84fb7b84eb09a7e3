//! HTTP/1.1 as the server speaks it, byte for byte over a socket (RFC 9110, RFC 9112, RFC 6455 section 4).
//!
//! What to notice:
//! * Requests are tables of literal bytes. A refused one is always followed by a whole second
//!   request, which must never be answered: that is what request smuggling is.
//! * Most servers fail a good part of these tables: a bare LF, a second Host, `HTTP/2.0`.
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

#[track_caller]
fn statuses(server: &Server, table: &[(&[u8], u16)]) {
    for (request, status) in table {
        let response = refused(server, request);
        assert_eq!(response.status, *status, "{}: {}", request.escape_ascii(), response.text());
    }
}

#[test]
fn s9112_3_a_malformed_request_line_is_refused() {
    let server = Server::start(&[]);
    statuses(
        &server,
        &[
            (b"GET /\r\n\r\n", 400),
            (b"GET\r\n\r\n", 400),
            (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nHost: a\n\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
            (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
            (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
            (b"GET / ICAP/1.0\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
            (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
            (b"GET /#top HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ],
    );
}

#[test]
fn s9112_5_a_malformed_field_is_refused() {
    let server = Server::start(&[]);
    let get =
        |fields: &[u8]| [b"GET / HTTP/1.1\r\nHost: a\r\n".as_slice(), fields, b"\r\n"].concat();
    for fields in [
        b"X-A : b\r\n".as_slice(),
        b" X-A: b\r\n",
        b"X-A: b\r\n c\r\n",
        b"X-A: b\r\n\tc\r\n",
        b": b\r\n",
        b"X-A\r\n",
        b"X A: b\r\n",
        b"X\x00A: b\r\n",
        b"X-A: b\x00c\r\n",
        b"X-A: b\rc\r\n",
        b"X-A: b\nX-B: c\r\n",
        b"X-A: b\x1bc\r\n",
        b"X-A: b\x7fc\r\n",
        b"X-\xc3\xa9: b\r\n",
        b"Host: a\r\n",
        b"Host: b\r\n",
        b"Content-Length: \r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 18446744073709551616\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
    ] {
        let response = refused(&server, &get(fields));
        assert_eq!(response.status, 400, "{}: {}", fields.escape_ascii(), response.text());
    }
    // Between the request line and the first field (RFC 9112 section 2.2).
    assert_eq!(refused(&server, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n").status, 400);
    assert_eq!(refused(&server, &get(b"Transfer-Encoding: gzip\r\n")).status, 400);
    assert_eq!(refused(&server, &get(b"Transfer-Encoding: gzip, chunked\r\n")).status, 501);
    assert_eq!(refused(&server, &get(b"Expect: a-miracle\r\n")).status, 417);
    let old = b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refused(&server, old).status, 400);
}

#[test]
fn s9112_3_2_host_is_there_once_and_is_a_host() {
    let server = Server::start(&[]);
    statuses(
        &server,
        &[
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
            (b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ],
    );
    // RFC 9112 section 3.2.2: the absolute form must be understood.
    let mut client = server.client();
    client.send(b"GET http://example.org/healthz HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(client.response().status, 200);
    // Before HTTP/1.1 nobody had to name a host.
    client.send(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.rest(), b"", "HTTP/1.0 closes");
}

#[test]
fn what_is_not_http_is_refused_and_closed() {
    let server = Server::start(&[]);
    for (name, bytes) in [
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("Redis", b"*1\r\n$4\r\nPING\r\n\r\n"),
        ("PROXY", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\r\n"),
        ("empty lines", b"\r\n\r\n\r\n\r\n"),
    ] {
        let mut client = server.client();
        client.send([bytes, SMUGGLED].concat());
        let answer = client.rest();
        let answer = answer.escape_ascii().to_string();
        assert!(!answer.contains("404") && !answer.contains(" 200 "), "{name}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            usize::from(!answer.is_empty()),
            "{name}: {answer}"
        );
    }
    assert_eq!(server.client().get("/healthz").status, 200);
}

#[test]
fn s6585_5_too_long_is_refused_and_never_held() {
    let server = Server::start(&[]);
    let long = "a".repeat(70_000);
    let line = format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(refused(&server, line.as_bytes()).status, 414);
    let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n");
    assert_eq!(refused(&server, field.as_bytes()).status, 431);
    let fields = |count: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: b\r\n".repeat(count - 1))
    };
    assert_eq!(refused(&server, fields(101).as_bytes()).status, 431);
    let mut client = server.client();
    client.send(fields(100));
    assert_eq!(client.response().status, 200, "a hundred fields are allowed");
    // A head that never ends.
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {long}{long}");
    assert_eq!(refused(&server, endless.as_bytes()).status, 431);
}

#[test]
fn s9110_15_5_the_wrong_path_or_method_is_told_what_would_do() {
    let server = Server::start(&[]);
    let ask = |line: &str| {
        let mut client = server.client();
        client.request(line, "");
        client.response()
    };
    for (line, status, allow) in [
        ("GET /nowhere", 404, None),
        ("GET /healthz/", 404, None),
        ("GET /%00", 404, None),
        ("GET /%2e%2e/etc/passwd", 404, None),
        ("PUT /", 405, Some("GET")),
        ("DELETE /", 405, Some("GET")),
        ("DELETE /healthz", 405, Some("GET")),
        ("GET /publish?channel=ruby", 405, Some("POST")),
        ("POST /echo", 405, Some("GET")),
        ("POST /readyz", 405, Some("GET")),
    ] {
        let response = ask(line);
        let either = [status, if line.contains('%') { 400 } else { status }];
        assert!(either.contains(&response.status), "{line}: {}", response.head);
        let allowed = response.field("Allow");
        assert_eq!(allowed.is_some(), allow.is_some(), "{line}: {}", response.head);
        assert!(
            allowed.unwrap_or_default().contains(allow.unwrap_or_default()),
            "{line}: {allowed:?}"
        );
    }
    let connect = refused(&server, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    assert!([405, 501].contains(&connect.status), "{}", connect.head);
}

#[test]
fn s9112_9_plain_requests_are_kept_alive_and_pipelined() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for _ in 0..3 {
        let response = client.get("/healthz");
        assert_eq!(response.status, 200);
        assert_eq!(response.field("Connection"), None, "kept alive without a word");
    }
    client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.head().status, 200);
    assert_eq!(client.response().status, 404);
    // At most two empty lines before a request (RFC 9112 section 2.2: at least one).
    let mut client = server.client();
    client.send(b"\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().field("Connection"), Some("close"));
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
fn s9110_9_3_1_the_body_of_a_get_is_never_read_as_a_request() {
    let server = Server::start(&[]);
    for fields in ["Content-Length: 34", "Transfer-Encoding: chunked"] {
        let mut client = server.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
        client.send(SMUGGLED);
        client.end();
        let answers = client.rest();
        let answers = String::from_utf8_lossy(&answers);
        assert!(!answers.contains(" 404 "), "{fields}: {answers}");
        assert!(!answers.is_empty(), "{fields}");
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

/// Asks `/echo` for an upgrade with the lines of the RFC's example, one of them replaced.
fn ask_with(server: &Server, changed: usize, line: &str) -> (Client, Response) {
    let mut lines = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    lines[changed] = line;
    let mut client = server.client();
    client.request("GET /echo", &(lines.join("\r\n") + "\r\n"));
    let response = client.response();
    (client, response)
}

#[test]
fn s4_2_1_connection_and_upgrade_are_lists_of_whole_tokens() {
    let server = Server::start(&["--echo"]);
    for (changed, line) in [
        (0, "Connection: Upgrade"),
        (0, "connection: keep-alive, UPGRADE"),
        (0, "Connection: keep-alive\r\nConnection: upgrade"),
        (0, "Connection: ,upgrade ,"),
        (1, "Upgrade: WebSocket"),
        (1, "Upgrade: h2c, websocket"),
        (1, "Upgrade: h2c\r\nUpgrade: websocket"),
    ] {
        let (mut client, response) = ask_with(&server, changed, line);
        assert_eq!(response.status, 101, "{line}: {}", response.text());
        client.echoes("Hello");
    }
    for (changed, line) in [
        (0, "Connection: not-upgrade"),
        (0, "Connection: upgraded"),
        (0, "Connection: keep-alive"),
        (1, "Upgrade: websockets"),
        (1, "Upgrade: h2c"),
        (1, "X-Nothing: 1"),
        (3, "Sec-WebSocket-Version: 12"),
        (3, "Sec-WebSocket-Version: 8"),
    ] {
        let (_, response) = ask_with(&server, changed, line);
        assert_eq!(response.status, 426, "{line}: {}", response.text());
        let upgrade = response.field("Upgrade").map(str::to_ascii_lowercase);
        assert_eq!(upgrade.as_deref(), Some("websocket"), "{}", response.head);
        assert_eq!(response.field("Sec-WebSocket-Version"), Some("13"), "{}", response.head);
    }
}

#[test]
fn s4_2_1_there_is_one_key_and_one_version() {
    let server = Server::start(&["--echo"]);
    let sample = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (changed, line) in [
        (2, "X-Nothing: 1".into()),
        (2, "Sec-WebSocket-Key:".into()),
        (2, "Sec-WebSocket-Key: not base64!".into()),
        (2, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ".into()),
        (2, format!("{sample}\r\n{sample}")),
        (3, "X-Nothing: 1".into()),
        (3, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13".into()),
        (3, "Sec-WebSocket-Version: +13".into()),
    ] {
        let (_, response) = ask_with(&server, changed, &line);
        let statuses: &[u16] = if changed == 2 { &[400] } else { &[400, 426] };
        assert!(statuses.contains(&response.status), "{line}: {}", response.head);
    }
    // Erratum 3150: the sample of RFC 6455 section 4.1 itself has pad bits set. Other lengths than 16
    // bytes are accepted, because the best-known WebSocket command sends 13.
    for key in ["AQIDBAUGBwgJCgsMDQ4PEC==", KEY] {
        let (mut client, response) = ask_with(&server, 2, &format!("Sec-WebSocket-Key: {key}"));
        assert_eq!(response.status, 101, "{key}: {}", response.text());
        client.echoes("Hello");
    }
}

#[test]
fn s9110_7_8_an_upgrade_is_ignored_where_it_means_nothing() {
    let server = Server::start(&[]);
    for target in ["/healthz", "/readyz"] {
        let mut client = server.client();
        assert_eq!(client.try_upgrade(target, "").status, 200, "{target}");
        assert_eq!(client.get("/healthz").status, 200, "it goes on as HTTP");
    }
    // In HTTP/1.0 it must be ignored everywhere.
    let mut client = server.client();
    client.send(format!("GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n{}\r\n", Client::upgrade_fields()));
    assert_eq!(client.response().status, 200);
    // Only GET can be upgraded.
    let mut client = server.client();
    client.request("PUT /echo", &Client::upgrade_fields());
    assert_eq!(client.response().status, 405);
    // Not asked for, nothing is switched: the page for a browser, 426 where there is nothing else.
    assert_eq!(server.client().get("/").status, 200);
    let echo = server.client().get("/echo");
    assert_eq!((echo.status, echo.field("Sec-WebSocket-Version")), (426, Some("13")));
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
fn bytes_behind_a_refused_upgrade_are_never_a_request() {
    let server = Server::start(&[]);
    let head = format!("GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n{}", Client::upgrade_fields());
    for bad in [
        head.replace(KEY, "!") + "\r\n",
        head.replace("Version: 13", "Version: 99") + "\r\n",
        head.clone() + "Origin: http://elsewhere.test\r\n\r\n",
        head.replace("/echo", "/?channel=not-allowed") + "\r\n",
    ] {
        let response = refused(&server, bad.as_bytes());
        assert!([400, 403, 426].contains(&response.status), "{bad}: {}", response.head);
    }
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
    for bad in [
        "x\r\nHe\r\n",
        "2\r\nHello\r\n",
        "-1\r\n",
        "fffffffffffffffff\r\n",
        "2\nHe\n",
        " 2\r\nHe\r\n",
    ] {
        let request = format!(
            "POST /publish?channel=ruby HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n{bad}"
        );
        let response = refused(&server, request.as_bytes());
        assert!([400, 413].contains(&response.status), "{bad:?}: {}", response.head);
    }
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
