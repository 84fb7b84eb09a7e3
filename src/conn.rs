//! One client as a machine of bytes and time: what it sends goes in, what it is sent comes out.
//!
//! What to notice:
//! * There is no socket and no clock here. The loop drives this machine over real sockets, the tests in
//!   virtual time, and the example in the crate's front page over a blocking stream.
//! * Each state owns its data and ends with the step that leaves it, so nothing of an earlier state can be
//!   left over in a later one. And nobody but this file and those that it declares can name a state.
//! * Cutting the input anywhere changes nothing: whatever is incomplete is kept by the state that waits for
//!   the rest.
//!
//! ```text
//!   Head    -- answered, and kept alive --------------------------------------------> Head
//!   Head    -- a publish is let in, and its body comes -----------------------------> Posting
//!   Head    -- others have to decide: it wants channels, or asks -------------------> Waiting
//!   Head    -- 101 on /echo --------------------------------------------------------> Open
//!   Posting -- the body is complete ------------------------------------------------> Waiting
//!   Waiting -- its channels are live: 101 ------------------------------------------> Open
//!   Waiting -- answered, and kept alive --------------------------------------------> Head
//!   Open    -- we close ------------------------------------------------------------> Closing
//!
//!   Head, Posting, Waiting -- the last answer: refused, late, or asked to close ----> Linger
//!   Head    -- we close between two requests | its answers are not read in time ----> Linger
//!   Open    -- the peer's Close | a broken rule | silence behind our ping ----------> Linger
//!   Closing -- the peer's Close | a broken rule ------------------------------------> Linger
//!   Head, Posting, Waiting, Open, Closing -- the input ends before all is written --> Linger
//!
//!   Head, Posting, Waiting, Open, Closing -- the input ends, and all is written ----> Done
//!   Head    -- its time is up, and nothing has come --------------------------------> Done
//!   Closing -- its time is up ------------------------------------------------------> Done
//!   Linger  -- its time is up | the input has ended, and all is written ------------> Done
//! ```

mod exchange;
mod outbox;
mod posting;
mod session;
mod waiting;

use std::rc::Rc;
use std::time::Duration;

use self::exchange::Exchange;
use self::outbox::Outbox;
use self::posting::Posting;
use self::session::{Closing, Open, Purpose};
use self::waiting::Waiting;
use crate::channel::Channel;
use crate::http::Response;
use crate::limits::Limits;
use crate::now::Now;
use crate::site::{Entrance, Question, Site, unavailable};
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::form::Form;

/// One client's connection.
#[derive(Debug)]
pub struct Conn {
    site: Rc<Site>,
    state: State,
    outbox: Outbox,
    /// The client has ended, and [`Conn::eof`] waits until what came before is answered.
    has_ended: bool,
}

/// What a client needs of the rest of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It wants to subscribe to these channels, none named twice. The answer is [`Conn::admit`], or
    /// a refusal by [`Conn::answer`].
    Wants(Vec<Channel>),
    /// It publishes `body` to `channel`. The answer, by [`Conn::answer`], says to how many.
    Publish {
        /// One that clients may subscribe to.
        channel: Channel,
        /// At most `--max-publish` bytes.
        body: Vec<u8>,
    },
    /// It asks about the process as a whole. Answered by [`Conn::answer`].
    Asks(Question),
}

#[derive(Debug)]
enum State {
    /// Reading a request's head, or waiting for its first byte.
    Head(Box<Exchange>),
    /// Reading the body of a request that publishes.
    Posting(Box<Posting>),
    /// A request that the rest of the process has to decide on.
    Waiting(Box<Waiting>),
    /// A WebSocket.
    Open(Open),
    /// A WebSocket that we have closed and the peer has not.
    Closing(Closing),
    /// Everything has been said. What the peer still sends is read and thrown away, because
    /// closing a socket with unread bytes resets it, and a reset can destroy the answer before the
    /// peer has read it (RFC 9112 section 9.6).
    Linger(Linger),
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Linger {
    deadline: Duration,
    /// The sending side has been shut down, so the peer sees the end.
    is_shut: bool,
    /// The peer has closed its own side: there is nothing to wait for but our writes.
    has_heard_all: bool,
}

impl Conn {
    /// A client that has just been accepted.
    #[must_use]
    pub fn new(site: Rc<Site>, entrance: Entrance, now: Now) -> Self {
        let exchange = Exchange::new(entrance, &site.limits, now);
        Self {
            site,
            state: State::Head(Box::new(exchange)),
            outbox: Outbox::default(),
            has_ended: false,
        }
    }

    /// Takes everything the client sent. Afterwards [`Conn::output`] may have grown.
    pub fn receive(&mut self, bytes: &mut [u8], now: Now) {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Nearly always it is a WebSocket that stays open. To move it out and in again is a fourteenth
            // of what an echo costs outside the kernel.
            if let State::Open(open) = &mut self.state {
                if let Some(next) = open.receive(rest, &self.site, &mut self.outbox, now) {
                    self.state = next;
                }
                return;
            }
            let state = std::mem::replace(&mut self.state, State::Done);
            let all = rest.len();
            let (state, taken) = match state {
                State::Head(exchange) => exchange.receive(rest, &self.site, &mut self.outbox, now),
                State::Posting(posting) => posting.receive(rest, &self.site, &mut self.outbox, now),
                State::Waiting(waiting) => (waiting.receive(rest), all),
                State::Closing(closing) => (closing.receive(rest, &self.site, now), all),
                // An open one has taken everything above.
                other @ (State::Open(_) | State::Linger(_) | State::Done) => (other, all),
            };
            self.state = state;
            rest = rest.split_at_mut_checked(taken).map_or(&mut [], |(_, rest)| rest);
        }
    }

    /// The client will send nothing more. It may still read (RFC 9112 section 9.6 allows a half
    /// close), so what stands in the output goes out first.
    pub fn eof(&mut self, now: Now) {
        if self.owes_answers() {
            self.has_ended = true;
            return;
        }
        // RFC 6455 section 7.1.5: for a WebSocket, an end without a Close is abnormal (1006). It gets no
        // Close either, but what was already said, which may be ours.
        self.count_abnormal_end();
        if self.is_done() || self.outbox.is_empty() {
            self.state = State::Done;
            return;
        }
        let begun = if let State::Linger(linger) = self.state { Some(linger) } else { None };
        let linger = begun.unwrap_or_else(|| Linger::new(&self.site.limits, now));
        self.state = State::Linger(Linger { has_heard_all: true, ..linger });
    }

    /// Whether something that came before the client's end is answered all the same.
    fn owes_answers(&self) -> bool {
        match &self.state {
            State::Head(exchange) => exchange.is_backed_up(),
            // Who goes takes a wish for channels along. What it has published cannot be taken back,
            // and it may have closed only its sending side to wait for the answer.
            State::Waiting(waiting) => !waiting.is_for_channels(),
            State::Posting(_) | State::Open(_) | State::Closing(_) => false,
            State::Linger(_) | State::Done => false,
        }
    }

    /// Takes what was kept while it could not be answered, and behind it the client's end, if that has
    /// come too.
    fn receive_kept(&mut self, mut bytes: Vec<u8>, now: Now) {
        self.receive(&mut bytes, now);
        if self.has_ended {
            self.eof(now);
        }
    }

    /// Counts the end of a WebSocket without a Close: of the input, or of the socket itself.
    pub fn count_abnormal_end(&self) {
        if let State::Open(_) = &self.state {
            self.site.metrics.client_closes.add_one(CloseCode::ABNORMAL);
        }
    }

    /// What the client needs of the rest of the process, once.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let State::Waiting(waiting) = &mut self.state { waiting.take_event() } else { None }
    }

    /// The channels that the client waits for are live: it gets its 101, and from here on
    /// [`Conn::is_subscribed`]. If it does not wait for channels (any more), nothing happens.
    pub fn admit(&mut self, now: Now) {
        let Some(waiting) = self.take_waiting() else { return };
        let (state, inbox) = waiting.admit(&self.site, &mut self.outbox, now);
        self.state = state;
        self.receive_kept(inbox, now);
    }

    /// The answer to a client that waits. If it does not (any more), nothing happens.
    pub fn answer(&mut self, response: &Response, now: Now) {
        let Some(waiting) = self.take_waiting() else { return };
        let (state, inbox) = waiting.answer(response, &self.site, &mut self.outbox, now);
        self.state = state;
        self.receive_kept(inbox, now);
    }

    fn take_waiting(&mut self) -> Option<Box<Waiting>> {
        if let State::Waiting(_) = &self.state
            && let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Done)
        {
            return Some(waiting);
        }
        None
    }

    /// Whether the client is subscribed to the channels it asked for: from [`Conn::admit`] until
    /// either side closes.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.purpose == Purpose::Channels)
    }

    /// How the client's messages are encoded, if it [is subscribed](Conn::is_subscribed).
    #[must_use]
    pub fn form(&self) -> Form {
        if let State::Open(open) = &self.state { open.form } else { Form::Plain }
    }

    /// The client was cut off from its channels inside a frame, of which this is the rest: it goes
    /// out before anything else.
    pub fn finish_frame(&mut self, rest: Vec<u8>) {
        self.outbox.prepend(rest);
    }

    /// Ends the connection from our side. An open WebSocket gets a Close with this code and reason,
    /// which is cut to 123 bytes; a request that was begun gets 503, unless it waits to hear what
    /// became of it; who is between two requests gets what was answered, and the end.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Now) {
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Head(exchange) => exchange.close(reason, &self.site, &mut self.outbox, now),
            State::Posting(_) => {
                exchange::end_with(&unavailable(reason), &self.site, &mut self.outbox, now)
            }
            State::Waiting(waiting) => waiting.close(reason, &self.site, &mut self.outbox, now),
            State::Open(open) => {
                open.close(Close { code, reason }, &self.site, &mut self.outbox, now)
            }
            other @ (State::Closing(_) | State::Linger(_) | State::Done) => other,
        };
    }

    /// There is no room for this client: it is told so before it has said anything.
    pub fn turn_away(&mut self, now: Now) {
        let State::Head(exchange) = &self.state else { return };
        self.site.metrics.turned_away.add_one();
        let answer = unavailable("the server has as many connections as it takes");
        self.state = exchange.refuse(&answer, &self.site, &mut self.outbox, now);
    }

    /// Bytes to be written to the client.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.outbox.unsent()
    }

    /// The socket took the first `n` bytes of [`Conn::output`].
    pub fn wrote(&mut self, n: usize, now: Now) {
        self.outbox.sent(n, &self.site);
        if let State::Linger(Linger { has_heard_all: true, .. }) = self.state
            && self.outbox.is_empty()
        {
            self.state = State::Done;
        }
        self.resume(now);
    }

    /// Goes on with requests that were pipelined behind an answer too large to buffer a second of.
    fn resume(&mut self, now: Now) {
        if let State::Head(exchange) = &mut self.state
            && exchange.is_backed_up()
            && self.outbox.len() < self.site.limits.outbox_mark_bytes
        {
            let kept = exchange.take_backed_up();
            self.receive_kept(kept, now);
        }
    }

    /// Whether the socket should be read. Not while much output waits: a client that sends and
    /// does not read would make us buffer answers without end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::Head(_) | State::Open(_) => {
                self.outbox.len() < self.site.limits.outbox_mark_bytes
            }
            State::Waiting(waiting) => waiting.wants_input(&self.site),
            State::Posting(_) | State::Closing(_) | State::Linger(_) => true,
            State::Done => false,
        }
    }

    /// How much should be read at once: little, where a few bytes may inflate to many, for all of it
    /// is answered before anybody else has a turn.
    #[must_use]
    pub fn read_limit(&self) -> usize {
        let may_inflate = match &self.state {
            // Frames may stand right behind a handshake.
            State::Head(_) | State::Waiting(_) => self.site.deflate,
            State::Open(open) => open.form != Form::Plain,
            State::Closing(closing) => closing.form != Form::Plain,
            State::Posting(_) | State::Linger(_) | State::Done => false,
        };
        let limits = &self.site.limits;
        if may_inflate { limits.compressed_read_bytes } else { limits.read_buffer_bytes }
    }

    /// True once, when all output is written and the client shall see the end of it: the socket's
    /// sending side is to be shut down.
    pub fn take_shutdown(&mut self, now: Now) -> bool {
        if let State::Linger(linger) = &mut self.state
            && self.outbox.is_empty()
            && !linger.is_shut
        {
            linger.is_shut = true;
            // From here on the peer is only waited for so that it can read what was written.
            linger.deadline = now.since_start + self.site.limits.linger;
            return true;
        }
        false
    }

    /// When [`Conn::on_deadline`] wants to be called, as a time since the start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Head(exchange) => Some(exchange.deadline),
            State::Posting(posting) => Some(posting.deadline),
            State::Waiting(waiting) => Some(waiting.deadline),
            State::Open(open) => Some(open.deadline(&self.site)),
            State::Closing(closing) => Some(closing.deadline),
            State::Linger(linger) => Some(linger.deadline),
            State::Done => None,
        }
    }

    /// Time has passed. Called too early, it does nothing.
    pub fn on_deadline(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| now.since_start < deadline) {
            return;
        }
        if let State::Waiting(_) = self.state {
            return self.answer(&unavailable("Redis did not answer in time"), now);
        }
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Head(exchange) => exchange.too_slow(&self.site, &mut self.outbox, now),
            State::Posting(posting) => posting.too_slow(&self.site, &mut self.outbox, now),
            State::Open(open) => open.on_deadline(&self.site, &mut self.outbox, now),
            State::Waiting(_) | State::Closing(_) | State::Linger(_) | State::Done => State::Done,
        };
    }

    /// True when the connection is over. What is left of the output can no longer be delivered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl Linger {
    fn new(limits: &Limits, now: Now) -> Self {
        Self { deadline: now.since_start + limits.last_write, is_shut: false, has_heard_all: false }
    }
}

#[cfg(test)]
mod tests;
