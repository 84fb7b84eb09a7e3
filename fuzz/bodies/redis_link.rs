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
//! * Nothing but commands of six kinds is said, each a whole array of bulk strings.
//! * There is always a deadline, at most 5 s away, and each moves on. In the end a Redis that works
//!   brings every wanted channel back.
//! * Whatever is told to a person is one line, with no secret in it.
//! * Memory is for what has come, never for what was announced.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use barewire::channel::Channel;
use barewire::now::Now;
use barewire::redis::{ConnectFailure, Credentials, Ended, Link, LinkEvent};

use super::memory;
use super::plain::is_a_line;
use super::resp::{Part, commands, value};
use super::script::Script;

/// Longer messages are reported and dropped.
const MESSAGE_BYTES: usize = 64;
/// The longest that a link waits for anything: an answer, the next PING, the next try.
const PATIENCE: Duration = Duration::from_secs(5);

/// What no text may hold.
const PASSWORD: &str = "sesame";

/// Further ones do not pass: so that an input takes no longer than it must.
const MAX_PAUSES: usize = 16;

/// What a link takes, most of it the first room of the parser of the `redis` crate; and for each byte
/// that came, room for that to grow, for its value, and for what this body notes.
const LINK_BYTES: usize = 12 << 10;
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

/// What becomes of a `Connect`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Net {
    Connects,
    Refuses,
    Hangs,
}

/// The link, and what the event loop keeps beside it.
struct Run {
    link: Link,
    has_password: bool,
    now: Now,
    net: Net,
    wanted: BTreeSet<Channel>,
    /// A `Connect` that was neither done nor refused.
    is_connecting: bool,
    redis: Option<Connection>,
    trace: Trace,
}

/// One connection, as somebody knows it who reads along.
#[derive(Default)]
struct Connection {
    /// What Redis has sent, and how much of that was read as whole values.
    received: Vec<u8>,
    read: usize,
    /// Channels that were acknowledged and not asked to end.
    held: BTreeSet<Channel>,
    /// What should come out of that, and has not.
    expected: VecDeque<LinkEvent>,
    commands: usize,
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
            wanted: BTreeSet::new(),
            is_connecting: false,
            redis: None,
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

    /// Does what the link wants done, holds what it says against what it may say, and lets the socket
    /// take its commands.
    fn settle(&mut self) {
        if let Some(redis) = &mut self.redis {
            redis.read_along(&self.wanted);
        }
        while let Some(event) = self.link.poll_event() {
            match &event {
                LinkEvent::Connect => {
                    assert!(self.redis.is_none() && !self.is_connecting, "connects twice");
                    self.is_connecting = true;
                }
                LinkEvent::Disconnect => (self.redis, self.is_connecting) = (None, false),
                LinkEvent::Down { reason, .. } => {
                    (self.redis, self.is_connecting) = (None, false);
                    assert_is_fit_to_print(&reason.to_string());
                }
                LinkEvent::Denied { channel, why } => {
                    self.wanted.remove(channel);
                    assert_is_fit_to_print(&why.to_string());
                }
                LinkEvent::Message { .. }
                | LinkEvent::TooLarge { .. }
                | LinkEvent::Subscribed(_) => {
                    let redis = self.redis.as_mut().expect("behind the end of a connection");
                    assert_eq!(Some(&event), redis.expected.pop_front().as_ref());
                }
                LinkEvent::Live | LinkEvent::Odd(_) => {}
            }
            self.trace.events.push(event);
        }
        if self.is_connecting && self.net != Net::Hangs {
            self.is_connecting = false;
            if self.net == Net::Refuses {
                self.link.connect_failed(ConnectFailure::Refused, self.now);
                return self.settle();
            }
            self.redis = Some(Connection::default());
            self.link.connected(self.now);
        }
        // A socket takes what it can, in two halves here.
        let said = self.link.output().to_vec();
        self.link.wrote(said.len() / 2);
        assert_eq!(self.link.output(), &said[said.len() / 2..]);
        self.link.wrote(said.len() - said.len() / 2);
        for command in commands(&said) {
            let redis = self.redis.as_mut().expect("nothing is said without a connection");
            redis.was_told(&command, self.has_password);
            self.trace.said.push(command);
        }
        if let Some(redis) = &self.redis {
            assert!(redis.expected.is_empty(), "not delivered: {:?}", redis.expected);
        }
        let deadline = self.link.deadline().expect("it never gives up");
        assert!(deadline <= self.now.since_start + PATIENCE, "{deadline:?} at {:?}", self.now);
        assert!(!self.link.is_live() || self.redis.is_some(), "live without a connection");
        self.trace.deadlines.push(deadline);
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
            5 if self.redis.is_some() => self.link.eof(Ended::Closed, self.now),
            _ => {}
        }
        self.settle();
    }

    fn on_deadline(&mut self) {
        let at = self.link.deadline().expect("one that is due");
        self.now = self.now.later(at.saturating_sub(self.now.since_start));
        self.link.on_deadline(self.now);
        let before = self.trace.events.len();
        self.settle();
        // A pause may be drawn as nothing at all, but then something has ended.
        let has_moved = self.link.deadline().is_some_and(|next| next > at);
        assert!(has_moved || self.trace.events.len() > before, "nothing is done at {at:?}");
    }

    fn want(&mut self, name: &str) {
        let channel = Channel::new(name).unwrap();
        if let Some(redis) = &mut self.redis
            && redis.held.contains(&channel)
        {
            redis.expected.push_back(LinkEvent::Subscribed(channel.clone()));
        }
        self.link.subscribe(&channel, self.now);
        self.wanted.insert(channel);
    }

    fn release(&mut self, name: &str) {
        let channel = Channel::new(name).unwrap();
        self.link.unsubscribe(&channel, self.now);
        self.wanted.remove(&channel);
    }

    /// Whatever has been: the connection ends, and a Redis that works answers the next one.
    fn come_back(mut self) {
        self.trace = Trace::default();
        self.net = Net::Connects;
        self.settle();
        self.link.eof(Ended::Reset, self.now);
        self.settle();
        self.on_deadline();
        assert!(self.redis.is_some(), "no way back");
        let mut answered = self.trace.said.len() - self.redis.as_ref().map_or(0, |it| it.commands);
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

impl Connection {
    /// Reads what has come whole, and says what should come out of it.
    fn read_along(&mut self, wanted: &BTreeSet<Channel>) {
        while let Some((value, length)) = value(&self.received[self.read..]) {
            self.read += length;
            let [Part::Array(3), Part::Bulk(kind), Part::Bulk(name), third] = &value[..] else {
                continue;
            };
            let name = str::from_utf8(name).ok().and_then(|name| Channel::new(name).ok());
            let Some(channel) = name else { continue };
            match (&kind[..], third) {
                (b"subscribe", Part::Line(b':', _)) => {
                    self.held.insert(channel.clone());
                    if wanted.contains(&channel) {
                        self.expected.push_back(LinkEvent::Subscribed(channel));
                    }
                }
                (b"unsubscribe", Part::Line(b':', _)) => drop(self.held.remove(&channel)),
                (b"message", Part::Bulk(payload))
                    if self.held.contains(&channel) && wanted.contains(&channel) =>
                {
                    let bytes = payload.len();
                    self.expected.push_back(if bytes > MESSAGE_BYTES {
                        LinkEvent::TooLarge { channel, bytes }
                    } else {
                        LinkEvent::Message { channel, payload: payload.clone() }
                    });
                }
                _ => {}
            }
        }
    }

    /// The link says `command`, which is one that may come now.
    fn was_told(&mut self, command: &str, has_password: bool) {
        let auth = format!("AUTH {PASSWORD}");
        let greeting = [&auth, "CLIENT SETNAME barewire", "PING"];
        let greeting = if has_password { &greeting[..] } else { &greeting[1..] };
        if let Some(first) = greeting.get(self.commands) {
            assert_eq!(command, *first);
        } else if let Some(name) = command.strip_prefix("UNSUBSCRIBE ") {
            self.held.remove(&Channel::new(name).unwrap());
        } else {
            assert!(["PING", "SUBSCRIBE ruby", "SUBSCRIBE news"].contains(&command), "{command}");
        }
        self.commands += 1;
    }
}

fn assert_is_fit_to_print(text: &str) {
    assert!(is_a_line(text) && !text.contains(PASSWORD), "{text}");
}
