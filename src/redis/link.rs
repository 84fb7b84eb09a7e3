//! The link that is subscribed to channels: a [`Session`] that follows wishes, and pings.
//!
//! What to notice:
//! * What is wanted is asked for again on every new connection, from what is wanted *then*, not from
//!   a list of old commands.
//! * A channel is live when `Subscribed` says so, and no longer when `Down` does; nothing is said to
//!   be live because it was sent.
//! * It pings whether or not messages flow: only an answer shows that Redis still hears it.
//!
//! The states of its connection are drawn in `session.rs`, those of a channel in `subscriptions.rs`. While
//! it is live:
//!
//! ```text
//!   nothing owed   -- PING is said | SUBSCRIBE or UNSUBSCRIBE is said --------> an answer owed
//!   an answer owed -- an answer, and another is owed: it has its whole time --> an answer owed
//!   an answer owed -- the last answer ----------------------------------------> nothing owed
//!   an answer owed -- no answer in time --------------------------------------> down
//!   nothing owed, an answer owed -- the connection ends ----------------------> down
//! ```

use std::time::Duration;

use super::address::Credentials;
use super::event::{LinkEvent, Odd};
use super::reason::Reason;
use super::session::{Out, Session, Talk};
use super::shape::Reply;
use super::subscriptions::Subscriptions;
use super::{ANSWER_DEADLINE, MAX_REPLY_BYTES, PING_EVERY};
use crate::channel::Channel;
use crate::now::Now;

/// The subscriber link. It starts by wanting to connect: its first [`deadline`](Session::deadline) is
/// the start of the process.
pub type Link = Session<Subscribing>;

/// The talk of a [`Link`].
pub struct Subscribing {
    subscriptions: Subscriptions,
    max_message_bytes: usize,
    /// When the next PING is due, while the link is live.
    ping_at: Option<Duration>,
    /// When the answer that comes next is overdue, if one is owed.
    answer_by: Option<Duration>,
    /// When the last PING was said, and how long its answer took.
    pinged: Duration,
    round_trip: Option<Duration>,
}

impl Session<Subscribing> {
    /// A link that greets Redis with `credentials` and drops and reports what was published with over
    /// `max_message_bytes`; `seed` decides the jitter of its back-off.
    #[must_use]
    pub fn new(credentials: Credentials, max_message_bytes: usize, seed: u64) -> Self {
        let subscriptions = Subscriptions::default();
        let talk = Subscribing {
            subscriptions,
            max_message_bytes,
            ping_at: None,
            answer_by: None,
            pinged: Duration::ZERO,
            round_trip: None,
        };
        Self::begin(credentials, talk, seed)
    }

    /// `channel` is wanted, now and after every reconnect. `Subscribed` or `Denied` answers once the
    /// link is live.
    pub fn subscribe(&mut self, channel: &Channel, now: Now) {
        if self.talk.subscriptions.want(channel) {
            self.out.events.push_back(LinkEvent::Subscribed(channel.clone()));
        }
        self.say_changes(now);
    }

    /// `channel` is wanted no more: from here on none of its messages comes out.
    pub fn unsubscribe(&mut self, channel: &Channel, now: Now) {
        self.talk.subscriptions.release(channel);
        self.say_changes(now);
    }

    /// How long the answer to the last PING took that was answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.talk.round_trip
    }

    fn say_changes(&mut self, now: Now) {
        if self.is_live() {
            self.talk.say_changes(&mut self.out, now);
        }
    }
}

impl Talk for Subscribing {
    type Event = LinkEvent;
    const CONNECT: LinkEvent = LinkEvent::Connect;
    const DISCONNECT: LinkEvent = LinkEvent::Disconnect;
    const MAX_REPLY_BYTES: usize = MAX_REPLY_BYTES;

    fn needs_redis(&self) -> bool {
        true
    }

    fn greeted(&mut self, out: &mut Out<LinkEvent>, now: Now) {
        self.ping_at = Some(now.since_start + PING_EVERY);
        out.events.push_back(LinkEvent::Live);
        self.say_changes(out, now);
    }

    fn reply(&mut self, reply: Reply, out: &mut Out<LinkEvent>, now: Now) -> Result<(), Reason> {
        if let Reply::Message { channel, payload } = reply {
            out.events.extend(self.message(&channel, payload));
        } else if reply == Reply::UnknownPush {
            out.events.push_back(LinkEvent::Odd(Odd::UnknownPush));
        } else {
            out.events.extend(self.subscriptions.answer(&reply)?);
            if reply == Reply::Pong {
                self.round_trip = Some(now.since_start.saturating_sub(self.pinged));
            }
            // Redis made progress: the next answer has its whole time again, if one is owed.
            self.answer_by = None;
            self.say_changes(out, now);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Duration> {
        [self.ping_at, self.answer_by].into_iter().flatten().min()
    }

    fn on_deadline(&mut self, out: &mut Out<LinkEvent>, now: Now) -> Result<(), Reason> {
        if self.answer_by.is_some_and(|answer_by| answer_by <= now.since_start) {
            return Err(Reason::NoAnswer);
        }
        self.subscriptions.say_ping(&mut out.commands);
        self.pinged = now.since_start;
        self.ping_at = Some(now.since_start + PING_EVERY);
        self.answer_by.get_or_insert(now.since_start + ANSWER_DEADLINE);
        Ok(())
    }

    fn ended(&mut self, reason: Reason, was_live: bool, retry_in: Duration) -> Vec<LinkEvent> {
        self.subscriptions.disconnected();
        (self.ping_at, self.answer_by) = (None, None);
        vec![LinkEvent::Down { reason, was_live, retry_in }]
    }
}

impl Subscribing {
    /// Says what may be said, and sees to it that an owed answer has its deadline.
    fn say_changes(&mut self, out: &mut Out<LinkEvent>, now: Now) {
        self.subscriptions.say_changes(&mut out.commands);
        if self.subscriptions.awaits_answer() {
            self.answer_by.get_or_insert(now.since_start + ANSWER_DEADLINE);
        }
    }

    fn message(&self, name: &[u8], payload: Vec<u8>) -> Option<LinkEvent> {
        match self.subscriptions.destination(name) {
            Ok(Some(channel)) if payload.len() > self.max_message_bytes => {
                Some(LinkEvent::TooLarge { channel, bytes: payload.len() })
            }
            Ok(Some(channel)) => Some(LinkEvent::Message { channel, payload }),
            Ok(None) => None,
            Err(odd) => Some(LinkEvent::Odd(odd)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::extent::ReplyError;
    use super::super::greeting::Refusal;
    use super::super::reason::{ConnectFailure, Ended};
    use super::*;
    use proptest::prelude::*;

    const GREETED: &[u8] = b"+OK\r\n+PONG\r\n";

    fn channel(name: &str) -> Channel {
        Channel::new(name).unwrap()
    }

    fn at(millis: u64) -> Now {
        Now::default().later(Duration::from_millis(millis))
    }

    fn link(seed: u64) -> Link {
        Link::new(Credentials::default(), 64, seed)
    }

    fn ack(kind: &str, name: &str) -> String {
        format!("*3\r\n${}\r\n{kind}\r\n${}\r\n{name}\r\n:1\r\n", kind.len(), name.len())
    }

    fn message(name: &str, payload: &str) -> String {
        format!(
            "*3\r\n$7\r\nmessage\r\n${}\r\n{name}\r\n${}\r\n{payload}\r\n",
            name.len(),
            payload.len()
        )
    }

    fn events(link: &mut Link) -> Vec<LinkEvent> {
        std::iter::from_fn(|| link.poll_event()).collect()
    }

    /// The words of the output, which the socket then takes.
    fn said(link: &mut Link) -> String {
        let text = String::from_utf8(link.output().to_vec()).unwrap();
        link.wrote(text.len());
        let words: Vec<_> = text.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        words.join(" ")
    }

    /// A link at whose start `wanted` was wanted, greeted and with its first commands written.
    fn live(wanted: &[&str]) -> Link {
        let mut link = link(1);
        for name in wanted {
            link.subscribe(&channel(name), at(0));
        }
        link.on_deadline(at(0));
        link.connected(at(0));
        link.receive(GREETED, at(0));
        assert_eq!(events(&mut link), [LinkEvent::Connect, LinkEvent::Live]);
        assert!(link.is_live());
        said(&mut link);
        link
    }

    /// A live link whose channels `names` are acknowledged.
    fn subscribed(names: &[&str]) -> Link {
        let mut link = live(names);
        for name in names {
            link.receive(ack("subscribe", name).as_bytes(), at(0));
        }
        assert_eq!(events(&mut link).len(), names.len());
        link
    }

    /// The one reason for which the link went down, and whether it dropped the socket itself.
    fn down(link: &mut Link) -> (Reason, bool) {
        assert!(!link.is_live());
        assert_eq!(link.output(), b"");
        match &events(link)[..] {
            [LinkEvent::Disconnect, LinkEvent::Down { reason, .. }] => (*reason, true),
            [LinkEvent::Down { reason, .. }] => (*reason, false),
            other => panic!("{other:?}"),
        }
    }

    include!("../../tests/sources/diagram.rs");

    fn state(link: &Link) -> &'static str {
        match (link.is_live(), link.talk.answer_by) {
            (true, None) => "nothing owed",
            (true, Some(_)) => "an answer owed",
            (false, _) => "down",
        }
    }

    fn nothing_owed() -> Link {
        subscribed(&["a"])
    }

    fn pinged() -> Link {
        let mut link = nothing_owed();
        link.on_deadline(at(5000));
        link
    }

    fn two_owed() -> Link {
        live(&["a", "b"])
    }

    fn ended(link: &mut Link) {
        link.eof(Ended::Closed, at(6000));
    }

    /// One edge: a link in the state it leaves, the cause as the diagram names it, how that comes about,
    /// and the state it leads to.
    type Edge = (fn() -> Link, &'static str, fn(&mut Link), &'static str);

    const EDGES: &[Edge] = &[
        (nothing_owed, "PING is said", |link| link.on_deadline(at(5000)), "an answer owed"),
        (
            nothing_owed,
            "SUBSCRIBE or UNSUBSCRIBE is said",
            |link| link.subscribe(&channel("b"), at(1)),
            "an answer owed",
        ),
        (
            nothing_owed,
            "SUBSCRIBE or UNSUBSCRIBE is said",
            |link| link.unsubscribe(&channel("a"), at(1)),
            "an answer owed",
        ),
        (
            two_owed,
            "an answer, and another is owed: it has its whole time",
            |link| {
                link.receive(ack("subscribe", "a").as_bytes(), at(4000));
                assert_eq!(link.talk.answer_by, Some(Duration::from_secs(9)));
            },
            "an answer owed",
        ),
        (pinged, "the last answer", |link| link.receive(b"+PONG\r\n", at(6000)), "nothing owed"),
        (pinged, "no answer in time", |link| link.on_deadline(at(10_000)), "down"),
        (nothing_owed, "the connection ends", ended, "down"),
        (pinged, "the connection ends", ended, "down"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (from, cause, happens, to) in EDGES {
            let mut link = from();
            let before = state(&link);
            happens(&mut link);
            assert_eq!(state(&link), *to, "{before} -- {cause}");
        }
        let walked = EDGES.iter().map(|(from, cause, _, to)| (state(&from()), *cause, *to));
        diagram::assert_drawn(include_str!("link.rs"), walked);
    }

    /// Messages flow, or nothing does: neither pays what is owed nor owes anything.
    #[test]
    fn a_message_or_a_moment_leaves_what_is_owed_as_it_is() {
        let happenings: [fn(&mut Link); 4] = [
            |link| link.receive(message("a", "x").as_bytes(), at(6000)),
            |link| link.on_deadline(at(4999)),
            |link| link.subscribe(&channel("a"), at(1)),
            |link| link.wrote(link.output().len()),
        ];
        for from in [nothing_owed, pinged] {
            for (row, happens) in happenings.iter().enumerate() {
                let mut link = from();
                let before = (state(&link), link.talk.answer_by);
                happens(&mut link);
                assert_eq!((state(&link), link.talk.answer_by), before, "row {row}");
            }
        }
    }

    #[test]
    fn waiting_wants_to_connect_at_once() {
        let mut link = link(1);
        assert_eq!((link.deadline(), link.output()), (Some(Duration::ZERO), &b""[..]));
        link.on_deadline(at(7));
        assert_eq!(events(&mut link), [LinkEvent::Connect]);
        assert_eq!(link.deadline(), Some(Duration::from_millis(3007)));
    }

    #[test]
    fn greeting_says_all_at_once_and_live_subscribes_to_what_is_wanted() {
        let credentials = Credentials { username: None, password: Some("pw".into()) };
        let mut link = Link::new(credentials, 64, 1);
        link.subscribe(&channel("b"), at(0));
        link.subscribe(&channel("a"), at(0));
        link.on_deadline(at(0));
        link.connected(at(10));
        assert_eq!(said(&mut link), "AUTH pw CLIENT SETNAME barewire PING");
        assert_eq!(link.deadline(), Some(Duration::from_millis(5010)));
        link.receive(b"+OK\r\n-NOPERM no\r\n", at(20));
        assert_eq!(link.deadline(), Some(Duration::from_millis(5020)), "each step has its time");
        assert!(!link.is_live());
        link.receive(b"+PONG\r\n", at(30));
        assert_eq!(events(&mut link), [LinkEvent::Connect, LinkEvent::Live]);
        assert_eq!(said(&mut link), "SUBSCRIBE a SUBSCRIBE b");
        link.receive(ack("subscribe", "a").as_bytes(), at(40));
        assert_eq!(events(&mut link), [LinkEvent::Subscribed(channel("a"))]);
    }

    #[test]
    fn greeting_refused_goes_down_with_what_to_do() {
        for (reply, refusal) in [
            ("-WRONGPASS invalid\r\n", Refusal::WrongPassword),
            ("-NOAUTH Authentication required.\r\n", Refusal::NoAuth),
            ("-ERR max number of clients reached\r\n", Refusal::TooManyClients),
            ("-DENIED Redis is running in protected mode\r\n", Refusal::Protected),
            ("+OK\r\n-LOADING Redis is loading\r\n", Refusal::Loading),
            ("+OK\r\n-MASTERDOWN Link with MASTER is down\r\n", Refusal::MasterDown),
        ] {
            let mut link = link(1);
            link.on_deadline(at(0));
            link.connected(at(0));
            link.receive(reply.as_bytes(), at(0));
            events(&mut link).remove(0);
            link.on_deadline(at(6000));
            assert_eq!(events(&mut link), [LinkEvent::Connect], "{reply:?}: on its way back");
            link.connected(at(6000));
            link.receive(reply.as_bytes(), at(6000));
            assert_eq!(down(&mut link), (Reason::Refused(refusal), true));
        }
    }

    #[test]
    fn connecting_fails_or_takes_too_long() {
        let mut link = link(1);
        link.on_deadline(at(0));
        events(&mut link);
        link.connect_failed(ConnectFailure::Refused, at(1));
        assert_eq!(down(&mut link), (Reason::Connect(ConnectFailure::Refused), false));
        link.on_deadline(at(100));
        events(&mut link);
        link.on_deadline(at(3099));
        assert_eq!(events(&mut link), []);
        link.on_deadline(at(3100));
        assert_eq!(down(&mut link), (Reason::Connect(ConnectFailure::TimedOut), true));
        // What its socket still has to say is of no interest any more.
        link.connected(at(3101));
        link.receive(GREETED, at(3101));
        link.eof(Ended::Reset, at(3101));
        link.connect_failed(ConnectFailure::Refused, at(3101));
        assert_eq!((events(&mut link), link.output()), (vec![], &b""[..]));
    }

    /// The waits behind six ends, of which the fifth is that of a link that was live for so long.
    fn waits(live_for: Duration) -> Vec<u128> {
        let mut link = link(1);
        let mut now = at(0);
        let mut waits = Vec::new();
        for round in 0..6 {
            link.on_deadline(now);
            if round == 4 {
                link.connected(now);
                link.receive(GREETED, now);
                now = now.later(live_for);
            }
            link.eof(Ended::Closed, now);
            let Some(LinkEvent::Down { retry_in, was_live, .. }) = events(&mut link).pop() else {
                panic!("not down");
            };
            assert_eq!(was_live, round == 4);
            assert_eq!(link.deadline(), Some(now.since_start + retry_in));
            waits.push(retry_in.as_micros());
            now = now.later(retry_in);
        }
        waits
    }

    #[test]
    fn back_off_is_exact_for_a_seed_and_starts_anew_after_a_link_that_held() {
        let held = waits(Duration::from_secs(1));
        assert_eq!(held, [32852, 53462, 47927, 311547, 484, 78108]);
    }

    #[test]
    fn back_off_falls_to_400_ms_after_a_link_that_was_greeted_and_closed_at_once() {
        let flapped = waits(Duration::from_millis(999));
        assert_eq!(flapped, [32852, 53462, 47927, 311547, 3871, 624865]);
    }

    #[test]
    fn live_pings_every_five_seconds_and_takes_either_pong() {
        for wanted in [&[][..], &["a"]] {
            let mut link = subscribed(wanted);
            assert_eq!(link.deadline(), Some(Duration::from_secs(5)));
            link.on_deadline(at(4999));
            assert_eq!(link.output(), b"");
            link.on_deadline(at(5000));
            assert_eq!(said(&mut link), "PING");
            link.receive(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", at(6000));
            assert_eq!(link.deadline(), Some(Duration::from_secs(10)));
            link.on_deadline(at(10_000));
            link.receive(b"+PONG\r\n", at(14_999));
            link.on_deadline(at(15_000));
            assert_eq!(said(&mut link), "PING PING");
            assert!(link.is_live() && events(&mut link).is_empty());
        }
    }

    #[test]
    fn live_without_a_pong_goes_down_though_messages_flow() {
        let mut link = subscribed(&["a"]);
        link.on_deadline(at(5000));
        link.receive(message("a", "x").as_bytes(), at(9999));
        assert_eq!(events(&mut link).len(), 1);
        link.on_deadline(at(9999));
        assert!(link.is_live());
        link.on_deadline(at(10_000));
        assert_eq!(down(&mut link), (Reason::NoAnswer, true));
    }

    #[test]
    fn live_without_progress_on_a_round_goes_down() {
        let mut link = live(&["a", "b"]);
        assert_eq!(link.deadline(), Some(Duration::from_secs(5)));
        link.receive(ack("subscribe", "a").as_bytes(), at(4000));
        link.on_deadline(at(5000));
        assert!(link.is_live());
        assert_eq!(link.deadline(), Some(Duration::from_secs(9)), "one answer is progress");
        events(&mut link);
        link.on_deadline(at(9000));
        assert_eq!(down(&mut link), (Reason::NoAnswer, true));
    }

    #[test]
    fn live_passes_messages_on_byte_by_byte() {
        let mut link = subscribed(&["a", "räksmörgås"]);
        for (name, payload) in [("a", ""), ("a", "x\r\n\0"), ("räksmörgås", "🦐")] {
            link.receive(message(name, payload).as_bytes(), at(1));
            let expected =
                LinkEvent::Message { channel: channel(name), payload: payload.as_bytes().to_vec() };
            assert_eq!(events(&mut link), [expected]);
        }
    }

    #[test]
    fn live_message_over_the_limit_costs_a_gap_and_not_the_link() {
        let mut link = subscribed(&["a"]);
        let long = "x".repeat(65);
        link.receive((message("a", &long) + &message("a", &long[1..])).as_bytes(), at(1));
        let events = events(&mut link);
        assert_eq!(events[0], LinkEvent::TooLarge { channel: channel("a"), bytes: 65 });
        assert!(matches!(&events[1], LinkEvent::Message { payload, .. } if payload.len() == 64));
        assert!(link.is_live());
    }

    #[test]
    fn live_reply_over_the_limit_ends_the_link_before_it_came() {
        let mut link = subscribed(&["a"]);
        let announced = format!("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n${MAX_REPLY_BYTES}\r\n");
        link.receive(announced.as_bytes(), at(1));
        assert_eq!(down(&mut link), (Reason::Garbage(ReplyError::TooLong), true));
    }

    #[test]
    fn live_half_a_message_before_the_end_is_never_delivered() {
        let whole = message("a", "hello");
        for cut in 0..whole.len() {
            let mut link = subscribed(&["a"]);
            link.receive(&whole.as_bytes()[..cut], at(1));
            link.eof(Ended::Closed, at(1));
            assert_eq!(down(&mut link), (Reason::Ended(Ended::Closed), false));
            // And its rest means nothing to the next connection.
            link.on_deadline(at(100));
            link.connected(at(100));
            link.receive(GREETED, at(100));
            assert_eq!(events(&mut link), [LinkEvent::Connect, LinkEvent::Live]);
        }
    }

    #[test]
    fn live_quick_resubscribe_is_live_only_with_the_new_acknowledgement() {
        let mut link = subscribed(&["a"]);
        link.unsubscribe(&channel("a"), at(1));
        link.subscribe(&channel("a"), at(1));
        assert_eq!(said(&mut link), "UNSUBSCRIBE a");
        link.receive(message("a", "leftover").as_bytes(), at(2));
        link.receive(ack("unsubscribe", "a").as_bytes(), at(2));
        assert_eq!(events(&mut link), []);
        assert_eq!(said(&mut link), "SUBSCRIBE a");
        link.receive((ack("subscribe", "a") + &message("a", "new")).as_bytes(), at(3));
        let payload = b"new".to_vec();
        assert_eq!(
            events(&mut link),
            [
                LinkEvent::Subscribed(channel("a")),
                LinkEvent::Message { channel: channel("a"), payload }
            ]
        );
    }

    #[test]
    fn live_wanted_again_before_the_unsubscribe_went_out_is_subscribed_at_once() {
        let mut link = subscribed(&["a", "b"]);
        link.unsubscribe(&channel("b"), at(1));
        link.unsubscribe(&channel("a"), at(1));
        link.subscribe(&channel("a"), at(1));
        assert_eq!(events(&mut link), [LinkEvent::Subscribed(channel("a"))]);
        assert_eq!(said(&mut link), "UNSUBSCRIBE b");
        link.receive(ack("unsubscribe", "b").as_bytes(), at(2));
        assert_eq!(said(&mut link), "");
    }

    #[test]
    fn live_denied_channel_takes_no_other_with_it() {
        let mut link = live(&["a", "b"]);
        link.receive(b"-NOPERM No permissions to access a channel\r\n", at(2));
        link.receive(ack("subscribe", "b").as_bytes(), at(2));
        assert_eq!(
            events(&mut link),
            [
                LinkEvent::Denied { channel: channel("a"), why: Refusal::NoPermission },
                LinkEvent::Subscribed(channel("b"))
            ]
        );
        assert!(link.is_live());
        assert_eq!(link.deadline(), Some(Duration::from_secs(5)), "nothing is owed");
    }

    #[test]
    fn live_and_what_should_not_come() {
        let refused = |refusal| Err(Reason::Refused(refusal));
        for (input, expected) in [
            (message("b", "x"), Ok(Some(Odd::StrayMessage))),
            (
                "*3\r\n$7\r\nmessage\r\n$1\r\n\u{ff}".into(),
                Err(Reason::Garbage(ReplyError::UnendedBulk)),
            ),
            ("*1\r\n$10\r\ninvalidate\r\n".into(), Ok(Some(Odd::UnknownPush))),
            ("+OK\r\n".into(), Err(Reason::OutOfStep)),
            ("+PONG\r\n".into(), Err(Reason::OutOfStep)),
            (":1\r\n".into(), Err(Reason::OutOfStep)),
            ("$-1\r\n".into(), Err(Reason::OutOfStep)),
            (ack("unsubscribe", "a"), Err(Reason::OutOfStep)),
            (ack("subscribe", "a"), Err(Reason::OutOfStep)),
            ("-NOPERM no\r\n".into(), Err(Reason::OutOfStep)),
            ("-ERR Protocol error\r\n".into(), refused(Refusal::Other)),
            ("-LOADING wait\r\n".into(), refused(Refusal::Loading)),
            ("-READONLY replica\r\n".into(), refused(Refusal::ReadOnly)),
            ("HTTP/1.1 400\r\n".into(), Err(Reason::Garbage(ReplyError::UnknownType))),
        ] {
            let mut link = subscribed(&["a"]);
            link.receive(input.as_bytes(), at(1));
            match expected {
                Ok(odd) => {
                    let odd: Vec<_> = odd.map(LinkEvent::Odd).into_iter().collect();
                    assert_eq!((events(&mut link), link.is_live()), (odd, true), "{input:?}");
                }
                Err(reason) => assert_eq!(down(&mut link), (reason, true), "{input:?}"),
            }
        }
        let mut link = subscribed(&["a"]);
        link.on_deadline(at(5000));
        link.receive(b"-NOPERM ping\r\n", at(5001));
        assert_eq!(events(&mut link), [LinkEvent::Odd(Odd::PingDenied)]);
    }

    #[test]
    fn down_and_back_every_wanted_channel_is_acknowledged_anew() {
        let mut link = subscribed(&["a", "b"]);
        link.eof(Ended::Reset, at(1));
        assert_eq!(down(&mut link).0, Reason::Ended(Ended::Reset));
        link.unsubscribe(&channel("a"), at(2));
        link.subscribe(&channel("c"), at(2));
        assert_eq!((events(&mut link), link.output()), (vec![], &b""[..]));
        link.on_deadline(at(100));
        link.connected(at(100));
        assert_eq!(said(&mut link), "CLIENT SETNAME barewire PING");
        link.receive(GREETED, at(100));
        assert_eq!(said(&mut link), "SUBSCRIBE b SUBSCRIBE c");
        link.receive((ack("subscribe", "b") + &ack("subscribe", "c")).as_bytes(), at(100));
        let [b, c] = ["b", "c"].map(|name| LinkEvent::Subscribed(channel(name)));
        assert_eq!(events(&mut link), [LinkEvent::Connect, LinkEvent::Live, b, c]);
    }

    /// What Redis might send to a link that wants `a`, `b` and `c`, right or wrong.
    fn conversation() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => proptest::sample::select(vec!["a", "b", "c", "d"])
                .prop_map(|name| message(name, "hello").into_bytes()),
            1 => Just(message("a", &"x".repeat(70)).into_bytes()),
            1 => Just(b"*1\r\n$3\r\nnew\r\n".to_vec()),
            1 => Just(b"-NOPERM no\r\n".to_vec()),
            1 => Just(b"+PONG\r\n".to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..8),
        ];
        let acknowledged = ["a", "b", "c"].map(|name| ack("subscribe", name)).concat();
        proptest::collection::vec(piece, 0..10)
            .prop_map(move |pieces| [GREETED, acknowledged.as_bytes(), &pieces.concat()].concat())
    }

    fn run(bytes: &[u8], sizes: &[usize]) -> (Vec<LinkEvent>, Vec<u8>, Option<Duration>) {
        let mut link = link(3);
        for name in ["a", "b", "c"] {
            link.subscribe(&channel(name), at(0));
        }
        link.on_deadline(at(0));
        link.connected(at(0));
        let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            link.receive(chunk, at(1));
            rest = later;
        }
        (events(&mut link), link.output().to_vec(), link.deadline())
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            bytes in conversation(), sizes in proptest::collection::vec(1..40_usize, 1..5),
        ) {
            let whole = run(&bytes, &[bytes.len()]);
            prop_assert_eq!(&run(&bytes, &[1]), &whole);
            prop_assert_eq!(&run(&bytes, &sizes), &whole);
            for cut in 1..bytes.len() {
                prop_assert_eq!(&run(&bytes, &[cut, bytes.len()]), &whole);
            }
        }

        #[test]
        fn whatever_happens_the_link_is_live_or_on_its_way_back(
            seed in any::<u64>(),
            steps in proptest::collection::vec((0..8_u8, conversation(), 0..7000_u64), 1..40),
        ) {
            let mut link = link(seed);
            let mut now = at(0);
            for (what, bytes, pause) in steps {
                match what {
                    0 => link.connected(now),
                    1 => link.connect_failed(ConnectFailure::Other, now),
                    2 => link.eof(Ended::Other, now),
                    3 => link.subscribe(&channel("a"), now),
                    4 => link.unsubscribe(&channel("a"), now),
                    5 => link.receive(&bytes, now),
                    6 => link.receive(&bytes[GREETED.len()..], now),
                    _ => link.wrote(link.output().len()),
                }
                events(&mut link);
                now = now.later(Duration::from_millis(pause));
                let due = link.deadline().unwrap();
                prop_assert!(due <= now.since_start + Duration::from_secs(5));
                link.on_deadline(now);
            }
            // A Redis that works brings it back, from wherever it was, within 5 s of back-off after
            // what it was still waiting for.
            link.eof(Ended::Closed, now);
            events(&mut link);
            now.since_start = link.deadline().unwrap();
            link.on_deadline(now);
            link.connected(now);
            link.receive(GREETED, now);
            prop_assert_eq!(events(&mut link), [LinkEvent::Connect, LinkEvent::Live]);
        }
    }
}
