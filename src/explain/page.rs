//! The page that is written on: lines of at most 80 columns, in which no byte of the input is a
//! character that a terminal would obey.
//!
//! What to notice:
//! * [`shown`], [`brief`] and [`escaped`] are the only ways of the input onto the page, and all go through
//!   what the log of the wire uses too.
//! * A line that is too long goes on in the next one, further in. So whoever writes need not measure.
//! * Rules are told in one form, whoever's they are: the section, the rule, what follows.

use crate::trace::escape;
use crate::trace::side::{Notation, show};

/// As wide as a terminal is at least.
const WIDTH: usize = 80;

/// How much of a payload or of a value is shown.
const SHOWN_BYTES: usize = 125;

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
    /// Whether a rule was broken.
    pub(super) is_broken: bool,
    /// How many other pages were left out.
    pub(super) hidden: usize,
}

impl Page {
    /// Writes a line, and what of it is too long below it, `hang` columns further in.
    pub(super) fn line(&mut self, hang: usize, line: &str) {
        let mut rest = line;
        let mut width = WIDTH;
        while let Some((end, _)) = rest.char_indices().nth(width) {
            let here = rest.get(..end).unwrap_or(rest);
            // Between two words, unless that would leave less than half a line.
            let cut = here.rfind(' ').filter(|at| at * 2 > end).unwrap_or(end);
            let (here, behind) = rest.split_at_checked(cut).unwrap_or((rest, ""));
            self.text += here.trim_end();
            self.text += &format!("\n{:hang$}", "");
            (rest, width) = (behind.strip_prefix(' ').unwrap_or(behind), WIDTH - hang);
        }
        self.text += rest;
        self.text.push('\n');
    }

    /// The same, as a paragraph of its own.
    pub(super) fn say(&mut self, text: &str) {
        self.text.push('\n');
        self.line(2, text);
    }

    /// Goes on with another page, unless there is so much text already.
    pub(super) fn add(&mut self, page: Self, most: usize) {
        self.is_broken |= page.is_broken;
        if self.text.len() < most {
            self.text += &page.text;
        } else {
            self.hidden += 1;
        }
    }

    /// Says which rule is broken, and what comes of it.
    pub(super) fn broken(&mut self, section: &str, rule: &str, then: &str) {
        self.is_broken = true;
        self.say(&format!("broken: {section}"));
        self.line(2, &format!("  {rule}"));
        self.line(2, &format!("  {then}, and nothing behind it is read"));
    }
}

/// The bytes in hexadecimal, with a space between two.
pub(super) fn hex(bytes: &[u8]) -> String {
    escape::hex(bytes).trim_start().to_owned()
}

/// The beginning of the bytes, as text in quotes or in hexadecimal.
pub(super) fn shown(bytes: &[u8], is_text: bool) -> String {
    let begin = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let notation = if is_text { Notation::Text } else { Notation::Hex };
    show(notation, begin, begin.len() < bytes.len()).trim_start().to_owned()
}

/// The beginning of the bytes, up to a whole character, as text without quotes.
pub(super) fn brief(bytes: &[u8]) -> String {
    let Some(begin) = bytes.get(..=SHOWN_BYTES) else { return escaped(bytes) };
    // The bytes of UTF-8 that go on with a character are 10xx xxxx.
    let end = begin.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(SHOWN_BYTES);
    escaped(begin.get(..end).unwrap_or(begin)) + "…"
}

/// The bytes as text without quotes.
pub(super) fn escaped(bytes: &[u8]) -> String {
    escape::escape_unquoted(bytes)
}
