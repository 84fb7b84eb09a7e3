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
//!   Serving  -- SIGTERM ------------------------------------------------> Draining
//!   Serving  -- SIGINT -------------------------------------------------> Stopped
//!   Draining -- everybody has gone | the time is up | a second signal --> Stopped
//! ```
//!
//! Every change of the phase is made in this file, and there is no way back.

use std::time::Duration;

use rustix::process::Signal;

use super::{Server, tap};
use crate::hub::ClientId;
use crate::now::Now;
use crate::trace::bus::Bus;
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
    pub(super) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    pub(super) fn on_signals(&mut self, now: Now) {
        let pending: Vec<i32> = self.signals.pending().collect();
        for signal in pending {
            let is_interrupt = signal == Signal::INT.as_raw();
            tap::event(now, &Bus::Signal { is_interrupt });
            self.on_signal(signal, now);
        }
    }

    fn on_signal(&mut self, signal: i32, now: Now) {
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

    /// Whoever types Ctrl-C wants the prompt back: everybody is told, nobody is waited for.
    fn stop_at_once(&mut self, now: Now) {
        self.phase = Phase::Stopped;
        self.close_everybody(now);
    }

    fn start_draining(&mut self, now: Now) {
        log::info!("draining {} connections, for {:?} at most", self.clients(), self.drain_time);
        self.phase = Phase::Draining { until: now.since_start + self.drain_time };
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
        self.reap(); // whom that has ended is not counted any more
        if self.clients() == 0 || until <= now.since_start {
            if self.clients() > 0 {
                log::warn!("{} connections did not end in time", self.clients());
            }
            self.phase = Phase::Stopped;
        }
    }

    /// Closes everybody; but while draining neither those who are still owed something nor operators.
    fn close_everybody(&mut self, now: Now) {
        let everybody: Vec<ClientId> = self.peers.keys().collect();
        let is_draining = self.phase != Phase::Stopped;
        for id in everybody {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            if is_draining && (peer.is_operator || self.broadcast.owed(id).is_some()) {
                continue;
            }
            peer.conn.close(CloseCode::GOING_AWAY, "the server is going away", now);
            self.serve(id, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use mio::Events;

    use super::*;
    use crate::site::Site;

    include!("../../tests/sources/diagram.rs");

    /// A server, and the one client that it has.
    struct Scene {
        server: Server,
        client: Option<TcpStream>,
    }

    impl Scene {
        fn phase(&self) -> &'static str {
            match self.server.phase {
                Phase::Serving => "Serving",
                Phase::Draining { .. } => "Draining",
                Phase::Stopped => "Stopped",
            }
        }

        /// Turns until the server has so many clients, or has stopped.
        fn turn_until(&mut self, clients: usize) {
            let mut events = Events::with_capacity(8);
            while self.server.clients() != clients && self.phase() != "Stopped" {
                self.server.turn(&mut events).unwrap();
            }
        }

        fn now(&self) -> Now {
            self.server.clock.now()
        }
    }

    fn serving() -> Scene {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        // The line that it says when it is awake is what ends a sleep, if nothing else does.
        let site = Site { awake: Some(Duration::from_millis(10)), ..Site::default() };
        let mut server = Server::bind(&[address], &[], None, site).unwrap();
        server.drain_time = Duration::from_secs(10);
        let client = server.addresses(false).next().map(TcpStream::connect).unwrap().unwrap();
        let mut scene = Scene { server, client: Some(client) };
        scene.turn_until(1);
        scene
    }

    fn draining() -> Scene {
        let mut scene = serving();
        sigterm(&mut scene);
        scene
    }

    fn stopped() -> Scene {
        let mut scene = serving();
        sigint(&mut scene);
        scene
    }

    fn sigterm(scene: &mut Scene) {
        let now = scene.now();
        scene.server.on_signal(Signal::TERM.as_raw(), now);
    }

    fn sigint(scene: &mut Scene) {
        let now = scene.now();
        scene.server.on_signal(Signal::INT.as_raw(), now);
    }

    fn everybody_goes(scene: &mut Scene) {
        scene.client = None;
        scene.turn_until(0);
    }

    fn a_turn(scene: &mut Scene) {
        let now = scene.now();
        scene.server.drain(now);
    }

    fn the_time_is_up(scene: &mut Scene) {
        let now = scene.now().later(Duration::from_secs(10));
        scene.server.drain(now);
    }

    /// One edge: a server in the phase it leaves, the cause as the diagram names it, how that comes
    /// about, and the phase it leads to.
    type Edge = (fn() -> Scene, &'static str, fn(&mut Scene), &'static str);

    const EDGES: &[Edge] = &[
        (serving, "SIGTERM", sigterm, "Draining"),
        (serving, "SIGINT", sigint, "Stopped"),
        (draining, "everybody has gone", everybody_goes, "Stopped"),
        (draining, "the time is up", the_time_is_up, "Stopped"),
        (draining, "a second signal", sigterm, "Stopped"),
        (draining, "a second signal", sigint, "Stopped"),
    ];

    #[test]
    fn walks_the_diagram() {
        let mut walked = Vec::new();
        for (from, cause, happens, to) in EDGES {
            let mut scene = from();
            walked.push((scene.phase(), *cause, *to));
            happens(&mut scene);
            assert_eq!(scene.phase(), *to, "{cause}");
        }
        diagram::assert_drawn(include_str!("stop.rs"), walked);
    }

    /// A server in one phase, and what leaves it there.
    type Stays = (fn() -> Scene, &'static [fn(&mut Scene)]);

    #[test]
    fn everything_else_stays_where_it_is() {
        const STAYS: [Stays; 3] = [
            (serving, &[a_turn, the_time_is_up, everybody_goes]),
            (draining, &[a_turn]),
            (stopped, &[a_turn, the_time_is_up, sigterm, sigint]),
        ];
        for (row, (from, happenings)) in STAYS.iter().enumerate() {
            for (column, happens) in happenings.iter().enumerate() {
                let mut scene = from();
                let before = scene.phase();
                happens(&mut scene);
                assert_eq!(scene.phase(), before, "row {row}, column {column}");
            }
        }
    }
}
