//! Exercise `timer_wheel`: your wheel. It is driven by `tests/exercises/timer_wheel.rs`, beside the heap of
//! `src/timers.rs`, which has the same verbs.

use std::marker::PhantomData;
use std::time::Duration;

/// Deadlines of many clients, in slots rather than in a heap. Like the heap it rounds each deadline up to
/// a whole millisecond.
#[derive(Debug)]
pub(crate) struct Wheel<K> {
    keys: PhantomData<K>,
}

impl<K: Copy> Wheel<K> {
    pub(crate) fn new() -> Self {
        Self { keys: PhantomData }
    }

    /// Has `key` come up at `deadline`, a time since the start.
    pub(crate) fn arm(&mut self, _deadline: Duration, _key: K) {}

    /// How long the loop may sleep: until then nothing comes up. It may be earlier than the earliest
    /// deadline, when a wheel has to be turned in between; it is never later. `None`: there is no entry.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        None
    }

    /// Takes out one key whose deadline has come, and that deadline, the earliest first; or `None`.
    pub(crate) fn expired(&mut self, _since_start: Duration) -> Option<(Duration, K)> {
        None
    }

    /// How many slots and entries were looked at or moved since the start: count them yourself.
    pub(crate) fn steps(&self) -> u64 {
        0
    }
}
