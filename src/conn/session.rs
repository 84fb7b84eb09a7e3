//! The WebSocket half of a connection: frames come in, and what one client alone is sent goes out.
//!
//! What to notice:
//! * Only our own Close waits for something: we read on for the peer's (`Closing`). Behind the answer to
//!   the peer's, a broken rule or long silence, the TCP connection ends at once.
//! * Any byte is a sign of life, half a frame too. It costs no timer: the deadline is computed from the
//!   last byte when somebody asks for it.
//! * What a subscriber sends is checked like any other message before it is dropped: who breaks a rule is
//!   closed, though nobody would have read it.

use std::time::Duration;

use super::outbox::Outbox;
use super::{Linger, State};
use crate::now::Now;
use crate::site::Site;
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::form::Form;
use crate::websocket::frame::{self, MAX_HEADER_BYTES, Opcode};
use crate::websocket::message::{Assembler, Event, MessageError};

/// RFC 6455 section 5.5.2 leaves a ping's payload to its sender. An empty one would put a NUL byte
/// on the wire, at which curl gives up on a terminal; the newline has curl show it at once.
const PING: &[u8] = b"ping\n";

/// What a WebSocket was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Every message goes back to its sender.
    Echo,
    /// It is sent the messages of its channels; its own are checked, counted and dropped.
    Channels,
}

/// An open WebSocket.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) purpose: Purpose,
    pub(super) form: Form,
    assembler: Assembler,
    /// What its deadline counts from: the last byte that came, or the ping that went out since.
    counted_from: Duration,
    is_pinged: bool,
}

/// A WebSocket whose Close we have sent and whose peer's Close is still to come.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) form: Form,
    assembler: Assembler,
    pub(super) deadline: Duration,
}

impl Open {
    pub(super) fn new(purpose: Purpose, form: Form, now: Now) -> Self {
        Self {
            purpose,
            form,
            assembler: Assembler::default(),
            counted_from: now.since_start,
            is_pinged: false,
        }
    }

    /// Takes everything that was read, and answers all of it at once. That is no more than was read, or
    /// than it inflates to, or than the message that it completes; and nothing more is read while the
    /// output stands above its mark. `None`: it stays open.
    pub(super) fn receive(
        &mut self,
        bytes: &mut [u8],
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> Option<State> {
        self.counted_from = now.since_start;
        self.is_pinged = false;
        let mut rest = bytes;
        loop {
            let unread = rest.len();
            let (taken, event) = match self.assembler.receive(rest, self.form, &site.messages) {
                Ok((taken, Some(event))) => (taken, event),
                Ok((_, None)) => return None,
                Err(error) => return Some(fail(error, site, outbox, now)),
            };
            match event {
                Event::Message { kind, payload } => {
                    site.metrics.client_messages.add_one();
                    site.metrics.client_message_bytes.add(payload.len());
                    match self.purpose {
                        Purpose::Echo => {
                            // Once for all echoes of this read: without masks they are shorter than what
                            // is unread. And `encode` asks for the longest header, whatever the length.
                            let end = outbox.end_with_room(unread + MAX_HEADER_BYTES, site);
                            site.encoder.borrow_mut().encode(self.form, kind, payload, end);
                        }
                        Purpose::Channels => note_dropped(site, now),
                    }
                }
                // RFC 6455 section 5.5.3: a pong has the ping's own payload.
                Event::Ping(payload) => frame::encode(Opcode::Pong, payload, outbox.end()),
                Event::Pong(_) => {}
                Event::Close(close) => return Some(answer_close(close, site, outbox, now)),
            }
            rest = rest.split_at_mut_checked(taken).map_or(&mut [], |(_, rest)| rest);
        }
    }

    /// We end it: Close goes out, and the peer's is waited for (RFC 6455 section 7.1.2).
    pub(super) fn close(
        self,
        close: Close<'_>,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> State {
        site.metrics.closes.add_one(close.code.value());
        close.encode(outbox.end());
        let deadline = now.since_start + site.limits.close_handshake;
        State::Closing(Closing { form: self.form, assembler: self.assembler, deadline })
    }

    pub(super) fn deadline(&self, site: &Site) -> Duration {
        let patience =
            if self.is_pinged { site.idle_timeout.saturating_sub(site.ping) } else { site.ping };
        self.counted_from + patience
    }

    /// The peer was silent: ask whether it is there, and after that, believe that it is not.
    pub(super) fn on_deadline(mut self, site: &Site, outbox: &mut Outbox, now: Now) -> State {
        if self.is_pinged {
            // Nobody waits for the Close of a peer that has said nothing for so long: it sees the end
            // at once, which is also what ends a curl that answers no ping.
            let close = Close { code: CloseCode::GOING_AWAY, reason: "idle" };
            site.metrics.closes.add_one(close.code.value());
            close.encode(outbox.end());
            return State::Linger(Linger::new(&site.limits, now));
        }
        frame::encode(Opcode::Ping, PING, outbox.end());
        // Counted from the ping and not from the last byte: if the process was stopped for a while,
        // the ping goes out late, and its answer still has all its time.
        self.counted_from = now.since_start;
        self.is_pinged = true;
        State::Open(self)
    }
}

impl Closing {
    /// RFC 6455 section 1.4: who has our Close discards what follows, so whatever comes before the
    /// peer's is read past: nothing is answered, a ping neither.
    pub(super) fn receive(mut self, bytes: &mut [u8], site: &Site, now: Now) -> State {
        let mut rest = bytes;
        loop {
            let taken = match self.assembler.receive(rest, self.form, &site.messages) {
                Ok((_, Some(Event::Close(_)))) | Err(_) => {
                    return State::Linger(Linger::new(&site.limits, now));
                }
                Ok((taken, Some(Event::Message { .. } | Event::Ping(_) | Event::Pong(_)))) => taken,
                Ok((_, None)) => return State::Closing(self),
            };
            rest = rest.split_at_mut_checked(taken).map_or(&mut [], |(_, rest)| rest);
        }
    }
}

fn note_dropped(site: &Site, now: Now) {
    let what =
        format_args!("dropped a message that a subscriber sent: publishing is POST /publish");
    site.quiet.borrow_mut().say(log::Level::Info, "dropped", what, now);
}

/// RFC 6455 section 5.5.1: a Close is answered by a Close, usually with the same code. Then it is
/// the server that closes the TCP connection (section 7.1.1), so that TIME_WAIT stays with it.
fn answer_close(close: Option<Close<'_>>, site: &Site, outbox: &mut Outbox, now: Now) -> State {
    site.metrics.client_closes.add_one(close.map_or(CloseCode::NONE, |close| close.code.value()));
    match close {
        Some(Close { code, .. }) => Close { code, reason: "" }.encode(outbox.end()),
        None => Close::encode_empty(outbox.end()),
    }
    State::Linger(Linger::new(&site.limits, now))
}

/// RFC 6455 section 7.1.7: say why, and read nothing more as frames.
fn fail(error: MessageError, site: &Site, outbox: &mut Outbox, now: Now) -> State {
    let (code, reason) = (error.close_code(), error.to_string());
    site.metrics.closes.add_one(code.value());
    Close { code, reason: &reason }.encode(outbox.end());
    State::Linger(Linger::new(&site.limits, now))
}
