//! Exercise `patterns`: one subscription to many channels, which Redis matches.

use ::redis::Connection;

use super::support::client::Frame;
use super::support::redis::{publish, subscribers};
use super::support::{Client, SOON, Server, eventually};
use super::{Exercise, answered_when_ready, leaves, redis, shown};

const PATTERNS: Exercise = Exercise {
    name: "patterns",
    begin: "src/site.rs, `wanted`, for what is asked; src/redis/subscriptions.rs and shape.rs, for what \
            is said to Redis and answered; src/hub.rs, for what lies between",
};

/// The next frame is this text.
#[track_caller]
fn hears(client: &mut Client, who: &str, text: &str) {
    let frame = client.frame();
    PATTERNS.expects(&format!("{who} hears {text:?}"), frame == Frame::text(text), shown(&frame));
}

/// A client that has got its 101 for a pattern.
#[track_caller]
fn pattern_client(server: &Server, target: &str) -> Client {
    let (mut client, status) = answered_when_ready(server, target);
    PATTERNS.expects(&format!("{target} is answered with 101"), status == 101, status);
    // Without ?pattern= it is a client of what it has not asked for.
    client.send_frame(0x89, b"?");
    assert_eq!(client.frame(), Frame::pong(b"?"));
    client
}

/// How many patterns Redis matches for anybody.
fn patterns(connection: &mut Connection) -> usize {
    ::redis::cmd("PUBSUB").arg("NUMPAT").query(connection).expect("PUBSUB NUMPAT")
}

#[track_caller]
fn there_are(connection: &mut Connection, count: usize, when: &str) {
    let got = patterns(connection);
    PATTERNS.expects(&format!("PUBSUB NUMPAT says {count} {when}"), got == count, got);
}

#[test]
#[ignore = "exercise: patterns"]
fn a_pattern_is_one_subscription_to_many_channels() {
    let redis = redis();
    let server = Server::start(&["--redis", &redis.url(), "--channel", "news.*"]);
    let mut connection = redis.connection();
    let mut first = pattern_client(&server, "/?pattern=news.*");
    there_are(&mut connection, 1, "after the 101, not later");
    let mut second = pattern_client(&server, "/?pattern=news.%2A");
    there_are(&mut connection, 1, "for two clients of one pattern");
    let mut one = pattern_client(&server, "/?channel=news.sport");
    publish(&mut connection, "news.sport", "1:0");
    publish(&mut connection, "other", "not for any of them");
    publish(&mut connection, "news.weather", "rain");
    publish(&mut connection, "news.sport", "2:0");
    for client in [&mut first, &mut second] {
        for text in ["1:0", "rain", "2:0"] {
            hears(client, "a client of news.*", text);
        }
    }
    for text in ["1:0", "2:0"] {
        hears(&mut one, "a client of news.sport, once", text);
    }
    for client in [&mut first, &mut second] {
        there_are(&mut connection, 1, "while somebody is left");
        leaves(client);
    }
    eventually("Redis is told when the last one goes", SOON, || patterns(&mut connection) == 0);
    publish(&mut connection, "news.sport", "3:0");
    hears(&mut one, "a client of news.sport, as before", "3:0");
    assert_eq!(subscribers(&mut connection, "news.sport"), 1);
}

#[test]
#[ignore = "exercise: patterns"]
fn a_pattern_comes_back_with_redis() {
    let mut redis = redis();
    let url = redis.url();
    let args = ["--redis", &url, "--channel", "news.*", "--channel", "ruby", "--on-gap", "keep"];
    let server = Server::start(&args);
    let mut client = pattern_client(&server, "/?pattern=news.*&channel=ruby");
    there_are(&mut redis.connection(), 1, "after the 101");
    redis.kill();
    eventually("the outage is noticed", SOON, || server.metric("barewire_redis_up") == 0.0);
    redis.resume_or_start();
    let mut connection = redis.connection();
    eventually("the channel is there again", SOON, || subscribers(&mut connection, "ruby") == 1);
    eventually("and the pattern with it", SOON, || patterns(&mut connection) == 1);
    publish(&mut connection, "news.sport", "1:0");
    hears(&mut client, "who has stayed", "1:0");
}

#[test]
#[ignore = "exercise: patterns"]
fn a_gap_is_told_to_the_clients_of_a_pattern_too() {
    let mut redis = redis();
    let server = Server::start(&["--redis", &redis.url(), "--channel", "news.*"]);
    let mut client = pattern_client(&server, "/?pattern=news.*");
    redis.kill();
    eventually("the outage is noticed", SOON, || server.metric("barewire_redis_up") == 0.0);
    redis.resume_or_start();
    let (code, reason) = client.closed();
    PATTERNS.expects("1012, for there was a gap", code == 1012, (code, reason));
}

/// Whether one glob lets in less than another is a hard question, so nobody asks it: a pattern is open
/// if it stands in a `--channel`, letter for letter.
#[test]
#[ignore = "exercise: patterns"]
fn only_what_a_channel_option_says_is_open() {
    let redis = redis();
    let server = Server::start(&["--redis", &redis.url(), "--channel", "news.*"]);
    drop(pattern_client(&server, "/?pattern=news.*"));
    for (target, expected) in [
        ("/?pattern=*", 403),
        ("/?pattern=new*", 403),
        ("/?pattern=news.*%3F", 403),
        ("/?channel=news.sport&pattern=*", 403),
        ("/?pattern=", 400),
        ("/?pattern=%07", 400),
    ] {
        let status = server.client().try_upgrade(target, "").status;
        PATTERNS.expects(
            &format!("{target} is answered with {expected}"),
            status == expected,
            status,
        );
    }
    let alone = Server::start(&["--channel", "news.*"]);
    let status = alone.client().try_upgrade("/?pattern=news.*", "").status;
    PATTERNS.expects("400 without --redis, for who would match?", status == 400, status);
}

/// Redis has more in its patterns than `src/channel.rs`: `[abc]`, `[^a]`, and the backslash. Here they are
/// letters like all others.
#[test]
#[ignore = "exercise: patterns"]
fn what_only_redis_takes_for_a_wildcard_is_a_letter() {
    let redis = redis();
    let server = Server::start(&["--redis", &redis.url(), "--channel", "x[yz].*"]);
    let mut client = pattern_client(&server, "/?pattern=x%5Byz%5D.*");
    let mut connection = redis.connection();
    publish(&mut connection, "xy.1", "another channel");
    publish(&mut connection, "x[yz].1", "the right one");
    hears(&mut client, "a client of x[yz].*", "the right one");
}
