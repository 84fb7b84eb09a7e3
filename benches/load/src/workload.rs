//! What is measured: one run of one kind of work against one server.

use std::time::Duration;

use anyhow::Result;

use crate::server::{Redis, Server, Usage};

/// What one run says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Deliveries, echoes or connects per second of the server's processor time; or bytes per client.
    pub figure: f64,
    /// How much of the time the server was running: if it is much less than 1, who drives it was the limit, which
    /// changes nothing about what its work costs.
    pub busy: f64,
    /// How much of the server's time was the kernel's.
    pub kernel: f64,
    /// How much of the time the generator was running, of the processor that it shares with Redis.
    pub generator: f64,
}

impl Sample {
    pub fn of(work: usize, before: Usage, after: Usage, wall: Duration) -> Self {
        let cpu = after.cpu - before.cpu;
        let system = (after.system_ticks - before.system_ticks) as f64;
        let user = (after.user_ticks - before.user_ticks) as f64;
        Self {
            figure: work as f64 / cpu,
            busy: cpu / wall.as_secs_f64(),
            kernel: system / (system + user),
            generator: (after.generator - before.generator) / wall.as_secs_f64(),
        }
    }
}

/// A kind of work.
pub trait Workload {
    /// What it is, in a few words.
    fn name(&self) -> String;

    /// Whether this server can be asked for it.
    fn is_for(&self, server: &Server) -> bool;

    /// Does it for about so long, after a time to get warm.
    fn run(&self, server: &Server, redis: &Redis, time: Duration) -> Result<Sample>;
}
