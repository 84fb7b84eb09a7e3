//! Says the same thing at most once a minute.

use std::collections::HashMap;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(60);

/// When each kind of thing was last said. Kinds are texts of the program, so no peer adds to them.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    last: HashMap<&'static str, (Duration, u64)>,
}

impl Quiet {
    /// Whether to say it now; and if so, how often it was kept back since it was last said.
    pub(super) fn may_say(&mut self, what: &'static str, since_start: Duration) -> Option<u64> {
        match self.last.get_mut(&what) {
            Some((last, kept_back)) if since_start < *last + INTERVAL => {
                *kept_back += 1;
                None
            }
            Some((last, kept_back)) => {
                *last = since_start;
                Some(std::mem::take(kept_back))
            }
            None => {
                self.last.insert(what, (since_start, 0));
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
