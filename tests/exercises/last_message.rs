//! Exercise `last_message`: who comes late is told the last message of its channel first, exactly once and
//! in its place.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::support::client::Frame;
use super::support::{Client, SOON, Server, eventually};
use super::{Exercise, answered_when_ready, leaves, redis, shown};

const LAST_MESSAGE: Exercise = Exercise {
    name: "last_message",
    begin: "src/net/clients.rs, `HubEvent::Admit`: there a newcomer takes its seat at the end of the \
            log; src/broadcast.rs, `append`, sees every message",
};

/// The next frame is this text.
#[track_caller]
fn hears(client: &mut Client, who: &str, text: &str) {
    let frame = client.frame();
    LAST_MESSAGE.expects(
        &format!("{who} hears {text:?}"),
        frame == Frame::text(text),
        shown(&frame),
    );
}

/// Nothing waits for it: the next thing that it hears is the answer to its own ping.
#[track_caller]
fn hears_nothing(client: &mut Client, who: &str) {
    client.send_frame(0x89, b"?");
    let frame = client.frame();
    LAST_MESSAGE.expects(
        &format!("{who} hears nothing yet"),
        frame == Frame::pong(b"?"),
        shown(&frame),
    );
}

#[test]
#[ignore = "exercise: last_message"]
fn a_newcomer_that_asks_for_it_hears_the_last_message_and_then_the_next() {
    let server = Server::start(&["--channel", "*", "--awake", "off"]);
    let mut early = server.subscriber("/?channel=ruby&channel=news");
    hears_nothing(&mut early, "who is the first");
    for text in ["one", "two", "three"] {
        server.publish("ruby", text.as_bytes());
        hears(&mut early, "who was there", text);
    }
    let mut late = server.subscriber("/?channel=ruby&last=1");
    let mut later = server.subscriber("/?channel=ruby");
    late.send_frame(0x89, b"?");
    hears(&mut late, "a newcomer with last=1", "three");
    assert_eq!(late.frame(), Frame::pong(b"?"));
    hears_nothing(&mut later, "a newcomer without last=1");
    hears_nothing(&mut early, "who has heard it already");
    server.publish("ruby", b"four");
    for (client, who) in [(&mut early, "the first"), (&mut late, "with"), (&mut later, "without")] {
        hears(client, who, "four");
    }
    // Two channels have two last messages; a channel without any has none.
    server.publish("news", b"1:0");
    let mut both = server.subscriber("/?channel=ruby&channel=silent&channel=news&last=1");
    let mut heard = [both.frame(), both.frame()];
    heard.sort_by_key(|frame| frame.payload.clone());
    let expected = [Frame::text("1:0"), Frame::text("four")];
    LAST_MESSAGE.expects(
        "the last message of each channel",
        heard == expected,
        heard.each_ref().map(shown),
    );
    hears_nothing(&mut both, "who has both");
}

/// Publishes 0, 1, 2 and so on until it is told to stop, and says how many the server has taken.
fn count_up(server: &Server, taken: &AtomicU64, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let mut publisher = server.client();
        for _ in 0..900 {
            let number = taken.load(Ordering::Relaxed);
            publisher.post("/publish?channel=ruby", "", number.to_string().as_bytes());
            assert_eq!(publisher.response().status, 200);
            taken.store(number + 1, Ordering::Relaxed);
            if is_over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// While messages come one after the other, a newcomer must find the place where it comes in.
#[test]
#[ignore = "exercise: last_message"]
fn between_the_last_message_and_the_next_nothing_is_lost_and_nothing_comes_twice() {
    let server = Server::start(&["--awake", "off", "--backlog", "64m"]);
    let _early = server.subscriber("/?channel=ruby");
    let (taken, is_over) = (&AtomicU64::new(0), &AtomicBool::new(false));
    let number = |client: &mut Client| client.message().parse::<u64>().expect("a number");
    let stories = thread::scope(|scope| {
        scope.spawn(|| count_up(&server, taken, is_over));
        eventually("something is published", SOON, || taken.load(Ordering::Relaxed) > 0);
        let mut stories = Vec::new();
        for _ in 0..200 {
            let before = taken.load(Ordering::Relaxed);
            let mut client = server.subscriber("/?channel=ruby&last=1");
            let after = taken.load(Ordering::Relaxed);
            let heard: Vec<_> = (0..5).map(|_| number(&mut client)).collect();
            stories.push((before, after, heard));
        }
        is_over.store(true, Ordering::Relaxed);
        stories
    });
    for (before, after, heard) in stories {
        let what = format!("of messages {before} to {after}, which came just then");
        // The message before `before` had been taken when it asked, so nothing older is the last one.
        let is_last = (before.saturating_sub(1)..=after).contains(&heard[0]);
        LAST_MESSAGE.expects(&format!("it begins with one {what}"), is_last, &heard);
        let is_in_order = heard.windows(2).all(|pair| pair[1] == pair[0] + 1);
        LAST_MESSAGE.expects("each is the one before and one", is_in_order, &heard);
    }
}

/// The last message was encoded for those who were there. Who comes may have agreed on something else.
#[test]
#[cfg(feature = "deflate")]
#[ignore = "exercise: last_message"]
fn it_comes_in_the_form_that_the_newcomer_has_agreed_on() {
    let server = Server::start(&["--deflate", "--awake", "off"]);
    let text = "All work and no play makes Jack a dull boy. ".repeat(50);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut early = server.client();
    assert_eq!(early.try_upgrade("/?channel=ruby", offer).status, 101);
    server.publish("ruby", text.as_bytes());
    let compressed = early.frame();
    assert_eq!(compressed.first, 0xc1, "RFC 7692 section 6: RSV1 is set");
    let mut plain = server.subscriber("/?channel=ruby&last=1");
    hears_soon(&mut plain, &server);
    hears(&mut plain, "who has not agreed on compression", &text);
    let mut late = server.client();
    assert_eq!(late.try_upgrade("/?channel=ruby&last=1", offer).status, 101);
    hears_soon(&mut late, &server);
    let frame = late.frame();
    let is_readable = frame == compressed || frame == Frame::text(&text);
    let expected = "who has agreed on it hears the text too, compressed or not";
    LAST_MESSAGE.expects(expected, is_readable, (frame.first, frame.payload.len()));
}

/// Something is there to be heard, before another client has its echo.
#[cfg(feature = "deflate")]
#[track_caller]
fn hears_soon(client: &mut Client, server: &Server) {
    server.subscriber("/echo").fence();
    LAST_MESSAGE.expects("the last message comes by itself", !client.has_nothing(), "nothing");
}

#[test]
#[ignore = "exercise: last_message"]
fn a_channel_that_everybody_has_left_is_forgotten() {
    let server = Server::start(&["--awake", "off"]);
    let mut early = server.subscriber("/?channel=ruby");
    server.publish("ruby", b"old");
    let mut late = server.subscriber("/?channel=ruby&last=1");
    late.send_frame(0x89, b"?");
    hears(&mut late, "a newcomer with last=1", "old");
    for client in [&mut early, &mut late] {
        leaves(client);
    }
    let is_empty = || server.metric("barewire_channels") == 0.0;
    eventually("the hub forgets the channel", SOON, is_empty);
    // Nobody listened meanwhile, so nobody knows which message was the last one.
    let mut first = server.subscriber("/?channel=ruby&last=1");
    hears_nothing(&mut first, "who is the first one again");
}

/// After a gap nobody can say which message was the last one.
#[test]
#[ignore = "exercise: last_message"]
fn what_came_before_a_gap_is_not_the_last_message() {
    let mut redis = redis();
    let server = Server::start(&["--redis", &redis.url(), "--on-gap", "keep"]);
    let (mut early, status) = answered_when_ready(&server, "/?channel=ruby");
    assert_eq!(status, 101);
    redis.publish("ruby", "before");
    assert_eq!(early.message(), "before");
    let mut late = server.subscriber("/?channel=ruby&last=1");
    late.send_frame(0x89, b"?");
    hears(&mut late, "a newcomer with last=1", "before");
    redis.kill();
    eventually("the outage is noticed", SOON, || server.metric("barewire_redis_up") == 0.0);
    redis.resume_or_start();
    let (mut newcomer, status) = answered_when_ready(&server, "/?channel=ruby&last=1");
    assert_eq!(status, 101);
    hears_nothing(&mut newcomer, "who comes after an outage of Redis");
    redis.publish("ruby", "after");
    hears(&mut newcomer, "and then", "after");
    hears(&mut server.subscriber("/?channel=ruby&last=1"), "and the next newcomer", "after");
}
