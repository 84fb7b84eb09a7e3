//! The bus is a real redis-server, which the test starts, stops, freezes and starts again.
//!
//! What to notice:
//! * Nothing here knows how the link works inside. It is told by `PUBSUB NUMSUB`, by what arrives, and by
//!   what the log tells the person who runs it.
//! * The promise: while the bus is up, every message exactly once and in order, from the 101 on.

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

use std::thread;
use std::time::{Duration, Instant};

use support::client::Frame;
use support::redis::{RedisServer, publish, subscribers};
use support::{SOON, Server, eventually, run};

/// How long the back-off and the deadlines on answers may take together.
const RECOVERY: Duration = Duration::from_secs(40);

/// Starts Redis and a server on it; returns from the test where there is no redis-server.
macro_rules! on_redis {
    ($redis:ident, $server:ident $(, $arg:expr)*) => {
        let Some($redis) = RedisServer::start(&[]) else { return };
        #[allow(unused_mut, reason = "some tests change it")]
        let mut $server = Server::start(&["--redis", &$redis.url() $(, $arg)*]);
    };
}

/// Tries again until the link is up and the handshake is not refused for its sake.
#[track_caller]
fn subscriber_when_ready(server: &Server, target: &str) -> support::Client {
    let start = Instant::now();
    loop {
        let mut client = server.client();
        let response = client.try_upgrade(target, "");
        if response.status == 101 {
            return client;
        }
        assert_eq!(response.status, 503, "{response:?}");
        assert!(start.elapsed() < RECOVERY, "{response:?}\n{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_message_published_to_redis_reaches_every_subscriber_of_its_channel() {
    on_redis!(redis, server, "--channel", "ruby", "--channel", "news.*");
    let mut ruby = subscriber_when_ready(&server, "/?channel=ruby");
    let mut by_default = subscriber_when_ready(&server, "/");
    let mut both = subscriber_when_ready(&server, "/?channel=ruby&channel=news.today");
    assert_eq!(redis.publish("ruby", "Hello"), 1, "one link, however many clients");
    assert_eq!(redis.publish("news.today", "Extra!"), 1);
    assert_eq!(redis.publish("elsewhere", "nobody"), 0);
    assert_eq!(ruby.message(), "Hello");
    assert_eq!(by_default.message(), "Hello");
    let mut got = [both.message(), both.message()];
    got.sort();
    assert_eq!(got, ["Extra!", "Hello"], "no order is promised between channels");
}

#[test]
fn ten_thousand_messages_reach_twenty_clients_in_order() {
    const MESSAGES: usize = 10_000;
    on_redis!(redis, server);
    subscriber_when_ready(&server, "/?channel=ruby");
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut client = server.subscriber("/?channel=ruby");
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    assert_eq!(client.message(), format!("message {number}"));
                }
            })
        })
        .collect();
    let mut connection = redis.connection();
    for first in (0..MESSAGES).step_by(500) {
        let mut pipe = redis::pipe();
        for number in first..first + 500 {
            pipe.cmd("PUBLISH").arg("ruby").arg(format!("message {number}")).ignore();
        }
        pipe.query::<()>(&mut connection).expect("published");
    }
    for reader in readers {
        reader.join().expect("each gets each message once and in order");
    }
}

#[test]
fn payloads_arrive_byte_for_byte() {
    on_redis!(redis, server);
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mebibyte: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let text = "\u{20ac}".repeat(20_000);
    for (payload, first) in [
        (b"Hello\n".as_slice(), 0x81),
        (b"", 0x81),
        (b"\r\n$-1\r\n*3\r\n", 0x81),
        (b"nul \x00 inside", 0x81),
        (text.as_bytes(), 0x81),
        (b"\xff", 0x82),
        (&all_bytes, 0x82),
        (&mebibyte, 0x82),
    ] {
        redis.publish("ruby", payload);
        let frame = client.frame();
        assert!(
            frame == Frame { first, payload: payload.into() },
            "{} bytes came changed",
            payload.len()
        );
    }
}

#[test]
fn a_message_over_max_publish_is_dropped_and_said_to_be() {
    on_redis!(redis, server, "--max-publish", "1k", "--backlog", "64k", "--on-gap", "keep");
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    redis.publish("ruby", vec![b'a'; 1025]);
    redis.publish("ruby", vec![b'b'; 1024]);
    assert_eq!(client.frame().payload, vec![b'b'; 1024]);
    server.logs("max-publish");
    assert_eq!(redis.subscribers("ruby"), 1, "the link stays");
}

#[test]
fn what_is_published_right_behind_the_101_is_never_lost() {
    on_redis!(redis, server, "--channel", "c*");
    let mut connection = redis.connection();
    subscriber_when_ready(&server, "/?channel=c");
    for round in 0..200 {
        // Each round a channel that nobody had: its SUBSCRIBE must have been acknowledged.
        let channel = format!("c{round}");
        let mut client = server.subscriber(&format!("/?channel={channel}"));
        assert_eq!(publish(&mut connection, &channel, "first"), 1, "round {round}");
        assert_eq!(client.message(), "first");
    }
}

#[test]
fn a_channel_is_unsubscribed_after_its_last_client_and_not_before() {
    on_redis!(redis, server);
    let mut connection = redis.connection();
    assert_eq!(subscribers(&mut connection, "ruby"), 0, "nobody needs it yet");
    let first = subscriber_when_ready(&server, "/?channel=ruby");
    let mut second = server.subscriber("/?channel=ruby");
    assert_eq!(subscribers(&mut connection, "ruby"), 1);
    drop(first);
    publish(&mut connection, "ruby", "still here");
    assert_eq!(second.message(), "still here");
    assert_eq!(subscribers(&mut connection, "ruby"), 1);
    drop(second);
    eventually("UNSUBSCRIBE", SOON, || subscribers(&mut connection, "ruby") == 0);
}

#[test]
fn leaving_and_coming_back_quickly_loses_nothing() {
    on_redis!(redis, server);
    let mut connection = redis.connection();
    drop(subscriber_when_ready(&server, "/?channel=ruby"));
    for round in 0..200 {
        // The UNSUBSCRIBE for the one before may still be on its way.
        let mut client = server.subscriber("/?channel=ruby");
        let text = format!("round {round}");
        assert_eq!(publish(&mut connection, "ruby", &text), 1, "{text}");
        assert_eq!(client.message(), text);
        if round % 3 == 0 {
            client.send_frame(0x88, b"");
        }
    }
    eventually("UNSUBSCRIBE", SOON, || subscribers(&mut connection, "ruby") == 0);
}

#[test]
fn redis_restarts_and_the_subscribers_stay_and_get_what_comes_then() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let channels = ["--channel", "ruby", "--channel", "news", "--on-gap", "keep"];
    let server = Server::start(&[&["--redis", &redis.url()], &channels[..]].concat());
    let mut ruby = subscriber_when_ready(&server, "/?channel=ruby");
    let mut news = server.subscriber("/?channel=news");
    for round in 0..2 {
        redis.publish("ruby", "before");
        assert_eq!(ruby.message(), "before");
        redis.stop();
        ruby.send_frame(0x89, b"meanwhile");
        assert_eq!(ruby.frame(), Frame::pong(b"meanwhile"));
        eventually("newcomers are told", SOON, || {
            let response = server.client().try_upgrade("/?channel=ruby", "");
            assert!(
                response.status != 503 || response.field("Retry-After").is_some(),
                "{response:?}"
            );
            response.status == 503
        });
        redis.resume_or_start();
        let mut connection = redis.connection();
        for channel in ["ruby", "news"] {
            eventually("both again", RECOVERY, || subscribers(&mut connection, channel) == 1);
        }
        publish(&mut connection, "ruby", format!("after {round}"));
        publish(&mut connection, "news", format!("after {round}"));
        assert_eq!(ruby.message(), format!("after {round}"));
        assert_eq!(news.message(), format!("after {round}"));
    }
}

#[test]
fn redis_absent_at_the_start_is_503_until_it_is_there() {
    let Some(mut redis) = RedisServer::prepare(&[]) else { return };
    let mut server = Server::start(&["--redis", &redis.url()]);
    let response = server.client().try_upgrade("/?channel=ruby", "");
    assert_eq!(response.status, 503, "{response:?}");
    let seconds = response.field("Retry-After").expect("Retry-After");
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
    assert_eq!(server.client().get("/").status, 200, "the page needs no Redis");
    assert_eq!(server.client().get("/healthz").status, 200, "it lives");
    server.logs("connection refused");
    redis.resume_or_start();
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    redis.publish("ruby", "Hello");
    assert_eq!(client.message(), "Hello");
    assert!(server.is_alive());
}

#[test]
fn a_frozen_redis_is_noticed_and_used_again_when_it_thaws() {
    on_redis!(redis, server, "--on-gap", "keep");
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    let before = server.log().len();
    redis.freeze();
    // Its port still accepts and its socket still takes what is written; nothing answers.
    let start = Instant::now();
    // Of what was said before, some may still be on its way to here.
    eventually("the log says so", RECOVERY, || server.log()[before..].contains("next try in"));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    client.send_frame(0x89, b"meanwhile");
    assert_eq!(client.frame(), Frame::pong(b"meanwhile"));
    assert_eq!(server.client().try_upgrade("/?channel=ruby", "").status, 503);
    redis.thaw();
    let mut connection = redis.connection();
    drop(subscriber_when_ready(&server, "/?channel=ruby"));
    eventually("once", RECOVERY, || subscribers(&mut connection, "ruby") == 1);
    publish(&mut connection, "ruby", "Hello");
    assert_eq!(client.message(), "Hello");
}

#[test]
fn a_wrong_password_is_503_and_said_to_the_one_who_can_mend_it() {
    let Some(redis) =
        RedisServer::start(&["--user", "app", "on", ">right-one", "~*", "&*", "+@all"])
    else {
        return;
    };
    let url = redis.url_with("app:wrong-one");
    let server = Server::start_logging("trace", &["--redis", &url]);
    server.logs("WRONGPASS");
    let response = server.client().try_upgrade("/?channel=ruby", "");
    assert_eq!(response.status, 503, "{response:?}");
    assert!(response.field("Retry-After").is_some(), "{response:?}");
    assert!(!response.text().contains("wrong-one"));
    let log = server.log();
    assert!(!log.contains("wrong-one"), "{log}");
    assert!(log.to_lowercase().contains("password"), "it says what to do: {log}");
    drop(server);
    // With the right one, of the user and of nobody in particular.
    let server = Server::start_logging("trace", &["--redis", &redis.url_with("app:right-one")]);
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    redis.publish("ruby", "Hello");
    assert_eq!(client.message(), "Hello");
    assert!(!server.log().contains("right-one"), "{}", server.log());
}

#[test]
fn a_redis_that_wants_a_password_and_gets_none_is_said_to() {
    let Some(redis) = RedisServer::start(&["--requirepass", "secret"]) else { return };
    let server = Server::start(&["--redis", &redis.url()]);
    server.logs("NOAUTH");
    assert_eq!(server.client().try_upgrade("/?channel=ruby", "").status, 503);
    drop(server);
    let server = Server::start(&["--redis", &redis.url_with(":secret")]);
    subscriber_when_ready(&server, "/?channel=ruby");
}

#[test]
fn a_channel_that_redis_denies_is_403_and_takes_no_other_with_it() {
    let acl = ["--user", "app", "on", ">pw", "resetchannels", "&ruby", "&news", "~*", "+@all"];
    let Some(redis) = RedisServer::start(&acl) else { return };
    let url = redis.url_with("app:pw");
    let server = Server::start(&["--redis", &url, "--channel", "*"]);
    let mut ruby = subscriber_when_ready(&server, "/?channel=ruby");
    for target in
        ["/?channel=secret", "/?channel=news&channel=secret", "/?channel=ruby&channel=secret"]
    {
        let response = server.client().try_upgrade(target, "");
        assert_eq!(response.status, 403, "{target}: {response:?}");
    }
    // Asked for at the same time, so that one SUBSCRIBE may carry both names.
    let clients: Vec<_> = (0..20)
        .map(|number| {
            let mut client = server.client();
            let channel = if number % 2 == 0 { "news" } else { "denied" };
            let fields = support::Client::upgrade_fields();
            client.request(&format!("GET /?channel={channel}"), &fields);
            client
        })
        .collect();
    let mut news = Vec::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let status = client.response().status;
        assert_eq!(status, if number % 2 == 0 { 101 } else { 403 });
        if status == 101 {
            news.push(client);
        }
    }
    redis.publish("ruby", "Hello");
    redis.publish("news", "Extra!");
    assert_eq!(ruby.message(), "Hello");
    for mut client in news {
        assert_eq!(client.message(), "Extra!");
    }
    server.logs("NOPERM");
}

#[test]
fn the_link_goes_over_a_unix_socket_too() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let path = redis.socket().display().to_string();
    for url in [format!("unix:{path}"), format!("unix://{path}")] {
        let server = Server::start(&["--redis", &url]);
        let mut client = subscriber_when_ready(&server, "/?channel=ruby");
        redis.publish("ruby", "Hello");
        assert_eq!(client.message(), "Hello");
    }
}

#[test]
fn a_host_name_is_resolved() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let server = Server::start(&["--redis", &format!("redis://localhost:{}", redis.port())]);
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    redis.publish("ruby", "Hello");
    assert_eq!(client.message(), "Hello");
    eventually("the thread that resolved is gone", SOON, || server.proc_status("Threads") == 1);
    let nowhere = Server::start(&["--redis", "redis://no-such-host.invalid:6379"]);
    nowhere.logs("no such host");
    assert_eq!(nowhere.client().try_upgrade("/?channel=ruby", "").status, 503);
}

#[test]
fn tls_to_redis_is_refused_at_the_start_with_what_to_do() {
    let ended = run(&["--redis", "rediss://user:hunter2@127.0.0.1:6379"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    assert!(ended.stderr.contains("TLS"), "{ended:?}");
}

#[test]
fn what_is_no_redis_is_said_and_survived() {
    let Some(_) = RedisServer::prepare(&[]) else { return };
    // An HTTP server: this one.
    let other = Server::start(&[]);
    let mut server = Server::start(&["--redis", &format!("redis://127.0.0.1:{}", other.port())]);
    eventually("the log says what it found", SOON, || {
        let log = server.log();
        log.contains("WARN") || log.contains("ERROR")
    });
    assert_eq!(server.client().try_upgrade("/?channel=ruby", "").status, 503);
    assert!(server.is_alive());
}

#[test]
fn publishing_over_http_goes_to_redis_and_counts_what_redis_counts() {
    on_redis!(redis, server, "--publish-token", "pw");
    let mut client = subscriber_when_ready(&server, "/?channel=ruby");
    let mut other = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let mut other = other.as_pubsub();
    other.subscribe("ruby").unwrap();
    let mut publisher = server.client();
    for body in [b"Hello".as_slice(), b"\xff\x00", b""] {
        publisher.post("/publish?channel=ruby", "Authorization: Bearer pw\r\n", body);
        let response = publisher.response();
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.text().contains('2'), "two connections got it: {}", response.text());
        assert_eq!(client.frame().payload, body);
        assert_eq!(other.get_message().unwrap().get_payload_bytes(), body);
    }
}

#[test]
fn with_redis_nothing_is_on_that_was_not_asked_for() {
    on_redis!(redis, server);
    drop(subscriber_when_ready(&server, "/"));
    assert_eq!(server.client().try_upgrade("/echo", "").status, 404);
    assert!([403, 404].contains(&server.client().try_upgrade("/?channel=awake", "").status));
    let mut publisher = server.client();
    publisher.post("/publish?channel=ruby", "", b"x");
    let status = publisher.response().status;
    assert!([401, 403, 404].contains(&status), "{status}");
    assert_eq!(redis.subscribers("awake"), 0);
}

#[test]
fn awake_is_the_servers_own_and_never_goes_to_redis() {
    on_redis!(redis, server, "--awake", "1s");
    let mut client = subscriber_when_ready(&server, "/?channel=awake");
    assert_eq!(redis.subscribers("awake"), 0);
    assert_eq!(redis.publish("awake", "not from here"), 0);
    let text = client.message();
    assert!(text.ends_with("I'm awake...\n"), "{text}");
}

#[test]
fn publishing_while_redis_is_away_is_503() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let server = Server::start(&["--redis", &redis.url(), "--publish-token", "pw"]);
    let post = || {
        let mut publisher = server.client();
        publisher.post("/publish?channel=ruby", "Authorization: Bearer pw\r\n", b"x");
        publisher.response()
    };
    eventually("it publishes", SOON, || post().status == 200);
    redis.stop();
    eventually("it does not", SOON, || post().status == 503);
    assert!(post().field("Retry-After").is_some());
    redis.resume_or_start();
    eventually("it publishes again", RECOVERY, || post().status == 200);
}
