//! Masking: how a client makes its payload unpredictable to the proxies on its way (RFC 6455
//! section 5.3).
//!
//! ```text
//!   payload on the wire   7f 9f 4d 51 58
//!   key, repeated         37 fa 21 3d 37        exclusive or, byte by byte
//!   payload               48 65 6c 6c 6f        "Hello"
//! ```
//!
//! What to notice:
//! * Masking and unmasking are the same thing, for `x ^ k ^ k == x`.
//! * It hides nothing: the key travels beside the payload. It only keeps a script in a browser from
//!   choosing the bytes on the wire, with which it could write a request that an old proxy
//!   believes and caches (section 10.3).
//! * The loop goes over words as long as the key. This is all that the compiler needs to use vector
//!   instructions, so that unmasking takes as long as storing 16 bytes at a time.

/// The masking key of one client frame. Any four bytes are a good one, zeros included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(pub [u8; 4]);

impl Mask {
    /// Masks or unmasks `payload` in place, where `offset` is the position of its first byte in the
    /// payload of the whole frame: byte `i` of a frame goes with byte `i mod 4` of the key, however
    /// the network cut the frame. True if the outcome is all ASCII, and so is text: as every byte is at
    /// hand, the answer is for nothing.
    ///
    /// ```
    /// # use barewire::websocket::mask::Mask;
    /// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    /// let is_ascii = Mask([0x37, 0xfa, 0x21, 0x3d]).apply(0, &mut payload);
    /// assert_eq!((&payload, is_ascii), (b"Hello", true));
    /// ```
    pub fn apply(self, offset: usize, payload: &mut [u8]) -> bool {
        let mut key = self.0;
        key.rotate_left(offset % self.0.len());

        let (words, rest) = payload.as_chunks_mut();
        let (mut seen, mut seen_in_rest) = (0, 0);
        for word in words {
            let unmasked = u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key);
            seen |= unmasked;
            *word = unmasked.to_ne_bytes();
        }
        // A word is as long as the key, so the rest begins where the key does.
        for (byte, key) in rest.iter_mut().zip(key) {
            *byte ^= key;
            seen_in_rest |= *byte;
        }
        seen.to_ne_bytes().is_ascii() && seen_in_rest.is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: Mask = Mask([0x37, 0xfa, 0x21, 0x3d]);

    /// Section 5.3 word for word: `j = i MOD 4`, transformed i = original i XOR key j.
    fn by_the_letter(mask: Mask, offset: usize, payload: &[u8]) -> Vec<u8> {
        payload.iter().enumerate().map(|(i, byte)| byte ^ mask.0[(offset + i) % 4]).collect()
    }

    #[test]
    fn s5_7_the_masked_hello_is_hello() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        KEY.apply(0, &mut payload);
        assert_eq!(payload, *b"Hello");
    }

    #[test]
    fn s5_3_an_offset_turns_the_key() {
        for (offset, expected) in [
            (0, [0x37, 0xfa, 0x21, 0x3d, 0x37]),
            (1, [0xfa, 0x21, 0x3d, 0x37, 0xfa]),
            (2, [0x21, 0x3d, 0x37, 0xfa, 0x21]),
            (3, [0x3d, 0x37, 0xfa, 0x21, 0x3d]),
            (4, [0x37, 0xfa, 0x21, 0x3d, 0x37]),
            (usize::MAX, [0x3d, 0x37, 0xfa, 0x21, 0x3d]),
        ] {
            let mut payload = [0; 5];
            KEY.apply(offset, &mut payload);
            assert_eq!(payload, expected, "offset {offset}");
        }
    }

    #[test]
    fn every_length_is_masked_to_its_last_byte() {
        for length in 0..=100 {
            for offset in 0..4 {
                let mut payload = vec![0x55; length];
                let expected = by_the_letter(KEY, offset, &payload);
                KEY.apply(offset, &mut payload);
                assert_eq!(payload, expected, "length {length}, offset {offset}");
            }
        }
    }

    #[test]
    fn one_byte_that_is_not_ascii_is_seen_wherever_it_stands() {
        for length in 1..=40 {
            for place in 0..length {
                let mut payload = vec![b'a'; length];
                payload[place] = 0x80;
                KEY.apply(0, &mut payload);
                assert!(!KEY.apply(0, &mut payload), "at {place} of {length}");
                payload[place] = 0x7f;
                KEY.apply(0, &mut payload);
                assert!(KEY.apply(0, &mut payload), "at {place} of {length}");
            }
        }
    }

    #[test]
    fn a_zero_key_changes_nothing() {
        let mut payload = *b"as it was";
        Mask([0; 4]).apply(3, &mut payload);
        assert_eq!(payload, *b"as it was");
    }

    proptest! {
        #[test]
        fn masking_twice_is_identity(
            key: [u8; 4], offset in 0..1_000_usize, payload: Vec<u8>,
        ) {
            let mut masked = payload.clone();
            Mask(key).apply(offset, &mut masked);
            prop_assert_eq!(&masked, &by_the_letter(Mask(key), offset, &payload));
            Mask(key).apply(offset, &mut masked);
            prop_assert_eq!(masked, payload);
        }

        #[test]
        fn cutting_the_payload_anywhere_changes_nothing(
            key: [u8; 4], payload: Vec<u8>, cut: prop::sample::Index,
        ) {
            let mut whole = payload.clone();
            Mask(key).apply(0, &mut whole);
            let cut = cut.index(payload.len() + 1);
            let mut pieces = payload;
            let (left, right) = pieces.split_at_mut(cut);
            Mask(key).apply(0, left);
            Mask(key).apply(cut, right);
            prop_assert_eq!(pieces, whole);
        }
    }
}
