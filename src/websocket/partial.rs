//! What is kept of a client's bytes while a header, a control frame or a message is incomplete.
//!
//! ```text
//!   Partial
//!     message   text or binary: its payload so far, from all fragments that have come
//!     header    the first bytes of the next header
//!     frame     of that message, or a control frame: how much of it has come
//! ```
//!
//! What to notice:
//! * Message and frame are two places, for a control frame may come between two fragments and may
//!   itself be cut by the network: neither disturbs the other.
//! * Each `take` takes from the front of the bytes what belongs to it and leaves the rest. Called
//!   again with the next chunk, it goes on.
//! * A payload grows by the bytes that came. The announced length is only ever compared.

use std::mem;

use super::close::Close;
use super::deflate::Inflater;
use super::error::MessageError;
use super::form::Form;
use super::frame::{self, FrameHeader, MAX_HEADER_BYTES, Opcode};
use super::message::{Event, Kind};
use super::utf8::Utf8;

/// What is incomplete, and what the last event was lent from until the next call.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The message of which a part has come.
    pub(super) message: Option<StartedMessage>,
    pub(super) header: StartedHeader,
    /// The frame of which a part has come: one of that message, or a control frame.
    frame: Option<StartedFrame>,
}

/// The first bytes of a header that goes on in the next chunk; none between two headers.
#[derive(Debug, Default)]
pub(super) struct StartedHeader {
    bytes: [u8; MAX_HEADER_BYTES],
    length: usize,
}

/// A frame of which a part has come, as little as its header perhaps.
#[derive(Debug)]
struct StartedFrame {
    header: FrameHeader,
    length: usize,
    received: usize,
    /// The payload of a control frame, unmasked. That of any other goes to the message.
    control: Vec<u8>,
}

/// A message of which a part has come.
#[derive(Debug)]
pub(super) struct StartedMessage {
    /// That of its first frame.
    opcode: Opcode,
    /// What of its text was checked; untouched in a binary message.
    utf8: Utf8,
    /// What takes it apart, if it is compressed.
    inflater: Option<Inflater>,
    /// Unmasked and inflated; grows with the bytes that come, never by a length that was announced.
    pub(super) payload: Vec<u8>,
    /// The frames that were entered.
    pub(super) fragments: u32,
}

impl Partial {
    /// Enters a frame with a payload of `length` bytes, to be taken. If it begins a compressed
    /// message, then `inflater` is what takes that apart.
    pub(super) fn enter(&mut self, header: FrameHeader, length: usize, inflater: Option<Inflater>) {
        if !header.opcode.is_control() {
            let message = self.message.get_or_insert_with(|| StartedMessage {
                opcode: header.opcode,
                utf8: Utf8::default(),
                inflater,
                payload: Vec::new(),
                fragments: 0,
            });
            message.fragments += 1;
        }
        self.frame = Some(StartedFrame { header, length, received: 0, control: Vec::new() });
    }

    /// Takes more of the payload of the frame that was entered. `false`: there is none, a header
    /// comes next.
    pub(super) fn take(&mut self, rest: &mut &mut [u8]) -> Result<bool, MessageError> {
        let Some(frame) = &mut self.frame else { return Ok(false) };
        let wanted = frame.length - frame.received;
        let piece = rest.split_off_mut(..wanted).unwrap_or_else(|| mem::take(rest));
        frame.header.mask.apply(frame.received, piece);
        frame.received += piece.len();
        match &mut self.message {
            Some(message) if !frame.header.opcode.is_control() => {
                message.push(piece)?;
                if frame.is_complete() && frame.header.fin {
                    message.finish()?;
                } else if frame.is_complete() {
                    self.frame = None;
                }
            }
            Some(_) | None => frame.control.extend_from_slice(piece),
        }
        Ok(true)
    }

    /// Whether an event is complete in here.
    pub(super) fn has_event(&self) -> bool {
        self.frame.as_ref().is_some_and(StartedFrame::is_complete)
    }

    /// Lends out the event that is complete in here, until the next call.
    pub(super) fn lend(&self) -> Result<Option<Event<'_>>, MessageError> {
        let complete = self.frame.as_ref().filter(|frame| frame.is_complete());
        let Some(frame) = complete else { return Ok(None) };
        match &self.message {
            Some(message) if !frame.header.opcode.is_control() => {
                event(message.opcode, &message.payload).map(Some)
            }
            Some(_) | None => event(frame.header.opcode, &frame.control).map(Some),
        }
    }

    /// Forgets the event that was lent out, and nothing that is incomplete.
    pub(super) fn free_lent(&mut self) {
        let lent = self.frame.take_if(|frame| frame.is_complete());
        if lent.is_some_and(|frame| !frame.header.opcode.is_control()) {
            self.message = None;
        }
    }

    /// Whether there is nothing in here, so that nobody needs it.
    pub(super) const fn is_empty(&self) -> bool {
        self.message.is_none() && self.frame.is_none() && self.header.length == 0
    }
}

impl StartedMessage {
    pub(super) const fn is_compressed(&self) -> bool {
        self.inflater.is_some()
    }

    /// Takes a piece of the payload. What came out of it before an error is judged before that.
    fn push(&mut self, piece: &[u8]) -> Result<(), MessageError> {
        let before = self.payload.len();
        let Some(inflater) = &mut self.inflater else {
            self.payload.extend_from_slice(piece);
            return self.check(before);
        };
        let inflated = inflater.push(piece, &mut self.payload);
        self.check(before).and(inflated)
    }

    /// The last piece was taken.
    fn finish(&mut self) -> Result<(), MessageError> {
        if let Some(inflater) = &mut self.inflater {
            let before = self.payload.len();
            let inflated = inflater.finish(&mut self.payload);
            self.check(before).and(inflated)?;
        }
        // RFC 6455 section 8.1: a character may be cut by a frame's end, but not by the message's.
        if self.utf8.is_complete() { Ok(()) } else { Err(MessageError::InvalidUtf8) }
    }

    /// Checks what has come into the payload behind its first `checked` bytes.
    fn check(&mut self, checked: usize) -> Result<(), MessageError> {
        if self.opcode != Opcode::Text {
            return Ok(());
        }
        self.utf8.push(self.payload.get(checked..).unwrap_or_default())
    }
}

impl StartedFrame {
    const fn is_complete(&self) -> bool {
        self.received == self.length
    }
}

impl StartedHeader {
    /// Takes from `rest` what belongs to the header, which is all of `rest` while it is incomplete.
    pub(super) fn take(
        &mut self,
        rest: &mut &mut [u8],
        form: Form,
    ) -> Result<Option<FrameHeader>, MessageError> {
        let before = self.length;
        let free = self.bytes.iter_mut().skip(before);
        self.length += free.zip(rest.iter()).map(|(place, byte)| *place = *byte).count();
        let decoded = frame::decode(self.bytes.get(..self.length).unwrap_or_default(), form)?;
        let end = decoded.map_or(self.length, |(_, size)| size);
        let _header = rest.split_off_mut(..end - before);
        Ok(decoded.map(|(header, _)| {
            self.length = 0;
            header
        }))
    }
}

/// What a whole payload means: that of a control frame, or of a message with its first opcode.
pub(super) fn event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, MessageError> {
    Ok(match opcode {
        Opcode::Text => Event::Message { kind: Kind::Text, payload },
        // No message begins with a continuation.
        Opcode::Binary | Opcode::Continuation => Event::Message { kind: Kind::Binary, payload },
        Opcode::Close => Event::Close(Close::decode(payload)?),
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::mask::Mask;

    fn header(fin: bool, opcode: Opcode, mask: [u8; 4]) -> FrameHeader {
        FrameHeader { fin, compressed: false, opcode, mask: Mask(mask), length: 0 }
    }

    #[test]
    fn a_started_header_takes_its_own_bytes_and_no_more() {
        let whole = *b"\x82\xfe\x01\x00\x01\x02\x03\x04";
        for cut in 1..whole.len() {
            let mut started = StartedHeader::default();
            let mut bytes = [&whole[..], b"payload"].concat();
            let (left, right) = bytes.split_at_mut(cut);
            let (mut left, mut right) = (left, right);
            assert_eq!(started.take(&mut left, Form::Plain), Ok(None), "cut at {cut}");
            assert!(left.is_empty());
            let decoded = started.take(&mut right, Form::Plain).unwrap().unwrap();
            assert_eq!((decoded.length, decoded.mask), (256, Mask([1, 2, 3, 4])), "cut at {cut}");
            assert_eq!(right, b"payload", "cut at {cut}");
        }
    }

    #[test]
    fn a_started_header_fails_at_the_byte_that_breaks_a_rule() {
        let mut started = StartedHeader::default();
        assert_eq!(started.take(&mut &mut [0x81][..], Form::Plain), Ok(None));
        assert_eq!(started.take(&mut &mut [0x05][..], Form::Plain), Err(MessageError::Unmasked));
    }

    #[test]
    fn a_started_message_counts_frames_and_bytes_and_ends_with_fin() {
        let mut partial = Partial::default();
        for (fin, opcode, piece, bytes, fragments) in [
            (false, Opcode::Text, &b"Hel"[..], 3, 1),
            (false, Opcode::Continuation, b"", 3, 2),
            (true, Opcode::Continuation, b"lo", 5, 3),
        ] {
            assert!(!partial.has_event());
            partial.enter(header(fin, opcode, [0; 4]), piece.len(), None);
            assert_eq!(partial.take(&mut &mut piece.to_vec()[..]), Ok(true));
            let message = partial.message.as_ref().unwrap();
            assert_eq!((message.payload.len(), message.fragments), (bytes, fragments));
        }
        let expected = Event::Message { kind: Kind::Text, payload: b"Hello" };
        assert_eq!(partial.lend(), Ok(Some(expected)));
    }

    #[test]
    fn a_started_control_frame_is_unmasked_at_its_place() {
        let mut partial = Partial::default();
        partial.enter(header(true, Opcode::Ping, [1, 2, 3, 4]), 6, None);
        partial.take(&mut &mut [b'a' ^ 1][..]).unwrap();
        partial.take(&mut &mut [b'b' ^ 2, b'c' ^ 3][..]).unwrap();
        assert!(!partial.has_event());
        let mut more = [b'd' ^ 4, b'e' ^ 1, b'f' ^ 2, b'X'];
        let mut rest = &mut more[..];
        partial.take(&mut rest).unwrap();
        assert_eq!(rest, b"X");
        assert_eq!(partial.lend(), Ok(Some(Event::Ping(b"abcdef"))));
        assert!(partial.message.is_none());
    }

    #[test]
    fn freeing_what_was_lent_keeps_what_is_incomplete() {
        let mut partial = Partial::default();
        partial.enter(header(false, Opcode::Binary, [0; 4]), 1, None);
        partial.take(&mut &mut [7][..]).unwrap();
        partial.enter(header(true, Opcode::Ping, [0; 4]), 0, None);
        assert!(partial.has_event());
        partial.free_lent();
        assert!(!partial.has_event() && !partial.is_empty());
        assert_eq!(partial.take(&mut &mut [][..]), Ok(false));
        partial.enter(header(true, Opcode::Continuation, [0; 4]), 0, None);
        partial.take(&mut &mut [][..]).unwrap();
        let expected = Event::Message { kind: Kind::Binary, payload: &[7] };
        assert_eq!(partial.lend(), Ok(Some(expected)));
        partial.free_lent();
        assert!(partial.is_empty());
    }
}
