//! What one client alone is sent, until its socket takes it.
//!
//! What to notice:
//! * An empty one owns no memory, and it is empty nearly always: what it had goes to the next one that is
//!   filled. Of the messages of channels only the rest of a frame comes here, when a client is cut off
//!   inside it.
//! * It has no limit of its own. What bounds it is that a client with much unwritten output is not read
//!   from ([`Conn::wants_input`](super::Conn::wants_input)), so it can cause no more.
//! * What was sent is not moved out at every write, only when it is more than half. So a client that takes
//!   a byte at a time costs a constant for each byte, and not all the rest each time.

use crate::site::Site;

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

    /// The same, with room for so many bytes more, in the memory of the largest that was emptied lately. To
    /// ask the allocator instead is a sixth of what an echo costs outside the kernel, a quarter from 1 KiB on.
    pub(super) fn end_with_room(&mut self, more: usize, site: &Site) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = site.spare.take();
        }
        self.bytes.reserve(more);
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

    /// The socket took the next `n` bytes. If these were not all, it is full, and what may wait here for
    /// long has no more than twice the memory that it needs.
    pub(super) fn sent(&mut self, n: usize, site: &Site) {
        self.sent = self.bytes.len().min(self.sent.saturating_add(n));
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(site.limits.spare_bytes);
            let bytes = std::mem::take(self).bytes;
            if bytes.capacity() > site.spare.borrow().capacity() {
                site.spare.replace(bytes);
            }
        } else {
            if self.sent > self.bytes.len() / 2 {
                self.bytes.drain(..self.sent);
                self.sent = 0;
            }
            self.bytes.shrink_to(2 * self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_the_memory_with_them() {
        let (mut outbox, site) = (Outbox::default(), Site::default());
        outbox.end().extend_from_slice(b"Hello");
        outbox.sent(1, &site);
        assert_eq!(outbox.unsent(), b"ello");
        outbox.sent(3, &site);
        outbox.end().extend_from_slice(b", world");
        assert_eq!(outbox.unsent(), b"o, world");
        outbox.prepend(b"hell".to_vec());
        assert_eq!(outbox.unsent(), b"hello, world");
        outbox.sent(usize::MAX, &site);
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes.capacity(), 0);
    }

    #[test]
    fn the_memory_of_one_serves_the_next_up_to_a_limit() {
        let site = Site::default();
        let most = site.limits.spare_bytes;
        for (bytes, expected) in [(100, 100), (10, 100), (most, most), (most + 1, most)] {
            let (mut first, mut second) = (Outbox::default(), Outbox::default());
            first.end().reserve_exact(bytes);
            first.end().push(b'!');
            first.sent(1, &site);
            assert_eq!(first.bytes.capacity(), 0);
            let end = second.end_with_room(1, &site);
            assert_eq!((end.len(), end.capacity()), (0, expected));
            assert_eq!(site.spare.borrow().capacity(), 0, "nobody else has it meanwhile");
            second.end().push(b'!');
            second.sent(1, &site);
        }
    }

    #[test]
    fn who_waits_for_a_full_socket_has_no_more_than_twice_what_it_needs() {
        let site = Site::default();
        site.spare.replace(Vec::with_capacity(100_000));
        let mut outbox = Outbox::default();
        outbox.end_with_room(30, &site).extend_from_slice(&[b'!'; 30]);
        outbox.sent(0, &site);
        assert_eq!(outbox.bytes.capacity(), 60);
        outbox.sent(20, &site);
        assert_eq!((outbox.unsent().len(), outbox.bytes.capacity()), (10, 20));
    }
}
