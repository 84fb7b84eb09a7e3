//! Which channels are wanted, which Redis holds, and what it was asked and has not answered.
//!
//! ```text
//!               SUBSCRIBE sent          acknowledged
//!     Not held ---------------> Asked ---------------> Held        Asked and Leaving last until the
//!         ^                       | denied               |         answer, whatever is wished
//!         |<----------------------'                      |         meanwhile; then wish and fact are
//!         '------------------ Leaving <------------------'         compared anew
//!            acknowledged              UNSUBSCRIBE sent
//! ```
//!
//! What to notice:
//! * A wish is a state, not a command. Wanted, unwanted and wanted again within one turn costs
//!   nothing; what differs from the facts when the line is free goes out in one round.
//! * One round at a time, of at most 1,000 names: Redis, too, has other things to do, and an
//!   acknowledgement has only one command that it can belong to.
//! * One denied name denies its whole SUBSCRIBE, and Redis does not say which. So each of them is
//!   asked for again, by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::commands::Commands;
use super::reason::Reason;
use crate::channel::Channel;

/// The most names in one round.
const ROUND: usize = 1_000;

/// What Redis does with a channel on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    NotHeld,
    Asked,
    Held,
    Leaving,
}

struct Standing {
    wanted: bool,
    fact: Fact,
    /// Its batch was denied: ask for it by itself.
    alone: bool,
}

/// A command that Redis has not answered, or not yet for all of its names.
enum Asked {
    Subscribe { names: VecDeque<Channel>, begun: bool },
    Unsubscribe { names: VecDeque<Channel> },
    Ping,
}

/// Where a message goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To those who wanted it.
    To(Channel),
    /// Nowhere: nobody wants it any more, and Redis could not know.
    Leftover,
    /// Nowhere: this channel was never asked for, or its end was acknowledged.
    Stray,
}

/// Who was denied.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// This channel, which is no longer wanted.
    Channel(Channel),
    /// A channel that nobody wants any more, or a batch: its names will be tried one by one.
    Nobody,
    /// A PING, which is an answer like any other.
    Ping,
}

/// The wishes, the facts and the questions.
#[derive(Default)]
pub(super) struct Subscriptions {
    channels: BTreeMap<Channel, Standing>,
    /// Channels whose wish and fact differ, to go out with the next round.
    changes: BTreeSet<Channel>,
    asked: VecDeque<Asked>,
    /// Names of the current round that are not answered yet.
    unanswered: usize,
}

impl Subscriptions {
    /// `channel` is wanted; whether Redis holds it already, so that no acknowledgement will come.
    pub(super) fn want(&mut self, channel: &Channel) -> bool {
        let standing = self.channels.entry(channel.clone()).or_insert(Standing {
            wanted: true,
            fact: Fact::NotHeld,
            alone: false,
        });
        standing.wanted = true;
        match standing.fact {
            Fact::NotHeld => {
                self.changes.insert(channel.clone());
                false
            }
            Fact::Held => {
                self.changes.remove(channel);
                true
            }
            // The answer on its way settles it.
            Fact::Asked | Fact::Leaving => false,
        }
    }

    /// `channel` is wanted no more.
    pub(super) fn release(&mut self, channel: &Channel) {
        let Some(standing) = self.channels.get_mut(channel) else { return };
        standing.wanted = false;
        match standing.fact {
            Fact::NotHeld => {
                self.changes.remove(channel);
                self.channels.remove(channel);
            }
            Fact::Held => {
                self.changes.insert(channel.clone());
            }
            Fact::Asked | Fact::Leaving => {}
        }
    }

    /// The connection is gone, and with it all that Redis held and was asked. What is wanted stays.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        self.unanswered = 0;
        self.channels.retain(|_, standing| standing.wanted);
        for standing in self.channels.values_mut() {
            (standing.fact, standing.alone) = (Fact::NotHeld, false);
        }
        self.changes = self.channels.keys().cloned().collect();
    }

    /// Says the next round of changes, if there are any and the last one was answered.
    pub(super) fn say_changes(&mut self, commands: &mut Commands) {
        if self.unanswered > 0 {
            return;
        }
        let (mut subscribe, mut unsubscribe) = (VecDeque::new(), VecDeque::new());
        while self.unanswered < ROUND
            && let Some(channel) = self.changes.pop_first()
        {
            let Some(standing) = self.channels.get_mut(&channel) else { continue };
            self.unanswered += 1;
            if !standing.wanted {
                standing.fact = Fact::Leaving;
                unsubscribe.push_back(channel);
                continue;
            }
            standing.fact = Fact::Asked;
            if standing.alone {
                commands.subscribe([&channel]);
                let names = VecDeque::from([channel]);
                self.asked.push_back(Asked::Subscribe { names, begun: false });
            } else {
                subscribe.push_back(channel);
            }
        }
        if !subscribe.is_empty() {
            commands.subscribe(&subscribe);
            self.asked.push_back(Asked::Subscribe { names: subscribe, begun: false });
        }
        if !unsubscribe.is_empty() {
            commands.unsubscribe(&unsubscribe);
            self.asked.push_back(Asked::Unsubscribe { names: unsubscribe });
        }
    }

    pub(super) fn say_ping(&mut self, commands: &mut Commands) {
        commands.ping();
        self.asked.push_back(Asked::Ping);
    }

    /// Redis says that it holds the channel `name`: the channel, if it is still wanted.
    ///
    /// # Errors
    /// That was not the next thing asked.
    pub(super) fn subscribed(&mut self, name: &[u8]) -> Result<Option<Channel>, Reason> {
        let Some(Asked::Subscribe { begun, .. }) = self.asked.front_mut() else {
            return Err(Reason::OutOfStep);
        };
        *begun = true;
        let channel = self.answered(name)?;
        let Some(standing) = self.channels.get_mut(&channel) else { return Ok(None) };
        (standing.fact, standing.alone) = (Fact::Held, false);
        if standing.wanted {
            return Ok(Some(channel));
        }
        self.changes.insert(channel);
        Ok(None)
    }

    /// Redis says that it no longer holds the channel `name`.
    ///
    /// # Errors
    /// That was not the next thing asked.
    pub(super) fn unsubscribed(&mut self, name: &[u8]) -> Result<(), Reason> {
        let Some(Asked::Unsubscribe { .. }) = self.asked.front() else {
            return Err(Reason::OutOfStep);
        };
        let channel = self.answered(name)?;
        self.not_held(channel);
        Ok(())
    }

    /// Redis answers a PING.
    ///
    /// # Errors
    /// That was not the next thing asked.
    pub(super) fn pong(&mut self) -> Result<(), Reason> {
        let ping = matches!(self.asked.pop_front(), Some(Asked::Ping));
        if ping { Ok(()) } else { Err(Reason::OutOfStep) }
    }

    /// Redis says that it is not permitted to do what was asked next.
    ///
    /// # Errors
    /// Nothing was asked that could be denied, or it was already granted in part.
    pub(super) fn denied(&mut self) -> Result<Denied, Reason> {
        match self.asked.pop_front() {
            Some(Asked::Ping) => Ok(Denied::Ping),
            Some(Asked::Subscribe { names, begun: false }) => {
                self.unanswered = self.unanswered.saturating_sub(names.len());
                Ok(self.denied_names(names))
            }
            Some(Asked::Subscribe { .. } | Asked::Unsubscribe { .. }) | None => {
                Err(Reason::OutOfStep)
            }
        }
    }

    /// Where a message of the channel `name` goes.
    pub(super) fn destination(&self, name: &[u8]) -> Destination {
        let found =
            std::str::from_utf8(name).ok().and_then(|name| self.channels.get_key_value(name));
        let Some((channel, standing)) = found else { return Destination::Stray };
        match standing.fact {
            Fact::Held if standing.wanted => Destination::To(channel.clone()),
            Fact::Held | Fact::Leaving => Destination::Leftover,
            Fact::NotHeld | Fact::Asked => Destination::Stray,
        }
    }

    /// Whether Redis owes an answer.
    pub(super) fn awaits_answer(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Takes the next name off the command that is answered, which must be `name`.
    fn answered(&mut self, name: &[u8]) -> Result<Channel, Reason> {
        let Some(Asked::Subscribe { names, .. } | Asked::Unsubscribe { names }) =
            self.asked.front_mut()
        else {
            return Err(Reason::OutOfStep);
        };
        let channel = names.pop_front().ok_or(Reason::OutOfStep)?;
        if channel.as_str().as_bytes() != name {
            return Err(Reason::OutOfStep);
        }
        if names.is_empty() {
            self.asked.pop_front();
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        Ok(channel)
    }

    fn denied_names(&mut self, names: VecDeque<Channel>) -> Denied {
        let single = names.len() == 1;
        for channel in names {
            let wanted = self.not_held(channel.clone());
            if single && wanted {
                self.release(&channel);
                return Denied::Channel(channel);
            }
            if let Some(standing) = self.channels.get_mut(&channel) {
                standing.alone = true;
            }
        }
        Denied::Nobody
    }

    /// Redis does not hold `channel`: asks for it anew, or forgets it; whether it is wanted.
    fn not_held(&mut self, channel: Channel) -> bool {
        let wanted = self.channels.get_mut(&channel).is_some_and(|standing| {
            standing.fact = Fact::NotHeld;
            standing.wanted
        });
        if wanted {
            self.changes.insert(channel);
        } else {
            self.channels.remove(&channel);
        }
        wanted
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
            assert_eq!(subscriptions.subscribed(name.as_bytes()), Ok(Some(channel(name))));
        }
        subscriptions
    }

    #[test]
    fn wishes_go_out_in_one_round_and_the_next_waits_for_its_answers() {
        let mut subs = wanting(&["a", "b"]);
        assert_eq!(round(&mut subs), "SUBSCRIBE a b");
        subs.want(&channel("c"));
        assert_eq!(round(&mut subs), "");
        assert_eq!(subs.subscribed(b"a"), Ok(Some(channel("a"))));
        assert_eq!(round(&mut subs), "");
        assert_eq!(subs.subscribed(b"b"), Ok(Some(channel("b"))));
        subs.release(&channel("a"));
        assert_eq!(round(&mut subs), "SUBSCRIBE c UNSUBSCRIBE a");
        assert_eq!(subs.subscribed(b"c"), Ok(Some(channel("c"))));
        assert_eq!(subs.unsubscribed(b"a"), Ok(()));
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
            assert_eq!(said.split(' ').count(), 1 + count);
            for number in first..first + count {
                assert!(subs.subscribed(format!("{number:04}").as_bytes()).unwrap().is_some());
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
        assert_eq!(subs.destination(b"a"), Destination::Leftover);
        assert!(subs.want(&channel("a")), "held all the time");
        assert_eq!(round(&mut subs), "");
    }

    #[test]
    fn asked_and_released_is_unsubscribed_after_the_answer() {
        let mut subs = wanting(&["a"]);
        round(&mut subs);
        subs.release(&channel("a"));
        assert_eq!(subs.subscribed(b"a"), Ok(None));
        assert_eq!(subs.destination(b"a"), Destination::Leftover);
        assert_eq!(round(&mut subs), "UNSUBSCRIBE a");
        assert_eq!(subs.unsubscribed(b"a"), Ok(()));
        assert_eq!(subs.destination(b"a"), Destination::Stray);
        assert!(subs.channels.is_empty());
    }

    #[test]
    fn leaving_and_wanted_again_is_live_only_after_the_new_answer() {
        let mut subs = holding(&["a"]);
        subs.release(&channel("a"));
        assert_eq!(round(&mut subs), "UNSUBSCRIBE a");
        assert!(!subs.want(&channel("a")));
        assert_eq!(round(&mut subs), "", "the round is not answered");
        assert_eq!(subs.destination(b"a"), Destination::Leftover);
        assert_eq!(subs.unsubscribed(b"a"), Ok(()));
        assert_eq!(round(&mut subs), "SUBSCRIBE a");
        assert_eq!(subs.destination(b"a"), Destination::Stray);
        assert_eq!(subs.subscribed(b"a"), Ok(Some(channel("a"))));
        assert_eq!(subs.destination(b"a"), Destination::To(channel("a")));
    }

    #[test]
    fn a_denied_batch_is_tried_name_by_name() {
        let mut subs = wanting(&["a", "b", "c", "d"]);
        round(&mut subs);
        subs.release(&channel("c"));
        assert_eq!(subs.denied(), Ok(Denied::Nobody));
        assert_eq!(round(&mut subs), "SUBSCRIBE a SUBSCRIBE b SUBSCRIBE d");
        subs.release(&channel("d"));
        assert_eq!(subs.subscribed(b"a"), Ok(Some(channel("a"))));
        assert_eq!(subs.denied(), Ok(Denied::Channel(channel("b"))));
        assert_eq!(subs.denied(), Ok(Denied::Nobody));
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
        assert_eq!(asked().subscribed(b"b"), Err(Reason::OutOfStep));
        assert_eq!(asked().unsubscribed(b"a"), out_of_step);
        assert_eq!(asked().pong(), out_of_step);
        assert_eq!(holding(&["a"]).unsubscribed(b"a"), out_of_step);
        assert_eq!(holding(&["a"]).subscribed(b"a"), Err(Reason::OutOfStep));
        assert_eq!(holding(&["a"]).pong(), out_of_step);
        assert_eq!(holding(&["a"]).denied(), Err(Reason::OutOfStep));
        let mut subs = asked();
        subs.subscribed(b"a").unwrap();
        assert_eq!(subs.denied(), Err(Reason::OutOfStep), "granted in part, then denied");
    }

    #[test]
    fn pings_stand_in_the_same_queue() {
        let mut subs = wanting(&["a"]);
        let mut commands = Commands::default();
        subs.say_ping(&mut commands);
        round(&mut subs);
        assert_eq!(subs.subscribed(b"a"), Err(Reason::OutOfStep));
        assert_eq!(subs.pong(), Ok(()));
        assert_eq!(subs.subscribed(b"a"), Ok(Some(channel("a"))));
        subs.say_ping(&mut commands);
        assert_eq!(subs.denied(), Ok(Denied::Ping));
    }

    #[test]
    fn after_a_disconnect_all_that_is_wanted_is_asked_for_anew() {
        let mut subs = holding(&["b", "c"]);
        subs.want(&channel("a"));
        round(&mut subs);
        subs.release(&channel("c"));
        subs.want(&channel("d"));
        subs.disconnected();
        assert_eq!(subs.destination(b"b"), Destination::Stray);
        subs.want(&channel("e"));
        subs.release(&channel("d"));
        assert!(!subs.awaits_answer());
        assert_eq!(round(&mut subs), "SUBSCRIBE a b e");
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
