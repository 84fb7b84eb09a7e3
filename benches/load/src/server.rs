//! The servers that are measured: how each is started, what it costs, and its end.

use std::collections::HashSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How messages come to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// It subscribes to Redis channels.
    Redis,
    /// It is given each message by a POST.
    Post,
}

/// A kind of server.
pub struct Kind {
    pub name: &'static str,
    /// The program, from the folder `benches`, and its arguments, in which PORT and REDIS stand for the two ports.
    command: &'static [&'static str],
    pub feed: Feed,
    pub can_echo: bool,
    pub can_compress: bool,
    /// A client may be on several channels.
    pub has_many_channels: bool,
}

pub const KINDS: &[Kind] = &[
    Kind {
        name: "floor",
        command: &["floor/target/release/floor"],
        feed: Feed::Redis,
        can_echo: true,
        can_compress: false,
        has_many_channels: true,
    },
    Kind {
        name: "barewire",
        command: &[
            "../target/release/barewire",
            "--bind=127.0.0.1:PORT",
            "--redis=redis://127.0.0.1:REDIS",
            "--channel=*",
            "--echo",
            "--deflate",
        ],
        feed: Feed::Redis,
        can_echo: true,
        can_compress: true,
        has_many_channels: true,
    },
    Kind {
        name: "fastwebsockets",
        command: &["peers/target/release/fastwebsockets"],
        feed: Feed::Redis,
        can_echo: true,
        can_compress: false,
        has_many_channels: true,
    },
    Kind {
        name: "nchan",
        command: &["peers/nchan"],
        feed: Feed::Post,
        can_echo: false,
        can_compress: false,
        has_many_channels: false,
    },
    Kind {
        name: "ws",
        command: &["node", "peers/ws/server.mjs"],
        feed: Feed::Redis,
        can_echo: true,
        can_compress: true,
        has_many_channels: true,
    },
    Kind {
        name: "tokio-tungstenite",
        command: &["peers/target/release/tokio_tungstenite"],
        feed: Feed::Redis,
        can_echo: true,
        can_compress: false,
        has_many_channels: true,
    },
];

/// A server that runs, on the first processor.
pub struct Server {
    pub kind: &'static Kind,
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

/// What a server has used so far.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    /// Processor time of all its threads and children, user and system, in seconds.
    pub cpu: f64,
    /// The same in ticks of 10 ms, by who used it.
    pub user_ticks: u64,
    pub system_ticks: u64,
    /// What the generator, this process, has used meanwhile, in seconds.
    pub generator: f64,
}

impl Usage {
    /// Adds what was used between two looks.
    pub fn plus(self, after: Self, before: Self) -> Self {
        Self {
            cpu: self.cpu + after.cpu - before.cpu,
            user_ticks: self.user_ticks + after.user_ticks - before.user_ticks,
            system_ticks: self.system_ticks + after.system_ticks - before.system_ticks,
            generator: self.generator + after.generator - before.generator,
        }
    }
}

impl Server {
    pub fn start(kind: &'static Kind, folder: &Path, redis_port: u16) -> Result<Self> {
        let port = free_port()?;
        let fill = |argument: &str| {
            argument.replace("PORT", &port.to_string()).replace("REDIS", &redis_port.to_string())
        };
        let (program, arguments) = kind.command.split_first().context("a command")?;
        let child = pinned(0, program)
            .args(arguments.iter().map(|argument| fill(argument)))
            .current_dir(folder)
            .env("PORT", port.to_string())
            .env("REDIS_PORT", redis_port.to_string())
            .env("DEFLATE", if kind.can_compress { "1" } else { "0" })
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", kind.name))?;
        let mut server = Self { kind, port, folder: folder.into(), child };
        wait_for(&mut server.child, port)
            .with_context(|| format!("{} does not start", kind.name))?;
        Ok(server)
    }

    /// Another of its kind, which has done nothing yet.
    pub fn fresh(&self, redis: &Redis) -> Result<Self> {
        Self::start(self.kind, &self.folder, redis.port)
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage { generator: run_time(std::process::id())?, ..Usage::default() };
        for process in self.processes()? {
            usage.cpu += run_time(process)?;
            let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
            let fields: Vec<_> =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            usage.user_ticks += fields[11].parse::<u64>()?;
            usage.system_ticks += fields[12].parse::<u64>()?;
        }
        Ok(usage)
    }

    /// Bytes of memory that it has for itself: no files, nothing shared, nothing of the kernel's.
    pub fn memory(&self) -> Result<u64> {
        let mut bytes = 0;
        for process in self.processes()? {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
            let kib = line.and_then(|line| line.trim().split(' ').next()).context("RssAnon")?;
            bytes += kib.parse::<u64>()? * 1024;
        }
        Ok(bytes)
    }

    /// The server's process and its children.
    pub fn processes(&self) -> Result<HashSet<u32>> {
        let mut all = HashSet::from([self.child.id()]);
        loop {
            let before = all.len();
            for entry in fs::read_dir("/proc")? {
                let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
                // It may be gone by now.
                let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
                let parent =
                    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
                if parent.is_some_and(|parent| parent.parse().is_ok_and(|id| all.contains(&id))) {
                    all.insert(id);
                }
            }
            if all.len() == before {
                return Ok(all);
            }
        }
    }
}

/// Processor time of all threads of a process, in seconds.
fn run_time(process: u32) -> Result<f64> {
    let mut seconds = 0.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let run = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds = run.split(' ').next().unwrap_or_default();
        seconds += nanoseconds.parse::<f64>()? / 1e9;
    }
    Ok(seconds)
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// A Redis that keeps nothing, on the second processor.
pub struct Redis {
    pub port: u16,
    child: Child,
}

impl Redis {
    pub fn start() -> Result<Self> {
        let port = free_port()?;
        let child = pinned(1, "redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--daemonize", "no"])
            // A burst of 16 KiB messages is more than its default lets a subscriber be behind.
            .args(["--client-output-buffer-limit", "pubsub 0 0 0"])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .context("starting redis-server")?;
        let mut redis = Self { port, child };
        wait_for(&mut redis.child, port).context("redis-server does not start")?;
        Ok(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn pinned(processor: usize, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &processor.to_string(), program]);
    command
}

fn wait_for(child: &mut Child, port: u16) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("it has ended: {status}");
        }
        if start.elapsed() > Duration::from_secs(10) {
            bail!("nobody listens on port {port} after 10 s");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn stop(child: &mut Child) {
    if let Some(id) = Pid::from_raw(child.id().cast_signed()) {
        // It may have ended by itself, which the run has complained about then.
        let _ = kill_process(id, Signal::TERM);
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
