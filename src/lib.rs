//! Barewire: a WebSocket server on raw nonblocking sockets. So far it answers HTTP,
//! and echoes on `/echo`.

pub mod conn;
pub mod http;
pub mod limits;
pub mod net;
pub mod now;
pub mod origin;
pub mod site;
pub mod timers;
pub mod upgrade;
pub mod websocket;
