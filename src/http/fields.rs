//! Field lines: checking one as it ends, and finding them again in a complete head.
//!
//! What to notice:
//! * [`Fields`] owns nothing and indexes nothing: it is the bytes of the head, walked again for
//!   each question. A head is small, few questions are asked, and nothing is allocated for any of
//!   them.
//! * A list is a list over all the lines of its name (RFC 9110 section 5.3), and its elements are
//!   compared whole: `not-upgrade` does not hold `upgrade`.
//! * Values are bytes, not text: RFC 9110 section 5.5 allows 0x80 to 0xff in them and gives them no
//!   meaning.
//!
//! ```text
//!   field-line = field-name ":" OWS field-value OWS
//!   field-name = token           OWS = *( SP / HTAB )
//!   list       = [ element ] *( OWS "," OWS [ element ] )
//! ```

use super::error::HttpError;
use std::fmt;

/// The field lines of one head, already checked, in the order in which they came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Whole lines, each with its CRLF.
    lines: &'a [u8],
}

/// RFC 9110 section 5.3: a field that may stand only once stands on several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl<'a> Fields<'a> {
    /// Takes lines that each passed [`check_line`] and end in CRLF.
    pub(super) fn new(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// Every field as (name, value), the value without the white space around it.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let lines = self.lines.split(|byte| *byte == b'\n').filter_map(split_at_colon);
        // No control characters are left, so this trims OWS and the line's own CR.
        lines.map(|(name, value)| (name, value.trim_ascii()))
    }

    /// The value of each line with this name, whatever its case.
    pub fn lines(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Whether the list under this name, over all its lines, has `token` as a whole element,
    /// whatever its case. Not for fields whose elements may hold quoted commas.
    #[must_use]
    pub fn has_token(self, name: &str, token: &str) -> bool {
        let mut elements = self.lines(name).flat_map(elements);
        elements.any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The value of a field that may stand only once, or `None` where it is absent.
    ///
    /// # Errors
    /// [`Repeated`] if there are several lines, even equal ones: which of them counts is what two
    /// parsers would disagree about, so refuse the request with 400.
    pub fn single(self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut lines = self.lines(name);
        let first = lines.next();
        if lines.next().is_some() { Err(Repeated) } else { Ok(first) }
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.lines.escape_ascii())
    }
}

/// The elements between the commas of one value, the empty ones included.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Checks a field line, without its CRLF, whose bytes have passed `LineEnd`; `is_first` says that
/// the line before it was no field.
pub(super) fn check_line(line: &[u8], is_first: bool) -> Result<(), HttpError> {
    if line.first().is_some_and(|byte| is_ows(*byte)) {
        return Err(if is_first { HttpError::LeadingWhitespace } else { HttpError::ObsFold });
    }
    let (name, _) = split_at_colon(line).ok_or(HttpError::MissingColon)?;
    match name.last() {
        None => Err(HttpError::EmptyName),
        // RFC 9112 section 5.1: some parsers would drop the space, others take it into the name.
        Some(last) if is_ows(*last) => Err(HttpError::SpaceBeforeColon),
        Some(_) if is_token(name) => Ok(()),
        Some(_) => Err(HttpError::FieldName),
    }
}

fn split_at_colon(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
    Some((name, rest.split_first()?.1))
}

/// RFC 9110 section 5.6.2: `token = 1*tchar`.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_tchar(*byte))
}

/// RFC 9110 section 5.6.2: any visible ASCII character except delimiters.
pub(super) fn is_tchar(byte: u8) -> bool {
    // The ranges are #$%&' and ^_`. To search a text for each byte costs a whole head a tenth more.
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"Host: a.test\r\n\
        Connection: keep-alive, not-upgrade ,\tUPGRADE\r\n\
        X-Opaque: \xff\x80\r\n\
        connection:,, foo ,\r\n\
        X-Empty:\r\n\
        X-Spaces: \t a b \t \r\n\
        X-Colon: a:b: c\r\n";

    #[test]
    fn s5_1_names_are_found_whatever_their_case() {
        let fields = Fields::new(HEAD);
        assert_eq!(fields.single("HOST"), Ok(Some(&b"a.test"[..])));
        assert_eq!(fields.single("hos"), Ok(None));
        assert_eq!(fields.lines("Connection").count(), 2);
        assert_eq!(fields.single("Connection"), Err(Repeated));
        assert_eq!(fields.iter().count(), 7);
        assert_eq!(Fields::new(b"").iter().count(), 0);
    }

    #[test]
    fn s5_5_values_lose_the_white_space_around_them_and_nothing_else() {
        let fields = Fields::new(HEAD);
        assert_eq!(fields.single("x-empty"), Ok(Some(&b""[..])));
        assert_eq!(fields.single("x-spaces"), Ok(Some(&b"a b"[..])));
        assert_eq!(fields.single("x-colon"), Ok(Some(&b"a:b: c"[..])));
        assert_eq!(fields.single("x-opaque"), Ok(Some(&b"\xff\x80"[..])));
    }

    #[test]
    fn s5_6_1_a_list_spans_lines_and_its_empty_elements_hide_none() {
        let fields = Fields::new(HEAD);
        let list: Vec<_> = fields.lines("connection").flat_map(elements).collect();
        assert_eq!(list, [&b"keep-alive"[..], b"not-upgrade", b"UPGRADE", b"", b"", b"foo", b""]);
        for token in ["keep-alive", "not-upgrade", "upgrade", "FOO"] {
            assert!(fields.has_token("connection", token), "{token}");
            assert!(!fields.has_token("x-empty", token), "{token}");
        }
    }

    #[test]
    fn s7_6_1_tokens_are_compared_whole() {
        for (value, expected) in [
            ("upgrade", true),
            ("UpGrAdE", true),
            ("keep-alive, Upgrade", true),
            ("keep-alive,upgrade", true),
            ("\tupgrade\t", true),
            ("not-upgrade", false),
            ("upgrade-not", false),
            ("upgrade;x", false),
            ("\"upgrade\"", false),
            ("keep-alive upgrade", false),
            ("", false),
        ] {
            let line = format!("Connection: {value}\r\n");
            let found = Fields::new(line.as_bytes()).has_token("connection", "upgrade");
            assert_eq!(found, expected, "{value:?}");
        }
    }

    #[test]
    fn s5_field_lines() {
        let long = format!("{}: x", "n".repeat(5000));
        for (line, expected) in [
            (&b"Host: x"[..], Ok(())),
            (b"Host:x", Ok(())),
            (b"!#$%&'*+-.^_`|~09azAZ:", Ok(())),
            (b"X: \xff", Ok(())),
            (long.as_bytes(), Ok(())),
            (b" Host: x", Err(HttpError::ObsFold)),
            (b"\tfolded", Err(HttpError::ObsFold)),
            (b" ", Err(HttpError::ObsFold)),
            (b"Host", Err(HttpError::MissingColon)),
            (b": x", Err(HttpError::EmptyName)),
            (b"Host : x", Err(HttpError::SpaceBeforeColon)),
            (b"Host\t: x", Err(HttpError::SpaceBeforeColon)),
            (b"Ho st: x", Err(HttpError::FieldName)),
            (b"Ho(st: x", Err(HttpError::FieldName)),
            (b"H\xc3\xb6st: x", Err(HttpError::FieldName)),
            (b"\"Host\": x", Err(HttpError::FieldName)),
            (b"Host@: x", Err(HttpError::FieldName)),
        ] {
            assert_eq!(check_line(line, false), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn s2_2_white_space_before_the_first_field_is_no_fold() {
        assert_eq!(check_line(b" Host: x", true), Err(HttpError::LeadingWhitespace));
    }

    #[test]
    fn fields_are_shown_for_people() {
        let shown = format!("{:?}", Fields::new(b"A: \xff\r\n"));
        assert_eq!(shown, r"A: \xff\r\n");
    }
}
