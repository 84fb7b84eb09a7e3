//! One log: the encoded frames of a channel in one wire form, its cursors, and the pass that brings the
//! ready ones to its end.
//!
//! What to notice:
//! * `settled` is a promise about all ready cursors at once, and the first blocked one is the hindmost of
//!   its kind. So what may be dropped, and who lags, is known without a walk over the cursors.
//! * A pass ends where the log ended when it began, but what it delivers goes up to the end there is *now*:
//!   whoever is visited late gets more, and the next pass skips whoever has all.
//! * There is no list of frames. Where one ends matters only behind a write that came short, and then the
//!   headers say it: that is rare, and a list would cost every message.

use std::collections::BTreeSet;

use crate::hub::{ChannelId, ClientId};
use crate::websocket::form::{Encoder, Form};
use crate::websocket::frame;
use crate::websocket::message::Kind;

/// Encoded frames, one after the other, and how far each subscriber has got.
#[derive(Debug)]
pub(super) struct Log {
    channel: ChannelId,
    /// How the messages in it are encoded.
    form: Form,
    /// The frames from position `oldest` to the end. Without any it owns no memory.
    bytes: Vec<u8>,
    oldest: u64,
    /// Ready cursors in `..ready`, blocked ones behind them.
    cursors: Vec<Cursor>,
    ready: usize,
    /// Cursors of clients that have others elsewhere.
    shared: usize,
    /// The blocked cursors by position: who is next to fall off the log.
    blocked: BTreeSet<(u64, ClientId)>,
    /// Every ready cursor stands here or further on.
    settled: u64,
    pass: Pass,
}

/// The walk over the ready cursors, from the last down to the first.
#[derive(Debug, Default)]
struct Pass {
    /// True from the first append until no ready cursor is behind: the log stands in the queue.
    queued: bool,
    /// Cursors below this index have not been visited; the one at it is being served.
    unvisited: usize,
    /// Where the log ended when the pass began. What is appended later is the next pass's.
    target: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cursor {
    client: ClientId,
    position: u64,
}

/// A cursor now stands at another index, and its owner must be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) client: ClientId,
    pub(super) index: u32,
}

/// A swap moves two cursors at the most.
pub(super) type Moves = [Option<Moved>; 2];

/// A socket took only a part of what it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortWrite {
    pub(super) client: ClientId,
    /// Where the cursor stood before.
    pub(super) before: u64,
}

impl Log {
    pub(super) fn new(channel: ChannelId, form: Form) -> Self {
        Self {
            channel,
            form,
            bytes: Vec::new(),
            oldest: 0,
            cursors: Vec::new(),
            ready: 0,
            shared: 0,
            blocked: BTreeSet::new(),
            settled: 0,
            pass: Pass::default(),
        }
    }

    pub(super) fn channel(&self) -> ChannelId {
        self.channel
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// A ready cursor at the end of the log, of a client that may have others elsewhere.
    pub(super) fn join(&mut self, client: ClientId, has_others: bool) -> (u32, Moves) {
        self.shared += usize::from(has_others);
        self.cursors.push(Cursor { client, position: self.end() });
        let index = self.ready;
        let moves = self.swap(index, self.cursors.len().saturating_sub(1));
        self.ready += 1;
        (u32::try_from(index).unwrap_or(u32::MAX), moves)
    }

    pub(super) fn leave(&mut self, index: u32, has_others: bool) -> Moves {
        let Some(cursor) = self.cursor(index) else { return Moves::default() };
        self.shared -= usize::from(has_others);
        let index = position_in_array(index);
        let mut hole = index;
        if index < self.ready {
            // The last ready cursor fills the hole. If a pass is under way, that one was visited,
            // or it *is* the last unvisited one and the pass has one less to visit.
            self.ready -= 1;
            self.cursors.swap(index, self.ready);
            self.pass.unvisited = self.pass.unvisited.min(self.ready);
            hole = self.ready;
        } else {
            self.blocked.remove(&(cursor.position, cursor.client));
        }
        // The hole is behind the ready ones now: the last of all fills it.
        self.cursors.swap_remove(hole);
        [self.moved_to(index), self.moved_to(hole)]
    }

    /// Encodes one message. True if the log must be queued for a pass.
    pub(super) fn append(&mut self, encoder: &mut Encoder, kind: Kind, payload: &[u8]) -> bool {
        encoder.encode(self.form, kind, payload, &mut self.bytes);
        !std::mem::replace(&mut self.pass.queued, true)
    }

    /// Goes on to the next ready cursor that is behind, in this pass or in another. False if there is
    /// none: the log leaves the queue.
    pub(super) fn advance_pass(&mut self) -> bool {
        loop {
            for next in (0..self.pass.unvisited).rev() {
                self.pass.unvisited = next;
                if self.cursors.get(next).is_some_and(|cursor| cursor.position < self.pass.target) {
                    return true;
                }
            }
            // The pass is over, or none was under way: all ready cursors have got that far.
            self.settled = self.pass.target;
            if self.settled == self.end() {
                self.pass.queued = false;
                return false;
            }
            // Something was appended since: the next pass, which is over at once if nobody is ready.
            self.pass.target = self.end();
            self.pass.unvisited = self.ready;
        }
    }

    /// What the cursor that the pass stands at has to get.
    pub(super) fn delivery(&self) -> Option<super::Delivery<'_>> {
        let cursor = self.cursors.get(self.pass.unvisited)?;
        Some(super::Delivery { client: cursor.client, bytes: self.from(cursor.position) })
    }

    /// Whether some of its clients may have something to get from other logs as well.
    pub(super) fn is_shared(&self) -> bool {
        self.shared > 0
    }

    /// What a ready cursor is behind by; a blocked one has to wait for its socket.
    pub(super) fn ready_behind(&self, index: u32) -> &[u8] {
        if position_in_array(index) < self.ready { self.behind(index) } else { &[] }
    }

    /// The cursor that the pass stands at moves on by `taken`; short of the end it is blocked.
    pub(super) fn delivered(&mut self, taken: usize) -> Option<(ShortWrite, Moves)> {
        let index = self.pass.unvisited;
        let end = self.end();
        let cursor = self.cursors.get_mut(index)?;
        let before = cursor.position;
        cursor.position = end.min(before.saturating_add(widen(taken)));
        let Cursor { client, position } = *cursor;
        if position == end {
            return None;
        }
        Some((ShortWrite { client, before }, self.block(index, position, client)))
    }

    /// The same outside a pass, for a cursor that is ready or blocked.
    pub(super) fn wrote(&mut self, index: u32, taken: usize) -> (Option<ShortWrite>, Moves) {
        let end = self.end();
        let index = position_in_array(index);
        let Some(cursor) = self.cursors.get_mut(index) else { return (None, Moves::default()) };
        let before = cursor.position;
        cursor.position = end.min(before.saturating_add(widen(taken)));
        let Cursor { client, position } = *cursor;
        let was_blocked = self.blocked.remove(&(before, client));
        if position == end {
            let moves = if was_blocked { self.unblock(index) } else { Moves::default() };
            return (None, moves);
        }
        let moves = if was_blocked {
            self.blocked.insert((position, client));
            Moves::default()
        } else {
            self.block(index, position, client)
        };
        (Some(ShortWrite { client, before }), moves)
    }

    /// What the cursor is behind by.
    pub(super) fn behind(&self, index: u32) -> &[u8] {
        self.cursor(index).map_or(&[], |cursor| self.from(cursor.position))
    }

    pub(super) fn position(&self, index: u32) -> Option<u64> {
        self.cursor(index).map(|cursor| cursor.position)
    }

    /// The first frame boundary at or behind `position`, walking the headers from the boundary
    /// `from`.
    pub(super) fn first_boundary(&self, from: u64, position: u64) -> u64 {
        let mut boundary = from;
        while boundary < position {
            // Only frames that `append` encoded stand here, so a header is always complete.
            let Some(length) = frame::server_frame_length(self.from(boundary)) else { break };
            boundary += length;
        }
        boundary
    }

    /// By how much the blocked cursor is behind that is furthest behind.
    pub(super) fn worst_lag(&self) -> Option<(u64, ClientId)> {
        let (position, client) = self.blocked.first()?;
        Some((self.end() - position, *client))
    }

    /// How much of the log is there only for blocked cursors, and for which of them most.
    pub(super) fn held_back(&self) -> Option<(u64, ClientId)> {
        let (position, client) = self.blocked.first()?;
        let bytes = self.settled.checked_sub(*position).filter(|bytes| *bytes > 0)?;
        Some((bytes, *client))
    }

    /// Whether every ready cursor stands at this position or further on.
    pub(super) fn has_settled(&self, position: u64) -> bool {
        self.settled >= position
    }

    /// How much of the log the pass has still to bring to ready cursors.
    pub(super) fn undelivered(&self) -> u64 {
        self.end() - self.settled
    }

    /// Drops what every cursor has. Bytes are moved down only when at least as many are dropped,
    /// so that compacting costs a constant for each byte appended.
    pub(super) fn compact(&mut self) {
        let blocked = self.blocked.first().map_or(u64::MAX, |(position, _)| *position);
        let needed = self.settled.min(blocked);
        if needed >= self.end() {
            self.oldest = self.end();
            self.bytes = Vec::new();
            return;
        }
        let dropped = usize::try_from(needed.saturating_sub(self.oldest)).unwrap_or(0);
        if dropped >= self.bytes.len().div_ceil(2) {
            self.bytes.drain(..dropped);
            self.oldest = needed;
        }
    }

    pub(super) fn subscribers(&self) -> usize {
        self.cursors.len()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.cursors.iter().map(|cursor| cursor.client)
    }

    pub(super) fn end(&self) -> u64 {
        self.oldest + widen(self.bytes.len())
    }

    fn from(&self, position: u64) -> &[u8] {
        let start = usize::try_from(position.saturating_sub(self.oldest)).unwrap_or(usize::MAX);
        self.bytes.get(start..).unwrap_or_default()
    }

    fn cursor(&self, index: u32) -> Option<Cursor> {
        self.cursors.get(position_in_array(index)).copied()
    }

    fn block(&mut self, index: usize, position: u64, client: ClientId) -> Moves {
        self.blocked.insert((position, client));
        self.ready = self.ready.saturating_sub(1);
        self.pass.unvisited = self.pass.unvisited.min(self.ready);
        self.swap(index, self.ready)
    }

    fn unblock(&mut self, index: usize) -> Moves {
        let moves = self.swap(index, self.ready);
        self.ready += 1;
        moves
    }

    fn swap(&mut self, a: usize, b: usize) -> Moves {
        self.cursors.swap(a, b);
        [self.moved_to(a), self.moved_to(b)]
    }

    fn moved_to(&self, index: usize) -> Option<Moved> {
        let client = self.cursors.get(index)?.client;
        Some(Moved { client, index: u32::try_from(index).ok()? })
    }
}

fn position_in_array(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn widen(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
