//! One direction of a wire: what has come and no line has told, and what the next bytes are.
//!
//! What to notice:
//! * Until a payload begins, bytes are taken one at a time. So each decision falls at the first byte
//!   that allows it, and what is kept then is exactly a head or a header.
//! * Of a payload only the beginning is kept; its length is a number that is counted down.
//! * What was kept of a payload is unmasked only when its line is said.

use std::fmt;

use super::Say;
use super::escape::{escape, hex};
use super::redact;
use crate::http::HttpError;
use crate::websocket::form::Form;
use crate::websocket::frame::{self, FrameHeader, MAX_CONTROL_BYTES, Opcode};
use crate::websocket::mask::Mask;

/// How much of a payload is shown: a control frame whole, for the reason in a Close is what one
/// looks for.
pub(super) const SHOWN_BYTES: usize = MAX_CONTROL_BYTES;

/// How much is shown of what is no head, or not yet.
const SHOWN_OF_HEAD: usize = 1024;

/// The most that is kept of a head: one byte more than a request's may have, which `http` refuses.
const MAX_HEAD_BYTES: usize = 8193;

/// One direction.
#[derive(Debug)]
pub(super) struct Side {
    mark: char,
    pub(super) next: Next,
    /// What the 101 has agreed on.
    pub(super) form: Form,
    /// What no line has told: a head, or a header and the beginning of its payload.
    pub(super) untold: Vec<u8>,
    payload: Option<Payload>,
    /// The message whose fragments are passing is text.
    is_text: bool,
    ignored: usize,
}

/// What the next byte outside of a payload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The head of a request or of an answer.
    Head,
    /// A line of RFC 9112 section 7.1: before, between or behind the chunks.
    ChunkLine { is_behind: bool },
    /// The header of a frame.
    Frame,
    /// Nothing that anybody reads.
    Nothing,
}

/// A payload that is passing.
#[derive(Debug)]
struct Payload {
    /// How its line begins.
    label: String,
    notation: Notation,
    mask: Mask,
    length: u64,
    /// How much of it is still to come.
    left: u64,
    /// The bytes of its header, which stand before it in `untold`.
    header: usize,
}

/// How a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Text,
    Hex,
    /// Two bytes of a number, then text.
    Close,
}

impl Side {
    pub(super) fn new(mark: char, next: Next) -> Self {
        Self {
            mark,
            next,
            form: Form::Plain,
            untold: Vec::new(),
            payload: None,
            is_text: false,
            ignored: 0,
        }
    }

    /// Lets the payload pass, and takes one byte of what is behind it: whether there was one.
    pub(super) fn next_byte(&mut self, rest: &mut &[u8], say: &mut Say<'_>) -> bool {
        self.pass_payload(rest, say);
        if self.next == Next::Nothing {
            self.ignored = self.ignored.saturating_add(rest.len());
            return false;
        }
        let Some((&byte, behind)) = rest.split_first() else { return false };
        *rest = behind;
        self.untold.push(byte);
        if self.untold.len() > MAX_HEAD_BYTES {
            self.give_up("this is too long", say);
        }
        true
    }

    /// A payload begins; what is untold is its header.
    pub(super) fn begin(&mut self, name: &str, notation: Notation, length: u64) {
        let label = format!("{} {name}", self.mark);
        let (mask, header) = (Mask([0; 4]), self.untold.len());
        self.payload = Some(Payload { label, notation, mask, length, left: length, header });
    }

    /// Keeps of a payload what will be shown, counts the rest, and says its line when all of it is here.
    fn pass_payload(&mut self, rest: &mut &[u8], say: &mut Say<'_>) {
        let Some(payload) = &mut self.payload else { return };
        let here = usize::try_from(payload.left).map_or(rest.len(), |left| left.min(rest.len()));
        let (data, behind) = rest.split_at_checked(here).unwrap_or((rest, &[]));
        *rest = behind;
        payload.left = payload.left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
        let room = (payload.header + SHOWN_BYTES).saturating_sub(self.untold.len());
        self.untold.extend(data.iter().take(room));
        if payload.left == 0 {
            payload.say(std::mem::take(&mut self.untold), say);
            self.payload = None;
        }
    }

    pub(super) fn frame(&mut self, header: FrameHeader) {
        let FrameHeader { fin, compressed, opcode, mask, length } = header;
        // RFC 6455 section 5.4: control frames may stand between the fragments of a message.
        let (name, notation) = match opcode {
            Opcode::Text if compressed => ("compressed text", Notation::Hex),
            Opcode::Text => ("text", Notation::Text),
            Opcode::Binary if compressed => ("compressed binary", Notation::Hex),
            Opcode::Binary => ("binary", Notation::Hex),
            Opcode::Continuation if self.is_text => ("continuation", Notation::Text),
            Opcode::Continuation => ("continuation", Notation::Hex),
            Opcode::Close => ("close", Notation::Close),
            Opcode::Ping => ("ping", Notation::Text),
            Opcode::Pong => ("pong", Notation::Text),
        };
        let part = match (opcode, fin) {
            (Opcode::Continuation, true) => " end",
            (Opcode::Text | Opcode::Binary, false) => " fragment",
            _ => "",
        };
        if !opcode.is_control() {
            self.is_text = notation == Notation::Text;
        }
        self.begin(&format!("{name}{part}"), notation, length);
        if let Some(payload) = &mut self.payload {
            payload.mask = mask;
        }
    }

    /// Looks whether the header of a server's frame is complete.
    pub(super) fn server_frame(&mut self, say: &mut Say<'_>) {
        let Some(whole) = frame::server_frame_length(&self.untold) else { return };
        let first = self.untold.first().copied().unwrap_or_default();
        let header = u64::try_from(self.untold.len()).unwrap_or(u64::MAX);
        let length = whole.saturating_sub(header);
        match frame::decode_first_byte(first, self.form) {
            Ok((fin, compressed, opcode)) => {
                self.frame(FrameHeader { fin, compressed, opcode, mask: Mask([0; 4]), length });
            }
            Err(why) => self.give_up(why, say),
        }
    }

    /// Looks whether a line of a chunked body is complete. That its digits are nothing else, and
    /// that an empty line stands behind each chunk, is for the server to check.
    pub(super) fn chunk_line(&mut self, is_behind: bool, say: &mut Say<'_>) {
        let Some(line) = self.untold.strip_suffix(b"\r\n") else { return };
        match (line.is_empty(), is_behind) {
            (true, true) => self.next = Next::Head,
            (true, false) | (false, true) => {}
            (false, false) => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let digits = str::from_utf8(digits).unwrap_or_default();
                match u64::from_str_radix(digits, 16) {
                    Ok(0) => {
                        say(format_args!("{} last chunk", self.mark));
                        self.next = Next::ChunkLine { is_behind: true };
                    }
                    Ok(size) => return self.begin("chunk", Notation::Text, size),
                    Err(_) => return self.give_up(HttpError::ChunkSize, say),
                }
            }
        }
        self.untold.clear();
    }

    /// Shows what makes no sense, and reads no more.
    pub(super) fn give_up(&mut self, why: impl fmt::Display, say: &mut Say<'_>) {
        let bytes = std::mem::take(&mut self.untold);
        say(format_args!("{} ??{}: {why}", self.mark, self.beginning(&bytes)));
        self.next = Next::Nothing;
    }

    /// From now on nobody reads this direction, and what no line has told is not read either.
    pub(super) fn ignore(&mut self) {
        let untold = std::mem::take(&mut self.untold).len();
        let came = self.payload.take().map_or(untold, |payload| {
            let came = usize::try_from(payload.length.saturating_sub(payload.left));
            payload.header.saturating_add(came.unwrap_or(usize::MAX))
        });
        self.ignored = self.ignored.saturating_add(came);
        self.next = Next::Nothing;
    }

    pub(super) fn ended(&mut self, say: &mut Say<'_>) {
        let bytes = std::mem::take(&mut self.untold);
        let mark = self.mark;
        match self.payload.take() {
            Some(mut payload) => {
                payload.say(bytes, say);
                say(format_args!("{mark} cut off, {} missing", count(payload.left, "byte")));
            }
            None if bytes.is_empty() => {}
            None => say(format_args!("{mark} cut off after{}", self.beginning(&bytes))),
        }
        if self.ignored > 0 {
            say(format_args!("{mark} ignored {}", count(self.ignored, "byte")));
        }
        self.ignored = 0;
    }

    /// A head or a header as far as it came.
    fn beginning(&self, bytes: &[u8]) -> String {
        let is_request = self.next == Next::Head && self.mark == '<';
        let head = if is_request { redact::head(bytes) } else { bytes.to_vec() };
        let shown = head.get(..SHOWN_OF_HEAD).unwrap_or(&head);
        let notation = if self.next == Next::Frame { Notation::Hex } else { Notation::Text };
        show(notation, shown, shown.len() < head.len())
    }
}

impl Payload {
    /// Says the line, if there is one to say; `bytes` are the header and what came of the payload.
    fn say(&mut self, mut bytes: Vec<u8>, say: &mut Say<'_>) {
        let shown = bytes.get_mut(self.header..).unwrap_or_default();
        self.mask.apply(0, shown);
        let is_part = usize::try_from(self.length).map_or(true, |length| shown.len() < length);
        // RFC 6455 section 5.5.1: a Close has no body, or a code and perhaps a reason.
        let rest = match (self.notation, shown.split_first_chunk()) {
            (Notation::Close, None) if shown.is_empty() => String::new(),
            (Notation::Close, None) => format!(" ??{}", show(Notation::Hex, shown, is_part)),
            (Notation::Close, Some((&code, []))) => format!(" {}", u16::from_be_bytes(code)),
            (Notation::Close, Some((&code, reason))) => {
                format!(" {}{}", u16::from_be_bytes(code), show(Notation::Text, reason, is_part))
            }
            (notation @ (Notation::Text | Notation::Hex), _) => {
                format!(" {}{}", self.length, show(notation, shown, is_part))
            }
        };
        say(format_args!("{}{rest}", self.label));
    }
}

/// The length of the bytes, and as many of them as are shown of a payload, as text.
pub(super) fn show_whole(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    format!("{}{}", bytes.len(), show(Notation::Text, shown, shown.len() < bytes.len()))
}

/// A space and the bytes, as text in quotes or in hexadecimal.
pub(crate) fn show(notation: Notation, bytes: &[u8], is_part: bool) -> String {
    let more = if is_part { "…" } else { "" };
    if notation == Notation::Hex {
        return hex(bytes) + if is_part { " …" } else { "" };
    }
    format!(" \"{}\"{more}", escape(if is_part { whole_characters(bytes) } else { bytes }))
}

/// The beginning of a text, without the character that was cut at its end.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let cut = str::from_utf8(bytes).err().filter(|error| error.error_len().is_none());
    cut.map_or(bytes, |cut| bytes.get(..cut.valid_up_to()).unwrap_or(bytes))
}

pub(crate) fn count(number: impl fmt::Display, thing: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
