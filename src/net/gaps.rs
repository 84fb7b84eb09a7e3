//! What subscribers are told of messages that they may have missed.
//!
//! What to notice:
//! * Redis forgets what is published while nobody is subscribed. So after an outage nobody here can say
//!   what was lost, only that something may be; and the one who can fetch it is the client.
//! * After an outage it is closed with 1012 when its channel is live *again*, and not before: so it comes
//!   back to a server that lets it in, and knows why.
//! * They are told a few at a time, for all of them come back at once, and ask somebody for what they
//!   missed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Server;
use crate::hub::{ChannelId, ClientId};
use crate::now::Now;
use crate::websocket::close::CloseCode;

/// Who is to be told. Not all at once: they all come back, and want to be let in, and ask somebody
/// for what they missed.
#[derive(Default)]
pub(super) struct Gaps {
    to_tell: BTreeSet<ClientId>,
    /// Not before this time since the start.
    next: Duration,
}

impl Gaps {
    pub(super) fn deadline(&self) -> Option<Duration> {
        (!self.to_tell.is_empty()).then_some(self.next)
    }
}

impl Server {
    /// Messages of this channel may have been lost, for so long.
    pub(super) fn on_gap(&mut self, channel: ChannelId, length: Duration) {
        self.site.metrics.gap(length);
        if self.site.closes_on_gap {
            self.gaps.to_tell.extend(self.broadcast.subscribers(channel));
        }
    }

    pub(super) fn tell_of_gaps(&mut self, now: Now) {
        if self.gaps.deadline().is_none_or(|deadline| deadline > now.since_start) {
            return;
        }
        self.gaps.next = now.since_start + self.site.limits.gap_pause;
        for _ in 0..self.site.limits.gap_closes {
            let Some(id) = self.gaps.to_tell.pop_first() else { break };
            let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.is_joined) else { continue };
            peer.conn.close(CloseCode::SERVICE_RESTART, "redis gap", now);
            self.follow_up(id, now);
        }
    }
}
