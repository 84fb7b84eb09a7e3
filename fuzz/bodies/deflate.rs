//! permessage-deflate (RFC 7692), both ways.
//!
//! * What the server compresses is shorter than the text, is the text again for a reader with no larger
//!   window than was agreed on and nothing of earlier messages, and is the text for our own assembler.
//! * What a client sends as compressed, however hostile and in whatever pieces, is what [`inflate`]
//!   finds in it, or it is refused with 1007, or with 1009 at the limit; and all that is allocated
//!   meanwhile is one window and the largest message.
//!
//! ```text
//!   stream   00..7F   apart   spoil   text     the server compresses it, for a window of 9 to 15 bits
//!            80..FF   bytes                    a client sends them: from C0 on as text, else as binary
//! ```
//!
//! The text has noise of about 2^apart bytes behind it and then comes again, for a window must have
//! something out of its reach. What the server made of it is sent back to it, first as it is, then
//! with one bit turned over where `spoil` says. What a client sends comes in the script's pieces.

use barewire::websocket::deflate::Agreement;
use barewire::websocket::extension::offers;
use barewire::websocket::form::{Encoder, Form};
use barewire::websocket::frame::{encode_compressed, server_frame_length};
use barewire::websocket::message::{Assembler, Event, Kind, MessageError, MessageLimits};

use super::inflate::{End, inflate};
use super::memory::at_most;
use super::script::Script;

/// RFC 7692 section 7.2.1: what every message would end in.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// So small that inputs reach it.
const HOSTILE_BYTES: usize = 1_000;
/// What zlib keeps of a stream that it inflates: a window of 32 KiB, and tables.
const INFLATER_BYTES: usize = 48 << 10;

pub fn fuzz(script: &Script<'_>) {
    let [how, rest @ ..] = script.stream else { return };
    match *how {
        0x80..=0xbf => hostile(script, Kind::Binary, rest, agreed(15)),
        0xc0.. => hostile(script, Kind::Text, rest, agreed(15)),
        bits => {
            let [apart, spoil, text @ ..] = rest else { return };
            there_and_back(script, 9 + usize::from(bits % 7), *apart, *spoil, text);
        }
    }
}

/// What the server makes of a text, read by others and by itself.
fn there_and_back(script: &Script<'_>, bits: usize, apart: u8, spoil: u8, text: &[u8]) {
    let form = agreed(bits);
    let noise = noise((1 << (apart % 11)) - 1);
    let text = [text, &noise, text].concat();
    let kind = Kind::of(&text);

    let mut encoder = Encoder::default();
    let [mut frame, mut again] = [vec![], vec![]];
    encoder.encode(form, kind, &text, &mut frame);
    encoder.encode(form, kind, &text, &mut again);
    assert_eq!(frame, again, "a message depends on no earlier one");
    assert_eq!(server_frame_length(&frame), Some(frame.len() as u64));

    let header_bytes = frame.len() - payload(&frame).len();
    let is_compressed = frame[0] & 0x40 != 0;
    let mut deflated = payload(&frame).to_vec();
    if is_compressed {
        assert!(deflated.len() < text.len(), "{} bytes of {}", deflated.len(), text.len());
        let whole = [&deflated[..], &TAIL].concat();
        assert!(inflate(&whole, 1 << bits, text.len()) == (text.clone(), End::Block));
    } else {
        assert!(deflated == text, "what is not compressed is as it was");
    }
    let limits = MessageLimits { max_message_bytes: text.len(), max_fragments: 1 };
    let client = masked(&frame, header_bytes);
    let client = Script { steps: script.steps.clone(), stream: &client };
    let read = receive(&client, form, &limits, |event| {
        assert!(*event == Event::Message { kind, payload: &text }, "the text comes back");
    });
    assert_eq!(read, Ok(true));

    if is_compressed {
        let place = usize::from(spoil) * deflated.len() / 256;
        deflated[place] ^= 1 << (spoil % 8);
        hostile(script, kind, &deflated, form);
    }
}

/// What `deflated` is, if a client sends it.
fn hostile(script: &Script<'_>, kind: Kind, deflated: &[u8], form: Form) {
    let whole = [deflated, &TAIL].concat();
    let (output, end) = inflate(&whole, 1 << 15, HOSTILE_BYTES);
    let text = str::from_utf8(&output);
    let cut_off = text.is_err_and(|error| error.error_len().is_none());
    let expected = match end {
        _ if kind == Kind::Text && text.is_err() && !cut_off => Err(MessageError::InvalidUtf8),
        End::TooBig => Err(MessageError::TooBig),
        End::Broken | End::Inside => Err(MessageError::InvalidDeflate),
        End::Block if kind == Kind::Text && cut_off => Err(MessageError::InvalidUtf8),
        End::Block => Ok(true),
    };
    let mut frame = Vec::new();
    encode_compressed(kind.opcode(), deflated, &mut frame);
    let client = masked(&frame, frame.len() - deflated.len());
    let client = Script { steps: script.steps.clone(), stream: &client };
    let limits = MessageLimits { max_message_bytes: HOSTILE_BYTES, max_fragments: 1 };
    // While it grows, it stands in two places.
    let most = INFLATER_BYTES + 2 * HOSTILE_BYTES + 2 * client.stream.len() + 1_000;
    let read = at_most(most, "a compressed message", || {
        receive(&client, form, &limits, |event| {
            assert!(*event == Event::Message { kind, payload: &output }, "not {output:x?}");
        })
    });
    assert_eq!(read, expected, "{deflated:x?}");
}

/// Gives the server what a client sends. `true`: an event came, and `check` has seen it.
fn receive(
    client: &Script<'_>,
    form: Form,
    limits: &MessageLimits,
    check: impl Fn(&Event<'_>),
) -> Result<bool, MessageError> {
    let (mut assembler, mut seen) = (Assembler::default(), false);
    for piece in client.pieces() {
        assert!(!seen, "nothing is left behind the only event");
        let mut piece = piece.to_vec();
        let (taken, event) = assembler.receive(&mut piece, form, limits)?;
        seen = event.inspect(&check).is_some();
        assert_eq!(taken, piece.len());
    }
    Ok(seen)
}

fn payload(frame: &[u8]) -> &[u8] {
    &frame[match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    }..]
}

/// The server's frame as a client would send it: masked (RFC 6455 section 5.3).
fn masked(frame: &[u8], header_bytes: usize) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let (header, payload) = frame.split_at(header_bytes);
    let payload = payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key);
    let mut client = [header, &KEY].concat();
    client[1] |= 0x80;
    client.extend(payload);
    client
}

/// The form of a client that asks for a window of so many bits.
fn agreed(bits: usize) -> Form {
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    let offers = offers([offer.as_bytes()].into_iter()).expect("a list");
    Agreement::negotiate(&offers).expect("an offer").form()
}

/// Bytes in which nothing is found twice.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
