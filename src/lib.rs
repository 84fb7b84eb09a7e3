//! Barewire: a WebSocket server on raw nonblocking sockets. So far it answers HTTP,
//! echoes on `/echo`, and tells every subscriber of `awake` that it is awake.

pub mod broadcast;
pub mod channel;
pub mod conn;
pub mod http;
pub mod hub;
pub mod limits;
pub mod net;
pub mod now;
pub mod origin;
pub mod site;
pub mod timers;
pub mod upgrade;
pub mod websocket;
