//! Frames, RFC 6455 section 5.2, as of a client that makes no mistake.

/// Appends an unmasked frame.
pub fn encode(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ ..=125 => out.push(length as u8),
        length @ ..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends to `out` an echo of each whole masked frame. Gives back how many bytes those were.
pub fn echo(bytes: &mut [u8], out: &mut Vec<u8>) -> usize {
    let mut used = 0;
    while let Some((opcode, header, length)) = header(&bytes[used..]) {
        let Some(frame) = bytes.get_mut(used..used + header + length) else { break };
        let (head, payload) = frame.split_at_mut(header);
        let mask = head[header - 4..].try_into().expect("four bytes");
        unmask(mask, payload);
        encode(opcode, payload, out);
        used += header + length;
    }
    used
}

fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (header, length) = match bytes.get(1)? & 0x7f {
        126 => (8, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (14, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        length => (6, length.into()),
    };
    Some((bytes[0] & 0x0f, header, length))
}

fn unmask(mask: [u8; 4], payload: &mut [u8]) {
    let (words, rest) = payload.as_chunks_mut::<8>();
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}
