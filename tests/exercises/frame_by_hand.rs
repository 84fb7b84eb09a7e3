//! Exercise `frame_by_hand`: frames from paper, which the real server has to understand.

#[path = "yours/frame_by_hand.rs"]
mod yours;

use super::support::Server;
use super::support::client::Frame;
use super::{Exercise, shown};
use barewire::websocket::form::Form;
use barewire::websocket::frame::{self, Opcode};
use barewire::websocket::mask::Mask;

const FRAME_BY_HAND: Exercise = Exercise {
    name: "frame_by_hand",
    begin: "tests/exercises/yours/frame_by_hand.rs, with the drawing at the head of \
            src/websocket/frame.rs in front of you",
};

const KEY: Mask = Mask([0x37, 0xfa, 0x21, 0x3d]);

/// What the server here would write is what was asked for, as far as it reaches.
#[track_caller]
fn is_a_server_frame(question: &str, opcode: Opcode, payload: &[u8], yours: &[u8], whole: bool) {
    let mut expected = Vec::new();
    frame::encode(opcode, payload, &mut expected);
    if !whole {
        expected.truncate(expected.len() - payload.len());
    }
    // The bytes that are right are shown by their number alone: the answer stays yours to find.
    let right = expected.iter().zip(yours).take_while(|(a, b)| a == b).count();
    let what = format!("{question}: {} bytes", expected.len());
    let got = format!("{} bytes, of which the first {right} are right", yours.len());
    FRAME_BY_HAND.expects(&what, yours == expected, got);
}

/// Each header is one that the server's own decoder takes, with the key that was asked for; how many
/// there are.
#[track_caller]
fn frames(question: &str, yours: &[u8]) -> usize {
    FRAME_BY_HAND.expects(question, !yours.is_empty(), "nothing yet");
    let (mut rest, mut count) = (yours, 0);
    while !rest.is_empty() {
        let decoded = frame::decode(rest, Form::Plain);
        let Ok(Some((header, size))) = decoded else {
            FRAME_BY_HAND.expects("a whole and legal header", false, (decoded, "in frame", count));
            break;
        };
        let is_key = header.mask == KEY;
        FRAME_BY_HAND.expects("the key is 37 fa 21 3d", is_key, header.mask);
        let all = size + usize::try_from(header.length).unwrap_or(usize::MAX - size);
        let has_all = rest.len() >= all;
        FRAME_BY_HAND.expects("as many bytes behind it as its length says", has_all, rest.len());
        rest = &rest[all..];
        count += 1;
    }
    count
}

/// What the server on /echo answers to it.
#[track_caller]
fn is_answered(question: &str, yours: &[u8], count: usize, answers: &[Frame]) {
    let frames = frames(question, yours);
    FRAME_BY_HAND.expects(&format!("{question}, in {count} frames"), frames == count, frames);
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    client.send(yours);
    // Whatever comes has come before the answer to this one.
    client.send_frame(0x89, b"the end");
    for answer in answers {
        let frame = client.frame();
        let expected = format!("{question}, which the server answers with {}", shown(answer));
        FRAME_BY_HAND.expects(&expected, frame == *answer, shown(&frame));
    }
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_1_hi_from_the_server() {
    let yours = yours::HI_FROM_THE_SERVER;
    is_a_server_frame("question 1: the text Hi, from the server", Opcode::Text, b"Hi", yours, true);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_2_hi_from_a_client() {
    let question = "question 2: the text Hi, from a client";
    is_answered(question, yours::HI_FROM_A_CLIENT, 1, &[Frame::text("Hi")]);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_3_a_ping_from_a_client() {
    let question = "question 3: a ping with the payload ?, from a client";
    is_answered(question, yours::PING_FROM_A_CLIENT, 1, &[Frame::pong(b"?")]);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_4_the_header_of_126_bytes() {
    let question = "question 4: the header of 126 bytes, from the server";
    is_a_server_frame(question, Opcode::Binary, &[0; 126], yours::HEADER_OF_126_BYTES, false);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_5_the_header_of_65536_bytes() {
    let question = "question 5: the header of 65,536 bytes, from the server";
    is_a_server_frame(question, Opcode::Binary, &[0; 65_536], yours::HEADER_OF_65536_BYTES, false);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_6_a_close_from_a_client() {
    let question = "question 6: a Close with the code 1000 and no reason, from a client";
    let close = Frame { first: 0x88, payload: vec![0x03, 0xe8] };
    is_answered(question, yours::CLOSE_FROM_A_CLIENT, 1, &[close]);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_7_hello_in_two_fragments() {
    let question = "question 7: Hel and lo, and a ping between them, from a client";
    let answers = [Frame::pong(b"?"), Frame::text("Hello")];
    is_answered(question, yours::HELLO_IN_TWO_FRAGMENTS, 3, &answers);
}

#[test]
#[ignore = "exercise: frame_by_hand"]
fn question_8_what_a_client_has_said() {
    let (header, size) = frame::decode(yours::SENT, Form::Plain).unwrap().unwrap();
    let mut payload = yours::SENT[size..].to_vec();
    header.mask.apply(0, &mut payload);
    let is_read = yours::WHAT_IT_SAYS.as_bytes() == payload;
    FRAME_BY_HAND.expects("question 8: what SENT says", is_read, yours::WHAT_IT_SAYS);
}
