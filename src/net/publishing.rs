//! What clients publish, and what becomes of it; and whether the server is ready.
//!
//! What to notice:
//! * With Redis, what is published here is not appended here. It comes back over the link like
//!   everything else, once, and nobody here is ahead of the clients of other servers.
//! * It is the link that decides whether publishing is possible, not the publisher: while nobody here would
//!   hear a message, none is taken.
//! * A publish travels with its client's id, generation and all. If the client has gone when the answer
//!   comes, nobody else can get it.

use slotmap::{Key, KeyData};

use super::bus::{Redis, reason_kind};
use super::resolve::Asker;
use super::{Server, tap};
use crate::channel::Channel;
use crate::http::{Response, Status};
use crate::hub::ClientId;
use crate::now::Now;
use crate::redis::{PublishFailure, PublisherEvent, Refusal};
use crate::site::unavailable;
use crate::trace::bus::Bus;

impl Server {
    /// Publishes for a client. The answer, if it is known at once: without Redis, or without a link
    /// to it. Otherwise the client waits for it.
    pub(super) fn publish(
        &mut self,
        id: ClientId,
        channel: &Channel,
        body: &[u8],
        now: Now,
    ) -> Option<Response> {
        if !self.is_serving() {
            return Some(unavailable("not published: the server is going away"));
        }
        tap::event(now, &Bus::Publish(channel.as_str().into(), body.into()));
        let Some(redis) = &mut self.redis else {
            if self.broadcast.is_full() {
                return Some(unavailable(
                    "not published: much that was published before is still on its way",
                ));
            }
            return Some(published(self.publish_here(channel, body, now)));
        };
        if !redis.is_live() {
            return Some(failed(PublishFailure::Unreachable));
        }
        // The ticket is the client's own id: if it has gone when the answer comes, nobody gets it.
        redis.publisher.machine.publish(id.data().as_ffi(), channel, body, now);
        None
    }

    /// Into the channel's log, if anybody subscribes to it.
    fn publish_here(&mut self, channel: &Channel, body: &[u8], now: Now) -> u64 {
        let Some(id) = self.hub.id(channel.as_str()) else { return 0 };
        u64::try_from(self.append(id, body, now)).unwrap_or(u64::MAX)
    }

    pub(super) fn on_publisher_events(&mut self, now: Now) {
        while let Some(redis) = &mut self.redis
            && let Some(event) = redis.publisher.machine.poll_event()
        {
            match event {
                PublisherEvent::Connect => {
                    redis.connect(Asker::Publisher, self.poll.registry(), now)
                }
                PublisherEvent::Disconnect => redis.publisher.disconnect(),
                PublisherEvent::Down { reason, .. } => {
                    redis.warn(reason_kind(reason), format_args!("cannot publish: {reason}"), now);
                }
                PublisherEvent::Published { ticket, receivers } => {
                    tap::event(now, &Bus::Published(receivers));
                    self.reply(client(ticket), &published(receivers), now);
                }
                PublisherEvent::Failed { ticket, why } => {
                    self.reply(client(ticket), &failed(why), now);
                }
            }
        }
    }

    /// Ready is who would answer a handshake with 101: with Redis, while it answers.
    pub(super) fn readiness(&self) -> Response {
        if !self.is_serving() {
            return unavailable("not ready, because the server is going away");
        }
        if self.is_bus_reachable() {
            return Response::text(Status::Ok, "ready");
        }
        let reason = self.redis.as_ref().and_then(Redis::down);
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        unavailable(&format!("not ready, because Redis cannot be reached{reason}"))
    }

    fn reply(&mut self, id: ClientId, answer: &Response, now: Now) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.conn.answer(answer, now);
            self.serve(id, now);
        }
    }
}

fn client(ticket: u64) -> ClientId {
    ClientId::from(KeyData::from_ffi(ticket))
}

fn published(receivers: u64) -> Response {
    Response::text(Status::Ok, receivers.to_string())
}

fn failed(why: PublishFailure) -> Response {
    match why {
        PublishFailure::Refused(Refusal::NoPermission) => {
            Response::text(Status::Forbidden, why.to_string())
        }
        PublishFailure::Refused(_)
        | PublishFailure::Unreachable
        | PublishFailure::Broken
        | PublishFailure::Timeout
        | PublishFailure::TooMany => {
            Response::text(Status::ServiceUnavailable, why.to_string()).with("Retry-After", "5")
        }
    }
}
