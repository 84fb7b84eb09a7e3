//! The bus: Redis, or nothing but this process.
//!
//! What to notice:
//! * Without Redis, whatever is wanted is live at once, in the same turn. With it, only the link says what
//!   is live.
//! * Redis is read on while there is room in the logs, for each message more in a pass costs the clients no
//!   write. When there is none, what comes is left to Redis, which cuts the link if that becomes too much.
//! * Everything that happens to the link is said in the log. A server that is deaf and does not say so is
//!   the worst kind.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::Registry;

use super::resolve::{Asker, Resolver};
use super::upstream::Upstream;
use super::{LINK, PUBLISHER, RESOLVER, Server, tap};
use crate::channel::{AWAKE, Channel};
use crate::now::Now;
use crate::quiet::Quiet;
use crate::redis::{
    Endpoint, Link, LinkEvent, Odd, Publisher, Publishing, Reason, RedisAddress, Subscribing,
};
use crate::trace::bus::Bus;
use crate::websocket::close::CloseCode;

/// What the loop keeps for Redis.
pub(super) struct Redis {
    address: RedisAddress,
    link: Upstream<Subscribing>,
    pub(super) publisher: Upstream<Publishing>,
    resolver: Resolver,
    quiet: Quiet,
    /// When the link was lost that is down now, for the log. Each channel has its own gap, which ends when
    /// it is live again: those the hub knows.
    lost_at: Option<Duration>,
    /// Why it is down, if it is.
    down: Option<Reason>,
}

impl Redis {
    pub(super) fn new(
        address: RedisAddress,
        max_message_bytes: usize,
        seed: u64,
        registry: &Registry,
    ) -> io::Result<Self> {
        let credentials = &address.credentials;
        let link = Link::new(credentials.clone(), max_message_bytes, seed);
        Ok(Self {
            link: Upstream::new(link, LINK),
            publisher: Upstream::new(Publisher::new(credentials.clone(), !seed), PUBLISHER),
            resolver: Resolver::new(registry, RESOLVER)?,
            quiet: Quiet::default(),
            lost_at: None,
            down: None,
            address,
        })
    }

    /// The next deadline of the two machines; who no longer serves does not listen to the link.
    pub(super) fn deadline(&self, is_serving: bool) -> Option<Duration> {
        let link = is_serving.then(|| self.link.machine.deadline()).flatten();
        [link, self.publisher.machine.deadline()].into_iter().flatten().min()
    }

    /// Whether there is something to read at once. The link is read only by who still serves.
    pub(super) fn has_input(&self, is_serving: bool) -> bool {
        (is_serving && self.link.has_input()) || self.publisher.has_input()
    }

    pub(super) fn is_live(&self) -> bool {
        self.link.machine.is_live()
    }

    /// Why the link is down; `None` while it is live, and before its first try has ended.
    pub(super) fn down(&self) -> Option<Reason> {
        self.down
    }

    /// How long the link's last PING took, while it is live.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.is_live().then(|| self.link.machine.round_trip()).flatten()
    }

    /// Says what was kept back.
    pub(super) fn finish(&mut self) {
        self.quiet.finish();
    }

    /// Opens a socket for the link or for the publisher, now or when the name is resolved.
    pub(super) fn connect(&mut self, asker: Asker, registry: &Registry, now: Now) {
        match &self.address.endpoint {
            Endpoint::Unix(path) => match asker {
                Asker::Link => self.link.connect_unix(path, registry, now),
                Asker::Publisher => self.publisher.connect_unix(path, registry, now),
            },
            Endpoint::Tcp { host, port } => {
                if let Some(addresses) = self.resolver.ask(asker, host, *port) {
                    self.connect_to(asker, addresses, registry, now);
                }
            }
        }
    }

    fn connect_to(
        &mut self,
        asker: Asker,
        addresses: Vec<SocketAddr>,
        registry: &Registry,
        now: Now,
    ) {
        match asker {
            Asker::Link => self.link.connect_tcp(addresses, registry, now),
            Asker::Publisher => self.publisher.connect_tcp(addresses, registry, now),
        }
    }

    fn on_resolved(&mut self, registry: &Registry, now: Now) {
        while let Some((asker, addresses)) = self.resolver.answer() {
            self.connect_to(asker, addresses, registry, now);
        }
    }

    pub(super) fn warn(&mut self, kind: &'static str, what: fmt::Arguments<'_>, now: Now) {
        let what = format_args!("{}: {what}", self.address);
        self.quiet.say(log::Level::Warn, kind, what, now);
    }
}

impl Server {
    /// Whether this channel never goes through Redis.
    pub(super) fn is_local(&self, channel: &Channel) -> bool {
        self.redis.is_none() || channel.as_str() == AWAKE
    }

    /// Whether a channel that is not live yet can become so soon.
    pub(super) fn is_bus_reachable(&self) -> bool {
        self.is_serving() && self.redis.as_ref().is_none_or(Redis::is_live)
    }

    pub(super) fn subscribe(&mut self, channel: &Channel, now: Now) {
        if self.is_local(channel) {
            self.hub.acknowledged(channel.as_str());
        } else if let Some(redis) = &mut self.redis {
            tap::event(now, &Bus::Subscribe(channel.as_str().into()));
            redis.link.machine.subscribe(channel, now);
        }
    }

    pub(super) fn unsubscribe(&mut self, channel: &Channel, now: Now) {
        if !self.is_local(channel)
            && let Some(redis) = &mut self.redis
        {
            tap::event(now, &Bus::Unsubscribe(channel.as_str().into()));
            redis.link.machine.unsubscribe(channel, now);
        }
    }

    pub(super) fn on_bus_event(&mut self, event: &mio::event::Event, now: Now) {
        let Some(redis) = &mut self.redis else { return };
        match event.token() {
            LINK => redis.link.on_event(event, self.poll.registry(), now),
            PUBLISHER => redis.publisher.on_event(event, self.poll.registry(), now),
            RESOLVER => redis.on_resolved(self.poll.registry(), now),
            _ => {}
        }
    }

    /// Reads what Redis has sent, up to this turn's budget, into the logs.
    pub(super) fn listen_to_bus(&mut self, now: Now) {
        let is_serving = self.is_serving();
        if let Some(redis) = &mut self.redis
            && redis.deadline(is_serving).is_some_and(|deadline| deadline <= now.since_start)
        {
            // The answer that a deadline waits for may be there already.
            redis.link.assume_readable();
            redis.publisher.assume_readable();
        }
        let mut budget = self.site.limits.bus_budget_bytes;
        while let Some(redis) = &mut self.redis
            && is_serving
            && budget > 0
            && redis.link.has_input()
            && !self.broadcast.is_full()
        {
            budget = budget.saturating_sub(redis.link.fill(&mut self.buffer, now));
            self.on_link_events(now);
        }
        if let Some(redis) = &mut self.redis {
            if is_serving && !redis.link.has_input() {
                redis.link.machine.on_deadline(now);
            }
            while redis.publisher.has_input() && redis.publisher.fill(&mut self.buffer, now) > 0 {}
            redis.publisher.machine.on_deadline(now);
        }
        self.on_link_events(now);
        self.on_publisher_events(now);
    }

    pub(super) fn speak_to_bus(&mut self, now: Now) {
        if let Some(redis) = &mut self.redis {
            redis.link.flush(now);
            redis.publisher.flush(now);
        }
        self.on_link_events(now);
        self.on_publisher_events(now);
    }

    fn on_link_events(&mut self, now: Now) {
        while let Some(redis) = &mut self.redis
            && let Some(event) = redis.link.machine.poll_event()
        {
            match event {
                LinkEvent::Connect => redis.connect(Asker::Link, self.poll.registry(), now),
                LinkEvent::Disconnect => redis.link.disconnect(),
                LinkEvent::Message { channel, payload } => {
                    tap::event(
                        now,
                        &Bus::Message(channel.as_str().into(), payload.as_slice().into()),
                    );
                    if let Some(id) = self.hub.id(channel.as_str()) {
                        self.append(id, &payload, now);
                    }
                }
                LinkEvent::Subscribed(channel) => {
                    tap::event(now, &Bus::Subscribed(channel.as_str().into()));
                    self.hub.acknowledged(channel.as_str());
                }
                LinkEvent::Live => self.on_live(now),
                LinkEvent::Down { reason, was_live, retry_in } => {
                    let what = format_args!("{reason} (next try in {retry_in:.1?})");
                    redis.warn(reason_kind(reason), what, now);
                    redis.down = Some(reason);
                    if was_live {
                        self.on_down(now);
                    }
                }
                LinkEvent::Denied { channel, why } => {
                    redis.warn("denied", format_args!("the channel {channel}: {why}"), now);
                    self.on_denied(&channel, now);
                }
                LinkEvent::TooLarge { channel, bytes } => {
                    let what = format_args!(
                        "a message of {bytes} bytes on {channel} was dropped, which is a gap: it \
                         is larger than --max-publish"
                    );
                    redis.warn("too large", what, now);
                    self.site.metrics.too_large.add_one();
                    if let Some(id) = self.hub.id(channel.as_str()) {
                        self.on_gap(id, Duration::ZERO);
                    }
                }
                LinkEvent::Odd(odd) => {
                    redis.warn(odd_text(odd), format_args!("{}", odd_text(odd)), now);
                }
            }
        }
    }

    fn on_live(&mut self, now: Now) {
        tap::event(now, &Bus::Live);
        let Some(redis) = &mut self.redis else { return };
        redis.down = None;
        match redis.lost_at.take() {
            None => {
                let what = format_args!("{}: connected", redis.address);
                redis.quiet.say(log::Level::Info, "connected", what, now);
            }
            Some(lost_at) => {
                self.site.metrics.redis_reconnects.add_one();
                let outage = now.since_start.saturating_sub(lost_at);
                let told = if self.site.closes_on_gap {
                    "they are closed with 1012, so that they come back and fetch it (--on-gap)"
                } else {
                    "they are not told (--on-gap)"
                };
                let what = format_args!(
                    "{}: connected again after {:.3} s; what was published meanwhile is lost to \
                     everybody who is connected here; {told}",
                    redis.address,
                    outage.as_secs_f64(),
                );
                // Each time: how long it was belongs to it, and the back-off says how often there is one.
                log::warn!("{what}");
            }
        }
    }

    /// Everybody keeps their WebSocket, and nothing arrives; who waits for a channel is refused.
    fn on_down(&mut self, now: Now) {
        tap::event(now, &Bus::Gone);
        if let Some(redis) = &mut self.redis {
            redis.lost_at = Some(now.since_start);
        }
        self.hub.link_lost(|channel| channel.as_str() == AWAKE, now);
    }

    /// Redis will not give us this channel (any more): nobody is left sitting on a dead one.
    fn on_denied(&mut self, channel: &Channel, now: Now) {
        tap::event(now, &Bus::Denied(channel.as_str().into()));
        let Some(id) = self.hub.denied(channel.as_str()) else { return };
        let subscribers: Vec<_> = self.broadcast.subscribers(id).collect();
        for client in subscribers {
            if let Some(peer) = self.peers.get_mut(client) {
                peer.conn.close(CloseCode::POLICY, "the channel is denied now", now);
                self.follow_up(client, now);
            }
        }
    }
}

/// A change of the reason is news; the same reason again is not.
pub(super) fn reason_kind(reason: Reason) -> &'static str {
    match reason {
        Reason::Connect(_) => "connect",
        Reason::Ended(_) => "ended",
        Reason::NoAnswer => "no answer",
        Reason::Refused(_) => "refused",
        Reason::Garbage(_) => "garbage",
        Reason::OutOfStep => "out of step",
    }
}

fn odd_text(odd: Odd) -> &'static str {
    match odd {
        Odd::StrayMessage => "a message came for a channel that nobody asked for; dropped",
        Odd::UnknownPush => "a push of an unknown kind came; dropped",
        Odd::PingDenied => "PING is denied by the ACL: allow it with +ping",
    }
}
