//! Clients: a socket each, and no more work than must be, so that it is the server that is measured.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// RFC 6455 section 1.3: the key of its example, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// So many handshakes are under way at a time.
const BATCH: usize = 100;

/// Opens `count` connections and does the handshake on each. One source address is enough for as many as a process may
/// have descriptors, 20,000: there are 28,000 ports.
pub fn connect(
    port: u16,
    count: usize,
    target: impl Fn(usize) -> String,
    compressed: bool,
) -> Result<Vec<TcpStream>> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let first = all.len();
        for index in first..count.min(first + BATCH) {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).context("connecting")?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            // Ended by a reset, a connection leaves no port in TIME_WAIT behind.
            linger(&socket)?;
            socket.write_all(request(&target(index), compressed).as_bytes())?;
            all.push(socket);
        }
        for socket in &mut all[first..] {
            upgraded(socket, compressed)?;
            socket.set_nonblocking(true)?;
        }
    }
    Ok(all)
}

fn linger(socket: &TcpStream) -> Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

fn request(target: &str, compressed: bool) -> String {
    let extensions = if compressed {
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
    } else {
        ""
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    )
}

fn upgraded(socket: &mut TcpStream, compressed: bool) -> Result<()> {
    // Looked at first and taken then, since frames may stand right behind it.
    let mut buffer = [0; 1024];
    let end = loop {
        let size = socket.peek(&mut buffer).context("waiting for a handshake's answer")?;
        if size == 0 || size == buffer.len() {
            bail!("the handshake was answered: {}", buffer[..size].escape_ascii());
        }
        if let Some(end) = buffer[..size].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    socket.read_exact(&mut buffer[..end])?;
    let head = String::from_utf8_lossy(&buffer[..end]);
    if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
        bail!("the handshake was answered: {head}");
    }
    if compressed != head.to_ascii_lowercase().contains("permessage-deflate") {
        bail!("compression was not agreed on as it was asked for: {head}");
    }
    Ok(())
}

/// Appends a client's frame. The mask is the same for all, which costs a server what any other would.
pub fn encode(payload: &[u8], out: &mut Vec<u8>) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    server_frame(payload.len(), 0x80, out);
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Appends the header of a text frame.
pub fn server_frame(length: usize, masked: u8, out: &mut Vec<u8>) {
    out.push(0x81);
    match length {
        ..=125 => out.push(masked | length as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Watches sockets, by their places in a list. It never sleeps: a generator that does makes the server pay for waking it.
pub struct Watch {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Watch {
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(1024),
        })
    }

    pub fn add(&self, socket: &TcpStream, index: usize, flags: EventFlags) -> Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(index as u64), flags)?)
    }

    /// Which sockets are ready now.
    pub fn ready(&mut self) -> Result<&[Event]> {
        self.events.clear();
        let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&none))?;
        Ok(&self.events)
    }
}

/// One read of a socket that is ready. `None`: there was nothing after all.
pub fn read<'a>(socket: &TcpStream, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
    match (&*socket).read(buffer) {
        Ok(0) => bail!("the server has closed a connection"),
        Ok(size) => Ok(Some(&buffer[..size])),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("reading"),
    }
}
