//! Reads a Redis URL: where to connect, and with which credentials.
//!
//! ```text
//!   redis://[user:password@]host[:port]      (also valkey://; a /database is read and means nothing)
//!   unix:/path/to/redis.sock[?user=…&pass=…] (also redis+unix:)
//! ```
//!
//! What to notice:
//! * `rediss://` is refused, never spoken without its TLS.
//! * What is printed leaves out all that stands before the `@`: a password in the wrong place, as in
//!   `redis://secret@host`, is one still.
//! * A host name outside ASCII is refused. The URL parser would percent-encode it into a name that no
//!   resolver knows.

use std::fmt;
use std::path::PathBuf;

use ::redis::{ConnectionAddr, IntoConnectionInfo};

/// Where Redis listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host name or an IP address without brackets, and a port.
    Tcp {
        /// ASCII: letters, digits, `.`, `-`, `_`, and `:` in an IPv6 address.
        host: String,
        /// 6379 unless the URL says otherwise.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Who to be to Redis. `Debug` prints neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; without one, Redis means `default`.
    pub username: Option<String>,
    /// In clear, percent-decoded.
    pub password: Option<String>,
}

/// What a Redis URL says. `Debug` and `Display` are fit for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddress {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// What to say first.
    pub credentials: Credentials,
}

/// Why a text is no Redis URL to connect to. None of these repeats the text: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// `rediss://` or `valkeys://`.
    Tls,
    /// Another scheme, or none.
    Scheme,
    /// The host has characters that no host name has.
    Host,
    /// A `#`: most likely part of a password, and all behind it would be lost.
    Fragment,
    /// Anything else.
    Malformed,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => {
                "rediss:// (TLS) is not spoken; put stunnel, or another local proxy that speaks TLS to \
                 Redis, in front of it, and write redis://127.0.0.1:port"
            }
            Self::Scheme => "write redis://host:port or unix:/path",
            Self::Host => {
                "a host is ASCII letters, digits, '-' and '.'; write an international name in its \
                 xn-- form"
            }
            Self::Fragment => "no # belongs there; in a password write it as %23",
            Self::Malformed => {
                "write redis://[user:password@]host[:port] or unix:/path, with @ : / ? % of a password \
                 as %40 %3A %2F %3F %25"
            }
        })
    }
}

/// Reads a Redis URL.
///
/// # Errors
/// What is wrong with it; show it to whoever wrote the URL, but do not repeat the URL.
pub fn parse_url(url: &str) -> Result<RedisAddress, UrlError> {
    let (scheme, _) = url.split_once(':').ok_or(UrlError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => {}
        "rediss" | "valkeys" => return Err(UrlError::Tls),
        _ => return Err(UrlError::Scheme),
    }
    if url.contains('#') {
        return Err(UrlError::Fragment);
    }
    let info = url.into_connection_info().map_err(|_| UrlError::Malformed)?;
    // `ConnectionAddr` may grow kinds with the crate; whatever they are, they are not spoken here.
    let endpoint = if let ConnectionAddr::Tcp(host, port) = info.addr() {
        if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte)) {
            return Err(UrlError::Host);
        }
        Endpoint::Tcp { host: host.clone(), port: *port }
    } else if let ConnectionAddr::Unix(path) = info.addr() {
        Endpoint::Unix(path.clone())
    } else {
        return Err(UrlError::Malformed);
    };
    let settings = info.redis_settings();
    Ok(RedisAddress {
        endpoint,
        credentials: Credentials {
            username: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
        },
    })
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.credentials == Credentials::default() { "" } else { "***@" };
        match &self.endpoint {
            Endpoint::Tcp { host, port } if host.contains(':') => {
                write!(f, "redis://{who}[{host}]:{port}")
            }
            Endpoint::Tcp { host, port } => write!(f, "redis://{who}{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::default() { "no credentials" } else { "***" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(username: Option<&str>, password: Option<&str>) -> Credentials {
        Credentials { username: username.map(str::to_owned), password: password.map(str::to_owned) }
    }

    #[test]
    fn urls_say_where_and_who() {
        let tcp = |host: &str, port| Endpoint::Tcp { host: host.to_owned(), port };
        let unix = |path: &str| Endpoint::Unix(PathBuf::from(path));
        for (url, endpoint, username, password) in [
            ("redis://localhost", tcp("localhost", 6379), None, None),
            ("REDIS://127.0.0.1:7000/3", tcp("127.0.0.1", 7000), None, None),
            ("valkey://v_1.example", tcp("v_1.example", 6379), None, None),
            ("redis://xn--bcher-kva.example", tcp("xn--bcher-kva.example", 6379), None, None),
            ("redis://[::1]:7000", tcp("::1", 7000), None, None),
            ("redis://:p@h", tcp("h", 6379), None, Some("p")),
            ("redis://u@h", tcp("h", 6379), Some("u"), None),
            ("redis://u%3A:p%40%2F%23%C3%A9@h", tcp("h", 6379), Some("u:"), Some("p@/#é")),
            ("unix:/run/redis.sock", unix("/run/redis.sock"), None, None),
            ("redis+unix:///r.sock?user=u&pass=p%20q", unix("/r.sock"), Some("u"), Some("p q")),
        ] {
            let address = parse_url(url).unwrap();
            assert_eq!(address.endpoint, endpoint, "{url}");
            assert_eq!(address.credentials, credentials(username, password), "{url}");
        }
        assert_eq!(parse_url("redis://h/3"), parse_url("redis://h"));
    }

    #[test]
    fn what_is_no_redis_url_is_refused_with_what_to_write_instead() {
        for (url, expected) in [
            ("rediss://h", UrlError::Tls),
            ("valkeys://h", UrlError::Tls),
            ("http://h", UrlError::Scheme),
            ("localhost:6379", UrlError::Scheme),
            ("localhost", UrlError::Scheme),
            ("", UrlError::Scheme),
            ("redis://bücher.example", UrlError::Host),
            ("redis://b%C3%BCcher.example", UrlError::Host),
            ("redis://пример:6379/0", UrlError::Host),
            ("redis://pass#word@h", UrlError::Fragment),
            ("redis://", UrlError::Malformed),
            ("redis:h", UrlError::Malformed),
            ("redis://h:99999", UrlError::Malformed),
            ("redis://h/x", UrlError::Malformed),
            ("redis://[::1", UrlError::Malformed),
            ("redis://u:pa/ss@h", UrlError::Malformed),
            ("redis://u:%ff@h", UrlError::Malformed),
            ("redis://0.0.0.0", UrlError::Malformed),
            ("unix:redis.sock", UrlError::Malformed),
            ("unix://redis.sock", UrlError::Malformed),
        ] {
            assert_eq!(parse_url(url).map(|_| ()), Err(expected), "{url}");
        }
        assert!(UrlError::Tls.to_string().contains("stunnel"));
    }

    #[test]
    fn no_text_holds_a_secret() {
        for url in ["redis://canary:canary@h", "redis://canary@[::1]", "unix:/r?pass=canary"] {
            let address = parse_url(url).unwrap();
            let shown = format!("{address} {address:?} {:?}", address.credentials);
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert_eq!(parse_url("redis://u:p@h").unwrap().to_string(), "redis://***@h:6379");
        assert_eq!(parse_url("redis://[::1]").unwrap().to_string(), "redis://[::1]:6379");
    }
}
