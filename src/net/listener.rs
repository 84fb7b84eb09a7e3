//! Listening sockets, and accepting that neither spins nor falls silent.
//!
//! What to notice:
//! * The poll tells of newcomers once, and not again while some are left. So whoever stops accepting before
//!   the queue is empty has to come back by itself: at the next turn, or after a pause.
//! * One descriptor is kept to be given up. Without it a process that is out of descriptors could not even
//!   say so: newcomers would hang in the kernel's queue.
//! * What is set on a listening socket is inherited by what it accepts, so an option costs one system call,
//!   and not one for each client.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, dup};
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::Limits;
use crate::now::Now;
use crate::quiet::Quiet;

/// Somebody who was accepted.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
    /// It has the descriptor that was spare, and can only be told so.
    pub(super) is_one_too_many: bool,
}

/// One listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    /// It is for operators.
    is_admin: bool,
    /// Told once by the poll and true until accepting finds nothing more.
    is_ready: bool,
    /// Out of descriptors: not before this time since the start.
    paused_until: Option<Duration>,
    /// A descriptor that is good for nothing but to be given up, for a newcomer who has to be told
    /// that there is none.
    spare: Option<OwnedFd>,
    quiet: Quiet,
}

impl Listener {
    /// Binds and listens.
    pub(super) fn bind(address: SocketAddr, is_admin: bool, limits: &Limits) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart need not wait for the TIME_WAIT of the connections that we closed first.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // So that [::]:8080 and 0.0.0.0:8080 can stand side by side, on every system alike.
            socket.set_only_v6(true)?;
        }
        // Inherited by what is accepted. Nagle's algorithm would hold a small frame back for up to
        // 40 ms; we gather what belongs together ourselves.
        socket.set_tcp_nodelay(true)?;
        // Also inherited. Of what a peer does not take, Linux would hold up to 4 MiB for each; the log
        // holds it once for all. This leaves what is under way alone, and so how fast a far peer gets it.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket.set_tcp_notsent_lowat(limits.unsent_bytes)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(limits.listen_queue)?;
        let socket = TcpListener::from_std(socket.into());
        let quiet = Quiet::default();
        Ok(Self { socket, is_admin, is_ready: true, paused_until: None, spare: None, quiet })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Says what was kept back of the log.
    pub(super) fn finish(&mut self) {
        self.quiet.finish();
    }

    pub(super) fn on_readable(&mut self) {
        self.is_ready = true;
    }

    /// True while there may be somebody to accept at once.
    pub(super) fn is_ready(&self, since_start: Duration) -> bool {
        self.is_ready && self.paused_until.is_none_or(|until| until <= since_start)
    }

    /// When to try again after a pause.
    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.is_ready { self.paused_until } else { None }
    }

    /// The next newcomer, or `None` if there is none or accepting is paused.
    pub(super) fn accept(&mut self, now: Now, limits: &Limits) -> Option<Newcomer> {
        while self.is_ready(now.since_start) {
            if self.spare.is_none() {
                self.spare = dup(&self.socket).ok();
            }
            let mut accepted = self.socket.accept();
            let is_out = accepted.as_ref().is_err_and(is_out_of_descriptors);
            let is_one_too_many = is_out && self.spare.take().is_some();
            if is_one_too_many {
                accepted = self.socket.accept();
            }
            match accepted {
                Ok((socket, address)) => {
                    self.paused_until = None;
                    return Some(Newcomer { socket, address, is_one_too_many });
                }
                Err(error) => self.on_error(&error, now, limits),
            }
        }
        None
    }

    fn on_error(&mut self, error: &io::Error, now: Now, limits: &Limits) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.is_ready = false,
            // The newcomer has gone again, or a signal came: the next one may be fine.
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted => {}
            // Out of descriptors or memory. The queue is still not empty, and an edge-triggered
            // poll does not say so twice: we must come back by ourselves, and must not spin.
            _ => {
                let what = format_args!(
                    "cannot accept: {error}; trying again every {:?} (raise `ulimit -n`, or lower \
                     --max-connections)",
                    limits.accept_pause
                );
                self.quiet.say(log::Level::Warn, "accept", what, now);
                self.pause(now, limits);
            }
        }
    }

    /// Leaves newcomers in the kernel's queue for a moment.
    pub(super) fn pause(&mut self, now: Now, limits: &Limits) {
        self.paused_until = Some(now.since_start + limits.accept_pause);
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
