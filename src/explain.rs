//! `barewire explain`: bytes that somebody has, taken apart on paper: requests, answers, how the accept
//! value comes about, each frame's bits, the unmasking, the messages, and the rule that is broken.
//!
//! What to notice:
//! * Bytes in, text out. It reads with the parsers that the server reads with, so what it says of the
//!   bytes is what the server makes of them: there is no second grammar in here.
//! * The byte at which a rule breaks is found by handing over one byte at a time, which may change
//!   nothing: that is the law of every machine in this crate.
//! * Who sent what, a frame tells by its MASK bit and a head by its first word. Only where a handshake
//!   was asked for and not yet granted is it the client's in any case.
//!
//! ```
//! let explained = barewire::explain::explain(b"81 85 37 fa 21 3d 7f 9f 4d 51 58")?;
//! assert!(explained.text.contains("message: text, 5 bytes: \"Hello\""));
//! assert!(explained.is_legal);
//!
//! let explained = barewire::explain::explain(b"89 fe 00 7e")?;
//! assert!(explained.text.contains("broken: RFC 6455 section 5.5, at byte 2 of the frame"));
//! assert!(!explained.is_legal);
//! # Ok::<(), String>(())
//! ```

mod drawing;
mod frames;
mod heads;
mod input;
mod page;

pub use input::MAX_INPUT_BYTES;

use std::collections::VecDeque;
use std::fmt;

use crate::http::{Framing, Method};
use crate::trace::escape::escape;
use crate::trace::side::count;
use frames::Frames;
use input::Piece;
use page::Page;

/// How much text about heads, bodies and frames is shown. What follows is read all the same, and shown up
/// to twice as much where a side ends, up to three times where it breaks a rule.
const MAX_SHOWN: usize = 64 << 10;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Lines for a terminal of 80 columns. No character of the input is in there that it would obey.
    pub text: String,
    /// Whether no rule is broken. What is cut off breaks none.
    pub is_legal: bool,
}

/// Who sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Client { "client" } else { "server" })
    }
}

/// What came of one head, body or frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It had this many bytes, and something else may follow.
    Took(usize),
    /// Nothing behind it can be read: it is cut off, or breaks a rule.
    Ended,
}

/// What is expected next of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Head,
    Body(Framing),
    Frame,
    /// It sent a Close.
    Nothing,
    /// Nothing that anybody could read: a rule was broken, or something cut off.
    Ended,
}

/// One side of a conversation.
#[derive(Debug)]
struct Side {
    next: Next,
    frames: Frames,
}

/// A conversation, as far as it was explained.
#[derive(Debug)]
struct Talk {
    client: Side,
    server: Side,
    /// The methods of requests that no answer was seen to.
    asked: VecDeque<Method>,
    /// The accept value that a 101 must have, once a handshake was asked for, and what it may grant.
    asks: Option<(String, Vec<String>)>,
}

/// Explains hexadecimal, a dump, a string with escapes, text of HTTP, a transcript, or bytes.
///
/// # Errors
/// Why there is nothing to explain, and what to do about it.
pub fn explain(input: &[u8]) -> Result<Explanation, String> {
    let input = input::read(input)?;
    let pieces = || input.talks.iter().flat_map(|(_, pieces)| pieces);
    let mut page = Page::default();
    let size: usize = pieces().map(|(_, bytes)| bytes.len()).sum();
    page.line(2, &format!("{}, read as {}", count(size, "byte"), input.what));
    if pieces().next().is_some_and(|(_, bytes)| bytes.starts_with(b"\x16\x03")) {
        page.line(2, "(so begins TLS, as of wss:// and https://, which is not spoken here)");
    }
    for (client, pieces) in &input.talks {
        let (mut talk, begin) = (Talk::new(pieces), page.text.len());
        for (from, bytes) in pieces {
            talk.hear(*from, bytes, &mut page);
        }
        if input.talks.len() > 1 && begin < page.text.len() {
            page.text
                .insert_str(begin, &format!("\n---- {:.70} ----\n", escape(client.as_bytes())));
        }
    }
    if page.hidden > 0 {
        page.say(&format!("({} more were read, and are not shown)", page.hidden));
    }
    Ok(Explanation { text: page.text, is_legal: !page.is_broken })
}

impl Talk {
    /// Before the first of these.
    fn new(pieces: &[Piece]) -> Self {
        let is_http = pieces.first().is_some_and(|(_, bytes)| input::is_http(bytes));
        let next = if is_http { Next::Head } else { Next::Frame };
        let side = || Side { next, frames: Frames::default() };
        Self { client: side(), server: side(), asked: VecDeque::new(), asks: None }
    }

    /// Explains what one side sent; which side, if it is not told, the bytes say.
    fn hear(&mut self, told: Option<From>, bytes: &[u8], page: &mut Page) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let from = told.unwrap_or_else(|| self.guess(rest));
            let mut part = Page::default();
            let step = self.item(from, rest, &mut part);
            let more = usize::from(step == Step::Ended) + usize::from(part.is_broken);
            page.add(part, MAX_SHOWN * (1 + more));
            let Step::Took(size) = step else {
                self.side(from).next = Next::Ended;
                return;
            };
            rest = rest.get(size..).unwrap_or_default();
        }
    }

    fn item(&mut self, from: From, bytes: &[u8], page: &mut Page) -> Step {
        let size = count(bytes.len(), "byte");
        let side = self.side(from);
        match side.next {
            Next::Head => self.head(from, bytes, page),
            Next::Body(framing) => {
                side.next = Next::Head;
                heads::body(from, framing, bytes, page)
            }
            Next::Frame => {
                let (step, is_close) = side.frames.explain(from, bytes, page);
                if is_close {
                    side.next = Next::Nothing;
                }
                step
            }
            Next::Nothing => {
                let rule = format!("nothing follows a Close, and here are {size}");
                page.broken("RFC 6455 section 5.5.1", &rule, "the connection ends");
                Step::Ended
            }
            Next::Ended => {
                page.say(&format!("{size} more of the {from} are not read"));
                Step::Ended
            }
        }
    }

    /// Who sends what comes next, as far as anybody can say.
    fn guess(&self, bytes: &[u8]) -> From {
        let is_masked = bytes.get(1).is_none_or(|second| second & 0x80 != 0);
        let is_http = bytes.starts_with(b"HTTP/");
        match (self.client.next, self.server.next) {
            (Next::Body(_), _) => From::Client,
            (_, Next::Body(_)) => From::Server,
            (_, Next::Head) if is_http => From::Server,
            (Next::Frame | Next::Nothing, Next::Frame | Next::Nothing) if !is_masked => {
                From::Server
            }
            (_, _) => From::Client,
        }
    }

    fn side(&mut self, from: From) -> &mut Side {
        match from {
            From::Client => &mut self.client,
            From::Server => &mut self.server,
        }
    }
}
