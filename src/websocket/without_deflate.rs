//! What stands in the place of `deflate.rs` in a build without the cargo feature `deflate`: nothing.
//!
//! What to notice:
//! * No offer is accepted (RFC 7692 section 5 lets a server decline), and the connection goes on without.
//! * Types without variants have no values. So there is no window to agree on, and the compiler sees that
//!   nothing which would need one can happen: an empty `match` is the proof.
//! * The names are those of `deflate.rs`, so that `mod.rs` alone has to ask which of the two is there.

use std::fmt;

use super::extension::Offer;
use super::form::Form;
use super::message::MessageError;

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {}

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {}

impl Agreement {
    /// Every offer is declined (RFC 7692 section 5), and the connection goes on without.
    #[must_use]
    pub const fn negotiate(_: &[Offer<'_>]) -> Option<Self> {
        None
    }

    /// Never called.
    #[must_use]
    pub const fn form(self) -> Form {
        match self {}
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Deflater {}

impl Deflater {
    pub(super) const fn new(window: Window) -> Self {
        match window {}
    }

    pub(super) const fn deflate(&mut self, _: &[u8]) -> Option<&[u8]> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Inflater {}

impl Inflater {
    pub(super) const fn new(window: Window, _: usize) -> Self {
        match window {}
    }

    pub(super) const fn push(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), MessageError> {
        match *self {}
    }

    pub(super) const fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), MessageError> {
        match *self {}
    }
}
