//! Exercise `client_codec`: the other half of the codec, which masks what it says and reads frames that
//! are not masked.

#[path = "yours/client_codec.rs"]
mod yours;

use proptest::prelude::*;

use self::yours::{Frame, decode, encode};
use super::Exercise;
use super::support::Server;
use barewire::websocket::form::Form;
use barewire::websocket::frame::{self, Opcode};

const CLIENT_CODEC: Exercise = Exercise {
    name: "client_codec",
    begin: "tests/exercises/yours/client_codec.rs; src/websocket/frame.rs is the same, seen from the \
            server",
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MOST: usize = 1 << 20;

/// RFC 6455 section 5.7: what a server may say, and what it means.
fn examples() -> Vec<(Vec<u8>, Frame)> {
    let frame = |fin, opcode, payload: &[u8]| Frame { fin, opcode, payload: payload.to_vec() };
    let long = |header: &[u8], length| [header, &vec![7; length]].concat();
    vec![
        (b"\x81\x05Hello".to_vec(), frame(true, 1, b"Hello")),
        (b"\x01\x03Hel".to_vec(), frame(false, 1, b"Hel")),
        (b"\x80\x02lo".to_vec(), frame(true, 0, b"lo")),
        (b"\x89\x05Hello".to_vec(), frame(true, 9, b"Hello")),
        (b"\x88\x00".to_vec(), frame(true, 8, b"")),
        (long(b"\x82\x7e\x01\x00", 256), frame(true, 2, &[7; 256])),
        (long(b"\x82\x7f\0\0\0\0\0\x01\0\0", 65_536), frame(true, 2, &[7; 65_536])),
    ]
}

#[test]
#[ignore = "exercise: client_codec"]
fn s5_7_what_a_server_says_is_read() {
    for (bytes, expected) in examples() {
        let decoded = decode(&bytes, MOST);
        let header = bytes[..bytes.len().min(12)].escape_ascii().to_string();
        let is_read = decoded == Ok(Some((expected, bytes.len())));
        CLIENT_CODEC.expects(&format!("{header} is a frame"), is_read, decoded.map(|_| "another"));
    }
}

#[test]
#[ignore = "exercise: client_codec"]
fn half_a_frame_is_no_frame_and_no_fault() {
    for (bytes, _) in examples() {
        for cut in (0..bytes.len()).filter(|cut| *cut < 300 || bytes.len() - cut < 3) {
            let decoded = decode(&bytes[..cut], MOST);
            let expected = format!("Ok(None) for {cut} of {} bytes", bytes.len());
            CLIENT_CODEC.expects(&expected, decoded == Ok(None), decoded);
        }
    }
}

#[test]
#[ignore = "exercise: client_codec"]
fn s5_2_what_no_server_may_say_is_refused() {
    let is_read = decode(b"\x81\x05Hello", MOST).is_ok();
    CLIENT_CODEC.expects("what is right is not refused", is_read, "an error for everything");
    for (broken, rule) in [
        (&b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..], "5.1: a server never masks"),
        (b"\xc1\x05Hello", "5.2: no extension was agreed on, so RSV1 is 0"),
        (b"\x91\x05Hello", "5.2: RSV3 is 0"),
        (b"\x83\x00", "5.2: the opcode 3 is reserved"),
        (b"\x8b\x00", "5.2: the opcode 11 is reserved"),
        (b"\x09\x00", "5.5: a ping is never fragmented"),
        (b"\x89\x7e\x00\x7e", "5.5: a control frame has 125 bytes at most"),
        (b"\x82\x7e\x00\x7d", "5.2: 125 has a shorter form"),
        (b"\x82\x7f\0\0\0\0\0\0\xff\xff", "5.2: 65,535 has a shorter form"),
        (b"\x82\x7f\x80\0\0\0\0\x01\0\0", "5.2: the highest bit of a length is 0"),
        (b"\x82\x7f\0\0\0\0\0\x10\0\x01", "one byte more than most_bytes"),
        (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "far more than most_bytes"),
    ] {
        let decoded = decode(broken, MOST);
        CLIENT_CODEC.expects(&format!("an error: {rule}"), decoded.is_err(), decoded);
    }
}

#[test]
#[ignore = "exercise: client_codec"]
fn s5_7_what_a_client_says_is_masked() {
    for (fin, opcode, payload, expected) in [
        (true, 1, &b"Hello"[..], &b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..]),
        (true, 10, b"Hello", b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
        (false, 1, b"", b"\x01\x80\x37\xfa\x21\x3d"),
    ] {
        let encoded = encode(fin, opcode, payload, KEY);
        let got = encoded.escape_ascii().to_string();
        CLIENT_CODEC.expects(&expected.escape_ascii().to_string(), encoded == expected, got);
    }
}

const OPCODES: [Opcode; 6] =
    [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];

fn payload(opcode: Opcode) -> impl Strategy<Value = Vec<u8>> {
    let most: usize = if opcode.is_control() { 125 } else { 70_000 };
    let lengths = prop_oneof![0..=125_usize, 0..=most.min(300), 0..=most];
    (lengths, any::<u8>()).prop_map(|(length, byte)| {
        (0..length).map(|at| byte.wrapping_add(u8::try_from(at % 251).unwrap())).collect()
    })
}

fn frames() -> impl Strategy<Value = Vec<(Opcode, Vec<u8>)>> {
    let frame = prop::sample::select(&OPCODES[..]);
    let frame = frame.prop_flat_map(|opcode| (Just(opcode), payload(opcode)));
    prop::collection::vec(frame, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// decode(encode(x)) = x, with the server on either side.
    #[test]
    #[ignore = "exercise: client_codec"]
    fn each_side_reads_what_the_other_writes(sent in frames(), key in any::<[u8; 4]>()) {
        let mut bytes = Vec::new();
        for (opcode, payload) in &sent {
            frame::encode(*opcode, payload, &mut bytes);
        }
        let mut rest = &bytes[..];
        for (opcode, payload) in &sent {
            let expected = Frame { fin: true, opcode: opcode.value(), payload: payload.clone() };
            let decoded = decode(rest, MOST);
            let Ok(Some((frame, size))) = decoded else {
                CLIENT_CODEC.must("a frame of the server is read", false, decoded)?;
                return Ok(());
            };
            CLIENT_CODEC.must("it is the one that was written", frame == expected, &frame)?;
            rest = &rest[size..];
        }
        CLIENT_CODEC.must("each frame ends where the next begins", rest.is_empty(), rest.len())?;

        for (opcode, payload) in &sent {
            let mut bytes = encode(true, opcode.value(), payload, key);
            let decoded = frame::decode(&bytes, Form::Plain);
            let Ok(Some((header, size))) = decoded else {
                CLIENT_CODEC.must("the server reads what you write", false, decoded)?;
                return Ok(());
            };
            header.mask.apply(0, &mut bytes[size..]);
            let is_it = header.opcode == *opcode && header.fin && bytes[size..] == payload[..];
            CLIENT_CODEC.must("it is what was given to encode", is_it, header)?;
            CLIENT_CODEC.must("masked with the key", header.mask.0 == key, header.mask)?;
        }
    }
}

/// Over a real socket, whose pieces are what they are.
#[test]
#[ignore = "exercise: client_codec"]
fn the_real_server_understands_and_is_understood() {
    let server = Server::start(&["--max-message", "1m"]);
    let mut client = server.subscriber("/echo");
    let mut received = Vec::new();
    for (number, length) in [0, 1, 125, 126, 65_535, 65_536, 1 << 20].into_iter().enumerate() {
        let key = [u8::try_from(number).unwrap(), 0xff, 0x55, 0xaa];
        let message = vec![b'x'; length];
        let encoded = encode(true, 1, &message, key);
        CLIENT_CODEC.expects("encode writes a frame", encoded.len() > length, encoded.len());
        client.send(encoded);
        let frame = loop {
            match decode(&received, MOST) {
                Ok(None) => received.extend(client.take(1)),
                Ok(Some((frame, size))) => {
                    received.drain(..size);
                    break frame;
                }
                error => CLIENT_CODEC.expects("the server keeps the rules", false, error),
            }
            // A long payload is not asked about byte by byte.
            if received.len() > 14 && received.len() < length {
                received.extend(client.take(length - received.len()));
            }
        };
        let is_it = frame.fin && frame.opcode == 1 && frame.payload == message;
        CLIENT_CODEC.expects(&format!("{length} bytes come back"), is_it, frame.payload.len());
    }
}
