//! A tap on one client's wire: with `RUST_LOG=barewire::wire=trace`, every request and frame in a
//! line of its own, `<` from the client and `>` to it.

use std::fmt;

use crate::trace::Wire;

const TARGET: &str = "barewire::wire";

/// Sees every byte that passes one socket. Without the log target it is one empty pointer.
#[derive(Debug, Default)]
pub(super) struct Tap(Option<Box<(String, Wire)>>);

impl Tap {
    /// A tap on a connection that has just been accepted, if anybody wants to see it.
    pub(super) fn new(client: &dyn fmt::Debug) -> Self {
        let is_wanted = log::log_enabled!(target: TARGET, log::Level::Trace);
        Self(is_wanted.then(|| Box::new((format!("{client:?}"), Wire::default()))))
    }

    /// What was read, to be shown before it is unmasked where it lies.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if let Some((client, wire)) = self.0.as_deref_mut() {
            wire.received(bytes, &mut |line| log::trace!(target: TARGET, "{client} {line}"));
        }
    }

    /// Exactly what the socket took.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if let Some((client, wire)) = self.0.as_deref_mut() {
            wire.sent(bytes, &mut |line| log::trace!(target: TARGET, "{client} {line}"));
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some((client, wire)) = self.0.take().map(|tapped| *tapped) {
            wire.ended(&mut |line| log::trace!(target: TARGET, "{client} {line}"));
        }
    }
}
