//! A Redis that does what the script says, and knows what of its words has arrived.

use std::collections::VecDeque;

/// The names of the channels.
pub const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// What becomes of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connects {
    Accepted,
    Refused,
    Unanswered,
}

pub struct Redis {
    pub connects: Connects,
    /// It reads no commands; what is published goes out all the same.
    pub is_deaf: bool,
    /// Its socket takes five bytes at a time.
    pub is_narrow: bool,
    /// While it is `Some`, so many bytes of what is on its way to the link arrive, and no more.
    pub allowance: Option<usize>,
    /// The ACL forbids these channels to who asks for them from now on.
    pub denies: [bool; 3],
    line: Option<Line>,
    /// What has become of the connect that was asked for.
    decision: Option<bool>,

    /// Messages that have arrived whole, of each channel, but for those that are too large.
    pub arrived: [Vec<Vec<u8>>; 3],
    /// The channels whose acknowledgement has arrived over the connection that is there, or was last.
    pub acknowledged: [bool; 3],
    /// The channels whose refusal has arrived since this was taken last.
    pub denied: [bool; 3],
    /// The channels that an UNSUBSCRIBE came for since this was taken last.
    pub unsubscribed: [bool; 3],
    max_message_bytes: usize,
}

/// A connection.
#[derive(Default)]
struct Line {
    /// Commands that were not read yet.
    heard: Vec<u8>,
    subscribed: [bool; 3],
    /// On its way to the link.
    said: VecDeque<u8>,
    /// What that means, each with the number of bytes of `said` after which it has arrived.
    words: VecDeque<(usize, Word)>,
    is_dead: bool,
}

enum Word {
    Message(usize, Vec<u8>),
    Acknowledged(usize, bool),
    Denied(usize),
    Other,
}

impl Redis {
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            connects: Connects::Accepted,
            is_deaf: false,
            is_narrow: false,
            allowance: None,
            denies: [false; 3],
            line: None,
            decision: None,
            arrived: [const { Vec::new() }; 3],
            acknowledged: [false; 3],
            denied: [false; 3],
            unsubscribed: [false; 3],
            max_message_bytes,
        }
    }

    /// All is well again.
    pub fn heal(&mut self) {
        self.connects = Connects::Accepted;
        self.is_deaf = false;
        self.is_narrow = false;
        self.allowance = None;
        self.denies = [false; 3];
    }

    pub fn publish(&mut self, channel: usize, payload: Vec<u8>) {
        let is_heard = |line: &&mut Line| line.subscribed[channel] && !line.is_dead;
        let Some(line) = self.line.as_mut().filter(is_heard) else { return };
        let name = CHANNELS[channel];
        let mut push =
            format!("*3\r\n$7\r\nmessage\r\n$1\r\n{name}\r\n${}\r\n", payload.len()).into_bytes();
        push.extend(&payload);
        push.extend(b"\r\n");
        line.say(&push, Word::Message(channel, payload));
    }

    /// It dies when so many bytes of what is on its way have arrived.
    pub fn die(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.said.truncate(bytes);
            line.is_dead = true;
        }
    }

    /// What it holds for the server.
    pub fn subscribed(&self) -> [bool; 3] {
        self.line.as_ref().map_or([false; 3], |line| line.subscribed)
    }

    /// How many messages of each channel have arrived.
    pub fn arrived_so_far(&self) -> [usize; 3] {
        [0, 1, 2].map(|channel| self.arrived[channel].len())
    }

    // What the driver does with it.

    pub fn connect(&mut self) {
        self.line = None;
        self.decision = match self.connects {
            Connects::Accepted => Some(true),
            Connects::Refused => Some(false),
            Connects::Unanswered => None,
        };
    }

    pub fn has_decided(&self) -> bool {
        self.decision.is_some()
    }

    pub fn take_decision(&mut self) -> Option<bool> {
        let decision = self.decision.take();
        if decision == Some(true) {
            self.line = Some(Line::default());
            self.acknowledged = [false; 3];
        }
        decision
    }

    pub fn hang_up(&mut self) {
        self.line = None;
        self.decision = None;
    }

    pub fn has_input(&self) -> bool {
        let Some(line) = &self.line else { return false };
        match self.allowance {
            None => line.is_dead || !line.said.is_empty(),
            Some(allowance) => allowance > 0 && !line.said.is_empty(),
        }
    }

    /// As a socket: 0 bytes are the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        let most = self.allowance.unwrap_or(usize::MAX);
        let n = line.said.len().min(buffer.len()).min(most);
        for (byte, said) in buffer.iter_mut().zip(line.said.drain(..n)) {
            *byte = said;
        }
        self.allowance = self.allowance.map(|allowance| allowance - n);
        if n == 0 {
            self.line = None;
            return 0;
        }
        for (end, _) in &mut line.words {
            *end = end.saturating_sub(n);
        }
        while let Some((0, _)) = line.words.front()
            && let Some((_, word)) = line.words.pop_front()
        {
            match word {
                Word::Message(_, payload) if payload.len() > self.max_message_bytes => {}
                Word::Message(channel, payload) => self.arrived[channel].push(payload),
                Word::Acknowledged(channel, holds) => self.acknowledged[channel] = holds,
                Word::Denied(channel) => self.denied[channel] = true,
                Word::Other => {}
            }
        }
        n
    }

    /// Whether the link has somebody to talk to.
    pub fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// What the link says, as far as it is taken. Whole commands are answered at once, unless Redis is
    /// deaf or dead.
    pub fn hear(&mut self, bytes: &[u8]) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        let taken = if self.is_narrow { bytes.len().min(5) } else { bytes.len() };
        line.heard.extend(&bytes[..taken]);
        while !self.is_deaf
            && !line.is_dead
            && let Some((command, length)) = command(&line.heard)
        {
            line.heard.drain(..length);
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let named = |name: &str| CHANNELS.iter().position(|channel| *channel == name).unwrap();
            match words[..] {
                ["CLIENT", "SETNAME", "barewire"] => line.say(b"+OK\r\n", Word::Other),
                ["PING"] if line.subscribed == [false; 3] => line.say(b"+PONG\r\n", Word::Other),
                ["PING"] => line.say(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", Word::Other),
                ["SUBSCRIBE", name] if self.denies[named(name)] => {
                    line.say(b"-NOPERM No permissions\r\n", Word::Denied(named(name)));
                }
                ["SUBSCRIBE", name] => line.subscribe(named(name), true),
                ["UNSUBSCRIBE", name] => {
                    self.unsubscribed[named(name)] = true;
                    line.subscribe(named(name), false);
                }
                _ => panic!("nobody says this to Redis: {words:?}"),
            }
        }
        taken
    }
}

/// The first command, an array of bulk strings, and its length; `None` if it has not come whole. No
/// word of this link holds a line break.
fn command(heard: &[u8]) -> Option<(Vec<String>, usize)> {
    let heard = str::from_utf8(heard).unwrap();
    let mut lines = heard.split_inclusive("\r\n").take_while(|line| line.ends_with('\n'));
    let first = lines.next()?;
    let count: usize = first.trim_end().strip_prefix('*').unwrap().parse().unwrap();
    let lines: Vec<&str> = lines.take(2 * count).collect();
    let words = lines.iter().skip(1).step_by(2).map(|word| word.trim_end().to_owned()).collect();
    let length = first.len() + lines.iter().map(|line| line.len()).sum::<usize>();
    (lines.len() == 2 * count).then_some((words, length))
}

impl Line {
    fn say(&mut self, bytes: &[u8], word: Word) {
        self.said.extend(bytes);
        self.words.push_back((self.said.len(), word));
    }

    fn subscribe(&mut self, channel: usize, holds: bool) {
        self.subscribed[channel] = holds;
        let kind = if holds { "subscribe" } else { "unsubscribe" };
        let name = CHANNELS[channel];
        let count = self.subscribed.iter().filter(|holds| **holds).count();
        let reply = format!("*3\r\n${}\r\n{kind}\r\n$1\r\n{name}\r\n:{count}\r\n", kind.len());
        self.say(reply.as_bytes(), Word::Acknowledged(channel, holds));
    }
}
