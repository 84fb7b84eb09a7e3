//! What `--redis` is given: where to connect, and who to be there, of which no text holds a word.
//!
//! * A URL that is refused is refused in one line; one that wants TLS always, and for just that.
//! * What is shown of an address does not depend on its credentials. That holds its secrets whatever
//!   they are, where a search for them would also find an `a` in `localhost`.
//! * Where to connect does not depend on what stands before the `@` either.
//! * A URL written from the parts of an address is read as that address, and so is what is shown of
//!   one without credentials.

use std::os::unix::ffi::OsStrExt;

use barewire::redis::{Credentials, Endpoint, RedisAddress, UrlError, parse_url};

use super::plain::is_a_line;

pub fn fuzz(input: &[u8]) {
    let Ok(url) = str::from_utf8(input) else { return };
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let wants_tls = scheme.is_some_and(|scheme| ["rediss", "valkeys"].contains(&&*scheme));
    let parsed = parse_url(url);
    assert_eq!(parsed == Err(UrlError::Tls), wants_tls);
    let address = match parsed {
        Ok(address) => address,
        Err(error) => return assert!(is_a_line(&error.to_string()), "{error}"),
    };
    check_what_is_shown(&address);

    let written = write(&address);
    assert_eq!(parse_url(&written).as_ref(), Ok(&address), "{written}");
    if let Some((before, behind)) = split_at_credentials(url) {
        let other = format!("{before}some%20body:pass%40word@{behind}");
        let other = parse_url(&other).unwrap();
        assert_eq!(other.endpoint, address.endpoint);
        let Credentials { username, password } = other.credentials;
        assert_eq!(username.as_deref(), Some("some body"));
        assert_eq!(password.as_deref(), Some("pass@word"));
        let nobody = parse_url(&format!("{before}{behind}")).unwrap();
        assert_eq!(nobody.endpoint, address.endpoint);
        assert_eq!(nobody.credentials, Credentials::default());
    }
}

fn check_what_is_shown(address: &RedisAddress) {
    let is_nobody = address.credentials == Credentials::default();
    if is_nobody {
        let is_plain = match &address.endpoint {
            Endpoint::Tcp { .. } => true,
            // There a path is shown as it is.
            Endpoint::Unix(path) => {
                let path = path.as_os_str().as_bytes();
                let leads_up =
                    path.split(|byte| *byte == b'/').any(|part| [&b"."[..], b".."].contains(&part));
                let is_plain = |byte: &u8| is_plain(*byte) || *byte == b'/';
                !path.starts_with(b"//") && !leads_up && path.iter().all(is_plain)
            }
        };
        if is_plain {
            assert_eq!(parse_url(&address.to_string()).as_ref(), Ok(address), "{address}");
        }
        assert_eq!(format!("{:?}", address.credentials), "no credentials");
    }
    let secret = || Some("canary".to_owned());
    for (username, password) in [(secret(), secret()), (None, secret()), (secret(), None)] {
        let other =
            RedisAddress { credentials: Credentials { username, password }, ..address.clone() };
        assert!(!is_nobody || !format!("{other:?}").contains("no credentials"), "{other:?}");
        if !is_nobody {
            assert_eq!(other.to_string(), address.to_string());
            assert_eq!(format!("{other:?}"), format!("{address:?}"));
        }
    }
}

/// A URL that says what the address says.
fn write(address: &RedisAddress) -> String {
    let Credentials { username, password } = &address.credentials;
    let [user, pass] =
        [username, password].map(|word| word.as_ref().map(|word| escape(word.as_bytes())));
    match &address.endpoint {
        Endpoint::Tcp { host, port } => {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            let pass = pass.map(|pass| format!(":{pass}")).unwrap_or_default();
            let user = user.unwrap_or_default();
            let at = if address.credentials == Credentials::default() { "" } else { "@" };
            format!("redis://{user}{pass}{at}{host}:{port}")
        }
        Endpoint::Unix(path) => {
            let user = user.map(|user| format!("user={user}&")).unwrap_or_default();
            let pass = pass.map(|pass| format!("pass={pass}")).unwrap_or_default();
            // The first slash alone: between two others, `..` would lead up.
            let path = escape(path.as_os_str().as_bytes()).replacen("%2F", "/", 1);
            format!("unix://{path}?{user}{pass}")
        }
    }
}

/// RFC 3986 section 2.1, for all but what never needs it.
fn escape(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match is_plain(*byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    bytes.iter().map(escape).collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// RFC 3986 section 3.2: what stands before the credentials of a URL with a host, and what behind
/// them and their `@`.
fn split_at_credentials(url: &str) -> Option<(&str, &str)> {
    if url.contains(['\t', '\r', '\n']) {
        return None; // A URL is read as if they were not there.
    }
    let begin = url.find("://")? + 3;
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |length| begin + length);
    let host = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    let is_tcp = !url[..begin].to_ascii_lowercase().contains("unix");
    is_tcp.then(|| (&url[..begin], &url[host..]))
}
