//! One connection of a publisher to Redis, as somebody knows it who reads along.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::redis_session::{Misfit, greeting, integer, is_about_one_command, is_greeting};
use super::super::resp::{Part, command, value};

/// What is published, in turn. None of it may be taken for a command.
const MESSAGES: [(&str, &[u8]); 3] =
    [("ruby", b"hi"), ("news", b""), ("a\u{e9}", b"\r\n*1\r\n$4\r\nQUIT\r\n\xff\0")];
/// No text may hold either.
pub const USERNAME: &str = "carla";
pub const PASSWORD: &str = "open sesame";

/// How a publish ends, as far as it can be told without asking the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Published { receivers: u64 },
    Refused,
    NotPublished,
    PerhapsPublished,
}

/// A publish that waits for its answer.
pub struct Owed {
    pub ticket: u64,
    pub by: Duration,
}

/// What Redis has sent and should be told.
#[derive(Default)]
pub struct Connection {
    has_credentials: bool,
    /// All that came, how many bytes of it were read as whole values, and how many those were.
    pub received: Vec<u8>,
    pub read: usize,
    values: usize,
    pub is_greeted: bool,
    /// A value came behind which there is no way on, and why.
    pub misfit: Option<Misfit>,
    /// What Redis should be told next.
    pub to_say: Vec<u8>,
}

impl Connection {
    pub fn new(has_credentials: bool) -> Self {
        let auth = [b"AUTH", USERNAME.as_bytes(), PASSWORD.as_bytes()];
        let to_say = greeting(has_credentials.then_some(&auth));
        Self { has_credentials, to_say, ..Self::default() }
    }

    /// Reads what has come whole, and says what should come out of it.
    pub fn read_along(
        &mut self,
        owed: &mut VecDeque<Owed>,
        expected: &mut VecDeque<(u64, Outcome)>,
    ) {
        while self.misfit.is_none()
            && let Some((value, length)) = value(&self.received[self.read..])
        {
            self.read += length;
            self.values += 1;
            if !self.is_greeted {
                let answers = self.values + usize::from(!self.has_credentials);
                self.misfit = (!is_greeting(&value, answers)).then(|| Misfit::of(&value));
                self.is_greeted = answers == 3 && self.misfit.is_none();
                if self.is_greeted {
                    self.to_say.extend(owed.iter().flat_map(|owed| publish_command(owed.ticket)));
                }
                continue;
            }
            let outcome = match &value[..] {
                [Part::Line(b':', digits)] => {
                    let receivers = integer(digits).and_then(|number| number.try_into().ok());
                    receivers.map(|receivers| Outcome::Published { receivers })
                }
                [Part::Line(b'-', line)] if str::from_utf8(line).is_ok() => Some(Outcome::Refused),
                _ => None,
            };
            let outcome = outcome.and_then(|how| Some((owed.pop_front()?.ticket, how)));
            let is_of_all = matches!(&value[..], [Part::Line(b'-', line)]
                if outcome.is_some() && !is_about_one_command(line));
            if is_of_all || outcome.is_none() {
                self.misfit = Some(Misfit::of(&value));
            }
            expected.extend(outcome);
        }
    }
}

pub fn message(ticket: u64) -> (&'static str, &'static [u8]) {
    MESSAGES[usize::try_from(ticket).unwrap() % MESSAGES.len()]
}

pub fn publish_command(ticket: u64) -> Vec<u8> {
    let (channel, body) = message(ticket);
    command(&[b"PUBLISH", channel.as_bytes(), body])
}
