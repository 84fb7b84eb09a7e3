//! Plays a script and writes down what was said, in the script's own words where they agree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;

use barewire::net::site;
use barewire::options::{Command, parse};
use barewire::page::page;
use barewire::trace::bus::Bus;
use barewire::trace::transcript::{Entry, What, read, without_prefix};

use crate::stage::Stage;

/// The whole script, as it was played. Lines that go in stay as they are, but for numbers that were left
/// out; lines that came out stand where they came.
pub(crate) fn play(script: &str) -> Result<String, String> {
    let lines: Vec<&str> = script.lines().map(without_prefix).collect();
    let entries = read(script).map_err(|why| why.to_string())?;
    let mut play = Play {
        stage: stage(&entries)?,
        played: Vec::new(),
        explained: VecDeque::new(),
        raw: BTreeSet::new(),
    };
    let mut has_input = false;
    for (at, entry) in entries.iter().enumerate() {
        let end = entries.get(at + 1).map_or(lines.len() + 1, |next| next.line) - 1;
        let text: Vec<&str> =
            lines[entry.line - 1..end].iter().copied().filter(|line| !is_note(line)).collect();
        let is_played = is_input(&entry.what);
        if is_played && play.is_explanation(entry, &text) {
            continue;
        }
        // What stands together comes together, in one read.
        if !is_played || entry.line.checked_sub(2).is_some_and(|before| is_note(lines[before])) {
            play.settle(&mut has_input);
        }
        if !is_played {
            continue;
        }
        play.input(entry, &text)?;
        has_input = true;
    }
    play.settle(&mut has_input);
    Ok(with_notes(&lines, play.played))
}

/// A line, and its number in the script if it was written there.
struct Played {
    line: String,
    number: Option<usize>,
}

struct Play {
    stage: Stage,
    played: Vec<Played>,
    /// What bytes that were written as they are have turned out to be: lines that look like input, and
    /// are none.
    explained: VecDeque<String>,
    /// Clients that have sent such bytes. What is left of them at the end is explained there.
    raw: BTreeSet<String>,
}

impl Play {
    fn settle(&mut self, has_input: &mut bool) {
        if std::mem::take(has_input) {
            self.stage.settle();
            self.say(None);
        }
    }

    /// Writes down what was said: the line of the script with this number, or what came of it.
    fn say(&mut self, number: Option<usize>) {
        let said = self.stage.take_said().into_iter();
        self.played.extend(said.map(|line| Played { line, number }));
    }

    fn input(&mut self, entry: &Entry<'_>, text: &[&str]) -> Result<(), String> {
        let number = Some(entry.line);
        let as_it_is =
            Played { line: text.first().copied().unwrap_or_default().to_owned(), number };
        match &entry.what {
            What::Received(bytes) if is_raw(&as_it_is.line) => {
                self.played.push(as_it_is);
                self.raw.insert(entry.client.to_owned());
                self.stage.receive(entry.client, bytes);
                let said = self.stage.take_said();
                self.explained.extend(said.iter().cloned());
                self.played.extend(said.into_iter().map(|line| Played { line, number: None }));
            }
            What::Received(bytes) => self.stage.receive(entry.client, bytes),
            What::ReceivedEnd => self.stage.receive_end(entry.client),
            What::Connects => self.stage.connect(entry.client),
            What::Reset => self.stage.reset(entry.client),
            What::NotWhole { .. } => {
                return Err(format!(
                    "line {}: not all of it is shown, so it cannot be played",
                    entry.line
                ));
            }
            What::Bus(event) => self.stage.hear_bus(event),
            What::Reads(bytes) => {
                self.played.push(as_it_is);
                self.stage.reads(entry.client, *bytes);
                self.say(None);
            }
            What::Time(time) => {
                self.settle(&mut true);
                self.played.push(as_it_is);
                self.stage.sleep(*time);
                self.say(None);
            }
            What::Command(_) if self.played.is_empty() => self.played.push(as_it_is),
            What::Command(_) => return Err(format!("line {}: it begins anew", entry.line)),
            What::Sent(_) | What::SentEnd | What::Gone => {
                return Err(format!("line {} is what comes out", entry.line));
            }
        }
        self.say(number);
        Ok(())
    }

    /// Whether these lines look like input and are none.
    fn is_explanation(&mut self, entry: &Entry<'_>, text: &[&str]) -> bool {
        let is_next = text.len() <= self.explained.len()
            && text.iter().zip(&self.explained).all(|(line, explained)| line == explained);
        if is_next {
            self.explained.drain(..text.len());
        }
        let is_end = text[0].contains("< ignored ") || text[0].contains("< cut off");
        is_next || (is_end && self.raw.contains(entry.client))
    }
}

/// The server that the script begins with, or the one that is started without any flags.
fn stage(entries: &[Entry<'_>]) -> Result<Stage, String> {
    let command = entries.iter().find_map(|entry| {
        if let What::Command(arguments) = entry.what { Some(arguments) } else { None }
    });
    let arguments = words(command.unwrap_or_default()).map(OsString::from);
    match parse([OsString::from("barewire")].into_iter().chain(arguments), |_| None) {
        Ok(Command::Serve(options)) => {
            let mut site = site(&options);
            let port = options.bind.first().map_or(8080, |address| address.port());
            site.page = page(&site, &format!("http://localhost:{port}/"));
            Ok(Stage::new(site))
        }
        Ok(_) => Err("a script is about a server".to_owned()),
        Err(usage) => Err(usage.to_string()),
    }
}

/// Words as a shell tells them apart, with quotes around some.
fn words(line: &str) -> impl Iterator<Item = String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for char in line.chars() {
        match (char, quote) {
            (_, Some(end)) if char == end => quote = None,
            ('\'' | '"', None) => quote = Some(char),
            (' ', None) => words.push(String::new()),
            (_, _) => words.last_mut().expect("there is one").push(char),
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// Whether a line is played; all others are what must come out.
fn is_input(what: &What<'_>) -> bool {
    match what {
        What::Sent(_) | What::SentEnd | What::Gone => false,
        What::NotWhole { is_inbound } => *is_inbound,
        What::Connects | What::Reset => true,
        What::Bus(Bus::Subscribe(_) | Bus::Unsubscribe(_) | Bus::Publish(..)) => false,
        What::Bus(_) | What::Received(_) | What::ReceivedEnd => true,
        What::Reads(_) | What::Time(_) | What::Command(_) => true,
    }
}

/// Bytes as they are: `< "GET"` or `< 81 85`.
fn is_raw(line: &str) -> bool {
    let text = line.split_once("< ").map_or("", |(_, text)| text);
    text.starts_with('"') || text.split(' ').all(|word| word.len() == 2)
}

/// What is for the reader, and whatever else stands in a log that was pasted.
fn is_note(line: &str) -> bool {
    let has_time = line.get(..20).is_some_and(|time| time.ends_with('Z'));
    line.is_empty() || line.starts_with(['#', '(']) || has_time
}

/// Puts the notes back: each before the line that it stood before.
fn with_notes(script: &[&str], played: Vec<Played>) -> String {
    let numbered = || script.iter().copied().zip(1_usize..);
    let mut notes = numbered().filter(|(line, _)| is_note(line)).peekable();
    let mut text = String::new();
    let mut add = |line: &str| text += &format!("{line}\n");
    let mut at = 0;
    for Played { line, number } in played {
        // What came out stands where it stood, if it is what was written there.
        let next = numbered().find(|(old, number)| *number > at && !is_note(old));
        let same = next.filter(|(old, _)| *old == line).map(|(_, number)| number);
        if let Some(number) = number.or(same) {
            at = at.max(number);
            while let Some((note, _)) = notes.next_if(|(_, before)| *before < number) {
                add(note);
            }
        }
        add(&line);
    }
    notes.for_each(|(note, _)| add(note));
    text
}

/// Whether two transcripts tell the same: to each client the same lines in the same order in the same time,
/// and to the bus the same. Between two of them there is no order: which socket a turn of the loop comes to
/// first is chance.
pub(crate) fn tell_the_same(one: &str, other: &str) -> bool {
    by_client(one) == by_client(other)
}

/// The lines of each client between two moments.
fn by_client(script: &str) -> Vec<BTreeMap<&str, Vec<&str>>> {
    let mut moments = vec![BTreeMap::<_, Vec<_>>::new()];
    for line in script.lines().filter(|line| !is_note(line)) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if first == "@" {
            moments.push(BTreeMap::new());
        }
        let is_named = rest.starts_with("< ") || rest.starts_with("> ");
        let client = match first {
            // Between two channels there is no order either.
            "!" => line,
            ">" => "<",
            _ if is_named => first,
            _ => "<",
        };
        moments.last_mut().expect("there is one").entry(client).or_default().push(line);
    }
    moments
}
