//! Clients come, want something, and go.
//!
//! What to notice:
//! * Whoever changes what a peer is ends in `follow_up`, directly or through `serve`. It brings the hub,
//!   the logs, the timers and the lists of the loop in line with the peer.
//! * A peer that is over stays in its place until the end of the turn. So `get_mut` may well give one that
//!   is over, and never one that is somebody else.
//! * Above `--max-connections` a few are let in only to be told that there is no room. Those above that
//!   wait in the kernel's queue, and operators are counted apart.

use std::rc::Rc;

use mio::Interest;
use slotmap::Key as _;

use super::listener::Newcomer;
use super::peer::Peer;
use super::tap::Tap;
use super::{Server, token};
use crate::broadcast::Rest;
use crate::channel::Channel;
use crate::conn::{Conn, Event};
use crate::http::{Response, Status};
use crate::hub::{ClientId, HubEvent, Unavailable};
use crate::now::Now;
use crate::site::{Entrance, Question, unavailable};

impl Server {
    pub(super) fn accept(&mut self, now: Now) {
        for index in 0..self.listeners.len() {
            for _ in 0..self.site.limits.accepts {
                let Some(listener) = self.listeners.get(index) else { break };
                let is_admin = listener.is_admin();
                let must_wait = self.must_wait(is_admin);
                let Some(listener) = self.listeners.get_mut(index) else { break };
                if must_wait {
                    listener.pause(now, &self.site.limits);
                    break;
                }
                let accepted = listener.accept(now, &self.site.limits);
                let Some(newcomer) = accepted else { break };
                let from_loopback = newcomer.address.ip().is_loopback();
                self.welcome(newcomer, Entrance { from_loopback, is_admin }, now);
            }
        }
    }

    /// Whether newcomers have to wait in the kernel's queue. A client above the limit is told so, which
    /// takes a descriptor for a moment: it waits when those are in use too.
    fn must_wait(&self, is_admin: bool) -> bool {
        let limits = &self.site.limits;
        if is_admin {
            return self.operators >= limits.operators;
        }
        self.clients() >= self.site.max_connections.saturating_add(limits.refusals)
    }

    /// Connections that are no operators'.
    pub(super) fn clients(&self) -> usize {
        self.peers.len().saturating_sub(self.operators)
    }

    fn welcome(&mut self, newcomer: Newcomer, entrance: Entrance, now: Now) {
        let Newcomer { socket, address, is_one_too_many } = newcomer;
        self.site.metrics.connections.add_one();
        let most = self.site.max_connections;
        let mut conn = Conn::new(Rc::clone(&self.site), entrance, now);
        let is_full = !entrance.is_admin && self.clients() >= most;
        if is_one_too_many || is_full {
            conn.turn_away(now);
        }
        if is_full && !is_one_too_many {
            let what = format_args!(
                "refused {address}: there are {most} connections (see --max-connections)"
            );
            self.quiet.say(log::Level::Warn, "full", what, now);
        }
        self.operators += usize::from(entrance.is_admin);
        let id = self.peers.insert(Peer::new(socket, conn, entrance.is_admin));
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.tap = Tap::new(&id.data(), now);
        // Both interests, once. An edge costs nothing while nobody waits for it, and no system call
        // is needed later, when a write comes short.
        let interests = Interest::READABLE | Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interests = interests | Interest::PRIORITY;
        match self.poll.registry().register(&mut peer.socket, token(id), interests) {
            Ok(()) => log::debug!("{:?}: connected from {address}", id.data()),
            Err(error) => {
                log::warn!("cannot watch the connection from {address}: {error}");
                peer.reset();
            }
        }
        self.serve(id, now);
    }

    /// Lets one peer read, decide and write, and sees to what that leaves to be done.
    pub(super) fn serve(&mut self, id: ClientId, now: Now) {
        let mut budget = self.site.limits.read_budget_bytes;
        // A loop and no recursion: a client may pipeline a thousand requests that are answered here.
        while let Some(peer) = self.peers.get_mut(id) {
            peer.serve(&mut self.buffer, &mut budget, now);
            let event = peer.conn.poll_event();
            let Some(answer) = event.and_then(|event| self.on_wish(id, event, now)) else { break };
            if let Some(peer) = self.peers.get_mut(id) {
                peer.conn.answer(&answer, now);
            }
        }
        self.follow_up(id, now);
    }

    /// What a client wants of the rest of the process: the answer, if it is known at once.
    fn on_wish(&mut self, id: ClientId, wish: Event, now: Now) -> Option<Response> {
        match wish {
            Event::Wants(channels) => {
                let is_new = |channel: &&Channel| self.hub.id(channel.as_str()).is_none();
                let new = channels.iter().filter(is_new).count();
                if self.hub.channels() + new > self.site.limits.channels {
                    return Some(unavailable("the server has as many channels as it takes"));
                }
                self.hub.want(id, &channels, self.is_bus_reachable());
                None
            }
            Event::Publish { channel, body } => self.publish(id, &channel, &body, now),
            Event::Asks(Question::IsReady) => Some(self.readiness()),
            Event::Asks(Question::Metrics) => Some(self.metrics(now)),
        }
    }

    /// Brings everything that hangs on a peer in line with what has become of it.
    pub(super) fn follow_up(&mut self, id: ClientId, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.is_joined && (peer.is_over() || !peer.conn.is_subscribed()) {
            self.leave_channels(id, now);
        }
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.is_over() {
            if !peer.conn.output().is_empty() {
                peer.reset();
            }
            return self.over.push(id);
        }
        if peer.has_input() && !std::mem::replace(&mut peer.is_on_again, true) {
            self.again.push(id);
        }
        if let Some(deadline) = peer.unarmed_deadline() {
            self.timers.arm(deadline, id);
        }
    }

    /// A client is subscribed no longer. If it is inside a frame, the rest of that goes out first,
    /// and what it is told after it, its Close most likely, waits for that.
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
            Rest::TooLong => peer.reset(),
        }
        peer.flush(now);
    }

    /// Does what the hub wants done, until it wants nothing more.
    pub(super) fn on_hub_events(&mut self, now: Now) {
        while let Some(event) = self.hub.poll_event() {
            match event {
                HubEvent::Subscribe(channel) => self.subscribe(&channel, now),
                HubEvent::Unsubscribe(_, channel) => self.unsubscribe(&channel, now),
                HubEvent::Admit(id, channels) => {
                    let Some(peer) = self.peers.get_mut(id) else {
                        channels.iter().for_each(|channel| self.hub.leave(*channel));
                        continue;
                    };
                    peer.conn.admit(now);
                    self.broadcast.join(id, &channels, peer.conn.form());
                    peer.is_joined = true;
                    log::debug!("{:?}: subscribed to {} channels", id.data(), channels.len());
                    self.serve(id, now);
                }
                HubEvent::Refuse(id, why) => {
                    let Some(peer) = self.peers.get_mut(id) else { continue };
                    let answer = refusal(&why);
                    let text = String::from_utf8_lossy(&answer.body);
                    let what = format_args!("refused a handshake: {}", text.trim_end());
                    self.quiet.say(log::Level::Info, "refused", what, now);
                    peer.conn.answer(&answer, now);
                    self.serve(id, now);
                }
                HubEvent::Gap(channel, since) => {
                    self.on_gap(channel, now.since_start.saturating_sub(since));
                }
            }
        }
    }

    pub(super) fn expire(&mut self, now: Now) {
        while let Some((at, id)) = self.timers.expired(now.since_start) {
            // Nobody is judged before they were listened to. If the process was stopped for a while,
            // what they said meanwhile waits in their socket, and the poll may not have told of it.
            let Some(peer) = self.peers.get_mut(id) else { continue };
            peer.assume_readable();
            self.serve(id, now);
            let Some(peer) = self.peers.get_mut(id) else { continue };
            peer.on_timer(at, now);
            self.serve(id, now);
        }
    }

    /// Removes the peers that are over: only behind everything else of a turn, so that no id that was
    /// fetched earlier in the turn names anybody new.
    pub(super) fn reap(&mut self) {
        for id in self.over.drain(..) {
            if self.peers.contains_key(id) {
                log::debug!("{:?}: gone", id.data());
            }
            self.hub.withdraw(id);
            // Dropping the socket closes it, and the poll forgets it.
            if let Some(peer) = self.peers.remove(id) {
                peer.conn.count_abnormal_end();
                self.operators -= usize::from(peer.is_operator);
            }
        }
    }
}

/// What a client is told that cannot have its channels.
#[must_use]
pub fn refusal(why: &Unavailable) -> Response {
    match why {
        Unavailable::Bus => unavailable("Redis cannot be reached now"),
        Unavailable::Denied(channel) => {
            let text = format!("Redis denies this server the channel {channel}: see its ACL");
            Response::text(Status::Forbidden, text)
        }
    }
}
