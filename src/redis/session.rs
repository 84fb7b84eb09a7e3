//! One connection to Redis, again and again: what the link and the publisher have in common.
//!
//! What to notice:
//! * It never gives up: from every state a deadline or an event leads back to Waiting, and from there
//!   to Connecting when its time has come and Redis is needed.
//! * What is said once Redis has been greeted is the business of a [`Talk`]; all that can go wrong
//!   with a connection is dealt with here, once for both.
//! * Nothing outlives its connection: bytes, half a reply, questions and answers go with it.
//!
//! ```text
//!   Waiting    -- its time has come, and Redis is needed: Connect -----------------> Connecting
//!   Connecting -- the socket is open ----------------------------------------------> Greeting
//!   Greeting   -- an answer, and another is to come -------------------------------> Greeting
//!   Greeting   -- the last answer -------------------------------------------------> Live
//!
//!   Connecting -- it cannot be opened | it takes too long -------------------------> Waiting
//!   Greeting, Live -- no answer in time | a refusal of us | what answers nothing --> Waiting
//!   Connecting, Greeting, Live -- the socket has ended ----------------------------> Waiting
//! ```
//!
//! Every change of the state is made in this file. `publisher.rs` asks for one of them, the first.

use std::collections::VecDeque;
use std::time::Duration;

use super::address::Credentials;
use super::backoff::Backoff;
use super::commands::Commands;
use super::greeting::Greeting;
use super::reason::{ConnectFailure, Ended, Reason};
use super::replies::Replies;
use super::shape::Reply;
use super::{ANSWER_DEADLINE, CONNECT_DEADLINE};
use crate::now::Now;

/// What goes out of a session: commands to Redis, and events to the loop.
pub struct Out<Event> {
    pub(super) commands: Commands,
    pub(super) events: VecDeque<Event>,
}

/// What a session is for: what it says to Redis once it is live, and what it makes of the answers.
///
/// Of a connection it hears in this order: [`greeted`](Self::greeted) once, [`reply`](Self::reply) and
/// [`on_deadline`](Self::on_deadline) while it is live, and [`ended`](Self::ended). Of a try that
/// comes to nothing it hears only the last.
pub trait Talk {
    /// What the loop is told.
    type Event;
    /// The order to open a socket.
    const CONNECT: Self::Event;
    /// The order to drop the socket.
    const DISCONNECT: Self::Event;
    /// The longest reply that is read, framing included; a longer one ends the connection.
    const MAX_REPLY_BYTES: usize;

    /// Whether there is anything to want from Redis just now. If not, an ended connection is neither
    /// a failure nor opened again.
    fn needs_redis(&self) -> bool;

    /// Redis has been greeted: says what has waited for that.
    fn greeted(&mut self, out: &mut Out<Self::Event>, now: Now);

    /// Takes a reply of a live connection.
    ///
    /// # Errors
    /// Why the connection is of no use any more. Drop it.
    fn reply(&mut self, reply: Reply, out: &mut Out<Self::Event>, now: Now) -> Result<(), Reason>;

    /// When the talk itself has something to do.
    fn deadline(&self) -> Option<Duration>;

    /// Does what is due on a live connection.
    ///
    /// # Errors
    /// An answer is overdue. Drop the connection.
    fn on_deadline(&mut self, out: &mut Out<Self::Event>, now: Now) -> Result<(), Reason>;

    /// The connection is gone, or the try for one if it was never live, and with it every answer that
    /// was owed. No other comes before `retry_in` is over.
    fn ended(&mut self, reason: Reason, was_live: bool, retry_in: Duration) -> Vec<Self::Event>;
}

pub(super) enum State {
    Waiting { until: Duration },
    Connecting { until: Duration },
    Greeting { next: Greeting, until: Duration },
    Live { since: Duration },
}

/// A connection to Redis as a machine of bytes and time, which comes back after every end.
pub struct Session<T: Talk> {
    credentials: Credentials,
    pub(super) state: State,
    backoff: Backoff,
    replies: Replies,
    pub(super) out: Out<T::Event>,
    pub(super) talk: T,
}

impl<T: Talk> Session<T> {
    pub(super) fn begin(credentials: Credentials, talk: T, seed: u64) -> Self {
        Self {
            credentials,
            state: State::Waiting { until: Duration::ZERO },
            backoff: Backoff::new(seed),
            replies: Replies::new(T::MAX_REPLY_BYTES),
            out: Out { commands: Commands::default(), events: VecDeque::new() },
            talk,
        }
    }

    /// The socket asked for by `Connect` is open.
    pub fn connected(&mut self, now: Now) {
        let State::Connecting { .. } = self.state else { return };
        let next = Greeting::say(&self.credentials, &mut self.out.commands);
        self.state = State::Greeting { next, until: now.since_start + ANSWER_DEADLINE };
    }

    /// The socket asked for by `Connect` could not be opened.
    pub fn connect_failed(&mut self, why: ConnectFailure, now: Now) {
        if let State::Connecting { .. } = self.state {
            self.back_off(Reason::Connect(why), now);
        }
    }

    /// Redis sent `bytes`.
    pub fn receive(&mut self, mut bytes: &[u8], now: Now) {
        while let State::Greeting { .. } | State::Live { .. } = self.state {
            let taken = match self.replies.message(&mut bytes) {
                Some(message) => self.take(message, now),
                None => match self.replies.read(&mut bytes) {
                    Ok(Some(value)) => self.take(Reply::from(value), now),
                    Ok(None) => return,
                    Err(error) => Err(Reason::Garbage(error)),
                },
            };
            if let Err(reason) = taken {
                self.give_up(reason, now);
            }
        }
    }

    /// The socket has ended, with all received bytes handed in before.
    pub fn eof(&mut self, ended: Ended, now: Now) {
        if !matches!(self.state, State::Waiting { .. }) {
            self.back_off(Reason::Ended(ended), now);
        }
    }

    /// The next thing to do or to know, oldest first.
    pub fn poll_event(&mut self) -> Option<T::Event> {
        self.out.events.pop_front()
    }

    /// The bytes that the socket should take.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.out.commands.rest()
    }

    /// The socket took `count` bytes of [`output`](Self::output).
    pub fn wrote(&mut self, count: usize) {
        self.out.commands.wrote(count);
    }

    /// When to call [`on_deadline`](Self::on_deadline), on the clock of `Now::since_start`.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let own = match self.state {
            State::Waiting { until } => self.talk.needs_redis().then_some(until),
            State::Connecting { until } | State::Greeting { until, .. } => Some(until),
            State::Live { .. } => None,
        };
        [own, self.talk.deadline()].into_iter().flatten().min()
    }

    /// Does what is due; nothing if it is too early.
    pub fn on_deadline(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| deadline > now.since_start) {
            return;
        }
        let done = match self.state {
            State::Waiting { .. } => return self.connect(now),
            State::Connecting { .. } => Err(Reason::Connect(ConnectFailure::TimedOut)),
            State::Greeting { .. } => Err(Reason::NoAnswer),
            State::Live { .. } => self.talk.on_deadline(&mut self.out, now),
        };
        if let Err(reason) = done {
            self.give_up(reason, now);
        }
    }

    /// Whether Redis has been greeted and the connection stands.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    pub(super) fn connect(&mut self, now: Now) {
        self.state = State::Connecting { until: now.since_start + CONNECT_DEADLINE };
        self.out.events.push_back(T::CONNECT);
    }

    fn take(&mut self, reply: Reply, now: Now) -> Result<(), Reason> {
        let State::Greeting { next, .. } = self.state else {
            return self.talk.reply(reply, &mut self.out, now);
        };
        if let Some(next) = next.answer(&reply)? {
            self.state = State::Greeting { next, until: now.since_start + ANSWER_DEADLINE };
        } else {
            self.state = State::Live { since: now.since_start };
            self.talk.greeted(&mut self.out, now);
        }
        Ok(())
    }

    /// Ends the connection from this side.
    fn give_up(&mut self, reason: Reason, now: Now) {
        self.out.events.push_back(T::DISCONNECT);
        self.back_off(reason, now);
    }

    /// The socket is gone, and all that belonged to it goes too; waits for the next try.
    fn back_off(&mut self, reason: Reason, now: Now) {
        let was_live = self.is_live();
        let retry_in = self.wait_after(reason, now);
        self.state = State::Waiting { until: now.since_start + retry_in };
        self.replies = Replies::new(T::MAX_REPLY_BYTES);
        self.out.commands = Commands::default();
        self.out.events.extend(self.talk.ended(reason, was_live, retry_in));
    }

    /// How long to wait for the next try, now that one, or a live connection, has ended. Asked once for
    /// each end, for the back-off counts them.
    fn wait_after(&mut self, reason: Reason, now: Now) -> Duration {
        if let State::Live { since } = self.state {
            self.backoff.held(now.since_start.saturating_sub(since));
            // A connection that nobody needs may end as it likes: Redis has a `timeout` for such.
            if matches!(reason, Reason::Ended(_)) && !self.talk.needs_redis() {
                return Duration::ZERO;
            }
        }
        self.backoff.after(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::{Link, Subscribing};
    use super::super::publisher::Publisher;
    use super::*;
    use crate::channel::Channel;

    include!("../../tests/sources/diagram.rs");

    fn name<T: Talk>(session: &Session<T>) -> &'static str {
        match session.state {
            State::Waiting { .. } => "Waiting",
            State::Connecting { .. } => "Connecting",
            State::Greeting { .. } => "Greeting",
            State::Live { .. } => "Live",
        }
    }

    fn at(seconds: u64) -> Now {
        Now::default().later(Duration::from_secs(seconds))
    }

    fn waiting() -> Link {
        let mut link = connecting();
        link.connect_failed(ConnectFailure::Refused, at(0));
        link
    }

    fn connecting() -> Link {
        let mut link = Link::new(Credentials::default(), 64, 1);
        due(&mut link);
        link
    }

    fn greeting() -> Link {
        let mut link = connecting();
        open(&mut link);
        link
    }

    fn live() -> Link {
        let mut link = greeting();
        answers(&mut link);
        link
    }

    fn pinged() -> Link {
        let mut link = live();
        due(&mut link);
        link
    }

    fn due(link: &mut Link) {
        let since_start = link.deadline().unwrap();
        link.on_deadline(Now { since_start, ..at(0) });
    }

    fn too_early(link: &mut Link) {
        let since_start = link.deadline().unwrap().saturating_sub(Duration::from_nanos(1));
        link.on_deadline(Now { since_start, ..at(0) });
    }

    fn open(link: &mut Link) {
        link.connected(at(0));
    }

    fn not_to_be_opened(link: &mut Link) {
        link.connect_failed(ConnectFailure::Refused, at(0));
    }

    fn one_answer(link: &mut Link) {
        link.receive(b"+OK\r\n", at(0));
    }

    fn answers(link: &mut Link) {
        link.receive(b"+OK\r\n+PONG\r\n", at(0));
    }

    fn pong(link: &mut Link) {
        link.receive(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", at(0));
    }

    fn refusal(link: &mut Link) {
        link.receive(b"-LOADING Redis is loading the dataset in memory\r\n", at(0));
    }

    fn garbage(link: &mut Link) {
        link.receive(b"HTTP/1.1 400 Bad Request\r\n", at(0));
    }

    fn ended(link: &mut Link) {
        link.eof(Ended::Closed, at(0));
    }

    fn wanted(link: &mut Link) {
        link.subscribe(&Channel::new("ruby").unwrap(), at(0));
    }

    fn taken(link: &mut Link) {
        link.wrote(link.output().len());
    }

    /// One edge: a link in the state it leaves, its cause as the diagram names it, how that comes about,
    /// and the state it leads to.
    type Edge = (fn() -> Link, &'static str, fn(&mut Link), &'static str);

    const EDGES: &[Edge] = &[
        (waiting, "its time has come, and Redis is needed: Connect", due, "Connecting"),
        (connecting, "the socket is open", open, "Greeting"),
        (greeting, "an answer, and another is to come", one_answer, "Greeting"),
        (greeting, "the last answer", answers, "Live"),
        (connecting, "it cannot be opened", not_to_be_opened, "Waiting"),
        (connecting, "it takes too long", due, "Waiting"),
        (greeting, "no answer in time", due, "Waiting"),
        (pinged, "no answer in time", |link| link.on_deadline(at(10)), "Waiting"),
        (greeting, "a refusal of us", refusal, "Waiting"),
        (live, "a refusal of us", refusal, "Waiting"),
        (greeting, "what answers nothing", garbage, "Waiting"),
        (live, "what answers nothing", garbage, "Waiting"),
        (connecting, "the socket has ended", ended, "Waiting"),
        (greeting, "the socket has ended", ended, "Waiting"),
        (live, "the socket has ended", ended, "Waiting"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (from, cause, happens, to) in EDGES {
            let mut link = from();
            let before = name(&link);
            happens(&mut link);
            assert_eq!(name(&link), *to, "{before} -- {cause}");
        }
        let walked = EDGES.iter().map(|(from, cause, _, to)| (name(&from()), *cause, *to));
        diagram::assert_drawn(include_str!("session.rs"), walked);
    }

    /// A link in one state, and what leaves it there.
    type Stays = (fn() -> Link, &'static [fn(&mut Link)]);

    #[test]
    fn everything_else_stays_where_it_is() {
        const STAYS: [Stays; 5] = [
            (
                waiting,
                &[too_early, open, not_to_be_opened, answers, refusal, garbage, ended, wanted],
            ),
            (connecting, &[too_early, answers, refusal, garbage, wanted, taken]),
            (greeting, &[too_early, open, not_to_be_opened, wanted, taken]),
            (live, &[too_early, due, open, not_to_be_opened, wanted, taken]),
            (pinged, &[too_early, open, not_to_be_opened, pong, wanted, taken]),
        ];
        for (row, (from, happenings)) in STAYS.iter().enumerate() {
            for (column, happens) in happenings.iter().enumerate() {
                let mut link: Session<Subscribing> = from();
                let before = name(&link);
                happens(&mut link);
                assert_eq!(name(&link), before, "row {row}, column {column}");
            }
        }
    }

    #[test]
    fn a_session_that_is_not_needed_waits_for_ever_and_connects_at_once_when_it_is() {
        let mut publisher = Publisher::new(Credentials::default(), 1);
        publisher.on_deadline(at(1_000_000));
        assert_eq!((name(&publisher), publisher.deadline()), ("Waiting", None));
        publisher.publish(1, &Channel::new("ruby").unwrap(), b"hi", at(1_000_000));
        assert_eq!(name(&publisher), "Connecting");
    }
}
