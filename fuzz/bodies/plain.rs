//! HTTP as somebody reads it who has all of it before him and only splits text: slow, and hard to get
//! wrong. What the parser says is held against it.

/// A request's head, of which nothing was checked but its shape.
#[derive(Debug)]
pub struct PlainHead<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// With its `HTTP/`.
    pub version: &'a str,
    /// Names as they were written, and values without the white space around them.
    pub fields: Vec<(&'a str, &'a str)>,
}

impl<'a> PlainHead<'a> {
    /// Splits a head, from its first empty line to its last.
    pub fn of(text: &'a str) -> Option<Self> {
        let begun = text.strip_suffix("\r\n\r\n")?.trim_start_matches("\r\n");
        let mut lines = begun.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let fields = lines.map(split_field).collect::<Option<_>>()?;
        words.next().is_none().then_some(Self { method, target, version, fields })
    }

    /// The values under a name, which is given in small letters.
    pub fn values(&self, name: &str) -> Vec<&'a str> {
        let named = self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value).collect()
    }

    /// The elements of the list under a name, over all its lines, in small letters. Empty ones too.
    pub fn elements(&self, name: &str) -> Vec<String> {
        let elements = self.values(name).into_iter().flat_map(|value| value.split(','));
        elements.map(|element| trimmed(element).to_ascii_lowercase()).collect()
    }
}

/// Every byte as the character of its number, so that bytes can be split as text is.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// RFC 9110 section 5.6.2.
pub fn is_token(text: &str) -> bool {
    let is_tchar = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_tchar)
}

/// RFC 9110 section 5.5: no control characters but the tab.
pub fn is_text(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || !c.is_ascii_control())
}

/// RFC 9112 section 5: a name, a colon, a value with white space around it.
pub fn split_field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    is_token(name).then_some((name, trimmed(value)))
}

/// RFC 9110 section 5.6.3: without the white space around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// What a person is told in a log or an answer: one line that says something.
pub fn is_a_line(text: &str) -> bool {
    (10..=200).contains(&text.len()) && !text.contains(char::is_control) && text.contains(' ')
}
