//! Who listens in: with `RUST_LOG=barewire::wire=trace`, every request, frame and event in a line of
//! its own, in the notation of [`crate::trace`].
//!
//! What to notice:
//! * Without the log target a tap is one empty pointer, and an event one comparison.
//! * Time is said in whole seconds and added up, so that sums stay exact: what was due 25 s after
//!   another line is due behind `@` lines that make 25 s.
//! * Lines carry the time of the turn and not that of the clock, because deadlines count from it.

use std::cell::Cell;
use std::fmt;

use crate::now::Now;
use crate::trace::Wire;
use crate::trace::bus::Bus;

const TARGET: &str = "barewire::wire";

thread_local! {
    /// How many seconds since the start the log has told of. There is one log, and one thread.
    static SAID: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Sees every byte that passes one socket.
#[derive(Debug, Default)]
pub(super) struct Tap(Option<Box<(String, Wire)>>);

impl Tap {
    /// A tap on a connection that has just been accepted, if anybody wants to see it.
    pub(super) fn new(client: &dyn fmt::Debug, now: Now) -> Self {
        let mut tap = Self(is_wanted().then(|| Box::new((format!("{client:?}"), Wire::default()))));
        tap.listen(now, |_, say| say(format_args!("< connects")));
        tap
    }

    /// What was read, to be shown before it is unmasked where it lies.
    pub(super) fn received(&mut self, bytes: &[u8], now: Now) {
        self.listen(now, |wire, say| wire.received(bytes, say));
    }

    /// The client has ended its side.
    pub(super) fn received_end(&mut self, now: Now) {
        self.listen(now, Wire::received_end);
    }

    /// A system call failed: there is nobody any more.
    pub(super) fn reset(&mut self) {
        if let Some((client, wire)) = self.0.as_deref_mut() {
            wire.reset(&mut |line| log::trace!(target: TARGET, "{client} {line}"));
        }
    }

    /// Exactly what the socket took.
    pub(super) fn sent(&mut self, bytes: &[u8], now: Now) {
        self.listen(now, |wire, say| wire.sent(bytes, say));
    }

    /// Our side has ended.
    pub(super) fn sent_end(&mut self, now: Now) {
        self.listen(now, Wire::sent_end);
    }

    fn listen(&mut self, now: Now, hear: impl FnOnce(&mut Wire, &mut crate::trace::Say<'_>)) {
        let Some((client, wire)) = self.0.as_deref_mut() else { return };
        hear(wire, &mut |line| {
            say_time(now);
            log::trace!(target: TARGET, "{client} {line}");
        });
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some((client, wire)) = self.0.take().map(|tapped| *tapped) {
            wire.gone(&mut |line| log::trace!(target: TARGET, "{client} {line}"));
        }
    }
}

/// Something has passed between the server and its bus.
pub(super) fn event(now: Now, event: &Bus<'_>) {
    if is_wanted() {
        say_time(now);
        log::trace!(target: TARGET, "{event}");
    }
}

fn is_wanted() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Trace)
}

fn say_time(now: Now) {
    let now = now.since_start.as_secs();
    let passed = SAID.replace(Some(now)).map_or(0, |said| now.saturating_sub(said));
    if passed > 0 {
        log::trace!(target: TARGET, "@ {passed}s");
    }
}
