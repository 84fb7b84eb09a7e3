//! A client that reads what a server says, as plainly as can be, and panics at what it must not say.

use super::inflate::{End, inflate};
use super::message::Seen;

/// What a connection was told.
#[derive(Debug, Default)]
pub struct Told {
    /// The status of each answer, and the place of the byte behind it. Frames follow a 101.
    pub answers: Vec<(usize, u16)>,
    /// The last answer says that it is the last.
    pub is_over: bool,
    /// The 101 has agreed to compression.
    pub is_compressed: bool,
    /// What each frame says, and the place of the byte behind it.
    pub frames: Vec<(usize, Seen)>,
}

/// Reads everything a connection was told, which must end where an answer or a frame does. `sent` is
/// what the client had sent; `most` is how many requests are answered.
pub fn hears(said: &[u8], sent: &[u8], most: u32) -> Told {
    let asked_for_heads = sent.windows(5).any(|method| method == b"HEAD ");
    let mut told = Told::default();
    let mut rest = said;
    let mut answers = 0;
    while !rest.is_empty() {
        let answer = Answer::take(&mut rest).expect("a whole head");
        match answer.status {
            100 => {
                assert!(answer.fields.is_empty(), "{answer:?}");
                told.answers.push((said.len() - rest.len(), 100));
                continue;
            }
            101 => {
                told.answers.push((said.len() - rest.len(), 101));
                let window_bits = answer.window_bits();
                told.is_compressed = window_bits.is_some();
                while !rest.is_empty() {
                    let seen = hears_frame(&mut rest, window_bits);
                    told.frames.push((said.len() - rest.len(), seen));
                }
                return told;
            }
            _ => {}
        }
        answers += 1;
        assert!(answers <= most, "{answers} requests are answered");
        assert!(answer.field("Date").is_some(), "{answer:?}");
        // RFC 9110 section 9.3.2: the answer to HEAD has a length and no body.
        let length: usize = answer.field("Content-Length").unwrap().parse().unwrap();
        let has_no_body = rest.is_empty() || rest.starts_with(b"HTTP/1.1 ");
        if !(asked_for_heads && has_no_body) {
            rest = rest.get(length..).expect("a whole body");
        }
        told.answers.push((said.len() - rest.len(), answer.status));
        // Behind a request that was refused nobody knows where the next one begins.
        let is_last = answer.field("Connection").is_some_and(|options| options.contains("close"));
        told.is_over = is_last || answer.status != 200;
        assert!(!told.is_over || rest.is_empty(), "something follows the last answer");
    }
    told
}

#[derive(Debug)]
struct Answer<'a> {
    status: u16,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Answer<'a> {
    /// RFC 9112 section 4: the status line and the fields, if they are all there.
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let end = rest.windows(4).position(|end| end == b"\r\n\r\n")?;
        let mut lines = str::from_utf8(&rest[..end]).unwrap().split("\r\n");
        *rest = &rest[end + 4..];
        let (version, status) = lines.next().unwrap().split_once(' ').unwrap();
        assert_eq!(version, "HTTP/1.1");
        let (digits, reason) = status.split_once(' ').unwrap();
        assert!(digits.len() == 3 && !reason.is_empty(), "{status}");
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            assert!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
                "{line}"
            );
            assert!(!value.bytes().any(|byte| byte.is_ascii_control()), "{line}");
            assert!(
                !fields.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)),
                "{line}"
            );
            fields.push((name, value));
        }
        Some(Self { status: digits.parse().unwrap(), fields })
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1)
    }

    /// RFC 6455 section 4.1 and RFC 7692 section 7.1: what a 101 has agreed to, if to compression.
    fn window_bits(&self) -> Option<u8> {
        assert_eq!(self.field("Upgrade"), Some("websocket"));
        assert_eq!(self.field("Connection"), Some("Upgrade"));
        assert_eq!(self.field("Sec-WebSocket-Accept").unwrap().len(), 28);
        assert_eq!(self.field("Content-Length"), None);
        let mut params = self.field("Sec-WebSocket-Extensions")?.split("; ");
        assert_eq!(params.next(), Some("permessage-deflate"));
        let bits = params.find_map(|param| param.strip_prefix("server_max_window_bits="));
        Some(bits.map_or(15, |bits| bits.parse().unwrap()))
    }
}

/// RFC 6455 section 5: one of a server's frames.
fn hears_frame(rest: &mut &[u8], window_bits: Option<u8>) -> Seen {
    let (first, payload) = take_frame(rest).expect("a whole frame");
    assert_eq!(first & 0xb0, 0x80, "section 5.2: one frame a message, and RSV2 and RSV3 are 0");
    let payload = if first & 0x40 == 0 {
        payload.to_vec()
    } else {
        assert!(matches!(first & 0x0f, 1 | 2), "RFC 7692 section 6: only messages are compressed");
        let message = inflated(payload, window_bits.expect("RSV1 only if it was agreed on"));
        assert!(message.len() > payload.len(), "compressed, and not shorter");
        message
    };
    match first & 0x0f {
        1 => Seen::Text(String::from_utf8(payload).expect("section 8.1: text is UTF-8")),
        2 => Seen::Binary(payload),
        opcode @ 8..=10 => {
            assert!(payload.len() <= 125, "section 5.5: a long control frame");
            match opcode {
                9 => Seen::Ping(payload),
                10 => Seen::Pong(payload),
                _ => {
                    assert!(rest.is_empty(), "section 5.5.1: something follows the Close");
                    Seen::Close(close(&payload))
                }
            }
        }
        opcode => panic!("section 5.2: opcode {opcode}"),
    }
}

/// RFC 6455 section 5.5.1: the code and the reason, if there are any.
fn close(payload: &[u8]) -> Option<(u16, String)> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        assert!(payload.is_empty(), "half a code");
        return None;
    };
    let code = u16::from_be_bytes(*code);
    let codes = [1000..=1003, 1007..=1014, 3000..=4999];
    assert!(codes.iter().any(|some| some.contains(&code)), "section 7.4: {code}");
    Some((code, String::from_utf8(reason.to_vec()).unwrap()))
}

/// RFC 6455 section 5.2: the first byte and the payload of a frame without a mask, if it is all there.
fn take_frame<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second {
        0..126 => (usize::from(second), rest),
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).unwrap(), rest)
        }
        128.. => panic!("section 5.1: a server masks nothing"),
    };
    let shortest = match second {
        126 => 126,
        127 => 1 << 16,
        _ => 0,
    };
    assert!(length >= shortest, "{length} bytes are announced in too many");
    let (payload, behind) = rest.split_at_checked(length)?;
    *bytes = behind;
    Some((first, payload))
}

/// RFC 7692 section 7.2.2, with no larger a window than was agreed on.
fn inflated(payload: &[u8], window_bits: u8) -> Vec<u8> {
    let whole = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    let (message, end) = inflate(&whole, 1 << window_bits, usize::MAX);
    assert_eq!(end, End::Block);
    message
}
