//! Channels that are not for all are the proxy's to guard: README's two recipes, run as they are printed.
//!
//! What to notice:
//! * The configurations are cut out of README.md. Only the ports are exchanged, and what a program wants
//!   that runs without root and beside others of its kind.
//! * nginx and Caddy are the real ones. The application that they ask is played by a thread: it lets in
//!   whoever has the cookie, and knows which channel was asked for.

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

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use support::redis::quiet_port;
use support::{Client, Running, SOON, Server, eventually, missing};

const ORIGIN: &str = "https://app.example";

/// The block of README.md that is marked as being in this language.
fn recipe(language: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, block) = readme.split_once(&format!("```{language}\n")).expect("a recipe in README.md");
    block.split_once("```").expect("its end").0.to_owned()
}

/// The application behind the proxy: 204 for whoever has the cookie and asks for channel `ruby`.
fn application() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|n| n > 0) {}
            let head = head.to_ascii_lowercase();
            let asked = head.lines().find(|line| {
                line.starts_with("x-original-uri:") || line.starts_with("x-forwarded-uri:")
            });
            let may = head.starts_with("get /may-subscribe")
                && head.contains("cookie: session=good")
                && asked.is_some_and(|line| line.ends_with("/?channel=ruby"));
            let status = if may { "204 No Content" } else { "403 Forbidden" };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            (&stream).write_all(answer.as_bytes()).ok();
        }
    });
    port
}

/// A proxy that is ended with its owner, and its folder with it.
struct Proxy {
    _process: Running,
    port: u16,
    folder: PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn start(port: u16, configuration: &str, command: impl Fn(&PathBuf) -> Command) -> Proxy {
    let folder = std::env::temp_dir().join(format!("barewire-proxy-{port}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("configuration"), configuration).unwrap();
    let mut command = command(&folder);
    command.env("HOME", &folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Running(command.spawn().expect("the proxy starts"));
    eventually("the proxy listens", SOON, || {
        assert!(process.is_alive(), "it has ended; is this right?\n{configuration}");
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Proxy { _process: process, port, folder }
}

fn is_there(program: &str, version: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(version).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = command.status().is_ok_and(|status| status.success());
    if !is_there {
        missing(program, "install it: apt-get install nginx-light caddy");
    }
    is_there
}

/// Who is let in gets messages, and everybody else the application's answer.
fn guards(proxy: &Proxy, server: &Server) {
    let asks = |target: &str, fields: &str| {
        let mut client = Client::connect(proxy.port);
        let response = client.try_upgrade(target, &format!("{fields}Origin: {ORIGIN}\r\n"));
        (client, response.status)
    };
    assert_eq!(asks("/?channel=ruby", "").1, 403, "no cookie");
    assert_eq!(asks("/?channel=ruby", "Cookie: session=bad\r\n").1, 403, "a wrong one");
    assert_eq!(asks("/?channel=secret", "Cookie: session=good\r\n").1, 403, "not this channel");
    let (mut client, status) = asks("/?channel=ruby", "Cookie: session=good\r\n");
    assert_eq!(status, 101);
    let mut publisher = Client::connect(server.port());
    for text in ["one", "two"] {
        publisher.post(
            "/publish?channel=ruby",
            "Authorization: Bearer s3cret\r\n",
            text.as_bytes(),
        );
        assert_eq!(publisher.response().text().trim_end(), "1");
        assert_eq!(client.message(), text);
    }
    client.send_frame(0x88, b"\x03\xe8");
    assert_eq!(client.closed().0, 1000);
}

fn server() -> Server {
    let arguments = ["--channel", "*", "--origin", ORIGIN, "--publish-token", "s3cret"];
    Server::start(&arguments)
}

#[test]
fn nginx_asks_the_application_who_may_subscribe() {
    if !is_there("nginx", "-v") {
        return;
    }
    let (server, port) = (server(), quiet_port());
    let recipe = recipe("nginx")
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port}"))
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{}", application()))
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port()));
    let configuration = |folder: &str| {
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .concat();
        format!(
            "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/log;\n\
             events {{}}\nhttp {{\naccess_log off;\n{paths}{recipe}}}\n"
        )
    };
    let folder = std::env::temp_dir().join(format!("barewire-proxy-{port}"));
    let proxy = start(port, &configuration(&folder.display().to_string()), |folder| {
        let mut command = Command::new("nginx");
        command.arg("-e").arg(folder.join("log")).arg("-c").arg(folder.join("configuration"));
        command
    });
    guards(&proxy, &server);
}

#[test]
fn caddy_asks_the_application_who_may_subscribe() {
    if !is_there("caddy", "version") {
        return;
    }
    let (server, port) = (server(), quiet_port());
    let recipe = recipe("caddy")
        .replace("app.example", &format!("http://127.0.0.1:{port}"))
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{}", application()))
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port()));
    let configuration = format!("{{\nadmin off\n}}\n{recipe}");
    let proxy = start(port, &configuration, |folder| {
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]);
        command.arg(folder.join("configuration"));
        command
    });
    guards(&proxy, &server);
}
