//! Flags and environment, checked at the start and turned into values that need no more checking.
//!
//! ```text
//!   arguments ----> flag --------+
//!                                +--> value --> checks between values --> Command
//!   environment --> variable ----+
//!                   (when there is no flag)
//! ```
//!
//! What to notice:
//! * This is the only module that reads arguments and environment, and it does so in one place:
//!   [`from_process`]. Everything else takes both as parameters, so tests need neither.
//! * Nothing prints. What is to be shown comes back as a value, and main shows it.
//! * Every error names the flag or variable it is about and says what to write, and none repeats
//!   what was written.

mod command;
mod given;
mod publish;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

pub use self::publish::{PublishOptions, PublishTo};

use self::given::Given;
use crate::channel::Glob;
use crate::limits::Limits;
use crate::origin::Origin;
use crate::redis::{MAX_REPLY_BYTES, RedisAddress, parse_url};
use crate::secret::Secret;

/// The longest header of a frame from a server (RFC 6455 section 5.2: unmasked, 64-bit length).
const FRAME_HEADER_BYTES: usize = 10;

/// How the server is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; at least one address.
    pub bind: Vec<SocketAddr>,
    /// Where operators are answered, and nobody else; if none, clients' addresses do that too.
    pub admin_bind: Vec<SocketAddr>,
    /// Whether `PORT` alone said where: every address of the machine, which the start line tells.
    pub port_alone: bool,
    /// The bus; without it, the bus is inside the process.
    pub redis: Option<RedisAddress>,
    /// What clients may subscribe to.
    pub channels: Vec<Glob>,
    /// Origins besides the server's own.
    pub origins: Vec<Origin>,
    /// Whether `/echo` answers.
    pub echo: bool,
    /// How often to say so on channel `awake`, if at all.
    pub awake: Option<Duration>,
    /// Who presents it may publish. Without one, and without Redis, this machine may.
    pub publish_token: Option<Secret>,
    /// Whether messages are compressed for clients that offer it; only in a build that can.
    pub deflate: bool,
    /// Clients at once; else as many as there are descriptors.
    pub max_connections: Option<usize>,
    /// Whether subscribers are closed after messages may have been lost; else they are not told.
    pub closes_on_gap: bool,
    /// The largest message from a client.
    pub max_message_bytes: usize,
    /// The largest message to clients.
    pub max_publish_bytes: usize,
    /// How far a client may fall behind; at least the largest message with its frame header.
    pub backlog_bytes: usize,
    /// How often each client is pinged; shorter than `idle_timeout`.
    pub ping: Duration,
    /// After how long a silence a client is closed.
    pub idle_timeout: Duration,
    /// How long a clean end may take after SIGTERM.
    pub drain: Duration,
}

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run the server.
    Serve(Box<Options>),
    /// Publish messages, and end.
    Publish(PublishOptions),
    /// Explain these bytes, or else those on stdin, and end.
    Explain(Option<Vec<u8>>),
    /// Show this text on stdout, and end: the help or the version.
    Show(String),
}

/// Why the arguments and the environment make no [`Command`]: a text for stderr, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage(String);

impl Usage {
    /// About one flag or variable.
    fn about(source: &str, advice: impl fmt::Display) -> Self {
        Self(format!("{source}: {advice}"))
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "barewire: {}\nbarewire -h, barewire publish -h and barewire explain -h say more",
            self.0
        )
    }
}

/// Reads the arguments and the environment of this process.
///
/// # Errors
/// What was written wrong; show it and exit with 2.
pub fn from_process() -> Result<Command, Usage> {
    // Lossy: what is not UTF-8 is no valid value of any variable, and is refused as one.
    let env = |name: &str| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
    parse(std::env::args_os(), env)
}

/// Reads `args`, whose first is the name of the program, and the variables that `env` knows. A
/// variable set to nothing counts as not set.
///
/// # Errors
/// What was written wrong; show it and exit with 2.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Command, Usage> {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match command::command().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => return Err(Usage(command::explain(&error, &args))),
        Err(help) => return Ok(Command::Show(help.render().to_string())),
    };
    match matches.subcommand() {
        // Flags in front of the command would be the server's, and be lost.
        Some((name, _)) if !command::is_command(&args, name) => {
            Err(Usage(format!("write `{name}` first, and its flags behind it")))
        }
        Some(("publish", matches)) => {
            publish::publish(&Given { matches, env: &env }).map(Command::Publish)
        }
        Some((_, matches)) => {
            let words = matches.get_many::<OsString>("BYTES").into_iter().flatten();
            let words: Vec<_> = words.map(|word| word.as_bytes()).collect();
            Ok(Command::Explain((!words.is_empty()).then(|| words.join(&b' '))))
        }
        None => {
            let options = serve(&Given { matches: &matches, env: &env }).and_then(agree)?;
            Ok(Command::Serve(Box::new(options)))
        }
    }
}

fn serve(given: &Given<'_>) -> Result<Options, Usage> {
    let redis = given.one("redis", parse_url)?;
    // Without Redis it is a demo, in which all there is to see is on.
    let is_demo = redis.is_none();
    let demo_awake = is_demo.then_some(Duration::from_secs(5));
    let mut bind = given.many("bind", values::address)?;
    // BAREWIRE_BIND is meant for this program alone, so it beats PORT.
    let port = if bind.is_empty() { given.variable("PORT", values::port)? } else { None };
    if bind.is_empty() {
        bind.push(port.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))));
    }
    let mut channels = given.many("channel", |text| values::channel(text, Glob::new))?;
    if channels.is_empty() {
        channels.extend(Glob::new("ruby"));
    }
    let drain = given.one("drain", values::time_or_off)?;
    Ok(Options {
        bind,
        admin_bind: given.many("admin-bind", values::address)?,
        port_alone: port.is_some(),
        redis,
        channels,
        origins: given.many("origin", values::origin)?,
        echo: given.switch("echo")?.unwrap_or(is_demo),
        awake: given.one("awake", values::time_or_off)?.unwrap_or(demo_awake),
        publish_token: given.one("publish-token", Secret::new)?,
        deflate: given.switch("deflate")?.unwrap_or(false),
        max_connections: given.one("max-connections", values::number)?,
        closes_on_gap: given.one("on-gap", values::on_gap)?.unwrap_or(true),
        max_message_bytes: given.one("max-message", values::size)?.unwrap_or(64 << 10),
        max_publish_bytes: given.one("max-publish", values::size)?.unwrap_or(1 << 20),
        backlog_bytes: given.one("backlog", values::size)?.unwrap_or(2 << 20),
        ping: given.one("ping", values::time)?.unwrap_or(Duration::from_secs(25)),
        idle_timeout: given.one("idle-timeout", values::time)?.unwrap_or(Duration::from_secs(60)),
        drain: drain.map_or(Duration::from_secs(10), Option::unwrap_or_default),
    })
}

/// Checks between values. Each names both flags: either may be the one to change.
fn agree(options: Options) -> Result<Options, Usage> {
    if options.deflate && !cfg!(feature = "deflate") {
        let advice = "this binary cannot: build it with the cargo feature `deflate`";
        return Err(Usage::about("--deflate", advice));
    }
    // A client that takes all its channels by default must not be over the limit by that.
    let names = options.channels.iter().filter_map(Glob::literal).count();
    let most = Limits::default().channels_per_client.saturating_sub(1);
    if names > most {
        let advice = format!("at most {most} names: write a glob for those that belong together");
        return Err(Usage::about("--channel", advice));
    }
    // The link can hold a reply only up to its limit, and the channel's name stands in it too.
    let most = MAX_REPLY_BYTES.saturating_sub(1 << 20);
    if options.max_publish_bytes > most {
        return Err(Usage::about("--max-publish", format!("write at most {}m", most >> 20)));
    }
    let least = options.max_publish_bytes.saturating_add(FRAME_HEADER_BYTES);
    if options.backlog_bytes < least {
        let advice = format!(
            "the largest message does not fit: write at least {least}, or a smaller --max-publish"
        );
        return Err(Usage::about("--backlog", advice));
    }
    let (ping, idle) = (options.ping, options.idle_timeout);
    // Clients would be closed before they are asked.
    if ping >= idle {
        let shorter = idle / 2;
        let advice = format!(
            "{ping:?} is not shorter than --idle-timeout {idle:?}: write --ping {shorter:?}"
        );
        return Err(Usage::about("--ping", advice));
    }
    Ok(options)
}

#[cfg(test)]
mod tests;
