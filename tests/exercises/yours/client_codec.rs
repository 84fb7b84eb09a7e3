//! Exercise `client_codec`: your side. The two functions are called by `tests/exercises/client_codec.rs`.

/// A frame as a server sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// The 4 bits of it: 0 to 2, or 8 to 10.
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// A whole frame from a client, masked with `key` (RFC 6455 sections 5.2 and 5.3).
pub(crate) fn encode(_fin: bool, _opcode: u8, _payload: &[u8], _key: [u8; 4]) -> Vec<u8> {
    Vec::new()
}

/// Reads the frame at the start of `bytes`, and says how many of them it has. `None`: it goes on behind
/// `bytes`, and what is there breaks no rule yet.
///
/// # Errors
/// The rule that the bytes break, in your words. A payload of more than `most_bytes` breaks one too, and
/// is refused as soon as the header announces it.
pub(crate) fn decode(_bytes: &[u8], _most_bytes: usize) -> Result<Option<(Frame, usize)>, String> {
    Err("not written yet".to_owned())
}
