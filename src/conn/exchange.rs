//! The HTTP half of a connection: a head comes in, an answer goes out, and again.
//!
//! What to notice:
//! * A head that lies whole in what was read is parsed there. Only what the network cut is copied, and
//!   only until it is complete.
//! * Whoever pipelines and does not read is stopped by the answers: above a mark of unwritten output the
//!   next requests are kept unread, and `Conn::wrote` goes on with them.
//! * Only a 200 keeps the connection. Behind any other answer may stand a body that nobody took, and to
//!   read that as a request is how requests are smuggled.

use std::borrow::Cow;
use std::time::Duration;

use super::outbox::Outbox;
use super::posting::Posting;
use super::session::{Open, Purpose};
use super::waiting::Waiting;
use super::{Event, Linger, State};
use crate::http::{self, Delivery, Head, Method, Response, Scan, Status};
use crate::limits::Limits;
use crate::now::Now;
use crate::site::{Decision, Entrance, Site, unavailable};

/// A request that is being read.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What has arrived of an incomplete head. Most heads arrive whole and never stand here.
    inbox: Vec<u8>,
    scan: Scan,
    /// Requests that came while earlier answers stood above the mark, not looked at yet. The inbox is
    /// empty then: the output only shrinks until a head is answered, so one that was begun below the mark
    /// is read to its end below it.
    backed_up: Vec<u8>,
    entrance: Entrance,
    /// Requests answered on this connection so far.
    answered: u32,
    /// The head must be complete by then, however slowly it drips.
    pub(super) deadline: Duration,
}

impl Exchange {
    pub(super) fn new(entrance: Entrance, limits: &Limits, now: Now) -> Self {
        Self {
            inbox: Vec::new(),
            scan: Scan::default(),
            backed_up: Vec::new(),
            entrance,
            answered: 0,
            deadline: now.since_start + limits.handshake,
        }
    }

    /// Takes bytes of a head, and says how many: what is behind a complete one is the next state's.
    pub(super) fn receive(
        mut self: Box<Self>,
        bytes: &[u8],
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> (State, usize) {
        if outbox.len() >= site.limits.outbox_mark_bytes {
            // The client pipelines and does not read. This was read from its socket already; the
            // loop reads no more of it until the answers are out.
            self.backed_up.extend_from_slice(bytes);
            return (State::Head(self), bytes.len());
        }
        let mut inbox = std::mem::take(&mut self.inbox);
        let kept = inbox.len();
        let so_far = if kept == 0 {
            Cow::Borrowed(bytes)
        } else {
            inbox.extend_from_slice(bytes);
            Cow::Owned(inbox)
        };
        match http::parse(&so_far, &mut self.scan, &site.limits.head) {
            Ok(None) => {
                self.inbox = so_far.into_owned();
                (State::Head(self), bytes.len())
            }
            Ok(Some((head, length))) => {
                // The length counts from where the head began: the kept bytes were taken before.
                let taken = length.saturating_sub(kept);
                let delivery = self.delivery(&head, site);
                let decision = site.decide(&head, self.entrance, now);
                (self.act_on(decision, delivery, site, outbox, now), taken)
            }
            Err(error) => {
                // Where a broken head ends nobody can say: all is taken, nothing read as the next.
                let answer = Response::text(error.status(), error.to_string());
                let delivery =
                    Delivery { head_only: http::asks_for_head_only(&so_far), close: true };
                (self.answer(&answer, delivery, site, outbox, now), bytes.len())
            }
        }
    }

    fn act_on(
        self: Box<Self>,
        decision: Decision,
        delivery: Delivery,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> State {
        match decision {
            Decision::Answer(answer) => self.answer(&answer, delivery, site, outbox, now),
            Decision::Echo(accepted) => {
                accepted.encode(outbox.end());
                State::Open(Open::new(Purpose::Echo, accepted.form(), now))
            }
            Decision::Subscribe(accepted, channels) => {
                State::Waiting(Box::new(Waiting::for_channels(accepted, channels, self.deadline)))
            }
            Decision::Publish(channel, body, expects_continue) => {
                if expects_continue {
                    outbox.end().extend_from_slice(http::CONTINUE);
                }
                let posting = Box::new(Posting::new(self, channel, body, delivery, site, now));
                // Even of no bytes: a body may be complete before its first one.
                posting.receive(&[], site, outbox, now).0
            }
            Decision::Ask(question) => State::Waiting(Box::new(Waiting::for_answer(
                self,
                Event::Asks(question),
                delivery,
                site,
                now,
            ))),
        }
    }

    /// How this request is answered.
    fn delivery(&self, head: &Head<'_>, site: &Site) -> Delivery {
        let close = !head.keep_alive || self.answered + 1 >= site.limits.requests;
        Delivery { head_only: head.method == Method::Head, close }
    }

    /// Answers a request, and goes on to the next one unless the connection ends with this answer.
    pub(super) fn answer(
        &self,
        answer: &Response,
        delivery: Delivery,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> State {
        // Behind a refusal there may be a body that was not read: what comes next on this
        // connection is not to be taken for a request.
        let close = delivery.close || answer.status != Status::Ok;
        answer.encode(Delivery { close, ..delivery }, now.unix, outbox.end());
        if close {
            return State::Linger(Linger::new(&site.limits, now));
        }
        let mut next = Self::new(self.entrance, &site.limits, now);
        next.answered = self.answered + 1;
        State::Head(Box::new(next))
    }

    pub(super) fn is_backed_up(&self) -> bool {
        !self.backed_up.is_empty()
    }

    /// The requests that were put off, to be received again.
    pub(super) fn take_backed_up(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.backed_up)
    }

    /// RFC 9110 section 15.5.9: a head that was begun and not finished in time gets 408. Where none is
    /// half read, nobody needs the connection, or requests wait because nobody reads the answers: it is
    /// closed in silence, behind what it has not read yet.
    pub(super) fn too_slow(&self, site: &Site, outbox: &mut Outbox, now: Now) -> State {
        if self.inbox.is_empty() {
            let linger = State::Linger(Linger::new(&site.limits, now));
            return if outbox.is_empty() { State::Done } else { linger };
        }
        let seconds = site.limits.handshake.as_secs();
        let text = format!("the request took longer than {seconds} seconds to arrive");
        self.refuse(&Response::text(Status::RequestTimeout, text), site, outbox, now)
    }

    /// We end it. Who is between two requests gets what was answered, and the end.
    pub(super) fn close(&self, reason: &str, site: &Site, outbox: &mut Outbox, now: Now) -> State {
        if self.inbox.is_empty() && !self.is_backed_up() {
            return State::Linger(Linger::new(&site.limits, now));
        }
        self.refuse(&unavailable(reason), site, outbox, now)
    }

    /// The last answer of this connection, to a request of which only a part has come, or none.
    pub(super) fn refuse(
        &self,
        answer: &Response,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> State {
        let unanswered = if self.is_backed_up() { &self.backed_up } else { &self.inbox };
        let delivery = Delivery { head_only: http::asks_for_head_only(unanswered), close: true };
        self.answer(answer, delivery, site, outbox, now)
    }
}

/// The last answer of this connection, with its body: the request was no HEAD.
pub(super) fn end_with(answer: &Response, site: &Site, outbox: &mut Outbox, now: Now) -> State {
    answer.encode(Delivery { head_only: false, close: true }, now.unix, outbox.end());
    State::Linger(Linger::new(&site.limits, now))
}
