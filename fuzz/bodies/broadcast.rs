//! The broadcast log against what it replaces: a queue of frames for each client, which is slow and
//! obviously right.
//!
//! The input is a program of one byte an operation, so that a seed can be written by hand:
//!
//! ```text
//!   00..1F   a client joins: channels in bits 0-2 (none: the first), in bits 3-4 its form (0, 1: plain;
//!            2: compressed in a window of 14 bits; 3: of 15)
//!   20..27   client n (bits 0-2, in a circle of those who are there) leaves
//!   28..2F   the same, and 20 bytes are the most that are copied of the frame that it is inside of
//!   30..3F   those who lag are closed
//!   40..7F   a message: on which channel in bits 0-1, which of `LENGTHS` in bits 2-5; of what would be
//!            the fourth channel's, 7F is one of 65,536 bytes on the first, once and while nobody is
//!            compressed, and the rest nothing
//!   80..BF   a slice of the passes: which of `SLICES` in bits 0-2; in bits 3-5 which of `ROOMS` each
//!            socket has
//!   C0..FF   client n (bits 0-2) can take bytes again; in bits 3-5 which of `ROOMS` it has for each write
//! ```
//!
//! What is handed out must be, byte for byte, *all* that the client's queue for one channel holds, in
//! whole frames: so nothing is skipped, doubled or out of order, and channels mix only between frames.

use std::cell::RefCell;
use std::collections::VecDeque;

use barewire::broadcast::{Broadcast, Delivery, Left, Rest};
use barewire::hub::{ChannelId, ClientId};
use barewire::websocket::deflate::Agreement;
use barewire::websocket::extension::offers;
use barewire::websocket::form::{Encoder, Form};
use barewire::websocket::message::Kind;
use slotmap::SlotMap;

const BACKLOG: usize = 200;
const MOST_CLIENTS: usize = 8;
/// The borders between two forms of a header, of compression, and of the backlog. What needs the third
/// form of a header is slow to compress.
const LENGTHS: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 20, 30, 63, 64, 126, 300];
const LONG: usize = 65_536;
/// How many deliveries.
const SLICES: [usize; 8] = [1, 1, 1, 2, 3, 4, 6, 9];
const ROOMS: [usize; 8] = [usize::MAX, 0, 1, 2, 3, 10, 100, 400];

pub fn fuzz(input: &[u8]) {
    let mut world = World::new();
    for operation in input.iter().take(300) {
        world.step(*operation);
        world.check();
    }
    world.finish();
}

/// One client as most servers have it.
struct Client {
    form: Form,
    queues: [Option<Queue>; 3],
    /// The channel of the frame that its socket has taken only a part of.
    inside: Option<usize>,
    /// Its socket has not taken all that it was given, and has not said since that it can.
    is_full: bool,
}

/// What a client has not got of one channel.
#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    /// A write has left something of it: that alone makes its client one that lags.
    is_blocked: bool,
    /// It was too long when it last grew.
    lags: bool,
}

impl Queue {
    fn bytes(&self) -> usize {
        self.frames.iter().map(Vec::len).sum()
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.behind(bytes).is_some_and(<[u8]>::is_empty)
    }

    /// What stands behind all of its frames, if `bytes` begin with them.
    fn behind<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.frames.iter().try_fold(bytes, |rest, frame| rest.strip_prefix(&frame[..]))
    }
}

impl Client {
    fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().flatten()
    }

    fn owed_bytes(&self) -> usize {
        self.queues().map(Queue::bytes).sum()
    }

    /// The channel of which `bytes` are all that is owed. Each message but the empty one begins with
    /// its channel's name, and only the first channel has empty ones: so there is only one answer.
    fn channel_of(&self, bytes: &[u8]) -> usize {
        let is_it = |queue: &Option<Queue>| queue.as_ref().is_some_and(|queue| queue.is(bytes));
        let channel = self.queues.iter().position(is_it);
        channel.expect("all that is owed of one channel")
    }

    /// The channels of which `bytes` are all that is owed, one behind the other: gathered, for one write.
    fn channels_of(&self, bytes: &[u8]) -> Vec<usize> {
        let (mut channels, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let begins = |channel: &usize| {
                let queue = self.queues[*channel].as_ref().filter(|queue| !queue.frames.is_empty());
                queue.is_some_and(|queue| queue.behind(rest).is_some())
            };
            let new = (0..self.queues.len()).filter(|channel| !channels.contains(channel));
            let channel = new.clone().find(begins).expect("all that is owed of some channels");
            rest = self.queues[channel].as_ref().and_then(|queue| queue.behind(rest)).unwrap();
            channels.push(channel);
        }
        channels
    }

    /// The socket has taken so many bytes of what is owed of this channel.
    fn takes(&mut self, channel: usize, mut taken: usize) {
        let queue = self.queues[channel].as_mut().unwrap();
        if taken > 0 {
            assert!(self.inside.is_none_or(|inside| inside == channel), "inside another's frame");
            self.inside = None;
        }
        while let Some(frame) = queue.frames.front_mut()
            && taken > 0
        {
            if taken < frame.len() {
                frame.drain(..taken);
                self.inside = Some(channel);
                break;
            }
            taken -= frame.len();
            queue.frames.pop_front();
        }
        self.is_full = !queue.frames.is_empty();
        queue.is_blocked = self.is_full;
    }
}

struct World {
    broadcast: Broadcast,
    channels: [ChannelId; 3],
    clients: SlotMap<ClientId, Client>,
    published: usize,
    longest_frame: usize,
}

impl World {
    fn new() -> Self {
        let mut ids = SlotMap::with_key();
        Self {
            broadcast: Broadcast::new(BACKLOG, usize::MAX),
            channels: [(); 3].map(|()| ids.insert(())),
            clients: SlotMap::with_key(),
            published: 0,
            longest_frame: 0,
        }
    }

    fn step(&mut self, operation: u8) {
        let low = usize::from(operation & 7);
        let room = ROOMS[usize::from(operation >> 3 & 7)];
        let client = self.clients.keys().nth(low % self.clients.len().max(1));
        match (operation, client) {
            (0x00..0x20, _) => self.join(low.max(1), operation >> 3),
            (0x20..0x28, Some(client)) => self.leave(client, usize::MAX),
            (0x28..0x30, Some(client)) => self.leave(client, 20),
            (0x30..0x40, _) => self.close_lagging(),
            (0x7f, _) if self.longest_frame < LONG && self.is_plain() => self.publish(0, LONG),
            (0x40..0x80, _) if low & 3 == 3 => {}
            (0x40..0x80, _) => self.publish(low & 3, LENGTHS[usize::from(operation >> 2 & 15)]),
            (0x80..0xc0, _) => self.slice(SLICES[low], room),
            (0xc0.., Some(client)) => self.resume(client, room),
            (_, None) => {}
        }
    }

    fn is_plain(&self) -> bool {
        self.clients.values().all(|client| client.form == Form::Plain)
    }

    fn join(&mut self, channels: usize, form: u8) {
        if self.clients.len() == MOST_CLIENTS {
            return;
        }
        let form = match form {
            0 | 1 => Form::Plain,
            2 => compressed(14),
            _ => compressed(15),
        };
        let wants = |channel: usize| channels >> channel & 1 == 1;
        let queues = [0, 1, 2].map(|channel| wants(channel).then(Queue::default));
        let client = self.clients.insert(Client { form, queues, inside: None, is_full: false });
        let ids: Vec<_> = (0..3).filter(|c| wants(*c)).map(|c| self.channels[c]).collect();
        self.broadcast.join(client, &ids, form);
    }

    fn publish(&mut self, channel: usize, length: usize) {
        // The loop does not read from the bus while a log is full.
        if self.broadcast.is_full() {
            return;
        }
        self.published += 1;
        let payload = payload(channel, self.published, length);
        let subscribers = self.broadcast.append(self.channels[channel], &payload);
        let has_it = |client: &Client| client.queues[channel].is_some();
        let expected = self.clients.values().filter(|client| has_it(client)).count();
        assert_eq!(subscribers, expected, "who subscribes is known");
        let mut frames: Vec<(Form, Vec<u8>)> = Vec::new();
        for client in self.clients.values_mut() {
            let Some(queue) = &mut client.queues[channel] else { continue };
            if !frames.iter().any(|(form, _)| *form == client.form) {
                frames.push((client.form, encoded(client.form, &payload)));
            }
            let (_, frame) = frames.iter().find(|(form, _)| *form == client.form).unwrap();
            self.longest_frame = self.longest_frame.max(frame.len());
            queue.frames.push_back(frame.clone());
            queue.lags |= queue.is_blocked && queue.bytes() > BACKLOG;
        }
    }

    fn slice(&mut self, deliveries: usize, room: usize) {
        for _ in 0..deliveries {
            let Some(Delivery { client, bytes }) = self.broadcast.next_delivery() else { return };
            let client = &mut self.clients[client];
            let channels = client.channels_of(bytes);
            let is_blocked = |channel: &usize| client.queues[*channel].as_ref().unwrap().is_blocked;
            let blocked = channels.iter().any(is_blocked);
            assert!(!bytes.is_empty() && !blocked, "a pass leaves who is blocked alone");
            let taken = if client.is_full { 0 } else { bytes.len().min(room) };
            let mut left = taken;
            for channel in channels {
                let owed = client.queues[channel].as_ref().unwrap().bytes();
                client.takes(channel, left.min(owed));
                left = left.saturating_sub(owed);
                if left == 0 {
                    break;
                }
            }
            self.broadcast.delivered(taken);
        }
        self.broadcast.end_slice();
    }

    /// As the loop does it: write by write, until one is not taken whole.
    fn resume(&mut self, id: ClientId, room: usize) {
        let client = &mut self.clients[id];
        client.is_full = false;
        while !client.is_full
            && let Some((log, bytes)) = self.broadcast.owed(id)
        {
            let channel = client.channel_of(bytes);
            let taken = bytes.len().min(room);
            client.takes(channel, taken);
            self.broadcast.wrote(id, log, taken);
        }
    }

    fn leave(&mut self, id: ClientId, max_rest: usize) {
        let client = self.clients.remove(id).unwrap();
        let rest = client.inside.map(|channel| &client.queues[channel].as_ref().unwrap().frames[0]);
        let rest = match rest {
            None => Rest::None,
            Some(rest) if rest.len() <= max_rest => Rest::Bytes(rest.clone()),
            Some(_) => Rest::TooLong,
        };
        let ids = self.channels.iter().zip(&client.queues);
        let channels = ids.filter(|(_, queue)| queue.is_some()).map(|(id, _)| *id).collect();
        assert_eq!(self.broadcast.leave(id, max_rest), Left { channels, rest });
        assert_eq!(self.broadcast.leave(id, max_rest), Left::default(), "it has left");
    }

    fn close_lagging(&mut self) {
        while let Some(id) = self.broadcast.lagging() {
            let lags = |queue: &Queue| queue.is_blocked && queue.bytes() > BACKLOG;
            assert!(self.clients[id].queues().any(lags), "closed without a cause");
            self.leave(id, usize::MAX);
        }
        for queue in self.clients.values_mut().flat_map(|client| client.queues.iter_mut().flatten())
        {
            let lags = std::mem::take(&mut queue.lags) && queue.is_blocked;
            assert!(!lags || queue.bytes() <= BACKLOG, "it holds back memory and is let be");
        }
    }

    /// What holds behind every step.
    fn check(&self) {
        let rests = !self.broadcast.has_deliveries();
        for (id, client) in &self.clients {
            assert_eq!(self.broadcast.is_inside_frame(id), client.inside.is_some());
            let owed = self.broadcast.owed(id).map(|(_, bytes)| client.channel_of(bytes));
            assert_eq!(owed.is_some(), client.owed_bytes() > 0);
            assert!(client.inside.is_none() || owed == client.inside, "the frame is ended first");
            let is_served = |queue: &Queue| queue.is_blocked || queue.frames.is_empty();
            assert!(!rests || client.queues().all(is_served), "skipped by a pass");
        }
        for (channel, id) in self.channels.iter().enumerate() {
            let subscribers = self.clients.values().filter(|c| c.queues[channel].is_some());
            assert_eq!(self.broadcast.subscribers(*id).count(), subscribers.count());
        }
        // A log holds less than twice what the reader furthest behind needs; while passes are under
        // way it may hold what the bus has brought since besides.
        let pending = if rests { 0 } else { BACKLOG + self.longest_frame };
        let most: usize = self.readers().map(|behind| 2 * behind.max(pending) + pending).sum();
        let held = self.broadcast.log_bytes();
        assert!(held <= most, "{held} bytes are held, and {most} may be");
    }

    /// How far the last reader of each log is behind.
    fn readers(&self) -> impl Iterator<Item = usize> {
        let mut logs: Vec<((usize, Form), usize)> = Vec::new();
        for client in self.clients.values() {
            for (channel, queue) in client.queues.iter().enumerate() {
                let Some(queue) = queue else { continue };
                match logs.iter_mut().find(|(log, _)| *log == (channel, client.form)) {
                    Some((_, most)) => *most = queue.bytes().max(*most),
                    None => logs.push(((channel, client.form), queue.bytes())),
                }
            }
        }
        logs.into_iter().map(|(_, behind)| behind)
    }

    /// Everybody takes everything, and goes.
    fn finish(mut self) {
        let everybody: Vec<ClientId> = self.clients.keys().collect();
        for id in &everybody {
            self.resume(*id, usize::MAX);
        }
        while self.broadcast.has_deliveries() {
            self.slice(1, usize::MAX);
        }
        self.check();
        assert!(self.clients.values().all(|client| client.owed_bytes() == 0));
        assert_eq!(self.broadcast.log_bytes(), 0, "when nobody lags, a log owns nothing");
        assert_eq!(self.broadcast.lagging(), None);
        for id in everybody {
            self.leave(id, 0);
        }
        self.check();
        assert!(self.channels.iter().all(|channel| self.broadcast.append(*channel, b"x") == 0));
        assert!(self.broadcast.next_delivery().is_none());
    }
}

/// A message that says which it is of which channel. Every third is no text.
pub fn payload(channel: usize, number: usize, length: usize) -> Vec<u8> {
    let words = format!("{}{number} ", ["a", "b", "c"][channel]);
    let length = if channel == 0 { length } else { length.max(1) };
    let mut payload = words.repeat(length / words.len() + 1).into_bytes();
    payload.truncate(length);
    if number.is_multiple_of(3) && length > 1 {
        payload[length - 1] = 0xff;
    }
    payload
}

fn encoded(form: Form, payload: &[u8]) -> Vec<u8> {
    // A compressor is large, and what it makes of a message does not depend on those before.
    thread_local!(static ENCODER: RefCell<Encoder> = RefCell::default());
    let mut frame = Vec::new();
    let kind = if str::from_utf8(payload).is_ok() { Kind::Text } else { Kind::Binary };
    ENCODER.with_borrow_mut(|encoder| encoder.encode(form, kind, payload, &mut frame));
    frame
}

fn compressed(bits: u8) -> Form {
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    let offers = offers([offer.as_bytes()].into_iter()).expect("a list");
    Agreement::negotiate(&offers).expect("an offer").form()
}
