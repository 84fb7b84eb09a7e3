//! Micro-benchmarks of the pure core: what one head, mask, text or frame costs, with no socket and no
//! system call around it. `cargo bench --bench core`, or `cargo bench --bench core -- unmask 125` for
//! the rows that have all of these words.
//!
//! What to notice:
//! * Each row has two sides that do the same job on the same bytes: ours, and what is known to be
//!   fast. They run in turn, less than a millisecond each, and the ratio is the median of the ratios
//!   within one round: what else runs on the machine slows both sides of a round.
//! * A ratio is a ratio of speeds: above 1, ours is the faster. Behind it stand the values between
//!   which eight of ten rounds were.
//! * Nothing is measured on one input that a branch predictor could learn by heart. Heads, keys and
//!   texts come by the dozen, from a generator with a fixed seed, and pass through `black_box`.
//! * Everything is built as the server is: for the least machine of its architecture. The copy of the
//!   C library and httparse look for wider instructions when they run; safe Rust cannot.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this measures the machines from outside, with a clock; it prints, and panics to fail"
)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::{Duration, Instant};

use barewire::broadcast::{Broadcast, Delivery};
use barewire::http::{self, HeadLimits, Scan};
use barewire::hub::{ChannelId, ClientId};
use barewire::websocket::form::Form;
use barewire::websocket::frame::{self, Opcode};
use barewire::websocket::mask::Mask;
use barewire::websocket::message::{Assembler, Event, Kind, MessageLimits};
use barewire::websocket::utf8::Utf8;
use slotmap::SlotMap;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Bytes, Message, Utf8Bytes, WebSocket};

/// How long one side runs in one round: thousands of times what a call of the clock takes, and short
/// enough for most rounds to be left alone by whatever else the machine does.
const SAMPLE: Duration = Duration::from_micros(400);
const ROUNDS: usize = 401;

/// What one read brings, of a client that sends without pause.
const READ_BYTES: usize = 64 << 10;

const SIZES: [(&str, usize); 3] = [("20 B", 20), ("1 KiB", 1 << 10), ("16 KiB", 16 << 10)];

fn main() {
    let words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let bench = Bench { words };
    println!("| what | ours | the other | ratio | in 8 of 10 rounds |");
    println!("| :--- | ---: | ---: | ---: | :---: |");
    heads(&bench);
    unmasking(&bench);
    text(&bench);
    decoding(&bench);
    encoding(&bench);
    fan_out(&bench);
}

// ---- Measuring ----

struct Bench {
    words: Vec<String>,
}

/// What one call of a side gets done, and so in which unit its speed is shown.
#[derive(Clone, Copy)]
enum Work {
    /// This many heads, frames or deliveries: nanoseconds for each.
    Items(usize),
    /// This many bytes: gigabytes in a second.
    Bytes(usize),
}

impl Work {
    fn show(self, seconds: f64) -> String {
        match self {
            Self::Items(items) => format!("{:.1} ns", seconds * 1e9 / items as f64),
            Self::Bytes(bytes) => format!("{:.2} GB/s", bytes as f64 / seconds / 1e9),
        }
    }
}

impl Bench {
    /// Measures both sides in turn and prints a row of the table.
    fn row(
        &self,
        what: &str,
        work: Work,
        mut ours: impl FnMut(),
        name: &str,
        mut other: impl FnMut(),
    ) {
        if !self.words.iter().all(|word| what.contains(word.as_str())) {
            return;
        }
        // The warm-up, which also finds how many calls fill a sample.
        let our_calls = calls_in_a_sample(&mut ours);
        let other_calls = calls_in_a_sample(&mut other);
        let (mut our_seconds, mut other_seconds, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let mine = seconds_a_call(&mut ours, our_calls);
            let theirs = seconds_a_call(&mut other, other_calls);
            our_seconds.push(mine);
            other_seconds.push(theirs);
            ratios.push(theirs / mine);
        }
        let ours = work.show(at_tenth(5, &mut our_seconds));
        let other = work.show(at_tenth(5, &mut other_seconds));
        let [low, middle, high] = [1, 5, 9].map(|tenth| at_tenth(tenth, &mut ratios));
        println!(
            "| {what:<50} | {ours:>10} | {name} {other:>10} | {middle:.2} | {low:.2} to {high:.2} |"
        );
    }
}

fn calls_in_a_sample(side: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    loop {
        let seconds = seconds_a_call(side, calls) * f64::from(calls);
        if seconds * 2.0 > SAMPLE.as_secs_f64() {
            return (f64::from(calls) * SAMPLE.as_secs_f64() / seconds).ceil() as u32;
        }
        calls *= 2;
    }
}

fn seconds_a_call(side: &mut impl FnMut(), calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        side();
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

/// The value at this tenth of the sorted values; 5 is the median.
fn at_tenth(tenth: usize, values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * tenth / 10]
}

/// Numbers that look like chance and are the same in every run (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() >> 11) as usize % end
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

// ---- Request heads ----

/// Ours is what the server calls, so it checks all that the server wants to know before it looks at
/// the path: the limits, every character of the target, Host, where a body would end, Expect and
/// Connection. httparse splits lines and checks the characters of names and values.
fn heads(bench: &Bench) {
    let mut dice = Dice(1);
    for (what, head) in [
        ("head: a minimal GET", minimal as fn(&mut Dice) -> String),
        ("head: curl's upgrade", curl),
        ("head: Chrome's upgrade", chrome),
    ] {
        let heads: Vec<String> = (0..64).map(|_| head(&mut dice)).collect();
        for pieces in [1, 3] {
            let ours = || {
                for head in &heads {
                    let (bytes, mut used) = (black_box(head).as_bytes(), None);
                    let (mut scan, limits) = (Scan::default(), HeadLimits::default());
                    for come in 1..=pieces {
                        let come = &bytes[..bytes.len() * come / pieces];
                        used = black_box(http::parse(come, &mut scan, &limits)).unwrap();
                    }
                    assert!(used.is_some_and(|(_, used)| used == bytes.len()));
                }
            };
            let other = || {
                for head in &heads {
                    let (bytes, mut used) = (black_box(head).as_bytes(), httparse::Status::Partial);
                    for come in 1..=pieces {
                        let come = &bytes[..bytes.len() * come / pieces];
                        let mut fields = [const { MaybeUninit::uninit() }; 100];
                        let mut request = httparse::Request::new(&mut []);
                        used = request.parse_with_uninit_headers(come, &mut fields).unwrap();
                        black_box(request);
                    }
                    assert_eq!(used, httparse::Status::Complete(bytes.len()));
                }
            };
            let what = if pieces == 1 { what.to_owned() } else { format!("{what}, in 3 pieces") };
            bench.row(&what, Work::Items(heads.len()), ours, "httparse", other);
        }
    }
}

fn minimal(dice: &mut Dice) -> String {
    format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", path(dice), host(dice))
}

fn curl(dice: &mut Dice) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: curl/8.{}.{}\r\nAccept: */*\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {}\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n",
        path(dice),
        host(dice),
        dice.below(20),
        dice.below(3),
        token(dice, 22) + "==",
    )
}

fn chrome(dice: &mut Dice) -> String {
    let (host, version) = (host(dice), 100 + dice.below(50));
    format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
         Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36\r\n\
         Upgrade: websocket\r\nOrigin: https://{host}\r\nSec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n\
         Cookie: session={}; theme={}\r\nDNT: 1\r\nSec-WebSocket-Key: {}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
         Sec-GPC: 1\r\n\r\n",
        path(dice),
        token(dice, 32),
        dice.pick(&["dark", "light", "system"]),
        token(dice, 22) + "==",
    )
}

fn path(dice: &mut Dice) -> String {
    let channel = 1 + dice.below(12);
    format!("/?channel={}", token(dice, channel))
}

fn host(dice: &mut Dice) -> String {
    let (name, port) = (3 + dice.below(12), 1024 + dice.below(60_000));
    format!("{}.example.com:{port}", token(dice, name))
}

fn token(dice: &mut Dice, length: usize) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..length).map(|_| char::from(dice.pick(letters))).collect()
}

// ---- Unmasking ----

/// In place, against the copy of as many bytes from one buffer to another, which is what the memory
/// and the caches allow.
fn unmasking(bench: &Bench) {
    let mut dice = Dice(2);
    for (name, size, header) in [
        ("16 B", 16_usize, 6),
        ("125 B", 125, 6),
        ("1 KiB", 1 << 10, 8),
        ("16 KiB", 16 << 10, 8),
        ("64 KiB", 64 << 10, 14),
    ] {
        for is_aligned in [true, false] {
            let count = (8192 / size).clamp(1, 64);
            let stride = if is_aligned { size.next_multiple_of(64) } else { header + size };
            let length = (64 + header + count * stride).next_multiple_of(4096);
            let mut payloads = vec![0x55_u8; length];
            // Half a page apart: at the same place of two pages, a processor takes a load for one
            // that depends on the store before it, and the copy would seem slower than it can be.
            let mut both = vec![0x55_u8; 2 * length + 2048];
            let (source, target) = both.split_at_mut(length + 2048);
            let place = if is_aligned { 0 } else { header };
            let in_payloads = payloads.as_ptr().align_offset(64) + place;
            let in_both = source.as_ptr().align_offset(64) + place;
            let keys: Vec<_> = (0..count).map(|_| (dice.roll() as u32).to_ne_bytes()).collect();
            let ours = || {
                for (i, key) in keys.iter().enumerate() {
                    let payload = &mut payloads[in_payloads + i * stride..][..size];
                    Mask(*black_box(key)).apply(0, black_box(payload));
                }
            };
            let copy = || {
                for i in 0..count {
                    let from = &source[in_both + i * stride..][..size];
                    let to = &mut target[in_both + i * stride..][..size];
                    black_box(to).copy_from_slice(black_box(from));
                }
            };
            let place = if is_aligned { "" } else { ", each behind its header" };
            let what = format!("unmask {name}{place}");
            bench.row(&what, Work::Bytes(count * size), ours, "copy", copy);
        }
    }
}

// ---- UTF-8 ----

/// A text that is whole, as most are, and one that comes in pieces. std checks it whole in both rows:
/// it cannot go on where a piece ends within a character.
fn text(bench: &Bench) {
    let mut dice = Dice(3);
    for (name, size, words) in [
        ("20 B of ASCII", 20, ENGLISH),
        ("20 B of European", 20, EUROPEAN),
        ("16 KiB of ASCII", 16 << 10, ENGLISH),
        ("16 KiB of ASCII, some of it not", 16 << 10, NEARLY_ASCII),
        ("16 KiB of European", 16 << 10, EUROPEAN),
        ("16 KiB of Chinese and Japanese", 16 << 10, CJK),
        ("16 KiB of words and emoji", 16 << 10, EMOJI),
    ] {
        let count = (READ_BYTES / size).min(64);
        let texts: Vec<String> = (0..count).map(|_| prose(&mut dice, words, size)).collect();
        let std = || {
            for text in &texts {
                assert!(str::from_utf8(black_box(text).as_bytes()).is_ok());
            }
        };
        let whole = || {
            for text in &texts {
                assert_eq!(Kind::of(black_box(text).as_bytes()), Kind::Text);
            }
        };
        let in_pieces = || {
            for text in &texts {
                let mut utf8 = Utf8::default();
                for piece in black_box(text).as_bytes().chunks(1400) {
                    assert!(utf8.push(piece).is_ok());
                }
                assert!(utf8.is_complete());
            }
        };
        let (what, work) = (format!("UTF-8, {name}"), Work::Bytes(count * size));
        bench.row(&what, work, whole, "std", std);
        if size > 1400 {
            bench.row(&format!("{what}, in 1,400 B"), work, in_pieces, "std, whole", std);
        }
    }
}

#[rustfmt::skip]
const ENGLISH: &[&str] = &[
    "a", "the", "of", "and", "it", "message", "channel", "published", "ruby", "reaches", "everyone",
    "who", "listens", "\"id\":", "12", "4096", "{", "}", "in", "order",
];
/// Every hundredth word has an accent.
const NEARLY_ASCII: &[&str] = &{
    let mut words = ["published"; 100];
    words[50] = "café";
    words
};
#[rustfmt::skip]
const EUROPEAN: &[&str] = &[
    "żółw", "für", "die", "Größe", "naïve", "garçon", "och", "räksmörgås", "je", "été", "mañana",
    "el", "niño", "Übung", "straße", "sie", "č", "příliš", "kůň", "on", "jest", "dzień", "dobry",
];
#[rustfmt::skip]
const CJK: &[&str] = &[
    "消息", "发布", "到", "频道", "的", "每个", "客户端", "サーバー", "は", "すべて", "の", "メッセージ", "を",
    "送る", "。", "、", "一次", "HTTP",
];
#[rustfmt::skip]
const EMOJI: &[&str] = &[
    "🦐", "😀", "👍🏽", "❤️", "🎉🎉", "lol", "ok", "see you", "👩‍💻", "🇩🇪", "🚀", "yes", "nice", "😂😂😂",
];

/// Words with spaces between, as many as fill exactly this many bytes.
fn prose(dice: &mut Dice, words: &[&str], bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(dice.pick(words));
        text.push(' ');
    }
    while text.len() > bytes {
        text.pop();
    }
    let short = bytes - text.len();
    text + &" ".repeat(short)
}

// ---- Frames ----

/// What a client has sent, again and again: whole masked frames, read as a socket is.
struct Wire {
    bytes: Vec<u8>,
    messages: usize,
    /// The bytes that have arrived together: one read takes no more.
    arrivals: usize,
    at: usize,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let arrived = (self.at + 1).next_multiple_of(self.arrivals).min(self.bytes.len());
        let taken = buffer.len().min(arrived - self.at);
        buffer[..taken].copy_from_slice(&self.bytes[self.at..][..taken]);
        self.at = (self.at + taken) % self.bytes.len();
        Ok(taken)
    }
}

/// Nothing is written to it by who only reads messages of text.
impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    fn new(dice: &mut Dice, size: usize, arrivals: Option<usize>) -> Self {
        let messages = (256 << 10) / size.max(128);
        let mut bytes = Vec::new();
        for _ in 0..messages {
            let key = (dice.roll() as u32).to_ne_bytes();
            let start = bytes.len();
            frame::encode_header(Opcode::Text, size, &mut bytes);
            bytes[start + 1] |= 0x80;
            bytes.extend(key);
            let mut payload = prose(dice, ENGLISH, size).into_bytes();
            Mask(key).apply(0, &mut payload);
            bytes.extend(payload);
        }
        let arrivals = arrivals.unwrap_or(bytes.len() / messages);
        Self { bytes, messages, arrivals, at: 0 }
    }
}

/// From bytes that a socket delivers to messages that are whole, unmasked and valid text: the copy out
/// of the socket is in both sides.
fn decoding(bench: &Bench) {
    headers(bench);
    let mut dice = Dice(4);
    for (name, size) in SIZES {
        for (arriving, arrivals) in
            [("one a read", None), ("64 KiB a read", Some(READ_BYTES)), ("in 1,400 B", Some(1400))]
        {
            if size <= 1400 && arrivals == Some(1400) {
                continue;
            }
            let mut wire = Wire::new(&mut dice, size, arrivals);
            let messages = wire.messages;
            // Room for what arrives together, so that both sides read equally often. No more: it
            // fills that room with zeros before each read, and with its default of 128 KiB, what
            // arrives bit by bit costs it 2 to 12 times as much.
            let room = wire.arrivals.next_multiple_of(4096);
            let config = WebSocketConfig::default().read_buffer_size(room);
            let socket = Wire::new(&mut dice, size, arrivals);
            let mut socket = WebSocket::from_raw_socket(socket, Role::Server, Some(config));
            let (mut assembler, mut buffer) = (Assembler::default(), vec![0; READ_BYTES]);
            let ours = || receive(&mut assembler, &mut wire, &mut buffer);
            let other = || {
                for _ in 0..messages {
                    let message = black_box(socket.read());
                    assert!(matches!(message, Ok(Message::Text(text)) if text.len() == size));
                }
            };
            let what = format!("decode text of {name}, {arriving}");
            bench.row(&what, Work::Items(messages), ours, "tungstenite", other);
        }
    }
}

/// Reads the wire once from its beginning to its end, as the server does.
fn receive(assembler: &mut Assembler, wire: &mut Wire, buffer: &mut [u8]) {
    let limits = MessageLimits { max_message_bytes: 64 << 10, max_fragments: 131_072 };
    let mut messages = 0;
    while messages < wire.messages {
        let length = wire.read(buffer).unwrap();
        let mut rest = &mut buffer[..length];
        loop {
            let (taken, event) = assembler.receive(rest, Form::Plain, &limits).unwrap();
            let Some(event) = event else { break };
            assert!(matches!(black_box(event), Event::Message { .. }));
            messages += 1;
            rest = &mut rest[taken..];
        }
    }
}

/// Headers alone, of all three lengths.
fn headers(bench: &Bench) {
    let mut dice = Dice(5);
    let headers: Vec<_> = (0..256)
        .map(|_| {
            let mut bytes = Vec::new();
            let opcode = dice.pick(&[Opcode::Text, Opcode::Binary]);
            let length = dice.pick(&[5, 20, 100, 125, 126, 1024, 16 << 10, 70_000]);
            frame::encode_header(opcode, length, &mut bytes);
            bytes[1] |= 0x80;
            bytes.extend((dice.roll() as u32).to_ne_bytes());
            bytes
        })
        .collect();
    let ours = || {
        for header in &headers {
            assert!(matches!(
                black_box(frame::decode(black_box(header), Form::Plain)),
                Ok(Some((_, size))) if size == header.len()
            ));
        }
    };
    let other = || {
        for header in &headers {
            let mut bytes = io::Cursor::new(black_box(header));
            assert!(matches!(black_box(FrameHeader::parse(&mut bytes)), Ok(Some(_))));
        }
    };
    bench.row("decode a header", Work::Items(headers.len()), ours, "tungstenite", other);
}

/// A message to bytes that may be written: appended to a buffer that has grown to its size before.
fn encoding(bench: &Bench) {
    let mut dice = Dice(6);
    for (name, size) in SIZES {
        let count = (READ_BYTES / size).min(64);
        let texts: Vec<Utf8Bytes> =
            (0..count).map(|_| prose(&mut dice, ENGLISH, size).into()).collect();
        let mut out = Vec::new();
        let mut ours = || {
            out.clear();
            for text in &texts {
                frame::encode(Opcode::Text, black_box(text).as_bytes(), &mut out);
            }
            black_box(&mut out);
        };
        let mut their_out = Vec::new();
        let format = || {
            their_out.clear();
            for text in &texts {
                let payload = Bytes::from(black_box(text).clone());
                let frame = Frame::message(payload, OpCode::Data(Data::Text), true);
                frame.format(&mut their_out).unwrap();
            }
            black_box(&mut their_out);
        };
        let sink = Wire { bytes: vec![], messages: 0, arrivals: 1, at: 0 };
        let mut socket = WebSocket::from_raw_socket(sink, Role::Server, None);
        let write = || {
            for text in &texts {
                socket.write(Message::Text(black_box(text).clone())).unwrap();
            }
            socket.flush().unwrap();
        };
        let what = format!("encode text of {name}");
        bench.row(&what, Work::Items(count), &mut ours, "tungstenite's Frame", format);
        bench.row(&what, Work::Items(count), &mut ours, "tungstenite's WebSocket", write);
    }
}

// ---- Fan-out ----

/// Messages to everybody: our log, with a cursor for each client, beside the usual design, a queue of shared
/// frames for each client. Both check and encode a message once. There is no socket: a client's write is one
/// look at the bytes (of a queue at each frame, as `writev` takes them), or a copy of them, as the kernel
/// makes one, which is the same work for both sides.
fn fan_out(bench: &Bench) {
    const CLIENTS: usize = 1_000;
    const BYTES: usize = 64;
    let mut dice = Dice(7);
    for count in [1, 4, 64] {
        let texts: Vec<String> = (0..count).map(|_| prose(&mut dice, ENGLISH, BYTES)).collect();
        let (mut log, mut queues) = (Log::new(CLIENTS), Queues::new(CLIENTS));
        let expected: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
        for _ in 0..2 {
            let (mut of_log, mut of_queues) = (vec![], vec![]);
            log.publish(&texts, |bytes| of_log.extend_from_slice(bytes));
            queues.publish(&texts, |bytes| of_queues.extend_from_slice(bytes));
            assert!(of_log == expected.repeat(CLIENTS), "everything to everybody, in order");
            assert!(of_queues == of_log, "and the same bytes from the queues");
        }
        let work = Work::Items(count * CLIENTS);
        let noun = if count == 1 { "message" } else { "messages" };
        let what = format!("fan-out of {count} {noun} to {CLIENTS} clients");
        bench.row(
            &what,
            work,
            || log.publish(&texts, |bytes| _ = black_box(bytes)),
            "a queue for each",
            || queues.publish(&texts, |bytes| _ = black_box(bytes)),
        );
        let (mut kernel, mut other_kernel) = (Kernel::default(), Kernel::default());
        bench.row(
            &format!("{what}, copied"),
            work,
            || log.publish(&texts, |bytes| kernel.take(bytes)),
            "a queue for each",
            || queues.publish(&texts, |bytes| other_kernel.take(bytes)),
        );
    }
}

/// What every server has to do with a message, once.
fn frame(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let payload = text.as_bytes();
    frame::encode(Kind::of(payload).opcode(), payload, &mut out);
    out
}

/// What is under test, as the loop drives it: append, and then a pass.
struct Log {
    channel: ChannelId,
    broadcast: Broadcast,
}

impl Log {
    fn new(clients: usize) -> Self {
        let channel = SlotMap::<ChannelId, ()>::with_key().insert(());
        let mut ids = SlotMap::<ClientId, ()>::with_key();
        let mut broadcast = Broadcast::new(2 << 20, 256 << 20);
        for _ in 0..clients {
            broadcast.join(ids.insert(()), &[channel], Form::Plain);
        }
        Self { channel, broadcast }
    }

    fn publish(&mut self, texts: &[String], mut write: impl FnMut(&[u8])) {
        for text in texts {
            self.broadcast.append(self.channel, black_box(text).as_bytes());
        }
        while let Some(Delivery { bytes, .. }) = self.broadcast.next_delivery() {
            let taken = bytes.len();
            write(bytes);
            self.broadcast.delivered(taken);
        }
    }
}

/// The usual design at its best: frames are shared, and the queues keep their memory from burst to burst.
struct Queues(Vec<VecDeque<Rc<[u8]>>>);

impl Queues {
    fn new(clients: usize) -> Self {
        Self((0..clients).map(|_| VecDeque::new()).collect())
    }

    fn publish(&mut self, texts: &[String], mut write: impl FnMut(&[u8])) {
        for text in texts {
            let frame: Rc<[u8]> = frame(black_box(text)).into();
            for queue in &mut self.0 {
                queue.push_back(Rc::clone(&frame));
            }
        }
        for queue in &mut self.0 {
            while let Some(frame) = queue.pop_front() {
                write(&frame);
            }
        }
    }
}

/// A buffer that takes bytes, as the one of a socket does.
#[derive(Default)]
struct Kernel(Vec<u8>);

impl Kernel {
    fn take(&mut self, bytes: &[u8]) {
        if self.0.len() >= READ_BYTES {
            self.0.clear();
        }
        self.0.extend_from_slice(black_box(bytes));
    }
}
