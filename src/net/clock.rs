//! The one place where clocks are read.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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

    pub(super) fn now(&self) -> Now {
        Now {
            since_start: self.start.elapsed(),
            // A clock set to before 1970 is shown as 1970: it only ever fills the Date field.
            unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}
