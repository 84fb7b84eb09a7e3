//! The one place where the server reads its clocks.
//!
//! What to notice:
//! * One reading serves all of a turn: what happens in it happens at the same time for every machine.
//! * All deadlines are on the clock that only goes forward. The other one is for showing, and may jump.
//! * The seed has to differ from that of the other servers that come back to the same Redis, and no more.
//!   So it is made of the time and the process, and nothing secret may be drawn from it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::now::Now;

/// Makes every [`Now`] of the process.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// A number that hardly any two processes share, for what has to differ and not to be secret.
    pub(super) fn seed(&self) -> u64 {
        u64::from(self.now().unix.subsec_nanos()) << 32 | u64::from(std::process::id())
    }

    /// The clock that only goes forward: to sleep, or to measure a turn, nobody needs the other.
    pub(super) fn since_start(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn now(&self) -> Now {
        Now {
            since_start: self.since_start(),
            // A clock set to before 1970 is shown as 1970: no deadline depends on it.
            unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}
