//! Says the same thing at most once a minute, and how often it was not said.
//!
//! What to notice:
//! * A peer decides how often it does something odd. Without this it would decide how much is logged.
//! * What counts as the same is named by a text of the program and never of a peer, or peers would decide
//!   how much is kept here.
//! * Nothing is lost: at level `debug` every one is said, and the number of those that were not is said
//!   with the next one, or at the end.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::now::Now;

const INTERVAL: Duration = Duration::from_secs(60);

/// When each kind of thing was last said, and how often it was kept back since.
#[derive(Debug, Default)]
pub struct Quiet {
    last: HashMap<String, (Duration, u64)>,
}

impl Quiet {
    /// Logs `what`, unless something of the same kind was logged within the last minute.
    pub fn say(&mut self, level: log::Level, kind: &str, what: fmt::Arguments<'_>, now: Now) {
        match self.may_say(kind, now.since_start) {
            None => log::debug!("{what}"),
            Some(0) => log::log!(level, "{what}"),
            Some(kept_back) => log::log!(level, "{what} (and {kept_back} times before this)"),
        }
    }

    /// Says what was kept back and is still unsaid: nothing more will come.
    pub fn finish(&mut self) {
        for (kind, (_, kept_back)) in self.last.drain().filter(|(_, (_, kept))| *kept > 0) {
            log::info!("{kind}: {kept_back} times more than was said");
        }
    }

    /// Whether to say it now; and if so, how often it was kept back since it was last said.
    fn may_say(&mut self, what: &str, since_start: Duration) -> Option<u64> {
        match self.last.get_mut(what) {
            Some((last, kept_back)) if since_start < *last + INTERVAL => {
                *kept_back += 1;
                None
            }
            Some((last, kept_back)) => {
                *last = since_start;
                Some(std::mem::take(kept_back))
            }
            None => {
                self.last.insert(what.to_owned(), (since_start, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_is_said_once_a_minute_with_the_number_of_times_it_was_not() {
        let mut quiet = Quiet::default();
        let at = Duration::from_secs;
        assert_eq!(quiet.may_say("a", at(0)), Some(0));
        assert_eq!(quiet.may_say("a", at(1)), None);
        assert_eq!(quiet.may_say("a", at(59)), None);
        assert_eq!(quiet.may_say("b", at(59)), Some(0));
        assert_eq!(quiet.may_say("a", at(60)), Some(2));
        assert_eq!(quiet.may_say("a", at(120)), Some(0));
    }
}
