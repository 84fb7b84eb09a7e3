//! System calls: how many of which kind a server makes for one message to each of its clients. It is watched by strace,
//! which slows it down and changes nothing about what it asks of the kernel.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::fanout::{Crowd, FanOut};
use crate::server::{Redis, Server};

/// Calls for each client and burst.
pub struct Calls {
    pub writes: f64,
    pub epoll_ctl: f64,
    pub others: f64,
}

const BURSTS: usize = 50;

pub fn count(server: &Server, redis: &Redis, in_flight: usize) -> Result<Calls> {
    let fan_out = FanOut::new(1000, 64, in_flight);
    let mut crowd = Crowd::gather(&fan_out, server, redis)?;
    let mut number = 0;
    crowd.burst(&mut number)?;
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "calls,name"]);
    for process in server.processes()? {
        command.args(["-p", &process.to_string()]);
    }
    let strace = command.stderr(Stdio::piped()).spawn().context("starting strace")?;
    let id = Pid::from_raw(strace.id().cast_signed()).context("a process has an id")?;
    // It says that it is attached on the pipe that its table comes through as well, so a moment has to do.
    std::thread::sleep(std::time::Duration::from_millis(500));
    for _ in 0..BURSTS {
        crowd.burst(&mut number)?;
    }
    kill_process(id, Signal::INT)?;
    let table = String::from_utf8(strace.wait_with_output()?.stderr)?;
    let mut calls = Calls { writes: 0.0, epoll_ctl: 0.0, others: 0.0 };
    for line in table.lines() {
        let mut fields = line.split_whitespace();
        let (Some(Ok(count)), Some(name), None) =
            (fields.next().map(str::parse::<f64>), fields.next(), fields.next())
        else {
            continue;
        };
        let each = count / (BURSTS * fan_out.clients) as f64;
        match name {
            "total" => {}
            "write" | "writev" | "sendto" | "sendmsg" => calls.writes += each,
            "epoll_ctl" => calls.epoll_ctl += each,
            _ => calls.others += each,
        }
    }
    if calls.writes == 0.0 {
        bail!("strace has seen nothing be written: {table}");
    }
    Ok(calls)
}
