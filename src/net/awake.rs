//! The experiment's first push: a line every few seconds, whoever listens.
//!
//! What to notice:
//! * It is appended to a log like any other message and never goes through Redis. So it comes while Redis
//!   is away, and shows that the way from here to the client is whole.
//! * The next time is counted from the last one, not from when the loop got to it: one that is
//!   late does not put off those behind it.
//! * With nobody subscribed, nothing is appended; the loop still wakes for it.

use std::time::Duration;

use super::{Server, tap};
use crate::channel::AWAKE;
use crate::now::Now;
use crate::trace::bus::Bus;

/// When to say it next.
#[derive(Debug)]
pub(super) struct Awake {
    every: Duration,
    next: Duration,
}

impl Awake {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, next: every }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.next
    }

    /// The line, if it is time for it. Lines that were missed while the process was stopped are not
    /// made up for.
    fn line(&mut self, now: Now) -> Option<String> {
        if now.since_start < self.next {
            return None;
        }
        self.next += self.every;
        if self.next <= now.since_start {
            self.next = now.since_start + self.every;
        }
        // The newline has curl show the line at once, without -N.
        Some(format!("[{}] I'm awake...\n", now.unix.as_secs()))
    }
}

impl Server {
    pub(super) fn say_awake(&mut self, now: Now) {
        let Some(line) = self.awake.as_mut().and_then(|awake| awake.line(now)) else { return };
        if let Some(channel) = self.hub.id(AWAKE) {
            tap::event(now, &Bus::Message(AWAKE.into(), line.as_bytes().into()));
            self.append(channel, line.as_bytes(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let since_start = Duration::from_secs(seconds);
        Now { since_start, unix: since_start + Duration::from_secs(1_600_000_000) }
    }

    #[test]
    fn the_line_is_the_experiments_own_and_comes_every_five_seconds() {
        let mut awake = Awake::new(Duration::from_secs(5));
        assert_eq!(awake.line(at(4)), None);
        assert_eq!(awake.line(at(5)).unwrap(), "[1600000005] I'm awake...\n");
        assert_eq!(awake.line(at(9)), None);
        assert_eq!(awake.deadline(), Duration::from_secs(10));
    }

    #[test]
    fn a_stopped_process_does_not_make_up_for_what_it_missed() {
        let mut awake = Awake::new(Duration::from_secs(5));
        assert!(awake.line(at(90)).is_some());
        assert_eq!(awake.line(at(90)), None);
        assert_eq!(awake.deadline(), Duration::from_secs(95));
    }
}
