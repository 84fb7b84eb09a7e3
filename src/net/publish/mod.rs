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
//!   deadline on each wait.
//! * One connection for each message to a server: between two that are seconds apart, a kept-alive one
//!   may have been closed, and whether a message sent into that was published nobody could say.
//! * The answer is read by a function of bytes, `answer`, which knows no socket.

mod exchange;

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, thread};

use self::exchange::{NotHttp, answer, receivers, request};
use crate::channel::Channel;
use crate::options::{PublishOptions, PublishTo, ServerAddress};
use crate::redis::{Endpoint, RedisAddress};
use crate::secret::Secret;

/// How long connecting may take, and then the answer. The server itself answers 503 sooner.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `{time}` in a message stands for: the unix time in seconds at which it is sent.
const TIME: &[u8] = b"{time}";

/// Why a message was not published. The text of each says what to do.
#[derive(Debug)]
pub enum PublishError {
    /// No connection to the server at this address.
    NoServer(ServerAddress, io::Error),
    /// The connection broke, or the answer did not come in time.
    NoAnswer(ServerAddress, io::Error),
    /// What answers is not HTTP/1.1, or says too much.
    NotHttp(ServerAddress),
    /// The server answered with another status than 200.
    Refused(u16, String),
    /// No connection to Redis.
    NoRedis(RedisAddress, ::redis::RedisError),
    /// Redis answered with an error, or not.
    RedisRefused(RedisAddress, ::redis::RedisError),
    /// What was published could not be shown: the reader of our output is gone.
    Output(io::Error),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer(at, why) if why.kind() == io::ErrorKind::ConnectionRefused => write!(
                f,
                "nothing listens at http://{at}: start the server, or name it with --to URL"
            ),
            Self::NoServer(at, why) => {
                write!(f, "cannot connect to http://{at} ({why}): is it the right --to URL?")
            }
            Self::NoAnswer(at, why) if is_timeout(why) => write!(
                f,
                "http://{at} has not answered for {} s: the message may have been published",
                PATIENCE.as_secs()
            ),
            Self::NoAnswer(at, why) => {
                write!(
                    f,
                    "http://{at} ended without an answer ({why}): the message may have been published"
                )
            }
            Self::NotHttp(at) => {
                write!(f, "what listens at http://{at} is no HTTP server: name ours with --to URL")
            }
            Self::Refused(status, text) => {
                write!(f, "the server answered {status}: {}", text.trim().escape_debug())
            }
            Self::NoRedis(at, why) | Self::RedisRefused(at, why) if why.is_timeout() => {
                write!(
                    f,
                    "Redis at {at} has not answered for {} s: is it stopped?",
                    PATIENCE.as_secs()
                )
            }
            Self::NoRedis(at, why) => {
                write!(f, "cannot use Redis at {at} ({why}): is it running, and the URL right?")
            }
            Self::RedisRefused(at, why) => write!(f, "Redis at {at} did not publish: {why}"),
            Self::Output(why) => write!(f, "cannot write to stdout: {why}"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Publishes as asked, and writes one line to `out` for each message.
///
/// # Errors
/// The first message that was not published ends it; show why and exit with 1.
pub fn publish(options: &PublishOptions, out: &mut dyn Write) -> Result<(), PublishError> {
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
        let message = with_time(&options.message, unix.as_secs());
        let receivers = bus.publish(&options.channel, &message)?;
        sent = sent.saturating_add(1);
        let noun = if receivers == 1 { "receiver" } else { "receivers" };
        writeln!(out, "published to {}: {receivers} {noun}", options.channel)
            .and_then(|()| out.flush())
            .map_err(PublishError::Output)?;
    }
    Ok(())
}

/// Where messages go.
enum Bus<'a> {
    Redis(&'a RedisAddress, ::redis::Connection),
    Server(&'a ServerAddress, Option<&'a Secret>),
}

impl<'a> Bus<'a> {
    fn open(to: &'a PublishTo) -> Result<Self, PublishError> {
        match to {
            PublishTo::Server(at, token) => Ok(Self::Server(at, token.as_ref())),
            PublishTo::Redis(at) => connect_to_redis(at)
                .map(|connection| Self::Redis(at, connection))
                .map_err(|why| PublishError::NoRedis(at.clone(), why)),
        }
    }

    /// Publishes one message; the number of its receivers.
    fn publish(&mut self, channel: &Channel, message: &[u8]) -> Result<u64, PublishError> {
        match self {
            Self::Redis(at, connection) => ::redis::cmd("PUBLISH")
                .arg(channel.as_str())
                .arg(message)
                .query(connection)
                .map_err(|why| PublishError::RedisRefused(at.clone(), why)),
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

fn post(at: &ServerAddress, request: &[u8]) -> Result<u64, PublishError> {
    let mut stream =
        connect_to_server(at).map_err(|why| PublishError::NoServer(at.clone(), why))?;
    let no_answer = |why| PublishError::NoAnswer(at.clone(), why);
    let deadline = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE)).map_err(no_answer)?;
    // A server that refuses a large body answers before it has read it, so a write that fails is
    // an error only if no answer can be read.
    let written = stream.write_all(request);
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match answer(&bytes) {
            Ok(Some((200, body))) => {
                return receivers(&body).ok_or_else(|| PublishError::NotHttp(at.clone()));
            }
            Ok(Some((status, body))) => return Err(PublishError::Refused(status, body)),
            Ok(None) => {}
            Err(NotHttp) => return Err(PublishError::NotHttp(at.clone())),
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let read = stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut buffer));
        match read {
            Ok(0) => {
                return Err(no_answer(
                    written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
                ));
            }
            Ok(_) if Instant::now() > deadline => {
                return Err(no_answer(io::ErrorKind::TimedOut.into()));
            }
            Ok(read) => bytes.extend(buffer.iter().take(read)),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(no_answer(written.err().unwrap_or(why))),
        }
    }
}

/// Tries every address of a name: `localhost` may be `[::1]` first, where nothing listens.
fn connect_to_server(at: &ServerAddress) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (at.host.as_str(), at.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn is_timeout(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

fn with_time(message: &[u8], unix_seconds: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(TIME) {
            out.extend_from_slice(unix_seconds.to_string().as_bytes());
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out
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
        let result = publish(&options(to, count), &mut out).map_err(|why| why.to_string());
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
        let at = ServerAddress { host: "127.0.0.1".to_owned(), port };
        PublishTo::Server(at, token.map(|token| Secret::new(token).unwrap()))
    }

    #[test]
    fn each_message_is_one_request_and_one_line() {
        let ok = &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n3\n"[..];
        let one = &b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n1 receivers\r\n"[..];
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
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "is no HTTP server"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n3", "ended without an answer"),
            (b"", "ended without an answer"),
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
        let expected = format!(
            "nothing listens at http://127.0.0.1:{port}: start the server, or name it with --to URL"
        );
        assert_eq!(run(server(port, None), 1).1, Err(expected));
        let url = format!("redis://me:c4nary@127.0.0.1:{port}");
        let why = run(PublishTo::Redis(crate::redis::parse_url(&url).unwrap()), 1).1.unwrap_err();
        assert!(why.starts_with("cannot use Redis at redis://***@127.0.0.1:"), "{why}");
        assert!(!why.contains("c4nary"));
    }

    #[test]
    fn a_redis_that_does_not_answer_is_told_from_one_that_refuses() {
        let at = || crate::redis::parse_url("redis://a").unwrap();
        let silent = io::Error::from(io::ErrorKind::WouldBlock).into();
        let gone = io::Error::from(io::ErrorKind::ConnectionReset).into();
        let why = PublishError::RedisRefused(at(), silent).to_string();
        assert_eq!(why, "Redis at redis://a:6379 has not answered for 10 s: is it stopped?");
        let why = PublishError::RedisRefused(at(), gone).to_string();
        assert!(why.starts_with("Redis at redis://a:6379 did not publish: "), "{why}");
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
        let (port, peer) = peer(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0"], b"Hello\n");
        let result = publish(&options(server(port, None), 5), &mut Gone);
        assert!(matches!(result, Err(PublishError::Output(_))), "{result:?}");
        peer.join().unwrap();
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
