//! The bytes of one line: of a frame, a part of a body, or bytes as they are.
//!
//! What to notice:
//! * A frame is put together as its line says, also one that no rule allows: what is wrong on purpose
//!   can be written, too.
//! * The length that stands there goes into the header, and is compared with the bytes; they differ only
//!   where a later line says how many never came.
//! * What is made up is dots, and never more than [`MOST_MADE_UP`].

use super::escape::{unescape, unhex};
use super::side::SHOWN_BYTES;
use crate::websocket::frame::Opcode;
use crate::websocket::mask::Mask;

/// RFC 6455 section 5.7: the key of its own example.
const KEY: Mask = Mask([0x37, 0xfa, 0x21, 0x3d]);

/// The most bytes that are made up.
pub(super) const MOST_MADE_UP: usize = 16 << 20;

/// What is said of a line that holds too little.
pub(super) const NOT_WHOLE: &str = "not all of this is shown, so it cannot be sent again";

/// A frame but for its payload.
pub(super) struct Frame {
    first: u8,
    is_close: bool,
    is_compressed: bool,
}

impl Frame {
    /// How a frame's line begins, and the rest of it.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let (text, is_compressed) = match text.strip_prefix("compressed ") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let opcode = match name {
            "continuation" => Opcode::Continuation,
            "text" => Opcode::Text,
            "binary" => Opcode::Binary,
            "close" => Opcode::Close,
            "ping" => Opcode::Ping,
            "pong" => Opcode::Pong,
            _ => return None,
        };
        let (fin, rest) = match (opcode, rest.strip_prefix("end"), rest.strip_prefix("fragment")) {
            (Opcode::Continuation, Some(rest), _) => (true, rest),
            (Opcode::Continuation, None, _) => (false, rest),
            (_, _, Some(rest)) => (false, rest),
            (_, _, None) => (true, rest),
        };
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let first = bit(fin, 0x80) | bit(is_compressed, 0x40) | opcode.value();
        Some((Self { first, is_close: opcode == Opcode::Close, is_compressed }, rest.trim_start()))
    }

    pub(super) fn encode(
        self,
        text: &str,
        missing: u64,
        is_inbound: bool,
    ) -> Result<Vec<u8>, &'static str> {
        let (length, mut bytes) = if self.is_close {
            let bytes = close(text)?;
            (u64::try_from(bytes.len()).unwrap_or(u64::MAX), bytes)
        } else if self.is_compressed && text.ends_with('…') {
            return Err(NOT_WHOLE);
        } else {
            payload(text, missing)?
        };
        let mask = if is_inbound { 0x80 } else { 0 };
        let mut frame = vec![self.first];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => frame.push(mask | short),
            (_, Ok(middle)) => {
                frame.push(mask | 126);
                frame.extend(middle.to_be_bytes());
            }
            (_, Err(_)) => {
                frame.push(mask | 127);
                frame.extend(length.to_be_bytes());
            }
        }
        if is_inbound {
            frame.extend(KEY.0);
            KEY.apply(0, &mut bytes);
        }
        frame.extend(bytes);
        Ok(frame)
    }
}

/// The body of a Close: a code and perhaps a reason, or bytes that are neither.
fn close(text: &str) -> Result<Vec<u8>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(bytes) = text.strip_prefix("??") {
        return shown(bytes);
    }
    let (code, reason) = text.split_once(' ').unwrap_or((text, "\"\""));
    let code: u16 = code.parse().map_err(|_| "write close, close 1000 or close 1000 \"bye\"")?;
    Ok([&code.to_be_bytes()[..], &shown(reason)?].concat())
}

/// `5 "Hello"`, `3 ff 00 01`, `70000 "aaa"…`, and without its length `"Hello"`: the length, and the
/// bytes of which `missing` never came.
pub(super) fn payload(text: &str, missing: u64) -> Result<(u64, Vec<u8>), &'static str> {
    let (number, text) = match text.split_once(' ') {
        _ if text.starts_with('"') => ("", text),
        Some((number, text)) => (number, text),
        None => (text, ""),
    };
    let (text, is_part) = match text.strip_suffix('…') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut bytes = shown(text)?;
    let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if number.is_empty() && !is_part {
        return Ok((here, bytes));
    }
    let length: u64 =
        number.parse().map_err(|_| "a length goes before the bytes: text 5 \"Hello\"")?;
    let left = length.checked_sub(missing).and_then(|came| came.checked_sub(here));
    match left {
        Some(0) => {}
        Some(left) if is_part => {
            bytes.extend(cut_character(bytes.len(), left));
            let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            bytes.extend(made_up((length - missing).saturating_sub(here))?);
        }
        Some(_) | None => return Err("the length is not that of the bytes"),
    }
    Ok((length, bytes))
}

/// Text in quotes, or hexadecimal.
pub(super) fn shown(text: &str) -> Result<Vec<u8>, &'static str> {
    if text.ends_with('…') {
        return Err(NOT_WHOLE);
    }
    let Some(text) = text.strip_prefix('"') else {
        return unhex(text).ok_or("this is no line of the notation");
    };
    let inside = quoted_end(text).filter(|end| end + 1 == text.len());
    let inside = inside.and_then(|end| text.get(..end)).ok_or("the quotes do not end here")?;
    unescape(inside).ok_or("an escape is none of ours")
}

/// Where the quote is that ends this text.
pub(super) fn quoted_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

/// A character that is not shown because it goes on behind what is: that there was one follows from how
/// little is shown.
fn cut_character(shown: usize, left: u64) -> &'static [u8] {
    match (SHOWN_BYTES.checked_sub(shown), left) {
        (Some(1), 2..) => "é".as_bytes(),
        (Some(2), 3..) => "…".as_bytes(),
        (Some(3), 4..) => "🌍".as_bytes(),
        (_, _) => &[],
    }
}

/// So many bytes that were not shown.
pub(super) fn made_up(length: u64) -> Result<Vec<u8>, &'static str> {
    match usize::try_from(length) {
        Ok(length @ 0..=MOST_MADE_UP) => Ok(vec![b'.'; length]),
        Ok(_) | Err(_) => Err("that is more than can be made up"),
    }
}
