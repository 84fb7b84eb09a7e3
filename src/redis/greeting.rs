//! The first words on a new connection to Redis, the same for the link and the publisher.
//!
//! ```text
//!   AUTH [user] password      only with credentials; a refusal ends the connection
//!   CLIENT SETNAME barewire   a refusal is ignored: an ACL may well forbid it
//!   PING                      answered only by a Redis that is ready: not while it loads its data
//! ```
//!
//! What to notice:
//! * All goes out at once, and the answers come in the same order: one round trip.
//! * Every refusal has a line of its own that says what to change, and where. It never repeats what
//!   Redis wrote, which may hold what it was sent.
//! * A refusal says whether waiting helps. If not, the next try comes late: it will fail as well.
//!
//! ```text
//!   Auth -- OK --------------------------------------> Name
//!   Name -- OK | a refusal of this command alone ----> Ping
//!   Ping -- PONG | a refusal of this command alone --> greeted
//!
//!   Auth -- any refusal -----------------------------> dropped
//!   Name, Ping -- a refusal of us -------------------> dropped
//!   Auth, Name, Ping -- any other reply -------------> dropped
//! ```

use std::fmt;

use super::address::Credentials;
use super::commands::Commands;
use super::reason::Reason;
use super::shape::Reply;

/// Why Redis refused a command, from the first word of its error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `WRONGPASS`, or `ERR invalid password` before Redis 6.
    WrongPassword,
    /// `ERR`: credentials were sent to a Redis that has none.
    NeedlessPassword,
    /// `NOAUTH`: Redis wants credentials and was sent none.
    NoAuth,
    /// `NOPERM`: an ACL forbids the command or the channel.
    NoPermission,
    /// `DENIED`: protected mode, which answers only to its own machine.
    Protected,
    /// `LOADING`: Redis reads its data from disk.
    Loading,
    /// `MASTERDOWN`: a replica without its master that serves nothing meanwhile.
    MasterDown,
    /// `READONLY`: a replica that was asked to write.
    ReadOnly,
    /// `ERR max number of clients reached`.
    TooManyClients,
    /// Any other error.
    Other,
}

impl Refusal {
    /// What an error reply with this code and text means.
    pub(super) fn classify(code: &str, text: Option<&str>) -> Self {
        let says = |words: &str| text.is_some_and(|text| text.contains(words));
        match code {
            "WRONGPASS" => Self::WrongPassword,
            "NOAUTH" => Self::NoAuth,
            "NOPERM" => Self::NoPermission,
            "DENIED" => Self::Protected,
            "LOADING" => Self::Loading,
            "MASTERDOWN" => Self::MasterDown,
            "READONLY" => Self::ReadOnly,
            "ERR" if says("invalid password") => Self::WrongPassword,
            "ERR" if says("without any password") || says("no password is set") => {
                Self::NeedlessPassword
            }
            "ERR" if says("max number of clients") => Self::TooManyClients,
            _ => Self::Other,
        }
    }

    /// Whether it is about the one command, so that the connection is as good as before.
    pub(super) fn spares_the_connection(self) -> bool {
        matches!(self, Self::NoPermission | Self::Other)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongPassword => {
                "WRONGPASS: user or password is wrong; correct redis://user:password@… \
                 (percent-encoded)"
            }
            Self::NeedlessPassword => {
                "this Redis has no password; take it out of the URL, or set `requirepass` there"
            }
            Self::NoAuth => "NOAUTH: Redis wants a password; write redis://user:password@…",
            Self::NoPermission => {
                "NOPERM: give the Redis user +subscribe +unsubscribe +ping +publish and &channel"
            }
            Self::Protected => {
                "DENIED: Redis is in protected mode; set a password there, or bind it to an address"
            }
            Self::Loading => "LOADING: Redis is reading its data; nothing to do but wait",
            Self::MasterDown => "MASTERDOWN: the replica has lost its master; look at the master",
            Self::ReadOnly => "READONLY: this is a replica; point the URL at the master",
            Self::TooManyClients => "Redis has too many clients; raise its `maxclients`",
            Self::Other => {
                "Redis refused a command; its version or its `rename-command` may be why"
            }
        })
    }
}

/// Which answer comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Auth,
    Name,
    Ping,
}

impl Greeting {
    /// Says all of the greeting; returns the answer that comes first.
    pub(super) fn say(credentials: &Credentials, commands: &mut Commands) -> Self {
        let Credentials { username, password } = credentials;
        let is_somebody = username.is_some() || password.is_some();
        if is_somebody {
            // A user without a password is a user with `nopass`, to whom any will do.
            let password = password.as_deref().unwrap_or_default();
            commands.say(["AUTH"].into_iter().chain(username.as_deref()).chain([password]));
        }
        // So that `CLIENT LIST` tells an operator who this is.
        commands.say(["CLIENT", "SETNAME", "barewire"]);
        commands.say(["PING"]);
        if is_somebody { Self::Auth } else { Self::Name }
    }

    /// Takes the answer that was waited for: which comes next, or `None` when Redis has been greeted.
    ///
    /// # Errors
    /// Why this connection is of no use. Drop it.
    pub(super) fn answer(self, reply: &Reply) -> Result<Option<Self>, Reason> {
        let (expected, next) = match self {
            Self::Auth => (Reply::Okay, Some(Self::Name)),
            Self::Name => (Reply::Okay, Some(Self::Ping)),
            Self::Ping => (Reply::Pong, None),
        };
        if *reply == expected {
            return Ok(next);
        }
        let Reply::Refused(refusal) = *reply else { return Err(Reason::OutOfStep) };
        match self {
            // To be forbidden a name or a PING is an answer all the same, and of a Redis that is
            // ready.
            Self::Name | Self::Ping if refusal.spares_the_connection() => Ok(next),
            Self::Auth | Self::Name | Self::Ping => Err(Reason::Refused(refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_by_their_first_word() {
        for (code, text, expected) in [
            ("WRONGPASS", Some("invalid username-password pair"), Refusal::WrongPassword),
            ("ERR", Some("invalid password"), Refusal::WrongPassword),
            (
                "ERR",
                Some(
                    "AUTH <password> called without any password configured for the default user.",
                ),
                Refusal::NeedlessPassword,
            ),
            ("ERR", Some("Client sent AUTH, but no password is set"), Refusal::NeedlessPassword),
            ("NOAUTH", Some("Authentication required."), Refusal::NoAuth),
            ("NOPERM", Some("this user has no permissions"), Refusal::NoPermission),
            ("DENIED", Some("Redis is running in protected mode"), Refusal::Protected),
            ("LOADING", None, Refusal::Loading),
            ("MASTERDOWN", Some("Link with MASTER is down"), Refusal::MasterDown),
            ("READONLY", Some("You can't write"), Refusal::ReadOnly),
            ("ERR", Some("max number of clients reached"), Refusal::TooManyClients),
            ("ERR", Some("unknown command"), Refusal::Other),
            ("", None, Refusal::Other),
        ] {
            assert_eq!(Refusal::classify(code, text), expected, "{code} {text:?}");
        }
    }

    #[test]
    fn credentials_decide_how_the_greeting_begins() {
        let greet = |username: Option<&str>, password: Option<&str>| {
            let credentials = Credentials {
                username: username.map(str::to_owned),
                password: password.map(str::to_owned),
            };
            let mut commands = Commands::default();
            let first = Greeting::say(&credentials, &mut commands);
            let said = String::from_utf8(commands.rest().to_vec()).unwrap();
            let head = said.split("*3\r\n$6\r\nCLIENT").next().unwrap().to_owned();
            assert!(said.ends_with("$7\r\nSETNAME\r\n$8\r\nbarewire\r\n*1\r\n$4\r\nPING\r\n"));
            (first, head)
        };
        assert_eq!(greet(None, None), (Greeting::Name, String::new()));
        for (username, password, head) in [
            (None, Some("p"), "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n"),
            (Some("u"), Some("p"), "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n"),
            (Some("u"), None, "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$0\r\n\r\n"),
        ] {
            assert_eq!(greet(username, password), (Greeting::Auth, head.to_owned()));
        }
    }

    include!("../../tests/sources/diagram.rs");

    /// One edge of the diagram at the head of this file: the answer that is waited for, the cause, the
    /// replies that are it, and where they lead.
    type Edge = (Greeting, &'static str, &'static [Reply], &'static str);

    /// Refusals of one command, and those of whoever sends it.
    const OF_THIS_ALONE: [Reply; 2] =
        [Reply::Refused(Refusal::NoPermission), Reply::Refused(Refusal::Other)];
    const OF_US: [Reply; 8] = [
        Reply::Refused(Refusal::WrongPassword),
        Reply::Refused(Refusal::NeedlessPassword),
        Reply::Refused(Refusal::NoAuth),
        Reply::Refused(Refusal::Protected),
        Reply::Refused(Refusal::Loading),
        Reply::Refused(Refusal::MasterDown),
        Reply::Refused(Refusal::ReadOnly),
        Reply::Refused(Refusal::TooManyClients),
    ];
    const MISPLACED: [Reply; 3] = [Reply::Receivers(1), Reply::UnknownPush, Reply::Misplaced];

    const EDGES: &[Edge] = &[
        (Greeting::Auth, "OK", &[Reply::Okay], "Name"),
        (Greeting::Name, "OK", &[Reply::Okay], "Ping"),
        (Greeting::Name, "a refusal of this command alone", &OF_THIS_ALONE, "Ping"),
        (Greeting::Ping, "PONG", &[Reply::Pong], "greeted"),
        (Greeting::Ping, "a refusal of this command alone", &OF_THIS_ALONE, "greeted"),
        (Greeting::Auth, "any refusal", &OF_THIS_ALONE, "dropped"),
        (Greeting::Auth, "any refusal", &OF_US, "dropped"),
        (Greeting::Name, "a refusal of us", &OF_US, "dropped"),
        (Greeting::Ping, "a refusal of us", &OF_US, "dropped"),
        (Greeting::Auth, "any other reply", &MISPLACED, "dropped"),
        (Greeting::Auth, "any other reply", &[Reply::Pong], "dropped"),
        (Greeting::Name, "any other reply", &MISPLACED, "dropped"),
        (Greeting::Name, "any other reply", &[Reply::Pong], "dropped"),
        (Greeting::Ping, "any other reply", &MISPLACED, "dropped"),
        (Greeting::Ping, "any other reply", &[Reply::Okay], "dropped"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (from, cause, replies, to) in EDGES {
            for reply in *replies {
                let (reached, why) = match from.answer(reply) {
                    Ok(Some(next)) => (format!("{next:?}"), None),
                    Ok(None) => ("greeted".to_owned(), None),
                    Err(why) => ("dropped".to_owned(), Some(why)),
                };
                assert_eq!(reached, *to, "{from:?} -- {cause}: {reply:?}");
                let expected = match (reply, *to) {
                    (Reply::Refused(refusal), "dropped") => Some(Reason::Refused(*refusal)),
                    (_, "dropped") => Some(Reason::OutOfStep),
                    _ => None,
                };
                assert_eq!(why, expected, "{from:?} -- {cause}: {reply:?}");
            }
        }
        let names: Vec<_> = EDGES.iter().map(|edge| format!("{:?}", edge.0)).collect();
        let walked = EDGES.iter().zip(&names);
        let walked = walked.map(|((_, cause, _, to), from)| (from.as_str(), *cause, *to));
        diagram::assert_drawn(include_str!("greeting.rs"), walked);
    }
}
