//! The bytes that `barewire publish` exchanges with a server: its request, and the answer to it.
//!
//! What to notice:
//! * No socket: the request is a value, and the answer is read from the bytes that came so far.
//! * Only as much of HTTP/1.1 as our own server answers with: Content-Length, and nothing chunked.
//! * The first byte that no HTTP server sends is enough to know that none is there.

use crate::channel::Channel;
use crate::options::ServerAddress;
use crate::secret::Secret;

/// The largest answer that is read: what the server says is one short line.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The whole request: one write, so that it is usually one segment.
pub(super) fn request(
    at: &ServerAddress,
    token: Option<&Secret>,
    channel: &Channel,
    message: &[u8],
) -> Vec<u8> {
    let mut bytes = b"POST /publish?channel=".to_vec();
    percent_encode(channel.as_str(), &mut bytes);
    let length = message.len();
    let fields =
        format!(" HTTP/1.1\r\nHost: {at}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    bytes.extend_from_slice(fields.as_bytes());
    if let Some(token) = token {
        // RFC 6750 section 2.1.
        bytes.extend_from_slice(b"Authorization: Bearer ");
        bytes.extend_from_slice(token.reveal());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(message);
    bytes
}

/// RFC 3986 section 2.3: all but the unreserved characters is written as `%` and two digits.
fn percent_encode(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// What came is no answer of an HTTP/1.1 server, or a larger one than ours gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

/// Reads the status and the body of a whole answer; `None` while bytes are missing. Only
/// Content-Length tells the length: our server uses nothing else.
pub(super) fn answer(bytes: &[u8]) -> Result<Option<(u16, String)>, NotHttp> {
    let mut rest = bytes;
    loop {
        let expected = b"HTTP/1.1 ";
        if !rest.iter().zip(expected).all(|(byte, expected)| byte == expected) {
            return Err(NotHttp);
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n");
        let Some((head, body)) = end.and_then(|end| rest.split_at_checked(end + 4)) else {
            return if bytes.len() > MAX_ANSWER_BYTES { Err(NotHttp) } else { Ok(None) };
        };
        let head = String::from_utf8_lossy(head);
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(NotHttp)?;
        // RFC 9110 section 15.2: an interim answer has no body, and another answer follows.
        if (100..200).contains(&status) {
            rest = body;
            continue;
        }
        let length = content_length(&head).ok_or(NotHttp)?;
        if length > MAX_ANSWER_BYTES {
            return Err(NotHttp);
        }
        let body = body.split_at_checked(length);
        return Ok(body.map(|(body, _)| (status, String::from_utf8_lossy(body).into_owned())));
    }
}

fn content_length(head: &str) -> Option<usize> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

/// The number with which the body of a 200 begins.
pub(super) fn receivers(body: &str) -> Option<u64> {
    body.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_wherever_it_is_cut() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nDate: x\r\ncontent-length:  3 \r\n\r\nno\n";
        let whole = bytes.len();
        for cut in 0..whole {
            assert_eq!(answer(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(answer(bytes), Ok(Some((503, "no\n".to_owned()))));
        assert_eq!(answer(&[&bytes[..], b"more"].concat()), answer(bytes));
    }

    #[test]
    fn what_is_no_answer_is_known_by_its_first_wrong_byte() {
        for bytes in [
            &b"S"[..],
            b"HTTP/1.0",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
            b"HTTP/1.1 \xff\xff\xff\r\n\r\n",
        ] {
            assert_eq!(answer(bytes), Err(NotHttp), "{}", bytes.escape_ascii());
        }
        let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; MAX_ANSWER_BYTES]].concat();
        assert_eq!(answer(&endless), Err(NotHttp));
    }
}
