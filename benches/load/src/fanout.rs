//! Fan-out: messages are published, and every client of their channel gets them.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::epoll::EventFlags;

use crate::check::{Numbers, Place, Stream};
use crate::client::{self, Watch};
use crate::publisher::Publisher;
use crate::server::{Redis, Server};
use crate::workload::{Sample, Workload};

/// So many bytes of commands go to Redis before the clients are looked after again.
const PIECE: usize = 1 << 18;

/// So many bytes, and a socket that nobody reads is full.
const STUCK_BYTES: usize = 1 << 20;

/// Clients on one channel.
#[derive(Clone, Copy)]
pub struct FanOut {
    pub clients: usize,
    pub bytes: usize,
    /// Messages that are published together; when every client has them all, the next are.
    pub in_flight: usize,
    /// Clients besides that never read.
    pub stuck: usize,
    /// Clients besides, each on a channel of its own to which nothing is published.
    pub others: usize,
    /// Clients that leave, and others that join, before each burst.
    pub churn: usize,
    pub compressed: bool,
}

impl FanOut {
    pub const fn new(clients: usize, bytes: usize, in_flight: usize) -> Self {
        Self { clients, bytes, in_flight, stuck: 0, others: 0, churn: 0, compressed: false }
    }
}

impl Workload for FanOut {
    fn name(&self) -> String {
        let Self { clients, in_flight, .. } = self;
        let mut name = format!("{clients} clients, {}, {in_flight} in flight", size(self.bytes));
        if self.stuck > 0 {
            name += &format!(", {} more that never read", self.stuck);
        }
        if self.others > 0 {
            name += &format!(", {} more on channels of their own", self.others);
        }
        if self.churn > 0 {
            name += &format!(", {} leave and join between bursts", self.churn);
        }
        if self.compressed {
            name += ", compressed";
        }
        name
    }

    fn is_for(&self, server: &Server) -> bool {
        !self.compressed || server.kind.can_compress
    }

    fn run(&self, server: &Server, redis: &Redis, time: Duration) -> Result<Sample> {
        let mut crowd = Crowd::gather(self, server, redis)?;
        let mut number = 0;
        let warm = Instant::now();
        while warm.elapsed() < time / 4 {
            crowd.burst(&mut number)?;
        }
        let (before, start, first) = (server.usage()?, Instant::now(), number);
        while start.elapsed() < time {
            crowd.burst(&mut number)?;
        }
        let deliveries = (number - first) * self.clients;
        Ok(Sample::of(deliveries, before, server.usage()?, start.elapsed()))
    }
}

/// The clients, and who publishes to them.
pub struct Crowd<'a> {
    workload: &'a FanOut,
    server: &'a Server,
    publisher: Publisher,
    pub stream: Stream,
    watch: Watch,
    sockets: Vec<TcpStream>,
    places: Vec<Place>,
    /// They are connected, and that is all.
    _besides: Vec<TcpStream>,
    buffer: Box<[u8]>,
    /// Whose turn it is to leave.
    eldest: usize,
}

const CHANNEL: &str = "fanout";

impl<'a> Crowd<'a> {
    pub fn gather(workload: &'a FanOut, server: &'a Server, redis: &Redis) -> Result<Self> {
        let target = |_| format!("/?channel={CHANNEL}");
        let sockets = client::connect(server.port, workload.clients, target, workload.compressed)?;
        let mut besides =
            client::connect(server.port, workload.stuck, target, workload.compressed)?;
        let own = |index| format!("/?channel=own{index}");
        besides.extend(client::connect(server.port, workload.others, own, false)?);
        let watch = Watch::new()?;
        for (index, socket) in sockets.iter().enumerate() {
            watch.add(socket, index, EventFlags::IN)?;
        }
        let stream = Stream::default();
        let mut crowd = Self {
            workload,
            server,
            publisher: Publisher::connect(server, redis.port)?,
            places: vec![stream.place(); sockets.len()],
            stream,
            watch,
            sockets,
            _besides: besides,
            buffer: vec![0; 1 << 18].into(),
            eldest: 0,
        };
        // Who never reads is stuck only when nothing more fits into its socket.
        let mut published = 0;
        while workload.stuck > 0 && published * workload.bytes < STUCK_BYTES {
            crowd.burst(&mut published)?;
        }
        Ok(crowd)
    }

    /// One burst, from the first publish until everybody has everything.
    pub fn burst(&mut self, number: &mut usize) -> Result<()> {
        self.replace()?;
        for _ in 0..self.workload.in_flight {
            self.publish(*number, Instant::now());
            *number += 1;
            if self.publisher.pending() > PIECE {
                self.publisher.flush()?;
                self.read()?;
            }
        }
        self.publisher.flush()?;
        let mut done = self.places.iter().filter(|place| self.stream.has_all(place)).count();
        let mut progress = Instant::now();
        while done < self.sockets.len() {
            let more = self.read()?;
            done += more;
            if more > 0 {
                progress = Instant::now();
            } else if progress.elapsed() > Duration::from_secs(10) {
                bail!("{} clients do not get everything", self.sockets.len() - done);
            }
        }
        self.stream.forget(&mut self.places);
        Ok(())
    }

    pub fn publish(&mut self, number: usize, due: Instant) {
        let message = message(CHANNEL, number, self.workload.bytes);
        self.publisher.push(CHANNEL, &message);
        self.stream.publish(message, due);
    }

    pub fn flush(&mut self) -> Result<()> {
        self.publisher.flush()
    }

    /// Reads who is ready, and says how many have everything now who had not before.
    pub fn read(&mut self) -> Result<usize> {
        let mut done = 0;
        for event in self.watch.ready()? {
            let index = event.data.u64() as usize;
            if let Some(bytes) = client::read(&self.sockets[index], &mut self.buffer)? {
                let place = &mut self.places[index];
                self.stream.receive(place, bytes)?;
                done += usize::from(self.stream.has_all(place));
            }
        }
        Ok(done)
    }

    fn replace(&mut self) -> Result<()> {
        if self.workload.churn == 0 {
            return Ok(());
        }
        let target = |_| format!("/?channel={CHANNEL}");
        let new = client::connect(
            self.server.port,
            self.workload.churn,
            target,
            self.workload.compressed,
        )?;
        for socket in new {
            let index = self.eldest % self.sockets.len();
            self.eldest += 1;
            self.watch.add(&socket, index, EventFlags::IN)?;
            // The one that was here is closed by this.
            self.sockets[index] = socket;
            self.places[index] = self.stream.place();
        }
        Ok(())
    }
}

/// Clients on many channels.
pub struct Channels {
    pub clients: usize,
    /// Channels that each of them is on.
    pub each: usize,
    /// All channels. Client k is on those from k times `each` on, round and round.
    pub all: usize,
    pub in_flight: usize,
}

impl Workload for Channels {
    fn name(&self) -> String {
        let Self { clients, each, all, in_flight } = self;
        format!("{clients} clients, each on {each} of {all} channels, 64 B, {in_flight} in flight")
    }

    fn is_for(&self, server: &Server) -> bool {
        self.each == 1 || server.kind.has_many_channels
    }

    fn run(&self, server: &Server, redis: &Redis, time: Duration) -> Result<Sample> {
        let target = |client: usize| {
            let names: Vec<_> = (0..self.each)
                .map(|k| format!("channel={}", name((client * self.each + k) % self.all)))
                .collect();
            format!("/?{}", names.join("&"))
        };
        let sockets = client::connect(server.port, self.clients, target, false)?;
        let mut watch = Watch::new()?;
        for (index, socket) in sockets.iter().enumerate() {
            watch.add(socket, index, EventFlags::IN)?;
        }
        let mut publisher = Publisher::connect(server, redis.port)?;
        let mut numbers: Vec<_> = sockets.iter().map(|_| Numbers::default()).collect();
        let mut buffer = vec![0; 1 << 18];
        let (mut published, mut received) = (0, 0);
        let mut burst = || -> Result<usize> {
            for _ in 0..self.in_flight {
                let channel = name(published % self.all);
                publisher.push(&channel, &message(&channel, published / self.all, 64));
                published += 1;
            }
            publisher.flush()?;
            let due = published * self.clients * self.each / self.all;
            let mut progress = Instant::now();
            while received < due {
                let before = received;
                for event in watch.ready()? {
                    let index = event.data.u64() as usize;
                    if let Some(bytes) = client::read(&sockets[index], &mut buffer)? {
                        received += numbers[index].receive(bytes)?;
                    }
                }
                if received > before {
                    progress = Instant::now();
                } else if progress.elapsed() > Duration::from_secs(10) {
                    bail!("{} messages do not come", due - received);
                }
            }
            Ok(received)
        };
        let (warm, mut first) = (Instant::now(), 0);
        while warm.elapsed() < time / 4 {
            first = burst()?;
        }
        let (before, start, mut last) = (server.usage()?, Instant::now(), first);
        while start.elapsed() < time {
            last = burst()?;
        }
        Ok(Sample::of(last - first, before, server.usage()?, start.elapsed()))
    }
}

fn name(channel: usize) -> String {
    format!("c{channel:05}")
}

/// A message of so many bytes that begins with its channel and its number there, and goes on in text that is neither
/// all the same nor without any order, so that a compressor has some work.
pub fn message(channel: &str, number: usize, bytes: usize) -> Vec<u8> {
    let mut message = format!("{channel} {number} ").into_bytes();
    let mut state = number as u64 | 1;
    while message.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let words = ["price", "volume", "bid", "ask", "trade", "open", "close", "high"];
        let word = words[(state >> 61) as usize];
        message.extend_from_slice(format!("{word}={:04} ", (state >> 40) % 10_000).as_bytes());
    }
    message.truncate(bytes);
    message
}

/// A number of bytes, as it is read.
pub fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1024) { format!("{} KiB", bytes / 1024) } else { format!("{bytes} B") }
}
