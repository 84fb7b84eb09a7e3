//! What one client alone is sent, until its socket takes it.

/// Bytes that wait to be written. An empty one owns no memory.
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

    /// The socket took the next `n` bytes. Memory is given back when all are out; a client that is
    /// blocked has its bytes moved down only when that at least halves them.
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
