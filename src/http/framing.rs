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

use super::error::HttpError;
use super::fields::{elements, is_token};
use super::request_line::Version;

/// How the end of a request's body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The body has this many bytes, as the client says; 0 where it says nothing.
    Length(u64),
    /// The body comes in chunks and ends with one of length zero.
    Chunked,
}

/// What the framing fields of a head have said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    /// Transfer-Encoding named a coding that is not known here.
    unknown: bool,
    /// Transfer-Encoding named `chunked`, and nothing behind it.
    chunked: bool,
}

impl FramingFields {
    /// Takes note of a Content-Length line.
    pub(super) fn note_length(&mut self, value: &[u8]) -> Result<(), HttpError> {
        if self.length.is_some() {
            return Err(HttpError::RepeatedLength);
        }
        // Digits only, and at least one: `parse` would also take a sign.
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(HttpError::Length);
        }
        let digits = str::from_utf8(value).map_err(|_| HttpError::Length)?;
        self.length = Some(digits.parse().map_err(|_| HttpError::LengthTooLarge)?);
        Ok(())
    }

    /// Takes note of a Transfer-Encoding line; several lines make one list.
    pub(super) fn note_encoding(&mut self, value: &[u8]) -> Result<(), HttpError> {
        for coding in elements(value) {
            // Parameters are refused too: chunked has none (RFC 9112 section 7.1), and no other
            // coding is known. So is an empty element, which some parsers skip and some do not.
            if !is_token(coding) {
                return Err(HttpError::Encoding);
            }
            match (self.chunked, coding.eq_ignore_ascii_case(b"chunked")) {
                (false, true) => self.chunked = true,
                (false, false) => self.unknown = true,
                (true, true) => return Err(HttpError::ChunkedTwice),
                (true, false) => return Err(HttpError::ChunkedNotLast),
            }
        }
        Ok(())
    }

    /// Decides, at the end of the head, how the body ends.
    pub(super) fn framing(self, version: Version) -> Result<Framing, HttpError> {
        if !self.chunked && !self.unknown {
            return Ok(Framing::Length(self.length.unwrap_or(0)));
        }
        match (version, self.length) {
            (Version::Http10, _) => Err(HttpError::EncodingInHttp10),
            (Version::Http11, Some(_)) => Err(HttpError::LengthAndEncoding),
            // RFC 9112 section 6.3: this is 400, for nobody can say where the body ends.
            (Version::Http11, None) if !self.chunked => Err(HttpError::ChunkedNotLast),
            // Section 6.1: one can, but not what the body then says.
            (Version::Http11, None) if self.unknown => Err(HttpError::UnknownCoding),
            (Version::Http11, None) => Ok(Framing::Chunked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &str)], version: Version) -> Result<Framing, HttpError> {
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
            ("18446744073709551616", Err(HttpError::LengthTooLarge)),
            ("99999999999999999999999999", Err(HttpError::LengthTooLarge)),
            ("", Err(HttpError::Length)),
            ("+5", Err(HttpError::Length)),
            ("-5", Err(HttpError::Length)),
            ("-0", Err(HttpError::Length)),
            ("0x5", Err(HttpError::Length)),
            ("5a", Err(HttpError::Length)),
            ("5 5", Err(HttpError::Length)),
            ("5, 5", Err(HttpError::Length)),
            ("5,", Err(HttpError::Length)),
            ("5.0", Err(HttpError::Length)),
            ("\"5\"", Err(HttpError::Length)),
            ("٥", Err(HttpError::Length)),
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
            ("gzip", Err(HttpError::ChunkedNotLast)),
            ("identity", Err(HttpError::ChunkedNotLast)),
            ("xchunked", Err(HttpError::ChunkedNotLast)),
            ("gzip, deflate", Err(HttpError::ChunkedNotLast)),
            ("gzip, chunked", Err(HttpError::UnknownCoding)),
            ("gzip, deflate, chunked", Err(HttpError::UnknownCoding)),
            ("chunked, gzip", Err(HttpError::ChunkedNotLast)),
            ("gzip, chunked, gzip", Err(HttpError::ChunkedNotLast)),
            ("chunked, identity", Err(HttpError::ChunkedNotLast)),
            ("chunked, chunked", Err(HttpError::ChunkedTwice)),
            ("gzip, chunked, chunked", Err(HttpError::ChunkedTwice)),
            ("", Err(HttpError::Encoding)),
            (",chunked", Err(HttpError::Encoding)),
            ("chunked,", Err(HttpError::Encoding)),
            ("chunked;q=1", Err(HttpError::Encoding)),
            ("chunked chunked", Err(HttpError::Encoding)),
            ("\"chunked\"", Err(HttpError::Encoding)),
            ("chunked\u{a0}", Err(HttpError::Encoding)),
        ] {
            assert_eq!(framing(&[("TE", value)], Version::Http11), expected, "{value}");
        }
    }

    #[test]
    fn s6_3_what_two_parsers_could_read_differently() {
        for (fields, version, expected) in [
            (&[][..], Version::Http11, Ok(Framing::Length(0))),
            (&[("CL", "5"), ("CL", "5")], Version::Http11, Err(HttpError::RepeatedLength)),
            (&[("CL", "5"), ("CL", "6")], Version::Http11, Err(HttpError::RepeatedLength)),
            (&[("CL", "5"), ("TE", "chunked")], Version::Http11, Err(HttpError::LengthAndEncoding)),
            (&[("TE", "chunked"), ("CL", "0")], Version::Http11, Err(HttpError::LengthAndEncoding)),
            (&[("TE", "chunked")], Version::Http10, Err(HttpError::EncodingInHttp10)),
            (&[("TE", "gzip")], Version::Http10, Err(HttpError::EncodingInHttp10)),
            (
                &[("TE", "chunked"), ("TE", "chunked")],
                Version::Http11,
                Err(HttpError::ChunkedTwice),
            ),
            (&[("TE", "chunked"), ("TE", "gzip")], Version::Http11, Err(HttpError::ChunkedNotLast)),
            (&[("TE", "gzip"), ("TE", "chunked")], Version::Http11, Err(HttpError::UnknownCoding)),
        ] {
            assert_eq!(framing(fields, version), expected, "{fields:?} {version}");
        }
    }
}
