//! The bridge from HTTP to WebSocket: a request's head is accepted, which is answered 101, or
//! refused, with the reason and the status (RFC 6455 section 4.2).
//!
//! What to notice:
//! * This is the only file that knows both protocols. `http` never names `websocket`, nor the
//!   reverse.
//! * Asking for an upgrade and asking for it *rightly* are two questions: a head that does not ask
//!   is an ordinary request, one that asks wrongly is told what is wrong.
//! * The accept value proves only that the server has read this very request and speaks WebSocket.
//!   It is no secret, so SHA-1 is as good as any hash here.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, PAD};
use sha1::{Digest as _, Sha1};

use crate::http::{Framing, Head, Response, Status, Version};
use crate::websocket::deflate::Agreement;
use crate::websocket::extension;
use crate::websocket::form::Form;

/// RFC 6455 section 1.3: the GUID that the key is joined with. Any text would do that no server
/// that is not a WebSocket server would ever append.
pub(crate) const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 6455 erratum 3150: the key in the RFC's own example has bits set in its padding, which a
/// strict decoder refuses. They carry nothing.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A handshake that can be answered 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    accept: String,
    agreement: Option<Agreement>,
}

/// Why a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// RFC 6455 section 4.4: the version is not 13, or none is named.
    Version,
    /// RFC 6455 section 11.3.5: the version stands there more than once.
    RepeatedVersion,
    /// RFC 6455 section 4.2.1: there is no `Sec-WebSocket-Key`.
    NoKey,
    /// RFC 6455 section 11.3.1: there is more than one `Sec-WebSocket-Key`.
    RepeatedKey,
    /// RFC 6455 section 4.2.1: the key is empty or not base64.
    BadKey,
    /// RFC 6455 section 9.1: what is offered in `Sec-WebSocket-Extensions` cannot be read.
    Extensions,
    /// RFC 9112 section 6.3: what a body would be here, the next protocol would read as frames.
    Body,
}

/// Whether the request asks to switch to WebSocket at all.
///
/// RFC 9110 section 7.8: `Upgrade` counts only with the `upgrade` option in `Connection`, and is
/// ignored in HTTP/1.0. Both are lists, over several lines if need be.
#[must_use]
pub fn is_requested(head: &Head<'_>) -> bool {
    head.version == Version::Http11
        && head.fields.has_token("Connection", "upgrade")
        && head.fields.has_token("Upgrade", "websocket")
}

/// Checks the handshake of a head that asks for WebSocket. If `compress`, then an offer of
/// permessage-deflate is accepted; else every one is declined.
///
/// # Errors
/// What is wrong with it; [`Refused::response`] is what the client is told.
pub fn accept(head: &Head<'_>, compress: bool) -> Result<Accepted, Refused> {
    match head.fields.single("Sec-WebSocket-Version") {
        Ok(Some(b"13")) => {}
        Ok(_) => return Err(Refused::Version),
        Err(_) => return Err(Refused::RepeatedVersion),
    }
    let key = head.fields.single("Sec-WebSocket-Key").map_err(|_| Refused::RepeatedKey)?;
    let key = key.ok_or(Refused::NoKey)?;
    // RFC 6455 section 4.2.1 wants 16 bytes in it. They are never used, and the most copied command
    // of all (`SGVsbG8sIHdvcmxkIQ==`, "Hello, world!") has 13: any length but none is accepted.
    if nonce(key).is_none_or(|nonce| nonce.is_empty()) {
        return Err(Refused::BadKey);
    }
    if head.framing != Framing::Length(0) {
        return Err(Refused::Body);
    }
    let offers = extension::offers(head.fields.lines("Sec-WebSocket-Extensions"));
    let offers = offers.map_err(|_| Refused::Extensions)?;
    let agreement = if compress { Agreement::negotiate(&offers) } else { None };
    Ok(Accepted { accept: accept_value(key), agreement })
}

/// What the key is the base64 of.
pub(crate) fn nonce(key: &[u8]) -> Option<Vec<u8>> {
    KEY_ENCODING.decode(key).ok()
}

/// RFC 6455 section 4.2.2, item 5.4: the key as it was sent, joined with the GUID, hashed, in
/// base64.
pub(crate) fn accept_value(key: &[u8]) -> String {
    GeneralPurpose::new(&STANDARD, PAD).encode(accept_hash(key))
}

pub(crate) fn accept_hash(key: &[u8]) -> [u8; 20] {
    Sha1::new().chain_update(key).chain_update(GUID).finalize().into()
}

impl Accepted {
    /// The status of the answer: switching protocols.
    pub const STATUS: u16 = 101;

    /// Writes the whole 101. RFC 9110 section 15.2: it has no body and no `Content-Length`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.accept.as_bytes());
        if let Some(agreement) = self.agreement {
            let line = format!("\r\nSec-WebSocket-Extensions: {agreement}");
            out.extend_from_slice(line.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// What messages look like behind the 101.
    #[must_use]
    pub fn form(&self) -> Form {
        self.agreement.map_or(Form::Plain, Agreement::form)
    }
}

impl Refused {
    /// Where the rule stands: `RFC 6455 section 4.4`, as in the first line of the variant.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Version => "RFC 6455 section 4.4",
            Self::RepeatedVersion => "RFC 6455 section 11.3.5",
            Self::NoKey | Self::BadKey => "RFC 6455 section 4.2.1",
            Self::RepeatedKey => "RFC 6455 section 11.3.1",
            Self::Extensions => "RFC 6455 section 9.1",
            Self::Body => "RFC 9112 section 6.3",
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn response(self) -> Response {
        match self {
            // RFC 6455 section 4.4 and RFC 9110 section 15.5.22: say what would be understood.
            Self::Version => upgrade_required(self.to_string()),
            Self::RepeatedVersion
            | Self::NoKey
            | Self::RepeatedKey
            | Self::BadKey
            | Self::Extensions
            | Self::Body => Response::text(Status::BadRequest, self.to_string()),
        }
    }
}

/// 426, with the protocol and the version that would be understood.
#[must_use]
pub fn upgrade_required(text: String) -> Response {
    Response::text(Status::UpgradeRequired, text)
        .with("Upgrade", "websocket")
        .with("Sec-WebSocket-Version", "13")
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "this server speaks Sec-WebSocket-Version: 13",
            Self::RepeatedVersion => "Sec-WebSocket-Version may be there only once",
            Self::NoKey => "a handshake needs a Sec-WebSocket-Key",
            Self::RepeatedKey => "Sec-WebSocket-Key may be there only once",
            Self::BadKey => "Sec-WebSocket-Key must be base64, of 16 random bytes",
            Self::Extensions => "Sec-WebSocket-Extensions is no list: name; parameter=value, name",
            Self::Body => "a handshake has no body: leave Content-Length out",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadLimits, Scan, parse};
    use crate::tests::assert_sections;

    const EVERY: [Refused; 7] = [
        Refused::Version,
        Refused::RepeatedVersion,
        Refused::NoKey,
        Refused::RepeatedKey,
        Refused::BadKey,
        Refused::Extensions,
        Refused::Body,
    ];

    #[test]
    fn every_section_is_that_of_the_doc() {
        assert_sections(include_str!("upgrade.rs"), EVERY.map(|why| (why, why.section())));
    }

    fn handshake(fields: &str) -> Option<Result<Accepted, Refused>> {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut scan = Scan::default();
        let (head, _) = parse(head.as_bytes(), &mut scan, &HeadLimits::default()).unwrap().unwrap();
        is_requested(&head).then(|| accept(&head, true))
    }

    fn with(key_and_version: &str) -> Result<Accepted, Refused> {
        handshake(&format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{key_and_version}"))
            .unwrap()
    }

    #[test]
    fn s1_3_the_rfcs_own_key_gives_its_own_accept_value() {
        let accepted =
            with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
                .unwrap();
        let mut answer = Vec::new();
        accepted.encode(&mut answer);
        assert_eq!(
            answer.escape_ascii().to_string(),
            "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n\
             Connection: Upgrade\\r\\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n"
        );
    }

    #[test]
    fn s4_2_1_connection_and_upgrade_are_lists_of_whole_tokens() {
        let rest = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";
        for (fields, expected) in [
            ("Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
            ("Connection: keep-alive, upgrade\r\nUpgrade: h2c, WebSocket\r\n", true),
            ("Connection: keep-alive\r\nConnection: UPGRADE\r\nUpgrade:websocket\r\n", true),
            ("Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", true),
            ("Connection: not-upgrade\r\nUpgrade: websocket\r\n", false),
            ("Connection: Upgrade\r\nUpgrade: websockets\r\n", false),
            ("Connection: Upgrade\r\n", false),
            ("Upgrade: websocket\r\n", false),
            ("", false),
        ] {
            let accepted = handshake(&format!("{fields}{rest}"));
            assert_eq!(accepted.is_some(), expected, "{fields:?}");
            assert!(accepted.is_none_or(|accepted| accepted.is_ok()), "{fields:?}");
        }
    }

    #[test]
    fn s4_2_1_what_a_handshake_needs() {
        const KEY: &str = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
        for (fields, expected) in [
            (format!("{KEY}{VERSION}"), Ok(())),
            (KEY.to_owned(), Err(Refused::Version)),
            (format!("{KEY}Sec-WebSocket-Version: 8\r\n"), Err(Refused::Version)),
            (format!("{KEY}Sec-WebSocket-Version: 13, 8\r\n"), Err(Refused::Version)),
            (format!("{KEY}{VERSION}{VERSION}"), Err(Refused::RepeatedVersion)),
            (VERSION.to_owned(), Err(Refused::NoKey)),
            (format!("{KEY}{KEY}{VERSION}"), Err(Refused::RepeatedKey)),
            (format!("Sec-WebSocket-Key:\r\n{VERSION}"), Err(Refused::BadKey)),
            (format!("Sec-WebSocket-Key: ?\r\n{VERSION}"), Err(Refused::BadKey)),
            (format!("Sec-WebSocket-Key: AAAA AAAA\r\n{VERSION}"), Err(Refused::BadKey)),
            (format!("{KEY}{VERSION}Content-Length: 0\r\n"), Ok(())),
            (format!("{KEY}{VERSION}Content-Length: 1\r\n"), Err(Refused::Body)),
            (format!("{KEY}{VERSION}Transfer-Encoding: chunked\r\n"), Err(Refused::Body)),
        ] {
            assert_eq!(with(&fields).map(|_| ()), expected, "{fields:?}");
        }
    }

    fn answer_to_offer(fields: &str) -> String {
        const NEEDED: &str =
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";
        let mut answer = Vec::new();
        with(&format!("{NEEDED}{fields}")).unwrap().encode(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn s7692_5_an_accepted_offer_is_answered_in_one_line() {
        let answer = answer_to_offer(
            "Sec-WebSocket-Extensions: foo\r\n\
             sec-websocket-extensions: permessage-deflate; server_max_window_bits=12\r\n",
        );
        assert!(
            answer.ends_with(
                "\r\nSec-WebSocket-Extensions: permessage-deflate; \
                 server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=12\r\n\r\n"
            ),
            "{answer}"
        );
    }

    #[test]
    fn s9_1_an_unknown_extension_is_not_answered_and_an_unreadable_one_is_refused() {
        for fields in ["", "Sec-WebSocket-Extensions: foo; bar=\"baz\"\r\n"] {
            assert!(!answer_to_offer(fields).contains("Extensions"), "{fields:?}");
        }
        let refused = handshake(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: a b\r\n",
        );
        assert_eq!(refused, Some(Err(Refused::Extensions)));
    }

    #[test]
    fn a_key_of_another_length_is_accepted_because_the_most_copied_command_has_one() {
        let accepted =
            with("Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ==\r\nSec-WebSocket-Version: 13\r\n");
        assert!(accepted.is_ok());
    }

    #[test]
    fn erratum_3150_pad_bits_are_not_checked() {
        let accepted =
            with("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\nSec-WebSocket-Version: 13\r\n");
        assert!(accepted.is_ok());
    }

    #[test]
    fn s4_4_another_version_is_told_which_one_is_spoken() {
        let mut answer = Vec::new();
        let delivery = crate::http::Delivery { head_only: false, close: true };
        Refused::Version.response().encode(delivery, std::time::Duration::ZERO, &mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
        assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
        assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{answer}");
    }
}
