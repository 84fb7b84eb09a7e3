//! What the black-box tests share: the real binary on a free port, a client that knows only bytes,
//! and a real redis-server.
//!
//! What to notice:
//! * Nothing waits for a time. Everything waits for a condition, with a deadline that only a failing
//!   test ever reaches.
//! * Every process is a child of the test that started it and is ended by its own handle, also when
//!   the test fails.
//! * No port is fixed, so that all tests run at once, beside whatever else the machine does.

#![allow(dead_code, reason = "each test file is a program of its own and uses its part of this")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

pub(crate) mod client;
pub(crate) mod fault;
pub(crate) mod redis;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::client::Client;
use rustix::process::{Pid, Signal, kill_process};

/// The program under test: the one that cargo has built for this, or the one that `BAREWIRE_BINARY` names,
/// as a release build.
pub(crate) fn binary() -> String {
    std::env::var("BAREWIRE_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_barewire").to_owned())
}

/// Whether that is a release build.
pub(crate) fn is_release() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("BAREWIRE_BINARY").is_some()
}

/// How long anything may take that should happen soon. Generous, because the machine may be busy:
/// a test that passes does not wait for it.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Asks again and again until the answer is true, and fails after `within`.
#[track_caller]
pub(crate) fn eventually(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the slow forms of the tests are wanted too; `tests/run --all` sets it.
pub(crate) fn is_long() -> bool {
    std::env::var_os("BAREWIRE_LONG").is_some()
}

/// Whether the forms are wanted that take as long as somebody has time; `tests/run --soak` sets it.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("BAREWIRE_SOAK").is_some()
}

/// For what needs a program that is not there: fails in CI, and elsewhere says loudly that the test
/// did nothing.
pub(crate) fn missing(what: &str, install: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing: {install}");
    eprintln!("\n*** SKIPPED, NOTHING WAS TESTED: {what} is missing: {install} ***\n");
}

/// The program with an environment that no setting of this machine leaks into.
pub(crate) fn barewire() -> Command {
    clean(Command::new(binary()))
}

fn clean(mut command: Command) -> Command {
    let ours = |name: &str| {
        name.starts_with("BAREWIRE_") || ["RUST_LOG", "REDIS_URL", "PORT"].contains(&name)
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end, as for `barewire publish` and for wrong usage.
pub(crate) fn run(args: &[&str]) -> Finished {
    finish(barewire().args(args))
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let mut child = Running(command.spawn().expect("the command starts"));
    let stdout = collect(child.0.stdout.take().expect("piped"));
    let stderr = collect(child.0.stderr.take().expect("piped"));
    let status = child.wait(SOON);
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("a reader")).into_owned()
    };
    Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).ok();
        all
    })
}

/// What a program that ended has left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// A child process that never outlives its owner.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("not 0");
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    /// Takes from it all descriptors but so many, while it runs.
    pub(crate) fn limit_descriptors(&self, limit: u32) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", self.pid())).arg(format!("--nofile={limit}:{limit}"));
        let status = prlimit.status().expect("prlimit(1), of the package util-linux");
        assert!(status.success(), "our own child can be limited");
    }

    #[track_caller]
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", within, || {
            status = self.0.try_wait().expect("our own child can be waited for");
            status.is_some()
        });
        status.expect("it ended")
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The server under test, with what it logs.
#[derive(Debug)]
pub(crate) struct Server {
    process: Running,
    port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts the program on a free port of 127.0.0.1 and waits until it says that it listens.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(barewire().args(["--bind", "127.0.0.1:0"]).args(args))
    }

    /// The same, with more to log.
    #[track_caller]
    pub(crate) fn start_logging(filter: &str, args: &[&str]) -> Self {
        let mut command = barewire();
        Self::spawn(command.env("RUST_LOG", filter).args(["--bind", "127.0.0.1:0"]).args(args))
    }

    /// The same, with `limit` descriptors at most.
    #[track_caller]
    pub(crate) fn start_with_descriptors(limit: u32, args: &[&str]) -> Self {
        let mut shell = clean(Command::new("sh"));
        let script = format!("ulimit -n {limit}; exec \"$0\" --bind 127.0.0.1:0 \"$@\"");
        Self::spawn(shell.args(["-c", &script, &binary()]).args(args))
    }

    /// Starts a command that ends in the program, and waits for its start line.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = Running(command.spawn().expect("the program starts"));
        let log = Arc::new(Mutex::new(String::new()));
        let reader = follow(process.0.stderr.take().expect("piped"), Arc::clone(&log));
        let mut port = None;
        eventually("the start line, which names http://127.0.0.1:PORT", SOON, || {
            let said = log.lock().expect("no reader panics").clone();
            port = port_of(&said);
            assert!(port.is_some() || process.is_alive(), "it ended at its start: {said}");
            port.is_some()
        });
        Self { process, port: port.expect("it was found"), log, reader: Some(reader) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// `http://127.0.0.1:PORT` and what follows.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// Waits until the log holds a text.
    #[track_caller]
    pub(crate) fn logs(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            let log = self.log();
            assert!(start.elapsed() < SOON, "the log never says {text:?}; it says:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks again and again until the answer is true, and fails after `within`, with the log.
    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < within, "not within {within:?}: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// A client that has been upgraded.
    #[track_caller]
    pub(crate) fn subscriber(&self, target: &str) -> Client {
        let mut client = self.client();
        client.upgrade(target);
        client
    }

    /// Publishes through `POST /publish`, and returns the number of receivers.
    #[track_caller]
    pub(crate) fn publish(&self, channel: &str, body: &[u8]) -> usize {
        let mut client = self.client();
        client.post(&format!("/publish?channel={channel}"), "", body);
        let response = client.response();
        assert_eq!(response.status, 200, "{response:?}");
        let digits: String = response.text().chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("no number of receivers: {response:?}"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Does something while the server stands still, so that all of it reaches the server at once.
    pub(crate) fn meanwhile<T>(&self, what: impl FnOnce() -> T) -> T {
        self.signal(Signal::STOP);
        let path = format!("/proc/{}/stat", self.pid());
        eventually("the server stands still", SOON, || {
            // proc(5): the state stands behind the name, which is in brackets; T is stopped.
            std::fs::read_to_string(&path).is_ok_and(|stat| stat.contains(") T "))
        });
        let done = what();
        self.signal(Signal::CONT);
        done
    }

    pub(crate) fn limit_descriptors(&self, limit: u32) {
        self.process.limit_descriptors(limit);
    }

    /// Waits until it has ended, and until all that it said is in the log.
    #[track_caller]
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let status = self.process.wait(within);
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        status
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// What `/metrics` says for a name, with its labels: 0 if it is not there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.client().metric(name)
    }

    /// One figure of `/proc/PID/status`, such as `VmRSS` or `Threads`.
    pub(crate) fn proc_status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(path).expect("Linux, and the server lives");
        let fields: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let value = fields.get(name).unwrap_or_else(|| panic!("no {name} in {text}"));
        value.split_whitespace().next().expect("a value").parse().expect("a number")
    }

    /// How many descriptors the server has open.
    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.pid());
        std::fs::read_dir(path).expect("Linux, and the server lives").count()
    }

    /// How many of them are its own, asked while it has no client. It opens the last of these when it
    /// begins to serve, which is behind the start line.
    #[track_caller]
    pub(crate) fn own_descriptors(&self) -> usize {
        let mut client = self.client();
        client.get("/healthz");
        self.descriptors() - 1
    }

    /// The processor time the server has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.pid());
        let text = std::fs::read_to_string(path).expect("Linux, and the server lives");
        // proc(5): the name, in brackets, may hold spaces; utime and stime are fields 14 and 15.
        let (_, rest) = text.rsplit_once(')').expect("a name in brackets");
        let ticks: u64 =
            rest.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

/// Keeps all that a process says on a pipe.
pub(crate) fn follow(
    pipe: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            log.lock()
                .expect("no test panics while it reads")
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

fn port_of(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("http://127.0.0.1:")?;
    let (digits, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    digits.parse().ok()
}
