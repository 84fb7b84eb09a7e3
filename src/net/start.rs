//! From options to a running server, and the line that says what it is.
//!
//! What to notice:
//! * Only here are options turned into a `Site`. The machines know no flag, and tests make their own site.
//! * The limit of open descriptors is raised as far as it goes, and then clients are counted against it. So
//!   what runs out is clients, who are told, and not the descriptors of Redis or of a listener.
//! * Publishing without a token follows from what was *not* asked for: no Redis, no token, and loopback
//!   addresses alone, those of operators too. The start line warns of it.

use std::io;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Server;
use crate::channel::Glob;
use crate::limits::Limits;
use crate::options::Options;
use crate::origin::OriginPolicy;
use crate::redis::RedisAddress;
use crate::site::{PublishPolicy, Site};
use crate::websocket::message::MessageLimits;

/// Runs the server until a signal ends it.
///
/// # Errors
/// An address that cannot be bound, and which; or that the system refuses what every server needs.
pub fn serve(options: Options) -> io::Result<()> {
    let mut site = site(&options);
    site.max_connections = within_descriptors(site.max_connections, &mut site.limits);
    let mut server = Server::bind(&options.bind, &options.admin_bind, options.redis.clone(), site)?;
    server.drain_time = options.drain;
    log::info!("{}", start_line(&server, options.redis.as_ref(), options.port_alone));
    server.run()?;
    server.finish();
    log::info!("stopped");
    Ok(())
}

/// What clients are answered by a server with these options, before it is known at which address and
/// how many of them fit.
#[must_use]
pub fn site(options: &Options) -> Site {
    let limits = Limits::default();
    let loopback_only = options.bind.iter().all(|address| address.ip().is_loopback());
    let publish_only_here =
        loopback_only && options.admin_bind.iter().all(|address| address.ip().is_loopback());
    let publishing = match &options.publish_token {
        Some(token) => PublishPolicy::WithToken(token.clone()),
        None if options.redis.is_none() && publish_only_here => PublishPolicy::FromThisMachine,
        None => PublishPolicy::Off,
    };
    Site {
        messages: MessageLimits {
            max_message_bytes: options.max_message_bytes,
            max_fragments: limits.fragments,
        },
        ping: options.ping,
        idle_timeout: options.idle_timeout,
        origins: OriginPolicy { allowed: options.origins.clone(), loopback_only },
        channels: options.channels.clone(),
        has_admin: !options.admin_bind.is_empty(),
        has_redis: options.redis.is_some(),
        echo: options.echo,
        deflate: options.deflate,
        publishing,
        max_connections: options.max_connections.unwrap_or(usize::MAX),
        max_publish_bytes: options.max_publish_bytes,
        backlog_bytes: options.backlog_bytes,
        awake: options.awake,
        closes_on_gap: options.closes_on_gap,
        limits,
        ..Site::default()
    }
}

/// Raises the limit of open descriptors as far as it goes, and fits the clients into it.
fn within_descriptors(wanted: usize, limits: &mut Limits) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    // None means that there is no limit.
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return wanted };
    // Where there are hardly any, half of them will do for what is no client.
    limits.reserved_descriptors = limits.reserved_descriptors.min(limit / 2);
    limits.refusals = limits.refusals.min(limits.reserved_descriptors / 4);
    let room = limit - limits.reserved_descriptors;
    if wanted != usize::MAX && wanted > room {
        log::warn!(
            "--max-connections {wanted} does not fit into {limit} open files: it is {room} now \
             (raise `ulimit -n` to {})",
            wanted.saturating_add(limits.reserved_descriptors)
        );
    }
    wanted.min(room)
}

/// One line: version, addresses, bus, what is on, limits.
fn start_line(server: &Server, redis: Option<&RedisAddress>, port_alone: bool) -> String {
    let site = &server.site;
    let mut parts = vec![format!(
        "barewire {} on {}{}",
        env!("CARGO_PKG_VERSION"),
        join(server.addresses(false).map(http_url)),
        if port_alone { " (every address, because PORT is set)" } else { "" },
    )];
    if site.has_admin {
        parts.push(format!("operators: {}", join(server.addresses(true).map(http_url))));
    }
    parts.push(match redis {
        Some(address) => format!("bus: {address}"),
        None => "bus: this process alone, a demo (--redis URL for more)".to_owned(),
    });
    parts.push(format!("channels: {}", join(site.channels.iter().map(Glob::as_str))));
    if site.echo {
        parts.push("/echo is on".to_owned());
    }
    if let Some(every) = site.awake {
        parts.push(format!("awake every {every:?}"));
    }
    if site.deflate {
        parts.push("messages are compressed for who offers it".to_owned());
    }
    parts.push(match site.publishing {
        PublishPolicy::Off => "POST /publish is off (--publish-token)".to_owned(),
        PublishPolicy::WithToken(_) => "POST /publish wants the token".to_owned(),
        PublishPolicy::FromThisMachine => {
            "WARNING: whoever is on this machine may POST /publish without a token".to_owned()
        }
    });
    parts.push(format!(
        "limits: {} clients, {} in, {} out, {} behind",
        site.max_connections,
        size(site.messages.max_message_bytes),
        size(site.max_publish_bytes),
        size(site.backlog_bytes),
    ));
    parts.join("; ")
}

/// An address as one would type it into a browser.
fn http_url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn join(parts: impl Iterator<Item = impl Into<String>>) -> String {
    parts.map(Into::into).collect::<Vec<String>>().join(", ")
}

fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{}m", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}k", bytes >> 10),
        bytes => bytes.to_string(),
    }
}
