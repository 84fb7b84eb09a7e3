//! Where the body of a request ends: the rules whose violation is request smuggling.
//!
//! What to notice:
//! * Of all rules of HTTP these are the ones where "be liberal in what you accept" has done most
//!   harm: a proxy and a server that disagree on one length disagree on all that follows.
//! * So whatever could be read in two ways is refused, even where RFC 9112 would allow a guess.
//! * The length is only noted here. Nobody reserves memory for it.
//!
//! ```text
//!   Content-Length = 1*DIGIT           once, on one line, and alone
//!   Transfer-Encoding = "chunked"      once, in HTTP/1.1, and alone
//! ```

use super::error::HeadError;
use super::fields::{elements, is_token};
use super::request_line::Version;

/// How the end of a request's body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Neither field is there: the request has no body.
    None,
    /// The body has this many bytes, as the client says.
    Length(u64),
    /// The body comes in chunks and ends with one of length zero.
    Chunked,
}

/// What the framing fields of a head have said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    codings: Option<Codings>,
}

/// The transfer codings in the order in which they were applied, reduced to what matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codings {
    /// None but `chunked`.
    Chunked,
    /// None but unknown ones.
    Unknown,
    /// Unknown ones and then `chunked`.
    UnknownThenChunked,
}

impl FramingFields {
    /// Takes note of a Content-Length line.
    pub(super) fn note_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.length.is_some() {
            return Err(HeadError::RepeatedLength);
        }
        // Digits only, and at least one: `parse` would also take a sign.
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::Length);
        }
        let digits = str::from_utf8(value).map_err(|_| HeadError::Length)?;
        self.length = Some(digits.parse().map_err(|_| HeadError::LengthTooLarge)?);
        Ok(())
    }

    /// Takes note of a Transfer-Encoding line; several lines make one list.
    pub(super) fn note_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        for coding in elements(value) {
            // Parameters are refused too: chunked has none (RFC 9112 section 7.1), and no other
            // coding is known. So is an empty element, which some parsers skip and some do not.
            if !is_token(coding) {
                return Err(HeadError::Encoding);
            }
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.codings = Some(match (self.codings, is_chunked) {
                (None, true) => Codings::Chunked,
                (None | Some(Codings::Unknown), false) => Codings::Unknown,
                (Some(Codings::Unknown), true) => Codings::UnknownThenChunked,
                (Some(Codings::Chunked | Codings::UnknownThenChunked), true) => {
                    return Err(HeadError::ChunkedTwice);
                }
                (Some(Codings::Chunked | Codings::UnknownThenChunked), false) => {
                    return Err(HeadError::ChunkedNotLast);
                }
            });
        }
        Ok(())
    }

    /// Decides, at the end of the head, how the body ends.
    pub(super) fn framing(self, version: Version) -> Result<Framing, HeadError> {
        match (self.codings, self.length, version) {
            (Some(_), _, Version::Http10) => Err(HeadError::EncodingInHttp10),
            (Some(_), Some(_), Version::Http11) => Err(HeadError::LengthAndEncoding),
            (Some(Codings::Chunked), None, Version::Http11) => Ok(Framing::Chunked),
            (Some(Codings::Unknown | Codings::UnknownThenChunked), None, Version::Http11) => {
                Err(HeadError::UnknownCoding)
            }
            (None, Some(length), _) => Ok(Framing::Length(length)),
            (None, None, _) => Ok(Framing::None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &str)], version: Version) -> Result<Framing, HeadError> {
        let mut seen = FramingFields::default();
        for (name, value) in fields {
            match *name {
                "CL" => seen.note_length(value.as_bytes())?,
                _ => seen.note_encoding(value.as_bytes())?,
            }
        }
        seen.framing(version)
    }

    #[test]
    fn s8_6_content_length_is_one_run_of_digits() {
        for (value, expected) in [
            ("0", Ok(Framing::Length(0))),
            ("5", Ok(Framing::Length(5))),
            ("0005", Ok(Framing::Length(5))),
            ("18446744073709551615", Ok(Framing::Length(u64::MAX))),
            ("18446744073709551616", Err(HeadError::LengthTooLarge)),
            ("99999999999999999999999999", Err(HeadError::LengthTooLarge)),
            ("", Err(HeadError::Length)),
            ("+5", Err(HeadError::Length)),
            ("-5", Err(HeadError::Length)),
            ("-0", Err(HeadError::Length)),
            ("0x5", Err(HeadError::Length)),
            ("5a", Err(HeadError::Length)),
            ("5 5", Err(HeadError::Length)),
            ("5, 5", Err(HeadError::Length)),
            ("5,", Err(HeadError::Length)),
            ("5.0", Err(HeadError::Length)),
            ("\"5\"", Err(HeadError::Length)),
            ("٥", Err(HeadError::Length)),
        ] {
            assert_eq!(framing(&[("CL", value)], Version::Http11), expected, "{value}");
            assert_eq!(framing(&[("CL", value)], Version::Http10), expected, "{value}");
        }
    }

    #[test]
    fn s6_1_transfer_encoding_is_chunked_and_nothing_else() {
        for (value, expected) in [
            ("chunked", Ok(Framing::Chunked)),
            ("CHUNKED", Ok(Framing::Chunked)),
            ("gzip", Err(HeadError::UnknownCoding)),
            ("identity", Err(HeadError::UnknownCoding)),
            ("xchunked", Err(HeadError::UnknownCoding)),
            ("gzip, chunked", Err(HeadError::UnknownCoding)),
            ("gzip, deflate, chunked", Err(HeadError::UnknownCoding)),
            ("chunked, gzip", Err(HeadError::ChunkedNotLast)),
            ("gzip, chunked, gzip", Err(HeadError::ChunkedNotLast)),
            ("chunked, identity", Err(HeadError::ChunkedNotLast)),
            ("chunked, chunked", Err(HeadError::ChunkedTwice)),
            ("gzip, chunked, chunked", Err(HeadError::ChunkedTwice)),
            ("", Err(HeadError::Encoding)),
            (",chunked", Err(HeadError::Encoding)),
            ("chunked,", Err(HeadError::Encoding)),
            ("chunked;q=1", Err(HeadError::Encoding)),
            ("chunked chunked", Err(HeadError::Encoding)),
            ("\"chunked\"", Err(HeadError::Encoding)),
            ("chunked\u{a0}", Err(HeadError::Encoding)),
        ] {
            assert_eq!(framing(&[("TE", value)], Version::Http11), expected, "{value}");
        }
    }

    #[test]
    fn s6_3_what_two_parsers_could_read_differently() {
        for (fields, version, expected) in [
            (&[][..], Version::Http11, Ok(Framing::None)),
            (&[("CL", "5"), ("CL", "5")], Version::Http11, Err(HeadError::RepeatedLength)),
            (&[("CL", "5"), ("CL", "6")], Version::Http11, Err(HeadError::RepeatedLength)),
            (&[("CL", "5"), ("TE", "chunked")], Version::Http11, Err(HeadError::LengthAndEncoding)),
            (&[("TE", "chunked"), ("CL", "0")], Version::Http11, Err(HeadError::LengthAndEncoding)),
            (&[("TE", "chunked")], Version::Http10, Err(HeadError::EncodingInHttp10)),
            (&[("TE", "gzip")], Version::Http10, Err(HeadError::EncodingInHttp10)),
            (
                &[("TE", "chunked"), ("TE", "chunked")],
                Version::Http11,
                Err(HeadError::ChunkedTwice),
            ),
            (&[("TE", "chunked"), ("TE", "gzip")], Version::Http11, Err(HeadError::ChunkedNotLast)),
            (&[("TE", "gzip"), ("TE", "chunked")], Version::Http11, Err(HeadError::UnknownCoding)),
        ] {
            assert_eq!(framing(fields, version), expected, "{fields:?} {version}");
        }
    }
}
