//! The exercises of `tests/exercises/README.md`: each is a test that is red until somebody has done it.
//!
//! What to notice:
//! * Exercises are ignored, so `cargo test` stays green. One of them is run by its name:
//!   `cargo test --test exercises -- --ignored time`.
//! * No solution stands in the tree. What you write goes into `src/`, or into your own file under
//!   `tests/exercises/yours/`, where the signatures are.
//! * The tests here that are not ignored hold the sheet together: no exercise without its test, no test
//!   without its exercise, no bug without its row.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

#[path = "exercises/channel_counters.rs"]
mod channel_counters;
#[path = "exercises/client_codec.rs"]
mod client_codec;
#[path = "exercises/close_reason.rs"]
mod close_reason;
#[path = "exercises/frame_by_hand.rs"]
mod frame_by_hand;
#[path = "exercises/last_message.rs"]
mod last_message;
#[path = "exercises/patterns.rs"]
mod patterns;
#[path = "exercises/sheet.rs"]
mod sheet;
#[path = "exercises/time.rs"]
mod time;
#[path = "exercises/timer_wheel.rs"]
mod timer_wheel;
#[path = "exercises/tls.rs"]
mod tls;

use std::fmt::Debug;

use proptest::test_runner::TestCaseError;
use support::client::{Frame, close};
use support::redis::RedisServer;
use support::{Client, SOON, Server, eventually};

/// An exercise, as its tests speak of it.
struct Exercise {
    /// As in README.md.
    name: &'static str,
    /// Where to begin.
    begin: &'static str,
}

impl Exercise {
    /// Fails, unless it is so, with what is expected, what there is instead, and where to begin.
    #[track_caller]
    fn expects(&self, expected: &str, is_so: bool, got: impl Debug) {
        assert!(is_so, "{}", self.text(expected, got));
    }

    /// The same for a law, of which a small counterexample is looked for, without a word meanwhile.
    fn must(&self, expected: &str, is_so: bool, got: impl Debug) -> Result<(), TestCaseError> {
        if is_so { Ok(()) } else { Err(TestCaseError::fail(self.text(expected, got))) }
    }

    fn text(&self, expected: &str, got: impl Debug) -> String {
        let Self { name, begin } = self;
        format!(
            "\n\n  exercise: {name}\n  expected: {expected}\n  but got:  {got:?}\n  begin in: {begin}\n"
        )
    }
}

/// Says goodbye and is answered; what comes before the answer is passed over.
#[track_caller]
fn leaves(client: &mut Client) {
    client.send_frame(0x88, &close(1000, ""));
    client.closed();
}

/// A frame as one reads it in a test's message: its first byte, and its payload.
fn shown(frame: &Frame) -> String {
    format!("{:02x} {}", frame.first, frame.payload.escape_ascii())
}

/// A real Redis. Who does an exercise wants to know that nothing was tested, which a test that passes
/// does not show.
fn redis() -> RedisServer {
    RedisServer::start(&[]).expect("this exercise needs redis-server: apt-get install redis-server")
}

/// A client of a server with Redis, which may not have been reached yet; and what else it is answered.
fn answered_when_ready(server: &Server, target: &str) -> (Client, u16) {
    let mut found = None;
    eventually("Redis is reached", SOON, || {
        let mut client = server.client();
        let status = client.try_upgrade(target, "").status;
        found = Some((client, status));
        status != 503
    });
    found.expect("it was reached")
}
