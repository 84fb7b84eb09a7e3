//! What a client sends, read by this server and by [tungstenite], which nobody here wrote: both hand
//! out the same messages, pings, pongs and Close, and both refuse what follows, or neither does. And
//! what this server answers is read by tungstenite's client as what it was.
//!
//! The explained differences, each as narrow as it can be told:
//!
//! | RFC 6455 | here | tungstenite 0.30 | who is right |
//! | --- | --- | --- | --- |
//! | 5.2: "the minimal number of bytes MUST be used to encode the length" | refuses a longer form | accepts it | here |
//! | 5.1, 5.2, 5.4, 5.5, 8.1 do not say when | refuses at the first byte that breaks a rule | refuses when the frame is whole | both; its frame is completed, and it must then refuse |
//! | 7.4: codes that nobody may send | an error, which is answered with 1002 | a Close, made into one with 1002 `Protocol violation` | both: the peer sees a 1002 |
//! | 7.4.2: 1014 was registered by IANA | accepts it | makes a 1002 of it | here |
//!
//! The input is a script; its stream is what the client sends. Both read it in one piece: cuts are for
//! the target `message`.

use std::io::{Read, Result, Write};

use barewire::websocket::close::{Close, CloseCode};
use barewire::websocket::form::{Encoder, Form};
use barewire::websocket::frame::{Opcode, encode};
use barewire::websocket::message::{Assembler, Kind, MessageError, MessageLimits};
use tungstenite::error::{Error, ProtocolError};
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

use super::message::Seen;
use super::script::Script;

/// So small that inputs reach it.
const MAX_MESSAGE_BYTES: usize = 1_000;

pub fn fuzz(script: &Script<'_>) {
    let (ours, error) = barewire(script.stream);
    let (completed, is_minimal) = completed(script.stream);
    let stream = if error.is_some() { &completed } else { script.stream };
    let (mut theirs, mut refused) = tungstenite(stream, Role::Server);
    if matches!(error, Some(MessageError::LengthNotMinimal | MessageError::LongControl))
        && !is_minimal
    {
        assert!(theirs.starts_with(&ours), "{theirs:?} does not begin with {ours:?}");
        return;
    }
    if matches!(error, Some(MessageError::CloseCode(_))) && theirs.len() > ours.len() {
        assert_eq!(theirs.pop(), Some(violation()));
        refused = true;
    }
    let ours_read: Vec<Seen> = ours.into_iter().map(as_tungstenite_reads).collect();
    assert_eq!(ours_read, theirs, "ours, theirs");
    assert_eq!(refused, error.is_some(), "{error:?} behind {theirs:?}");

    let (read, refused) = tungstenite(&answered(&ours_read), Role::Client);
    assert_eq!(read, ours_read, "the server's answer, as the client reads it");
    assert!(!refused);
}

/// What this server reads.
fn barewire(stream: &[u8]) -> (Vec<Seen>, Option<MessageError>) {
    let limits = MessageLimits { max_message_bytes: MAX_MESSAGE_BYTES, max_fragments: u32::MAX };
    let (mut assembler, mut bytes, mut all) = (Assembler::default(), stream.to_vec(), vec![]);
    let mut rest = &mut bytes[..];
    while !matches!(all.last(), Some(Seen::Close(_))) {
        match assembler.receive(rest, Form::Plain, &limits) {
            Ok((_, None)) => break,
            Ok((taken, Some(event))) => {
                all.push(Seen::from(event));
                rest = &mut rest[taken..];
            }
            Err(error) => return (all, Some(error)),
        }
    }
    (all, None)
}

/// What tungstenite reads, and whether it refuses what follows.
fn tungstenite(input: &[u8], role: Role) -> (Vec<Seen>, bool) {
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut socket = WebSocket::from_raw_socket(Wire(input), role, Some(config));
    let mut all = Vec::new();
    loop {
        all.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
            Ok(Message::Close(close)) => {
                let close =
                    close.map(|close| (close.code.into(), close.reason.as_str().to_owned()));
                all.push(Seen::Close(close));
                return (all, false);
            }
            // The end of the input.
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return (all, false);
            }
            Err(Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_)) => return (all, true),
            other => panic!("no byte can lead to {other:?}"),
        });
    }
}

/// The stream with its last frame filled up, and whether each length is in its shortest form.
fn completed(stream: &[u8]) -> (Vec<u8>, bool) {
    let (mut stream, mut at, mut is_minimal) = (stream.to_vec(), 0, true);
    while at < stream.len() {
        // With ones, which make no length shorter than its form may be.
        let filled = |bytes: &mut Vec<u8>, end| bytes.resize(bytes.len().max(end), 0x01);
        filled(&mut stream, at + 2);
        let (longer, least) = match stream[at + 1] & 0x7f {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let key = if stream[at + 1] & 0x80 == 0 { 0 } else { 4 };
        let behind = at + 2 + longer;
        filled(&mut stream, behind + key);
        let length = match longer {
            0 => u64::from(stream[at + 1] & 0x7f),
            _ => stream[at + 2..behind].iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        is_minimal &= length >= least;
        // Of a frame that is too long, it is the header that is refused.
        at = behind + key + usize::try_from(length).unwrap().min(MAX_MESSAGE_BYTES);
        filled(&mut stream, at);
    }
    (stream, is_minimal)
}

/// Where tungstenite hands out something else than a client has sent.
fn as_tungstenite_reads(seen: Seen) -> Seen {
    if matches!(seen, Seen::Close(Some((1014, _)))) { violation() } else { seen }
}

fn violation() -> Seen {
    Seen::Close(Some((1002, "Protocol violation".to_owned())))
}

/// All of it sent back, as a server sends it.
fn answered(all: &[Seen]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    for seen in all {
        match seen {
            Seen::Text(text) => encoder.encode(Form::Plain, Kind::Text, text.as_bytes(), &mut out),
            Seen::Binary(bytes) => encoder.encode(Form::Plain, Kind::Binary, bytes, &mut out),
            Seen::Ping(bytes) => encode(Opcode::Ping, bytes, &mut out),
            Seen::Pong(bytes) => encode(Opcode::Pong, bytes, &mut out),
            Seen::Close(None) => Close::encode_empty(&mut out),
            Seen::Close(Some((code, reason))) => {
                let code = CloseCode::received(*code).expect("it was received");
                Close { code, reason }.encode(&mut out);
            }
        }
    }
    out
}

/// A socket that has this to read and takes all that is written.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
