//! The link to Redis, which may be anything: bytes, pauses, ends and refusals by the input's will.
//!
//! ```text
//!   stream   settings   what Redis sends
//!            bit 0: there is a password; bits 1 and 2: ruby and news are wanted from the start
//! ```
//!
//! What happens at the end of a pause follows from its length: see [`Run::pass`]. Between two pauses
//! there is one connection at most, and what Redis sends without one reaches nobody.
//!
//! * What comes at one moment may be cut anywhere: events, commands and deadline stay the same.
//! * A message comes out where it stood whole in the bytes of this connection, for a channel that was
//!   held and wanted then, in order, and no other; nothing of a connection comes behind its `Down`.
//! * Redis is told the greeting, then what is wanted and not held, or the other way round, and every
//!   5 s a PING: byte for byte, and nothing else.
//! * The link is always either live or on its way back. A connection lives exactly until it ends, a
//!   value comes that is no answer, or a command has been unanswered for 5 s; and it ends for the one of
//!   these reasons that somebody can see who reads along. The deadline is the next of these moments.
//! * In the end a Redis that works brings every wanted channel back.
//! * Whatever is told to a person is one line, with no secret in it.
//! * Memory is for what has come, never for what was announced.

mod connection;

use std::collections::BTreeSet;
use std::time::Duration;

use barewire::channel::Channel;
use barewire::now::Now;
use barewire::redis::{
    CONNECT_DEADLINE, ConnectFailure, Credentials, Ended, Link, LinkEvent, Reason,
};

use super::memory;
use super::plain::is_a_line;
use super::redis_session::{Net, Seen, let_say};
use super::resp::commands;
use super::script::Script;
use connection::{Connection, MESSAGE_BYTES, PASSWORD};

/// The longest that a link waits before the next try.
const PATIENCE: Duration = Duration::from_secs(5);

/// Further ones do not pass: so that an input takes no longer than it must.
const MAX_PAUSES: usize = 16;

/// What a link takes, most of it the parser of the `redis` crate: its first room, and that for all
/// items that an array announces, of which 64 are let through. And for each byte that came, room for
/// that to grow, for its value, and for what this body notes.
const LINK_BYTES: usize = 16 << 10;
const BYTES_A_BYTE: usize = 12;

pub fn fuzz(script: &Script<'_>) {
    let Some((settings, stream)) = script.stream.split_first() else { return };
    let script = Script { steps: script.steps.clone(), stream };
    let most = 2 * (LINK_BYTES + BYTES_A_BYTE * stream.len());
    memory::at_most(most, "two links", || side_by_side(*settings, &script));
}

/// One link is sent the pieces, and another all at once that comes at one moment.
fn side_by_side(settings: u8, script: &Script<'_>) {
    let (mut cut, mut whole) = (Run::new(settings), Run::new(settings));
    let (mut moment, mut pauses) = (Vec::new(), 0);
    let mut steps = script.play().peekable();
    while let Some(step) = steps.next() {
        match step {
            Ok(piece) => {
                cut.receive(piece);
                moment.extend(piece);
                if matches!(steps.peek(), Some(Ok(_))) {
                    continue;
                }
                whole.receive(&std::mem::take(&mut moment));
                cut.settle();
                whole.settle();
            }
            Err(_) if pauses == MAX_PAUSES => continue,
            Err(by) => {
                pauses += 1;
                cut.pass(by);
                whole.pass(by);
            }
        }
        let traces = [&mut cut, &mut whole].map(|run| std::mem::take(&mut run.trace));
        assert_eq!(traces[0], traces[1], "cutting the stream changes nothing");
    }
    cut.come_back();
}

/// What came of one step.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    events: Vec<LinkEvent>,
    said: Vec<String>,
    deadlines: Vec<Duration>,
}

/// The link, and what somebody knows of it who sees all that goes in and out.
struct Run {
    link: Link,
    has_password: bool,
    now: Now,
    net: Net,
    /// The net ends the connection just now.
    is_ending: bool,
    wanted: BTreeSet<Channel>,
    /// Until when a `Connect` that was neither done nor refused is waited for.
    connects_by: Option<Duration>,
    redis: Option<Connection>,
    /// With neither, when the next try begins.
    retries_at: Duration,
    trace: Trace,
}

impl Run {
    fn new(settings: u8) -> Self {
        let has_password = settings & 1 != 0;
        let password = has_password.then(|| PASSWORD.to_owned());
        let mut run = Self {
            link: Link::new(Credentials { username: None, password }, MESSAGE_BYTES, 1),
            has_password,
            now: Now::default(),
            net: Net::Connects,
            is_ending: false,
            wanted: BTreeSet::new(),
            connects_by: None,
            redis: None,
            retries_at: Duration::ZERO,
            trace: Trace::default(),
        };
        for (bit, name) in [(2, "ruby"), (4, "news")] {
            if settings & bit != 0 {
                run.want(name);
            }
        }
        run.link.on_deadline(run.now);
        run.settle();
        run
    }

    /// Redis sends `bytes`, if there is a connection.
    fn receive(&mut self, bytes: &[u8]) {
        let Some(redis) = &mut self.redis else { return };
        redis.received.extend(bytes);
        self.link.receive(bytes, self.now);
    }

    /// Does what the link wants done, holds what comes of it against what must, and lets the socket
    /// take what it has to say.
    fn settle(&mut self) {
        let now = self.now.since_start;
        if let Some(redis) = &mut self.redis {
            redis.read_along(&mut self.wanted, now);
        }
        while let Some(event) = self.link.poll_event() {
            self.take(&event);
            self.trace.events.push(event);
        }
        if self.connects_by.is_some() && self.net != Net::Hangs {
            if self.net == Net::Refuses {
                self.link.connect_failed(ConnectFailure::Refused, self.now);
                return self.settle();
            }
            self.connects_by = None;
            self.redis = Some(Connection::new(self.has_password, now));
            self.link.connected(self.now);
        }
        if let Some(redis) = &self.redis {
            assert!(redis.expected.is_empty(), "not told: {:?}", redis.expected);
            assert_eq!(redis.misfit, None, "it goes on");
            assert!(!redis.is_late(now), "it goes on, and Redis answers nothing");
        }
        let to_say = self.redis.as_mut().map_or(vec![], |it| std::mem::take(&mut it.to_say));
        let_say(&mut self.link, &to_say);
        self.trace.said.extend(commands(&to_say));

        let is_live = self.redis.as_ref().is_some_and(|redis| redis.is_greeted);
        assert_eq!(self.link.is_live(), is_live);
        let deadline = match (&self.redis, self.connects_by) {
            (Some(redis), _) => redis.deadline(),
            (None, Some(by)) => {
                assert!(by > now, "it waits for a connection for ever");
                by
            }
            (None, None) => self.retries_at,
        };
        assert_eq!(self.link.deadline(), Some(deadline), "at {now:?}");
        self.trace.deadlines.push(deadline);
    }

    /// An event comes out, which is one that must.
    fn take(&mut self, event: &LinkEvent) {
        match event {
            LinkEvent::Connect => {
                assert!(self.redis.is_none() && self.connects_by.is_none(), "connects twice");
                assert!(self.retries_at <= self.now.since_start, "connects too soon");
                self.connects_by = Some(self.now.since_start + CONNECT_DEADLINE);
            }
            // Why comes behind it.
            LinkEvent::Disconnect => {
                assert!(self.redis.is_some() || self.connects_by.is_some(), "nothing to end");
            }
            LinkEvent::Down { reason, was_live, retry_in } => {
                self.check_reason(*reason);
                assert!(*retry_in <= PATIENCE, "{retry_in:?}");
                self.retries_at = self.now.since_start + *retry_in;
                self.connects_by = None;
                let redis = self.redis.take();
                assert_eq!(*was_live, redis.as_ref().is_some_and(|redis| redis.is_greeted));
                let left = redis.map(|redis| redis.expected).unwrap_or_default();
                assert!(left.is_empty(), "not told before the end: {left:?}");
            }
            LinkEvent::Live
            | LinkEvent::Subscribed(_)
            | LinkEvent::Denied { .. }
            | LinkEvent::Message { .. }
            | LinkEvent::TooLarge { .. }
            | LinkEvent::Odd(_) => {
                if let LinkEvent::Denied { why, .. } = event {
                    assert_is_fit_to_print(&why.to_string());
                }
                let redis = self.redis.as_mut().expect("behind the end of a connection");
                assert_eq!(Some(event), redis.expected.pop_front().as_ref());
            }
        }
    }

    /// A connection ends, or a try for one, for a reason that can be seen.
    fn check_reason(&self, reason: Reason) {
        assert_is_fit_to_print(&reason.to_string());
        let redis = self.redis.as_ref();
        let seen = Seen {
            is_connected: redis.is_some(),
            has_ended: self.is_ending,
            is_late: redis.is_some_and(|it| it.is_late(self.now.since_start)),
            misfit: redis.and_then(|it| it.misfit),
            has_more: redis.is_some_and(|it| it.read < it.received.len()),
        };
        seen.check(reason);
    }

    /// Time passes, an eighth of what the script says, for nothing here takes a minute; and what was
    /// due meanwhile is done when it was due. Then something happens.
    fn pass(&mut self, by: Duration) {
        let what = (by.as_millis() / 500) % 8;
        let until = self.now.later(by / 8);
        self.net = match what {
            6 => Net::Refuses,
            7 => Net::Hangs,
            _ => Net::Connects,
        };
        self.settle();
        while self.link.deadline().is_some_and(|at| at <= until.since_start) {
            self.on_deadline();
        }
        self.now = until;
        match what {
            1 => self.want("ruby"),
            2 => self.want("news"),
            3 => self.release("ruby"),
            4 => self.release("news"),
            5 if self.redis.is_some() => self.end(Ended::Closed),
            _ => {}
        }
        self.settle();
    }

    fn on_deadline(&mut self) {
        let at = self.link.deadline().expect("one that is due");
        self.now = self.now.later(at.saturating_sub(self.now.since_start));
        if let Some(redis) = &mut self.redis {
            redis.on_deadline(self.now.since_start);
        }
        self.link.on_deadline(self.now);
        let before = self.trace.events.len();
        self.settle();
        // A pause may be drawn as nothing at all, but then something has ended.
        let has_moved = self.link.deadline().is_some_and(|next| next > at);
        assert!(has_moved || self.trace.events.len() > before, "nothing is done at {at:?}");
    }

    /// The net ends the connection, or the try for one.
    fn end(&mut self, how: Ended) {
        self.is_ending = true;
        self.link.eof(how, self.now);
        self.settle();
        self.is_ending = false;
    }

    fn want(&mut self, name: &str) {
        let channel = Channel::new(name).unwrap();
        self.link.subscribe(&channel, self.now);
        self.wanted.insert(channel.clone());
        if let Some(redis) = &mut self.redis {
            if redis.held.contains(&channel) {
                redis.expected.push_back(LinkEvent::Subscribed(channel));
            }
            redis.say_changes(&self.wanted, self.now.since_start);
        }
    }

    fn release(&mut self, name: &str) {
        let channel = Channel::new(name).unwrap();
        self.link.unsubscribe(&channel, self.now);
        self.wanted.remove(&channel);
        if let Some(redis) = &mut self.redis {
            redis.say_changes(&self.wanted, self.now.since_start);
        }
    }

    /// Whatever has been: the connection ends, and a Redis that works answers the next one.
    fn come_back(mut self) {
        self.net = Net::Connects;
        self.settle();
        self.end(Ended::Reset);
        self.trace = Trace::default();
        self.on_deadline();
        assert!(self.redis.is_some(), "no way back");
        let mut answered = 0;
        while let Some(command) = self.trace.said.get(answered) {
            let answer = match command.split_once(' ') {
                None => "+PONG\r\n".to_owned(),
                Some(("SUBSCRIBE", name)) => {
                    format!("*3\r\n$9\r\nsubscribe\r\n$4\r\n{name}\r\n:1\r\n")
                }
                Some(_) => "+OK\r\n".to_owned(),
            };
            self.receive(answer.as_bytes());
            self.settle();
            answered += 1;
        }
        assert!(self.link.is_live(), "{:?}", self.trace);
        assert_eq!(self.redis.as_ref().map(|redis| &redis.held), Some(&self.wanted));
        for channel in &self.wanted.clone() {
            let message = format!("*3\r\n$7\r\nmessage\r\n$4\r\n{channel}\r\n$2\r\nhi\r\n");
            self.receive(message.as_bytes());
        }
        self.settle();
    }
}

fn assert_is_fit_to_print(text: &str) {
    assert!(is_a_line(text) && !text.contains(PASSWORD), "{text}");
}
