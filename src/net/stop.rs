//! How the server ends: at once for SIGINT, in order for SIGTERM.
//!
//! What to notice:
//! * The two signals differ in who waits: a person at a prompt, or a program that has sent the newcomers
//!   elsewhere and lets the others finish.
//! * To drain, the listening sockets are closed first, but not those of operators, who are still answered
//!   that it lives and is not ready.
//! * While draining, whoever is still owed something by a log is not closed. That has an end: nothing is
//!   read from the bus any more, and who does not read lags, or is there when the time is up.
//!
//! ```text
//!   Serving --SIGTERM--> Draining --everybody gone, time up, any signal--> Stopped
//!      +------------------------------SIGINT-------------------------------> Stopped
//! ```

use std::time::Duration;

use rustix::process::Signal;

use super::Server;
use crate::hub::ClientId;
use crate::now::Now;
use crate::websocket::close::CloseCode;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Nobody new is let in, nothing new is read from the bus, and everybody gets what was queued
    /// and then a Close.
    Draining {
        until: Duration,
    },
    Stopped,
}

/// The signals that end the server.
pub(super) fn signals() -> [i32; 2] {
    [Signal::INT.as_raw(), Signal::TERM.as_raw()]
}

impl Server {
    /// How long a clean end may take.
    pub(super) fn drain_within(&mut self, drain: Duration) {
        self.drain = drain;
    }

    pub(super) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    pub(super) fn on_signals(&mut self, now: Now) {
        let pending: Vec<i32> = self.signals.pending().collect();
        for signal in pending {
            match self.phase {
                Phase::Serving if signal == Signal::TERM.as_raw() => self.start_draining(now),
                Phase::Serving => self.stop_at_once(now),
                Phase::Draining { .. } => {
                    log::info!("a second signal: stopping at once");
                    self.stop_at_once(now);
                }
                Phase::Stopped => {}
            }
        }
    }

    /// Whoever types Ctrl-C wants the prompt back: everybody is told, nobody is waited for.
    fn stop_at_once(&mut self, now: Now) {
        self.phase = Phase::Stopped;
        self.close_everybody(now);
    }

    fn start_draining(&mut self, now: Now) {
        log::info!("draining {} connections, for {:?} at most", self.clients(), self.drain);
        self.phase = Phase::Draining { until: now.since_start + self.drain };
        // Closing the sockets refuses newcomers, who try another server. Operators, whose listeners are
        // the first, are still answered: that it lives, and that it is not ready.
        let admin = self.listeners.iter().take_while(|listener| listener.is_admin()).count();
        self.listeners.truncate(admin);
        self.awake = None;
    }

    pub(super) fn drain_deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Draining { until } => Some(until),
            Phase::Serving | Phase::Stopped => None,
        }
    }

    /// While draining: closes whoever has got all that was queued, and sees whether it is over.
    pub(super) fn drain(&mut self, now: Now) {
        let Phase::Draining { until } = self.phase else { return };
        if !self.broadcast.has_deliveries() {
            self.close_everybody(now);
        }
        self.reap();
        if self.clients() == 0 || until <= now.since_start {
            if self.clients() > 0 {
                log::warn!("{} connections did not end in time", self.clients());
            }
            self.phase = Phase::Stopped;
        }
    }

    /// Closes everybody, but while draining not those who are still owed something.
    fn close_everybody(&mut self, now: Now) {
        let everybody: Vec<ClientId> = self.peers.keys().collect();
        for id in everybody {
            if self.phase != Phase::Stopped && self.broadcast.owed(id).is_some() {
                continue;
            }
            let Some(peer) = self.peers.get_mut(id) else { continue };
            if self.phase != Phase::Stopped && peer.is_operator {
                continue;
            }
            peer.conn.close(CloseCode::GOING_AWAY, "the server is going away", now);
            self.serve(id, now);
        }
    }
}
