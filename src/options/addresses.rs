//! Reads the addresses among the options: where to listen, and from which origins pages may come.
//!
//! ```text
//!   address = ( IPv4 / "[" IPv6 "]" / "localhost" ) ":" port
//!   origin  = scheme "://" host [ ":" port ]
//! ```
//!
//! What to notice:
//! * Nothing is looked up: `localhost` is 127.0.0.1 here, and every other name is refused.
//! * A port alone is refused for `--bind`, since it does not say who may connect. `PORT` is read
//!   that way, because the platforms that set it expect so.
//! * An origin for everybody does not exist: each one is named.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use crate::origin::Origin;

/// Why a text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressError {
    /// Only a port: which of the machine's addresses is a decision worth writing down.
    OnlyPort(u16),
    /// No port, or none that exists.
    NoPort,
    /// A name, which would have to be looked up.
    Name,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyPort(port) => write!(
                f,
                "write 127.0.0.1:{port} for this machine alone or 0.0.0.0:{port} for everybody"
            ),
            Self::NoPort => {
                f.write_str("an address ends with a port: write for example 127.0.0.1:8080")
            }
            Self::Name => {
                f.write_str("write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080")
            }
        }
    }
}

/// Reads an address to listen on.
///
/// # Errors
/// What to write instead.
pub(super) fn address(text: &str) -> Result<SocketAddr, AddressError> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
        return Err(AddressError::OnlyPort(port));
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port_of = |text: &str| text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match (text.rsplit_once(':'), port_of(text)) {
        (Some(("localhost", _)), Some(port)) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        (_, Some(_)) => Err(AddressError::Name),
        (_, None) => Err(AddressError::NoPort),
    }
}

/// Why a text is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortError;

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a number up to 65535, such as 8080")
    }
}

/// Reads `PORT`, as platforms that run other people's programs set it: every address of the machine.
///
/// # Errors
/// What to write instead.
pub(super) fn port(text: &str) -> Result<SocketAddr, PortError> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        Err(_) => Err(PortError),
    }
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginError {
    /// `*` or `null`, which would open the server to every page that its users visit.
    Anybody,
    /// RFC 6454 section 6.2: not a scheme, a host and perhaps a port.
    Malformed,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anybody => {
                "name each origin, such as https://example.org: there is none for everybody"
            }
            Self::Malformed => {
                "write scheme://host[:port] without a path, such as https://example.org"
            }
        })
    }
}

/// Reads an origin (RFC 6454 section 6.2).
///
/// # Errors
/// What to write instead.
pub(super) fn origin(text: &str) -> Result<Origin, OriginError> {
    if text == "*" || text.eq_ignore_ascii_case("null") {
        return Err(OriginError::Anybody);
    }
    Origin::parse(text).ok_or(OriginError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_never_looked_up() {
        for (text, expected) in [
            ("127.0.0.1:8080", Ok("127.0.0.1:8080")),
            ("0.0.0.0:0", Ok("0.0.0.0:0")),
            ("[::1]:8080", Ok("[::1]:8080")),
            ("localhost:80", Ok("127.0.0.1:80")),
            ("8080", Err(AddressError::OnlyPort(8080))),
            (":8080", Err(AddressError::OnlyPort(8080))),
            ("127.0.0.1", Err(AddressError::NoPort)),
            ("[::1]", Err(AddressError::NoPort)),
            ("localhost", Err(AddressError::NoPort)),
            ("127.0.0.1:", Err(AddressError::NoPort)),
            ("127.0.0.1:65536", Err(AddressError::NoPort)),
            ("", Err(AddressError::NoPort)),
            ("example.org:80", Err(AddressError::Name)),
            ("*:80", Err(AddressError::Name)),
            ("127.1:80", Err(AddressError::Name)),
            ("http://127.0.0.1:80", Err(AddressError::Name)),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(address(text), expected, "{text:?}");
        }
    }

    #[test]
    fn port_alone_is_every_address() {
        assert_eq!(port("8080"), Ok("0.0.0.0:8080".parse().unwrap()));
        assert_eq!(["", "x", "65536", "-1"].map(port), [Err(PortError); 4]);
    }

    #[test]
    fn rfc6454_s6_2_origins_are_written_as_browsers_do() {
        for (text, expected) in [
            ("https://example.org", Ok("https://example.org")),
            ("HTTPS://Example.ORG:443", Ok("https://example.org")),
            ("http://localhost:80", Ok("http://localhost")),
            ("http://example.org:443", Ok("http://example.org:443")),
            ("https://[::1]:8443", Ok("https://[::1]:8443")),
            ("chrome-extension://abcdef", Ok("chrome-extension://abcdef")),
            ("*", Err(OriginError::Anybody)),
            ("null", Err(OriginError::Anybody)),
            ("example.org", Err(OriginError::Malformed)),
            ("https://example.org/", Err(OriginError::Malformed)),
            ("https://example.org/app", Err(OriginError::Malformed)),
            ("https://a@example.org", Err(OriginError::Malformed)),
            ("https://", Err(OriginError::Malformed)),
            ("", Err(OriginError::Malformed)),
        ] {
            let written = origin(text).map(|origin| origin.to_string());
            assert_eq!(written, expected.map(str::to_owned), "{text:?}");
        }
    }
}
