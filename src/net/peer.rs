//! One client's socket and the machine behind it.
//!
//! What to notice:
//! * The poll says *once* that a socket can be read or written. Two flags remember it until a read or a
//!   write comes short, which says as much as `WouldBlock` and saves the system call that would.
//! * What was read is shown to the tap before the machine gets it: the machine unmasks it where it lies.
//! * A reset is for whom nothing sensible can be sent: its bytes are thrown away, so that a client which
//!   does not read leaves nothing in the kernel either.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;

use super::tap::Tap;
use crate::conn::Conn;
use crate::now::Now;
use crate::timers::rounded;

/// A socket, what the poll has said of it, and its connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: TcpStream,
    pub(super) conn: Conn,
    /// It came to an address that is for operators.
    pub(super) is_operator: bool,
    /// The poll is edge-triggered: it says once that there is something to read, and this
    /// remembers it until the socket has been read empty.
    is_readable: bool,
    /// The same for writing: true until a write was not taken whole.
    is_writable: bool,
    /// The poll has seen the end of the input, or urgent data: a short read no longer means that the
    /// socket is empty.
    must_see_would_block: bool,
    /// A system call failed: there is nobody to talk to.
    is_broken: bool,
    /// It has cursors in the logs.
    pub(super) is_joined: bool,
    pub(super) tap: Tap,
    /// The time of the one entry in the timers that counts.
    armed: Option<Duration>,
    /// It stands on the list `again`, of those who have more input.
    pub(super) is_on_again: bool,
}

impl Peer {
    pub(super) fn new(socket: TcpStream, conn: Conn, is_operator: bool) -> Self {
        Self {
            socket,
            conn,
            is_operator,
            is_readable: true,
            is_writable: true,
            must_see_would_block: false,
            is_broken: false,
            is_joined: false,
            tap: Tap::default(),
            armed: None,
            is_on_again: false,
        }
    }

    /// Remembers what the poll says. True if a blocked socket can take bytes again.
    pub(super) fn on_event(&mut self, event: &mio::event::Event) -> bool {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        // TCP stops a read at urgent data, so then too a short read is not the end of it.
        self.must_see_would_block |=
            event.is_read_closed() || event.is_error() || event.is_priority();
        let was_writable = self.is_writable;
        self.is_writable |= event.is_writable();
        self.is_writable && !was_writable
    }

    pub(super) fn is_writable(&self) -> bool {
        self.is_writable && !self.is_broken
    }

    /// The peer cannot be served any more: its socket is reset rather than closed.
    pub(super) fn reset(&mut self) {
        // With a linger time of zero, closing throws away what is unsent and sends RST. If the
        // option cannot be set, the peer sees an end inside a frame, which says the same.
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        self.is_broken = true;
    }

    /// Whether there is input that the connection would take now.
    pub(super) fn has_input(&self) -> bool {
        self.is_readable && !self.is_over() && self.conn.wants_input()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_broken || self.conn.is_done()
    }

    /// Reads, decides and answers, until nothing more can be done now or the `budget` is read. One
    /// read is answered by one write, however many frames or requests it held.
    pub(super) fn serve(&mut self, buffer: &mut [u8], budget: &mut usize, now: Now) {
        self.flush(now);
        while *budget > 0 && self.has_input() {
            *budget = budget.saturating_sub(self.fill(buffer, now));
            self.flush(now);
        }
    }

    /// One read, and what it costs of the budget.
    fn fill(&mut self, buffer: &mut [u8], now: Now) -> usize {
        let whole = buffer.len();
        let limit = self.conn.read_limit().min(whole);
        let buffer = buffer.get_mut(..limit).unwrap_or_default();
        match self.socket.read(buffer) {
            Ok(0) => {
                self.is_readable = false;
                self.tap.received_end(now);
                self.conn.eof(now);
                0
            }
            Ok(n) => {
                // A short read has emptied the socket. What comes later is a new edge, so asking
                // once more for WouldBlock would be a system call for nothing; but an end that the
                // poll has seen already gives no further edge.
                self.is_readable = n == buffer.len() || self.must_see_would_block;
                if let Some(bytes) = buffer.get_mut(..n) {
                    self.tap.received(bytes, now);
                    self.conn.receive(bytes, now);
                }
                if limit < whole { whole } else { n }
            }
            Err(error) => {
                self.on_error(&error, |peer| peer.is_readable = false);
                0
            }
        }
    }

    /// Writes what the connection has to say, as far as the socket takes it.
    ///
    /// Only at a frame boundary of the logs: whoever is inside a frame is blocked, and stays so
    /// until `Server::resume` has written the rest of it.
    pub(super) fn flush(&mut self, now: Now) {
        while self.is_writable() && !self.conn.output().is_empty() {
            let written = self.socket.write(self.conn.output());
            let taken = show(&mut self.tap, self.conn.output(), &written, now);
            self.has_written(self.conn.output().len(), written);
            self.conn.wrote(taken, now);
        }
        if !self.is_broken && self.conn.take_shutdown(now) {
            self.tap.sent_end(now);
            // An error means that the peer has gone already, which the next read will show.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// Writes bytes of a log, once, and says how many were taken.
    pub(super) fn write(&mut self, bytes: &[u8], now: Now) -> usize {
        if !self.is_writable() {
            return 0;
        }
        let mut written = self.socket.write(bytes);
        while written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            written = self.socket.write(bytes);
        }
        let taken = show(&mut self.tap, bytes, &written, now);
        self.has_written(bytes.len(), written);
        taken
    }

    /// A write that was not taken whole has filled the socket.
    fn has_written(&mut self, wanted: usize, written: io::Result<usize>) {
        match written {
            Ok(taken) => self.is_writable = taken == wanted,
            Err(error) => self.on_error(&error, |peer| peer.is_writable = false),
        }
    }

    fn on_error(&mut self, error: &io::Error, would_block: impl FnOnce(&mut Self)) {
        match error.kind() {
            io::ErrorKind::WouldBlock => would_block(self),
            io::ErrorKind::Interrupted => {}
            _ => {
                self.tap.reset();
                self.is_broken = true;
            }
        }
    }

    /// Reads the socket at the next chance, whether or not the poll has told of anything.
    pub(super) fn assume_readable(&mut self) {
        self.is_readable = true;
    }

    /// A timer has come up. If it is not the one that counts, nothing happens.
    pub(super) fn on_timer(&mut self, at: Duration, now: Now) {
        if self.armed != Some(at) {
            return;
        }
        self.armed = None;
        self.conn.on_deadline(now);
        self.flush(now);
    }

    /// A deadline that the timers hold no entry for, if there is one now.
    pub(super) fn unarmed_deadline(&mut self) -> Option<Duration> {
        let deadline = rounded(self.conn.deadline()?);
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return None;
        }
        self.armed = Some(deadline);
        Some(deadline)
    }
}

/// Shows the tap what the socket took of `bytes`, and says how many those are.
fn show(tap: &mut Tap, bytes: &[u8], written: &io::Result<usize>, now: Now) -> usize {
    let taken = written.as_ref().copied().unwrap_or(0);
    tap.sent(bytes.get(..taken).unwrap_or_default(), now);
    taken
}
