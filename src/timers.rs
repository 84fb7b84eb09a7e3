//! Deadlines of many clients in one heap, at no cost for a client that merely lives.
//!
//! What to notice:
//! * Nothing is ever cancelled or moved. A client has one entry; when it comes up, the client is
//!   asked for its deadline *now*, and if that has moved on, the entry goes back with it.
//! * So a message costs no heap operation at all: it only makes the client's own answer later.
//! * A deadline that comes *nearer* (a close handshake begins) is armed again. The older entry then
//!   comes up for nothing, once, which is cheaper than finding it: so its owner remembers the time
//!   of the entry that counts, and passes over all others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Entries of (deadline, key), the earliest first. Deadlines are milliseconds since the start,
/// rounded up, so that an entry never comes up before its time and takes 16 bytes with an id.
#[derive(Debug)]
pub struct Timers<K> {
    entries: BinaryHeap<Reverse<(u64, K)>>,
}

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Self { entries: BinaryHeap::new() }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Has `key` come up at `deadline`, a time since the start, [`rounded`].
    pub fn arm(&mut self, deadline: Duration, key: K) {
        self.entries.push(Reverse((milliseconds_up(deadline), key)));
    }

    /// The earliest deadline: how long the loop may sleep.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.entries.peek().map(|Reverse((at, _))| Duration::from_millis(*at))
    }

    /// Takes out one key whose deadline has come, and that deadline, or `None`. If it is the one
    /// that counts, the caller asks the key's owner for its deadline of now and arms that, if there
    /// is one. An entry that was replaced by a nearer one is passed over.
    pub fn expired(&mut self, since_start: Duration) -> Option<(Duration, K)> {
        if self.next_deadline()? > since_start {
            return None;
        }
        self.entries.pop().map(|Reverse((at, key))| (Duration::from_millis(at), key))
    }
}

/// The time at which an entry for `deadline` comes up: a whole millisecond, and never earlier.
#[must_use]
pub fn rounded(deadline: Duration) -> Duration {
    Duration::from_millis(milliseconds_up(deadline))
}

fn milliseconds_up(time: Duration) -> u64 {
    // In its two halves: all nanoseconds together are 128 bits, which are slow to divide.
    let millis = u64::from(time.subsec_nanos().div_ceil(1_000_000));
    time.as_secs().saturating_mul(1000).saturating_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn keys_come_up_in_the_order_of_their_deadlines_and_not_before() {
        let mut timers = Timers::default();
        timers.arm(ms(30), 'c');
        timers.arm(ms(10), 'a');
        timers.arm(ms(20), 'b');
        assert_eq!(timers.next_deadline(), Some(ms(10)));
        assert_eq!(timers.expired(ms(9)), None);
        assert_eq!(timers.expired(ms(25)), Some((ms(10), 'a')));
        assert_eq!(timers.expired(ms(25)), Some((ms(20), 'b')));
        assert_eq!(timers.expired(ms(25)), None);
        assert_eq!(timers.next_deadline(), Some(ms(30)));
    }

    #[test]
    fn a_part_of_a_millisecond_is_rounded_up_so_that_nothing_is_early() {
        let mut timers = Timers::default();
        timers.arm(Duration::from_micros(1500), ());
        assert_eq!(timers.expired(ms(1)), None);
        assert_eq!(timers.expired(ms(2)), Some((ms(2), ())));
    }

    #[test]
    fn an_entry_with_an_id_takes_sixteen_bytes() {
        assert_eq!(size_of::<Reverse<(u64, crate::hub::ClientId)>>(), 16);
    }
}
