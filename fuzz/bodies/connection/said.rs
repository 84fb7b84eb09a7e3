//! What one client must be told, and when, worked out a second time from all that it sends.
//!
//! Heads and bodies are read by the parser and the plain decoder that the target `request_head` holds
//! against each other, frames by the model of the target `message`. So it is known what each of them
//! means and at which byte; a [`Journal`] of the session knows when that byte was read.
//!
//! * What is published is what the decoder makes of the body, all of it, in order, and to the channel
//!   that was named.
//! * Behind a 101 nothing is said but what must be: on `/echo` each message as it came, the pong of
//!   each ping, the answer to a Close, or the code of what was wrong, and each as soon as it can be; and
//!   of the server's own, a ping and the end of a silent client, neither too early nor too late.
//! * No request takes longer than its deadlines, and who has heard the last word is gone in time.

use std::time::Duration;

use barewire::conn::Event;
use barewire::http::{Method, Scan, Target, parse};
use barewire::site::Site;
use barewire::websocket::form::Form;
use barewire::websocket::message::MessageError;

use super::super::client;
use super::super::frame::compressed;
use super::super::message::{Model, Seen};
use super::super::request_head::decode;
use super::{HEAD, Heard, PUBLISH_BYTES, REQUESTS, SITE};

/// What was done to a connection, in order. At one moment, reading and answering are one.
#[derive(Debug)]
pub struct Journal(Vec<Note>);

#[derive(Clone, Copy, Debug)]
pub struct Note {
    pub at: Duration,
    /// How much of the stream was read by then.
    pub taken: usize,
    /// How much had been said, or waited to be written.
    pub made: usize,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It has read, or was answered, or time has passed.
    Moved,
    /// The client's end was read.
    Ended,
    /// It was closed by the rest of the process; perhaps inside a message, "Hello", that goes first.
    Closed { code: u16, reason: &'static str, is_inside: bool },
}

impl Journal {
    /// With room for three notes a byte: it comes, and makes a ping or the end be due.
    pub fn new(stream: &[u8]) -> Self {
        Self(Vec::with_capacity(64 + 3 * stream.len()))
    }

    pub fn add(&mut self, note: Note) {
        match self.0.last_mut() {
            Some(last)
                if last.what == What::Moved && note.what == What::Moved && last.at == note.at =>
            {
                *last = note;
            }
            Some(last)
                if note.what == What::Moved
                    && (last.taken, last.made) == (note.taken, note.made) => {}
            _ => self.0.push(note),
        }
    }

    /// The note of when the byte before this place was said.
    fn made(&self, place: usize) -> usize {
        self.0.iter().position(|note| note.made >= place).expect("something said it")
    }
}

/// `is_slow`: what is said may wait for the client to read it.
pub fn check(stream: &[u8], heard: &Heard, journal: &Journal, is_slow: bool) {
    let told = client::hears(&heard.said.0, stream, REQUESTS);
    let requests = requests(stream);
    let answered = told.answers.iter().filter(|(_, status)| *status == 200).count();
    check_published(&requests, answered, heard);
    SITE.with(|site| {
        let word = check_answers(&told, journal, site);
        let end = match told.answers.last() {
            Some(&(end, 101)) => {
                let request = requests.get(answered).expect("a handshake");
                let opened = journal.made(end);
                let form = if told.is_compressed { compressed() } else { Form::Plain };
                let sent = Sent::read(stream, request.head_end, form);
                let is_echo = request.target.path == "/echo";
                let (due, end) = session(sent, is_echo, opened, heard, journal, site);
                let frames = told.frames.into_iter();
                let said = frames.map(|(end, seen)| (journal.0[journal.made(end)].at, seen));
                assert_eq!(said.collect::<Vec<_>>(), due, "what is said is not what must be");
                end
            }
            _ if told.is_over => End::LastWord(word),
            _ => End::AnyTime(word),
        };
        check_end(end, heard, journal, is_slow, site);
    });
}

// ---- Requests ----

struct Request {
    method: Method,
    target: Target,
    /// Where its body begins, or the first frame.
    head_end: usize,
    /// If all of it has come, and somebody may take it.
    content: Option<Vec<u8>>,
}

/// The requests in a stream, as long as none is refused and none becomes a WebSocket.
fn requests(stream: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut at = 0;
    while let Ok(Some((head, bytes))) = parse(&stream[at..], &mut Scan::default(), &HEAD)
        && let Ok(target) = Target::parse(head.target)
    {
        let head_end = at + bytes;
        let body = decode(head.framing, PUBLISH_BYTES, &stream[head_end..]);
        let (content, taken) = body.ok().flatten().unzip();
        requests.push(Request { method: head.method, target, head_end, content });
        let Some(taken) = taken else { break };
        at = head_end + taken;
    }
    requests
}

/// Whoever is let in to publish publishes all of what was sent, and nothing else.
fn check_published(requests: &[Request], answered: usize, heard: &Heard) {
    let posted = |requests: &[Request]| -> Vec<(String, Vec<u8>)> {
        let is_post = |request: &&Request| {
            request.method == Method::Post && request.target.path == "/publish"
        };
        let posts = requests.iter().filter(is_post).map_while(|request| {
            let channel = request.target.query_values("channel").next()?;
            Some((channel.to_owned(), request.content.clone()?))
        });
        posts.collect()
    };
    let published = heard.events.iter().filter_map(|(_, event)| match event {
        Event::Publish { channel, body } => Some((channel.to_string(), body.clone())),
        Event::Wants(_) | Event::Asks(_) => None,
    });
    let published: Vec<_> = published.collect();
    let mut sent = posted(requests);
    sent.truncate(published.len());
    assert_eq!(published, sent, "what is published is not what was sent");
    let answered = posted(&requests[..answered]).len();
    assert!(answered <= published.len(), "{answered} are answered");
}

/// The time of the last answer, or of the beginning. RFC 9110 section 15.5.9: a request has its time,
/// which is not less and not more than the server says.
fn check_answers(told: &client::Told, journal: &Journal, site: &Site) -> Duration {
    let mut before = Duration::ZERO;
    for (end, status) in &told.answers {
        let at = journal.0[journal.made(*end)].at;
        assert!(at <= before + longest_request(site), "{status} at {at:?}, behind {before:?}");
        let is_late = at >= before + site.limits.handshake.min(site.limits.body);
        assert!(*status != 408 || is_late, "408 at {at:?}, behind {before:?}");
        before = at;
    }
    before
}

/// Its head, its body, and what the rest of the process takes to decide.
fn longest_request(site: &Site) -> Duration {
    2 * site.limits.handshake + site.limits.body
}

// ---- A WebSocket ----

/// What the client has sent behind its handshake, each with the place in the stream behind it. An error
/// or a Close is the last.
struct Sent(Vec<(usize, Result<Seen, MessageError>)>);

impl Sent {
    fn read(stream: &[u8], from: usize, form: Form) -> Self {
        let bytes = &stream[from..];
        let model = Model::read(bytes, form);
        let events = model.events.into_iter().map(|(end, seen)| (from + end, Ok(seen)));
        let mut sent: Vec<_> = events.collect();
        if let Some(error) = model.error {
            // It is one as soon as its last byte is there, whatever follows.
            let ends: Vec<usize> = (0..=bytes.len()).collect();
            let is_fine = |end: &usize| Model::read(&bytes[..*end], form).error.is_none();
            sent.push((from + ends.partition_point(is_fine), Err(error)));
        }
        Self(sent)
    }
}

/// What is said to something that was sent, if anything is.
fn reply(sent: Result<Seen, MessageError>, is_echo: bool) -> Option<Seen> {
    match sent {
        Ok(Seen::Text(_) | Seen::Binary(_)) if !is_echo => None,
        Ok(message @ (Seen::Text(_) | Seen::Binary(_))) => Some(message),
        // RFC 6455 section 5.5.3: "identical Application data".
        Ok(Seen::Ping(payload)) => Some(Seen::Pong(payload)),
        Ok(Seen::Pong(_)) => None,
        // Section 5.5.1: "typically echos the status code it received". The reason was the client's.
        Ok(Seen::Close(close)) => Some(Seen::Close(close.map(|(code, _)| (code, String::new())))),
        // Section 7.1.7.
        Err(error) => Some(Seen::Close(Some((error.close_code().value(), error.to_string())))),
    }
}

/// Why it is over, and since when.
#[derive(Debug)]
enum End {
    /// The client has ended.
    Ended(Duration),
    /// There is nothing more to say, nor to hear.
    LastWord(Duration),
    /// The server has closed, and heard nothing of the client's Close.
    Unanswered(Duration),
    /// Nobody has said that it is over: the last word was an answer like others.
    AnyTime(Duration),
}

/// What must be said on a WebSocket that was opened by this note, each thing with its time, and how it
/// ends.
fn session(
    sent: Sent,
    is_echo: bool,
    opened: usize,
    heard: &Heard,
    journal: &Journal,
    site: &Site,
) -> (Vec<(Duration, Seen)>, End) {
    let last = Note { at: heard.done_at, what: What::Moved, ..*journal.0.last().unwrap() };
    let notes: Vec<Note> = journal.0.iter().copied().skip(opened).chain([last]).collect();
    let mut sent = sent.0.into_iter().peekable();
    let mut said = Vec::new();
    // When the last byte came, and whether there was a ping since.
    let (mut heard_at, mut taken, mut is_pinged) = (notes[0].at, notes[0].taken, false);
    for (index, note) in notes.iter().enumerate() {
        // RFC 6455 section 5.5.2: a ping may ask whether the other end is still there.
        if !is_pinged && heard_at + site.ping <= note.at {
            said.push((heard_at + site.ping, Seen::Ping(b"ping\n".to_vec())));
            is_pinged = true;
        }
        let over_at = heard_at + site.idle_timeout;
        if over_at <= note.at {
            said.push((over_at, Seen::Close(Some((1001, "idle".to_owned())))));
            return (said, End::LastWord(over_at));
        }
        if note.taken > taken {
            (heard_at, taken, is_pinged) = (note.at, note.taken, false);
        }
        while let Some((_, sent)) = sent.next_if(|(end, _)| *end <= note.taken) {
            let reply = reply(sent, is_echo).map(|reply| (note.at, reply));
            let is_last = matches!(reply, Some((_, Seen::Close(_))));
            said.extend(reply);
            if is_last {
                return (said, End::LastWord(note.at));
            }
        }
        // It had perhaps ended before it was opened, with its handshake behind another request.
        let has_ended = |note: &Note| note.what == What::Ended;
        if journal.0[..=opened].iter().any(has_ended) || has_ended(note) {
            return (said, End::Ended(note.at));
        }
        if let What::Closed { code, reason, is_inside } = note.what {
            said.extend(is_inside.then(|| (note.at, Seen::Text("Hello".to_owned()))));
            said.push((note.at, Seen::Close(Some((code, reason.to_owned())))));
            // Section 7.1.2: what comes now is read past, up to the client's Close.
            let close = sent.find(|(_, sent)| matches!(sent, Err(_) | Ok(Seen::Close(_))));
            let heard = close.and_then(|(end, _)| notes[index..].iter().find(|n| n.taken >= end));
            let by = note.at + site.limits.close_handshake;
            return match heard.filter(|heard| heard.at < by) {
                Some(heard) => (said, End::LastWord(heard.at)),
                None => (said, End::Unanswered(note.at)),
            };
        }
    }
    panic!("it is over, and nothing has ended it: {said:?}");
}

/// RFC 9112 section 9.6: the client may read what was said, and then it is over, but not before.
fn check_end(end: End, heard: &Heard, journal: &Journal, is_slow: bool, site: &Site) {
    let limits = &site.limits;
    let (since, least, most) = match end {
        End::LastWord(since) => (since, limits.linger, limits.linger),
        End::Unanswered(since) => (since, limits.close_handshake, limits.close_handshake),
        End::Ended(since) => (since, Duration::ZERO, Duration::ZERO),
        End::AnyTime(since) => (since, Duration::ZERO, longest_request(site)),
    };
    let to_write = if is_slow { limits.last_write + limits.linger } else { Duration::ZERO };
    let has_ended = journal.0.iter().any(|note| note.what == What::Ended);
    let took = heard.done_at.saturating_sub(since);
    assert!(took <= most + to_write, "it is over at {:?}, with {end:?}", heard.done_at);
    assert!(has_ended || is_slow || took >= least, "over at {:?}, with {end:?}", heard.done_at);
}
