//! What one client alone is sent, until its socket takes it.
//!
//! What to notice:
//! * An empty one owns no memory, and it is empty nearly always. Of the messages of channels only the rest
//!   of a frame comes here, when a client is cut off inside it.
//! * It has no limit of its own. What bounds it is that a client with much unwritten output is not read
//!   from ([`Conn::wants_input`](super::Conn::wants_input)), so it can cause no more.
//! * What was sent is not moved out at every write, only when it is more than half. So a client that takes
//!   a byte at a time costs a constant for each byte, and not all the rest each time.

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Where to append.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Puts bytes before all that is unsent. Nothing of that may have been sent in part.
    pub(super) fn prepend(&mut self, bytes: Vec<u8>) {
        self.bytes.splice(..self.sent, bytes);
        self.sent = 0;
    }

    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The socket took the next `n` bytes.
    pub(super) fn sent(&mut self, n: usize) {
        self.sent = self.bytes.len().min(self.sent.saturating_add(n));
        if self.is_empty() {
            *self = Self::default();
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_the_memory_with_them() {
        let mut outbox = Outbox::default();
        outbox.end().extend_from_slice(b"Hello");
        outbox.sent(1);
        assert_eq!(outbox.unsent(), b"ello");
        outbox.sent(3);
        outbox.end().extend_from_slice(b", world");
        assert_eq!(outbox.unsent(), b"o, world");
        outbox.prepend(b"hell".to_vec());
        assert_eq!(outbox.unsent(), b"hello, world");
        outbox.sent(usize::MAX);
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes.capacity(), 0);
    }
}
