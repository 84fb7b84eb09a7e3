//! The body of a `POST` that is being read, to be published.
//!
//! What to notice:
//! * It begins only when the head was let in. Who may not publish, or announces too much, is refused
//!   before the first byte of the body, and a client that waits for `100 Continue` need not send it.
//! * The deadline is for all of the body and is not moved by a byte that comes.
//! * A body that ends too early is dropped without an answer: half a message is never published.

use std::time::Duration;

use super::exchange::{Exchange, end_with};
use super::outbox::Outbox;
use super::waiting::Waiting;
use super::{Event, State};
use crate::channel::Channel;
use crate::http::{Body, Delivery, Response, Status};
use crate::now::Now;
use crate::site::Site;

/// A request whose head was accepted and whose body is still coming.
#[derive(Debug)]
pub(super) struct Posting {
    exchange: Box<Exchange>,
    channel: Channel,
    body: Body,
    delivery: Delivery,
    pub(super) deadline: Duration,
}

impl Posting {
    pub(super) fn new(
        exchange: Box<Exchange>,
        channel: Channel,
        body: Body,
        delivery: Delivery,
        site: &Site,
        now: Now,
    ) -> Self {
        Self { exchange, channel, body, delivery, deadline: now.since_start + site.limits.body }
    }

    /// Takes bytes of the body; what is behind it is left to the next state.
    pub(super) fn receive(
        mut self: Box<Self>,
        bytes: &[u8],
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> (State, usize) {
        match self.body.receive(bytes) {
            Ok((taken, false)) => (State::Posting(self), taken),
            Ok((taken, true)) => {
                let event = Event::Publish { channel: self.channel, body: self.body.into_bytes() };
                let waiting = Waiting::for_answer(self.exchange, event, self.delivery, site, now);
                (State::Waiting(Box::new(waiting)), taken)
            }
            Err(error) => {
                let answer = Response::text(error.status(), error.to_string());
                (end_with(&answer, site, outbox, now), bytes.len())
            }
        }
    }

    pub(super) fn too_slow(&self, site: &Site, outbox: &mut Outbox, now: Now) -> State {
        let seconds = site.limits.body.as_secs();
        let text = format!("the body took longer than {seconds} seconds to arrive");
        end_with(&Response::text(Status::RequestTimeout, text), site, outbox, now)
    }
}
