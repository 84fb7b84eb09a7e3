//! The Close frame: why a connection ends, in a number and a few words (RFC 6455 sections 5.5.1 and
//! 7.4).
//!
//! ```text
//!   88 | 0c | 03 e9 | 67 6f 69 6e 67 20 61 77 61 79
//!      |    | code  | reason, UTF-8, at most 123 bytes: "going away"
//!      | length 12  | 1001
//!      FIN, opcode 8         the body is empty, or it has at least the code
//! ```
//!
//! What to notice:
//! * A [`CloseCode`] is either received and checked or one of the constants, so this server cannot
//!   send 1005, 1006 or 1015, which only report what was *not* on the wire: a code, a Close, a good TLS.
//! * A Close without a body is legal, and something else than a Close with code 1000: hence
//!   `Option<Close>`.
//! * The reason is for people who read logs. It is cut to fit, between two characters, rather than
//!   being a way to fail.

use std::fmt;

use super::error::MessageError;
use super::frame::{self, MAX_CONTROL_BYTES, Opcode};

/// The most bytes a reason may have: a control frame's payload without the code.
pub const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - 2;

/// A number that may stand in a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: all was said.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server stops, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke a rule of the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1007: the data is not what its type says, as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the data breaks a rule of this server.
    pub const POLICY: Self = Self(1008);
    /// 1009: the message is larger than this server takes.
    pub const TOO_BIG: Self = Self(1009);
    /// 1012 (IANA): something was begun anew, and so should the client.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013 (IANA): too much to do, or a client too slow; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// 1005, as a number that stands in no frame: the Close had no code.
    pub const NONE: u16 = 1005;
    /// 1006, as a number that stands in no frame: there was no Close.
    pub const ABNORMAL: u16 = 1006;

    /// The code of a Close frame that was received, or `None` where RFC 6455 section 7.4 and the
    /// IANA registry let nobody send it.
    #[must_use]
    pub const fn received(code: u16) -> Option<Self> {
        match code {
            // Section 7.4.1; from 1012 to 1014 registered later. 1004 was never given a meaning,
            // 1005, 1006 and 1015 MUST NOT be sent.
            1000..=1003 | 1007..=1014 => Some(Self(code)),
            // Section 7.4.2: for libraries and for applications.
            3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The body of a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people. Often empty.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the payload of a Close frame, unmasked. `None`: it is empty, and the peer gave no code
    /// and no reason.
    ///
    /// # Errors
    /// What is wrong with the body. The connection ends all the same, with the code that tells the
    /// peer about its fault.
    pub fn decode(payload: &'a [u8]) -> Result<Option<Self>, MessageError> {
        let Some((&code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(None) } else { Err(MessageError::CloseOneByte) };
        };
        let code = u16::from_be_bytes(code);
        let code = CloseCode::received(code).ok_or(MessageError::CloseCode(code))?;
        let reason = std::str::from_utf8(reason).map_err(|_| MessageError::CloseReason)?;
        Ok(Some(Self { code, reason }))
    }

    /// Appends the whole Close frame. A reason of more than [`MAX_REASON_BYTES`] is cut between two
    /// characters.
    ///
    /// ```
    /// # use barewire::websocket::close::{Close, CloseCode};
    /// let mut out = Vec::new();
    /// Close { code: CloseCode::GOING_AWAY, reason: "going away" }.encode(&mut out);
    /// assert_eq!(out, b"\x88\x0c\x03\xe9going away");
    /// ```
    pub fn encode(self, out: &mut Vec<u8>) {
        let reason = fitting(self.reason);
        frame::encode_header(Opcode::Close, 2 + reason.len(), out);
        out.extend_from_slice(&self.code.0.to_be_bytes());
        out.extend_from_slice(reason.as_bytes());
    }

    /// Appends a Close frame without a body: the answer to one that had none.
    pub fn encode_empty(out: &mut Vec<u8>) {
        frame::encode(Opcode::Close, &[], out);
    }
}

/// The longest beginning of `reason` that fits and ends between two characters.
fn fitting(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s7_4_only_codes_that_may_be_sent_are_received() {
        for (codes, expected) in [
            (0..=999, false),
            (1000..=1003, true),
            (1004..=1006, false),
            (1007..=1011, true),
            (1012..=1014, true),
            (1015..=2999, false),
            (3000..=3999, true),
            (4000..=4999, true),
            (5000..=u16::MAX, false),
        ] {
            for code in codes {
                let received = CloseCode::received(code);
                assert_eq!(received.is_some(), expected, "{code}");
                assert_eq!(received.map_or(code, CloseCode::value), code);
            }
        }
    }

    #[test]
    fn s7_4_every_code_that_is_sent_here_could_be_received() {
        for code in [
            CloseCode::NORMAL,
            CloseCode::GOING_AWAY,
            CloseCode::PROTOCOL_ERROR,
            CloseCode::INVALID_PAYLOAD,
            CloseCode::POLICY,
            CloseCode::TOO_BIG,
            CloseCode::TRY_AGAIN_LATER,
        ] {
            assert_eq!(CloseCode::received(code.value()), Some(code), "{code}");
        }
    }

    #[test]
    fn s5_5_1_bodies_are_read_or_refused() {
        let close = |code, reason| Ok(Some(Close { code: CloseCode(code), reason }));
        for (payload, expected) in [
            (&b""[..], Ok(None)),
            (b"\x03", Err(MessageError::CloseOneByte)),
            (b"\x03\xe8", close(1000, "")),
            (b"\x03\xe9going away", close(1001, "going away")),
            (b"\x13\x87\xe2\x82\xac", close(4999, "€")),
            (b"\x03\xed", Err(MessageError::CloseCode(1005))),
            (b"\x03\xee", Err(MessageError::CloseCode(1006))),
            (b"\x03\xf7", Err(MessageError::CloseCode(1015))),
            (b"\x00\x00", Err(MessageError::CloseCode(0))),
            (b"\xff\xff", Err(MessageError::CloseCode(65_535))),
            (b"\x03\xe8\xff", Err(MessageError::CloseReason)),
            (b"\x03\xe8caf\xc3", Err(MessageError::CloseReason)),
            // The code comes first, and so does its error.
            (b"\x03\xec\xff", Err(MessageError::CloseCode(1004))),
        ] {
            assert_eq!(Close::decode(payload), expected, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn s5_5_1_frames_are_written_whole() {
        let mut out = Vec::new();
        Close { code: CloseCode::NORMAL, reason: "" }.encode(&mut out);
        assert_eq!(out, b"\x88\x02\x03\xe8");
        out.clear();
        Close { code: CloseCode::TRY_AGAIN_LATER, reason: "too slow" }.encode(&mut out);
        assert_eq!(out, b"\x88\x0a\x03\xf5too slow");
        out.clear();
        Close::encode_empty(&mut out);
        assert_eq!(out, b"\x88\x00");
    }

    #[test]
    fn s5_5_a_long_reason_is_cut_between_characters() {
        for (reason, kept) in [
            ("a".repeat(123), 123),
            ("a".repeat(124), 123),
            ("é".repeat(61) + "a", 123),
            ("é".repeat(62), 122),
            ("a".repeat(120) + "🦐", 120),
            ("a".repeat(119) + "🦐", 123),
            ("€".repeat(1_000), 123),
        ] {
            let mut out = Vec::new();
            Close { code: CloseCode::POLICY, reason: &reason }.encode(&mut out);
            assert_eq!(out.len(), 4 + kept);
            let close = Close::decode(&out[2..]).unwrap().unwrap();
            assert_eq!(close.reason, &reason[..kept]);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(code in 3000..5000_u16, reason in "\\PC{0,200}") {
            let close = Close { code: CloseCode::received(code).unwrap(), reason: &reason };
            let mut out = Vec::new();
            close.encode(&mut out);
            prop_assert!(out.len() <= 2 + MAX_CONTROL_BYTES);
            prop_assert_eq!(usize::from(out[1]), out.len() - 2);
            let decoded = Close::decode(&out[2..]).unwrap().unwrap();
            prop_assert_eq!(decoded.code, close.code);
            prop_assert!(reason.starts_with(decoded.reason));
            prop_assert!(reason.len() - decoded.reason.len() < 4 || reason.len() > 123);
        }
    }
}
