//! The law that everything obeys: cutting the byte stream anywhere changes nothing.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::websocket::frame::{self, Opcode};
use crate::websocket::mask::Mask;
use crate::websocket::message::MessageLimits;

/// What one conversation showed: all output, and how it ended.
fn replay(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    // Small, so that bombs are cheap.
    let messages = MessageLimits { max_message_bytes: 1_000, max_fragments: 6 };
    let site = Site { deflate: true, messages, ..Site::default() };
    let mut conn = Conn::new(Rc::new(site), Entrance::LOOPBACK, START);
    let mut output = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
        rest = after;
        output.extend(exchange(&mut conn, piece));
        while let Some(event) = conn.poll_event() {
            output.extend(format!("{event:?}").into_bytes());
            match event {
                Event::Wants(_) => conn.admit(START),
                Event::Publish { body, .. } => {
                    let text = String::from_utf8(body).unwrap();
                    conn.answer(&Response::text(Status::Ok, text), START);
                }
                Event::Asks(_) => conn.answer(&Response::text(Status::Ok, "ready"), START),
            }
            output.extend(drain_bytes(&mut conn));
        }
    }
    conn.eof(START);
    output.extend(drain_bytes(&mut conn));
    (output, conn.is_done())
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(GET.to_vec()),
        1 => Just(GET_AND_CLOSE.to_vec()),
        1 => Just(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        1 => Just(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..9),
        1 => Just(post("Content-Length: 5\r\n\r\nHello").into_bytes()),
        1 => Just(post("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").into_bytes()),
        4 => Just(UPGRADE.to_vec()),
        4 => Just(String::from_utf8_lossy(UPGRADE).replace("/echo", "/").into_bytes()),
        4 => frame(),
    ]
}

/// Frames of all kinds, some of which break a rule.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = select(vec![0x01, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1]);
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..5),
        Just("räksmörgås".as_bytes().to_vec()),
        Just(b"\x03\xe8".to_vec()),
    ];
    (first, payload, any::<[u8; 4]>())
        .prop_map(|(first, payload, mask)| client(first, &payload, mask))
}

/// A frame as a client sends it, with any first byte.
fn client(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(Opcode::Binary, payload, &mut bytes);
    let header = bytes.len() - payload.len();
    (bytes[0], bytes[1]) = (first, bytes[1] | 0x80);
    Mask(mask).apply(0, &mut bytes[header..]);
    bytes.splice(header..header, mask);
    bytes
}

/// A handshake that asks for compression, in one of several ways.
fn offer() -> impl Strategy<Value = Vec<u8>> {
    let offers = [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
        "permessage-deflate; unknown",
        "not, a list of (extensions)",
    ];
    (select(offers.to_vec()), select(&["/echo", "/"][..])).prop_map(|(offer, path)| {
        let offer = format!("Sec-WebSocket-Extensions: {offer}\r\nConnection");
        let head = String::from_utf8_lossy(UPGRADE).replace("/echo", path);
        head.replace("Connection", &offer).into_bytes()
    })
}

/// Compressed messages: whole and in fragments, with pings between; and what is none.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        4 => "(räksmörgås|abc|[a-z]){0,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (990..1_010_usize).prop_map(|length| vec![b'x'; length]),
        1 => Just(vec![0; 100_000]),
    ];
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let first = select(&[0x41_u8, 0x42, 0x41, 0x42, 0x01, 0x61][..]);
    (first, text, damage, cuts, any::<[u8; 4]>()).prop_map(|(first, text, damage, cuts, mask)| {
        let mut payload = deflated(&text);
        if let Some((at, byte)) = damage {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut bytes, mut start) = (Vec::new(), 0);
        for cut in cuts {
            let opcode = if start == 0 && bytes.is_empty() { first } else { 0 };
            bytes.extend(client(opcode, &payload[start..cut], mask));
            bytes.extend(client(0x89, b"between", mask));
            start = cut;
        }
        let opcode = if bytes.is_empty() { first } else { 0 };
        bytes.extend(client(opcode | 0x80, &payload[start..], mask));
        bytes
    })
}

/// The payload of a compressed message.
#[cfg(feature = "deflate")]
fn deflated(text: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(text.len() + 64);
    let mut stream = flate2::Compress::new(flate2::Compression::new(6), false);
    stream.compress_vec(text, &mut deflated, flate2::FlushCompress::Sync).unwrap();
    deflated.truncate(deflated.len() - 4);
    deflated
}

#[cfg(not(feature = "deflate"))]
fn deflated(text: &[u8]) -> Vec<u8> {
    [&text[..text.len().min(1_500)], b"."].concat()
}

proptest! {
    #[test]
    fn cutting_the_bytes_anywhere_changes_nothing(
        pieces in prop::collection::vec(piece(), 0..9),
        cuts in prop::collection::vec(1..40_usize, 1..9),
    ) {
        let bytes = pieces.concat();
        let whole = replay(&bytes, &[bytes.len().max(1)]);
        prop_assert_eq!(&replay(&bytes, &[1]), &whole);
        prop_assert_eq!(&replay(&bytes, &cuts), &whole);
    }

    #[test]
    fn cutting_a_conversation_with_compression_anywhere_changes_nothing(
        offer in offer(),
        pieces in prop::collection::vec(prop_oneof![1 => frame(), 3 => message()], 0..6),
        cuts in prop::collection::vec(1..40_usize, 1..9),
    ) {
        let bytes = [offer, pieces.concat()].concat();
        let whole = replay(&bytes, &[bytes.len()]);
        prop_assert_eq!(&replay(&bytes, &[1]), &whole);
        prop_assert_eq!(&replay(&bytes, &cuts), &whole);
    }
}

#[test]
fn at_every_single_cut() {
    let bytes = [GET, b"\r\n", UPGRADE, MASKED_HELLO, &masked(0x88, b""), GET].concat();
    let whole = replay(&bytes, &[bytes.len()]);
    for cut in 1..bytes.len() {
        assert_eq!(replay(&bytes, &[cut, bytes.len()]), whole, "cut at {cut}");
    }
}

/// So that the properties above are about something.
#[test]
#[cfg(feature = "deflate")]
fn compressed_conversations_are_answered_in_kind_and_bombs_are_not() {
    let offered = String::from_utf8_lossy(UPGRADE)
        .replace("Connection", "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection");
    let answer = |message: &[u8]| {
        let bytes = [offered.as_bytes(), &client(0xc1, &deflated(message), [1, 2, 3, 4])].concat();
        let (output, _) = replay(&bytes, &[bytes.len()]);
        let head = output.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        output[head..].to_vec()
    };
    let text = "räksmörgås ".repeat(20);
    let frame = answer(text.as_bytes());
    assert_eq!((frame[0], usize::from(frame[1])), (0xc1, frame.len() - 2));
    let mut inflated = Vec::with_capacity(1_000);
    let mut stream = flate2::Decompress::new(false);
    stream.decompress_vec(&frame[2..], &mut inflated, flate2::FlushDecompress::Sync).unwrap();
    assert_eq!(inflated, text.as_bytes());

    assert_eq!(answer(b"short"), b"\x81\x05short");
    let refused = answer(&[b'x'; 1_001]);
    assert_eq!(refused[2..], *b"\x03\xf1the message is larger than this server takes");
}

#[test]
#[cfg(feature = "deflate")]
fn closing_reads_past_compressed_messages_too() {
    let site = Site { deflate: true, ..Site::default() };
    let mut conn = Conn::new(Rc::new(site), Entrance::LOOPBACK, START);
    let offered = String::from_utf8_lossy(UPGRADE)
        .replace("Connection", "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection");
    send(&mut conn, offered.as_bytes());
    conn.close(CloseCode::GOING_AWAY, "bye", START);
    exchange(&mut conn, &client(0xc1, &deflated(b"Hello"), [1, 2, 3, 4]));
    assert!(!conn.take_shutdown(START), "its Close is still to come");
    exchange(&mut conn, &client(0x88, b"", [1, 2, 3, 4]));
    assert!(conn.take_shutdown(START));
}

#[test]
#[cfg(feature = "deflate")]
fn little_is_read_at_once_from_who_may_compress() {
    let limits = Limits::default();
    let reads = |deflate: bool, offer: &str| {
        let mut conn =
            Conn::new(Rc::new(Site { deflate, ..Site::default() }), Entrance::LOOPBACK, START);
        let before = conn.read_limit();
        let head =
            String::from_utf8_lossy(UPGRADE).replace("Connection", &format!("{offer}Connection"));
        send(&mut conn, head.as_bytes());
        let open = conn.read_limit();
        conn.close(CloseCode::GOING_AWAY, "", START);
        (before, open, conn.read_limit())
    };
    let (little, much) = (limits.compressed_read_bytes, limits.read_buffer_bytes);
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    assert_eq!(reads(true, OFFER), (little, little, little));
    assert_eq!(reads(true, ""), (little, much, much));
    assert_eq!(reads(false, OFFER), (much, much, much));
}
