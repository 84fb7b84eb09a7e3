//! The hot way: from the logs, client after client, to the sockets.
//!
//! What to notice:
//! * For a client on one channel that takes all, a delivery touches its cursor and nothing else of its
//!   own, and its bytes are sent from where they lie.
//! * Where more than one log has a pass to make, what they owe to one client is copied together and sent
//!   at once. The passes of the other logs then find its cursors where they should be, and go on.
//! * A write costs as much as copying many kilobytes, and a burst on a hundred channels would be a hundred
//!   writes for each client: the copy is 23 times as fast (`benches/README.md`).

use super::log::Log;
use super::{Broadcast, LogId};
use crate::hub::ClientId;

/// What is copied for one client at most, to be written together.
pub(super) const MOST_GATHERED_BYTES: usize = 64 << 10;

/// Bytes for one client, to be written now. The answer is [`Broadcast::delivered`].
#[derive(Debug)]
pub struct Delivery<'a> {
    /// Whom it is for.
    pub client: ClientId,
    /// Whole frames, from the client's cursor to the end of the log; and behind them, where there are
    /// some, those of its other logs.
    pub bytes: &'a [u8],
}

/// A delivery that was copied together.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// How many of the bytes are of which log, that of the pass being the first. Empty: the delivery
    /// was not copied.
    pieces: Vec<(LogId, usize)>,
}

impl Broadcast {
    /// The next bytes to be written, or `None` when every client that can take bytes has all.
    /// After each, [`Broadcast::delivered`] says how many bytes the socket took.
    pub fn next_delivery(&mut self) -> Option<Delivery<'_>> {
        let id = loop {
            let id = *self.passes.front()?;
            if self.logs.get_mut(id).is_some_and(Log::advance_pass) {
                break id;
            }
            self.passes.pop_front();
            self.free_unneeded(id);
        };
        self.gathered.pieces.clear();
        let log = self.logs.get(id)?;
        if self.passes.len() > 1 && log.is_shared() {
            self.gather(id);
        }
        let Delivery { client, bytes } = self.logs.get(id)?.delivery()?;
        let is_gathered = !self.gathered.pieces.is_empty();
        Some(Delivery { client, bytes: if is_gathered { &self.gathered.bytes } else { bytes } })
    }

    /// Copies together what the client at which this log's pass stands has to get of this log and of
    /// others; nothing, if there is nothing of others.
    fn gather(&mut self, id: LogId) {
        let Some(Delivery { client, bytes }) = self.logs.get(id).and_then(Log::delivery) else {
            return;
        };
        let Some(subscriber) = self.subscribers.get(client) else { return };
        let Gathered { bytes: gathered, pieces } = &mut self.gathered;
        gathered.clear();
        for seat in subscriber.seats.iter().filter(|seat| seat.log != id) {
            let other = self.logs.get(seat.log).map_or(&[][..], |log| log.ready_behind(seat.index));
            let all = gathered.len().max(bytes.len()) + other.len();
            if other.is_empty() || all > MOST_GATHERED_BYTES {
                continue;
            }
            if pieces.is_empty() {
                gathered.extend_from_slice(bytes);
                pieces.push((id, bytes.len()));
            }
            gathered.extend_from_slice(other);
            pieces.push((seat.log, other.len()));
        }
    }

    /// The socket took the first `taken` bytes of the delivery that was handed out last. Fewer than
    /// all means that it is blocked: [`Broadcast::owed`] goes on when it can take more.
    pub fn delivered(&mut self, taken: usize) {
        let Some(id) = self.passes.front().copied() else { return };
        let Some(log) = self.logs.get_mut(id) else { return };
        if let Some((_, own)) = self.gathered.pieces.first() {
            let client = log.delivery().map(|delivery| delivery.client);
            let (own, rest) = (taken.min(*own), taken.saturating_sub(*own));
            self.advance(id, own);
            if let Some(client) = client {
                self.delivered_of_others(client, rest);
            }
            return;
        }
        self.advance(id, taken);
    }

    /// The client at which this log's pass stands got so many bytes of it.
    fn advance(&mut self, id: LogId, taken: usize) {
        let Some((short, moves)) = self.logs.get_mut(id).and_then(|log| log.delivered(taken))
        else {
            return;
        };
        self.reseat(id, moves);
        self.after_short_write(id, short);
    }

    /// What the socket got nothing of waits for the pass of its own log.
    fn delivered_of_others(&mut self, client: ClientId, mut taken: usize) {
        let mut pieces = std::mem::take(&mut self.gathered.pieces);
        for (id, bytes) in pieces.drain(..).skip(1) {
            if taken > 0 {
                self.wrote(client, id, taken.min(bytes));
            }
            taken = taken.saturating_sub(bytes);
        }
        self.gathered.pieces = pieces;
    }

    /// Ends the slice of the pass under way: the next log has its turn.
    pub fn end_slice(&mut self) {
        let Some(id) = self.passes.front().copied() else { return };
        // While more comes in each turn than one turn's slices bring to everybody, one pass follows
        // the other and the log never leaves the queue.
        self.free_unneeded(id);
        self.passes.rotate_left(1);
    }
}
