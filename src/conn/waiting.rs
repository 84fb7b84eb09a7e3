//! A request that waits for the rest of the process: for its channels to be live.

use std::time::Duration;

use super::outbox::Outbox;
use super::session::{Purpose, Session};
use super::{Event, Linger, State};
use crate::channel::Channel;
use crate::http::{Delivery, Response};
use crate::now::Now;
use crate::site::Site;
use crate::upgrade::Accepted;

/// What is needed to answer when the answer is known.
#[derive(Debug)]
pub(super) struct Waiting {
    accepted: Accepted,
    /// What is asked of the process, until the loop fetches it.
    event: Option<Event>,
    /// What the client sent behind its request, frames most likely: kept, not lost.
    inbox: Vec<u8>,
    deadline: Duration,
}

impl Waiting {
    pub(super) fn for_channels(
        accepted: Accepted,
        channels: Vec<Channel>,
        deadline: Duration,
    ) -> Self {
        Self { accepted, event: Some(Event::Wants(channels)), inbox: Vec::new(), deadline }
    }

    pub(super) fn take_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn receive(mut self: Box<Self>, bytes: &[u8]) -> State {
        self.inbox.extend_from_slice(bytes);
        State::Waiting(self)
    }

    /// As much as a head may have, and not more, is kept; one read may go over it.
    pub(super) fn wants_input(&self, site: &Site) -> bool {
        self.inbox.len() < site.limits.head.head_bytes
    }

    /// A client that goes away takes its wish for channels with it.
    pub(super) fn is_withdrawn_by_eof(&self) -> bool {
        true
    }

    /// The 101, and what the client has sent meanwhile.
    pub(super) fn admit(self, outbox: &mut Outbox, now: Now) -> (State, Vec<u8>) {
        self.accepted.encode(outbox.end());
        (State::Open(Session::new(Purpose::Channels, now)), self.inbox)
    }

    /// Any other answer, and what the client has sent meanwhile. RFC 6455 section 4.2.2: bytes
    /// behind a handshake that is refused were meant as frames, so nobody reads them as a request.
    pub(super) fn answer(
        self,
        response: &Response,
        site: &Site,
        outbox: &mut Outbox,
        now: Now,
    ) -> (State, Vec<u8>) {
        response.encode(Delivery { head_only: false, close: true }, now.unix, outbox.end());
        (State::Linger(Linger::new(&site.limits, now)), self.inbox)
    }
}
