//! A client that knows only bytes, so that a test can send what no library would.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::SOON;

/// The key of the experiment's own curl command: "Hello, world!", 13 bytes.
pub(crate) const KEY: &str = "SGVsbG8sIHdvcmxkIQ==";

/// One connection, and what was read from it too early.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    port: u16,
    ahead: Vec<u8>,
}

/// An HTTP response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a field that may stand there at most once.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().skip(1).filter_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let first = values.next();
        assert!(values.next().is_none(), "{name} stands there twice: {}", self.head);
        first
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A frame as a server sends it (RFC 6455 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, RSV1 to RSV3 and the opcode.
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn text(payload: &str) -> Self {
        Self { first: 0x81, payload: payload.into() }
    }

    pub(crate) fn binary(payload: &[u8]) -> Self {
        Self { first: 0x82, payload: payload.into() }
    }

    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self { first: 0x8a, payload: payload.into() }
    }

    pub(crate) fn is_ping(&self) -> bool {
        self.first == 0x89
    }

    /// The code of a Close frame, and its reason.
    pub(crate) fn close(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk()?;
        let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
        (self.first == 0x88).then(|| (u16::from_be_bytes(*code), reason))
    }
}

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        Self::over(stream, port)
    }

    /// A client with a small window, so that little of what it does not read hides in the kernel.
    pub(crate) fn connect_narrow(port: u16) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        socket.connect(&address.into()).expect("the server listens");
        Self::over(socket.into(), port)
    }

    /// Bytes that the server has written and that this client's side has not taken.
    pub(crate) fn held_by_the_kernel(&self) -> usize {
        let own = self.stream.local_addr().unwrap().port();
        let (local, remote) = (format!(":{:04X}", self.port), format!(":{own:04X}"));
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let servers =
            |fields: &Vec<&str>| fields[1].ends_with(&local) && fields[2].ends_with(&remote);
        let mut lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let fields = lines.find(servers).expect("the server's end of this connection");
        usize::from_str_radix(fields[4].split(':').next().unwrap(), 16).unwrap()
    }

    fn over(stream: TcpStream, port: u16) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self { stream, port, ahead: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server takes the bytes");
    }

    /// Sends what the server may refuse to take: it may have closed already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// A request whose Host is right; `fields` are whole lines, each with its CR LF.
    pub(crate) fn request(&mut self, line: &str, fields: &str) {
        let head = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{fields}\r\n", self.port);
        self.send(head);
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.request(&format!("GET {target}"), "");
        self.response()
    }

    /// What `/metrics` says for a name, with its labels: 0 if it is not there.
    #[track_caller]
    pub(crate) fn metric(&mut self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    pub(crate) fn post(&mut self, target: &str, fields: &str, body: &[u8]) {
        let length = body.len();
        self.request(&format!("POST {target}"), &format!("{fields}Content-Length: {length}\r\n"));
        self.send(body);
    }

    /// Reads a response that has a body wherever its head says so.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        if let Some(length) = response.field("Content-Length") {
            let length = length.parse().expect("a Content-Length is a number");
            response.body = self.take(length);
        }
        response
    }

    /// Reads the head of a response, and nothing more: what HEAD gets.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = self.take(1);
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("a head is ASCII");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok());
        Response { status: status.unwrap_or_else(|| panic!("{head:?}")), head, body: Vec::new() }
    }

    /// The fields that ask for an upgrade, as the experiment's curl sends them.
    pub(crate) fn upgrade_fields() -> String {
        format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n\
             Sec-WebSocket-Version: 13\r\n"
        )
    }

    /// A whole request for an upgrade, for who sends it in one segment with more.
    pub(crate) fn handshake(target: &str) -> Vec<u8> {
        let fields = Self::upgrade_fields();
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n").into_bytes()
    }

    /// Asks for an upgrade, and returns whatever comes.
    #[track_caller]
    pub(crate) fn try_upgrade(&mut self, target: &str, more_fields: &str) -> Response {
        self.request(&format!("GET {target}"), &(Self::upgrade_fields() + more_fields));
        self.response()
    }

    #[track_caller]
    pub(crate) fn upgrade(&mut self, target: &str) {
        let response = self.try_upgrade(target, "");
        assert_eq!(response.status, 101, "{response:?}");
    }

    /// Exactly so many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            if let Err(how) = self.fill() {
                let ahead = self.ahead.escape_ascii().to_string();
                panic!(
                    "{how} before {length} bytes had come: {}",
                    ahead.get(..300).unwrap_or(&ahead)
                );
            }
        }
        self.ahead.drain(..length).collect()
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the connection ended".into()),
            Ok(n) => {
                self.ahead.extend_from_slice(&buffer[..n]);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// All that comes until the server closes; it has to.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.ahead);
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            // A peer that is done with us may also reset; what came before is what counts.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("no end: {error}; so far {}", rest.escape_ascii()),
        }
    }

    /// The same, where a reset is a fault: it may destroy what came before it (RFC 9112 section 9.6).
    #[track_caller]
    pub(crate) fn orderly_rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.ahead);
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            panic!("no orderly end: {error}; so far {}", rest.escape_ascii());
        }
        rest
    }

    /// Ends with RST instead of FIN: what a crash, a lost network or an impatient peer looks like.
    pub(crate) fn reset(self) {
        // A linger time of zero has close(2) throw away what is unsent, and send RST.
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Returns when the server has read and answered all that other clients of this test sent before.
    ///
    /// It has one loop, which serves sockets in the order in which their bytes came. So when this
    /// client, on `/echo`, has its echo, all that came before it is done with. (A busy kernel may let
    /// two sockets overtake each other. Then a test sees too little that is wrong, but never
    /// something wrong that is not there: what has to come is waited for, not fenced.)
    #[track_caller]
    pub(crate) fn fence(&mut self) {
        self.echoes("fence");
    }

    /// Whether nothing has come so far. Behind a [`fence`](Self::fence) of another client that means
    /// that nothing will, before more is sent.
    pub(crate) fn has_nothing(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        let is_silent = peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        is_silent && self.ahead.is_empty()
    }

    /// Whether nothing at all comes for so long. The only wait for a time, for what must not happen.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let before = self.ahead.len();
        let filled = self.fill();
        self.stream.set_read_timeout(Some(SOON)).unwrap();
        filled.is_err() && before == 0 && self.ahead.is_empty()
    }

    /// The next frame, whatever it is.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        let header = self.take(2);
        assert_eq!(header[1] & 0x80, 0, "RFC 6455 section 5.1: a server never masks");
        let length = match header[1] {
            126 => u64::from(u16::from_be_bytes(self.take(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).try_into().unwrap()),
            short => u64::from(short),
        };
        Frame { first: header[0], payload: self.take(usize::try_from(length).unwrap()) }
    }

    /// The next message, past any pings, as text.
    #[track_caller]
    pub(crate) fn message(&mut self) -> String {
        loop {
            let frame = self.frame();
            if !frame.is_ping() {
                assert_eq!(frame.first, 0x81, "{frame:?}");
                return String::from_utf8(frame.payload).expect("text is UTF-8");
            }
        }
    }

    /// Everything to the Close frame is passed over; its code and reason are returned.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (u16, String) {
        loop {
            if let Some(close) = self.frame().close() {
                return close;
            }
        }
    }

    /// Sends a ping and expects the pong, past messages.
    #[track_caller]
    pub(crate) fn is_answered(&mut self) {
        self.send_frame(0x89, b"there?");
        while self.frame() != Frame::pong(b"there?") {}
    }

    /// A whole frame from a client: `first` is FIN, RSV and opcode.
    #[track_caller]
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(masked(first, payload));
    }

    /// Sends a text message and expects it back.
    #[track_caller]
    pub(crate) fn echoes(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes());
        assert_eq!(self.frame(), Frame::text(text));
    }
}

/// A frame as a client sends it, masked with the key of RFC 6455 section 5.7.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
        medium @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A Close frame's payload.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}
