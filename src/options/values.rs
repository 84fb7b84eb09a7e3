//! Reads the values of flags and variables. The error of each reader is its advice: what to write.
//!
//! ```text
//!   address = ( IPv4 / "[" IPv6 "]" / "localhost" ) ":" port
//!   size    = 1*DIGIT [ "k" / "m" / "g" ]            1k is 1024 bytes
//!   time    = 1*DIGIT ( "ms" / "s" / "m" / "h" )     a number alone is no time
//! ```
//!
//! What to notice:
//! * No advice repeats the value. It may be a password that landed in the wrong place, and whoever
//!   wrote it still sees it.
//! * A number without a unit is refused as a time: thirty what? Sizes have an obvious one.
//! * No name is looked up: `localhost` is 127.0.0.1 here, and every other name is refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::channel::{AWAKE, ChannelError};
use crate::http::split_origin;
use crate::origin::Origin;

/// What to write instead.
type Advice = &'static str;

const ADDRESS: Advice = "write 127.0.0.1:8080 for this machine alone, 0.0.0.0:8080 for everybody, \
                         or another address with its port, such as [::1]:8080";
const PORT: Advice = "write a number up to 65535, such as 8080";
const ORIGIN: Advice = "write scheme://host[:port] without a path, such as https://example.org; \
                        none stands for everybody";
const SERVER: Advice = "write http://host[:port] without a path, such as http://127.0.0.1:8080 \
                        (https is not spoken here: publish there with curl)";
const SIZE: Advice = "write a size in bytes such as 512, 64k or 1m";
const NUMBER: Advice = "write a whole number from 1, such as 1000";
const TIME: Advice = "a time has a unit: write 30s, or another from 1ms to 24h, such as 5m";

/// The times that may be asked for: more than a day is a slip of the pen.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// An address to listen on. A port alone would not say who may connect.
pub(super) fn address(text: &str) -> Result<SocketAddr, Advice> {
    match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse(),
        None => text.parse(),
    }
    .map_err(|_| ADDRESS)
}

/// `PORT`, as platforms that run other people's programs set it: every address of the machine.
pub(super) fn port(text: &str) -> Result<SocketAddr, Advice> {
    let port: u16 = text.parse().map_err(|_| PORT)?;
    Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

/// An origin (RFC 6454 section 6.2). `*` is none: it would open the server to every page that its
/// users visit.
pub(super) fn origin(text: &str) -> Result<Origin, Advice> {
    Origin::parse(text).ok_or(ORIGIN)
}

/// The address of a server from an http URL: `host:port`, as the Host field wants it.
pub(super) fn server(text: &str) -> Result<String, Advice> {
    // A final slash is what browsers show and people copy.
    match split_origin(text.strip_suffix('/').unwrap_or(text)) {
        Some((scheme, host)) if scheme.eq_ignore_ascii_case("http") => {
            Ok(format!("{}:{}", host.name, host.port.unwrap_or(80)))
        }
        _ => Err(SERVER),
    }
}

/// A channel's name or a glob, by `new`, unless it is the server's own.
pub(super) fn channel<T>(
    text: &str,
    new: impl Fn(&str) -> Result<T, ChannelError>,
) -> Result<T, String> {
    if text == AWAKE {
        return Err("awake is the server's own channel (see --awake): write another".to_owned());
    }
    new(text).map_err(|error| error.to_string())
}

/// A size in bytes.
pub(super) fn size(text: &str) -> Result<usize, Advice> {
    let text = text.to_ascii_lowercase();
    let mut units = [("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)].into_iter();
    let with_unit = units.find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let (digits, unit) = with_unit.unwrap_or((&text, 1));
    number(digits).ok().and_then(|number| number.checked_mul(unit)).ok_or(SIZE)
}

/// A whole number from 1.
pub(super) fn number(text: &str) -> Result<usize, Advice> {
    text.parse().map(NonZeroUsize::get).map_err(|_| NUMBER)
}

/// A time that passes: what is due more often than each millisecond would be all that is ever done.
pub(super) fn time(text: &str) -> Result<Duration, Advice> {
    // humantime panics at a sum of just 2^64 seconds, which takes more letters than any time up to a day.
    let time = if text.len() < 20 { humantime::parse_duration(text).ok() } else { None };
    time.filter(|time| TIMES.contains(time)).ok_or(TIME)
}

/// A time, or `off`, which may be written as no time at all.
pub(super) fn time_or_off(text: &str) -> Result<Option<Duration>, Advice> {
    match text {
        "off" | "0" | "0s" => Ok(None),
        _ => time(text).map(Some),
    }
}

/// What is done after a gap: whether to close.
pub(super) fn on_gap(text: &str) -> Result<bool, Advice> {
    match text {
        "close" => Ok(true),
        "keep" => Ok(false),
        _ => Err("write close or keep"),
    }
}

/// A switch.
pub(super) fn switch(text: &str) -> Result<bool, Advice> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("write 1 or 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_multiples_of_1024() {
        for (text, expected) in [
            ("512", Ok(512)),
            ("64k", Ok(65_536)),
            ("64K", Ok(65_536)),
            ("1m", Ok(1_048_576)),
            ("2G", Ok(2_147_483_648)),
            ("007", Ok(7)),
            ("0", Err(SIZE)),
            ("0m", Err(SIZE)),
            ("", Err(SIZE)),
            ("k", Err(SIZE)),
            ("-1", Err(SIZE)),
            ("++1", Err(SIZE)),
            ("1.5m", Err(SIZE)),
            ("64kb", Err(SIZE)),
            ("64 k", Err(SIZE)),
            ("６４", Err(SIZE)),
            ("99999999999999999999", Err(SIZE)),
            ("18446744073709551615k", Err(SIZE)),
        ] {
            assert_eq!(size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_start_at_one() {
        for (text, expected) in [
            ("1", Ok(1)),
            ("1000", Ok(1000)),
            ("0", Err(NUMBER)),
            ("", Err(NUMBER)),
            ("-1", Err(NUMBER)),
            ("1k", Err(NUMBER)),
            ("99999999999999999999", Err(NUMBER)),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("500ms", Ok(ms(500))),
            ("30s", Ok(ms(30_000))),
            ("5m", Ok(ms(300_000))),
            ("24h", Ok(ms(86_400_000))),
            ("1d", Ok(ms(86_400_000))),
            ("1.5s", Ok(ms(1_500))),
            ("1h 30m", Ok(ms(5_400_000))),
            ("1ms", Ok(ms(1))),
            ("0ms", Err(TIME)),
            ("999us", Err(TIME)),
            ("30", Err(TIME)),
            ("0", Err(TIME)),
            ("99999999999", Err(TIME)),
            ("", Err(TIME)),
            ("s", Err(TIME)),
            ("-1s", Err(TIME)),
            ("30S", Err(TIME)),
            ("1M", Err(TIME)),
            ("25h", Err(TIME)),
            ("99999999999999999999s", Err(TIME)),
            ("18446744073709551615h", Err(TIME)),
            ("18446744073709551615s 1000ms", Err(TIME)),
            ("23h 59m 59s 999ms", Ok(ms(86_399_999))),
        ] {
            assert_eq!(time(text), expected, "{text:?}");
        }
        assert_eq!(["off", "0", "0s"].map(time_or_off), [Ok(None); 3]);
        assert_eq!(time_or_off("5s"), Ok(Some(ms(5_000))));
        assert_eq!(["no", "5", "25h"].map(time_or_off), [Err(TIME); 3]);
    }

    #[test]
    fn a_time_in_an_error_reads_back_as_itself() {
        for text in ["25s", "500ms", "12.5s", "43200s", "1.5ms"] {
            assert_eq!(format!("{:?}", time(text).unwrap()), text);
        }
    }

    #[test]
    fn switches_are_plain() {
        assert_eq!(
            ["1", "true", "0", "false"].map(switch),
            [Ok(true), Ok(true), Ok(false), Ok(false)]
        );
        assert_eq!(["", "yes", "TRUE", "2"].map(switch), [Err("write 1 or 0"); 4]);
    }

    #[test]
    fn addresses_are_never_looked_up() {
        for (text, expected) in [
            ("127.0.0.1:8080", Ok("127.0.0.1:8080")),
            ("0.0.0.0:0", Ok("0.0.0.0:0")),
            ("[::1]:8080", Ok("[::1]:8080")),
            ("localhost:80", Ok("127.0.0.1:80")),
            ("8080", Err(ADDRESS)),
            (":8080", Err(ADDRESS)),
            ("127.0.0.1", Err(ADDRESS)),
            ("[::1]", Err(ADDRESS)),
            ("localhost", Err(ADDRESS)),
            ("127.0.0.1:", Err(ADDRESS)),
            ("127.0.0.1:65536", Err(ADDRESS)),
            ("", Err(ADDRESS)),
            ("example.org:80", Err(ADDRESS)),
            ("*:80", Err(ADDRESS)),
            ("127.1:80", Err(ADDRESS)),
            ("http://127.0.0.1:80", Err(ADDRESS)),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(address(text), expected, "{text:?}");
        }
    }

    #[test]
    fn port_alone_is_every_address() {
        assert_eq!(port("8080"), Ok("0.0.0.0:8080".parse().unwrap()));
        assert_eq!(["", "x", "65536", "-1"].map(port), [Err(PORT); 4]);
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
            ("*", Err(ORIGIN)),
            ("null", Err(ORIGIN)),
            ("example.org", Err(ORIGIN)),
            ("https://example.org/", Err(ORIGIN)),
            ("https://example.org/app", Err(ORIGIN)),
            ("https://a@example.org", Err(ORIGIN)),
            ("https://", Err(ORIGIN)),
            ("", Err(ORIGIN)),
        ] {
            let written = origin(text).map(|origin| origin.to_string());
            assert_eq!(written, expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn a_server_is_named_by_an_http_url() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", Ok("127.0.0.1:8080")),
            ("http://127.0.0.1:8080/", Ok("127.0.0.1:8080")),
            ("HTTP://example.org", Ok("example.org:80")),
            ("http://[::1]:8080", Ok("[::1]:8080")),
            ("https://example.org", Err(SERVER)),
            ("redis://localhost", Err(SERVER)),
            ("ws://localhost", Err(SERVER)),
            ("localhost:8080", Err(SERVER)),
            ("http://localhost:8080/publish", Err(SERVER)),
            ("http://me:c4nary@localhost", Err(SERVER)),
            ("", Err(SERVER)),
        ] {
            assert_eq!(server(text), expected.map(str::to_owned));
        }
    }
}
