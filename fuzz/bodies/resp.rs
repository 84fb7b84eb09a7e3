//! RESP2, as plainly as can be: a reader that looks at what has come from its first byte on, and a writer.

/// A piece of a value of RESP2.
pub enum Part {
    /// Its first byte, and what stands behind that.
    Line(u8, Vec<u8>),
    Bulk(Vec<u8>),
    Nil,
    Array(usize),
}

/// The value that the bytes begin with, if it is whole: the parts of it, an array's before what is in
/// it, and its length.
pub fn value(bytes: &[u8]) -> Option<(Vec<Part>, usize)> {
    let mut parts = Vec::new();
    let (mut at, mut missing, mut items) = (0, 1, 0);
    while missing > 0 {
        let rest = &bytes[at..];
        let end = rest.windows(2).position(|end| end == b"\r\n")?;
        let line = &rest[1.min(end)..end];
        let is_number = line.iter().all(u8::is_ascii_digit);
        let number = || str::from_utf8(line).ok().filter(|_| is_number)?.parse::<usize>().ok();
        at += end + 2;
        missing -= 1;
        parts.push(match rest[0] {
            kind @ (b'+' | b'-' | b':') => Part::Line(kind, line.to_vec()),
            b'$' | b'*' if line == b"-1" => Part::Nil,
            b'$' => {
                let payload = bytes[at..].get(..number()?)?;
                at += payload.len() + 2;
                bytes.get(at - 2..at).filter(|end| end == b"\r\n")?;
                Part::Bulk(payload.to_vec())
            }
            b'*' => {
                let count = number()?;
                // More is too many for the link, too, in all arrays of a value together.
                items = Some(count + items).filter(|items| *items <= 64)?;
                missing += count;
                Part::Array(count)
            }
            _ => return None,
        });
    }
    Some((parts, at))
}

/// What was said, each command as its words: nothing but whole arrays of bulk strings.
pub fn commands(mut said: &[u8]) -> Vec<String> {
    let mut commands = Vec::new();
    while !said.is_empty() {
        let (parts, length) = value(said).expect("a whole command");
        said = &said[length..];
        let words = parts.iter().filter_map(|part| match part {
            Part::Bulk(word) => Some(str::from_utf8(word).unwrap()),
            Part::Line(..) | Part::Nil | Part::Array(_) => None,
        });
        let words: Vec<_> = words.collect();
        assert!(matches!(parts[0], Part::Array(count) if count == words.len()));
        assert_eq!(parts.len(), words.len() + 1);
        commands.push(words.join(" "));
    }
    commands
}

/// A command: an array of bulk strings.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).bytes());
        command.extend([word, &b"\r\n"[..]].concat());
    }
    command
}
