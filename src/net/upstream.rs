//! A socket to Redis and the machine behind it: the subscriber link, or the publisher.
//!
//! What to notice:
//! * A connect that returned has decided nothing. The socket is open when the poll tells of it, and then
//!   only if it has no error and knows its peer.
//! * A name may have several addresses. All of them share the one time for a connect, and each round begins
//!   with another, so one that swallows packets fails one round and not all.
//! * Nothing is tried again here but the next address. Every other failure is told to the machine, which
//!   knows when to come back.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use crate::now::Now;
use crate::redis::{ConnectFailure, Ended, Session, Talk};

/// A machine and the socket that it wants, if there is one just now.
pub(super) struct Upstream<T: Talk> {
    pub(super) machine: Session<T>,
    token: Token,
    connection: Connection,
    /// Addresses of the same name that have not been tried in this round.
    untried: VecDeque<SocketAddr>,
    /// Counts the rounds, so that each begins with another of several addresses.
    rounds: usize,
}

enum Connection {
    None,
    /// The connect has been called and has not been decided.
    Opening(Stream),
    Open(Open),
}

struct Open {
    stream: Stream,
    is_readable: bool,
    is_writable: bool,
    /// As in a [`Peer`](super::peer::Peer).
    must_see_would_block: bool,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl<T: Talk> Upstream<T> {
    pub(super) fn new(machine: Session<T>, token: Token) -> Self {
        Self { machine, token, connection: Connection::None, untried: VecDeque::new(), rounds: 0 }
    }

    /// Drops the socket, or the try for one.
    pub(super) fn disconnect(&mut self) {
        self.connection = Connection::None;
        self.untried.clear();
    }

    /// Connects to a Unix socket.
    pub(super) fn connect_unix(&mut self, path: &Path, registry: &Registry, now: Now) {
        self.begin(UnixStream::connect(path).map(Stream::Unix), registry, now);
    }

    /// Connects to the first of these addresses that answers.
    pub(super) fn connect_tcp(
        &mut self,
        mut addresses: Vec<SocketAddr>,
        registry: &Registry,
        now: Now,
    ) {
        let first = self.rounds.checked_rem(addresses.len()).unwrap_or(0);
        addresses.rotate_left(first);
        self.rounds = self.rounds.wrapping_add(1);
        self.untried = addresses.into();
        self.try_next(None, registry, now);
    }

    fn try_next(&mut self, last: Option<io::ErrorKind>, registry: &Registry, now: Now) {
        match self.untried.pop_front() {
            Some(address) => {
                self.begin(TcpStream::connect(address).map(Stream::Tcp), registry, now);
            }
            None => {
                // No address at all: the name has none.
                let why = last.map_or(ConnectFailure::NoSuchHost, connect_failure);
                self.machine.connect_failed(why, now);
            }
        }
    }

    fn begin(&mut self, stream: io::Result<Stream>, registry: &Registry, now: Now) {
        let registered = stream.and_then(|mut stream| {
            stream.register(registry, self.token)?;
            Ok(stream)
        });
        match registered {
            Ok(stream) => self.connection = Connection::Opening(stream),
            Err(error) => self.try_next(Some(error.kind()), registry, now),
        }
    }

    pub(super) fn on_event(&mut self, event: &mio::event::Event, registry: &Registry, now: Now) {
        match std::mem::replace(&mut self.connection, Connection::None) {
            Connection::None => {}
            Connection::Opening(stream) => self.on_decision(stream, registry, now),
            Connection::Open(mut open) => {
                open.is_readable |= event.is_readable() || event.is_read_closed();
                open.is_writable |= event.is_writable();
                open.must_see_would_block |= event.is_read_closed() || event.is_error();
                self.connection = Connection::Open(open);
            }
        }
    }

    /// A connect was decided, or not yet. One that was refused shows up here as well, as an event like
    /// any other.
    fn on_decision(&mut self, stream: Stream, registry: &Registry, now: Now) {
        match stream.is_connected() {
            Ok(true) => {
                self.untried.clear();
                if let Stream::Tcp(stream) = &stream {
                    // Commands are small and go out whole: nothing is won by holding them back.
                    let _ = stream.set_nodelay(true);
                }
                self.connection = Connection::Open(Open {
                    stream,
                    is_readable: true,
                    is_writable: true,
                    must_see_would_block: false,
                });
                self.machine.connected(now);
            }
            Ok(false) => self.connection = Connection::Opening(stream),
            Err(error) => self.try_next(Some(error.kind()), registry, now),
        }
    }

    /// Whether there may be something to read at once.
    pub(super) fn has_input(&self) -> bool {
        match &self.connection {
            Connection::Open(open) => open.is_readable,
            Connection::None | Connection::Opening(_) => false,
        }
    }

    /// Reads the socket at the next chance, whether or not the poll has told of anything.
    pub(super) fn assume_readable(&mut self) {
        if let Connection::Open(open) = &mut self.connection {
            open.is_readable = true;
        }
    }

    /// One read, handed to the machine. Gives back how many bytes it was.
    pub(super) fn fill(&mut self, buffer: &mut [u8], now: Now) -> usize {
        let Connection::Open(open) = &mut self.connection else { return 0 };
        let read = match &mut open.stream {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        };
        match read {
            Ok(0) => self.end(Ended::Closed, now),
            Ok(n) => {
                // As for a client: a short read has emptied the socket, unless its end was seen.
                open.is_readable = n == buffer.len() || open.must_see_would_block;
                self.machine.receive(buffer.get(..n).unwrap_or_default(), now);
                return n;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => open.is_readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.end(ended(error.kind()), now),
        }
        0
    }

    /// Writes what the machine has to say, as far as the socket takes it.
    pub(super) fn flush(&mut self, now: Now) {
        while let Connection::Open(open) = &mut self.connection
            && open.is_writable
            && !self.machine.output().is_empty()
        {
            let output = self.machine.output();
            let written = match &mut open.stream {
                Stream::Tcp(stream) => stream.write(output),
                Stream::Unix(stream) => stream.write(output),
            };
            match written {
                Ok(n) => {
                    open.is_writable = n == output.len();
                    self.machine.wrote(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    open.is_writable = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end(ended(error.kind()), now),
            }
        }
    }

    fn end(&mut self, ended: Ended, now: Now) {
        self.disconnect();
        self.machine.eof(ended, now);
    }
}

impl Stream {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, token, interests),
            Self::Unix(stream) => registry.register(stream, token, interests),
        }
    }

    fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }
}

fn connect_failure(kind: io::ErrorKind) -> ConnectFailure {
    match kind {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            ConnectFailure::Unreachable
        }
        io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
        io::ErrorKind::NotFound => ConnectFailure::NoSuchPath,
        io::ErrorKind::PermissionDenied => ConnectFailure::NotPermitted,
        _ => ConnectFailure::Other,
    }
}

fn ended(kind: io::ErrorKind) -> Ended {
    match kind {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ended::Reset,
        io::ErrorKind::TimedOut => Ended::TimedOut,
        _ => Ended::Other,
    }
}
