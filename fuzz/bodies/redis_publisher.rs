//! Publishing to a Redis that may be anything: bytes, pauses, ends and refusals by the input's will.
//!
//! ```text
//!   stream   settings   what Redis sends
//!            bit 0: there are credentials; bits 1 and 2: how many publishes there are at the start
//!            ff, without steps: one more than may wait for their answers
//! ```
//!
//! What happens at the end of a pause follows from its length: see [`Run::pass`].
//!
//! * What comes at one moment may be cut anywhere: events, commands and deadline stay the same.
//! * Redis is told the greeting and then each publish, byte for byte and once.
//! * Each publish ends once, in order and within 5 s: with the receivers that answer this very PUBLISH,
//!   or as failed. What was written and not answered is never said not to be published; what had to
//!   wait for the greeting never to be published, perhaps.
//! * A connection ends for a reason that somebody can see who reads along, and is opened for something
//!   that is owed. A deadline is there for what is owed, and moves on.
//! * Memory is for what has come and what is owed, never for what was announced.

mod connection;

use std::collections::VecDeque;
use std::time::Duration;

use barewire::channel::Channel;
use barewire::now::Now;
use barewire::redis::{ANSWER_DEADLINE, ConnectFailure, Credentials, Ended, PublishFailure};
use barewire::redis::{Publisher, PublisherEvent, Reason};

use super::memory;
use super::plain::is_a_line;
use super::redis_session::{Net, Seen, let_say};
use super::script::Script;
use connection::{Connection, Outcome, Owed, PASSWORD, USERNAME, message, publish_command};

/// Further ones do not pass: so that an input takes no longer than it must.
const MAX_PAUSES: usize = 16;
/// So many may wait for their answers.
const MAX_OWED: usize = 1_024;

/// What a publisher takes, as the parser of the `redis` crate needs its first room; for each byte that
/// came, room for that to grow; and for each publish, its command and what is noted of it, here too.
const PUBLISHER_BYTES: usize = 12 << 10;
const BYTES_A_BYTE: usize = 12;
const BYTES_A_PUBLISH: usize = 512;

const FAILURES: [ConnectFailure; 7] = [
    ConnectFailure::Refused,
    ConnectFailure::NoSuchHost,
    ConnectFailure::Unreachable,
    ConnectFailure::TimedOut,
    ConnectFailure::NoSuchPath,
    ConnectFailure::NotPermitted,
    ConnectFailure::Other,
];
const ENDS: [Ended; 4] = [Ended::Closed, Ended::Reset, Ended::TimedOut, Ended::Other];

pub fn fuzz(script: &Script<'_>) {
    let Some((settings, stream)) = script.stream.split_first() else { return };
    let script = Script { steps: script.steps.clone(), stream };
    // It takes fifty times as long as any other input, so few inputs do it.
    let is_flood = *settings == 0xff && script.steps.is_empty();
    let at_start = if is_flood { MAX_OWED + 1 } else { usize::from(settings >> 1 & 3) };
    let publishes = at_start + 3 * MAX_PAUSES + 1;
    let most = PUBLISHER_BYTES + BYTES_A_BYTE * stream.len() + BYTES_A_PUBLISH * publishes;
    memory::at_most(2 * most, "two publishers", || {
        side_by_side(settings & 1 != 0, at_start, &script);
    });
}

/// One publisher is sent the pieces, and another all at once that comes at one moment.
fn side_by_side(has_credentials: bool, at_start: usize, script: &Script<'_>) {
    let new = || Run::new(has_credentials, at_start);
    let (mut cut, mut whole) = (new(), new());
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

/// What came of one step. What is said is held against what must be, so it is not noted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    events: Vec<PublisherEvent>,
    deadlines: Vec<Option<Duration>>,
}

/// The publisher, and what somebody knows of it who sees all that goes in and out.
struct Run {
    publisher: Publisher,
    has_credentials: bool,
    now: Now,
    net: Net,
    /// How many tries the net refused, and how many connections it ended.
    refused: usize,
    ended: usize,
    /// It ends one just now.
    is_ending: bool,
    /// A `Connect` that was neither done nor refused.
    is_connecting: bool,
    redis: Option<Connection>,
    /// Until then, what is published fails at once, and how.
    refuses_until: Duration,
    refuses: Outcome,
    published: u64,
    owed: VecDeque<Owed>,
    /// What should come out, and has not.
    expected: VecDeque<(u64, Outcome)>,
    trace: Trace,
}

impl Run {
    fn new(has_credentials: bool, at_start: usize) -> Self {
        let mut credentials = Credentials::default();
        if has_credentials {
            credentials.username = Some(USERNAME.to_owned());
            credentials.password = Some(PASSWORD.to_owned());
        }
        let mut run = Self {
            publisher: Publisher::new(credentials, 1),
            has_credentials,
            now: Now::default(),
            net: Net::Connects,
            refused: 0,
            ended: 0,
            is_ending: false,
            is_connecting: false,
            redis: None,
            refuses_until: Duration::ZERO,
            refuses: Outcome::NotPublished,
            published: 0,
            owed: VecDeque::new(),
            expected: VecDeque::new(),
            trace: Trace::default(),
        };
        run.publisher.on_deadline(run.now);
        run.settle();
        (0..at_start).for_each(|_| run.publish());
        run.settle();
        run
    }

    fn publish(&mut self) {
        let ticket = self.published;
        self.published += 1;
        let (channel, body) = message(ticket);
        let is_down = self.redis.is_none() && !self.is_connecting && self.owed.is_empty();
        if is_down && self.now.since_start < self.refuses_until {
            self.expected.push_back((ticket, self.refuses));
        } else if self.owed.len() == MAX_OWED {
            self.expected.push_back((ticket, Outcome::NotPublished));
        } else {
            self.owed.push_back(Owed { ticket, by: self.now.since_start + ANSWER_DEADLINE });
            if let Some(redis) = self.redis.as_mut().filter(|redis| redis.is_greeted) {
                redis.to_say.extend(publish_command(ticket));
            }
        }
        self.publisher.publish(ticket, &Channel::new(channel).unwrap(), body, self.now);
    }

    /// Redis sends `bytes`, if there is a connection.
    fn receive(&mut self, bytes: &[u8]) {
        let Some(redis) = &mut self.redis else { return };
        redis.received.extend(bytes);
        self.publisher.receive(bytes, self.now);
    }

    /// Does what the publisher wants done, holds what comes of it against what must, and lets the
    /// socket take what it has to say.
    fn settle(&mut self) {
        if let Some(redis) = &mut self.redis {
            redis.read_along(&mut self.owed, &mut self.expected);
        }
        while let Some(event) = self.publisher.poll_event() {
            self.take(&event);
            self.trace.events.push(event);
        }
        if self.is_connecting && self.net != Net::Hangs {
            self.is_connecting = false;
            if self.net == Net::Refuses {
                let why = FAILURES[self.refused % FAILURES.len()];
                self.refused += 1;
                self.publisher.connect_failed(why, self.now);
                return self.settle();
            }
            self.redis = Some(Connection::new(self.has_credentials));
            self.publisher.connected(self.now);
        }
        let to_say = self.redis.as_mut().map_or(vec![], |it| std::mem::take(&mut it.to_say));
        let_say(&mut self.publisher, &to_say);

        assert_eq!(self.expected, [], "not told");
        let is_live = self.redis.as_ref().is_some_and(|redis| redis.is_greeted);
        assert_eq!(self.publisher.is_live(), is_live);
        assert!(self.redis.as_ref().is_none_or(|redis| redis.misfit.is_none()), "it goes on");
        let deadline = self.publisher.deadline();
        if let Some(oldest) = self.owed.front() {
            assert!(oldest.by > self.now.since_start, "{} is overdue", oldest.ticket);
            assert!(deadline.is_some_and(|at| at <= oldest.by), "{deadline:?}");
        } else {
            let is_needed = self.is_connecting || self.redis.is_some() && !is_live;
            assert_eq!(deadline.is_some(), is_needed, "{deadline:?} for nothing that is owed");
        }
        self.trace.deadlines.push(deadline);
    }

    /// An event comes out, which is one that must.
    fn take(&mut self, event: &PublisherEvent) {
        match *event {
            PublisherEvent::Connect => {
                assert!(self.redis.is_none() && !self.is_connecting, "connects twice");
                assert!(!self.owed.is_empty(), "connects for nothing");
                self.is_connecting = true;
            }
            // Why comes behind it.
            PublisherEvent::Disconnect => {
                assert!(self.redis.is_some() || self.is_connecting, "there is no connection");
            }
            PublisherEvent::Down { reason, refuses_for } => {
                assert_eq!(self.expected, [], "an answer came before the end");
                self.check_reason(reason);
                self.is_connecting = false;
                self.refuses_until = self.now.since_start + refuses_for;
                let was_live = self.redis.take().is_some_and(|redis| redis.is_greeted);
                let is_refusal = matches!(reason, Reason::Refused(_));
                self.refuses = if is_refusal { Outcome::Refused } else { Outcome::NotPublished };
                let end = if was_live { Outcome::PerhapsPublished } else { self.refuses };
                self.expected.extend(self.owed.drain(..).map(|owed| (owed.ticket, end)));
            }
            PublisherEvent::Published { ticket, receivers } => {
                let published = (ticket, Outcome::Published { receivers });
                assert_eq!(self.expected.pop_front(), Some(published));
            }
            PublisherEvent::Failed { ticket, why } => {
                let outcome = match why {
                    PublishFailure::Refused(_) => Outcome::Refused,
                    PublishFailure::Unreachable | PublishFailure::TooMany => Outcome::NotPublished,
                    PublishFailure::Broken | PublishFailure::Timeout => Outcome::PerhapsPublished,
                };
                assert_eq!(self.expected.pop_front(), Some((ticket, outcome)), "{why:?}");
                let said = why.to_string();
                assert_is_fit_to_print(&said);
                let is_unsure = outcome == Outcome::PerhapsPublished;
                let begins = if is_unsure { "perhaps published: " } else { "not published: " };
                assert!(said.starts_with(begins), "{said}");
            }
        }
    }

    /// A connection ends, or a try for one, for a reason that can be seen.
    fn check_reason(&self, reason: Reason) {
        assert_is_fit_to_print(&reason.to_string());
        let is_late = self.owed.front().is_some_and(|owed| owed.by <= self.now.since_start);
        let redis = self.redis.as_ref();
        let seen = Seen {
            is_connected: redis.is_some(),
            has_ended: self.is_ending,
            // That an answer to the greeting is due, too, is left to the link.
            is_late: is_late || redis.is_some_and(|it| !it.is_greeted),
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
        while self.publisher.deadline().is_some_and(|at| at <= until.since_start) {
            self.on_deadline();
        }
        self.now = until;
        match what {
            1 | 6 | 7 => self.publish(),
            2 => (0..3).for_each(|_| self.publish()),
            5 if self.redis.is_some() => {
                self.end(ENDS[self.ended % ENDS.len()]);
                self.ended += 1;
            }
            _ => {}
        }
        self.settle();
    }

    /// The net ends the connection, or the try for one.
    fn end(&mut self, how: Ended) {
        self.is_ending = true;
        self.publisher.eof(how, self.now);
        self.settle();
        self.is_ending = false;
    }

    fn on_deadline(&mut self) {
        let at = self.publisher.deadline().expect("one that is due");
        self.now = self.now.later(at.saturating_sub(self.now.since_start));
        self.publisher.on_deadline(self.now);
        self.settle();
        let next = self.publisher.deadline();
        assert!(next.is_none_or(|next| next > at), "nothing is done at {at:?}");
    }

    /// Whatever has been: the connection ends, and a Redis that works answers the next publish.
    fn come_back(mut self) {
        self.net = Net::Connects;
        self.settle();
        self.end(Ended::Reset);
        assert_eq!((self.owed.len(), self.publisher.deadline()), (0, None));
        let wait = self.refuses_until.saturating_sub(self.now.since_start);
        self.now = self.now.later(wait);
        self.publish();
        self.settle();
        if self.has_credentials {
            self.receive(b"+OK\r\n");
        }
        self.receive(b"+OK\r\n+PONG\r\n");
        self.settle();
        self.receive(b":7\r\n");
        self.settle();
        let published = PublisherEvent::Published { ticket: self.published - 1, receivers: 7 };
        assert_eq!(self.trace.events.last(), Some(&published));
    }
}

fn assert_is_fit_to_print(text: &str) {
    assert!(is_a_line(text), "{text}");
    assert!(!text.contains(USERNAME) && !text.contains(PASSWORD), "{text}");
}
