//! What many clients cost that do nothing: to come, and to be there.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client;
use crate::server::{Redis, Server};
use crate::workload::{Sample, Workload};

/// Connections, handshakes included.
pub struct Connects;

impl Workload for Connects {
    fn name(&self) -> String {
        "connects".into()
    }

    fn is_for(&self, _: &Server) -> bool {
        true
    }

    fn run(&self, server: &Server, _: &Redis, time: Duration) -> Result<Sample> {
        let connect = || client::connect(server.port, 1000, |_| "/?channel=connects".into(), false);
        // One stays, so that nobody's channel has to be asked for from Redis.
        let stays = connect()?;
        let mut sample = Sample::default();
        let (mut count, mut before, start) = (0, server.usage()?, Instant::now());
        let mut used = crate::server::Usage::default();
        while start.elapsed() < time || count == 0 {
            let all = connect()?;
            used = used.plus(server.usage()?, before);
            count += all.len();
            drop(all);
            // What their end costs is not counted.
            settle(server)?;
            before = server.usage()?;
            sample = Sample::of(count, crate::server::Usage::default(), used, start.elapsed());
        }
        drop(stays);
        settle(server)?;
        Ok(sample)
    }
}

/// Memory that a server holds for each client that is subscribed to one channel and idle.
pub struct Memory {
    pub clients: usize,
}

impl Workload for Memory {
    fn name(&self) -> String {
        format!("bytes per idle client, {} of them", self.clients)
    }

    fn is_for(&self, _: &Server) -> bool {
        true
    }

    fn run(&self, server: &Server, redis: &Redis, _: Duration) -> Result<Sample> {
        let server = &server.fresh(redis)?;
        let connect =
            |count| client::connect(server.port, count, |_| "/?channel=idle".into(), false);
        let few = connect(100)?;
        settle(server)?;
        let before = server.memory()?;
        let many = connect(self.clients - few.len())?;
        settle(server)?;
        let bytes = server.memory()?.saturating_sub(before) as f64 / many.len() as f64;
        Ok(Sample { figure: bytes, ..Sample::default() })
    }
}

/// Waits until the server has nothing to do.
pub fn settle(server: &Server) -> Result<()> {
    let mut last = server.usage()?.cpu;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = server.usage()?.cpu;
        if now - last < 0.002 {
            return Ok(());
        }
        last = now;
    }
}
