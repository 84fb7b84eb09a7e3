//! Runs `tests/http/rules.txt`: HTTP/1.1 rule by rule, as raw requests and what must come back.
//!
//! What to notice:
//! * The rules are data, with the notation explained at the top of that file. This is only what
//!   reads them, sends them and compares; a failure names the line of the case.
//! * Each case runs in one write, then one byte at a time, each byte read by the server before the
//!   next is sent; then in this process, cut at every byte, where nothing depends on a socket.
//! * No case can be skipped: a line that is not understood is a failure, and the cases are counted.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use barewire::conn::{Conn, Event};
use barewire::http::{self, Status};
use barewire::now::Now;
use barewire::site::{Entrance, Site};
use support::client::{Response, close, masked};
use support::{Client, Server};

const RULES: &str = include_str!("http/rules.txt");

/// How many cases there are. Who adds one changes this number, and who loses one notices.
const CASES: usize = 541;

/// The tables of choices and deviations, and the RFC whose number their rows leave out.
const TABLES: [(&str, &str); 2] =
    [(include_str!("../src/http/mod.rs"), ""), (include_str!("../src/websocket/mod.rs"), "6455 ")];

/// Follows every request: behind a refused one, its 404 would show that a request was read out of
/// what was refused; behind another, its 404 shows that the first ended where it should.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

// ---- The notation ----

/// A request, and what must come back.
#[derive(Debug)]
struct Case {
    /// Its line in the file.
    line: usize,
    request: Vec<u8>,
    /// What is published, where that is said.
    published: Option<Vec<u8>>,
    /// None at all: nothing comes back.
    answers: Vec<Answer>,
}

/// What one answer must be.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    end: End,
    is_bodyless: bool,
    fields: Vec<(String, String)>,
}

/// What follows an answer: see the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Another,
    Keep,
    Close,
    WebSocket,
}

#[derive(Debug, Default)]
struct Rules {
    cases: Vec<Case>,
    /// What the rules say they choose, each with its line.
    choices: Vec<(usize, String)>,
}

/// Reads the file line by line.
#[derive(Debug, Default)]
struct Reader {
    rules: Rules,
    /// The mark of the line before.
    before: String,
    /// What surrounds the `+` cases.
    around: String,
    /// The cases whose answer has not been read to its end yet, with their lines.
    open: Vec<(usize, String)>,
    published: Option<Vec<u8>>,
    answers: Vec<Answer>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let (mark, text) = match line.split_once(' ') {
            Some((mark @ ("#" | "choice:" | "-" | "|" | "+" | ">" | "=" | "<"), text)) => {
                (mark, text)
            }
            _ if ["", "+", "="].contains(&line) => (line, ""),
            _ => ("text", line),
        };
        let goes_on = self.before == mark;
        if self.before == "<" && !goes_on {
            self.end_answers(number);
        }
        match mark {
            "" | "-" => {}
            "#" => {
                let (section, rule) = text.split_once(": ").unwrap_or_default();
                let is_rule = section.starts_with(|c: char| c.is_ascii_digit()) && !rule.is_empty();
                assert!(is_rule, "line {number}: a rule is an RFC, a section and a sentence");
                self.around = "...".into();
            }
            "choice:" => self.rules.choices.push((number, text.into())),
            "|" if goes_on => self.around += text,
            "|" => self.around = text.into(),
            "+" => {
                assert_eq!(self.around.matches("...").count(), 1, "line {number}: no place for it");
                self.open.push((number, self.around.replace("...", text)));
            }
            ">" if goes_on => self.open.last_mut().expect("the line before").1 += text,
            ">" => self.open.push((number, text.into())),
            "=" => self.published = Some(bytes(text, number)),
            "<" => self.answer(number, text),
            _ => assert!(
                ["#", "text", "choice:"].contains(&&*self.before),
                "line {number} is not understood: {line}"
            ),
        }
        self.before = mark.into();
    }

    /// Reads a status with what becomes of the connection, or a field of that answer.
    fn answer(&mut self, number: usize, text: &str) {
        assert!(!self.open.is_empty(), "line {number}: an answer to nothing");
        if let Some((name, value)) = text.split_once(": ") {
            let answer = self.answers.last_mut().expect("a status before its fields");
            return answer.fields.push((name.into(), value.into()));
        }
        if text == "nothing" {
            return; // and so there is no answer
        }
        let mut words = text.split(' ');
        let status = words.next().and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("line {number}: no status: {text}"));
        let mut answer = Answer { status, end: End::Another, is_bodyless: false, fields: vec![] };
        for word in words {
            match word {
                "close" => answer.end = End::Close,
                "keep" => answer.end = End::Keep,
                "websocket" => answer.end = End::WebSocket,
                "bodyless" => answer.is_bodyless = true,
                _ => panic!("line {number}: what is {word}?"),
            }
        }
        self.answers.push(answer);
    }

    /// Gives the open cases the answers that were read.
    fn end_answers(&mut self, number: usize) {
        if let Some((last, earlier)) = self.answers.split_last() {
            let is_right =
                last.end != End::Another && earlier.iter().all(|one| one.end == End::Another);
            assert!(is_right, "before line {number}: only the last answer says what follows");
        }
        for (line, text) in self.open.drain(..) {
            self.rules.cases.push(Case {
                line,
                request: bytes(&text, line),
                published: self.published.clone(),
                answers: self.answers.clone(),
            });
        }
        self.published = None;
        self.answers.clear();
    }
}

/// All of the file behind its explanation, which ends where the first rule begins.
fn rules() -> Rules {
    let mut reader = Reader::default();
    let lines = RULES.lines().enumerate().map(|(at, line)| (at + 1, line));
    for (number, line) in lines.skip_while(|(_, line)| !line.starts_with("# ")) {
        assert!(line.is_ascii() && line.len() <= 100, "line {number}: too long, or not ASCII");
        assert!(line.trim_end() == line && !line.contains('\t'), "line {number}: white space");
        reader.line(number, line);
    }
    reader.line(RULES.lines().count(), "");
    assert!(reader.open.is_empty(), "without an answer: {:?}", reader.open);
    reader.rules
}

/// The bytes that an escaped text stands for.
fn bytes(text: &str, line: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let Some((escape, behind)) = behind.split_at_checked(1) else {
            panic!("line {line}: a \\ at the end")
        };
        rest = behind;
        match escape {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "0" => bytes.push(0),
            "s" => bytes.push(b' '),
            "\\" => bytes.push(b'\\'),
            "x" => {
                let (digits, behind) = behind.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
                rest = behind;
            }
            "{" => {
                let (times, behind) = behind.split_once(' ').expect("a number and a space");
                let (what, behind) = split_at_brace(behind, line);
                bytes.extend(self::bytes(what, line).repeat(times.parse().expect("a number")));
                rest = behind;
            }
            _ => panic!("line {line}: what is \\{escape}?"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Splits behind what is repeated, which may hold something repeated itself.
fn split_at_brace(text: &str, line: usize) -> (&str, &str) {
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[..at], &text[at + 1..]);
        }
    }
    panic!("line {line}: no closing brace")
}

// ---- What must come back ----

impl Case {
    fn end(&self) -> Option<End> {
        self.answers.last().map(|last| last.end)
    }

    /// The request with what is sent right behind it.
    fn sent(&self) -> Vec<u8> {
        let behind = match self.end() {
            Some(End::WebSocket) => masked(0x88, &close(1000, "")),
            Some(End::Close | End::Keep | End::Another) => SMUGGLED.to_vec(),
            None => Vec::new(),
        };
        [&self.request, &*behind].concat()
    }

    /// Everything that came back, against everything that must.
    fn check(&self, output: &[u8]) -> Result<(), String> {
        let mut rest = output;
        for answer in &self.answers {
            let response = take_response(&mut rest, answer.is_bodyless)?;
            answer.check(&response).map_err(|wrong| format!("{wrong}:\n{}", response.head))?;
        }
        match self.end() {
            Some(End::WebSocket) => {
                let echo = rest.strip_prefix(b"\x88\x02\x03\xe8");
                rest = echo.ok_or_else(|| format!("no Close, but {}", rest.escape_ascii()))?;
            }
            Some(End::Keep) => {
                let next = take_response(&mut rest, false)
                    .map_err(|wrong| format!("the request behind it is not answered: {wrong}"))?;
                if next.status != 404 {
                    return Err(format!("the request behind it is answered {}", next.head));
                }
            }
            Some(End::Close | End::Another) | None => {}
        }
        let more = rest.escape_ascii();
        if rest.is_empty() { Ok(()) } else { Err(format!("more comes back: {more}")) }
    }
}

impl Answer {
    /// What this answer must be, and then what every answer must be.
    fn check(&self, response: &Response) -> Result<(), String> {
        let status = response.status;
        if status != self.status {
            return Err(format!("{status}, not {}", self.status));
        }
        for (name, value) in &self.fields {
            if response.field(name) != Some(value) {
                return Err(format!("{name} is not {value}"));
            }
        }
        let has = |name| response.field(name).is_some();
        let options = response.field("Connection").unwrap_or_default().to_ascii_lowercase();
        let option = |name| options.split(',').any(|one| one.trim() == name);
        let content = response.field("Content-Type").unwrap_or_default();
        let is_final = status >= 200;
        let text = response.text();
        let is_one_line = (8..400).contains(&text.len()) && text.trim_end().lines().count() == 1;
        for (is_so, what) in [
            (has("Date") || !is_final, "9110 6.6.1: a server with a clock sends Date"),
            (
                has("Content-Length") == is_final,
                "9110 8.6: every length is known, and 1xx has none",
            ),
            (!has("Transfer-Encoding"), "9112 6.1: nothing is sent in chunks"),
            (has("Allow") == (status == 405), "9110 15.5.6: 405 comes with Allow"),
            (
                has("Upgrade") == [101, 426].contains(&status),
                "9110 15.5.22: 426 comes with Upgrade",
            ),
            (has("Upgrade") == option("upgrade"), "9110 7.8: Upgrade comes with its option"),
            (!has("Sec-WebSocket-Protocol"), "6455 4.2.2: no subprotocol was asked for"),
            (!has("Sec-WebSocket-Extensions"), "6455 9.1: no extension was asked for"),
            (option("close") == (self.end == End::Close), "9112 9.6: who closes says so"),
            (status < 400 || content.starts_with("text/plain"), "a refusal is a text"),
            (status < 400 || self.is_bodyless || is_one_line, "a refusal says why, in one line"),
        ] {
            if !is_so {
                return Err(what.to_owned());
            }
        }
        Ok(())
    }
}

/// Takes one response from the front of what came back.
fn take_response(output: &mut &[u8], is_bodyless: bool) -> Result<Response, String> {
    let all = *output;
    let shown = || all.get(..300).unwrap_or(all).escape_ascii().to_string();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) =
        all.split_at(end.ok_or_else(|| format!("no answer, but {:?}", shown()))? + 4);
    let head = String::from_utf8(head.to_vec()).map_err(|_| shown())?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let mut response = Response { status: status.ok_or_else(shown)?, head, body: Vec::new() };
    let length = response.field("Content-Length").map_or(Ok(0), str::parse);
    let length = if is_bodyless { 0 } else { length.map_err(|_| shown())? };
    let (body, rest) = rest.split_at_checked(length).ok_or_else(shown)?;
    response.body = body.to_vec();
    *output = rest;
    Ok(response)
}

/// Collects what is wrong, so that one run shows all of it; but a server that keeps open what it
/// should close is not waited for again and again.
struct Wrong {
    found: Vec<String>,
    start: Instant,
}

impl Wrong {
    fn new() -> Self {
        Self { found: Vec::new(), start: Instant::now() }
    }

    fn check(&mut self, case: &Case, how: &str, output: &[u8]) {
        if let Err(wrong) = case.check(output) {
            let sent = case.request.escape_ascii().to_string();
            let sent = sent.get(..300).unwrap_or(&sent);
            let line = case.line;
            self.found.push(format!("tests/http/rules.txt:{line}: {how}: {sent}\n{wrong}"));
            if self.start.elapsed() > support::SOON {
                self.none();
            }
        }
    }

    #[track_caller]
    fn none(&self) {
        let found = &self.found;
        assert!(found.is_empty(), "{} fail:\n\n{}", found.len(), found.join("\n\n"));
    }
}

// ---- The runs ----

#[test]
fn no_case_is_skipped() {
    let rules = rules();
    assert_eq!(rules.cases.len(), CASES, "cases in tests/http/rules.txt");
    let begins = |line: &&str, mark: &str| line.starts_with(mark) || **line == *mark.trim_end();
    let lines: Vec<_> = RULES.lines().skip_while(|line| !line.starts_with("# ")).collect();
    let single = lines.iter().filter(|line| begins(line, "+ ")).count();
    let several =
        lines.windows(2).filter(|two| !begins(&two[0], "> ") && begins(&two[1], "> ")).count();
    assert_eq!(rules.cases.len(), single + several, "each becomes one case");
}

#[test]
fn every_choice_is_a_row_of_the_tables_and_every_row_is_tried() {
    let mut rows = Vec::new();
    for (source, rfc) in TABLES {
        let table =
            source.lines().filter_map(|line| line.strip_prefix("//! | ")?.split_once(" | "));
        let rules = table.map(|(rule, _)| format!("{rfc}{rule}"));
        rows.push(rules.collect::<BTreeSet<_>>());
    }
    let rules = rules();
    for (line, choice) in &rules.choices {
        let is_known = rows.iter().any(|table| table.contains(choice));
        assert!(is_known, "tests/http/rules.txt:{line}: no table has the row {choice:?}");
    }
    let is_rule = |row: &&String| row.starts_with(|first: char| first.is_ascii_digit());
    let tried = |row: &&String| rules.choices.iter().any(|(_, choice)| choice == *row);
    let untried: Vec<_> = rows[0].iter().filter(is_rule).filter(|row| !tried(row)).collect();
    assert!(rows[0].iter().filter(is_rule).count() > 20, "the table is found");
    assert!(untried.is_empty(), "rows of src/http/mod.rs that no rule tries: {untried:#?}");
}

#[test]
fn every_rule_in_one_piece() {
    let server = Server::start(&[]);
    let mut wrong = Wrong::new();
    let mut ran = 0;
    for case in rules().cases {
        let mut client = server.client();
        client.send(case.sent());
        if case.answers.is_empty() {
            client.end();
        }
        wrong.check(&case, "in one piece", &client.rest());
        ran += 1;
    }
    assert_eq!(ran, CASES);
    wrong.none();
}

/// At most so many pieces: for the few cases that are long, a piece is some bytes more.
const MAX_PIECES: usize = 400;

/// So many connections at once. Between two bytes the server answers a request on another connection,
/// which it does only after it has read what was there before: so it reads each byte alone.
#[test]
fn every_rule_byte_by_byte() {
    let server = Server::start(&[]);
    let mut wrong = Wrong::new();
    let mut ran = 0;
    for batch in rules().cases.chunks(50) {
        let mut others = server.client();
        let mut clients: Vec<(&Case, Client, Vec<u8>)> =
            batch.iter().map(|case| (case, server.client(), case.sent())).collect();
        for at in 0..MAX_PIECES {
            let mut is_done = true;
            for (_, client, sent) in &mut clients {
                if let Some(piece) = sent.chunks(sent.len().div_ceil(MAX_PIECES)).nth(at) {
                    is_done = false;
                    client.try_send(piece); // it may have said its last word already
                }
            }
            if is_done {
                break;
            }
            assert_eq!(others.get("/healthz").status, 200);
        }
        for (case, client, _) in &mut clients {
            if case.answers.is_empty() {
                client.end();
            }
            wrong.check(case, "byte by byte", &client.rest());
            ran += 1;
        }
    }
    assert_eq!(ran, CASES);
    wrong.none();
}

/// What comes out of the machine of a connection for a request in these pieces, and what it
/// publishes.
fn in_process<'a>(
    site: &Rc<Site>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Vec<Vec<u8>>) {
    let now = Now { since_start: Duration::ZERO, unix: Duration::from_secs(1_000_000_000) };
    let mut conn = Conn::new(Rc::clone(site), Entrance::LOOPBACK, now);
    let (mut output, mut published) = (Vec::new(), Vec::new());
    for piece in pieces {
        conn.receive(&mut piece.to_vec(), now);
        loop {
            output.extend_from_slice(conn.output());
            conn.wrote(conn.output().len(), now);
            let fine = |text: &str| http::Response::text(Status::Ok, text);
            match conn.poll_event() {
                Some(Event::Wants(_)) => conn.admit(now),
                Some(Event::Publish { body, .. }) => {
                    published.push(body);
                    conn.answer(&fine("published"), now);
                }
                Some(Event::Asks(_)) => conn.answer(&fine("ready"), now),
                None => break,
            }
        }
    }
    conn.eof(now);
    output.extend_from_slice(conn.output());
    (output, published)
}

#[test]
fn every_rule_cut_at_every_byte() {
    let page = http::Response::new(Status::Ok, "text/html; charset=utf-8", b"<p>page".into());
    let site = Rc::new(Site { page, ..Site::default() });
    let mut wrong = Wrong::new();
    let mut ran = 0;
    for case in rules().cases {
        let sent = case.sent();
        let whole = in_process(&site, [&*sent]);
        wrong.check(&case, "in process", &whole.0);
        let expected: Vec<_> = case.published.iter().cloned().collect();
        let line = case.line;
        assert_eq!(whole.1, expected, "tests/http/rules.txt:{line}: what is published");
        assert!(
            in_process(&site, sent.chunks(1)) == whole,
            "tests/http/rules.txt:{line}: bytewise"
        );
        // Of the few cases that are long, both ends and a byte here and there.
        let is_near = |cut: &usize| *cut < 300 || sent.len() - cut < 300 || cut.is_multiple_of(97);
        for cut in (1..sent.len()).filter(is_near) {
            let (first, second) = sent.split_at(cut);
            let cut_there = in_process(&site, [first, second]);
            assert!(cut_there == whole, "tests/http/rules.txt:{line}: cut at byte {cut}");
        }
        ran += 1;
    }
    assert_eq!(ran, CASES);
    wrong.none();
}
