//! `barewire explain`: what is said of any bytes fits a terminal, and is what the parsers make of them.
//!
//! The input is explained as it is: as text, a dump or bytes. Then it is explained as what a client
//! sends behind a handshake, where the server's own assembler has the whole of it in one piece: whether
//! a rule is broken, and which, must be the same.

use barewire::explain::explain;
use barewire::websocket::form::Form;
use barewire::websocket::message::{Assembler, Event, MessageLimits};

/// Answered 101, with permessage-deflate.
const HANDSHAKE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

pub fn fuzz(input: &[u8]) {
    if let Ok(explained) = explain(input) {
        assert_fits_a_terminal(&explained.text);
    }
    // Where an answer begins between two frames, it is one, and the server's.
    if input.windows(5).any(|five| five == b"HTTP/") {
        return;
    }
    let explained = explain(&[HANDSHAKE, input].concat()).expect("there is something to explain");
    assert_fits_a_terminal(&explained.text);
    let broken = broken(&mut input.to_vec(), super::frame::compressed());
    assert_eq!(explained.is_legal, broken.is_none(), "{broken:?}: {}", explained.text);
    if let Some(section) = broken {
        let told = format!("broken: {section}");
        assert!(explained.text.contains(&told), "{told}: {}", explained.text);
    }
}

/// Nothing that a terminal would obey, and no line that does not fit.
fn assert_fits_a_terminal(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

/// The section of the rule that is broken, if any is.
fn broken(bytes: &mut [u8], form: Form) -> Option<&'static str> {
    let limits = MessageLimits { max_message_bytes: 64 << 10, max_fragments: 131_072 };
    let mut assembler = Assembler::default();
    let mut rest = bytes;
    loop {
        match assembler.receive(rest, form, &limits) {
            Err(why) => return Some(why.section()),
            Ok((_, None)) => return None,
            Ok((taken, Some(Event::Close(_)))) => {
                // Nothing follows a Close.
                return (taken < rest.len()).then_some("RFC 6455 section 5.5.1");
            }
            Ok((taken, Some(_))) => rest = &mut rest[taken..],
        }
    }
}
