//! One connection of a link to Redis, as somebody knows it who reads along.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use barewire::channel::Channel;
use barewire::redis::{ANSWER_DEADLINE, LinkEvent, Odd, PING_EVERY, Refusal};

use super::super::redis_session::{Misfit, greeting, integer, is_greeting, is_pong};
use super::super::resp::{Part, command, value};

/// What no text may hold.
pub const PASSWORD: &str = "sesame";
/// Longer messages are reported and dropped.
pub const MESSAGE_BYTES: usize = 64;

/// A command that Redis has not answered.
enum Asked {
    Ping,
    Subscribe(Channel),
    Unsubscribe(Channel),
}

/// What Redis has sent and should be told.
#[derive(Default)]
pub struct Connection {
    has_password: bool,
    /// All that came, how many bytes of it were read as whole values, and how many those were until it
    /// was greeted.
    pub received: Vec<u8>,
    pub read: usize,
    answers: usize,
    pub is_greeted: bool,
    /// A value came behind which there is no way on, and why.
    pub misfit: Option<Misfit>,
    /// Channels that were acknowledged and not asked to end.
    pub held: BTreeSet<Channel>,
    /// What Redis should be told next, and what it was told and has not answered.
    pub to_say: Vec<u8>,
    asked: VecDeque<Asked>,
    /// What should come out, and has not.
    pub expected: VecDeque<LinkEvent>,
    /// Since when the answer that comes next has been waited for, if one is owed.
    unanswered_since: Option<Duration>,
    ping_at: Option<Duration>,
}

impl Connection {
    pub fn new(has_password: bool, now: Duration) -> Self {
        let auth = [&b"AUTH"[..], PASSWORD.as_bytes()];
        let to_say = greeting(has_password.then_some(&auth));
        Self { has_password, to_say, unanswered_since: Some(now), ..Self::default() }
    }

    /// When something is due: an answer, or the next PING.
    pub fn deadline(&self) -> Duration {
        let overdue_at = self.unanswered_since.map(|since| since + ANSWER_DEADLINE);
        [overdue_at, self.ping_at].into_iter().flatten().min().expect("it waits or pings")
    }

    /// Redis has left a command unanswered for too long.
    pub fn is_late(&self, now: Duration) -> bool {
        self.unanswered_since.is_some_and(|since| since + ANSWER_DEADLINE <= now)
    }

    /// A PING is due, if nothing worse is.
    pub fn on_deadline(&mut self, now: Duration) {
        if self.ping_at == Some(now) && !self.is_late(now) {
            self.ping_at = Some(now + PING_EVERY);
            self.say(Asked::Ping, now);
        }
    }

    /// Reads what has come whole, and says what should come out of it.
    pub fn read_along(&mut self, wanted: &mut BTreeSet<Channel>, now: Duration) {
        while self.misfit.is_none()
            && let Some((value, length)) = value(&self.received[self.read..])
        {
            self.read += length;
            let taken = match &value[..] {
                _ if Misfit::of(&value) == Misfit::Garbage => Err(Misfit::Garbage),
                _ if !self.is_greeted => self.greet(&value, wanted, now),
                [Part::Array(3), Part::Bulk(kind), Part::Bulk(name), Part::Bulk(payload)]
                    if kind == b"message" =>
                {
                    let event = self.message(name, payload, wanted);
                    self.expected.extend(event);
                    Ok(())
                }
                [Part::Array(_), ..] if !is_pong(&value) && acknowledged(&value).is_none() => {
                    self.expected.push_back(LinkEvent::Odd(Odd::UnknownPush));
                    Ok(())
                }
                _ => self.answer(&value, wanted, now),
            };
            self.misfit = taken.err();
        }
    }

    fn greet(
        &mut self,
        value: &[Part],
        wanted: &BTreeSet<Channel>,
        now: Duration,
    ) -> Result<(), Misfit> {
        self.answers += 1;
        let answers = self.answers + usize::from(!self.has_password);
        if !is_greeting(value, answers) {
            return Err(Misfit::of(value));
        }
        self.unanswered_since = Some(now);
        if answers == 3 {
            self.is_greeted = true;
            self.unanswered_since = None;
            self.ping_at = Some(now + PING_EVERY);
            self.expected.push_back(LinkEvent::Live);
            self.say_changes(wanted, now);
        }
        Ok(())
    }

    /// Where a message goes.
    fn message(
        &self,
        name: &[u8],
        payload: &[u8],
        wanted: &BTreeSet<Channel>,
    ) -> Option<LinkEvent> {
        let name = str::from_utf8(name).ok().and_then(|name| Channel::new(name).ok());
        let is_leaving = |channel: &Channel| {
            self.asked.iter().any(|asked| matches!(asked, Asked::Unsubscribe(it) if it == channel))
        };
        match name {
            Some(channel) if self.held.contains(&channel) => {
                let bytes = payload.len();
                wanted.contains(&channel).then(|| match bytes {
                    ..=MESSAGE_BYTES => LinkEvent::Message { channel, payload: payload.to_vec() },
                    _ => LinkEvent::TooLarge { channel, bytes },
                })
            }
            // Redis could not know yet.
            Some(channel) if is_leaving(&channel) => None,
            _ => Some(LinkEvent::Odd(Odd::StrayMessage)),
        }
    }

    /// A value answers what was asked first.
    fn answer(
        &mut self,
        value: &[Part],
        wanted: &mut BTreeSet<Channel>,
        now: Duration,
    ) -> Result<(), Misfit> {
        let is_denial = match value {
            [Part::Line(b'-', line)] if line == b"NOPERM" || line.starts_with(b"NOPERM ") => true,
            [Part::Line(b'-', _)] => return Err(Misfit::Refusal),
            _ => false,
        };
        let is_about = |kind: &[u8], channel: &Channel| {
            acknowledged(value) == Some((kind, channel.as_str().as_bytes()))
        };
        let event = match self.asked.pop_front().ok_or(Misfit::OutOfStep)? {
            Asked::Ping if is_pong(value) => None,
            Asked::Ping if is_denial => Some(LinkEvent::Odd(Odd::PingDenied)),
            Asked::Subscribe(channel) if is_about(b"subscribe", &channel) => {
                self.held.insert(channel.clone());
                wanted.contains(&channel).then_some(LinkEvent::Subscribed(channel))
            }
            // Who wants it still has to say so again.
            Asked::Subscribe(channel) if is_denial => {
                let why = Refusal::NoPermission;
                wanted.remove(&channel).then_some(LinkEvent::Denied { channel, why })
            }
            Asked::Unsubscribe(channel) if is_about(b"unsubscribe", &channel) => None,
            Asked::Ping | Asked::Subscribe(_) | Asked::Unsubscribe(_) => {
                return Err(Misfit::OutOfStep);
            }
        };
        self.expected.extend(event);
        self.unanswered_since = self.asked.front().map(|_| now);
        self.say_changes(wanted, now);
        Ok(())
    }

    /// What is wanted and not held is asked for, and the other way round, when all that was asked of
    /// the kind has been answered.
    pub fn say_changes(&mut self, wanted: &BTreeSet<Channel>, now: Duration) {
        if !self.is_greeted || self.asked.iter().any(|asked| !matches!(asked, Asked::Ping)) {
            return;
        }
        let changes: BTreeSet<Channel> = self.held.symmetric_difference(wanted).cloned().collect();
        for channel in changes {
            let is_held = self.held.remove(&channel);
            let asks = if is_held { Asked::Unsubscribe } else { Asked::Subscribe };
            self.say(asks(channel), now);
        }
    }

    fn say(&mut self, what: Asked, now: Duration) {
        self.to_say.extend(match &what {
            Asked::Ping => command(&[b"PING"]),
            Asked::Subscribe(channel) => command(&[b"SUBSCRIBE", channel.as_str().as_bytes()]),
            Asked::Unsubscribe(channel) => command(&[b"UNSUBSCRIBE", channel.as_str().as_bytes()]),
        });
        self.asked.push_back(what);
        self.unanswered_since.get_or_insert(now);
    }
}

/// What a value says of which channel.
fn acknowledged(value: &[Part]) -> Option<(&[u8], &[u8])> {
    let [Part::Array(3), Part::Bulk(kind), Part::Bulk(name), Part::Line(b':', count)] = value
    else {
        return None;
    };
    integer(count)?;
    [&b"subscribe"[..], b"unsubscribe"].contains(&&kind[..]).then_some((kind, name))
}
