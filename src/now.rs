//! Time as a value that is handed in, so that tests, fuzzers and replays can drive every machine in
//! virtual time.
//!
//! What to notice:
//! * Only `net` reads a clock, and once for each turn of the loop.
//! * There are two clocks, for they answer two questions: how long it has been, which nobody may correct,
//!   and what time it is, which somebody may.
//! * Both are lengths. An `Instant` could not be made up, and so could not be replayed.

use std::time::Duration;

/// The two clocks a machine may need, read once for each turn of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since the process started. All deadlines are points on this clock, so that a
    /// corrected wall clock moves none of them.
    pub since_start: Duration,
    /// Wall-clock time since 1970-01-01T00:00:00Z. For the `Date` field and for `awake`, never for
    /// deadlines.
    pub unix: Duration,
}

impl Now {
    /// This moment moved on by `by` on both clocks: how virtual time passes in tests and replays.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self { since_start: self.since_start + by, unix: self.unix + by }
    }
}
