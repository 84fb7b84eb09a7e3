//! The second connection to Redis, over which messages are published.
//!
//! What to notice:
//! * It is a connection of its own because in RESP2 a connection that is subscribed may not publish,
//!   and it is opened at the first publish because most servers never do.
//! * Publishes are pipelined: the answers come in the order of the commands.
//! * Nothing is sent twice. A publish whose answer is lost may have arrived; whoever asked for it is
//!   told just that, and can decide.
//!
//! One publish; the states of the connection are those of a [`Session`].
//!
//! ```text
//!   asked for -- no try is due yet | too much is owed -----------> failed
//!   asked for -- Redis is not greeted yet -----------------------> held back
//!   asked for -- Redis is greeted -------------------------------> sent
//!   held back -- Redis is greeted -------------------------------> sent
//!   sent      -- answered ---------------------------------------> published
//!   sent      -- refused ----------------------------------------> failed
//!   held back, sent -- no answer in time | the connection ends --> failed
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::ANSWER_DEADLINE;
use super::address::Credentials;
use super::commands::Commands;
use super::event::{PublishFailure, PublisherEvent};
use super::reason::Reason;
use super::session::{Out, Session, State, Talk};
use super::shape::Reply;
use crate::channel::Channel;
use crate::now::Now;

/// The most publishes that wait for their answers.
const MAX_OWED: usize = 1_024;
/// The most bytes of bodies that wait for their answers. A single one may be longer: its limit is
/// `--max-publish`.
const MAX_OWED_BYTES: usize = 16 << 20;

/// The publishing connection. It connects when something is published, and not before.
pub type Publisher = Session<Publishing>;

/// A publish that Redis has not answered.
struct Owed {
    ticket: u64,
    bytes: usize,
    by: Duration,
}

/// The talk of a [`Publisher`].
pub struct Publishing {
    owed: VecDeque<Owed>,
    owed_bytes: usize,
    /// Publishes that came before Redis was greeted.
    held_back: Commands,
    /// Why a publish fails that comes before the next connection may be tried.
    refusing: PublishFailure,
}

impl Session<Publishing> {
    /// A publisher that greets Redis with `credentials`; `seed` decides the jitter of its back-off.
    #[must_use]
    pub fn new(credentials: Credentials, seed: u64) -> Self {
        let talk = Publishing {
            owed: VecDeque::new(),
            owed_bytes: 0,
            held_back: Commands::default(),
            refusing: PublishFailure::Unreachable,
        };
        Self::begin(credentials, talk, seed)
    }

    /// Publishes `body` to `channel`. `Published` or `Failed` with this `ticket` follows, at once or
    /// within [`ANSWER_DEADLINE`].
    pub fn publish(&mut self, ticket: u64, channel: &Channel, body: &[u8], now: Now) {
        if let State::Waiting { until } = self.state {
            if now.since_start < until {
                let why = self.talk.refusing;
                return self.out.events.push_back(PublisherEvent::Failed { ticket, why });
            }
            self.connect(now);
        }
        let Publishing { owed, owed_bytes, held_back, .. } = &mut self.talk;
        let too_long = !owed.is_empty() && *owed_bytes + body.len() > MAX_OWED_BYTES;
        if too_long || owed.len() == MAX_OWED {
            let why = PublishFailure::TooMany;
            return self.out.events.push_back(PublisherEvent::Failed { ticket, why });
        }
        let by = now.since_start + ANSWER_DEADLINE;
        owed.push_back(Owed { ticket, bytes: body.len(), by });
        *owed_bytes += body.len();
        // Not before the greeting went well: a PUBLISH that is refused with its AUTH is a plain
        // failure, one that slipped through as the default user would not be.
        let greeted = matches!(self.state, State::Live { .. });
        let commands = if greeted { &mut self.out.commands } else { held_back };
        commands.say([b"PUBLISH", channel.as_str().as_bytes(), body]);
    }
}

impl Talk for Publishing {
    type Event = PublisherEvent;
    const CONNECT: PublisherEvent = PublisherEvent::Connect;
    const DISCONNECT: PublisherEvent = PublisherEvent::Disconnect;
    /// The longest answer to anything a publisher says is one line.
    const MAX_REPLY_BYTES: usize = 64 << 10;

    fn needs_redis(&self) -> bool {
        !self.owed.is_empty()
    }

    fn greeted(&mut self, out: &mut Out<PublisherEvent>, _: Now) {
        out.commands.append(&mut self.held_back);
    }

    fn reply(&mut self, reply: Reply, out: &mut Out<PublisherEvent>, _: Now) -> Result<(), Reason> {
        if let Reply::Receivers(receivers) = reply {
            let ticket = self.answered().ok_or(Reason::OutOfStep)?;
            out.events.push_back(PublisherEvent::Published { ticket, receivers });
            return Ok(());
        }
        let Reply::Refused(refusal) = reply else { return Err(Reason::OutOfStep) };
        let ticket = self.answered().ok_or(Reason::Refused(refusal))?;
        let why = PublishFailure::Refused(refusal);
        out.events.push_back(PublisherEvent::Failed { ticket, why });
        // Else the next one would fare no better; a new connection may find another Redis.
        if refusal.spares_the_connection() { Ok(()) } else { Err(Reason::Refused(refusal)) }
    }

    fn deadline(&self) -> Option<Duration> {
        self.owed.front().map(|owed| owed.by)
    }

    fn on_deadline(&mut self, _: &mut Out<PublisherEvent>, _: Now) -> Result<(), Reason> {
        // An answer that came later would be taken for that of the next publish, so the connection
        // goes with the answer.
        Err(Reason::NoAnswer)
    }

    fn ended(&mut self, reason: Reason, was_live: bool, retry_in: Duration) -> Vec<PublisherEvent> {
        self.refusing = if let Reason::Refused(refusal) = reason {
            PublishFailure::Refused(refusal)
        } else {
            PublishFailure::Unreachable
        };
        let why = match was_live {
            false => self.refusing,
            true if reason == Reason::NoAnswer => PublishFailure::Timeout,
            true => PublishFailure::Broken,
        };
        self.held_back = Commands::default();
        self.owed_bytes = 0;
        let failed =
            self.owed.drain(..).map(|Owed { ticket, .. }| PublisherEvent::Failed { ticket, why });
        let down = PublisherEvent::Down { reason, refuses_for: retry_in };
        [down].into_iter().chain(failed).collect()
    }
}

impl Publishing {
    /// The oldest publish is answered; its ticket.
    fn answered(&mut self) -> Option<u64> {
        let Owed { ticket, bytes, .. } = self.owed.pop_front()?;
        self.owed_bytes = self.owed_bytes.saturating_sub(bytes);
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::super::greeting::Refusal;
    use super::super::reason::{ConnectFailure, Ended};
    use super::*;
    use proptest::prelude::*;

    const GREETED: &[u8] = b"+OK\r\n+PONG\r\n";

    fn at(millis: u64) -> Now {
        Now::default().later(Duration::from_millis(millis))
    }

    fn publish(publisher: &mut Publisher, ticket: u64, millis: u64) {
        publisher.publish(ticket, &Channel::new("a").unwrap(), b"hi", at(millis));
    }

    fn events(publisher: &mut Publisher) -> Vec<PublisherEvent> {
        std::iter::from_fn(|| publisher.poll_event()).collect()
    }

    fn said(publisher: &mut Publisher) -> String {
        let text = String::from_utf8(publisher.output().to_vec()).unwrap();
        publisher.wrote(text.len());
        let words: Vec<_> = text.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        words.join(" ")
    }

    fn published(ticket: u64, receivers: u64) -> PublisherEvent {
        PublisherEvent::Published { ticket, receivers }
    }

    fn failed(ticket: u64, why: PublishFailure) -> PublisherEvent {
        PublisherEvent::Failed { ticket, why }
    }

    /// The tickets that failed, and why, without the rest.
    fn failures(publisher: &mut Publisher) -> Vec<(u64, PublishFailure)> {
        events(publisher)
            .into_iter()
            .filter_map(|event| match event {
                PublisherEvent::Failed { ticket, why } => Some((ticket, why)),
                PublisherEvent::Connect
                | PublisherEvent::Disconnect
                | PublisherEvent::Down { .. }
                | PublisherEvent::Published { .. } => None,
            })
            .collect()
    }

    /// A live publisher that owes ticket 0.
    fn live() -> Publisher {
        let mut publisher = Publisher::new(Credentials::default(), 1);
        publish(&mut publisher, 0, 0);
        publisher.connected(at(0));
        publisher.receive(GREETED, at(0));
        assert_eq!(events(&mut publisher), [PublisherEvent::Connect]);
        publisher
    }

    include!("../../tests/sources/diagram.rs");

    /// How far the publish with ticket 1 has come.
    fn state(publisher: &mut Publisher) -> &'static str {
        let ended = events(publisher).into_iter().find_map(|event| match event {
            PublisherEvent::Published { ticket: 1, .. } => Some("published"),
            PublisherEvent::Failed { ticket: 1, .. } => Some("failed"),
            PublisherEvent::Published { .. }
            | PublisherEvent::Failed { .. }
            | PublisherEvent::Connect
            | PublisherEvent::Disconnect
            | PublisherEvent::Down { .. } => None,
        });
        let is_owed = publisher.talk.owed.iter().any(|owed| owed.ticket == 1);
        assert_ne!(ended.is_some(), is_owed, "every ticket ends once");
        let is_said = !publisher.output().is_empty() && publisher.is_live();
        ended.unwrap_or(if is_said { "sent" } else { "held back" })
    }

    fn greet(publisher: &mut Publisher) {
        publisher.connected(at(0));
        publisher.wrote(publisher.output().len());
        publisher.receive(GREETED, at(0));
    }

    fn new() -> Publisher {
        Publisher::new(Credentials::default(), 1)
    }

    fn failed_once() -> Publisher {
        let mut publisher = new();
        publish(&mut publisher, 0, 0);
        publisher.connect_failed(ConnectFailure::Refused, at(0));
        publisher
    }

    fn owing_the_most() -> Publisher {
        let mut publisher = new();
        (0..1024).for_each(|ticket| publish(&mut publisher, ticket + 2, 0));
        publisher
    }

    fn greeted() -> Publisher {
        let mut publisher = new();
        publisher.connect(at(0));
        greet(&mut publisher);
        publisher
    }

    fn held_back() -> Publisher {
        let mut publisher = new();
        publish(&mut publisher, 1, 0);
        publisher
    }

    fn sent() -> Publisher {
        let mut publisher = greeted();
        publish(&mut publisher, 1, 0);
        publisher
    }

    fn ends(publisher: &mut Publisher) {
        publisher.eof(Ended::Closed, at(1));
    }

    fn too_late(publisher: &mut Publisher) {
        publisher.on_deadline(at(5000));
    }

    /// One edge of the diagram at the head of this file: the state it leaves, a publisher with such a
    /// publish (or just before it is asked for), the cause, how that comes about, and the state it leads
    /// to.
    type Edge = (&'static str, fn() -> Publisher, &'static str, fn(&mut Publisher), &'static str);

    const EDGES: &[Edge] = &[
        ("asked for", failed_once, "no try is due yet", |p| publish(p, 1, 0), "failed"),
        ("asked for", owing_the_most, "too much is owed", |p| publish(p, 1, 0), "failed"),
        ("asked for", new, "Redis is not greeted yet", |p| publish(p, 1, 0), "held back"),
        ("asked for", greeted, "Redis is greeted", |p| publish(p, 1, 0), "sent"),
        ("held back", held_back, "Redis is greeted", greet, "sent"),
        ("sent", sent, "answered", |p| p.receive(b":3\r\n", at(1)), "published"),
        ("sent", sent, "refused", |p| p.receive(b"-NOPERM no\r\n", at(1)), "failed"),
        ("held back", held_back, "no answer in time", too_late, "failed"),
        ("sent", sent, "no answer in time", too_late, "failed"),
        ("held back", held_back, "the connection ends", ends, "failed"),
        ("sent", sent, "the connection ends", ends, "failed"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (from, begin, cause, happens, to) in EDGES {
            let mut publisher = begin();
            if *from == "asked for" {
                events(&mut publisher);
            } else {
                assert_eq!(state(&mut publisher), *from);
            }
            happens(&mut publisher);
            assert_eq!(state(&mut publisher), *to, "{from} -- {cause}");
        }
        let walked = EDGES.iter().map(|(from, _, cause, _, to)| (*from, *cause, *to));
        diagram::assert_drawn(include_str!("publisher.rs"), walked);
    }

    #[test]
    fn idle_asks_for_nothing() {
        let mut publisher = Publisher::new(Credentials::default(), 1);
        publisher.on_deadline(at(100_000));
        assert_eq!((publisher.deadline(), publisher.output()), (None, &b""[..]));
        assert_eq!(events(&mut publisher), []);
    }

    #[test]
    fn first_publish_connects_greets_and_only_then_goes_out() {
        let credentials = Credentials { username: Some("u".into()), password: Some("pw".into()) };
        let mut publisher = Publisher::new(credentials, 1);
        publish(&mut publisher, 7, 0);
        publish(&mut publisher, 8, 0);
        assert_eq!(events(&mut publisher), [PublisherEvent::Connect]);
        assert_eq!(said(&mut publisher), "");
        publisher.connected(at(10));
        assert_eq!(said(&mut publisher), "AUTH u pw CLIENT SETNAME barewire PING");
        publisher.receive(b"+OK\r\n+OK\r\n", at(20));
        assert_eq!(said(&mut publisher), "");
        publisher.receive(b"+PONG\r\n", at(20));
        assert_eq!(said(&mut publisher), "PUBLISH a hi PUBLISH a hi");
        publisher.receive(b":2\r\n:0\r\n", at(30));
        assert_eq!(events(&mut publisher), [published(7, 2), published(8, 0)]);
        assert_eq!(publisher.deadline(), None);
        publish(&mut publisher, 9, 40);
        assert_eq!(said(&mut publisher), "PUBLISH a hi");
        publisher.receive(b":1\r\n", at(41));
        assert_eq!(events(&mut publisher), [published(9, 1)]);
    }

    #[test]
    fn connecting_fails_and_so_do_publishes_until_the_back_off_is_over() {
        let mut publisher = Publisher::new(Credentials::default(), 1);
        publish(&mut publisher, 1, 0);
        publisher.connect_failed(ConnectFailure::Refused, at(1));
        let refuses_for = Duration::from_micros(32_852);
        let reason = Reason::Connect(ConnectFailure::Refused);
        assert_eq!(
            events(&mut publisher),
            [
                PublisherEvent::Connect,
                PublisherEvent::Down { reason, refuses_for },
                failed(1, PublishFailure::Unreachable),
            ]
        );
        publish(&mut publisher, 2, 33);
        assert_eq!(events(&mut publisher), [failed(2, PublishFailure::Unreachable)]);
        publish(&mut publisher, 3, 34);
        assert_eq!(events(&mut publisher), [PublisherEvent::Connect]);
        publisher.on_deadline(at(3033));
        assert_eq!(events(&mut publisher), []);
        publisher.on_deadline(at(3034));
        assert_eq!(failures(&mut publisher), [(3, PublishFailure::Unreachable)]);
    }

    #[test]
    fn greeting_refused_fails_with_the_refusal_and_so_do_the_next() {
        let mut publisher = Publisher::new(Credentials::default(), 1);
        publish(&mut publisher, 1, 0);
        publisher.connected(at(0));
        publisher.receive(b"-NOAUTH Authentication required.\r\n", at(0));
        let why = PublishFailure::Refused(Refusal::NoAuth);
        assert_eq!(failures(&mut publisher), [(1, why)]);
        publish(&mut publisher, 2, 1);
        assert_eq!(events(&mut publisher), [failed(2, why)]);
    }

    #[test]
    fn greeting_without_an_answer_fails_by_the_deadline_of_the_publish() {
        let mut publisher = Publisher::new(Credentials::default(), 1);
        publish(&mut publisher, 1, 0);
        publisher.connected(at(2000));
        publisher.on_deadline(at(4999));
        assert_eq!(failures(&mut publisher), []);
        publisher.on_deadline(at(5000));
        assert_eq!(failures(&mut publisher), [(1, PublishFailure::Unreachable)], "never sent");
    }

    #[test]
    fn live_denied_publish_fails_alone() {
        let mut publisher = live();
        publish(&mut publisher, 1, 0);
        publisher.receive(b"-NOPERM no\r\n:3\r\n", at(1));
        let denied = PublishFailure::Refused(Refusal::NoPermission);
        assert_eq!(events(&mut publisher), [failed(0, denied), published(1, 3)]);
        assert!(publisher.is_live());
    }

    #[test]
    fn live_refused_by_a_replica_fails_and_looks_for_another_redis() {
        let mut publisher = live();
        publish(&mut publisher, 1, 0);
        publisher.receive(b"-READONLY replica\r\n", at(1));
        let refused = PublishFailure::Refused(Refusal::ReadOnly);
        assert_eq!(failures(&mut publisher), [(0, refused), (1, PublishFailure::Broken)]);
        publish(&mut publisher, 2, 60);
        assert_eq!(events(&mut publisher), [PublisherEvent::Connect]);
    }

    #[test]
    fn live_without_an_answer_times_out_and_drops_the_connection() {
        let mut publisher = live();
        publish(&mut publisher, 1, 3000);
        assert_eq!(publisher.deadline(), Some(Duration::from_secs(5)));
        publisher.on_deadline(at(5000));
        assert_eq!(publisher.output(), b"");
        let events = events(&mut publisher);
        assert_eq!(events[0], PublisherEvent::Disconnect);
        assert_eq!(events[2..], [0, 1].map(|ticket| failed(ticket, PublishFailure::Timeout)));
        // The late answer finds nobody.
        publisher.receive(b":1\r\n", at(5001));
        assert_eq!(publisher.poll_event(), None);
    }

    #[test]
    fn live_connection_that_breaks_fails_what_is_owed_and_sends_nothing_again() {
        for (input, dropped) in [(&b":1\r"[..], false), (b"@", true), (b"+OK\r\n", true)] {
            let mut publisher = live();
            publisher.receive(input, at(1));
            publisher.eof(Ended::Closed, at(1));
            let events = events(&mut publisher);
            assert_eq!(events.contains(&PublisherEvent::Disconnect), dropped);
            assert_eq!(events.last(), Some(&failed(0, PublishFailure::Broken)));
            publish(&mut publisher, 1, 6000);
            publisher.connected(at(6000));
            publisher.receive(GREETED, at(6000));
            assert_eq!(said(&mut publisher), "CLIENT SETNAME barewire PING PUBLISH a hi");
        }
    }

    #[test]
    fn live_and_idle_may_end_without_a_back_off() {
        let mut publisher = live();
        publisher.receive(b":1\r\n", at(1));
        publisher.eof(Ended::Closed, at(2));
        let (reason, refuses_for) = (Reason::Ended(Ended::Closed), Duration::ZERO);
        let down = PublisherEvent::Down { reason, refuses_for };
        assert_eq!(events(&mut publisher), [published(0, 1), down]);
        publish(&mut publisher, 1, 2);
        assert_eq!(events(&mut publisher), [PublisherEvent::Connect]);
    }

    #[test]
    fn live_answer_that_nobody_asked_for_ends_the_connection() {
        let mut publisher = live();
        publisher.receive(b":1\r\n:1\r\n", at(1));
        assert!(!publisher.is_live());
        assert_eq!(events(&mut publisher)[0..2], [published(0, 1), PublisherEvent::Disconnect]);
    }

    #[test]
    fn too_many_publishes_are_refused_by_number_and_by_bytes() {
        let mut publisher = live();
        for ticket in 1..=1024 {
            publish(&mut publisher, ticket, 0);
        }
        assert_eq!(events(&mut publisher), [failed(1024, PublishFailure::TooMany)]);

        let mut publisher = live();
        publisher.receive(b":0\r\n", at(0));
        let (a, body) = (Channel::new("a").unwrap(), vec![b'x'; MAX_OWED_BYTES + 1]);
        publisher.publish(1, &a, &body, at(0));
        publish(&mut publisher, 2, 0);
        assert_eq!(events(&mut publisher)[1..], [failed(2, PublishFailure::TooMany)]);
        publisher.receive(b":1\r\n", at(0));
        publish(&mut publisher, 3, 0);
        assert_eq!(events(&mut publisher), [published(1, 1)]);
    }

    fn run(bytes: &[u8], step: usize) -> (Vec<PublisherEvent>, Vec<u8>) {
        let mut publisher = Publisher::new(Credentials::default(), 3);
        for ticket in 0..4 {
            publish(&mut publisher, ticket, 0);
        }
        publisher.connected(at(0));
        for chunk in bytes.chunks(step) {
            publisher.receive(chunk, at(1));
        }
        (events(&mut publisher), publisher.output().to_vec())
    }

    proptest! {
        #[test]
        fn cuts_change_nothing_and_every_ticket_ends_once(
            pieces in proptest::collection::vec(prop_oneof![
                4 => Just(b":12\r\n".to_vec()),
                1 => Just(b"-NOPERM no\r\n".to_vec()),
                1 => Just(b"-LOADING no\r\n".to_vec()),
                1 => proptest::collection::vec(any::<u8>(), 0..6),
            ], 0..7),
            step in 1..20_usize,
        ) {
            let bytes = [GREETED, &pieces.concat()].concat();
            let whole = run(&bytes, bytes.len());
            prop_assert_eq!(&run(&bytes, 1), &whole);
            prop_assert_eq!(&run(&bytes, step), &whole);

            let mut publisher = Publisher::new(Credentials::default(), 3);
            (0..4).for_each(|ticket| publish(&mut publisher, ticket, 0));
            publisher.connected(at(0));
            publisher.receive(&bytes, at(1));
            publisher.on_deadline(at(5000));
            let mut tickets: Vec<_> = events(&mut publisher).into_iter().filter_map(|event| {
                match event {
                    PublisherEvent::Published { ticket, .. }
                    | PublisherEvent::Failed { ticket, .. } => Some(ticket),
                    PublisherEvent::Connect
                    | PublisherEvent::Disconnect
                    | PublisherEvent::Down { .. } => None,
                }
            }).collect();
            tickets.sort_unstable();
            prop_assert_eq!(tickets, [0, 1, 2, 3]);
        }
    }
}
