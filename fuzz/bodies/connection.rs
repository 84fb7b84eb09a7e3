//! A whole session: what one client sends, cut by the input, with time passing by the input's will.
//!
//! The stream is what the client sends; the machine is driven as the event loop drives it, over a
//! socket in memory: what is not wanted waits in it, and it takes all of the output or little at a time.
//! The names of the channels say how the rest of the process answers: see [`Run::decide`]. In the end
//! the client closes, falls silent for ever or is closed, by the length of the stream.
//!
//! * What comes at one moment may be cut anywhere: events, output and end stay the same.
//! * A client that reads slowly hears the same, unless time passes: then perhaps less.
//! * A client's own parser accepts the output: answers, then frames, and nothing behind a last one.
//! * What is published and what is said on a WebSocket is what somebody finds who has the whole stream
//!   before him, each thing at its time, and the end too: see [`said`].
//! * Each deadline moves on, so a silent peer is soon gone; who is done says and wants nothing more.
//! * A client has little memory, and the server says little more than it hears.

mod said;

use std::rc::Rc;
use std::time::Duration;

use barewire::channel::Glob;
use barewire::conn::{Conn, Event};
use barewire::http::{HeadLimits, Response, Status};
use barewire::limits::Limits;
use barewire::now::Now;
use barewire::site::{Entrance, Site};
use barewire::websocket::close::CloseCode;
use barewire::websocket::deflate::Agreement;
use barewire::websocket::extension::offers;
use barewire::websocket::message::Kind;

use self::said::{Journal, Note, What};
use super::memory;
use super::message;
use super::script::Script;

/// Small, so that inputs reach them.
const HEAD: HeadLimits = HeadLimits { head_bytes: 1_000, fields: 20, request_line_bytes: 300 };
const REQUESTS: u32 = 20;
const PUBLISH_BYTES: usize = 500;
const CHANNELS: usize = 4;
const OUTBOX_MARK_BYTES: usize = 400;

/// No answer to one request is longer.
const ANSWER_BYTES: usize = 1_000;

/// A head, a message and an outbox of those sizes, each in a `Vec` that may have doubled, and the
/// machine itself. Besides, one read, and what it is answered.
const PLAIN_BYTES: usize = 8 << 10;
const BYTES_A_BYTE: usize = 3;
/// Inside a compressed message, the inflater of that.
const INFLATER_BYTES: usize = 48 << 10;

thread_local! {
    /// One for all inputs: its encoder has every compressor it will ever have, and nothing else that
    /// an answer depends on changes.
    static SITE: Rc<Site> = Rc::new(site());
}

fn site() -> Site {
    let site = Site {
        limits: Limits {
            head: HEAD,
            requests: REQUESTS,
            channels_per_client: CHANNELS,
            outbox_mark_bytes: OUTBOX_MARK_BYTES,
            ..Limits::default()
        },
        deflate: true,
        messages: message::LIMITS,
        channels: Glob::new("*").into_iter().collect(),
        max_publish_bytes: PUBLISH_BYTES,
        ..Site::default()
    };
    for bits in 9..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let offers = offers([offer.as_bytes()].into_iter()).unwrap();
        let form = Agreement::negotiate(&offers).unwrap().form();
        site.encoder.borrow_mut().encode(form, Kind::Text, &[b'x'; 100], &mut Vec::new());
    }
    site
}

pub fn fuzz(script: &Script<'_>) {
    let stream = script.stream;
    let inflater = if compresses(stream) { INFLATER_BYTES } else { 0 };
    let most = PLAIN_BYTES + inflater + BYTES_A_BYTE * stream.len();
    let measured = |room| {
        // Made before, with room for all that will be said, which is no memory of the server's.
        let run = Run::new(stream, room, false);
        memory::at_most(most, "one client", || run.play(script))
    };
    let (cut, journal) = measured(usize::MAX);
    said::check(stream, &cut, &journal, false);
    let (whole, journal) = Run::new(stream, usize::MAX, true).play(script);
    said::check(stream, &whole, &journal, false);
    assert_eq!(cut, whole, "cutting the stream changes nothing");

    let (slow, journal) = measured(30);
    said::check(stream, &slow, &journal, true);
    if script.play().all(|step| step.is_ok()) {
        let read = |heard: &Heard| (heard.said.clone(), heard.read_bytes);
        assert_eq!(read(&slow), read(&cut), "who reads slowly reads the same");
        let events = |heard: &Heard| heard.events.iter().map(|(_, event)| event.clone()).collect();
        let (slow, cut): (Vec<_>, Vec<_>) = (events(&slow), events(&cut));
        assert_eq!(slow, cut);
    }
}

/// What came of a session.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    /// What the client was told, and at the end what it had not read then.
    said: Said,
    /// How much of it the client has read.
    read_bytes: usize,
    /// What the rest of the process was asked, and how much had been said before.
    events: Vec<(usize, Event)>,
    /// How much had been said when the end was shown.
    shut_at: Option<usize>,
    done_at: Duration,
}

#[derive(Clone, PartialEq, Eq)]
struct Said(Vec<u8>);

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// The connection, and what the event loop keeps beside it.
struct Run {
    conn: Conn,
    now: Now,
    /// What the socket can take at one moment, and what of that is left.
    room: usize,
    room_left: usize,
    /// What is wanted is read at once, whatever the connection says of how much that should be.
    reads_all: bool,
    most_output: usize,
    /// What was answered though much waited to be written already.
    late_answers: u32,
    /// What the client has sent that was not read yet; it ends there, if it has.
    socket: Vec<u8>,
    has_ended: bool,
    /// What is answered when time has passed.
    put_off: Option<Event>,
    /// Nobody has answered what was asked, and perhaps nobody will.
    is_unanswered: bool,
    /// The client is to be closed when time has passed.
    lags: bool,
    /// How much of the stream was read.
    taken: usize,
    journal: Journal,
    heard: Heard,
}

impl Run {
    fn new(stream: &[u8], room: usize, reads_all: bool) -> Self {
        let now = Now { since_start: Duration::ZERO, unix: Duration::from_secs(1_000_000_000) };
        let said = Said(Vec::with_capacity(said_at_most(stream)));
        // A message comes back as long as it came, or where it was compressed, several times that.
        let echoes = if compresses(stream) { 8 } else { 1 };
        let (events, done_at) = (Vec::new(), Duration::ZERO);
        let heard = Heard { said, read_bytes: 0, events, shut_at: None, done_at };
        Self {
            conn: SITE.with(|site| Conn::new(Rc::clone(site), Entrance::LOOPBACK, now)),
            now,
            room,
            room_left: room,
            reads_all,
            most_output: OUTBOX_MARK_BYTES + ANSWER_BYTES + echoes * stream.len(),
            late_answers: 0,
            socket: Vec::with_capacity(stream.len()),
            has_ended: false,
            put_off: None,
            is_unanswered: false,
            lags: false,
            taken: 0,
            journal: Journal::new(stream),
            heard,
        }
    }

    /// All of the script, and then the end.
    fn play(mut self, script: &Script<'_>) -> (Heard, Journal) {
        let mut steps = script.play().peekable();
        while let Some(step) = steps.next()
            && !self.conn.is_done()
        {
            self.room_left = self.room;
            match step {
                Ok(piece) => {
                    self.socket.extend(piece);
                    // Whole is what comes at one moment, however it was cut.
                    if !self.reads_all || !matches!(steps.peek(), Some(Ok(_))) {
                        self.serve();
                    }
                }
                Err(by) => self.pass(by),
            }
        }
        self.end(script.stream.len());
        assert!(self.heard.said.0.len() <= said_at_most(script.stream), "it says too much");
        (self.heard, self.journal)
    }

    fn note(&mut self, what: What) {
        let made = self.heard.said.0.len() + self.conn.output().len();
        self.journal.add(Note { at: self.now.since_start, taken: self.taken, made, what });
    }

    /// Reads, decides and answers, until nothing more can be done now: as `net` does.
    fn serve(&mut self) {
        loop {
            self.flush();
            while !self.socket.is_empty() && self.conn.wants_input() {
                let limit = if self.reads_all { usize::MAX } else { self.conn.read_limit() };
                let mut read: Vec<u8> = self.socket.drain(..limit.min(self.socket.len())).collect();
                self.taken += read.len();
                let before = self.conn.output().len();
                self.conn.receive(&mut read, self.now);
                let is_answered = self.conn.output().len() > before;
                self.late_answers += u32::from(before >= OUTBOX_MARK_BYTES && is_answered);
                assert!(self.late_answers <= 1, "who does not read hears no more than a last word");
                self.flush();
            }
            if self.has_ended && self.conn.wants_input() {
                self.has_ended = false;
                self.conn.eof(self.now);
                self.note(What::Ended);
                self.flush();
            }
            let Some(event) = self.conn.poll_event() else { return };
            self.heard.events.push((self.heard.said.0.len(), event.clone()));
            self.decide(event);
        }
    }

    fn flush(&mut self) {
        self.note(What::Moved);
        assert!(self.conn.output().len() <= self.most_output, "too much waits to be written");
        // What is left when the connection is over is lost, for its socket is reset.
        while self.room_left > 0 && !self.conn.output().is_empty() && !self.conn.is_done() {
            assert_eq!(self.heard.shut_at, None, "something is said behind the end");
            let output = self.conn.output();
            let taken = output.len().min(self.room_left);
            self.heard.said.0.extend(&output[..taken]);
            self.room_left -= taken;
            self.conn.wrote(taken, self.now);
            self.note(What::Moved);
        }
        if self.conn.take_shutdown(self.now) {
            assert_eq!(self.heard.shut_at.replace(self.heard.said.0.len()), None, "shown twice");
        }
    }

    /// The rest of the process, which does what the first channel's name says.
    fn decide(&mut self, event: Event) {
        let name = match &event {
            Event::Wants(channels) => {
                assert!((1..=CHANNELS).contains(&channels.len()));
                channels[0].as_str()
            }
            Event::Publish { channel, body } => {
                assert!(body.len() <= PUBLISH_BYTES);
                channel.as_str()
            }
            Event::Asks(_) => "",
        };
        self.is_unanswered = matches!(name, "never" | "later");
        match (name, &event) {
            ("never", _) => {}
            ("later", _) => self.put_off = Some(event),
            ("denied", _) => {
                self.conn.answer(&Response::text(Status::Forbidden, "denied"), self.now);
            }
            (_, Event::Wants(_)) => {
                self.lags = name == "lags";
                self.conn.admit(self.now);
            }
            (_, Event::Publish { .. } | Event::Asks(_)) => {
                self.conn.answer(&Response::text(Status::Ok, "1"), self.now);
            }
        }
    }

    /// Time passes, and what was due meanwhile is done when it was due.
    fn pass(&mut self, by: Duration) {
        let until = self.now.later(by);
        while self.conn.deadline().is_some_and(|at| at <= until.since_start) {
            self.on_deadline();
        }
        if self.conn.is_done() {
            return;
        }
        self.now = until;
        self.is_unanswered &= self.put_off.is_none();
        match self.put_off.take() {
            Some(Event::Wants(_)) => self.conn.admit(self.now),
            Some(_) => self.conn.answer(&Response::text(Status::Ok, "1"), self.now),
            None => {}
        }
        if self.lags && self.conn.is_subscribed() {
            // It was inside a frame of a log, or what waits for it alone was in the way of that.
            let is_inside = self.conn.output().is_empty();
            self.conn.close(CloseCode::TRY_AGAIN_LATER, "too slow", self.now);
            if is_inside {
                self.heard.said.0.extend(b"\x81\x05He");
                self.conn.finish_frame(b"llo".to_vec());
            }
            self.note(What::Closed { code: 1013, reason: "too slow", is_inside });
        }
        self.serve();
    }

    fn on_deadline(&mut self) {
        let at = self.conn.deadline().expect("one that is due");
        self.now = self.now.later(at.saturating_sub(self.now.since_start));
        self.conn.on_deadline(self.now);
        let next = self.conn.deadline();
        assert!(next.is_none_or(|next| next > at), "from {at:?} to {next:?}");
        self.serve();
    }

    /// Nothing more comes, in one of three ways, and it is over after a few deadlines.
    fn end(&mut self, stream_bytes: usize) {
        let way = stream_bytes % 3;
        self.has_ended = way == 0;
        self.serve();
        self.room_left = usize::MAX;
        self.serve();
        let is_read = self.socket.is_empty() || self.is_unanswered || self.conn.is_done();
        assert!(is_read, "what the client has sent is not read");
        if way == 1 {
            self.conn.close(CloseCode::GOING_AWAY, "the server is leaving", self.now);
            let reason = "the server is leaving";
            self.note(What::Closed { code: 1001, reason, is_inside: false });
            self.serve();
        }
        // At the most a ping, its answer, the end of an idle client, and of the last write.
        for _ in 0..4 {
            if self.conn.deadline().is_some() {
                self.on_deadline();
            }
        }
        assert!(self.conn.is_done(), "a silent peer is still there");
        self.heard.done_at = self.now.since_start;

        self.heard.read_bytes = self.heard.said.0.len();
        self.heard.said.0.extend(self.conn.output());
        let left = self.conn.output().len();
        let late = self.now.later(Duration::from_secs(3_600));
        self.conn.receive(&mut b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), late);
        self.conn.eof(late);
        self.conn.admit(late);
        self.conn.answer(&Response::text(Status::Ok, "late"), late);
        self.conn.close(CloseCode::GOING_AWAY, "late", late);
        self.conn.on_deadline(late);
        assert!(self.conn.is_done() && !self.conn.wants_input() && !self.conn.is_subscribed());
        assert_eq!((self.conn.deadline(), self.conn.poll_event()), (None, None));
        assert_eq!(self.conn.output().len(), left, "something is said behind the end");
    }
}

/// Whether the client may have offered compression.
fn compresses(stream: &[u8]) -> bool {
    stream.windows(18).any(|name| name == b"permessage-deflate")
}

/// The longest answer to a request is some ten times as long as the shortest request, and a ping is
/// longer than the one byte that may come between two.
fn said_at_most(stream: &[u8]) -> usize {
    4_096 + 16 * stream.len()
}
