//! How a stream arrives: the bytes, and where the input wants them cut and time to pass.
//!
//! ```text
//!   input    n   n steps   stream
//!   step     00..7F        the next piece of the stream has 1 to 128 bytes
//!            80..FF        time passes: 0.5 s to 64 s
//! ```
//!
//! The steps are gone through again and again until the stream has come, so a single `00` has it come
//! byte by byte. Without steps, as in a seed that begins with a zero byte, it comes in one piece.

use std::time::Duration;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes come at once, or what is left, if that is less.
    Piece(usize),
    /// Time passes.
    Time(Duration),
}

/// A stream and how it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// In a circle. If no piece is among them, then all that is left comes at once behind them.
    pub steps: Vec<Step>,
    /// All bytes.
    pub stream: &'a [u8],
}

impl<'a> Script<'a> {
    /// Takes an input apart; every input is a script.
    pub fn of(input: &'a [u8]) -> Self {
        let (count, rest) = input.split_first().unwrap_or((&0, &[]));
        let (steps, stream) = rest.split_at(usize::from(*count).min(rest.len()));
        let step = |byte: &u8| match *byte {
            byte @ ..0x80 => Step::Piece(usize::from(byte) + 1),
            byte => Step::Time(Duration::from_millis(500) * u32::from(byte - 0x7f)),
        };
        Self { steps: steps.iter().map(step).collect(), stream }
    }

    /// The stream at once, or if `piece` is not 0, in pieces of so many bytes.
    pub fn even(stream: &'a [u8], piece: usize) -> Self {
        let steps = if piece == 0 { vec![] } else { vec![Step::Piece(piece)] };
        Self { steps, stream }
    }

    /// The stream in two pieces, cut behind its first `first` bytes.
    pub fn cut(stream: &'a [u8], first: usize) -> Self {
        let steps = vec![Step::Piece(first), Step::Piece(stream.len().max(1))];
        Self { steps, stream }
    }

    /// What happens, in order: `Err` is time, `Ok` a piece of the stream. All pieces together are the
    /// stream, and none is empty.
    pub fn play(&self) -> impl Iterator<Item = Result<&'a [u8], Duration>> {
        let has_pieces = self.steps.iter().any(|step| matches!(step, Step::Piece(1..)));
        let tail = if has_pieces { &self.steps[..] } else { &[Step::Piece(usize::MAX)] };
        let mut steps = self.steps.iter().chain(tail.iter().cycle());
        let mut rest = self.stream;
        std::iter::from_fn(move || {
            loop {
                match steps.next()? {
                    _ if rest.is_empty() => return None,
                    Step::Time(by) => return Some(Err(*by)),
                    Step::Piece(0) => {}
                    Step::Piece(bytes) => {
                        let (piece, behind) = rest.split_at((*bytes).min(rest.len()));
                        rest = behind;
                        return Some(Ok(piece));
                    }
                }
            }
        })
    }

    /// The pieces alone.
    pub fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        self.play().filter_map(Result::ok)
    }
}
