//! The drawing of one frame: its bytes, and beside each what its bits mean (RFC 6455 section 5.2).
//!
//! ```text
//!   81             1... ....  FIN      the last frame of its message
//!                  .000 ....  RSV1-3   no extension is used
//!                  .... 0001  opcode   1, text
//! ```
//!
//! What to notice:
//! * It judges nothing. Where a rule is broken it is told, and there the drawing ends, for nobody reads
//!   on: what the next bytes would be, nobody can say.
//! * It draws what is there: of a frame that is cut off, as much as has come.
//! * Unmasking is shown on one row of bytes, the one that matters, under the key as it is repeated.

use super::page::{Page, escaped, hex};
use crate::trace::side::count;
use crate::websocket::frame::Opcode;

/// Where the meaning of a field stands.
const MEANING: usize = 37;

/// Bytes of payload in a row.
const ROW: usize = 16;

/// A frame that is being drawn.
#[derive(Debug)]
struct Drawing<'a> {
    page: &'a mut Page,
    /// What was not drawn yet.
    rest: &'a [u8],
    /// How far behind that begins the byte that breaks a rule.
    broken: Option<usize>,
}

/// Draws the frame, as much as is there of it, up to the byte that breaks a rule. `is_text` says that
/// its payload can be read.
pub(super) fn draw(page: &mut Page, frame: &[u8], broken: Option<usize>, is_text: bool) {
    let rest = frame.get(..broken.map_or(frame.len(), |at| at + 1)).unwrap_or(frame);
    let mut drawing = Drawing { page, rest, broken };
    let [first, second] = drawing.peek();
    drawing.first_byte(first);
    let (is_masked, short) = (second & 0x80 != 0, second & 0x7f);
    let (who, width) = match is_masked {
        true => ("masked, as frames of clients are", 4),
        false => ("not masked, as frames of servers are", 0),
    };
    let (long, meaning) = match short {
        126 => (2, "126: it is in the next 2 bytes".to_owned()),
        127 => (8, "127: it is in the next 8 bytes".to_owned()),
        short => (0, short.to_string()),
    };
    drawing.byte(&[
        (format!("{:b}... ....", second >> 7), "MASK", who),
        (format!(".{:03b} {:04b}", short >> 4, second & 0xf), "length", &meaning),
    ]);
    let length = match long {
        0 => u64::from(short),
        2 => u64::from(u16::from_be_bytes(drawing.peek())),
        _ => u64::from_be_bytes(drawing.peek()),
    };
    drawing.field(long, "length", &format!("{length}, most significant byte first"));
    let key = is_masked.then(|| drawing.peek());
    drawing.field(width, "key", "chosen anew for each frame");
    drawing.payload(length, key, is_text);
}

impl Drawing<'_> {
    /// The bytes that come next, zeros where they are missing.
    fn peek<const N: usize>(&self) -> [u8; N] {
        let mut next = self.rest.iter().copied();
        std::array::from_fn(|_| next.next().unwrap_or_default())
    }

    fn first_byte(&mut self, first: u8) {
        let (fin, reserved, opcode) = (first >> 7, first >> 4 & 0b111, first & 0b1111);
        let name = match Opcode::from_value(opcode) {
            Some(opcode) => format!("{}, {opcode:?}", opcode.value()).to_ascii_lowercase(),
            None => format!("{opcode}, which means nothing yet"),
        };
        let whole = match (fin, opcode) {
            (0, _) => "the message goes on",
            (_, 0..8) => "the last frame of its message",
            (_, _) => "control frames are never in pieces",
        };
        let claimed = match reserved {
            0 => "no extension is used",
            0b100 => "RSV1: compressed (RFC 7692)",
            _ => "claimed by no extension",
        };
        self.byte(&[
            (format!("{fin:b}... ...."), "FIN", whole),
            (format!(".{reserved:03b} ...."), "RSV1-3", claimed),
            (format!(".... {opcode:04b}"), "opcode", &name),
        ]);
    }

    /// Draws one byte, each of its parts in a row of its own.
    fn byte(&mut self, parts: &[(String, &str, &str)]) {
        let Some(byte) = self.rest.first() else { return };
        let mut hex = format!("{byte:02x}");
        for (bits, name, meaning) in parts {
            self.page.line(MEANING, &format!("  {hex:<15}{bits:<11}{name:<9}{meaning}"));
            hex.clear();
        }
        self.pass(1, 2);
    }

    /// Draws a field of whole bytes.
    fn field(&mut self, width: usize, name: &str, meaning: &str) {
        let there = self.rest.get(..width).unwrap_or(self.rest);
        let meaning = if there.len() == width { meaning } else { "cut off" };
        if !there.is_empty() {
            self.page.line(MEANING, &format!("  {:<26}{name:<9}{meaning}", hex(there)));
            self.pass(there.len(), 2);
        }
    }

    /// Goes on behind `width` bytes that were drawn from `column` on, and marks the broken one if it is
    /// one of them.
    fn pass(&mut self, width: usize, column: usize) {
        if let Some(at) = self.broken.filter(|at| *at < width) {
            self.page.line(0, &format!("{:1$}^^", "", column + 3 * at));
        }
        self.broken = self.broken.and_then(|at| at.checked_sub(width));
        self.rest = self.rest.get(width..).unwrap_or_default();
    }

    fn payload(&mut self, length: u64, key: Option<[u8; 4]>, is_text: bool) {
        let payload = self.rest;
        if payload.is_empty() {
            return;
        }
        let begin = match payload.get(..8) {
            Some([begin @ .., _]) if payload.len() > 8 => hex(begin) + " …",
            Some(_) | None => hex(payload),
        };
        let masked = if key.is_some() { ", masked" } else { "" };
        let size = count(length, "byte");
        self.page.line(MEANING, &format!("  {begin:<26}payload  {size}{masked}"));
        if key.is_none() && self.broken.is_none() {
            return;
        }
        // The row that matters: the first, or the one that ends with the broken byte. It begins where
        // the key does.
        let end = self.broken.map_or(ROW, |at| at + 1);
        let start = end.saturating_sub(ROW).next_multiple_of(4);
        let row = payload.get(start..).unwrap_or_default();
        let row = row.get(..ROW).unwrap_or(row);
        let keys = key.unwrap_or_default().into_iter().cycle();
        let (keys, plain): (Vec<_>, Vec<_>) = row.iter().zip(keys).map(|(b, k)| (k, b ^ k)).unzip();
        self.page.text.push('\n');
        if row.len() < payload.len() {
            self.page.line(2, &format!("  bytes {} to {}:", start + 1, start + row.len()));
        }
        if key.is_some() {
            self.page.line(2, &format!("     {}", hex(row)));
            self.page.line(5, &format!("  ^  {}   the key, repeated", hex(&keys)));
        }
        let text = if is_text { format!("   \"{}\"", escaped(&plain)) } else { String::new() };
        self.page.line(5, &format!("  =  {}{text}", hex(&plain)));
        self.pass(start, 0);
        self.pass(row.len(), 5);
    }
}
