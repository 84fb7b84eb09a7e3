//! Latency at a fixed rate: messages are published when they are due, whether or not the last has come to everybody,
//! and how late each client gets it is counted from when it was due. So a server that stands still for a while is
//! charged with every message that was due meanwhile, which is free of what is called coordinated omission.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::fanout::{Crowd, FanOut};
use crate::server::{Redis, Server};

/// Messages in a second.
#[derive(Clone, Copy)]
pub struct Latency {
    pub clients: usize,
    pub per_second: u32,
    pub stuck: usize,
}

/// p50, p99 and p99.9.
pub type Percentiles = [Duration; 3];

impl Latency {
    pub fn run(&self, server: &Server, redis: &Redis, time: Duration) -> Result<Percentiles> {
        let fan_out = FanOut { stuck: self.stuck, ..FanOut::new(self.clients, 1024, 1) };
        let mut crowd = Crowd::gather(&fan_out, server, redis)?;
        crowd.stream.late = Some(Vec::new());
        let count = (time.as_secs_f64() * f64::from(self.per_second)) as usize;
        let pause = Duration::from_secs(1) / self.per_second;
        let start = Instant::now();
        let (mut number, mut done) = (0, 0);
        while done < self.clients * count {
            let due = start + pause * number as u32;
            if number < count && Instant::now() >= due {
                crowd.publish(number, due);
                crowd.flush()?;
                number += 1;
            }
            crowd.read()?;
            done = crowd.stream.late.as_ref().map_or(0, Vec::len);
            if start.elapsed() > time * 3 {
                bail!("it does not keep up: {done} of {} deliveries", self.clients * count);
            }
        }
        let mut late = crowd.stream.late.take().unwrap_or_default();
        // The first tenth is for getting warm.
        let mut late = late.split_off(late.len() / 10);
        late.sort_unstable();
        Ok([0.5, 0.99, 0.999].map(|part| late[((late.len() - 1) as f64 * part) as usize]))
    }
}
