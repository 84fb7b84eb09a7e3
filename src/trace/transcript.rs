//! Reads lines of the notation back into bytes, so that what was seen can be sent again.
//!
//! What to notice:
//! * A line is read without knowing the lines before it, but for the fields of a head and the end of
//!   what was cut off. So a person can write one, change one, or take one out.
//! * What the notation does not keep is made up and does not matter: the masking key, the end of a
//!   payload of which the beginning is shown, the value of a field that may be a secret.
//! * What cannot be made up, the rest of compressed bytes or of a head that is none, is told as that,
//!   and not guessed.
//!
//! ```text
//!   transcript = *( line LF )
//!   line       = [ log prefix "barewire::wire: " ] ( passed / event / time / command / note )
//!   passed     = [ client " " ] ( "<" / ">" ) " " ( what / bytes )
//!   what       = as crate::trace says it
//!   bytes      = DQUOTE text DQUOTE / 1*( 2HEXDIG )   as they are, in pieces of any size
//!   event      = "! " bus                             between the server and its bus
//!   time       = "@ " 1*DIGIT ( "ms" / "s" / "m" )    so much time passes
//!   command    = "$ barewire" *( " " argument )       how the server was started
//!   note       = "#" text / empty                     for the reader
//! ```
//!
//! Some things are not in the notation, and a conversation that hangs on them is not the same when it is
//! played: what happened first within a second; that a header, or a compressed message, came in pieces; that
//! a socket took no more for a while; extensions and trailers of chunks; what was hidden, as a token that was
//! presented; and what `/metrics` counts.
//!
//! Where there is one client, it needs no name, and who is not said to connect does so with its first line. The log names each, as `1v1`. Two things only a person
//! writes: bytes as they are, and `< reads nothing`, `< reads 3 bytes`, `< reads on`, for what becomes of
//! a client that does not read. What passes between the server and its bus is [`Bus`].

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::bus::Bus;
use super::escape::unescape;
use super::piece::{Frame, MOST_MADE_UP, NOT_WHOLE, made_up, payload, quoted_end, shown};

/// One thing that a transcript tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The number of its first line, from 1.
    pub line: usize,
    /// Which client it is about: empty if there is one only, or none.
    pub client: &'t str,
    /// What happened.
    pub what: What<'t>,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'t> {
    /// These bytes came from the client.
    Received(Vec<u8>),
    /// These bytes went to the client.
    Sent(Vec<u8>),
    /// Bytes of which not all are shown, and which cannot be made up.
    NotWhole {
        /// They came from the client.
        is_inbound: bool,
    },
    /// The client was accepted.
    Connects,
    /// The client has gone without an end.
    Reset,
    /// The client sends nothing more.
    ReceivedEnd,
    /// The server sends nothing more.
    SentEnd,
    /// The server has closed the socket.
    Gone,
    /// From here on the client's socket takes so many bytes.
    Reads(usize),
    /// Something between the server and its bus.
    Bus(Bus<'t>),
    /// So much time has passed.
    Time(Duration),
    /// The arguments that the server was started with.
    Command(&'t str),
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it, and what could stand there.
    pub why: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// Everything that a transcript tells, in its order. Lines that are notes tell nothing.
///
/// ```
/// use barewire::trace::transcript::{What, read};
///
/// let text = "# A ping in a client's frame, and its answer.\n< ping 2 \"hi\"\n> pong 2 \"hi\"\n";
/// let entries = read(text).unwrap();
/// assert_eq!(entries[0].what, What::Received(b"\x89\x82\x37\xfa\x21\x3d\x5f\x93".to_vec()));
/// assert_eq!(entries[1].what, What::Sent(b"\x8a\x02hi".to_vec()));
/// ```
///
/// # Errors
/// The first line that is none of the notation, or with which it is more than 16 MiB.
pub fn read(text: &str) -> Result<Vec<Entry<'_>>, Unreadable> {
    let lines: Vec<Line<'_>> = text.lines().map(Line::of).collect();
    let missing = missing(&lines);
    let mut missing = missing.iter();
    let mut entries = Vec::new();
    let mut rest = lines.as_slice();
    let mut room = MOST_MADE_UP;
    while let Some((line, behind)) = rest.split_first() {
        let number = lines.len() - behind.len();
        let before = rest.len();
        rest = behind;
        let wrong = |why| Unreadable { line: number, why };
        let never_came = missing.next().copied().unwrap_or_default();
        let (client, what) = match *line {
            Line::Note => continue,
            Line::Other => return Err(wrong("a line begins with < > ! @ $ or #")),
            Line::Command(text) => ("", What::Command(text)),
            Line::Time(text) => ("", What::Time(time(text).map_err(wrong)?)),
            Line::Bus(text) => ("", What::Bus(Bus::read(text).map_err(wrong)?)),
            Line::Passed(side, text) => {
                (side.client, side.what(text, never_came, &mut rest).map_err(wrong)?)
            }
        };
        if let What::Received(bytes) | What::Sent(bytes) = &what {
            let left = room.checked_sub(bytes.len());
            room = left.ok_or_else(|| wrong("that is more than can be made up"))?;
        }
        // The fields of a head were read with it.
        missing.by_ref().take(before - 1 - rest.len()).for_each(drop);
        entries.push(Entry { line: number, client, what });
    }
    Ok(entries)
}

/// A line of a log without what stands before it there.
#[must_use]
pub fn without_prefix(line: &str) -> &str {
    let (time, rest) = line.split_at_checked(20).unwrap_or(("", line));
    let marked = rest.strip_prefix(" TRACE barewire::wire: ").filter(|_| time.ends_with('Z'));
    marked.unwrap_or(line)
}

/// How much of what each line begins never came, as the next line of its side says.
fn missing(lines: &[Line<'_>]) -> Vec<u64> {
    let mut next = HashMap::new();
    let mut missing: Vec<u64> = Vec::with_capacity(lines.len());
    for line in lines.iter().rev() {
        let Line::Passed(side, text) = line else {
            missing.push(0);
            continue;
        };
        let cut_off = next.insert(*side, *text).and_then(|text| text.strip_prefix("cut off, "));
        let bytes = cut_off.and_then(|text| number_of_bytes(text.strip_suffix(" missing")?));
        missing.push(bytes.unwrap_or(0));
    }
    missing.reverse();
    missing
}

fn time(text: &str) -> Result<Duration, &'static str> {
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let number = digits.parse::<u32>().map_err(|_| "write @ 500ms or @ 5s")?;
    match text.strip_prefix(digits) {
        Some("ms") => Ok(Duration::from_millis(number.into())),
        Some("s") => Ok(Duration::from_secs(number.into())),
        Some("m") => Ok(Duration::from_secs(60 * u64::from(number))),
        Some(_) | None => Err("write @ 500ms or @ 5s"),
    }
}

/// A line by how it begins.
#[derive(Clone, Copy)]
enum Line<'t> {
    Passed(Side<'t>, &'t str),
    Bus(&'t str),
    Time(&'t str),
    Command(&'t str),
    Note,
    Other,
}

/// One direction of one client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Side<'t> {
    client: &'t str,
    is_inbound: bool,
}

impl<'t> Line<'t> {
    fn of(line: &'t str) -> Self {
        let line = without_prefix(line).trim_end();
        let (first, text) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "<" | ">" => Self::Passed(Side { client: "", is_inbound: first == "<" }, text),
            "!" => Self::Bus(text),
            "@" => Self::Time(text),
            "$" => Self::Command(text.strip_prefix("barewire").unwrap_or_default().trim_start()),
            _ if line.is_empty() || line.starts_with('#') => Self::Note,
            // And whatever else the log tells, behind its time; or of itself, in brackets.
            time if time.len() == 20 && time.ends_with('Z') => Self::Note,
            _ if line.starts_with('(') => Self::Note,
            client => match text.split_once(' ') {
                Some((mark @ ("<" | ">"), text)) => {
                    Self::Passed(Side { client, is_inbound: mark == "<" }, text)
                }
                _ => Self::Other,
            },
        }
    }
}

impl<'t> Side<'t> {
    /// What one line tells of this side, and the lines behind it if it is the first of a head.
    fn what(
        self,
        text: &str,
        missing: u64,
        rest: &mut &[Line<'_>],
    ) -> Result<What<'t>, &'static str> {
        match text {
            "end" if self.is_inbound => return Ok(What::ReceivedEnd),
            "end" => return Ok(What::SentEnd),
            "gone" if !self.is_inbound => return Ok(What::Gone),
            "connects" if self.is_inbound => return Ok(What::Connects),
            "reset" if self.is_inbound => return Ok(What::Reset),
            "reads nothing" => return Ok(What::Reads(0)),
            "reads on" => return Ok(What::Reads(usize::MAX)),
            _ => {}
        }
        if let Some(bytes) = text.strip_prefix("reads ").and_then(number_of_bytes) {
            return usize::try_from(bytes).map(What::Reads).map_err(|_| "that is too many bytes");
        }
        let bytes = match first_line(text, self.is_inbound) {
            Some(first) => self.head(first, rest)?,
            None => match self.piece(text, missing) {
                Err(NOT_WHOLE) => return Ok(What::NotWhole { is_inbound: self.is_inbound }),
                bytes => bytes?,
            },
        };
        Ok(if self.is_inbound { What::Received(bytes) } else { What::Sent(bytes) })
    }

    /// A head: its first line, and the fields in the lines behind it.
    fn head(self, mut head: Vec<u8>, rest: &mut &[Line<'_>]) -> Result<Vec<u8>, &'static str> {
        while let Some((Line::Passed(side, text), behind)) = rest.split_first()
            && side.client == self.client
            && side.is_inbound == self.is_inbound
            && let Some(field) = text.strip_prefix("  ")
        {
            head.extend(unescape(field).ok_or("an escape in the next field is none of ours")?);
            head.extend(b"\r\n");
            *rest = behind;
        }
        head.extend(b"\r\n");
        Ok(head)
    }

    /// Bytes as they are, a part of a body, or a frame.
    fn piece(self, text: &str, missing: u64) -> Result<Vec<u8>, &'static str> {
        if let Some(bytes) = text.strip_prefix("ignored ").and_then(number_of_bytes) {
            return made_up(bytes);
        }
        if let Some(text) = text.strip_prefix("cut off") {
            let text = text.strip_prefix(" after").unwrap_or_default();
            return if text.is_empty() { Ok(Vec::new()) } else { shown(text.trim_start()) };
        }
        if let Some(wrong) = text.strip_prefix("?? ") {
            // What is wrong with it stands behind a colon.
            let end = match wrong.strip_prefix('"') {
                Some(text) => quoted_end(text).map(|end| end + 1),
                None => Some(0),
            };
            let (start, why) = end.and_then(|end| wrong.split_at_checked(end)).unwrap_or_default();
            let behind = why.find(':').unwrap_or(why.len());
            return shown(wrong.get(..start.len() + behind).unwrap_or_default());
        }
        if text == "last chunk" {
            return Ok(b"0\r\n\r\n".to_vec());
        }
        if let Some(text) = text.strip_prefix("body ") {
            return payload(text, missing).map(|(_, bytes)| bytes);
        }
        if let Some(text) = text.strip_prefix("chunk ") {
            let (length, bytes) = payload(text, missing)?;
            let end: &[u8] = if missing == 0 { b"\r\n" } else { b"" };
            return Ok([format!("{length:x}\r\n").as_bytes(), &bytes, end].concat());
        }
        match Frame::read(text) {
            Some((frame, text)) => frame.encode(text, missing, self.is_inbound),
            None => shown(text),
        }
    }
}

/// The request line or the status line of a head.
fn first_line(text: &str, is_inbound: bool) -> Option<Vec<u8>> {
    let line = if is_inbound {
        let is_request = text.ends_with(" HTTP/1.1") || text.ends_with(" HTTP/1.0");
        let is_request = is_request && !text.starts_with("??");
        is_request.then(|| text.to_owned())?
    } else {
        let status = text.split(' ').next()?;
        let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        is_status.then(|| format!("HTTP/1.1 {text}"))?
    };
    Some(unescape(&line)?.into_iter().chain(*b"\r\n").collect())
}

fn number_of_bytes(text: &str) -> Option<u64> {
    text.strip_suffix(" bytes").or_else(|| text.strip_suffix(" byte"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<What<'_>, &'static str> {
        let mut entries = read(line).map_err(|unreadable| unreadable.why)?;
        assert_eq!(entries.len(), 1, "{line}");
        Ok(entries.remove(0).what)
    }

    fn received(line: &str) -> Vec<u8> {
        match one(line) {
            Ok(What::Received(bytes)) => bytes,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_its_lines_and_ends_with_the_last_field() {
        let text =
            "1v1 < GET / HTTP/1.1\n1v1 <   Host: a\n1v1 <   X: \"\\x80\"\n2v1 <   no field of it\n";
        let error = read(text).unwrap_err();
        assert_eq!((error.line, error.to_string().contains("notation")), (4, true), "{error}");
        let text = text.replace("2v1 <   no field of it", "1v1 > 400 Bad Request\n1v1 >   A: b");
        let entries = read(&text).unwrap();
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: \"\x80\"\r\n\r\n".to_vec();
        assert_eq!(entries[0], Entry { line: 1, client: "1v1", what: What::Received(head) });
        let head = b"HTTP/1.1 400 Bad Request\r\nA: b\r\n\r\n".to_vec();
        assert_eq!(entries[1], Entry { line: 4, client: "1v1", what: What::Sent(head) });
    }

    #[test]
    fn bytes_may_stand_there_as_they_are() {
        assert_eq!(received(r#"< "GET / HT\r\n""#), b"GET / HT\r\n");
        assert_eq!(received("< 81 85 37"), b"\x81\x85\x37");
        assert_eq!(received(r#"< ?? "a\": b\n": this is: not HTTP"#), b"a\": b\n");
        assert_eq!(received("< ?? 81 05: a client masks"), b"\x81\x05");
        assert_eq!(received(r#"< cut off after "GET / HT""#), b"GET / HT");
        assert_eq!(received("< ignored 3 bytes"), b"...");
        assert_eq!(received("< ignored 1 byte"), b".");
    }

    #[test]
    fn frames_are_put_together_as_they_are_named() {
        for (line, bytes) in [
            ("> text 5 \"Hello\"", &b"\x81\x05Hello"[..]),
            ("> text \"Hello\"", b"\x81\x05Hello"),
            ("> text fragment 3 \"Hel\"", b"\x01\x03Hel"),
            ("> continuation 1 \"l\"", b"\x00\x01l"),
            ("> continuation end 1 6f", b"\x80\x01o"),
            ("> compressed text 7 f2 48 cd c9 c9 07 00", b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"),
            ("> binary 0", b"\x82\x00"),
            ("> ping 0 \"\"", b"\x89\x00"),
            ("> close", b"\x88\x00"),
            ("> close 1000", b"\x88\x02\x03\xe8"),
            ("> close 1000 \"bye\"", b"\x88\x05\x03\xe8bye"),
            ("> close ?? 07", b"\x88\x01\x07"),
            ("> body 2 \"1\\n\"", b"1\n"),
        ] {
            assert_eq!(one(line), Ok(What::Sent(bytes.to_vec())), "{line}");
        }
        assert_eq!(received("< text 5 \"Hello\""), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(received("< chunk 5 \"hello\""), b"5\r\nhello\r\n");
        assert_eq!(received("< last chunk"), b"0\r\n\r\n");
    }

    #[test]
    fn what_is_not_shown_is_made_up_and_what_never_came_is_left_out() {
        let long = received("< text 70000 \"abc\"…");
        assert_eq!((long.len(), &long[..10]), (70_014, &b"\x81\xff\0\0\0\0\0\x01\x11\x70"[..]));
        let entries =
            read("< text 5 \"He\"…\n> ping 0 \"\"\n< cut off, 3 bytes missing\n").unwrap();
        assert_eq!(entries[0].what, What::Received(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f".to_vec()));
        assert_eq!(entries[2].what, What::Received(Vec::new()));
    }

    #[test]
    fn a_character_that_was_cut_is_made_up_by_one_that_is_cut_there_too() {
        for (shown, cut) in [(124, "é"), (123, "…"), (122, "🌍"), (125, "."), (60, ".")] {
            let bytes = received(&format!("< body 200 \"{}\"…", "a".repeat(shown)));
            assert_eq!(bytes.len(), 200);
            assert!(bytes[shown..].starts_with(cut.as_bytes()), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_made_up_is_told_as_that() {
        let not_whole = |is_inbound| Ok(What::NotWhole { is_inbound });
        assert_eq!(one("< compressed text 300 f2 48 …"), not_whole(true));
        assert_eq!(one("> compressed text 300 f2 48 …"), not_whole(false));
        assert_eq!(one("< ?? \"GET\"…: too long"), not_whole(true));
        assert_eq!(one("< cut off after \"GET\"…"), not_whole(true));
    }

    #[test]
    fn a_client_cannot_write_a_line_of_the_log() {
        for line in [
            "2026-11-26T20:07:37Z INFO  barewire::site: refused GET / (origin: http://a barewire::wire: 9v9 < end)",
            "2026-11-26T20:07:37Z INFO  barewire: a 2026-11-26T20:07:37Z TRACE barewire::wire: 9v9 < end",
            "(3 lines of log were dropped: nobody read them)",
        ] {
            assert_eq!(read(line), Ok(Vec::new()), "{line}");
        }
        let line = "2026-11-26T20:07:37Z TRACE barewire::wire: 1v1 < text 25 \"barewire::wire: 1v9 < end\"";
        assert_eq!(read(line).unwrap()[0].client, "1v1");
        assert_eq!(received("< text 4 \"a: b\"").len(), 10);
    }

    #[test]
    fn all_that_is_made_up_together_has_a_limit() {
        let line = format!("< body {} \"a\"…\n", 1 << 20);
        assert_eq!(read(&line.repeat(16)).unwrap().len(), 16);
        let error = read(&line.repeat(17)).unwrap_err();
        assert_eq!((error.line, error.why), (17, "that is more than can be made up"));
    }

    #[test]
    fn time_the_bus_and_the_rest() {
        assert_eq!(one("@ 5s"), Ok(What::Time(Duration::from_secs(5))));
        assert_eq!(one("@ 1500ms"), Ok(What::Time(Duration::from_millis(1500))));
        assert_eq!(one("@ 2m"), Ok(What::Time(Duration::from_secs(120))));
        assert_eq!(one("$ barewire --echo"), Ok(What::Command("--echo")));
        assert_eq!(one("a < reads 3 bytes"), Ok(What::Reads(3)));
        assert_eq!(one("a < reads on"), Ok(What::Reads(usize::MAX)));
        assert_eq!(one("a < end"), Ok(What::ReceivedEnd));
        assert_eq!(one("a > end"), Ok(What::SentEnd));
        assert_eq!(one("a > gone"), Ok(What::Gone));
        assert_eq!(one("a < connects"), Ok(What::Connects));
        assert_eq!(one("a < reset"), Ok(What::Reset));
        let log = "2026-11-22T17:36:08Z TRACE barewire::wire: ! message a b 3 \"1 2\"";
        assert_eq!(one(log), Ok(What::Bus(Bus::Message("a b".into(), b"1 2".into()))));
        assert_eq!(read("# a note\n\n"), Ok(Vec::new()));
        assert_eq!(read("2026-11-22T17:36:08Z INFO  barewire: stopped\n"), Ok(Vec::new()));
    }

    #[test]
    fn every_event_of_the_bus_is_read_as_it_is_written() {
        for event in [
            Bus::Subscribe("ruby".into()),
            Bus::Unsubscribe("news sport".into()),
            Bus::Publish("ruby".into(), b"a \"b\" 5 \x80".into()),
            Bus::Live,
            Bus::Gone,
            Bus::Subscribed("ruby".into()),
            Bus::Denied("ruby".into()),
            Bus::Message("a 5".into(), b"".into()),
            Bus::Published(3),
            Bus::Signal { is_interrupt: true },
            Bus::Signal { is_interrupt: false },
            Bus::Subscribed("a \"b".into()),
            Bus::Message("a \"b\u{202e}".into(), b"c".into()),
        ] {
            assert_eq!(one(&event.to_string()), Ok(What::Bus(event.clone())));
        }
    }

    #[test]
    fn what_is_no_line_is_refused_with_what_could_stand_there() {
        for line in [
            "hello",
            "hello there",
            "< hello",
            "< text 4 \"Hello\"",
            "< text five \"Hello\"",
            "< text \"Hello",
            "< text \"Hel\"lo\"",
            "< text 9 \"\\q\"",
            "< text 99999999999 \"a\"…",
            "< gone",
            "! subscribe",
            "< close bye",
            "@ soon",
            "@ 5",
            "@ 99999999999s",
            "! message ruby",
            "! published many",
            "! dance",
        ] {
            assert!(one(line).is_err_and(|why| why.len() > 10), "{line}");
        }
    }
}
