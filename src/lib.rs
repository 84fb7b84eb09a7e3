//! Barewire: a WebSocket server on raw nonblocking sockets. So far it is an HTTP server.

pub mod conn;
pub mod http;
pub mod limits;
pub mod net;
pub mod now;
pub mod site;
pub mod timers;
