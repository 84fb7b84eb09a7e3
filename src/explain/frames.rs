//! What the frames of one side say: each is drawn, and what is complete with it is told.
//!
//! What to notice:
//! * The server's own [`Assembler`] reads them, byte by byte. As cutting changes nothing, it refuses at the
//!   first byte that breaks a rule; where that is judged only behind it, the byte at fault is marked.
//! * It reads what clients send. A frame from a server is the same without a key, so it is handed over
//!   with a key of zeros, which masks nothing.
//! * How many frames a message had, and how short it was compressed, is what an assembler hides; so
//!   that is counted here.

use std::slice;

use super::drawing::draw;
use super::page::{Page, escaped, shown};
use super::{From, Step};
use crate::limits::Limits;
use crate::trace::agreed;
use crate::trace::side::count;
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::form::Form;
use crate::websocket::frame::{self, FrameHeader, MAX_HEADER_BYTES, Opcode};
use crate::websocket::message::{Assembler, Event, Kind, MessageError, MessageLimits};
use crate::websocket::utf8::Utf8;

/// RFC 6455 section 5.3: the key has 32 bits.
const KEY_BYTES: usize = 4;

/// What is told of a message that needs those before it.
const OPAQUE: &str = "message: compressed, and it cannot be inflated alone: it may refer to the messages \
    before it (context takeover, RFC 7692 section 7.1.1)";

/// The frames of one side.
#[derive(Debug, Default)]
pub(super) struct Frames {
    assembler: Assembler,
    /// What was agreed on. `None`: that is not in the input.
    pub(super) form: Option<Form>,
    /// Whether it was agreed that no message refers to those before it (RFC 7692 section 7.1.1).
    pub(super) is_alone: bool,
    /// The message that is coming in cannot be inflated.
    is_opaque: bool,
    /// The message that is coming in: its first frame, and of all its frames number and bytes.
    first: Option<FrameHeader>,
    frames: usize,
    bytes: u64,
}

/// The byte of a frame that breaks a rule, and the rule. `None`: the one that no client can break.
type Broken = (usize, Option<MessageError>);

impl Frames {
    /// Explains the frame at the front of the bytes, and says whether it was a Close.
    pub(super) fn explain(&mut self, from: From, bytes: &[u8], page: &mut Page) -> (Step, bool) {
        // Where nothing is known, a compressed message is taken for one that was agreed on.
        let form = self.form.unwrap_or_else(|| agreed(b"permessage-deflate"));
        let begin = as_from_client(from, bytes.get(..MAX_HEADER_BYTES).unwrap_or(bytes));
        let begin: Vec<u8> = begin.iter().map(|(_, byte)| *byte).collect();
        let header = frame::decode(&begin, form).ok().flatten();
        let end = header.map(|(header, size)| {
            let added = if from == From::Server { KEY_BYTES } else { 0 };
            let length = usize::try_from(header.length).unwrap_or(usize::MAX);
            (size - added).saturating_add(length)
        });
        let is_text = header.is_some_and(|(header, _)| self.enter(&header));
        let frame = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        let read = match bytes {
            [_, 0x80..=0xff, ..] if from == From::Server => {
                self.feed(from, bytes.get(..1).unwrap_or(bytes), form).and(Err((1, None)))
            }
            _ => self.feed(from, frame, form),
        };
        page.say(&format!("frame: from a {from}, {}\n", count(frame.len(), "byte")));
        draw(page, frame, read.as_ref().err().map(|(at, _)| *at), is_text);
        match (read, end.map(|end| end - frame.len())) {
            (Err(broken), _) => refuse(from, broken, page),
            (Ok(told), Some(0)) => {
                let told = told.unwrap_or_else(|| "the message goes on in another frame".into());
                page.say(&told);
                let is_close = header.is_some_and(|(header, _)| header.opcode == Opcode::Close);
                return (Step::Took(frame.len()), is_close);
            }
            (Ok(_), Some(left)) => page.say(&format!("cut off: {} missing", count(left, "byte"))),
            (Ok(_), None) => page.say("cut off within its header"),
        }
        (Step::Ended, false)
    }

    /// Counts a frame. Whether its payload, as it is, can be read as text.
    fn enter(&mut self, header: &FrameHeader) -> bool {
        match header.opcode {
            Opcode::Ping | Opcode::Pong => return true,
            Opcode::Close => return false,
            Opcode::Text | Opcode::Binary => {
                (self.first, self.frames, self.bytes) = (Some(*header), 0, 0);
                self.is_opaque = false;
            }
            Opcode::Continuation => {}
        }
        self.frames += 1;
        self.bytes = self.bytes.saturating_add(header.length);
        self.first.is_some_and(|first| first.opcode == Opcode::Text && !first.compressed)
    }

    /// Hands a frame to the assembler, and tells what is complete with it.
    fn feed(&mut self, from: From, frame: &[u8], form: Form) -> Result<Option<String>, Broken> {
        let limits = MessageLimits {
            // What the server takes without --max-message; and for what it may send, plenty.
            max_message_bytes: if from == From::Client { 64 << 10 } else { 16 << 20 },
            max_fragments: Limits::default().fragments,
        };
        let inflated = self.first.filter(|first| first.compressed).map(|_| self.bytes);
        // FIN, and no control frame.
        let is_last = frame.first().is_some_and(|first| first & 0x88 == 0x80);
        let mut told = None;
        let mut bytes = as_from_client(from, frame);
        for (at, byte) in &mut bytes {
            // It is unmasked where it lies, if it belongs to a payload.
            match self.assembler.receive(slice::from_mut(byte), form, &limits) {
                Ok((_, event)) => told = event.map(|event| tell(event, self.frames, inflated)),
                // RFC 7692 section 7.1.1: it may refer to what came before, which is not kept here. The
                // rest of it is read as that of a message which is not compressed.
                Err(MessageError::InvalidDeflate) if !self.is_alone => {
                    (self.assembler, self.is_opaque) = (Assembler::default(), true);
                    if !is_last {
                        self.feed(From::Server, &[Opcode::Binary.value(), 0], form)?;
                    }
                    break;
                }
                Err(why) => return Err((at_fault(*at, why, &bytes), Some(why))),
            }
        }
        Ok(if is_last && self.is_opaque { Some(OPAQUE.to_owned()) } else { told })
    }
}

/// The place of the byte at fault, where the server refuses at the byte `at`. What a frame is, is
/// judged when its header is whole; code and reason of a Close, when that is.
fn at_fault(at: usize, why: MessageError, bytes: &[(usize, u8)]) -> usize {
    let mut text = Utf8::default();
    let mut reason = bytes.iter().skip(KEY_BYTES + 4);
    let at_fault = match why {
        MessageError::TooManyFragments
        | MessageError::UnexpectedContinuation
        | MessageError::ExpectedContinuation => bytes.first(),
        MessageError::CloseOneByte => bytes.get(1),
        MessageError::CloseCode(_) => bytes.get(KEY_BYTES + 3),
        // RFC 6455 section 5.5.1: it is UTF-8, and wrong where the same text would be.
        MessageError::CloseReason => reason.find(|(_, byte)| text.push(&[*byte]).is_err()),
        MessageError::ReservedBits
        | MessageError::CompressedBit
        | MessageError::ReservedOpcode
        | MessageError::FragmentedControl
        | MessageError::Unmasked
        | MessageError::LongControl
        | MessageError::LengthTopBit
        | MessageError::LengthNotMinimal
        | MessageError::TooBig
        | MessageError::InvalidDeflate
        | MessageError::InvalidUtf8 => None,
    };
    at_fault.map_or(at, |(at, _)| *at)
}

/// The bytes of a frame, each with its place, as a client would have sent them. A key, which is never at
/// fault, has the place of the length before it.
fn as_from_client(from: From, frame: &[u8]) -> Vec<(usize, u8)> {
    let mut bytes: Vec<_> = frame.iter().copied().enumerate().collect();
    let header = match frame.get(1).map_or(0, |second| second & 0x7f) {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    if let Some((_, second)) = bytes.get_mut(1).filter(|_| from == From::Server) {
        *second |= 0x80;
        if bytes.len() >= header {
            bytes.splice(header..header, [(0, 0); KEY_BYTES]);
        }
    }
    bytes.iter_mut().skip(header).take(KEY_BYTES).for_each(|(place, _)| *place = header - 1);
    bytes
}

fn tell(event: Event<'_>, frames: usize, inflated: Option<u64>) -> String {
    match event {
        Event::Message { kind, payload } => {
            let name = format!("{kind:?}").to_ascii_lowercase();
            let frames = if frames > 1 { format!(" in {frames} frames") } else { String::new() };
            let inflated = inflated.map_or_else(String::new, |b| format!(", inflated from {b}"));
            let (size, shown) = (count(payload.len(), "byte"), shown(payload, kind == Kind::Text));
            format!("message: {name}{frames}, {size}{inflated}: {shown}")
        }
        Event::Ping(payload) => {
            let payload = shown(payload, true);
            format!("ping: {payload}; a pong with the same answers it (RFC 6455 section 5.5.2)")
        }
        Event::Pong(payload) => {
            let payload = shown(payload, true);
            format!("pong: {payload}; it answers a ping, or comes unasked (RFC 6455 section 5.5.3)")
        }
        Event::Close(close) => {
            let why = match close {
                None => "without a code".to_owned(),
                Some(Close { code, reason: "" }) => named(code),
                Some(Close { code, reason }) => {
                    format!("{}, reason \"{}\"", named(code), escaped(reason.as_bytes()))
                }
            };
            format!("close: {why}; a Close answers it, the last frame (RFC 6455 section 5.5.1)")
        }
    }
}

fn refuse(from: From, (at, why): Broken, page: &mut Page) {
    let section = why.map_or("RFC 6455 section 5.1", MessageError::section);
    let rule = why.map_or_else(|| "a server masks no frame".to_owned(), |why| why.to_string());
    let code = why.map_or(CloseCode::PROTOCOL_ERROR, MessageError::close_code);
    let limit = match why {
        Some(MessageError::TooBig) if from == From::Client => " (64 KiB without --max-message)",
        Some(_) | None => "",
    };
    let who = if from == From::Client { From::Server } else { From::Client };
    let then = format!("the {who} closes with {}", named(code));
    page.broken(&format!("{section}, at byte {} of the frame", at + 1), &(rule + limit), &then);
}

/// A close code and its name in the registry of IANA.
fn named(code: CloseCode) -> String {
    let name = match code.value() {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1007 => "invalid payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "an extension is missing",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        3000..=3999 => "registered, for a library",
        _ => "private, for an application",
    };
    format!("{code} ({name})")
}
