//! From the logs to the sockets.
//!
//! What to notice:
//! * Whoever is inside a frame of a log has a full socket: it got there by a write that came short. So what
//!   is writable may be written anything, but for the moment at which a full socket has room again: there
//!   `resume` comes before all else that writes.
//! * A turn delivers a few slices and no more: a flood on one channel delays the others, and whoever
//!   connects, by a turn's share and not by the flood.
//! * Laggards are closed behind the deliveries of a turn. So nobody is closed for messages of this turn
//!   that their socket would have taken.

use super::Server;
use crate::broadcast::Delivery;
use crate::hub::{ChannelId, ClientId};
use crate::now::Now;
use crate::websocket::close::CloseCode;

impl Server {
    /// A message for everybody on this channel: how many that are.
    pub(super) fn append(&mut self, channel: ChannelId, payload: &[u8], now: Now) -> usize {
        let clients = self.broadcast.append(channel, payload);
        self.site.metrics.message(payload.len(), clients);
        if self.measured.is_none() {
            self.measured = self.broadcast.mark(channel).map(|mark| (mark, now.since_start));
        }
        clients
    }

    /// One turn's share of the passes: every client that can take bytes gets all that its log holds
    /// for it, in one write.
    pub(super) fn deliver(&mut self, now: Now) {
        for _ in 0..self.site.limits.slices {
            let mut clients = self.site.limits.slice_clients;
            let mut bytes = self.site.limits.slice_bytes;
            while clients > 0 && bytes > 0 {
                let Some(taken) = self.deliver_next(now) else { return };
                clients -= 1;
                bytes = bytes.saturating_sub(taken);
            }
            self.broadcast.end_slice();
        }
    }

    fn deliver_next(&mut self, now: Now) -> Option<usize> {
        let Delivery { client, bytes } = self.broadcast.next_delivery()?;
        let Some(peer) = self.peers.get_mut(client) else {
            self.broadcast.delivered(0);
            return Some(0);
        };
        // What the client alone is sent goes first: a 101 before the first message.
        peer.flush(now);
        let taken = peer.write(bytes, now);
        self.broadcast.delivered(taken);
        if peer.is_over() {
            self.follow_up(client, now);
        }
        Some(taken)
    }

    /// A blocked client's socket can take bytes again: first the rest of the frame it is inside of,
    /// then what it alone is sent, then everything else that it is behind by.
    pub(super) fn resume(&mut self, id: ClientId, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        while peer.is_writable() {
            if !self.broadcast.is_inside_frame(id) {
                peer.flush(now);
            }
            let Some((log, bytes)) = self.broadcast.owed(id) else { return };
            let taken = peer.write(bytes, now);
            self.broadcast.wrote(id, log, taken);
        }
    }

    /// Who has fallen behind by more than the backlog is told so and let go: the memory that it
    /// holds back is everybody's.
    pub(super) fn close_lagging(&mut self, now: Now) {
        while let Some(id) = self.broadcast.lagging() {
            self.close_slow(id, format_args!("closed a client more than --backlog behind"), now);
        }
        // One log in each turn: to find the one takes a look at all of them.
        let Some((log, target)) = self.broadcast.most_held_back() else { return };
        while self.broadcast.log_bytes() > target
            && let Some(id) = self.broadcast.holds_back(log)
        {
            let what = format_args!("closed a client that is behind: all logs are full together");
            self.close_slow(id, what, now);
        }
    }

    fn close_slow(&mut self, id: ClientId, what: std::fmt::Arguments<'_>, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else {
            self.broadcast.leave(id, 0);
            return;
        };
        self.quiet.say(log::Level::Warn, "too slow", what, now);
        self.site.metrics.lagged.add_one();
        peer.conn.close(CloseCode::TRY_AGAIN_LATER, "too slow", now);
        self.follow_up(id, now);
    }
}
