//! What is measured of each turn, and what there is when somebody asks.
//!
//! What to notice:
//! * What happens is counted where it happens; what there is (clients, bytes, memory) is looked at only
//!   when `/metrics` is asked for, and the system at most once a second.
//! * One message at a time is followed from its log to the last socket that could take it. That is a
//!   sample, and costs the others nothing.
//! * CPU time is that of the main thread alone: the other one only ever looks up a name.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::Server;
use crate::http::{Response, Status};
use crate::metrics::{Gauges, Process};
use crate::now::Now;

impl Server {
    /// A turn that began at `began` ends.
    pub(super) fn time_turn(&mut self, began: Now) {
        let ends = self.clock.since_start();
        self.site.metrics.turns.observe(ends.saturating_sub(began.since_start));
        if let Some((mark, appended)) = &self.measured
            && self.broadcast.has_passed(mark)
        {
            self.site.metrics.deliveries_took.observe(ends.saturating_sub(*appended));
            self.measured = None;
        }
    }

    /// The answer to `GET /metrics`.
    pub(super) fn metrics(&mut self, now: Now) -> Response {
        // Once a second is enough: asking the system takes longer than all the rest.
        if self.process.is_none_or(|(at, _)| at + Duration::from_secs(1) <= now.since_start) {
            self.process = process(now).map(|process| (now.since_start, process));
        }
        let redis = self.redis.as_ref();
        let redis = redis.map(|redis| (redis.is_live(), redis.round_trip()));
        let text = self.site.metrics.text(&Gauges {
            connections: self.peers.len(),
            most_connections: self.site.max_connections,
            subscribers: self.broadcast.clients(),
            channels: self.hub.channels(),
            log_bytes: self.broadcast.log_bytes(),
            redis,
            process: self.process.map(|(_, process)| process),
        });
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        Response::new(Status::Ok, kind, text.into_bytes().into())
    }
}

/// What Linux says about this process in /proc; nothing elsewhere.
fn process(now: Now) -> Option<Process> {
    // Of the one thread that does the work, in nanoseconds (the kernel's sched-stats.rst).
    let run = fs::read_to_string("/proc/self/schedstat").ok()?;
    let cpu = Duration::from_nanos(run.split(' ').next()?.parse().ok()?);
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident_kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(Process {
        cpu,
        resident_bytes: resident_kib << 10,
        // Since Linux 6.2 the size of the folder is the number (proc_pid_fd(5)); before, it is 0. Walking
        // through it takes milliseconds where there are many.
        open_descriptors: fs::metadata("/proc/self/fd").ok()?.len(),
        most_descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        started: now.unix.saturating_sub(now.since_start),
    })
}
