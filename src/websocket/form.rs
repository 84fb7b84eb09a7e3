//! A wire form: how the messages of one connection are encoded, as its handshake has agreed.
//!
//! What to notice:
//! * A frame of a server depends on the message and on the form, and on nothing else. So a message
//!   to ten thousand clients is encoded once for each form, not once for each client.
//! * Compression is a permission and no duty (RFC 7692 section 6): in every form a message may go
//!   as it is, and one that would not get shorter does.
//! * Each message is compressed by itself, so one compressor for each window does for everybody, and a
//!   connection owns none.

use std::collections::BTreeMap;

use super::deflate::{Deflater, Window};
use super::frame;
use super::message::Kind;

/// Messages with fewer bytes than this are not compressed. The few bytes that it would save are
/// less than the headers of the packet they come in.
const MIN_COMPRESSED_BYTES: usize = 64;

/// What a connection has agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// RFC 6455 without extensions.
    #[default]
    Plain,
    /// RFC 7692: either side may compress a message, and the server looks back no further than this
    /// window.
    Deflate(Window),
}

/// Encodes messages in every form, with one compressor for each window that was needed so far.
///
/// A compressor takes about 300 KiB, and an encoder has at most seven.
#[derive(Debug, Default)]
pub struct Encoder {
    deflaters: BTreeMap<Window, Deflater>,
}

impl Encoder {
    /// Appends one whole message, as a server sends it. The payload of text is UTF-8.
    pub fn encode(&mut self, form: Form, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
        if let Form::Deflate(window) = form
            && payload.len() >= MIN_COMPRESSED_BYTES
        {
            let new = || Deflater::new(window);
            let deflater = self.deflaters.entry(window).or_insert_with(new);
            if let Some(deflated) = deflater.deflate(payload) {
                return frame::encode_compressed(kind.opcode(), deflated, out);
            }
        }
        frame::encode(kind.opcode(), payload, out);
    }
}
