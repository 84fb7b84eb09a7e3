//! What a client offers in `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).
//!
//! ```text
//!   Sec-WebSocket-Extensions = 1#extension
//!   extension = token *( ";" param )
//!   param     = token [ "=" ( token | quoted-string ) ]
//! ```
//!
//! What to notice:
//! * The header may stand on several lines, which are one list, in the order of the client's wishes.
//! * What a quoted string holds must be a token, too. So there is never a comma or a semicolon in
//!   one, and cutting at them first is no mistake.
//! * This reads the list and knows no extension. Whoever breaks the grammar has no connection;
//!   whoever offers what nobody here knows is only not answered.

use std::borrow::Cow;

/// One extension that a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Its name, as IANA has registered it.
    pub name: &'a [u8],
    /// Its parameters in the order in which they came: repeated ones, too.
    pub params: Vec<Param<'a>>,
}

/// A parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value, which is a token, if it has one.
    pub value: Option<Cow<'a, [u8]>>,
}

/// RFC 6455 section 9.1: the value of the header does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the offers out of all lines of the header, of which there may be none.
///
/// ```
/// use barewire::websocket::extension::offers;
///
/// let lines = [&b"permessage-deflate; client_max_window_bits, x-other; a=\"b\""[..]];
/// let offers = offers(lines.into_iter())?;
/// assert_eq!(offers[0].name, b"permessage-deflate");
/// assert_eq!(offers[0].params[0].value, None);
/// assert_eq!(offers[1].params[0].value.as_deref(), Some(&b"b"[..]));
/// # Ok::<(), barewire::websocket::extension::Malformed>(())
/// ```
///
/// # Errors
/// A line that breaks the grammar, or lines that hold no extension at all: fail the handshake.
pub fn offers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Offer<'a>>, Malformed> {
    let mut offers = Vec::new();
    let mut is_absent = true;
    for line in lines {
        is_absent = false;
        // RFC 9110 section 5.6.1.2: empty elements of a list are ignored.
        let elements = pieces(line, b',').filter(|element| !element.is_empty());
        for element in elements {
            offers.push(offer(element)?);
        }
    }
    // `1#extension`: at least one, if the header is there.
    if offers.is_empty() && !is_absent { Err(Malformed) } else { Ok(offers) }
}

fn offer(element: &[u8]) -> Result<Offer<'_>, Malformed> {
    let mut pieces = pieces(element, b';');
    let name = token(pieces.next().unwrap_or_default())?;
    Ok(Offer { name, params: pieces.map(param).collect::<Result<_, _>>()? })
}

fn param(piece: &[u8]) -> Result<Param<'_>, Malformed> {
    let Some(equals) = piece.iter().position(|byte| *byte == b'=') else {
        return Ok(Param { name: token(piece)?, value: None });
    };
    let (name, value) = piece.split_at_checked(equals).ok_or(Malformed)?;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => Cow::Owned(unquoted(quoted)?),
        None => Cow::Borrowed(token(value)?),
    };
    Ok(Param { name: token(name.trim_ascii())?, value: Some(value) })
}

/// What stands in a quoted string, of which the opening quote was taken off.
///
/// RFC 6455 section 9.1: "the value after quoted-string unescaping MUST conform to the 'token'
/// ABNF".
fn unquoted(quoted: &[u8]) -> Result<Vec<u8>, Malformed> {
    let (end, inside) = quoted.split_last().ok_or(Malformed)?;
    let mut value = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied();
    while let Some(byte) = bytes.next() {
        // RFC 9110 section 5.6.4: a backslash stands before what means itself.
        value.push(if byte == b'\\' { bytes.next().ok_or(Malformed)? } else { byte });
    }
    token(&value)?;
    if *end == b'"' { Ok(value) } else { Err(Malformed) }
}

fn pieces(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    bytes.split(move |byte| *byte == separator).map(<[u8]>::trim_ascii)
}

/// RFC 9110 section 5.6.2: any visible ASCII character except delimiters.
fn token(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_tchar) { Ok(bytes) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offers of these lines, as `name;param;param=value name`.
    fn read(lines: &[&str]) -> Result<String, Malformed> {
        let offers = offers(lines.iter().map(|line| line.as_bytes()))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let shown = offers.iter().map(|offer| {
            let params = offer.params.iter().map(|param| {
                let value = param.value.as_deref().map(|value| format!("={}", text(value)));
                format!(";{}{}", text(param.name), value.unwrap_or_default())
            });
            text(offer.name) + &params.collect::<String>()
        });
        Ok(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn s9_1_lists_of_extensions() {
        for (lines, expected) in [
            (&[][..], ""),
            (&["foo"], "foo"),
            (&["foo, bar; baz=2"], "foo bar;baz=2"),
            (&["foo", "bar; baz=2"], "foo bar;baz=2"),
            (&["foo; a; a=1;a=2"], "foo;a;a=1;a=2"),
            (&["\tfoo ;\tbar = baz , qux "], "foo;bar=baz qux"),
            (&[", foo,, ,bar,"], "foo bar"),
            (&["", "foo"], "foo"),
            (&["foo; a=\"b\""], "foo;a=b"),
            (&["foo; a=\"\\1\\0\""], "foo;a=10"),
        ] {
            assert_eq!(read(lines).as_deref(), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn s9_1_what_is_no_list_of_extensions() {
        for line in [
            "",
            " , ,",
            ";",
            "foo;",
            "foo;;a",
            "foo bar",
            "foo; a b",
            "foo; =1",
            "foo; a=",
            "foo; a==1",
            "foo; a=1 2",
            "foo; a=\"",
            "foo; a=\"\"",
            "foo; a=\"1",
            "foo; a=1\"",
            "foo; a=\"1\\\"",
            "foo; a=\"1 2\"",
            "foo; a=\"1,2\"",
            "foo; a=\"1\"2",
            "foo=1",
            "\"foo\"",
            "f\u{f6}o",
            "foo, (bar)",
        ] {
            assert_eq!(read(&[line]), Err(Malformed), "{line:?}");
            assert_eq!(read(&["good", &format!("{line}, [")]), Err(Malformed), "{line:?}");
        }
    }
}
