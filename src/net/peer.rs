//! One client's socket and the machine behind it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;

use crate::conn::Conn;
use crate::limits::Limits;
use crate::now::Now;

/// A socket, what the poll has said of it, and its connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: TcpStream,
    pub(super) conn: Conn,
    /// The poll is edge-triggered: it says once that there is something to read, and this
    /// remembers it until the socket has been read empty.
    is_readable: bool,
    /// The same for writing: true until a write was not taken whole.
    is_writable: bool,
    /// The poll has seen the end of the input, so the socket must be read until it shows.
    ends: bool,
    /// A system call failed: there is nobody to talk to.
    is_broken: bool,
    /// The earliest deadline for which the timers hold an entry.
    armed: Option<Duration>,
}

impl Peer {
    pub(super) fn new(socket: TcpStream, conn: Conn) -> Self {
        Self {
            socket,
            conn,
            is_readable: true,
            is_writable: true,
            ends: false,
            is_broken: false,
            armed: None,
        }
    }

    pub(super) fn on_event(&mut self, event: &mio::event::Event) {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.is_writable |= event.is_writable();
        self.ends |= event.is_read_closed() || event.is_error();
    }

    /// Whether there is input that the connection would take now.
    pub(super) fn has_input(&self) -> bool {
        self.is_readable && !self.is_over() && self.conn.wants_input()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_broken || self.conn.is_done()
    }

    /// Reads, decides and answers, until nothing more can be done now or `read_budget_bytes` are
    /// read. One read is answered by one write, however many frames or requests it held.
    pub(super) fn serve(&mut self, buffer: &mut [u8], limits: &Limits, now: Now) {
        let mut budget = limits.read_budget_bytes;
        self.flush(now);
        while budget > 0 && self.has_input() {
            budget = budget.saturating_sub(self.fill(buffer, now));
            self.flush(now);
        }
    }

    /// One read.
    fn fill(&mut self, buffer: &mut [u8], now: Now) -> usize {
        match self.socket.read(buffer) {
            Ok(0) => {
                self.is_readable = false;
                self.conn.eof(now);
                0
            }
            Ok(n) => {
                // A short read has emptied the socket. What comes later is a new edge, so asking
                // once more for WouldBlock would be a system call for nothing; but an end that the
                // poll has seen already gives no further edge.
                self.is_readable = n == buffer.len() || self.ends;
                if let Some(bytes) = buffer.get_mut(..n) {
                    self.conn.receive(bytes, now);
                }
                n
            }
            Err(error) => {
                self.on_error(&error, |peer| peer.is_readable = false);
                0
            }
        }
    }

    /// Writes what the connection has to say, as far as the socket takes it.
    pub(super) fn flush(&mut self, now: Now) {
        while self.is_writable && !self.is_broken && !self.conn.output().is_empty() {
            let output = self.conn.output();
            match self.socket.write(output) {
                Ok(n) => {
                    self.is_writable = n == output.len();
                    self.conn.wrote(n, now);
                }
                Err(error) => self.on_error(&error, |peer| peer.is_writable = false),
            }
        }
        if !self.is_broken && self.conn.take_shutdown() {
            // An error means that the peer has gone already, which the next read will show.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    fn on_error(&mut self, error: &io::Error, would_block: impl FnOnce(&mut Self)) {
        match error.kind() {
            io::ErrorKind::WouldBlock => would_block(self),
            io::ErrorKind::Interrupted => {}
            _ => self.is_broken = true,
        }
    }

    pub(super) fn on_deadline(&mut self, now: Now) {
        self.armed = None;
        self.conn.on_deadline(now);
        self.flush(now);
    }

    /// A deadline that the timers hold no entry for, if there is one now.
    pub(super) fn unarmed_deadline(&mut self) -> Option<Duration> {
        let deadline = self.conn.deadline()?;
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return None;
        }
        self.armed = Some(deadline);
        Some(deadline)
    }
}
