//! The far end of a connection: what a client does, and what it must and must not be sent.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::redis::{CHANNELS, Redis};
use super::{BACKLOG, IDLE};

/// A TCP connection.
#[derive(Default)]
pub struct Wire {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// How many bytes more the client's side takes.
    pub room: usize,
    /// A write was not taken whole, and the server has not been told since that there is room again.
    pub is_filled: bool,
    /// The client has ended its sending side, and the server has not seen it.
    is_ended: bool,
    is_reset: bool,
    /// The server has ended its sending side, or has no socket there any more.
    pub is_shut: bool,
    pub is_closed: bool,
}

impl Wire {
    pub fn has_input(&self) -> bool {
        self.is_reset || self.is_ended || !self.to_server.is_empty()
    }

    /// As a socket: 0 bytes are the end. `None`: it was reset.
    pub fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.is_reset {
            return None;
        }
        let n = self.to_server.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.to_server[..n]);
        self.to_server.drain(..n);
        if n == 0 {
            self.is_ended = false;
        }
        Some(n)
    }

    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let n = self.room.min(bytes.len());
        self.to_client.extend(&bytes[..n]);
        self.room = if self.room == usize::MAX { self.room } else { self.room - n };
        self.is_filled = n < bytes.len();
        n
    }

    pub fn can_be_written_again(&self) -> bool {
        self.is_filled && self.room > 0
    }

    /// True once, when there is room again.
    pub fn becomes_writable(&mut self) -> bool {
        let can = self.can_be_written_again();
        self.is_filled &= !can;
        can
    }
}

/// Why a client need not get everything.
pub enum Excuse {
    /// It ended, or broke the rules.
    Itself,
    /// The server closed it, and had cause to do so with any of these codes.
    Closed(Vec<u16>),
}

pub struct Client {
    pub wire: Rc<RefCell<Wire>>,
    pub wants: [bool; 3],
    /// It answers no ping and no Close.
    is_silent: bool,
    pub came: Duration,
    heard_from: Duration,
    /// The link was down at some time since it came.
    pub saw_trouble: bool,
    pub saw_denial: bool,
    /// How many messages had arrived of each channel when it got its 101.
    pub since: Option<[usize; 3]>,
    /// How many it has got since.
    got: [usize; 3],
    pub excuse: Option<Excuse>,
    pub status: Option<u16>,
    /// The server has not let it go, behind the last turn.
    pub is_subscribed: bool,
    is_closed: bool,
}

impl Client {
    pub fn new(wants: [bool; 3], is_silent: bool, room: usize, now: Duration) -> Self {
        let client = Self {
            wire: Rc::new(RefCell::new(Wire { room, ..Wire::default() })),
            wants,
            is_silent,
            came: now,
            heard_from: now,
            saw_trouble: false,
            saw_denial: false,
            since: None,
            got: [0; 3],
            excuse: None,
            status: None,
            is_subscribed: false,
            is_closed: false,
        };
        let named = CHANNELS.iter().zip(wants).filter(|(_, wanted)| *wanted);
        let query: Vec<String> = named.map(|(name, _)| format!("channel={name}")).collect();
        let head = format!(
            "GET /?{} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            query.join("&"),
        );
        client.wire.borrow_mut().to_server.extend(head.as_bytes());
        client
    }

    /// Sends a frame, with a mask of zeros.
    pub fn send(&mut self, opcode: u8, payload: &[u8], now: Duration) {
        let mut wire = self.wire.borrow_mut();
        if wire.is_ended || wire.is_shut {
            return;
        }
        wire.to_server.extend([0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
        wire.to_server.extend(payload);
        self.heard_from = now;
    }

    pub fn close(&mut self, now: Duration) {
        self.send(8, &[], now);
        self.excuse.get_or_insert(Excuse::Itself);
    }

    /// A frame with a reserved opcode.
    pub fn send_junk(&mut self, now: Duration) {
        self.send(3, b"junk", now);
        self.excuse.get_or_insert(Excuse::Itself);
    }

    pub fn end(&mut self) {
        self.wire.borrow_mut().is_ended = true;
        self.excuse.get_or_insert(Excuse::Itself);
    }

    pub fn reset(&mut self) {
        self.wire.borrow_mut().is_reset = true;
        self.excuse.get_or_insert(Excuse::Itself);
    }

    pub fn take(&mut self, bytes: usize) {
        let mut wire = self.wire.borrow_mut();
        wire.room = wire.room.saturating_add(bytes);
    }

    /// Whether it should have, and be sent, everything.
    pub fn is_in_good_standing(&self) -> bool {
        self.since.is_some() && self.excuse.is_none()
    }

    /// Has got everything that arrived since its 101.
    pub fn has_all(&self, redis: &Redis) -> bool {
        let since = self.since.unwrap();
        (0..3).all(|c| !self.wants[c] || since[c] + self.got[c] == redis.arrived[c].len())
    }

    /// What it has not got of a channel, as frames; and of these the one whole that it has a part of.
    pub fn behind(&self, channel: usize, redis: &Redis) -> usize {
        let since = self.since.filter(|_| self.wants[channel]);
        let got = since.map_or(usize::MAX, |since| since[channel] + self.got[channel]);
        let owed = redis.arrived[channel].iter().skip(got);
        owed.map(|payload| payload.len() + if payload.len() < 126 { 2 } else { 4 }).sum()
    }

    /// How much has come of a frame that has not come whole.
    pub fn half_a_frame(&self) -> usize {
        self.wire.borrow().to_client.len()
    }

    /// The server has closed it: for what it may have.
    pub fn find_causes(&self, redis: &Redis, now: Duration) -> Vec<u16> {
        let mut wanted = (0..3).filter(|channel| self.wants[*channel]);
        // Nobody is listened to while much is waiting for them to take it.
        let room = self.wire.borrow().room;
        let is_idle = now - if room == 0 { self.came } else { self.heard_from } >= IDLE;
        let is_denied = wanted.clone().any(|channel| redis.denied[channel]);
        // What came in this turn, a part of it perhaps behind the verdict, was not heard yet: so there
        // is no doubt about it but what came of a frame before, and of others in this turn.
        let lags =
            room != usize::MAX && wanted.any(|channel| self.behind(channel, redis) > BACKLOG);
        let causes = [(is_idle, 1001), (is_denied, 1008), (lags, 1013)];
        causes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, code)| code).collect()
    }

    /// Reads what has come, and reacts.
    pub fn listen(&mut self, redis: &Redis, now: Duration) {
        let mut came = std::mem::take(&mut self.wire.borrow_mut().to_client);
        let mut rest = &came[..];
        if self.status.is_none()
            && let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = str::from_utf8(&rest[..end]).unwrap();
            let status = head.strip_prefix("HTTP/1.1 ").and_then(|head| head[..3].parse().ok());
            self.status = status;
            assert!(status.is_some(), "{head}");
            rest = &rest[end + 4..];
        }
        if self.status == Some(101) {
            while let Some((opcode, payload, behind)) = frame(rest) {
                self.hear(opcode, payload, redis, now);
                rest = behind;
            }
            let taken = came.len() - rest.len();
            came.drain(..taken);
            self.wire.borrow_mut().to_client = came;
        } else if self.status.is_none() {
            self.wire.borrow_mut().to_client = came;
        }
        if self.wire.borrow().is_shut && !self.is_silent {
            self.wire.borrow_mut().is_ended = true;
        }
    }

    fn hear(&mut self, opcode: u8, payload: &[u8], redis: &Redis, now: Duration) {
        assert!(!self.is_closed, "nothing comes behind a Close");
        match opcode {
            1 | 2 => {
                let name = payload.first().unwrap_or(&b'a');
                let channel = usize::from(name - b'a');
                assert!(self.wants[channel], "a channel that it did not ask for");
                let since = self.since.expect("a message before a 101");
                let next = redis.arrived[channel].get(since[channel] + self.got[channel]);
                assert_eq!(next.map(Vec::as_slice), Some(payload), "once and in order");
                assert_eq!(opcode == 1, str::from_utf8(payload).is_ok());
                self.got[channel] += 1;
            }
            8 => {
                if let Excuse::Closed(causes) = self.excuse.as_ref().expect("a cause") {
                    let code = u16::from_be_bytes(*payload.first_chunk().expect("a code"));
                    assert!(causes.contains(&code), "{code} is none of {causes:?}");
                }
                self.is_closed = true;
                if !self.is_silent {
                    self.send(8, payload, now);
                }
            }
            9 if self.is_silent => {}
            9 => self.send(10, payload, now),
            10 => assert_eq!(payload, b"Hello"),
            _ => panic!("a frame with the opcode {opcode}"),
        }
    }
}

/// One whole frame of a server, and what is behind it (RFC 6455 section 5.2).
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, second, ..] = *bytes else { return None };
    assert_eq!(first & 0xf0, 0x80, "whole, and without an extension");
    assert!(second <= 126, "not masked, and no longer than can be");
    let (length, header) = match second {
        126 => (usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)), 4),
        length => (usize::from(length), 2),
    };
    let (payload, behind) = bytes[header..].split_at_checked(length)?;
    Some((first & 15, payload, behind))
}
