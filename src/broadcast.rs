//! The broadcast log: each message is encoded and appended once, and a subscriber is only a cursor.
//!
//! The usual design gives every client a queue of frames: M messages to N clients cost N times M pushes, and
//! with slow clients the memory grows the same way. Here a message costs one append, and one write for each
//! client *and pass*, however many messages that carries: the busier the server, the more each write does.
//!
//! ```text
//!                 oldest                                                   end
//!                   v                                                       v
//!   bytes           | 81 05 Hello | 81 03 abc | 82 7e .... | 81 05 World    |
//!                         ^                                                 ^
//!   cursors         inside a frame: its socket took a part              ready: has it all
//!
//!   gone -- it joins -------------------------------------------------------------> ready
//!   ready, blocked, inside -- the socket takes all there is ----------------------> ready
//!   ready, blocked, inside -- the socket takes a part, up to the end of a frame --> blocked
//!   ready, blocked, inside -- the socket takes a part, and stops inside a frame --> inside
//!   ready, blocked, inside -- it leaves ------------------------------------------> gone
//! ```
//!
//! What to notice:
//! * Positions are absolute and only grow, so compacting the buffer moves no cursor.
//! * A log's cursors stand in one dense array, the ready ones first. A pass walks that part from its end
//!   down to 0, because a removal moves the *last* one into the gap: one that the pass has been to already.
//!   So joins, leaves and blocks between the slices of a pass skip nobody.
//! * The blocked ones, inside a frame or not, stand in an ordered set besides: the next to fall off the log
//!   is its first, and a client that is stuck costs a pass nothing.
//!
//! What a client is sent alone (HTTP answers, pongs, a close) stands in its own outbox and may go out only
//! at a frame boundary. So whoever drives this asks [`Broadcast::is_inside_frame`] first.

mod log;
mod pass;

use std::collections::VecDeque;

use slotmap::{SecondaryMap, SlotMap, new_key_type};

use self::log::{Log, Moved, Moves, ShortWrite};
pub use self::pass::Delivery;
use self::pass::Gathered;
use crate::hub::{ChannelId, ClientId};
use crate::websocket::form::{Encoder, Form};
use crate::websocket::message::Kind;

new_key_type! {
    /// Names one log for as long as somebody has a cursor in it.
    pub struct LogId;
}

/// All logs and all cursors.
#[derive(Debug)]
pub struct Broadcast {
    logs: SlotMap<LogId, Log>,
    /// The logs of each channel: one for each wire form that somebody subscribes in.
    channels: SecondaryMap<ChannelId, Vec<LogId>>,
    subscribers: SecondaryMap<ClientId, Subscriber>,
    encoder: Encoder,
    backlog_bytes: u64,
    /// What all logs may hold together, and what they do hold.
    most_bytes: usize,
    held_bytes: usize,
    /// Logs with a pass to make, each once, in turn: a huge channel waits behind the others after
    /// each of its slices.
    passes: VecDeque<LogId>,
    /// The delivery that was handed out last, if it was copied together.
    gathered: Gathered,
    /// Logs in which somebody may have fallen behind by more than the backlog.
    overfull: Vec<LogId>,
}

/// Where a client stands: its seat in each of its logs, and the frame it is inside of.
#[derive(Debug)]
struct Subscriber {
    seats: Box<[Seat]>,
    inside: Option<Inside>,
}

/// A client's place in one log: the index of its cursor there.
#[derive(Clone, Copy, Debug)]
struct Seat {
    log: LogId,
    index: u32,
}

/// A socket took only a part of a frame, which ends at `frame_end`. Until the rest is out, nothing
/// else may be sent to this client: no other log, no pong, no close.
#[derive(Clone, Copy, Debug)]
struct Inside {
    log: LogId,
    frame_end: u64,
}

/// A place in a log.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    log: LogId,
    position: u64,
}

/// What a client leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The channels it was subscribed to.
    pub channels: Vec<ChannelId>,
    /// What is missing of the frame it is inside of: to be sent before anything else.
    pub rest: Rest,
}

/// The unfinished rest of a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// The client stands between two frames.
    #[default]
    None,
    /// These bytes end the frame.
    Bytes(Vec<u8>),
    /// More bytes are missing than are worth a copy for one client: it can only be reset.
    TooLong,
}

impl Broadcast {
    /// No logs yet. A client that falls more than `backlog_bytes` behind in one of them is lagging.
    /// Together they may hold `most_bytes`.
    #[must_use]
    pub fn new(backlog_bytes: usize, most_bytes: usize) -> Self {
        Self {
            logs: SlotMap::with_key(),
            channels: SecondaryMap::new(),
            subscribers: SecondaryMap::new(),
            encoder: Encoder::default(),
            backlog_bytes: u64::try_from(backlog_bytes).unwrap_or(u64::MAX),
            most_bytes,
            held_bytes: 0,
            passes: VecDeque::new(),
            gathered: Gathered::default(),
            overfull: Vec::new(),
        }
    }

    /// Seats `client` at the end of the log of each of these channels, none named twice: it gets
    /// what is appended from here on, in the form that it has agreed on. A client joins once.
    pub fn join(&mut self, client: ClientId, channels: &[ChannelId], form: Form) {
        let mut seats = Vec::with_capacity(channels.len());
        for channel in channels {
            let id = self.log_of(*channel, form);
            if let Some(log) = self.logs.get_mut(id) {
                let (index, moves) = log.join(client, channels.len() > 1);
                self.reseat(id, moves);
                seats.push(Seat { log: id, index });
            }
        }
        self.subscribers.insert(client, Subscriber { seats: seats.into(), inside: None });
    }

    /// Takes `client` out of all its logs. The rest of a frame it is inside of is copied out if it
    /// is at most `max_rest` bytes. A log without cursors is dropped.
    pub fn leave(&mut self, client: ClientId, max_rest: usize) -> Left {
        let rest = self.rest_of_frame(client, max_rest);
        let Some(subscriber) = self.subscribers.remove(client) else { return Left::default() };
        let mut channels = Vec::with_capacity(subscriber.seats.len());
        for seat in &subscriber.seats {
            let Some(log) = self.logs.get_mut(seat.log) else { continue };
            channels.push(log.channel());
            let moves = log.leave(seat.index, subscriber.seats.len() > 1);
            self.reseat(seat.log, moves);
            self.free_unneeded(seat.log);
        }
        Left { channels, rest }
    }

    /// Encodes one message, once in each form that somebody subscribes in, and appends it to the
    /// channel's logs: as text if it is valid UTF-8, else as binary. Gives back how many subscribe.
    pub fn append(&mut self, channel: ChannelId, payload: &[u8]) -> usize {
        let Some(ids) = self.channels.get(channel) else { return 0 };
        let kind = Kind::of(payload);
        let mut subscribers = 0;
        for id in ids {
            let Some(log) = self.logs.get_mut(*id) else { continue };
            let before = log.len();
            let begins_a_pass = log.append(&mut self.encoder, kind, payload);
            self.held_bytes += log.len() - before;
            subscribers += log.subscribers();
            if begins_a_pass {
                self.passes.push_back(*id);
            }
            let is_overfull = log.worst_lag().is_some_and(|(lag, _)| lag > self.backlog_bytes);
            if is_overfull && self.overfull.last() != Some(id) {
                self.overfull.push(*id);
            }
        }
        subscribers
    }

    /// True while a pass is not finished: the loop may not sleep.
    #[must_use]
    pub fn has_deliveries(&self) -> bool {
        !self.passes.is_empty()
    }

    /// True while a log with an unfinished pass holds more than a backlog, or all of them hold more
    /// than they may: time to write before more is read from the bus. Blocked clients alone never
    /// cause this.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let is_full = |id: &LogId| {
            self.logs.get(*id).is_some_and(|log| log.undelivered() > self.backlog_bytes)
        };
        self.passes.iter().any(is_full)
            || (self.held_bytes > self.most_bytes && self.has_deliveries())
    }

    /// True while the last write to this client ended inside a frame.
    #[must_use]
    pub fn is_inside_frame(&self, client: ClientId) -> bool {
        self.subscribers.get(client).is_some_and(|subscriber| subscriber.inside.is_some())
    }

    /// What one client is owed next, outside a pass (its socket can take bytes again): the log it
    /// is inside of first, then any other. The answer is [`Broadcast::wrote`].
    #[must_use]
    pub fn owed(&self, client: ClientId) -> Option<(LogId, &[u8])> {
        let subscriber = self.subscribers.get(client)?;
        let owed_by = |seat: &Seat| {
            let bytes = self.logs.get(seat.log)?.behind(seat.index);
            (!bytes.is_empty()).then_some((seat.log, bytes))
        };
        if let Some(inside) = subscriber.inside {
            return subscriber.seats.iter().find(|seat| seat.log == inside.log).and_then(owed_by);
        }
        subscriber.seats.iter().find_map(owed_by)
    }

    /// The socket took the first `taken` bytes of what `client` was owed by this log.
    pub fn wrote(&mut self, client: ClientId, id: LogId, taken: usize) {
        let Some(index) = self.seat(client, id) else { return };
        let Some(log) = self.logs.get_mut(id) else { return };
        let (short, moves) = log.wrote(index, taken);
        self.reseat(id, moves);
        if let Some(short) = short {
            self.after_short_write(id, short);
        } else if let Some(subscriber) = self.subscribers.get_mut(client) {
            // Whoever is inside a frame is owed the rest of that first: it was one of this log.
            subscriber.inside = None;
        }
        self.free_unneeded(id);
    }

    /// A client that has fallen more than the backlog behind, if there is one. The caller closes it
    /// and lets it [`Broadcast::leave`]; until then the answer stays the same.
    pub fn lagging(&mut self) -> Option<ClientId> {
        while let Some(id) = self.overfull.last() {
            match self.logs.get(*id).and_then(Log::worst_lag) {
                Some((lag, client)) if lag > self.backlog_bytes => return Some(client),
                _ => self.overfull.pop(),
            };
        }
        None
    }

    /// The log that blocked clients hold up most, and the bytes down to which all of them together
    /// have to come; if they hold too much, beside what ready clients are about to get.
    #[must_use]
    pub fn most_held_back(&self) -> Option<(LogId, usize)> {
        if self.held_bytes <= self.most_bytes {
            return None;
        }
        let on_its_way: u64 = self.logs.values().map(Log::undelivered).sum();
        let target = self.most_bytes.saturating_add(usize::try_from(on_its_way).ok()?);
        if self.held_bytes <= target {
            return None;
        }
        let held_back = |(id, log): (LogId, &Log)| Some((log.held_back()?.0, id));
        self.logs.iter().filter_map(held_back).max().map(|(_, id)| (id, target))
    }

    /// The client that holds this log back most. The caller closes it, as one that is
    /// [lagging](Broadcast::lagging).
    #[must_use]
    pub fn holds_back(&self, id: LogId) -> Option<ClientId> {
        self.logs.get(id)?.held_back().map(|(_, client)| client)
    }

    /// The place behind what was appended to this channel last.
    #[must_use]
    pub fn mark(&self, channel: ChannelId) -> Option<Mark> {
        let id = *self.channels.get(channel)?.first()?;
        Some(Mark { log: id, position: self.logs.get(id)?.end() })
    }

    /// Whether everybody who can take bytes has got all up to there.
    #[must_use]
    pub fn has_passed(&self, mark: &Mark) -> bool {
        self.logs.get(mark.log).is_none_or(|log| log.has_settled(mark.position))
    }

    /// The subscribers of one channel, in no order.
    pub fn subscribers(&self, channel: ChannelId) -> impl Iterator<Item = ClientId> {
        let ids = self.channels.get(channel).into_iter().flatten();
        ids.filter_map(|id| self.logs.get(*id)).flat_map(Log::clients)
    }

    /// Bytes that all logs hold together.
    #[must_use]
    pub fn log_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Clients that have joined.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.subscribers.len()
    }

    fn rest_of_frame(&self, client: ClientId, max_rest: usize) -> Rest {
        let inside = self.subscribers.get(client).and_then(|subscriber| subscriber.inside);
        let Some(Inside { log, frame_end }) = inside else { return Rest::None };
        let bytes = self.seat(client, log).and_then(|index| {
            let log = self.logs.get(log)?;
            let rest = frame_end.checked_sub(log.position(index)?)?;
            log.behind(index).get(..usize::try_from(rest).ok()?)
        });
        match bytes {
            Some(bytes) if bytes.len() <= max_rest => Rest::Bytes(bytes.to_vec()),
            Some(_) | None => Rest::TooLong,
        }
    }

    /// Finds out whether a client whose socket took only a part now stands inside a frame, and
    /// where that ends. The headers are walked only here, from the last boundary that is known.
    fn after_short_write(&mut self, id: LogId, short: ShortWrite) {
        let seat = self.seat(short.client, id);
        let (Some(log), Some(subscriber), Some(index)) =
            (self.logs.get(id), self.subscribers.get_mut(short.client), seat)
        else {
            return;
        };
        let boundary = match subscriber.inside {
            // It is inside a frame of another log and got nothing of this one.
            Some(inside) if inside.log != id => return,
            Some(inside) => inside.frame_end,
            None => short.before,
        };
        let position = log.position(index).unwrap_or(boundary);
        let frame_end = log.first_boundary(boundary, position);
        subscriber.inside = (frame_end != position).then_some(Inside { log: id, frame_end });
    }

    /// The channel's log of this form, made if it is the first to need it.
    fn log_of(&mut self, channel: ChannelId, form: Form) -> LogId {
        let ids = self.channels.get(channel).map_or(&[][..], Vec::as_slice);
        let is_it = |id: &&LogId| self.logs.get(**id).is_some_and(|log| log.form() == form);
        if let Some(id) = ids.iter().find(is_it) {
            return *id;
        }
        let id = self.logs.insert(Log::new(channel, form));
        match self.channels.get_mut(channel) {
            Some(ids) => ids.push(id),
            None => drop(self.channels.insert(channel, vec![id])),
        }
        id
    }

    fn seat(&self, client: ClientId, id: LogId) -> Option<u32> {
        let seats = &self.subscribers.get(client)?.seats;
        seats.iter().find(|seat| seat.log == id).map(|seat| seat.index)
    }

    /// Cursors were moved within their log's array: their owners' seats follow.
    fn reseat(&mut self, id: LogId, moves: Moves) {
        for Moved { client, index } in moves.into_iter().flatten() {
            let Some(subscriber) = self.subscribers.get_mut(client) else { continue };
            if let Some(seat) = subscriber.seats.iter_mut().find(|seat| seat.log == id) {
                seat.index = index;
            }
        }
    }

    /// Gives back the memory that nobody needs any more.
    fn free_unneeded(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        self.held_bytes -= log.len();
        if log.subscribers() > 0 {
            log.compact();
            self.held_bytes += log.len();
            return;
        }
        let channel = log.channel();
        self.logs.remove(id);
        if let Some(ids) = self.channels.get_mut(channel) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.channels.remove(channel);
            }
        }
    }
}

#[cfg(test)]
mod tests;
