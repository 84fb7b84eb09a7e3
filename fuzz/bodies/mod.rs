//! What the fuzz targets assert, one file a target: no sockets, no threads, no clock.
//!
//! What to notice:
//! * A body is a plain function of bytes that panics if they break a promise. libFuzzer calls it
//!   with inputs of its own making (`targets/`), and `cargo test` with every input that is kept
//!   (`tests/fuzz_replay.rs`), so no target can rot.
//! * Where a stream comes in pieces, the input itself says where it is cut, and when: see [`script`].
//! * What goes over a wire is read by plain readers of our own: see [`client`], [`resp`] and, for what
//!   both connections to Redis have in common, [`redis_session`].
//! * A promise about memory is held by an allocator that counts: see [`memory`].

pub mod client;
pub mod inflate;
pub mod memory;
pub mod plain;
pub mod redis_session;
pub mod resp;
pub mod script;

pub mod against_httparse;
pub mod against_tungstenite;
pub mod broadcast;
pub mod connection;
pub mod deflate;
pub mod explain;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod redis_link;
pub mod redis_publisher;
pub mod redis_url;
pub mod request_head;
pub mod target;
pub mod utf8;
pub mod whole_server;
