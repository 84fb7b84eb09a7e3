//! Exercise `close_reason`: who talks where one can only listen is told so, and closed.

use super::support::client::{Frame, masked};
use super::support::{Client, Server};
use super::{Exercise, shown};

const CLOSE_REASON: Exercise = Exercise {
    name: "close_reason",
    begin: "src/conn/session.rs, where a message of `Purpose::Channels` is counted and dropped; the \
            number belongs into src/limits.rs",
};

/// What a subscriber may say before it is closed.
const PATIENCE: usize = 100;

/// The next frame is the Close that is asked for, and the end comes behind it.
#[track_caller]
fn is_told(client: &mut Client) {
    let frame = client.frame();
    let close = frame.close();
    let is_policy = close.as_ref().is_some_and(|(code, _)| *code == 1008);
    let expected = "the subscriber's 101st message is answered by a Close with 1008";
    CLOSE_REASON.expects(expected, is_policy, shown(&frame));
    let says_why = close.as_ref().is_some_and(|(_, reason)| reason.contains("listen"));
    CLOSE_REASON.expects("its reason has the word `listen` in it", says_why, &close);
    let rest = client.orderly_rest();
    CLOSE_REASON.expects("nothing follows but the end", rest.is_empty(), rest.escape_ascii());
}

#[test]
#[ignore = "exercise: close_reason"]
fn a_hundred_messages_are_dropped_and_the_next_one_is_the_last() {
    let server = Server::start(&[]);
    let mut talker = server.subscriber("/?channel=ruby");
    let mut listener = server.subscriber("/?channel=ruby");
    for number in 1..=PATIENCE {
        // A message in two frames is one, and a ping is none. Its pong says that the server has read it.
        talker.send_frame(0x01, b"one mes");
        talker.send_frame(0x89, b"?");
        talker.send_frame(0x80, b"sage");
        let frame = talker.frame();
        let expected = format!("message {number} of {PATIENCE} is dropped without a word");
        CLOSE_REASON.expects(&expected, frame == Frame::pong(b"?"), shown(&frame));
    }
    server.publish("ruby", b"Hello");
    let frame = talker.frame();
    CLOSE_REASON.expects(
        "it still hears its channel",
        frame == Frame::text("Hello"),
        shown(&frame),
    );
    assert_eq!(listener.message(), "Hello");
    talker.send_frame(0x82, b"\0");
    talker.try_send(masked(0x89, b"no answer to this"));
    is_told(&mut talker);
    let closes = server.metric("barewire_closes_total{by=\"server\",code=\"1008\"}");
    CLOSE_REASON.expects("/metrics counts one more Close with 1008", closes == 1.0, closes);
    server.publish("ruby", b"Hello again");
    assert_eq!(listener.message(), "Hello again", "nobody else notices");
}

/// The law: cutting the byte stream anywhere changes nothing.
#[test]
#[ignore = "exercise: close_reason"]
fn in_one_piece_or_byte_by_byte_the_answer_is_the_same() {
    let server = Server::start(&[]);
    let sent = [masked(0x81, b"me").repeat(PATIENCE + 1), masked(0x89, b"?")].concat();
    let mut at_once = server.subscriber("/?channel=ruby");
    at_once.send(&sent);
    is_told(&mut at_once);
    let mut in_pieces = server.subscriber("/?channel=ruby");
    for byte in sent.chunks(1) {
        in_pieces.try_send(byte);
    }
    is_told(&mut in_pieces);
}

#[test]
#[ignore = "exercise: close_reason"]
fn who_echoes_may_talk() {
    let server = Server::start(&[]);
    let mut subscriber = server.subscriber("/?channel=ruby");
    subscriber.send(masked(0x81, b"me").repeat(PATIENCE + 1));
    subscriber.send_frame(0x89, b"?");
    is_told(&mut subscriber);
    let mut echo = server.subscriber("/echo");
    for _ in 0..=PATIENCE {
        echo.echoes("on /echo everybody may talk");
    }
}
