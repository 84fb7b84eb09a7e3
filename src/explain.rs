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
use crate::trace::side::count;
use frames::Frames;
use heads::Extra;
use input::Piece;
use page::{Page, brief};

/// How many heads, bodies and frames are shown. What follows them is read all the same, and shown
/// where it ends or breaks a rule, up to three times as many.
const MAX_SHOWN: usize = 100;

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
    asks: Option<(String, Vec<Extra>)>,
}

/// The heads, bodies and frames so far, of all conversations.
#[derive(Debug, Default)]
struct Items {
    shown: usize,
    hidden: usize,
}

impl Items {
    /// Shows one, unless there were many. Then only where a side ends, and at last what breaks a rule.
    fn show(&mut self, mut item: Page, step: Step, page: &mut Page) {
        let most = match (item.is_broken, step) {
            (true, _) => 3 * MAX_SHOWN,
            (false, Step::Ended) => 2 * MAX_SHOWN,
            (false, Step::Took(_)) => MAX_SHOWN,
        };
        if self.shown < most {
            self.shown += 1;
        } else {
            self.hidden += 1;
            item.text.clear();
        }
        page.add(item);
    }
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
    let mut items = Items::default();
    for (client, pieces) in &input.talks {
        let (mut talk, mut part) = (Talk::new(pieces), Page::default());
        for (from, bytes) in pieces {
            talk.hear(*from, bytes, &mut items, &mut part);
        }
        if input.talks.len() > 1 && !part.text.is_empty() {
            page.say(&format!("---- {} ----", brief(client.as_bytes())));
        }
        page.add(part);
    }
    if items.hidden > 0 {
        page.say(&format!("({} more were read, and are not shown)", items.hidden));
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
    fn hear(&mut self, told: Option<From>, bytes: &[u8], items: &mut Items, page: &mut Page) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let from = told.unwrap_or_else(|| self.guess(rest));
            let mut part = Page::default();
            let step = self.item(from, rest, &mut part);
            items.show(part, step, page);
            let Step::Took(size) = step else {
                self.side(from).next = Next::Ended;
                return;
            };
            rest = rest.get(size..).unwrap_or_default();
        }
    }

    fn item(&mut self, from: From, bytes: &[u8], page: &mut Page) -> Step {
        let side = self.side(from);
        match side.next {
            Next::Head => self.head(from, bytes, page),
            Next::Body(framing) => {
                let step = heads::body(from, framing, bytes, page);
                side.next = Next::Head;
                step
            }
            Next::Frame => {
                let (step, is_close) = side.frames.explain(from, bytes, page);
                if is_close {
                    side.next = Next::Nothing;
                }
                step
            }
            Next::Nothing => {
                let size = count(bytes.len(), "byte");
                let rule = format!("nothing follows a Close, and here are {size}");
                page.broken("RFC 6455 section 5.5.1", &rule, "the connection ends");
                Step::Ended
            }
            Next::Ended => {
                page.say(&format!(
                    "{} more of the {from} are not read",
                    count(bytes.len(), "byte")
                ));
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
