//! Everything that can be wrong with what a client sends, and the close code that tells it so.
//!
//! What to notice:
//! * Each variant is one broken rule and begins with the section that holds it.
//! * Each arm of [`MessageError::close_code`] has its reason, and there is no arm for the rest: a
//!   new rule does not compile before somebody has thought of its code.
//! * Every text fits the 123 bytes of a reason, so that the peer's own log says what to mend.

use std::fmt;

use super::close::{CloseCode, CloseError};
use super::frame::FrameError;
use super::utf8::InvalidUtf8;

/// Why bytes from a client are no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// RFC 6455 section 5.2: the bytes are no frame.
    Frame(FrameError),
    /// RFC 6455 section 5.4: a continuation came while no message was begun.
    UnexpectedContinuation,
    /// RFC 6455 section 5.4: a message began before the last fragment of another one.
    ExpectedContinuation,
    /// RFC 6455 section 10.4: the message has more than `max_message_bytes`.
    TooBig,
    /// RFC 6455 section 10.4: the message has more than `max_fragments`.
    TooManyFragments,
    /// RFC 6455 section 8.1: a text message is not UTF-8.
    InvalidUtf8,
    /// RFC 6455 section 5.5.1: the body of a Close is none.
    Close(CloseError),
}

impl MessageError {
    /// The code to close with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            // Whoever breaks the framing cannot be understood any further.
            Self::Frame(_) => CloseCode::PROTOCOL_ERROR,
            // The frames are legal one by one, their order is not.
            Self::UnexpectedContinuation | Self::ExpectedContinuation => CloseCode::PROTOCOL_ERROR,
            // Section 7.4.1 has a code for just this.
            Self::TooBig => CloseCode::TOO_BIG,
            // The RFC allows any number, so this is our rule and not the protocol's.
            Self::TooManyFragments => CloseCode::POLICY,
            // Section 7.4.1: "e.g., non-UTF-8 data within a text message".
            Self::InvalidUtf8 => CloseCode::INVALID_PAYLOAD,
            // A body of another form than section 5.5.1 gives it.
            Self::Close(CloseError::OneByte | CloseError::Code(_)) => CloseCode::PROTOCOL_ERROR,
            // Text that is none, as in a message.
            Self::Close(CloseError::Reason) => CloseCode::INVALID_PAYLOAD,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::UnexpectedContinuation => {
                f.write_str("a continuation without a message; begin with text or binary")
            }
            Self::ExpectedContinuation => {
                f.write_str("a message began inside another; end that one first, with FIN")
            }
            Self::TooBig => f.write_str("the message is larger than this server takes"),
            Self::TooManyFragments => {
                f.write_str("the message has too many fragments; send fewer and larger ones")
            }
            Self::InvalidUtf8 => f.write_str("the text is not valid UTF-8; send bytes as binary"),
            Self::Close(error) => error.fmt(f),
        }
    }
}

impl From<FrameError> for MessageError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<InvalidUtf8> for MessageError {
    fn from(_: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

impl From<CloseError> for MessageError {
    fn from(error: CloseError) -> Self {
        Self::Close(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [(MessageError, u16); 12] = [
        (MessageError::Frame(FrameError::ReservedBits), 1002),
        (MessageError::Frame(FrameError::Unmasked), 1002),
        (MessageError::Frame(FrameError::LengthNotMinimal), 1002),
        (MessageError::UnexpectedContinuation, 1002),
        (MessageError::ExpectedContinuation, 1002),
        (MessageError::TooBig, 1009),
        (MessageError::TooManyFragments, 1008),
        (MessageError::InvalidUtf8, 1007),
        (MessageError::Close(CloseError::OneByte), 1002),
        (MessageError::Close(CloseError::Code(1006)), 1002),
        (MessageError::Close(CloseError::Code(65_535)), 1002),
        (MessageError::Close(CloseError::Reason), 1007),
    ];

    #[test]
    fn s7_4_1_every_broken_rule_has_its_code() {
        for (error, code) in EVERY {
            assert_eq!(error.close_code().value(), code, "{error:?}");
        }
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
        assert!(size_of::<MessageError>() <= 8);
    }
}
