//! A request that waits for the rest of the process: for its channels to be live, or for an answer.
//!
//! What to notice:
//! * Two kinds wait here, and they end in different ways. A wish for channels goes with the client that had
//!   it; a publish may have been passed on, so neither the end of the input nor our own leaving ends it.
//! * What the client sends meanwhile is kept and not looked at: frames or a request, the answer decides.
//! * Nothing is read before the loop has fetched the event. Else the end of the input would withdraw a wish
//!   that might have been granted at once, and the network's cuts would decide which of the two came first.

use std::time::Duration;

use super::exchange::{Exchange, end_with};
use super::outbox::Outbox;
use super::session::{Open, Purpose};
use super::{Event, State};
use crate::channel::Channel;
use crate::http::{Delivery, Response};
use crate::now::Now;
use crate::site::{Site, unavailable};
use crate::upgrade::Accepted;

/// What is needed to answer when the answer is known.
#[derive(Debug)]
pub(super) struct Waiting {
    request: Request,
    /// What is asked of the process, until the loop fetches it.
    event: Option<Event>,
    /// What the client sent behind its request, frames most likely: kept, not lost.
    inbox: Vec<u8>,
    pub(super) deadline: Duration,
}

#[derive(Debug)]
enum Request {
    /// It becomes a WebSocket.
    Upgrade(Accepted),
    /// It gets an answer, and its connection goes on.
    Plain(Box<Exchange>, Delivery),
}

impl Waiting {
    pub(super) fn for_channels(
        accepted: Accepted,
        channels: Vec<Channel>,
        deadline: Duration,
    ) -> Self {
        let request = Request::Upgrade(accepted);
        Self { request, event: Some(Event::Wants(channels)), inbox: Vec::new(), deadline }
    }

    pub(super) fn for_answer(
        exchange: Box<Exchange>,
        event: Event,
        delivery: Delivery,
        site: &Site,
        now: Now,
    ) -> Self {
        let request = Request::Plain(exchange, delivery);
        let deadline = now.since_start + site.limits.handshake;
        Self { request, event: Some(event), inbox: Vec::new(), deadline }
    }

    pub(super) fn take_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    pub(super) fn receive(mut self: Box<Self>, bytes: &[u8]) -> State {
        self.inbox.extend_from_slice(bytes);
        State::Waiting(self)
    }

    /// Not before the loop has been asked. Then as much as a head may have, and not more, is kept; one
    /// read may go over it.
    pub(super) fn wants_input(&self, site: &Site) -> bool {
        self.event.is_none() && self.inbox.len() < site.limits.head.head_bytes
    }

    pub(super) fn is_for_channels(&self) -> bool {
        matches!(self.request, Request::Upgrade(_))
    }

    /// The 101, and what the client has sent meanwhile. Who does not wait for channels waits on.
    pub(super) fn admit(
        self: Box<Self>,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> (State, Vec<u8>) {
        let Request::Upgrade(accepted) = &self.request else {
            return (State::Waiting(self), Vec::new());
        };
        site.metrics.handshakes.add_one(Accepted::STATUS);
        accepted.encode(outbox.end());
        (State::Open(Open::new(Purpose::Channels, accepted.form(), now)), self.inbox)
    }

    /// We end it. What it has published may have been passed on: it hears what became of it.
    pub(super) fn close(
        self: Box<Self>,
        reason: &str,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> State {
        if !self.is_for_channels() {
            return State::Waiting(self);
        }
        self.answer(&unavailable(reason), site, outbox, now).0
    }

    /// The answer, and what the client has sent meanwhile. RFC 6455 section 4.2.2: behind a
    /// handshake that is refused, that was meant as frames, so nobody reads it as a request.
    pub(super) fn answer(
        self,
        response: &Response,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> (State, Vec<u8>) {
        let state = match self.request {
            Request::Upgrade(_) => {
                site.metrics.handshakes.add_one(response.status.code());
                end_with(response, site, outbox, now)
            }
            Request::Plain(exchange, delivery) => {
                exchange.answer(response, delivery, site, outbox, now)
            }
        };
        (state, self.inbox)
    }
}
