//! What the input is: hexadecimal, a dump, a string with escapes, text of HTTP, a transcript, or the
//! bytes themselves. All of them become bytes here.
//!
//! What to notice:
//! * It is decided by the content alone, so that one may paste what one has.
//! * An offset of a dump is known by its value: it says how many bytes stood before its line. So a
//!   row of zeros is no offset, and what was left out for a `*` can be put back.
//! * Lines that end in LF alone are what one types and pastes. In heads they are taken for CR LF, and it
//!   is said so, for a server must not do that silently (RFC 9112 section 2.2). Bodies stay as they are.

use std::collections::BTreeMap;

use super::From;
use crate::trace::transcript::{self, What};

/// The most that is read.
pub const MAX_INPUT_BYTES: usize = 1 << 20;

/// How the lines of a transcript begin.
const MARKS: [&str; 6] = ["<", ">", "!", "@", "#", "$"];

/// The input as bytes.
#[derive(Debug)]
pub(super) struct Input {
    /// What it was taken for.
    pub(super) what: &'static str,
    /// Conversations, each with the name of its client if there are several.
    pub(super) talks: Vec<(String, Vec<Piece>)>,
}

/// Who sent what. `None`: the bytes themselves must tell.
pub(super) type Piece = (Option<From>, Vec<u8>);

/// Turns the input into bytes, or says why it cannot be.
pub(super) fn read(input: &[u8]) -> Result<Input, String> {
    if input.len() > MAX_INPUT_BYTES {
        return Err("the input is larger than 1 MiB: cut out what is of interest".to_owned());
    }
    let is_printable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    let text = str::from_utf8(input).ok().filter(|text| text.chars().all(is_printable));
    let (what, bytes) = match text {
        Some(text) if is_transcript(text) => return transcript(text),
        Some(text) => from_text(text)?,
        None => from_bytes(input),
    };
    Ok(Input { what, talks: vec![(String::new(), vec![(None, bytes)])] })
}

/// Whether it is a conversation in the notation of [`crate::trace`], or a log that holds one.
fn is_transcript(text: &str) -> bool {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let begins = words.next().is_some_and(|word| MARKS.contains(&word));
    // The name of a client may stand before the mark.
    let is_named = words.next().is_some_and(|word| matches!(word, "<" | ">"));
    begins || is_named || line.contains(" barewire::wire: ") || line.contains(" barewire: ")
}

/// What each client and the server say to each other. What one side says in several lines, one behind
/// the other, is one piece.
fn transcript(text: &str) -> Result<Input, String> {
    let (mut talks, mut places) = (Vec::<(String, Vec<Piece>)>::new(), BTreeMap::new());
    for entry in transcript::read(text).map_err(|unreadable| unreadable.to_string())? {
        let (from, bytes) = match entry.what {
            What::Received(bytes) => (From::Client, bytes),
            What::Sent(bytes) => (From::Server, bytes),
            What::ReceivedEnd | What::SentEnd | What::Gone | What::Reads(_) => continue,
            What::Bus(_) | What::Time(_) | What::Command(_) => continue,
            What::Connects | What::Reset | What::NotWhole { .. } => continue,
        };
        let place = *places.entry(entry.client).or_insert(talks.len());
        if place == talks.len() {
            talks.push((entry.client.to_owned(), Vec::new()));
        }
        let Some((_, pieces)) = talks.get_mut(place) else { continue };
        match pieces.last_mut() {
            Some((side, said)) if *side == Some(from) => said.extend(bytes),
            Some(_) | None => pieces.push((Some(from), bytes)),
        }
    }
    if talks.is_empty() {
        return Err("nobody says anything in this transcript".to_owned());
    }
    Ok(Input { what: "a transcript (keys, and dots that end long payloads, are made up)", talks })
}

fn from_text(text: &str) -> Result<(&'static str, Vec<u8>), &'static str> {
    let Some(first) = text.split_whitespace().next() else {
        return Err("there is nothing to explain: see barewire explain -h");
    };
    if let Some(bytes) = dump(text) {
        Ok(("hexadecimal with offsets", bytes))
    } else if let Some(bytes) = hexadecimal(text).filter(|_| first != "000000") {
        Ok(("hexadecimal", bytes))
    } else if let Some(bytes) = escapes(text.trim()) {
        Ok(("a string with escapes", bytes))
    } else if first.len() > 1 && first.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // As hexdump writes without -C, and od without -tx1: so six zeros, its first offset with -Ax,
        // are no bytes.
        Err("this begins like hexadecimal: write pairs of digits, or use xxd or hexdump -C")
    } else if text.contains('\\') && text.trim().lines().count() == 1 {
        Err(r"an escape in here is not known: write \x1b or \033, \r, \n, \t, \\ and the like")
    } else {
        Ok(from_bytes(text.as_bytes()))
    }
}

/// Whether bytes begin as those of HTTP. A frame that does has a reserved bit set, or is a control
/// frame in pieces; only the first fragment of a compressed message may, with an `A` or a `B`.
pub(super) fn is_http(bytes: &[u8]) -> bool {
    match bytes {
        [b'A' | b'B', length, ..] => length.is_ascii_graphic(),
        // Who begins with TLS where there is none meets HTTP, too.
        [0x16, 0x03, ..] => true,
        [first, ..] => matches!(first, b' '..=b'~' | b'\r' | b'\n'),
        [] => false,
    }
}

/// The bytes as they are, but for the line ends of heads that have none of HTTP's. What stands behind a
/// head stays as it is, unless it is another head.
fn from_bytes(input: &[u8]) -> (&'static str, Vec<u8>) {
    let (mut bytes, mut rest, mut is_head) = (Vec::new(), input, is_http(input));
    while is_head {
        let end = rest.windows(2).position(|two| two == b"\n\n").map_or(rest.len(), |at| at + 2);
        let (head, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if head.contains(&b'\r') {
            break;
        }
        let lines: Vec<_> = head.split(|byte| *byte == b'\n').collect();
        bytes.extend(lines.join(&b"\r\n"[..]));
        let (body, behind) = behind.split_at_checked(body_bytes(&lines)).unwrap_or((behind, &[]));
        bytes.extend_from_slice(body);
        // The last line end of a file, or of what was typed, is not the body's.
        rest = if behind == b"\n" && !body.is_empty() { &[] } else { behind };
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        is_head = line.starts_with(b"HTTP/") || line.windows(6).any(|six| six == b" HTTP/");
    }
    bytes.extend_from_slice(rest);
    let what = match (is_http(input), bytes.len() == input.len()) {
        (true, true) => "HTTP",
        (true, false) => "HTTP, LF in heads read as CR LF (LF alone breaks RFC 9112 section 2.2)",
        (false, _) => "raw bytes",
    };
    (what, bytes)
}

/// How many bytes behind a head of these lines are a body. Where that has chunks, it may be all.
fn body_bytes(lines: &[&[u8]]) -> usize {
    let fields = lines.iter().filter_map(|line| str::from_utf8(line).ok()?.split_once(':'));
    let sizes = fields.filter_map(|(name, value)| match name.to_ascii_lowercase().as_str() {
        "transfer-encoding" => Some(usize::MAX),
        "content-length" => value.trim().parse().ok(),
        _ => None,
    });
    sizes.max().unwrap_or(0)
}

/// Pairs of digits, however they are grouped: `8185 37fa`, `0x81, 0x85`, `81:85`, `[0x81]`.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let between = |c: char| c.is_whitespace() || ",:;[]{}".contains(c);
    let mut bytes = Vec::new();
    for word in text.split(between).filter(|word| !word.is_empty()) {
        let digits = word.strip_prefix("0x").unwrap_or(word).as_bytes();
        // A single digit is a byte, too.
        if digits.len() > 1 && !digits.len().is_multiple_of(2) {
            return None;
        }
        for pair in digits.chunks(2) {
            bytes.push(digit(pair, 16)?);
        }
    }
    Some(bytes)
}

/// The value of digits. `from_str_radix` would take a sign, too.
fn digit(digits: &[u8], radix: u32) -> Option<u8> {
    let text = str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u8::from_str_radix(text, radix).ok()
}

/// Lines with offsets, as `xxd`, `hexdump -C`, `od -tx1` and Wireshark write them.
fn dump(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut repeats) = (Vec::<u8>::new(), false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "*" {
            repeats = true;
            continue;
        }
        let (offset, rest) = line.split_once(' ').unwrap_or((line, ""));
        let digits = offset.trim_end_matches(':');
        // The text beside the bytes stands behind two spaces, three, or a mark.
        let column = [("  ", digits != offset), ("  |", true), ("  >", true), ("   ", true)];
        let columns = column.iter().filter(|(column, is_it)| *is_it && rest.contains(column));
        let column = columns.map(|(column, _)| *column).next().unwrap_or("   ");
        // od has seven digits, and they are octal; with -Ax it has six.
        let radix = if digits.len() == 7 { 8 } else { 16 };
        let at = usize::from_str_radix(digits, radix).ok()?;
        let is_offset = digits != offset || digits.len() > 5 || rest.starts_with(' ');
        while repeats && bytes.len() < at.min(MAX_INPUT_BYTES) {
            bytes.extend_from_within(bytes.len().checked_sub(16)?..);
        }
        if !is_offset || at != bytes.len() || bytes.is_empty() && rest.is_empty() {
            return None;
        }
        repeats = false;
        // Without -tx1 it writes words, in the byte order of the machine.
        if matches!(digits.len(), 6 | 7) && rest.find(' ').unwrap_or(rest.len()) > 2 {
            return None;
        }
        bytes.extend(hexadecimal(rest.trim_start().split(column).next()?)?);
    }
    Some(bytes)
}

/// A line with escapes as C, Rust, Python and printf know them: `\x81\x05Hello`, `b"\r\n"`.
fn escapes(line: &str) -> Option<Vec<u8>> {
    let quoted = line.strip_prefix('b').unwrap_or(line).strip_prefix('"');
    let mut rest = quoted.and_then(|text| text.strip_suffix('"')).unwrap_or(line).as_bytes();
    let mut bytes = Vec::new();
    while let Some((&byte, behind)) = rest.split_first() {
        let (byte, used) = match (byte, behind) {
            (b'\\', [b'x', high, low, ..]) => (digit(&[*high, *low], 16)?, 3),
            (b'\\', [b'0'..=b'7', ..]) => {
                let used = behind.iter().take(3).take_while(|d| matches!(d, b'0'..=b'7')).count();
                (digit(behind.get(..used)?, 8)?, used)
            }
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [byte @ (b'\\' | b'"' | b'\''), ..]) => (*byte, 1),
            (b'\\' | b'\n', _) => return None,
            (byte, _) => (byte, 0),
        };
        bytes.push(byte);
        rest = behind.get(used..)?;
    }
    (bytes != line.as_bytes()).then_some(bytes)
}
