//! What is kept of a client's bytes while a header, a control frame or a message is incomplete.
//!
//! ```text
//!   Partial
//!     message   text or binary, its payload so far, and where in it the client is:
//!               between fragments -> inside a fragment -> between fragments ... -> complete
//!     piece     nothing, or the part of a header or of a control frame that has come
//! ```
//!
//! What to notice:
//! * Message and piece are two places, for a control frame may come between two fragments and may
//!   itself be cut by the network: neither disturbs the other.
//! * Each started thing has one `take`, which takes from the front of the bytes what belongs to it
//!   and leaves the rest. Called again with the next chunk, it goes on.
//! * The payload grows by the bytes that came. The announced length is only ever compared.

use std::mem;

use super::close::{Close, CloseError};
use super::error::MessageError;
use super::frame::{self, FrameError, FrameHeader, MAX_CONTROL_BYTES, MAX_HEADER_BYTES};
use super::mask::Mask;
use super::message::{Event, Kind};
use super::utf8::Utf8;

/// What is incomplete, and what the last event was lent from until the next call.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The message of which a part has come.
    pub(super) message: Option<StartedMessage>,
    /// What has come of a header, or of a control frame. It may stand between two fragments.
    pub(super) piece: Piece,
}

#[derive(Debug, Default)]
pub(super) enum Piece {
    #[default]
    Nothing,
    Header(StartedHeader),
    Control(StartedControl),
}

impl Partial {
    /// Takes more of the payload that is open in here. `false`: none is, a header comes next.
    pub(super) fn take(&mut self, rest: &mut &mut [u8]) -> Result<bool, MessageError> {
        if let Piece::Control(control) = &mut self.piece {
            control.take(rest);
            return Ok(true);
        }
        match &mut self.message {
            Some(message) if matches!(message.place, Place::Inside(_)) => {
                message.take(rest).map(|()| true)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Whether an event is complete in here, to be lent out until the next call.
    pub(super) fn is_lent(&self) -> bool {
        self.control_is_complete() || self.message_is_complete()
    }

    /// The event that is complete in here.
    pub(super) fn lent(&self) -> Result<Option<Event<'_>>, CloseError> {
        if let Piece::Control(control) = &self.piece
            && control.is_complete()
        {
            let payload = control.payload.get(..control.received).unwrap_or_default();
            return control.kind.event(payload).map(Some);
        }
        let complete = self.message.as_ref().filter(|_| self.message_is_complete());
        Ok(complete.map(|message| Event::Message { kind: message.kind, payload: &message.payload }))
    }

    /// Forgets the event that was lent out, and nothing that is incomplete.
    pub(super) fn free_lent(&mut self) {
        if self.control_is_complete() {
            self.piece = Piece::Nothing;
        }
        if self.message_is_complete() {
            self.message = None;
        }
    }

    /// Whether there is nothing in here, so that nobody needs it.
    pub(super) const fn is_empty(&self) -> bool {
        self.message.is_none() && matches!(self.piece, Piece::Nothing)
    }

    fn control_is_complete(&self) -> bool {
        matches!(&self.piece, Piece::Control(control) if control.is_complete())
    }

    fn message_is_complete(&self) -> bool {
        self.message.as_ref().is_some_and(|message| matches!(message.place, Place::Complete))
    }
}

/// The first bytes of a header that goes on in the next chunk.
#[derive(Debug, Default)]
pub(super) struct StartedHeader {
    bytes: [u8; MAX_HEADER_BYTES],
    received: usize,
}

impl StartedHeader {
    /// Takes from `rest` what belongs to the header, which is all of `rest` while it is incomplete.
    pub(super) fn take(&mut self, rest: &mut &mut [u8]) -> Result<Option<FrameHeader>, FrameError> {
        let before = self.received;
        let free = self.bytes.iter_mut().skip(before);
        for (kept, byte) in free.zip(rest.iter()) {
            *kept = *byte;
            self.received += 1;
        }
        let known = self.bytes.get(..self.received).unwrap_or_default();
        let decoded = frame::decode(known)?;
        let end = decoded.map_or(self.received, |(_, size)| size);
        let _header = rest.split_off_mut(..end - before);
        Ok(decoded.map(|(header, _)| header))
    }
}

/// A message of which a part has come.
#[derive(Debug)]
pub(super) struct StartedMessage {
    kind: Kind,
    /// What of its text was checked; without meaning for a binary message.
    utf8: Utf8,
    /// Unmasked; grows with the bytes that come, never by a length that was announced.
    payload: Vec<u8>,
    fragments: u32,
    place: Place,
}

/// Where in its message a client is.
#[derive(Debug)]
enum Place {
    BetweenFragments,
    Inside(Fragment),
    /// The payload is whole, and lent out until the next call.
    Complete,
}

/// A frame of a message of which a part has come, as little as its header perhaps.
#[derive(Debug)]
struct Fragment {
    fin: bool,
    mask: Mask,
    length: usize,
    received: usize,
}

impl StartedMessage {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            utf8: Utf8::default(),
            payload: Vec::new(),
            fragments: 0,
            place: Place::BetweenFragments,
        }
    }

    /// The frames that were entered.
    pub(super) const fn fragments(&self) -> u32 {
        self.fragments
    }

    /// The bytes of payload that have come.
    pub(super) const fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// The bytes on the heap for its payload.
    #[cfg(test)]
    pub(super) const fn reserved(&self) -> usize {
        self.payload.capacity()
    }

    pub(super) fn enter(&mut self, header: &FrameHeader, length: usize) {
        self.fragments += 1;
        let (fin, mask) = (header.fin, header.mask);
        self.place = Place::Inside(Fragment { fin, mask, length, received: 0 });
    }

    /// Takes from `rest` what belongs to the frame that was entered.
    pub(super) fn take(&mut self, rest: &mut &mut [u8]) -> Result<(), MessageError> {
        let Place::Inside(fragment) = &mut self.place else { return Ok(()) };
        let piece = up_to(fragment.length - fragment.received, rest);
        fragment.mask.apply(fragment.received, piece);
        fragment.received += piece.len();
        if self.kind == Kind::Text {
            self.utf8.push(piece)?;
        }
        self.payload.extend_from_slice(piece);
        if fragment.received < fragment.length {
            return Ok(());
        }
        if !fragment.fin {
            self.place = Place::BetweenFragments;
            return Ok(());
        }
        // RFC 6455 section 8.1: a character may be cut by a frame's end, but not by the message's.
        if self.kind == Kind::Text && !self.utf8.is_complete() {
            return Err(MessageError::InvalidUtf8);
        }
        self.place = Place::Complete;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ControlKind {
    Close,
    Ping,
    Pong,
}

impl ControlKind {
    pub(super) fn event(self, payload: &[u8]) -> Result<Event<'_>, CloseError> {
        match self {
            Self::Close => Close::decode(payload).map(Event::Close),
            Self::Ping => Ok(Event::Ping(payload)),
            Self::Pong => Ok(Event::Pong(payload)),
        }
    }
}

/// A control frame of which a part has come.
#[derive(Debug)]
pub(super) struct StartedControl {
    kind: ControlKind,
    mask: Mask,
    length: usize,
    received: usize,
    payload: [u8; MAX_CONTROL_BYTES],
}

impl StartedControl {
    pub(super) const fn new(kind: ControlKind, mask: Mask, length: usize) -> Self {
        Self { kind, mask, length, received: 0, payload: [0; MAX_CONTROL_BYTES] }
    }

    /// Takes from `rest` what belongs to the frame.
    pub(super) fn take(&mut self, rest: &mut &mut [u8]) {
        let piece = up_to(self.length - self.received, rest);
        self.mask.apply(self.received, piece);
        for (kept, byte) in self.payload.iter_mut().skip(self.received).zip(piece.iter()) {
            *kept = *byte;
        }
        self.received += piece.len();
    }

    const fn is_complete(&self) -> bool {
        self.received == self.length
    }
}

/// Takes `wanted` bytes from the front of `rest`, or all where there are fewer.
fn up_to<'b>(wanted: usize, rest: &mut &'b mut [u8]) -> &'b mut [u8] {
    match rest.split_off_mut(..wanted) {
        Some(piece) => piece,
        None => mem::take(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::frame::Opcode;

    fn header(fin: bool, length: u64) -> FrameHeader {
        FrameHeader { fin, opcode: Opcode::Text, mask: Mask([0; 4]), length }
    }

    #[test]
    fn a_started_header_takes_its_own_bytes_and_no_more() {
        let whole = *b"\x82\xfe\x01\x00\x01\x02\x03\x04";
        for cut in 1..whole.len() {
            let mut started = StartedHeader::default();
            let mut bytes = [&whole[..], b"payload"].concat();
            let (left, right) = bytes.split_at_mut(cut);
            let (mut left, mut right) = (left, right);
            assert_eq!(started.take(&mut left), Ok(None), "cut at {cut}");
            assert!(left.is_empty());
            let decoded = started.take(&mut right).unwrap().unwrap();
            assert_eq!((decoded.length, decoded.mask), (256, Mask([1, 2, 3, 4])), "cut at {cut}");
            assert_eq!(right, b"payload", "cut at {cut}");
        }
    }

    #[test]
    fn a_started_header_fails_at_the_byte_that_breaks_a_rule() {
        let mut started = StartedHeader::default();
        assert_eq!(started.take(&mut &mut [0x81][..]), Ok(None));
        assert_eq!(started.take(&mut &mut [0x05][..]), Err(FrameError::Unmasked));
    }

    #[test]
    fn a_started_message_counts_frames_and_bytes_and_ends_with_fin() {
        let mut message = StartedMessage::new(Kind::Text);
        for (fin, piece, bytes, fragments) in
            [(false, &b"Hel"[..], 3, 1), (false, b"", 3, 2), (true, b"lo", 5, 3)]
        {
            assert!(!matches!(message.place, Place::Complete));
            message.enter(&header(fin, 0), piece.len());
            message.take(&mut &mut piece.to_vec()[..]).unwrap();
            assert_eq!((message.bytes(), message.fragments()), (bytes, fragments));
        }
        let partial = Partial { message: Some(message), piece: Piece::Nothing };
        let expected = Event::Message { kind: Kind::Text, payload: b"Hello" };
        assert_eq!(partial.lent(), Ok(Some(expected)));
    }

    #[test]
    fn a_started_control_frame_is_unmasked_at_its_place() {
        let mut control = StartedControl::new(ControlKind::Ping, Mask([1, 2, 3, 4]), 6);
        control.take(&mut &mut [b'a' ^ 1][..]);
        control.take(&mut &mut [b'b' ^ 2, b'c' ^ 3][..]);
        assert!(!control.is_complete());
        let mut more = [b'd' ^ 4, b'e' ^ 1, b'f' ^ 2, b'X'];
        let mut rest = &mut more[..];
        control.take(&mut rest);
        assert_eq!(rest, b"X");
        let partial = Partial { message: None, piece: Piece::Control(control) };
        assert_eq!(partial.lent(), Ok(Some(Event::Ping(b"abcdef"))));
    }

    #[test]
    fn freeing_what_was_lent_keeps_what_is_incomplete() {
        let mut message = StartedMessage::new(Kind::Binary);
        message.enter(&header(false, 1), 1);
        message.take(&mut &mut [7][..]).unwrap();
        let ping = StartedControl::new(ControlKind::Ping, Mask([0; 4]), 0);
        let mut partial = Partial { message: Some(message), piece: Piece::Control(ping) };
        assert!(partial.is_lent());
        partial.free_lent();
        assert!(!partial.is_lent() && !partial.is_empty());
        let message = partial.message.as_mut().unwrap();
        message.enter(&header(true, 0), 0);
        message.take(&mut &mut [][..]).unwrap();
        let expected = Event::Message { kind: Kind::Binary, payload: &[7] };
        assert_eq!(partial.lent(), Ok(Some(expected)));
        partial.free_lent();
        assert!(partial.is_empty());
    }
}
