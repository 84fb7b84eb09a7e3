//! A real redis-server on a port of its own, in a folder of its own, without anything kept on disk.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Running, SOON, eventually, missing};
use redis::{Client, Connection};
use rustix::process::Signal;

/// A redis-server that is ended with its owner.
#[derive(Debug)]
pub(crate) struct RedisServer {
    process: Option<Running>,
    port: u16,
    folder: PathBuf,
    extra: Vec<String>,
}

impl RedisServer {
    /// Starts one, or says what to install: `None` is a test that cannot run here.
    pub(crate) fn start(extra: &[&str]) -> Option<Self> {
        let mut server = Self::prepare(extra)?;
        server.resume_or_start();
        Some(server)
    }

    /// The same, not started yet.
    pub(crate) fn prepare(extra: &[&str]) -> Option<Self> {
        let mut version = Command::new("redis-server");
        version.arg("--version").stdout(Stdio::null());
        if !version.status().is_ok_and(|status| status.success()) {
            missing("redis-server", "install it, as with: apt-get install redis-server");
            return None;
        }
        let port = quiet_port();
        let folder = std::env::temp_dir().join(format!("barewire-redis-{port}"));
        fs::create_dir_all(&folder).expect("a folder for Redis");
        let extra = extra.iter().map(ToString::to_string).collect();
        Some(Self { process: None, port, folder, extra })
    }

    /// Starts it on its port, where it also was before if this is not the first time.
    pub(crate) fn resume_or_start(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(&self.folder).arg("--unixsocket").arg(self.socket());
        command.args(["--daemonize", "no", "--maxclients", "500"]).args(&self.extra);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Running(command.spawn().expect("redis-server starts"));
        eventually("redis-server listens", SOON, || {
            assert!(process.is_alive(), "redis-server ended at its start; is port {port} taken?");
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        self.process = Some(process);
    }

    /// Ends it; its port stays reserved to nobody, and is outside of what the kernel gives away.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Ends it at once, with whatever it was doing.
    pub(crate) fn kill(&mut self) {
        self.process.as_ref().expect("it runs").signal(Signal::KILL);
        self.process = None;
    }

    /// Stops it in the middle of whatever it does: its port accepts, and nothing answers.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::CONT);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn url_with(&self, user_and_password: &str) -> String {
        format!("redis://{user_and_password}@127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    /// A connection of the test's own.
    pub(crate) fn connection(&self) -> Connection {
        let client = Client::open(self.url()).expect("a good URL");
        client.get_connection_with_timeout(SOON).expect("redis-server answers")
    }

    /// Publishes, and returns how many connections got it.
    pub(crate) fn publish(&self, channel: &str, message: impl AsRef<[u8]>) -> usize {
        publish(&mut self.connection(), channel, message)
    }

    /// How many connections are subscribed to a channel.
    pub(crate) fn subscribers(&self, channel: &str) -> usize {
        subscribers(&mut self.connection(), channel)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.process = None;
        fs::remove_dir_all(&self.folder).ok();
    }
}

pub(crate) fn publish(
    connection: &mut Connection,
    channel: &str,
    message: impl AsRef<[u8]>,
) -> usize {
    redis::cmd("PUBLISH").arg(channel).arg(message.as_ref()).query(connection).expect("PUBLISH")
}

pub(crate) fn subscribers(connection: &mut Connection, channel: &str) -> usize {
    let reply: (String, usize) =
        redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query(connection).expect("PUBSUB NUMSUB");
    reply.1
}

/// A free port below those that the kernel hands out by itself (32768 and up on Linux): nobody else
/// takes it while Redis is away, and no connection to it can meet itself.
pub(crate) fn quiet_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seed = u16::try_from((clock.subsec_micros() + std::process::id() * 101) % 10_000).unwrap();
    (0..1000)
        .map(|_| 20_000 + (seed + NEXT.fetch_add(7, Ordering::Relaxed) % 2_000) % 12_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of a thousand ports is free")
}
