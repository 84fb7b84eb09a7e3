//! Which web pages may speak to this server (RFC 6455 section 10.2).
//!
//! A browser lets any page open a WebSocket to any host and sends the user's cookies with it; the
//! same-origin policy does not apply. The `Origin` field is all there is to tell a stranger's page
//! from one's own, and only the server can look at it.
//!
//! What to notice:
//! * No `Origin` means no browser, and such a client could claim any origin: it is let in.
//! * A page served by this very server names our own host and port, so it is let in unasked.
//! * That is not enough on a loopback address. A stranger's page may have its *name* resolve to
//!   127.0.0.1 (DNS rebinding); then `Origin` and `Host` agree, on a name that is not ours.

use std::fmt;

use crate::http::{Host, split_origin};

/// An origin: what `Origin` holds, and what `--origin` allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    /// Written or, where it is missing, the scheme's own; 0 if it has none.
    port: u16,
}

/// Why an origin is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// RFC 6454 section 7: `Origin` is there more than once, or is no origin (`null` is none).
    NotOne,
    /// RFC 6455 section 10.2: it is neither our own nor allowed by `--origin`.
    Stranger,
    /// It is the same as `Host`, but that is not a loopback name while we listen on loopback only:
    /// DNS rebinding, or a proxy on this machine.
    Rebinding,
}

impl Origin {
    /// Reads `scheme://host` or `scheme://host:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, host) = split_origin(text)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = host.port.or_else(|| default_port(&scheme)).unwrap_or(0);
        Some(Self { host: host.name.to_ascii_lowercase(), port, scheme })
    }

    /// The scheme is not compared: a proxy in front may end TLS, and we see neither its scheme nor
    /// its default port.
    fn is_at(&self, host: &Host<'_>) -> bool {
        host.name.eq_ignore_ascii_case(&self.host)
            && host.port.or_else(|| default_port(&self.scheme)) == Some(self.port)
    }
}

/// RFC 6454 section 4: the port that is meant where none is written. Schemes that have none, such as
/// those of browser extensions, have origins without one.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            port if Some(port) == default_port(&self.scheme).or(Some(0)) => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

/// Which origins are let in.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    /// What `--origin` names.
    pub allowed: Vec<Origin>,
    /// The server listens on loopback addresses only.
    pub loopback_only: bool,
}

impl OriginPolicy {
    /// Whether a request with this `Origin` field (or none) and this `Host` is let in.
    ///
    /// # Errors
    /// Why not; the text says what to add to the command line if the page is one's own.
    pub fn check(&self, origin: Option<&str>, host: Option<&Host<'_>>) -> Result<(), Refused> {
        let Some(origin) = origin else { return Ok(()) };
        let origin = Origin::parse(origin).ok_or(Refused::NotOne)?;
        if self.allowed.contains(&origin) {
            return Ok(());
        }
        match host {
            Some(host) if origin.is_at(host) => {
                if self.loopback_only && !host.is_loopback_name() {
                    return Err(Refused::Rebinding);
                }
                Ok(())
            }
            Some(_) | None => Err(Refused::Stranger),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOne => "the Origin field does not name one origin: scheme://host[:port]",
            Self::Stranger => {
                "this page's origin may not connect: allow it with --origin scheme://host[:port]"
            }
            Self::Rebinding => {
                "a server on loopback trusts its own Host only if it is localhost, 127.0.0.1 or \
                 [::1]: behind a proxy, allow the page with --origin scheme://host[:port]"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &OriginPolicy, origin: &str, host: &str) -> Result<(), Refused> {
        policy.check(Some(origin), Some(&Host::parse(host).unwrap()))
    }

    #[test]
    fn own_origin_is_the_hosts_with_a_missing_port_filled_in() {
        let policy = OriginPolicy::default();
        for (origin, host, expected) in [
            ("http://example.com", "example.com", Ok(())),
            ("http://EXAMPLE.com:8080", "example.COM:8080", Ok(())),
            ("http://example.com", "example.com:80", Ok(())),
            ("https://example.com", "example.com", Ok(())),
            ("https://example.com", "example.com:443", Ok(())),
            ("https://example.com:443", "example.com", Ok(())),
            ("http://example.com", "example.com:8080", Err(Refused::Stranger)),
            ("http://example.com:8080", "example.com:80", Err(Refused::Stranger)),
            ("http://example.com:3000", "example.com", Err(Refused::Stranger)),
            ("https://example.com", "example.com:80", Err(Refused::Stranger)),
            ("http://evil.test", "example.com", Err(Refused::Stranger)),
            ("http://example.com.evil.test", "example.com", Err(Refused::Stranger)),
            ("http://[::1]:8080", "[::1]:8080", Ok(())),
            ("null", "example.com", Err(Refused::NotOne)),
            ("http://example.com/", "example.com", Err(Refused::NotOne)),
            ("http://a, http://b", "a", Err(Refused::NotOne)),
            ("", "example.com", Err(Refused::NotOne)),
        ] {
            assert_eq!(check(&policy, origin, host), expected, "{origin} at {host}");
        }
    }

    #[test]
    fn no_origin_is_no_browser() {
        assert_eq!(OriginPolicy::default().check(None, None), Ok(()));
    }

    #[test]
    fn an_allowed_origin_must_match_in_all_three_parts() {
        let allowed = vec![Origin::parse("https://app.example").unwrap()];
        let policy = OriginPolicy { allowed, loopback_only: true };
        assert_eq!(check(&policy, "https://app.example", "api.example"), Ok(()));
        assert_eq!(check(&policy, "https://app.example:443", "api.example"), Ok(()));
        for stranger in ["http://app.example", "https://app.example:8443", "https://example"] {
            assert_eq!(check(&policy, stranger, "api.example"), Err(Refused::Stranger));
        }
    }

    #[test]
    fn on_loopback_a_name_that_merely_resolves_here_is_not_ours() {
        let policy = OriginPolicy { allowed: Vec::new(), loopback_only: true };
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(check(&policy, &format!("http://{host}"), host), Ok(()));
        }
        let rebound = check(&policy, "http://evil.test:8080", "evil.test:8080");
        assert_eq!(rebound, Err(Refused::Rebinding));
    }
}
