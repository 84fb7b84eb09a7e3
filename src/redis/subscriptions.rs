//! Which channels are wanted, which Redis holds, and what it was asked and has not answered.
//!
//! What to notice:
//! * A wish is a state, not a command. Wanted, unwanted and wanted again within one turn costs
//!   nothing; what differs from the facts when a round is answered goes out in the next.
//! * One round at a time, of at most 1,000 names: Redis, too, has other things to do, and while an
//!   answer is on its way a channel has no other command that it could belong to.
//! * One denied name denies its whole SUBSCRIBE, and Redis does not say which. So each has a command
//!   of its own, all of a round in one write: that costs Redis a microsecond or two for each.
//!
//! ```text
//!   NotHeld -- SUBSCRIBE is said --------------------> Asked
//!   Asked   -- acknowledged -------------------------> Held
//!   Asked   -- denied -------------------------------> NotHeld
//!   Held    -- UNSUBSCRIBE is said ------------------> Leaving
//!   Leaving -- acknowledged -------------------------> NotHeld
//!   Asked, Held, Leaving -- the connection is gone --> NotHeld
//! ```
//!
//! These are facts, and a wish changes none of them. Asked and Leaving last until the answer, whatever is
//! wished meanwhile; then wish and fact are compared anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::commands::Commands;
use super::event::{LinkEvent, Odd};
use super::greeting::Refusal;
use super::reason::Reason;
use super::shape::Reply;
use crate::channel::Channel;

/// The most names in one round.
const ROUND: usize = 1_000;

/// What Redis does with a channel on this connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fact {
    NotHeld,
    Asked,
    Held,
    Leaving,
}

struct Standing {
    wanted: bool,
    fact: Fact,
}

/// What Redis was asked, to know its answer by.
enum Question {
    Subscribe(Channel),
    Unsubscribe(Channel),
    Ping,
}

/// The wishes, the facts and the questions.
#[derive(Default)]
pub(super) struct Subscriptions {
    channels: BTreeMap<Channel, Standing>,
    /// Channels whose wish and fact differ, to go out with the next round.
    changes: BTreeSet<Channel>,
    asked: VecDeque<Question>,
}

impl Subscriptions {
    /// `channel` is wanted; whether Redis holds it already, so that no acknowledgement will come.
    pub(super) fn want(&mut self, channel: &Channel) -> bool {
        let new = Standing { wanted: true, fact: Fact::NotHeld };
        let standing = self.channels.entry(channel.clone()).or_insert(new);
        standing.wanted = true;
        let is_held = standing.fact == Fact::Held;
        self.compare(channel);
        is_held
    }

    /// `channel` is wanted no more.
    pub(super) fn release(&mut self, channel: &Channel) {
        let Some(standing) = self.channels.get_mut(channel) else { return };
        standing.wanted = false;
        self.compare(channel);
    }

    /// The connection is gone, and with it all that Redis held and was asked. What is wanted stays.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        self.channels.retain(|_, standing| standing.wanted);
        for standing in self.channels.values_mut() {
            standing.fact = Fact::NotHeld;
        }
        self.changes = self.channels.keys().cloned().collect();
    }

    /// Says the next round of changes, if there are any and the last one was answered.
    pub(super) fn say_changes(&mut self, commands: &mut Commands) {
        if self.asked.iter().any(|asked| !matches!(asked, Question::Ping)) {
            return;
        }
        for _ in 0..ROUND {
            let Some(channel) = self.changes.pop_first() else { break };
            let Some(standing) = self.channels.get_mut(&channel) else { continue };
            if standing.wanted {
                commands.say(["SUBSCRIBE", channel.as_str()]);
                standing.fact = Fact::Asked;
                self.asked.push_back(Question::Subscribe(channel));
            } else {
                commands.say(["UNSUBSCRIBE", channel.as_str()]);
                standing.fact = Fact::Leaving;
                self.asked.push_back(Question::Unsubscribe(channel));
            }
        }
    }

    pub(super) fn say_ping(&mut self, commands: &mut Commands) {
        commands.say(["PING"]);
        self.asked.push_back(Question::Ping);
    }

    /// Takes the answer to what was asked first: what it means to the loop, if anything.
    ///
    /// # Errors
    /// It answers something else, or refuses more than one command. Drop the connection.
    pub(super) fn answer(&mut self, reply: &Reply) -> Result<Option<LinkEvent>, Reason> {
        let denied = *reply == Reply::Refused(Refusal::NoPermission);
        if let Reply::Refused(why) = *reply
            && !denied
        {
            return Err(Reason::Refused(why));
        }
        match self.asked.pop_front().ok_or(Reason::OutOfStep)? {
            Question::Ping if *reply == Reply::Pong => Ok(None),
            Question::Ping if denied => Ok(Some(LinkEvent::Odd(Odd::PingDenied))),
            Question::Subscribe(channel)
                if *reply == Reply::Subscribed(channel.as_str().into()) =>
            {
                let wanted = self.became(Fact::Held, &channel);
                Ok(wanted.then_some(LinkEvent::Subscribed(channel)))
            }
            Question::Subscribe(channel) if denied => {
                let wanted = self.became(Fact::NotHeld, &channel);
                // Nobody is told twice: whoever wants it still has to say so again.
                self.release(&channel);
                Ok(wanted.then_some(LinkEvent::Denied { channel, why: Refusal::NoPermission }))
            }
            Question::Unsubscribe(channel)
                if *reply == Reply::Unsubscribed(channel.as_str().into()) =>
            {
                self.became(Fact::NotHeld, &channel);
                Ok(None)
            }
            Question::Ping | Question::Subscribe(_) | Question::Unsubscribe(_) => {
                Err(Reason::OutOfStep)
            }
        }
    }

    /// To which channel a message of the channel `name` goes; `None` if nobody wants it any more,
    /// which Redis could not know.
    ///
    /// # Errors
    /// This channel was never asked for, or its end was acknowledged.
    pub(super) fn destination(&self, name: &[u8]) -> Result<Option<Channel>, Odd> {
        let found = str::from_utf8(name).ok().and_then(|name| self.channels.get_key_value(name));
        let (channel, standing) = found.ok_or(Odd::StrayMessage)?;
        match standing.fact {
            Fact::Held => Ok(standing.wanted.then(|| channel.clone())),
            Fact::Leaving => Ok(None),
            Fact::NotHeld | Fact::Asked => Err(Odd::StrayMessage),
        }
    }

    /// Whether Redis owes an answer.
    pub(super) fn awaits_answer(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Redis has answered about `channel`; whether it is wanted.
    fn became(&mut self, fact: Fact, channel: &Channel) -> bool {
        let Some(standing) = self.channels.get_mut(channel) else { return false };
        standing.fact = fact;
        let wanted = standing.wanted;
        self.compare(channel);
        wanted
    }

    /// Notes whether wish and fact differ, and forgets a channel that has neither.
    fn compare(&mut self, channel: &Channel) {
        let Some(standing) = self.channels.get(channel) else { return };
        match (standing.fact, standing.wanted) {
            (Fact::NotHeld, true) | (Fact::Held, false) => {
                self.changes.insert(channel.clone());
            }
            (Fact::NotHeld, false) => {
                self.changes.remove(channel);
                self.channels.remove(channel);
            }
            (Fact::Held, true) => {
                self.changes.remove(channel);
            }
            // The answer on its way settles it.
            (Fact::Asked | Fact::Leaving, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        Channel::new(name).unwrap()
    }

    /// What the next round says, as words.
    fn round(subscriptions: &mut Subscriptions) -> String {
        let mut commands = Commands::default();
        subscriptions.say_changes(&mut commands);
        let said = String::from_utf8(commands.rest().to_vec()).unwrap();
        let words: Vec<&str> = said.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        words.join(" ")
    }

    fn subscribed(subs: &mut Subscriptions, name: &str) -> Result<Option<LinkEvent>, Reason> {
        subs.answer(&Reply::Subscribed(name.into()))
    }

    fn unsubscribed(subs: &mut Subscriptions, name: &str) -> Result<Option<LinkEvent>, Reason> {
        subs.answer(&Reply::Unsubscribed(name.into()))
    }

    fn denied(subs: &mut Subscriptions) -> Result<Option<LinkEvent>, Reason> {
        subs.answer(&Reply::Refused(Refusal::NoPermission))
    }

    /// That Redis now holds `name`, and that it is wanted.
    fn granted(name: &str) -> Result<Option<LinkEvent>, Reason> {
        Ok(Some(LinkEvent::Subscribed(channel(name))))
    }

    include!("../../tests/sources/diagram.rs");

    fn fact(subs: &Subscriptions) -> &'static str {
        match subs.channels.get("a").map(|standing| standing.fact) {
            Some(Fact::NotHeld) | None => "NotHeld",
            Some(Fact::Asked) => "Asked",
            Some(Fact::Held) => "Held",
            Some(Fact::Leaving) => "Leaving",
        }
    }

    fn not_held() -> Subscriptions {
        wanting(&["a"])
    }

    fn asked() -> Subscriptions {
        let mut subs = not_held();
        said(&mut subs);
        subs
    }

    fn held() -> Subscriptions {
        holding(&["a"])
    }

    fn held_and_unwanted() -> Subscriptions {
        let mut subs = held();
        subs.release(&channel("a"));
        subs
    }

    fn leaving() -> Subscriptions {
        let mut subs = held_and_unwanted();
        said(&mut subs);
        subs
    }

    fn said(subs: &mut Subscriptions) {
        subs.say_changes(&mut Commands::default());
    }

    fn answered(subs: &mut Subscriptions, reply: &Reply) {
        assert!(subs.answer(reply).is_ok());
    }

    /// One edge of the diagram at the head of this file.
    type Edge = (fn() -> Subscriptions, &'static str, fn(&mut Subscriptions), &'static str);

    const EDGES: &[Edge] = &[
        (not_held, "SUBSCRIBE is said", said, "Asked"),
        (asked, "acknowledged", |s| answered(s, &Reply::Subscribed("a".into())), "Held"),
        (asked, "denied", |s| answered(s, &Reply::Refused(Refusal::NoPermission)), "NotHeld"),
        (held_and_unwanted, "UNSUBSCRIBE is said", said, "Leaving"),
        (leaving, "acknowledged", |s| answered(s, &Reply::Unsubscribed("a".into())), "NotHeld"),
        (asked, "the connection is gone", Subscriptions::disconnected, "NotHeld"),
        (held, "the connection is gone", Subscriptions::disconnected, "NotHeld"),
        (leaving, "the connection is gone", Subscriptions::disconnected, "NotHeld"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (from, cause, happens, to) in EDGES {
            let mut subs = from();
            let before = fact(&subs);
            happens(&mut subs);
            assert_eq!(fact(&subs), *to, "{before} -- {cause}");
        }
        let walked = EDGES.iter().map(|(from, cause, _, to)| (fact(&from()), *cause, *to));
        diagram::assert_drawn(include_str!("subscriptions.rs"), walked);
    }

    #[test]
    fn a_wish_changes_no_fact() {
        for from in [not_held, asked, held, held_and_unwanted, leaving] {
            let before = fact(&from());
            let mut subs = from();
            subs.want(&channel("a"));
            assert_eq!(fact(&subs), before);
            subs.release(&channel("a"));
            assert_eq!(fact(&subs), before);
        }
    }

    fn wanting(names: &[&str]) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        for name in names {
            assert!(!subscriptions.want(&channel(name)));
        }
        subscriptions
    }

    fn holding(names: &[&str]) -> Subscriptions {
        let mut subscriptions = wanting(names);
        round(&mut subscriptions);
        for name in names {
            assert_eq!(subscribed(&mut subscriptions, name), granted(name));
        }
        subscriptions
    }

    #[test]
    fn wishes_go_out_in_one_round_and_the_next_waits_for_its_answers() {
        let mut subs = wanting(&["a", "b"]);
        assert_eq!(round(&mut subs), "SUBSCRIBE a SUBSCRIBE b");
        subs.want(&channel("c"));
        assert_eq!(round(&mut subs), "");
        assert_eq!(subscribed(&mut subs, "a"), granted("a"));
        assert_eq!(round(&mut subs), "");
        assert_eq!(subscribed(&mut subs, "b"), granted("b"));
        subs.release(&channel("a"));
        assert_eq!(round(&mut subs), "UNSUBSCRIBE a SUBSCRIBE c");
        assert_eq!(unsubscribed(&mut subs, "a"), Ok(None));
        assert_eq!(subscribed(&mut subs, "c"), granted("c"));
        assert!(!subs.awaits_answer());
        assert_eq!(round(&mut subs), "");
    }

    #[test]
    fn a_round_has_a_thousand_names_at_most() {
        let mut subs = Subscriptions::default();
        for number in 0..2500 {
            subs.want(&channel(&format!("{number:04}")));
        }
        for (first, count) in [(0, 1000), (1000, 1000), (2000, 500)] {
            let said = round(&mut subs);
            assert_eq!(said.split(' ').count(), 2 * count);
            for number in first..first + count {
                assert!(subscribed(&mut subs, &format!("{number:04}")).unwrap().is_some());
            }
        }
        assert_eq!(round(&mut subs), "");
    }

    #[test]
    fn a_wish_taken_back_before_it_went_out_was_never_there() {
        let mut subs = wanting(&["a"]);
        subs.release(&channel("a"));
        subs.release(&channel("never"));
        assert_eq!(round(&mut subs), "");
        assert!(subs.channels.is_empty() && subs.changes.is_empty());
        let mut subs = holding(&["a"]);
        subs.release(&channel("a"));
        assert_eq!(subs.destination(b"a"), Ok(None));
        assert!(subs.want(&channel("a")), "held all the time");
        assert_eq!(round(&mut subs), "");
    }

    #[test]
    fn asked_and_released_is_unsubscribed_after_the_answer() {
        let mut subs = wanting(&["a"]);
        round(&mut subs);
        subs.release(&channel("a"));
        assert_eq!(subscribed(&mut subs, "a"), Ok(None));
        assert_eq!(subs.destination(b"a"), Ok(None));
        assert_eq!(round(&mut subs), "UNSUBSCRIBE a");
        assert_eq!(unsubscribed(&mut subs, "a"), Ok(None));
        assert_eq!(subs.destination(b"a"), Err(Odd::StrayMessage));
        assert!(subs.channels.is_empty());
    }

    #[test]
    fn leaving_and_wanted_again_is_live_only_after_the_new_answer() {
        let mut subs = holding(&["a"]);
        subs.release(&channel("a"));
        assert_eq!(round(&mut subs), "UNSUBSCRIBE a");
        assert!(!subs.want(&channel("a")));
        assert_eq!(round(&mut subs), "", "the round is not answered");
        assert_eq!(subs.destination(b"a"), Ok(None));
        assert_eq!(unsubscribed(&mut subs, "a"), Ok(None));
        assert_eq!(round(&mut subs), "SUBSCRIBE a");
        assert_eq!(subs.destination(b"a"), Err(Odd::StrayMessage));
        assert_eq!(subscribed(&mut subs, "a"), granted("a"));
        assert_eq!(subs.destination(b"a"), Ok(Some(channel("a"))));
    }

    #[test]
    fn a_denied_channel_takes_no_other_with_it() {
        let mut subs = wanting(&["a", "b", "d"]);
        assert_eq!(round(&mut subs), "SUBSCRIBE a SUBSCRIBE b SUBSCRIBE d");
        subs.release(&channel("d"));
        let why = Refusal::NoPermission;
        assert_eq!(subscribed(&mut subs, "a"), granted("a"));
        assert_eq!(denied(&mut subs), Ok(Some(LinkEvent::Denied { channel: channel("b"), why })));
        assert_eq!(denied(&mut subs), Ok(None));
        assert_eq!(round(&mut subs), "");
        assert_eq!(subs.channels.keys().map(Channel::as_str).collect::<Vec<_>>(), ["a"]);
        // Asked for anew by somebody else, it has its chance again.
        subs.want(&channel("b"));
        assert_eq!(round(&mut subs), "SUBSCRIBE b");
    }

    #[test]
    fn an_answer_to_something_else_is_out_of_step() {
        let asked = || {
            let mut subs = wanting(&["a", "b"]);
            round(&mut subs);
            subs
        };
        let out_of_step = Err(Reason::OutOfStep);
        assert_eq!(subscribed(&mut asked(), "b"), Err(Reason::OutOfStep));
        assert_eq!(unsubscribed(&mut asked(), "a"), out_of_step);
        assert_eq!(asked().answer(&Reply::Pong), out_of_step);
        assert_eq!(unsubscribed(&mut holding(&["a"]), "a"), out_of_step);
        assert_eq!(subscribed(&mut holding(&["a"]), "a"), Err(Reason::OutOfStep));
        assert_eq!(holding(&["a"]).answer(&Reply::Pong), out_of_step);
        assert_eq!(denied(&mut holding(&["a"])), Err(Reason::OutOfStep));
        let mut subs = holding(&["a"]);
        subs.release(&channel("a"));
        round(&mut subs);
        assert_eq!(denied(&mut subs), Err(Reason::OutOfStep), "nobody is denied an UNSUBSCRIBE");
    }

    #[test]
    fn pings_stand_in_the_same_queue() {
        let asked = || {
            let mut subs = wanting(&["a"]);
            subs.say_ping(&mut Commands::default());
            assert_eq!(round(&mut subs), "SUBSCRIBE a");
            subs
        };
        assert_eq!(subscribed(&mut asked(), "a"), Err(Reason::OutOfStep));
        let mut subs = asked();
        assert_eq!(subs.answer(&Reply::Pong), Ok(None));
        assert_eq!(subscribed(&mut subs, "a"), granted("a"));
        subs.say_ping(&mut Commands::default());
        assert_eq!(denied(&mut subs), Ok(Some(LinkEvent::Odd(Odd::PingDenied))));
    }

    #[test]
    fn after_a_disconnect_all_that_is_wanted_is_asked_for_anew() {
        let mut subs = holding(&["b", "c"]);
        subs.want(&channel("a"));
        round(&mut subs);
        subs.release(&channel("c"));
        subs.want(&channel("d"));
        subs.disconnected();
        assert_eq!(subs.destination(b"b"), Err(Odd::StrayMessage));
        subs.want(&channel("e"));
        subs.release(&channel("d"));
        assert!(!subs.awaits_answer());
        assert_eq!(round(&mut subs), "SUBSCRIBE a SUBSCRIBE b SUBSCRIBE e");
    }

    #[test]
    fn wishes_while_disconnected_grow_nothing() {
        let mut subs = Subscriptions::default();
        for number in 0..1000 {
            let name = channel(&number.to_string());
            subs.want(&name);
            subs.release(&name);
        }
        assert!(subs.channels.is_empty() && subs.changes.is_empty());
    }
}
