//! From bytes to messages: what the assembler hands out, piece by piece, is what a model reads that has
//! all bytes in hand: the same events, each as soon as its last byte is there, then the same error, or
//! none.
//!
//! The model takes only a frame's header from the server ([`decode`], which the target `frame` is
//! for). Unmasking, fragments, limits, text, closing and DEFLATE ([`inflate`]) are written down a
//! second time, rule by rule and with no thought of speed or of memory.
//!
//! The input is a script; its stream is what a client sends, once to a server that has not agreed on
//! compression and once to one that has. Every error is fit to end the connection with: code and text
//! stand unabridged in a Close that a client may receive.

use barewire::websocket::close::{Close, MAX_REASON_BYTES};
use barewire::websocket::form::Form;
use barewire::websocket::frame::{FrameHeader, Opcode, decode};
use barewire::websocket::message::{Assembler, Event, Kind, MessageError, MessageLimits};

use super::frame::compressed;
use super::inflate::{End, inflate};
use super::plain::is_a_line;
use super::script::Script;

/// So small that inputs reach them.
pub const LIMITS: MessageLimits = MessageLimits { max_message_bytes: 1_000, max_fragments: 5 };

/// What a client means by a frame, or by the last of several.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message { kind: Kind::Text, payload } => {
                Self::Text(String::from_utf8(payload.to_vec()).expect("text is UTF-8"))
            }
            Event::Message { kind: Kind::Binary, payload } => Self::Binary(payload.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(close) => {
                Self::Close(close.map(|close| (close.code.value(), close.reason.to_owned())))
            }
        }
    }
}

pub fn fuzz(script: &Script<'_>) {
    check(script, Form::Plain);
    check(script, compressed());
}

fn check(script: &Script<'_>, form: Form) {
    let model = Model::read(script.stream, form);
    let mut expected = model.events.iter();
    let mut assembler = Assembler::default();
    let (mut at, mut come) = (0, 0);
    for piece in script.pieces() {
        come += piece.len();
        let mut bytes = piece.to_vec();
        let mut rest = &mut bytes[..];
        loop {
            match assembler.receive(rest, form, &LIMITS) {
                Ok((taken, Some(event))) => {
                    at += taken;
                    let seen = (at, Seen::from(event));
                    assert_eq!(Some(&seen), expected.next(), "{form:?}");
                    if matches!(seen, (_, Seen::Close(_))) {
                        assert_eq!((expected.next(), model.error), (None, None), "{form:?}");
                        return;
                    }
                    rest = &mut rest[taken..];
                }
                Ok((taken, None)) => {
                    assert_eq!(taken, rest.len(), "all is taken");
                    at += taken;
                    break;
                }
                Err(error) => {
                    assert_eq!((expected.next(), model.error), (None, Some(error)), "{form:?}");
                    check_error(error);
                    return;
                }
            }
        }
        assert_eq!(at, come);
        let due = expected.as_slice().first();
        assert!(due.is_none_or(|(end, _)| *end > come), "{form:?}: {due:?} did not come by {come}");
        assert_eq!(assembler.is_idle(), model.idle_at.contains(&come), "{form:?} at {come}");
    }
    assert_eq!((expected.next(), model.error), (None, None), "{form:?}");
}

/// RFC 6455 sections 5.5.1 and 7.4: what the client is told is what was meant.
fn check_error(error: MessageError) {
    let (code, reason) = (error.close_code(), error.to_string());
    assert!(is_a_line(&reason) && reason.len() <= MAX_REASON_BYTES, "{reason}");
    let mut frame = Vec::new();
    Close { code, reason: &reason }.encode(&mut frame);
    let Some((header, body)) = frame.split_first_chunk() else { panic!("{frame:?}") };
    assert_eq!(header, &[0x88, u8::try_from(body.len()).unwrap()]);
    let told = control(Opcode::Close, body.to_vec());
    assert_eq!(told, Ok(Seen::Close(Some((code.value(), reason)))), "{error:?}");
}

/// What a stream means.
#[derive(Debug, Default)]
pub struct Model {
    /// Each with the place of the byte behind it.
    pub events: Vec<(usize, Seen)>,
    /// Where nothing is incomplete.
    idle_at: Vec<usize>,
    /// What then ends all, unless it is a Close, or the stream.
    pub error: Option<MessageError>,
}

/// A message of which a part has come.
struct Open {
    is_text: bool,
    is_compressed: bool,
    fragments: u32,
    /// Its payloads, unmasked.
    bytes: Vec<u8>,
}

impl Model {
    pub fn read(stream: &[u8], form: Form) -> Self {
        let mut model = Self { idle_at: vec![0], ..Self::default() };
        model.error = model.read_frames(stream, form).err();
        model
    }

    fn read_frames(&mut self, stream: &[u8], form: Form) -> Result<(), MessageError> {
        let (mut at, mut open) = (0, None);
        while let Some((header, header_bytes)) = decode(&stream[at..], form)? {
            let behind = &stream[at + header_bytes..];
            let length = usize::try_from(header.length).unwrap();
            let come = &behind[..length.min(behind.len())];
            let is_whole = come.len() == length;
            // RFC 6455 section 5.3.
            let key = header.mask.0;
            let payload: Vec<u8> = (0..come.len()).map(|i| come[i] ^ key[i % 4]).collect();
            at += header_bytes + come.len();

            let event = if header.opcode.is_control() {
                if is_whole { Some(control(header.opcode, payload)?) } else { None }
            } else {
                let mut message = begin_or_continue(&header, open.take())?;
                let is_last = header.fin && is_whole;
                let event = message.grow(length, &payload, is_last)?;
                open = (!is_last).then_some(message);
                event
            };
            let is_close = matches!(event, Some(Seen::Close(_)));
            self.events.extend(event.map(|event| (at, event)));
            if is_close || !is_whole {
                return Ok(());
            }
            if open.is_none() {
                self.idle_at.push(at);
            }
        }
        Ok(())
    }
}

/// RFC 6455 section 5.4: fragments follow each other, and another message only the last of them.
fn begin_or_continue(header: &FrameHeader, open: Option<Open>) -> Result<Open, MessageError> {
    match (header.opcode, open) {
        (Opcode::Continuation, None) => Err(MessageError::UnexpectedContinuation),
        (Opcode::Continuation, Some(open)) => Ok(open),
        (_, Some(_)) => Err(MessageError::ExpectedContinuation),
        (opcode, None) => Ok(Open {
            is_text: opcode == Opcode::Text,
            is_compressed: header.compressed,
            fragments: 0,
            bytes: Vec::new(),
        }),
    }
}

impl Open {
    /// One more frame of `length` bytes, of which `payload` has come.
    fn grow(
        &mut self,
        length: usize,
        payload: &[u8],
        is_last: bool,
    ) -> Result<Option<Seen>, MessageError> {
        // RFC 6455 section 10.4, judged by the header alone.
        if self.fragments == LIMITS.max_fragments {
            return Err(MessageError::TooManyFragments);
        }
        if !self.is_compressed && self.bytes.len() + length > LIMITS.max_message_bytes {
            return Err(MessageError::TooBig);
        }
        self.fragments += 1;
        self.bytes.extend(payload);
        let (message, wrong) = self.message(is_last);
        if self.is_text
            && let Err(error) = str::from_utf8(&message)
            && (error.error_len().is_some() || (is_last && wrong.is_none()))
        {
            // RFC 6455 section 8.1: it comes before what is wrong behind it.
            return Err(MessageError::InvalidUtf8);
        }
        match wrong {
            Some(error) => Err(error),
            None if !is_last => Ok(None),
            None if self.is_text => Ok(Some(Seen::Text(String::from_utf8(message).unwrap()))),
            None => Ok(Some(Seen::Binary(message))),
        }
    }

    /// What the payloads are, and what is wrong behind that.
    fn message(&self, is_last: bool) -> (Vec<u8>, Option<MessageError>) {
        if !self.is_compressed {
            return (self.bytes.clone(), None);
        }
        // RFC 7692 section 7.2.2: at its end, a message gets back what was left out.
        let tail: &[u8] = if is_last { &[0x00, 0x00, 0xff, 0xff] } else { &[] };
        let bytes = [&self.bytes[..], tail].concat();
        let (message, end) = inflate(&bytes, 1 << 15, LIMITS.max_message_bytes);
        let wrong = match end {
            End::TooBig => Some(MessageError::TooBig),
            End::Broken => Some(MessageError::InvalidDeflate),
            End::Inside if is_last => Some(MessageError::InvalidDeflate),
            End::Inside | End::Block => None,
        };
        (message, wrong)
    }
}

/// RFC 6455 section 5.5.
fn control(opcode: Opcode, payload: Vec<u8>) -> Result<Seen, MessageError> {
    match (opcode, &payload[..]) {
        (Opcode::Ping, _) => Ok(Seen::Ping(payload)),
        (Opcode::Pong, _) => Ok(Seen::Pong(payload)),
        (_, []) => Ok(Seen::Close(None)),
        (_, [_]) => Err(MessageError::CloseOneByte),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            // Section 7.4, and what IANA has registered since: 1012 to 1014.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(MessageError::CloseCode(code));
            }
            let reason = String::from_utf8(reason.to_vec());
            Ok(Seen::Close(Some((code, reason.map_err(|_| MessageError::CloseReason)?))))
        }
    }
}
