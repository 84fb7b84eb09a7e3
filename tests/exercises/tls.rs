//! Exercise `tls`: the same server behind TLS, through a library that has no sockets either.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::Exercise;
use super::support::client::{close, masked};
use super::support::{Client, Finished, Running, SOON, barewire, eventually, finish, follow, run};
use ::barewire::websocket::frame::{self, Opcode};

const TLS: Exercise = Exercise {
    name: "tls",
    begin: "src/net/peer.rs, the only place that reads and writes a client's socket; rustls' \
            `ServerConnection` has the same shape as `Conn`: bytes in, bytes out",
};

/// A certificate for this machine that openssl has made, and its key, in a folder of their own.
struct Certificate(PathBuf);

impl Certificate {
    fn new(test: &str) -> Self {
        for program in ["openssl", "curl"] {
            let mut command = Command::new(program);
            command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
            let advice = "this exercise needs openssl and curl: apt-get install openssl curl";
            command.status().expect(advice);
        }
        let name = format!("barewire-tls-{}-{test}", std::process::id());
        let certificate = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&certificate.0).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.args(["-keyout", &certificate.key(), "-out", &certificate.certificate()]);
        let made = openssl.output().unwrap();
        assert!(made.status.success(), "openssl req: {}", String::from_utf8_lossy(&made.stderr));
        certificate
    }

    fn path(&self, name: &str) -> String {
        Path::new(&self.0).join(name).display().to_string()
    }

    fn certificate(&self) -> String {
        self.path("certificate.pem")
    }

    fn key(&self) -> String {
        self.path("key.pem")
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The server behind TLS.
struct Server<'a> {
    _process: Running,
    port: u16,
    certificate: &'a Certificate,
}

impl<'a> Server<'a> {
    #[track_caller]
    fn start(certificate: &'a Certificate, args: &[&str]) -> Self {
        let help = run(&["--help"]).stdout;
        let is_there = help.contains("--tls-cert FILE") && help.contains("--tls-key FILE");
        TLS.expects("--tls-cert FILE and --tls-key FILE in the help", is_there, "neither, or one");
        let mut command = barewire();
        command.args(["--bind", "127.0.0.1:0", "--tls-cert", &certificate.certificate()]);
        command.args(["--tls-key", &certificate.key()]).args(args);
        let mut process = Running(command.spawn().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        follow(process.0.stderr.take().unwrap(), Arc::clone(&log));
        let mut port = None;
        eventually("the start line, which names https://127.0.0.1:PORT", SOON, || {
            let said = log.lock().unwrap().clone();
            port = said.split_once("https://127.0.0.1:").and_then(|(_, rest)| {
                let (digits, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
                digits.parse().ok()
            });
            assert!(port.is_some() || process.is_alive(), "it ended at its start: {said}");
            port.is_some()
        });
        Self { _process: process, port: port.unwrap(), certificate }
    }

    /// What curl says, which checks the certificate.
    fn curl(&self, target: &str, args: &[&str]) -> Finished {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--fail",
            "--max-time",
            "20",
            "--cacert",
            &self.certificate.certificate(),
        ]);
        curl.args(args).arg(format!("https://127.0.0.1:{}{target}", self.port));
        curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(&mut curl)
    }
}

/// openssl's own client, which passes bytes on.
struct Openssl {
    process: Running,
    stdin: ChildStdin,
    received: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<String>>,
}

impl Openssl {
    /// One that reads from the server only as far as somebody reads from it: [`Openssl::read`].
    fn connect(server: &Server<'_>) -> Self {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1"]);
        openssl.args(["-CAfile", &server.certificate.certificate()]);
        openssl.args(["-connect", &format!("127.0.0.1:{}", server.port)]);
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Running(openssl.spawn().unwrap());
        let stderr = Arc::default();
        follow(process.0.stderr.take().unwrap(), Arc::clone(&stderr));
        let stdin = process.0.stdin.take().unwrap();
        Self { process, stdin, received: Arc::default(), stderr }
    }

    /// From here on it takes whatever comes.
    fn read(&mut self) {
        let mut stdout = self.process.0.stdout.take().unwrap();
        let received = Arc::clone(&self.received);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                received.lock().unwrap().extend(&buffer[..length]);
            }
        });
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stdin.write_all(bytes).expect("openssl takes the bytes");
        self.stdin.flush().unwrap();
    }

    /// Waits until so many bytes have come behind the head of the 101, and takes all of them.
    #[track_caller]
    fn frames(&mut self, bytes: usize) -> Vec<u8> {
        let mut frames = Vec::new();
        let received = &self.received;
        let said = |error: &Mutex<String>| error.lock().unwrap().clone();
        eventually(&format!("{bytes} bytes of frames come through openssl"), SOON, || {
            let received = received.lock().unwrap();
            let end = received.windows(4).position(|four| four == b"\r\n\r\n");
            frames = end.map_or(Vec::new(), |end| received[end + 4..].to_vec());
            frames.len() >= bytes
        });
        let received = self.received.lock().unwrap();
        let is_101 = received.starts_with(b"HTTP/1.1 101 ");
        TLS.expects("101 through openssl s_client", is_101, said(&self.stderr));
        frames
    }
}

/// A frame as a server sends it.
fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame::encode(opcode, payload, &mut frame);
    frame
}

#[test]
#[ignore = "exercise: tls"]
fn curl_finds_the_certificate_good_and_is_answered() {
    let certificate = Certificate::new("curl");
    let server = Server::start(&certificate, &[]);
    let health = server.curl("/healthz", &[]);
    TLS.expects("curl gets /healthz over https", health.stdout == "alive\n", &health);
    let page = server.curl("/", &[]);
    TLS.expects("and the page, which is longer", page.stdout.contains("</html>"), page.code);
    let published = server.curl("/publish?channel=ruby", &["--data-binary", "Hello"]);
    TLS.expects("and may publish", published.stdout == "0\n", &published);
}

#[test]
#[ignore = "exercise: tls"]
fn a_websocket_behind_tls_echoes_and_ends_as_tls_ends() {
    let certificate = Certificate::new("echo");
    let server = Server::start(&certificate, &["--max-message", "2m"]);
    let mut client = Openssl::connect(&server);
    client.read();
    // As one piece, so that some of it stands behind the handshake in one TLS record.
    client.send(&[Client::handshake("/echo"), masked(0x81, b"Hello"), masked(0x89, b"?")].concat());
    let mut expected = [frame(Opcode::Text, b"Hello"), frame(Opcode::Pong, b"?")].concat();
    let got = client.frames(expected.len());
    TLS.expects("Hello comes back, and a pong", got == expected, got.escape_ascii());
    // Many records (RFC 8446 section 5.1: 16 KiB each at most), and more than a socket takes at once.
    let long: Vec<u8> = (0..=250).cycle().take(2 << 20).collect();
    client.send(&masked(0x82, &long));
    expected.extend(frame(Opcode::Binary, &long));
    let got = client.frames(expected.len());
    TLS.expects("2 MiB come back", got == expected, got.len());
    client.send(&masked(0x88, &close(1000, "")));
    let end = frame(Opcode::Close, &close(1000, ""));
    expected.extend(end);
    let got = client.frames(expected.len());
    TLS.expects("a Close for a Close", got == expected, got.len());
    // RFC 8446 section 6.1: close_notify, without which an end may be an attacker's.
    let status = client.process.wait(SOON);
    let said = client.stderr.lock().unwrap().clone();
    let is_clean = status.success() && !said.contains("unexpected eof");
    TLS.expects("a close_notify, so that openssl ends with 0", is_clean, (status.code(), said));
}

/// Publishes a message that the subscriber is sent in one frame, and returns that.
#[track_caller]
fn publish(server: &Server<'_>, number: u8) -> Vec<u8> {
    let text = vec![b'a' + number % 26; 50_000 + usize::from(number)];
    let body = server.certificate.path("body");
    fs::write(&body, &text).unwrap();
    let args = ["--data-binary", &format!("@{body}"), "-H", "Expect:"];
    // The first one goes out when the subscriber is there.
    let mut receivers = String::new();
    eventually("somebody receives it", SOON, || {
        receivers = server.curl("/publish?channel=ruby", &args).stdout;
        receivers != "0\n"
    });
    TLS.expects("one receiver", receivers == "1\n", receivers);
    frame(Opcode::Text, &text)
}

/// The cursor of a slow client stands in the middle of a frame, and TLS has a buffer of its own: bytes that
/// were taken by it are not yet bytes that were sent.
#[test]
#[ignore = "exercise: tls"]
fn a_slow_subscriber_behind_tls_gets_every_byte_once_and_in_order() {
    let certificate = Certificate::new("slow");
    let server = Server::start(&certificate, &["--awake", "off", "--backlog", "64m"]);
    let mut slow = Openssl::connect(&server);
    slow.send(&Client::handshake("/?channel=ruby"));
    let expected: Vec<u8> = (0..250).flat_map(|number| publish(&server, number)).collect();
    slow.read();
    let got = slow.frames(expected.len());
    TLS.expects("each byte once and in order", got == expected, got.len());
}

/// Bytes that the kernel holds for the connections of a server, at both ends, when they move no more. What
/// has come and was not acknowledged yet (RFC 9293 section 3.8.6.3) would count twice.
fn held_by_the_kernel(server: &Server<'_>) -> usize {
    let port = format!(":{:04X}", server.port);
    let held = || -> usize {
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let ends = lines.filter(|fields| fields[1].ends_with(&port) || fields[2].ends_with(&port));
        let queues = ends.flat_map(|fields| {
            let (unsent, unread) = fields[4].split_once(':').unwrap();
            [unsent, unread].map(|hex| usize::from_str_radix(hex, 16).unwrap())
        });
        queues.sum()
    };
    let mut before = held();
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = held();
        if std::mem::replace(&mut before, now) == now {
            return now;
        }
    }
}

/// A message of which the socket takes a part, and the buffer of TLS the rest. Nothing comes behind it that
/// would push that out.
#[test]
#[ignore = "exercise: tls"]
fn what_a_full_socket_has_left_in_the_buffer_of_tls_goes_out_when_there_is_room() {
    let certificate = Certificate::new("full");
    let server = Server::start(&certificate, &["--awake", "off", "--backlog", "64m"]);
    let mut slow = Openssl::connect(&server);
    slow.send(&Client::handshake("/?channel=ruby"));
    let mut expected = publish(&server, 0);
    // While it stands still, all that is written stays in the kernel.
    slow.process.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", slow.process.pid());
    let stands = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
    eventually("openssl stands still", SOON, stands);
    let mut held = held_by_the_kernel(&server);
    for number in 1..=u8::MAX {
        let text = publish(&server, number);
        expected.extend(&text);
        // Who is answered by the same loop finds the message written, as far as it could be.
        server.curl("/healthz", &[]);
        let before = std::mem::replace(&mut held, held_by_the_kernel(&server));
        if held < before + text.len() {
            break;
        }
    }
    slow.process.signal(Signal::CONT);
    slow.read();
    let got = slow.frames(expected.len());
    TLS.expects("each byte once and in order", got == expected, got.len());
}

#[test]
#[ignore = "exercise: tls"]
fn who_speaks_plain_http_is_turned_away_and_nobody_else_notices() {
    let certificate = Certificate::new("plain");
    let server = Server::start(&certificate, &[]);
    let mut plain = Client::connect(server.port);
    plain.request("GET /healthz", "");
    let answer = plain.rest();
    let is_plain = answer.starts_with(b"HTTP/");
    TLS.expects("no HTTP for who speaks no TLS, and an end", !is_plain, answer.escape_ascii());
    let health = server.curl("/healthz", &[]);
    TLS.expects("curl is served as before", health.stdout == "alive\n", &health);
}

#[test]
#[ignore = "exercise: tls"]
fn a_certificate_without_its_key_is_wrong_usage() {
    let certificate = Certificate::new("usage");
    for (given, other) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        let ended = run(&[given, &certificate.certificate(), "--bind", "127.0.0.1:0"]);
        let says_so = ended.code == Some(2) && ended.stderr.contains(other);
        let expected = format!("{given} alone: exit code 2, and {other} is named");
        TLS.expects(&expected, says_so, &ended);
    }
}
