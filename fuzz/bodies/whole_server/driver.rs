//! A third driver of the same machines: what `barewire::net` does over real sockets, and the example on
//! the crate's front page over one, done here over [`Wire`]s and in virtual time.
//!
//! What to notice:
//! * The order of a turn is net's, which `tests/fuzz_replay.rs` holds. What is done at each step is what
//!   net does, written a second time, and only who changes net can see to it that it stays so. What is
//!   missing is what only a system needs: the poll, errors by their names, signals, the log.
//! * A wire can be asked whether there is something to read, so nothing is remembered of edges: whom net
//!   keeps on its `again` list is ready here in the next turn, with the others. But that it has been *filled*
//!   it remembers as a socket's owner does in net: whoever is inside a frame must not be written to before
//!   [`Server::resume`] has ended that.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use barewire::broadcast::{Broadcast, Delivery, Rest};
use barewire::channel::Channel;
use barewire::conn::{Conn, Event};
use barewire::http::{Response, Status};
use barewire::hub::{ClientId, Hub, HubEvent, Unavailable};
use barewire::now::Now;
use barewire::redis::{ConnectFailure, Credentials, Ended, Link, LinkEvent};
use barewire::site::{Entrance, Site, unavailable};
use barewire::timers::{Timers, rounded};
use barewire::websocket::close::CloseCode;
use slotmap::SlotMap;

use super::client::Wire;
use super::redis::Redis;

/// The server: every wire, and the machines behind them.
pub struct Server {
    pub site: Rc<Site>,
    pub peers: SlotMap<ClientId, Peer>,
    pub hub: Hub,
    pub broadcast: Broadcast,
    pub link: Link,
    pub redis: Redis,
    /// Who waits to be accepted.
    pub newcomers: Vec<Rc<RefCell<Wire>>>,
    /// What the poll has told of and the turn comes to only now: whoever it is may have gone.
    pub late_events: Vec<ClientId>,
    timers: Timers<ClientId>,
    over: Vec<ClientId>,
    buffer: Vec<u8>,
}

/// One client's wire and the machine behind it.
pub struct Peer {
    pub wire: Rc<RefCell<Wire>>,
    pub conn: Conn,
    /// How many messages of each channel had arrived when it was admitted. For the world to judge by.
    pub since: Option<[usize; 3]>,
    is_broken: bool,
    is_joined: bool,
    armed: Option<Duration>,
}

impl Server {
    pub fn new(site: Site, redis: Redis) -> Self {
        Self {
            peers: SlotMap::with_key(),
            hub: Hub::default(),
            broadcast: Broadcast::new(site.backlog_bytes, site.limits.all_logs_bytes),
            link: Link::new(Credentials::default(), site.max_publish_bytes, 1),
            redis,
            newcomers: Vec::new(),
            late_events: Vec::new(),
            timers: Timers::default(),
            over: Vec::new(),
            buffer: vec![0; site.limits.read_buffer_bytes],
            site: Rc::new(site),
        }
    }

    pub fn turn(&mut self, now: Now) {
        let ready = self.peers.iter().filter(|(_, peer)| peer.is_ready()).map(|(id, _)| id);
        let events: BTreeSet<ClientId> = ready.chain(self.late_events.drain(..)).collect();
        for id in events {
            let peer = self.peers.get(id);
            if peer.is_some_and(|peer| peer.wire.borrow_mut().becomes_writable()) {
                self.resume(id, now);
            }
            self.serve(id, now);
        }
        self.accept(now);
        self.on_hub_events(now);
        self.listen_to_bus(now);
        self.on_hub_events(now);
        self.deliver(now);
        self.close_lagging(now);
        self.expire(now);
        self.on_hub_events(now);
        self.speak_to_bus(now);
        self.reap();
    }

    /// How long the poll may sleep: not at all with work left over, else until the next deadline.
    pub fn wakes_at(&self, now: Now) -> Option<Duration> {
        let has_work = !self.newcomers.is_empty()
            || self.peers.values().any(Peer::is_ready)
            || self.broadcast.has_deliveries()
            || self.hub.has_events()
            || self.redis.has_input()
            || self.redis.has_decided()
            || (self.redis.is_connected() && !self.link.output().is_empty());
        let deadlines = [self.timers.next_deadline(), self.link.deadline()];
        let next = deadlines.into_iter().flatten().min();
        if has_work { Some(now.since_start) } else { next.map(|at| at.max(now.since_start)) }
    }

    // Clients come, want something, and go.

    fn accept(&mut self, now: Now) {
        for wire in std::mem::take(&mut self.newcomers) {
            let conn = Conn::new(Rc::clone(&self.site), Entrance::LOOPBACK, now);
            let id = self.peers.insert(Peer {
                wire,
                conn,
                since: None,
                is_broken: false,
                is_joined: false,
                armed: None,
            });
            self.serve(id, now);
        }
    }

    fn serve(&mut self, id: ClientId, now: Now) {
        let mut budget = self.site.limits.read_budget_bytes;
        while let Some(peer) = self.peers.get_mut(id) {
            peer.serve(&mut self.buffer, &mut budget, now);
            let Some(event) = peer.conn.poll_event() else { break };
            let Event::Wants(channels) = event else { panic!("nobody asks for anything else") };
            self.hub.want(id, &channels, self.link.is_live());
        }
        self.follow_up(id, now);
    }

    fn follow_up(&mut self, id: ClientId, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.is_joined && (peer.is_over() || !peer.conn.is_subscribed()) {
            self.leave_channels(id, now);
        }
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.is_over() {
            return self.over.push(id);
        }
        if let Some(deadline) = peer.unarmed_deadline() {
            self.timers.arm(deadline, id);
        }
    }

    fn leave_channels(&mut self, id: ClientId, now: Now) {
        let left = self.broadcast.leave(id, self.site.limits.rest_bytes);
        for channel in left.channels {
            self.hub.leave(channel);
        }
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.is_joined = false;
        match left.rest {
            Rest::None => {}
            Rest::Bytes(bytes) => peer.conn.finish_frame(bytes),
            Rest::TooLong => peer.is_broken = true,
        }
        peer.flush(now);
    }

    fn on_hub_events(&mut self, now: Now) {
        while let Some(event) = self.hub.poll_event() {
            match event {
                HubEvent::Subscribe(channel) => self.link.subscribe(&channel, now),
                HubEvent::Unsubscribe(_, channel) => self.link.unsubscribe(&channel, now),
                HubEvent::Admit(id, channels) => {
                    let Some(peer) = self.peers.get_mut(id) else { continue };
                    peer.conn.admit(now);
                    self.broadcast.join(id, &channels, peer.conn.form());
                    peer.is_joined = true;
                    peer.since = Some(self.redis.arrived_so_far());
                    self.serve(id, now);
                }
                HubEvent::Refuse(id, why) => {
                    let Some(peer) = self.peers.get_mut(id) else { continue };
                    let answer = match why {
                        Unavailable::Bus => unavailable("Redis cannot be reached now"),
                        Unavailable::Denied(_) => Response::text(Status::Forbidden, "denied"),
                    };
                    peer.conn.answer(&answer, now);
                    self.serve(id, now);
                }
                // As with `--on-gap keep`: the model knows what was published meanwhile.
                HubEvent::Gap(..) => {}
            }
        }
    }

    fn expire(&mut self, now: Now) {
        while let Some((at, id)) = self.timers.expired(now.since_start) {
            self.serve(id, now);
            let Some(peer) = self.peers.get_mut(id) else { continue };
            peer.on_timer(at, now);
            self.serve(id, now);
        }
    }

    fn reap(&mut self) {
        for id in self.over.drain(..) {
            self.hub.withdraw(id);
            if let Some(peer) = self.peers.remove(id) {
                peer.wire.borrow_mut().is_closed = true;
            }
        }
    }

    // From the logs to the wires.

    fn deliver(&mut self, now: Now) {
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
        peer.flush(now);
        let taken = peer.write(bytes);
        self.broadcast.delivered(taken);
        if peer.is_over() {
            self.follow_up(client, now);
        }
        Some(taken)
    }

    fn resume(&mut self, id: ClientId, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        while peer.is_writable() {
            if !self.broadcast.is_inside_frame(id) {
                peer.flush(now);
            }
            let Some((log, bytes)) = self.broadcast.owed(id) else { return };
            let taken = peer.write(bytes);
            self.broadcast.wrote(id, log, taken);
        }
    }

    fn close_lagging(&mut self, now: Now) {
        while let Some(id) = self.broadcast.lagging() {
            let peer = self.peers.get_mut(id).expect("who has gone has left");
            peer.conn.close(CloseCode::TRY_AGAIN_LATER, "too slow", now);
            self.follow_up(id, now);
        }
    }

    // The bus.

    fn listen_to_bus(&mut self, now: Now) {
        match self.redis.take_decision() {
            Some(true) => self.link.connected(now),
            Some(false) => self.link.connect_failed(ConnectFailure::Refused, now),
            None => {}
        }
        let mut budget = self.site.limits.bus_budget_bytes;
        while budget > 0 && self.redis.has_input() && !self.broadcast.is_full() {
            let n = self.redis.read(&mut self.buffer);
            if n == 0 {
                self.link.eof(Ended::Closed, now);
            } else {
                self.link.receive(&self.buffer[..n], now);
            }
            budget = budget.saturating_sub(n);
            self.on_link_events(now);
        }
        if !self.redis.has_input() {
            self.link.on_deadline(now);
        }
        self.on_link_events(now);
    }

    fn speak_to_bus(&mut self, now: Now) {
        let taken = self.redis.hear(self.link.output());
        self.link.wrote(taken);
        self.on_link_events(now);
    }

    fn on_link_events(&mut self, now: Now) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Connect => self.redis.connect(),
                LinkEvent::Disconnect => self.redis.hang_up(),
                LinkEvent::Message { channel, payload } => {
                    if let Some(id) = self.hub.id(channel.as_str()) {
                        self.broadcast.append(id, &payload);
                    }
                }
                LinkEvent::Subscribed(channel) => self.hub.acknowledged(channel.as_str()),
                LinkEvent::Down { was_live: true, .. } => self.hub.link_lost(|_| false, now),
                LinkEvent::Denied { channel, .. } => self.on_denied(&channel, now),
                LinkEvent::Live | LinkEvent::Down { .. } | LinkEvent::TooLarge { .. } => {}
                LinkEvent::Odd(odd) => panic!("this Redis does nothing odd: {odd:?}"),
            }
        }
    }

    fn on_denied(&mut self, channel: &Channel, now: Now) {
        let Some(id) = self.hub.denied(channel.as_str()) else { return };
        let subscribers: Vec<ClientId> = self.broadcast.subscribers(id).collect();
        for client in subscribers {
            if let Some(peer) = self.peers.get_mut(client) {
                peer.conn.close(CloseCode::POLICY, "the channel is denied now", now);
                self.follow_up(client, now);
            }
        }
    }
}

impl Peer {
    /// The poll would tell of it.
    fn is_ready(&self) -> bool {
        self.has_input() || self.wire.borrow().can_be_written_again()
    }

    fn has_input(&self) -> bool {
        self.wire.borrow().has_input() && !self.is_over() && self.conn.wants_input()
    }

    fn is_over(&self) -> bool {
        self.is_broken || self.conn.is_done()
    }

    fn is_writable(&self) -> bool {
        !self.is_broken && !self.wire.borrow().is_filled
    }

    fn serve(&mut self, buffer: &mut [u8], budget: &mut usize, now: Now) {
        self.flush(now);
        while *budget > 0 && self.has_input() {
            let limit = self.conn.read_limit().min(buffer.len());
            let read = self.wire.borrow_mut().read(&mut buffer[..limit]);
            match read {
                Some(0) => self.conn.eof(now),
                Some(n) => self.conn.receive(&mut buffer[..n], now),
                None => self.is_broken = true,
            }
            *budget = budget.saturating_sub(read.unwrap_or(0));
            self.flush(now);
        }
    }

    fn flush(&mut self, now: Now) {
        while self.is_writable() && !self.conn.output().is_empty() {
            let taken = self.wire.borrow_mut().write(self.conn.output());
            self.conn.wrote(taken, now);
        }
        if !self.is_broken && self.conn.take_shutdown(now) {
            self.wire.borrow_mut().is_shut = true;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.is_writable() { self.wire.borrow_mut().write(bytes) } else { 0 }
    }

    fn on_timer(&mut self, at: Duration, now: Now) {
        if self.armed == Some(at) {
            self.armed = None;
            self.conn.on_deadline(now);
            self.flush(now);
        }
    }

    fn unarmed_deadline(&mut self) -> Option<Duration> {
        let deadline = rounded(self.conn.deadline()?);
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return None;
        }
        self.armed = Some(deadline);
        Some(deadline)
    }
}
