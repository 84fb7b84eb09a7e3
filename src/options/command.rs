//! The command line: its help, the flags that stand in it, and what clap says about them in our words.
//!
//! What to notice:
//! * The help is the table of flags: clap is built from its lines, so the two cannot disagree.
//! * clap's own error texts repeat what was written, which may be a password. They are replaced:
//!   only flags of the help are ever named, and all else is "argument 3".
//! * The help fits a screen of 80 columns and 30 lines, and a test measures it.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, value_parser};

pub(super) const SERVE: &str = concat!(
    "Barewire ",
    env!("CARGO_PKG_VERSION"),
    ": what is published to a channel reaches every WebSocket on it

Usage: barewire [FLAGS]                  (without any: a demo on localhost:8080)
       barewire publish CHANNEL MESSAGE; barewire explain BYTES  (-h says more)

  --bind ADDR            listen here *                         [127.0.0.1:8080]
  --admin-bind ADDR      health, metrics, publishing: only here *
  --redis URL            redis://[user:password@]host[:port] or unix:/path
  --channel GLOB         clients may subscribe to these *                [ruby]
  --origin ORIGIN        pages from there may connect too *
  --echo                 answer /echo                      [on without --redis]
  --awake TIME           say so on channel awake, or off   [5s without --redis]
  --publish-token TOKEN  who presents it may POST /publish
  --deflate              compress for clients that offer it              [off]
  --on-gap close|keep    after lost messages, close with 1012, or stay   [close]
  --max-connections N    clients at once                   [open files less 64]
  --max-message SIZE     largest message from a client                    [64k]
  --max-publish SIZE     largest message to clients                        [1m]
  --backlog SIZE         how far a slow client may fall behind             [2m]
  --ping TIME            ping a client silent for this long              [25s]
  --idle-timeout TIME    close a client silent for this long              [60s]
  --drain TIME           longest clean-up after SIGTERM                   [10s]
  -h, --help             this text            (and -V, --version, the version)

* may be repeated. A SIZE is 512, 64k, 1m; a TIME is 500ms, 30s, 5m, 1h. Every
flag has a variable, and beats it: REDIS_URL; PORT or BAREWIRE_BIND; and so on
to BAREWIRE_ON_GAP; lists with commas. Put secrets there, not into arguments.

  REDIS_URL=redis://localhost barewire --channel ruby --channel 'news.*'
  barewire publish ruby 'it is {time}' --every 5s
"
);

const PUBLISH: &str = "\
Publishes a message to a channel, and says how many received it

Usage: barewire publish CHANNEL MESSAGE [FLAGS]

  --count N              send it N times              [1; for ever with --every]
  --every TIME           wait between two sends                           [none]
  -n                     send the exact bytes, without a newline at the end
  --redis URL            to Redis                                    [REDIS_URL]
  --to URL               to a server                     [http://127.0.0.1:8080]
  --publish-token TOKEN  for the server                 [BAREWIRE_PUBLISH_TOKEN]
  -h, --help             this text

In the message {time} becomes the unix time. Receivers of Redis are servers;
receivers of a server are its clients.

  barewire publish ruby 'Hello world'
  barewire publish ruby 'it is {time}' --count 5 --every 5s
";

const EXPLAIN: &str = "\
Takes bytes apart: requests, the accept value, frames bit by bit, messages, and
the rule that is broken, with its section

Usage: barewire explain [BYTES]               (without any: those on its input)

  -h, --help             this text

Bytes are hexadecimal, grouped in any way; what xxd, hexdump -C or od -tx1 have
printed; a string with escapes; text of HTTP; or, on the input, what a server
has logged with RUST_LOG=barewire::wire=trace, or the bytes themselves. Exit
codes: 0 for what breaks no rule, 1 for what breaks one, 2 for no bytes.

  barewire explain 81 85 37 fa 21 3d 7f 9f 4d 51 58
  barewire explain '\\x81\\x05Hello'
  printf 'GET / HTTP/1.1\\n\\n' | barewire explain
";

/// The whole command line, for clap.
pub(super) fn command() -> clap::Command {
    // Bytes, not text: a shell can write any but NUL.
    let message = Arg::new("MESSAGE").value_parser(value_parser!(OsString));
    let publish = clap::Command::new("publish")
        .arg(Arg::new("CHANNEL").required(true))
        .arg(message.required(true).allow_negative_numbers(true))
        .args(flags(PUBLISH).map(arg))
        .override_help(PUBLISH);
    let bytes = Arg::new("BYTES").value_parser(value_parser!(OsString)).num_args(0..);
    let explain = clap::Command::new("explain").arg(bytes).override_help(EXPLAIN);
    clap::Command::new("barewire")
        .version(env!("CARGO_PKG_VERSION"))
        .args(flags(SERVE).map(arg))
        .override_help(SERVE)
        .subcommands([publish, explain])
        .disable_help_subcommand(true)
}

/// Each flag as the help writes it: `--ping TIME`. Help and version are clap's own.
pub(super) fn flags(help: &'static str) -> impl Iterator<Item = &'static str> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    let flags = lines.filter(|line| line.starts_with('-') && !line.contains(", --"));
    flags.filter_map(|line| line.split("  ").next())
}

fn arg(flag: &'static str) -> Arg {
    let (dashed, value) = flag.split_once(' ').unwrap_or((flag, ""));
    let arg = match dashed.strip_prefix("--") {
        Some(name) => Arg::new(name).long(name),
        None => Arg::new("n").short('n'),
    };
    // Whether a value may be repeated is decided where it is read.
    arg.action(if value.is_empty() { ArgAction::SetTrue } else { ArgAction::Append })
}

/// Whether the arguments begin with this command.
pub(super) fn is_command(args: &[OsString], name: &str) -> bool {
    args.get(1).is_some_and(|arg| arg == name)
}

/// What was wrong with the arguments and what to write instead, without repeating a value.
pub(super) fn explain(error: &clap::Error, args: &[OsString]) -> String {
    let publishing = is_command(args, "publish");
    let help = match args.get(1).and_then(|arg| arg.to_str()) {
        Some("publish") => PUBLISH,
        Some("explain") => EXPLAIN,
        _ => SERVE,
    };
    let mut about = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].into_iter();
    let word = match about.find_map(|kind| error.get(kind)) {
        Some(ContextValue::String(text)) => text.split([' ', '=']).next().unwrap_or_default(),
        _ => "",
    };
    let known = flags(help).find(|flag| flag.split(' ').next() == Some(word));
    match (error.kind(), known) {
        (ErrorKind::MissingRequiredArgument, _) => {
            "a channel and a message are needed: write barewire publish ruby 'Hello'".to_owned()
        }
        (ErrorKind::InvalidUtf8, _) => "an argument is not UTF-8".to_owned(),
        (ErrorKind::ArgumentConflict, Some(flag)) => format!("{flag}: write it only once"),
        (ErrorKind::TooManyValues, Some(flag)) => format!("{flag}: it takes no value"),
        (_, Some(flag)) => {
            format!("{word}: a value is missing: write {flag} (or {word}=… if it begins with -)")
        }
        (_, None) => {
            // It may be a secret whose flag was forgotten, so it is told by its place.
            let place = place(word, args);
            match closest(word, help) {
                Some(flag) => format!("argument {place} is not known: did you mean {flag}?"),
                None if publishing => format!(
                    "argument {place} is neither a flag nor the message: put quotes around several words"
                ),
                None => format!("argument {place} is neither a flag, `publish` nor `explain`"),
            }
        }
    }
}

/// The place of the argument that is, or begins with, `word`.
fn place(word: &str, args: &[OsString]) -> usize {
    let is_it = |arg: &OsString| {
        arg.to_string_lossy().starts_with(word) && arg.is_empty() == word.is_empty()
    };
    args.iter().skip(1).position(is_it).map_or(0, |before| before + 1)
}

/// The flag that begins most like `word`, if at least two letters behind `--` are the same.
fn closest(word: &str, help: &'static str) -> Option<&'static str> {
    let alike = |flag: &&str| word.bytes().zip(flag.bytes()).take_while(|(a, b)| a == b).count();
    flags(help).max_by_key(alike).filter(|flag| alike(flag) >= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(args: &[&str]) -> String {
        command().try_get_matches_from(args).unwrap_err().render().to_string()
    }

    #[test]
    fn clap_accepts_the_help_as_a_table() {
        command().debug_assert();
        assert_eq!(flags(SERVE).count(), 17);
        assert_eq!(flags(SERVE).next(), Some("--bind ADDR"));
        assert_eq!(
            flags(PUBLISH).collect::<Vec<_>>(),
            ["--count N", "--every TIME", "-n", "--redis URL", "--to URL", "--publish-token TOKEN"]
        );
    }

    #[test]
    fn the_help_fits_a_screen() {
        for args in [
            &["barewire", "-h"][..],
            &["barewire", "--help"],
            &["barewire", "publish", "-h"],
            &["barewire", "explain", "-h"],
        ] {
            let help = help(args);
            assert!(help.lines().count() <= 30, "{} lines\n{help}", help.lines().count());
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn the_help_gives_an_example() {
        let serve = help(&["barewire", "-h"]);
        assert!(serve.contains("\n  barewire publish ruby"));
        let publish = help(&["barewire", "publish", "--help"]);
        assert!(publish.contains("\n  barewire publish ruby 'Hello world'\n"));
    }

    #[test]
    fn the_closest_flag_shares_two_letters() {
        for (word, expected) in [
            ("--chanel", Some("--channel GLOB")),
            ("--max-conns", Some("--max-connections N")),
            ("--redis-url", Some("--redis URL")),
            ("--x", None),
            ("--", None),
            ("-b", None),
        ] {
            assert_eq!(closest(word, SERVE), expected, "{word}");
        }
    }
}
