//! Text in pieces: the incremental validator says what `str::from_utf8` says of all that has come.
//!
//! The input is a script; its stream is a text, or almost one. It is also given byte by byte, so that
//! a bad byte must fail at its own place, and not only with the piece that it came in.

use std::str::from_utf8;

use barewire::websocket::message::MessageError;
use barewire::websocket::utf8::Utf8;

use super::script::Script;

pub fn fuzz(script: &Script<'_>) {
    check(script);
    check(&Script::even(script.stream, 1));
}

fn check(script: &Script<'_>) {
    let (mut utf8, mut come, mut whole) = (Utf8::default(), 0, 0);
    assert!(utf8.is_complete(), "nothing is a text");
    for piece in script.pieces() {
        come += piece.len();
        let pushed = utf8.push(piece);
        // No longer than it must be: before `whole` are characters, each of them good for itself.
        let judged = from_utf8(&script.stream[whole..come]);
        match judged {
            Ok(_) => whole = come,
            Err(error) => whole += error.valid_up_to(),
        }
        // RFC 6455 section 8.1. `None`: what has come ends within a character.
        if judged.is_err_and(|error| error.error_len().is_some()) {
            assert_eq!(pushed, Err(MessageError::InvalidUtf8), "up to byte {come}");
            assert!(from_utf8(script.stream).is_err(), "nothing behind it mends it");
            return;
        }
        assert_eq!(pushed, Ok(()), "up to byte {come}");
        assert_eq!(utf8.is_complete(), judged.is_ok(), "up to byte {come}");
    }
    assert_eq!(utf8.is_complete(), from_utf8(script.stream).is_ok());
}
