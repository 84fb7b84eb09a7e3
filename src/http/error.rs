//! Every way in which a request's head or body can be wrong, and what the peer is told about each.
//!
//! What to notice:
//! * One variant is one rule of one RFC; whatever else seems wrong with a request is not refused.
//! * The status and the text follow from the variant alone. No byte of the request is echoed, so no
//!   request can write into a response (response splitting, log injection).
//! * Any of them ends the connection: after a head that may mean two things, nobody can say where
//!   the next request begins (RFC 9112 section 11.2).

use super::host::HostError;
use super::status::Status;
use std::fmt;

/// Why a request head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// RFC 9112 section 2.2: a CR without a LF behind it.
    BareCr,
    /// RFC 9112 section 2.2: a LF without a CR before it; accepting it is optional.
    BareLf,
    /// RFC 9110 section 5.5: NUL or another control character.
    Control,
    /// RFC 9112 section 2.2: more than two empty lines before the request line.
    EmptyLines,
    /// RFC 9112 section 3: the request line is a single word, so it is no HTTP at all.
    NotHttp,
    /// RFC 9112 section 3: the request line ends behind the target, as in HTTP/0.9.
    MissingVersion,
    /// RFC 9112 section 3: the three words are not separated by exactly one space each.
    RequestLineSpaces,
    /// RFC 9112 section 3: the request line is longer than this server reads.
    RequestLineTooLong,
    /// RFC 9112 section 3.1: the method is not a token.
    Method,
    /// RFC 9110 section 15.6.2: the method is well formed and unknown. Methods are case-sensitive.
    UnknownMethod,
    /// RFC 9112 section 2.3: the version is not `HTTP/`, a digit, a dot and a digit.
    Version,
    /// RFC 9110 section 15.6.6: the major version is not 1.
    UnsupportedVersion,
    /// RFC 9112 section 3.2: a character that may not stand in a target unescaped.
    TargetCharacter,
    /// RFC 9110 section 7.1: a target has no fragment.
    TargetFragment,
    /// RFC 9112 section 3.2: the target is neither a path nor an `http` or `https` URI.
    TargetForm,
    /// RFC 9112 section 3.2.3: CONNECT takes a host and a port and nothing else.
    ConnectTarget,
    /// RFC 9112 section 3.2.4: only OPTIONS may ask for `*`.
    AsteriskTarget,
    /// RFC 9112 section 2.2: white space between the request line and the first field.
    LeadingWhitespace,
    /// RFC 9112 section 5.2: a field goes on in the next line (obs-fold).
    ObsFold,
    /// RFC 9112 section 5: a field line without a colon.
    MissingColon,
    /// RFC 9112 section 5.1: white space between a field's name and its colon.
    SpaceBeforeColon,
    /// RFC 9110 section 5.1: a field without a name.
    EmptyName,
    /// RFC 9110 section 5.1: the name of a field is not a token.
    FieldName,
    /// RFC 6585 section 5: the head is longer than this server reads.
    HeadTooLong,
    /// RFC 6585 section 5: there are more fields than this server reads.
    TooManyFields,
    /// RFC 9112 section 3.2: an HTTP/1.1 request without a Host field.
    MissingHost,
    /// RFC 9112 section 3.2: more than one Host field.
    RepeatedHost,
    /// RFC 9112 section 3.2: the host of the Host field or of the target is not valid.
    Host(HostError),
    /// RFC 9112 section 6.3: more than one Content-Length, be they equal or not.
    RepeatedLength,
    /// RFC 9110 section 8.6: the Content-Length is not a run of digits.
    Length,
    /// RFC 9110 section 8.6: the Content-Length does not fit into 64 bits.
    LengthTooLarge,
    /// RFC 9112 section 6.1: Content-Length beside Transfer-Encoding.
    LengthAndEncoding,
    /// RFC 9112 section 6.1: Transfer-Encoding in an HTTP/1.0 request.
    EncodingInHttp10,
    /// RFC 9112 section 6.1: the Transfer-Encoding is not a list of tokens, or has parameters.
    Encoding,
    /// RFC 9112 section 6.1: a transfer coding other than `chunked`.
    UnknownCoding,
    /// RFC 9112 section 6.3: `chunked` is not the last transfer coding.
    ChunkedNotLast,
    /// RFC 9112 section 6.1: `chunked` is applied more than once.
    ChunkedTwice,
    /// RFC 9110 section 10.1.1: an expectation other than `100-continue`.
    Expectation,
}

impl HeadError {
    /// The status of the response that refuses the request.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            // RFC 9110 section 15.5.1: the catch-all for what breaks the syntax of a message.
            Self::BareCr
            | Self::BareLf
            | Self::Control
            | Self::EmptyLines
            | Self::NotHttp
            | Self::MissingVersion
            | Self::RequestLineSpaces
            | Self::Method
            | Self::Version
            | Self::TargetCharacter
            | Self::TargetFragment
            | Self::TargetForm
            | Self::ConnectTarget
            | Self::AsteriskTarget
            | Self::LeadingWhitespace
            | Self::ObsFold
            | Self::MissingColon
            | Self::SpaceBeforeColon
            | Self::EmptyName
            | Self::FieldName
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::Host(_)
            | Self::RepeatedLength
            | Self::Length
            | Self::LengthTooLarge
            | Self::LengthAndEncoding
            | Self::EncodingInHttp10
            | Self::Encoding
            | Self::ChunkedNotLast
            | Self::ChunkedTwice => Status::BadRequest,
            Self::RequestLineTooLong => Status::UriTooLong,
            Self::Expectation => Status::ExpectationFailed,
            Self::HeadTooLong | Self::TooManyFields => Status::FieldsTooLarge,
            // The syntax is right, but nobody here knows the word.
            Self::UnknownMethod | Self::UnknownCoding => Status::NotImplemented,
            Self::UnsupportedVersion => Status::VersionNotSupported,
        }
    }

    /// What was wrong and what to write instead, in one line for a person.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::BareCr => "a CR stands alone; every line ends in CR LF",
            Self::BareLf => "a LF stands alone; every line ends in CR LF",
            Self::Control => "a control character stands in the request head; use none",
            Self::EmptyLines => "more than two empty lines before the request line",
            Self::NotHttp => "this is not HTTP; a request begins like GET / HTTP/1.1",
            Self::MissingVersion => "the version is missing; write for example GET / HTTP/1.1",
            Self::RequestLineSpaces => {
                "method, target and version are separated by exactly one space each"
            }
            Self::RequestLineTooLong => "the request line is too long; use a shorter target",
            Self::Method => "the method is not a token; write for example GET",
            Self::UnknownMethod => "unknown method; methods are written in capitals, like GET",
            Self::Version => "malformed version; write HTTP/1.1, in capitals",
            Self::UnsupportedVersion => "this server speaks HTTP/1.1; write HTTP/1.1",
            Self::TargetCharacter => {
                "the target holds a character that must be percent-encoded, like %20"
            }
            Self::TargetFragment => "a target has no fragment; leave out the # and what follows it",
            Self::TargetForm => "the target must begin with / or be a whole http URI",
            Self::ConnectTarget => "the target of CONNECT must be a host, a colon and a port",
            Self::AsteriskTarget => "only OPTIONS may ask for *; name a path such as /",
            Self::LeadingWhitespace => "white space before the first field; begin with its name",
            Self::ObsFold => "a field goes on in a second line; write it in one",
            Self::MissingColon => "a field has no colon; write Name: value",
            Self::SpaceBeforeColon => "white space before a field's colon; write Name: value",
            Self::EmptyName => "a field has no name; write Name: value",
            Self::FieldName => "the name of a field is not a token; use letters, digits and -",
            Self::HeadTooLong => "the request head is too long; send fewer or shorter fields",
            Self::TooManyFields => "the request has too many fields; send fewer",
            Self::MissingHost => "the Host field is missing; HTTP/1.1 needs one",
            Self::RepeatedHost => "more than one Host field; send one",
            Self::Host(why) => why.text(),
            Self::RepeatedLength => "more than one Content-Length; send one",
            Self::Length => "Content-Length must be one run of digits",
            Self::LengthTooLarge => "Content-Length is too large",
            Self::LengthAndEncoding => "Content-Length beside Transfer-Encoding; send one of them",
            Self::EncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding; use Content-Length",
            Self::Encoding => "malformed Transfer-Encoding; write chunked",
            Self::UnknownCoding => "unknown transfer coding; the only one here is chunked",
            Self::ChunkedNotLast => "chunked must be the last transfer coding",
            Self::ChunkedTwice => "chunked may be applied only once",
            Self::Expectation => "the only expectation met here is 100-continue",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl std::error::Error for HeadError {}

/// Why a body is refused. Each ends the connection, for its end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// RFC 9110 section 15.5.14: the body is larger than the limit.
    TooLarge,
    /// RFC 9112 section 7.1: the size of a chunk is not one to sixteen hexadecimal digits.
    ChunkSize,
    /// RFC 9112 section 7.1: the data of a chunk is not followed by CRLF.
    ChunkEnd,
    /// RFC 9112 section 7.1.1: more extensions than
    /// [`MAX_EXTRA_BYTES`](super::body::MAX_EXTRA_BYTES).
    ExtensionsTooLong,
    /// RFC 9112 section 7.1.2: a trailer line that is no field line.
    Trailer,
    /// RFC 9112 section 7.1.2: more trailers than
    /// [`MAX_EXTRA_BYTES`](super::body::MAX_EXTRA_BYTES).
    TrailersTooLong,
    /// RFC 9112 section 2.2: a CR or a LF stands alone.
    LineEnd,
    /// RFC 9110 section 5.5: a control character in an extension or a trailer.
    Control,
}

impl BodyError {
    /// The status of the response that refuses the request.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::TooLarge | Self::ExtensionsTooLong => Status::ContentTooLarge,
            Self::TrailersTooLong => Status::FieldsTooLarge,
            Self::ChunkSize | Self::ChunkEnd | Self::Trailer | Self::LineEnd | Self::Control => {
                Status::BadRequest
            }
        }
    }

    /// What was wrong and what to write instead, in one line for a person.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "the body is too large; send less at a time",
            Self::ChunkSize => "a chunk's size must be 1 to 16 hexadecimal digits",
            Self::ChunkEnd => "a chunk is longer than its size says; CR LF must follow the data",
            Self::ExtensionsTooLong => "too many chunk extensions; leave them out",
            Self::Trailer => "a malformed trailer line; write Name: value",
            Self::TrailersTooLong => "too many trailers; leave them out",
            Self::LineEnd => "a CR or a LF stands alone; every line ends in CR LF",
            Self::Control => "a control character stands between the chunks; use none",
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl std::error::Error for BodyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_fits_into_two_bytes() {
        assert!(size_of::<HeadError>() <= 2);
    }

    #[test]
    fn texts_are_one_short_line_of_ascii_for_a_terminal() {
        for error in [HeadError::BareCr, HeadError::Host(HostError::Port), HeadError::Expectation] {
            let text = error.to_string();
            assert!(text.len() <= 80 && text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text}");
            assert_eq!(text, error.text());
        }
    }
}
