//! A session with Redis as somebody knows it who reads along: what holds of the link and of the publisher.

use barewire::redis::{Reason, Session, Talk};

use super::resp::{Part, command};

/// What becomes of a `Connect`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Net {
    Connects,
    Refuses,
    Hangs,
}

/// Why a value of Redis is no answer, so that its connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// An error that is not about one command alone.
    Refusal,
    /// It answers something else, or nothing.
    OutOfStep,
    /// A value by its shape, with a line in it that is none.
    Garbage,
}

impl Misfit {
    /// Why a value is no answer, when it is none.
    pub fn of(value: &[Part]) -> Self {
        let is_sound = |part: &Part| match part {
            Part::Line(b':', digits) => integer(digits).is_some(),
            Part::Line(_, line) => str::from_utf8(line).is_ok(),
            Part::Bulk(_) | Part::Nil | Part::Array(_) => true,
        };
        match value {
            _ if !value.iter().all(is_sound) => Self::Garbage,
            [Part::Line(b'-', _)] => Self::Refusal,
            _ => Self::OutOfStep,
        }
    }
}

/// What is seen of a session in the moment in which its connection ends, or its try for one.
pub struct Seen {
    pub is_connected: bool,
    /// The net has ended it just now.
    pub has_ended: bool,
    /// An answer has been owed for too long.
    pub is_late: bool,
    pub misfit: Option<Misfit>,
    /// More has come than could be read as whole values.
    pub has_more: bool,
}

impl Seen {
    pub fn check(&self, reason: Reason) {
        let can_be = match reason {
            Reason::Connect(_) => !self.is_connected,
            Reason::Ended(_) => self.has_ended,
            Reason::NoAnswer => self.is_late,
            Reason::Refused(_) => self.misfit == Some(Misfit::Refusal),
            Reason::OutOfStep => self.misfit == Some(Misfit::OutOfStep),
            Reason::Garbage(_) => self.misfit.map_or(self.has_more, |it| it == Misfit::Garbage),
        };
        assert!(can_be, "{reason:?}, and {:?} came", self.misfit);
    }
}

/// What Redis is told first.
pub fn greeting(auth: Option<&[&[u8]]>) -> Vec<u8> {
    let auth = auth.map_or(vec![], command);
    [auth, command(&[b"CLIENT", b"SETNAME", b"barewire"]), command(&[b"PING"])].concat()
}

/// Whether a value goes on with the greeting, as one of its three answers: to AUTH, or to the name or
/// the PING, which may both be forbidden.
pub fn is_greeting(value: &[Part], answers: usize) -> bool {
    match (value, answers) {
        ([Part::Line(b'+', text)], 1 | 2) => text == b"OK",
        ([Part::Line(b'-', line)], 2 | 3) => {
            str::from_utf8(line).is_ok() && is_about_one_command(line)
        }
        (_, 3) => is_pong(value),
        _ => false,
    }
}

/// Either of the two that there are.
pub fn is_pong(value: &[Part]) -> bool {
    match value {
        [Part::Line(b'+', text)] => text == b"PONG",
        [Part::Array(2), Part::Bulk(kind), Part::Bulk(_)] => kind == b"pong",
        _ => false,
    }
}

/// Whether an error says nothing about the next command.
pub fn is_about_one_command(line: &[u8]) -> bool {
    let line = str::from_utf8(line).unwrap();
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    let all = ["WRONGPASS", "NOAUTH", "DENIED", "LOADING", "MASTERDOWN", "READONLY"];
    let texts =
        ["invalid password", "without any password", "no password is set", "max number of clients"];
    let is_of_all = code == "ERR" && texts.iter().any(|words| text.contains(words));
    !all.contains(&code) && !is_of_all
}

/// With white space around it, as the `redis` crate takes it; no Redis sends any.
pub fn integer(digits: &[u8]) -> Option<i64> {
    str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// The socket takes what is to be said, in two halves, and there is nothing else.
pub fn let_say<T: Talk>(session: &mut Session<T>, to_say: &[u8]) {
    let said = session.output();
    assert!(said == to_say, "{}, not {}", said.escape_ascii(), to_say.escape_ascii());
    session.wrote(to_say.len() / 2);
    assert!(session.output() == &to_say[to_say.len() / 2..]);
    session.wrote(to_say.len() - to_say.len() / 2);
}
