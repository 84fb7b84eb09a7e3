//! The whole server without its sockets: hub, connections, logs and the link to Redis, driven through
//! a world that the input scripts, in virtual time.
//!
//! Promised is what the README promises: whoever is in good standing gets each message of its channels
//! exactly once and in order from its 101 on, which is not sent before Redis has acknowledged them all;
//! nobody is closed without a cause; and when all is well again, it is as if nothing had been.
//!
//! The input is a program of one byte an operation, two where `n` is written:
//!
//! ```text
//!   00..3F   a client comes: channels in bits 0-2 (none: the first); with bit 3 it answers no ping and no
//!            Close; bits 4-5 say which of `ROOMS` its socket has
//!   40..7F   somebody publishes: on which channel in bits 0-1 (3: on none), which of `LENGTHS` in bits 2-5
//!   80..BF   the client in bits 0-2, in a circle of those who are there, in bits 3-5:
//!            0 takes a byte, 1 takes 100, 2 takes everything from here on, 3 sends a Close, 4 ends its
//!            sending side, 5 resets, 6 sends a ping, 7 breaks a rule
//!   C0..C7   which of `TIMES` in bits 0-2: the loop makes a turn, and as many more as are due meanwhile
//!   C8..CF   the same time, but the process is stopped meanwhile, and makes a turn after it
//!   D0..D7   the client in bits 0-2 sends a message, which nobody wants
//!   D8..DF   the poll tells of a client that has gone
//!   E0 n     Redis dies when n bytes of what it has said and has not arrived have arrived
//!   E1       Redis reads no commands, from here on, or again
//!   E2       nothing that Redis says arrives, from here on, or again
//!   E3 n     while nothing arrives, n bytes do
//!   E4..E6   connects to Redis are accepted, refused, unanswered
//!   E7       Redis' socket takes five bytes a turn of what it is told, from here on, or as much as comes
//!   E8..EA   Redis denies one of the channels to who asks for it, from here on, or not any more
//! ```
//!
//! What is no operation does nothing. Only the times let the server do something. It begins when Redis
//! has been greeted.

mod client;
mod driver;
mod redis;

use std::rc::Rc;
use std::time::Duration;

use barewire::channel::Glob;
use barewire::hub::ClientId;
use barewire::limits::Limits;
use barewire::now::Now;
use barewire::site::Site;

use self::client::{Client, Excuse};
use self::driver::{Peer, Server};
use self::redis::{CHANNELS, Connects, Redis};
use super::broadcast::payload;

const BACKLOG: usize = 2_000;
/// The longest message that is passed on. The backlog is several of them, so that to be let go for
/// lagging is far from only being behind.
const LONGEST: usize = 500;
/// What one read brings from Redis. Whole messages among that are shorter as frames.
const READ: usize = 256;
/// The most that the loop listens to, into one channel, before everybody must be served: it goes on
/// until more than a backlog waits, and the last read may end the longest message and bring more.
const UNDELIVERED: usize = BACKLOG + LONGEST + 4 + READ;
const IDLE: Duration = Duration::from_secs(60);
const MOST_CLIENTS: usize = 6;
const LENGTHS: [usize; 16] =
    [0, 1, 2, 3, 5, 10, 20, 50, 100, 125, 126, 200, 300, 400, LONGEST, LONGEST + 1];
const ROOMS: [usize; 4] = [usize::MAX, 1, 150, 700];
/// In milliseconds. The first is one turn and no more.
const TIMES: [u64; 8] = [0, 1, 60, 1_000, 3_000, 5_000, 10_000, 30_000];

pub fn fuzz(input: &[u8]) {
    let mut world = World::new();
    world.sleep(1);
    let mut input = input.iter().take(200).copied();
    while let Some(operation) = input.next() {
        world.step(operation, &mut input);
    }
    world.finish();
}

struct World {
    server: Server,
    clients: Vec<Client>,
    /// Ids of clients that have gone, the latest last.
    gone: Vec<ClientId>,
    published: usize,
    /// Redis has done something that a link may end for.
    is_troubled: bool,
    now: Now,
}

/// A site whose limits are reached soon.
fn site() -> Site {
    let limits = Limits {
        read_buffer_bytes: READ,
        read_budget_bytes: 512,
        bus_budget_bytes: 600,
        outbox_mark_bytes: 64,
        rest_bytes: 400,
        slice_clients: 2,
        slice_bytes: 300,
        slices: 1,
        ..Limits::default()
    };
    Site {
        limits,
        idle_timeout: IDLE,
        channels: CHANNELS.iter().flat_map(|name| Glob::new(name)).collect(),
        has_redis: true,
        max_publish_bytes: LONGEST,
        backlog_bytes: BACKLOG,
        awake: None,
        ..Site::default()
    }
}

impl World {
    fn new() -> Self {
        Self {
            server: Server::new(site(), Redis::new(LONGEST)),
            clients: Vec::new(),
            gone: Vec::new(),
            published: 0,
            is_troubled: false,
            now: Now::default(),
        }
    }

    fn step(&mut self, operation: u8, operands: &mut impl Iterator<Item = u8>) {
        let low = usize::from(operation & 7);
        self.is_troubled |= matches!(operation, 0xe0..0xe8);
        let redis = &mut self.server.redis;
        match operation {
            0x00..0x40 if self.clients.len() < MOST_CLIENTS => {
                let is_silent = operation & 8 != 0;
                self.welcome(low.max(1), is_silent, ROOMS[usize::from(operation >> 4)]);
            }
            0x00..0x40 => {}
            0x40..0x80 if low & 3 < 3 => {
                self.publish(low & 3, LENGTHS[usize::from(operation >> 2 & 15)]);
            }
            0x40..0x80 => {}
            0x80..0xc0 | 0xd0..0xd8 => self.act(low, operation),
            0xc0 => self.turn(),
            0xc1..0xc8 => self.sleep(TIMES[low]),
            0xc8..0xd0 => {
                self.now = self.now.later(Duration::from_millis(TIMES[low]));
                self.turn();
            }
            0xd8..0xe0 => {
                let gone = self.gone.iter().rev().nth(low);
                self.server.late_events.extend(gone);
            }
            0xe0 => redis.die(operands.next().unwrap_or(0).into()),
            0xe1 => redis.is_deaf ^= true,
            0xe2 => redis.allowance = redis.allowance.xor(Some(0)),
            0xe3 => {
                let more = operands.next().unwrap_or(0);
                redis.allowance = redis.allowance.map(|allowance| allowance + usize::from(more));
            }
            0xe4 => redis.connects = Connects::Accepted,
            0xe5 => redis.connects = Connects::Refused,
            0xe6 => redis.connects = Connects::Unanswered,
            0xe8..0xeb => redis.denies[low] ^= true,
            0xe7 => redis.is_narrow ^= true,
            0xeb.. => {}
        }
    }

    fn welcome(&mut self, channels: usize, is_silent: bool, room: usize) {
        let wants = [0, 1, 2].map(|channel| channels >> channel & 1 == 1);
        let client = Client::new(wants, is_silent, room, self.now.since_start);
        self.server.newcomers.push(Rc::clone(&client.wire));
        self.clients.push(client);
    }

    fn publish(&mut self, channel: usize, length: usize) {
        self.published += 1;
        self.server.redis.publish(channel, payload(channel, self.published, length));
    }

    fn act(&mut self, n: usize, operation: u8) {
        let now = self.now.since_start;
        let Some(n) = n.checked_rem(self.clients.len()) else { return };
        let client = &mut self.clients[n];
        match operation & 0xf8 {
            0x80 => client.take(1),
            0x88 => client.take(100),
            0x90 => client.take(usize::MAX),
            0x98 => client.close(now),
            0xa0 => client.end(),
            0xa8 => client.reset(),
            0xb0 => client.send(9, b"Hello", now),
            0xb8 => client.send_junk(now),
            _ => client.send(1, b"ignored", now),
        }
    }

    /// The loop runs for so many milliseconds.
    fn sleep(&mut self, milliseconds: u64) {
        let until = self.now.later(Duration::from_millis(milliseconds));
        let mut turns = 0;
        loop {
            self.turn();
            match self.server.wakes_at(self.now) {
                Some(at) if at == self.now.since_start => turns += 1,
                Some(at) if at <= until.since_start => {
                    self.now = self.now.later(at - self.now.since_start);
                    turns = 0;
                }
                _ => break,
            }
            assert!(turns < 1_000, "the loop spins");
        }
        self.now = until;
        self.turn();
    }

    fn turn(&mut self) {
        let (was_live, before) = (self.server.link.is_live(), self.ids());
        self.server.turn(self.now);
        let is_live = self.server.link.is_live();
        assert!(!was_live || is_live || self.is_troubled, "the link ended without a cause");
        let peers = &self.server.peers;
        self.gone.extend(before.into_iter().filter(|id| !peers.contains_key(*id)));

        let now = self.now.since_start;
        let redis = &mut self.server.redis;
        for client in &mut self.clients {
            let is_its = |peer: &&Peer| Rc::ptr_eq(&peer.wire, &client.wire);
            let peer = peers.values().find(is_its);
            let is_subscribed = peer.is_some_and(|peer| peer.conn.is_subscribed());
            client.saw_trouble |= !was_live || !is_live;
            for channel in (0..3).filter(|channel| client.wants[*channel]) {
                client.saw_denial |= redis.denied[channel];
                assert!(!is_subscribed || !redis.unsubscribed[channel], "it still needs this");
            }
            if client.since.is_none() && is_subscribed {
                client.since = peer.and_then(|peer| peer.since);
                assert!(was_live || is_live, "admitted without Redis");
                let is_live = |channel: usize| redis.acknowledged[channel];
                assert!((0..3).all(|c| !client.wants[c] || is_live(c)), "admitted too early");
            }
            if client.is_in_good_standing() && !is_subscribed {
                let causes = client.find_causes(redis, now);
                assert!(!causes.is_empty(), "closed without a cause");
                client.excuse = Some(Excuse::Closed(causes));
            }
            client.listen(redis, now);
            client.is_subscribed = is_subscribed;
            let is_told = client.since.is_some() || client.status.is_some();
            let can_be_told = client.excuse.is_none() && client.wire.borrow().room == usize::MAX;
            let is_lost = was_live && !is_live;
            assert!(is_told || !can_be_told || !is_lost, "left waiting when the link was lost");
        }
        redis.denied = [false; 3];
        redis.unsubscribed = [false; 3];
        self.clients.retain(|client| {
            let is_closed = client.wire.borrow().is_closed;
            assert!(!is_closed || may_be_closed(client, now), "gone without a cause");
            !is_closed
        });
        self.check();
    }

    /// What holds behind every turn. The target `broadcast` knows to the byte who lags and how much a
    /// log may hold; here are connections in between, and this is as near as can be seen from outside.
    fn check(&self) {
        let Server { broadcast, redis, .. } = &self.server;
        let rests = !broadcast.has_deliveries();
        let pending = if rests { 0 } else { UNDELIVERED };
        let mut most = 0;
        for channel in 0..3 {
            let subscribers =
                self.clients.iter().filter(|it| it.is_subscribed && it.wants[channel]);
            let behind = subscribers.map(|client| client.behind(channel, redis)).max();
            most += behind.map_or(0, |behind| 2 * behind.max(pending) + pending);
        }
        let held = broadcast.log_bytes();
        assert!(held <= most, "{held} bytes are held, and {most} may be");
        for client in self.clients.iter().filter(|client| client.is_subscribed) {
            let behind = (0..3).map(|channel| client.behind(channel, redis)).max().unwrap();
            let least = behind.saturating_sub(client.half_a_frame());
            assert!(least <= UNDELIVERED, "{least} bytes behind, and let be");
        }
        let is_free = |client: &Client| client.wire.borrow().room == usize::MAX;
        if rests && self.clients.iter().all(is_free) {
            assert_eq!(held, 0, "when nobody lags, a log owns nothing");
        }
    }

    fn ids(&self) -> Vec<ClientId> {
        self.server.peers.keys().collect()
    }

    /// All is well again; then everybody goes.
    fn finish(&mut self) {
        self.server.redis.heal();
        for client in &mut self.clients {
            client.take(usize::MAX);
        }
        self.sleep(1);
        if !self.server.link.is_live() {
            self.sleep(9_000);
        }
        assert!(self.server.link.is_live(), "on its way back for ever");
        let mut needed = [false; 3];
        for client in self.clients.iter().filter(|client| client.is_in_good_standing()) {
            needed = [0, 1, 2].map(|channel| needed[channel] || client.wants[channel]);
        }
        assert_eq!(self.server.redis.subscribed(), needed, "what is needed, and nothing else");

        self.welcome(7, false, usize::MAX);
        self.sleep(1);
        let fresh = self.clients.last().expect("it is there");
        assert_eq!(fresh.status, Some(101), "deaf to a newcomer");
        for channel in 0..3 {
            self.publish(channel, 100);
        }
        self.sleep(1);
        let redis = &self.server.redis;
        assert!(redis.arrived.iter().all(|channel| !channel.is_empty()), "deaf to Redis");
        for client in self.clients.iter().filter(|client| client.is_in_good_standing()) {
            assert!(client.has_all(redis), "a message is missing");
        }

        for client in &mut self.clients {
            client.close(self.now.since_start);
            client.end();
        }
        self.sleep(3_000);
        let Server { peers, hub, broadcast, redis, .. } = &self.server;
        assert!(peers.is_empty() && self.clients.is_empty());
        assert_eq!((hub.channels(), broadcast.log_bytes()), (0, 0));
        assert!(!broadcast.has_deliveries() && !hub.has_events());
        assert_eq!(redis.subscribed(), [false; 3]);
    }
}

/// Whether the server may have ended a connection.
fn may_be_closed(client: &Client, now: Duration) -> bool {
    let waited = now - client.came >= Limits::default().handshake;
    match client.status {
        Some(101) => client.excuse.is_some(),
        Some(403) => client.saw_denial,
        Some(503) => client.saw_trouble || waited,
        Some(status) => panic!("refused with {status}"),
        // Its answer did not get through.
        None => client.excuse.is_some() || client.saw_denial || client.saw_trouble || waited,
    }
}
