//! From frames to messages (RFC 6455 sections 5.4 and 5.6), with memory only while something is
//! incomplete.
//!
//! What to notice:
//! * A message that lies whole in the bytes and in one frame is unmasked where it lies and handed out from
//!   there: no copy, no allocation. All else is put together in a box on the heap (`Partial`): what is
//!   cut, fragmented or compressed, and a control frame between fragments.
//! * Between messages an [`Assembler`] is one empty pointer. Ten thousand idle clients own no
//!   buffer here.
//! * A payload in pieces is unmasked, measured and checked as it arrives. So a bad byte fails when
//!   it comes, and a message over the limit fails at the header that announces it, or when it comes
//!   out of its compression.
//!
//! ```text
//!   between messages  -- text or binary with FIN | ping or pong -----> between messages
//!   between messages  -- text or binary without FIN -----------------> between fragments
//!   between fragments -- continuation without FIN | ping or pong ----> between fragments
//!   between fragments -- continuation with FIN ----------------------> between messages
//!   between messages, between fragments -- a Close | a broken rule --> the end
//! ```
//!
//! The header of a frame decides, unless what is in the frame breaks a rule. All that moves on from one to
//! another is in this file; what is kept until the rest of a frame or message comes is in `partial.rs`.

pub use super::error::MessageError;

use super::close::Close;
use super::deflate::Inflater;
use super::form::Form;
use super::frame::{self, FrameHeader, Opcode};
use super::partial::{Partial, StartedMessage, event};

/// How much one message may take (RFC 6455 section 10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// The bytes of its payload, all fragments together.
    pub max_message_bytes: usize,
    /// The frames it comes in. Empty ones count: each costs us work and its sender nothing.
    pub max_fragments: u32,
}

impl MessageLimits {
    /// Checks that a frame fits behind `fragments` others of its message, with `bytes` together,
    /// before any of its payload is looked at, and returns its length. How many bytes a compressed
    /// one has will be seen when they come out.
    fn check(
        &self,
        header: &FrameHeader,
        is_compressed: bool,
        fragments: u32,
        bytes: usize,
    ) -> Result<usize, MessageError> {
        if fragments >= self.max_fragments {
            return Err(MessageError::TooManyFragments);
        }
        let left = self.max_message_bytes.saturating_sub(bytes);
        usize::try_from(header.length)
            .ok()
            .filter(|length| is_compressed || *length <= left)
            .ok_or(MessageError::TooBig)
    }
}

/// What a data message says about its payload (RFC 6455 section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The payload is valid UTF-8.
    Text,
    /// The payload is any bytes.
    Binary,
}

impl Kind {
    /// Text if it can be.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        // Most text is ASCII alone, and asking for just that takes half the time; where it is not,
        // the answer comes at its first block that is not.
        let is_text = payload.is_ascii() || str::from_utf8(payload).is_ok();
        if is_text { Self::Text } else { Self::Binary }
    }

    /// That of the first frame of such a message.
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// What a client sent: a whole message, or a control frame. Payloads are unmasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message, whole and within the limits.
    Message {
        /// Whether the payload was sent as text; then it was checked to be UTF-8.
        kind: Kind,
        /// All of its fragments' payloads in a row.
        payload: &'a [u8],
    },
    /// Answer it with a pong of the same payload (RFC 6455 section 5.5.2).
    Ping(&'a [u8]),
    /// The answer to a ping, or a sign of life that nobody asked for (RFC 6455 section 5.5.3).
    Pong(&'a [u8]),
    /// The peer's last frame. What follows it means nothing (RFC 6455 section 5.5.1): feed no more.
    Close(Option<Close<'a>>),
}

/// Turns the bytes of one client into events. See [`receive`](Self::receive), which is all of it.
#[derive(Debug, Default)]
pub struct Assembler {
    /// The box for what is incomplete. Nearly always there is none.
    partial: Option<Box<Partial>>,
}

impl Assembler {
    /// Takes bytes from the front of `bytes`, unmasking payloads in place, up to the end of the
    /// next event. The number says how many bytes were taken. `None`: all of them, and the next
    /// event needs more. `form` is what was agreed on, always the same one.
    ///
    /// Call it with what it did not take until it answers `None`, the last time perhaps with no
    /// bytes at all. An event may be lent from the assembler's own buffer, and the next call is
    /// what frees that; so behind a `None` nothing is kept but what is incomplete.
    ///
    /// ```
    /// # use barewire::websocket::form::Form;
    /// # use barewire::websocket::message::{Assembler, Event, Kind, MessageLimits};
    /// let limits = MessageLimits { max_message_bytes: 65_536, max_fragments: 1_000 };
    /// let mut assembler = Assembler::default();
    /// // A ping between the fragments "Hel" and "lo", masked with zeros to be readable.
    /// let mut chunk = *b"\x01\x83\0\0\0\0Hel\x89\x80\0\0\0\0\x80\x82\0\0\0\0lo";
    ///
    /// let mut rest = &mut chunk[..];
    /// let mut events = Vec::new();
    /// loop {
    ///     let (taken, event) = assembler.receive(rest, Form::Plain, &limits).unwrap();
    ///     let Some(event) = event else { break };
    ///     events.push(match event {
    ///         Event::Message { kind: Kind::Text, payload } => payload.escape_ascii().to_string(),
    ///         other => format!("{other:?}"),
    ///     });
    ///     rest = rest.split_off_mut(taken..).unwrap();
    /// }
    /// assert_eq!(events, ["Ping([])", "Hello"]);
    /// assert!(assembler.is_idle());
    /// ```
    ///
    /// # Errors
    /// The first rule that the bytes break, after every event before it was handed out. Close with
    /// [`MessageError::close_code`]; the assembler has lost its place, so feed it no more.
    /// Feed none after [`Event::Close`] either.
    pub fn receive<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        form: Form,
        limits: &MessageLimits,
    ) -> Result<(usize, Option<Event<'a>>), MessageError> {
        self.free_lent();
        let all = bytes.len();
        let mut rest = bytes;
        if self.partial.is_none()
            && let Some(event) = take_whole(&mut rest, form, limits)?
        {
            return Ok((all - rest.len(), Some(event)));
        }
        while !rest.is_empty() {
            self.step(&mut rest, form, limits).inspect_err(|_| self.partial = None)?;
            if self.partial.as_ref().is_some_and(|partial| partial.has_event()) {
                break;
            }
        }
        let event = self.partial.as_ref().map_or(Ok(None), |partial| partial.lend())?;
        Ok((all - rest.len(), event))
    }

    /// Whether it stands between two messages, with nothing incomplete and nothing on the heap.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Drops what the last event was lent from, and the box with it where nothing else is in it.
    fn free_lent(&mut self) {
        let Some(partial) = &mut self.partial else { return };
        partial.free_lent();
        if partial.is_empty() {
            self.partial = None;
        }
    }

    /// Takes one header, or more of one payload, into the box.
    fn step(
        &mut self,
        rest: &mut &mut [u8],
        form: Form,
        limits: &MessageLimits,
    ) -> Result<(), MessageError> {
        let partial = self.partial.get_or_insert_default();
        if partial.take(rest)? {
            return Ok(());
        }
        let Some(header) = partial.header.take(rest, form)? else { return Ok(()) };
        let length = allow(&header, partial.message.as_ref(), limits)?;
        let inflater = match form {
            Form::Plain => None,
            Form::Deflate(window) => {
                header.compressed.then(|| Inflater::new(window, limits.max_message_bytes))
            }
        };
        partial.enter(header, length, inflater);
        partial.take(rest).map(|_| ())
    }
}

/// Takes an event that lies whole in the bytes and in one frame, as nearly all do. `None`: nothing is
/// taken, for it is cut, compressed, a fragment, or not allowed, which the box finds out.
fn take_whole<'b>(
    rest: &mut &'b mut [u8],
    form: Form,
    limits: &MessageLimits,
) -> Result<Option<Event<'b>>, MessageError> {
    let Some((header, size)) = frame::decode(rest, form)? else { return Ok(None) };
    let is_alone = header.fin && !header.compressed && header.opcode != Opcode::Continuation;
    // A control frame over this limit is not whole here, but the box takes it.
    let allowed = limits.check(&header, false, 0, 0).ok().filter(|_| is_alone);
    let Some(length) = allowed else { return Ok(None) };
    let Some(frame) = rest.split_off_mut(..size.saturating_add(length)) else { return Ok(None) };
    let payload = frame.get_mut(size..).unwrap_or_default();
    let is_ascii = header.mask.apply(0, payload);
    if header.opcode == Opcode::Text && !is_ascii && str::from_utf8(payload).is_err() {
        return Err(MessageError::InvalidUtf8);
    }
    event(header.opcode, payload).map(Some)
}

/// Checks that a frame may come now, before any of its payload is looked at, and returns its length.
/// `message` is the one whose fragments have begun to come.
fn allow(
    header: &FrameHeader,
    message: Option<&StartedMessage>,
    limits: &MessageLimits,
) -> Result<usize, MessageError> {
    match (header.opcode, message) {
        // RFC 6455 section 5.5: between fragments, too. It is short, as decode has checked.
        (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {
            usize::try_from(header.length).map_err(|_| MessageError::LongControl)
        }
        (Opcode::Text | Opcode::Binary, None) => limits.check(header, header.compressed, 0, 0),
        (Opcode::Continuation, Some(message)) => {
            let (fragments, bytes) = (message.fragments, message.payload.len());
            limits.check(header, message.is_compressed(), fragments, bytes)
        }
        (Opcode::Continuation, None) => Err(MessageError::UnexpectedContinuation),
        // RFC 6455 section 5.4: "The fragments of one message MUST NOT be interleaved between
        // the fragments of another message".
        (Opcode::Text | Opcode::Binary, Some(_)) => Err(MessageError::ExpectedContinuation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::deflate::Agreement;
    use crate::websocket::extension;
    use crate::websocket::mask::Mask;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    const LIMITS: MessageLimits = MessageLimits { max_message_bytes: 70_000, max_fragments: 8 };
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// An event that outlives the bytes it was lent from.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Seen {
        Text(String),
        Binary(Vec<u8>),
        Ping(Vec<u8>),
        Pong(Vec<u8>),
        Close(Option<(u16, String)>),
        Failed(MessageError),
    }

    fn seen(event: Event<'_>) -> Seen {
        match event {
            Event::Message { kind: Kind::Text, payload } => {
                Seen::Text(String::from_utf8(payload.to_vec()).expect("text is checked"))
            }
            Event::Message { kind: Kind::Binary, payload } => Seen::Binary(payload.to_vec()),
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Close(close) => {
                Seen::Close(close.map(|close| (close.code.value(), close.reason.to_owned())))
            }
        }
    }

    /// Feeds one chunk as a caller does. `false`: a Close or an error came, feed no more.
    fn feed(
        assembler: &mut Assembler,
        chunk: &[u8],
        limits: &MessageLimits,
        all: &mut Vec<Seen>,
    ) -> bool {
        feed_as(Form::Plain, assembler, chunk, limits, all)
    }

    fn feed_as(
        form: Form,
        assembler: &mut Assembler,
        chunk: &[u8],
        limits: &MessageLimits,
        all: &mut Vec<Seen>,
    ) -> bool {
        let mut chunk = chunk.to_vec();
        let mut rest = &mut chunk[..];
        loop {
            match assembler.receive(rest, form, limits) {
                Err(error) => {
                    all.push(Seen::Failed(error));
                    return false;
                }
                Ok((taken, None)) => {
                    assert_eq!(taken, rest.len(), "None means that everything was taken");
                    return true;
                }
                Ok((taken, Some(event))) => {
                    assert!(taken > 0, "an event without a byte");
                    all.push(seen(event));
                    if let Some(Seen::Close(_)) = all.last() {
                        return false;
                    }
                    rest = &mut rest[taken..];
                }
            }
        }
    }

    fn receive_all<'c>(
        chunks: impl IntoIterator<Item = &'c [u8]>,
        limits: &MessageLimits,
    ) -> Vec<Seen> {
        receive_all_as(Form::Plain, chunks, limits)
    }

    fn receive_all_as<'c>(
        form: Form,
        chunks: impl IntoIterator<Item = &'c [u8]>,
        limits: &MessageLimits,
    ) -> Vec<Seen> {
        let (mut assembler, mut all) = (Assembler::default(), Vec::new());
        let mut feed = |chunk| feed_as(form, &mut assembler, chunk, limits, &mut all);
        let _open = chunks.into_iter().all(&mut feed);
        all
    }

    /// A client's frame. `first` is its whole first byte, so that illegal ones can be built too.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::encode(Opcode::Binary, payload, &mut bytes);
        let header = bytes.len() - payload.len();
        bytes[0] = first;
        bytes[1] |= 0x80;
        Mask(KEY).apply(0, &mut bytes[header..]);
        bytes.splice(header..header, KEY);
        bytes
    }

    fn frames(all: &[(u8, &[u8])]) -> Vec<u8> {
        all.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
    }

    /// Checks the events of `bytes` in one chunk, in single bytes and cut in two everywhere.
    fn assert_seen(bytes: &[u8], expected: &[Seen]) {
        let text = bytes[..bytes.len().min(80)].escape_ascii();
        assert_eq!(receive_all([bytes], &LIMITS), expected, "{text}");
        assert_eq!(receive_all(bytes.chunks(1), &LIMITS), expected, "{text} byte by byte");
        if bytes.len() < 1_000 {
            for cut in 0..=bytes.len() {
                let (left, right) = bytes.split_at(cut);
                assert_eq!(receive_all([left, right], &LIMITS), expected, "{text} cut at {cut}");
            }
        }
    }

    fn text(payload: &str) -> Seen {
        Seen::Text(payload.to_owned())
    }

    include!("../../tests/sources/diagram.rs");

    const MESSAGES: &str = "between messages";
    const FRAGMENTS: &str = "between fragments";
    const END: &str = "the end";

    /// The edges that the head of this file draws: from where, the cause, the first bytes of the frames
    /// that are it, and to where. Where there are none: all those that are nothing else.
    const EDGES: &[(&str, &str, &[u8], &str)] = &[
        (MESSAGES, "text or binary with FIN", &[0x81, 0x82], MESSAGES),
        (MESSAGES, "ping or pong", &[0x89, 0x8a], MESSAGES),
        (MESSAGES, "text or binary without FIN", &[0x01, 0x02], FRAGMENTS),
        (FRAGMENTS, "continuation without FIN", &[0x00], FRAGMENTS),
        (FRAGMENTS, "ping or pong", &[0x89, 0x8a], FRAGMENTS),
        (FRAGMENTS, "continuation with FIN", &[0x80], MESSAGES),
        (MESSAGES, "a Close", &[0x88], END),
        (FRAGMENTS, "a Close", &[0x88], END),
        (MESSAGES, "a broken rule", &[], END),
        (FRAGMENTS, "a broken rule", &[], END),
    ];

    #[test]
    fn walks_the_diagram_with_every_first_byte_of_a_frame() {
        for (from, first) in [MESSAGES, FRAGMENTS].into_iter().zip([&b""[..], &frame(0x01, b"")]) {
            for byte in 0..=u8::MAX {
                let edges = || EDGES.iter().filter(|edge| edge.0 == from);
                let named = edges().find(|(_, _, bytes, _)| bytes.contains(&byte));
                let (_, cause, _, to) =
                    named.or_else(|| edges().find(|edge| edge.2.is_empty())).unwrap();
                let (mut assembler, mut all) = (Assembler::default(), Vec::new());
                assert!(feed(&mut assembler, first, &LIMITS, &mut all));
                let goes_on = feed(&mut assembler, &frame(byte, b""), &LIMITS, &mut all);
                let is_between_messages = assembler.is_idle();
                let reached = match (goes_on, is_between_messages) {
                    (false, _) => END,
                    (true, true) => MESSAGES,
                    (true, false) => FRAGMENTS,
                };
                assert_eq!(reached, *to, "{from} -- {cause}: {byte:#x}");
                let is_error = matches!(all.last(), Some(Seen::Failed(_)));
                assert_eq!(is_error, *cause == "a broken rule", "{from}: {byte:#x}");
            }
        }
        let walked = EDGES.iter().map(|(from, cause, _, to)| (*from, *cause, *to));
        diagram::assert_drawn(include_str!("message.rs"), walked);
    }

    #[test]
    fn s5_7_the_masked_hello_is_a_message() {
        assert_seen(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[text("Hello")]);
        assert_seen(
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            &[Seen::Pong(b"Hello".to_vec())],
        );
    }

    #[test]
    fn s5_4_fragments_become_one_message() {
        assert_seen(&frames(&[(0x01, b"Hel"), (0x80, b"lo")]), &[text("Hello")]);
        assert_seen(
            &frames(&[(0x02, b"\xff"), (0x00, b""), (0x00, b"\0"), (0x80, b"")]),
            &[Seen::Binary(vec![0xff, 0])],
        );
        assert_seen(&frames(&[(0x01, b""), (0x00, b""), (0x80, b"")]), &[text("")]);
    }

    #[test]
    fn s5_4_control_frames_between_fragments_are_handed_out_at_once() {
        assert_seen(
            &frames(&[(0x01, b"Hel"), (0x89, b"?"), (0x8a, b""), (0x80, b"lo"), (0x82, b"")]),
            &[Seen::Ping(b"?".to_vec()), Seen::Pong(vec![]), text("Hello"), Seen::Binary(vec![])],
        );
    }

    #[test]
    fn s5_4_frames_out_of_order_are_refused() {
        use MessageError::{ExpectedContinuation, UnexpectedContinuation};
        for (order, expected) in [
            (&[(0x80, &b"lo"[..])][..], &[Seen::Failed(UnexpectedContinuation)][..]),
            (&[(0x00, b"")], &[Seen::Failed(UnexpectedContinuation)]),
            (&[(0x81, b"a"), (0x80, b"b")], &[text("a"), Seen::Failed(UnexpectedContinuation)]),
            (
                &[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")],
                &[text("ab"), Seen::Failed(UnexpectedContinuation)],
            ),
            (&[(0x01, b"a"), (0x81, b"b")], &[Seen::Failed(ExpectedContinuation)]),
            (&[(0x01, b"a"), (0x02, b"b")], &[Seen::Failed(ExpectedContinuation)]),
        ] {
            assert_seen(&frames(order), expected);
        }
    }

    #[test]
    fn s5_5_1_close_ends_the_events() {
        assert_seen(
            &frames(&[(0x01, b"unfinished"), (0x88, b"\x03\xe9bye"), (0x83, b"nonsense")]),
            &[Seen::Close(Some((1001, "bye".to_owned())))],
        );
        assert_seen(&frames(&[(0x88, b"")]), &[Seen::Close(None)]);
        for (body, error) in [
            (&b"\x03"[..], MessageError::CloseOneByte),
            (b"\x03\xed", MessageError::CloseCode(1005)),
            (b"\x03\xe8\xc3", MessageError::CloseReason),
        ] {
            assert_seen(&frame(0x88, body), &[Seen::Failed(error)]);
        }
    }

    #[test]
    fn s5_5_a_control_frame_of_125_bytes_is_taken() {
        let payload = [b'x'; 125];
        assert_seen(&frame(0x89, &payload), &[Seen::Ping(payload.to_vec())]);
        let too_long = MessageError::LongControl;
        assert_seen(&frame(0x89, &[b'x'; 126]), &[Seen::Failed(too_long)]);
    }

    #[test]
    fn s5_2_every_length_form_carries_a_message() {
        for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; length];
            assert_seen(&frame(0x82, &payload), &[Seen::Binary(payload)]);
        }
    }

    #[test]
    fn s8_1_a_bad_byte_fails_before_the_rest_of_its_frame_comes() {
        // Autobahn 6.4.3: the byte fails when it arrives, in the middle of a frame.
        let whole = frame(0x81, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90edited");
        let bad = 6 + 12;
        let invalid = [Seen::Failed(MessageError::InvalidUtf8)];
        assert_seen(&whole[..bad], &[]);
        assert_seen(&whole[..=bad], &invalid);
        assert_seen(&whole, &invalid);
        // Autobahn 6.4.1: the same in a later fragment.
        let fragmented = frames(&[(0x01, b"good"), (0x00, b"\xed\xa0"), (0x80, b"")]);
        assert_seen(&fragmented, &invalid);
    }

    #[test]
    fn s8_1_a_character_is_cut_by_fragments_but_not_by_the_end() {
        let invalid = [Seen::Failed(MessageError::InvalidUtf8)];
        let cut = frames(&[(0x01, b"\xe2"), (0x89, b"\xff"), (0x00, b"\x82"), (0x80, b"\xac")]);
        assert_seen(&cut, &[Seen::Ping(vec![0xff]), text("€")]);
        assert_seen(&frame(0x81, b"\xe2\x82"), &invalid);
        assert_seen(&frames(&[(0x01, b"\xe2\x82"), (0x80, b"")]), &invalid);
        assert_seen(&frame(0x82, b"\xe2\x82"), &[Seen::Binary(vec![0xe2, 0x82])]);
    }

    #[test]
    fn s10_4_a_message_over_the_limit_fails_at_its_header() {
        let too_big = [Seen::Failed(MessageError::TooBig)];
        let header = |bytes: Vec<u8>, payload: usize| bytes[..bytes.len() - payload].to_vec();
        assert_seen(&header(frame(0x82, &[0; 70_001]), 70_001), &too_big);
        assert_seen(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", &too_big);
        let second = header(frame(0x80, &[0; 69_901]), 69_901);
        assert_seen(&[frame(0x02, &[0; 100]), second].concat(), &too_big);
        let second = frame(0x80, &[0; 69_900]);
        assert_seen(&[frame(0x02, &[0; 100]), second].concat(), &[Seen::Binary(vec![0; 70_000])]);
        // Added to what has come, none of these becomes less than the limit.
        for length in [1 << 32, 1 << 62, i64::MAX - 100, i64::MAX - 99, i64::MAX] {
            let second = [&b"\x80\xff"[..], &length.to_be_bytes(), &KEY].concat();
            assert_seen(&[frame(0x02, &[0; 100]), second].concat(), &too_big);
        }
    }

    #[test]
    fn s5_5_a_control_frame_is_no_message_and_may_be_longer_than_one() {
        let limits = MessageLimits { max_message_bytes: 10, max_fragments: 1 };
        let ping = frame(0x89, &[b'!'; 125]);
        assert_eq!(receive_all([&ping[..]], &limits), [Seen::Ping(vec![b'!'; 125])]);
    }

    #[test]
    fn s10_4_too_many_fragments_fail_even_if_they_are_empty() {
        let empty = |count: usize| [frame(0x01, b""), frame(0x00, b"").repeat(count - 1)].concat();
        let most = [empty(7), frame(0x80, b"")].concat();
        assert_seen(&most.repeat(2), &[text(""), text("")]);
        assert_seen(&empty(8), &[]);
        assert_seen(&empty(9), &[Seen::Failed(MessageError::TooManyFragments)]);
        // Control frames between them are none of them.
        let pings = [empty(7), frame(0x89, b"").repeat(20), frame(0x80, b"")].concat();
        assert_eq!(receive_all([&pings[..]], &LIMITS).last(), Some(&text("")));
    }

    #[test]
    fn a_whole_frame_between_messages_is_lent_from_the_bytes_it_came_in() {
        let mut bytes = frames(&[(0x81, b"Hello"), (0x89, b"ping")]);
        let (first, second) = (bytes[6..].as_ptr(), bytes[17..].as_ptr());
        let mut assembler = Assembler::default();
        let (taken, event) = assembler.receive(&mut bytes, Form::Plain, &LIMITS).unwrap();
        let Some(Event::Message { payload, .. }) = event else { panic!("{event:?}") };
        assert_eq!((taken, payload.as_ptr(), payload), (11, first, &b"Hello"[..]));
        assert!(assembler.is_idle());
        let (taken, event) = assembler.receive(&mut bytes[11..], Form::Plain, &LIMITS).unwrap();
        let Some(Event::Ping(payload)) = event else { panic!("{event:?}") };
        assert_eq!((taken, payload.as_ptr(), payload), (10, second, &b"ping"[..]));
        assert!(assembler.is_idle());
    }

    /// What a client has agreed on that asks for compression: nothing, in a build without it.
    fn compressed() -> Form {
        let offers = extension::offers([&b"permessage-deflate"[..]].into_iter()).unwrap();
        Agreement::negotiate(&offers).map_or(Form::Plain, Agreement::form)
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn s7692_6_rsv1_is_for_the_first_frame_of_a_compressed_message() {
        const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        let failed = |error| vec![Seen::Failed(error)];
        for (sequence, expected) in [
            (frames(&[(0xc1, HELLO)]), vec![Seen::Text("Hello".to_owned())]),
            (frames(&[(0xc2, HELLO)]), vec![Seen::Binary(b"Hello".to_vec())]),
            (frames(&[(0x81, b"Hello")]), vec![Seen::Text("Hello".to_owned())]),
            (
                frames(&[(0x41, &HELLO[..3]), (0x89, b"?"), (0x00, b""), (0x80, &HELLO[3..])]),
                vec![Seen::Ping(b"?".to_vec()), Seen::Text("Hello".to_owned())],
            ),
            (frames(&[(0xc1, b"\x00"), (0xc1, b"\x00")]), vec![Seen::Text(String::new()); 2]),
            (frames(&[(0x41, HELLO), (0xc0, b"\x00")]), failed(MessageError::CompressedBit)),
            (frames(&[(0x01, b"Hel"), (0xc0, b"lo")]), failed(MessageError::CompressedBit)),
            (frames(&[(0xc9, b"?")]), failed(MessageError::CompressedBit)),
            (frames(&[(0xc8, b"")]), failed(MessageError::CompressedBit)),
            (frames(&[(0x49, b"?")]), failed(MessageError::FragmentedControl)),
            (frames(&[(0xc3, b"")]), failed(MessageError::ReservedOpcode)),
            (frames(&[(0xa1, HELLO)]), failed(MessageError::ReservedBits)),
            (frames(&[(0xd1, HELLO)]), failed(MessageError::ReservedBits)),
            (frames(&[(0xc1, b"")]), failed(MessageError::InvalidDeflate)),
            // Blocks without compression hold an impossible byte, and a half of a character.
            (frames(&[(0xc1, b"\0\x01\0\xfe\xff\xff")]), failed(MessageError::InvalidUtf8)),
            (frames(&[(0xc1, b"\0\x01\0\xfe\xff\xc3\0")]), failed(MessageError::InvalidUtf8)),
            // A block without compression that takes the tail for its data, and what then follows.
            (frames(&[(0xc1, b"\0\x03\0\xfc\xff")]), failed(MessageError::InvalidUtf8)),
            // The impossible byte stood before what is no DEFLATE data.
            (frames(&[(0xc1, b"\0\x01\0\xfe\xff\xff\x06")]), failed(MessageError::InvalidUtf8)),
        ] {
            let all = receive_all_as(compressed(), [&sequence[..]], &LIMITS);
            assert_eq!(all, expected, "{}", sequence.escape_ascii());
            for cut in 0..=sequence.len() {
                let (left, right) = sequence.split_at(cut);
                let all = receive_all_as(compressed(), [left, right], &LIMITS);
                assert_eq!(all, expected, "{} cut at {cut}", sequence.escape_ascii());
            }
        }
    }

    #[test]
    fn s5_2_rsv1_has_no_meaning_that_was_not_agreed_on() {
        let all = receive_all([&frame(0xc1, b"\x00")[..]], &LIMITS);
        assert_eq!(all, [Seen::Failed(MessageError::ReservedBits)]);
        let first_byte = receive_all([&[0xc1][..]], &LIMITS);
        assert_eq!(first_byte, [Seen::Failed(MessageError::ReservedBits)]);
    }

    #[test]
    fn nothing_is_on_the_heap_between_messages() {
        assert!(size_of::<Assembler>() <= 16);
        for sequence in [
            frames(&[(0x81, b"Hello")]),
            frames(&[(0x01, b"Hel"), (0x80, b"lo")]),
            frames(&[(0x89, b"ping")]),
            frames(&[(0x01, b""), (0x89, b"ping"), (0x80, b"")]),
        ] {
            for cut in 0..=sequence.len() {
                let (mut assembler, mut all) = (Assembler::default(), Vec::new());
                assert!(feed(&mut assembler, &sequence[..cut], &LIMITS, &mut all));
                let complete = cut == 0 || cut == sequence.len();
                assert_eq!(assembler.is_idle(), complete, "cut at {cut}");
                assert!(feed(&mut assembler, &sequence[cut..], &LIMITS, &mut all));
                assert!(assembler.is_idle(), "after all, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        let (mut assembler, mut all) = (Assembler::default(), Vec::new());
        assert!(feed(&mut assembler, &frame(0x82, &[7; 70_000])[..15], &LIMITS, &mut all));
        let message = assembler.partial.as_ref().and_then(|partial| partial.message.as_ref());
        assert!(message.unwrap().payload.capacity() < 100);
        assert!(size_of::<Partial>() <= 288);
    }

    /// The same rules written with everything in hand and no thought of speed: what `bytes` mean.
    fn model(bytes: &[u8], limits: &MessageLimits) -> Vec<Seen> {
        let mut all = Vec::new();
        if let Err(error) = model_events(bytes, limits, &mut all) {
            all.push(Seen::Failed(error));
        }
        all
    }

    fn model_events(
        mut bytes: &[u8],
        limits: &MessageLimits,
        all: &mut Vec<Seen>,
    ) -> Result<(), MessageError> {
        let mut open: Option<(Opcode, Vec<u8>, u32)> = None;
        while let Some((header, size)) = frame::decode(bytes, Form::Plain)? {
            let length = usize::try_from(header.length).unwrap();
            let end = length.saturating_add(size).min(bytes.len());
            let payload: Vec<u8> =
                (size..end).map(|i| bytes[i] ^ header.mask.0[(i - size) % 4]).collect();
            let whole = payload.len() == length;
            bytes = &bytes[end..];
            if header.opcode.is_control() && !whole {
                return Ok(());
            }
            let (opcode, mut message, count) = match (header.opcode, open.take()) {
                (Opcode::Ping, before) => {
                    all.push(Seen::Ping(payload));
                    open = before;
                    continue;
                }
                (Opcode::Pong, before) => {
                    all.push(Seen::Pong(payload));
                    open = before;
                    continue;
                }
                (Opcode::Close, _) => {
                    all.push(seen(Event::Close(Close::decode(&payload)?)));
                    return Ok(());
                }
                (Opcode::Continuation, Some(begun)) => begun,
                (Opcode::Continuation, None) => return Err(MessageError::UnexpectedContinuation),
                (Opcode::Text | Opcode::Binary, Some(_)) => {
                    return Err(MessageError::ExpectedContinuation);
                }
                (first @ (Opcode::Text | Opcode::Binary), None) => (first, Vec::new(), 0),
            };
            if count == limits.max_fragments {
                return Err(MessageError::TooManyFragments);
            }
            if message.len().saturating_add(length) > limits.max_message_bytes {
                return Err(MessageError::TooBig);
            }
            message.extend(payload);
            let done = whole && header.fin;
            if opcode == Opcode::Text
                && let Err(error) = std::str::from_utf8(&message)
                && (done || error.error_len().is_some())
            {
                return Err(MessageError::InvalidUtf8);
            }
            if !done {
                open = Some((opcode, message, count + 1));
            } else if opcode == Opcode::Text {
                all.push(Seen::Text(String::from_utf8(message).unwrap()));
            } else {
                all.push(Seen::Binary(message));
            }
        }
        Ok(())
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            2 => Just(b"\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec()), // "Hello", compressed
            6 => "\\PC{0,30}".prop_map(String::into_bytes),
            2 => "[é€🦐]{0,3}".prop_map(|text| text.bytes().take(5).collect::<Vec<_>>()),
            2 => prop::collection::vec(any::<u8>(), 0..6),
            1 => (100..400_usize).prop_map(|length| vec![b'x'; length]),
        ]
    }

    /// One frame, mostly legal.
    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![
            9 => select(&[0x01_u8, 0x02, 0x00, 0x00, 0x80, 0x80, 0x81, 0x82][..]),
            1 => select(&[0xc1_u8, 0xc2, 0x41, 0x42][..]),
            4 => select(&[0x89_u8, 0x8a][..]),
            1 => Just(0x88),
        ];
        let close = (select(&[1000_u16, 1001, 1005, 3000, 4999][..]), "\\PC{0,9}")
            .prop_map(|(code, why)| [&code.to_be_bytes(), why.as_bytes()].concat());
        prop_oneof![
            20 => (first, payload()).prop_map(|(first, payload)| frame(first, &payload)),
            2 => close.prop_map(|body| frame(0x88, &body)),
            1 => (any::<u8>(), payload()).prop_map(|(first, payload)| frame(first, &payload)),
            1 => prop::collection::vec(any::<u8>(), 0..16),
        ]
    }

    /// A message in fragments with control frames between, so that long legal runs are common.
    fn fragmented() -> impl Strategy<Value = Vec<u8>> {
        (select(&[1_u8, 2][..]), "[a-zé€🦐]{0,20}", prop::collection::vec(any::<Index>(), 0..7))
            .prop_map(|(opcode, text, cuts)| {
                let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
                cuts.sort_unstable();
                let (mut bytes, mut start) = (Vec::new(), 0);
                for (i, cut) in cuts.into_iter().enumerate() {
                    let first = if i == 0 { opcode } else { 0 };
                    bytes.extend(frame(first, &text.as_bytes()[start..cut]));
                    bytes.extend(frame(0x89, b"between"));
                    start = cut;
                }
                let last = if bytes.is_empty() { opcode } else { 0 };
                bytes.extend(frame(last | 0x80, &text.as_bytes()[start..]));
                bytes
            })
    }

    fn conversation() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![2 => any_frame(), 1 => fragmented()];
        (prop::collection::vec(part, 1..8), any::<Index>()).prop_map(|(parts, end)| {
            let mut bytes = parts.concat();
            // Half of them break off somewhere.
            bytes.truncate(end.index(2 * bytes.len() + 1));
            bytes
        })
    }

    proptest! {
        /// The law: cutting the byte stream anywhere changes nothing.
        #[test]
        fn cuts_change_nothing(
            bytes in conversation(), cuts in prop::collection::vec(any::<Index>(), 0..9),
        ) {
            let limits = MessageLimits { max_message_bytes: 300, max_fragments: 5 };
            let expected = model(&bytes, &limits);
            prop_assert_eq!(&receive_all([&bytes[..]], &limits), &expected);
            prop_assert_eq!(&receive_all(bytes.chunks(1), &limits), &expected);
            for cut in 0..=bytes.len() {
                let (left, right) = bytes.split_at(cut);
                prop_assert_eq!(&receive_all([left, right], &limits), &expected, "at {}", cut);
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let chunks = starts.zip(ends).map(|(start, end)| &bytes[start..end]);
            prop_assert_eq!(&receive_all(chunks, &limits), &expected);
        }

        /// The law once more, for who may compress; whatever else comes, too.
        #[test]
        fn cuts_change_nothing_for_who_may_compress(
            bytes in conversation(), cuts in prop::collection::vec(any::<Index>(), 0..9),
        ) {
            let limits = MessageLimits { max_message_bytes: 300, max_fragments: 5 };
            let expected = receive_all_as(compressed(), [&bytes[..]], &limits);
            prop_assert_eq!(&receive_all_as(compressed(), bytes.chunks(1), &limits), &expected);
            for cut in cuts {
                let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
                prop_assert_eq!(&receive_all_as(compressed(), [left, right], &limits), &expected);
            }
        }

        /// The contract asks nobody to do this; a caller that does gets nonsense, and no panic.
        #[test]
        fn feeding_on_after_an_error_or_a_close_is_harmless(
            chunks in prop::collection::vec(any_frame(), 0..9), cut: Index,
        ) {
            let mut assembler = Assembler::default();
            for mut chunk in chunks {
                let end = cut.index(chunk.len() + 1);
                let mut rest = &mut chunk[..end];
                while let Ok((taken, Some(_))) = assembler.receive(rest, Form::Plain, &LIMITS) {
                    prop_assert!((1..=rest.len()).contains(&taken));
                    rest = &mut rest[taken..];
                }
            }
        }
    }
}
