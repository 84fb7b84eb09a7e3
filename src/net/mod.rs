//! The loop: the only folder with sockets, clocks and system calls.
//!
//! What to notice:
//! * One turn is always the same: sleep, read what is ready, decide, write, expire, reap.
//! * mio is edge-triggered: it says *once* that a socket is ready. What a turn leaves unread, for
//!   fairness, stands on the `again` list, or it would never be read.
//! * Peers are removed at the end of a turn only, and their ids hold a generation. So an event that
//!   was fetched before a peer went can never reach the one that takes its place.
//!
//! | file | its part of a turn |
//! | --- | --- |
//! | `listener.rs`, `clients.rs` | clients come, want something, and go |
//! | `peer.rs`, `tap.rs` | one socket: read, answer, write; and whoever listens in |
//! | `bus.rs`, `upstream.rs`, `resolve.rs` | Redis: what comes, over which socket, at which address |
//! | `publishing.rs`, `awake.rs` | what clients publish, and what the server itself says |
//! | `fanout.rs` | from the logs to the sockets |
//! | `measure.rs` | what is measured, and what there is when somebody asks |
//! | `gaps.rs` | what is told to whom may have missed something |
//! | `start.rs`, `stop.rs`, `clock.rs` | how it begins and ends, and what time it is |
//! | `publish.rs` | no part of the loop: the command `barewire publish` |

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the one folder in which sockets, clocks and the poll live"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "io::ErrorKind is the system's list, long and open-ended; our own enums are listed"
)]

mod awake;
mod bus;
mod clients;
mod clock;
mod fanout;
mod gaps;
mod listener;
mod measure;
mod peer;
pub mod publish;
mod publishing;
mod resolve;
mod start;
mod stop;
mod tap;
mod upstream;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use signal_hook_mio::v1_0::Signals;
use slotmap::{Key, KeyData, SlotMap};

use self::awake::Awake;
use self::bus::Redis;
pub use self::clients::refusal;
use self::clock::Clock;
use self::gaps::Gaps;
use self::listener::Listener;
use self::peer::Peer;
pub use self::start::{serve, site};
use self::stop::Phase;
use crate::broadcast::{Broadcast, Mark};
use crate::hub::{ClientId, Hub};
use crate::metrics::Process;
use crate::now::Now;
use crate::page::page;
use crate::quiet::Quiet;
use crate::redis::RedisAddress;
use crate::site::Site;
use crate::timers::Timers;

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "a client's id, which holds its generation, has to fit into a poll's token: 64 bits"
);

/// Listeners have the tokens from 0, clients those from 2^32; between them stand these.
const LINK: Token = Token(1 << 16);
const PUBLISHER: Token = Token(LINK.0 + 1);
const RESOLVER: Token = Token(LINK.0 + 2);
const SIGNALS: Token = Token(LINK.0 + 3);

/// Events fetched in one turn.
const EVENTS: usize = 1024;

/// The server: every socket, and the machines behind them.
pub struct Server {
    poll: Poll,
    clock: Clock,
    site: Rc<Site>,
    listeners: Vec<Listener>,
    peers: SlotMap<ClientId, Peer>,
    hub: Hub,
    broadcast: Broadcast,
    awake: Option<Awake>,
    redis: Option<Redis>,
    gaps: Gaps,
    /// The message whose way to everybody is measured, and when it came.
    measured: Option<(Mark, Duration)>,
    /// What the system said of this process, and when.
    process: Option<(Duration, Process)>,
    /// Connections of operators among the peers.
    operators: usize,
    timers: Timers<ClientId>,
    /// Peers that have more input than one turn's budget.
    again: Vec<ClientId>,
    /// Peers to be removed at the end of the turn.
    over: Vec<ClientId>,
    /// Every socket is read into this one.
    buffer: Box<[u8]>,
    quiet: Quiet,
    signals: Signals,
    phase: Phase,
    /// How long a clean end may take.
    drain_time: Duration,
}

impl Server {
    /// Binds the addresses, those for clients and those for operators, and gets ready to run.
    ///
    /// # Errors
    /// The address that could not be bound, and why; or what else the system refused.
    pub fn bind(
        addresses: &[SocketAddr],
        admin_addresses: &[SocketAddr],
        redis: Option<RedisAddress>,
        mut site: Site,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let clock = Clock::start();
        let redis = redis.map(|address| {
            Redis::new(address, site.max_publish_bytes, clock.seed(), poll.registry())
        });
        let mut listeners = Vec::new();
        // Operators first: these stay when those for clients go.
        let public = addresses.iter().map(|address| (address, false));
        let admin = admin_addresses.iter().map(|address| (address, true));
        for (index, (address, is_admin)) in admin.chain(public).enumerate() {
            let flag = if is_admin { "--admin-bind" } else { "--bind" };
            let named = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot listen on {address}: {error} (choose another with {flag})"),
                )
            };
            let mut listener = Listener::bind(*address, is_admin, &site.limits).map_err(named)?;
            listener.register(poll.registry(), Token(index))?;
            listeners.push(listener);
        }
        let mut public = listeners.iter().filter(|listener| !listener.is_admin());
        if let Some(address) = public.find_map(|listener| listener.address().ok()) {
            site.page = page(&site, &url(address));
        }
        let mut signals = Signals::new(stop::signals())?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self {
            poll,
            clock,
            listeners,
            peers: SlotMap::with_key(),
            hub: Hub::default(),
            broadcast: Broadcast::new(site.backlog_bytes, site.limits.all_logs_bytes),
            awake: site.awake.map(Awake::new),
            redis: redis.transpose()?,
            gaps: Gaps::default(),
            measured: None,
            process: None,
            operators: 0,
            timers: Timers::default(),
            again: Vec::new(),
            over: Vec::new(),
            buffer: vec![0; site.limits.read_buffer_bytes].into(),
            site: Rc::new(site),
            quiet: Quiet::default(),
            signals,
            phase: Phase::Serving,
            drain_time: Duration::ZERO,
        })
    }

    /// The addresses that the server listens on, for operators or for clients: where a port of 0 was
    /// asked for, the one it got.
    pub fn addresses(&self, is_admin: bool) -> impl Iterator<Item = SocketAddr> {
        let those = self.listeners.iter().filter(move |listener| listener.is_admin() == is_admin);
        those.filter_map(|listener| listener.address().ok())
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// When the poll itself fails, which leaves nothing to be done.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.phase != Phase::Stopped {
            self.turn(&mut events)?;
        }
        Ok(())
    }

    /// Says what was kept back of the log.
    fn finish(&mut self) {
        self.quiet.finish();
        self.site.quiet.borrow_mut().finish();
        self.listeners.iter_mut().for_each(Listener::finish);
        if let Some(redis) = &mut self.redis {
            redis.finish();
        }
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let sleep = self.sleep_limit(self.clock.since_start());
        match self.poll.poll(events, sleep) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let now = self.clock.now();
        for id in std::mem::take(&mut self.again) {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.is_on_again = false;
            }
            self.serve(id, now);
        }
        for event in events.iter() {
            self.on_event(event, now);
        }
        self.accept(now);
        // What is wanted is said before the bus is listened to. An acknowledgement on its way to
        // somebody who has gone would else be taken for that of who wants the same channel anew,
        // just before Redis is told that nobody does.
        self.on_hub_events(now);
        self.listen_to_bus(now);
        self.say_awake(now);
        // Whoever waited for what the bus has just said is answered.
        self.on_hub_events(now);
        self.deliver(now);
        self.close_lagging(now);
        self.tell_of_gaps(now);
        self.expire(now);
        // And what follows for the bus from all this is said to it in this turn.
        self.on_hub_events(now);
        self.speak_to_bus(now);
        self.drain(now);
        self.reap();
        self.time_turn(now);
        Ok(())
    }

    /// How long the poll may sleep: until the next deadline, and not at all with work left over.
    fn sleep_limit(&self, since_start: Duration) -> Option<Duration> {
        let is_ready = |listener: &Listener| listener.is_ready(since_start);
        let has_work = !self.again.is_empty()
            || self.broadcast.has_deliveries()
            || self.hub.has_events()
            || self.redis.as_ref().is_some_and(|redis| redis.has_input(self.is_serving()));
        if has_work || self.listeners.iter().any(is_ready) {
            return Some(Duration::ZERO);
        }
        let pauses = self.listeners.iter().filter_map(Listener::deadline);
        let awake = self.awake.as_ref().map(Awake::deadline);
        let redis = self.redis.as_ref().and_then(|redis| redis.deadline(self.is_serving()));
        let next = pauses
            .chain(self.timers.next_deadline())
            .chain(awake)
            .chain(redis)
            .chain(self.gaps.deadline())
            .chain(self.drain_deadline())
            .min()?;
        Some(next.saturating_sub(since_start))
    }

    fn on_event(&mut self, event: &mio::event::Event, now: Now) {
        let Token(token) = event.token();
        if let Some(listener) = self.listeners.get_mut(token) {
            return listener.on_readable();
        }
        match event.token() {
            LINK | PUBLISHER | RESOLVER => return self.on_bus_event(event, now),
            SIGNALS => return self.on_signals(now),
            _ => {}
        }
        let id = client_id(event.token());
        if let Some(peer) = self.peers.get_mut(id) {
            if peer.on_event(event) {
                self.resume(id, now);
            }
            self.serve(id, now);
        }
    }
}

/// Where a browser on this machine finds the server.
fn url(address: SocketAddr) -> String {
    let is_here = address.ip().is_loopback() || address.ip().is_unspecified();
    if is_here && address.is_ipv4() {
        return format!("http://localhost:{}/", address.port());
    }
    format!("http://{address}/")
}

/// Listeners have small tokens. A client's is its id, whose upper half is its generation, never 0.
fn token(id: ClientId) -> Token {
    Token(usize::try_from(id.data().as_ffi()).unwrap_or(usize::MAX))
}

fn client_id(Token(token): Token) -> ClientId {
    ClientId::from(KeyData::from_ffi(u64::try_from(token).unwrap_or(0)))
}
