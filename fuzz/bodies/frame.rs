//! A frame's header: what is decoded is what was encoded, and no header has two spellings.
//!
//! The input is one byte that says whether compression was agreed on, and what came from a client.
//! Start here: it is the smallest grammar, and one body says all about it.

use barewire::websocket::deflate::Agreement;
use barewire::websocket::extension::offers;
use barewire::websocket::form::Form;
use barewire::websocket::frame::{FrameHeader, decode, encode_header, server_frame_length};

/// What is agreed on with a client that offers compression.
pub fn compressed() -> Form {
    let offers = offers([&b"permessage-deflate"[..]].into_iter()).expect("a list");
    Agreement::negotiate(&offers).expect("an offer").form()
}

pub fn fuzz(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let form = if choice & 1 == 0 { Form::Plain } else { compressed() };
    let decoded = decode(bytes, form);

    // What a prefix says is what the whole says, or that it needs more.
    for end in 0..bytes.len().min(14) {
        match decode(&bytes[..end], form) {
            Ok(None) => {}
            early => assert_eq!(early, decoded, "of the first {end} bytes"),
        }
    }
    let Ok(Some((header, length))) = decoded else { return };
    assert_eq!(&spelled(&header), &bytes[..length], "there is one spelling of each header");
    let limit = if header.opcode.is_control() { 125 } else { u64::MAX >> 1 };
    assert!(header.length <= limit, "{header:?}");

    // The server's own frames: the same header, without a mask, and never a fragment.
    let Ok(payload_bytes) = usize::try_from(header.length) else { return };
    let mut encoded = Vec::new();
    encode_header(header.opcode, payload_bytes, &mut encoded);
    let whole = u64::try_from(encoded.len()).unwrap().saturating_add(header.length);
    assert_eq!(server_frame_length(&encoded), Some(whole));
    encoded[1] |= 0x80;
    encoded.extend(header.mask.0);
    let ours = FrameHeader { fin: true, compressed: false, ..header };
    assert_eq!(decode(&encoded, form), Ok(Some((ours, encoded.len()))));
}

/// RFC 6455 section 5.2, written down once more, as plainly as can be.
fn spelled(header: &FrameHeader) -> Vec<u8> {
    let first =
        u8::from(header.fin) << 7 | u8::from(header.compressed) << 6 | header.opcode.value();
    let mut bytes = vec![first];
    match header.length {
        0..=125 => bytes.push(0x80 | header.length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((header.length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(header.length.to_be_bytes());
        }
    }
    bytes.extend(header.mask.0);
    bytes
}
