//! Chapter 13: how does one find what nobody thought of?
//!
//! A test has an input that somebody thought of. A fuzzer makes inputs, millions of them, watches which
//! take the program to places where it has not been, keeps those, and changes them further. It needs two
//! things. Something to run: a function of bytes, without a socket and without a clock, which is what all
//! of this code is made of (chapter 7). And something to hold: a sentence that must be true of *every*
//! input. "It does not panic" is the least. Better are:
//!
//! * *it agrees with itself*: cut elsewhere, it says the same; encoded and decoded again, it is the same;
//! * *it agrees with somebody else*: with another implementation, or with a model so plain that it is
//!   obviously right;
//! * *it stays within a limit*: of memory, of output, of time.
//!
//! **Predict**: of a hundred thousand random inputs of 14 bytes, how many begin with a legal frame header?
//!
//! ```
//! use barewire::websocket::{form::Form, frame};
//!
//! /// What must hold for every input: the first answer is that of every longer piece, too.
//! fn fuzz(input: &[u8]) -> bool {
//!     let mut decided = None;
//!     for end in 0..=input.len() {
//!         let answer = frame::decode(&input[..end], Form::Plain);
//!         if answer != Ok(None) {
//!             assert_eq!(*decided.get_or_insert(answer), answer, "{input:x?} cut at {end}");
//!         }
//!     }
//!     matches!(decided, Some(Ok(_)))
//! }
//!
//! // A poor fuzzer: numbers that look like chance, and nobody who watches where they lead.
//! let mut dice = 1_u64;
//! let mut legal = 0;
//! for _ in 0..100_000 {
//!     let mut input = [0; 16];
//!     for bytes in input.chunks_mut(8) {
//!         dice ^= dice << 13;
//!         dice ^= dice >> 7;
//!         dice ^= dice << 17;
//!         bytes.copy_from_slice(&dice.to_le_bytes());
//!     }
//!     legal += usize::from(fuzz(&input[..14]));
//! }
//! // Legal are 9 of 256 first bytes (FIN, reserved bits, opcode) and every second one after.
//! assert!((1_500..1_900).contains(&legal), "{legal}");
//! ```
//!
//! Less than two in a hundred, for the smallest grammar here. A whole handshake would never come about by
//! chance: `Sec-WebSocket-Key` alone has 17 characters. So each target has *seeds* to begin with and a
//! *dictionary* of the words of its grammar, and the fuzzer sees which of its changes reach new lines.
//!
//! There are sixteen targets, from a frame's header to the whole server with its clients and a dying Redis,
//! in virtual time. Three of the first five findings came before a fuzzer had run, from writing down what
//! must hold: that is most of the work, and most of the use. All inputs that were kept run with
//! `cargo test --test fuzz_replay`, so no target can rot.
//!
//! **Where to look**: `fuzz/README.md`, which begins where somebody begins who has never fuzzed; then
//! `fuzz/bodies/frame.rs`, one short file, and `fuzz/bodies/whole_server.rs`, the long one.
//!
//! Back: [12, what can go wrong](super::_12_what_can_go_wrong) · next: [14, numbers to repeat](super::_14_numbers)
