//! Says how long to wait before the next try to reach Redis.
//!
//! What to notice:
//! * The wait is drawn from the whole range between nothing and a ceiling ("full jitter"), so that a
//!   hundred servers that lost the same Redis do not come back in the same instant.
//! * The ceiling doubles from 50 ms to 5 s and stays there: Redis is waited for, for ever.
//! * The seed is handed in. Two machines with the same seed wait the same, which makes tests exact.

use std::time::Duration;

use fastrand::Rng;

use super::STEADY_AFTER;
use super::reason::Reason;

const FIRST_CEILING: Duration = Duration::from_millis(50);
const BRIEF_CEILING: Duration = Duration::from_millis(400);
const LAST_CEILING: Duration = Duration::from_secs(5);

/// The waits between tries.
pub(super) struct Backoff {
    random: Rng,
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), ceiling: FIRST_CEILING }
    }

    /// The wait after a connection, or a try for one, that ended for this `reason`.
    pub(super) fn after(&mut self, reason: Reason) -> Duration {
        if reason.is_lasting() {
            // Trying often would only fill two logs.
            self.ceiling = LAST_CEILING;
        }
        let micros = u64::try_from(self.ceiling.as_micros()).unwrap_or(u64::MAX);
        self.ceiling = self.ceiling.saturating_mul(2).min(LAST_CEILING);
        Duration::from_micros(self.random.u64(0..=micros))
    }

    /// A connection that was live has held for so long. If that was a while, its end is a first failure
    /// again. If not, it proves little: a Redis that greets and closes, again and again, is not to be
    /// called without a pause, but one that restarts twice in a row is not to be missed for long.
    pub(super) fn held(&mut self, time: Duration) {
        let ceiling = if time < STEADY_AFTER { BRIEF_CEILING } else { FIRST_CEILING };
        self.ceiling = self.ceiling.min(ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..9).map(|_| backoff.after(Reason::NoAnswer).as_micros()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
        let exact = [32852, 53462, 47927, 311547, 7743, 1249729, 2461304, 4242168, 3008197];
        assert_eq!(waits(1), exact);
    }

    #[test]
    fn the_ceiling_doubles_to_five_seconds_and_falls_on_success() {
        let mut highest = [Duration::ZERO; 9];
        for seed in 0..2000 {
            let mut backoff = Backoff::new(seed);
            for highest in &mut highest {
                *highest = (*highest).max(backoff.after(Reason::NoAnswer));
            }
            backoff.held(STEADY_AFTER / 2);
            assert!(backoff.after(Reason::NoAnswer) <= BRIEF_CEILING);
            backoff.held(STEADY_AFTER);
            assert!(backoff.after(Reason::NoAnswer) <= FIRST_CEILING);
        }
        for (highest, ceiling) in
            highest.iter().zip([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000])
        {
            let ceiling = Duration::from_millis(ceiling);
            assert!(*highest <= ceiling && *highest > ceiling * 9 / 10, "{highest:?} {ceiling:?}");
        }
    }

    #[test]
    fn a_lasting_failure_waits_long_from_the_start() {
        let total: Duration =
            (0..1000).map(|seed| Backoff::new(seed).after(Reason::OutOfStep)).sum();
        let mean = total / 1000;
        assert!(mean > Duration::from_secs(2) && mean < Duration::from_secs(3), "{mean:?}");
    }
}
