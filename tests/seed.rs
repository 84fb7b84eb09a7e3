//! The experiment that all this grew from, step by step and in its order, against the real binary.
//!
//! What to notice:
//! * The steps build on each other as one would type them: an answer, an upgrade, messages, Redis, a
//!   publisher, a page. Read from the top, this is the tutorial.
//! * curl's command stands here exactly as printed everywhere, and runs on a real pseudo-terminal,
//!   because there, and only there, curl gives up at a NUL byte and waits for a newline.
//! * With BAREWIRE_LONG=1, as `tests/run --all` sets it, the terminal is watched for 30 s.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::client::KEY;
use support::redis::RedisServer;
use support::{Client, Running, SOON, Server, eventually, is_long, run};

/// The command, as the issue, the README and the page print it, on another port.
fn curl(port: u16) -> String {
    format!(
        "curl -i -s --header \"Connection: Upgrade\" --header \"Upgrade: websocket\" \
         --header \"Sec-WebSocket-Key: {KEY}\" --header \"Sec-WebSocket-Version: 13\" \
         http://localhost:{port}/"
    )
}

// ---- Step 1: a bare answer ----

#[test]
fn step_1_the_server_answers() {
    let server = Server::start(&[]);
    let response = server.client().get("/");
    assert_eq!(response.status, 200);
    assert!(response.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", response.head);
    assert!(!response.body.is_empty());
}

// ---- Step 2: an upgrade that a plain path ignores ----

#[test]
fn step_2_a_plain_path_ignores_the_upgrade() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let response = client.try_upgrade("/healthz", "");
    assert_eq!(response.status, 200, "RFC 9110 section 7.8: a server may ignore it");
    assert_eq!(response.field("Upgrade"), None);
}

// ---- Step 3: curl's upgrade on a terminal ----

/// A command on a pseudo-terminal, and each line it shows with the time at which it appeared.
struct Terminal {
    _process: Running,
    lines: Receiver<(Instant, String)>,
}

impl Terminal {
    fn run(command: &str) -> Self {
        // script(1) is on every Debian. Its own input stays open, or it would end the command's.
        let mut script = Command::new("script");
        script.args(["-qfec", command, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Running(script.spawn().expect("script(1), of the package bsdutils"));
        let mut shown = BufReader::new(process.0.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut line = Vec::new();
            while shown.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if sender.send((Instant::now(), text)).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { _process: process, lines }
    }

    /// The next line that holds a text, and when it appeared.
    #[track_caller]
    fn line_with(&self, text: &str) -> (Instant, String) {
        let mut before = Vec::new();
        loop {
            match self.lines.recv_timeout(SOON) {
                Ok(line) if line.1.contains(text) => return line,
                Ok(other) => before.push(other.1),
                Err(how) => panic!("no line with {text:?} ({how}); there were {before:?}"),
            }
        }
    }
}

/// What curl shows of a 101, to the empty line.
#[track_caller]
fn assert_upgraded(terminal: &Terminal) {
    terminal.line_with("HTTP/1.1 101 Switching Protocols");
    let (_, accept) = terminal.line_with("Sec-WebSocket-Accept");
    assert!(accept.contains("qGEgH3En71di5rrssAZTmtRTyFk="), "{accept}");
}

/// Publishes for so long, and returns how late each message was shown.
fn delays(server: &Server, terminal: &Terminal, time: Duration) -> Vec<Duration> {
    let start = Instant::now();
    let mut delays = Vec::new();
    while start.elapsed() < time {
        let text = format!("message {}", delays.len());
        let sent = Instant::now();
        server.publish("ruby", format!("{text}\n").as_bytes());
        let (shown, _) = terminal.line_with(&text);
        delays.push(shown.saturating_duration_since(sent));
        // The rhythm of the experiment, not a wait for anything.
        thread::sleep(Duration::from_millis(50));
    }
    delays
}

#[test]
fn step_3_curl_on_a_terminal_shows_each_message_as_it_comes() {
    // In the long form everything is as by default, with the ping that comes after 25 s.
    let (time, options) = if is_long() {
        (Duration::from_secs(30), [].as_slice())
    } else {
        (Duration::from_secs(4), ["--ping", "1s", "--idle-timeout", "30s"].as_slice())
    };
    let server = Server::start(options);
    let terminal = Terminal::run(&curl(server.port()));
    assert_upgraded(&terminal);
    let mut delays = delays(&server, &terminal, time);
    delays.sort();
    let late = delays.iter().filter(|delay| **delay > Duration::from_millis(100)).count();
    println!(
        "{} messages, shown after {:?} to {:?}",
        delays.len(),
        delays[0],
        delays[delays.len() - 1]
    );
    assert!(delays.len() > 20, "{delays:?}");
    // A busy machine may hold back one in twenty; a message that waits for the next one is all of them.
    assert!(late * 20 <= delays.len(), "{late} of {} later than 100 ms: {delays:?}", delays.len());
    assert!(delays[delays.len() - 1] < Duration::from_secs(2), "{delays:?}");
}

// ---- Step 4: it says by itself that it is awake ----

#[test]
fn step_4_awake_speaks_by_itself() {
    let server = Server::start(&["--awake", "1s"]);
    let terminal = Terminal::run(&curl(server.port()));
    assert_upgraded(&terminal);
    let mut last = 0;
    for _ in 0..3 {
        let (_, line) = terminal.line_with("I'm awake...");
        // Behind the two bytes of the frame's header: [1700000000] I'm awake...
        let (_, rest) = line.split_once('[').expect("[unix seconds]");
        let (seconds, rest) = rest.split_once(']').expect("[unix seconds]");
        assert_eq!(rest.trim_end(), " I'm awake...");
        let seconds: u64 = seconds.parse().expect("seconds");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(seconds > last && now.abs_diff(seconds) < 10, "{seconds}, and now it is {now}");
        last = seconds;
    }
}

// ---- Step 5: what is published to Redis ----

#[test]
fn step_5_what_redis_publishes_on_ruby_is_shown() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let server = Server::start(&["--redis", &redis.url()]);
    eventually("Redis is reached", SOON, || server.client().try_upgrade("/", "").status == 101);
    let terminal = Terminal::run(&curl(server.port()));
    assert_upgraded(&terminal);
    for text in ["Hello\n", "from\n", "Redis\n"] {
        assert_eq!(redis.publish("ruby", text), 1);
        terminal.line_with(text.trim_end());
    }
}

// ---- Step 6: a publisher ----

#[test]
fn step_6_barewire_publish_reaches_the_server_and_redis() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/?channel=ruby");
    let to = server.url("");
    publish(&["ruby", "Hello", "--to", &to]);
    assert_eq!(client.message(), "Hello\n", "with a newline, as echo does");
    publish(&["ruby", "Hello", "-n", "--to", &to]);
    assert_eq!(client.message(), "Hello", "exact bytes");
    let start = Instant::now();
    publish(&["ruby", "[{time}] again", "--count", "3", "--every", "200ms", "--to", &to]);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    for _ in 0..3 {
        let text = client.message();
        let seconds = text.strip_prefix('[').and_then(|rest| rest.strip_suffix("] again\n"));
        assert!(seconds.is_some_and(|digits| digits.parse::<u64>().is_ok()), "{text}");
    }
    let Some(redis) = RedisServer::start(&[]) else { return };
    let server = Server::start(&["--redis", &redis.url()]);
    let mut client = subscriber_of(&server);
    publish(&["ruby", "Hello", "--redis", &redis.url()]);
    assert_eq!(client.message(), "Hello\n");
}

fn subscriber_of(server: &Server) -> Client {
    let mut found = None;
    eventually("Redis is reached", SOON, || {
        let mut client = server.client();
        let upgraded = client.try_upgrade("/?channel=ruby", "").status == 101;
        found = upgraded.then_some(client);
        upgraded
    });
    found.expect("it was reached")
}

#[track_caller]
fn publish(args: &[&str]) {
    let ended = run(&[&["publish"], args].concat());
    assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
}

#[test]
fn step_6_a_publisher_that_reaches_nobody_says_so() {
    let nobody = format!("127.0.0.1:{}", support::redis::quiet_port());
    for args in [["--to", &format!("http://{nobody}")], ["--redis", &format!("redis://{nobody}")]] {
        let ended = run(&[["publish", "ruby", "Hello"].as_slice(), &args].concat());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&nobody), "{ended:?}");
    }
    let server = Server::start(&[]);
    let ended = run(&["publish", "secret", "Hello", "--to", &server.url("")]);
    assert_eq!(ended.code, Some(1), "a refusal is a failure: {ended:?}");
    assert!(ended.stderr.contains("--channel"), "it says what to change: {ended:?}");
}

// ---- Step 7: the page ----

#[test]
fn step_7_the_page_is_a_client() {
    let server = Server::start(&[]);
    let response = server.client().get("/");
    let page = response.text();
    assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"));
    let policy = response.field("Content-Security-Policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(
        policy.matches("'sha256-").count(),
        hashed(&page),
        "one hash for each script and style"
    );
    let start: String = page.lines().take(6).collect();
    let command = curl(server.port());
    let command = command.split(" http://").next().expect("all but the address");
    assert!(start.contains(command), "the page begins with the command: {start}");
    let address = format!("http://localhost:{}/", server.port());
    assert!(start.contains(&address), "with the real address: {start}");
    assert!(!page.contains("{{"), "no placeholder is left");
    assert!(page.contains("new WebSocket("));
}

/// How many scripts and styles stand inline.
fn hashed(page: &str) -> usize {
    ["<script", "<style"].iter().map(|tag| page.matches(tag).count()).sum()
}

#[test]
fn step_7_the_page_in_a_browser() {
    let Some(folder) = std::env::var_os("BAREWIRE_BROWSER_DIR") else {
        println!("the page in Chromium: by tests/run --all, or with BAREWIRE_BROWSER_DIR=FOLDER,");
        println!("a folder in which `npm install playwright-core` was run");
        return;
    };
    // Node looks for packages from the folder of the script upwards.
    let script = Path::new(&folder).join("page.mjs");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/page.mjs"), &script)
        .expect("copied");
    let status = Command::new("node")
        .arg(&script)
        .env("BAREWIRE", support::binary())
        .stdin(Stdio::null())
        .status()
        .expect("node");
    assert!(status.success(), "see its lines above");
}

// ---- And with many at once, which the experiment never tried ----

#[test]
fn step_8_a_hundred_clients_see_the_same_message() {
    let server = Server::start(&[]);
    let mut clients: Vec<_> = (0..100).map(|_| server.subscriber("/")).collect();
    assert_eq!(server.publish("ruby", b"Hello\n"), 100);
    let mut seen = BTreeMap::new();
    for client in &mut clients {
        let mut text = client.message();
        while text.contains("awake") {
            text = client.message();
        }
        *seen.entry(text).or_insert(0) += 1;
    }
    assert_eq!(seen, BTreeMap::from([("Hello\n".into(), 100)]));
}
