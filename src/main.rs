//! `barewire`: arguments, then options, then the server. The only place that prints and exits.
//!
//! What to notice:
//! * Exit codes: 0 after a clean end, 1 for what failed at run time and for bytes that break
//!   a rule, 2 for wrong usage.
//! * A log line is one line: whatever a peer sent, control characters in it are escaped.
//! * A closed or full stderr neither ends nor stops anything: what cannot be written is dropped,
//!   and how much that was is said when it can be.

use std::fmt;
use std::io::{self, Read as _, Write};
use std::process::ExitCode;

use barewire::explain::{self, Explanation, MAX_INPUT_BYTES};
use barewire::net;
use barewire::options::{self, Command};
use log::Record;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const RUN_TIME_FAILURE: u8 = 1;
const BROKEN_RULE: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    match options::from_process() {
        Ok(Command::Serve(options)) => {
            start_log();
            report(net::serve(*options))
        }
        Ok(Command::Publish(options)) => report(net::publish::publish(&options, &mut io::stdout())),
        Ok(Command::Explain(bytes)) => explain(bytes),
        Ok(Command::Show(text)) => {
            show(&text);
            ExitCode::SUCCESS
        }
        Err(usage) => {
            say(&usage);
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// Explains the bytes, or else what is on stdin, of which no more is read than is explained.
fn explain(bytes: Option<Vec<u8>>) -> ExitCode {
    let most = u64::try_from(MAX_INPUT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let bytes = bytes.map_or_else(
        || {
            let mut bytes = Vec::new();
            io::stdin().take(most).read_to_end(&mut bytes).map(|_| bytes)
        },
        Ok,
    );
    match bytes.map_err(|why| why.to_string()).and_then(|bytes| explain::explain(&bytes)) {
        Ok(Explanation { text, is_legal }) => {
            show(&text);
            if is_legal { ExitCode::SUCCESS } else { ExitCode::from(BROKEN_RULE) }
        }
        Err(why) => {
            say(&format_args!("barewire: {why}"));
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// Whoever has seen enough may close the pipe: `barewire -h | head -3`.
fn show(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn report<E: fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format_args!("barewire: {why}"));
            ExitCode::from(RUN_TIME_FAILURE)
        }
    }
}

/// Tells the person at the terminal, if there still is one.
fn say(text: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Sends the log to stderr: at info, or as `RUST_LOG` says.
fn start_log() {
    let filter = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(filter)
        .format(|out, record| line(out, record, wall_clock()))
        .target(env_logger::Target::Pipe(Box::new(Stderr { dropped: 0 })))
        .init();
}

/// The log's way out. The server has one thread, and whoever does not read its log must not be able
/// to stop it: so a line goes out only if that cannot block.
struct Stderr {
    /// Lines that could not be written since the last one that could.
    dropped: u64,
}

/// POSIX: a pipe that is ready for writing takes this much without blocking (PIPE_BUF, at least).
const UNBLOCKED_BYTES: usize = 4096;

impl Write for Stderr {
    /// Takes one line, always whole: written, cut, or counted as dropped.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !is_writable(&io::stderr()) {
            self.dropped += 1;
            return Ok(line.len());
        }
        let mut text = String::new();
        if self.dropped > 0 {
            text = format!("({} lines of log were dropped: nobody read them)\n", self.dropped);
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(line);
        if bytes.len() > UNBLOCKED_BYTES {
            bytes.truncate(UNBLOCKED_BYTES - 1);
            bytes.push(b'\n');
        }
        self.dropped = 0;
        // A stderr that is closed says so here, and nobody is left to tell.
        let _ = io::stderr().write_all(&bytes);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_writable(stderr: &io::Stderr) -> bool {
    let mut polled = [PollFd::new(stderr, PollFlags::OUT)];
    matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1))
}

#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "log lines carry the wall clock, which no machine under test sees"
)]
fn wall_clock() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Writes one line, `2026-11-22T10:20:30Z INFO  barewire: text`.
#[allow(clippy::disallowed_types, reason = "the time is handed in")]
fn line(out: &mut dyn Write, record: &Record<'_>, time: std::time::SystemTime) -> io::Result<()> {
    // Which module says it helps nobody who runs this, but what is the wire's is marked as such.
    let (level, target) = (record.level(), record.target());
    let target = if target.ends_with("::wire") { target } else { "barewire" };
    let text = Escaped(record.args());
    writeln!(out, "{} {level:<5} {target}: {text}", humantime::format_rfc3339_seconds(time))
}

/// A text in which nothing can move the cursor, start a new line or turn the reading direction.
struct Escaped<'a>(&'a fmt::Arguments<'a>);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::write(&mut Escaping(f), *self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unfit(*c)) {
            let (fit, behind) = rest.split_at_checked(at).unwrap_or_default();
            self.0.write_str(fit)?;
            write!(self.0, "{}", c.escape_default())?;
            rest = behind.strip_prefix(c).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// Control characters, and those that change the direction of the text around them or cannot be seen.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_log_line_is_one_line() {
        let mut out = Vec::new();
        line(
            &mut out,
            &Record::builder()
                .args(format_args!("a {}\u{202e}é", "\r\n\x1b[31m"))
                .level(log::Level::Info)
                .target("barewire::wire")
                .build(),
            UNIX_EPOCH + Duration::from_secs(1_795_342_830),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "2026-11-22T10:20:30Z INFO  barewire::wire: a \\r\\n\\u{1b}[31m\\u{202e}é\n"
        );
    }
}
