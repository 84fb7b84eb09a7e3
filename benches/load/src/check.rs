//! Did every client get every message, once and in order? Cheap enough to ask of each byte.

use std::collections::HashMap;
use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a channel's clients must receive, where there is one channel for all: the same bytes each. The first client to
/// come to a frame takes it apart and compares it with what was published; what it has read, all others only compare
/// with. So the server's framing is learnt and not assumed, and the check costs one look at each byte.
#[derive(Default)]
pub struct Stream {
    /// The position of `bytes[0]`. Positions are counted from the first byte that was ever sent to everybody.
    base: u64,
    bytes: Vec<u8>,
    /// Messages that were published, and where the frame of each ends, as far as that is known.
    messages: Vec<Vec<u8>>,
    ends: Vec<u64>,
    /// When each of these was due to be published, and how late each client got it: for those who measure that.
    due: Vec<Instant>,
    pub late: Option<Vec<Duration>>,
}

/// Where a client stands in the stream.
#[derive(Clone, Default)]
pub struct Place {
    position: u64,
    /// Messages that it has had whole, of those that the stream still knows.
    had: usize,
    /// Bytes of a frame that nobody has read whole.
    held: Vec<u8>,
}

impl Stream {
    pub fn publish(&mut self, message: Vec<u8>, due: Instant) {
        self.messages.push(message);
        self.due.push(due);
    }

    /// Where somebody stands who joins now, when everybody has everything.
    pub fn place(&self) -> Place {
        Place { position: self.end(), had: self.ends.len(), held: Vec::new() }
    }

    /// Forgets what everybody has. The caller knows that they have.
    pub fn forget(&mut self, places: &mut [Place]) {
        self.base = self.end();
        self.bytes.clear();
        self.messages.clear();
        self.ends.clear();
        self.due.clear();
        for place in places {
            place.had = 0;
        }
    }

    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Whether this client has got all that was published.
    pub fn has_all(&self, place: &Place) -> bool {
        self.ends.len() == self.messages.len() && place.position == self.end()
    }

    pub fn receive(&mut self, place: &mut Place, bytes: &[u8]) -> Result<()> {
        if place.held.is_empty() {
            let rest = self.compare(place, bytes)?;
            place.held.extend_from_slice(rest);
        } else {
            let mut held = std::mem::take(&mut place.held);
            held.extend_from_slice(bytes);
            let rest = self.compare(place, &held)?;
            place.held.extend_from_slice(rest);
        }
        self.note(place);
        Ok(())
    }

    /// Gives back what is not a whole frame and nobody has read yet.
    fn compare<'a>(&mut self, place: &mut Place, mut bytes: &'a [u8]) -> Result<&'a [u8]> {
        let known = &self.bytes[(place.position - self.base) as usize..];
        let both = known.len().min(bytes.len());
        if known[..both] != bytes[..both] {
            bail!(
                "a client got other bytes than the others: {}",
                bytes[..both.min(200)].escape_ascii()
            );
        }
        place.position += both as u64;
        bytes = &bytes[both..];
        while let Some(frame) = Frame::read(bytes)? {
            if frame.is_ping() {
                bail!(
                    "a ping came, which not everybody gets at the same place: measure for a shorter time"
                );
            }
            let message =
                self.messages.get(self.ends.len()).context("more came than was published")?;
            if frame.message()? != *message {
                bail!(
                    "a wrong message came: {}",
                    frame.payload[..frame.payload.len().min(200)].escape_ascii()
                );
            }
            self.bytes.extend_from_slice(&bytes[..frame.size]);
            place.position += frame.size as u64;
            self.ends.push(place.position);
            bytes = &bytes[frame.size..];
        }
        Ok(bytes)
    }

    /// Counts the messages that a client has had, where it matters when.
    fn note(&mut self, place: &mut Place) {
        let Some(late) = &mut self.late else { return };
        let now = Instant::now();
        while self.ends.get(place.had).is_some_and(|end| *end <= place.position) {
            late.push(now.saturating_duration_since(self.due[place.had]));
            place.had += 1;
        }
    }
}

/// The same where there are many channels: messages begin with their channel's name and their number in it.
#[derive(Default)]
pub struct Numbers {
    next: HashMap<Box<[u8]>, u64>,
    held: Vec<u8>,
}

impl Numbers {
    /// Messages that came whole.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize> {
        self.held.extend_from_slice(bytes);
        let (mut used, mut count) = (0, 0);
        while let Some(frame) = Frame::read(&self.held[used..])? {
            used += frame.size;
            if frame.is_ping() {
                continue;
            }
            let mut words = frame.payload.split(|byte| *byte == b' ');
            let (channel, number) =
                (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let number: u64 =
                std::str::from_utf8(number)?.parse().context("a message without a number")?;
            let next = match self.next.get_mut(channel) {
                Some(next) => next,
                None => self.next.entry(channel.into()).or_default(),
            };
            if number != *next {
                bail!(
                    "message {number} came and {next} was next on channel {}",
                    channel.escape_ascii()
                );
            }
            *next += 1;
            count += 1;
        }
        self.held.drain(..used);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        Ok(count)
    }
}

/// A whole frame of a server, RFC 6455 section 5.2.
struct Frame<'a> {
    first: u8,
    payload: &'a [u8],
    size: usize,
}

impl<'a> Frame<'a> {
    fn read(bytes: &'a [u8]) -> Result<Option<Self>> {
        let &[first, second, ..] = bytes else { return Ok(None) };
        let (header, length) = match second {
            0..=125 => (2, usize::from(second)),
            126 => match bytes.get(2..4) {
                Some(length) => (4, usize::from(u16::from_be_bytes(length.try_into()?))),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(length) => (10, usize::try_from(u64::from_be_bytes(length.try_into()?))?),
                None => return Ok(None),
            },
            _ => bail!("a server's frame is masked"),
        };
        let size = header + length;
        let frame = bytes.get(header..size).map(|payload| Self { first, payload, size });
        if frame.as_ref().is_some_and(|frame| frame.first == 0x88) {
            bail!("the server closes: {}", bytes[header..size].escape_ascii());
        }
        Ok(frame)
    }

    fn is_ping(&self) -> bool {
        self.first == 0x89
    }

    /// The text or the bytes in it, whether it is compressed (RFC 7692) or not.
    fn message(&self) -> Result<Vec<u8>> {
        match self.first {
            0x81 | 0x82 => Ok(self.payload.to_vec()),
            0xc1 | 0xc2 => {
                let whole = [self.payload, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
                let mut text = Vec::new();
                flate2::read::DeflateDecoder::new(&whole[..]).read_to_end(&mut text)?;
                Ok(text)
            }
            other => bail!("a frame that begins with {other:#04x}"),
        }
    }
}
