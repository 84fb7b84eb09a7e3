//! Echo: what clients send comes back.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::epoll::EventFlags;

use crate::client::{self, Watch};
use crate::fanout::{message, size};
use crate::server::{Redis, Server};
use crate::workload::{Sample, Workload};

pub struct Echo {
    pub bytes: usize,
    /// Messages that each client sends at once. When all have come back, it sends them again.
    pub in_flight: usize,
}

/// As many as keep a server busy, so that no figure is about waking it up.
const CLIENTS: usize = 64;

struct Client {
    socket: TcpStream,
    /// Bytes of the round that were sent, and that came back.
    sent: usize,
    received: usize,
}

impl Workload for Echo {
    fn name(&self) -> String {
        format!("echo of {}, {} in flight", size(self.bytes), self.in_flight)
    }

    fn is_for(&self, server: &Server) -> bool {
        server.kind.can_echo
    }

    fn run(&self, server: &Server, _: &Redis, time: Duration) -> Result<Sample> {
        let (mut round, mut expected) = (Vec::new(), Vec::new());
        for number in 0..self.in_flight {
            let message = message("", number, self.bytes);
            client::encode(&message, &mut round);
            client::server_frame(message.len(), 0, &mut expected);
            expected.extend_from_slice(&message);
        }
        let sockets = client::connect(server.port, CLIENTS, |_| "/echo".into(), false)?;
        let mut watch = Watch::new()?;
        for (index, socket) in sockets.iter().enumerate() {
            watch.add(socket, index, EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
        }
        let mut clients: Vec<_> =
            sockets.into_iter().map(|socket| Client { socket, sent: 0, received: 0 }).collect();
        let mut buffer = vec![0; 1 << 18];
        let mut rounds = 0;
        let mut progress = Instant::now();
        let mut turn = || -> Result<usize> {
            let before = rounds;
            for event in watch.ready()? {
                let client = &mut clients[event.data.u64() as usize];
                rounds += client.turn(&round, &expected, &mut buffer)?;
            }
            if rounds > before {
                progress = Instant::now();
            } else if progress.elapsed() > Duration::from_secs(10) {
                bail!("echoes do not come");
            }
            Ok(rounds)
        };
        let (warm, mut first) = (Instant::now(), 0);
        while warm.elapsed() < time / 4 {
            first = turn()?;
        }
        let (before, start, mut last) = (server.usage()?, Instant::now(), first);
        while start.elapsed() < time {
            last = turn()?;
        }
        Ok(Sample::of((last - first) * self.in_flight, before, server.usage()?, start.elapsed()))
    }
}

impl Client {
    /// Sends and receives what can be, and says how many rounds were completed.
    fn turn(&mut self, round: &[u8], expected: &[u8], buffer: &mut [u8]) -> Result<usize> {
        let mut rounds = 0;
        loop {
            self.send(round)?;
            let Some(bytes) = client::read(&self.socket, buffer)? else { return Ok(rounds) };
            let all = self.received + bytes.len();
            if expected.get(self.received..all) != Some(bytes) {
                bail!("not what was sent: {}", bytes[..bytes.len().min(200)].escape_ascii());
            }
            self.received = all;
            if all == expected.len() {
                (self.sent, self.received) = (0, 0);
                rounds += 1;
                self.send(round)?;
                // Others have their turn: it is ready again when the server has answered.
                return Ok(rounds);
            }
        }
    }

    fn send(&mut self, round: &[u8]) -> Result<()> {
        while self.sent < round.len() {
            match self.socket.write(&round[self.sent..]) {
                Ok(size) => self.sent += size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }
}
