//! What operators are told: `/metrics`, and the address that is theirs alone.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Client, SOON, Server, eventually};

#[test]
fn every_client_and_every_message_is_counted_once() {
    let server = Server::start(&["--channel", "*", "--max-message", "1k"]);
    let counted = |name: &str| server.metric(&format!("barewire_{name}"));
    let mut ruby: Vec<_> = (0..3).map(|_| server.subscriber("/?channel=ruby")).collect();
    let mut both = server.subscriber("/?channel=ruby&channel=news");
    let mut echo = server.subscriber("/echo");
    for _ in 0..2 {
        assert_eq!(server.client().try_upgrade("/nothing", "").status, 404);
    }
    assert_eq!(counted("handshakes_total{status=\"101\"}"), 5.0);
    assert_eq!(counted("handshakes_total{status=\"404\"}"), 2.0);
    assert_eq!((counted("subscribers"), counted("channels")), (4.0, 2.0));
    assert_eq!(counted("redis_up"), 0.0, "there is none, so it is not told of");

    assert_eq!(server.publish("ruby", b"four"), 4);
    assert_eq!(server.publish("news", b"one"), 1);
    assert_eq!((counted("messages_total"), counted("message_bytes_total")), (2.0, 7.0));
    assert_eq!((counted("deliveries_total"), counted("delivery_bytes_total")), (5.0, 19.0));
    assert_eq!((both.message(), both.message()), ("four".to_owned(), "one".to_owned()));
    assert!(counted("delivery_seconds_count") >= 1.0);
    assert!(counted("turn_seconds_count") > counted("delivery_seconds_count"));
    echo.echoes("12345");
    assert_eq!(
        (counted("client_messages_total"), counted("client_message_bytes_total")),
        (1.0, 5.0)
    );

    ruby[0].send_frame(0x88, b"\x03\xe8");
    ruby[1].send_frame(0x88, b"");
    ruby.remove(2).reset();
    both.send_frame(0x83, b"");
    echo.send_frame(0x82, &[0; 1025]);
    for (by, code) in
        [("client", 1000), ("client", 1005), ("client", 1006), ("server", 1002), ("server", 1009)]
    {
        let name = format!("closes_total{{by=\"{by}\",code=\"{code}\"}}");
        eventually(&name, SOON, || counted(&name) == 1.0);
    }
    drop((ruby, both, echo));
    eventually("nobody but who asks", SOON, || counted("connections") == 1.0);
    assert_eq!(
        (counted("subscribers"), counted("channels"), counted("log_bytes")),
        (0.0, 0.0, 0.0)
    );

    let response = server.client().get("/metrics");
    assert_eq!(response.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let resident = server.metric("process_resident_memory_bytes");
    assert!((1e6..1e8).contains(&resident), "{resident}");
    assert!(server.metric("process_cpu_seconds_total") > 0.0);
    assert!(server.metric("process_max_fds") > server.metric("process_open_fds"));
}

/// A client may close with any of two thousand codes of its own. They are no labels, and none of ours.
#[test]
fn no_client_makes_a_label() {
    let server = Server::start(&[]);
    for code in [3000_u16, 3001, 4999, 1012] {
        let mut client = server.subscriber("/echo");
        client.send_frame(0x88, &code.to_be_bytes());
        assert_eq!(client.closed().0, code);
    }
    assert_eq!(server.metric("barewire_closes_total{by=\"client\",code=\"other\"}"), 3.0);
    assert_eq!(server.metric("barewire_closes_total{by=\"server\",code=\"1012\"}"), 0.0);
    assert!(!server.client().get("/metrics").text().contains("4999"));
}

/// A thousand requests in one go take their time, but no one's who does not ask.
#[test]
fn a_thousand_scrapes_at_once_hold_nobody_up() {
    let server = Server::start(&[]);
    let _crowd: Vec<_> = (0..1_000).map(|_| server.subscriber("/echo")).collect();
    let mut bystander = server.subscriber("/echo");
    bystander.fence();
    let mut client = server.client();
    client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000));
    let start = Instant::now();
    bystander.echoes("meanwhile");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    for _ in 0..1_000 {
        assert_eq!(client.response().status, 200);
    }
}

/// One pass follows the other while there is always something to send: each is measured even so.
#[test]
fn how_long_deliveries_take_is_measured_while_there_is_no_end_of_them() {
    let server = Server::start(&[]);
    let mut clients: Vec<_> = (0..50).map(|_| server.subscriber("/?channel=ruby")).collect();
    let mut publisher = server.client();
    let request = b"POST /publish?channel=ruby HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Length: 1\r\n\r\nx";
    for _ in 0..20 {
        publisher.send(request.repeat(20));
        (0..20).for_each(|_| assert_eq!(publisher.response().status, 200));
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.message(), "x"));
    let samples = server.metric("barewire_delivery_seconds_count");
    assert!((10.0..=400.0).contains(&samples), "{samples}");
    let seconds = server.metric("barewire_delivery_seconds_sum");
    assert!(seconds / samples < 0.5, "{seconds} s for {samples}");
}

#[test]
fn who_fell_behind_is_counted() {
    let server = Server::start(&["--max-publish", "64k", "--backlog", "128k"]);
    let mut slow = Client::connect_narrow(server.port());
    slow.upgrade("/?channel=ruby");
    eventually("it is closed", SOON, || {
        server.publish("ruby", &[b'x'; 60_000]);
        server.metric("barewire_lagged_total") == 1.0
    });
    assert_eq!(server.metric("barewire_closes_total{by=\"server\",code=\"1013\"}"), 1.0);
}

#[test]
fn operators_can_have_an_address_of_their_own() {
    let mut server = Server::start(&["--admin-bind", "127.0.0.1:0", "--max-connections", "3"]);
    let log = server.log();
    let (_, rest) = log.split_once("operators: http://127.0.0.1:").expect("the start line says so");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let operators = || Client::connect(digits.parse().unwrap());

    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(server.client().get(path).status, 404, "{path}, for clients");
        assert_eq!(operators().get(path).status, 200, "{path}, for operators");
    }
    assert_eq!(server.client().get("/").status, 200);
    assert_eq!(operators().get("/").status, 404);
    assert_eq!(operators().try_upgrade("/?channel=ruby", "").status, 404);

    // Clients may take all their places, and operators still have theirs.
    let crowd: Vec<_> = (0..5).map(|_| server.client()).collect();
    let turned_away = || operators().get("/metrics").text().contains("turned_away_total 0");
    assert_eq!(operators().get("/healthz").status, 200);
    eventually("some were told that there is no room", SOON, || !turned_away());
    drop(crowd);

    eventually("there is room", SOON, || server.client().get("/").status == 200);
    let mut client = server.subscriber("/?channel=ruby");
    for (mut publisher, status) in [(server.client(), 404), (operators(), 200)] {
        publisher.post("/publish?channel=ruby", "", b"Hello");
        assert_eq!(publisher.response().status, status);
    }
    assert_eq!(client.message(), "Hello");

    // While clients are seen to the door, operators are told so.
    server.signal(Signal::TERM);
    eventually("it drains", SOON, || operators().get("/readyz").status == 503);
    assert_eq!(operators().get("/healthz").status, 200);
    client.closed();
    drop(client);
    assert_eq!(server.wait(SOON).code(), Some(0));
}
