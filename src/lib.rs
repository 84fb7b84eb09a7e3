//! Barewire: a WebSocket server on raw nonblocking sockets. So far, the HTTP that it will be built on.

pub mod http;
pub mod now;
