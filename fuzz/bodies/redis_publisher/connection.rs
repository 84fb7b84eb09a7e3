//! One connection of a publisher to Redis, as somebody knows it who reads along.

use std::collections::VecDeque;
use std::time::Duration;

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
    /// A value came behind which there is no way on.
    pub is_over: bool,
    /// What Redis should be told next.
    pub to_say: Vec<u8>,
}

impl Connection {
    pub fn new(has_credentials: bool) -> Self {
        let mut redis = Self { has_credentials, ..Self::default() };
        if has_credentials {
            let auth = [b"AUTH", USERNAME.as_bytes(), PASSWORD.as_bytes()];
            redis.to_say.extend(command(&auth));
        }
        redis.to_say.extend(command(&[b"CLIENT", b"SETNAME", b"barewire"]));
        redis.to_say.extend(command(&[b"PING"]));
        redis
    }

    /// Reads what has come whole, and says what should come out of it.
    pub fn read_along(
        &mut self,
        owed: &mut VecDeque<Owed>,
        expected: &mut VecDeque<(u64, Outcome)>,
    ) {
        while !self.is_over
            && let Some((value, length)) = value(&self.received[self.read..])
        {
            self.read += length;
            self.values += 1;
            if !self.is_greeted {
                let answers = self.values + usize::from(!self.has_credentials);
                self.is_over = !is_greeting(&value, answers);
                self.is_greeted = answers == 3 && !self.is_over;
                if self.is_greeted {
                    self.to_say.extend(owed.iter().flat_map(|owed| publish_command(owed.ticket)));
                }
                continue;
            }
            let outcome = match &value[..] {
                [Part::Line(b':', digits)] => {
                    number(digits).map(|receivers| Outcome::Published { receivers })
                }
                [Part::Line(b'-', line)] if str::from_utf8(line).is_ok() => {
                    self.is_over = !is_about_one_command(line);
                    Some(Outcome::Refused)
                }
                _ => None,
            };
            let outcome = outcome.and_then(|how| Some((owed.pop_front()?.ticket, how)));
            self.is_over |= outcome.is_none();
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

/// Whether a value goes on with the greeting, as one of its three answers: to AUTH, or to the name or
/// the PING, which may both be forbidden.
fn is_greeting(value: &[Part], answers: usize) -> bool {
    match (value, answers) {
        ([Part::Line(b'+', text)], 1 | 2) => text == b"OK",
        ([Part::Line(b'+', text)], _) => text == b"PONG",
        ([Part::Array(2), Part::Bulk(kind), Part::Bulk(_)], 3) => kind == b"pong",
        ([Part::Line(b'-', line)], 2 | 3) => {
            str::from_utf8(line).is_ok() && is_about_one_command(line)
        }
        _ => false,
    }
}

/// Whether an error says nothing about the next command.
fn is_about_one_command(line: &[u8]) -> bool {
    let line = str::from_utf8(line).unwrap();
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    let all = ["WRONGPASS", "NOAUTH", "DENIED", "LOADING", "MASTERDOWN", "READONLY"];
    let texts =
        ["invalid password", "without any password", "no password is set", "max number of clients"];
    let is_of_all = code == "ERR" && texts.iter().any(|words| text.contains(words));
    !all.contains(&code) && !is_of_all
}

/// With white space around it, as the `redis` crate takes it; no Redis sends any.
fn number(digits: &[u8]) -> Option<u64> {
    let number: i64 = str::from_utf8(digits).ok()?.trim().parse().ok()?;
    u64::try_from(number).ok()
}
