//! The command line: its flags, its help, and what clap says about it in our words.
//!
//! What to notice:
//! * One table describes each flag. clap is built from it and the help is written from it, so that
//!   they cannot disagree.
//! * clap's own error texts repeat what was written, which may be a password. They are replaced:
//!   only names from the table are ever repeated, and all else is "argument 3".
//! * The help fits a screen of 80 columns and 30 lines, and a test measures it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, value_parser};

/// One flag: how it is written and what is said about it.
pub(super) struct Flag {
    /// Its name behind `--`; a single letter stands behind `-`.
    pub(super) name: &'static str,
    /// What stands for its value in the help; empty for a switch.
    value: &'static str,
    about: &'static str,
    /// Shown at the end of its line.
    default: &'static str,
    repeatable: bool,
}

const fn flag(
    name: &'static str,
    value: &'static str,
    about: &'static str,
    default: &'static str,
) -> Flag {
    Flag { name, value, about, default, repeatable: false }
}

const fn repeatable(
    name: &'static str,
    value: &'static str,
    about: &'static str,
    default: &'static str,
) -> Flag {
    Flag { name, value, about, default, repeatable: true }
}

/// The flags of the server.
pub(super) const SERVE: [Flag; 14] = [
    repeatable("bind", "ADDR", "listen here *", "[127.0.0.1:8080]"),
    flag("redis", "URL", "redis://[user:password@]host[:port] or unix:/path", ""),
    repeatable("channel", "GLOB", "clients may subscribe to these *", "[ruby]"),
    repeatable("origin", "ORIGIN", "pages from there may connect too *", ""),
    flag("echo", "", "answer /echo", "[on without --redis]"),
    flag("awake", "TIME", "say so on channel awake, or off", "[5s without --redis]"),
    flag("publish-token", "TOKEN", "who presents it may POST /publish", ""),
    flag("max-connections", "N", "clients at once", "[open files less 64]"),
    flag("max-message", "SIZE", "largest message from a client", "[64k]"),
    flag("max-publish", "SIZE", "largest message to clients", "[1m]"),
    flag("backlog", "SIZE", "how far a slow client may fall behind", "[2m]"),
    flag("ping", "TIME", "ping each client this often", "[25s]"),
    flag("idle-timeout", "TIME", "close a client silent for this long", "[60s]"),
    flag("drain", "TIME", "longest clean-up after SIGTERM", "[10s]"),
];

/// The flags of `barewire publish`.
pub(super) const PUBLISH: [Flag; 6] = [
    flag("count", "N", "send it N times", "[1; for ever with --every]"),
    flag("every", "TIME", "wait between two sends", "[none]"),
    flag("n", "", "send the exact bytes, without a newline at the end", ""),
    flag("redis", "URL", "to Redis", "[REDIS_URL]"),
    flag("to", "URL", "to a server", "[http://127.0.0.1:8080]"),
    flag("publish-token", "TOKEN", "for the server", "[BAREWIRE_PUBLISH_TOKEN]"),
];

const HELP: Flag = flag("h, --help", "", "this text", "");
const VERSION: Flag = flag("V, --version", "", "the version", "");

const WIDTH: usize = 79;

/// The whole command line, for clap.
pub(super) fn command() -> clap::Command {
    let channel = Arg::new("CHANNEL").required(true);
    // Bytes, not text: a shell can write any but NUL.
    let message = Arg::new("MESSAGE")
        .required(true)
        .allow_negative_numbers(true)
        .value_parser(value_parser!(OsString));
    let publish = clap::Command::new("publish")
        .args([channel, message])
        .args(PUBLISH.iter().map(Flag::arg))
        .override_help(publish_help());
    clap::Command::new("barewire")
        .version(env!("CARGO_PKG_VERSION"))
        .args(SERVE.iter().map(Flag::arg))
        .override_help(serve_help())
        .subcommand(publish)
        .disable_help_subcommand(true)
}

impl Flag {
    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name);
        let arg = if self.name.len() == 1 {
            arg.short(self.name.chars().next())
        } else {
            arg.long(self.name)
        };
        if self.value.is_empty() {
            arg.action(ArgAction::SetTrue)
        } else if self.repeatable {
            arg.action(ArgAction::Append).value_name(self.value)
        } else {
            arg.action(ArgAction::Set).value_name(self.value)
        }
    }

    fn dashes(&self) -> &'static str {
        if self.name.len() == 1 || self.name.contains(',') { "-" } else { "--" }
    }

    /// The flag and its value, as one writes them.
    fn usage(&self) -> String {
        let space = if self.value.is_empty() { "" } else { " " };
        format!("{}{}{space}{}", self.dashes(), self.name, self.value)
    }

    fn line(&self, out: &mut String) {
        let (usage, about, default) = (self.usage(), self.about, self.default);
        let room = WIDTH.saturating_sub(25 + about.chars().count());
        // Writing to a String cannot fail.
        let _ = match default {
            "" => writeln!(out, "  {usage:<23}{about}"),
            _ => writeln!(out, "  {usage:<23}{about}{default:>room$}"),
        };
    }
}

fn table(flags: &[Flag], also: &[Flag]) -> String {
    let mut out = String::new();
    flags.iter().chain(also).for_each(|flag| flag.line(&mut out));
    out
}

fn serve_help() -> String {
    format!(
        "\
Barewire {}: what is published to a channel reaches every WebSocket on it

Usage: barewire [FLAGS]
       barewire publish CHANNEL MESSAGE       (see: barewire publish -h)

{}
* may be repeated. A SIZE is 512, 64k, 1m; a TIME is 500ms, 30s, 5m, 1h. Every
flag has a variable, and beats it: REDIS_URL; PORT or BAREWIRE_BIND; and so on
to BAREWIRE_IDLE_TIMEOUT; lists with commas. Put secrets there: all who are on
the machine can read arguments. Without Redis, publishing needs no token here.

  barewire                                 a demo at http://localhost:8080
  REDIS_URL=redis://localhost barewire --channel ruby --channel 'news.*'
  barewire publish ruby 'it is {{time}}' --every 5s
",
        env!("CARGO_PKG_VERSION"),
        table(&SERVE, &[HELP, VERSION])
    )
}

fn publish_help() -> String {
    format!(
        "\
Publishes a message to a channel, and says how many received it

Usage: barewire publish CHANNEL MESSAGE [FLAGS]

{}
In the message {{time}} becomes the unix time. Receivers of Redis are servers;
receivers of a server are its clients.

  barewire publish ruby 'Hello world'
  barewire publish ruby 'it is {{time}}' --count 5 --every 5s
",
        table(&PUBLISH, &[HELP])
    )
}

/// What was wrong with the arguments and what to write instead, without repeating a value.
pub(super) fn explain(error: &clap::Error, args: &[OsString]) -> String {
    let kind = error.kind();
    let publishing = args.get(1).is_some_and(|arg| arg == "publish");
    let flags = if publishing { &PUBLISH[..] } else { &SERVE[..] };
    let kinds = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    let named = match kinds.into_iter().find_map(|kind| error.get(kind)) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let word = named.split([' ', '=']).next().unwrap_or_default();
    let known = flags.iter().find(|flag| word.strip_prefix(flag.dashes()) == Some(flag.name));
    if let Some(flag) = known {
        let (name, usage) = (word, flag.usage());
        return if kind == ErrorKind::InvalidValue {
            format!("{name}: a value is missing: write {usage} (or {name}=… if it begins with -)")
        } else if kind == ErrorKind::TooManyValues {
            format!("{name}: it takes no value: write {usage}")
        } else {
            format!("{name}: write it only once")
        };
    }
    if kind == ErrorKind::MissingRequiredArgument {
        return "a channel and a message are needed: write barewire publish ruby 'Hello world'"
            .to_owned();
    }
    if kind == ErrorKind::InvalidUtf8 {
        return "an argument is not UTF-8".to_owned();
    }
    unknown(word, flags, args, publishing)
}

/// About an argument that is none of ours. It may be a secret whose flag was forgotten, so it is
/// told by its place.
fn unknown(word: &str, flags: &[Flag], args: &[OsString], publishing: bool) -> String {
    let begins =
        |arg: &OsStr| !word.is_empty() && arg.as_encoded_bytes().starts_with(word.as_bytes());
    let place = match args.iter().position(|arg| begins(arg)) {
        Some(place) => format!("argument {place}"),
        None => "an argument".to_owned(),
    };
    if word.starts_with('-') {
        return match closest(word, flags) {
            Some(flag) => format!("{place} is not known: did you mean {}?", flag.usage()),
            None => format!("{place} is not a flag of this command"),
        };
    }
    if publishing {
        return format!("{place} is one too many: put quotes around a message of several words");
    }
    format!("{place} belongs to no flag; the one command is: barewire publish CHANNEL MESSAGE")
}

/// The flag that begins most like `word`, if at least two letters behind `--` are the same.
fn closest<'a>(word: &str, flags: &'a [Flag]) -> Option<&'a Flag> {
    let word = word.strip_prefix("--")?;
    let alike =
        |flag: &Flag| word.bytes().zip(flag.name.bytes()).take_while(|(a, b)| a == b).count();
    flags.iter().max_by_key(|flag| alike(flag)).filter(|flag| alike(flag) >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(args: &[&str]) -> String {
        command().try_get_matches_from(args).unwrap_err().render().to_string()
    }

    #[test]
    fn clap_accepts_the_table() {
        command().debug_assert();
    }

    #[test]
    fn the_help_fits_a_screen() {
        for args in
            [&["barewire", "-h"][..], &["barewire", "--help"], &["barewire", "publish", "-h"]]
        {
            let help = help(args);
            assert!(help.lines().count() <= 30, "{} lines\n{help}", help.lines().count());
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn the_help_names_every_flag_and_gives_an_example() {
        let serve = help(&["barewire", "-h"]);
        for flag in &SERVE {
            assert!(serve.contains(&format!("  {} ", flag.usage())), "{}", flag.name);
        }
        assert!(serve.contains("\n  barewire publish ruby"));
        let publish = help(&["barewire", "publish", "--help"]);
        for flag in &PUBLISH {
            assert!(publish.contains(&format!("  {} ", flag.usage())), "{}", flag.name);
        }
        assert!(publish.contains("\n  barewire publish ruby 'Hello world'\n"));
    }

    #[test]
    fn the_closest_flag_shares_two_letters() {
        for (word, expected) in [
            ("--chanel", Some("channel")),
            ("--max-conns", Some("max-connections")),
            ("--redis-url", Some("redis")),
            ("--x", None),
            ("--", None),
            ("-b", None),
        ] {
            assert_eq!(closest(word, &SERVE).map(|flag| flag.name), expected, "{word}");
        }
    }
}
