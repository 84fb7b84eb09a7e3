//! Everything that can be wrong with what a client sends, and the close code that tells it so.
//!
//! What to notice:
//! * Each variant is one broken rule and begins with the section that holds it.
//! * One table gives code and text, and it has no arm for the rest: a new rule does not compile
//!   before somebody has thought of both.
//! * Every text fits the 123 bytes of a reason, so that the peer's own log says what to mend.

use std::fmt;

use super::close::CloseCode;

/// Why bytes from a client are no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// RFC 6455 section 5.2: RSV1, RSV2 and RSV3 are 0 unless an extension gave them a meaning.
    ReservedBits,
    /// RFC 7692 section 6.1: RSV1 stands on the first frame of a message, and on no other.
    CompressedBit,
    /// RFC 6455 section 5.2: the opcodes 3 to 7 and 11 to 15 mean nothing yet.
    ReservedOpcode,
    /// RFC 6455 section 5.5: a control frame is never fragmented, so its FIN is set.
    FragmentedControl,
    /// RFC 6455 section 5.1: a client masks every frame, empty ones too.
    Unmasked,
    /// RFC 6455 section 5.5: a control frame has at most 125 bytes of payload.
    LongControl,
    /// RFC 6455 section 5.2: the highest bit of a 64-bit length is 0.
    LengthTopBit,
    /// RFC 6455 section 5.2: the length is written in the shortest of the three forms.
    LengthNotMinimal,
    /// RFC 6455 section 5.4: a continuation came while no message was begun.
    UnexpectedContinuation,
    /// RFC 6455 section 5.4: a message began before the last fragment of another one.
    ExpectedContinuation,
    /// RFC 6455 section 10.4: the message has more than `max_message_bytes`.
    TooBig,
    /// RFC 6455 section 10.4: the message has more than `max_fragments`.
    TooManyFragments,
    /// RFC 7692 section 7.2.2: the payload of a compressed message is not DEFLATE data.
    InvalidDeflate,
    /// RFC 6455 section 8.1: a text message is not UTF-8.
    InvalidUtf8,
    /// RFC 6455 section 5.5.1: the body of a Close, if there is one, begins with a code of two
    /// bytes.
    CloseOneByte,
    /// RFC 6455 section 7.4: nobody may send this code in a Close.
    CloseCode(u16),
    /// RFC 6455 section 5.5.1: the reason in a Close is UTF-8.
    CloseReason,
}

impl MessageError {
    /// The code to close with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        self.rule().0
    }

    /// Where the rule stands: `RFC 6455 section 5.2`, as in the first line of the variant.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::LengthTopBit
            | Self::LengthNotMinimal => "RFC 6455 section 5.2",
            Self::CompressedBit => "RFC 7692 section 6.1",
            Self::FragmentedControl | Self::LongControl => "RFC 6455 section 5.5",
            Self::Unmasked => "RFC 6455 section 5.1",
            Self::UnexpectedContinuation | Self::ExpectedContinuation => "RFC 6455 section 5.4",
            Self::TooBig | Self::TooManyFragments => "RFC 6455 section 10.4",
            Self::InvalidDeflate => "RFC 7692 section 7.2.2",
            Self::InvalidUtf8 => "RFC 6455 section 8.1",
            Self::CloseOneByte | Self::CloseReason => "RFC 6455 section 5.5.1",
            Self::CloseCode(_) => "RFC 6455 section 7.4",
        }
    }

    const fn rule(self) -> (CloseCode, &'static str) {
        // Section 7.4.1: 1002 for whoever breaks the framing and cannot be understood any further,
        // or sends legal frames in an order that is not.
        const BROKEN: CloseCode = CloseCode::PROTOCOL_ERROR;
        // Section 7.4.1: "e.g., non-UTF-8 data within a text message".
        const UNREADABLE: CloseCode = CloseCode::INVALID_PAYLOAD;
        match self {
            Self::ReservedBits => {
                (BROKEN, "a reserved bit is set that no agreed extension has claimed; send 0")
            }
            Self::CompressedBit => {
                (BROKEN, "RSV1 belongs on the first frame of a message; send 0 on all others")
            }
            Self::ReservedOpcode => (BROKEN, "the opcode is reserved; use 0, 1, 2, 8, 9 or 10"),
            Self::FragmentedControl => (BROKEN, "a control frame is never fragmented; set its FIN"),
            Self::Unmasked => {
                (BROKEN, "a client masks every frame; set MASK and send the four-byte key")
            }
            Self::LongControl => {
                (BROKEN, "a control frame has at most 125 bytes; send more as a message")
            }
            Self::LengthTopBit => (BROKEN, "the highest bit of a 64-bit length is 0"),
            Self::LengthNotMinimal => {
                (BROKEN, "the length is not in its shortest form; use 7, 16, 64 bits")
            }
            Self::UnexpectedContinuation => {
                (BROKEN, "a continuation without a message; begin with text or binary")
            }
            Self::ExpectedContinuation => {
                (BROKEN, "a message began inside another; end that one first, with FIN")
            }
            // Section 7.4.1 has a code for just this.
            Self::TooBig => (CloseCode::TOO_BIG, "the message is larger than this server takes"),
            // The RFC allows any number, so this is our rule and not the protocol's.
            Self::TooManyFragments => (
                CloseCode::POLICY,
                "the message has too many fragments; send fewer and larger ones",
            ),
            // RFC 7692 names no code. The payload is not what RSV1 said that it is.
            Self::InvalidDeflate => {
                (UNREADABLE, "the message is not DEFLATE data; leave RSV1 out, or mend it")
            }
            Self::InvalidUtf8 => (UNREADABLE, "the text is not valid UTF-8; send bytes as binary"),
            Self::CloseOneByte => {
                (BROKEN, "a Close has no body, or at least the two bytes of a code")
            }
            Self::CloseCode(_) => (BROKEN, "may not be sent; use 1000, or 3000 to 4999"),
            Self::CloseReason => (UNREADABLE, "the reason in a Close is not valid UTF-8"),
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::CloseCode(code) = self {
            write!(f, "close code {code} ")?;
        }
        f.write_str(self.rule().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_sections;

    const EVERY: [(MessageError, u16); 18] = [
        (MessageError::ReservedBits, 1002),
        (MessageError::CompressedBit, 1002),
        (MessageError::ReservedOpcode, 1002),
        (MessageError::FragmentedControl, 1002),
        (MessageError::Unmasked, 1002),
        (MessageError::LongControl, 1002),
        (MessageError::LengthTopBit, 1002),
        (MessageError::LengthNotMinimal, 1002),
        (MessageError::UnexpectedContinuation, 1002),
        (MessageError::ExpectedContinuation, 1002),
        (MessageError::TooBig, 1009),
        (MessageError::TooManyFragments, 1008),
        (MessageError::InvalidDeflate, 1007),
        (MessageError::InvalidUtf8, 1007),
        (MessageError::CloseOneByte, 1002),
        (MessageError::CloseCode(1006), 1002),
        (MessageError::CloseCode(65_535), 1002),
        (MessageError::CloseReason, 1007),
    ];

    #[test]
    fn s7_4_1_every_broken_rule_has_its_code() {
        for (error, code) in EVERY {
            assert_eq!(error.close_code().value(), code, "{error:?}");
        }
    }

    #[test]
    fn every_section_is_that_of_the_doc() {
        assert_sections(include_str!("error.rs"), EVERY.map(|(error, _)| (error, error.section())));
    }

    #[test]
    fn every_text_fits_the_reason_of_a_close() {
        for (error, _) in EVERY {
            let text = error.to_string();
            assert!((20..=123).contains(&text.len()), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn errors_fit_a_register() {
        assert!(size_of::<MessageError>() <= 4);
    }
}
