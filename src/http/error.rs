//! Every way in which a request can be wrong, and what the peer is told about each.
//!
//! What to notice:
//! * One variant is one rule of one RFC; whatever else seems wrong with a request is not refused.
//! * The status and the text follow from the variant alone. No byte of the request is echoed, so no
//!   request can write into a response (response splitting, log injection).
//! * Any of them ends the connection: after a request that may mean two things, nobody can say
//!   where the next one begins (RFC 9112 section 11.2).

use super::status::Status::{
    self, ContentTooLarge, ExpectationFailed, FieldsTooLarge, NotImplemented, UriTooLong,
    VersionNotSupported,
};
use std::fmt;

/// Why a request is refused: by its head, by its target or by its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// RFC 9112 section 2.2: a CR without a LF behind it.
    BareCr,
    /// RFC 9112 section 2.2: a LF without a CR before it; accepting it is optional.
    BareLf,
    /// RFC 9110 section 5.5: NUL or another control character, in a head or between chunks.
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
    /// RFC 9112 section 3.2: the target is neither a path nor an `http` URI.
    TargetForm,
    /// RFC 9112 section 3.2.3: CONNECT takes a host and a port and nothing else.
    ConnectTarget,
    /// RFC 9112 section 3.2.4: only OPTIONS may ask for `*`.
    AsteriskTarget,
    /// RFC 9112 section 3.2: the target has no path to read, being `*` or a host and port.
    TargetNoPath,
    /// RFC 3986 section 2.1: a `%` in the target is not followed by two hexadecimal digits.
    TargetEscape,
    /// RFC 3986 section 2.5: the escapes of the target do not spell UTF-8.
    TargetNotUtf8,
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
    /// RFC 9110 section 4.2.1: an http URI with an empty host is invalid.
    EmptyHost,
    /// RFC 9110 section 4.2.4: a user name before the host.
    HostUserInfo,
    /// RFC 3986 section 3.2.2: a character that no host has.
    HostCharacter,
    /// RFC 3986 section 3.2.2: what stands in brackets is no IPv6 address.
    HostIpv6,
    /// RFC 3986 section 3.2.3: the port is not a number, or no port has that number.
    HostPort,
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
    /// RFC 9112 section 6.1: an unknown transfer coding, with `chunked` behind it.
    UnknownCoding,
    /// RFC 9112 section 6.3: `chunked` is not the last transfer coding.
    ChunkedNotLast,
    /// RFC 9112 section 6.1: `chunked` is applied more than once.
    ChunkedTwice,
    /// RFC 9110 section 10.1.1: an expectation other than `100-continue`.
    Expectation,
    /// RFC 9110 section 15.5.14: the body is larger than the limit.
    BodyTooLarge,
    /// RFC 9112 section 7.1: the size of a chunk is not one to sixteen hexadecimal digits.
    ChunkSize,
    /// RFC 9112 section 7.1.1: a chunk extension that is not `;name` or `;name=value`.
    ChunkExtension,
    /// RFC 9112 section 7.1: the data of a chunk is not followed by CRLF.
    ChunkEnd,
    /// RFC 9112 section 7.1.1: more chunk extensions than this server skips.
    ExtensionsTooLong,
    /// RFC 9112 section 7.1.2: a trailer line that is no field line.
    Trailer,
    /// RFC 9112 section 7.1.2: more trailers than this server skips.
    TrailersTooLong,
}

impl HttpError {
    /// The status of the response that refuses the request.
    #[must_use]
    pub fn status(self) -> Status {
        self.rule().0
    }

    /// Where the rule stands: `RFC 9112 section 5.2`, as in the first line of the variant.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::BareCr | Self::BareLf | Self::EmptyLines | Self::LeadingWhitespace => {
                "RFC 9112 section 2.2"
            }
            Self::Control => "RFC 9110 section 5.5",
            Self::NotHttp
            | Self::MissingVersion
            | Self::RequestLineSpaces
            | Self::RequestLineTooLong => "RFC 9112 section 3",
            Self::Method => "RFC 9112 section 3.1",
            Self::UnknownMethod => "RFC 9110 section 15.6.2",
            Self::Version => "RFC 9112 section 2.3",
            Self::UnsupportedVersion => "RFC 9110 section 15.6.6",
            Self::TargetCharacter
            | Self::TargetForm
            | Self::TargetNoPath
            | Self::MissingHost
            | Self::RepeatedHost => "RFC 9112 section 3.2",
            Self::TargetFragment => "RFC 9110 section 7.1",
            Self::ConnectTarget => "RFC 9112 section 3.2.3",
            Self::AsteriskTarget => "RFC 9112 section 3.2.4",
            Self::TargetEscape => "RFC 3986 section 2.1",
            Self::TargetNotUtf8 => "RFC 3986 section 2.5",
            Self::ObsFold => "RFC 9112 section 5.2",
            Self::MissingColon => "RFC 9112 section 5",
            Self::SpaceBeforeColon => "RFC 9112 section 5.1",
            Self::EmptyName | Self::FieldName => "RFC 9110 section 5.1",
            Self::HeadTooLong | Self::TooManyFields => "RFC 6585 section 5",
            Self::EmptyHost => "RFC 9110 section 4.2.1",
            Self::HostUserInfo => "RFC 9110 section 4.2.4",
            Self::HostCharacter | Self::HostIpv6 => "RFC 3986 section 3.2.2",
            Self::HostPort => "RFC 3986 section 3.2.3",
            Self::RepeatedLength | Self::ChunkedNotLast => "RFC 9112 section 6.3",
            Self::Length | Self::LengthTooLarge => "RFC 9110 section 8.6",
            Self::LengthAndEncoding
            | Self::EncodingInHttp10
            | Self::Encoding
            | Self::UnknownCoding
            | Self::ChunkedTwice => "RFC 9112 section 6.1",
            Self::Expectation => "RFC 9110 section 10.1.1",
            Self::BodyTooLarge => "RFC 9110 section 15.5.14",
            Self::ChunkSize | Self::ChunkEnd => "RFC 9112 section 7.1",
            Self::ChunkExtension | Self::ExtensionsTooLong => "RFC 9112 section 7.1.1",
            Self::Trailer | Self::TrailersTooLong => "RFC 9112 section 7.1.2",
        }
    }

    /// RFC 9110 section 15.5.1: 400 is for whatever breaks the syntax of a message, so for every rule
    /// here but those whose arm returns the status that was made for them.
    fn rule(self) -> (Status, &'static str) {
        let text = match self {
            Self::BareCr => "a CR stands alone; every line ends in CR LF",
            Self::BareLf => "a LF stands alone; every line ends in CR LF",
            Self::Control => "a control character stands in the request; use none",
            Self::EmptyLines => "more than two empty lines before the request line",
            Self::NotHttp => "this is not HTTP; a request begins like GET / HTTP/1.1",
            Self::MissingVersion => "the version is missing; write for example GET / HTTP/1.1",
            Self::RequestLineSpaces => "separate method, target and version by one space each",
            Self::RequestLineTooLong => return (UriTooLong, "the target is too long; shorten it"),
            Self::Method => "the method is not a token; write for example GET",
            Self::UnknownMethod => return (NotImplemented, "unknown method; use capitals: GET"),
            Self::Version => "malformed version; write HTTP/1.1, in capitals",
            Self::UnsupportedVersion => return (VersionNotSupported, "this speaks HTTP/1.1 only"),
            Self::TargetCharacter => "a character of the target must be percent-encoded, like %20",
            Self::TargetFragment => "a target has no fragment; leave out the # and what follows it",
            Self::TargetForm => "the target must begin with / or be a whole http URI",
            Self::ConnectTarget => "the target of CONNECT must be a host, a colon and a port",
            Self::AsteriskTarget => "only OPTIONS may ask for *; name a path such as /",
            Self::TargetNoPath => "the target has no path; begin it with /",
            Self::TargetEscape => "a % is not followed by two hexadecimal digits; write %25 for %",
            Self::TargetNotUtf8 => "the target's escapes are not UTF-8; write for example %C3%A9",
            Self::LeadingWhitespace => "white space before the first field; begin with its name",
            Self::ObsFold => "a field goes on in a second line; write it in one",
            Self::MissingColon => "a field has no colon; write Name: value",
            Self::SpaceBeforeColon => "white space before a field's colon; write Name: value",
            Self::EmptyName => "a field has no name; write Name: value",
            Self::FieldName => "the name of a field is not a token; use letters, digits and -",
            Self::HeadTooLong => {
                return (FieldsTooLarge, "the request head is too long; trim it");
            }
            Self::TooManyFields => {
                return (FieldsTooLarge, "there are too many fields; drop some");
            }
            Self::MissingHost => "the Host field is missing; HTTP/1.1 needs one",
            Self::RepeatedHost => "more than one Host field; send one",
            Self::EmptyHost => "the host is empty; write for example Host: localhost:8080",
            Self::HostUserInfo => "a host has no user name before it; leave it out, with the @",
            Self::HostCharacter => "the host holds a character that no host name has",
            Self::HostIpv6 => "malformed IPv6 address; write for example [::1]",
            Self::HostPort => "the port must be a number of at most 65535",
            Self::RepeatedLength => "more than one Content-Length; send one",
            Self::Length => "Content-Length must be one run of digits",
            Self::LengthTooLarge => "Content-Length is too large",
            Self::LengthAndEncoding => "Content-Length beside Transfer-Encoding; send one of them",
            Self::EncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding; use Content-Length",
            Self::Encoding => "malformed Transfer-Encoding; write chunked",
            Self::UnknownCoding => return (NotImplemented, "unknown transfer coding; use chunked"),
            Self::ChunkedNotLast => "chunked must be the last transfer coding",
            Self::ChunkedTwice => "chunked may be applied only once",
            Self::Expectation => return (ExpectationFailed, "expect nothing but 100-continue"),
            Self::BodyTooLarge => return (ContentTooLarge, "the body is too large; send less"),
            Self::ChunkSize => "a chunk's size must be 1 to 16 hexadecimal digits",
            Self::ChunkExtension => "a malformed chunk extension; send none, or ;name=value",
            Self::ChunkEnd => "a chunk is longer than its size says; CR LF must follow the data",
            Self::ExtensionsTooLong => return (ContentTooLarge, "too many extensions; send none"),
            Self::Trailer => "a malformed trailer line; write Name: value",
            Self::TrailersTooLong => return (FieldsTooLarge, "too many trailers; leave them out"),
        };
        (Status::BadRequest, text)
    }
}

/// What was wrong and what to write instead, in one line for a person.
impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.rule().1)
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::HttpError as E;
    use super::*;
    use crate::tests::assert_sections;

    #[rustfmt::skip] // in the order of the enum
    const EVERY: [E; 52] = [
        E::BareCr, E::BareLf, E::Control, E::EmptyLines, E::NotHttp, E::MissingVersion,
        E::RequestLineSpaces, E::RequestLineTooLong, E::Method, E::UnknownMethod, E::Version,
        E::UnsupportedVersion, E::TargetCharacter, E::TargetFragment, E::TargetForm,
        E::ConnectTarget, E::AsteriskTarget, E::TargetNoPath, E::TargetEscape, E::TargetNotUtf8,
        E::LeadingWhitespace, E::ObsFold, E::MissingColon, E::SpaceBeforeColon, E::EmptyName,
        E::FieldName, E::HeadTooLong, E::TooManyFields, E::MissingHost, E::RepeatedHost,
        E::EmptyHost, E::HostUserInfo, E::HostCharacter, E::HostIpv6, E::HostPort,
        E::RepeatedLength, E::Length, E::LengthTooLarge, E::LengthAndEncoding, E::EncodingInHttp10,
        E::Encoding, E::UnknownCoding, E::ChunkedNotLast, E::ChunkedTwice, E::Expectation,
        E::BodyTooLarge, E::ChunkSize, E::ChunkExtension, E::ChunkEnd, E::ExtensionsTooLong,
        E::Trailer, E::TrailersTooLong,
    ];

    #[test]
    fn an_error_fits_into_one_byte() {
        assert_eq!(size_of::<HttpError>(), 1);
    }

    #[test]
    fn every_section_is_that_of_the_doc() {
        assert_sections(include_str!("error.rs"), EVERY.map(|error| (error, error.section())));
    }

    #[test]
    fn texts_are_one_short_line_of_ascii_for_a_terminal() {
        for error in EVERY {
            let text = error.to_string();
            assert!(text.len() <= 80 && text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text}");
        }
    }
}
