//! The stage: the machines of a server, without its sockets and with a clock that scripts turn.
//!
//! What to notice:
//! * It is a driver of the same machines as `src/net`: bytes go in, `deadline()` is obeyed, output is
//!   taken. Here a socket is a number of bytes that it takes, and all lines are kept.
//! * Nothing is decided here that `src/net` does not decide in the same order: clients, what they want,
//!   the bus, deliveries, deadlines.
//! * The bus is played by the script: what the server says to it is a line that must stand there, and
//!   what it says is a line that is played.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use barewire::broadcast::{Broadcast, Delivery, Rest};
use barewire::channel::AWAKE;
use barewire::conn::{Conn, Event};
use barewire::http::{Response, Status};
use barewire::hub::{ClientId, Hub, HubEvent};
use barewire::net::refusal;
use barewire::now::Now;
use barewire::site::{Entrance, Question, Site, unavailable};
use barewire::trace::Wire;
use barewire::trace::bus::Bus;
use barewire::websocket::close::CloseCode;
use slotmap::SlotMap;

/// Everything that a script is played on.
pub(crate) struct Stage {
    site: Rc<Site>,
    clients: SlotMap<ClientId, Client>,
    hub: Hub,
    broadcast: Broadcast,
    is_live: bool,
    /// Who may have missed something, and is not told yet.
    gaps: BTreeSet<ClientId>,
    /// Who waits to hear to how many its message went.
    publishers: VecDeque<ClientId>,
    now: Now,
    said: Vec<String>,
}

struct Client {
    name: String,
    conn: Conn,
    wire: Wire,
    /// How many more bytes its socket takes.
    room: usize,
    is_joined: bool,
}

impl Client {
    /// Says a line of its wire.
    fn hear(
        &mut self,
        said: &mut Vec<String>,
        hear: impl FnOnce(&mut Wire, &mut dyn FnMut(fmt::Arguments<'_>)),
    ) {
        let Self { name, wire, .. } = self;
        let space = if name.is_empty() { "" } else { " " };
        hear(wire, &mut |line| said.push(format!("{name}{space}{line}")));
    }

    /// Its socket takes what it has room for.
    fn write(&mut self, bytes: &[u8], said: &mut Vec<String>) -> usize {
        let taken = bytes.len().min(self.room);
        self.room -= if self.room == usize::MAX { 0 } else { taken };
        self.hear(said, |wire, say| wire.sent(&bytes[..taken], say));
        taken
    }

    /// Writes what it alone is sent. Never inside a frame of its channels.
    fn flush(&mut self, said: &mut Vec<String>, now: Now) {
        while self.room > 0 && !self.conn.output().is_empty() {
            let output = self.conn.output().to_vec();
            let taken = self.write(&output, said);
            self.conn.wrote(taken, now);
        }
        if self.conn.take_shutdown(now) {
            self.hear(said, |wire, say| wire.sent_end(say));
        }
    }
}

impl Stage {
    pub(crate) fn new(site: Site) -> Self {
        Self {
            clients: SlotMap::with_key(),
            hub: Hub::default(),
            broadcast: Broadcast::new(site.backlog_bytes, site.limits.all_logs_bytes),
            is_live: false,
            gaps: BTreeSet::new(),
            publishers: VecDeque::new(),
            now: Now { unix: Duration::from_secs(1_600_000_000), ..Now::default() },
            said: Vec::new(),
            site: Rc::new(site),
        }
    }

    /// The lines that were said since the last time.
    pub(crate) fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// The client of this name, who has just been accepted if nobody knew it.
    fn client(&mut self, name: &str) -> ClientId {
        if let Some((id, _)) = self.clients.iter().find(|(_, client)| client.name == name) {
            return id;
        }
        self.clients.insert(Client {
            name: name.to_owned(),
            conn: Conn::new(Rc::clone(&self.site), Entrance::LOOPBACK, self.now),
            wire: Wire::default(),
            room: usize::MAX,
            is_joined: false,
        })
    }

    pub(crate) fn connect(&mut self, name: &str) {
        let id = self.client(name);
        self.clients[id].hear(&mut self.said, |_, say| say(format_args!("< connects")));
    }

    /// The client has gone without an end.
    pub(crate) fn reset(&mut self, name: &str) {
        let id = self.client(name);
        self.clients[id].hear(&mut self.said, Wire::reset);
        self.remove(id);
    }

    pub(crate) fn receive(&mut self, name: &str, bytes: &[u8]) {
        let id = self.client(name);
        let client = &mut self.clients[id];
        client.hear(&mut self.said, |wire, say| wire.received(bytes, say));
        client.conn.receive(&mut bytes.to_vec(), self.now);
    }

    pub(crate) fn receive_end(&mut self, name: &str) {
        let id = self.client(name);
        let client = &mut self.clients[id];
        client.hear(&mut self.said, |wire, say| wire.received_end(say));
        client.conn.eof(self.now);
    }

    pub(crate) fn reads(&mut self, name: &str, bytes: usize) {
        let id = self.client(name);
        self.clients[id].room = bytes;
        self.resume(id);
    }

    /// What the bus says. What the server says to it is said by [`Stage::settle`].
    pub(crate) fn hear_bus(&mut self, event: &Bus<'_>) {
        self.said.push(event.to_string());
        match event {
            Bus::Live => self.is_live = true,
            Bus::Gone => {
                self.is_live = false;
                self.hub.link_lost(|channel| channel.as_str() == AWAKE, self.now);
            }
            Bus::Subscribed(channel) => self.hub.acknowledged(channel),
            Bus::Denied(channel) => {
                if let Some(id) = self.hub.denied(channel) {
                    let those: Vec<_> = self.broadcast.subscribers(id).collect();
                    self.close(those, CloseCode::POLICY, "the channel is denied now");
                }
            }
            Bus::Message(channel, payload) => {
                if let Some(id) = self.hub.id(channel) {
                    self.broadcast.append(id, payload);
                }
            }
            Bus::Published(receivers) => {
                if let Some(id) = self.publishers.pop_front() {
                    self.answer(id, &Response::text(Status::Ok, receivers.to_string()));
                }
            }
            Bus::Signal { is_interrupt } => {
                let everybody: Vec<ClientId> = self.clients.keys().collect();
                let served = everybody.clone().into_iter();
                let owed: Vec<_> = served.filter(|id| self.broadcast.owed(*id).is_some()).collect();
                let told = everybody.into_iter().filter(|id| *is_interrupt || !owed.contains(id));
                self.close(told, CloseCode::GOING_AWAY, "the server is going away");
            }
            Bus::Subscribe(_) | Bus::Unsubscribe(_) | Bus::Publish(..) => {
                panic!("the server says this")
            }
        }
    }

    /// What one turn of the loop does when it has read: answers, decides and writes.
    pub(crate) fn settle(&mut self) {
        let everybody: Vec<ClientId> = self.clients.keys().collect();
        everybody.into_iter().for_each(|id| self.serve(id));
        self.decide();
        while self.broadcast.has_deliveries() {
            while let Some(Delivery { client, bytes }) = self.broadcast.next_delivery() {
                let client = &mut self.clients[client];
                client.flush(&mut self.said, self.now);
                let taken = client.write(bytes, &mut self.said);
                self.broadcast.delivered(taken);
            }
            self.broadcast.end_slice();
        }
        while let Some(id) = self.broadcast.lagging() {
            self.close([id], CloseCode::TRY_AGAIN_LATER, "too slow");
        }
        self.tell_of_gaps();
        self.decide();
        self.reap();
    }

    /// So much time passes: whatever is due meanwhile happens when it is due.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let until = self.now.later(time);
        loop {
            let deadlines =
                self.clients.iter().filter_map(|(id, client)| Some((client.conn.deadline()?, id)));
            let Some((at, id)) = deadlines.min().filter(|(at, _)| *at <= until.since_start) else {
                break;
            };
            self.now = self.now.later(at.saturating_sub(self.now.since_start));
            self.clients[id].conn.on_deadline(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// Lets one client write, and does what it wants of the rest of the server.
    fn serve(&mut self, id: ClientId) {
        loop {
            let is_inside_frame = self.broadcast.is_inside_frame(id);
            let Some(client) = self.clients.get_mut(id) else { return };
            if !is_inside_frame {
                client.flush(&mut self.said, self.now);
            }
            let Some(event) = client.conn.poll_event() else { break };
            self.on_wish(id, event);
        }
        self.follow_up(id);
    }

    fn on_wish(&mut self, id: ClientId, wish: Event) {
        let is_reachable = self.is_live || !self.site.has_redis;
        match wish {
            Event::Wants(channels) => self.hub.want(id, &channels, is_reachable),
            Event::Publish { channel, body } => {
                self.said.push(
                    Bus::Publish(channel.as_str().into(), body.as_slice().into()).to_string(),
                );
                if self.site.has_redis {
                    self.publishers.push_back(id);
                } else {
                    let hub_id = self.hub.id(channel.as_str());
                    let receivers = hub_id.map_or(0, |id| self.broadcast.append(id, &body));
                    self.answer(id, &Response::text(Status::Ok, receivers.to_string()));
                }
            }
            Event::Asks(Question::IsReady) if is_reachable => {
                self.answer(id, &Response::text(Status::Ok, "ready"));
            }
            Event::Asks(Question::IsReady) => {
                self.answer(id, &unavailable("not ready, because Redis cannot be reached"));
            }
            Event::Asks(Question::Metrics) => {
                self.answer(id, &unavailable("what a process has counted is not played"));
            }
        }
    }

    fn answer(&mut self, id: ClientId, answer: &Response) {
        if let Some(client) = self.clients.get_mut(id) {
            client.conn.answer(answer, self.now);
            self.serve(id);
        }
    }

    /// Does what the hub wants done.
    fn decide(&mut self) {
        while let Some(event) = self.hub.poll_event() {
            let is_local = |name: &str| !self.site.has_redis || name == AWAKE;
            match event {
                HubEvent::Subscribe(channel) if is_local(channel.as_str()) => {
                    self.hub.acknowledged(channel.as_str());
                }
                HubEvent::Unsubscribe(_, channel) if is_local(channel.as_str()) => {}
                HubEvent::Subscribe(channel) => {
                    self.said.push(Bus::Subscribe(channel.as_str().into()).to_string());
                }
                HubEvent::Unsubscribe(_, channel) => {
                    self.said.push(Bus::Unsubscribe(channel.as_str().into()).to_string());
                }
                HubEvent::Admit(id, channels) => {
                    let client = &mut self.clients[id];
                    client.conn.admit(self.now);
                    self.broadcast.join(id, &channels, client.conn.form());
                    client.is_joined = true;
                    self.serve(id);
                }
                HubEvent::Refuse(id, why) => self.answer(id, &refusal(&why)),
                HubEvent::Gap(channel, _) => {
                    if self.site.closes_on_gap {
                        self.gaps.extend(self.broadcast.subscribers(channel));
                    }
                }
            }
        }
    }

    /// Closes whoever may have missed something.
    fn tell_of_gaps(&mut self) {
        let those = std::mem::take(&mut self.gaps);
        self.close(those, CloseCode::SERVICE_RESTART, "redis gap");
    }

    fn close(&mut self, those: impl IntoIterator<Item = ClientId>, code: CloseCode, reason: &str) {
        for id in those {
            self.clients[id].conn.close(code, reason, self.now);
            self.follow_up(id);
        }
    }

    /// Takes a client that is subscribed no longer out of its logs.
    fn follow_up(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        if !client.is_joined || client.conn.is_subscribed() {
            return;
        }
        client.is_joined = false;
        let left = self.broadcast.leave(id, self.site.limits.rest_bytes);
        left.channels.into_iter().for_each(|channel| self.hub.leave(channel));
        match left.rest {
            Rest::None => {}
            Rest::Bytes(bytes) => client.conn.finish_frame(bytes),
            Rest::TooLong => panic!("no script is as long as that"),
        }
        client.flush(&mut self.said, self.now);
    }

    /// A socket takes bytes again.
    fn resume(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        while client.room > 0 {
            if !self.broadcast.is_inside_frame(id) {
                client.flush(&mut self.said, self.now);
            }
            let Some((log, bytes)) = self.broadcast.owed(id) else { return };
            let taken = client.write(bytes, &mut self.said);
            self.broadcast.wrote(id, log, taken);
        }
    }

    fn reap(&mut self) {
        let is_done = |(id, client): (ClientId, &Client)| client.conn.is_done().then_some(id);
        let done: Vec<ClientId> = self.clients.iter().filter_map(is_done).collect();
        done.into_iter().for_each(|id| self.remove(id));
    }

    /// Drops the client's socket.
    fn remove(&mut self, id: ClientId) {
        self.hub.withdraw(id);
        if self.clients[id].is_joined {
            let left = self.broadcast.leave(id, 0);
            left.channels.into_iter().for_each(|channel| self.hub.leave(channel));
        }
        self.decide();
        let mut client = self.clients.remove(id).expect("it was there");
        let wire = std::mem::take(&mut client.wire);
        client.hear(&mut self.said, |_, say| wire.gone(say));
    }
}
