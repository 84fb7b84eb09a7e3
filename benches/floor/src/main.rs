//! The floor: the least that a program can do to pass Redis messages on to WebSocket clients.
//!
//! It accepts, answers each handshake with a true accept value, reads from Redis, and writes frames:
//! to each client one `send` for everything that one read from Redis brought to its channel. And it
//! echoes what it has unmasked, one `send` for each read. It checks nothing, limits nothing and trusts
//! everybody, so it is no server; it is what the system calls cost that every server must make.
//!
//! PORT and REDIS_PORT in the environment say where it listens and where Redis is, both on 127.0.0.1.

mod bus;
mod frames;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use sha1::{Digest, Sha1};

use crate::bus::{Bus, Reply};

const LISTENER: u64 = u64::MAX;
const BUS: u64 = u64::MAX - 1;

struct Floor {
    epoll: OwnedFd,
    listener: TcpListener,
    bus: Bus,
    /// A client's token is its place here.
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    channels: Vec<Channel>,
    /// Where in `channels` each is.
    names: HashMap<Box<[u8]>, usize>,
    /// Channels that have something to send.
    touched: Vec<usize>,
    buffer: Vec<u8>,
}

struct Client {
    socket: TcpStream,
    state: State,
    /// What could not be used or sent yet: an unfinished head or frame, or the rest of a `send`.
    input: Vec<u8>,
    unsent: Vec<u8>,
}

enum State {
    Head,
    /// Its 101, and for how many of its channels Redis has not answered.
    Waiting(Box<(Vec<u8>, usize)>, Box<[usize]>),
    Channels(Box<[usize]>),
    Echo,
}

#[derive(Default)]
struct Channel {
    members: Vec<usize>,
    is_live: bool,
    /// Frames of the read from Redis that is being looked at.
    frames: Vec<u8>,
}

fn main() -> io::Result<()> {
    let port = |name| std::env::var(name).ok().and_then(|port| port.parse::<u16>().ok());
    let (Some(port), Some(redis)) = (port("PORT"), port("REDIS_PORT")) else {
        eprintln!("set PORT and REDIS_PORT");
        std::process::exit(2);
    };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let bus = Bus::connect(redis)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, bus.socket(), EventData::new_u64(BUS), EventFlags::IN)?;
    let mut floor = Floor {
        epoll,
        listener,
        bus,
        clients: Vec::new(),
        free: Vec::new(),
        channels: Vec::new(),
        names: HashMap::new(),
        touched: Vec::new(),
        buffer: vec![0; 1 << 18],
    };
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&floor.epoll, rustix::buffer::spare_capacity(&mut events), None) {
            // Who counts the calls interrupts it.
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in &events {
            match event.data.u64() {
                LISTENER => floor.accept()?,
                BUS => floor.on_bus()?,
                token => floor.on_client(token as usize, event.flags),
            }
        }
    }
}

impl Floor {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let token = self.free.pop().unwrap_or(self.clients.len());
            if token == self.clients.len() {
                self.clients.push(None);
            }
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(token as u64), flags)?;
            let (input, unsent) = (Vec::new(), Vec::new());
            self.clients[token] = Some(Client { socket, state: State::Head, input, unsent });
        }
    }

    fn on_client(&mut self, token: usize, flags: EventFlags) {
        let Some(client) = &mut self.clients[token] else { return };
        if flags.contains(EventFlags::OUT) && !client.unsent.is_empty() {
            client.send(&[]);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) && !self.read(token)
        {
            self.leave(token);
        }
    }

    /// False when the client has gone.
    fn read(&mut self, token: usize) -> bool {
        loop {
            let Some(client) = &mut self.clients[token] else { return true };
            let size = match client.socket.read(&mut self.buffer) {
                Ok(0) => return false,
                Ok(size) => size,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            match client.state {
                State::Head => {
                    client.input.extend_from_slice(&self.buffer[..size]);
                    if client.input.ends_with(b"\r\n\r\n") {
                        let head = std::mem::take(&mut client.input);
                        self.upgrade(token, &head);
                    }
                }
                State::Echo => client.echo(&mut self.buffer[..size]),
                State::Waiting(..) | State::Channels(_) => {}
            }
            if size < self.buffer.len() {
                return true;
            }
        }
    }

    fn upgrade(&mut self, token: usize, head: &[u8]) {
        let answer = accept(head);
        let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let Some(client) = &mut self.clients[token] else { return };
        if target.starts_with(b"/echo") {
            client.state = State::Echo;
            return client.send(&answer);
        }
        let query = target.split(|byte| *byte == b'?').nth(1).unwrap_or_default();
        let names =
            query.split(|byte| *byte == b'&').filter_map(|pair| pair.strip_prefix(b"channel="));
        let (mut channels, mut missing) = (Vec::new(), 0);
        for name in names {
            let id = *self.names.entry(name.into()).or_insert_with(|| {
                self.bus.subscribe(name);
                self.channels.push(Channel::default());
                self.channels.len() - 1
            });
            self.channels[id].members.push(token);
            missing += usize::from(!self.channels[id].is_live);
            channels.push(id);
        }
        client.state = if missing == 0 {
            client.send(&answer);
            State::Channels(channels.into())
        } else {
            State::Waiting(Box::new((answer, missing)), channels.into())
        };
    }

    fn leave(&mut self, token: usize) {
        let Some(client) = self.clients[token].take() else { return };
        if let State::Channels(channels) | State::Waiting(_, channels) = client.state {
            for id in channels {
                self.channels[id].members.retain(|member| *member != token);
            }
        }
        self.free.push(token);
    }

    fn on_bus(&mut self) -> io::Result<()> {
        self.bus.fill()?;
        while let Some(reply) = self.bus.next() {
            let name = match reply {
                Reply::Subscribed(name) | Reply::Message(name, _) => name,
            };
            let Some(&id) = self.names.get(name) else { continue };
            let channel = &mut self.channels[id];
            match reply {
                Reply::Subscribed(_) => {
                    channel.is_live = true;
                    for token in &channel.members {
                        if let Some(client) = &mut self.clients[*token] {
                            client.is_acknowledged();
                        }
                    }
                }
                Reply::Message(_, payload) => {
                    if channel.frames.is_empty() {
                        self.touched.push(id);
                    }
                    frames::encode(0x1, payload, &mut channel.frames);
                }
            }
        }
        for id in self.touched.drain(..) {
            let channel = &mut self.channels[id];
            for token in &channel.members {
                if let Some(client) = &mut self.clients[*token] {
                    client.send(&channel.frames);
                }
            }
            channel.frames.clear();
        }
        Ok(())
    }
}

impl Client {
    fn is_acknowledged(&mut self) {
        let State::Waiting(waiting, channels) = &mut self.state else { return };
        waiting.1 -= 1;
        if waiting.1 == 0 {
            let answer = std::mem::take(&mut waiting.0);
            self.state = State::Channels(std::mem::take(channels));
            self.send(&answer);
        }
    }

    /// Sends these bytes, behind those that the socket has not taken yet.
    fn send(&mut self, bytes: &[u8]) {
        if self.unsent.is_empty() {
            let sent = self.socket.write(bytes).unwrap_or(0);
            self.unsent.extend_from_slice(&bytes[sent..]);
        } else {
            self.unsent.extend_from_slice(bytes);
            let sent = self.socket.write(&self.unsent).unwrap_or(0);
            self.unsent.drain(..sent);
        }
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    fn echo(&mut self, bytes: &mut [u8]) {
        let mut output = Vec::new();
        if self.input.is_empty() {
            let used = frames::echo(bytes, &mut output);
            self.input.extend_from_slice(&bytes[used..]);
        } else {
            self.input.extend_from_slice(bytes);
            let used = frames::echo(&mut self.input, &mut output);
            self.input.drain(..used);
        }
        self.send(&output);
    }
}

/// The 101 for this head, whose key is where a client's key is.
fn accept(head: &[u8]) -> Vec<u8> {
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > 18 && line[..18].eq_ignore_ascii_case(b"sec-websocket-key:"));
    let key = line.map_or(&b""[..], |line| line[18..].trim_ascii());
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let accept = STANDARD.encode(hash);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}
