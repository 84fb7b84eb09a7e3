//! A subscriber's connection to a Redis that makes no mistake.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The socket, and what was read of it: `buffer[begin..end]` has not been looked at.
pub struct Bus {
    socket: TcpStream,
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
}

pub enum Reply<'a> {
    Subscribed(&'a [u8]),
    Message(&'a [u8], &'a [u8]),
}

impl Bus {
    pub fn connect(port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: vec![0; 1 << 20].into(), begin: 0, end: 0 })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub fn subscribe(&mut self, name: &[u8]) {
        let mut command = format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n", name.len()).into_bytes();
        command.extend_from_slice(name);
        command.extend_from_slice(b"\r\n");
        self.socket.write_all(&command).expect("Redis takes a command");
    }

    /// One read, which epoll has said does not wait.
    pub fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        let size = self.socket.read(&mut self.buffer[self.end..])?;
        self.end += size;
        if size == 0 { Err(io::Error::other("Redis has gone")) } else { Ok(()) }
    }

    /// The next whole reply of those that have been read.
    pub fn next(&mut self) -> Option<Reply<'_>> {
        let mut rest = &self.buffer[self.begin..self.end];
        line(&mut rest)?; // *3
        let kind = bulk(&mut rest)?;
        let name = bulk(&mut rest)?;
        let reply = match kind {
            b"message" => Reply::Message(name, bulk(&mut rest)?),
            _ => line(&mut rest).map(|_count| Reply::Subscribed(name))?,
        };
        self.begin = self.end - rest.len();
        Some(reply)
    }
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    let line = &rest[..end];
    *rest = rest.get(end + 2..)?;
    Some(line)
}

fn bulk<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let digits = line(rest)?.get(1..)?;
    let length = digits.iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    let bytes = rest.get(..length)?;
    *rest = rest.get(length + 2..)?;
    Some(bytes)
}
