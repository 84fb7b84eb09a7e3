//! `barewire publish`: sends messages to Redis or to a server, and says how many received each.
//!
//! ```text
//!   POST /publish?channel=ruby HTTP/1.1          HTTP/1.1 200 OK
//!   Host: 127.0.0.1:8080                         Content-Length: 2
//!   Content-Length: 6                   --->     ...                      ---> published to ruby:
//!   Connection: close                                                          3 receivers
//!                                                3
//!   Hello
//! ```
//!
//! What to notice:
//! * A client may block where the server never does: it has one thing to do, and waits for it, with a
//!   deadline on each wait. And its errors are texts: there is nobody but a person to read them.
//! * One connection for each message to a server: between two that are seconds apart, a kept-alive one
//!   may have been closed, and whether a message sent into that was published nobody could say.
//! * The answer ends where the connection does, as the request asks. So it is read whole and then
//!   understood, by a function of bytes.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::channel::Channel;
use crate::http::encode;
use crate::options::{PublishOptions, PublishTo};
use crate::redis::{Endpoint, RedisAddress};
use crate::secret::Secret;

/// How long connecting may take, and each wait for bytes. The server itself answers 503 sooner.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read: what the server says is one short line.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// What `{time}` in a message stands for: the unix time in seconds at which it is sent.
const TIME: &[u8] = b"{time}";

/// Publishes as asked, and writes one line to `out` for each message.
///
/// # Errors
/// The first message that was not published ends it; show why and exit with 1.
pub fn publish(options: &PublishOptions, out: &mut dyn Write) -> Result<(), String> {
    let channel = &options.channel;
    let mut bus = Bus::open(&options.to)?;
    let mut sent: usize = 0;
    let mut due = Instant::now();
    while options.count.is_none_or(|count| sent < count) {
        if sent > 0 {
            // From send to send, whatever an answer took: `--every 5s` keeps its beat.
            due += options.every;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        // A clock before 1970 is a clock at 1970.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let receivers = bus.publish(channel, &with_time(&options.message, unix.as_secs()))?;
        sent = sent.saturating_add(1);
        let noun = if receivers == 1 { "receiver" } else { "receivers" };
        writeln!(out, "published to {channel}: {receivers} {noun}")
            .and_then(|()| out.flush())
            .map_err(|why| format!("cannot write to stdout: {why}"))?;
    }
    Ok(())
}

/// Where messages go.
enum Bus<'a> {
    Redis(&'a RedisAddress, ::redis::Connection),
    Server(&'a str, Option<&'a Secret>),
}

impl<'a> Bus<'a> {
    fn open(to: &'a PublishTo) -> Result<Self, String> {
        match to {
            PublishTo::Server(at, token) => Ok(Self::Server(at, token.as_ref())),
            PublishTo::Redis(at) => match connect_to_redis(at) {
                Ok(connection) => Ok(Self::Redis(at, connection)),
                Err(why) => Err(redis_failed(at, &why)),
            },
        }
    }

    /// Publishes one message; the number of its receivers.
    fn publish(&mut self, channel: &Channel, message: &[u8]) -> Result<u64, String> {
        match self {
            Self::Redis(at, connection) => ::redis::cmd("PUBLISH")
                .arg(channel.as_str())
                .arg(message)
                .query(connection)
                .map_err(|why| redis_failed(at, &why)),
            Self::Server(at, token) => post(at, &request(at, *token, channel, message)),
        }
    }
}

fn connect_to_redis(at: &RedisAddress) -> ::redis::RedisResult<::redis::Connection> {
    let address = match &at.endpoint {
        Endpoint::Tcp { host, port } => ::redis::ConnectionAddr::Tcp(host.clone(), *port),
        Endpoint::Unix(path) => ::redis::ConnectionAddr::Unix(path.clone()),
    };
    let mut settings = ::redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(username) = &at.credentials.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &at.credentials.password {
        settings = settings.set_password(password);
    }
    let info = ::redis::IntoConnectionInfo::into_connection_info(address)?;
    let client = ::redis::Client::open(info.set_redis_settings(settings))?;
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn redis_failed(at: &RedisAddress, why: &::redis::RedisError) -> String {
    if why.is_timeout() {
        return format!("Redis at {at} has not answered for {PATIENCE:?}: is it stopped?");
    }
    format!("Redis at {at} did not publish ({why}): is it running, and the URL right?")
}

fn post(at: &str, request: &[u8]) -> Result<u64, String> {
    let mut stream = connect(at).map_err(|why| {
        format!(
            "nothing answers at http://{at} ({why}): start the server, or name it with --to URL"
        )
    })?;
    let mut bytes = Vec::new();
    // A server that refuses a large body answers before it has read it, so a write that fails is
    // an error only if no answer can be read.
    let written = stream.write_all(request);
    let read = stream.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    match answer(&text) {
        Some((200, body)) => body.trim_end().parse().map_err(|_| {
            format!("what answers at http://{at} is no barewire server: name ours with --to URL")
        }),
        Some((status, body)) => {
            Err(format!("the server answered {status}: {}", body.trim().escape_debug()))
        }
        None if !text.is_empty() && !text.starts_with("HTTP/1.") => {
            Err(format!("what listens at http://{at} is no HTTP server: name ours with --to URL"))
        }
        None => {
            let why = match written.and(read) {
                Ok(_) => "the connection ended".to_owned(),
                Err(why) if is_timeout(&why) => format!("{PATIENCE:?} have passed"),
                Err(why) => why.to_string(),
            };
            Err(format!("no answer from http://{at} ({why}): the message may have been published"))
        }
    }
}

/// Tries every address of a name: `localhost` may be `[::1]` first, where nothing listens.
fn connect(at: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in at.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn is_timeout(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// The whole request: one write, so that it is usually one segment.
fn request(at: &str, token: Option<&Secret>, channel: &Channel, message: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST /publish?channel={} HTTP/1.1\r\nHost: {at}\r\nContent-Length: {}\r\n\
         Connection: close\r\n",
        encode(channel.as_str()),
        message.len()
    )
    .into_bytes();
    if let Some(token) = token {
        // RFC 6750 section 2.1.
        bytes.extend_from_slice(b"Authorization: Bearer ");
        bytes.extend_from_slice(token.reveal());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(message);
    bytes
}

/// The status and the body of an answer of an HTTP server; `None` if it is none, or not whole.
fn answer(text: &str) -> Option<(u16, &str)> {
    let mut rest = text;
    loop {
        let (head, body) = rest.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        // RFC 9110 section 15.2: an interim answer has no body, and another answer follows.
        if status < 200 {
            rest = body;
            continue;
        }
        // Our server ends each text with a newline, so one without it was cut short.
        return (status != 200 || body.ends_with('\n')).then_some((status, body));
    }
}

fn with_time(message: &[u8], unix_seconds: u64) -> Vec<u8> {
    let (mut message, time) = (message.to_vec(), unix_seconds.to_string());
    while let Some(at) = message.windows(TIME.len()).position(|window| window == TIME) {
        message.splice(at..at + TIME.len(), time.bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    fn options(to: PublishTo, count: usize) -> PublishOptions {
        let channel = Channel::new("ruby & co").unwrap();
        let every = Duration::ZERO;
        PublishOptions { channel, message: b"Hello\n".to_vec(), count: Some(count), every, to }
    }

    fn run(to: PublishTo, count: usize) -> (String, Result<(), String>) {
        let mut out = Vec::new();
        let result = publish(&options(to, count), &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    /// A peer on a free port that gives each connection one answer and hands back what it read,
    /// which is a whole request when it ends as `end` says.
    fn peer(answers: Vec<&'static [u8]>, end: &'static [u8]) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let one = |answer: &[u8]| {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
                while !request.ends_with(end) {
                    let read = stream.read(&mut buffer).unwrap();
                    assert!(read > 0, "{}", request.escape_ascii());
                    request.extend_from_slice(&buffer[..read]);
                }
                stream.write_all(answer).unwrap();
                request
            };
            answers.into_iter().map(one).collect()
        });
        (port, thread)
    }

    /// A peer that waits for the end of each text, and then answers it, on one connection.
    fn conversation(lines: &'static [(&[u8], &[u8])]) -> (u16, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for (expected, answer) in lines {
                let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
                while !heard.ends_with(expected) {
                    let read = stream.read(&mut buffer).unwrap();
                    assert!(read > 0, "{}", heard.escape_ascii());
                    heard.extend_from_slice(&buffer[..read]);
                }
                stream.write_all(answer).unwrap();
            }
        });
        (port, thread)
    }

    fn server(port: u16, token: Option<&str>) -> PublishTo {
        let token = token.map(|token| Secret::new(token).unwrap());
        PublishTo::Server(format!("127.0.0.1:{port}"), token)
    }

    #[test]
    fn each_message_is_one_request_and_one_line() {
        let ok = &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n3\n"[..];
        let one = &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1\n"[..];
        let (port, peer) = peer(vec![ok, one], b"Hello\n");
        let (shown, result) = run(server(port, Some("t0ken")), 2);
        assert_eq!(result, Ok(()));
        assert_eq!(
            shown,
            "published to ruby & co: 3 receivers\npublished to ruby & co: 1 receiver\n"
        );
        let expected = format!(
            "POST /publish?channel=ruby%20%26%20co HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
             Content-Length: 6\r\nConnection: close\r\nAuthorization: Bearer t0ken\r\n\r\nHello\n"
        );
        for request in peer.join().unwrap() {
            assert_eq!(String::from_utf8(request).unwrap(), expected);
        }
    }

    #[test]
    fn a_refusal_is_shown_and_ends_it() {
        let no = &b"HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nno \x1b[31mruby\n"[..];
        let (port, peer) = peer(vec![no], b"Hello\n");
        let (shown, result) = run(server(port, None), 2);
        assert_eq!(shown, "");
        assert_eq!(result, Err("the server answered 403: no \\u{1b}[31mruby".to_owned()));
        assert!(!peer.join().unwrap()[0].windows(13).any(|window| window == b"Authorization"));
    }

    #[test]
    fn a_peer_that_is_no_server_is_told_from_one_that_is_gone() {
        for (answer, expected) in [
            (&b"-ERR unknown command\r\n"[..], "is no HTTP server"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n", "is no barewire server"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n3", "no answer from http://"),
            (b"HTTP/1.1 20", "(the connection ended): the message may have been published"),
            (b"", "(the connection ended): the message may have been published"),
        ] {
            let (port, peer) = peer(vec![answer], b"Hello\n");
            let why = run(server(port, None), 1).1.unwrap_err();
            assert!(why.contains(expected), "{}: {why}", answer.escape_ascii());
            peer.join().unwrap();
        }
    }

    /// A port at which nothing listens: one that was free a moment ago.
    fn closed_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn where_nothing_listens_it_says_what_to_do() {
        let port = closed_port();
        let why = run(server(port, None), 1).1.unwrap_err();
        let (start, end) = (format!("nothing answers at http://127.0.0.1:{port} ("), "--to URL");
        assert!(why.starts_with(&start) && why.contains("refused") && why.ends_with(end), "{why}");
        let url = format!("redis://me:c4nary@127.0.0.1:{port}");
        let why = run(PublishTo::Redis(crate::redis::parse_url(&url).unwrap()), 1).1.unwrap_err();
        assert!(why.starts_with("Redis at redis://***@127.0.0.1:"), "{why}");
        assert!(!why.contains("c4nary"));
    }

    #[test]
    fn a_redis_that_does_not_answer_is_told_from_one_that_refuses() {
        let at = crate::redis::parse_url("redis://a").unwrap();
        let silent = io::Error::from(io::ErrorKind::WouldBlock).into();
        let gone = io::Error::from(io::ErrorKind::ConnectionReset).into();
        let why = redis_failed(&at, &silent);
        assert_eq!(why, "Redis at redis://a:6379 has not answered for 10s: is it stopped?");
        let why = redis_failed(&at, &gone);
        assert!(why.starts_with("Redis at redis://a:6379 did not publish ("), "{why}");
    }

    #[test]
    fn redis_is_greeted_with_the_credentials_and_its_count_is_shown() {
        let (port, peer) = conversation(&[
            (b"$2\r\nme\r\n$6\r\nsecret\r\n", b"+OK\r\n"),
            (b"$7\r\nPUBLISH\r\n$9\r\nruby & co\r\n$6\r\nHello\n\r\n", b":2\r\n"),
        ]);
        let url = format!("redis://me:secret@127.0.0.1:{port}/3");
        let result = run(PublishTo::Redis(crate::redis::parse_url(&url).unwrap()), 1);
        assert_eq!(result, ("published to ruby & co: 2 receivers\n".to_owned(), Ok(())));
        peer.join().unwrap();
    }

    #[test]
    fn an_output_that_is_gone_ends_it() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (port, peer) =
            peer(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n0\n"], b"Hello\n");
        let result = publish(&options(server(port, None), 5), &mut Gone);
        let why = result.unwrap_err();
        assert!(why.starts_with("cannot write to stdout: "), "{why}");
        peer.join().unwrap();
    }

    #[test]
    fn an_answer_is_known_only_when_it_is_whole() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\n\r\n12\n";
        for (cut, _) in text.char_indices() {
            assert_eq!(answer(&text[..cut]), None, "{cut}");
        }
        assert_eq!(answer(text), Some((200, "12\n")));
        // What is refused is shown as far as it came.
        assert_eq!(answer("HTTP/1.0 503 Busy\r\n\r\nno"), Some((503, "no")));
        for text in ["SSH-2.0\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert_eq!(answer(text), None, "{text}");
        }
    }

    #[test]
    fn time_stands_for_the_seconds_at_each_place() {
        for (message, expected) in [
            ("", ""),
            ("{time}", "7"),
            ("it is {time}, {time}\n", "it is 7, 7\n"),
            ("{{time}}{tim{time", "{7}{tim{time"),
        ] {
            assert_eq!(with_time(message.as_bytes(), 7), expected.as_bytes(), "{message}");
        }
        assert_eq!(with_time(b"\xff{time}", 7), b"\xff7");
    }
}
