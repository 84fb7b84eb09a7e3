//! Who publishes: to Redis, or by POST to a server that wants it so.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::server::{Feed, Server};

pub struct Publisher {
    socket: TcpStream,
    feed: Feed,
    commands: Vec<u8>,
    count: usize,
    buffer: Box<[u8]>,
}

impl Publisher {
    pub fn connect(server: &Server, redis_port: u16) -> Result<Self> {
        let feed = server.kind.feed;
        let port = if feed == Feed::Redis { redis_port } else { server.port };
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { socket, feed, commands: Vec::new(), count: 0, buffer: vec![0; 1 << 16].into() })
    }

    /// Remembers a message; `flush` publishes it.
    pub fn push(&mut self, channel: &str, message: &[u8]) {
        let (names, length) = (channel.len(), message.len());
        let (head, tail) = match self.feed {
            Feed::Redis => {
                (format!("*3\r\n$7\r\nPUBLISH\r\n${names}\r\n{channel}\r\n${length}\r\n"), "\r\n")
            }
            Feed::Post => (
                format!(
                    "POST /publish?channel={channel} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
                ),
                "",
            ),
        };
        self.commands.extend_from_slice(head.as_bytes());
        self.commands.extend_from_slice(message);
        self.commands.extend_from_slice(tail.as_bytes());
        self.count += 1;
    }

    /// Bytes that wait to be written.
    pub fn pending(&self) -> usize {
        self.commands.len()
    }

    /// Publishes what was pushed and waits for the answers. Waiting, rather than looking again and again, lets Redis,
    /// which has the same processor, run at once.
    pub fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.commands)?;
        self.commands.clear();
        let mark: &[u8] = if self.feed == Feed::Redis { b"\n" } else { b"HTTP/1.1 20" };
        let mut kept = Vec::new();
        while self.count > 0 {
            let size = self.socket.read(&mut self.buffer)?;
            kept.extend_from_slice(&self.buffer[..size]);
            if size == 0 || kept.starts_with(b"-") {
                bail!("publishing failed: {}", kept.escape_ascii());
            }
            let mut seen = 0;
            while let Some(at) = kept[seen..].windows(mark.len()).position(|window| window == mark)
            {
                seen += at + mark.len();
                self.count = self.count.saturating_sub(1);
            }
            kept.drain(..seen);
        }
        Ok(())
    }
}
